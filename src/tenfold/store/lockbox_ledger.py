"""The ledger of the lockbox: an opening is committed before the sealed labels are read, its result after.

One run opens its lockbox for one model. A crash between intent and result is visible afterwards: the same model
gets the same opening again, counted in `times`; another model, or other rows, get none. An opening that has its result
is closed: whoever looks again does so deliberately, and it is a new line of the ledger. Every line has a second witness
outside the database (`lockbox_witness.py`).
"""

from __future__ import annotations

import json
import time
from dataclasses import dataclass
from typing import Any

from tenfold.errors import BadInput
from tenfold.store.database import Database
from tenfold.store.lockbox_witness import ledger_rows, witness


@dataclass(frozen=True)
class Opening:
    """One opening: the hashes of the sealed rows and of the model, wall time (seconds since 1970), how often the
    intent was declared (more than 1: the result was recomputed from the same model), and the result or None.
    """

    id: int
    rows_sha: str
    model_sha: str
    time: float
    times: int
    result: Any = None

    def __post_init__(self) -> None:
        if self.id < 1 or self.times < 1 or not self.rows_sha or not self.model_sha:
            raise ValueError(f"an opening needs an id, a count and two hashes: {self}")


def openings(database: Database) -> list[Opening]:
    """All openings in the order of their ids."""
    return [
        Opening(number, rows_sha, model_sha, moment, times, None if result is None else json.loads(result))
        for number, rows_sha, model_sha, moment, times, result in ledger_rows(database)
    ]


def open_intent(database: Database, rows_sha: str, model_sha: str, allow_second: bool) -> int:
    """Commit that the model is about to be scored on the sealed rows; gives the id of the opening.

    An opening of the same model that has no result yet (a crash) is taken up again. Errors: `BadInput` when the lockbox
    was opened before, with a result or for another model or other rows, and `allow_second` is false; RuntimeError
    inside a transaction, where nothing would be committed before the labels are read.
    """
    if database.depth:
        raise RuntimeError("an intent to open the lockbox is never part of a larger transaction")
    earlier = openings(database)
    crashed = next((opening for opening in _same(earlier, rows_sha, model_sha) if opening.result is None), None)
    if crashed is not None:
        # Not a second look: nobody has seen a result, and the same model on the same rows gives the same one.
        _commit(database, (crashed.id, rows_sha, model_sha, crashed.time, crashed.times + 1, None))
        return crashed.id
    if earlier and not allow_second:
        raise _refusal(database, earlier, rows_sha, model_sha)
    number = database.next_id("openings")
    _commit(database, (number, rows_sha, model_sha, time.time(), 1, None))
    return number


def _same(earlier: list[Opening], rows_sha: str, model_sha: str) -> list[Opening]:
    """The openings of these rows for this model."""
    return [opening for opening in earlier if (opening.rows_sha, opening.model_sha) == (rows_sha, model_sha)]


def _refusal(database: Database, earlier: list[Opening], rows_sha: str, model_sha: str) -> BadInput:
    first, where = earlier[0], str(database.path.parent)
    if _same(earlier, rows_sha, model_sha):
        return BadInput(
            "the lockbox of this run was already opened, for this model, and its result is on the ledger",
            where=where,
            expected="one opening",
            do="read the result in the report; a second look at the same rows tells nothing new",
        )
    changed = "other sealed rows" if first.model_sha == model_sha else "another model"
    return BadInput(
        f"the lockbox of this run was already opened, for {changed}",
        where=where,
        expected=f"model {first.model_sha[:12]} on rows {first.rows_sha[:12]}",
        do="start a new run with new test data; a second model on the same test rows is no honest test",
    )


def finished_opening(database: Database, rows_sha: str, model_sha: str) -> Opening | None:
    """The first opening of these rows for this model that has its result, or None: a fit that goes on after a stop uses
    it and does not look again."""
    same = _same(openings(database), rows_sha, model_sha)
    return next((opening for opening in same if opening.result is not None), None)


def open_result(database: Database, number: int, value: Any) -> None:
    """Commit the result of an opening. It is written once; the same value again changes nothing.

    Errors: KeyError for an unknown id, `BadInput` for a value that differs from the one on the ledger.
    """
    entry = next((entry for entry in openings(database) if entry.id == number), None)
    if entry is None:
        raise KeyError(number)
    text = json.dumps(value, allow_nan=False)
    if entry.result is not None and json.dumps(entry.result, allow_nan=False) != text:
        raise BadInput(
            "the lockbox result on the ledger differs from the one computed now",
            where=str(database.path.parent),
            expected=json.dumps(entry.result)[:200],
            do="trust the ledger; the same model gives the same result only with the same versions and hardware",
        )
    _commit(database, (entry.id, entry.rows_sha, entry.model_sha, entry.time, entry.times, text))


def _commit(database: Database, row: tuple[Any, ...]) -> None:
    """One line of the ledger, durable when this returns: in the database, then with its witness. Only then may labels
    be read, so a line without a witness was never looked at."""
    database.write("openings", [row])
    witness(database, row)
