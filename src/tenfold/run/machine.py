"""Which machines have trained for a run, or for a search in Python: the bits depend on them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from tenfold.engine.engines import Engine
from tenfold.engine.machine import machine_facts
from tenfold.search.context import SearchContext
from tenfold.store.run_directory import Run

MACHINES = "machines"  # the fact that lists those that have trained for a run, each once


class TrainedBy(NamedTuple):
    """What trained a search in Python: the device as it was asked for, the engine, and the facts of all machines."""

    device: str = "auto"
    engine: Engine = "packs"
    machines: tuple[Mapping[str, str], ...] = ()

    @staticmethod
    def of(context: SearchContext, device: str) -> TrainedBy:
        """Of a search on this machine or a cluster, and on those that its directory has noted."""
        known = context.journal.machines() or [machine_facts(context.device.type, context.engine)]
        others = [] if context.cluster is None else context.cluster.machines
        return TrainedBy(device, context.engine, (*known, *(each for each in others if each not in known)))


def machines_of(run: Run) -> list[dict[str, str]]:
    """The facts of all that have trained for a run; none of one that was made before they were noted."""
    return run.get(MACHINES) if run.has(MACHINES) else []


def note_machines(run: Run, facts: Sequence[Mapping[str, str]]) -> None:
    """Commit the facts of what trains, among all that have trained for a run."""
    before = machines_of(run)
    new = [dict(each) for each in facts if each not in before]
    if new:
        run.put(MACHINES, [*before, *new])
