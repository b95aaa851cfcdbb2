"""Recipes and spaces as YAML with a comment for everything, for people to edit."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tenfold.recipe.files import dump_yaml
from tenfold.recipe.kinds import Family, kinds
from tenfold.recipe.network import MLP
from tenfold.recipe.recipe import Recipe
from tenfold.rules.record import rule_name

MEANINGS = {
    "preprocess": "numeric inputs, fitted on the training rows",
    "network": "affine map, normalization, activation and dropout for each hidden layer",
    "hidden": "units of each hidden layer; [] is a linear model",
    "activation": "hidden activation",
    "normalization": "before the activation",
    "dropout": "share of hidden units dropped in training, in [0, 1)",
    "init": "initial weights",
    "loss": "auto decides by the task",
    "optimizer": "update rule; lr is its learning rate",
    "decay": "of the learning rate",
    "weight_decay": "from 0; decoupled for adamw, an L2 gradient for the others",
    "clip_norm": "largest norm of the gradient, above 0; null is no limit",
    "batch_size": "rows, or full",
    "epochs": "passes over the training rows, from 1",
}
SPACE_HEADER = """\
# A space of recipes. A list is a choice, each option equally likely (an inner list shares the chance of one
# option); {uniform: [a, b]}, {log_uniform: [a, b]} and {int_log_uniform: [a, b]} are ranges. A field that is
# absent keeps its default.
"""
RECIPE_HEADER = "# A bare name is a rule at its defaults; {name: {field: value}} sets its fields.\n"


def comment(name: str, *, record: type = Recipe) -> str:
    """What a field means, and for a family of rules every name."""
    kind = kinds(record)[name]
    return f"{MEANINGS[name]}: {' | '.join(kind.names)}" if isinstance(kind, Family) else MEANINGS[name]


def _rules_with_fields() -> list[str]:
    """A comment line for each rule that has fields, with their defaults, family by family."""
    families = {**kinds(MLP), **kinds(Recipe)}
    lines = []
    for name, kind in families.items():
        for rule in kind.rules if isinstance(kind, Family) else ():
            fields = ", ".join(f"{field}: {getattr(rule(), field):g}" for field in kinds(rule))
            lines += [f"#   {name}: {{{rule_name(rule)}: {{{fields}}}}}\n"] if fields else []
    return lines


def commented_default() -> str:
    """The default recipe as YAML text, with a comment on every line that names the alternatives.

    `Recipe.from_yaml` of it is `Recipe()`.
    """
    rows: list[tuple[str, str]] = []
    for name, value in Recipe().to_dict().items():
        inside = value if isinstance(value, Mapping) else {}
        first = f"{name}:" if inside else dump_yaml({name: value}).rstrip()
        rows.append((first, comment(name)))
        rows += [(f"  {dump_yaml({key: item}).rstrip()}", comment(key, record=MLP)) for key, item in inside.items()]
    width = max(len(line) for line, _ in rows)
    body = "".join(f"{line:<{width}}  # {text}\n" for line, text in rows)
    return RECIPE_HEADER + body + "# Rules that have fields, with the defaults:\n" + "".join(_rules_with_fields())


def commented_space(data: Any) -> str:
    """A space's plain data as YAML text: a header on sets, and each field under a comment."""
    if not isinstance(data, Mapping) or not data:
        return SPACE_HEADER + dump_yaml(data)
    parts = [f"\n# {comment(name)}\n{_space_field(name, value)}" for name, value in data.items()]
    return SPACE_HEADER + "".join(parts)


def _space_field(name: str, value: Any) -> str:
    """One field of a space; a network's own fields each have a comment line."""
    if name != "network" or not isinstance(value, Mapping) or not value:
        return dump_yaml({name: value})
    lines = [f"{name}:\n"]
    for key, item in value.items():
        indented = "".join(f"  {line}\n" for line in dump_yaml({key: item}).splitlines())
        lines.append(f"  # {comment(key, record=MLP)}\n{indented}")
    return "".join(lines)
