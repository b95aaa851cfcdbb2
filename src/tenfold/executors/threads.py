"""Packs in worker threads of this process, one thread of arithmetic each.

Tensor operations release the interpreter lock, so packs run side by side without a copy of the data; a pack's
numbers do not depend on how many workers there are, because each computes on one thread.
"""

from __future__ import annotations

import queue
import sys
import threading
from collections.abc import Callable, Sequence
from typing import Any, Literal

import torch

SWITCH_SECONDS = 1e-4  # how long a worker waits for the interpreter; 7 % less time than with Python's 5 ms
Emit = Callable[[Any], None]
JobOrder = Literal["go on", "late", "stop"]  # late: the time for this work is over, end it as such
Job = Callable[[Emit, Callable[[], JobOrder]], None]  # job(emit, order)


def ready() -> None:
    """A thread that trains computes alone, and does not spend its time on numbers that say nothing."""
    torch.set_num_threads(1)
    torch.set_flush_denormal(True)  # numbers below 1e-38 count as 0: they are slow


def run_jobs(
    jobs: Sequence[Job], *, workers: int, receive: Callable[[Any], None], idle: Callable[[], None] = lambda: None,
    late: Callable[[], bool] = lambda: False,
) -> None:  # fmt: skip
    """Run the jobs, in order as workers become free; what they emit is received in the calling thread.

    Jobs ask for their order before each step: "late" once `late` says so, "stop" when they shall end at once. `idle` is
    called about ten times a second. If it or `receive` raises (or a signal handler does), the jobs are
    asked to stop, what they still emit is received, and the exception goes on; so does the first error of a job.
    """
    crew = _Crew(jobs, late)
    before = torch.get_num_threads(), sys.getswitchinterval()
    sys.setswitchinterval(SWITCH_SECONDS)
    try:
        for _ in range(max(1, min(workers, len(jobs)))):
            crew.begin()
        while crew.alive:
            crew.hear(receive, seconds=0.1)
            idle()
    except BaseException:
        crew.stop.set()
        while crew.alive:
            crew.hear(receive)
        raise
    finally:
        torch.set_num_threads(before[0])
        sys.setswitchinterval(before[1])
    if crew.failure is not None:
        raise crew.failure


class _Crew:
    """The threads at work; alive: those whose end has not been heard; failure: the first error of a job."""

    def __init__(self, jobs: Sequence[Job], late: Callable[[], bool]) -> None:
        self.alive, self.failure = 0, None
        self.stop, self._late = threading.Event(), late
        self._waiting, self._lock = iter(list(jobs)), threading.Lock()
        self._messages: queue.SimpleQueue[tuple[str, Any]] = queue.SimpleQueue()

    def begin(self) -> None:
        """One more thread."""
        threading.Thread(target=self._work, daemon=True).start()
        self.alive += 1

    def hear(self, receive: Callable[[Any], None], seconds: float | None = None) -> None:
        """The next message of a job, or word of a thread; nothing if none comes in so many seconds."""
        try:
            kind, value = self._messages.get(timeout=seconds)
        except queue.Empty:
            return
        if kind == "message":
            receive(value)
        elif kind == "error":
            self.failure = self.failure or value
        else:
            self.alive -= 1

    def _order(self) -> JobOrder:
        return "stop" if self.stop.is_set() else "late" if self._late() else "go on"

    def _work(self) -> None:
        ready()
        try:
            while not self.stop.is_set():
                with self._lock:
                    job = next(self._waiting, None)
                if job is None:
                    break
                job(lambda message: self._messages.put(("message", message)), self._order)
        except BaseException as error:
            self.stop.set()
            self._messages.put(("error", error))
        finally:
            self._messages.put(("end", None))
