"""The ledger of the lockbox: an opening is committed before the sealed labels are read, its result after.

One run opens its lockbox for one model. A crash between intent and result is visible afterwards: the same model
gets the same opening again, counted in `times`; another model, or other rows, get none.
"""

from __future__ import annotations

import json
import time
from dataclasses import dataclass
from typing import Any

from tenfold.errors import BadInput
from tenfold.store.database import Database


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
        for number, rows_sha, model_sha, moment, times, result in database.rows("openings")
    ]


def open_intent(database: Database, rows_sha: str, model_sha: str, allow_second: bool) -> int:
    """Commit that the model is about to be scored on the sealed rows; gives the id of the opening.

    Errors: `BadInput` when the lockbox was opened for another model or other rows and `allow_second` is false;
    RuntimeError inside a transaction, where nothing would be committed before the labels are read.
    """
    if database.depth:
        raise RuntimeError("an intent to open the lockbox is never part of a larger transaction")
    earlier = openings(database)
    same = next((entry for entry in earlier if (entry.rows_sha, entry.model_sha) == (rows_sha, model_sha)), None)
    if same is not None:
        result = None if same.result is None else json.dumps(same.result, allow_nan=False)
        database.write("openings", [(same.id, rows_sha, model_sha, same.time, same.times + 1, result)])
        return same.id
    if earlier and not allow_second:
        first = earlier[0]
        changed = "other sealed rows" if first.model_sha == model_sha else "another model"
        raise BadInput(
            f"the lockbox of this run was already opened, for {changed}",
            where=str(database.path.parent),
            expected=f"model {first.model_sha[:12]} on rows {first.rows_sha[:12]}",
            do="start a new run with new test data; a second model on the same test rows is no honest test",
        )
    number = database.next_id("openings")
    database.write("openings", [(number, rows_sha, model_sha, time.time(), 1, None)])
    return number


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
    database.write("openings", [(entry.id, entry.rows_sha, entry.model_sha, entry.time, entry.times, text)])
