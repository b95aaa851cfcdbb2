"""Commits that a damaged `run.db-wal` has lost.

SQLite reads its log up to the first frame whose checksum is wrong, as a writer that was killed leaves one, and takes
the rest for never written. It was written, if commits follow: each is synchronized before the next begins, so two of
them behind a wrong frame are damage for certain. The format: https://www.sqlite.org/fileformat2.html#walformat
"""

from __future__ import annotations

import struct
from pathlib import Path

from tenfold.store.files import read_regular

MAGIC = 0x377F0682  # the last bit is 1 where checksums are of big-endian words
HEADER, FRAME = 32, 24  # bytes
UNSURE = 1  # commits behind a wrong frame that a power cut alone may leave


def lost_commits(log: Path) -> int:
    """How many commits stand behind the first wrong frame of a log; 0 for what a kill or a power cut explains."""
    try:
        found = _behind(read_regular(log))
        # A writer may have begun the log anew while it was read.
        return found and min(found, _behind(read_regular(log)))
    except FileNotFoundError:
        return 0


def _behind(data: bytes) -> int:
    if len(data) < HEADER:
        return 0
    magic, _, page, _, *salts, first, second = struct.unpack(">8I", data[:HEADER])
    order = ">" if magic & 1 else "<"
    sums = _sums(data[: HEADER - 8], (0, 0), order)
    whole = magic & ~1 == MAGIC and sums == (first, second)
    if not whole:  # the frames say themselves to which log they belong
        page, salts = 4096, list(struct.unpack(">2I", data[HEADER + 8 : HEADER + 16].ljust(8, b"\0")))
    size, commits = FRAME + page, 0
    for start in range(HEADER, len(data) - size + 1, size):
        frame = data[start : start + size]
        _, grown, *own, one, two = struct.unpack(">6I", frame[:FRAME])
        if whole:
            sums = _sums(frame[:8] + frame[FRAME:], sums, order)
            whole = own == salts and sums == (one, two)
        if not whole and own == salts and grown:
            commits += 1
    return commits if commits > UNSURE else 0


def _sums(data: bytes, sums: tuple[int, int], order: str) -> tuple[int, int]:
    """SQLite's checksum of `data`, going on from `sums`."""
    one, two = sums
    words = struct.unpack(f"{order}{len(data) // 4}I", data)
    for first, second in zip(words[::2], words[1::2], strict=True):
        one = (one + first + two) & 0xFFFFFFFF
        two = (two + second + one) & 0xFFFFFFFF
    return one, two
