"""Packs in worker threads: what they say arrives in the calling thread, and stopping loses none of it."""

import threading
import time

import pytest
import torch

from tenfold.executors.cores import available_workers
from tenfold.executors.local import run_jobs


def say(*messages, error=None):
    def job(emit, stopping):
        for message in messages:
            emit(message)
        if error is not None:
            raise error

    return job


@pytest.mark.parametrize("workers", [1, 2, 7])
def test_every_message_arrives_once_in_the_calling_thread(workers):
    got = []

    def receive(message):
        assert threading.current_thread() is threading.main_thread()
        got.append(message)

    run_jobs([say((j, 0), (j, 1)) for j in range(5)], workers=workers, receive=receive)
    assert sorted(got) == [(j, i) for j in range(5) for i in range(2)]
    assert all(got.index((j, 0)) < got.index((j, 1)) for j in range(5))


def test_one_worker_takes_the_jobs_in_order():
    got = []
    run_jobs([say(j) for j in range(6)], workers=1, receive=got.append)
    assert got == list(range(6))


def test_no_jobs():
    run_jobs([], workers=2, receive=pytest.fail)


def test_workers_run_side_by_side():
    meet = threading.Barrier(2, timeout=20)
    run_jobs([lambda emit, stopping: meet.wait()] * 2, workers=2, receive=pytest.fail)


def test_each_job_computes_on_one_thread_and_the_caller_keeps_its_own():
    before, seen = torch.get_num_threads(), []
    torch.set_num_threads(3)
    try:
        run_jobs([lambda emit, stopping: emit(torch.get_num_threads())] * 3, workers=2, receive=seen.append)
        assert seen == [1, 1, 1]
        assert torch.get_num_threads() == 3
    finally:
        torch.set_num_threads(before)


def test_the_first_error_of_a_job_goes_on_and_stops_the_others():
    got, started = [], []

    def patient(emit, stopping):
        started.append(1)
        while not stopping():
            time.sleep(0.01)
        emit("last word")

    jobs = [say("first", error=ZeroDivisionError("job")), patient, patient]
    with pytest.raises(ZeroDivisionError, match="job"):
        run_jobs(jobs, workers=2, receive=got.append)
    assert got[0] == "first"
    assert got.count("last word") == len(started) <= 1  # nobody starts another job


@pytest.mark.parametrize("where", ["receive", "idle"])
def test_an_interrupted_caller_still_receives_last_words(where):
    got, calls = [], []

    def patient(emit, stopping):
        emit("begun")
        while not stopping():
            time.sleep(0.01)
        emit("checkpoint")

    def interrupt():
        calls.append(1)
        if len(calls) == 1:
            raise KeyboardInterrupt

    def receive(message):
        got.append(message)
        if where == "receive":
            interrupt()

    with pytest.raises(KeyboardInterrupt):
        run_jobs([patient] * 4, workers=2, receive=receive, idle=interrupt if where == "idle" else lambda: None)
    assert got.count("checkpoint") == got.count("begun") >= 1
    assert threading.active_count() < 10


def test_idle_is_called_while_nothing_is_said():
    calls = []
    run_jobs([lambda emit, stopping: time.sleep(0.35)], workers=1, receive=pytest.fail, idle=lambda: calls.append(1))
    assert len(calls) >= 2


def test_there_is_a_worker():
    assert available_workers() >= 1
