"""The schema of a random table survives JSON, and reads its file, and files like it, as training did or not at all."""

from __future__ import annotations

import json
import unicodedata
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, strategies as st

from tenfold.data.columns.conform import conform
from tenfold.data.columns.schema import Schema, decide_schema
from tenfold.data.columns.table import Table
from tenfold.data.columns.target import read_target
from tenfold.data.read.read import read_as, read_table
from tenfold.errors import BadInput

from .budget import TIMES, tried
from .tables import NUMBERS, SPECIAL, File, Written, columns, files

TARGET = "kind"


def with_target(file: File, classes: tuple[str, ...]) -> File:
    """The table with a column to predict, at its end."""
    cells = tuple(classes[row % len(classes)] for row in range(file.rows))
    return replace(file, columns=(*file.columns, Written(TARGET, "word", cells, cells)))


problems = st.builds(
    with_target, files(around=False, least=6), st.sampled_from([("a", "b"), ("1", "2"), ("no", "yes", "?")])
)


def trained(file: File, path: Path) -> tuple[Table, Schema] | None:
    """What training reads and decides; None where it refuses."""
    path.write_bytes(file.bytes())
    try:
        table = read_table(path)
        kept = read_target(table, TARGET)
        return table, decide_schema(table.take(kept.keep).drop(TARGET), kept)
    except BadInput:
        return None


def differs(schema: Schema, table: Table, rows: list[int], found: Table, changed: set[tuple[int, str]]) -> str:
    """The first cell that is not read as in training; rows: where each row was then. changed: cells that may differ."""
    for column in schema.used:
        before, after = table.column(column.name).values, found.column(column.name).values
        for new, old in enumerate(rows):
            equal = np.array_equal(before[old : old + 1], after[new : new + 1], equal_nan=before.dtype != object)
            if not equal and (new, column.name) not in changed:
                return f"'{column.name}', row {new}: {before[old]!r} in training, now {after[new]!r}"
    return ""


@st.composite
def others(draw: st.DrawFn, file: File) -> tuple[File, list[int], set[tuple[int, str]]]:
    """A file like another one: fewer rows, other columns, another order, some cells changed; where each row was
    before, and which cells are changed."""
    rows = draw(st.lists(st.integers(0, file.rows - 1), min_size=1, max_size=file.rows))
    new = [column.take(rows) for column in file.columns if column.name != TARGET or draw(st.booleans())]
    changed: set[tuple[int, str]] = set()
    for place, column in enumerate(new):
        for row in draw(st.lists(st.integers(0, len(rows) - 1), max_size=2)) if draw(st.integers(0, 3)) == 3 else ():
            # A cell of the same column, something odd, or a cell of another, but no number with another decimal mark:
            # that would say how the others of its column are meant.
            foreign = new[row % len(new)]
            strange = column.cells if foreign.kind in NUMBERS else foreign.cells
            cells = draw(st.sampled_from([column.cells, SPECIAL, strange]))
            cell = cells[draw(st.integers(0, len(cells) - 1))]
            new[place] = column = replace(column, cells=(*column.cells[:row], cell, *column.cells[row + 1 :]))
            changed.add((row, unicodedata.normalize("NFC", column.name)))
    # Numbers of an extra column that are written otherwise would say how those of the others are meant.
    extra = draw(st.sampled_from([(), ("extra",), ("more", "and more")]))
    new += [draw(columns(len(rows), name, ("whole", "date", "word", "special"))) for name in extra]
    order = draw(st.permutations(range(len(new))))
    return replace(file, columns=tuple(new[i] for i in order)), rows, changed


@pytest.mark.parametrize("times", TIMES)
def test_a_schema_survives_json_and_reads_files_as_training_did_or_refuses(times: int, tmp_path: Path) -> None:
    tries, read = [], []

    @tried(times)
    @given(problems, st.data())
    def holds(file: File, data: st.DataObject) -> None:
        known = trained(file, tmp_path / "table.csv")
        tries.append(known is not None)
        if known is None:
            return
        table, schema = known
        assert Schema.from_dict(json.loads(json.dumps(schema.to_dict(), allow_nan=False))) == schema
        for same in (read_as(tmp_path / "table.csv", schema)[0], conform(table, schema)[0]):
            assert same.names == tuple(column.name for column in schema.used)
            assert differs(schema, table, list(range(table.rows)), same, set()) == ""
        other, rows, changed = data.draw(others(file))
        path = other.write(tmp_path, "new.csv")
        # As `predict` reads new rows, and as `--test` does, which has typed them before.
        for read_new in (lambda: read_as(path, schema)[0], lambda: conform(read_table(path), schema)[0]):
            try:
                found = read_new()
            except BadInput as error:
                assert "new.csv" in str(error)
                continue
            read.append(True)
            # Lines of nothing but delimiters at the end are left out.
            assert found.rows == len(rows) or "empty lines at the end" in str(found.notes)
            assert differs(schema, table, rows[: found.rows], found, changed) == ""

    holds()
    # Most tables can be learned from, and many of the others are read; or nothing would have been tried.
    assert np.mean(tries) > 0.5
    assert sum(read) > 0.1 * len(tries)
