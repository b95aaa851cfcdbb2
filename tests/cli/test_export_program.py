"""`tenfold export RUN train.py`: a program that runs without us, and scores as the run does, but for the seed."""

import ast
import csv
import math
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
import torch

from tenfold import Recipe, load
from tenfold.errors import BadInput
from tenfold.export.program import OPTIMIZERS, SCHEDULES, _schedule, training_program
from tenfold.run.fit import read_again
from tenfold.store.run_directory import Run

from .program import HEADER, rows, tenfold, write

REALMLP = """
network: {hidden: [32, 32], activation: {parametric: mish}, embedding: pbld, scale: true, dropout: 0.15}
preprocess: robust_clip
init: data_driven
optimizer: {adamw: {lr: 0.04, beta2: 0.95}}
rate_factors: {bias: 0.1, scale: 6.0, embedding: 0.1, parametric: 0.1, fan_in: true}
weight_decay: 0.02
decay: coslog
dropout_schedule: flat_cos
weight_decay_schedule: flat_cos
"""
TABM = """
network: {hidden: [24, 24], embedding: {ple: {bins: 6, size: 4}}, views: 4, dropout: 0.1}
preprocess: quantile_normal
optimizer: {adamw: {lr: 0.003}}
weight_decay: 0.001
clip_norm: 1.0
"""
PLAIN = """
network: {hidden: [24], normalization: batch, activation: silu, input_dropout: 0.05}
optimizer: {nesterov: {lr: 0.02}}
weight_decay: 0.0001
decay: {cosine: {warmup: 0.1}}
loss: {cross_entropy: {smoothing: 0.05}}
"""
LEVELS = """
network: {hidden: [32], embedding: plr, activation: gelu}
integers: categories
categories: target_means
clip_predictions: true
preprocess: min_max
init: xavier
loss: huber
optimizer: {adam: {lr: 0.005}}
decay: {linear: 0.1}
"""
EMBEDDED = """
network: {hidden: [32], embedding: {ple: {bins: 8}}}
integers: categories
categories: embedded
rate_factors: {categories: 2.0}
init: xavier
optimizer: {nadam: {lr: 0.005}}
decay: {one_cycle: {cycle_momentum: false}}
"""
COUNTS = "network: {hidden: [16]}\nloss: poisson\noptimizer: {rmsprop: {lr: 0.01}}\n"
MARGINS = "network: {hidden: [24]}\nloss: hinge\noptimizer: {amsgrad: {lr: 0.01}}\n"
NUMBERS = (
    "network: {hidden: [16], normalization: layer, activation: tanh}\ninit: lecun\noptimizer: {adamw: {lr: 0.01}}\n"
)


def numbers(count, seed):
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(count, 4))
    size = x[:, 0] + np.abs(x[:, 1]) + 0.3 * rng.normal(size=count)
    labels = np.array(["small", "medium", "large"])[np.digitize(size, [0.2, 1.3])]
    return [",".join([*(f"{v:.4f}" for v in row), label]) for row, label in zip(x, labels, strict=True)]


def prices(count, seed):
    """Numbers with a decimal comma and a unit, whole numbers, levels, yes and no, dates with times."""
    rng, lines = np.random.default_rng(seed), []
    for i in range(count):
        size, few, city, flag = rng.normal(50, 10), rng.integers(1, 6), rng.integers(12), rng.choice(["Yes", "no"])
        when = f"{1 + i % 28:02d}.{1 + i % 12:02d}.{2019 + i % 3} {i % 24:02d}:30"
        price = 1000 + 10 * size + 40 * (few == 3) + 9 * city + 60 * (flag == "Yes") + 3 * (i % 12) + rng.normal(0, 15)
        gap = "n/a" if i % 11 == 0 else f"{size:.2f}".replace(".", ",")
        cells = [
            gap,
            f"{few}",
            "" if i % 13 == 0 else f"city {city}",
            flag,
            when,
            f"{few * 1.5:.1f} kg".replace(".", ","),
        ]
        lines.append(";".join([*cells, f"{price:.0f}"]))
    return lines


TABLES = {
    "gaps, levels and dates": (rows, HEADER, "churned", REALMLP, 40),
    "views": (rows, HEADER, "churned", TABM, 40),
    "numbers of three classes": (numbers, "a,b,c,d,size", "size", NUMBERS, 25),
    "batch norm and momentum": (numbers, "a,b,c,d,size", "size", PLAIN, 25),
    "a regression of everything": (prices, "size;few;city;flag;when;weight;price", "price", LEVELS, 30),
    "embedded levels": (prices, "size;few;city;flag;when;weight;price", "price", EMBEDDED, 30),
    "a rate that cannot be negative": (prices, "size;few;city;flag;when;weight;price", "price", COUNTS, 60),
    "margins": (numbers, "a,b,c,d,size", "size", MARGINS, 25),
}


def fitted(folder, make, header, target, recipe, epochs, count):
    """A run on a table of its own, with test rows in a file."""
    train, test = write(folder / "train.csv", make(count, 0), header), write(folder / "test.csv", make(400, 1), header)
    (folder / "recipe.yaml").write_text(f"{recipe}epochs: {epochs}\nbatch_size: 32\n")
    done = tenfold(
        "fit", train, "--test", test, "--target", target, "--recipe", folder / "recipe.yaml", "--folds", 3,
        "--keep", "refit", "--device", "cpu", "--out", folder / "run",
    )  # fmt: skip
    assert done.code == 0, done.err
    return folder / "run", train, test


def score(predictions, path, delimiter, target, classes):
    with path.open() as file:
        truth = [line[target] for line in csv.DictReader(file, delimiter=delimiter)]
    if classes:
        return float(np.mean([a == b for a, b in zip(predictions, truth, strict=True)]))
    error, y = np.array(predictions, float) - np.array(truth, float), np.array(truth, float)
    return 1 - float((error**2).sum() / ((y - y.mean()) ** 2).sum())


def run_program(path, *arguments):
    """Without anything that the environment or this folder adds."""
    command = [sys.executable, "-I", "-W", "error", path, *arguments]
    done = subprocess.run(list(map(str, command)), capture_output=True, text=True, check=False, cwd=path.parent)
    assert done.returncode == 0, done.stderr


@pytest.mark.slow
@pytest.mark.parametrize("label", TABLES)
def test_a_program_scores_as_the_run_does(label, tmp_path):
    make, header, target, recipe, epochs = TABLES[label]
    run, train, test = fitted(tmp_path, make, header, target, recipe, epochs, 600)
    done = tenfold("export", run, tmp_path / "program.py")
    assert done.code == 0, done.err
    assert "python" in done.out
    program = (tmp_path / "program.py").read_text()
    assert "tenfold" not in program
    run_program(tmp_path / "program.py", train, test, tmp_path / "predictions.csv")
    with (tmp_path / "predictions.csv").open() as file:
        lines = list(csv.DictReader(file))
    model, delimiter = load(run), ";" if ";" in header else ","
    theirs = score([line["prediction"] for line in lines], test, delimiter, target, model.classes)
    ours = score(model.predict(test), test, delimiter, target, model.classes)
    # Networks of other seeds are up to 0.04 apart on 400 rows.
    assert ours > 0.7
    assert abs(theirs - ours) <= 0.05, (theirs, ours)
    if model.classes:
        assert list(lines[0]) == ["prediction", *(f"p_{name}" for name in model.classes)]
        assert float(lines[0][f"p_{lines[0]['prediction']}"]) == max(float(lines[0][f"p_{c}"]) for c in model.classes)


@pytest.fixture(scope="module")
def churn(tmp_path_factory):
    """A short run, its model and its data."""
    run = fitted(tmp_path_factory.mktemp("program"), rows, HEADER, "churned", REALMLP, 3, 90)[0]
    with Run.read(run) as opened:
        return run, load(run), read_again(opened, run)


def test_a_program_is_whole_and_has_only_what_the_recipe_uses(churn, tmp_path):
    done = tenfold("export", churn[0], tmp_path / "program.py", "--json")
    assert done.code == 0, done.err
    again = tenfold("export", churn[0], tmp_path / "program.py")
    assert again.code == 2
    assert "what you changed in it would be lost" in again.err
    program = (tmp_path / "program.py").read_text()
    compile(program, "program.py", "exec")
    assert max(map(len, program.splitlines())) <= 120
    assert "class Waves" in program
    for unused in ("class Views", "class Bins", "def boolean", "MANY_LEVELS", "clip_grad"):
        assert unused not in program


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "usage: python "),
        (["train.csv", "test.csv"], "usage: python "),
        (["nowhere.csv", "test.csv", "p.csv"], "nowhere.csv: .*No such file"),
        (["train.csv", "other.csv", "p.csv"], "other.csv: there is no column 'age'; there are 'AGE', 'income'"),
        (["test.csv", "none.csv", "p.csv"], "none.csv: there are no rows"),
        (["train.csv", "words.csv", "p.csv"], "words.csv: could not convert string to float: 'old'"),
        (["odd.csv", "test.csv", "p.csv"], "odd.csv: 'churned' has 'maybe'; expected one of left, stayed"),
        (["train.csv", "test.csv", "nowhere/p.csv"], "nowhere/p.csv: there is no such folder to write to"),
    ],
    ids=lambda value: " ".join(value) or "nothing" if isinstance(value, list) else "",
)
def test_the_program_says_what_is_wrong_with_its_files(churn, tmp_path, monkeypatch, arguments, message):
    """In this process: torch is loaded."""
    folder = churn[0].parent
    lines = (folder / "test.csv").read_text().splitlines()
    for name, header, rest in (
        ("train.csv", HEADER, lines[1:60]),
        ("test.csv", HEADER, lines[1:]),
        ("other.csv", HEADER.replace("age", "AGE"), lines[1:]),
        ("none.csv", HEADER, []),
        ("words.csv", HEADER, ["old" + lines[1][lines[1].index(",") :]]),
        ("odd.csv", HEADER, [line.replace("left", "maybe") for line in lines[1:]]),
    ):
        write(tmp_path / name, rest, header)
    monkeypatch.chdir(tmp_path)
    program = training_program(churn[1], churn[2], "program.py")
    monkeypatch.setattr(sys, "argv", ["program.py", *arguments])
    with pytest.raises(SystemExit, match=message):
        exec(compile(program, "program.py", "exec"), {"__name__": "__main__"})
    assert not (tmp_path / "p.csv").exists()


def test_no_name_of_a_stranger_becomes_code(tmp_path):
    target = "'+str(1/0)+'"
    header = ",".join(["'''; 1/0 #", "\\", "\U0001f600 {{ 1/0 }}", "#{% x %}", target])
    data = write(tmp_path / 'd"""; print(9); """.csv', rows(60), header)
    (tmp_path / "recipe.yaml").write_text("epochs: 2\nnetwork: {hidden: [4]}\n")
    done = tenfold("fit", data, "--target", target, "--recipe", tmp_path / "recipe.yaml", "--folds", 2,
                   "--holdout", 0, "--out", tmp_path / "run")  # fmt: skip
    assert done.code == 0, done.err
    done = tenfold("export", tmp_path / "run", tmp_path / "program.py")
    assert done.code == 0, done.err
    names = {column.name for column in load(tmp_path / "run").schema.used}
    tree = ast.parse((tmp_path / "program.py").read_text())
    assert names <= {node.value for node in ast.walk(tree) if isinstance(node, ast.Constant)}
    run_program(tmp_path / "program.py", data, data, tmp_path / "predictions.csv")


@pytest.mark.parametrize("name", SCHEDULES)
@pytest.mark.parametrize("warmup", [0.0, 0.2])
def test_a_schedule_of_the_program_is_that_of_the_rule(name, warmup):
    options = {"warmup": warmup} | ({"cycle_momentum": False} if name == "one_cycle" else {})
    rule = Recipe.from_dict({"decay": {name: options}}).decay
    names = {"math": math, "SCHEDULED": 60, "UPDATES_AN_EPOCH": 6}
    exec("\n".join(_schedule("rate", rule, "of the learning rate")), names)
    found = [names["rate"](update) for update in range(60)]
    np.testing.assert_allclose(found, rule.factor(np.arange(60), 6, 60), atol=1e-12)


CHANGES = [{"optimizer": name} for name in OPTIMIZERS] + [{"loss": {"hinge": kind}} for kind in (
    "weston_watkins", "one_against_all")]  # fmt: skip


@pytest.mark.parametrize("change", CHANGES, ids=str)
def test_a_program_of_every_optimizer_and_margin_trains(churn, tmp_path, monkeypatch, change):
    """In this process, three epochs."""
    run, model, prepared = churn
    rest = {"network": {"hidden": [8]}, "init": "he", "rate_factors": {}}
    member = replace(model.members[0], recipe=Recipe.from_dict({**model.recipe.to_dict(), **rest, **change}))
    program = training_program(replace(model, members=(member,)), prepared, "program.py")
    files = [str(run.parent / "train.csv"), str(run.parent / "test.csv"), str(tmp_path / "p.csv")]
    monkeypatch.setattr(sys, "argv", ["program.py", *files])
    with torch.random.fork_rng():
        exec(compile(program, "program.py", "exec"), {"__name__": "__main__"})
    with (tmp_path / "p.csv").open() as file:
        shares = [float(line["p_left"]) + float(line["p_stayed"]) for line in csv.DictReader(file)]
    assert len(shares) == 400
    np.testing.assert_allclose(shares, 1.0, atol=1e-5)


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"optimizer": {"rmsprop": {"eps_inside": True}}}, "rmsprop's other forms"),
        ({"optimizer": {"adam": {"bias_correction": False}}}, "adam's other forms"),
        ({"decay": "one_cycle"}, "a one_cycle that moves the momentum"),
        ({"optimizer": "lion"}, "optimizer lion"),
        ({"preprocess": "pca", "weight_average": 0.9}, "preprocess pca, weight_average"),
        ({"decay": {"cosine": {"restarts": 1}}}, "a cosine with restarts"),
        ({"init": {"he": {"distribution": "truncated"}}}, "he truncated"),
        ({"rate_factors": {"bias": 0.0}}, "a rate factor of 0"),
    ],
)
def test_what_the_program_has_no_lines_for_is_named(churn, change, named):
    _, model, prepared = churn
    member = replace(model.members[0], recipe=Recipe.from_dict({**model.recipe.to_dict(), **change}))
    with pytest.raises(BadInput, match=named):
        training_program(replace(model, members=(member,)), prepared, "program.py")


def test_a_file_that_pandas_would_read_otherwise_is_refused(tmp_path):
    data = tmp_path / "d.csv"
    data.write_text("Customers of the shop\n\n" + "\n".join([HEADER, *rows(60)]) + "\n")
    (tmp_path / "recipe.yaml").write_text("epochs: 2\n")
    done = tenfold("fit", data, "--target", "churned", "--recipe", tmp_path / "recipe.yaml", "--folds", 2,
                   "--out", tmp_path / "run")  # fmt: skip
    assert done.code == 0, done.err
    done = tenfold("export", tmp_path / "run", tmp_path / "program.py")
    assert done.code == 2
    assert "plain CSV file" in done.err
    assert not (tmp_path / "program.py").exists()
