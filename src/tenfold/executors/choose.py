"""Which executor trains packs, and with how many workers: decided by a fixed cost model, never from timings.

Where a pack is trained changes none of its bits. No other module names a particular executor.
"""

from __future__ import annotations

import math
import os
from dataclasses import dataclass

from tenfold.executors import process_pool
from tenfold.executors.protocol import Executor

COLD_SECONDS = 4.0  # of starting operations, from which worker processes are worth their own start
WARM_SECONDS = 0.5  # the same for processes that are running already
START_SHARE = 0.2  # of a limited time, at most, that their start may take: it takes longer on a busy machine
PROCESS_BYTES = 64 << 20  # of data, at most: every process has a copy
PROCESS_MEMORY = 350 << 20  # of a worker process without data
THREADS_GAIN = 1.2  # several threads against one where starting operations is most of the work
PROCESSES_GAIN = 0.9  # of each further worker process, in the same


def available_workers() -> int:
    """Processor cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return max(1, len(os.sched_getaffinity(0)))
    return os.cpu_count() or 1


def choose_executor(
    starting: float, *, packs: int, workers: int, size: int, left: float = math.inf, compiled: int = 0
) -> Executor:
    """The executor for so many packs, of which so many are compiled lanes that share threads of their own.

    starting: seconds that starting all their operations takes; size: bytes of the data; left: seconds of a time limit.
    """
    from tenfold.executors.all_executors import EXECUTORS

    if compiled:
        # A job of compiled lanes waits while its lanes train; one more than there are workers looks at results.
        return EXECUTORS["threads"](min(packs, workers + 1))
    if in_processes(starting, packs=packs, workers=workers, size=size, warm=process_pool.is_warm(), left=left):
        return EXECUTORS["processes"](workers)
    return EXECUTORS["threads"](thread_count(packs, workers))


def executor_in_this_process(workers: int) -> Executor:
    """For jobs that change objects of the caller."""
    from tenfold.executors.all_executors import EXECUTORS

    return EXECUTORS["threads"](workers)


@dataclass(frozen=True)
class Forecast:
    """What `choose_executor` is expected to choose: a plan needs its costs before the search.

    gain: how many times faster all workers start the operations than one; processes: worker processes, 0 for threads.
    """

    gain: float
    processes: int

    def memory(self, data: int) -> int:
        """Bytes that all worker processes take, data: bytes of the data and of what is made of them."""
        return (PROCESS_MEMORY + data) * self.processes

    def start_early(self) -> None:
        """Start the workers that will be needed, while this process does other work."""
        if self.processes:
            process_pool.start_workers(self.processes)


def forecast(starting: float, *, packs: int, workers: int, size: int, left: float = math.inf) -> Forecast:
    """What the executor will be; see `choose_executor`."""
    processes = in_processes(starting, packs=packs, workers=workers, size=size, left=left)
    return Forecast(gain(packs, workers, processes=processes), min(packs, workers) if processes else 0)


def end_workers() -> None:
    """End idle workers; for a process that is about to leave by `os._exit`."""
    process_pool.shut_down()


def in_processes(
    starting: float, *, packs: int, workers: int, size: int, warm: bool = False, left: float = math.inf
) -> bool:
    """Whether packs are trained in worker processes: yes if starting their operations takes longer than starting the
    processes. warm: whether these run already; for the others see `choose_executor`."""
    from multiprocessing import current_process

    least = WARM_SECONDS if warm else COLD_SECONDS
    enough_work = min(packs, workers) > 1 and starting >= least and least <= START_SHARE * left
    # A daemonic process, as of a `multiprocessing.Pool`, may have no children.
    return enough_work and size <= PROCESS_BYTES and not current_process().daemon


def gain(packs: int, workers: int, *, processes: bool) -> float:
    """How many times faster the operations of so many packs are started than by one worker."""
    parallel = min(packs, workers)
    if parallel <= 1:
        return 1.0
    return 1 + PROCESSES_GAIN * (parallel - 1) if processes else THREADS_GAIN


def thread_count(packs: int, workers: int) -> int:
    """Worker threads: if there are slightly more packs than workers, one per pack, to avoid a straggler."""
    return packs if workers < packs < 2 * workers else workers
