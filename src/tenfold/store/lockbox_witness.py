"""A second witness of the lockbox's ledger: a file of its own, to which every line of the ledger is appended.

SQLite takes a damaged frame of `run.db-wal` for the end of the log: one flipped bit after a kill, and everything
committed behind it is gone without a word. What a search loses so is trained again to the same bits; an opening of the
lockbox would be forgotten. Its lines are therefore also in `lockbox.jsonl`, each with a hash over itself and the line
before it, synchronized before the labels are read. The database is written first: it is never behind its witness,
unless it is damaged.
"""

from __future__ import annotations

import json
import os
from typing import Any

from tenfold.errors import Corrupt
from tenfold.store.database import TALLIED, Database
from tenfold.store.files import FILE_MODE, read_regular, sha256, synchronize_directory, translated_errors

WITNESS = "lockbox.jsonl"
OpeningRow = tuple[Any, ...]  # of the table `openings`


def witness(database: Database, row: OpeningRow) -> None:
    """Append a line of the ledger, durable when this returns. Errors: `RunFailed`, `Corrupt`."""
    if database.format < TALLIED:
        return
    path = database.path.with_name(WITNESS)
    with translated_errors(path.parent):
        flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
        descriptor = os.open(path, flags, FILE_MODE)
        try:
            data = _content(database)
            whole = data[: data.rfind(b"\n") + 1]  # without the piece of a line at which a writer was killed
            os.ftruncate(descriptor, len(whole))
            previous = sha256(whole.splitlines()[-1]) if whole else ""
            os.pwrite(descriptor, _line(row, previous), len(whole))
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        synchronize_directory(path.parent)


def ledger_rows(database: Database) -> list[OpeningRow]:
    """The rows of the ledger in the order of their ids, those included that only the witness has. Errors: `Corrupt`."""
    rows = {row[0]: row for row in database.rows("openings")}
    return [row for _, row in sorted((rows | _lost(database, rows)).items())]


def put_back(database: Database) -> int:
    """Write the rows that the database has lost, and give their number; to be called when a run is opened. Errors:
    `Corrupt` when the witness is damaged."""
    check_witness(database, complete=False)
    lost = _lost(database, {row[0]: row for row in database.rows("openings")})
    if lost:
        database.write("openings", lost.values())
    return len(lost)


def check_witness(database: Database, *, complete: bool = True) -> None:
    """Compare ledger and witness, also of a run that is being written.

    Errors: `Corrupt` when the witness is damaged, or lacks an opening that has its result; unless `complete` is false
    also when the database lacks one.
    """
    before = {row[0]: row for row in database.rows("openings")}
    seen = _read(database)
    for number, row in before.items():
        if row[5] is not None and number not in seen and database.format >= TALLIED:
            raise Corrupt(f"opening {number} of the lockbox is missing", file=str(database.path.with_name(WITNESS)))
    lost = _lost(database, {row[0]: row for row in database.rows("openings")}, seen)
    if complete and lost:
        what = f"opening {min(lost)} of the lockbox, which {WITNESS} holds, is missing or incomplete"
        raise Corrupt(what, file=str(database.path))


def _lost(
    database: Database, rows: dict[int, OpeningRow], seen: dict[int, OpeningRow] | None = None
) -> dict[int, OpeningRow]:
    """What the witness knows better than the database: openings, how often one was begun, a result. Errors: `Corrupt`
    where they contradict each other."""
    lost: dict[int, OpeningRow] = {}
    for number, row in (_read(database) if seen is None else seen).items():
        stored = rows.get(number)
        if stored is None:
            lost[number] = row
        elif stored[1:4] != row[1:4] or (None not in (stored[5], row[5]) and stored[5] != row[5]):
            what = f"opening {number} of the lockbox is another one in {database.path.name}"
            raise Corrupt(what, file=str(database.path.with_name(WITNESS)))
        elif stored[4] < row[4] or (stored[5] is None and row[5] is not None):
            lost[number] = (*stored[:4], max(stored[4], row[4]), row[5] if stored[5] is None else stored[5])
    return lost


def _content(database: Database) -> bytes:
    try:
        return read_regular(database.path.with_name(WITNESS))
    except FileNotFoundError:
        return b""


def _read(database: Database) -> dict[int, OpeningRow]:
    """The last line of every opening. Errors: `Corrupt` for a line that is not the one that was written; a piece of a
    line at the end, without its line break, is one at which a writer was killed."""
    if database.format < TALLIED:
        return {}
    rows: dict[int, OpeningRow] = {}
    previous = ""
    *lines, _ = _content(database).split(b"\n")
    for number, line in enumerate(lines, 1):
        try:
            row = json.loads(line)["opening"]
            good = _line(row, previous) == line + b"\n"
        except (ValueError, KeyError, TypeError, IndexError, RecursionError):
            row, good = [], False
        if not good:
            raise Corrupt(f"line {number} is damaged", file=str(database.path.with_name(WITNESS)))
        previous = sha256(line)
        rows[row[0]] = tuple(row)
    return rows


def _line(row: Any, previous: str) -> bytes:
    opening = json.dumps(list(row), allow_nan=False)
    text = json.dumps({"opening": json.loads(opening), "hash": sha256(f"{previous} {opening}".encode())})
    return text.encode() + b"\n"
