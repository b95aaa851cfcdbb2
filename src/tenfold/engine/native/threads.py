"""Threads that train lanes: one pool for all lanes of a process, whatever their shapes."""

from __future__ import annotations

import ctypes
import os
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from functools import cache

from tenfold.engine.native.records import NO_MEMORY, STOPPED

LOOK_SECONDS = 0.02  # between two looks for an order to stop


def usable_cores() -> int:
    """Processor cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return max(1, len(os.sched_getaffinity(0)))
    return os.cpu_count() or 1


@cache
def _pool(threads: int) -> ThreadPoolExecutor:
    return ThreadPoolExecutor(threads, thread_name_prefix="tenfold-lane")


# A process that is forked has no threads but one: it must not wait for those of its parent.
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_pool.cache_clear)


def run_side_by_side(
    work: Sequence[Callable[[ctypes.c_int32], int]], threads: int, tick: Callable[[], str] = lambda: "go on"
) -> bool:
    """Call every piece of work with a flag that it looks at while it runs, on so many threads. False if `tick`, asked
    every 20 milliseconds, gives anything but "go on": then the flag is set, and what ran has ended.

    Raises `MemoryError` where a piece had not enough memory.
    """
    stop = ctypes.c_int32(0)
    futures: list[Future[int]] = [_pool(threads).submit(piece, stop) for piece in work]
    try:
        while wait(futures, LOOK_SECONDS).not_done:
            if not stop.value and tick() != "go on":
                _halt(stop, futures)
    except BaseException:
        _halt(stop, futures)
        wait(futures)
        raise
    if any(future.cancelled() for future in futures):
        return False
    found = [future.result() for future in futures]
    if NO_MEMORY in found:
        raise MemoryError("not enough memory to train a network of this size on batches of this size")
    return STOPPED not in found


def _halt(stop: ctypes.c_int32, futures: Sequence[Future[int]]) -> None:
    stop.value = 1
    for future in futures:
        future.cancel()
