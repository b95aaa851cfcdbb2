"""What the page says of a run, from the ordinary to the empty."""

import hashlib
import json
import os
import re
import subprocess
import sys
from copy import deepcopy
from pathlib import Path

import matplotlib as mpl
import numpy as np
import pytest
from hypothesis import Phase, given, settings, strategies as st

from tenfold.report import figures, words
from tenfold.report.run_page import render

SAMPLE = Path(__file__).parent / "breast_cancer.json"
ORDER = ["Verdict", "Winner", "Scores", "Uncertainty", "Racing", "Leaderboard",
         "Learning curves of the winner", "All recipes",
         "Outcomes and warnings", "Data card", "How to repeat this run"]  # fmt: skip
DRAW = """
import hashlib, json, sys
from tenfold.report.run_page import render
print(hashlib.sha256(render(json.load(sys.stdin)).encode()).hexdigest())
"""


def text_of(page, elements):
    return re.sub(r"\s+", " ", " ".join(elements(page).text))


def headings(page):
    return re.findall(r"<h2>(.*?)</h2>", page)


def without_winner(data):
    data["summary"] |= {"best": None, "runner_up": None, "outcomes": {"ok": 0, "pruned": 0, "diverged": 120}}
    data["summary"]["test"] = {"opened": 0, "score": None, "interval": None, "ledger": []}
    for row in data["leaderboard"]:
        row |= {"mean": None, "se": None, "scores": [None] * 5, "outcomes": {"diverged": 5}, "epochs": 0}
    none = {"curves": {}, "recipe_yaml": "", "ledger": [], "tested": []}
    return data | none | {"verdict": ["No recipe has a score: 120 diverged."]}


def many(data, recipes):
    row = data["leaderboard"][-1]
    more = [{**deepcopy(row), "rank": rank} for rank in range(len(data["leaderboard"]) + 1, recipes + 1)]
    data["leaderboard"] += more
    data["summary"] |= {"recipes": recipes, "trials": 5 * recipes}
    return data


def test_sections_numbers_and_sentences(data, elements):
    page = render(data)
    text = text_of(page, elements)
    assert headings(page) == ORDER
    assert data["verdict"]
    for line in data["verdict"] + data["tested"]:
        assert line in text
    summary = data["summary"]
    for value in (summary["best"]["cv_mean"], summary["test"]["score"], *summary["baselines"].values()):
        assert f"{value:.4f}" in text
    assert f"corrected for having been picked it is {summary['best']['corrected']:.4f}" in text
    assert "5 stratified folds" in text
    race = summary["racing"]
    assert f"Halving trained {race['epochs']:,} of {race['epochs_of_all']:,} epochs" in text
    assert f"{race['audit']['wrong']} would have won" in text
    assert "unknown with one seed" in text
    assert "455 development rows, 114 sealed; 5 folds; seed 0." in text
    assert "tenfold fit sklearn:breast_cancer --trials 24 --seed 0" in text
    assert "tenfold predict breast_cancer-1 new.csv -o predictions.csv" in text
    assert "The sealed rows: opened once." in text
    assert "2026-11-23" in text
    assert all(row["recipe"] in text for row in data["leaderboard"])
    assert all(column["name"] in text for column in data["card"]["columns"])
    assert len(page) < 200_000


def test_regression(samples, elements):
    data = samples["diabetes"]
    page = render(data)
    assert headings(page) == [name for name in ORDER if name != "Racing"]
    assert "× 2 seeds" in text_of(page, elements)
    assert "nested: the search repeated inside every fold" in text_of(page, elements)
    assert {"RMSE", "Validation R2", "Training loss"} <= {part.strip() for part in elements(page).text}
    assert f"{data['summary']['best']['scores']['rmse']:.4g}" in text_of(page, elements)


@pytest.mark.slow
def test_the_same_bytes_in_every_process():
    environment = os.environ | {"PYTHONHASHSEED": "1", "PYTHONPATH": os.pathsep.join(sys.path)}
    with SAMPLE.open() as sample:
        out = subprocess.run(
            [sys.executable, "-c", DRAW], stdin=sample, env=environment, capture_output=True, check=True
        )
    data = json.loads(SAMPLE.read_text())
    here = [hashlib.sha256(render(data).encode()).hexdigest() for _ in range(2)]
    assert [out.stdout.decode().strip()] * 2 == here


def test_rendering_leaves_the_data_and_matplotlib_alone(data):
    before, style = deepcopy(data), dict(mpl.rcParams)
    render(data)
    assert data == before
    assert dict(mpl.rcParams) == style


def test_no_winner(data, elements):
    page = render(without_winner(data))
    text = text_of(page, elements)
    left = [
        name
        for name in ORDER
        if name in ("Verdict", "Leaderboard", "Outcomes and warnings", "Data card", "How to repeat this run")
    ]
    assert [name for name in headings(page) if name != "Baselines"] == left
    assert "No recipe has a score: 120 diverged." in text
    assert "the loss became infinite or not a number" in text
    assert "a lower learning rate" in text
    assert "The 114 sealed rows have not been opened." in text
    assert "tenfold check" in text
    assert "tenfold predict" not in text
    assert not re.search(r"\b(nan|None)\b", text)


def test_without_scores_there_is_no_range_of_them(data, elements):
    text = text_of(render(without_winner(data)), elements)
    assert "– to –" not in text
    assert "folds, 0." not in text


def test_recipes_that_score_alike_have_an_axis_near_their_score():
    drawn = str(figures.recipes_figure([1.0] * 5, 1.0, [], "accuracy"))
    written = re.findall(r">([^<>]+)</(?:\w+:)?text>", drawn)
    assert {"0.97", "0.98", "0.99", "1.00", "1.01", "1.02", "1.03"} >= set(written) - {"0", "2", "4", "6"} - {
        "recipes", "mean accuracy over the folds", "Winner 1.0000",
    }  # fmt: skip


def test_one_recipe_one_score_missing_no_test_rows(data, elements):
    data["leaderboard"] = data["leaderboard"][:1]
    row = data["leaderboard"][0]
    row |= {
        "scores": [row["scores"][0], None, *row["scores"][2:]],
        "se": float("nan"),
        "outcomes": {"ok": 4, "timeout": 1},
    }
    data["summary"] |= {"recipes": 1, "trials": 5, "runner_up": None, "rows": {"development": 455, "test": 0}}
    data["summary"]["best"] |= {"interval": [float("nan"), None]}
    data["summary"]["test"] = {"opened": 0, "score": None, "interval": None, "ledger": []}
    data["curves"]["score"][1] = [None] * len(data["curves"]["score"][1])
    data["ledger"] = data["tested"] = []
    text = text_of(render(data), elements)
    assert "The recipe reaches accuracy" in text
    assert "tenfold fit sklearn:breast_cancer --seed 0" in text
    assert "± –" in text
    assert "4 ok, 1 timeout" in text
    assert "No rows were sealed: there is no test score." in text
    assert not re.search(r"\b(nan|None)\b", text)


def test_one_epoch_and_one_fold(data):
    data["curves"] = {name: [[0.5]] for name in data["curves"]}
    data["summary"]["best"]["epochs"] = 1
    data["leaderboard"][0]["scores"] = [0.9]
    assert headings(render(data)) == ORDER


def test_300_recipes_and_200_columns_are_folded_away(data, elements):
    column = data["card"]["columns"][0]
    data["card"]["columns"] = [{**column, "name": f"column_{i}"} for i in range(200)]
    page = render(many(data, 300))
    text = text_of(page, elements)
    assert "280 more" in text
    assert "160 more columns" in text
    assert all(f"column_{i} " in text for i in range(200))
    assert page.count('class="strip"') == 300
    assert len(page) < 1_000_000


def test_48_recipes_and_25_folds_of_2000_epochs_stay_under_a_megabyte(data):
    rng = np.random.default_rng(0)
    data["curves"] = {name: rng.random((25, 2000)).tolist() for name in data["curves"]}
    assert len(render(many(data, 48))) < 1_000_000


def test_a_baseline_ahead_is_said(data, elements):
    data["summary"]["baselines"]["boosting"] = 0.995
    assert "behind the best baseline, boosted trees, with 0.9950" in text_of(render(data), elements)
    data["summary"] |= {"metric": "log_loss", "higher_is_better": False}
    text = text_of(render(data), elements)
    assert "the best baseline, dummy, reaches 0.6264" not in text
    assert "behind the best baseline, dummy, with 0.6264" in text
    assert "Lower is better" in text


def test_a_baseline_cut_short_and_one_far_away(data, elements):
    data["baselines"][2]["scores"] = data["baselines"][2]["scores"][:2]
    text = text_of(render(data), elements)
    assert "The boosting baseline ran 2 of 5 folds." in text
    assert "off the scale" in text  # the dummy, 0.63 where the winner's folds span 0.06


def test_what_the_ledger_says_is_said_and_other_runs_are_listed(data, elements):
    said = "1 other model was scored on the same rows (runs/<b>-1 on 2026-11-20: 0.81)"
    data["summary"]["test"]["ledger"] = ["opened once", said]
    data["others"] = [{"path": "runs/<b>-1", "time": 1.78e9, "model_sha": "f" * 64, "times": 1, "score": 0.81}]
    text = text_of(render(data), elements)
    assert f"The sealed rows: {said}." in text
    assert "runs/<b>-1 2026-05-28 20:26:40 UTC 0.8100 ffffffffffff…" in text
    data["others"] = []
    assert "scored by other runs" not in text_of(render(data), elements)


def test_versions_and_the_whole_command(data, elements):
    data |= {"source": "my data.csv", "target": "was it?", "versions": {"tenfold": "0.1.0", "torch": "2.13.0"}}
    data["settings"] = {"trials": None, "folds": 5, "holdout": 0.3, "device": "auto", "time_limit": 600.0, "seed": 7,
                        "recipe": None, "space": {"epochs": 3}}  # fmt: skip
    text = text_of(render(data), elements)
    assert "tenfold 0.1.0, torch 2.13.0." in text
    command = "tenfold fit 'my data.csv' --target 'was it?' --holdout 0.3 --time-limit 600s --space space.yaml --seed 7"
    assert command in text


def test_warnings_stand_once_each(data, elements):
    data["card"]["warnings"] = ["column 'a' alone predicts 99% of the target"]
    data["summary"]["warnings"] = [*data["card"]["warnings"], "the boosting baseline was cut short"]
    text = text_of(render(data), elements)
    assert [text.count(line) for line in data["summary"]["warnings"]] == [1, 1]


@pytest.mark.parametrize(
    ("value", "said"),
    [(0, "0.0 s"), (59.96, "60.0 s"), (200, "3 min 20 s"), (7500, "2 h 05 min"), (None, "–"), (float("nan"), "–")],
)
def test_durations(value, said):
    assert words.duration(value) == said


def test_an_arrow_stays_on_one_line(data):
    finding = {"words": "w", "probability": 0.9, "what": "diverged", "trials": 1, "of": 5, "recipes": [0], "cause": "c",
               "where": "", "evidence": ["e 1 -> 2"], "remedy": "r", "proof": "skill 0.10 -> 0.80"}  # fmt: skip
    data["summary"]["findings"] = [finding]
    page = render(data)
    assert "skill 0.10 -\u2060&gt; 0.80" in page
    assert "e 1 -\u2060&gt; 2" in page


def test_printed_text_keeps_letters_and_loses_tricks():
    assert words.page_value("日本 naïve\u200d\n") == "日本 naïve\u200d\n"
    assert words.page_value("a\x1b[2Jb\u202ec\ud800\t") == "a\ufffd[2Jb\ufffdc\ufffd\ufffd"
    assert [words.page_value(v) for v in (None, float("nan"), float("inf"), 0)] == ["–", "–", "–", 0]


def test_the_range_of_recipes_leaves_out_the_far_ones_only():
    low, high, left = figures.score_range([0.9, 0.91, 0.92, 0.93, 0.1, float("nan")], 0.93)
    assert (high, left) == (0.93, 1)
    assert 0.1 < low <= 0.9
    assert figures.score_range([0.5], 0.5) == (0.5, 0.5, 0)
    assert figures.score_range([1.0, 2.0, 3.0], 3.0) == (1.0, 3.0, 0)


NUMBERS = st.one_of(st.none(), st.floats(allow_nan=True, allow_infinity=True))


@settings(max_examples=3, deadline=None, derandomize=True, database=None, phases=[Phase.generate])
@given(st.lists(NUMBERS, min_size=1, max_size=6), st.lists(NUMBERS, min_size=1, max_size=8), st.floats(-1e300, 1e300))
def test_any_numbers_can_be_drawn(scores, curve, mean):
    """No number, however wild, breaks a page that has a winner."""
    data = json.loads(SAMPLE.read_text())
    data["leaderboard"][0] |= {"scores": scores, "mean": mean}
    data["leaderboard"][1] |= {"scores": scores, "mean": scores[0]}
    data["summary"]["best"] |= {"cv_mean": mean, "interval": [scores[0], scores[-1]]}
    data["baselines"][1]["scores"] = [value for value in curve if value is not None]
    data["curves"] = {name: [curve, curve] for name in data["curves"]}
    assert "Data card" in headings(render(data))
