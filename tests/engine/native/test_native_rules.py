"""One contract for every rule that says it is compiled: it is in the table of its header, nothing else is, and its
compiled value and slope are those of its own formula and of torch's gradient."""

import typing

import numpy as np
import pytest
import torch

from tenfold.rules.activations import ELU, Activation, LeakyReLU
from tenfold.rules.record import numbers, preset

OPERATIONS = {"prelu", "maxout"}  # operations of network.h, not functions of a number: their parameters, their pieces


def variants(rule):
    """A rule as it is, and as each library has it: a rule with several formulas has a preset of each."""
    return [rule(), *(preset(rule, library) for library in getattr(rule, "PRESETS", {}))]


ALL = [made for rule in typing.get_args(Activation) for made in variants(rule)]
ALL += [LeakyReLU(slope=1.5), LeakyReLU(slope=-0.5), LeakyReLU(slope=0), ELU(alpha=0), ELU(alpha=2.5)]
NATIVE = [rule for rule in dict.fromkeys(ALL) if rule.native is not None and rule.native not in OPERATIONS]
rules = pytest.mark.parametrize("rule", NATIVE, ids=repr)
DTYPES = pytest.mark.parametrize(("dtype", "tolerance"), [(np.float32, 1e-5), (np.float64, 1e-12)])


def test_every_rule_is_in_the_table_and_the_table_is_of_rules(level):
    assert {rule.native for rule in NATIVE} == set(level.activations())


def test_a_learned_activation_and_one_of_several_numbers_are_operations():
    """What is left out above has no formula of a number alone."""
    left_out = [rule for rule in ALL if rule.native in OPERATIONS]
    assert {rule.native for rule in left_out} == OPERATIONS
    assert all(rule.learned or hasattr(rule, "pieces") for rule in left_out)


def sums(dtype):
    """Ordinary sums, sums over the whole range of exp, small ones, and those at the ends, each of these a whole vector
    or more: torch's own loops end otherwise than they begin (its ELU of NaN has slope NaN in the one, 1 in the other).
    """
    rng, end = np.random.default_rng(0), 750 if dtype is np.float64 else 105
    ends = [0.0, -0.0, 1e4, 1e15, 1e30, float(np.finfo(dtype).max), np.inf, np.nan, float(np.finfo(dtype).tiny)]
    small = 2.0 ** rng.uniform(-40, 0, 256)
    ordinary = [rng.normal(size=2048), rng.uniform(-20, 20, 2048), rng.uniform(-end, end, 1024), small, -small]
    return np.concatenate([*ordinary, np.repeat(ends, 64), np.repeat(np.negative(ends), 64)]).astype(dtype)


def assert_near(got, expected, tolerance, z):
    """Infinite and NaN where expected is; else near, absolutely or relatively, whichever is more."""
    finite = np.isfinite(expected)
    np.testing.assert_array_equal(got[~finite], expected[~finite])
    far = np.abs(got[finite] - expected[finite]) > tolerance * np.maximum(1, np.abs(expected[finite]))
    assert not far.any(), (z[finite][far][:3], got[finite][far][:3], expected[finite][far][:3])
    assert np.isfinite(got[finite]).all()


@rules
@DTYPES
def test_a_compiled_activation_is_the_formula_and_its_gradient(level, rule, dtype, tolerance):
    z = level.aligned(sums(dtype), dtype)
    dy = level.aligned(np.random.default_rng(1).normal(size=len(z)), dtype)
    free = torch.from_numpy(z.copy()).requires_grad_()
    expected = rule.formula(free, *numbers(rule))
    (expected_back,) = torch.autograd.grad(expected, free, torch.from_numpy(dy.copy()))
    number = level.activations()[rule.native]
    assert_near(level.value(number, z, rule.native_number), expected.detach().numpy(), tolerance, z)
    assert_near(level.back(number, z, dy, rule.native_number), expected_back.numpy(), tolerance, z)


@rules
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_the_same_bits_in_place(level, rule, dtype):
    """The sums may be overwritten by their values, and the gradients of the values by those of the sums."""
    z = level.aligned(sums(dtype), dtype)
    number, own = level.activations()[rule.native], rule.native_number
    value, dy = level.value(number, z, own), level.aligned(np.linspace(-2, 2, len(z)), dtype)
    back = level.back(number, z, dy, own)
    level.back(number, z, dy, own, into=dy)
    np.testing.assert_array_equal(dy, back)
    level.value(number, z, own, into=z)
    np.testing.assert_array_equal(z, value)
