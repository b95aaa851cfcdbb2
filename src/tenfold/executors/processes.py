"""Packs in worker processes, one thread of arithmetic each.

For packs of few small networks: most of an update is starting its operations, and threads of one process take turns at
the interpreter for that. A process has its own copy of the data, which are small then. A pack's numbers do not depend
on where it runs. Workers end with this process, however it ends.
"""

from __future__ import annotations

import os
import queue
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from contextlib import suppress
from multiprocessing import AuthenticationError
from multiprocessing.connection import Client, Connection, Listener, wait
from typing import Any

from tenfold.errors import RunFailed
from tenfold.executors.process_pool import pool, use
from tenfold.executors.threads import Job, JobOrder, ready

LISTEN_SECONDS = 0.02  # between two looks of a worker at what it is told
FAILED = "tenfold: the job has raised an error"  # a worker's word before its line closes: no other job is begun then


def run_jobs(
    jobs: Sequence[Job], *, workers: int, receive: Callable[[Any], None], idle: Callable[[], None] = lambda: None,
    late: Callable[[], bool] = lambda: False,
) -> None:  # fmt: skip
    """As `tenfold.executors.threads.run_jobs`, for jobs and messages that can be pickled; RunFailed where a worker was
    killed."""
    if jobs:
        with Listener(authkey=os.urandom(32)) as listener, _Door(listener) as door:
            _Crew(door, jobs, workers, late).run(receive, idle)
        use()


class _Door:
    """Where workers call, once a job; calls: the lines that are open and not yet taken."""

    def __init__(self, listener: Listener) -> None:
        self.address, self.key = listener.address, listener._authkey  # type: ignore[attr-defined]
        self.calls: queue.SimpleQueue[Connection] = queue.SimpleQueue()
        self._listener, self._closed = listener, False
        self._thread = threading.Thread(target=self._accept, daemon=True)

    def _accept(self) -> None:
        while True:
            try:
                line = self._listener.accept()
            except AuthenticationError:  # not a worker of ours
                continue
            if self._closed:
                line.close()
                return
            self.calls.put(line)

    def __enter__(self) -> _Door:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._closed = True
        Client(self.address, authkey=self.key).close()  # wakes the thread that waits for a call
        self._thread.join()


class _Crew:
    """The jobs under way, each with a line to its worker."""

    def __init__(self, door: _Door, jobs: Sequence[Job], workers: int, late: Callable[[], bool]) -> None:
        self.workers = max(1, min(workers, len(jobs)))
        self.executor = pool(self.workers)
        self.door, self.late = door, late
        self.order: JobOrder = "go on"
        self.waiting, self.begun = list(jobs), list[Future[Any]]()
        self.lines, self.ended = list[Connection](), 0

    def run(self, receive: Callable[[Any], None], idle: Callable[[], None]) -> None:
        """Receive until all jobs have ended."""
        try:
            while self._under_way():
                self._hear(receive)
                if self.late() and self.order == "go on":
                    self._tell("late")
                if any(job.done() and job.exception() for job in self.begun):
                    self._tell("stop")
                idle()
        except BaseException:
            self._tell("stop")
            while self.lines or not self.door.calls.empty():  # a worker that has not called yet has nothing to say
                self._hear(receive)
            raise
        for job in self.begun:
            self._raise(job.exception())

    def _under_way(self) -> bool:
        """Give work to the workers that have none; whether any is under way, or has said something unheard."""
        while self.waiting and len(self.begun) - self.ended < self.workers:
            job = self.waiting.pop(0)
            self.begun.append(self.executor.submit(_work, job, self.door.address, self.door.key))
        well = [job for job in self.begun if job.done() and not job.exception()]
        return self.ended < len(well) or bool(self.lines) or not all(job.done() for job in self.begun)

    def _hear(self, receive: Callable[[Any], None]) -> None:
        """What workers say within a tenth of a second."""
        while not self.door.calls.empty():
            self.lines.append(self.door.calls.get())
            if self.order != "go on":
                _say(self.lines[-1], self.order)
        if not self.lines:
            time.sleep(LISTEN_SECONDS)
        for line in wait(self.lines, 0.1):
            assert isinstance(line, Connection)
            try:
                message = line.recv()
            except (EOFError, OSError):
                self.lines.remove(line)
                self.ended += 1
                line.close()
                continue
            if isinstance(message, str) and message == FAILED:
                self._tell("stop")
            else:
                receive(message)

    def _tell(self, order: JobOrder) -> None:
        """Jobs under way are told; on "stop" those that wait are not begun."""
        if self.order == "stop":
            return
        self.order = order
        if order == "stop":
            self.waiting.clear()
        for line in self.lines:
            _say(line, order)

    def _raise(self, error: BaseException | None) -> None:
        from loky.process_executor import BrokenProcessPool

        if isinstance(error, BrokenProcessPool):
            raise RunFailed("a worker process was killed, as happens when memory runs out; nothing committed is lost")
        if error is not None:
            raise error


def _say(line: Connection, order: JobOrder) -> None:
    with suppress(ConnectionError):  # it has ended meanwhile
        line.send(order)


def _work(job: Job, address: str, key: bytes) -> None:
    """One job in a worker. Where the other end is gone, reading from the line raises, and the job ends."""
    ready()
    with Client(address, authkey=key) as line:
        told: JobOrder = "go on"
        looked = 0.0

        def order() -> JobOrder:
            nonlocal told, looked
            now = time.monotonic()
            if now - looked > LISTEN_SECONDS:
                looked = now
                while line.poll():
                    told = line.recv()
            return told

        try:
            job(line.send, order)
        except BaseException:
            line.send(FAILED)
            raise
