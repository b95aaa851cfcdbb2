"""How a run ends that was short of time, or in which nothing succeeded: what is said, and what verbs make of it."""

import json
import math
import os
import re
import time

import pytest

from tenfold.checks.baselines import run_baseline
from tenfold.cli import fit as commands
from tenfold.run import fit as fitting
from tenfold.run.live_page import LivePage
from tenfold.search import deadline
from tenfold.store.check import check

from .program import SPACE, rows, tenfold, write


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    found = tmp_path_factory.mktemp("endings")
    write(found / "churn.csv", rows())
    (found / "space.yaml").write_text(SPACE)
    return found


def fit(folder, out, *options):
    return tenfold("fit", folder / "churn.csv", "--target", "churned", "--folds", 2, "--out", out, *options)


@pytest.mark.slow
def test_baselines_take_only_a_part_of_a_time_limit(folder, tmp_path, monkeypatch):
    monkeypatch.setattr(deadline, "BASELINES_SHARE", 1e-6)
    done = fit(folder, tmp_path / "run", "--space", folder / "space.yaml", "--trials", 2, "--time-limit", "60s")
    assert done.code == 0, done.err
    assert "linear 0." in done.out
    assert "(1 of 2 folds, out of time), boosting (0 of 2 folds, out of time)" in done.out
    assert "There was no time for boosting." in done.out
    summary = json.loads((tmp_path / "run" / "summary.json").read_text())
    assert summary["baselines"]["boosting"] is None
    assert any("boosting baseline was cut short: 0 of 2 folds" in line for line in summary["warnings"])
    assert "The boosting baseline ran 0 of 2 folds." in (tmp_path / "run" / "report.html").read_text()


def test_without_a_limit_no_baseline_is_cut_short(folder, tmp_path, monkeypatch):
    def noted(problem, name, *, budget, strict, **options):
        asked.append((name, budget, strict))
        return run_baseline(problem, name, budget=budget, strict=strict, **options)

    asked = []
    monkeypatch.setattr(fitting, "run_baseline", noted)
    done = fit(folder, tmp_path / "run", "--space", folder / "space.yaml", "--trials", 2)
    assert done.code == 0, done.err
    assert asked == [(name, math.inf, False) for name in ("dummy", "linear", "boosting")]


def test_a_limit_that_leaves_nothing_says_what_took_the_time(folder, tmp_path):
    done = fit(folder, tmp_path / "run", "--space", folder / "space.yaml", "--trials", 2, "--time-limit", "0.1s")
    assert done.code == 1
    assert done.err == "tenfold: no recipe has a score: 4 timeout\n"
    assert "No recipe has a score: 4 timeout.\nWith a limit of 0.1 s the baselines took " in done.out
    assert "Try a longer time limit, or fewer trials." in done.out
    summary = json.loads((tmp_path / "run" / "summary.json").read_text())
    assert (summary["recipes"], summary["begun"]) == (2, 0)


def test_a_time_limit_counts_from_the_start_of_the_command_so_that_reading_is_part_of_it(folder, tmp_path, monkeypatch):
    options = ("--space", folder / "space.yaml", "--trials", 2, "--time-limit", "60s")
    monkeypatch.setattr(commands, "monotonic", lambda: time.monotonic() - 100.0)  # as if reading had taken so long
    done = fit(folder, tmp_path / "run", *options)
    assert (done.code, done.err) == (1, "tenfold: no recipe has a score: 4 timeout\n")
    assert json.loads((tmp_path / "run" / "summary.json").read_text())["seconds"]["total"] > 100
    monkeypatch.setattr(commands, "monotonic", lambda: time.monotonic() - 5.0)
    done = fit(folder, tmp_path / "other", *options)
    assert done.code == 0, done.err


@pytest.fixture(scope="module")
def failed(folder):
    """A run in which everything diverged, and how `fit` ended."""
    (folder / "bad.yaml").write_text("network: {hidden: [4]}\noptimizer: {sgd: {lr: 1e30}}\nepochs: 2\n")
    return folder / "failed", fit(folder, folder / "failed", "--recipe", folder / "bad.yaml")


def test_a_run_that_failed_says_its_verdict_wherever_it_is_asked(failed):
    run, done = failed
    assert done.code == 1
    assert done.err == "tenfold: no recipe has a score: 2 diverged\n"
    told = tenfold("report", run)
    verdict = told.out.split("\n\n")[0]
    assert verdict.startswith("No recipe has a score: 2 diverged.\n2 of 2 trials diverged, in 1 recipe: ")
    assert verdict.endswith("\nSealed test set: 18 rows, not opened.")
    assert verdict in done.out
    assert "tenfold test" not in done.out
    again = tenfold("resume", run)
    assert (again.code, again.err) == (1, "tenfold: no recipe succeeded; there is no model\n")
    assert verdict in again.out


def test_there_is_no_model_to_test_or_to_predict_with(failed, folder):
    for command in (("test",), ("predict", folder / "churn.csv")):
        done = tenfold(command[0], failed[0], *command[1:])
        assert (done.code, done.out) == (2, "")
        assert "failed: no recipe succeeded; there is no model" in done.err
        assert "try: tenfold report" in done.err


def test_an_unfinished_run_is_to_be_resumed(folder, tmp_path, monkeypatch):
    def stopped(self, *_):
        raise KeyboardInterrupt

    monkeypatch.setattr(fitting.Fit, "_search", stopped)
    (folder / "one.yaml").write_text("epochs: 1\n")
    assert fit(folder, tmp_path / "run", "--recipe", folder / "one.yaml").code == 130
    for command in (("predict", folder / "churn.csv"), ("test",)):
        done = tenfold(command[0], tmp_path / "run", *command[1:])
        assert (done.code, done.out) == (2, "")
        assert "run: the run is not finished" in done.err
        assert "try: tenfold resume" in done.err
    done = tenfold("report", tmp_path / "run")
    assert (done.code, done.err) == (0, "")
    assert "Not finished: no process is working on it" in done.out
    assert "`tenfold resume" in done.out
    assert "Baselines on the same folds: accuracy dummy" in done.out
    assert done.out.endswith("run/report.html\n")
    page = (tmp_path / "run" / "report.html").read_text()
    assert "no score yet" in page
    assert 'http-equiv="refresh"' not in page
    assert check(tmp_path / "run") == []


def test_a_run_that_a_process_works_on_tells_what_it_has_drawn(folder, tmp_path, monkeypatch):
    (folder / "one.yaml").write_text("epochs: 2\n")
    monkeypatch.setattr(LivePage, "first", 0.0)
    said = []

    def look(self, *_):
        said.append([tenfold("report", tmp_path / "run", *options) for options in ((), ("--json",))])
        raise KeyboardInterrupt

    monkeypatch.setattr(fitting.Fit, "_look_at_failures", look)
    assert fit(folder, tmp_path / "run", "--recipe", folder / "one.yaml").code == 130
    [(plain, as_json)] = said
    assert (plain.code, as_json.code) == (0, 0)
    assert re.match(
        rf"Process {os.getpid()} is working on it; as of 20..-..-.. ..:..:.. UTC:\nNot finished: ", plain.out
    )
    found = json.loads(as_json.out)
    assert found["report"] == str(tmp_path / "run" / "report.html")
    assert found["unfinished"]["state"] == "running"
    assert found["summary"] is None
    assert 'http-equiv="refresh" content="20"' in (tmp_path / "run" / "report.html").read_text()


def test_a_resumed_run_names_its_files_as_they_were_given(folder, tmp_path, monkeypatch):
    def stopped(self, *_):
        raise KeyboardInterrupt

    monkeypatch.chdir(folder)
    write(folder / "new.csv", rows(30, seed=1))
    (folder / "few.yaml").write_text("network: {hidden: [4]}\nepochs: 1\n")
    command = ("fit", "churn.csv", "--target", "churned", "--test", "new.csv", "--folds", 2, "--recipe", "few.yaml")
    with monkeypatch.context() as patch:
        patch.setattr(fitting.Fit, "_search", stopped)
        assert tenfold(*command, "--out", tmp_path / "run").code == 130
    monkeypatch.chdir(tmp_path)
    assert tenfold("resume", "run").code == 0
    page = (tmp_path / "run" / "report.html").read_text()
    assert '<p class="over"><bdi>churn.csv</bdi></p>' in page
    assert "test rows: 30 of new.csv" in page
    assert "tenfold fit churn.csv --target churned --folds 2 --test new.csv" in page
    assert str(folder) not in page
