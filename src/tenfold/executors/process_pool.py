"""The worker processes: started once, kept for a while for more work, and ended with this process."""

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
REUSE_SECONDS = 10  # after its last use, a pool is taken to be running still

_last_used, _size = -float("inf"), 0


def pool(workers: int) -> ProcessPoolExecutor:
    """A pool of at least so many workers: the running one, or a new one."""
    global _size
    from loky import get_reusable_executor

    # A running pool never shrinks: the next stage may want all of its workers again.
    _size = max(workers, _size if is_warm() else 0)
    mark_used()
    return get_reusable_executor(
        max_workers=_size, timeout=IDLE_SECONDS, initializer=_start_worker, initargs=(os.getpid(),),
        env={"OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"},
    )  # fmt: skip


def start_workers(workers: int) -> None:
    """Begin to start so many workers and return at once: they import torch while this process does other work."""
    waiting = pool(workers)
    for _ in range(workers):
        waiting.submit(import_module, "torch")


def mark_used() -> None:
    """Remember that the pool has had work until now."""
    global _last_used
    _last_used = time.monotonic()


def shut_down() -> None:
    """End the idle workers and run the exit handlers: needed before `os._exit`, which would leave their semaphores
    behind."""
    if _size:
        pool(1).shutdown(kill_workers=True)
        atexit._run_exitfuncs()  # pyright: ignore[reportPrivateUsage]


def is_warm() -> bool:
    """Whether workers wait for work, as far as is known: if one was killed, the pool is made anew."""
    return time.monotonic() - _last_used < REUSE_SECONDS


def _start_worker(parent: int) -> None:
    """Set up a worker: it ignores Ctrl-C, which the main process handles, and ends when the main process is gone."""

    def watch() -> None:
        # A killed process tells nobody; its children then belong to another parent.
        while os.getppid() == parent:
            time.sleep(0.5)
        os._exit(1)

    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=watch, daemon=True).start()
