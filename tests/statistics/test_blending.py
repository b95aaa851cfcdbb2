"""Greedy blending against a slow twin, and what it gains on rows that did not choose it."""

import itertools

import numpy as np
import pytest
from sklearn.metrics import log_loss, mean_absolute_error, mean_squared_error

from tenfold.errors import BadInput
from tenfold.statistics.blending import best_blend, blend_or_best, blended, crossed_gain, greedy_counts, most_members
from tenfold.statistics.metrics import METRICS


def classes(members, rows, count, *, seed=0, skill=1.0):
    """Probabilities of members who are each right in places of their own."""
    rng = np.random.default_rng(seed)
    y = rng.integers(0, count, rows)
    logits = rng.normal(size=(members, rows, count)) * 1.5
    logits[:, np.arange(rows), y] += skill * rng.normal(1, 0.2, size=(members, 1))
    p = np.exp(logits)
    return (p / p.sum(-1, keepdims=True)).astype(np.float32), y


def numbers(members, rows, *, seed=0):
    rng = np.random.default_rng(seed)
    y = rng.normal(size=rows)
    return y[None, :, None] + rng.normal(size=(members, rows, 1)) * rng.uniform(0.5, 2, (members, 1, 1)), y


def losses_of(metric):
    return {
        "mae": lambda y, p: mean_absolute_error(y, p[:, 0]),
        "rmse": lambda y, p: mean_squared_error(y, p[:, 0]),
        "r2": lambda y, p: mean_squared_error(y, p[:, 0]),
    }.get(metric, lambda y, p: log_loss(y, p / p.sum(1, keepdims=True), labels=range(p.shape[1])))


def slow_twin(predictions, y, metric, steps):
    """A list of members, whose mean is made again and scored by scikit-learn for every candidate."""
    loss, bag, found = losses_of(metric), [], []
    for _ in range(steps):
        tries = [loss(y, predictions[[*bag, j]].astype(np.float64).mean(0)) for j in range(len(predictions))]
        least = min(tries)
        equal = [j for j, value in enumerate(tries) if value < least + 1e-12]
        bag.append(next((j for j in equal if j in bag), equal[0]))
        found.append(tries[bag[-1]])
    stop = next(i for i, value in enumerate(found) if value < min(found) + 1e-12)
    return np.bincount(bag[: stop + 1], minlength=len(predictions))


@pytest.mark.parametrize("metric", METRICS)
def test_it_takes_what_the_slow_twin_takes(metric):
    for seed in range(2):
        if METRICS[metric].task == "classification":
            predictions, y = classes(5, 60, 2 if seed else 4, seed=seed)
        else:
            predictions, y = numbers(5, 60, seed=seed)
        counts = greedy_counts(predictions, y, METRICS[metric], steps=10)
        np.testing.assert_array_equal(counts, slow_twin(predictions, y, metric, 10))
        assert (counts > 0).sum() > 1


def test_one_member_and_equal_members():
    predictions, y = classes(1, 50, 3)
    assert greedy_counts(predictions, y, METRICS["log_loss"]).tolist() == [1]
    same = np.repeat(predictions, 4, axis=0)
    assert greedy_counts(same, y, METRICS["accuracy"]).tolist() == [1, 0, 0, 0]
    values, z = numbers(1, 50)
    assert greedy_counts(np.repeat(values, 3, 0), z, METRICS["r2"]).tolist() == [1, 0, 0]
    perfect = z[None, :, None] * np.ones((2, 1, 1))
    assert greedy_counts(perfect, z, METRICS["rmse"]).tolist() == [1, 0]


def test_weights_of_two_members_are_those_of_least_squares():
    """Of two unbiased members the best weights are known: w = (c22 - c12) / (c11 + c22 - 2 c12)."""
    predictions, y = numbers(2, 4000, seed=3)
    c = np.cov((predictions[..., 0] - y), bias=True) + np.outer(*[(predictions[..., 0] - y).mean(1)] * 2)
    counts = greedy_counts(predictions, y, METRICS["rmse"])
    assert counts[0] / counts.sum() == pytest.approx((c[1, 1] - c[0, 1]) / (c.trace() - 2 * c[0, 1]), abs=0.01)


def test_never_worse_than_the_best_member_on_the_rows_that_chose_it():
    for seed, (task, name) in itertools.product(range(5), [("c", "log_loss"), ("n", "rmse"), ("n", "mae")]):
        predictions, y = classes(8, 60, 3, seed=seed) if task == "c" else numbers(8, 60, seed=seed)
        counts = greedy_counts(predictions, y, METRICS[name])
        metric = METRICS[name]
        together = metric.score(y, blended(predictions, counts)[None])[0]
        assert together <= metric.score(y, predictions).min() + 1e-7
    np.testing.assert_allclose(blended(predictions, counts), np.average(predictions, axis=0, weights=counts))


def test_so_many_different_members_at_most():
    predictions, y = numbers(8, 60)
    free = greedy_counts(predictions, y, METRICS["rmse"])
    two = greedy_counts(predictions, y, METRICS["rmse"], most=2)
    assert (free > 0).sum() > 2 == (two > 0).sum()
    assert (greedy_counts(predictions, y, METRICS["rmse"], most=1) > 0).sum() == 1
    # Whoever is the second, greedily: the pair that then gets its best weights.
    first = greedy_counts(predictions, y, METRICS["rmse"], steps=1).argmax()
    pairs = [np.mean((predictions[[first, j]].mean(0)[:, 0] - y) ** 2) for j in range(8)]
    assert set(np.flatnonzero(two)) == {first, np.argmin(pairs)}


def test_the_number_of_members_grows_with_the_rows():
    assert [most_members(rows) for rows in (1, 100, 10_000, 100_000)] == [3, 3, 25, 100]
    assert most_members(1000) == round((3 * 25) ** 0.5)
    assert most_members(100_001) > 10**9
    predictions, y = classes(40, 120, 3)
    counts = best_blend(predictions, y, METRICS["accuracy"])
    entered = np.argsort(-METRICS["accuracy"].score(y, predictions), kind="stable")[: most_members(120)]
    assert set(np.flatnonzero(counts)) <= set(entered)


def test_the_gain_is_honest():
    """Members of the same skill whose errors are independent: a blend gains. Members that know nothing: no gain is
    found, though on the rows that choose it a blend always looks better."""
    how = {"units": np.arange(300), "splits": 5}
    skilled, y = classes(6, 300, 2, seed=1)
    assert crossed_gain(skilled, y, METRICS["accuracy"], rng=np.random.default_rng(0), **how) > 0.03
    counts, gain = blend_or_best(skilled, y, METRICS["accuracy"], rng=np.random.default_rng(0), **how)
    assert (counts > 0).sum() > 1
    assert gain > 0.03
    looks, found = [], []
    for seed in range(6):
        rng = np.random.default_rng(seed)
        guesses = rng.normal(size=(10, 100, 1))
        z = rng.normal(size=100)
        counts = best_blend(guesses, z, METRICS["mae"])
        alone = METRICS["mae"].score(z, guesses).min()
        looks.append(alone - METRICS["mae"].score(z, blended(guesses, counts)[None])[0])
        twins = np.repeat(guesses[:1], 10, 0) + 1e-3 * rng.normal(size=(10, 100, 1))
        found.append(crossed_gain(twins, z, METRICS["mae"], units=np.arange(100), rng=rng, splits=3, choosing=2))
    assert min(looks) > 0
    assert abs(np.mean(found)) < 3e-4


def test_where_the_blend_gains_nothing_the_best_member_stays():
    """One member knows everything; the others would only blur it."""
    rng = np.random.default_rng(0)
    y = rng.normal(size=200)
    predictions = np.stack([y + rng.normal(size=200), y, y + 2])[..., None]
    units = np.arange(200)
    counts, gain = blend_or_best(predictions, y, METRICS["mae"], units=units, rng=rng, splits=3)
    assert counts.tolist() == [0, 1, 0]
    assert gain == 0


def test_where_the_metric_cannot_tell_the_log_loss_does():
    """One row in twenty is of the second class and nobody is ever sure of it: all members are right equally often, and
    the mean of their independent guesses has the better probabilities. Their accuracy says nothing."""
    rng = np.random.default_rng(0)
    y = (rng.random(2000) < 0.05).astype(np.int64)
    share = np.clip(0.05 + 0.15 * y + 0.1 * rng.normal(size=(5, 2000)), 0.005, 0.45)
    predictions = np.stack([1 - share, share], -1)
    how = {"units": np.arange(2000), "splits": 3}
    assert len(set(METRICS["accuracy"].score(y, predictions))) == 1
    counts, gain = blend_or_best(predictions, y, METRICS["accuracy"], rng=np.random.default_rng(0), **how)
    assert (counts > 0).sum() > 1
    assert gain == 0


def test_where_the_metric_is_worse_the_log_loss_decides_nothing():
    """The best member is always right and never sure; two others are sure, and wrong now and then."""
    rng = np.random.default_rng(0)
    y = rng.integers(0, 2, 600)
    sure = np.where(rng.random((2, 600)) < 0.03, 0.1, 0.999)
    of_the_class = np.concatenate([np.full((1, 600), 0.51), sure])
    predictions = np.where((np.arange(2) == y[:, None])[None], of_the_class[..., None], 1 - of_the_class[..., None])
    how = {"units": np.arange(600), "splits": 3}
    log_loss_gain = crossed_gain(predictions, y, METRICS["log_loss"], rng=np.random.default_rng(0), **how)
    counts, gain = blend_or_best(predictions, y, METRICS["accuracy"], rng=np.random.default_rng(0), **how)
    assert log_loss_gain > 0
    assert gain < 0
    assert counts.tolist() == [1, 0, 0]


def test_rows_of_one_unit_stay_together():
    """A single unit leaves no other half: there is no gain to measure. Two copies of each row are one."""
    predictions, y = classes(4, 100, 2)
    rng = np.random.default_rng
    how = {"splits": 4}
    assert crossed_gain(predictions, y, METRICS["accuracy"], units=np.zeros(100, int), rng=rng(0), **how) == 0
    single = crossed_gain(predictions, y, METRICS["log_loss"], units=np.arange(100), rng=rng(0), **how)
    twice = crossed_gain(
        np.repeat(predictions, 2, 1), np.repeat(y, 2), METRICS["log_loss"], units=np.repeat(np.arange(100), 2),
        rng=rng(0), **how,
    )  # fmt: skip
    assert single != 0
    assert twice == pytest.approx(single, abs=0.02)


def test_a_score_that_no_half_can_give_is_left_out():
    """Without a row of the second class there is no area under the curve."""
    predictions, _ = classes(3, 40, 2)
    how = {"units": np.arange(40), "rng": np.random.default_rng(0), "splits": 2}
    assert crossed_gain(predictions, np.zeros(40, np.int64), METRICS["roc_auc"], **how) == 0


def test_shapes_are_checked():
    predictions, y = classes(3, 40, 2)
    for wrong in ((predictions[:, :, 0], y), (predictions[:0], y), (predictions, y[1:]), (predictions[:, :0], y[:0])):
        with pytest.raises(BadInput, match="predictions of shape"):
            greedy_counts(*wrong, METRICS["accuracy"])
