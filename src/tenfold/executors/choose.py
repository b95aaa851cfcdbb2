"""Which executor trains packs, and with how many workers: decided by a fixed cost model, never from timings.

Where a pack is trained changes none of its bits. No other module names a particular executor.
"""

from __future__ import annotations

from tenfold.executors.protocol import Executor

THREADS_GAIN = 1.2  # several threads against one where starting operations is most of the work: they take turns at it


def choose_executor(packs: int, workers: int, *, compiled: bool) -> Executor:
    """The executor for so many packs. compiled: whether any of them are compiled lanes, which share so many threads of
    their own."""
    # A job of compiled lanes waits while its lanes train; one more than there are workers looks at results.
    return executor_in_this_process(min(packs, workers + 1) if compiled else thread_count(packs, workers))


def executor_in_this_process(workers: int) -> Executor:
    """For jobs that change objects of the caller."""
    from tenfold.executors.all_executors import EXECUTORS

    return EXECUTORS["threads"](workers)


def gain(packs: int, workers: int) -> float:
    """How many times faster the operations of so many packs are started than by one worker."""
    return THREADS_GAIN if min(packs, workers) > 1 else 1.0


def thread_count(packs: int, workers: int) -> int:
    """Worker threads: if there are slightly more packs than workers, one per pack, to avoid a straggler."""
    return packs if workers < packs < 2 * workers else workers
