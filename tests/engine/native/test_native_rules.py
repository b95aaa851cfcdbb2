"""One contract for every rule that says it is compiled: it is in the table of its header, nothing else is, and its
compiled value and slope are those of its own formula and of torch's gradient."""

import dataclasses
import typing

import numpy as np
import pytest
import torch

from tenfold.engine.native.library import compiled_lanes
from tenfold.engine.native.network import only_packs_know
from tenfold.engine.plan.size import Size
from tenfold.recipe.recipe import Recipe
from tenfold.rules.activations import ELU, Activation, LeakyReLU
from tenfold.rules.losses import CrossEntropy, Hinge, Huber, Loss, Poisson
from tenfold.rules.optimizers import Optimizer
from tenfold.rules.optimizers.second_order import SecondOrder
from tenfold.rules.record import numbers, preset

# Operations of network.h, not functions of a number: their parameters, their pieces.
OPERATIONS = {"prelu", "parametric", "maxout"}


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


def one_by_one_where_torch_overflows(rule, z, forward):
    """With AVX-512 torch's GELU in float32 doubles its argument before it halves it: vectors of the largest number and
    of infinity come out as infinity and NaN, single ones as they should."""
    wrong = ~np.isfinite(forward) & (z >= np.finfo(z.dtype).max)
    singles = {value: rule.formula(torch.tensor([value], dtype=torch.from_numpy(z).dtype), *numbers(rule)).item()
               for value in np.unique(z[wrong]).tolist()}  # fmt: skip
    forward = forward.copy()
    forward[wrong] = [singles[value] for value in z[wrong].tolist()]
    return forward


@rules
@DTYPES
def test_a_compiled_activation_is_the_formula_and_its_gradient(level, rule, dtype, tolerance):
    z = level.aligned(sums(dtype), dtype)
    dy = level.aligned(np.random.default_rng(1).normal(size=len(z)), dtype)
    free = torch.from_numpy(z.copy()).requires_grad_()
    expected = rule.formula(free, *numbers(rule))
    (expected_back,) = torch.autograd.grad(expected, free, torch.from_numpy(dy.copy()))
    number = level.activations()[rule.native]
    forward = one_by_one_where_torch_overflows(rule, z, expected.detach().numpy())
    assert_near(level.value(number, z, rule.native_number), forward, tolerance, z)
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


def outputs_of(rule):
    """How many outputs a loss is tried with."""
    return [2, 3, 17] if rule.task == "classification" else [1]


LOSSES = [made for rule in typing.get_args(Loss) for made in variants(rule)]
LOSSES += [
    CrossEntropy(smoothing=0.1), CrossEntropy(smoothing=0.7), Hinge(margin=0.3), Hinge(kind="one_against_all"),
    Hinge(kind="one_against_all", margin=2.5), Huber(delta=0.25), Huber(delta=3.0),
]  # fmt: skip
COMPILED_LOSSES = [(rule, count) for rule in LOSSES if rule.native is not None for count in outputs_of(rule)]


def test_every_loss_is_in_the_table_and_the_table_is_of_losses(level):
    assert {rule.native for rule in LOSSES if rule.native is not None} == set(level.table("loss"))


@pytest.mark.skipif(bool(compiled_lanes().missing), reason=compiled_lanes().missing)
def test_every_family_of_optimizers_is_in_the_table_or_left_to_packs(level):
    known = set()
    for made in (made for rule in typing.get_args(Optimizer) for made in variants(rule)):
        recipe = dataclasses.replace(
            Recipe.from_dict({"network": {"hidden": [3]}, "batch_size": "full"}), optimizer=made
        )
        left = only_packs_know(recipe, Size(4, 2), classification=True)
        if isinstance(made, SecondOrder):
            assert left, made
        elif left:
            assert made.family not in level.table("family"), made
        else:
            known.add(made.family)
    assert known == set(level.table("family"))


def rows_of_outputs(rule, count, dtype):
    """Outputs (rows, count), targets and weights: ordinary ones, ties, zeros, targets that are met and margins that are
    just kept, large ones, and what is no number or infinite, in the first, the last and the row's own place."""
    rng, regression = np.random.default_rng(count), rule.task == "regression"
    ends = [0.0, -0.0, 1e-30, 1.0, -1.0, 3.0, 0.25, 1e4, -1e4, 1e30, -1e30, np.inf, -np.inf, np.nan]
    ordinary = np.concatenate([rng.normal(size=(300, count)), 30 * rng.normal(size=(300, count))])
    ties = rng.integers(-2, 3, (300, count)).astype(float) * rng.choice([0.5, 1.0, 2.5], (300, 1))
    same = np.repeat(np.array(ends)[:, None], count, 1)  # all outputs of a row
    one = rng.normal(size=(6 * len(ends), count))
    one[np.arange(len(one)), rng.choice([0, count - 1, count // 2], len(one))] = np.tile(ends, 6)
    output = np.concatenate([ordinary, ties, same, one]).astype(dtype)
    rows = len(output)
    if regression:
        target = np.where(rng.random(rows) < 0.3, output[:, 0], rng.normal(size=rows))
        target = np.where(np.isfinite(target), target, 0.5)
        target[300:900] = np.round(target[300:900])
        target = np.abs(target) if isinstance(rule, Poisson) else target
    else:
        target = rng.integers(0, count, rows)
    weight = rng.choice([0.0, 1.0, 1 / 32, 1 / 7], rows).astype(dtype)
    return output, target, weight


@pytest.mark.parametrize(("rule", "count"), COMPILED_LOSSES, ids=repr)
@DTYPES
def test_a_compiled_loss_is_the_formula_and_its_gradient(level, rule, count, dtype, tolerance):
    output, target, weight = rows_of_outputs(rule, count, dtype)
    losses, back = level.lose(level.table("loss")[rule.native], output, target, weight, rule.native_numbers)
    free = torch.from_numpy(output.copy()).requires_grad_()
    aim = torch.from_numpy(target if rule.task == "classification" else target.astype(dtype))
    expected = rule.formula(free, aim, *numbers(rule))
    (expected_back,) = torch.autograd.grad(expected, free, torch.from_numpy(weight))
    expected = expected.detach().numpy()
    # Which of the values a loss has that is none is left open: a compiler may contract inf - inf to one rounding.
    assert (np.isfinite(losses) == np.isfinite(expected)).all()
    finite = np.isfinite(expected)
    assert_near(losses[finite], expected[finite], tolerance, output[finite, 0])
    for c in range(count):
        assert_near(back[:, c], expected_back.numpy()[:, c], tolerance, output[:, c])
