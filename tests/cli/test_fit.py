"""`fit` on a table: the files of a run, what they say, and the verbs that read them."""

import csv
import html
import json
import re
import shutil
import subprocess
import sys

import numpy as np
import pytest

from tenfold import Recipe, Space, load
from tenfold.store.check import check

from .program import SPACE, rows, tenfold, write

FILES = {"run.db", "summary.json", "leaderboard.csv", "trials.csv", "metrics.csv", "recipe.yaml", "report.html"}
FOLDS, TRIALS = 3, 3


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    found = tmp_path_factory.mktemp("fit")
    write(found / "churn.csv", rows())
    (found / "space.yaml").write_text(SPACE)
    return found


@pytest.fixture(scope="module")
def said(folder):
    """A real process: fit, with --json."""
    command = [sys.executable, "-m", "tenfold.cli.main", "fit", "churn.csv", "--target", "churned", "--json"]
    command += [
        "--space",
        "space.yaml",
        "--trials",
        str(TRIALS),
        "--folds",
        str(FOLDS),
        "--out",
        "a run",
        "--seed",
        "1",
    ]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    return json.loads(done.stdout)


@pytest.fixture(scope="module")
def run(folder, said):
    return folder / "a run"


def table(path):
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def test_the_files_of_a_run(run, said):
    assert FILES | {"model"} <= {path.name for path in run.iterdir()}
    assert json.loads((run / "summary.json").read_text()) == said
    assert not [path for path in run.rglob("*") if path.suffix in (".pkl", ".pickle", ".tmp")]
    assert check(run) == []


def test_the_summary_has_every_key(said):
    assert (said["schema"], said["run"], said["seed"]) == (1, "a run", 1)
    assert (said["task"], said["metric"], said["higher_is_better"]) == ("classification", "accuracy", True)
    assert said["rows"] == {"development": 72, "test": 18}
    assert (said["folds"], said["recipes"], said["trials"]) == (FOLDS, TRIALS, FOLDS * TRIALS)
    assert set(said["baselines"]) == {"dummy", "linear", "boosting"}
    assert all(0 <= value <= 1 for value in said["baselines"].values())
    assert said["positive_class"] == "stayed"
    assert {"recipe", "cv_mean", "cv_se", "corrected", "interval"} <= set(said["best"])
    assert said["best"]["interval"][0] <= said["best"]["cv_mean"] <= said["best"]["interval"][1]
    assert {"recipe", "cv_mean", "p_value"} <= set(said["runner_up"])
    assert said["runner_up"]["cv_mean"] <= said["best"]["cv_mean"]
    assert 0 <= said["runner_up"]["p_value"] <= 1
    assert said["outcomes"] == {"ok": FOLDS * TRIALS, "pruned": 0, "diverged": 0}
    assert said["findings"] == []  # nothing failed
    assert said["warnings"] == [*dict.fromkeys(said["warnings"])]  # each once
    assert said["test"]["opened"] == 1
    assert said["test"]["interval"][0] <= said["test"]["score"] <= said["test"]["interval"][1]
    assert 0 < said["seconds"]["training"] < said["seconds"]["total"]


def test_the_recipes_are_those_of_the_space(run, said):
    best = Recipe.from_dict(said["best"]["recipe"])
    assert best == Recipe.from_yaml(run / "recipe.yaml")
    page = (run / "report.html").read_text()
    shown = re.search(r"95 % interval \[([\d.]+), ([\d.]+)\]", page)
    assert [float(bound) for bound in shown.groups()] == pytest.approx(said["best"]["interval"], abs=1e-4)
    second = re.search(r"Runner-up: [^(]*\((?:significant|not distinguishable), p = ([\d.e-]*\d)", page)
    assert float(second[1]) == pytest.approx(said["runner_up"]["p_value"], rel=0.1, abs=0.006)
    assert f'<pre tabindex="0">{html.escape(best.to_yaml())}</pre>' in page
    sample = Space.from_yaml(SPACE).sample(TRIALS, seed=1)
    assert best in sample
    assert [Recipe.from_dict(json.loads(line["settings"])) for line in table(run / "leaderboard.csv")] == [
        sample[int(line["recipe"])] for line in table(run / "leaderboard.csv")
    ]


def test_the_tables_agree(run, said):
    board, trials, metrics = (table(run / f"{name}.csv") for name in ("leaderboard", "trials", "metrics"))
    assert [line["rank"] for line in board] == ["1", "2", "3"]
    means = [float(line["mean"]) for line in board]
    assert means == sorted(means, reverse=True)
    assert means[0] == said["best"]["cv_mean"]
    assert len(trials) == FOLDS * TRIALS
    assert len(metrics) == FOLDS * TRIALS * 4
    for line in board:
        mine = [trial for trial in trials if trial["recipe"] == line["recipe"]]
        assert [trial["score"] for trial in mine] == [line[f"fold_{f}"] for f in range(FOLDS)]
        assert float(line["mean"]) == pytest.approx(np.mean([float(trial["score"]) for trial in mine]))
        for trial in mine:
            here = [m for m in metrics if (m["recipe"], m["fold"]) == (trial["recipe"], trial["fold"])]
            assert here[int(trial["epoch"]) - 1]["score"] == trial["score"]


def test_the_report_shows_the_winner_and_needs_nothing_from_elsewhere(run, said):
    page = (run / "report.html").read_text()
    assert Recipe.from_dict(said["best"]["recipe"]).describe() in page
    assert "<svg" in page
    assert "<script" not in page
    assert "src=" not in page


def test_check_finds_a_changed_byte(run, tmp_path):
    assert tenfold("check", run).code == 0
    assert json.loads(tenfold("check", run, "--json").out) == {"ok": True, "problems": []}
    shutil.copytree(run, tmp_path / "copy")
    blob = max((tmp_path / "copy").glob("blobs/**/*"), key=lambda path: path.is_file() * path.stat().st_size)
    raw = blob.read_bytes()
    blob.chmod(0o644)
    blob.write_bytes(raw[:-1] + bytes([raw[-1] ^ 1]))
    done = tenfold("check", tmp_path / "copy")
    assert done.code == 1
    assert blob.name[:8] in done.out
    problems = json.loads(tenfold("check", tmp_path / "copy", "--json").out)
    assert not problems["ok"]
    assert len(problems["problems"]) == 1


def test_a_changed_model_is_refused(run, tmp_path, folder):
    shutil.copytree(run, tmp_path / "copy")
    weights = next((tmp_path / "copy" / "model").glob("*.safetensors"))
    raw = weights.read_bytes()
    weights.chmod(0o644)
    weights.write_bytes(raw[:-1] + bytes([raw[-1] ^ 1]))
    done = tenfold("predict", tmp_path / "copy", folder / "churn.csv")
    assert (done.code, done.out) == (1, "")
    assert weights.name in done.err


def test_report_writes_it_again(run):
    before = (run / "report.html").read_text()
    (run / "report.html").unlink()
    done = tenfold("report", run)
    assert done.code == 0
    assert done.out.startswith("Winner: ")
    assert (run / "report.html").read_text() == before
    assert json.loads(tenfold("report", run, "--json").out)["summary"]["recipes"] == TRIALS


def test_resume_of_a_finished_run_says_the_verdict_again(run, said):
    again = json.loads(tenfold("resume", run, "--json").out)
    assert again["test"]["opened"] == 1
    assert {**again, "seconds": None} == {**said, "seconds": None}
    first, *rest = tenfold("resume", run).out.splitlines()
    assert first.endswith("is finished: nothing left to do")
    assert not any(line.endswith("...") for line in rest)  # no step is done again


def test_the_test_rows_are_scored_by_the_stored_model(run, said, folder):
    """The sealed score again, from the outside: the model on the rows that the seed seals."""
    from tenfold.data.split.holdout import hold_out

    lines = rows()
    labels = np.array([line.rsplit(",", 1)[1] for line in lines])
    test = hold_out((labels == "stayed").astype(int), 0.2, classification=True, seed=1)[1]
    prediction = load(run).predict(folder / "churn.csv")
    assert np.mean(prediction[test] == labels[test]) == pytest.approx(said["test"]["score"])


# ---- other ways to call it --------------------------------------------------------------------------------------


def test_words_for_people(folder, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "recipe.yaml").write_text("network: {hidden: [4]}\nepochs: 2\n")
    arguments = ("fit", folder / "churn.csv", "--target", "churned", "--recipe", "recipe.yaml", "--folds", 2)
    done = tenfold(*arguments, "--holdout", 0)
    assert done.code == 0, done.err
    for words in (
        "development rows",
        "plan ",
        "1 recipe x 2 stratified folds",
        "baselines on the same folds",
        "Winner: 4 ReLU",
    ):
        assert words in done.out
    assert "Sealed test set" not in done.out
    assert "tenfold predict runs/churn-1" in done.out
    summary = json.loads((tmp_path / "runs" / "churn-1" / "summary.json").read_text())
    assert summary["test"] == {"opened": 0, "score": None, "interval": None, "ledger": []}
    assert summary["runner_up"] is None
    assert summary["rows"] == {"development": 90, "test": 0}
    assert tenfold(*arguments, "--holdout", 0, "--json").code == 0
    assert (tmp_path / "runs" / "churn-2").exists()


def test_a_dry_run_makes_nothing(folder, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    arguments = ("fit", folder / "churn.csv", "--target", "churned", "--dry-run", "--out", "there")
    done = tenfold(*arguments)
    assert done.code == 0
    assert "plan " in done.out
    plan = json.loads(tenfold(*arguments, "--json").out)
    assert (plan["task"], plan["folds"], plan["rows"]["test"]) == ("classification", 5, 18)
    assert [column["kind"] for column in plan["card"]["columns"]] == ["number", "number", "category", "date"]
    assert list(tmp_path.iterdir()) == []


def test_regression(tmp_path):
    lines = [f"{1.37 * i:.2f},{np.sin(i):.4f},{1000 + 20 * i + 5 * np.sin(9 * i):.3f}" for i in range(60)]
    data = write(tmp_path / "price.csv", lines, "n,s,price")
    (tmp_path / "recipe.yaml").write_text(
        "network: {hidden: [16]}\noptimizer: {adam: {lr: 0.05}}\nepochs: 30\nbatch_size: 16\n"
    )
    options = ("--recipe", tmp_path / "recipe.yaml", "--folds", 2, "--metric", "rmse", "--out", tmp_path / "run")
    done = tenfold("fit", data, "--target", "price", *options, "--json")
    assert done.code == 0, done.err
    summary = json.loads(done.out)
    assert (summary["task"], summary["metric"], summary["higher_is_better"]) == ("regression", "rmse", False)
    assert summary["positive_class"] is None
    assert summary["best"]["cv_mean"] < summary["baselines"]["dummy"]
    predicted = tenfold("predict", tmp_path / "run", data)
    values = [float(line) for line in predicted.out.splitlines()[1:]]
    assert len(values) == 60
    assert 500 < min(values) < max(values) < 2700
    refused = tenfold("predict", tmp_path / "run", data, "--proba")
    assert refused.code == 2
    assert "--proba" in refused.err


def test_everything_diverging_is_exit_one_with_a_report(folder, tmp_path):
    (tmp_path / "recipe.yaml").write_text("network: {hidden: [4]}\noptimizer: {sgd: {lr: 1e30}}\nepochs: 2\n")
    arguments = ("fit", folder / "churn.csv", "--target", "churned", "--recipe", tmp_path / "recipe.yaml")
    done = tenfold(*arguments, "--folds", 2, "--out", tmp_path / "run", "--json")
    assert done.code == 1
    assert "2 diverged" in done.err
    summary = json.loads(done.out)
    assert summary["best"] is None
    assert summary["outcomes"]["diverged"] == 2
    assert summary["test"]["opened"] == 0
    assert (tmp_path / "run" / "report.html").exists()


def test_a_space_takes_the_options_that_change_what_it_is_for(folder):
    write(folder / "stars.csv", [f"{line.rsplit(',', 1)[0]},{1 + i % 5}" for i, line in enumerate(rows())])
    command = ("space", folder / "stars.csv", "--target", "churned", "--json")
    plain = tenfold(*command).out
    other = tenfold(*command, "--task", "regression", "--drop", "when")
    assert other.code == 0, other.err
    assert other.out != plain
    assert tenfold(*command, "--drop", "wen").err.startswith("tenfold: ")


def test_a_space_of_one_recipe_is_said_in_the_singular(folder, tmp_path):
    (tmp_path / "one.yaml").write_text("epochs: 3\n")
    options = ("--space", tmp_path / "one.yaml", "--trials", 4, "--dry-run", "--folds", 2)
    done = tenfold("fit", folder / "churn.csv", "--target", "churned", *options)
    assert "the space has 1 distinct recipe, fewer than the 4 asked for" in done.out


def test_classes_that_are_numbers_could_be_a_regression(folder):
    write(folder / "stars.csv", [f"{line.rsplit(',', 1)[0]},{1 + i % 5}" for i, line in enumerate(rows())])
    ask = ("--target", "churned", "--dry-run")
    said = "task     classification: the target is integers with 5 distinct values, at most 20"
    done = tenfold("fit", folder / "stars.csv", *ask)
    assert f"{said}; numbers in order? --task regression\n" in done.out
    assert "numbers in order?" not in tenfold("fit", folder / "stars.csv", *ask, "--task", "regression").out
    assert "numbers in order?" not in tenfold("fit", folder / "churn.csv", *ask).out
    write(folder / "flag.csv", [f"{line.rsplit(',', 1)[0]},{i % 2}" for i, line in enumerate(rows())])
    done = tenfold("fit", folder / "flag.csv", *ask)
    assert "the target is integers with 2 distinct values" in done.out
    assert "--task" not in done.out
    assert "numbers in order?" not in tenfold("fit", "sklearn:digits", "--dry-run").out


def test_recipes_and_space_parse_back(folder):
    assert Recipe.from_yaml(tenfold("recipes").out) == Recipe()
    assert Recipe.from_dict(json.loads(tenfold("recipes", "--json").out)["recipe"]) == Recipe()
    done = tenfold("space", folder / "churn.csv", "--target", "churned")
    assert done.code == 0
    plain = json.loads(tenfold("space", folder / "churn.csv", "--target", "churned", "--json").out)["space"]
    assert Space.from_yaml(done.out).sample(5) == Space.from_dict(plain).sample(5)


def test_several_metrics_are_reported_at_once(tmp_path):
    write(tmp_path / "churn.csv", rows())
    (tmp_path / "one.yaml").write_text("network: {hidden: [4]}\nepochs: 3\n")
    command = ("fit", tmp_path / "churn.csv", "--target", "churned", "--recipe", tmp_path / "one.yaml", "--folds", 2)
    done = tenfold(*command, "--metrics", "log_loss, accuracy,roc_auc", "--keep", "refit", "--out", tmp_path / "run")
    assert done.code == 0, done.err
    assert re.search(r"^Log loss 0\.\d+ \+- 0\.\d+ over 2 folds", done.out, re.MULTILINE)
    assert "metric   log loss (asked for); accuracy, ROC AUC reported besides\n" in done.out
    line = next(line for line in done.out.splitlines() if line.startswith("The same predictions by other metrics: "))
    assert re.search(r"accuracy 0\.\d+ \+- [\d.]+ \(dummy 0\.\d+, linear 0\.\d+, boosting 0\.\d+\); ROC AUC 0\.", line)
    summary = json.loads((tmp_path / "run" / "summary.json").read_text())
    assert summary["metric"] == "log_loss"
    assert list(summary["best"]["metrics"]) == ["log_loss", "accuracy", "roc_auc"]
    assert summary["best"]["metrics"]["log_loss"]["mean"] == summary["best"]["cv_mean"]
    assert summary["baseline_metrics"]["dummy"]["log_loss"] == summary["baselines"]["dummy"]
    assert summary["baseline_metrics"]["dummy"]["roc_auc"] == 0.5
    header = (tmp_path / "run" / "leaderboard.csv").read_text().splitlines()[0].split(",")
    assert header[6:9] == ["accuracy", "roc_auc", "epochs"]
    assert "recipe,fold,seed,score,accuracy,roc_auc,outcome,epoch" in (tmp_path / "run" / "trials.csv").read_text()
    page = (tmp_path / "run" / "report.html").read_text()
    assert "mean over the folds</th>" in page
    assert '<th class="r">ROC AUC</th>' in page
    assert "--metrics log_loss,accuracy,roc_auc" in page
    for given, message in (("accuracy,accuracy", "named twice"), ("accuracy,r2", "not one for classification")):
        done = tenfold(*command, "--metrics", given, "--out", tmp_path / "other")
        assert done.code == 2
        assert message in done.err
