"""Every rule is a frozen record that checks its numbers when it is built, and says what it is."""

import dataclasses
import inspect
import math
import typing
from collections.abc import Sequence

import pytest

from tenfold.rules import activations, initialization, losses, normalization, preprocessing, schedules
from tenfold.rules.optimizers import Optimizer
from tenfold.rules.record import BadField, numbers, rule_name

UNIONS = (
    activations.Activation, initialization.Initialization, losses.Loss, normalization.Normalization,
    preprocessing.Preprocessing, schedules.Decay, Optimizer,
)  # fmt: skip
MEMBERS = [member for union in UNIONS for member in typing.get_args(union)]
FIELDS = [(member, field.name) for member in MEMBERS for field in dataclasses.fields(member)]
SHARE, POSITIVE, NEGATIVE = [-0.1, 1.0], [0, -1], [-0.1]  # outside [0, 1), (0, inf), [0, inf)
LIMITS = {  # the same for schedules and optimizers
    **dict.fromkeys(("lr", "eps", "adam_lr"), POSITIVE),
    **dict.fromkeys(("momentum", "momentum_from", "rho", "beta1", "beta2", "warmup", "momentum_low"), SHARE),
    **dict.fromkeys(("initial_scale", "momentum_decay", "k"), NEGATIVE),
    **dict.fromkeys(("form", "eps_form", "of", "scale", "output", "time"), ()),
    **dict.fromkeys(("eps_inside", "rate_inside", "bias_correction", "nesterov", "cycle_momentum"), ()),
    "momentum_ramp": [0, 1.1], "drop": [0, -0.1, 1.1], "every": [0, -3, 2.5], "patience": [-1, 0.5],
    "threshold": SHARE, "end": [-0.1, 1.1], "restarts": [-1, 0.5], "stretch": POSITIVE, "rise": [0, 1.0],
    "start": [0.9], "momentum_high": [0.5, 1.0], "damping": NEGATIVE, "line_search": (), "cg_steps": [0, 1.5],
    "tolerance": NEGATIVE, "history": [0, 2.5], "evaluations": [0, 2.5], "c1": [0, 1.0], "c2": [0, 1e-5, 1.0],
}  # fmt: skip
OUTSIDE: dict[str, Sequence[float]] = {  # numbers that a field cannot have, by Class.field; [] where any number will do
    "LeakyReLU.slope": [], "ELU.alpha": [-1e-9], "Constant.value": [], "Normal.std": [-1e-9],
    "UniformWithin.bound": [-1e-9], "Sparse.connections": [0, -1, 2.5], "Sparse.std": [-1e-9],
    **{f"{name}.gain": [0, -1] for name in ("LeCun", "Xavier", "He", "Orthogonal")},
    **{f"{name}.{word}": [] for name in ("LeCun", "Xavier", "He") for word in ("distribution", "fan")},
    **{
        f"{member.__name__}.{field}": bad
        for member in typing.get_args(initialization.Initialization)
        for field, bad in (("bias", []), ("zero_last", [0]))
    },
    "PReLU.start": [], "PReLU.per": [], "Maxout.pieces": [1, 0, -2, 2.5], "GELU.approximate": [],
    "CrossEntropy.smoothing": SHARE, "Hinge.kind": [], "Hinge.margin": POSITIVE, "Huber.delta": POSITIVE,
    "BatchNorm.average": [], "BatchNorm.unbiased": [0], "BatchNorm.initial_variance": NEGATIVE,
    "LayerNorm.eps": POSITIVE, "GroupNorm.eps": POSITIVE, "GroupNorm.groups": [0, -1, 2.5],
    "BatchNorm.eps": [0, -1], "BatchNorm.keep": [-0.1, 1.0], "MinMax.low": [1.0, 2.0], "MinMax.high": [],
    **{f"{name}.components": [0, -1, 2.5] for name in ("PCA", "WhitenPCA")},
    **{f"{name}.variance": [0, -0.1, 1.1] for name in ("PCA", "WhitenPCA")},
    **{f"{name}.standardize": [0, 2.0] for name in ("PCA", "WhitenPCA", "WhitenZCA")},
    **{f"{name}.epsilon": [-1e-9] for name in ("WhitenPCA", "WhitenZCA")},
    **{
        f"{member.__name__}.{field.name}": LIMITS[field.name]
        for member in (*typing.get_args(schedules.Decay), *typing.get_args(Optimizer))
        for field in dataclasses.fields(member)
    },
    "Plateau.drop": [0, 1.0], "OneCycle.end": [0.9], "GaussNewton.damping": [0, -1], "HessianFree.damping": [0, -1],
}  # fmt: skip


def test_every_field_is_listed():
    assert set(OUTSIDE) == {f"{member.__name__}.{field}" for member, field in FIELDS}


@pytest.mark.parametrize(("member", "field"), FIELDS)
def test_a_field_refuses_what_it_cannot_be(member, field):
    flag = isinstance(getattr(member(), field), bool)
    nothing = [] if type(None) in typing.get_args(typing.get_type_hints(member)[field]) else [None]
    bad = [math.nan, math.inf, -math.inf, 1 if flag else True, "1", *nothing, *OUTSIDE[f"{member.__name__}.{field}"]]
    for value in bad:
        with pytest.raises(BadField) as caught:
            member(**{field: value})
        assert caught.value.field == field
        assert f"{member.__name__}.{field} must be" in str(caught.value)
        assert repr(value) in str(caught.value)


@pytest.mark.parametrize("member", MEMBERS)
def test_a_rule_is_a_documented_frozen_record(member):
    rule = member()
    assert rule == member()
    assert hash(rule) == hash(member())
    assert inspect.getdoc(member)
    assert not inspect.getdoc(member).startswith(f"{member.__name__}(")  # written, not made by dataclass
    assert all(value is None or isinstance(value, int | float | str) for value in numbers(rule))
    assert len(numbers(rule)) == len(dataclasses.fields(member))
    with pytest.raises((dataclasses.FrozenInstanceError, TypeError)):
        rule.anything = 1
    with pytest.raises(TypeError):
        member(1.0)


def test_names_are_unique_in_each_union():
    for union in UNIONS:
        names = [rule_name(member) for member in typing.get_args(union)]
        assert len(set(names)) == len(names)
        assert all(name == name.lower() for name in names)
