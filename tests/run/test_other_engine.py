"""A stopped run goes on with the engine that it was begun with; where that one is missing, with packs, and says so."""

from __future__ import annotations

import hashlib
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tenfold.engine.native.library import compiled_lanes
from tenfold.model.model import load
from tenfold.store.check import check

pytestmark = pytest.mark.skipif(bool(compiled_lanes().missing), reason=compiled_lanes().missing)

# A real fit in a process of its own, whose checkpoints come every tenth of a second.
PROGRAM = """
import sys
from pathlib import Path
from tenfold.cli.screen import Screen
from tenfold.problem.from_file import prepare
from tenfold.problem.settings import Settings
from tenfold.recipe import Space
from tenfold.run.fit import Fit, Stop, create_run, reopen
from tenfold.run.plan import make_plan
Fit.every = 0.1
out = Path(sys.argv[1])
space = {"network": {"hidden": [[16], [24, 8]], "normalization": "batch", "dropout": [0.0, 0.3]}, "batch_size": 32,
         "optimizer": [{"adam": {"lr": {"log_uniform": [1e-3, 1e-2]}}}, "nesterov"], "epochs": 30}
settings = Settings("sklearn:breast_cancer", space=Space.from_dict(space), trials=4, folds=3, strategy="halving")
if out.exists():
    run, prepared, plan = reopen(out)
else:
    prepared = prepare(settings)
    plan = make_plan(prepared, 2)
    run = create_run(settings, out, prepared, plan)
class Told(Screen):
    def progress(self, share, best):
        print("progress", share, flush=True)
with run:
    Fit(run, prepared, plan, Told(), Stop()).advance()
print(plan.engine, flush=True)
"""
FILES = ["leaderboard.csv", "trials.csv", "metrics.csv", "recipe.yaml"]


def start(out: Path, engine: str) -> subprocess.Popen[str]:
    env = {**os.environ, "TENFOLD_ENGINE": "packs" if engine == "packs" else ""}
    return subprocess.Popen([sys.executable, "-c", PROGRAM, str(out)], stdout=subprocess.PIPE, text=True, env=env)


def fit(out: Path, engine: str) -> str:
    """To the end; the engine that trained last."""
    process = start(out, engine)
    said = process.communicate(timeout=240)[0]
    assert process.returncode == 0, said
    return said.split()[-1]


def kill_amid_training(out: Path, engine: str) -> None:
    process = start(out, engine)
    assert process.stdout is not None
    for line in process.stdout:
        if line.startswith("progress") and float(line.split()[1]) > 0.3:
            break
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert not (out / "leaderboard.csv").exists(), "the kill came too late"


def bits(out: Path) -> dict[str, str]:
    paths = [*(out / name for name in FILES), *sorted((out / "model").iterdir())]
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in paths}


def warnings_of(out: Path) -> list[str]:
    return json.loads((out / "summary.json").read_text())["warnings"]


@pytest.mark.slow
def test_begun_with_compiled_lanes_and_resumed_where_there_are_none(tmp_path):
    out = tmp_path / "run"
    kill_amid_training(out, "compiled")
    assert fit(out, "packs") == "packs"
    said = [line for line in warnings_of(out) if "begun with compiled lanes" in line]
    assert len(said) == 1
    assert "TENFOLD_ENGINE=packs" in said[0]
    assert check(out) == []
    assert load(out)


@pytest.mark.slow
def test_begun_with_packs_and_resumed_where_compiled_lanes_are(tmp_path):
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    assert fit(whole, "packs") == "packs"
    kill_amid_training(killed, "packs")
    assert fit(killed, "compiled") == "packs"
    assert not [line for line in warnings_of(killed) if "compiled lanes" in line]
    assert bits(killed) == bits(whole)


@pytest.mark.slow
def test_begun_and_resumed_with_compiled_lanes(tmp_path):
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    assert fit(whole, "compiled") == "compiled"
    kill_amid_training(killed, "compiled")
    assert fit(killed, "compiled") == "compiled"
    assert bits(killed) == bits(whole)
