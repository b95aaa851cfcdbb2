"""Every rule is a frozen record that checks its numbers when it is built, and says what it is."""

import dataclasses
import inspect
import math
import typing

import pytest

from tenfold.rules import activations, embeddings, initialization, losses, normalization, preprocessing, schedules
from tenfold.rules.fields import Number, Within, value_kinds
from tenfold.rules.optimizers import LBFGS, Optimizer
from tenfold.rules.record import BadField, numbers, rule_name

UNIONS = (
    activations.Activation, initialization.Initialization, losses.Loss, normalization.Normalization,
    embeddings.Embedding,
    preprocessing.Preprocessing, schedules.Decay, Optimizer,
)  # fmt: skip
MEMBERS = [member for union in UNIONS for member in typing.get_args(union)]
FIELDS = [(member, field.name) for member in MEMBERS for field in dataclasses.fields(member)]
NUMBERS = [(member, field) for member, field in FIELDS if isinstance(value_kinds(member)[field], Number)]
PAIRS = {  # numbers that a field cannot have beside the default of another
    (preprocessing.MinMax, "low"): [1.0, 2.0],
    (schedules.OneCycle, "momentum_high"): [0.5],
    (LBFGS, "c2"): [1e-5],
}


def outside(kind):
    """Numbers just outside the declared range, and none that is not whole where whole ones are counted."""
    within = kind.within or Within()
    numbers = [within.gt, within.ge - 1e-9, within.lt, within.le + 1e-9]
    if kind.integer:
        numbers = [within.gt, within.ge - 1, within.lt, within.le + 1, 2.5]
    return [number for number in numbers if math.isfinite(number)]


def test_every_field_declares_what_it_may_be():
    assert [(member, field) for member in MEMBERS for field in value_kinds(member)] == FIELDS


@pytest.mark.parametrize(("member", "field"), FIELDS)
def test_a_field_refuses_what_it_cannot_be(member, field):
    kind = value_kinds(member)[field]
    numbers = outside(kind) if isinstance(kind, Number) else [0]
    nothing = [] if getattr(kind, "optional", False) else [None]
    flag = isinstance(getattr(member(), field), bool)
    never = [math.nan, math.inf, -math.inf, 1 if flag else True, "1", *nothing]
    for value in (*never, *numbers, *PAIRS.get((member, field), ())):
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


@pytest.mark.parametrize(
    ("within", "words", "inside", "outside"),
    [
        (Within(gt=0), "> 0", [1e-9, 1e300], [0.0, -1.0]),
        (Within(ge=0), ">= 0", [0.0, 1e300], [-1e-9]),
        (Within(ge=0, lt=1), "in [0, 1)", [0.0, 0.999], [1.0, -1e-9]),
        (Within(gt=0, le=1, note="a share"), "in (0, 1], a share", [1e-9, 1.0], [0.0, 1.001]),
        (Within(gt=0, lt=1), "in (0, 1)", [0.5], [0.0, 1.0]),
    ],
)
def test_a_range_in_words_and_numbers(within, words, inside, outside):
    assert str(within) == words
    assert all(within.holds(number) for number in inside)
    assert not any(within.holds(number) for number in outside)


def test_a_whole_float_counts_as_whole():
    step = schedules.Step(every=10.0)
    assert (step, type(step.every)) == (schedules.Step(every=10), int)


def test_some_ranges_by_hand():
    """Ranges that the tests above take from the declarations."""
    ranges = {f"{member.__name__}.{field}": str(value_kinds(member)[field].within) for member, field in NUMBERS}
    assert ranges["Adam.lr"] == ranges["Adam.eps"] == ranges["BatchNorm.eps"] == ranges["Huber.delta"] == "> 0"
    assert ranges["Adam.beta2"] == ranges["BatchNorm.keep"] == ranges["CrossEntropy.smoothing"] == "in [0, 1)"
    assert ranges["Normal.std"] == ranges["Newton.damping"] == ranges["Exponential.k"] == ranges["ELU.alpha"] == ">= 0"
    assert ranges["GaussNewton.damping"] == ranges["HessianFree.damping"] == ranges["He.gain"] == "> 0"
    assert (ranges["Maxout.pieces"], ranges["Plateau.drop"], ranges["PCA.variance"]) == (
        ">= 2",
        "in (0, 1)",
        "in (0, 1]",
    )
