"""A process that writes a run until it is killed, or until the disk refuses; started by the tests of the store.

`store_writer.py kill FOLDER ROUNDS SEED`: forks writers of FOLDER/0, FOLDER/1, ... and kills each at a random moment.
`store_writer.py steps FOLDER FIRST STRIDE`: kills writers of FOLDER/<n> at their n-th call of the file system or
of SQL, for n = FIRST, FIRST + STRIDE, ... until a writer comes to the end of two rounds of steps.
`store_writer.py fill RUN LIMIT`: writes with a limit on file sizes until `RunFailed`, which it prints.
`store_writer.py hold RUN`: opens the run, says so, and waits.
Every step is acknowledged in a file beside the run, after it was committed: one line "step sha" each.
"""

from __future__ import annotations

import os
import random
import resource
import signal
import sqlite3
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from tenfold.errors import RunFailed
from tenfold.store import Run, database

KINDS = ("put", "arrays", "facts", "event", "file", "transaction", "model")


def arrays(step: int) -> dict[str, np.ndarray]:
    return {"weights": np.arange(2000.0) * step, "step": np.array(step)}


def model(step: int) -> dict[str, Any]:
    empty: dict[str, Any] = {"schema": {}, "preprocess": {}, "preprocess_arrays": {}}
    return {"spec": {"step": step}, "arrays": arrays(step), "card": f"# {step}", **empty}


def write_step(run: Run, step: int) -> str:
    """Step `step` of the endless story; what is committed can be told from the step alone."""
    kind = KINDS[step % len(KINDS)]
    if kind == "put":
        run.put("step", step)
    elif kind == "arrays":
        return run.put_arrays("checkpoint", "0", arrays(step), step)
    elif kind == "facts":
        with run.transaction():
            for fold in range(5):
                run.put(f"{step}.{fold}", step + fold / 8)
    elif kind == "event":
        run.event("step", step)
    elif kind == "file":
        run.write_file("summary.json", f"{step}\n" * 100)
    elif kind == "model":
        return run.write_model(**model(step))
    else:
        with run.transaction():
            run.put("left", step)
            run.put_arrays("transaction", "0", arrays(step), step)
            run.put("right", step)
    return "-"


def write(path: Path, first: int, last: int) -> None:
    acknowledged = os.open(path.with_suffix(".acks"), os.O_CREAT | os.O_WRONLY | os.O_APPEND)
    with Run.open(path) if path.exists() else Run.create(path) as run:
        os.write(acknowledged, b"-1 -\n")
        for step in range(first, last):
            sha = write_step(run, step)
            os.write(acknowledged, f"{step} {sha}\n".encode())


def last_step(path: Path) -> int:
    """The last acknowledged step; -1 when only the opening was, -2 when nothing was."""
    acks = path.with_suffix(".acks")
    lines = acks.read_text().splitlines() if acks.exists() else []
    return max((int(line.split()[0]) for line in lines), default=-2)


def _killed(path: Path, seconds: float, patient: bool) -> None:
    """Start a writer and kill it after `seconds`, which begin with its first step when we are `patient`."""
    process = os.fork()
    if process == 0:
        try:
            write(path, max(0, last_step(path) + 1), 100_000)
        finally:
            os._exit(3)
    if patient:
        while last_step(path) < 0:
            time.sleep(0.001)
    time.sleep(seconds)
    os.kill(process, signal.SIGKILL)
    _, status = os.waitpid(process, 0)
    if not os.WIFSIGNALED(status):
        sys.exit(f"the writer of {path} ended by itself")


def kill(folder: Path, rounds: int, seed: int) -> None:
    rng = random.Random(seed)
    for number in range(rounds):
        path = folder / str(number)
        _killed(path, rng.uniform(0.001, 0.06), patient=number % 2 == 0)
        if last_step(path) >= -1 and rng.random() < 0.5:
            _killed(path, rng.uniform(0.001, 0.04), patient=False)


CALLS = ("open", "fsync", "replace", "rename", "unlink", "mkdir", "rmdir", "close")


def _kill_at(number: int) -> None:
    """From now on, this process kills itself before its call `number` of the file system or of SQL."""
    left = [number]

    def count(*_: object) -> None:
        left[0] -= 1
        if left[0] < 0:
            os.kill(os.getpid(), signal.SIGKILL)

    def counted(function: Callable[..., Any]) -> Callable[..., Any]:
        def call(*arguments: Any, **options: Any) -> Any:
            count()
            return function(*arguments, **options)

        return call

    for name in CALLS:
        setattr(os, name, counted(getattr(os, name)))
    connect = database._connect

    def traced(path: Path, options: str) -> sqlite3.Connection:
        connection = connect(path, options)
        connection.set_trace_callback(count)
        return connection

    database._connect = traced


def steps(folder: Path, first: int, stride: int) -> None:
    number, status = first, int(signal.SIGKILL)
    while os.WIFSIGNALED(status):
        process = os.fork()
        if process == 0:
            try:
                _kill_at(number)
                write(folder / str(number), 0, 2 * len(KINDS))
            finally:
                os._exit(3)
        _, status = os.waitpid(process, 0)
        number += stride
    print(number - stride)


def fill(path: Path, limit: int) -> None:
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
    try:
        write(path, 0, 100_000)
    except RunFailed as error:
        print(error)
        sys.exit(1)


def hold(path: Path) -> None:
    with Run.open(path):
        print("held", flush=True)
        sys.stdin.read()


if __name__ == "__main__":
    verb, target, *rest = sys.argv[1:]
    {"kill": kill, "steps": steps, "fill": fill, "hold": hold}[verb](Path(target), *map(int, rest))
