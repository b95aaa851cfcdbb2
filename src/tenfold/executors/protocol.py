"""What every executor does: it runs jobs, hands on what they emit, and stops them without losing any of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal, Protocol, runtime_checkable

Emit = Callable[[Any], None]
JobOrder = Literal["go on", "late", "stop"]  # late: the time for this work is over, finish as out of time
Job = Callable[[Emit, Callable[[], JobOrder]], None]  # job(emit, order)
Shared = Callable[[], Any]  # gives a value that several jobs have in common
Sharing = Callable[[Any], Shared]


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


@runtime_checkable
class TravellingJob(Protocol):
    """A job that says how it travels to another process, and how it goes on when that process is lost. Other jobs
    travel as they are and begin again."""

    @property
    def own_code(self) -> Sequence[Any]:
        """Functions of the user's in it: other processes may not have their files."""
        ...

    def packed(self, share: Sharing, threads: int) -> Job:
        """The job as it travels. share: for a large value that many jobs have in common, what stands for it there.
        threads: that it may use there."""
        ...

    def after(self, message: Any) -> Job:
        """The job that goes on from this message of its own."""
        ...


class Cluster(Protocol):
    """Where packs are trained when that is not this process. workers: jobs that it runs side by side, one a core."""

    workers: int

    def executor(self, packs: int) -> Executor:
        """What trains so many packs there."""
        ...

    def in_words(self) -> str:
        """Where and how large it is."""
        ...

    @property
    def machines(self) -> Sequence[Mapping[str, str]]:
        """What the bits of a training depend on, of every worker that has answered; each once."""
        ...

    @property
    def lost(self) -> Sequence[str]:
        """The hosts of workers that were lost while they trained."""
        ...

    def release(self) -> None:
        """The workers end: nothing more is trained there."""
        ...
