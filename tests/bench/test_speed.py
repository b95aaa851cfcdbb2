"""What the table of contestants says of what was measured: ratios, scaling, choices, aims, environments."""

import os

import numpy as np
import pytest
from bench.cases import CASES
from bench.contestants import Measured, chosen
from bench.speed import CASE_A, Aim, Match, environment, table_line


def measured(seconds, score, rows=48, compiling=0.0):
    return Measured(seconds, np.full((rows, 5), score), {"process_mb": 1.0, "largest_child_mb": 2.0}, "", compiling)


@pytest.fixture
def match():
    """Case a, two rounds: a peer that trains a quarter and compiles for 1 s, and one that trains all."""
    case = CASES["a"]
    found = Match(case, {"torch": case.picks(0.25), "packs": case.picks(1.0), CASE_A: ()})
    found.measured = {
        "tenfold": [measured(2.0, 0.9), measured(4.0, 0.8)],
        "torch": [measured(6.0, 0.95, 12, compiling=1.0), measured(6.0, 0.85, 12, compiling=1.0)],
        "packs": [measured(10.0, 0.9), measured(12.0, 0.8)],
        CASE_A: [measured(1.0, 0.9), measured(4.0, 0.9)],
    }
    return found


def test_ratios_are_of_the_same_round_and_scaled_without_the_compilation(match):
    assert match.seconds("torch") == [21.0, 21.0]  # 5 s for a quarter, and 1 s of compiling
    assert match.ratios("torch") == [10.5, 5.25]
    assert match.ratios("torch", compiling=False) == [10.0, 5.0]
    assert match.ratios("packs") == [5.0, 3.0]
    assert match.ratios(CASE_A) == [2.0, 1.0]


def test_an_unfinished_round_is_left_out(match):
    match.measured["tenfold"].append(measured(1.0, 0.9))
    assert match.rounds == 2
    assert match.ratios("packs") == [5.0, 3.0]


def test_the_difference_of_accuracies_is_of_the_same_recipes(match):
    ours = match.measured["tenfold"][0].scores
    ours[:] = 0.0
    ours[list(match.picks["torch"])] = np.array([0.5, 0.6, 0.7, 0.8, 0.9])
    mean, error = match.difference("torch")
    units = np.array([0.45, 0.35, 0.25, 0.15, 0.05, *[0.05] * 5])
    assert mean == pytest.approx(units.mean())
    assert error == pytest.approx(units.std(ddof=1) / np.sqrt(10))


def test_an_aim_counts_the_faster_of_its_peers(match):
    row = Aim("a", ("torch", "packs"), 4.0).row(match)
    assert row["ratio"] == [5.0, 3.0]
    assert row["met"]  # the median is 4
    assert not Aim("a", ("torch", "packs"), 4.1).row(match)["met"]
    assert Aim("a", (CASE_A,), 1.5).row(match)["met"]  # at most
    assert not Aim("a", (CASE_A,), 1.4).row(match)["met"]
    assert Aim("a", ("torch", "skorch"), 4.0).row(match) is None
    assert Aim("b", ("packs",), 4.0).row(match) is None


def test_every_contestant_has_a_line_as_long_as_the_head(match):
    lines = {name: table_line(match.row(name)) for name in match.measured}
    assert len({len(line) for line in lines.values()}) == 1
    assert lines["torch"][2:5] == ["12 of 48", "21.00 [21.00, 21.00]", "1.00 [1.00, 1.00]"]
    assert lines["tenfold"][5] == "1"


def test_the_choice_of_a_nested_case():
    random = np.random.default_rng(0)
    scores = random.random((4, 2 + 2 * 3))  # two outer folds, and three inner ones of each
    scores[2, 2:5] += 1.0
    scores[1, 5:8] += 1.0
    np.testing.assert_array_equal(chosen(scores, 3), [[scores[2, 0], scores[1, 1]]])
    plain = random.random((4, 3))
    plain[3] += 1.0
    np.testing.assert_array_equal(chosen(plain, 3), plain[[3]])  # without inner folds the winner is chosen on these


def test_a_process_has_the_environment_of_its_contestant(monkeypatch):
    monkeypatch.setenv("OPENBLAS_CORETYPE", "Haswell")
    monkeypatch.delenv("TENFOLD_ENGINE", raising=False)
    with environment({"OPENBLAS_CORETYPE": None, "TENFOLD_ENGINE": "packs"}):
        assert "OPENBLAS_CORETYPE" not in os.environ
        assert os.environ["TENFOLD_ENGINE"] == "packs"
    assert os.environ["OPENBLAS_CORETYPE"] == "Haswell"
    assert "TENFOLD_ENGINE" not in os.environ
