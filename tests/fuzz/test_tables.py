"""Random tables in text files are read right or refused by name, and in the same way each time."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import example, given, strategies as st

import tenfold
from tenfold.data.columns.table import Table
from tenfold.data.read.options import ReadOptions
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


PIECES = (
    *(b"", b"\x00", b'"', b"'", b"\xff", b"\xc3", b"\r", b"\n", b"\n\n", b"#", b"# ", b"sep=;\n", b"\xef\xbb\xbf"),
    *(b",", b";", b"\t", b"|", b" ", b"\\", b"=", b"1e999", b"-", b"total,", b"\x1f\x8b", b"PAR1", b"PK\x03\x04"),
    *(b"\n,,,,\n", b'""', b"\xe2\x80\xa8", b"\x85", b"1" * 400, b"\xd9\xa1", b"nan", b"\n1,2,3\n", b"9" * 20),
    *(b"2020-02-30", b"0/0/0", b"24:61", b"$", b"()"),
)
options = st.builds(
    ReadOptions,
    header_row=st.none() | st.none() | st.integers(1, 9),
    skip_rows=st.sampled_from(["", "", "", "1", "3-", "2-2,4-5"]),
    missing=st.sampled_from([None, None, "", "+red", "0,1"]),
    kind=st.sampled_from([(), (), (("age", "text"),), (("y", "number"),), (("y", "date"),)]),
    bad_rows=st.sampled_from(["refuse", "refuse", "drop", "drop:50%", "drop:100%"]),
)


@pytest.mark.parametrize("times", TIMES)
def test_a_damaged_text_file_is_read_or_refused(times: int, tmp_path: Path) -> None:
    damages = st.lists(st.tuples(st.floats(0, 1), st.integers(0, 5), st.sampled_from(PIECES)), min_size=1, max_size=4)

    @tried(times)
    @given(files(), damages, options, st.booleans())
    def holds(file: File, damaged: list[tuple[float, int, bytes]], asked: ReadOptions, headless: bool) -> None:
        raw = file.bytes()
        for where, length, piece in damaged:
            place = int(where * len(raw))
            raw = raw[:place] + piece + raw[place + length :]
        path = tmp_path / "table.csv"
        path.write_bytes(raw)
        asked = replace(asked, no_header=headless and asked.header_row is None)
        try:
            said = tenfold.read(
                path, header_row=asked.header_row, no_header=asked.no_header, skip_rows=asked.skip_rows,
                missing=asked.missing, kind=dict(asked.kind), bad_rows=asked.bad_rows,
            )  # fmt: skip
        except BadInput as error:
            assert len(str(error).splitlines()) <= 12
            return
        assert json.dumps(said.to_dict(), allow_nan=False)
        assert len({len(values) for values in said.values.values()}) == 1

    holds()
