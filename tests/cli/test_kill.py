"""Law of reliability 2: SIGKILL at any moment loses nothing acknowledged; the resumed run ends bit-identical."""

import hashlib
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tenfold.model.model import load
from tenfold.store.check import check

# A real fit in a process of its own. Checkpoints come every 0.15 s instead of 15 s, so that kills fall among them.
PROGRAM = """
import shutil
import sys
from pathlib import Path
from tenfold.cli.screen import Screen
from tenfold.run.fit import Fit, Stop, create_run, reopen
from tenfold.errors import BadInput
from tenfold.run.plan import make_plan
from tenfold.problem.from_file import prepare
from tenfold.problem.settings import Settings
from tenfold.recipe import Space
Fit.every = 0.15
out = Path(sys.argv[1])
network = {"hidden": [[16], [24, 8]], "activation": ["relu", "tanh", "elu"]}
network |= {"normalization": ["none", "batch"], "dropout": [0.0, 0.3]}
optimizer = [{"adam": {"lr": {"log_uniform": [1e-3, 1e-1]}}}, "nesterov"]
space = {"network": network, "optimizer": optimizer, "decay": ["none", "cosine"], "batch_size": 32,
         "epochs": int(sys.argv[3])}
settings = Settings("sklearn:breast_cancer", space=Space.from_dict(space), trials=int(sys.argv[2]), folds=3,
                    keep=sys.argv[5])
try:
    run, prepared, plan = reopen(out)
except BadInput as error:  # killed before anything was acknowledged: it does what the message says
    assert not out.exists() or "before it" in str(error) or "no run.db" in str(error), error
    shutil.rmtree(out, ignore_errors=True)
    prepared = prepare(settings)
    plan = make_plan(prepared, int(sys.argv[4]))
    run = create_run(settings, out, prepared, plan)
class Told(Screen):
    def progress(self, share, best):
        print("progress", share, flush=True)
with run:
    print("open", flush=True)
    Fit(run, prepared, plan, Told(), Stop()).advance()
print("finished", flush=True)
"""


def launch(
    out: Path, engine: str = "", trials: int = 8, epochs: int = 40, workers: int = 2, keep: str = "refit"
) -> subprocess.Popen[str]:
    """engine: "packs", or "" for the best there is."""
    command = [sys.executable, "-c", PROGRAM, str(out), str(trials), str(epochs), str(workers), keep]
    environment = os.environ | ({"TENFOLD_ENGINE": engine} if engine else {})
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment)


def finish(
    out: Path, engine: str = "", trials: int = 8, epochs: int = 40, workers: int = 2, keep: str = "refit"
) -> None:
    process = launch(out, engine, trials, epochs, workers, keep)
    said = process.communicate(timeout=240)[0]
    assert process.returncode == 0, said
    assert said.endswith("finished\n")


def fingerprint(out: Path) -> dict[str, str]:
    """Hashes of everything that must not depend on how often the run was stopped."""
    files = ["leaderboard.csv", "trials.csv", "metrics.csv", "recipe.yaml", "model/manifest.json"]
    files += [f"model/{path.name}" for path in sorted((out / "model").iterdir())]
    return {name: hashlib.sha256((out / name).read_bytes()).hexdigest() for name in files}


@pytest.mark.parametrize(("keep", "share"), [("refit", 0.3), pytest.param("blend", 0.999, marks=pytest.mark.slow)])
def test_one_kill_amid_training_and_then_the_same_bits(tmp_path: Path, keep: str, share: float) -> None:
    """The blend: killed where its members are chosen, or trained."""
    finish(tmp_path / "whole", trials=4, epochs=20, keep=keep)
    out = tmp_path / "killed"
    process = launch(out, trials=4, epochs=20, keep=keep)
    assert process.stdout is not None
    for line in process.stdout:
        if line.startswith("progress") and float(line.split()[1]) > share:
            break
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert not (out / "leaderboard.csv").exists(), "the kill came too late"
    finish(out, trials=4, epochs=20, keep=keep)
    assert fingerprint(out) == fingerprint(tmp_path / "whole")
    assert check(out) == []


@pytest.mark.slow
@pytest.mark.parametrize(("most", "engine"), [(15, ""), (6, "packs")])
def test_kills_and_then_the_same_bits(tmp_path: Path, most: int, engine: str) -> None:
    """The run that is not killed has another number of workers."""
    finish(tmp_path / "whole", engine, workers=3)
    golden = fingerprint(tmp_path / "whole")
    rng, out, kills = random.Random(7), tmp_path / "killed", 0
    while kills < most:
        process = launch(out, engine)
        assert process.stdout is not None
        # A moment: before the directory is there, or so many seconds or lines after the run is open.
        if kills % 5 == 0:
            time.sleep(rng.uniform(0.5, 4.0))
        else:
            lines = rng.randint(1, 40)
            for _ in range(lines):
                if not process.stdout.readline():
                    break
            time.sleep(rng.uniform(0.0, 0.3))
        process.send_signal(signal.SIGKILL)
        process.communicate()
        kills += 1
        if (out / "model" / "manifest.json").exists() and (out / "summary.json").exists():
            break  # it was done before the last kill
    assert kills >= 4
    finish(out, engine)
    assert fingerprint(out) == golden
    assert check(out) == []
    assert (
        load(out).predict_proba("sklearn:breast_cancer")
        == load(tmp_path / "whole").predict_proba("sklearn:breast_cancer")
    ).all()


@pytest.mark.slow  # a journey interrupts too
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_stops_at_once_and_resume_finishes(tmp_path: Path, number: int) -> None:
    out = tmp_path / "run with a space"
    space = tmp_path / "space.yaml"
    rate = "optimizer: {adam: {lr: {log_uniform: [1e-3, 0.1]}}}"
    space.write_text(f"network: {{hidden: [24], activation: [relu, tanh, elu]}}\n{rate}\nepochs: 200\n")
    command = [sys.executable, "-m", "tenfold.cli.main"]
    arguments = ["fit", "sklearn:iris", "--space", str(space), "--trials", "6", "--folds", "3", "--out", str(out)]
    process = subprocess.Popen([*command, *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert process.stdout is not None
    for line in process.stdout:
        if line.startswith("baselines"):
            break
    time.sleep(0.5)
    process.send_signal(number)
    error = process.communicate(timeout=60)[1]
    assert process.returncode == 128 + number, error
    assert f"tenfold resume '{out}'" in error
    assert "Traceback" not in error
    resumed = subprocess.run([*command, "resume", str(out)], capture_output=True, text=True, timeout=240)
    assert resumed.returncode == 0, resumed.stderr
    assert "Winner" in resumed.stdout
    assert (out / "report.html").exists()
    again = subprocess.run([*command, "resume", str(out)], capture_output=True, text=True, timeout=240)
    assert again.returncode == 0
    assert "Winner" in again.stdout
