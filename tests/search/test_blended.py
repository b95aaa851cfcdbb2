"""The blend that a search chooses from its out-of-fold predictions, and its honest score."""

from dataclasses import replace

import numpy as np
import pytest
from sklearn.datasets import load_diabetes, load_iris

import tenfold
from tenfold import Space
from tenfold.search.blended import BLENDED, Blend, blend_parts, choose_blend
from tenfold.search.trial_outcome import Outcome
from tenfold.statistics.blending import best_blend
from tenfold.statistics.temperature import best_temperature

X, Y = load_diabetes(return_X_y=True)
SPACE = Space.from_dict({
    "network": {"hidden": [[8], [24]], "activation": ["tanh", "relu"]}, "loss": ["squared", "huber", "absolute"],
    "optimizer": {"adam": {"lr": {"log_uniform": [3e-3, 5e-2]}}}, "batch_size": 32, "epochs": 9,
})  # fmt: skip


@pytest.fixture(scope="module")
def found():
    return tenfold.search(SPACE, X, Y, trials=12, folds=3, strategy="halving", seed=1, metric="rmse", device="cpu")


def test_it_is_the_greedy_blend_of_the_recipes_out_of_fold(found):
    trained = found.trained
    blend = trained.blend
    numbers = list(trained.order)
    predictions = np.stack([trained.out_of_fold(number) for number in numbers])
    counts = best_blend(predictions, trained.problem.y, trained.problem.metric, most=BLENDED)
    assert dict(zip(blend.numbers, blend.counts, strict=True)) == {
        numbers[place]: count for place, count in enumerate(counts) if count
    }
    assert 2 <= len(blend.numbers) <= BLENDED
    assert list(blend.counts) == sorted(blend.counts, reverse=True)
    assert sum(blend.shares) == pytest.approx(1)
    mean = np.average([trained.out_of_fold(n) for n in blend.numbers], axis=0, weights=blend.counts)
    for fold, score in zip(trained.problem.folds, blend.scores, strict=True):
        error = (mean[fold.validation, 0] - trained.problem.y[fold.validation]) ** 2
        assert score == pytest.approx(error.mean() ** 0.5)
    assert trained.blend.mean <= trained.mean(trained.best())


def test_its_corrected_score_is_the_winners_with_the_gain(found):
    blend, alone = found.trained.blend, found.trained.correction
    assert blend.corrected.score == pytest.approx(alone.score - blend.gain)
    assert np.subtract(*blend.corrected.interval) == pytest.approx(np.subtract(*alone.interval))
    assert Blend.of(blend.to_dict()) == blend


def test_the_model_of_the_search_predicts_as_the_blend(found):
    model = found.refit("blend")
    parts = blend_parts(found.trained, found.trained.blend)
    assert [group[0].recipe for group in model.alike] == [part.recipe for part in parts]
    assert [group[0].share for group in model.alike] == [part.share for part in parts]
    assert len(model.members) == 3 * len(parts)
    # Each network on the rows that its fold did not train on: what was blended.
    outputs = [replace(model, members=(member,)).predict(X) for member in model.members]
    for f, fold in enumerate(found.trained.problem.folds):
        rows = fold.validation
        mean = np.average([out[rows] for out in outputs[f::3]], axis=0, weights=[part.share for part in parts])
        expected = [found.trained.records[n].out_of_fold[f][:, 0] for n in found.trained.blend.numbers]
        weighted = np.average(expected, axis=0, weights=found.trained.blend.counts)
        np.testing.assert_allclose(mean, weighted, rtol=2e-5)


def test_dropped_recipes_may_be_members_and_diverged_ones_not(found):
    trained = found.trained
    first = choose_blend(trained).numbers[0]
    assert any(record.dropped for record in trained.records.values())
    records = {n: replace(record, outcomes=list(record.outcomes)) for n, record in trained.records.items()}
    records[first].outcomes[1] = Outcome.DIVERGED
    assert first not in choose_blend(replace(trained, records=records)).numbers
    records[first] = replace(trained.records[first], out_of_fold=[None, *trained.records[first].out_of_fold[1:]])
    assert first not in choose_blend(replace(trained, records=records)).numbers


def test_alone_it_is_the_winner(found):
    trained = found.trained
    one = choose_blend(trained, most=1)
    assert (one.numbers, one.counts, one.gain) == ((trained.best(),), (1,), 0.0)
    assert one.corrected == trained.correction
    assert one.scores == tuple(trained.scores(trained.best()))
    assert Blend.of(one.to_dict()) == one


def test_groups_and_repeats_and_classes():
    x, y = load_iris(return_X_y=True)
    space = Space.from_dict({
        "network": {"hidden": [[4], [8]]}, "optimizer": {"adam": {"lr": [0.01, 0.03]}}, "batch_size": 16, "epochs": 6,
    })  # fmt: skip
    groups = np.arange(150) // 2
    found = tenfold.search(
        space, x, y, trials=4, folds=3, repeats=2, groups=groups, metric="log_loss", device="cpu", seed=3
    )
    blend = found.trained.blend
    model = found.refit("blend")
    assert len(model.members) == 6 * len(blend.numbers)
    assert np.isfinite(blend.corrected.score)
    np.testing.assert_allclose(model.predict_proba(x).sum(1), 1, rtol=1e-6)


def test_the_temperature_is_that_of_the_predictions_out_of_fold():
    """Of networks that are far too sure after many epochs: they ask for more than 1, and several for its root."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(150, 5))
    y = (x[:, 0] + rng.normal(size=150) > 0).astype(int)
    space = Space.from_dict({"network": {"hidden": [[32]]}, "optimizer": {"adam": {"lr": 0.05}}, "epochs": 30})
    found = tenfold.search(space, x, y, trials=1, folds=3, device="cpu")
    predictions = found.trained.out_of_fold(0)[None]
    temperature = best_temperature(predictions, y, np.ones(1))
    assert temperature > 1.2
    assert found.refit("refit").temperature == temperature
    assert found.refit("ensemble").temperature == found.refit("blend").temperature == temperature**0.5


def test_on_random_labels_nothing_is_gained():
    """Winner and blend look better than chance on the rows that chose them; corrected, both are at chance."""
    space = Space.from_dict({
        "network": {"hidden": [[4], [8], [16]]}, "optimizer": {"adam": {"lr": {"log_uniform": [3e-3, 0.1]}}},
        "batch_size": 16, "epochs": 8,
    })  # fmt: skip
    looks, honest = [], []
    for seed in range(8):
        rng = np.random.default_rng(seed)
        x, y = rng.normal(size=(60, 8)), rng.permutation(np.repeat([0, 1], 30))
        trained = tenfold.search(space, x, y, trials=24, folds=3, seed=seed, device="cpu").trained
        looks.append(trained.blend.mean)
        honest.append(trained.blend.corrected.score)
    assert np.mean(looks) > 0.58
    assert np.mean(honest) < 0.54
