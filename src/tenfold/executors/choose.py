"""How many workers this process may use, and whether they are threads or processes: by a fixed cost model, never from
timings. Where a pack runs changes none of its bits."""

from __future__ import annotations

import math
import multiprocessing
import os

PROCESS_SECONDS = 4.0  # of starting operations, from which worker processes are worth their own start
THERE_SECONDS = 0.5  # the same for processes that are there
PROCESS_SHARE = 0.2  # of a limited time, at most, that their start may take: it takes longer on a busy machine
PROCESS_BYTES = 64 << 20  # of data, at most: every process has a copy
PROCESS_MEMORY = 350 << 20  # of a worker process without data
THREADS_GAIN = 1.2  # several threads against one where starting operations is most of the work
PROCESSES_GAIN = 0.9  # of each further worker process, in the same


def available_workers() -> int:
    """Processor cores that this process may use."""
    return max(1, len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else (os.cpu_count() or 1))


def in_processes(
    starting: float, *, packs: int, workers: int, size: int, there: bool = False, left: float = math.inf
) -> bool:
    """Whether packs go to worker processes: where starting their operations, `starting` seconds in all, takes longer
    than starting processes, where these are not there yet. Threads of one process take turns at that. size: bytes of
    the data; left: seconds of a time limit, of which their start is to be a small part. A daemonic process, as of a
    `multiprocessing.Pool`, may have no children."""
    several = min(packs, workers) > 1 and not multiprocessing.current_process().daemon
    least = THERE_SECONDS if there else PROCESS_SECONDS
    return several and starting >= least and PROCESS_SHARE * left >= least and size <= PROCESS_BYTES


def gain(packs: int, workers: int, *, processes: bool) -> float:
    """How many times faster the operations of so many packs are started than by one worker."""
    several = min(packs, workers)
    if several <= 1:
        return 1.0
    return 1 + PROCESSES_GAIN * (several - 1) if processes else THREADS_GAIN


def thread_count(packs: int, workers: int) -> int:
    """A thread for each of a few more packs than workers, which would else wait for the last one alone."""
    return packs if workers < packs < 2 * workers else workers
