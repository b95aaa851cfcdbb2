"""Which executor trains packs, and with how many workers: decided by a fixed cost model, never from timings.

Where a pack is trained changes none of its bits. No other module names a particular executor.
"""

from __future__ import annotations

import os
from collections.abc import Generator
from contextlib import contextmanager
from typing import Literal

from tenfold.errors import BadInput, clipped
from tenfold.executors.protocol import Cluster, Executor

THREADS_GAIN = 1.2  # several threads against one where starting operations is most of the work: they take turns at it
Place = Literal["local", "ray"]
PLACES: tuple[Place, ...] = ("local", "ray")  # the values of `--engine`


def choose_executor(packs: int, workers: int, *, compiled: bool, cluster: Cluster | None = None) -> Executor:
    """The executor for so many packs. compiled: whether any of them are compiled lanes, which share so many threads of
    their own. cluster: where they are trained, if not here."""
    if cluster is not None:
        return cluster.executor(packs)
    # A job of compiled lanes waits while its lanes train; one more than there are workers looks at results.
    return executor_in_this_process(min(packs, workers + 1) if compiled else thread_count(packs, workers))


def executor_in_this_process(workers: int) -> Executor:
    """For jobs that change objects of the caller."""
    from tenfold.executors.all_executors import EXECUTORS

    return EXECUTORS["threads"](workers)


@contextmanager
def opened_cluster(place: str, address: str | None = None, *, quiet: bool = False) -> Generator[Cluster | None]:
    """The cluster of `--engine` and `--address`, left as it was found in the end; None where this process trains.

    quiet: whether what Ray says of its nodes stays off the terminal, for the rest of this process.

    Errors: `BadInput` for an engine that there is none of, an address without Ray, or a cluster that cannot be reached.
    """
    check_place(place, address)
    if place == "local":
        yield None
        return
    if quiet:
        os.environ.setdefault("RAY_DEDUP_LOGS_SKIP_REGEX", ".")  # Ray reads it when it is imported
    try:
        from tenfold.executors.ray_cluster import RayCluster
    except ModuleNotFoundError as error:
        if error.name != "ray":
            raise
        raise BadInput("Ray is not installed", do="pip install 'tenfold[ray]', or --engine local") from None
    cluster = RayCluster(address)
    try:
        yield cluster
    finally:
        cluster.close()


def check_place(place: str, address: str | None) -> None:
    """Refuse what is no place, and an address of this process."""
    if place not in PLACES:
        raise BadInput(f"--engine {clipped(place)}", expected=f"one of: {', '.join(PLACES)}")
    if address is not None and place != "ray":
        raise BadInput(
            f"--address {clipped(address)} with --engine {place}", expected="an address of Ray", do="--engine ray"
        )


def gain(packs: int, workers: int) -> float:
    """How many times faster the operations of so many packs are started than by one worker."""
    return THREADS_GAIN if min(packs, workers) > 1 else 1.0


def thread_count(packs: int, workers: int) -> int:
    """Worker threads: if there are slightly more packs than workers, one per pack, to avoid a straggler."""
    return packs if workers < packs < 2 * workers else workers
