"""A search in Python with `run_dir`: killed, it goes on to the same result; other data and other calls are refused."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from own_modules import mlp
from sklearn.datasets import load_iris

import tenfold
from tenfold import BadInput, Module, Space
from tenfold.run.replay import replay
from tenfold.store.run_directory import Run

SPACE = {"network": Module(mlp, width=[4, 8], rate=0.2), "optimizer": {"adam": {"lr": [0.03, 0.003]}}, "epochs": 6}
# The third checkpoint kills the process: one is due at every update.
KILLED = """
import os, signal, sys
sys.path[:0] = {path!r}
from test_search_in_python import searched
from tenfold.run.checkpoint_journal import RunJournal
from tenfold.search.context import SearchContext
local, receive, seen = SearchContext.local, RunJournal.receive, []
SearchContext.local = staticmethod(lambda device, **options: local(device, every=0.0, **options))

def watched(self, message):
    receive(self, message)
    seen.append(message.kind)
    if seen.count("checkpoint") == 3:
        os.kill(os.getpid(), signal.SIGKILL)

RunJournal.receive = watched
searched({run_dir!r})
"""


def searched(run_dir=None, folds=3, **options):
    x, y = load_iris(return_X_y=True)
    return tenfold.search(
        Space.from_dict(SPACE),
        x,
        y,
        trials=4,
        folds=folds,
        strategy="halving",
        device="cpu",
        run_dir=run_dir,
        **options,
    )


def test_a_killed_search_of_a_module_goes_on_to_the_same_result(tmp_path):
    run_dir = str(tmp_path / "kept")
    code = KILLED.format(
        path=[str(Path(__file__).parent), str(Path(__file__).parent.parent / "engine")], run_dir=run_dir
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, timeout=300)
    assert done.returncode == -9, done.stderr
    resumed, whole = searched(run_dir), searched()
    assert resumed.table == whole.table
    again = searched(run_dir)
    assert again.table == whole.table
    for number in range(4):
        assert np.array_equal(again.trained.out_of_fold(number), whole.trained.out_of_fold(number), equal_nan=True)
    replayed = again.replay("all")
    assert len(replayed.trials) == 12
    assert replayed.comparable
    assert all(trial.equal for trial in replayed.trials), replayed.in_words()
    assert tenfold_check(run_dir) == "a search in Python keeps its work there, and its data are in Python"
    with pytest.raises(BadInput, match="begun with other seed"):
        searched(run_dir, seed=1, folds=_same_folds(whole))
    with pytest.raises(BadInput, match="X, y or the folds"):
        searched(run_dir, repeats=2)


def tenfold_check(run_dir):
    """What the replay of a directory says without the data."""
    with Run.read(Path(run_dir)) as run, pytest.raises(BadInput) as refused:
        replay(run, "all")
    assert "and then .replay('all')" in refused.value.do
    return refused.value.found


def _same_folds(found):
    return [(fold.train, fold.validation) for fold in found.trained.problem.folds]
