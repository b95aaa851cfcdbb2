"""Bit rot, cut files and hostile bundles: refused with the name of the file, and nothing is executed."""

from __future__ import annotations

import json
import os
import random
import shutil
import sqlite3
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tenfold.errors import BadInput, Corrupt, TenfoldError
from tenfold.store import Run, check, read_bundle, write_bundle
from tenfold.store.database import TABLES, Database
from tenfold.store.files import sha256

FIXTURES = Path(__file__).parent.parent / "fixtures"
PARTS: dict[str, Any] = {
    "spec": {"layers": ["relu"]},
    "arrays": {"w": np.arange(30.0).reshape(5, 6), "n": np.array(3)},
    "schema": {"columns": ["a", "ü"]},
    "preprocess": {"median": [1.5]},
    "preprocess_arrays": {"mean": np.zeros(4, np.float32)},
    "card": "# A model für alle\n",
    "meta": {"data": "0" * 64},
}
CONTENTS = ["card.md", "model.safetensors", "preprocess.json", "preprocess.safetensors", "schema.json", "spec.json"]


@pytest.fixture
def filled(tmp_path: Path) -> Path:
    """A closed run with every kind of artifact in it."""
    with Run.create(tmp_path / "run") as run:
        for index in range(20):
            run.put(f"fact{index}", {"x": [1, 2, index]})
        run.put_arrays("checkpoint", "0", {"a": np.arange(50.0)})
        with run.transaction():
            for number in range(1200):
                run.put(f"loss{number}", 0.1 * number)
        run.event("started", {"seed": 0})
        run.open_result(run.open_intent("rows", "model"), {"score": 0.5})
        run.write_file("summary.json", json.dumps({"schema": 1, "best": list(range(40))}))
        run.write_model(**PARTS)
    return run.path


def _damages(data: bytes, count: int, seed: int) -> list[bytes]:
    """`count` one-bit flips, `count` truncations, and up to `count // 4` zeroed blocks of 512 bytes."""
    rng = random.Random(seed)
    flips = []
    for _ in range(count):
        changed, bit = bytearray(data), rng.randrange(8 * len(data))
        changed[bit // 8] ^= 1 << bit % 8
        flips.append(bytes(changed))
    cuts = [data[: rng.randrange(len(data))] for _ in range(count)]
    starts = [rng.randrange(len(data)) for _ in range(count // 4)]
    zeroed = [data[:start] + bytes(len(data[start : start + 512])) + data[start + 512 :] for start in starts]
    return [*flips, *cuts, *(block for block in zeroed if block != data)]


@pytest.mark.parametrize(
    "name",
    [
        *(pytest.param(name, marks=pytest.mark.slow) for name in ("blob", "summary.json")),
        *(f"model/{name}" for name in ["manifest.json", *CONTENTS]),
    ],
)
def test_every_flip_and_every_cut_of_a_file_is_found_and_named(filled: Path, name: str) -> None:
    path = next((filled / "blobs").iterdir()) if name == "blob" else filled / name
    whole = path.read_bytes()
    for damaged in _damages(whole, 40 if name.startswith("model") else 100, 5):
        path.write_bytes(damaged)
        problems = check(filled)
        assert str(path.relative_to(filled)) in {problem.file for problem in problems}
        hashes = {(problem.expected, problem.found) for problem in problems}
        assert (sha256(whole), sha256(damaged)) in hashes
        if name.startswith("model") and not name.endswith("manifest.json"):
            with pytest.raises(TenfoldError, match=path.name):
                read_bundle(filled / "model")
    path.unlink()
    assert str(path.relative_to(filled)) in {problem.file for problem in check(filled)}
    path.write_bytes(whole)
    assert check(filled) == []


def _content(path: Path) -> dict[str, list[Any]]:
    database = Database.read(path)
    try:
        return {table: list(database.rows(table)) for table in TABLES}
    finally:
        database.close()


def test_no_damage_to_the_database_changes_a_value_unnoticed(filled: Path) -> None:
    """Bits in unused parts of a page may change: then every value must still be the old one."""
    path, expected, found = filled / "run.db", _content(filled), 0
    damages = _damages(path.read_bytes(), 150, 6)
    for damaged in damages:
        path.write_bytes(damaged)
        try:
            problems = check(filled)
        except BadInput:
            problems = ["not a run, or one of a newer version"]
        found += bool(problems)
        if not problems:
            assert _content(filled) == expected
    assert found > 150


def test_a_row_that_vanished_from_its_page_is_missed(filled: Path) -> None:
    """One fewer in the cell count of a b-tree leaf (type 10): all other rows stay as they are."""
    path, leaves = filled / "run.db", 0
    whole = path.read_bytes()
    for start in range(4096, len(whole), 4096):
        count = int.from_bytes(whole[start + 3 : start + 5], "big")
        if whole[start] == 10 and count:
            leaves += 1
            path.write_bytes(whole[: start + 3] + (count - 1).to_bytes(2, "big") + whole[start + 5 :])
            assert "run.db" in {problem.file for problem in check(filled)}
            with pytest.raises(Corrupt, match="damaged"):
                Run.open(filled)
    assert leaves > len(TABLES)


def test_a_database_with_foreign_tables_or_triggers_is_refused(filled: Path) -> None:
    connection = sqlite3.connect(filled / "run.db")
    connection.execute("CREATE TRIGGER evil AFTER INSERT ON facts BEGIN DELETE FROM openings; END")
    connection.close()
    for function in (Run.open, Run.read):
        with pytest.raises(Corrupt, match="tables are damaged"):
            function(filled)
    assert [problem.file for problem in check(filled)] == ["run.db"]


def test_a_damaged_row_is_refused_when_it_is_read(filled: Path) -> None:
    connection = sqlite3.connect(filled / "run.db")
    with connection:
        connection.execute("UPDATE facts SET value = '{\"x\":[1,2,9]}' WHERE name = 'fact3'")
        connection.execute("UPDATE openings SET times = 2")
    connection.close()
    with Run.read(filled) as run:
        assert run.get("fact4") == {"x": [1, 2, 4]}
        with pytest.raises(Corrupt, match=r"run\.db.*facts.*fact3"):
            run.get("fact3")
        with pytest.raises(Corrupt, match="openings"):
            run.openings()
    assert [problem.file for problem in check(filled)] == ["run.db"]


def test_a_damaged_row_of_a_table_that_only_format_1_has_is_found(tmp_path: Path) -> None:
    run = shutil.copytree(FIXTURES / "run_format_1", tmp_path / "run")
    connection = sqlite3.connect(run / "run.db")
    with connection:
        connection.execute("UPDATE metrics SET value = 0.25 WHERE recipe = 0 AND epoch = 1")
    connection.close()
    assert [(damage.file, "metrics" in damage.what) for damage in check(run)] == [("run.db", True)]


def test_damaged_arrays_are_refused_with_both_hashes(filled: Path) -> None:
    (blob,) = (filled / "blobs").iterdir()
    damaged = blob.read_bytes()[:-1] + b"\1"
    blob.write_bytes(damaged)
    with Run.read(filled) as run, pytest.raises(Corrupt) as caught:
        run.get_arrays("checkpoint", "0")
    error = caught.value
    assert (error.file, error.expected, error.found) == (str(blob), blob.stem, sha256(damaged))
    assert blob.stem in str(error)
    assert sha256(damaged) in str(error)


def test_a_bundle_comes_back_as_it_was_written_and_equal_parts_give_equal_bytes(tmp_path: Path) -> None:
    sha = write_bundle(tmp_path / "a model", **PARTS)
    assert write_bundle(tmp_path / "b", **PARTS) == sha
    assert write_bundle(tmp_path / "b", **{**PARTS, "card": "other"}) != sha
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a model", "b"]
    bundle = read_bundle(tmp_path / "a model")
    assert bundle.sha == sha == sha256((tmp_path / "a model" / "manifest.json").read_bytes())
    for name in ("spec", "schema", "preprocess", "card", "meta"):
        assert getattr(bundle, name) == PARTS[name]
    for name in ("arrays", "preprocess_arrays"):
        for key, array in PARTS[name].items():
            np.testing.assert_array_equal(getattr(bundle, name)[key], array, strict=True)
    assert read_bundle(tmp_path / "b").card == "other"


def test_a_swap_that_a_kill_interrupted_is_taken_back(filled: Path) -> None:
    os.rename(filled / "model", filled / "model.old.tmp")
    Run.open(filled).close()
    assert check(filled) == []
    assert read_bundle(filled / "model").spec == PARTS["spec"]


def _add(name: str) -> Callable[[Path], object]:
    return lambda path: (path / name).write_text("cos\nsystem\n(S'false'\ntR.")


def _link(path: Path) -> None:
    shutil.copy(path / "spec.json", path.parent / "elsewhere.json")
    (path / "spec.json").unlink()
    (path / "spec.json").symlink_to(path.parent / "elsewhere.json")


def _fifo(path: Path) -> None:
    (path / "spec.json").unlink()
    os.mkfifo(path / "spec.json")


def _folder(path: Path) -> None:
    (path / "card.md").unlink()
    (path / "card.md").mkdir()


def _forge(path: Path, name: str, data: bytes) -> None:
    """Replace a file and make the manifest agree, as an attacker would."""
    (path / name).write_bytes(data)
    manifest = json.loads((path / "manifest.json").read_text())
    manifest["files"][name] = {"sha256": sha256(data), "size": len(data)}
    (path / "manifest.json").write_text(json.dumps(manifest))


def _tensor(dtype: str, size: int) -> bytes:
    header = json.dumps({"w": {"dtype": dtype, "shape": [2], "data_offsets": [0, size]}}).encode()
    return len(header).to_bytes(8, "little") + header + bytes(size)


def _manifest(**changes: object) -> Callable[[Path], None]:
    def change(path: Path) -> None:
        manifest = json.loads((path / "manifest.json").read_text())
        (path / "manifest.json").write_text(json.dumps({**manifest, **changes}))

    return change


HOSTILE: dict[str, tuple[Callable[[Path], object], type[TenfoldError], str]] = {
    "pickle": (_add("weights.pkl"), BadInput, r"weights\.pkl.*execute code"),
    "torch": (_add("model.PT"), BadInput, r"model\.PT.*execute code"),
    "joblib": (_add("a.joblib"), BadInput, r"a\.joblib.*execute code"),
    "extra": (_add("notes.txt"), Corrupt, r"notes\.txt.*does not belong"),
    "hidden": (_add(".hidden"), Corrupt, r"\.hidden.*does not belong"),
    "missing": (lambda path: (path / "schema.json").unlink(), Corrupt, r"schema\.json.*missing"),
    "no manifest": (lambda path: (path / "manifest.json").unlink(), BadInput, "no manifest.json"),
    "link": (_link, Corrupt, r"spec\.json.*a link"),
    "pipe": (_fifo, Corrupt, r"spec\.json.*not a regular file"),
    "folder": (_folder, Corrupt, r"card\.md.*not a regular file"),
    "newer": (_manifest(format=2), BadInput, r"manifest\.json.*format 2"),
    "no number": (_manifest(format="1"), Corrupt, r"manifest\.json.*format number"),
    "true": (_manifest(format=True), Corrupt, r"manifest\.json.*format number"),
    "field": (_manifest(loader="os.system"), Corrupt, r"manifest\.json.*other fields"),
    "outside": (_manifest(files={"../../x": {}}), Corrupt, r"manifest\.json.*other files"),
    "no dict": (lambda path: (path / "manifest.json").write_text("[]"), Corrupt, r"manifest\.json.*no format"),
    "deep": (lambda path: (path / "manifest.json").write_text("[" * 100_000), Corrupt, r"manifest\.json.*not the JSON"),
    "twice": (
        lambda path: (path / "manifest.json").write_text('{"format": 2, "format": 1}'),
        Corrupt,
        r"manifest\.json.*occurs twice",
    ),
    "nan": (lambda path: _forge(path, "spec.json", b'{"lr": NaN}'), Corrupt, r"spec\.json.*NaN"),
    "binary": (lambda path: _forge(path, "card.md", b"\xff\xfe"), Corrupt, r"card\.md.*not UTF-8"),
    "header": (
        lambda path: _forge(path, "model.safetensors", (2**40).to_bytes(8, "little") + b"{}"),
        Corrupt,
        r"model\.safetensors.*header claims",
    ),
    "tiny": (lambda path: _forge(path, "model.safetensors", b"\1"), Corrupt, r"model\.safetensors.*header"),
    "offsets": (
        lambda path: _forge(path, "model.safetensors", _tensor("F64", 15)),
        Corrupt,
        r"model\.safetensors.*not a safetensors",
    ),
    "complex": (lambda path: _forge(path, "model.safetensors", _tensor("C64", 16)), Corrupt, r"model\.safetensors"),
    "bfloat": (lambda path: _forge(path, "model.safetensors", _tensor("BF16", 4)), Corrupt, r"model\.safetensors"),
    "unknown": (lambda path: _forge(path, "model.safetensors", _tensor("OBJ", 16)), Corrupt, r"model\.safetensors"),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_bundle_is_refused_by_name(tmp_path: Path, name: str) -> None:
    attack, kind, message = HOSTILE[name]
    write_bundle(tmp_path / "model", **PARTS)
    attack(tmp_path / "model")
    with pytest.raises(kind, match=message):
        read_bundle(tmp_path / "model")


def test_a_file_larger_than_listed_is_not_read(tmp_path: Path) -> None:
    write_bundle(tmp_path / "model", **PARTS)
    os.truncate(tmp_path / "model" / "spec.json", 2**40)
    with pytest.raises(Corrupt, match=r"spec\.json.*at most"):
        read_bundle(tmp_path / "model")


FORBIDDEN = ("pickle", "exec", "compile", "subprocess", "socket", "os.system", "os.exec", "ctypes", "marshal")


def test_five_hundred_forged_bundles_execute_nothing(tmp_path: Path) -> None:
    write_bundle(tmp_path / "model", **PARTS)
    read_bundle(tmp_path / "model")
    path, rng, seen, watching = tmp_path / "model", random.Random(7), [], [True]

    def watch(event: str, arguments: tuple[object, ...]) -> None:
        if watching and event.startswith(FORBIDDEN):
            seen.append((event, arguments))

    sys.addaudithook(watch)
    originals = {name: (path / name).read_bytes() for name in [*CONTENTS, "manifest.json"]}
    refused = 0
    for _ in range(500):
        name = rng.choice(list(originals))
        data = bytearray(originals[name])
        for _ in range(rng.randrange(1, 4)):
            data[rng.randrange(min(len(data), 200))] = rng.randrange(256)
        if name == "manifest.json":
            (path / name).write_bytes(data)
        else:
            _forge(path, name, bytes(data))
        try:
            read_bundle(path)
        except (BadInput, Corrupt) as error:
            refused += 1
            assert str(path) in str(error)
        for written in originals:
            (path / written).write_bytes(originals[written])
    watching.clear()
    assert seen == []
    assert refused > 200
