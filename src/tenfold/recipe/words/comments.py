"""Recipes and spaces as YAML with a comment for everything, for people to edit."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tenfold.recipe.grammar.field_kinds import Family, FieldKind, LayerList, kinds
from tenfold.recipe.grammar.files import dump_yaml
from tenfold.recipe.network import MLP, Layers
from tenfold.recipe.recipe import Recipe
from tenfold.recipe.words.explain import catalogue, yaml_fields
from tenfold.rules.augmentation import Augmentation
from tenfold.rules.fields import Number, Words
from tenfold.rules.rate_factors import RateFactors

# `comment` adds the names of a family and the range of a number. A field that two records have is named with the place
# of the second one.
MEANINGS = {
    "preprocess": "numeric inputs, fitted on the training rows",
    "integers": "whole numbers of 3 to 50 values: as numbers alone, or as categories too",
    "categories": "of more than 8 levels: one_hot columns, target_means of levels too, or embedded as learned numbers",
    "augment": "training images, drawn anew in every epoch",
    "flip": "mirror left and right with probability 1/2",
    "shift": "move by up to so many pixels in each direction",
    "network": "equal hidden layers, {hidden: [...], ...}, or a list of any layers, {layers: [...]}",
    "layers": "one by one; the output layer is appended",
    "hidden": "a linear model: []; else units of each hidden layer",
    "activation": "hidden activation",
    "normalization": "of hidden units",
    "normalize": "before or after the activation",
    "dropout": "share of hidden units dropped in training",
    "input_dropout": "share of inputs dropped in training",
    "embedding": "what each numeric column of a table becomes in front of the first layer",
    "scale": "whether a learned factor for each number that enters the first layer comes in front of it",
    "views": "of every row, each with an output layer of its own; 1 for none",
    "init": "initial weights",
    "loss": "auto decides by the task",
    "optimizer": "update rule; lr is its learning rate",
    "decay": "of the learning rate",
    "rate_factors": "what multiplies the learning rate of each kind of parameter",
    "bias": "of biases of layers",
    "rate_factors.scale": "of scaling layers",
    "rate_factors.embedding": "of embeddings of numbers",
    "rate_factors.categories": "of embedded categories",
    "parametric": "of what activations learn",
    "first_layer": "of the first layer, times the others",
    "fan_in": "weights have 1 / sqrt(inputs of a unit)",
    "weight_decay": "decoupled for adamw, lion, muon, an L2 gradient for the others",
    "weight_decay_schedule": "what multiplies weight_decay",
    "dropout_schedule": "what multiplies the rates of dropout",
    "l1": "strength of the L1 penalty",
    "max_norm": "largest norm of the weights into a unit, null for no limit",
    "clip_norm": "largest norm of the gradient, null for no limit",
    "clip_value": "largest number of the gradient, null for no limit",
    "weight_average": "decay of the average of the weights that predicts, 0 for none",
    "clip_predictions": "predicted numbers are cut to the range of the training targets",
    "batch_size": "full, or rows",
    "epochs": "passes over the training rows",
}
SPACE_HEADER = """\
# A space of recipes. A list is a choice, each option equally likely (an inner list shares the chance of one
# option); {uniform: [a, b]}, {log_uniform: [a, b]} and {int_log_uniform: [a, b]} are ranges. A field that is
# absent keeps its default.
"""
FIRST_RECIPES = "recipes that are tried before any other, in this order; their absent fields have their defaults"
RECIPE_HEADER = """\
# A bare name is a rule at its defaults; {name: {field: value}} sets its fields, {name: value} its main field.
"""
RECORDS = (Recipe, MLP, Layers, Augmentation, RateFactors)  # whose fields are written without the record's name


def comment(name: str, inside: str = "") -> str:
    """What a field means, with every name of a family of rules, or the range of a number. inside: the field of a recipe
    whose record it belongs to."""
    kind = _kind(name, inside)
    meaning = MEANINGS.get(f"{inside}.{name}", MEANINGS.get(name, ""))
    family = kind.layer if isinstance(kind, LayerList) else kind
    if isinstance(family, Family):
        return f"{meaning}: {' | '.join(family.names)}"
    within = getattr(kind, "within", None)
    return f"{meaning}; {within}" if within else meaning


def _kind(name: str, inside: str = "") -> FieldKind:
    records = (RateFactors,) if inside == "rate_factors" else RECORDS
    return next(kinds(record)[name] for record in records if name in kinds(record))


def _rules_with_fields() -> list[str]:
    """A line for each rule that has fields: their defaults, then the words of each option, and the presets."""
    lines: dict[type, str] = {}
    for entry in catalogue():
        fields = yaml_fields(entry.defaults)
        if not fields or entry.rule in lines or entry.place == entry.name:  # `augment` has its fields in the text above
            continue
        rule = f"{{{entry.name}: {{{fields}}}}}"
        line = f"layers: [{rule}]" if entry.place == "layer" else f"{entry.place}: {rule}"
        options = "; ".join(f"{field}: {' | '.join(words)}" for field, words in options_of_rule(entry.rule).items())
        lines[entry.rule] = f"#   {line}  # {options}\n" if options else f"#   {line}\n"
    return list(lines.values())


def options_of_rule(rule: type) -> dict[str, list[str]]:
    """The words of each field of a rule that has some, and of `preset`."""
    options: dict[str, list[str]] = {}
    for field, kind in kinds(rule).items():
        if isinstance(kind, Words | Number) and kind.words:
            options[field] = ["a number", *kind.words] if isinstance(kind, Number) else list(kind.words)
    presets: list[str] = list(getattr(rule, "PRESETS", ()))
    return {**options, "preset": presets} if presets else options


def commented_default() -> str:
    """The default recipe as YAML text, with a comment on every line that names the alternatives.

    `Recipe.from_yaml` of it is `Recipe()`.
    """
    rows: list[tuple[str, str]] = []
    for name, value in Recipe().to_dict().items():
        if isinstance(value, Mapping):
            rows.append((f"{name}:", comment(name)))
            rows += [(f"  {dump_yaml({key: item}).rstrip()}", comment(key, name)) for key, item in value.items()]
        else:
            rows.append((dump_yaml({name: value}).rstrip(), comment(name)))
    width = max(len(line) for line, _ in rows)
    body = "".join(f"{line:<{width}}  # {text}\n" for line, text in rows)
    return RECIPE_HEADER + body + "# Rules that have fields, with the defaults:\n" + "".join(_rules_with_fields())


def commented_space(data: Any) -> str:
    """A space's plain data as YAML text: a header on sets, and each field under a comment."""
    if not isinstance(data, Mapping) or not data:
        return SPACE_HEADER + dump_yaml(data)
    parts = [
        f"\n# {FIRST_RECIPES}\n{dump_yaml({name: value})}"
        if name == "first"
        else f"\n# {comment(name)}\n{_space_field(name, value)}"
        for name, value in data.items()
    ]
    return SPACE_HEADER + "".join(parts)


def _space_field(name: str, value: Any) -> str:
    """One field of a space; the fields of a network or augmentation each have a comment line."""
    one_record = (
        isinstance(value, Mapping) and value and all(key in MEANINGS or f"{name}.{key}" in MEANINGS for key in value)
    )
    if not one_record or isinstance(_kind(name), Family):
        return dump_yaml({name: value})
    lines = [f"{name}:\n"]
    for key, item in value.items():
        indented = "".join(f"  {line}\n" for line in dump_yaml({key: item}).splitlines())
        lines.append(f"  # {comment(key, name)}\n{indented}")
    return "".join(lines)
