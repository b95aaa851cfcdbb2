"""Recipes and spaces as YAML with a comment for everything, for people to edit."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tenfold.recipe.grammar.field_kinds import Family, FieldKind, LayerList, kinds
from tenfold.recipe.grammar.files import dump_yaml
from tenfold.recipe.network import MLP, Layers
from tenfold.recipe.recipe import Recipe
from tenfold.recipe.words.explain import catalogue, fields_said
from tenfold.rules.augmentation import Augmentation
from tenfold.rules.fields import Number, Words

MEANINGS = {
    "preprocess": "numeric inputs, fitted on the training rows",
    "augment": "of training images, drawn anew in every epoch",
    "flip": "mirror left and right with probability 1/2",
    "shift": "by up to so many pixels in each direction",
    "network": "hidden layers that are alike, {hidden: [...], ...}, or any, {layers: [...]}",
    "layers": "one by one; the output layer is appended",
    "hidden": "units of each hidden layer; [] is a linear model",
    "activation": "hidden activation",
    "normalization": "of hidden units",
    "normalize": "where the normalization stands: before or after the activation",
    "dropout": "share of hidden units dropped in training, in [0, 1)",
    "input_dropout": "share of inputs dropped in training, in [0, 1)",
    "init": "initial weights",
    "loss": "auto decides by the task",
    "optimizer": "update rule; lr is its learning rate",
    "decay": "of the learning rate",
    "weight_decay": "from 0; decoupled for adamw, lion, muon, an L2 gradient for the others",
    "l1": "from 0; strength of the L1 penalty",
    "max_norm": "largest norm of the weights into a unit, above 0; null is no limit",
    "clip_norm": "largest norm of the gradient, above 0; null is no limit",
    "clip_value": "largest number of the gradient, above 0; null is no limit",
    "weight_average": "decay of the average of the weights that predicts, in [0, 1); 0 is off",
    "batch_size": "rows, or full",
    "epochs": "passes over the training rows, from 1",
}
SPACE_HEADER = """\
# A space of recipes. A list is a choice, each option equally likely (an inner list shares the chance of one
# option); {uniform: [a, b]}, {log_uniform: [a, b]} and {int_log_uniform: [a, b]} are ranges. A field that is
# absent keeps its default.
"""
RECIPE_HEADER = """\
# A bare name is a rule at its defaults; {name: {field: value}} sets its fields, {name: value} its main field.
"""
RECORDS = (Recipe, MLP, Layers, Augmentation)  # whose fields stand in a recipe without a name


def comment(name: str) -> str:
    """What a field means, and for a family of rules every name."""
    kind = _kind(name)
    names = kind.layer.names if isinstance(kind, LayerList) else kind.names if isinstance(kind, Family) else []
    return f"{MEANINGS[name]}: {' | '.join(names)}" if names else MEANINGS[name]


def _kind(name: str) -> FieldKind:
    return next(kinds(record)[name] for record in RECORDS if name in kinds(record))


def _rules_with_fields() -> list[str]:
    """A line for each rule that has fields: their defaults, then the words of each option, and the presets."""
    lines, seen = [], set()
    for entry in catalogue():
        fields, again = fields_said(entry.defaults), entry.rule in seen
        seen.add(entry.rule)
        if fields and entry.place != entry.name and not again:
            one = f"{{{entry.name}: {{{fields}}}}}"
            text = f"layers: [{one}]" if entry.place == "layer" else f"{entry.place}: {one}"
            said = "; ".join(f"{field}: {' | '.join(words)}" for field, words in choices_of(entry.rule).items())
            lines.append(f"#   {text}  # {said}\n" if said else f"#   {text}\n")
    return lines


def choices_of(rule: type) -> dict[str, list[str]]:
    """The words of each field of a rule that has some, and of `preset`."""
    found: dict[str, list[str]] = {}
    for field, kind in kinds(rule).items():
        if isinstance(kind, Words | Number) and kind.words:
            found[field] = [*(["a number"] if isinstance(kind, Number) else []), *kind.words]
    presets: list[str] = list(getattr(rule, "PRESETS", ()))
    if presets:
        found["preset"] = presets
    return found


def commented_default() -> str:
    """The default recipe as YAML text, with a comment on every line that names the alternatives.

    `Recipe.from_yaml` of it is `Recipe()`.
    """
    rows: list[tuple[str, str]] = []
    for name, value in Recipe().to_dict().items():
        inside = value if isinstance(value, Mapping) else {}
        first = f"{name}:" if inside else dump_yaml({name: value}).rstrip()
        rows.append((first, comment(name)))
        rows += [(f"  {dump_yaml({key: item}).rstrip()}", comment(key)) for key, item in inside.items()]
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
    """One field of a space; the fields of a network or augmentation each have a comment line."""
    named = isinstance(_kind(name), Family)
    if named or not isinstance(value, Mapping) or not set(value) <= set(MEANINGS) or not value:
        return dump_yaml({name: value})
    lines = [f"{name}:\n"]
    for key, item in value.items():
        indented = "".join(f"  {line}\n" for line in dump_yaml({key: item}).splitlines())
        lines.append(f"  # {comment(key)}\n{indented}")
    return "".join(lines)
