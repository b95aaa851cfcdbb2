"""Images from the command line and from Python: fit, predict, resume, and what the baselines see of them."""

import csv
import io
import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tenfold import Classifier, Recipe, cross_validate, load
from tenfold.checks.baselines import NAMES, coarse_pixels, coarse_size, run_baseline
from tenfold.data.feed.encode import pixel_inputs
from tenfold.data.read.read import read_any
from tenfold.errors import BadInput
from tenfold.problem.from_arrays import understand
from tenfold.problem.from_file import prepare
from tenfold.problem.settings import Settings
from tenfold.run.fit import create_run
from tenfold.run.plan import make_plan
from tenfold.store.check import check

from .program import tenfold

SIDE, EACH = 10, 30
RECIPE = """
network: {layers: [{conv: 4}, relu, max_pool, flatten]}
optimizer: {adam: {lr: 0.01}}
epochs: 15
batch_size: 16
"""


def stripes(down: bool, seed: int) -> np.ndarray:
    """A noisy picture with one bright line, downwards or across."""
    rng = np.random.default_rng(seed)
    x = rng.integers(0, 120, (SIDE, SIDE, 3)).astype(np.uint8)
    x[:, rng.integers(SIDE)] = 255
    return x if down else x.transpose(1, 0, 2).copy()


def pictures(count: int = EACH, first: int = 0) -> tuple[np.ndarray, np.ndarray]:
    labels = np.repeat(["across", "down"], count)
    return np.stack([stripes(label == "down", first + i) for i, label in enumerate(labels)]), labels


def photos(path: Path) -> Path:
    for i, (x, label) in enumerate(zip(*pictures(), strict=True)):
        (path / label).mkdir(parents=True, exist_ok=True)
        Image.fromarray(x).save(path / label / f"{i:03d}.png")
    return path


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    found = tmp_path_factory.mktemp("images")
    photos(found / "photos")
    (found / "recipe.yaml").write_text(RECIPE)
    return found


def fit(folder, data, out, *more):
    return tenfold(
        "fit", data, "--recipe", folder / "recipe.yaml", "--folds", 2, "--device", "cpu", "--out", out, *more
    )


@pytest.fixture(scope="module")
def run(folder):
    done = fit(folder, folder / "photos", folder / "run")
    assert done.code == 0, done.err
    assert "48 development images of 10 x 10 pixels, 3 channels; target 'target'" in done.out
    assert "images   48 for development, 12 sealed for the test" in done.out
    return folder / "run"


def table(done):
    assert done.code == 0, done.err
    return list(csv.DictReader(io.StringIO(done.out)))


# --- fit ---


def test_a_folder_is_learned_tested_and_reported(run):
    assert check(run) == []
    summary = json.loads((run / "summary.json").read_text())
    assert summary["rows"] == {"development": 48, "test": 12}
    assert summary["best"]["cv_mean"] > 0.7
    assert summary["test"]["opened"] == 1
    report = (run / "report.html").read_text()
    assert "48 development images of 10 x 10 pixels, 3 channels" in report
    assert "--target" not in report
    assert load(run).image == (SIDE, SIDE, 3)


def test_a_dry_run_says_the_card_as_json(folder):
    done = fit(folder, folder / "photos", folder / "none", "--dry-run", "--json")
    card = json.loads(done.out)["card"]
    assert card["columns"] == []
    assert card["images"]["classes"] == [["across", 24], ["down", 24]]
    assert not (folder / "none").exists()


def test_damage_ends_with_code_2_before_anything_is_trained(folder, tmp_path):
    path = photos(tmp_path / "photos")
    (path / "down" / "broken.jpg").write_bytes(b"\xff\xd8\xff\xe0nothing")
    done = fit(folder, path, tmp_path / "run")
    assert (done.code, done.out) == (2, "")
    assert "down/broken.jpg (" in done.err
    assert "nothing was trained" in done.err
    assert not (tmp_path / "run").exists()


@pytest.mark.slow
def test_digits_are_images(folder):
    done = fit(folder, "sklearn:digits", folder / "digits")
    assert done.code == 0, done.err
    assert "1,438 development images of 8 x 8 pixels, 1 channel" in done.out
    found = table(tenfold("predict", folder / "digits", "sklearn:digits"))
    labels = read_any("sklearn:digits").labels.column("target").values
    assert np.mean([float(row["prediction"]) for row in found] == labels) > 0.8
    assert {row["prediction"] for row in found} == set("0123456789")  # not "0.0"
    assert list(found[0]) == ["prediction"]


def test_the_default_space_for_images_has_convolutions():
    prepared = prepare(Settings("sklearn:digits", trials=6))
    plan = make_plan(prepared, 2)
    assert any("conv" in str(recipe.to_dict()["network"]) for recipe in plan.recipes)


def test_sealed_rows_are_known_by_their_pixels(folder):
    first, again = (prepare(Settings(str(folder / "photos"))) for _ in range(2))
    other = prepare(Settings(str(folder / "photos"), seed=1))
    assert first.sealed.sha == again.sealed.sha != other.sealed.sha
    everything = np.concatenate([first.problem.inputs.numbers, first.sealed.inputs.numbers])
    assert sorted(map(bytes, everything)) == sorted(map(bytes, pictures()[0].reshape(2 * EACH, -1)))
    assert (first.schema, first.problem.inputs.numbers.dtype) == (None, np.uint8)


# --- predict ---


def test_one_prediction_a_file_sorted_by_path(run, folder):
    found = table(tenfold("predict", run, folder / "photos", "--proba"))
    labels = [row["file"].split("/")[0] for row in found]
    assert [row["file"] for row in found] == sorted(row["file"] for row in found)
    assert len(found) == 2 * EACH
    assert np.mean([row["prediction"] == label for row, label in zip(found, labels, strict=True)]) > 0.7
    alone = table(tenfold("predict", run, folder / "photos" / "down" / "031.png", "--proba"))
    assert alone == [{**next(row for row in found if row["file"] == "down/031.png"), "file": "031.png"}]


def test_files_npz_and_arrays_are_predicted_alike(run, folder):
    x, _ = pictures()
    np.savez(folder / "new.npz", x=x)
    model = load(run)
    expected = model.predict_proba(x)
    np.testing.assert_array_equal(model.predict_proba(folder / "photos"), expected)
    np.testing.assert_array_equal(model.predict_proba(str(folder / "new.npz")), expected)
    found = table(tenfold("predict", run, folder / "new.npz"))
    assert [row["prediction"] for row in found] == model.predict(x).tolist()


def test_a_saved_model_keeps_its_contract(run, tmp_path):
    model, x = load(run), pictures(3, 500)[0]
    model.save(tmp_path / "model")
    again = load(tmp_path / "model")
    assert again.contract == model.contract
    np.testing.assert_array_equal(again.predict_proba(x), model.predict_proba(x))


@pytest.mark.parametrize(
    ("x", "words"),
    [
        (np.zeros((3, SIDE, SIDE + 1, 3), np.uint8), "3 images of 10 x 11 x 3 pixels"),
        (np.zeros((3, SIDE, SIDE), np.uint8), "10 x 10 x 1 pixels"),
        (np.zeros((3, SIDE, SIDE, 3)), "pixels of type float64"),
        (np.zeros((3, SIDE * SIDE * 3)), "the array has the shape (3, 300)"),
    ],
)
def test_other_images_are_refused_by_numbers(run, x, words):
    with pytest.raises(BadInput) as caught:
        load(run).predict(x)
    assert words in str(caught.value)


def test_what_cannot_be_predicted_ends_with_code_2(run, folder, tmp_path):
    (tmp_path / "table.csv").write_text("a,b\n1,2\n")
    for data in (tmp_path, tmp_path / "table.csv", tmp_path / "none.png", "sklearn:digits"):
        done = tenfold("predict", run, data)
        assert (done.code, done.out) == (2, ""), data


# --- resume ---


def begun(folder, out):
    """A run that was stopped right after its plan."""
    settings = Settings(str(folder / "photos"), recipe=Recipe.from_yaml(folder / "recipe.yaml"), folds=2, device="cpu")
    prepared = prepare(settings)
    create_run(settings, out, prepared, make_plan(prepared, 2)).close()
    return out


def test_a_run_of_a_folder_is_resumed_to_the_same_end(run, folder, tmp_path):
    done = tenfold("resume", begun(folder, tmp_path / "again"))
    assert done.code == 0, done.err
    for name in ("leaderboard.csv", "trials.csv", "model/manifest.json"):
        assert (tmp_path / "again" / name).read_bytes() == (run / name).read_bytes(), name


def test_a_folder_that_has_changed_is_not_resumed(folder, tmp_path):
    moved = tmp_path / "moved"
    moved.mkdir()
    photos(moved / "photos")
    (moved / "recipe.yaml").write_text(RECIPE)
    out = begun(moved, tmp_path / "run")
    (moved / "photos" / "down" / "031.png").unlink()
    done = tenfold("resume", out)
    assert done.code == 2
    assert "not those that the run was started with" in done.err


# --- Python ---


@pytest.mark.parametrize("grey", [False, True])
def test_arrays_of_images_in_python(grey):
    x, y = pictures()
    x = x[..., 0] if grey else x
    found = cross_validate(
        Recipe.from_dict({"network": {"layers": [{"conv": 4}, "relu", "flatten"]}, "epochs": 4}), x, y, folds=2
    )
    assert found.data.inputs.image == (SIDE, SIDE, 1 if grey else 3)
    assert found.table[0]["outcomes"] == {"ok": 2}
    floats = understand(x / 255, y).inputs
    np.testing.assert_allclose(floats.values(), found.data.inputs.values(), rtol=1e-15)


def test_a_classifier_of_images():
    x, y = pictures()
    recipe = Recipe.from_dict({"network": {"layers": [{"conv": 4}, "relu", "flatten"]}, "epochs": 4})
    model = Classifier(recipe, folds=2, random_state=0, device="cpu").fit(x, y)
    assert model.predict(x).shape == (2 * EACH,)
    assert model.n_features_in_ == SIDE * SIDE * 3
    with pytest.raises(BadInput):
        model.predict(x[:, 1:])


@pytest.mark.parametrize(
    ("x", "words"),
    [
        (np.zeros((4, 3, 3), complex), "type complex128"),
        (np.full((4, 3, 3), np.inf), "is inf"),
        (np.zeros((5, 3, 3)), "5 rows and y has 4"),
        (np.zeros((4, 2, 2, 2, 2)), "shape (4, 2, 2, 2, 2)"),
    ],
)
def test_arrays_that_are_no_images(x, words):
    with pytest.raises(BadInput) as caught:
        understand(x, [0, 1, 0, 1])
    assert words in str(caught.value)


# --- baselines ---


@pytest.mark.parametrize(
    ("image", "coarse"),
    [
        ((32, 32, 3), (8, 8, 3)),
        ((28, 28, 1), (14, 14, 1)),
        ((16, 16, 1), (16, 16, 1)),
        ((50, 31, 3), (10, 7, 3)),
        ((2, 2, 300), (1, 1, 300)),
    ],
)
def test_baselines_see_block_means(image, coarse):
    assert coarse_size(image) == coarse
    x = np.random.default_rng(0).integers(0, 256, (5000 if image[0] == 28 else 3, *image)).astype(np.uint8)
    side = -(-image[0] // coarse[0])
    found = coarse_pixels(pixel_inputs(x)).reshape(-1, *coarse)
    for i, j in np.ndindex(coarse[:2]):
        block = x[:, i * side : (i + 1) * side, j * side : (j + 1) * side] / 255
        np.testing.assert_allclose(found[:, i, j], block.mean((1, 2)), rtol=1e-12)


def test_every_baseline_runs_on_images(folder):
    problem = prepare(Settings(str(folder / "photos"), folds=2)).problem
    scores = {name: run_baseline(problem, name, seed=0).mean for name in NAMES}
    assert scores["dummy"] == 0.5
    assert all(0 <= score <= 1 for score in scores.values())


def test_what_the_baselines_see_is_said(folder):
    note = "the linear and the boosting baseline see the images averaged down to 5 x 5 pixels"
    assert note in make_plan(prepare(Settings(str(folder / "photos"), trials=1)), 2).notes
    assert make_plan(prepare(Settings("sklearn:digits", trials=1)), 2).notes == ()
