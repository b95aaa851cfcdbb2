"""The page of a run that goes on: when it is drawn, what it says, and that it never costs the run anything else."""

from __future__ import annotations

import csv
import os
import subprocess
import sys
import time
from types import SimpleNamespace

import pytest

from tenfold.errors import Stopped
from tenfold.problem.from_file import prepare
from tenfold.problem.settings import Settings
from tenfold.recipe import Space
from tenfold.run.fit import Fit, Stop, create_run, reopen
from tenfold.run.live_page import LivePage
from tenfold.run.plan import make_plan
from tenfold.run.unfinished import Status, status_of, unfinished_data
from tenfold.search.so_far import SoFar
from tenfold.store.check import check
from tenfold.store.run_directory import Run

SPACE = Space.from_dict({
    "network": {"hidden": [8], "activation": ["relu", "tanh"]},
    "optimizer": {"adam": {"lr": {"log_uniform": [1e-3, 1e-1]}}}, "epochs": 9, "batch_size": 32,
})  # fmt: skip
SETTINGS = Settings("sklearn:iris", space=SPACE, trials=9, folds=3, strategy="halving", keep="refit")


class Watcher:
    """A listener that counts decisions, and does something once so much of the training is done."""

    def __init__(self, at=2.0, then=lambda: None):
        self.rungs, self._at, self._then = 0, at, then

    def progress(self, share, best):
        if share >= self._at:
            self._then()

    def decided(self, rung):
        self.rungs += 1

    def __getattr__(self, name):
        return lambda *_: None


def begin(path):
    prepared = prepare(SETTINGS)
    plan = make_plan(prepared, 1)
    return create_run(SETTINGS, path, prepared, plan), prepared, plan


@pytest.fixture
def at_once(monkeypatch):
    """Pages come at every occasion, whatever they cost."""
    monkeypatch.setattr(LivePage, "first", 0.0)
    monkeypatch.setattr(LivePage, "every", 0.0)
    monkeypatch.setattr(LivePage, "share", float("inf"))
    monkeypatch.setattr(Fit, "every", 0.0)


@pytest.fixture
def finished(tmp_path, at_once):
    """A run that ended, and the data of every page on the way."""
    pages = []
    run, prepared, plan = begin(tmp_path / "run")
    watcher = Watcher()
    with run:
        Fit(run, prepared, plan, watcher, Stop(), draw=lambda data: pages.append(data) or "page").advance()
        yield SimpleNamespace(run=run, pages=pages, watcher=watcher)


def leaderboard(path):
    with (path / "leaderboard.csv").open() as file:
        return {int(row["recipe"]): row for row in csv.DictReader(file)}


def test_a_page_at_every_rung_of_what_was_known_then(finished):
    assert finished.watcher.rungs == 1
    [at_rung] = [data for data in finished.pages if len(data["rungs"]) == 1 and not data["status"].step][:1]
    assert at_rung["status"].state == "running"
    assert at_rung["reload"] == 20
    assert at_rung["counts"] == {"trained to the end": 0, "dropped by the race": 6, "under way": 3, "not begun": 0}
    final = leaderboard(finished.run.path)
    # what was dropped stays what it was, and the others may only improve
    for row in at_rung["leaderboard"]:
        mean = float(final[row["number"]]["mean"])
        assert mean == row["mean"] if "pruned" in row["outcomes"] else mean >= row["mean"]
        assert row["made"] == 3
    assert [row["rank"] for row in at_rung["leaderboard"]] == list(range(1, 10))
    assert {tuple(row["outcomes"]) for row in at_rung["leaderboard"][:3]} == {("under way",)}


def test_the_first_page_comes_before_the_search(finished):
    first = finished.pages[0]
    assert first["lines"] == ["Not finished: the baselines are being fitted; recipes: 9 not begun."]
    assert first["leaderboard"] == []
    assert first["best"] is None
    later = finished.pages[-1]
    assert later["status"].step is not None
    assert later["lines"][0].startswith("Not finished: writing the report; 100% of the training is done; ")
    assert later["lines"][1].startswith("Best so far: ")
    assert later["lines"][2].startswith("Baselines on the same folds: accuracy dummy 0.3")


def test_what_is_stored_says_the_same_as_the_leaderboard(finished):
    data = unfinished_data(finished.run, Status("ended", 0.0))
    final = leaderboard(finished.run.path)
    assert len(data["leaderboard"]) == len(final) == 9
    for row in data["leaderboard"]:
        there = final[row["number"]]
        assert row["mean"] == float(there["mean"])
        assert row["epochs"] == int(there["epochs"])
        assert " ".join(f"{label}={count}" for label, count in row["outcomes"].items()) == there["outcomes"]
    assert data["leaderboard"][0]["number"] == next(iter(final))


def test_a_page_that_cannot_be_drawn_ends_nothing(tmp_path, at_once):
    def fail(data):
        raise ValueError("no ink")

    run, prepared, plan = begin(tmp_path / "run")
    with run:
        Fit(run, prepared, plan, Watcher(), Stop(), draw=fail).advance()
        notes = [detail for _, kind, detail in run.events() if kind == "page not drawn"]
        assert notes == [{"error": "ValueError: no ink"}]
        assert run.has("report")


def test_pages_take_no_more_than_their_share(tmp_path, monkeypatch):
    def burn(data):
        end = time.thread_time() + 0.01
        while time.thread_time() < end:
            pass
        return "page"

    run, _, _ = begin(tmp_path / "run")
    with run:
        page = LivePage(run, burn, lambda: 0.0)
        page.first, page.every, page.share = 0.0, 0.0, 0.2
        begun = time.monotonic()
        while page._pages < 4:
            page.tick()
        # the last page may have been drawn a moment ago
        assert page.seconds <= page.share * (time.monotonic() - begun) + page._cost


def test_no_page_before_its_time(tmp_path):
    run, _, _ = begin(tmp_path / "run")
    with run:
        page = LivePage(run, lambda data: "page", lambda: 0.0)
        page.look(SoFar())
        page.rung()
        page.stopped()
        assert not (run.path / "report.html").exists()
        page.first = 0.0
        page.tick()  # the rung waited
        assert (run.path / "report.html").read_text() == "page"


def test_a_stopped_run_says_so_and_goes_on_to_its_report(tmp_path, at_once):
    pages, stop = [], Stop()
    run, prepared, plan = begin(tmp_path / "run")
    with run, pytest.raises(Stopped):
        watcher = Watcher(0.5, lambda: setattr(stop, "signal", 2))
        Fit(run, prepared, plan, watcher, stop, draw=lambda data: pages.append(data) or "page").advance()
    assert pages[-1]["status"].state == "stopped"
    assert pages[-1]["reload"] is None
    assert "tenfold resume" in pages[-1]["lines"][0]
    with Run.read(tmp_path / "run") as opened:
        status = status_of(opened)
        assert status.state == "stopped"
        data = unfinished_data(opened, status)
        assert data["best"] is not None
        assert data["lines"][0].startswith("Not finished: it was stopped at ")
    assert check(tmp_path / "run") == []
    run, prepared, plan = reopen(tmp_path / "run")
    with run:
        Fit(run, prepared, plan, Watcher(), Stop(), draw=lambda data: "page").advance()
        assert run.has("report")


def test_a_run_that_died_says_that_nobody_knows_why(tmp_path, at_once):
    def die():
        raise RuntimeError("as good as killed")

    run, prepared, plan = begin(tmp_path / "run")
    with run, pytest.raises(RuntimeError):
        Fit(run, prepared, plan, Watcher(0.5, die), Stop()).advance()
    with Run.read(tmp_path / "run") as opened:
        assert status_of(opened).state == "ended"
        line = unfinished_data(opened, status_of(opened))["lines"][0]
    assert "it was killed, or failed; `tenfold resume" in line


PROGRAM = """
import sys
from tenfold.cli.main import run
from tenfold.run.fit import Fit
from tenfold.run.live_page import LivePage
LivePage.first, LivePage.share, Fit.every = 0.0, float("inf"), 0.1
sys.argv = ["tenfold", *sys.argv[1:]]
sys.exit(run())
"""


def begun(path):
    """A real `fit` in a process of its own, which draws at every rung."""
    command = [sys.executable, "-c", PROGRAM, "fit", "sklearn:breast_cancer", "--trials", "24", "--out", str(path)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env={**os.environ, "PYTHONUNBUFFERED": "1"})


def program(*arguments):
    command = [sys.executable, "-m", "tenfold.cli.main", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


@pytest.mark.slow
def test_a_killed_run_is_reported_and_goes_on(tmp_path):
    run = tmp_path / "run"
    with begun(run) as process:
        for line in process.stdout:
            if "recipes go on" in line and (run / "report.html").exists():
                break
        under_way = program("report", run)
        process.kill()
    assert under_way.returncode == 0, under_way.stderr
    assert under_way.stdout.startswith(f"Process {process.pid} is working on it; as of ")
    page = (run / "report.html").read_text()
    assert '<meta http-equiv="refresh" content="20">' in page
    found = program("report", run)
    assert found.returncode == 0, found.stderr
    assert found.stdout.startswith("Not finished: no process is working on it")
    assert "Best so far: " in found.stdout
    page = (run / "report.html").read_text()
    assert "refresh" not in page
    assert "Leaderboard so far" in page
    assert program("check", run).returncode == 0
    assert program("resume", run).returncode == 0
    page = (run / "report.html").read_text()
    assert "<h2>Verdict</h2>" in page
    assert "refresh" not in page
    assert "Not finished" not in page
