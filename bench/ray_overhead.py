"""What Ray costs: jobs of a fixed time on two workers, with more or less to carry, by threads and by Ray; and the same
search by both, in turn.

A job of the first kind waits, so that other work on the machine does not count; what a job takes longer than its time
is the overhead. The workers are there already: how long they take to come is a number of its own.
"""

from __future__ import annotations

import argparse
import json
import os
import pickle
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import ray
from sklearn.datasets import load_breast_cancer

import tenfold
from bench.machine import describe, facts, processor_seconds
from bench.speed import RESULTS, markdown
from tenfold.executors.choose import opened_cluster
from tenfold.executors.protocol import Executor
from tenfold.executors.ray_cluster import RayCluster
from tenfold.executors.threads import ThreadExecutor
from tenfold.problem.from_arrays import understand
from tenfold.problem.problem import Problem
from tenfold.search.context import SearchContext
from tenfold.search.results import SearchResults
from tenfold.search.search import train_all

WORKERS, JOBS, SECONDS = 2, 6, 5.0
CARRIED = (0.0, 1.0, 10.0)  # MB that a job brings and takes away
MESSAGES = 20  # a second, that a job tells
RECIPES, EPOCHS, FOLDS, ROUNDS = 8, 600, 5, 3
HEAD = "what", "seconds a job", "overhead a job, s", "overhead"


class WaitingJob:
    """Tells something now and then until its time is over; then what it carries."""

    def __init__(self, megabytes: float) -> None:
        self.carried = np.random.default_rng(0).random(int(megabytes * 125_000))

    def __call__(self, emit: Callable[[Any], None], order: Callable[[], str]) -> None:
        """The job."""
        end = time.monotonic() + SECONDS
        while (left := end - time.monotonic()) > 0 and order() == "go on":
            emit(("epoch", left))
            time.sleep(min(left, 1 / MESSAGES))
        emit(("done", self.carried))


def overhead(executor: Executor, megabytes: float) -> float:
    """Seconds a job that jobs take longer than their time."""
    began = time.monotonic()
    executor.run([WaitingJob(megabytes) for _ in range(JOBS)], receive=lambda message: None)
    turns = JOBS / WORKERS
    return (time.monotonic() - began - turns * SECONDS) / turns


def searched(
    problem: Problem, recipes: Sequence[tenfold.Recipe], context: SearchContext
) -> tuple[float, SearchResults]:
    """Wall seconds of a search, and what it found."""
    began = time.monotonic()
    found = train_all(problem, recipes, context)
    return time.monotonic() - began, found


def used_by_workers(cluster: RayCluster) -> float:
    """Processor seconds of Ray's workers on this machine so far."""
    ticks = os.sysconf("SC_CLK_TCK")
    found = 0.0
    for facts_of_one in ray.get([worker.actor.facts.remote() for worker in cluster.hired]):
        fields = Path(f"/proc/{facts_of_one['process']}/stat").read_text().rpartition(")")[2].split()
        found += (int(fields[11]) + int(fields[12])) / ticks
    return found


def object_store_bytes(problem: Problem) -> int:
    """What the problem takes in the object store of a node."""
    buffers: list[pickle.PickleBuffer] = []
    head = pickle.dumps(problem, protocol=5, buffer_callback=buffers.append)
    return len(head) + sum(buffer.raw().nbytes for buffer in buffers)


def _walls(searches: Sequence[dict[str, Any]], name: str) -> str:
    return ", ".join(f"{one['wall']:.1f}" for one in searches if one["executor"] == name)


def main(arguments: list[str] | None = None) -> None:
    """Measure; write ray_overhead.md and ray_overhead.json."""
    found = argparse.ArgumentParser(prog="python -m bench.ray_overhead", description=__doc__)
    found.add_argument("--rounds", type=int, default=ROUNDS, help=f"searches of each kind; default {ROUNDS}")
    found.add_argument("--out", type=Path, default=RESULTS / "ray_overhead.json", help="a table goes beside it")
    asked = found.parse_args(arguments)
    machine = facts()
    print(describe(machine), flush=True)
    x, y = load_breast_cancer(return_X_y=True)
    problem = understand(x, y, None).problem(FOLDS, seed=0)
    space = {"optimizer": {"adam": {"lr": {"log_uniform": [1e-4, 1e-2]}}}, "epochs": EPOCHS}
    recipes = tenfold.Space.from_dict(space).sample(RECIPES, seed=0)
    waiting: list[dict[str, Any]] = []
    searches: list[dict[str, Any]] = []
    with opened_cluster("ray") as cluster:
        assert isinstance(cluster, RayCluster)
        cluster.workers = WORKERS
        began = time.monotonic()
        tiny = [tenfold.Recipe(epochs=1)] * WORKERS
        searched(problem, tiny, SearchContext.local("cpu", cluster=cluster))
        start = time.monotonic() - began
        print(f"Ray and its workers come in {start:.1f} s", flush=True)
        for megabytes in CARRIED:
            for name, executor in (("threads", ThreadExecutor(WORKERS)), ("Ray", cluster.executor(JOBS))):
                seconds = overhead(executor, megabytes)
                waiting.append({"executor": name, "megabytes": megabytes, "overhead": seconds})
                print(name, f"{megabytes:g} MB: {1000 * seconds:.0f} ms a job", flush=True)
        for number in range(asked.rounds):
            for name in ("threads", "Ray") if number % 2 else ("Ray", "threads"):
                sent, heard, used = cluster.sent, cluster.heard, processor_seconds()
                there = used_by_workers(cluster)
                context = SearchContext.local("cpu", cluster=cluster if name == "Ray" else None)
                wall, results = searched(problem, recipes, context)
                here, there = processor_seconds() - used, used_by_workers(cluster) - there
                scores = [results.mean(n) for n in range(RECIPES)]
                row = {"executor": name, "wall": wall, "here": here, "there": there, "scores": scores}
                searches.append({**row, "sent": cluster.sent - sent, "heard": cluster.heard - heard})
                print(name, f"{wall:.1f} s, {here:.1f} s of processor time here, {there:.1f} s in workers", flush=True)
    assert all(one["scores"] == searches[0]["scores"] for one in searches)
    walls = {name: median(s["wall"] for s in searches if s["executor"] == name) for name in ("threads", "Ray")}
    carried = next(s for s in searches if s["executor"] == "Ray")
    shared = object_store_bytes(problem)
    lines = [
        [f"{w['executor']}, {w['megabytes']:g} MB there and back", f"{SECONDS:g}", f"{w['overhead']:.3f}",
         f"{100 * w['overhead'] / SECONDS:.1f} %"] for w in waiting
    ]  # fmt: skip
    each = walls["threads"] * WORKERS / RECIPES
    more = walls["Ray"] / walls["threads"] - 1
    lines.append([f"a search of {RECIPES} packs by Ray, against threads", f"{each:.1f}", f"{more * each:.3f}",
                  f"{100 * more:.1f} %"])  # fmt: skip
    spent = {n: median(s["here"] + s["there"] for s in searches if s["executor"] == n) for n in walls}
    each, more = spent["threads"] / RECIPES, spent["Ray"] / spent["threads"] - 1
    lines.append(["the same, processor time of all processes but Ray's own", f"{each:.1f}", f"{more * each:.3f}",
                  f"{100 * more:.1f} %"])  # fmt: skip
    traffic = (
        f"The object store holds {shared / 1e6:.2f} MB of the problem, put there once; a job of that search takes "
        f"{carried['sent'] / RECIPES / 1e6:.2f} MB there and brings {carried['heard'] / RECIPES / 1e6:.2f} MB back. "
        f"Ray and two workers come in {start:.1f} s. Walls of the searches, s: "
        + "; ".join(f"{n} {_walls(searches, n)}" for n in walls)
        + "."
    )
    asked.out.parent.mkdir(parents=True, exist_ok=True)
    measured = {"machine": machine, "start": start, "waiting": waiting, "searches": searches, "object_store": shared}
    asked.out.write_text(json.dumps(measured, indent=1) + "\n")
    asked.out.with_suffix(".md").write_text(
        f"Command: `python -m bench.ray_overhead`\n\n{describe(machine)}\n\n{markdown(lines, HEAD)}\n{traffic}\n"
    )
    print(markdown(lines, HEAD), traffic, sep="\n")


if __name__ == "__main__":
    main()
