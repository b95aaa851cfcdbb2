"""The page of a run that is not finished: what it says, what strangers' texts become, and that it reloads itself."""

import copy
import re
import time

import numpy as np
import pytest

from tenfold.report.unfinished_page import render_unfinished
from tenfold.run.unfinished import Status

from .test_hostile import ALLOWED, PAYLOADS


@pytest.fixture
def unfinished(data):
    """What is known of a run in the middle of its race, made of a finished one."""
    summary = data["summary"]
    board = [
        {**row, "mean": np.nan if row["mean"] is None else row["mean"], "outcomes": {"under way": 5}, "made": 4}
        for row in data["leaderboard"]
    ]
    about = {name: summary[name] for name in ("task", "metric", "higher_is_better", "folds", "division", "rows")}
    about |= {"repeats": 1, "recipes": 24, "strategy": "halving"}
    counts = {"trained to the end": 0, "dropped by the race": 16, "under way": 8, "not begun": 0}
    return {
        **{name: data[name] for name in ("name", "source", "target", "card", "why_task", "baselines")},
        "settings": {},
        "about": about, "run": "breast_cancer-1", "status": Status("running", 1.8e9, share=0.4, seconds=83.0),
        "reload": 20, "lines": ["Not finished: 40% of the training is done.", "Best so far: this one."],
        "counts": counts, "best": board[0], "leaderboard": board, "curves": data["curves"],
        "rungs": [{"epoch": 4, "folds": 5, "entered": 24, "kept": 8}], "versions": {"tenfold": "0.1.0"},
    }  # fmt: skip


def refreshes(page, elements):
    return [attributes["content"] for _, attributes in elements(page).tags if attributes.get("http-equiv") == "refresh"]


def test_it_says_that_it_is_unfinished_and_as_of_when(unfinished, elements):
    page = render_unfinished(unfinished)
    text = re.sub(r"\s+", " ", " ".join(elements(page).text))
    assert page == render_unfinished(copy.deepcopy(unfinished))
    for line in unfinished["lines"]:
        assert line in text
    assert "As of 2027-01-15 08:00:00 UTC. This page reloads itself every 20 seconds" in text
    assert refreshes(page, elements) == ["20"]
    assert "Leaderboard so far" in text
    assert f"{unfinished['best']['mean']:.4f}" in text
    assert "1 min 23 s" in text
    assert len(re.findall("<svg(?! class)", page)) == 5
    assert "tenfold resume breast_cancer-1" in text


def test_a_stopped_one_does_not_reload(unfinished, elements):
    page = render_unfinished(unfinished | {"status": Status("stopped", 1.8e9), "reload": None})
    assert refreshes(page, elements) == []
    assert "reloads itself" not in page
    assert "nothing here is a result" in page


def test_nothing_is_known_yet(unfinished, elements):
    nothing = {"best": None, "leaderboard": [], "curves": {}, "baselines": [], "rungs": []}
    page = render_unfinished(unfinished | nothing | {"lines": ["Not finished: reading."]})
    assert "no score yet" in page
    assert "<figure" not in page
    assert "Leaderboard" not in page


def test_diverged_folds_and_epochs_to_come_are_left_out(unfinished):
    curves = {name: [[0.5, 0.4, None], [None] * 3] for name in unfinished["curves"]}
    page = render_unfinished(unfinished | {"curves": curves, "baselines": [{"name": "dummy", "scores": [None] * 5}]})
    assert not re.search(r"\bnan\b", page, re.IGNORECASE)


def test_texts_of_strangers_stay_texts(unfinished, elements):
    def attack(value):
        if isinstance(value, dict):
            return {key: attack(item) for key, item in value.items()}
        if isinstance(value, list):
            return [attack(item) for item in value]
        return next(turn) if isinstance(value, str) else value

    turn = iter(PAYLOADS * 20)
    bad = attack(unfinished) | {"lines": PAYLOADS, "about": unfinished["about"] | {"task": PAYLOADS[0]}}
    bad["leaderboard"][0]["outcomes"] = dict.fromkeys(PAYLOADS, 1)
    bad["card"]["columns"] = [{**bad["card"]["columns"][0], "name": p, "example": p} for p in PAYLOADS]
    page = render_unfinished(bad)
    tags = elements(page).tags
    assert {tag for tag, _ in tags} <= ALLOWED | {"code"}
    assert refreshes(page, elements) == ["20"]
    assert not [name for _, attributes in tags for name in attributes if name.startswith("on")]
    text = "".join(elements(page).text)
    assert [p for p in PAYLOADS if p.isprintable() and p not in text] == []


def test_the_browser_reloads_it_until_it_is_finished(browser, tmp_path, unfinished):
    path = tmp_path / "report.html"
    path.write_text(render_unfinished(unfinished | {"reload": 1, "name": "first"}), encoding="utf-8")
    assert browser.open(path)[0] == []
    assert browser.value("document.querySelector('h1').textContent") == "first"
    path.write_text(render_unfinished(unfinished | {"reload": None, "name": "second"}), encoding="utf-8")
    browser.wait_for("document.querySelector('h1')?.textContent == 'second'")
    assert browser.value("document.querySelector('h1').textContent") == "second"
    path.write_text(render_unfinished(unfinished | {"reload": None, "name": "third"}), encoding="utf-8")
    time.sleep(1.5)
    assert browser.value("document.querySelector('h1').textContent") == "second"
