"""Worker processes: they are others than this one, and none is left behind."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch

from tenfold.errors import RunFailed
from tenfold.executors import process_pool
from tenfold.executors.processes import ProcessExecutor


def test_they_are_processes_and_messages_may_be_large():
    seen, payload = [], torch.arange(300_000)
    ProcessExecutor(2).run([lambda emit, order: emit((os.getpid(), payload))] * 2, receive=seen.append)
    assert os.getpid() not in {number for number, _ in seen}
    assert all(torch.equal(found, payload) for _, found in seen)


@pytest.mark.parametrize("at", ["later", pytest.param("once", marks=pytest.mark.slow)])
def test_a_killed_worker_is_a_run_that_failed(at):
    def fall(emit, order):
        emit("begun")
        time.sleep(0 if at == "once" else 0.3)
        os.kill(os.getpid(), signal.SIGKILL)

    def patient(emit, order):
        while order() != "stop":
            time.sleep(0.01)

    with pytest.raises(RunFailed, match="a worker process was killed"):
        ProcessExecutor(2).run([fall, patient], receive=lambda message: None)
    got = []
    ProcessExecutor(1).run([lambda emit, order: emit("again")], receive=got.append)  # there are new workers
    assert got == ["again"]


def _slow_name() -> int:
    time.sleep(0.3)
    return os.getpid()


def _names() -> set[int]:
    return {name.result() for name in [process_pool.pool(2).submit(_slow_name) for _ in range(9)]}


@pytest.mark.slow
def test_workers_that_were_started_early_do_the_work(monkeypatch):
    process_pool.shut_down()  # that of other tests
    monkeypatch.setattr(process_pool, "_size", 0)
    process_pool.start_workers(2)
    assert process_pool.is_warm()
    early, seen = _names(), []
    assert len(early) == 2
    ProcessExecutor(1).run([lambda emit, order: emit(os.getpid())], receive=seen.append)
    assert set(seen) < early
    assert _names() == early  # the pool did not shrink for one job


LEAVING = """
import os, sys
from tenfold.executors import process_pool
from tenfold.executors.processes import ProcessExecutor
process_pool.start_workers(2)
def idle():
    raise KeyboardInterrupt
def job(emit, order):
    while order() != "stop":
        pass
try:
    ProcessExecutor(2).run([job] * 2, receive=print, idle=idle)
except KeyboardInterrupt as stop:
    kept = stop
if sys.argv[1] == "end":
    process_pool.shut_down()
os._exit(0)
"""


@pytest.mark.parametrize("way", ["end", pytest.param("leave", marks=pytest.mark.slow)])
def test_a_process_that_leaves_at_once_leaves_nothing_behind(tmp_path, way):
    path = tmp_path / "leave.py"
    path.write_text(LEAVING)
    done = subprocess.run([sys.executable, str(path), way], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0
    assert ("leaked" in done.stderr) == (way == "leave"), done.stderr  # which is what `end` is for


SCRIPT = """
import os, sys, time
from tenfold.executors.processes import ProcessExecutor
print("main", flush=True)  # a worker that ran this script again would say so
def job(emit, order):
    emit(os.getpid())
    while order() != "stop":
        time.sleep(0.01)
ProcessExecutor(2).run([job, job], receive=lambda number: print(number, flush=True))
"""


@pytest.mark.slow
def test_workers_end_with_a_process_that_is_killed_and_scripts_need_no_guard(tmp_path):
    path = tmp_path / "train.py"
    path.write_text(SCRIPT)
    with subprocess.Popen([sys.executable, str(path)], stdout=subprocess.PIPE, text=True) as script:
        assert script.stdout is not None
        assert script.stdout.readline() == "main\n"
        workers = [int(script.stdout.readline()) for _ in range(2)]
        script.send_signal(signal.SIGKILL)
        script.wait(20)
    end = time.monotonic() + 20
    while any(_runs(number) for number in workers) and time.monotonic() < end:
        time.sleep(0.1)
    assert not any(_runs(number) for number in workers)


def _runs(number: int) -> bool:
    try:
        return Path(f"/proc/{number}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except FileNotFoundError:
        return False
