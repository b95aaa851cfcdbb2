"""What every executor does: it runs jobs, hands on what they emit, and stops them without losing any of it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Literal, Protocol

Emit = Callable[[Any], None]
JobOrder = Literal["go on", "late", "stop"]  # late: the time for this work is over, finish as out of time
Job = Callable[[Emit, Callable[[], JobOrder]], None]  # job(emit, order)


class Executor(Protocol):
    """Runs jobs side by side. `tests/executors/test_contract.py` holds what every executor must keep to."""

    def run(
        self,
        jobs: Sequence[Job],
        *,
        receive: Callable[[Any], None],
        idle: Callable[[], None] = lambda: None,
        late: Callable[[], bool] = lambda: False,
    ) -> None:
        """Run the jobs, in order as workers become free, and return when all have ended.

        What the jobs emit goes to `receive` in the calling thread. Jobs ask for their order before each step: "late"
        once `late` is true, "stop" when they must end at once. `idle` is called about ten times a second.

        If `idle` or `receive` raises (or a signal handler does), the jobs are told to stop, what they still emit is
        received, and then the exception is raised. The first error of a job stops the others and is raised, too.
        """
        ...
