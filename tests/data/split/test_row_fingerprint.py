"""Rows are recognized by their cells, not by the columns that a run uses; and other rows are not taken for them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tenfold.data.columns.table import Column, Table
from tenfold.data.read.options import ReadOptions
from tenfold.data.read.read import read_table
from tenfold.data.split.row_fingerprint import RowFingerprint
from tenfold.problem.from_file import prepare
from tenfold.problem.settings import Settings


def table(seed: int, rows: int = 200) -> Table:
    """Every kind of column: an id, times, numbers with gaps, counts, categories, a boolean, a constant, classes."""
    rng = np.random.default_rng(seed)
    gaps = np.where(rng.random(rows) < 0.1, np.nan, rng.normal(size=rows).round(2))
    names = rng.choice(["red", "green", "blue"], rows).astype(object)
    names[rng.random(rows) < 0.1] = None
    return Table(
        "t", "made up",
        (
            Column("id", "number", np.arange(rows) + 1.0),
            Column("when", "date", np.datetime64("2024-01-01", "s") + np.arange(rows) * np.timedelta64(3600, "s")),
            Column("x", "number", gaps),
            Column("y", "number", rng.normal(size=rows)),
            Column("n", "number", rng.poisson(3, rows).astype(float)),
            Column("colour", "text", names),
            Column("flag", "boolean", rng.integers(0, 2, rows).astype(float)),
            Column("one", "number", np.ones(rows)),
            Column("class", "text", rng.permutation(np.repeat(["a", "b"], rows // 2)).astype(object)),
        ),
    )  # fmt: skip


def mark(rows: Table) -> RowFingerprint:
    return RowFingerprint.of(rows, "class")


def some(rows: Table, *names: str) -> Table:
    return replace(rows, columns=tuple(rows.column(name) for name in names))


@pytest.mark.parametrize("rows", [6, 30, 200])
def test_the_same_rows_are_recognized_whatever_their_columns(rows: int) -> None:
    whole = table(1).take(np.sort(np.random.default_rng(0).permutation(200)[:rows]))
    old = mark(whole)
    assert old.same_rows(mark(whole))
    assert old.same_rows(mark(whole.take(np.arange(rows)[::-1])))
    assert old.same_rows(mark(replace(whole, columns=whole.columns[::-1])))
    if rows < 30:  # of so few rows with a column less there is no proof
        return
    more = Column("more", "number", np.random.default_rng(5).normal(size=rows))
    for changed in (
        replace(whole, columns=(*whole.columns, more)),
        whole.drop("y"),
        whole.drop("colour").drop("id").take(np.random.default_rng(1).permutation(rows)),
        replace(whole, columns=tuple(replace(column, name=column.name + "_") for column in whole.columns)),
    ):
        assert old.same_rows(mark(changed))
        assert mark(changed).same_rows(old)


def test_other_rows_are_not_taken_for_them() -> None:
    """Other data with the same id and times, and other rows of the same data."""
    rng = np.random.default_rng(2)
    seen = 0
    for number in range(150):
        rows = int(rng.integers(5, 60))
        chosen = np.sort(rng.permutation(200)[:rows])
        one = table(number).take(chosen)
        others = [table(number + 1000).take(chosen), table(number).take(np.sort(rng.permutation(200)[:rows]))]
        for names in (one.names, ("id", "when", "x"), ("colour", "flag", "n", "class"), ("id", "class"), ("flag",)):
            for other in others:
                mine, its = some(one, *names), some(other, *names)
                equal = mark(mine).cells == mark(its).cells  # of few rows of few columns they may be
                seen += 1
                assert equal or not mark(mine).same_rows(mark(its)), (number, names)
    assert seen == 1500


def test_it_comes_back_from_json_and_does_not_grow_with_the_columns() -> None:
    old = mark(table(1))
    assert RowFingerprint.from_dict(old.to_dict()) == old
    values = np.random.default_rng(0).normal(size=(2000, 30))
    wide = Table("t", "made up", tuple(Column(f"c{i}", "number", row) for i, row in enumerate(values)))
    assert len(RowFingerprint.of(wide).columns) == 256
    assert RowFingerprint.of(wide).same_rows(RowFingerprint.of(wide.drop("c7")))


def test_signs_of_zero_and_kinds_of_files_do_not_matter(tmp_path: Path) -> None:
    import pandas as pd

    lines = ["a,b,c", *(f"{i % 7},{-0.0 if i % 2 else 0.0},{'red' if i % 3 else 'blue'}" for i in range(40))]
    (tmp_path / "d.csv").write_text("\n".join(lines) + "\n")
    frame = pd.DataFrame(
        {"a": [i % 7 for i in range(40)], "b": 0.0, "c": ["red" if i % 3 else "blue" for i in range(40)]}
    )
    assert RowFingerprint.of(read_table(tmp_path / "d.csv")) == RowFingerprint.of(read_table(frame))


def test_sealed_rows_are_the_same_whatever_is_dropped(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    lines = [f"{a:.3f},{b:.3f},{'yes' if a + b > 0 else 'no'}" for a, b in rng.normal(size=(60, 2))]
    (tmp_path / "d.csv").write_text("\n".join(["a,b,y", *lines]) + "\n")
    (tmp_path / "more.csv").write_text(
        "\n".join(["a,b,y,c", *(line + f",{i % 5}" for i, line in enumerate(lines))]) + "\n"
    )
    settings = Settings(data=str(tmp_path / "d.csv"), target="y")
    all_columns, dropped, more, other = (
        prepare(chosen).sealed.fingerprint
        for chosen in (
            settings,
            replace(settings, drop=("b",)),
            replace(settings, data=str(tmp_path / "more.csv")),
            replace(settings, seed=1),
        )
    )
    assert all_columns == dropped
    assert all_columns.same_rows(more)
    assert not all_columns.same_rows(other)


@pytest.mark.parametrize("reading", [{"missing": "+unknown"}, {"kind": (("a", "category"), ("b", "category"))}])
def test_rows_of_one_file_are_the_same_rows_however_it_is_read(tmp_path: Path, reading: dict[str, object]) -> None:
    path = tmp_path / "data.csv"
    cells = [f"{i % 7 if i % 9 else 'unknown'},{i % 5 if i % 8 else 'unknown'},{'ab'[i % 2]}\n" for i in range(60)]
    path.write_text("a,b,y\n" + "".join(cells))
    plain = Settings(str(path), target="y")
    other = replace(plain, reading=ReadOptions(**reading))  # pyright: ignore[reportArgumentType]
    prints = [prepare(settings).sealed.fingerprint for settings in (plain, other)]
    assert prints[0].cells != prints[1].cells or reading.get("kind")
    assert prints[0].same_rows(RowFingerprint.from_dict(prints[1].to_dict()))
    seed = prepare(replace(other, seed=5)).sealed.fingerprint
    assert not prints[0].same_rows(seed)
    path.write_text("a,b,y\n" + "".join(cells[::-1]))
    assert prepare(plain).sealed.fingerprint.place != prints[0].place
