"""A blend of recipes as one model: its members, its bits, its bundle; and several refits."""

import copy
from dataclasses import replace

import numpy as np
import pytest
from sklearn.datasets import load_diabetes, load_iris

import tenfold
from tenfold import Corrupt, Recipe
from tenfold.model.final import BlendPart, Winner, final_model, short_folds
from tenfold.model.refit import fold_blend, fold_ensemble, refit
from tenfold.problem.from_arrays import understand
from tenfold.store.bundle import write_bundle

X, Y = load_iris(return_X_y=True)
Z, W = load_diabetes(return_X_y=True)


def recipe(**fields):
    plain = {"network": {"hidden": [8]}, "optimizer": {"adam": {"lr": 0.02}}, "batch_size": 20, "epochs": 6}
    return Recipe.from_dict(plain | fields)


CLASSES = [
    BlendPart(recipe(network={"hidden": [8, 4], "dropout": 0.2}), 4, 3.0),
    BlendPart(recipe(preprocess="whiten_pca", loss="hinge"), 2, 1.0),
]
# A link of its own: the mean is one of numbers in the target's unit.
NUMBERS = [
    BlendPart(recipe(network={"hidden": [8], "normalization": "batch"}), 5, 2.0),
    BlendPart(recipe(loss="poisson"), 3, 1.0), BlendPart(recipe(loss="huber", batch_size=50), 6, 4.0),
]  # fmt: skip
CASES = {"classes": (X, Y, CLASSES, None), "numbers": (Z, W, NUMBERS, "regression")}


@pytest.fixture(scope="module", params=CASES)
def case(request):
    x, y, parts, task = CASES[request.param]
    labelled = understand(x, y, task)
    problem = labelled.problem(3, seed=4, repeats=1 + (request.param == "numbers"))
    how = {"schema": labelled.schema, "classes": labelled.labels}
    return x, problem, parts, fold_blend(problem, parts, **how), how


def test_it_is_the_weighted_mean_of_the_ensembles_of_its_recipes(case):
    x, problem, parts, blend, how = case
    each = [fold_ensemble(problem, part.recipe, part.epoch, **how) for part in parts]
    outputs = [model.outputs(model.inputs(x)[0]) for model in each]
    shares = [part.share for part in parts]
    found = blend.outputs(blend.inputs(x)[0])
    np.testing.assert_allclose(found, np.average(outputs, axis=0, weights=shares), rtol=1e-6)
    assert len(blend.members) == len(parts) * len(problem.folds)
    assert [len(group) for group in blend.alike] == [len(problem.folds)] * len(parts)
    for member, expected in zip(blend.members, (m for model in each for m in model.members), strict=True):
        for name, array in expected.weights.items():
            np.testing.assert_array_equal(member.weights[name], array)


def test_its_module_says_the_same(case):
    import torch

    x, _, _, blend, _ = case
    inputs = blend.inputs(x)[0]
    found = blend.module(torch.from_numpy(blend.encode(inputs))).detach().numpy()
    np.testing.assert_allclose(found, blend.outputs(inputs), rtol=2e-5, atol=1e-6)


def test_stored_and_loaded_it_has_the_same_bits(case, tmp_path):
    x, _, parts, blend, _ = case
    sha = blend.save(tmp_path / "m")
    loaded = tenfold.load(tmp_path / "m")
    np.testing.assert_array_equal(loaded.outputs(loaded.inputs(x)[0]), blend.outputs(blend.inputs(x)[0]))
    assert [m.recipe for m in loaded.members] == [m.recipe for m in blend.members]
    assert [(m.epochs, m.updates, m.share) for m in loaded.members] == [
        (m.epochs, m.updates, m.share) for m in blend.members
    ]
    assert loaded.save(tmp_path / "again") == sha
    assert repr(loaded) == repr(blend)
    assert f"{len(blend.members)} networks" in repr(blend)
    assert all(part.recipe.describe() in repr(blend) for part in parts)
    assert loaded.size == sum(array.nbytes for m in blend.members for array in m.weights.values())


def test_the_parts_of_a_stored_blend_are_checked(case, tmp_path):
    *_, blend, _ = case

    def broken(change, match):
        stored = copy.deepcopy(blend.parts())
        change(stored["spec"]["parts"])
        write_bundle(tmp_path / "m", **stored)
        with pytest.raises(Corrupt, match=match):
            tenfold.load(tmp_path / "m")

    broken(lambda parts: parts.pop(), "not of")
    broken(lambda parts: parts[0].update(members=1), "not of")
    broken(lambda parts: parts[0].update(members=10**9), "not of")
    broken(lambda parts: parts[0].update(members=True), "members")
    broken(lambda parts: parts[0].update(share=0), "share")
    broken(lambda parts: parts[1].update(epochs=-1), "epochs")
    broken(lambda parts: parts[1].pop("recipe"), "other fields")
    broken(lambda parts: parts.reverse(), "weights|preprocessing|type|shape")


@pytest.mark.parametrize("members", [1, 3])
def test_a_temperature_divides_the_logits_of_every_member(members, tmp_path):
    import torch
    from scipy.special import softmax

    problem = understand(X, Y).problem(3)
    plain = fold_ensemble(problem, recipe(), 4)
    plain = replace(plain, members=plain.members[:members])
    model = replace(plain, temperature=1.7)
    each = [replace(plain, members=(member,)).module(torch.from_numpy(member.encode(plain.inputs(X)[0])))
            for member in plain.members]  # fmt: skip
    expected = np.mean([softmax(logits.detach().numpy() / 1.7, -1) for logits in each], axis=0)
    np.testing.assert_allclose(model.predict_proba(X), expected, rtol=1e-5, atol=1e-7)
    assert (model.predict(X) == plain.predict(X)).mean() > 0.97
    said = model.module(torch.from_numpy(model.encode(model.inputs(X)[0]))).detach().numpy()
    np.testing.assert_allclose(softmax(said, -1) if members == 1 else said, expected, rtol=1e-5, atol=1e-7)
    model.save(tmp_path / "m")
    loaded = tenfold.load(tmp_path / "m")
    assert loaded.temperature == 1.7
    np.testing.assert_array_equal(loaded.predict_proba(X), model.predict_proba(X))
    assert "temperature" not in plain.parts()["spec"]
    for wrong in (0, -1, "2", 1e9, True):
        stored = copy.deepcopy(model.parts())
        stored["spec"]["temperature"] = wrong
        write_bundle(tmp_path / "wrong", **stored)
        with pytest.raises(Corrupt, match="temperature"):
            tenfold.load(tmp_path / "wrong")


def test_samples_are_of_all_members_and_need_dropout_in_one():
    problem = understand(X, Y).problem(2)
    dropped = recipe(network={"hidden": [8], "dropout": 0.4})
    parts = [BlendPart(dropped, 3, 1.0), BlendPart(recipe(network={"hidden": [4], "dropout": 0.2}), 2, 2.0)]
    blend = fold_blend(problem, parts)
    mean, spread = blend.predict_samples(X, 200)
    assert abs(mean - blend.predict_proba(X)).mean() < 0.05
    assert (spread > 0).any()
    still = fold_blend(problem, [parts[0], BlendPart(recipe(), 3, 3.0)])
    inputs = still.inputs(X)[0]
    drawn, _ = replace(still, members=still.members[:2]).samples(inputs, 20)
    quiet = replace(still, members=still.members[2:]).outputs(inputs)
    np.testing.assert_allclose(still.samples(inputs, 20)[0], 0.25 * drawn + 0.75 * quiet, atol=1e-6)


def test_where_folds_are_short_a_blend_is_trained_on_all_rows():
    """Folds forward in time: the first trains on a quarter of the rows."""
    problem = understand(X, Y).problem(3, time=np.random.default_rng(0).permutation(150))
    assert short_folds(problem)
    assert not short_folds(understand(X, Y).problem(2))
    winner = Winner(problem, CLASSES[0].recipe, 4, np.zeros(3))
    model = final_model(winner, "blend", seed=7, parts=CLASSES).model
    assert [len(group) for group in model.alike] == [3, 3]
    each = [refit(problem, part.recipe, part.epoch, seed=7, networks=3) for part in CLASSES]
    inputs = model.inputs(X)[0]
    expected = np.average([one.outputs(inputs) for one in each], axis=0, weights=[part.share for part in CLASSES])
    np.testing.assert_allclose(model.outputs(inputs), expected, rtol=1e-6)
    assert len(final_model(winner, "blend", seed=7, parts=CLASSES[:1]).model.members) == 5


def test_several_refits_are_the_refit_and_others_of_other_seeds(tmp_path):
    problem = understand(X, Y).problem(3)
    one, many = refit(problem, recipe(), 4, seed=7), refit(problem, recipe(), 4, seed=7, networks=4)
    assert len(many.members) == 4
    for name, array in one.members[0].weights.items():
        np.testing.assert_array_equal(many.members[0].weights[name], array)
        assert len({member.weights[name].tobytes() for member in many.members}) == 4
    assert {(m.epochs, m.updates) for m in many.members} == {(one.epochs, one.updates)}
    many.save(tmp_path / "m")
    np.testing.assert_array_equal(tenfold.load(tmp_path / "m").predict_proba(X), many.predict_proba(X))
    assert "parts" not in many.parts()["spec"]
