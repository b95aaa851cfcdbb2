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
Order = Literal["go on", "late", "stop"]  # late: the time for this work is over, end it as such
Job = Callable[[Emit, Callable[[], Order]], None]  # job(emit, order)


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
    messages: queue.SimpleQueue[tuple[str, Any]] = queue.SimpleQueue()
    stop = threading.Event()
    waiting = iter(list(jobs))
    lock = threading.Lock()

    def order() -> Order:
        return "stop" if stop.is_set() else "late" if late() else "go on"

    def work() -> None:
        ready()
        try:
            while not stop.is_set():
                with lock:
                    job = next(waiting, None)
                if job is None:
                    break
                job(lambda message: messages.put(("message", message)), order)
        except BaseException as error:
            stop.set()
            messages.put(("error", error))
        finally:
            messages.put(("end", None))

    threads_before, switch_before = torch.get_num_threads(), sys.getswitchinterval()
    sys.setswitchinterval(SWITCH_SECONDS)
    threads = [threading.Thread(target=work, daemon=True) for _ in range(max(1, min(workers, len(jobs))))]
    for thread in threads:
        thread.start()
    alive, failure = len(threads), None
    try:
        while alive:
            try:
                kind, value = messages.get(timeout=0.1)
                if kind == "message":
                    receive(value)
                elif kind == "error":
                    failure = failure or value
                else:
                    alive -= 1
                idle()
            except queue.Empty:
                idle()
    except BaseException:
        stop.set()
        _drain(messages, alive, receive)
        raise
    finally:
        torch.set_num_threads(threads_before)
        sys.setswitchinterval(switch_before)
    if failure is not None:
        raise failure


def _drain(messages: queue.SimpleQueue[tuple[str, Any]], alive: int, receive: Callable[[Any], None]) -> None:
    """Receive what stopping jobs still say (their last checkpoints), until all have ended."""
    while alive:
        kind, value = messages.get()
        if kind == "message":
            receive(value)
        elif kind == "end":
            alive -= 1
