"""Whether what a file unpacks to fits into memory, asked before it is unpacked."""

from __future__ import annotations

import os
from pathlib import Path

from tenfold.errors import BadInput

LARGE = 2**31  # bytes up to which any file may unpack
MOST_TIMES = 500.0  # times its size that a larger one may: data worth learning from do not shrink so far
MOST_TIMES_COLUMNS = 20_000.0  # the same of columns that are stored by value, of which sorted ones shrink much further
LIMITS = ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes")


def available_memory() -> int:
    """Bytes that this process may still use, as far as the system says; a large number where it says nothing."""
    free = [2**62]
    try:
        lines = Path("/proc/meminfo").read_text().splitlines()
        free += [int(line.split()[1]) * 1024 for line in lines if line.startswith("MemAvailable:")]
    except OSError:
        if hasattr(os, "sysconf") and "SC_PHYS_PAGES" in os.sysconf_names:
            free.append(os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE"))
    for path in LIMITS:
        try:
            free.append(int(Path(path).read_text()))
        except (OSError, ValueError):
            continue
    try:
        import resource

        soft = resource.getrlimit(resource.RLIMIT_AS)[0]
        free += [soft] if soft != resource.RLIM_INFINITY else []
    except ImportError:
        pass
    return min(free)


def check_fits(needed: int, *, where: str, what: str, packed: int = 0, times: float = MOST_TIMES) -> None:
    """Refuse what would need more memory than there is. needed: bytes. packed: size in the file, where it is known: a
    large thing that shrinks further than data do, more than so many times, is refused too."""
    free = available_memory()
    if needed > free:
        raise BadInput(
            f"{what} takes {memory_size(needed)} of memory, and {memory_size(free)} are available",
            where=where,
            expected="data that fit into memory",
            do="a sample of the rows, or fewer columns",
        )
    if packed and needed > max(LARGE, times * packed):
        raise BadInput(
            f"{what} unpacks from {memory_size(packed)} to {memory_size(needed)}: nearly all of it repeats",
            where=where,
            expected=f"at most {memory_size(LARGE)}, or {times:,.0f} times its size",
            do="write only the rows that matter",
        )


def memory_size(count: int) -> str:
    """A number of bytes in the unit that fits it."""
    for unit, size in (("TB", 1e12), ("GB", 1e9), ("MB", 1e6)):
        if count >= size:
            return f"{count / size:,.1f} {unit}"
    return f"{count:,} bytes"
