"""A connection to Ray, the workers that are ours there, and the values that their jobs share.

Ray that was started here ends here; a cluster that was joined keeps nothing of ours and loses nothing of its own.
"""

from __future__ import annotations

import logging
import os
import shutil
import signal
import socket
import tempfile
import threading
import time
import uuid
import warnings
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import ray
from ray.exceptions import RayError
from threadpoolctl import threadpool_info

from tenfold.engine.native.threads import usable_cores
from tenfold.errors import BadInput, clipped
from tenfold.executors.own_code import not_sent, travelling_as_code
from tenfold.executors.ray_executor import RayExecutor
from tenfold.executors.ray_worker import SEEN, RayWorker, SharedValue, versions

ADDRESSES = "auto, HOST:6379 on a machine of the cluster, or ray://HOST:10001 from elsewhere"
ANSWER_SECONDS = 5.0  # for a machine to take a connection
FOLDER = "tenfold-ray-"  # of Ray that is started here: this, and the number of the process
RAY_ADDRESS = "RAY_ADDRESS"  # where a job that was submitted to a cluster finds it


@dataclass(eq=False)
class HiredWorker:
    """An actor of ours. answer: what its facts come as; node: where it is, "" before it has answered."""

    actor: Any
    answer: Any
    node: str = ""
    host: str = ""


@dataclass
class RayCluster:
    """Ray at an address; None: where RAY_ADDRESS says, or else it is started on this machine, on all its cores.

    hired: our workers. lost: the hosts of those that died. arrived: when the last one did, by the monotonic clock.
    sent, heard: bytes of jobs and of what they told.

    Errors: `BadInput` for an address without Ray, for Ray or Python of another version, a cluster without cores.
    """

    address: str | None
    workers: int = 0
    hired: list[HiredWorker] = field(default_factory=list)
    lost: list[str] = field(default_factory=list)
    arrived: float = 0.0
    sent: int = 0
    heard: int = 0
    _machines: list[Mapping[str, str]] = field(default_factory=list)
    _shared: dict[int, tuple[Any, str, Any]] = field(default_factory=dict)  # by id: the value, its key, where it is
    _connected: bool = False
    _ours: bool = False  # the connection
    _folder: str = ""  # of Ray that was started here

    def __post_init__(self) -> None:
        self.address = self.address or os.environ.get(RAY_ADDRESS) or None
        if self.address is None and not ray.is_initialized():
            self.workers = usable_cores()  # it is started when it is needed
        else:
            self.connect()
            self.workers = _cores()
            if not self.workers:
                self.close()
                raise BadInput(f"the cluster at {self.address} has no cores", do="ray start on its machines")

    def connect(self) -> None:
        """Join the cluster, or start it here."""
        if self._connected:
            return
        if ray.is_initialized():
            self._check_same()
        else:
            with _signals_kept(), _quietly():
                _join(self.address) if self.address else self._start()
            self._ours = True
        self._connected = True

    def _check_same(self) -> None:
        """Refuse another address than that of the connection that this process has already."""
        there = ray.get_runtime_context().gcs_address
        if self.address not in (None, "auto", there) and "://" not in str(self.address):
            raise BadInput(
                f"address {clipped(self.address)}, but this process is connected to Ray at {there}",
                do="ray.shutdown() before, or no address",
            )

    def _start(self) -> None:
        _remove_left_folders()
        self._folder = tempfile.mkdtemp(prefix=f"{FOLDER}{os.getpid()}-")
        try:
            ray.init(
                address="local", num_cpus=self.workers, include_dashboard=False, log_to_driver=False,
                logging_level=logging.CRITICAL, _temp_dir=self._folder,
                # Ray's workers are as important as this process; by default they wait for every other one.
                _system_config={"worker_niceness": 0},
            )  # fmt: skip
        except BaseException:
            self.close()
            raise

    def hire(self, count: int) -> None:
        """See that there are so many workers, whether they have answered yet or not."""
        self.connect()
        missing = count - len(self.hired)
        if missing <= 0:
            return
        environment = {name: os.environ[name] for name in SEEN if name in os.environ}
        blas = max((each["num_threads"] for each in threadpool_info() if each["user_api"] == "blas"), default=1)
        actor: Any = ray.remote(RayWorker)
        actor = actor.options(num_cpus=1, max_restarts=0, scheduling_strategy="SPREAD")
        for _ in range(missing):
            worker = actor.remote(environment, blas)
            self.hired.append(HiredWorker(worker, worker.facts.remote()))

    def welcome(self, worker: HiredWorker, facts: Mapping[str, Any]) -> None:
        """A worker has answered. Raises `BadInput` if its versions are not those of this process."""
        for name, here in versions().items():
            there = facts["versions"][name]
            if there != here and (name, here) != ("compiled lanes", "none"):
                raise BadInput(
                    f"{name} is {there} on {facts['host']}, and {here} here", where="Ray's workers",
                    expected="the same versions of tenfold, torch, numpy, Python and compiled lanes on all machines",
                    do=f"install {name} {here} on {facts['host']}",
                )  # fmt: skip
        worker.node, worker.host = facts["node"], facts["host"]
        self.arrived = time.monotonic()
        if facts["machine"] not in self._machines:
            self._machines.append(facts["machine"])

    def dismiss(self, worker: HiredWorker) -> None:
        """A worker is lost, or not needed any more."""
        if worker in self.hired:
            self.hired.remove(worker)
        with suppress(RayError, ConnectionError):  # where it is gone already, or the whole cluster is
            ray.kill(worker.actor)

    def share(self, value: Any, functions: Sequence[Any]) -> tuple[SharedValue, Any]:
        """What stands for a value that several jobs have in common, and where it is: it is put there once."""
        known = self._shared.get(id(value))
        if known is None:
            with travelling_as_code(functions):
                try:
                    place = ray.put(value)
                except TypeError as error:
                    raise not_sent(functions, error) from error
            known = self._shared[id(value)] = value, uuid.uuid4().hex, place
        return SharedValue(known[1]), known[2]

    @property
    def machines(self) -> Sequence[Mapping[str, str]]:
        return self._machines

    def executor(self, packs: int) -> RayExecutor:
        # machines may have joined
        return RayExecutor(max(self.workers, _cores() if self._connected and not self._folder else 0), self)

    def in_words(self) -> str:
        cores = f"{self.workers} core{'s' * (self.workers != 1)}"
        if self.address is None and not self._connected:
            return f"Ray on this machine, {cores}"
        nodes = sum(node["Alive"] for node in ray.nodes())
        where = "on this machine" if self._folder else f"at {self.address or ray.get_runtime_context().gcs_address}"
        return f"Ray {where}, {cores} on {nodes} node{'s' * (nodes != 1)}"

    def release(self) -> None:
        for worker in list(self.hired):
            self.dismiss(worker)
        self._shared.clear()

    def close(self) -> None:
        """Leave the cluster as it was found."""
        if self._connected and ray.is_initialized():
            self.release()
        if self._ours or self._folder:
            with _signals_kept(), _quietly():
                ray.shutdown()
        if self._folder:
            shutil.rmtree(self._folder, ignore_errors=True)
        self._connected, self._ours, self._folder = False, False, ""


def _remove_left_folders() -> None:
    """Those of processes that were killed."""
    for path in Path(tempfile.gettempdir()).glob(f"{FOLDER}*-*"):
        number = path.name.removeprefix(FOLDER).split("-")[0]
        if number.isdecimal():
            try:
                os.kill(int(number), 0)
            except ProcessLookupError:
                shutil.rmtree(path, ignore_errors=True)
            except (OSError, OverflowError):
                continue  # it lives, and is somebody else's


def _cores() -> int:
    return int(ray.cluster_resources().get("CPU", 0))


def _join(address: str) -> None:
    """Connect to a running cluster."""
    if address != "auto":
        _check_answers(address)
    try:
        ray.init(address=address, log_to_driver=False, logging_level=logging.CRITICAL)
    except (ConnectionError, RuntimeError, ValueError, AssertionError) as error:
        lines = [line.strip() for line in str(error).splitlines() if line.strip()] or [type(error).__name__]
        raise BadInput(
            f"Ray cannot be joined at {address}: {clipped(' '.join(lines[:4]), 240)}", expected=ADDRESSES,
            do="ray start --head there, or --engine local",
        ) from None  # fmt: skip


def _check_answers(address: str) -> None:
    """Refuse a place where nothing listens: Ray would try for a minute, and end the process then."""
    host, colon, port = address.removeprefix("ray://").rpartition(":")
    if not colon or not port.isdecimal() or ("://" in address and not address.startswith("ray://")):
        raise BadInput(f"--address {clipped(address)}", expected=ADDRESSES)
    try:
        socket.create_connection((host.strip("[]"), int(port)), ANSWER_SECONDS).close()
    except (OSError, OverflowError) as error:
        why = getattr(error, "strerror", None) or str(error)
        raise BadInput(
            f"nothing answers at {clipped(address)}: {why}", expected=ADDRESSES,
            do="ray start --head there, or --engine local",
        ) from None  # fmt: skip


@contextmanager
def _signals_kept() -> Generator[None]:
    """Ray takes SIGTERM for itself; its owner has it back after this."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            if handler is not None:
                signal.signal(number, handler)


@contextmanager
def _quietly() -> Generator[None]:
    """Nothing of Ray's on the terminal, and nothing told to anybody about its use."""
    logging.getLogger("ray").setLevel(logging.CRITICAL)
    variables = {"RAY_USAGE_STATS_ENABLED": "0", "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0"}
    before = {name: os.environ.get(name) for name in variables}
    os.environ.update(variables)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value
