"""Standard output and error of the program: where they cannot be written, the work goes on and is kept.

An hour of training must not die because the disk behind `> log` is full, the reader of a pipe has left, or a name has
letters that the terminal's encoding lacks.
"""

from __future__ import annotations

import contextlib
import io
import os
import sys
from typing import Any, TextIO


class LossyFile(io.FileIO):
    """An open file that takes everything; `lost` is the first error of what it could not write."""

    lost: OSError | None = None

    def write(self, data: Any, /) -> int:
        try:
            return super().write(data) or 0
        except OSError as error:
            self.lost = self.lost or error
            return memoryview(data).nbytes


def take_streams() -> LossyFile:
    """Replace standard output and error of this process; gives the file of standard output.

    A character that the encoding lacks is written as an escape such as \\xe9.
    """
    for number in range(3):
        # A number that is closed would be given to the next file that is opened, and what a library prints would be
        # written into run.db.
        with contextlib.suppress(OSError):
            os.fstat(number)
            continue
        os.open(os.devnull, os.O_RDONLY)
    sys.stderr = _stream(2, sys.stderr)[0]
    sys.stdout, file = _stream(1, sys.stdout)
    return file


def _stream(number: int, before: TextIO | None) -> tuple[TextIO, LossyFile]:
    if before is not None:
        with contextlib.suppress(OSError):
            before.flush()
    file = LossyFile(number, "wb", closefd=False)
    encoding = "utf-8" if before is None else before.encoding
    by_line = number == 2 or file.isatty() or os.environ.get("PYTHONUNBUFFERED", "") != ""
    stream = io.TextIOWrapper(
        io.BufferedWriter(file), encoding=encoding, errors="backslashreplace", line_buffering=by_line
    )
    return stream, file
