"""What goes into a run comes out of it: facts, arrays, rows, events, files; alone, together, and while others read."""

from __future__ import annotations

import math
import sqlite3
import stat
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings, strategies as st
from hypothesis.extra import numpy as hn

from tenfold.errors import BadInput, Corrupt, RunFailed
from tenfold.store import Run, check
from tenfold.store.blobs import DTYPES, pack_arrays, unpack_arrays
from tenfold.store.database import Database
from tenfold.store.files import sha256

JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)


@pytest.fixture
def run(tmp_path: Path) -> Iterator[Run]:
    with Run.create(tmp_path / "run") as run:
        yield run


def diary(path: Path) -> list[tuple[object, ...]]:
    """The rows of the table of events."""
    database = Database.read(path)
    try:
        return list(database.rows("events"))
    finally:
        database.close()


def _blobs(run: Run) -> list[str]:
    return sorted(path.name.removesuffix(".safetensors") for path in (run.path / "blobs").iterdir())


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture], derandomize=True)
@given(value=JSON_VALUES, name=st.text(st.characters(codec="utf-8"), min_size=1))
def test_a_fact_comes_back_as_it_was(run: Run, value: object, name: str) -> None:
    run.put(name, value)
    with Run.read(run.path) as reader:
        assert reader.get(name) == run.get(name) == value
        assert reader.has(name)


def test_a_missing_fact_is_the_default_and_a_later_one_replaces(run: Run) -> None:
    assert run.get("a", 7) == 7
    assert not run.has("a")
    run.put("a", 1)
    run.put("a", None)
    assert run.get("a", 7) is None


@pytest.mark.parametrize("value", [math.nan, math.inf, {1, 2}, np.zeros(2)])
def test_what_is_no_json_is_refused_and_changes_nothing(run: Run, value: object) -> None:
    run.put("a", 1)
    with pytest.raises((TypeError, ValueError)):
        run.put("a", value)
    assert run.get("a") == 1


@settings(max_examples=60, deadline=None, derandomize=True)
@given(
    arrays=st.dictionaries(
        st.text(st.characters(codec="utf-8")).filter(lambda name: name != "__metadata__"),
        st.sampled_from(sorted(DTYPES)).flatmap(
            lambda name: hn.arrays(np.dtype(name), hn.array_shapes(min_dims=0, min_side=0, max_side=4))
        ),
        max_size=4,
    )
)
def test_arrays_of_every_kind_and_shape_survive_bit_by_bit(arrays: dict[str, np.ndarray]) -> None:
    data = pack_arrays(arrays)
    back = unpack_arrays(data, "here")
    assert pack_arrays(back) == data, "equal arrays, equal bytes"
    assert set(back) == set(arrays)
    for name, array in arrays.items():
        assert (back[name].dtype, back[name].shape) == (array.dtype, array.shape)
        assert back[name].tobytes() == array.tobytes()
        assert back[name].flags.writeable


def test_arrays_in_other_memory_orders_keep_their_values() -> None:
    square = np.arange(12.0).reshape(3, 4)
    arrays = {"transposed": square.T, "strided": square[::2, ::-1], "big_endian": square.astype(">f8")}
    for name, array in unpack_arrays(pack_arrays(arrays), "here").items():
        np.testing.assert_array_equal(array, arrays[name])


@pytest.mark.parametrize("array", [np.array(["a"]), np.array([object()]), np.array([1j]), np.array([{}])])
def test_arrays_that_are_no_numbers_are_refused(run: Run, array: np.ndarray) -> None:
    with pytest.raises(TypeError, match="is not stored"):
        run.put_arrays("kind", "key", {"a": array})
    assert run.keys("kind") == []


def test_the_one_name_that_the_format_keeps_is_refused(run: Run) -> None:
    with pytest.raises(ValueError, match="__metadata__"):
        run.put_arrays("kind", "key", {"__metadata__": np.zeros(2)})


def test_superseded_arrays_leave_no_blob_and_shared_ones_stay(run: Run) -> None:
    first = run.put_arrays("kind", "a", {"x": np.arange(3)}, {"epoch": 1})
    assert run.put_arrays("kind", "b", {"x": np.arange(3)}) == first
    second = run.put_arrays("kind", "a", {"x": np.arange(4)}, {"epoch": 2})
    assert _blobs(run) == sorted([first, second])
    run.drop("kind", "b")
    assert _blobs(run) == [second]
    assert run.keys("kind") == ["a"]
    arrays, meta = run.get_arrays("kind", "a")
    np.testing.assert_array_equal(arrays["x"], np.arange(4))
    assert meta == {"epoch": 2}
    with pytest.raises(KeyError):
        run.get_arrays("kind", "b")
    assert run.put_arrays("kind", "a", {"x": np.arange(4)}) == second
    assert _blobs(run) == [second]


def test_a_transaction_that_fails_leaves_everything_as_it_was(run: Run) -> None:
    old = run.put_arrays("kind", "a", {"x": np.zeros(3)})
    with pytest.raises(ZeroDivisionError), run.transaction():
        run.put("fact", 1)
        run.put_arrays("kind", "a", {"x": np.ones(3)})
        run.put_arrays("kind", "b", {"x": np.full(3, 2.0)})
        run.drop("kind", "a")
        run.event("started")
        raise ZeroDivisionError
    assert not run.has("fact")
    assert run.keys("kind") == ["a"]
    assert diary(run.path) == []
    assert _blobs(run) == [old]
    np.testing.assert_array_equal(run.get_arrays("kind", "a")[0]["x"], np.zeros(3))


def test_a_transaction_shows_others_all_or_nothing(run: Run) -> None:
    with run.transaction():
        run.put("a", 1)
        with run.transaction():
            run.put("b", 2)
        with Run.read(run.path) as reader:
            assert not reader.has("a")
            assert not reader.has("b")
    with Run.read(run.path) as reader:
        assert (reader.get("a"), reader.get("b")) == (1, 2)


def test_a_reader_that_stays_open_follows_the_writer(run: Run) -> None:
    with Run.read(run.path) as reader:
        for step in range(20):
            run.put("step", step)
            run.put_arrays("kind", "key", {"x": np.full(5, step)})
            assert reader.get("step") == step
            assert reader.get_arrays("kind", "key")[0]["x"][0] == step
            assert check(run.path) == []


def test_rows_are_all_stored_or_none_and_text_is_valid(tmp_path: Path) -> None:
    database = Database.create(tmp_path)
    with pytest.raises(ValueError, match="could not convert"):
        database.write("events", [(1, 0.0, "a", "null"), (2, "x", "b", "null")])
    assert list(database.rows("events")) == []
    database.write("events", [(np.int64(2), 1.5, "at step 7: loss is ∞ \ud800", None), (1, np.float32(0.5), "a", "0")])
    database.write("events", [(1, 0.25, "b", "1")])
    assert list(database.rows("events")) == [(1, 0.25, "b", "1"), (2, 1.5, "at step 7: loss is ∞ \\ud800", None)]
    database.close()


def test_events_are_numbered_and_dated_across_sessions(tmp_path: Path) -> None:
    before = time.time()
    with Run.create(tmp_path / "run") as run:
        assert [run.event("started", {"seed": 0}), run.event("stopped")] == [1, 2]
    with Run.open(tmp_path / "run") as run:
        assert run.event("resumed") == 3
    events = diary(tmp_path / "run")
    assert [(event[0], *event[2:]) for event in events] == [
        (1, "started", '{"seed":0}'),
        (2, "stopped", "null"),
        (3, "resumed", "null"),
    ]
    assert all(before <= event[1] <= time.time() for event in events)


def test_files_are_covered_by_check(run: Run) -> None:
    run.write_file("leaderboard.csv", "recipe,score\n0,ä\n")
    run.write_file("figure.svg", b"<svg/>")
    assert (run.path / "leaderboard.csv").read_bytes() == "recipe,score\n0,ä\n".encode()
    assert check(run.path) == []
    (run.path / "figure.svg").write_bytes(b"<svg>")
    (run.path / "leaderboard.csv").unlink()
    problems = {problem.file: problem for problem in check(run.path)}
    assert set(problems) == {"figure.svg", "leaderboard.csv"}
    assert problems["figure.svg"].expected == sha256(b"<svg/>")
    assert problems["figure.svg"].found == sha256(b"<svg>")


@pytest.mark.parametrize(
    "name", ["../out", "/etc/x", "a/b", "run.db", "run.db-wal", "run.lock", "blobs", "model", ".", "", "x.tmp", ".hid"]
)
def test_a_file_cannot_leave_the_run_or_replace_the_store(run: Run, name: str) -> None:
    with pytest.raises(ValueError, match="is no name for a file"):
        run.write_file(name, "x")


def test_a_file_or_an_intent_inside_a_transaction_is_refused(run: Run) -> None:
    with run.transaction():
        with pytest.raises(RuntimeError):
            run.write_file("summary.json", "{}")
        with pytest.raises(RuntimeError):
            run.open_intent("rows", "model")


def test_an_existing_directory_file_or_dangling_link_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    (tmp_path / "link").symlink_to("nowhere")
    for name in (".", "file", "link"):
        with pytest.raises(BadInput, match="exists already"):
            Run.create(tmp_path / name)
    assert (tmp_path / "file").read_text() == "x"
    with pytest.raises(BadInput, match="cannot be made"):
        Run.create(tmp_path / "file" / "run")
    with pytest.raises(BadInput, match="cannot be made"):
        Run.create(tmp_path / ("x" * 300))


def test_what_is_no_run_is_refused_without_a_trace(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "unborn").mkdir()
    (tmp_path / "unborn" / "run.db").touch()
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "run.db").write_text("this is a text file, and a long one" * 20)
    expected = {"absent": "no such directory", "empty": "no run.db", "unborn": "stopped before it began"}
    for name, message in expected.items():
        for function in (Run.open, Run.read, check):
            with pytest.raises(BadInput, match=message):
                function(tmp_path / name)
    for function in (Run.open, Run.read):
        with pytest.raises(Corrupt, match="database"):
            function(tmp_path / "other")
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["empty", "other", "run.db", "run.db", "unborn"]


@pytest.mark.parametrize("name", ["with spaces and ünïcödé", "a?b#c%20d&mode=ro", "x" * 200, "日本語/inner"])
def test_strange_paths_work(tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with Run.create(name) as run:
        run.put("a", 1)
    with Run.open(name) as run, Run.read(name) as reader:
        assert run.get("a") == reader.get("a") == 1
    assert check(name) == []


def test_modes_and_journal_are_as_promised(run: Run) -> None:
    run.put_arrays("kind", "key", {"x": np.zeros(2)})
    run.write_file("summary.json", "{}")
    for path in [run.path, *run.path.rglob("*")]:
        assert stat.S_IMODE(path.stat().st_mode) == (0o700 if path.is_dir() else 0o600), path
    connection = sqlite3.connect(run.path / "run.db")
    assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    assert connection.execute("PRAGMA user_version").fetchone() == (3,)
    connection.close()


def test_reading_a_closed_run_leaves_no_file_behind(tmp_path: Path) -> None:
    with Run.create(tmp_path / "run") as run:
        run.put("a", 1)
    before = {path.name: path.stat().st_mtime_ns for path in run.path.rglob("*")}
    with Run.read(run.path) as reader:
        assert reader.get("a") == 1
    assert check(run.path) == []
    assert {path.name: path.stat().st_mtime_ns for path in run.path.rglob("*")} == before


def test_a_run_of_a_newer_version_is_refused(tmp_path: Path) -> None:
    Run.create(tmp_path / "run").close()
    connection = sqlite3.connect(tmp_path / "run" / "run.db")
    connection.execute("PRAGMA user_version=4")
    connection.close()
    with pytest.raises(BadInput, match="newer Tenfold"):
        Run.open(tmp_path / "run")


def test_opening_sweeps_what_a_killed_writer_left(tmp_path: Path) -> None:
    with Run.create(tmp_path / "run") as run:
        sha = run.put_arrays("kind", "key", {"x": np.zeros(2)})
    (run.path / "blobs" / f"{'0' * 64}.safetensors").write_bytes(b"orphan")
    (run.path / "blobs" / ".tenfold-0123456789abcdef.tmp").write_bytes(b"half")
    (run.path / "summary.json.tmp").write_bytes(b"half")
    (run.path / "model.tmp").mkdir()
    with Run.open(run.path) as run:
        assert _blobs(run) == [sha]
    assert sorted(path.name for path in run.path.iterdir()) == ["blobs", "run.db", "run.lock"]


def test_opening_deletes_nothing_outside_of_the_run(tmp_path: Path) -> None:
    Run.create(tmp_path / "run").close()
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "precious.safetensors").write_bytes(b"x")
    (tmp_path / "run" / "blobs").rmdir()
    (tmp_path / "run" / "blobs").symlink_to(tmp_path / "mine")
    with pytest.raises(Corrupt, match="a link"):
        Run.open(tmp_path / "run")
    assert (tmp_path / "mine" / "precious.safetensors").exists()


def test_the_store_loads_no_torch() -> None:
    code = "import sys, tenfold.store; assert 'torch' not in sys.modules and 'pickle' not in vars(tenfold.store)"
    subprocess.run([sys.executable, "-c", code], check=True, env={"PYTHONPATH": ":".join(filter(None, sys.path))})


def test_a_commit_that_the_disk_refused_deletes_no_blob_because_it_may_be_there_at_the_next_opening(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    execute = Database._execute

    def refused(self: Database, statement: str, values: tuple[object, ...] = ()) -> sqlite3.Cursor:
        if statement == "COMMIT":
            raise RunFailed("the disk is full")  # as when the log was written and could not be synchronized
        return execute(self, statement, values)

    blobs = tmp_path / "run" / "blobs"
    with Run.create(tmp_path / "run") as run:
        run.put_arrays("checkpoint", "a", {"x": np.arange(3.0)})
        with monkeypatch.context() as patch, pytest.raises(RunFailed):
            patch.setattr(Database, "_execute", refused)
            run.put_arrays("checkpoint", "a", {"x": np.arange(4.0)})
        assert len(list(blobs.iterdir())) == 2
    with Run.open(tmp_path / "run") as run:
        assert run.get_arrays("checkpoint", "a")[0]["x"].tolist() == [0, 1, 2]
        assert len(list(blobs.iterdir())) == 1
