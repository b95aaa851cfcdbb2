"""The ledger of the lockbox: an intent before the labels, one model a run, a result written once."""

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


def test_the_same_model_gets_the_same_opening_again_and_it_shows(tmp_path: Path) -> None:
    with Run.create(tmp_path / "run") as run:
        number = run.open_intent("rows", "model")
    with Run.open(tmp_path / "run") as run:
        assert run.open_intent("rows", "model") == number
        run.open_result(number, [1, 0.1])
        assert run.open_intent("rows", "model") == number
        (opening,) = run.openings()
        assert (opening.times, opening.result) == (3, [1, 0.1])


@pytest.mark.parametrize(("rows", "model"), [("rows", "another"), ("others", "model"), ("others", "another")])
def test_another_model_or_other_rows_get_no_intent(tmp_path: Path, rows: str, model: str) -> None:
    with Run.create(tmp_path / "run") as run:
        run.open_intent("rows", "model")
        with pytest.raises(BadInput, match="already opened"):
            run.open_intent(rows, model)
        assert [(opening.rows_sha, opening.model_sha) for opening in run.openings()] == [("rows", "model")]
        second = run.open_intent(rows, model, allow_second=True)
        assert second == 2
        assert run.open_intent(rows, model) == 2
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
