"""The exceptions that Tenfold raises on purpose; `BadInput` is the one for what a user can fix."""

from __future__ import annotations

from numbers import Integral
from typing import Any

from tenfold.formatting import visible


class TenfoldError(Exception):
    """Base of every exception that Tenfold raises on purpose."""


class BadInput(TenfoldError, ValueError):
    """Input that cannot be used: a file, a column, a recipe, an option. The user can fix it.

    The message has at most four lines: what was found and where (file, line, column), what was
    expected, and one thing to do. The command line prints it and exits with code 2.
    """

    found: str
    where: str
    expected: str
    do: str

    def __init__(self, found: str, *, where: str = "", expected: str = "", do: str = "") -> None:
        self.found, self.where, self.expected, self.do = found, where, expected, do
        parts = [f"{where}: {found}" if where else found]
        if expected:
            parts.append(f"  expected: {expected}")
        if do:
            parts.append(f"  try: {do}")
        super().__init__(visible("\n".join(parts), lines=True))


class Corrupt(TenfoldError):
    """A file that Tenfold wrote was changed: damage or tampering, exit code 1.

    `file` names the file, `expected` and `found` are the two hashes (or empty strings, when no
    hash is at stake); the message has at most four lines.
    """

    what: str
    file: str
    expected: str
    found: str

    def __init__(self, what: str, *, file: str = "", expected: str = "", found: str = "") -> None:
        self.what, self.file, self.expected, self.found = what, file, expected, found
        parts = [f"{file}: {what}" if file else what]
        if expected or found:
            parts += [f"  expected: {expected or 'nothing'}", f"  found: {found or 'nothing'}"]
        super().__init__(visible("\n".join(parts), lines=True))


class RunFailed(TenfoldError):
    """The work itself failed (every recipe diverged, a disk is full): exit code 1."""


class Stopped(TenfoldError):
    """The run was asked to stop and can be resumed: exit code 130 (SIGINT) or 143 (SIGTERM)."""

    def __init__(self, message: str, exit_code: int = 130) -> None:
        super().__init__(message)
        self.exit_code = exit_code


def check_whole(name: str, value: Any, *, least: int, most: int, do: str = "") -> None:
    """Refuse what is no whole number from `least` to `most`; name: of the option, as the user wrote it."""
    whole = isinstance(value, Integral) and not isinstance(value, bool)
    if not whole or not least <= int(value) <= most:
        raise BadInput(f"{name} {clipped(value)}", expected=f"a whole number from {least} to {most:,}", do=do)


def in_short(error: BaseException) -> str:
    """The kind of an error of somebody else's code and the first line of its words."""
    return f"{type(error).__name__}: {(str(error).splitlines() or [''])[0]}"


def clipped(value: object, most: int = 40) -> str:
    """A value that a message repeats, of at most so many characters."""
    try:
        text = str(value)
    except ValueError:  # Python writes no integers of over 4,300 digits
        return "of thousands of digits"
    return text if len(text) <= most else f"{text[:most]}... ({len(text):,} characters)"
