"""Random tables in text files are read right or refused by name, and in the same way each time."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import example, given

import tenfold
from tenfold.data.columns.table import Table
from tenfold.data.read.read import read_table
from tenfold.errors import BadInput

from .budget import TIMES, tried
from .tables import File, Written, files, wrong

# What was read wrongly once: a cell in quotes taken for a comment, and a missing cell in the last line left out.
NUMBER_SIGN = File((Written("age", "special", ("# no", "a;b"), ("# no", "a;b")),))
LAST_MISSING = File((Written("age", "decimal comma", ("9,625", "8,5", ""), (9.625, 8.5, None)),), "\t", line_end="\r")
QUOTED_WORD = File((Written('the "x"', "word", ("red", "x1"), ("red", "x1")),))


def read_or_refused(path: Path) -> Table | None:
    try:
        return read_table(path)
    except BadInput as error:
        assert path.name in str(error)
        assert len(str(error).splitlines()) <= 4
        return None


@pytest.mark.parametrize("times", TIMES)
def test_a_table_in_a_text_file_is_read_right_or_refused(times: int, tmp_path: Path) -> None:
    read = []

    @tried(times)
    @given(files())
    @example(NUMBER_SIGN)
    @example(LAST_MISSING)
    @example(QUOTED_WORD)
    def holds(file: File) -> None:
        path = file.write(tmp_path)
        table = read_or_refused(path)
        read.append(table is not None)
        if table is None:
            return
        assert wrong(file, table) == ""
        again = read_table(path)
        assert again.notes == table.notes
        for column, other in zip(table.columns, again.columns, strict=True):
            assert (column.name, column.kind, column.format) == (other.name, other.kind, other.format)
            assert np.array_equal(column.values, other.values, equal_nan=column.kind != "text")
        said = json.loads(json.dumps(tenfold.read(path).to_dict(), allow_nan=False))
        assert said["rows"] == file.rows

    holds()
    # Refusals are rare, or nothing would have been tried.
    assert np.mean(read) > 0.8
