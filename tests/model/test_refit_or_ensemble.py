"""Refit or ensemble: the networks that were scored, their mean as one model, and the comparison."""

import copy
import json
import math
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pandas as pd
import pytest
from scipy.stats import t
from sklearn.datasets import load_diabetes, load_digits, load_iris
from sklearn.ensemble import VotingClassifier, VotingRegressor
from sklearn.metrics import accuracy_score, r2_score
from sklearn.model_selection import StratifiedKFold

import tenfold
from tenfold import BadInput, Corrupt, Recipe
from tenfold.data.feed.batches import Dealing
from tenfold.data.feed.randomness import derive_int
from tenfold.engine.engines import best_engine, make_lanes
from tenfold.engine.packs.lanes import Lane
from tenfold.engine.plan.shape import Shape
from tenfold.errors import RunFailed, Stopped
from tenfold.model import refit_or_ensemble
from tenfold.model.model import Model
from tenfold.model.refit import fold_ensemble, refit, train_lanes
from tenfold.model.refit_or_ensemble import (
    RefitVersusEnsemble,
    compare_refit_and_ensemble,
    decide_model_kind,
    inner_folds,
)
from tenfold.problem.from_arrays import understand
from tenfold.recipe.recipe import loss_of
from tenfold.search.records import EpochRecorder
from tenfold.store import Run
from tenfold.store.bundle import write_bundle

X, Y = load_iris(return_X_y=True)
LABELS = np.array(["setosa", "versicolor", "virginica"])[Y]
RARE = np.where(np.arange(150) % 50 == 7, "rare", np.where(X[:, 3] > 1, "broad", "narrow"))
RARE[3] = "once"  # a level of a single row: two folds know it, the one that is scored on it does not
FRAME = pd.DataFrame(X[:, :3], columns=["a", "b", "c"]).assign(leaf=RARE)
FRAME.loc[5, "a"] = np.nan


def recipe(**fields):
    plain = {"network": {"hidden": [8]}, "optimizer": {"adam": {"lr": 0.02}}, "batch_size": 20, "epochs": 6}
    return Recipe.from_dict(plain | fields)


NEIGHBOURS = [  # like a search: the recipe stands among others, of which one needs the products of columns
    recipe(preprocess="whiten_pca"), recipe(),
    recipe(network={"hidden": [8], "activation": "tanh", "dropout": 0.3}, epochs=3), recipe(decay="cosine"),
    recipe(preprocess="robust_clip"),
]  # fmt: skip
NORMALIZED = recipe(network={"hidden": [8], "normalization": "batch", "dropout": 0.2}, weight_average=0.9)


def searched(problem, recipes, number):
    """The record of one recipe of a search, and its parameters at its chosen epoch: one pack, fold-mean curves."""
    import torch

    feed = problem.feed(recipes, torch.device("cpu"), torch.float32)
    lanes = [Lane(one, n, f) for n, one in enumerate(recipes) for f in range(len(problem.folds))]
    pack = make_lanes(lanes, Shape.of(recipes[number], problem.size, problem.folds), feed, engine=best_engine())
    book = EpochRecorder(problem, EpochRecorder.new(problem, recipes, range(len(recipes))))
    parameters = {}
    while pack.lanes:
        pack.run_epoch()
        for i, lane in enumerate(pack.lanes):
            if lane.number == number:
                parameters[pack.epoch, lane.fold] = pack.parameters(i)
        stay = book.record(pack.epoch, pack.lanes, pack.train_loss(), pack.evaluate(), pack.bad.numpy())
        pack.keep(stay)
    record = book.records[number]
    return record, [parameters[record.epoch, f] for f in range(len(problem.folds))]


def alone(mean):
    """A model of each member."""
    return [replace(mean, members=(member,)) for member in mean.members]


CASES = {
    "classes": (X, LABELS, NEIGHBOURS, 1),
    "numbers": (X[:, :3], X[:, 3] * 100, NEIGHBOURS, 3),
    "frame": (FRAME, LABELS, NEIGHBOURS[1:], 0),
    "counts": (X[:, :3], np.floor(X[:, 3] * 4), [recipe(loss="poisson")], 0),
    "average": (X, LABELS, [NORMALIZED], 0),
}


@pytest.fixture(scope="module", params=CASES)
def case(request):
    x, y, recipes, number = CASES[request.param]
    task = "regression" if request.param in ("numbers", "counts") else None
    labelled = understand(x, y, task)
    problem = labelled.problem(3, seed=4)
    record, parameters = searched(problem, recipes, number)
    mean = fold_ensemble(problem, recipes[number], record.epoch, schema=labelled.schema, classes=labelled.labels)
    return request.param, problem, record, parameters, mean, x


def test_fold_models_have_the_bits_of_what_was_scored(case):
    _, problem, record, parameters, mean, _ = case
    assert len(mean.members) == len(problem.folds)
    per_epoch = Dealing.of(problem.folds, 20).updates
    for member, expected in zip(mean.members, parameters, strict=True):
        assert member.weights.keys() == expected.keys()
        for name, array in expected.items():
            np.testing.assert_array_equal(member.weights[name], array)
        assert (member.epochs, member.updates) == (record.epoch, record.epoch * per_epoch)


def test_they_predict_their_validation_rows_as_the_search_did(case):
    """The pack's own outputs are those of the search bit for bit; the models', by torch's layers, within rounding."""
    import torch

    _, problem, record, _, mean, x = case
    chosen, models = mean.recipe, alone(mean)
    feed = problem.feed([chosen], torch.device("cpu"), torch.float32)
    last = record.epoch * Dealing.of(problem.folds, chosen.batch_size).updates
    pack = train_lanes(problem, chosen, feed, last)
    link = loss_of(chosen, bool(problem.classes)).link
    for f, raw in enumerate(pack.evaluate()):
        expected, rows = record.out_of_fold[f], problem.folds[f].validation
        np.testing.assert_array_equal(problem.readable(raw, f, link), expected)
        part = x.iloc[rows] if isinstance(x, pd.DataFrame) else x[rows]
        np.testing.assert_allclose(models[f].outputs(models[f].inputs(part)[0]), expected, rtol=2e-5, atol=2e-6)


def test_a_lane_has_its_bits_alone():
    import torch

    problem = understand(X, Y).problem(5)
    feed = problem.feed([NORMALIZED], torch.device("cpu"), torch.float32)
    together = train_lanes(problem, NORMALIZED, feed, 13)
    alone = train_lanes(problem, NORMALIZED, feed, 13, on=[3])
    for name, array in alone.parameters(0).items():
        np.testing.assert_array_equal(together.parameters(3)[name], array)


@pytest.mark.parametrize("train", [fold_ensemble, lambda *given: refit(*given, seed=0)])
def test_training_that_diverges_fails_with_a_remedy(train):
    wild = recipe(optimizer={"sgd": {"lr": 1e30}})
    with pytest.raises(RunFailed, match="clip_norm"):
        train(understand(X, Y).problem(3), wild, 3)


def test_it_can_be_stopped():
    def stop():
        raise Stopped("stopped by the user")

    with pytest.raises(Stopped, match="by the user"):
        fold_ensemble(understand(X, Y).problem(3), recipe(), 3, idle=stop)


def test_the_mean_is_that_of_scikit_learns_voting(case):
    _, problem, _, _, mean, x = case
    models, inputs = alone(mean), mean.inputs(x)[0]
    if problem.classes:
        voting = VotingClassifier([], voting="soft")
        voting.estimators_ = [_Fitted(model) for model in models]
        expected = voting._collect_probas(x)  # (members, rows, classes)
        np.testing.assert_allclose(mean.predict_proba(x), np.mean(expected, 0), rtol=1e-6)
        np.testing.assert_array_equal(mean.predict(x), np.array(mean.classes)[mean.predict_proba(x).argmax(1)])
        np.testing.assert_allclose(mean.predict_proba(x).sum(1), 1, rtol=1e-6)
    else:
        voting = VotingRegressor([])
        voting.estimators_ = [_Fitted(model) for model in models]
        np.testing.assert_allclose(mean.predict(x), np.mean(voting._predict(x), 1), rtol=1e-12)
        with pytest.raises(BadInput, match="regression"):
            mean.predict_proba(x)
    assert mean.outputs(inputs).shape == (150, problem.outputs)


class _Fitted:
    """A model with the face that scikit-learn's voting asks for."""

    def __init__(self, model):
        self.predict = model.predict
        self.predict_proba = getattr(model, "predict_proba", None)


def test_it_has_the_face_of_a_model(case):
    _, problem, record, _, mean, x = case
    first = alone(mean)[0]
    for name in ("recipe", "classes", "schema", "contract", "image", "epochs", "updates"):
        assert getattr(mean, name) == getattr(first, name)
    one, two = mean.inputs(x)[0], first.inputs(x)[0]
    np.testing.assert_array_equal(one.numbers, two.numbers)
    if problem.classes:
        assert mean.labels(np.eye(3)).tolist() == list(mean.classes)
    assert mean.epochs == record.epoch


def test_the_module_averages_what_the_members_say(case):
    """Single precision, where `outputs` scales numbers in double precision."""
    import torch

    name, _, _, _, mean, x = case
    inputs = mean.inputs(x)[0]
    rows = mean.encode(inputs)
    widths = [member.encoding.width for member in mean.members]
    assert rows.shape == (150, sum(widths))
    if name == "frame":
        assert len(set(widths)) > 1
    assert isinstance(mean.module, torch.nn.Module)
    assert not mean.module.training
    found = mean.module(torch.from_numpy(rows))
    np.testing.assert_allclose(found.detach().numpy(), mean.outputs(inputs), rtol=1e-5, atol=1e-6)
    weights = [part for part in mean.module.parameters() if part.requires_grad]
    assert all(gradient is not None for gradient in torch.autograd.grad(found.sum(), weights, allow_unused=True))


def test_saved_and_loaded_it_predicts_the_same_bits(case, tmp_path):
    *_, mean, x = case
    sha = mean.save(tmp_path / "m")
    with Run.create(tmp_path / "run") as run:
        run.put("model", run.write_model(**mean.parts("# the card\n")))
    for loaded in (tenfold.load(tmp_path / "m"), tenfold.load(tmp_path / "run")):
        assert len(loaded.members) == 3
        inputs = loaded.inputs(x)[0]
        np.testing.assert_array_equal(loaded.outputs(inputs), mean.outputs(mean.inputs(x)[0]))
        assert loaded.predict(x).tolist() == mean.predict(x).tolist()
        assert (loaded.recipe, loaded.classes) == (mean.recipe, mean.classes)
        assert (loaded.updates, loaded.epochs) == (mean.updates, mean.epochs)
    assert tenfold.load(tmp_path / "m").save(tmp_path / "again") == sha
    assert {path.suffix for path in (tmp_path / "m").iterdir()} <= {".json", ".safetensors", ".md"}


def test_one_model_is_still_one_model(case, tmp_path):
    *_, mean, x = case
    model = alone(mean)[1]
    model.save(tmp_path / "m")
    assert "members" not in json.loads((tmp_path / "m" / "spec.json").read_text())
    loaded = tenfold.load(tmp_path / "m")
    assert len(loaded.members) == 1
    np.testing.assert_array_equal(loaded.predict(x), model.predict(x))


@pytest.fixture(scope="module")
def mean():
    problem = understand(X, LABELS).problem(3)
    return fold_ensemble(problem, recipe(), 2, classes=("setosa", "versicolor", "virginica"))


def test_a_row_alone_has_the_same_bits(mean):
    together = mean.predict_proba(X)
    alone = [mean.predict_proba(X[i : i + 1]) for i in range(20)]
    np.testing.assert_array_equal(np.concatenate(alone), together[:20])
    assert len(mean.predict(X[:0])) == 0


def test_a_model_needs_members(mean):
    with pytest.raises(BadInput, match="without members"):
        Model((), mean.classes, None)


def test_members_are_averaged_by_their_shares(mean):
    import torch

    first, second = mean.members[:2]
    blend = replace(mean, members=(replace(first, share=3.0), second))
    parts = [model.predict_proba(X) for model in alone(blend)]
    expected = 0.75 * parts[0] + 0.25 * parts[1]
    np.testing.assert_allclose(blend.predict_proba(X), expected, rtol=1e-6)
    rows = torch.from_numpy(blend.encode(blend.inputs(X)[0]))
    np.testing.assert_allclose(blend.module(rows).detach(), expected, rtol=1e-5, atol=1e-7)


def test_a_bundle_whose_members_are_incomplete_is_corrupt(mean, tmp_path):
    def broken(**change):
        parts = copy.deepcopy(mean.parts())
        write_bundle(tmp_path / "m", **{**parts, **change})
        with pytest.raises(Corrupt, match="member"):
            tenfold.load(tmp_path / "m")

    parts = mean.parts()
    for count in (2, 4, 0, "3", True):
        broken(spec={**parts["spec"], "members": count})
    broken(preprocess={"width": 4, "target_scale": [0, 1]})
    broken(preprocess={"members": parts["preprocess"]["members"][:2]})
    broken(arrays={name: array for name, array in parts["arrays"].items() if not name.startswith("m1.")})
    broken(arrays={**parts["arrays"], "0.weight": np.zeros(3)})
    broken(preprocess_arrays={**parts["preprocess_arrays"], "m7.medians": np.zeros(3)})


def test_a_changed_byte_of_a_member_is_refused(mean, tmp_path):
    mean.save(tmp_path / "m")
    path = tmp_path / "m" / "model.safetensors"
    raw = path.read_bytes()
    path.write_bytes(raw[:-2] + bytes([raw[-2] ^ 1]) + raw[-1:])
    with pytest.raises(Corrupt, match="safetensors"):
        tenfold.load(tmp_path / "m")


def test_the_samples_of_all_members_are_pooled():
    dropped = recipe(network={"hidden": [16], "dropout": 0.3})
    mean = fold_ensemble(understand(X, Y).problem(3), dropped, 5)
    inputs = mean.inputs(X)[0]
    centre, spread = mean.samples(inputs, 20, seed=1)
    drawn = []  # every pass of every member, one by one
    for number, member in enumerate(alone(mean)):
        seed = derive_int(1, "dropout", number)
        sums = [np.zeros((150, 3)), *(n * member.samples(inputs, n, seed=seed)[0] for n in range(1, 21))]
        drawn += [after - before for before, after in pairwise(sums)]
    np.testing.assert_allclose(centre, np.mean(drawn, 0), atol=1e-6)
    np.testing.assert_allclose(spread, np.std(drawn, 0), atol=1e-5)
    np.testing.assert_array_equal(mean.predict_samples(X, 20, seed=1)[0], centre)
    assert not np.array_equal(mean.samples(inputs, 20, seed=2)[0], centre)
    with pytest.raises(BadInput, match="without dropout"):
        fold_ensemble(understand(X, Y).problem(3), recipe(), 1).samples(inputs, 5)


def test_images_are_averaged_too(tmp_path):
    x, y = load_digits(return_X_y=True)
    x, y = (x[:200].reshape(-1, 8, 8) * 15.9).astype(np.uint8), y[:200]
    layers = [{"conv": {"channels": 4, "kernel": 3}}, "relu", {"max_pool": 2}, "flatten"]
    conv = recipe(network={"layers": layers}, batch_size=64)
    mean = fold_ensemble(understand(x, y).problem(2), conv, 2, classes=tuple(range(10)))
    mean.save(tmp_path / "m")
    loaded = tenfold.load(tmp_path / "m")
    assert loaded.image == (8, 8, 1)
    np.testing.assert_array_equal(loaded.predict_proba(x), mean.predict_proba(x))
    expected = np.mean([model.predict_proba(x) for model in alone(mean)], axis=0)
    np.testing.assert_allclose(mean.predict_proba(x), expected, rtol=1e-6)


def test_for_squared_errors_the_mean_is_better_by_the_spread():
    """Krogh & Vedelsby 1995: (mean(f) - y)^2 = mean((f - y)^2) - var(f), row by row."""
    x, y = load_diabetes(return_X_y=True)
    mean = fold_ensemble(understand(x, y).problem(4), recipe(), 5)
    each = np.array([model.predict(x) for model in alone(mean)])  # (members, rows)
    error = (mean.predict(x) - y) ** 2
    np.testing.assert_allclose(error, ((each - y) ** 2).mean(0) - each.var(0), rtol=1e-9)


@pytest.mark.parametrize("repeats", [1, 2])
def test_inner_networks_never_see_the_rows_that_they_are_scored_on(repeats):
    problem = understand(X, Y).problem(3, repeats=repeats)
    parts = inner_folds(problem, seed=0)
    numbers = [fold.number for part in parts for fold in part]
    taken = {fold.number for fold in problem.folds} | {len(problem.folds)}  # the scored networks and the refit
    assert len(set(numbers)) == len(numbers) == 9 * repeats
    assert not taken & set(numbers)
    for outer, part in zip(problem.folds, parts, strict=True):
        assert len(part) == 3
        left_out = [np.setdiff1d(outer.train, fold.train) for fold in part]
        np.testing.assert_array_equal(np.sort(np.concatenate(left_out)), outer.train)  # each is left out once
        for fold, out in zip(part, left_out, strict=True):
            np.testing.assert_array_equal(fold.validation, outer.validation)
            assert not np.intersect1d(fold.train, outer.validation).size
            assert np.ptp(np.bincount(Y[out])) <= 2  # stratified


def test_the_division_can_be_given_and_must_stay_inside():
    problem = understand(X, Y).problem(3)
    halves = inner_folds(problem, 0, lambda rows: [(rows[::2], rows[1::2]), (rows[1::2], rows[::2])])
    assert [len(part) for part in halves] == [2, 2, 2]
    np.testing.assert_array_equal(halves[1][0].train, problem.folds[1].train[::2])
    for wrong in (lambda _: [], lambda rows: [(rows[:0], rows)], lambda _: [(np.arange(150), np.arange(1))]):
        with pytest.raises(BadInput, match="leaves its training part"):
            inner_folds(problem, 0, wrong)


def test_small_classes_lower_the_number_of_inner_folds():
    y = np.repeat([0, 1, 2], [20, 20, 4])
    x = np.arange(44.0)[:, None] % 7
    problem = understand(x, y).problem(StratifiedKFold(4))
    assert [len(part) for part in inner_folds(problem, 0)] == [3, 3, 3, 3]
    pair = replace(problem, folds=understand(x[:42], y[:42]).problem(2).folds)  # class 2 has one row in each half
    assert [len(part) for part in inner_folds(pair, 0)] == [2, 2]


@pytest.mark.parametrize("task", ["classification", "regression"])
def test_the_comparison_is_that_of_networks_trained_one_by_one(task, monkeypatch):
    y = Y if task == "classification" else X[:, 3] * 10
    problem = understand(X[:, :3], y, task).problem(3, seed=2)
    refitted = [0.5, 0.6, 0.7]
    found = compare_refit_and_ensemble(problem, NORMALIZED, 4, seed=2, trained_scores=refitted)
    inner = replace(problem, folds=tuple(fold for part in inner_folds(problem, 2) for fold in part))
    models = alone(fold_ensemble(inner, NORMALIZED, 4))
    expected = []
    for o, outer in enumerate(problem.folds):
        x, true = X[outer.validation, :3], problem.y[outer.validation]
        mean = np.mean([m.outputs(m.inputs(x)[0]) for m in models[3 * o : 3 * o + 3]], axis=0)
        score = accuracy_score(true, mean.argmax(1)) if task == "classification" else r2_score(true, mean[:, 0])
        expected.append(score)
    np.testing.assert_allclose(found.ensemble, expected, rtol=1e-5)
    d = np.array(found.ensemble) - refitted
    ratio = np.mean([len(fold.validation) / len(fold.train) for fold in problem.folds])  # about 1 / 2
    value = abs(d.mean()) / math.sqrt((1 / 3 + ratio) * d.var(ddof=1))  # Nadeau & Bengio, 3 folds
    assert found.p_value == pytest.approx(2 * t.sf(value, 2))
    assert found.gain == pytest.approx(d.mean())
    assert found.refit == tuple(refitted)
    monkeypatch.setattr(refit_or_ensemble, "PACK_SECONDS", 0.0)  # one outer fold at a time
    assert compare_refit_and_ensemble(problem, NORMALIZED, 4, seed=2, trained_scores=refitted) == found


def test_nothing_that_the_inner_networks_say_depends_on_outer_labels():
    """Labels of the outer validation rows change the scores, and nothing else: the weights have the same bits."""
    problem = understand(X, Y).problem(2)
    seen = []
    for shift in (0, 1):
        y = Y.copy()
        rows = problem.folds[0].validation
        y[rows] = (y[rows] + shift) % 3
        changed = replace(problem, y=y)
        inner = replace(changed, folds=inner_folds(problem, 0)[0])
        seen.append(fold_ensemble(inner, recipe(), 3).members)
    for one, two in zip(*seen, strict=True):
        for name, array in one.weights.items():
            np.testing.assert_array_equal(two.weights[name], array)


def test_a_diverged_network_leaves_the_refit():
    wild = recipe(optimizer={"sgd": {"lr": 1e30}})
    found = compare_refit_and_ensemble(understand(X, Y).problem(3), wild, 2, seed=0, trained_scores=[0.1, 0.2, 0.3])
    assert all(map(math.isnan, found.ensemble))
    assert math.isnan(found.p_value)
    assert found.choice == "refit"


def test_the_choice_needs_evidence():
    labelled = understand(X, Y)
    problem = labelled.problem(5)
    one = [0.80, 0.81, 0.82, 0.83, 0.84]
    steady = [score + 0.05 + 0.001 * i for i, score in enumerate(one)]
    chance = [0.95, 0.70, 0.99, 0.75, 0.90]
    assert decide_model_kind(problem, one, steady).choice == "ensemble"
    assert decide_model_kind(problem, steady, one).choice == "refit"
    assert decide_model_kind(problem, one, chance).choice == "refit"
    assert decide_model_kind(problem, one, chance).gain > 0
    assert decide_model_kind(problem, one, one) == RefitVersusEnsemble(tuple(one), tuple(one), 1.0, "refit")
    losses = labelled.problem(5, metric="log_loss")  # lower is better
    assert decide_model_kind(losses, steady, one).choice == "ensemble"
    assert decide_model_kind(losses, one, steady).choice == "refit"
    with pytest.raises(BadInput, match="5 scores"):
        decide_model_kind(problem, one, one[:4])
