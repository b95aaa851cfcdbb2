"""Runs and models that earlier versions wrote are read: format 1, as it was on 2026-11-30.

tests/fixtures: two runs on scikit-learn's iris (one finished, one stopped by Ctrl-C in its second rung, with the
leaderboard that it came to when the version that began it resumed it), a model of a made-up frame with the
probabilities that it gave, and an ensemble.
"""

from __future__ import annotations

import csv
import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sklearn.datasets import load_iris

import tenfold
from tenfold.store import check

FIXTURES = Path(__file__).parent.parent / "fixtures"


@pytest.fixture
def copied(tmp_path):
    """A copy of a fixture that a test may change."""

    def copy(name: str) -> Path:
        return Path(shutil.copytree(FIXTURES / name, tmp_path / name))

    return copy


def program(*arguments: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "tenfold.cli.main", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_a_finished_run_is_intact_and_its_report_is_written_again(copied):
    run = copied("run_format_1")
    before = json.loads((run / "summary.json").read_text())
    assert check(run) == []
    done = program("report", run, "--json")
    assert done.returncode == 0, done.stderr
    after = json.loads(done.stdout)["summary"]
    assert {name: after[name] for name in before} == before
    assert (run / "report.html").stat().st_size > 10_000


def test_its_model_predicts():
    X, y = load_iris(return_X_y=True, as_frame=True)
    model = tenfold.load(FIXTURES / "run_format_1")
    assert (model.predict(X) == load_iris().target_names[y]).mean() > 0.9


def test_a_stopped_run_goes_on_to_the_leaderboard_that_it_had(copied):
    run = copied("stopped_run_format_1")
    done = program("resume", run)
    assert done.returncode == 0, done.stderr
    paths = FIXTURES / "stopped_run_format_1_leaderboard.csv", run / "leaderboard.csv"
    expected, found = (list(csv.DictReader(path.read_text().splitlines())) for path in paths)
    assert [row["recipe"] for row in found] == [row["recipe"] for row in expected]
    assert [row["outcomes"] for row in found] == [row["outcomes"] for row in expected]
    # Another processor rounds differently; 1 of 40 rows of a fold may fall on the other side.
    np.testing.assert_allclose(
        [float(row["mean"]) for row in found], [float(row["mean"]) for row in expected], atol=0.026
    )
    assert check(run) == []


def test_a_model_of_a_frame_gives_the_probabilities_that_it_gave():
    stored = json.loads((FIXTURES / "model_format_1_predictions.json").read_text())
    rows = pd.DataFrame(stored["rows"])
    rows["when"] = pd.to_datetime(rows["when"])
    found = tenfold.load(FIXTURES / "model_format_1").predict_proba(rows)
    np.testing.assert_allclose(found, stored["proba"], atol=1e-5)


def test_an_ensemble_predicts():
    X, y = load_iris(return_X_y=True, as_frame=True)
    model = tenfold.load(FIXTURES / "ensemble_format_1")
    assert (model.predict(X) == load_iris().target_names[y]).mean() > 0.8
