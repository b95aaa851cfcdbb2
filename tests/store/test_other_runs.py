"""Other runs that looked at the same sealed rows: found in the directory tree, read only, said in plain words."""

from __future__ import annotations

import hashlib
import os
import shutil
import sqlite3
from pathlib import Path

import pytest

from tenfold.store import Run, other_runs as module
from tenfold.store.lockbox_ledger import Opening
from tenfold.store.other_runs import OtherOpening, ledger_sentences, other_openings

NOVEMBER = 1795132800.0  # 2026-11-20 00:00 UTC


def opened(path: Path, model: str, rows: str = "rows", result: object = None) -> Path:
    """A run that opened its lockbox."""
    with Run.create(path) as run:
        number = run.open_intent(rows, model)
        if result is not None:
            run.open_result(number, result)
    return path


@pytest.fixture
def runs(tmp_path: Path) -> Path:
    """Seven runs: mine, three that looked at its rows, one at other rows, one that never looked, one out of reach."""
    here = tmp_path / "runs"
    opened(here / "mine", "m0", result={"score": 0.8})
    opened(here / "first", "m1", result={"score": 0.81, "rows": 20})
    opened(here / "a" / "b" / "c" / "fourth-level", "m2")
    opened(here / "first" / "inside", "m3", result={"score": None})
    opened(here / "others", "m4", rows="other rows", result={"score": 0.9})
    Run.create(here / "never").close()
    opened(here / "a" / "b" / "c" / "d" / "fifth-level", "m5")
    opened(tmp_path / "outside", "m6")
    return here


def test_the_same_rows_are_found_below_the_directory_of_the_run(runs: Path) -> None:
    found = other_openings(runs / "mine", "rows")
    assert [(n.path, n.model_sha, n.times, n.score) for n in found] == [
        ("runs/first", "m1", 1, 0.81),
        ("runs/a/b/c/fourth-level", "m2", 1, None),
        ("runs/first/inside", "m3", 1, None),
    ]
    assert [n.time for n in found] == sorted(n.time for n in found)
    assert other_openings(runs / "mine", "rows of nobody") == []
    assert [n.model_sha for n in other_openings(runs / "others", "rows")] == ["m0", "m1", "m2", "m3"]


def test_a_relative_path_and_a_run_inside_a_run(runs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(runs)
    assert other_openings("mine", "rows") == other_openings(runs / "mine", "rows")
    assert [n.path for n in other_openings("first/inside", "rows")] == ["first"]  # the run that holds it


def test_what_cannot_be_read_is_passed_over(runs: Path) -> None:
    expected = other_openings(runs / "mine", "rows")
    damaged = opened(runs / "damaged", "x") / "run.db"
    damaged.write_bytes(damaged.read_bytes()[:3000] + b"\xff" * 3000)
    (runs / "empty").mkdir()
    (runs / "empty" / "run.db").write_bytes(b"")
    (runs / "text").mkdir()
    (runs / "text" / "run.db").write_text("no database")
    newer = opened(runs / "newer", "x")
    with sqlite3.connect(newer / "run.db") as connection:
        connection.execute("PRAGMA user_version=99")
    connection.close()
    changed = opened(runs / "changed", "x")
    with sqlite3.connect(changed / "run.db") as connection:
        connection.execute("UPDATE openings SET model_sha = 'y'")  # the row's checksum no longer fits
    connection.close()
    (runs / "directory" / "run.db").mkdir(parents=True)
    (runs / "pipe").mkdir()
    os.mkfifo(runs / "pipe" / "run.db")
    for name in (".hidden", "blobs", "model"):
        opened(runs / name / "run", "x")
    assert other_openings(runs / "mine", "rows") == expected


def test_links_are_not_followed(runs: Path) -> None:
    expected = other_openings(runs / "mine", "rows")
    (runs / "loop").symlink_to(runs)
    (runs / "a" / "up").symlink_to("..")
    (runs / "elsewhere").symlink_to(runs.parent / "outside")
    (runs / "linked").mkdir()
    (runs / "linked" / "run.db").symlink_to(runs.parent / "outside" / "run.db")
    assert other_openings(runs / "mine", "rows") == expected
    assert [n.model_sha for n in other_openings(runs / "elsewhere", "rows")] == ["m0", "m1", "m3"]  # its own home


def test_a_copy_of_a_run_is_no_second_look(runs: Path) -> None:
    expected = other_openings(runs / "mine", "rows")
    shutil.copytree(runs / "mine", runs / "copy of mine")
    shutil.copytree(runs / "first", runs / "g" / "first")
    found = other_openings(runs / "mine", "rows")
    assert [(n.time, n.model_sha) for n in found] == [(n.time, n.model_sha) for n in expected]


def test_nothing_is_written(runs: Path) -> None:
    def content() -> dict[str, tuple[str, int]]:
        files = [path for path in runs.rglob("*") if path.is_file()]
        return {str(p): (hashlib.sha256(p.read_bytes()).hexdigest(), p.stat().st_mtime_ns) for p in files}

    before = content()
    assert len(other_openings(runs / "mine", "rows")) == 3
    assert content() == before


def test_a_run_that_is_being_written_is_read(runs: Path) -> None:
    with Run.open(runs / "never") as live:
        live.open_intent("rows", "m7")
        with Run.open(runs / "mine"):
            assert other_openings(runs / "mine", "rows")[-1].path == "runs/never"


def test_the_walk_ends_after_so_many_directories(runs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST_DIRECTORIES", 4)  # runs, a, first, mine
    assert [n.path for n in other_openings(runs / "mine", "rows")] == ["runs/first"]


@pytest.mark.parametrize("bad", [{"path": ""}, {"times": 0}, {"model_sha": ""}])
def test_an_opening_elsewhere_checks_itself(bad: dict) -> None:
    with pytest.raises(ValueError, match="an opening needs"):
        OtherOpening(**{"path": "runs/a", "time": 0.0, "model_sha": "m", "times": 1, **bad})


def opening(number: int, model: str = "m0", times: int = 1) -> Opening:
    return Opening(number, "rows", model, NOVEMBER, times)


def neighbour(name: str, model: str, score: float | None = 0.8125, day: int = 0) -> OtherOpening:
    return OtherOpening(f"runs/{name}", NOVEMBER + 86400 * day, model, 1, score)


def test_this_runs_own_openings_in_words() -> None:
    assert ledger_sentences([], []) == []
    assert ledger_sentences([opening(1)], []) == ["opened once"]
    assert ledger_sentences([opening(1, times=2)], []) == [
        "opened once (begun 2 times, by the same model, before there was a result)"
    ]
    assert ledger_sentences([opening(1), opening(2)], []) == [
        "opened 2 times, by the same model: it is the same score of the same model"
    ]
    assert ledger_sentences([opening(1), opening(2, "m1"), opening(3)], []) == [
        "opened 3 times for 2 models: every score after the first is not independent of the first"
    ]


def test_other_runs_in_words() -> None:
    one, two = neighbour("churn-1", "m1"), neighbour("churn-2", "m2", None, day=1)
    untouched = "this is no longer an untouched test set"
    assert ledger_sentences([opening(1)], [one]) == [
        "opened once",
        f"1 other model was scored on the same rows (runs/churn-1 on 2026-11-20: 0.8125): {untouched}",
    ]
    assert ledger_sentences([opening(1)], [one, two])[1] == (
        "2 other models were scored on the same rows (runs/churn-1 on 2026-11-20: 0.8125, runs/churn-2 on 2026-11-21): "
        + untouched
    )
    assert ledger_sentences([], [one, two])[0].startswith("2 models were scored on the same rows (runs/churn-1")
    five = [neighbour(str(i), f"m{i}") for i in range(1, 6)]
    assert ledger_sentences([opening(1)], five)[1].endswith(f"runs/3 on 2026-11-20: 0.8125 and 2 more): {untouched}")


def test_the_same_model_in_another_run_is_no_other_model() -> None:
    sentences = ledger_sentences([opening(1)], [neighbour("again", "m0"), neighbour("other", "m1")])
    assert sentences[1].startswith("1 other model was scored on the same rows (runs/other")
    assert sentences[2] == (
        "the same model was scored on the same rows by another run (runs/again on 2026-11-20: 0.8125)"
    )
