"""Opening the lockbox: the intent is committed before the sealed labels are read, the score after."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from tenfold.data.split.row_fingerprint import RowFingerprint
from tenfold.errors import BadInput
from tenfold.jsonable import jsonable
from tenfold.problem.sealed_test_rows import Sealed
from tenfold.statistics.intervals import test_interval
from tenfold.statistics.metrics import Metric, all_scores
from tenfold.store.other_runs import SEALED, ledger_sentences, other_openings
from tenfold.store.run_directory import Run

if TYPE_CHECKING:
    from tenfold.model.model import Model


@dataclass(frozen=True)
class TestScore:
    """A score on the sealed rows: the metric, its 95 % interval, and every metric of the task."""

    rows: int
    score: float
    interval: tuple[float, float]
    scores: dict[str, float]

    def to_dict(self) -> dict[str, Any]:
        """As JSON; what is not a finite number is null."""
        value = {"rows": self.rows, "score": self.score, "interval": list(self.interval), "scores": self.scores}
        return jsonable(value)

    @staticmethod
    def of(value: dict[str, Any]) -> TestScore:
        """The inverse of `to_dict`."""
        numbers = {name: _number(score) for name, score in value["scores"].items()}
        low, high = value["interval"]
        return TestScore(value["rows"], _number(value["score"]), (_number(low), _number(high)), numbers)


def open_lockbox(run: Run, sealed: Sealed, model: Model, metric: Metric, *, again: bool = False) -> TestScore:
    """Score the run's model on the sealed rows, on the record.

    A score that is on the ledger already is given back unopened, unless `again`: then it is a second opening.
    """
    sha = str(run.get("model"))
    before = run.finished_opening(sealed.sha, sha)
    if before is not None and not again:
        return TestScore.of(before.result)
    # Before the labels are read: a crash between the two lines leaves an opening on the ledger, never an unseen look.
    number = run.open_intent(sealed.sha, sha, allow_second=again)
    prediction = model.outputs(sealed.inputs)
    y = sealed.unseal()
    scores = {name: float(value[0]) for name, value in all_scores(metric.task, y, prediction[None]).items()}
    test = TestScore(len(y), scores[metric.name], test_interval(metric, y, prediction), scores)
    run.open_result(number, test.to_dict())
    return test


@dataclass(frozen=True)
class Ledger:
    """What every report says about the sealed rows: this run's openings, those of the same rows by other runs in the
    same directory tree, and what follows, in sentences."""

    openings: tuple[dict[str, Any], ...] = ()
    others: tuple[dict[str, Any], ...] = ()
    sentences: tuple[str, ...] = ()

    @property
    def opened(self) -> int:
        """This run's openings."""
        return len(self.openings)


def ledger(run: Run, sealed: Sealed | str) -> Ledger:
    """The ledger of a run as it stands now. sealed: the rows, or their hash."""
    sha = sealed if isinstance(sealed, str) else sealed.sha
    stored = run.get(SEALED)  # None in a run of an earlier version
    fingerprint = None if stored is None else RowFingerprint.from_dict(stored)
    opened, others = run.openings(), other_openings(run.path, sha, fingerprint)
    mine = tuple({"time": o.time, "times": o.times, "rows_sha": o.rows_sha, "model_sha": o.model_sha} for o in opened)
    return Ledger(mine, tuple(map(asdict, others)), tuple(ledger_sentences(opened, others)))


def refuse_unsealed(run: Run, sealed: Sealed) -> None:
    """Raise `BadInput` for a run without sealed rows."""
    if sealed.rows == 0:
        raise BadInput("the run sealed no test rows", where=str(run.path), do="fit again with --holdout 0.2 --no-test")


def _number(value: Any) -> float:
    return float("nan") if value is None else float(value)
