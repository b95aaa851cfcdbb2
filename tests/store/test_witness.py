"""What a damaged log, an exchanged row, an exchanged model or an emptied database would make forgotten is found."""

from __future__ import annotations

import os
import random
import shutil
import sqlite3
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import tenfold
from tenfold.errors import BadInput, Corrupt, TenfoldError
from tenfold.store import Run, check
from tenfold.store.database import Database
from tenfold.store.files import sha256
from tenfold.store.log_damage import lost_commits
from tenfold.store.other_runs import other_openings

FIXTURES = Path(__file__).parent.parent / "fixtures"


@pytest.fixture
def killed(tmp_path: Path) -> Path:
    """A run that was killed after its lockbox was opened: its log is not folded into the database."""
    with Run.create(tmp_path / "alive") as run:
        run.put("settings", {"a": 1})
        run.put_arrays("pack", "0", {"w": np.zeros(3)})
        run.open_result(run.open_intent("rows", "model"), {"score": 0.5})
        run.open_intent("rows", "model", allow_second=True)
        run.put("later", 2)
        shutil.copytree(run.path, tmp_path / "killed")
    return tmp_path / "killed"


def test_no_flipped_bit_of_the_log_loses_an_opening(killed: Path, tmp_path: Path) -> None:
    log = (killed / "run.db-wal").read_bytes()
    rng, seen, refused = random.Random(3), 0, 0
    with Run.read(killed) as run:
        expected = run.openings()
    assert len(expected) == 2
    for number in range(60):
        damaged = tmp_path / f"damaged{number}"
        shutil.copytree(killed, damaged)
        data, bit = bytearray(log), rng.randrange(8 * len(log))
        data[bit // 8] ^= 1 << bit % 8
        (damaged / "run.db-wal").write_bytes(data)
        problems = check(damaged)
        try:
            with Run.open(damaged) as run:
                assert run.openings() == expected
            assert check(damaged) == [] or refused
            seen += bool(problems)
        except Corrupt as error:  # so much is lost that what is left is no run
            assert "still there" in str(error)
            assert problems
            refused += 1
        shutil.rmtree(damaged)
    assert seen > 30


def test_a_lost_log_is_seen_by_check_and_the_openings_are_put_back(killed: Path) -> None:
    whole = (killed / "run.db-wal").read_bytes()
    database = Database.read(killed)
    rows = len(list(database.rows("openings")))
    database.close()
    for length in range(len(whole) - 1, len(whole) // 2, -997):
        (killed / "run.db-wal").write_bytes(whole[:length])
        problems = check(killed)
        database = Database.read(killed)
        lost = rows - len(list(database.rows("openings")))
        database.close()
        assert not lost or [problem.file for problem in problems] == ["run.db"]
        assert not lost or "opening" in problems[0].what
    with Run.open(killed) as run:
        assert [(o.id, o.model_sha, o.result) for o in run.openings()] == [
            (1, "model", {"score": 0.5}),
            (2, "model", None),
        ]
        assert run.finished_opening("rows", "model") is not None
    assert check(killed) == []


@pytest.mark.parametrize("number", range(20))
def test_no_damage_to_the_witness_is_taken_for_nothing(killed: Path, number: int) -> None:
    path, rng = killed / "lockbox.jsonl", random.Random(number)
    data = bytearray(path.read_bytes())
    if number % 4 == 0:
        data = data[: rng.randrange(len(data))]
    else:
        bit = rng.randrange(8 * len(data))
        data[bit // 8] ^= 1 << bit % 8
    path.write_bytes(data)
    found = check(killed)
    if found:
        assert {problem.file for problem in found} == {"lockbox.jsonl"}
    else:  # the last line, at which a kill may have come: the database has it
        with Run.open(killed) as run:
            assert [o.id for o in run.openings()] == [1, 2]
            run.open_result(2, {"score": 0.5})
        assert check(killed) == []


def test_a_witness_that_is_gone_is_missed(killed: Path) -> None:
    (killed / "lockbox.jsonl").unlink()
    assert [problem.file for problem in check(killed)] == ["lockbox.jsonl"]
    with pytest.raises(Corrupt, match="lockbox"):
        Run.open(killed)


def test_a_kill_between_the_ledger_and_its_witness_is_no_damage(tmp_path: Path) -> None:
    """The intent is committed, the witness has half of its line or nothing of it: the labels were not read."""
    with Run.create(tmp_path / "run") as run:
        run.open_intent("rows", "model")
    line = (tmp_path / "run" / "lockbox.jsonl").read_bytes()
    for piece in (None, b"", line[:1], line[:50], line[:-1]):
        (tmp_path / "run" / "lockbox.jsonl").unlink(missing_ok=True)
        if piece is not None:
            (tmp_path / "run" / "lockbox.jsonl").write_bytes(piece)
        assert check(tmp_path / "run") == []
        with Run.open(tmp_path / "run") as run:
            assert len(run.openings()) == 1
            run.open_intent("rows", "model")
        assert check(tmp_path / "run") == []
        assert (tmp_path / "run" / "lockbox.jsonl").read_bytes().count(b"\n") == 1


def test_the_openings_of_another_run_are_known_although_its_log_is_lost(killed: Path, tmp_path: Path) -> None:
    log = killed / "run.db-wal"
    os.truncate(log, log.stat().st_size * 2 // 3)
    database = Database.read(killed)
    assert len(list(database.rows("openings"))) < 2
    database.close()
    Run.create(tmp_path / "mine").close()
    shutil.rmtree(tmp_path / "alive")
    assert [opening.model_sha for opening in other_openings(tmp_path / "mine", "rows")] == ["model", "model"]


@pytest.fixture
def finished(tmp_path: Path) -> Path:
    with Run.create(tmp_path / "run") as run:
        for number in range(5):
            run.put(f"fact{number}", number)
            run.put_arrays("pack", str(number), {"w": np.full(3, number)})
        run.open_result(run.open_intent("rows", "model"), {"score": 0.5})
    return run.path


def execute(run: Path, *statements: str) -> None:
    connection = sqlite3.connect(run / "run.db")
    with connection:
        for statement in statements:
            connection.execute(statement)
    connection.close()


@pytest.mark.parametrize(
    ("statement", "table"),
    [
        ("DELETE FROM facts WHERE name = 'fact3'", "facts"),
        ("DELETE FROM facts WHERE name = 'store.tally'", ""),
        ("DELETE FROM facts", ""),
        ("DELETE FROM arrays WHERE key = '2'", "arrays"),
        ("DELETE FROM openings", "openings"),
        ("DELETE FROM events WHERE id = 1", ""),
    ],
)
def test_a_deleted_row_is_missed(finished: Path, statement: str, table: str) -> None:
    with Run.open(finished) as run:
        run.event("opened")
    execute(finished, statement)
    problems = check(finished)
    assert [problem.file for problem in problems] == ["run.db"]
    assert table in problems[0].what
    with pytest.raises(Corrupt, match=r"run\.db"):
        Run.open(finished)


def test_a_row_of_another_run_with_its_right_checksum_is_found(finished: Path, tmp_path: Path) -> None:
    with Run.create(tmp_path / "other") as run:
        run.put("fact3", 99)
    execute(
        finished, f"ATTACH '{tmp_path / 'other' / 'run.db'}' AS other",
        "INSERT OR REPLACE INTO facts SELECT * FROM other.facts WHERE name = 'fact3'",
    )  # fmt: skip
    with Run.read(finished) as run:
        assert run.get("fact3") == 99, "its checksum is right"
    assert [problem.file for problem in check(finished)] == ["run.db"]


def test_the_sums_follow_every_write_and_no_write_that_was_taken_back(finished: Path) -> None:
    with Run.open(finished) as run:
        run.put("fact3", 7)
        run.put("fact3", 7)
        run.drop("pack", "1")
        run.drop("pack", "nothing")
        with pytest.raises(RuntimeError), run.transaction():
            run.put("fact4", 8)
            raise RuntimeError
        run.put("fact9", "ü\ud800" * 3)
        assert check(finished) == []
    assert check(finished) == []
    Run.open(finished).close()


def test_runs_of_the_formats_before_are_read_and_written_as_they_are(tmp_path: Path) -> None:
    path = shutil.copytree(FIXTURES / "run_format_1", tmp_path / "run")
    with Run.open(path) as run:
        run.open_intent("rows", "model", allow_second=True)
        assert not run.has("store.tally")
    assert not (path / "lockbox.jsonl").exists()
    assert check(path) == []


def _empty(path: Path) -> None:
    path.write_bytes(b"")


@pytest.mark.parametrize("damage", [_empty, Path.unlink])
@pytest.mark.parametrize("left", ["blobs", "model", "summary.json"])
def test_an_emptied_database_is_damage_that_says_what_is_still_there(tmp_path: Path, damage: Any, left: str) -> None:
    with Run.create(tmp_path / "run") as run:
        if left == "blobs":
            run.put_arrays("pack", "0", {"w": np.zeros(3)})
            run.put_arrays("pack", "1", {"w": np.ones(3)})
    if left == "model":
        shutil.copytree(FIXTURES / "model_format_1", run.path / "model")
    if left == "summary.json":
        (run.path / "summary.json").write_text("{}")
    damage(run.path / "run.db")
    said = {"blobs": r"blobs/ \(2 files\)", "model": "model/", "summary.json": r"summary\.json"}[left]
    if damage is _empty or left == "blobs":
        for function in (Run.open, Run.read):
            with pytest.raises(Corrupt, match=rf"still there: {said}"):
                function(run.path)
        assert [problem.file for problem in check(run.path)] == ["run.db"]
    else:  # a folder with a model in it is no run
        with pytest.raises(BadInput, match=r"no run\.db"):
            Run.open(run.path)


def test_an_empty_database_alone_is_a_run_that_did_not_begin(tmp_path: Path) -> None:
    with Run.create(tmp_path / "run") as run:
        pass
    _empty(run.path / "run.db")
    with pytest.raises(BadInput, match="before it began"):
        Run.open(run.path)


@pytest.mark.parametrize("length", [1, 100, 512, 4096, 8192, 20000])
def test_a_cut_database_is_damage(finished: Path, length: int) -> None:
    os.truncate(finished / "run.db", length)
    assert "run.db" in {problem.file for problem in check(finished)}
    with pytest.raises(Corrupt):
        Run.open(finished)


@pytest.fixture
def with_model(tmp_path: Path) -> Path:
    """A finished run with a model."""
    return shutil.copytree(FIXTURES / "run_format_1", tmp_path / "run")


def test_the_model_of_another_run_is_not_taken_for_this_ones(with_model: Path, tmp_path: Path) -> None:
    expected = sha256((with_model / "model" / "manifest.json").read_bytes())
    tenfold.load(with_model)
    tenfold.load(with_model / "model")
    shutil.rmtree(with_model / "model")
    shutil.copytree(FIXTURES / "ensemble_format_1", with_model / "model")
    found = sha256((with_model / "model" / "manifest.json").read_bytes())
    for path in (with_model, with_model / "model"):
        with pytest.raises(Corrupt, match="not the model that the run trained") as caught:
            tenfold.load(path)
        assert (caught.value.expected, caught.value.found) == (expected, found)
    assert "model/manifest.json" in {problem.file for problem in check(with_model)}
    shutil.copytree(with_model / "model", tmp_path / "elsewhere")
    tenfold.load(tmp_path / "elsewhere")


def test_a_model_in_a_run_that_has_trained_none_is_not_used(tmp_path: Path) -> None:
    Run.create(tmp_path / "run").close()
    shutil.copytree(FIXTURES / "ensemble_format_1", tmp_path / "run" / "model")
    for path in (tmp_path / "run", tmp_path / "run" / "model"):
        with pytest.raises(BadInput, match="not finished"):
            tenfold.load(path)


OUTSIDE = ["../secret", "/etc/hostname", "model/../../secret", "model/../run.db", "", ".", ".."]


@pytest.mark.parametrize("name", OUTSIDE)
def test_check_of_a_strangers_run_looks_at_no_file_outside_of_it(tmp_path: Path, name: str) -> None:
    (tmp_path / "secret").write_text("mine")
    with Run.create(tmp_path / "run") as run:
        run._database.write("files", [(name, "0" * 64, 4, 1, None)])  # pyright: ignore[reportPrivateUsage]
    (problem,) = check(tmp_path / "run")
    assert problem.file == "run.db"
    assert sha256(b"mine") not in str(problem)
    assert not problem.found


@pytest.mark.parametrize("name", ["summary.json", "model", "blobs", "run.db", "run.db-wal", "blob", "lockbox.jsonl"])
def test_check_of_a_strangers_run_follows_no_link(tmp_path: Path, name: str) -> None:
    with Run.create(tmp_path / "run") as run:
        run.write_file("summary.json", "{}")
        run.put_arrays("pack", "0", {"w": np.zeros(3)})
        run.open_intent("rows", "model")
    path = next((run.path / "blobs").iterdir()) if name == "blob" else run.path / name
    if path.is_dir():
        shutil.rmtree(path)
    path.unlink(missing_ok=True)
    outside = tmp_path / "outside"
    if name in ("model", "blobs"):
        outside.mkdir()
        (outside / "manifest.json").write_text("mine")
    else:
        outside.write_text("mine")
    path.symlink_to(outside)
    problems = check(tmp_path / "run")
    assert "a link" in problems[0].what
    assert sha256(b"mine") not in str(problems)
    if name not in ("model", "summary.json", "blob"):
        with pytest.raises(TenfoldError):
            Run.open(tmp_path / "run")


def test_commits_that_a_damaged_log_has_lost_are_counted(tmp_path: Path) -> None:
    """A flipped bit in each frame of the log, in its header, and what a kill leaves: cuts anywhere, half a frame."""
    with Run.create(tmp_path / "run") as run:
        for number in range(8):
            run.put("fact", number)
        shutil.copytree(run.path, tmp_path / "killed")
    log = tmp_path / "killed" / "run.db-wal"
    whole = log.read_bytes()
    frames = range(32, len(whole), 24 + 4096)
    for start in [0, *frames[:-6]]:
        for at in (start + 10, start + 17):
            data = bytearray(whole)
            data[at] ^= 4
            log.write_bytes(data)
            assert lost_commits(log) >= 2, (start, at)
            assert "run.db-wal" in str(check(tmp_path / "killed")[0])
    for length in range(0, len(whole), 1009):
        log.write_bytes(whole[:length])
        assert lost_commits(log) == 0
    log.write_bytes(whole + whole[32:2000])
    assert lost_commits(log) == 0
    log.unlink()
    assert lost_commits(log) == 0


def test_a_log_that_was_begun_anew_has_lost_nothing(tmp_path: Path) -> None:
    """Behind the new frames stand those of the older log."""
    with Run.create(tmp_path / "run") as run:
        for number in range(20):
            run.put("fact", "x" * 9000 + str(number))
        run._database.fetch("PRAGMA wal_checkpoint(RESTART)")  # pyright: ignore[reportPrivateUsage]
        for number in range(3):
            run.put("fact", number)
            assert check(run.path) == []
            assert lost_commits(run.path / "run.db-wal") == 0
