"""Jobs in worker processes, one thread of arithmetic each.

For packs of few small networks: most of an update is starting its operations, and threads of one process take turns at
the interpreter for that. A process has its own copy of the data, which are small then. Workers end with this process,
however it ends.

loky starts and restarts the processes and carries the jobs; its futures carry results only. So every job opens a
connection of its own to this process, for messages while it runs and for orders to it.
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
from tenfold.executors.process_pool import mark_used, pool
from tenfold.executors.protocol import Job, JobOrder
from tenfold.executors.threads import compute_alone

POLL_SECONDS = 0.02  # between two looks of a worker for a new order
JOB_FAILED = "tenfold: the job has raised an error"  # sent by a worker before it closes its connection


class ProcessExecutor:
    """Runs jobs in worker processes; see `Executor`. Jobs and messages must be picklable (jobs by cloudpickle).

    Raises `RunFailed` when a worker was killed.
    """

    def __init__(self, workers: int) -> None:
        self.workers = workers

    def run(
        self, jobs: Sequence[Job], *, receive: Callable[[Any], None], idle: Callable[[], None] = lambda: None,
        late: Callable[[], bool] = lambda: False,
    ) -> None:  # fmt: skip
        if not jobs:
            return
        with Listener(authkey=os.urandom(32)) as listener, _ConnectionQueue(listener) as incoming:
            _JobsInProcesses(incoming, jobs, self.workers, late).run(receive, idle)
        mark_used()


class _ConnectionQueue:
    """Accepts the connections that jobs open, in a thread; `opened` holds those that nobody has taken yet."""

    def __init__(self, listener: Listener) -> None:
        self.address, self.key = listener.address, listener._authkey  # type: ignore[attr-defined]
        self.opened: queue.SimpleQueue[Connection] = queue.SimpleQueue()
        self._listener, self._closed = listener, False
        self._thread = threading.Thread(target=self._accept, daemon=True)

    def _accept(self) -> None:
        while True:
            try:
                connection = self._listener.accept()
            except AuthenticationError:  # not one of our workers
                continue
            if self._closed:
                connection.close()
                return
            self.opened.put(connection)

    def __enter__(self) -> _ConnectionQueue:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._closed = True
        # `accept` blocks and cannot be interrupted: a connection of our own wakes the thread.
        Client(self.address, authkey=self.key).close()
        self._thread.join()


class _JobsInProcesses:
    """The jobs of one `run`. running: started jobs whose connection is open; ended: jobs that have closed theirs."""

    def __init__(self, incoming: _ConnectionQueue, jobs: Sequence[Job], workers: int, late: Callable[[], bool]) -> None:
        self.workers = max(1, min(workers, len(jobs)))
        self.pool = pool(self.workers)
        self.incoming, self.late = incoming, late
        self.order: JobOrder = "go on"
        self.waiting, self.started = list(jobs), list[Future[Any]]()
        self.running, self.ended = list[Connection](), 0

    def run(self, receive: Callable[[Any], None], idle: Callable[[], None]) -> None:
        """Receive until all jobs have ended."""
        try:
            while self._start_jobs():
                self._receive(receive)
                if self.late() and self.order == "go on":
                    self._give_order("late")
                if any(job.done() and job.exception() for job in self.started):
                    self._give_order("stop")
                idle()
        except BaseException:
            self._give_order("stop")
            # A job that has not connected yet has done nothing, so only open connections are waited for.
            while self.running or not self.incoming.opened.empty():
                self._receive(receive)
            raise
        for job in self.started:
            self._raise(job.exception())

    def _start_jobs(self) -> bool:
        """Give jobs to free workers; returns whether any job runs, or has sent what was not received yet."""
        while self.waiting and len(self.started) - self.ended < self.workers:
            job = self.waiting.pop(0)
            self.started.append(self.pool.submit(_work, job, self.incoming.address, self.incoming.key))
        done_well = [job for job in self.started if job.done() and not job.exception()]
        # The future of a job can be done before its connection was taken from the queue and read to its end.
        return self.ended < len(done_well) or bool(self.running) or not all(job.done() for job in self.started)

    def _receive(self, receive: Callable[[Any], None]) -> None:
        """Receive what jobs send within a tenth of a second."""
        while not self.incoming.opened.empty():
            self.running.append(self.incoming.opened.get())
            if self.order != "go on":
                _send_order(self.running[-1], self.order)
        if not self.running:
            time.sleep(POLL_SECONDS)
        for connection in wait(self.running, 0.1):
            assert isinstance(connection, Connection)
            try:
                message = connection.recv()
            except (EOFError, OSError):
                self.running.remove(connection)
                self.ended += 1
                connection.close()
                continue
            if isinstance(message, str) and message == JOB_FAILED:
                # Told before the connection closes: otherwise a waiting job would be started in its place.
                self._give_order("stop")
            else:
                receive(message)

    def _give_order(self, order: JobOrder) -> None:
        """Pass the order on to all running jobs; "stop" also drops the jobs that wait, and is final."""
        if self.order == "stop":
            return
        self.order = order
        if order == "stop":
            self.waiting.clear()
        for connection in self.running:
            _send_order(connection, order)

    def _raise(self, error: BaseException | None) -> None:
        from loky.process_executor import BrokenProcessPool

        if isinstance(error, BrokenProcessPool):
            raise RunFailed("a worker process was killed, probably out of memory; nothing committed is lost")
        if error is not None:
            raise error


def _send_order(connection: Connection, order: JobOrder) -> None:
    with suppress(ConnectionError):  # the job has ended in the meantime
        connection.send(order)


def _work(job: Job, address: str, key: bytes) -> None:
    """One job, in a worker process. When the main process is gone, reading from the connection raises."""
    compute_alone()
    with Client(address, authkey=key) as connection:
        current: JobOrder = "go on"
        looked = 0.0

        def order() -> JobOrder:
            # Asked before every update: reading the connection each time would cost more than a small update.
            nonlocal current, looked
            now = time.monotonic()
            if now - looked > POLL_SECONDS:
                looked = now
                while connection.poll():
                    current = connection.recv()
            return current

        try:
            job(connection.send, order)
        except BaseException:
            connection.send(JOB_FAILED)
            raise
