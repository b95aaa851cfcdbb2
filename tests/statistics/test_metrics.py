"""Metrics of stacks of predictions against scikit-learn's, one prediction at a time."""

import importlib
import pickle

import numpy as np
import pytest
from sklearn import metrics as sk

from tenfold.errors import BadInput
from tenfold.statistics.metrics import METRICS, all_scores, metric_for, metric_of_lopsided

TRIALS = 4


def probabilities(rows, classes, seed, ties=False, dtype=np.float64):
    rng = np.random.default_rng(seed)
    p = rng.dirichlet(np.ones(classes), (TRIALS, rows))
    if ties:  # a few levels only, whole rows alike
        p = np.round(p * 4) + 1
        p[:, ::3] = 1
    return (p / p.sum(-1, keepdims=True)).astype(dtype)


def areas(y, p):
    """Mean area over the classes that occur, one against the rest; of the second class if there are two."""
    columns = [1] if p.shape[1] == 2 else [c for c in range(p.shape[1]) if (y == c).any()]
    return np.mean([sk.roc_auc_score(y == c, p[:, c]) for c in columns])


ORACLES = {
    "accuracy": lambda y, p: sk.accuracy_score(y, p.argmax(1)),
    "balanced_accuracy": lambda y, p: sk.recall_score(y, p.argmax(1), labels=np.unique(y), average="macro"),
    "log_loss": lambda y, p: sk.log_loss(y, p, labels=range(p.shape[1])),
    "roc_auc": areas,
    "r2": lambda y, p: sk.r2_score(y, p[:, 0]),
    "rmse": lambda y, p: sk.root_mean_squared_error(y, p[:, 0]),
    "mae": lambda y, p: sk.mean_absolute_error(y, p[:, 0]),
}
LOWER_IS_BETTER = {"log_loss", "rmse", "mae"}  # means of losses, one a row
BEST = {"accuracy": 1, "balanced_accuracy": 1, "log_loss": 0, "roc_auc": 1, "r2": 1, "rmse": 0, "mae": 0}
OF_CLASSES = [name for name, metric in METRICS.items() if metric.task == "classification"]
OF_NUMBERS = [name for name, metric in METRICS.items() if metric.task == "regression"]


def test_every_metric_has_an_oracle():
    assert set(ORACLES) == set(BEST) == set(METRICS)


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("ties", [False, True], ids=["", "ties"])
@pytest.mark.parametrize(("classes", "absent"), [(2, False), (7, False), (7, True)], ids=["2", "7", "4 of 7"])
@pytest.mark.parametrize("name", OF_CLASSES)
def test_classification(name, classes, absent, ties, dtype):
    y = np.random.default_rng(1).choice([0, 2, 3, 6] if absent else classes, 60)
    p = probabilities(60, classes, 2, ties, dtype)
    expected = [ORACLES[name](y, one) for one in p]
    scores = METRICS[name].score(y, p)
    assert scores.shape == (TRIALS,)
    np.testing.assert_allclose(scores, expected, rtol=1e-12 if dtype == np.float64 else 2e-6)


def test_all_classes_present_is_scikit_learns_own_average():
    y, p = np.arange(70) % 7, probabilities(70, 7, 3)
    np.testing.assert_allclose(METRICS["roc_auc"].score(y, p), [sk.roc_auc_score(y, o, multi_class="ovr") for o in p])
    np.testing.assert_allclose(
        METRICS["balanced_accuracy"].score(y, p), [sk.balanced_accuracy_score(y, o.argmax(1)) for o in p]
    )


def test_certain_and_wrong_is_finite():
    p = np.array([[[1.0, 0.0], [0.0, 1.0]]])
    y = np.array([1, 1])
    assert METRICS["log_loss"].score(y, p) == pytest.approx(sk.log_loss(y, p[0], labels=[0, 1]))


def test_an_area_needs_both_sides():
    assert np.isnan(METRICS["roc_auc"].score(np.zeros(5, int), probabilities(5, 2, 0))).all()


@pytest.mark.parametrize("unit", [1.0, 1e6])
@pytest.mark.parametrize("name", OF_NUMBERS)
def test_regression(name, unit):
    rng = np.random.default_rng(4)
    y = unit * (rng.standard_normal(50) + 3)
    p = y[None, :, None] + unit * rng.standard_normal((TRIALS, 50, 1))
    np.testing.assert_allclose(METRICS[name].score(y, p), [ORACLES[name](y, one) for one in p], rtol=1e-12)


def test_r2_of_a_constant_target_is_scikit_learns():
    y = np.full(4, 2.0)
    p = np.array([[2.0] * 4, [2.0, 2, 2, 3]])[..., None]
    assert METRICS["r2"].score(y, p).tolist() == [sk.r2_score(y, one[:, 0]) for one in p] == [1.0, 0.0]


@pytest.mark.parametrize("name", METRICS)
def test_a_metric_is_pickled_with_a_fitted_estimator(name):
    metric = METRICS[name]
    again = pickle.loads(pickle.dumps(metric))
    y, p = (
        (np.array([0, 1, 1]), np.eye(2)[[0, 1, 0]] * 0.8 + 0.1)
        if name in OF_CLASSES
        else (np.arange(3.0), np.ones((3, 1)))
    )
    weights = np.array([[1.0, 2.0, 1.0]])
    assert again.weighted(y, p, weights) == metric.weighted(y, p, weights)
    assert (again.rows(y, p[None]) == metric.rows(y, p[None])).all()


def test_signs_defaults_and_refusals():
    assert {name for name, metric in METRICS.items() if not metric.higher_is_better} == LOWER_IS_BETTER
    assert all(metric.sign == (1 if metric.higher_is_better else -1) for metric in METRICS.values())
    assert (metric_for("classification", None).name, metric_for("regression", None).name) == ("accuracy", "r2")
    for task, name in (("regression", "accuracy"), ("classification", "rmse"), ("classification", "acuracy")):
        with pytest.raises(BadInput, match=f"metric '{name}' is not one for {task}"):
            metric_for(task, name)


def test_classes_of_which_one_dwarfs_the_others_have_a_default_of_their_own():
    def chosen(*counts, folds=5):
        y = np.repeat(np.arange(len(counts)), counts)
        metric = metric_of_lopsided(y, [y[start::folds] for start in range(folds)])
        return None if metric is None else metric.name

    assert chosen(899, 101) is None
    assert chosen(900, 100) == "roc_auc"
    assert chosen(100, 900) == "roc_auc"
    assert chosen(980, 20) == "log_loss"  # 4 in a fold
    assert chosen(975, 25) == "roc_auc"  # 5 in a fold
    assert chosen(950, 25, 25) == "log_loss"
    assert chosen(500, 500, 3) is None
    assert chosen(975, 25, folds=6) == "log_loss"


def test_all_scores_are_those_of_the_task():
    p = probabilities(30, 3, 0)
    found = all_scores("classification", np.arange(30) % 3, p)
    assert list(found) == OF_CLASSES
    assert list(all_scores("regression", np.arange(30.0), p[..., :1])) == OF_NUMBERS


def prediction_for(name, rows, seed, ties=False):
    if METRICS[name].task == "classification":
        return np.random.default_rng(seed).integers(3, size=rows), probabilities(rows, 3, seed, ties)
    rng = np.random.default_rng(seed)
    y = rng.standard_normal(rows) + 5
    return y, y[None, :, None] + rng.standard_normal((TRIALS, rows, 1))


@pytest.mark.parametrize("ties", [False, True])
@pytest.mark.parametrize("name", METRICS)
def test_the_mean_of_the_rows_is_the_score(name, ties):
    y, p = prediction_for(name, 90, 6, ties)
    metric = METRICS[name]
    found = metric.rows(y, p)
    assert (found.shape, found.dtype) == ((TRIALS, 90), np.float64)
    np.testing.assert_allclose(found.mean(-1), metric.score(y, p), rtol=1e-12)
    np.testing.assert_allclose(found[2:3], metric.rows(y, p[2:3]), rtol=0)  # a trial does not see the others


@pytest.mark.parametrize("name", METRICS)
def test_a_metric_is_what_its_record_says(name):
    """Its file, its bounds, its direction, and what it says of the mean of its rows' losses."""
    metric = METRICS[name]
    assert importlib.import_module(f"tenfold.statistics.metrics.{name}").METRIC is metric
    assert metric.words
    y, p = prediction_for(name, 80, 10)
    score = metric.score(y, p)
    assert ((metric.bounds[0] <= score) & (score <= metric.bounds[1])).all()
    perfect = np.eye(3)[y][None] if metric.task == "classification" else y[None, :, None]
    assert metric.score(y, perfect)[0] == pytest.approx(BEST[name], abs=1e-12)
    assert (metric.sign * (metric.score(y, perfect) - score) > 0).all()
    assert (metric.row_losses is not None) == (name in LOWER_IS_BETTER)
    if metric.row_losses is not None:
        losses = metric.row_losses(y, p)
        assert (losses >= 0).all()
        assert [metric.of_mean_loss(mean) for mean in losses.mean(-1)] == pytest.approx(score, rel=1e-12)
    assert metric.counts_hits == (name == "accuracy")
    assert not metric.counts_hits or set(np.unique(metric.rows(y, p))) == {0, 1}


@pytest.mark.parametrize("name", METRICS)
def test_rows_are_the_first_order_effects(name):
    """n times the change of the score when a row counts a little more: (1e-6), against a weighted score."""
    y, p = prediction_for(name, 40, 7)
    step = 1e-6
    heavier = (1 + step * np.eye(40)) / (40 + step) * 40
    change = (METRICS[name].weighted(y, p[0], heavier) - METRICS[name].score(y, p)[0]) / step
    expected = METRICS[name].rows(y, p)[0] - METRICS[name].score(y, p)[0]
    np.testing.assert_allclose(change * 40, expected, atol=2e-4 * max(1, np.abs(expected).max()))


def test_area_rows_are_delongs_placements_pair_by_pair():
    y, p = np.array([0, 1, 1, 0, 1]), probabilities(5, 2, 8, ties=True)
    score = p[..., 1]
    wins = (score[:, y == 1][:, :, None] > score[:, y == 0][:, None]) + 0.5 * (
        score[:, y == 1][:, :, None] == score[:, y == 0][:, None]
    )  # (trials, members, others)
    area = wins.mean((1, 2))
    expected = np.empty((TRIALS, 5))
    expected[:, y == 1] = area[:, None] + 5 / 3 * (wins.mean(2) - area[:, None])
    expected[:, y == 0] = area[:, None] + 5 / 2 * (wins.mean(1) - area[:, None])
    np.testing.assert_allclose(METRICS["roc_auc"].rows(y, p), expected, rtol=1e-12)


def test_rows_of_perfect_constant_and_undefined_cases():
    y = np.array([1.0, 2.0, 4.0])
    right = y[None, :, None]
    assert METRICS["rmse"].rows(y, right).tolist() == [[0, 0, 0]]
    assert METRICS["r2"].rows(y, right).tolist() == [[1, 1, 1]]
    constant = np.stack([np.full((3, 1), 2.0), right[0]])
    assert METRICS["r2"].rows(np.full(3, 2.0), constant).tolist() == [[1, 1, 1], [0, 0, 0]]
    assert np.isnan(METRICS["roc_auc"].rows(np.zeros(5, int), probabilities(5, 2, 0))).all()
    absent = METRICS["balanced_accuracy"].rows(np.array([0, 0, 2]), np.eye(4)[[0, 1, 2]][None])
    np.testing.assert_allclose(absent.mean(-1), 0.75)
    for name in ("log_loss", "roc_auc", "rmse", "mae", "r2"):
        labels, p = prediction_for(name, 30, 9)
        p[1] = np.nan
        found = METRICS[name].rows(labels, p)
        assert np.isnan(found).all(1).tolist() == [False, True, False, False]
