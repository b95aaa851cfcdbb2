"""A network of the user's own on the command line: its file is named on the line, and never by what is stored."""

import json
import os
import signal
import subprocess
import sys

import numpy as np
import pytest

from .program import tenfold, write

CODE = """
import torch
from torch import nn


def make_model(input_shape, outputs, width=4):
    return nn.Sequential(nn.Linear(input_shape[0], width), nn.Sigmoid(), nn.Dropout(0.1), nn.Linear(width, outputs))


class Both(nn.Module):
    def __init__(self, input_shape, outputs):
        super().__init__()
        self.words, self.numbers = nn.Embedding(5, 3), nn.Linear(input_shape["numbers"][0], 3)
        self.out = nn.Linear(3, outputs)

    def forward(self, words, numbers):
        return self.out(torch.tanh(self.words(words).mean(1) + self.numbers(numbers)))


class Tokens(nn.Module):
    def __init__(self, outputs):
        super().__init__()
        self.words, self.out = nn.Embedding(5, 3), nn.Linear(3, outputs)

    def forward(self, x):
        return self.out(self.words(x).mean(1))


def half(outputs, targets):
    return nn.functional.cross_entropy(outputs, targets) / 2


ONE = nn.Linear(2, 2)
"""
SPACE = """
network: {module: {make_model: make_model, width: [3, 4]}}
optimizer: {adam: {lr: [0.01, 0.03]}}
epochs: 4
batch_size: 16
"""
ROWS = 60


def table(rng):
    """Two numbers, of which some are missing, and a class."""
    x = rng.normal(size=(ROWS, 2))
    cells = [f"{a:.3f},{'' if i % 19 == 3 else f'{b:.3f}'}" for i, (a, b) in enumerate(x)]
    return [f"{row},{'yes' if a + b > 0 else 'no'}" for row, (a, b) in zip(cells, x, strict=True)]


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A folder with the user's file, a table and arrays, and a run on the table."""
    folder = tmp_path_factory.mktemp("own")
    (folder / "my_model.py").write_text(CODE)
    (folder / "space.yaml").write_text(SPACE)
    (folder / "recipe.yaml").write_text("epochs: 3\noptimizer: adam\n")
    rng = np.random.default_rng(0)
    write(folder / "data.csv", table(rng), "a,b,kind")
    words, numbers = rng.integers(0, 5, (ROWS, 4)), rng.normal(size=(ROWS, 2))
    y = np.array(["no", "yes"])[(words.sum(1) > 8).astype(int)]
    np.savez(folder / "both.npz", words=words, numbers=numbers, y=y)
    np.savez(folder / "tokens.npz", X=words, y=y)
    np.savez(folder / "new.npz", words=words[:3], numbers=numbers[:3])
    done = fit(folder, "data.csv", "make_model", "--space", "space.yaml", "--out", folder / "run", target="kind")
    assert done.code == 0, done.err
    return folder


def fit(folder, data, function, *options, target=None):
    named = ("--target", target) if target else ()
    paths = [folder / option if str(option).endswith(".yaml") else option for option in options]
    module = ("--module", f"{folder / 'my_model.py'}:{function}")
    return tenfold("fit", folder / data, *named, *module, "--folds", 3, "--no-test", *paths)


def given(folder, function="make_model"):
    return "--module", f"{folder / 'my_model.py'}:{function}"


def test_no_stored_file_names_the_file_or_holds_code(place):
    for path in (place / "run").rglob("*"):
        if path.is_file():
            content = path.read_bytes()
            assert b"my_model.py" not in content, path
            assert b"nn.Sigmoid" not in content, path
    assert "--module FILE.py:make_model" in (place / "run" / "report.html").read_text()


@pytest.mark.parametrize(
    "verb", [["predict", "RUN", "DATA"], ["resume", "RUN"], ["test", "RUN"], ["check", "RUN", "--replay", "all"],
             ["export", "RUN", "m.onnx"]],
)  # fmt: skip
def test_verbs_that_compute_ask_for_the_function_and_go_on_with_it(place, verb, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    known = {"RUN": place / "run", "DATA": place / "data.csv"}
    command = [known.get(part, part) for part in verb]
    refused = tenfold(*command)
    assert refused.code == 2
    assert "'make_model', of which only the name is stored" in refused.err
    assert "try: --module FILE:make_model" in refused.err
    done = tenfold(*command, *given(place))
    assert done.code == 0, done.err
    if verb[0] == "check":
        assert "12 trials trained again: 12 the same bits" in done.out
    if verb[0] == "predict":
        assert len(done.out.splitlines()) == ROWS + 1


@pytest.mark.parametrize("verb", ["report", "check"])
def test_verbs_that_read_facts_need_no_function(place, verb):
    assert tenfold(verb, place / "run").code == 0


def test_another_file_is_no_longer_the_network_that_was_trained(place, tmp_path):
    other = tmp_path / "my_model.py"
    other.write_text(CODE + "# changed\n")
    option = ("--module", f"{other}:make_model")
    refused = tenfold("resume", place / "run", *option)
    assert refused.code == 2
    assert "the file of make_model is not what it was" in refused.err
    warned = tenfold("predict", place / "run", place / "data.csv", *option)
    assert warned.code == 0
    assert "warning: the file of make_model is not what it was when the model was trained" in warned.err


def test_arrays_by_name_and_tokens_without_y(place):
    done = fit(place, "both.npz", "Both", "--recipe", "recipe.yaml", "--out", place / "both", "--json")
    assert done.code == 0, done.err
    assert json.loads(done.out)["best"]["recipe"]["network"] == {"module": {"make_model": "Both"}}
    found = tenfold("predict", place / "both", place / "new.npz", *given(place, "Both"))
    assert found.code == 0, found.err
    assert len(found.out.splitlines()) == 4
    lacking = tenfold("predict", place / "both", place / "tokens.npz", *given(place, "Both"))
    assert "no array 'words' (arrays: X, y)" in lacking.err
    tokens = fit(place, "tokens.npz", "Tokens", "--recipe", "recipe.yaml", "--dry-run")
    assert tokens.code == 0, tokens.err
    assert "X: int64, 4 for each row, 0 to 4" in tokens.out
    assert "the linear and the boosting baseline see the 4 numbers of each row" in tokens.out


def test_without_a_space_rates_and_decays_are_tried_around_the_module(place):
    done = fit(place, "data.csv", "make_model", "--dry-run", "--trials", "5", target="kind")
    assert done.code == 0, done.err
    assert "5 recipes of 1 shape" in done.out
    assert "make_model: its lanes are trained stacked" in done.out


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"X": np.zeros((9, 2), int)}, "no array 'y'"),
        ({"y": np.arange(9)}, "no array beside y"),
        ({"a": np.zeros((9, 2)), "b": np.zeros((8, 2)), "y": np.arange(9)}, "9, 8 rows"),
        ({"X": np.zeros((8, 2), int), "y": np.arange(9)}, "X have 8 rows and y 9"),
        ({"X": np.zeros((9, 2), int), "y": np.zeros((9, 2))}, "y has the shape"),
        ({"words": np.full((9, 2), "a"), "y": np.arange(9)}, "values of type"),
        ({"words": np.full((9, 2), None), "y": np.arange(9)}, "Python objects, which could execute code"),
    ],
)
def test_other_arrays_are_refused_with_what_was_found(place, arrays, message, tmp_path):
    np.savez(tmp_path / "data.npz", **arrays)
    done = tenfold("fit", tmp_path / "data.npz", *given(place, "Both"))
    assert done.code == 2
    assert message in done.err


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--module", "FILE:no_model"], "there is no 'no_model' in it"),
        (["--module", "FILE:ONE"], "ONE is a Linear, one module"),
        (["--module", "FILE"], "expected: FILE:FUNCTION"),
        (["--module", "none.py:make_model"], "there is no such file"),
        (["--module", "broken.py:make_model"], "broken.py:2: it fails: ZeroDivisionError"),
        (["--module", "FILE:make_model", "--recipe", "realmlp"], "together with --recipe realmlp"),
        (["--module", "FILE:make_model", "--recipe", "ours.yaml"], "beside a recipe whose network has layers of ours"),
        (["--module", "FILE:Both", "--space", "space.yaml"], "a function 'make_model'; given: Both"),
        (["--space", "space.yaml"], "the space: the network is made by a function 'make_model'"),
        (["--recipe", "space.yaml"], "this is a space"),
    ],
)
def test_what_does_not_fit_is_refused(place, options, message, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "broken.py").write_text("\n1 / 0\n")
    (tmp_path / "ours.yaml").write_text("network: {hidden: [4]}\n")
    (tmp_path / "space.yaml").write_text(SPACE)
    named = [option.replace("FILE", str(place / "my_model.py")) for option in options]
    done = tenfold("fit", place / "data.csv", "--target", "kind", *named)
    assert done.code == 2
    assert message in done.err


def test_the_next_commands_name_the_file_again(place):
    done = tenfold("resume", place / "run", *given(place))
    assert f"tenfold predict {place / 'run'} NEW_DATA -o predictions.csv --module {place}" in done.out


def test_a_loss_is_named_by_a_second_function(place):
    (place / "loss.yaml").write_text("network: {module: {make_model: make_model, loss: half}}\nepochs: 2\n")
    lacking = fit(place, "data.csv", "make_model", "--recipe", "loss.yaml", "--dry-run", target="kind")
    assert lacking.code == 2
    assert "a function 'half', of which only the name is stored" in lacking.err
    done = fit(place, "data.csv", "make_model", "--recipe", "loss.yaml", *given(place, "half"), "--dry-run",
               target="kind")  # fmt: skip
    assert done.code == 0, done.err


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
def test_a_stopped_or_killed_run_goes_on_to_the_same_bits(place, number, tmp_path):
    (tmp_path / "space.yaml").write_text(SPACE.replace("epochs: 4", "epochs: 60"))
    common = ["fit", place / "data.csv", "--target", "kind", *given(place), "--space", tmp_path / "space.yaml",
              "--folds", 3, "--no-test"]  # fmt: skip
    whole, stopped = tmp_path / "whole", tmp_path / "stopped"
    assert tenfold(*common, "--out", whole).code == 0
    command = [sys.executable, "-c", EVERY_CHECKPOINT, *map(str, [*common, "--out", stopped])]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=os.environ)
    assert process.stdout is not None
    for line in process.stdout:
        if line.startswith(" 2") and "trained" in line:
            break
    process.send_signal(number)
    _, err = process.communicate(timeout=240)
    assert process.returncode in (130, -signal.SIGKILL), err
    assert not (stopped / "leaderboard.csv").exists(), "it was over before the stop"
    assert "go on with: tenfold resume" in err or number == signal.SIGKILL
    assert tenfold("resume", stopped).code == 2
    done = tenfold("resume", stopped, *given(place))
    assert done.code == 0, done.err
    for name in ("leaderboard.csv", "trials.csv", "metrics.csv", "model/manifest.json"):
        assert (stopped / name).read_bytes() == (whole / name).read_bytes(), name
    again = tenfold("check", stopped, "--replay", "6", *given(place))
    assert again.code == 0
    assert "6 trials trained again: 6 the same bits" in again.out


# A checkpoint at every update, and each of them slow: there is time to stop.
EVERY_CHECKPOINT = """
import sys, time
from tenfold.cli.main import entry
from tenfold.run.fit import Fit
from tenfold.run.checkpoint_journal import RunJournal
Fit.every, receive = 0.0, RunJournal.receive


def slowly(self, message):
    receive(self, message)
    time.sleep(0.01)


RunJournal.receive = slowly
sys.argv[0] = "tenfold"
entry()
"""
