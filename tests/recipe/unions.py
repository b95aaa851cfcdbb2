"""Every rule of every union, and strategies for whole recipes: derived, so that a new rule is covered by itself."""

import dataclasses
import typing

from hypothesis import strategies as st

from tenfold.recipe import MLP, Recipe
from tenfold.rules import activations, initialization, losses, normalization, preprocessing, schedules
from tenfold.rules.optimizers import Optimizer

FAMILIES = {
    ("preprocess",): preprocessing.Preprocessing,
    ("network", "activation"): activations.Activation,
    ("network", "normalization"): normalization.Normalization,
    ("init",): initialization.Initialization,
    ("loss",): losses.Loss,
    ("optimizer",): Optimizer,
    ("decay",): schedules.Decay,
}
MEMBERS = [(path, rule) for path, union in FAMILIES.items() for rule in typing.get_args(union)]


def changed(rule):
    """The rule with every number moved a little, inside its bounds, and never equal to its default."""
    default = rule()
    fields = {field.name: getattr(default, field.name) for field in dataclasses.fields(rule)}
    return rule(
        **{name: value + 1 if isinstance(value, int) else value * 0.75 or 0.5 for name, value in fields.items()}
    )


def place(path, value):
    """{path[0]: {path[1]: ... value}}."""
    for part in reversed(path):
        value = {part: value}
    return value


def at(recipe, path):
    """The value of a recipe at a path of field names."""
    for part in path:
        recipe = getattr(recipe, part)
    return recipe


def rules(union):
    """Members of a union, at their defaults or moved."""
    members = typing.get_args(union)
    return st.sampled_from([rule() for rule in members] + [changed(rule) for rule in members])


def unit(**bounds):
    return st.floats(allow_nan=False, allow_infinity=False, **bounds)


networks = st.builds(
    MLP,
    hidden=st.lists(st.integers(1, 4096), max_size=5),
    activation=rules(activations.Activation),
    normalization=rules(normalization.Normalization),
    dropout=unit(min_value=0, max_value=1, exclude_max=True),
)
recipes = st.builds(
    Recipe,
    preprocess=rules(preprocessing.Preprocessing),
    network=networks,
    init=rules(initialization.Initialization),
    loss=st.just("auto") | rules(losses.Loss),
    optimizer=rules(Optimizer) | st.builds(typing.get_args(Optimizer)[0], lr=unit(min_value=0, exclude_min=True)),
    decay=rules(schedules.Decay),
    weight_decay=unit(min_value=0),
    clip_norm=st.none() | unit(min_value=0, exclude_min=True),
    batch_size=st.just("full") | st.integers(1, 10**9),
    epochs=st.integers(1, 10**6),
)
