"""Jobs in worker threads of this process, one thread of arithmetic each.

Tensor operations release the interpreter lock, so packs train in parallel without a copy of the data.
"""

from __future__ import annotations

import queue
import sys
import threading
from collections.abc import Callable, Sequence
from typing import Any

import torch

from tenfold.executors.protocol import Job, JobOrder

SWITCH_SECONDS = 1e-4  # how long a worker waits for the interpreter; 7 % less time than with Python's 5 ms


def compute_alone() -> None:
    """Set up the calling thread for training."""
    # One thread of arithmetic: a pack then computes the same bits however many workers there are.
    torch.set_num_threads(1)
    # Numbers below 1e-38 count as 0: they carry no information, and a CPU is slow at them.
    torch.set_flush_denormal(True)


class ThreadExecutor:
    """Runs jobs in threads of this process; see `Executor`."""

    def __init__(self, workers: int) -> None:
        self.workers = workers

    def run(
        self, jobs: Sequence[Job], *, receive: Callable[[Any], None], idle: Callable[[], None] = lambda: None,
        late: Callable[[], bool] = lambda: False,
    ) -> None:  # fmt: skip
        threads = _JobThreads(jobs, late)
        before = torch.get_num_threads(), sys.getswitchinterval()
        sys.setswitchinterval(SWITCH_SECONDS)
        try:
            for _ in range(max(1, min(self.workers, len(jobs)))):
                threads.start_one()
            while threads.alive:
                threads.receive_next(receive, seconds=0.1)
                idle()
        except BaseException:
            threads.stop.set()
            # Jobs end with a checkpoint: it is received before the exception goes on, so that no work is lost.
            while threads.alive:
                threads.receive_next(receive)
            threads.join()
            raise
        finally:
            torch.set_num_threads(before[0])
            sys.setswitchinterval(before[1])
        threads.join()
        if threads.failure is not None:
            raise threads.failure


class _JobThreads:
    """The threads of one `run`. alive: threads whose end has not been received; failure: the first error of a job."""

    def __init__(self, jobs: Sequence[Job], late: Callable[[], bool]) -> None:
        self.alive, self.failure = 0, None
        self.stop, self._late = threading.Event(), late
        self._waiting, self._lock = iter(list(jobs)), threading.Lock()
        self._messages: queue.SimpleQueue[tuple[str, Any]] = queue.SimpleQueue()
        self._threads = list[threading.Thread]()

    def start_one(self) -> None:
        thread = threading.Thread(target=self._work, daemon=True)
        self._threads.append(thread)
        thread.start()
        self.alive += 1

    def join(self) -> None:
        """Wait until the threads that have said that they end are gone: they free what they worked on first."""
        for thread in self._threads:
            thread.join()

    def receive_next(self, receive: Callable[[Any], None], seconds: float | None = None) -> None:
        """Handle the next message of a job, or the end of a thread; return after so many seconds without one."""
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
        if self.stop.is_set():
            return "stop"
        return "late" if self._late() else "go on"

    def _work(self) -> None:
        """One thread: job after job until none is left."""
        compute_alone()
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
