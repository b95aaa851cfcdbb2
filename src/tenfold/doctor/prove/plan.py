"""Which changes a short paired training can try on this network, given what is recorded of it."""

from __future__ import annotations

from tenfold.doctor.changes.all_changes import CHANGES, REFERENCES, SINGLE
from tenfold.doctor.record import Record


def references(record: Record) -> list[str]:
    """What is tried first: the unchanged training, and right configurations of the same network."""
    return _applicable(record, ("as_is", *REFERENCES))


def single_changes(record: Record) -> list[str]:
    """What is tried next: one change at a time, and whether one batch can be memorized."""
    return _applicable(record, (*SINGLE, "one_batch"))


def _applicable(record: Record, names: tuple[str, ...]) -> list[str]:
    return [name for name in names if CHANGES[name].applies(record)]
