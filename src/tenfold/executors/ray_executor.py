"""Jobs in processes of a Ray cluster, one core each.

This process hands out jobs, hears what they tell, and alone commits it. A worker that is lost takes with it what its
job did since the last message that the job can go on from; another one goes on from there, to the same bits.
"""

from __future__ import annotations

import pickle
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import ray
from ray.exceptions import RayError, RayTaskError

from tenfold.errors import BadInput, RunFailed, clipped
from tenfold.executors.own_code import as_bytes
from tenfold.executors.protocol import Job, JobOrder, Shared, TravellingJob
from tenfold.executors.ray_worker import Told

if TYPE_CHECKING:
    from tenfold.executors.ray_cluster import HiredWorker, RayCluster

IDLE_SECONDS = 0.1  # between two calls of `idle`, at most
HEAR_SECONDS = 0.2  # that a worker gathers what it tells
HEARD_A_SECOND = 200  # answers that this process takes, at most: of many workers each gathers longer
MOST_LOSSES = 3  # workers in a row that a job may lose before it has got any further
GATHER_SECONDS = 10.0  # after a worker has come, for the next one, where jobs are fewer and can use several
PATIENCE_SECONDS = 300.0  # without any worker: a cluster may have to start machines
AGAIN = "nothing that was committed is lost, and the same call or `tenfold resume` goes on from there"


@dataclass(eq=False)
class TravellingWork:
    """A job on its way through the workers. losses: workers that it lost since it last got further; unheard: workers
    that were lost before they told anything of it, as those of a machine that has been gone for a while; answered:
    whether this worker has."""

    job: Job
    losses: int = 0
    unheard: int = 0
    answered: bool = False
    threads: int = 1

    def heard(self, message: Any) -> None:
        """A message of the job has come: it goes on from there if its worker is lost."""
        if isinstance(self.job, TravellingJob):
            after = self.job.after(message)
            if after is not self.job:
                self.job, self.losses, self.unheard = after, 0, 0


class RayExecutor:
    """Runs jobs in so many workers of a cluster, of its own if none is given; see `Executor`."""

    def __init__(self, workers: int, cluster: RayCluster | None = None) -> None:
        self.workers, self.cluster = workers, cluster

    def run(
        self, jobs: Sequence[Job], *, receive: Callable[[Any], None], idle: Callable[[], None] = lambda: None,
        late: Callable[[], bool] = lambda: False,
    ) -> None:  # fmt: skip
        if not jobs:
            return
        if self.cluster is not None:
            _RayJobs(self.cluster, jobs, self.workers, late).run(receive, idle)
            return
        from tenfold.executors.ray_cluster import RayCluster

        own = RayCluster(None)
        try:
            _RayJobs(own, jobs, self.workers, late).run(receive, idle)
        finally:
            own.close()


class _RayJobs:
    """The jobs of one `run`. failure: the first error; once there is one, nothing new begins."""

    def __init__(self, cluster: RayCluster, jobs: Sequence[Job], workers: int, late: Callable[[], bool]) -> None:
        self.cluster, self.workers, self.late = cluster, workers, late
        self.waiting = deque(TravellingWork(job) for job in jobs)
        self.busy: dict[Any, tuple[HiredWorker, TravellingWork]] = {}  # by the answer that is awaited
        self.told: deque[tuple[TravellingWork, Told]] = deque()
        self.failure: BaseException | None = None
        self._wanted = min(workers, sum(_width(job) for job in jobs))
        self._each = max(1, workers // len(jobs))  # cores that a job may use
        self._alive = time.monotonic()

    def run(self, receive: Callable[[Any], None], idle: Callable[[], None]) -> None:
        try:
            self.cluster.hire(self._wanted)
            while (self.waiting and self.failure is None) or self.busy or self.told:
                self._advance(receive)
                idle()
        except BaseException as error:
            self.failure = error
            # Jobs end with a checkpoint: it is received before the exception goes on, so that no work is lost.
            while self.busy or self.told:
                self._advance(receive)
        if self.failure is not None:
            raise self.failure

    def _advance(self, receive: Callable[[Any], None]) -> None:
        """Receive what was told, hand out jobs, and wait a moment for answers."""
        while self.told:
            work, (kind, value) = self.told.popleft()
            if kind == "message":
                work.heard(value)
                receive(value)
            elif kind == "error":
                self._fail(value)
            elif kind == "unreadable":
                self._fail(_unreadable(work.job, value))
        if self.failure is None:
            self._hand_out()
        expected = [worker.answer for worker in self.cluster.hired if not worker.node]
        for answer in self._ready([*self.busy, *(expected if self.failure is None else [])]):
            if answer in self.busy:
                self._hear(answer)
            else:
                self._welcome(next(worker for worker in self.cluster.hired if worker.answer == answer))

    def _fail(self, error: BaseException) -> None:
        self.failure = self.failure or error

    def _ready(self, answers: Sequence[Any]) -> list[Any]:
        """The answers that have come, after a moment at most."""
        if not answers:
            time.sleep(IDLE_SECONDS)
            return []
        try:
            first, others = ray.wait(list(answers), num_returns=1, timeout=IDLE_SECONDS)
            more, _ = ray.wait(others, num_returns=len(others), timeout=0) if first and others else ([], [])
        except (ConnectionError, RayError) as error:
            self.busy.clear()
            raise RunFailed(f"the connection to Ray was lost ({type(error).__name__}); {AGAIN}") from error
        if not first and not self.busy and time.monotonic() - self._alive > PATIENCE_SECONDS:
            minutes = PATIENCE_SECONDS / 60
            self._fail(
                RunFailed(f"no worker has answered for {minutes:.0f} minutes on {self.cluster.in_words()}; {AGAIN}")
            )
        return [*first, *more]

    def _welcome(self, worker: HiredWorker) -> None:
        try:
            self.cluster.welcome(worker, ray.get(worker.answer))
            self._alive = time.monotonic()
        except BadInput as error:
            self._fail(error)
        except RayTaskError as error:
            self._fail(_not_made(str(error)))
        except RayError as error:
            self.cluster.dismiss(worker)
            if "creation task" in str(error) or "failed to import" in str(error):
                self._fail(_not_made(str(error)))
            else:
                self.cluster.hire(self._wanted)

    def _hand_out(self) -> None:
        """Jobs to workers that have none, on the node with the most cores to spare."""
        occupied = {worker for worker, _ in self.busy.values()}
        coming = any(not worker.node for worker in self.cluster.hired)
        if self._each > 1 and coming and time.monotonic() - self.cluster.arrived < GATHER_SECONDS:
            return
        there = [worker for worker in self.cluster.hired if worker.node]
        spare: dict[str, int] = {}
        for worker in there:
            spare[worker.node] = spare.get(worker.node, 0) + 1
        for worker, work in self.busy.values():
            spare[worker.node] -= work.threads
        while self.waiting:
            free = [worker for worker in there if worker not in occupied and spare[worker.node] > 0]
            if not free or len(occupied) >= self.workers:
                return
            worker, work = max(free, key=lambda one: spare[one.node]), self.waiting.popleft()
            work.threads = min(self._each, _width(work.job), spare[worker.node])
            spare[worker.node] -= work.threads
            occupied.add(worker)
            self._begin(worker, work)

    def _begin(self, worker: HiredWorker, work: TravellingWork) -> None:
        job, shared = work.job, dict[str, Any]()
        if isinstance(job, TravellingJob):
            functions = job.own_code

            def share(value: Any) -> Shared:
                stands_for_it, place = self.cluster.share(value, functions)
                shared[stands_for_it.key] = place
                return stands_for_it

            sent = as_bytes(job.packed(share, work.threads), functions)
        else:
            sent = as_bytes(job, [job])
        self.cluster.sent += len(sent)
        work.answered = False
        worker.actor.begin.remote(sent, shared)
        self._ask(worker, work)

    def _ask(self, worker: HiredWorker, work: TravellingWork) -> None:
        """What the job tells next; its order goes with the question."""
        order: JobOrder = "stop" if self.failure is not None else "late" if self.late() else "go on"
        seconds = max(HEAR_SECONDS, len(self.busy) / HEARD_A_SECOND)
        self.busy[worker.actor.hear.remote(order, seconds)] = worker, work

    def _hear(self, answer: Any) -> None:
        worker, work = self.busy[answer]
        try:
            heard: bytes = ray.get(answer)
        except RayTaskError:
            raise  # of `hear` itself
        except RayError as error:
            del self.busy[answer]
            self._lost(worker, work, error)
            return
        del self.busy[answer]
        self._alive, work.answered = time.monotonic(), True
        self.cluster.heard += len(heard)
        told: list[Told] = pickle.loads(heard)
        self.told.extend((work, each) for each in told)
        if not told or told[-1][0] != "end":
            self._ask(worker, work)

    def _lost(self, worker: HiredWorker, work: TravellingWork, error: RayError) -> None:
        self.cluster.dismiss(worker)
        self.cluster.lost.append(worker.host)
        if self.failure is not None:
            return
        work.losses, work.unheard = work.losses + work.answered, work.unheard + (not work.answered)
        if work.losses >= MOST_LOSSES or work.unheard >= MOST_LOSSES + self.workers:
            why = clipped(" ".join(str(error).split()), 200)
            lost = work.losses + work.unheard
            self._fail(RunFailed(f"a pack lost {lost} workers in a row, the last on {worker.host}: {why}; {AGAIN}"))
            return
        self.waiting.appendleft(work)
        self.cluster.hire(self._wanted)


def _width(job: Job) -> int:
    """Cores that a job can use."""
    return int(getattr(job, "width", 1))


def _not_made(said: str) -> BadInput:
    """A worker could not be made where it is, because of what is or is not installed there."""
    lines = [line.strip() for line in said.splitlines() if "Error" in line]
    return BadInput(
        f"a worker cannot be started: {clipped(lines[-1] if lines else said.splitlines()[0], 200)}",
        where="Ray's workers",
        expected="tenfold installed on every machine of the cluster, in the same version",
        do="pip install 'tenfold[ray]' there",
    )


def _unreadable(job: Job, said: str) -> BadInput:
    """A job arrived at a worker that cannot make sense of it."""
    functions = job.own_code if isinstance(job, TravellingJob) else []
    names = ", ".join(sorted({getattr(f, "__name__", type(f).__name__) for f in functions})) or "a job"
    return BadInput(
        f"{clipped(names)} cannot be read by Ray's workers: {clipped(said, 200)}",
        expected="functions whose modules are installed on every machine, or lie beside them in one folder",
        do="put what they import into one file with them, or --engine local",
    )
