"""`tenfold export RUN train.py` of a run on images: it runs without us, and scores as the run does."""

import csv
import sys
from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image as pillow
from sklearn.datasets import load_digits

from tenfold import load
from tenfold.data.feed.moments import column_moments
from tenfold.errors import BadInput
from tenfold.export.program import training_program
from tenfold.recipe import Recipe
from tenfold.rules.augmentation import augment
from tenfold.rules.preprocessing.moments import apply_affine
from tenfold.run.fit import read_again
from tenfold.store.run_directory import Run

from .program import tenfold

CONVOLUTIONS = """
preprocess: standardize_channel
network: {layers: [{conv: 8}, batch_norm, relu, {max_pool: 2}, {residual: [{conv: 8}, gelu]}, {channel_dropout: 0.05},
  flatten, {dense: 32}, relu, {dropout: 0.1}]}
optimizer: {adamw: {lr: 0.01}}
decay: {cosine: {warmup: 0.1}}
weight_decay: 0.001
batch_size: 32
"""
ROWS = """
preprocess: center_image
network: {hidden: [64], normalization: batch}
optimizer: {adamw: {lr: 0.01}}
batch_size: 32
"""
X, Y = load_digits(return_X_y=True)


def digits(path, rows, **more):
    """Some of the digits as bytes, 8 x 8."""
    np.savez(path, x=(X[rows].reshape(-1, 8, 8) * 15).astype(np.uint8), **more)
    return path


def fitted(folder, recipe, epochs):
    train = digits(folder / "train.npz", slice(0, 600), y=np.array([f"digit {label}" for label in Y[:600]]))
    new = digits(folder / "new.npz", slice(600, 1000))
    (folder / "recipe.yaml").write_text(f"{recipe}epochs: {epochs}\n")
    done = tenfold("fit", train, "--recipe", folder / "recipe.yaml", "--folds", 2, "--keep", "refit", "--holdout", 0,
                   "--device", "cpu", "--out", folder / "run")  # fmt: skip
    assert done.code == 0, done.err
    return folder / "run", train, new


def run_here(program, *files):
    """In this process: torch is loaded."""
    before = sys.argv
    sys.argv = ["train.py", *map(str, files)]
    try:
        with torch.random.fork_rng():
            exec(compile(program, "train.py", "exec"), {"__name__": "__main__"})
    finally:
        sys.argv = before


@pytest.mark.slow
@pytest.mark.parametrize(("recipe", "epochs"), [(CONVOLUTIONS, 25), (ROWS, 15)], ids=["convolutions", "rows"])
def test_a_program_scores_as_the_run_does(recipe, epochs, tmp_path):
    run, train, new = fitted(tmp_path, recipe, epochs)
    done = tenfold("export", run, tmp_path / "train.py")
    assert done.code == 0, done.err
    program = (tmp_path / "train.py").read_text()
    assert "tenfold" not in program
    run_here(program, train, new, tmp_path / "p.csv")
    with (tmp_path / "p.csv").open() as file:
        lines = list(csv.DictReader(file))
    truth = np.array([f"digit {label}" for label in Y[600:1000]])
    theirs = np.mean(np.array([line["prediction"] for line in lines]) == truth)
    ours = np.mean(load(run).predict(np.load(new)["x"]) == truth)
    # Networks of other seeds are up to 0.04 apart on 400 images.
    assert ours > 0.8
    assert abs(theirs - ours) <= 0.05, (theirs, ours)


@pytest.fixture(scope="module")
def short(tmp_path_factory):
    """A run of an epoch, its model and its data."""
    run, train, new = fitted(tmp_path_factory.mktemp("images"), CONVOLUTIONS, 1)
    with Run.read(run) as opened:
        return load(run), read_again(opened, run), train, new


def test_the_network_of_the_program_is_that_of_the_run(short):
    model, prepared, *_ = short
    names = {}
    exec(compile(training_program(model, prepared, "train.py"), "train.py", "exec"), names)
    made, ours = names["make_network"](), model.members[0].network(10, model.image)
    with torch.no_grad():
        for mine, theirs in zip(made.parameters(), ours.parameters(), strict=True):
            mine.copy_(theirs)
        for mine, theirs in zip(made.buffers(), ours.buffers(), strict=True):
            mine.copy_(theirs)
        x = torch.rand(5, 1, 8, 8)
        expected = ours(x.permute(0, 2, 3, 1).flatten(1))
        torch.testing.assert_close(made.eval()(x), expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("rule", ["standardize_channel", "center_channel", "center_image", "standardize", "center"])
def test_images_are_scaled_as_in_the_run(short, rule):
    model, prepared, train, _ = short
    recipe = Recipe.from_dict({**model.recipe.to_dict(), "preprocess": rule})
    member = replace(model.members[0], recipe=recipe)
    names = {}
    program = training_program(replace(model, members=(member,)), prepared, "train.py")
    exec(compile(program, "train.py", "exec"), names)
    x, _, _ = names["read"](train, True)
    shift, size = names["fit_scale"](x)
    pixels = prepared.problem.inputs.numbers / 255.0
    affine = recipe.preprocess.fit(column_moments(pixels)._replace(image=(8, 8, 1)))
    expected = apply_affine(affine, pixels)
    found = ((x - shift) / size).permute(0, 2, 3, 1).flatten(1)
    np.testing.assert_allclose(found, expected, atol=1e-5)


def test_a_folder_is_read_as_in_the_run(tmp_path):
    rng = np.random.default_rng(0)
    for number in range(12):
        place = tmp_path / "photos" / ("cats" if number % 2 else "dogs")
        place.mkdir(parents=True, exist_ok=True)
        size = (120, 130) if number == 3 else (30 + number, 40)  # one is scaled in two steps
        mode, pixels = ("RGBA", 4) if number == 5 else ("L", 1) if number == 7 else ("RGB", 3)
        values = rng.integers(0, 256, (*size, pixels), np.uint8).squeeze()
        pillow.fromarray(values, mode).save(place / f"{number}.png")
    (tmp_path / "recipe.yaml").write_text("network: {layers: [{conv: 4}, relu, global_pool]}\nepochs: 1\n")
    done = tenfold("fit", tmp_path / "photos", "--recipe", tmp_path / "recipe.yaml", "--folds", 2, "--keep", "refit",
                   "--holdout", 0, "--out", tmp_path / "run")  # fmt: skip
    assert done.code == 0, done.err
    with Run.read(tmp_path / "run") as opened:
        prepared = read_again(opened, tmp_path / "run")
    names = {}
    exec(compile(training_program(load(tmp_path / "run"), prepared, "train.py"), "train.py", "exec"), names)
    x, files, labels = names["read"](tmp_path / "photos", True)
    found = (x * 255).round().permute(0, 2, 3, 1).flatten(1).to(torch.uint8).numpy()
    np.testing.assert_array_equal(found, prepared.problem.inputs.numbers)
    assert labels == [file.split("/")[0] for file in files]
    assert [names["CLASSES"].index(label) for label in labels] == prepared.problem.y.tolist()


@pytest.mark.parametrize(("flip", "shift"), [(True, 0), (False, 2), (True, 1)])
def test_training_images_are_moved_as_the_rule_says(short, flip, shift):
    model, prepared, *_ = short
    recipe = Recipe.from_dict({**model.recipe.to_dict(), "augment": {"flip": flip, "shift": shift}})
    names = {}
    member = replace(model.members[0], recipe=recipe)
    exec(compile(training_program(replace(model, members=(member,)), prepared, "train.py"), "train.py", "exec"), names)
    image = torch.arange(1.0, 65.0).reshape(1, 1, 8, 8)
    ways = range(-shift, shift + 1)
    each = [(f, d, r) for f in ([False, True] if flip else [False]) for d in ways for r in ways]
    flips, down, right = (torch.tensor(column)[None] for column in zip(*each, strict=True))
    wanted = augment(image.permute(0, 2, 3, 1)[None].expand(1, len(each), -1, -1, -1), flips, down, right)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        found = names["moved"](image.expand(900, -1, -1, -1))
    seen = {tuple(one.flatten().tolist()) for one in found}
    assert seen == {tuple(one.flatten().tolist()) for one in wanted[0]}


def test_what_it_has_no_lines_for_is_named(short):
    model, prepared, *_ = short
    for change, named in (({"preprocess": "min_max"}, "preprocess min_max"), ({"optimizer": "muon"}, "optimizer muon")):
        member = replace(model.members[0], recipe=Recipe.from_dict({**model.recipe.to_dict(), **change}))
        with pytest.raises(BadInput, match=named):
            training_program(replace(model, members=(member,)), prepared, "train.py")


@pytest.mark.parametrize(
    ("files", "message"),
    [
        (["train.npz"], "usage: python train.py DATA NEW PREDICTIONS"),
        (["nowhere.npz", "new.npz", "p.csv"], "nowhere.npz: .*No such file"),
        (["new.npz", "new.npz", "p.csv"], "new.npz: there is no array 'y'; there are 'x'"),
        (
            ["train.npz", "other.npz", "p.csv"],
            r"other.npz: x has the shape \(3, 4, 4\) .* expected images of 8 x 8 x 1",
        ),
        (["odd.npz", "new.npz", "p.csv"], "odd.npz: there is a class 'letter'; expected one of digit 0"),
    ],
    ids=["few", "missing", "no y", "size", "class"],
)
def test_the_program_says_what_is_wrong_with_its_files(short, tmp_path, monkeypatch, files, message):
    model, prepared, train, new = short
    monkeypatch.chdir(tmp_path)
    for file in (train, new):
        (tmp_path / file.name).symlink_to(file)
    np.savez("other.npz", x=np.zeros((3, 4, 4), np.uint8))
    digits("odd.npz", slice(0, 3), y=["digit 0", "letter", "digit 2"])
    with pytest.raises(SystemExit, match=message):
        run_here(training_program(model, prepared, "train.py"), *files)
