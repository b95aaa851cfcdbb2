"""Shared by the tests of recipes: spaces with everything in them, every rule of every union, and strategies for
recipes. Rules are derived, so that a new one is covered without a change here."""

import pytest
from hypothesis import strategies as st

from tenfold.engine.plan.size import Size
from tenfold.errors import BadInput
from tenfold.problem.default_space import default_space, image_space
from tenfold.recipe import MLP, Recipe, Space
from tenfold.recipe.grammar.field_kinds import Either, Family, LayerList, kinds
from tenfold.recipe.layers import Dense, Residual
from tenfold.recipe.network import Layers
from tenfold.rules.augmentation import Augmentation
from tenfold.rules.fields import Flag, Number, SizeList, Words
from tenfold.rules.rate_factors import RateFactors


def _families(record, above=()):
    for name, kind in kinds(record).items():
        if isinstance(kind, Family):
            yield (*above, name), kind.rules
        for inner in kind.records if isinstance(kind, Either) else ():
            yield from _families(inner, (*above, name))


FAMILIES = dict(_families(Recipe))
MEMBERS = [(path, rule) for path, rules in FAMILIES.items() for rule in rules]
LAYER = kinds(Layers)["layers"].layer  # the family of layers
RULES = list(dict.fromkeys([rule for _, rule in MEMBERS] + list(LAYER.rules) + [Augmentation, RateFactors]))

MIXED = """
optimizer:
- adam: {lr: {log_uniform: [1e-4, 1e-2]}}
- [{momentum: {lr: {log_uniform: [1e-3, 0.1]}, momentum: [0.5, 0.9]}}, lbfgs]
- adam: {lr: 0.5, beta1: [0.5, 0.6]}
network:
- {hidden: [8], dropout: {uniform: [0, 0.5]}}
- {hidden: [[16], [{int_log_uniform: [3, 9]}, 16]], activation: [relu, {elu: {uniform: [0.5, 2]}}]}
batch_size: [full]
clip_norm: null
epochs: {int_log_uniform: [5, 50]}
"""
LAYER_LISTS = """
network: {layers: [[{conv: {channels: [4, 8]}}, relu], [{dense: {int_log_uniform: [8, 64]}}, {residual: [[relu], []]}]]}
loss: [auto, huber]
"""
SPACES = {
    # without the recipes that are tried first, which lie outside of the sets
    "default": Space(default_space(Size(9, 3), rows=900, task="classification").tree),
    "large": Space(default_space(Size(9, 1), rows=90_000, task="regression").tree),
    "images": image_space(Size(2352, 10, (28, 28, 3)), rows=5000),
    "MIXED": Space.from_yaml(MIXED),
    "LAYERS": Space.from_yaml(LAYER_LISTS),
    "WHOLE": Space.from_yaml("[{epochs: [3, 4]}, {epochs: {int_log_uniform: [4, 6]}, augment: {flip: [true, false]}}]"),
    "UNDECIDED_BATCH": Space.from_yaml("optimizer: [adam, lbfgs]"),  # the batch size is 64 or full
}


def refusal(build, data):
    """The message of the refusal."""
    with pytest.raises(BadInput) as caught:
        build(data)
    return str(caught.value)


def others(kind, value):
    """Values of a field that differ from one that it has, the likeliest to be accepted first."""
    match kind:
        case Flag():
            return [not value]
        case Words(words):
            return [word for word in words if word != value]
        case Number(integer, words):
            numbers = [1, 2] if integer else [0.5, 0.25, 1.5]
            if isinstance(value, int | float):
                near = [value + 1, value + 2, value - 1] if integer else [value * 0.75, value * 1.25]
                numbers = near + numbers
            return [item for item in (*numbers, *words) if item != value]
        case LayerList():
            return [(Dense(units=3), "relu")]
        case SizeList():
            return [(3, 4)]
    raise TypeError(kind)


def changed(rule):
    """The rule with every field changed that the others let change, and never equal to its default."""
    fields = {}
    for name, kind in kinds(rule).items():
        for other in others(kind, getattr(rule(), name)):
            try:
                rule(**fields, **{name: other})
            except BadInput:
                continue
            fields[name] = other
            break
    return rule(**fields)


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


def rules(*path):
    """Members of a family, at their defaults or changed."""
    return st.sampled_from([rule() for rule in FAMILIES[path]] + [changed(rule) for rule in FAMILIES[path]])


def unit(**bounds):
    return st.floats(allow_nan=False, allow_infinity=False, **bounds)


def limit():
    return st.none() | unit(min_value=0, exclude_min=True)


shares = unit(min_value=0, max_value=1, exclude_max=True)
mlps = st.builds(
    MLP,
    hidden=st.lists(st.integers(1, 4096), max_size=5),
    activation=rules("network", "activation"),
    normalization=rules("network", "normalization"),
    normalize=st.sampled_from(["before", "after"]),
    dropout=shares,
    input_dropout=shares,
)
layers = st.sampled_from([rule() for rule in LAYER.rules] + [changed(rule) for rule in LAYER.rules])
blocks = st.builds(Residual, layers=st.lists(layers, max_size=3))
networks = mlps | st.builds(Layers, layers=st.lists(layers | blocks, max_size=6))


NO_GRADIENT = {
    "l1": 0.0, "clip_norm": None, "clip_value": None, "rate_factors": RateFactors(), "weight_decay_schedule": "none",
}  # fmt: skip


def _recipe(**fields):
    try:
        return Recipe(**fields)
    except BadInput:  # a second-order optimizer on a minibatch, or with what acts on gradients
        return Recipe(**{**fields, "batch_size": "full", **NO_GRADIENT})


recipes = st.builds(
    _recipe,
    preprocess=rules("preprocess"),
    integers=st.sampled_from(["numbers", "categories"]),
    categories=st.sampled_from(["one_hot", "target_means", "embedded"]),
    augment=st.builds(Augmentation, flip=st.booleans(), shift=st.integers(0, 9)),
    network=networks,
    init=rules("init"),
    loss=st.just("auto") | rules("loss"),
    optimizer=rules("optimizer"),
    decay=rules("decay"),
    rate_factors=st.builds(RateFactors, bias=unit(min_value=0), fan_in=st.booleans()),
    weight_decay=unit(min_value=0),
    weight_decay_schedule=rules("weight_decay_schedule"),
    dropout_schedule=rules("dropout_schedule"),
    l1=unit(min_value=0),
    max_norm=limit(),
    clip_norm=limit(),
    clip_value=limit(),
    weight_average=shares,
    clip_predictions=st.booleans(),
    batch_size=st.none() | st.just("full") | st.integers(1, 10**9),
    epochs=st.integers(1, 10**6),
)
