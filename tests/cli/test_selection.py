"""Selection from the command line: races, divisions, the lockbox and its ledger, what is kept."""

import json
import time

import numpy as np
import pandas as pd
import pytest

from tenfold import load

from .program import rows, tenfold, write

SLOW = pytest.mark.slow
SPACE = {
    "network": {"hidden": [[4], [6]], "activation": ["relu", "tanh"]},
    "optimizer": {"adam": {"lr": {"log_uniform": [1e-3, 0.1]}}}, "batch_size": 32, "epochs": 9,
}  # fmt: skip


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A table with patients who resemble themselves, an hour column, and the space as YAML."""
    path, rng = tmp_path_factory.mktemp("selection"), np.random.default_rng(0)
    patient = np.repeat(np.arange(40), 4)
    trait = rng.normal(size=(40, 4))
    label = rng.integers(0, 2, 40)[patient]
    frame = pd.DataFrame(trait[patient] + 0.05 * rng.normal(size=(160, 4)), columns=list("abcd"))
    frame["patient"] = [f"p{number}" for number in patient]
    frame["hour"] = pd.date_range("2024-01-01", periods=160, freq="h").strftime("%Y-%m-%d %H:%M")
    frame["ill"] = np.where(label == 1, "yes", "no")
    frame.to_csv(path / "visits.csv", index=False)
    (path / "space.yaml").write_text(json.dumps(SPACE))
    return path


def fit(folder, out, *options):
    arguments = (folder / "visits.csv", "--target", "ill", "--space", folder / "space.yaml", "--out", out, "--folds", 3)
    done = tenfold("fit", *arguments, *options)
    assert done.code == 0, done.err
    return done, json.loads((out / "summary.json").read_text())


@SLOW
def test_a_race_with_an_audit_and_repeats(folder, tmp_path):
    done, summary = fit(folder, tmp_path / "run", "--trials", 12, "--strategy", "halving", "--audit", "--repeats", 2)
    assert "12 recipes" in done.out
    assert "3 stratified folds x 2 repeats = 72 trials" in done.out
    assert "of 12 recipes go on" in done.out
    assert "wrong eliminations" in done.out
    assert summary["repeats"] == 2
    assert summary["trials"] == 72 == sum(summary["outcomes"].values())
    assert summary["outcomes"]["pruned"] > 0
    race = summary["racing"]
    assert race["epochs"] < race["epochs_of_all"] == 12 * 9 * 6
    assert race["rungs"][0]["entered"] == 12
    assert 0 <= race["audit"]["wrong"] <= race["audit"]["trained"]
    assert summary["best"]["corrected"] <= summary["best"]["cv_mean"]
    assert summary["best"]["spread"]["seeds"] is not None
    board = pd.read_csv(tmp_path / "run" / "leaderboard.csv")
    assert len(board) == 12
    assert board["outcomes"].str.contains("pruned").sum() == 9
    assert tenfold("check", tmp_path / "run").code == 0


def test_groups_stay_together_and_the_verdict_says_why_it_matters(folder, tmp_path):
    done, summary = fit(folder, tmp_path / "run", "--trials", 3, "--groups", "patient")
    assert "3 stratified folds, by patient" in done.out
    assert summary["division"] == "3 stratified folds, by patient"
    apart = summary["random_split"]
    assert apart["random"] > apart["divided"] + 0.1
    assert "rows of one 'patient' resemble each other" in done.out
    assert summary["rows"]["test"] % 4 == 0  # whole patients
    assert "patient" not in (tmp_path / "run" / "model" / "schema.json").read_text()


@SLOW
def test_time_with_a_gap(folder, tmp_path):
    done, summary = fit(folder, tmp_path / "run", "--trials", 2, "--time", "hour", "--gap", 4)
    assert "3 folds forward in time, by hour, 4 rows apart" in done.out
    assert summary["rows"]["development"] + summary["rows"]["test"] == 156
    assert "4 rows are left out" in done.out


@SLOW
def test_groups_within_time(folder, tmp_path):
    done, summary = fit(folder, tmp_path / "run", "--trials", 2, "--time", "hour", "--groups", "patient")
    assert summary["division"] == "3 folds forward in time, by hour, no patient on both sides"
    assert "rows of one 'patient' and rows near in time" in done.out or "makes little difference" in done.out
    page = (tmp_path / "run" / "report.html").read_text()
    assert "--groups patient --time hour" in page


@SLOW
@pytest.mark.parametrize("proposals", ["model", "sobol", "coarse-to-fine"])
def test_proposals(folder, tmp_path, proposals):
    _, summary = fit(folder, tmp_path / "run", "--trials", 12, "--proposals", proposals, "--holdout", 0)
    assert summary["recipes"] == 12
    board = pd.read_csv(tmp_path / "run" / "leaderboard.csv")
    assert board["settings"].nunique() == 12


@SLOW
def test_nested_and_both_ways_to_keep(folder, tmp_path):
    done, summary = fit(folder, tmp_path / "run", "--trials", 3, "--nested", "--keep", "both", "--rule", "one-se")
    assert len(summary["nested"]["scores"]) == 3
    assert "the search repeated inside every fold" in done.out
    assert summary["keep"]["choice"] == summary["best"]["kept"]
    assert "Kept: the" in done.out


@SLOW
def test_an_ensemble_predicts(folder, tmp_path):
    fit(folder, tmp_path / "run", "--trials", 2, "--keep", "ensemble")
    done = tenfold("predict", tmp_path / "run", folder / "visits.csv", "--proba")
    assert done.code == 0, done.err
    assert len(done.out.splitlines()) == 161


def test_a_blend_predicts_and_is_described(folder, tmp_path):
    run, space = tmp_path / "run", folder / "space.yaml"
    done = tenfold(
        "fit", "sklearn:diabetes", "--space", space, "--folds", 3, "--trials", 6, "--keep", "blend", "--out", run
    )
    assert done.code == 0, done.err
    summary = json.loads((run / "summary.json").read_text())
    model = summary["best"]["model"]
    assert summary["best"]["kept"] == "blend"
    assert model["networks"] == 3 * len(model["recipes"]) > 3
    assert sum(part["share"] for part in model["recipes"]) == pytest.approx(1)
    assert model["gain"] > 0
    assert model["corrected"] > summary["best"]["corrected"]
    assert f"What predicts: a blend of {len(model['recipes'])} recipes on 3 folds" in done.out
    assert f"{model['networks']} networks" in done.out
    assert len(load(run).members) == model["networks"]
    done = tenfold("predict", run, "sklearn:diabetes")
    assert done.code == 0, done.err
    assert len(done.out.splitlines()) == 443
    assert tenfold("check", run).code == 0


@SLOW
def test_refits_predict_and_a_short_time_is_kept(folder, tmp_path):
    done, summary = fit(folder, tmp_path / "run", "--trials", 2, "--keep", "refits")
    assert summary["best"]["model"]["networks"] == 5
    assert "the winner on all development rows, 5 networks" in done.out
    done, summary = fit(folder, tmp_path / "short", "--trials", 8, "--keep", "blend", "--time-limit", "20s")
    assert summary["seconds"]["total"] < 22


@SLOW
def test_the_lockbox_stays_shut_and_every_opening_is_on_the_ledger(folder, tmp_path):
    first, second = tmp_path / "runs" / "first", tmp_path / "runs" / "second"
    done, summary = fit(folder, first, "--trials", 2, "--no-test")
    assert summary["test"]["opened"] == 0
    assert summary["test"]["score"] is None
    assert "not opened" in done.out
    assert "tenfold test" in done.out
    opened = tenfold("test", first, "--json")
    test = json.loads(opened.out)["test"]
    assert test["opened"] == 1
    assert test["ledger"] == ["opened once"]
    assert test["rows"] == summary["rows"]["test"]
    assert json.loads((first / "summary.json").read_text())["test"] == test
    again = tenfold("test", first)
    assert again.code == 0
    assert "opened 2 times, by the same model: it is the same score of the same model" in again.out

    done, summary = fit(folder, second, "--trials", 2, "--keep", "refit")  # another model, the same rows
    assert summary["test"]["opened"] == 1
    assert "no longer an untouched test set" in done.out
    assert "runs/first" in done.out
    assert any("no longer an untouched" in line for line in summary["warnings"])
    told = tenfold("report", first)  # and in the first run's report from now on
    assert "runs/second" in told.out
    assert "runs/second" in (first / "report.html").read_text()
    assert json.loads((first / "summary.json").read_text())["test"]["opened"] == 2


def test_test_rows_from_a_file_of_their_own(folder, tmp_path):
    frame = pd.read_csv(folder / "visits.csv")
    frame.iloc[:40].to_csv(tmp_path / "new.csv", index=False)
    done, summary = fit(folder, tmp_path / "run", "--trials", 2, "--test", tmp_path / "new.csv", "--groups", "patient")
    assert summary["rows"] == {"development": 160, "test": 40}
    assert summary["test"]["rows"] == 40
    assert any("10 of the test file's values of 'patient' occur" in line for line in summary["warnings"])
    copies = next(line for line in summary["warnings"] if "40 of 40 test rows equal a development row" in line)
    assert f"\nwarning  {copies}\n" in done.out
    assert f"\nBeware: {copies}.\n" in done.out
    frame["ill"] = "perhaps"
    frame.to_csv(tmp_path / "odd.csv", index=False)
    done = tenfold("fit", folder / "visits.csv", "--target", "ill", "--test", tmp_path / "odd.csv")
    assert done.code == 2
    assert "the class 'perhaps'" in done.err


@SLOW
@pytest.mark.parametrize("strategy", ["halving", "exhaustive"])
def test_a_time_limit_is_kept(folder, tmp_path, strategy):
    """15 s, of which the start of Python takes up to 6 on a slow machine; bench has the figure."""
    space = {**SPACE, "epochs": 30_000, "batch_size": "full"}
    (tmp_path / "long.yaml").write_text(json.dumps(space))
    arguments = (folder / "visits.csv", "--target", "ill", "--space", tmp_path / "long.yaml", "--trials", 6)
    begun = time.monotonic()
    done = tenfold("fit", *arguments, "--strategy", strategy, "--time-limit", "15s", "--out", tmp_path / strategy)
    assert done.code == 0, done.err
    assert time.monotonic() - begun < 60  # all epochs of all recipes would take ten minutes
    summary = json.loads((tmp_path / strategy / "summary.json").read_text())
    assert summary["outcomes"].get("timeout", 0) > 0
    assert summary["test"]["score"] is not None


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--strategy", "fast"), ("--strategy fast", "halving")),
        (("--proposals", "magic"), ("--proposals magic", "sobol")),
        (("--rule", "worst"), ("--rule worst", "one-se")),
        (("--keep", "all"), ("--keep all", "ensemble")),
        (("--repeats", "0"), ("--repeats 0", "at least 1")),
        (("--gap", "3"), ("--gap 3 without --time",)),
        (("--groups", "ill"), ("--groups ill is the target",)),
        (("--groups", "pateint"), ("no column 'pateint'", "'patient'")),
        (("--nested", "--strategy", "halving"), ("--nested together with a race",)),
        (("--audit", "--strategy", "exhaustive"), ("--audit of an exhaustive search",)),
        (("--no-test", "--holdout", "0"), ("--no-test cannot be used with --holdout 0",)),
        (("--test", "nowhere.csv"), ("nowhere.csv",)),
        (("--time", "patient"), ("--time patient: the column is text", "dates or numbers")),
        (("--repeats", "101"), ("--repeats 101", "at most 100")),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) and str(value[0]).startswith("--") else "",
)
def test_what_cannot_be_is_refused(folder, tmp_path, options, words):
    done = tenfold("fit", folder / "visits.csv", "--target", "ill", "--out", tmp_path / "run", *options)
    assert done.code == 2
    assert done.out == ""
    assert "Traceback" not in done.err
    for word in words:
        assert word in done.err
    assert not (tmp_path / "run").exists()


def test_a_row_without_a_group_is_named_with_its_line(folder, tmp_path):
    frame = pd.read_csv(folder / "visits.csv")
    frame.loc[5, "patient"] = None
    frame.to_csv(tmp_path / "gap.csv", index=False)
    done = tenfold("fit", tmp_path / "gap.csv", "--target", "ill", "--groups", "patient")
    assert done.code == 2
    assert "1 rows have no value of --groups patient" in done.err
    assert "line 7" in done.err


def test_what_cannot_be_divided_again_is_refused_before_the_training(folder, tmp_path):
    frame = pd.read_csv(folder / "visits.csv").assign(site=lambda rows: np.arange(len(rows)) % 3)
    frame.to_csv(tmp_path / "sites.csv", index=False)
    arguments = ("fit", tmp_path / "sites.csv", "--target", "ill", "--groups", "site", "--holdout", 0, "--trials", 2)
    done = tenfold(*arguments, "--folds", 3, "--nested", "--out", tmp_path / "nested")
    assert done.code == 2
    assert "cannot be divided into 3 inner folds" in done.err
    assert not (tmp_path / "nested").exists()
    space = ("--space", folder / "space.yaml", "--folds", 3, "--keep", "both", "--out", tmp_path / "both")
    assert tenfold(*arguments, *space).code == 0  # two inner folds of two sites


def test_there_is_nothing_to_open_without_sealed_rows(folder, tmp_path):
    fit(folder, tmp_path / "run", "--trials", 1, "--holdout", 0)
    done = tenfold("test", tmp_path / "run")
    assert done.code == 2
    assert "sealed no test rows" in done.err


def test_recipes_that_are_never_wrong(tmp_path):
    x = np.r_[np.linspace(-9, -5, 30), np.linspace(5, 9, 30)]
    pd.DataFrame({"x": x, "y": np.where(x > 0, "up", "down")}).to_csv(tmp_path / "easy.csv", index=False)
    (tmp_path / "space.yaml").write_text(
        "network: {hidden: [[4], [5], [6]]}\nepochs: 12\noptimizer: {adam: {lr: 0.1}}\n"
    )
    options = ("--space", tmp_path / "space.yaml", "--folds", 3, "--holdout", 0, "--out", tmp_path / "run")
    done = tenfold("fit", tmp_path / "easy.csv", "--target", "y", *options)
    assert done.code == 0, done.err
    best = json.loads((tmp_path / "run" / "summary.json").read_text())["best"]
    assert best["cv_mean"] == 1
    assert best["interval"] == best["corrected_interval"] == [pytest.approx(0.025 ** (1 / 60)), 1]
    assert "1.0000 (the same score on every fold)" in done.out
    assert "a difference below 0 " not in done.out


@SLOW  # a journey leaves one out
def test_a_column_that_gives_the_target_away_is_left_out(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    lines = [f"{line},{'moved' if line.endswith('left') else ''}" for line in rows(120)]
    data = write(tmp_path / "data.csv", lines, "age,income,colour,when,churned,reason")
    fit = ("fit", data, "--target", "churned", "--trials", "1", "--folds", "3")
    leaky, clean = tenfold(*fit), tenfold(*fit, "--drop", "reason", "--drop", "when")
    assert "Beware: 'reason' alone predicts the target." in leaky.out
    assert "--drop reason" in leaky.out
    assert "Beware" not in clean.out
    assert "left out, as asked: 'reason', 'when'" in clean.out
    assert [column.name for column in load("runs/data-2").schema.columns] == ["age", "income", "colour"]
    assert tenfold("resume", "runs/data-2").code == 0
    for option, said in ((("--drop", "nothing"), "no column 'nothing'"), (("--drop", "churned"), "--target")):
        done = tenfold(*fit, *option)
        assert done.code == 2
        assert said in done.err
