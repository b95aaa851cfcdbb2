"""How fast a core of this machine is, against that of the cost model."""

from __future__ import annotations

import time
from functools import cache

from tenfold.engine.native.library import CompiledLanes, compiled_lanes
from tenfold.engine.plan.cost import COMPILED_PEAK

MEASURED = 100_000  # rounds of twelve vectors: some milliseconds
TIMES = 3


def core_speed() -> float:
    """What a core multiplies and adds a second, over that of the core that the costs were measured on; 1 where there is
    no compiled code to measure with.

    In processor time, so other work on the machine makes little difference, and measured once in a process.
    """
    lanes = compiled_lanes()
    return 1.0 if lanes.missing else _measured(lanes)


@cache
def _measured(lanes: CompiledLanes) -> float:
    peak = lanes.function("peak")
    rates: list[float] = []
    for _ in range(TIMES):
        begun = time.thread_time()
        operations = peak(MEASURED, 0)
        rates.append(operations / max(time.thread_time() - begun, 1e-9))
    return max(rates) / COMPILED_PEAK
