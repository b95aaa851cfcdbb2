"""The worker processes themselves: they are started once, wait a while for more work, and end with this process."""

from __future__ import annotations

import atexit
import os
import signal
import threading
import time
from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from loky import ProcessPoolExecutor

IDLE_SECONDS = 20  # after which a worker without work ends
FRESH_SECONDS = 10  # after its last use, a pool is taken to be there

_used, _size = -float("inf"), 0


def pool(workers: int) -> ProcessPoolExecutor:
    """A pool of at least so many workers: the one that is there, or a new one."""
    global _size
    from loky import get_reusable_executor

    _size = max(workers, _size if is_there() else 0)
    use()
    return get_reusable_executor(
        max_workers=_size, timeout=IDLE_SECONDS, initializer=_begin, initargs=(os.getpid(),),
        env={"OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"},
    )  # fmt: skip


def start_workers(workers: int) -> None:
    """Begin to start so many workers, and go on: they load what they need while this process does other work."""
    waiting = pool(workers)
    for _ in range(workers):
        waiting.submit(import_module, "torch")


def use() -> None:
    """The pool has had work until now."""
    global _used
    _used = time.monotonic()


def end() -> None:
    """End the workers that wait, and do what is to be done at an exit, for a process that leaves without taking itself
    apart: their semaphores would be left behind."""
    if _size:
        pool(1).shutdown(kill_workers=True)
        atexit._run_exitfuncs()  # pyright: ignore[reportPrivateUsage]


def is_there() -> bool:
    """Whether workers wait for work, as far as it is known: a pool in which one was killed is made anew."""
    return time.monotonic() - _used < FRESH_SECONDS


def _begin(parent: int) -> None:
    """A worker: an interrupt of the terminal is for the process that it works for, and it ends with that."""

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(0.5)
        os._exit(1)

    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=watch, daemon=True).start()
