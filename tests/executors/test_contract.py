"""The contract that every executor of the table keeps: what jobs emit arrives in the calling thread, and stopping loses
none of it."""

import threading
import time

import pytest
import torch

from tenfold.errors import BadInput
from tenfold.executors.all_executors import EXECUTORS
from tenfold.executors.choose import choose_executor, gain, thread_count

EVERY = pytest.mark.parametrize(
    "executor",
    [pytest.param(e, id=name, marks=[pytest.mark.slow] * (name == "ray")) for name, e in EXECUTORS.items()],
)


@pytest.fixture(autouse=True)
def ray_for_all(request):
    """Ray, started once for all its tests: their executors join it."""
    if "-ray" in request.node.name or "[ray" in request.node.name:
        request.getfixturevalue("seven_cores_of_ray")


@pytest.fixture(scope="module")
def seven_cores_of_ray():
    from tenfold.executors.ray_cluster import RayCluster

    cluster = RayCluster(None)
    cluster.workers = 7
    cluster.connect()
    yield
    cluster.close()


def say(*messages, error=None):
    def job(emit, order):
        for message in messages:
            emit(message)
        if error is not None:
            raise error

    return job


def patient():
    """A job that goes on until it is stopped, and then has a last word."""

    def job(emit, order):
        emit("begun")
        while order() != "stop":
            time.sleep(0.01)
        emit("last word")

    return job


@EVERY
@pytest.mark.parametrize(
    "workers", [2, pytest.param(1, marks=pytest.mark.slow), pytest.param(7, marks=pytest.mark.slow)]
)
def test_every_message_arrives_once_in_the_calling_thread(executor, workers):
    got = []

    def receive(message):
        assert threading.current_thread() is threading.main_thread()
        got.append(message)

    executor(workers).run([say((j, 0), (j, 1)) for j in range(5)], receive=receive)
    assert sorted(got) == [(j, i) for j in range(5) for i in range(2)]
    assert all(got.index((j, 0)) < got.index((j, 1)) for j in range(5))


@EVERY
def test_one_worker_takes_the_jobs_in_order(executor):
    got = []
    executor(1).run([say(j) for j in range(6)], receive=got.append)
    assert got == list(range(6))


@EVERY
def test_no_jobs(executor):
    executor(2).run([], receive=pytest.fail)


@EVERY
def test_workers_run_side_by_side(executor, tmp_path):
    def meet(mine, other):
        def job(emit, order):
            mine.touch()
            end = time.monotonic() + 20
            while not other.exists() and time.monotonic() < end:
                time.sleep(0.01)
            emit(other.exists())

        return job

    got, a, b = [], tmp_path / "a", tmp_path / "b"
    executor(2).run([meet(a, b), meet(b, a)], receive=got.append)
    assert got == [True, True]


@EVERY
def test_each_job_computes_on_one_thread_and_the_caller_keeps_its_own(executor):
    before, seen = torch.get_num_threads(), []
    torch.set_num_threads(3)
    try:
        executor(2).run([lambda emit, order: emit(torch.get_num_threads())] * 3, receive=seen.append)
        assert seen == [1, 1, 1]
        assert torch.get_num_threads() == 3
    finally:
        torch.set_num_threads(before)


@EVERY
@pytest.mark.parametrize("error", [ZeroDivisionError("a job"), BadInput("a job", do="another")])
def test_the_first_error_of_a_job_goes_on_and_stops_the_others(executor, error):
    got = []
    with pytest.raises(type(error), match="a job") as caught:
        executor(2).run([say("first", error=error), patient(), patient()], receive=got.append)
    assert str(caught.value) == str(error)
    assert got.count("first") == 1
    assert got.count("last word") == got.count("begun") <= 1  # nobody starts another job


@EVERY
@pytest.mark.parametrize("where", ["receive", "idle"])
def test_an_interrupted_caller_still_receives_last_words(executor, where):
    got, threads = [], threading.active_count()

    def interrupt():
        if "begun" in got and "interrupted" not in got:
            got.append("interrupted")
            raise KeyboardInterrupt

    def receive(message):
        got.append(message)
        if where == "receive":
            interrupt()

    jobs = [patient() for _ in range(4)]
    with pytest.raises(KeyboardInterrupt):
        executor(2).run(jobs, receive=receive, idle=interrupt if where == "idle" else lambda: None)
    assert 1 <= got.count("last word") == got.count("begun") <= 2
    end = time.monotonic() + 20  # a thread says that it ends a moment before it does
    while threading.active_count() > threads and time.monotonic() < end:
        time.sleep(0.01)
    assert threading.active_count() == threads


@EVERY
def test_a_job_learns_that_it_is_late(executor):
    def until_late(emit, order):
        while order() == "go on":
            time.sleep(0.01)
        emit(order())

    got, since = [], time.monotonic()
    executor(2).run([until_late] * 3, receive=got.append, late=lambda: time.monotonic() - since > 0.3)
    assert got == ["late"] * 3


@EVERY
def test_idle_is_called_while_nothing_is_said(executor):
    calls = []
    job = lambda emit, order: time.sleep(0.5)  # noqa: E731
    executor(1).run([job], receive=pytest.fail, idle=lambda: calls.append(1))
    assert len(calls) >= 2


def test_what_several_workers_gain():
    assert gain(5, 1) == gain(1, 5) == 1
    assert 1 < gain(2, 2) == gain(8, 8) <= 2


def test_a_thread_for_each_of_a_few_more_packs_than_workers():
    assert [thread_count(packs, 4) for packs in (1, 4, 5, 7, 8, 20)] == [4, 4, 5, 7, 4, 4]


@pytest.mark.parametrize(
    ("packs", "compiled", "expected"), [(1, True, 1), (4, True, 4), (20, True, 5), (5, False, 5), (20, False, 4)]
)
def test_one_more_job_of_compiled_lanes_than_workers(packs, compiled, expected):
    """They wait while their lanes train, so that another one's results are looked at."""
    assert choose_executor(packs, 4, compiled=compiled).workers == expected
