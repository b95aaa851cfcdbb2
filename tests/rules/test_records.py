"""Every rule is a frozen record that checks its numbers when it is built, and says what it is."""

import dataclasses
import inspect
import math
import typing

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
OUTSIDE: dict[str, list[float]] = {  # numbers that a field cannot have, by Class.field; [] where any number will do
    "LeakyReLU.slope": [], "ELU.alpha": [-1e-9], "Constant.value": [], "Normal.std": [-1e-9],
    "BatchNorm.eps": [0, -1], "BatchNorm.keep": [-0.1, 1.0], "MinMax.low": [1.0, 2.0], "MinMax.high": [],
    "Exponential.k": [-0.1], "InverseTime.k": [-0.1], "Step.drop": [0, -0.1, 1.1], "Step.every": [0, -3],
    "Cosine.warmup": [-0.1, 1.0], "Cosine.end": [-0.1, 1.1],
    "SGD.lr": [0, -1], "Momentum.lr": [0, -1], "Momentum.momentum": [-0.1, 1.0],
    "Nesterov.lr": [0, -1], "Nesterov.momentum": [-0.1, 1.0], "Adagrad.lr": [0, -1], "Adagrad.eps": [0, -1],
    "RMSProp.lr": [0, -1], "RMSProp.rho": [-0.1, 1.0], "RMSProp.eps": [0, -1],
    **{f"{name}.lr": [0, -1] for name in ("Adam", "AdamW")},
    **{f"{name}.{beta}": [-0.1, 1.0] for name in ("Adam", "AdamW") for beta in ("beta1", "beta2")},
    **{f"{name}.eps": [0, -1] for name in ("Adam", "AdamW")},
}  # fmt: skip


def test_every_field_is_listed():
    assert set(OUTSIDE) == {f"{member.__name__}.{field}" for member, field in FIELDS}


@pytest.mark.parametrize(("member", "field"), FIELDS)
def test_a_field_refuses_what_it_cannot_be(member, field):
    bad = [math.nan, math.inf, -math.inf, True, "1", None, *OUTSIDE[f"{member.__name__}.{field}"]]
    for value in bad:
        with pytest.raises(BadField) as caught:
            member(**{field: value})
        assert caught.value.field == field
        assert f"{member.__name__}.{field} must be" in str(caught.value)
        assert repr(value) in str(caught.value)


@pytest.mark.parametrize("member", MEMBERS)
def test_a_rule_is_a_documented_frozen_record_of_numbers(member):
    rule = member()
    assert rule == member()
    assert hash(rule) == hash(member())
    assert inspect.getdoc(member)
    assert not inspect.getdoc(member).startswith(f"{member.__name__}(")  # written, not made by dataclass
    assert all(isinstance(value, int | float) for value in numbers(rule))
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
