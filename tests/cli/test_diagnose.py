"""`tenfold diagnose`: what it says, what it writes, what it leaves alone."""

from __future__ import annotations

import json

import numpy as np
import pytest

from tenfold.problem.from_file import prepare
from tenfold.problem.settings import Settings
from tenfold.recipe.recipe import Recipe

from .program import tenfold

FAULTY = """
preprocess: none
network: {hidden: [16]}
optimizer: {sgd: {lr: 0.1}}
epochs: 12
batch_size: 32
"""
ASK = ("--recipe", "r.yaml", "--target", "kind", "--folds", "3")


def table(path, change=None):
    """Three numbers on scales far apart, of which two decide; `change`: applied to the numbers (rows, 3)."""
    rng = np.random.default_rng(0)
    x = np.stack([rng.normal(5000, 900, 200), rng.normal(0, 0.01, 200), np.arange(200) + 0.5], 1)
    kind = (x[:, 0] - 5000) / 900 + x[:, 1] / 0.01 > 0
    if change is not None:
        x = change(x)
    lines = [f"{a:.3f},{b:.6f},{c:.1f},{'ab'[int(k)]}" for (a, b, c), k in zip(x, kind, strict=True)]
    path.write_text("\n".join(["large,small,place,kind", *lines]) + "\n")


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    table(tmp_path / "data.csv")
    (tmp_path / "r.yaml").write_text(FAULTY)
    return tmp_path


def test_a_diagnosis_with_repair(here):
    done = tenfold("diagnose", "data.csv", *ASK, "--repair")
    assert done.code == 0, done.err
    first = done.out.splitlines()[0]
    assert first.startswith("recipe   16 ReLU")
    assert (
        "training on 160 rows (40 more are left out, as fit would seal them): 3 stratified folds, 12 epochs" in done.out
    )
    assert "Not healthy (p = " in done.out
    assert "unscaled inputs" in done.out
    assert "preprocess: standardize" in done.out
    assert "better on 3 of 3 folds" in done.out
    assert "trained to the end: accuracy 0." in done.out
    assert done.out.splitlines()[-1] == "recipe   r-repaired.yaml"
    repaired = Recipe.from_yaml(here / "r-repaired.yaml")
    given = Recipe.from_yaml(FAULTY)
    assert repaired.preprocess == Recipe().preprocess != given.preprocess
    again = tenfold("diagnose", "data.csv", *ASK, "--repair")
    assert (again.code, again.out) == (2, "")
    assert "r-repaired.yaml: exists already" in again.err
    assert "-o r-repaired-2.yaml" in again.err


def test_sealed_rows_are_never_touched(here):
    """Other numbers in the sealed rows change nothing that is said."""
    prepared = prepare(Settings(data="data.csv", target="kind", folds=3))
    places = {float(place) for place in prepared.problem.inputs.numbers[:, 2]}
    sealed = [place not in places for place in np.arange(200) + 0.5]
    assert sum(sealed) == 40
    before = tenfold("diagnose", "data.csv", *ASK, "--json")

    def other(x):
        return np.where(np.array(sealed)[:, None] & np.array([True, True, False]), 7 * x - 1, x)

    table(here / "data.csv", other)
    after = tenfold("diagnose", "data.csv", *ASK, "--json")
    assert before.code == after.code == 0
    assert before.out == after.out
    found = json.loads(before.out)
    assert found["healthy"] is False
    assert found["findings"][0]["cause"] == "unscaled_inputs"
    assert found["metric"] == "accuracy"
    assert 0 < found["score"] < 0.8
    assert sorted(path.name for path in here.iterdir()) == ["data.csv", "r.yaml"]


@pytest.mark.slow
def test_a_diverged_recipe_as_json_and_a_file_of_ones_own(here):
    (here / "r.yaml").write_text(FAULTY.replace("lr: 0.1", "lr: 1.0e+30"))
    done = tenfold("diagnose", "data.csv", *ASK, "--json", "--repair", "-o", "fixed.yaml")
    assert done.code == 0, done.err
    found = json.loads(done.out)
    assert "diverged in 3 of 3 folds" in found["first"]["findings"][0]["evidence"][0]
    assert found["score"][0] is None
    assert found["score"][1] > 0.8
    assert found["written"] == "fixed.yaml"
    assert Recipe.from_yaml(here / "fixed.yaml") == Recipe.from_dict(found["recipe"])


WRONG = {
    "an output without repair": ([*ASK, "-o", "x.yaml"], ["--repair"]),
    "no such recipe": (["--recipe", "none.yaml", "--target", "kind"], ["none.yaml"]),
    "no such column": (["--recipe", "r.yaml", "--target", "kin"], ["kin"]),
    "a time that is none": ([*ASK, "--time-limit", "soon"], ["--time-limit", "10m"]),
    "a metric of another task": ([*ASK, "--metric", "r2"], ["r2"]),
    "an output that is there": ([*ASK, "--repair", "-o", "data.csv"], ["data.csv", "exists already"]),
    "no recipe at all": (["--target", "kind"], ["--recipe"]),
}


@pytest.mark.parametrize("name", WRONG)
def test_wrong_usage(name, here):
    arguments, said = WRONG[name]
    done = tenfold("diagnose", "data.csv", *arguments)
    assert done.code == 2, done
    assert done.out == ""
    assert "Traceback" not in done.err
    for word in said:
        assert word in done.err
    assert len(list(here.iterdir())) == 2
