"""How a user wants a file to be read, where the evidence in the file leaves a doubt or is overruled."""

from __future__ import annotations

import re
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import Any, Literal

from tenfold.data.columns.missing import MissingWords, missing_words
from tenfold.errors import BadInput
from tenfold.formatting import nearest

AskedKind = Literal["category", "number", "text", "date", "id"]
ASKED_KINDS: tuple[AskedKind, ...] = ("category", "number", "text", "date", "id")
MOST_BAD = 0.01  # share of the rows that may be dropped as bad unless the user names another one
LINES = re.compile(r"([1-9][0-9]{0,17})(?:(-)([1-9][0-9]{0,17})?)?")
SHARE = re.compile(r"drop(?::([0-9]+(?:\.[0-9]+)?)(%?))?")


@dataclass(frozen=True)
class ReadOptions:
    """Options of reading a text file; each overrules what would be decided from the file.

    header_row: the line of the column names, from 1; what stands above it is left out. no_header: the first row is
    data, and columns are called "column 1", ... skip_rows: lines to leave out, such as "3" (the first three), "60-"
    (from line 60 on), "5-5,12-14". missing: see `missing_words`. kind: pairs of a column and what its cells are, one of
    ASKED_KINDS (for every source, not text files only). bad_rows: "refuse" the file for a row that cannot be read, or
    "drop" such rows: at most 1 % of them, or "drop:5%" to allow more.
    BadInput: anything else, or header_row together with no_header.
    """

    header_row: int | None = None
    no_header: bool = False
    skip_rows: str = ""
    missing: str | None = None
    kind: tuple[tuple[str, str], ...] = ()
    bad_rows: str = "refuse"

    def __post_init__(self) -> None:
        if self.header_row is not None and self.no_header:
            raise BadInput("both --header-row and --no-header are given", do="leave one of them out")
        if self.header_row is not None and self.header_row < 1:
            raise BadInput(f"--header-row {self.header_row}", expected="a line of the file, from 1")
        _ = self.skipped, self.words, self.most_bad
        for name, kind in self.kind:
            if kind not in ASKED_KINDS:
                near = nearest(kind, ASKED_KINDS)
                do = f"--kind '{name}={near}'" if near else ""
                raise BadInput(f"--kind '{name}={kind}'", expected=f"one of: {', '.join(ASKED_KINDS)}", do=do)

    @cached_property
    def skipped(self) -> tuple[tuple[int, int | None], ...]:
        """First and last line (None: to the end) of what is left out."""
        parts = [part.strip() for part in self.skip_rows.split(",")] if self.skip_rows.strip() else []
        found: list[tuple[int, int | None]] = []
        for part in parts:
            match = LINES.fullmatch(part)
            first, last = (int(match[1]), int(match[3]) if match[3] else None) if match else (1, 0)
            if match and not match[2]:
                first, last = 1, first
            if match is None or (last is not None and last < first):
                raise BadInput(
                    f"--skip-rows {self.skip_rows!r}",
                    expected="a number of lines at the top, or lines such as 60- or 5-5,12-14",
                )
            found.append((first, last))
        return tuple(found)

    def skips(self, line: int) -> bool:
        """Whether a line is left out."""
        return any(first <= line and (last is None or line <= last) for first, last in self.skipped)

    @cached_property
    def words(self) -> MissingWords:
        """The words that stand for a missing value."""
        return missing_words(self.missing)

    @cached_property
    def most_bad(self) -> float:
        """Share of the rows that may be dropped as bad; 0 where a bad row refuses the file."""
        match = SHARE.fullmatch(self.bad_rows)
        share = float(match[1]) / (100 if match[2] else 1) if match and match[1] else MOST_BAD
        if self.bad_rows != "refuse" and (match is None or not 0 <= share <= 1):
            raise BadInput(f"--bad-rows {self.bad_rows}", expected="refuse, drop, or drop:5% to drop at most so many")
        return 0.0 if self.bad_rows == "refuse" else share

    @property
    def drops(self) -> bool:
        """Whether rows that cannot be read are dropped."""
        return self.bad_rows != "refuse"

    def to_dict(self) -> dict[str, Any]:
        """As JSON values."""
        return asdict(self)

    @staticmethod
    def of(values: dict[str, Any]) -> ReadOptions:
        """The inverse of `to_dict`."""
        return ReadOptions(**{**values, "kind": tuple((str(name), str(kind)) for name, kind in values["kind"])})


def asked_kinds(pairs: list[str] | None) -> tuple[tuple[str, str], ...]:
    """Pairs of column and kind from the texts of an option, each COLUMN=KIND; BadInput for another text."""
    found: list[tuple[str, str]] = []
    for pair in pairs or []:
        name, equals, kind = pair.rpartition("=")
        if not equals or not name:
            raise BadInput(f"--kind {pair!r}", expected=f"COLUMN=KIND with a kind of: {', '.join(ASKED_KINDS)}")
        found.append((name, kind.strip()))
    return tuple(found)


DEFAULT = ReadOptions()
