"""`check --replay`: trials of a finished run trained again give the bits that the run has stored, or are named."""

from __future__ import annotations

import csv
import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tenfold.run.machine import MACHINES
from tenfold.store import Run, check

from .program import Done, rows, tenfold, write

SPACE = """
first:
- {network: {hidden: [8]}, optimizer: {adam: {lr: 0.02}}, epochs: 9, batch_size: 16}
- {network: {hidden: [8]}, optimizer: {sgd: {lr: 1e30}}, epochs: 9, batch_size: 16}
- {network: {hidden: [4]}, optimizer: newton, epochs: 3}
network: {hidden: [6], activation: [relu, tanh], dropout: 0.1}
optimizer: {adam: {lr: [0.001, 0.01]}}
epochs: 9
batch_size: 16
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    found = tmp_path_factory.mktemp("replay")
    write(found / "churn.csv", rows())
    (found / "space.yaml").write_text(SPACE)
    options = ("--space", found / "space.yaml", "--trials", 7, "--strategy", "halving", "--folds", 3, "--keep", "refit")
    done = tenfold("fit", found / "churn.csv", "--target", "churned", *options, "--out", found / "run")
    assert done.code == 0, done.err
    return found


@pytest.fixture
def run(folder: Path, tmp_path: Path) -> Path:
    """A copy of the finished run."""
    return shutil.copytree(folder / "run", tmp_path / "run")


def replayed(run: Path, wanted: str, *options: object) -> tuple[Done, dict[str, Any]]:
    done = tenfold("check", run, "--replay", wanted, *options, "--json")
    assert done.out, done.err
    return done, json.loads(done.out)


def test_every_trial_gives_the_bits_that_are_stored_to_the_epoch_that_it_reached(run: Path) -> None:
    before = {path.name: path.read_bytes() for path in run.iterdir() if path.is_file()}
    done, found = replayed(run, "all")
    assert done.code == 0
    assert found["ok"]
    trials = list(csv.DictReader((run / "trials.csv").read_text().splitlines()))
    assert {(t["recipe"], t["fold"]) for t in found["replay"]["trials"]} == {
        (int(t["recipe"]), int(t["fold"])) for t in trials
    }
    assert found["replay"]["comparable"]
    assert [t for t in found["replay"]["trials"] if not t["equal"]] == []
    outcomes = {t["outcome"] for t in trials}
    assert {"ok", "pruned", "diverged"} <= outcomes
    pruned = {int(t["recipe"]) for t in trials if t["outcome"] == "pruned"}
    assert all(t["epochs"] < 9 for t in found["replay"]["trials"] if t["recipe"] in pruned)
    assert {path.name: path.read_bytes() for path in run.iterdir() if path.is_file()} == before


def test_a_curve_changed_by_one_bit_is_found_though_all_sums_are_right(run: Path) -> None:
    winner = int(next(csv.DictReader((run / "leaderboard.csv").read_text().splitlines()))["recipe"])
    with Run.open(run) as opened:
        for key in opened.keys("pack"):
            arrays, meta = opened.get_arrays("pack", key)
            if str(winner) in meta:
                curve = arrays[f"r{winner}.curves"].copy()
                curve[1, 1].view(np.uint64)[1] ^= 1  # validation loss, second fold, second epoch
                opened.put_arrays("pack", key, {**arrays, f"r{winner}.curves": curve}, meta)
    assert check(run) == []
    done = tenfold("check", run, "--replay", 3)
    assert done.code == 1
    assert f"recipe {winner} (the winner), fold 1" in done.out
    assert "differs from epoch 2 on, loss by up to" in done.out
    assert "3 trials trained again: 2 the same bits, 1 not" in done.out


def test_a_leaderboard_that_says_something_else_is_found(run: Path) -> None:
    lines = list(csv.reader((run / "leaderboard.csv").read_text().splitlines()))
    lines[1][lines[0].index("fold_0")] = "0.999"
    with Run.open(run) as opened:
        opened.write_file(
            "leaderboard.csv",
            "\n".join(",".join(f'"{c.replace(chr(34), 2 * chr(34))}"' for c in line) for line in lines),
        )
    assert check(run) == []
    done, found = replayed(run, f"{lines[1][1]}:0")
    assert done.code == 1
    [trial] = found["replay"]["trials"]
    assert list(trial["greatest"]) == ["leaderboard"]


def test_on_another_machine_a_difference_is_only_reported(run: Path) -> None:
    with Run.open(run) as opened:
        [facts] = opened.get(MACHINES)
        opened.put(MACHINES, [{**facts, "processor": "Another 9000"}])
    done = tenfold("check", run, "--replay", "1")
    assert done.code == 0, done.err
    assert "the last bits may differ: the run was trained with processor Another 9000" in done.out


def test_data_that_were_moved_are_given(run: Path, folder: Path, tmp_path: Path) -> None:
    with Run.open(run) as opened:
        opened.put("settings", {**opened.get("settings"), "data": str(tmp_path / "gone.csv")})
    done = tenfold("check", run, "--replay", "1")
    assert done.code == 2
    assert "--data FILE" in done.err
    write(tmp_path / "other.csv", rows(seed=3))
    done = tenfold("check", run, "--replay", "1", "--data", tmp_path / "other.csv")
    assert done.code == 2
    assert "not those that the run was started with" in done.err
    done, found = replayed(run, "1", "--data", folder / "churn.csv")
    assert done.code == 0
    assert [trial["winner"] for trial in found["replay"]["trials"]] == [True]


@pytest.mark.parametrize("wanted", ["0", "-1", "some", "99:0", "0:7", "1:0,"])
def test_trials_that_there_are_not_are_refused(run: Path, wanted: str) -> None:
    done = tenfold("check", run, f"--replay={wanted}")
    assert done.code == 2
    assert f"--replay {wanted}" in done.err.replace("'", "")


def test_damage_is_said_first(run: Path) -> None:
    (run / "trials.csv").write_text("recipe\n")
    done = tenfold("check", run, "--replay", "1")
    assert done.code == 1
    assert "no trial was trained again" in done.out
