"""What was decided about a file as a whole, and holds for every file that a model reads later."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar


@dataclass(frozen=True)
class ReadContract:
    """no_header: the file has no line of names. columns: its columns in order where it has none, the target included.
    missing: the words that stand for a missing value, as they were given; None for the usual ones. bad_rows: what
    happens to rows that cannot be read."""

    no_header: bool = False
    columns: tuple[str, ...] = ()
    missing: str | None = None
    bad_rows: str = "refuse"

    __pydantic_config__: ClassVar[Any] = {"extra": "forbid"}


USUAL_READING = ReadContract()
