"""Kills, power cuts, full disks and second processes: nothing acknowledged is lost, nobody shares a run."""

from __future__ import annotations

import errno
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import store_writer
from store_writer import KINDS, last_step

from tenfold.errors import BadInput, RunFailed
from tenfold.store import Run, check, files, read_bundle

SCRIPT = str(Path(store_writer.__file__))


def _start(*arguments: object) -> subprocess.Popen[str]:
    command = [sys.executable, SCRIPT, *map(str, arguments)]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    pipe = subprocess.PIPE
    return subprocess.Popen(command, env=environment, stdin=pipe, stdout=pipe, stderr=pipe, text=True)


def _latest(kind: str, last: int) -> set[int | None]:
    """Which step of this kind may be the stored one, when `last` was acknowledged: the next step may be there too."""
    possible = [step for step in range(last + 1) if KINDS[step % len(KINDS)] == kind]
    stored: set[int | None] = {possible[-1] if possible else None}
    return stored | ({last + 1} if KINDS[(last + 1) % len(KINDS)] == kind else set())


def _verify(path: Path, *, resumed: bool) -> None:
    """The run opens and holds every acknowledged step. A resumed writer may have repeated the step in flight."""
    last = last_step(path)
    problems = check(path)
    assert problems == [], "before it is opened"
    with Run.open(path) as run:
        assert run.get("step") in _latest("put", last)
        for kind, name in (("checkpoint", "arrays"), ("transaction", "transaction")):
            step = run.get_arrays(kind, "0")[1] if run.keys(kind) else None
            assert step in _latest(name, last)
            if step is not None:
                np.testing.assert_array_equal(run.get_arrays(kind, "0")[0]["weights"], np.arange(2000.0) * step)
        assert (
            run.get("left") == run.get("right") == (run.get_arrays("transaction", "0")[1] if run.has("left") else None)
        )
        facts = {step: [run.get(f"{step}.{fold}") for fold in range(5)] for step in range(last + 3)}
        stored = [step for step, values in facts.items() if values != [None] * 5]
        assert all(facts[step] == [step + fold / 8 for fold in range(5)] for step in stored), "all of them or none"
        assert max(stored, default=None) in _latest("facts", last)
        assert len(stored) >= len([step for step in range(last + 1) if step % len(KINDS) == KINDS.index("facts")])
        events = [json.loads(row[3]) for row in run._database.rows("events")]
        assert sorted(set(events)) == sorted(set(range(3, max(events, default=0) + 1, len(KINDS))))
        assert resumed or len(events) == len(set(events))
        assert max(events, default=None) in _latest("event", last)
        _verify_files(path, last)
        blobs = {name.stem for name in (path / "blobs").iterdir()}
        assert len(blobs) == len(run.keys("checkpoint")) + len(run.keys("transaction")), "no blob without a row"
        assert not list(path.rglob("*.tmp"))
    assert check(path) == [], "after it was opened"


def _verify_files(path: Path, last: int) -> None:
    summary = path / "summary.json"
    step = int(summary.read_text().split()[0]) if summary.exists() else None
    assert step in _latest("file", last)
    assert step is None or summary.read_text() == f"{step}\n" * 100
    model = path / "model"
    assert (read_bundle(model).spec["step"] if model.exists() else None) in _latest("model", last)


def test_a_run_killed_at_any_moment_holds_everything_acknowledged(tmp_path: Path) -> None:
    rounds = 40
    process = _start("kill", tmp_path, rounds, 1)
    _, complaint = process.communicate(timeout=60)
    assert process.returncode == 0, complaint
    steps = [last_step(tmp_path / str(number)) for number in range(rounds)]
    assert sum(step >= 0 for step in steps) >= rounds // 2, "every second writer was given the time"
    for number in range(rounds):
        path = tmp_path / str(number)
        if steps[number] >= -1:
            _verify(path, resumed=True)
        elif path.exists():
            _verify_unborn(path)


@pytest.mark.slow
def test_a_run_killed_before_a_call_of_the_system_holds_everything_acknowledged(tmp_path: Path) -> None:
    process = _start("steps", tmp_path, 1, 2)
    said, complaint = process.communicate(timeout=60)
    assert (process.returncode, complaint) == (0, "")
    points = range(1, int(said), 2)
    assert len(points) > 80
    for number in points:
        path = tmp_path / str(number)
        if last_step(path) >= -1:
            _verify(path, resumed=False)
        elif path.exists():
            _verify_unborn(path)


def _verify_unborn(path: Path) -> None:
    """Killed before the creation was acknowledged: an empty run, or a refusal that says so."""
    try:
        with Run.open(path) as run:
            assert not run.has("step")
    except BadInput as error:
        assert "before it began" in str(error) or "no run.db" in str(error)


def test_a_write_ahead_log_cut_at_any_byte_gives_an_earlier_committed_state(tmp_path: Path) -> None:
    alive, seen = tmp_path / "alive", []
    with Run.create(alive) as run:
        for step in range(12):
            with run.transaction():
                run.put("left", step)
                run.put("right", step)
        frozen = tmp_path / "frozen"
        shutil.copytree(alive, frozen)
    log = (frozen / "run.db-wal").read_bytes()
    for length in [*range(0, len(log), len(log) // 150), len(log)]:
        cut = tmp_path / "cut"
        shutil.copytree(frozen, cut)
        (cut / "run.db-wal").write_bytes(log[:length])
        try:
            with Run.open(cut) as run:
                assert run.get("left") == run.get("right")
                seen.append(-1 if run.get("left") is None else run.get("left"))
        except BadInput:
            seen.append(-2)
        shutil.rmtree(cut)
    assert seen == sorted(seen)
    assert seen[-1] == 11
    assert set(range(12)) <= set(seen)


@pytest.mark.parametrize("limit", [70_000, 110_000, 200_000])
def test_a_full_disk_is_one_line_and_the_run_goes_on_later(tmp_path: Path, limit: int) -> None:
    path = tmp_path / "run"
    process = _start("fill", path, limit)
    said, complaint = process.communicate(timeout=60)
    assert (process.returncode, complaint) == (1, "")
    assert len(said.splitlines()) == 1
    assert f"tenfold resume {path}" in said
    assert last_step(path) >= -1
    _verify(path, resumed=False)
    store_writer.write(path, last_step(path) + 1, last_step(path) + 15)
    _verify(path, resumed=True)


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EIO, errno.EROFS, errno.EACCES])
@pytest.mark.parametrize("call", ["fsync", "open", "replace"])
def test_a_refusing_system_leaves_the_older_state(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: int, call: str
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise OSError(code, os.strerror(code))

    with Run.create(tmp_path / "run") as run:
        store_writer.write_step(run, 1)
        run.write_file("summary.json", "old")
        with monkeypatch.context() as patch:
            patch.setattr(files.os, call, refuse)
            for attempt in (
                lambda: store_writer.write_step(run, 8),
                lambda: run.write_file("summary.json", "new"),
                lambda: run.write_file("other.csv", "new"),
            ):
                with pytest.raises(RunFailed, match=os.strerror(code)) as caught:
                    attempt()
                assert "\n" not in str(caught.value)
        assert not list(run.path.rglob("*.tmp"))
        assert run.get_arrays("checkpoint", "0")[1] == 1
        assert check(run.path) == []
        run.write_file("summary.json", "newer")
    with Run.open(tmp_path / "run") as run:
        assert check(run.path) == []
        assert (run.path / "summary.json").read_text() == "newer"
        assert not (run.path / "other.csv").exists()


def test_a_file_that_was_announced_and_never_written_is_taken_back_when_the_run_is_opened(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise OSError(errno.EIO, "lost")

    with Run.create(tmp_path / "run") as run:
        run.write_file("summary.json", "old")
        with monkeypatch.context() as patch, pytest.raises(RunFailed):
            patch.setattr(files.os, "replace", refuse)
            run.write_file("summary.json", "new")
    Run.open(tmp_path / "run").close()
    assert check(run.path) == []
    (run.path / "summary.json").write_text("new")
    assert [problem.file for problem in check(run.path)] == ["summary.json"]


def test_a_second_process_is_refused_and_a_killed_one_is_not_in_the_way(tmp_path: Path) -> None:
    path = tmp_path / "a run, näher beschrieben"
    Run.create(path).close()
    process = _start("hold", path)
    assert process.stdout is not None
    assert process.stdout.readline() == "held\n"
    with pytest.raises(BadInput, match=f"in use by process {process.pid}"):
        Run.open(path)
    with Run.read(path) as reader:
        assert not reader.has("anything")
    process.kill()
    process.communicate()
    with Run.open(path) as run:
        run.put("mine", True)


def test_the_same_process_cannot_open_a_run_twice(tmp_path: Path) -> None:
    with Run.create(tmp_path / "run"), pytest.raises(BadInput, match=f"in use by process {os.getpid()}"):
        Run.open(tmp_path / "run")
    Run.open(tmp_path / "run").close()
