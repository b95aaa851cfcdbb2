"""How the numbers of a column are written: decimal mark, separators of thousands, and what stands around them.

The schema contract keeps it as a picture, the number 1234.5 written so: `1.234,5 kg`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

Mark = Literal[".", ","]
MARK_NAMES: dict[str, str] = {".": "decimal point", ",": "decimal comma"}
_PICTURE = re.compile(r"(?P<before>\D*)1(?P<group>\D?)234(?P<mark>[.,])5(?P<after>\D.*)?", re.DOTALL)


@dataclass(frozen=True)
class Writing:
    """mark: the decimal mark; group: what sets off thousands, "" where no number has them; before, after: what stands
    around every number, without blanks."""

    mark: Mark = "."
    group: str = ""
    before: str = ""
    after: str = ""

    @property
    def picture(self) -> str:
        """The number 1234.5 so written; "" for a decimal point and nothing else."""
        if self == Writing():
            return ""
        blank = " " if self.after.isalpha() else ""
        return f"{self.before}1{self.group}234{self.mark}5{blank}{self.after}"

    @property
    def around(self) -> str:
        """What stands around the numbers, in words; "" for nothing."""
        return " and ".join(f"'{sign}'" for sign in (self.before, self.after) if sign)

    @staticmethod
    def of(picture: str) -> Writing:
        """The inverse of `picture`; a decimal point for what is no picture."""
        if picture == MARK_NAMES[","]:  # what the contract held before it had pictures
            return Writing(",")
        found = _PICTURE.fullmatch(picture)
        if found is None:
            return Writing()
        mark: Mark = "," if found["mark"] == "," else "."
        return Writing(mark, found["group"], found["before"], (found["after"] or "").strip())
