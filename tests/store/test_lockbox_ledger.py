"""The ledger of the lockbox: an intent before the labels, one model a run, a result written once, and then closed."""

from __future__ import annotations

from pathlib import Path

import pytest

from tenfold.errors import BadInput
from tenfold.store import Run


def test_an_opening_is_on_the_ledger_before_and_after_its_result(tmp_path: Path) -> None:
    with Run.create(tmp_path / "run") as run, Run.read(run.path) as reader:
        assert run.openings() == []
        number = run.open_intent("rows", "model")
        (before,) = reader.openings()
        assert (before.id, before.rows_sha, before.model_sha, before.times, before.result) == (
            1,
            "rows",
            "model",
            1,
            None,
        )
        run.open_result(number, {"score": 0.5})
        (after,) = reader.openings()
        assert after.result == {"score": 0.5}
        assert after.time == before.time


def test_the_same_model_gets_the_same_opening_again_until_it_has_a_result(tmp_path: Path) -> None:
    with Run.create(tmp_path / "run") as run:
        number = run.open_intent("rows", "model")
    with Run.open(tmp_path / "run") as run:
        assert run.open_intent("rows", "model") == number
        assert run.open_intent("rows", "model", allow_second=True) == number
        run.open_result(number, [1, 0.1])
        with pytest.raises(BadInput, match="already opened, for this model"):
            run.open_intent("rows", "model")
        (opening,) = run.openings()
        assert (opening.times, opening.result) == (3, [1, 0.1])


def test_a_second_look_at_the_same_model_is_a_new_line(tmp_path: Path) -> None:
    with Run.create(tmp_path / "run") as run:
        run.open_result(run.open_intent("rows", "model"), {"score": 0.5})
        second = run.open_intent("rows", "model", allow_second=True)
        assert second == 2
        assert run.open_intent("rows", "model") == 2  # a crash between intent and result
        run.open_result(second, {"score": 0.5})
        lines = [(entry.id, entry.model_sha, entry.times, entry.result) for entry in run.openings()]
        assert lines == [(1, "model", 1, {"score": 0.5}), (2, "model", 2, {"score": 0.5})]
        with pytest.raises(BadInput, match="already opened"):
            run.open_intent("rows", "model")


@pytest.mark.parametrize(("rows", "model"), [("rows", "another"), ("others", "model"), ("others", "another")])
@pytest.mark.parametrize("done", [False, True])
def test_another_model_or_other_rows_get_no_intent(tmp_path: Path, rows: str, model: str, done: bool) -> None:
    with Run.create(tmp_path / "run") as run:
        number = run.open_intent("rows", "model")
        if done:
            run.open_result(number, 1)
        with pytest.raises(BadInput, match=r"already opened, for (another model|other sealed rows)"):
            run.open_intent(rows, model)
        assert [(opening.rows_sha, opening.model_sha) for opening in run.openings()] == [("rows", "model")]
        second = run.open_intent(rows, model, allow_second=True)
        assert second == 2
        assert run.open_intent(rows, model) == 2
        if not done:
            assert run.open_intent("rows", "model") == 1
        assert [opening.id for opening in run.openings()] == [1, 2]


def test_a_result_is_written_once(tmp_path: Path) -> None:
    with Run.create(tmp_path / "run") as run:
        number = run.open_intent("rows", "model")
        run.open_result(number, {"score": 0.5})
        run.open_result(number, {"score": 0.5})
        with pytest.raises(BadInput, match="differs"):
            run.open_result(number, {"score": 0.6})
        with pytest.raises(KeyError):
            run.open_result(7, {})
        assert run.openings()[0].result == {"score": 0.5}


def test_a_fit_that_goes_on_finds_the_result_that_is_there(tmp_path: Path) -> None:
    with Run.create(tmp_path / "run") as run:
        assert run.finished_opening("rows", "model") is None
        number = run.open_intent("rows", "model")
        assert run.finished_opening("rows", "model") is None
        run.open_result(number, {"score": 0.5})
        run.open_intent("rows", "model", allow_second=True)
    with Run.read(tmp_path / "run") as run:
        found = run.finished_opening("rows", "model")
        assert found is not None
        assert (found.id, found.result) == (1, {"score": 0.5})
        assert run.finished_opening("rows", "another") is None
        assert run.finished_opening("others", "model") is None


def test_a_score_of_nothing_is_a_result_too(tmp_path: Path) -> None:
    with Run.create(tmp_path / "run") as run:
        run.open_result(run.open_intent("rows", "model"), {"score": None})
        assert run.finished_opening("rows", "model") is not None
