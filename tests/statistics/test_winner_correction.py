"""The corrected score of the best of many against a slow plain twin, closed forms and simulation."""

import math
import tracemalloc

import numpy as np
import pytest

from tenfold.errors import BadInput
from tenfold.statistics import winner_correction
from tenfold.statistics.winner_correction import corrected_score


def twin(values, weights, sign, units, draws, seed):
    """Loops over the rows; the same draws."""
    names = sorted(set(units))
    rng, found = np.random.default_rng(seed), []
    for _ in range(draws):
        bag = [names[i] for i in rng.integers(len(names), size=len(names))]
        inside = [r for u in bag for r in range(len(units)) if units[r] == u]
        outside = [r for r in range(len(units)) if units[r] not in bag]
        if not sum(weights[inside]) or not sum(weights[outside]):
            continue
        scores = [sign * np.average(v[inside], weights=weights[inside]) for v in values]
        best = max(range(len(values)), key=lambda c: (round(scores[c], 9), -c))
        found.append(np.average(values[best][outside], weights=weights[outside]))
    return np.array(found)


@pytest.mark.parametrize("sign", [1, -1])
@pytest.mark.parametrize("groups", [0, 9, 3])
@pytest.mark.parametrize("block", [6e6, 30])
def test_twin(groups, sign, block, monkeypatch):
    """Blocks of any size, groups in any order, weights of 0: to 1e-12."""
    monkeypatch.setattr(winner_correction, "BLOCK", block)
    rng = np.random.default_rng(1)
    values = np.round(rng.random((5, 14)), 1)
    weights = np.r_[0, 0, rng.random(12)]
    units = rng.permutation(np.arange(14) % groups) if groups else None
    found = corrected_score(values, weights, sign=sign, units=units, draws=60, seed=4)
    slow = twin(values, weights, sign, np.arange(14) if units is None else units, 60, 4)
    assert found.score == pytest.approx(slow.mean(), rel=1e-12)
    assert found.interval == pytest.approx(np.quantile(slow, [0.025, 0.975]), rel=1e-12)
    own = values @ weights / weights.sum()
    assert found.raw == pytest.approx(own.max() if sign == 1 else own.min(), rel=1e-12)
    best = own.max() if sign == 1 else own.min()
    assert found.bias == pytest.approx(best - slow.mean(), rel=1e-9)


def test_one_candidate_has_nothing_to_correct():
    values = np.random.default_rng(0).random((1, 50))
    found = corrected_score(values, np.ones(50), sign=1)
    assert (found.score, found.bias) == (found.raw, 0)
    assert found.score == pytest.approx(values.mean(), rel=1e-12)
    assert found.interval[0] < found.score < found.interval[1]
    copies = corrected_score(np.repeat(values, 7, 0), np.ones(50), sign=1)  # the same draws
    assert copies.interval == found.interval
    assert copies.bias == pytest.approx(0, abs=0.005)  # only the draws' noise


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_coins_are_worth_one_half(dtype):
    """64 candidates of coin flips on 60 rows, 100 data sets: the raw best is near 0.65, corrected 0.5 +- 0.015
    (4 standard errors of 0.037 / 10)."""
    found = [
        corrected_score((np.random.default_rng(s).random((64, 60)) < 0.5).astype(dtype), np.ones(60), sign=1, draws=200)
        for s in range(100)
    ]
    assert np.mean([f.raw for f in found]) > 0.62
    assert np.mean([f.score for f in found]) == pytest.approx(0.5, abs=0.015)
    assert np.mean([f.interval[0] <= 0.5 <= f.interval[1] for f in found]) >= 0.9


def test_copied_rows_need_units():
    """Ten copies of each of 40 rows: drawn singly the out-of-bag side knows the rows; as units it does not."""
    values = np.repeat((np.random.default_rng(2).random((200, 40)) < 0.5).astype(float), 10, axis=1)
    units = np.repeat(np.arange(40), 10)
    once = corrected_score(values[:, ::10], np.ones(40), sign=1, seed=3)
    together = corrected_score(values, np.ones(400), sign=1, units=units, seed=3)
    singly = corrected_score(values, np.ones(400), sign=1, seed=3)
    assert (together.score, *together.interval) == pytest.approx((once.score, *once.interval), rel=1e-9)
    assert singly.score > together.score + 0.1


def test_candidates_that_diverged_are_out():
    values = np.random.default_rng(5).random((6, 30))
    spoilt = np.insert(values, 2, 10.0, axis=0)
    spoilt[2, 7] = np.nan
    spoilt = np.insert(spoilt, 5, np.inf, axis=0)
    assert corrected_score(spoilt, np.ones(30), sign=1) == corrected_score(values, np.ones(30), sign=1)
    none = corrected_score(values * np.nan, np.ones(30), sign=1)
    assert all(math.isnan(value) for value in (none.score, none.raw, none.bias, *none.interval))
    alone = corrected_score(values, np.ones(30), sign=1, units=np.zeros(30, int))  # one unit: nothing stays out
    assert math.isnan(alone.score)
    assert alone.raw == pytest.approx(values.mean(1).max())


def test_memory_is_bounded():
    """4,000 candidates x 4,096 rows in float32 (66 MB): less than 300 MB more."""
    values = np.random.default_rng(6).random((4000, 4096), dtype=np.float32)
    tracemalloc.start()
    corrected_score(values, np.ones(4096), sign=-1, draws=200)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 300e6


@pytest.mark.parametrize("weights", [np.ones(4), np.zeros(5), np.r_[-1.0, 1, 1, 1, 1], np.full(5, np.nan)])
def test_refusals(weights):
    with pytest.raises(BadInput, match=r"values of shape \(2, 5\)"):
        corrected_score(np.ones((2, 5)), weights, sign=1)
