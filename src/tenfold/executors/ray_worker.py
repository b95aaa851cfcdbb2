"""The other end of `RayExecutor`: a process of a Ray cluster that runs one job after another."""

from __future__ import annotations

import os
import pickle
import socket
import sys
import threading
import time
import traceback
import warnings
from collections.abc import Mapping
from importlib import import_module
from importlib.metadata import version
from typing import Any, Literal

from tenfold.executors.protocol import JobOrder

# What a worker tells: a message of its job, an error of it, that the job could not be read, that it has ended.
Told = tuple[Literal["message", "error", "unreadable", "end"], Any]
SEEN = ("TENFOLD_ENGINE", "TENFOLD_LEVEL", "TENFOLD_LIBRARY")  # what of the driver's environment decides bits
MOST_SHARED = 4  # values that a worker keeps of those that jobs have in common

_shared: dict[str, Any] = {}  # by key, the last used last


class SharedValue:
    """What stands in a job for a value that Ray's object store has once for all workers of a node."""

    def __init__(self, key: str) -> None:
        self.key = key

    def __call__(self) -> Any:
        """The value; its arrays lie in memory that all workers of the node read, and cannot be written to."""
        return _shared[self.key]


def versions() -> dict[str, str]:
    """What driver and workers must have in common, and what they have."""
    import platform

    from tenfold.engine.native.library import INTERFACE, compiled_lanes

    packages = {name: version(name) for name in ("tenfold", "torch", "numpy")}
    lanes = "none" if compiled_lanes().missing else f"interface {INTERFACE}"
    return {**packages, "Python": platform.python_version(), "compiled lanes": lanes}


class RayWorker:
    """An actor with one core. environment: variables of the driver; blas: threads of its linear algebra, on which the
    last bits of a principal component depend."""

    def __init__(self, environment: Mapping[str, str], blas: int) -> None:
        for name in SEEN:
            os.environ.pop(name, None)
        os.environ.update(environment)
        self._blas = blas
        self._order: JobOrder = "go on"
        self._told: list[Told] = []
        self._news = threading.Condition()

    def facts(self) -> dict[str, Any]:
        """Where this is, what it has, and what the bits of its trainings depend on."""
        import ray
        import torch
        from threadpoolctl import threadpool_limits

        from tenfold.engine.engines import best_engine
        from tenfold.engine.machine import machine_facts
        from tenfold.executors.threads import SWITCH_SECONDS

        torch.set_num_threads(1)
        sys.setswitchinterval(SWITCH_SECONDS)  # as in one process
        import_module("scipy.linalg")  # so that the limit holds for it; it lasts as long as the process
        threadpool_limits(self._blas, user_api="blas")
        node = ray.get_runtime_context().get_node_id()
        place = {"node": node, "host": socket.gethostname(), "process": os.getpid()}
        return {**place, "versions": versions(), "machine": machine_facts("cpu", best_engine())}

    def begin(self, job: bytes, shared: Mapping[str, Any]) -> None:
        """Begin a job (see `as_bytes`), of which these values are shared: by key, where they are."""
        self._order, self._told = "go on", []
        threading.Thread(target=self._work, args=(job, shared), daemon=True).start()

    def hear(self, order: JobOrder, seconds: float) -> bytes:
        """What the job has told since the last call, pickled: after so many seconds, or at once when it has ended."""
        self._order = order
        end = time.monotonic() + seconds
        with self._news:
            while not (self._told and self._told[-1][0] == "end") and (left := end - time.monotonic()) > 0:
                self._news.wait(left)
            told, self._told = self._told, []
        # As one block of bytes: arrays that Ray unpacks by itself cannot be written to.
        return pickle.dumps(told, protocol=5)

    def _work(self, job: bytes, shared: Mapping[str, Any]) -> None:
        from tenfold.executors.threads import compute_alone

        try:
            try:
                work = _read(job, shared)
            except Exception as error:  # whatever the user's modules raise when they are imported
                self._tell(("unreadable", f"{type(error).__name__}: {error}"))
                return
            compute_alone()
            # what is shared cannot be written to, and torch warns of it; nothing writes to it
            with warnings.catch_warnings():
                warnings.filterwarnings("ignore", "The given NumPy array is not writable")
                work(lambda message: self._tell(("message", message)), lambda: self._order)
        except BaseException as error:
            self._tell(("error", _portable(error)))
        finally:
            self._tell(("end", None))

    def _tell(self, told: Told) -> None:
        with self._news:
            self._told.append(told)
            self._news.notify()


def _read(job: bytes, shared: Mapping[str, Any]) -> Any:
    import ray

    for key, place in shared.items():
        _shared[key] = _shared.pop(key) if key in _shared else ray.get(place)
    while len(_shared) > max(MOST_SHARED, len(shared)):
        del _shared[next(iter(_shared))]
    return pickle.loads(job)


def _portable(error: BaseException) -> BaseException:
    """An error that another process can read, with its traceback as a note."""
    trace = "".join(traceback.format_exception(error))
    try:
        error.add_note(f"on {socket.gethostname()}:\n{trace}")
        pickle.loads(pickle.dumps(error))
    except Exception:  # of the error's own methods: any
        return RuntimeError(f"{type(error).__name__}: {error}\n{trace}")
    return error
