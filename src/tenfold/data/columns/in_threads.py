"""A function of every column, several columns at a time: numpy sorts and counts without holding the interpreter."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")
MOST_THREADS = 4  # each needs the memory of a few columns
LARGE = 50_000  # rows from which on starting threads pays


def for_each(function: Callable[[Item], Result], items: Iterable[Item], rows: int) -> list[Result]:
    """What the function gives for each item, in their order. rows: of a column."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    if rows < LARGE or cores == 1:
        return list(map(function, items))
    with ThreadPoolExecutor(min(MOST_THREADS, cores)) as pool:
        return list(pool.map(function, items))
