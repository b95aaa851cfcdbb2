"""What to do about a cause: the name of a change, and the line to write."""

from __future__ import annotations

from collections.abc import Sequence

from tenfold.doctor.causes import CAUSES, Remedy
from tenfold.doctor.record import Record

NO_BETTER = 0.05  # of skill: a stronger remedy that gains less than this over a milder one is not preferred

# A piece of evidence that is cured in one way only, whatever else speaks for its cause.
PARTICULAR: dict[str, Remedy] = {
    "gradient_accumulates": Remedy("zero_grad", "call optimizer.zero_grad() before loss.backward(), at every update"),
    "inputs_not_finite": Remedy("as_is", "fill or drop the rows whose inputs are not finite, before the training"),
    "targets_not_finite": Remedy("as_is", "drop the rows whose targets are not finite, before the training"),
}


def prescribe(cause: str, record: Record, evidence: Sequence[str] = ()) -> Remedy:
    """What cures a cause. evidence: names of what is shown for it; one with a remedy of its own decides. Else of
    several remedies the one that did best in the short trainings, a milder one before a stronger one that is no better
    by NO_BETTER."""
    for name in evidence:
        if name in PARTICULAR:
            return PARTICULAR[name]
    remedies = CAUSES[cause].remedies
    reached = [(skill, remedy) for remedy in remedies if (skill := record.reached(remedy.change)) is not None]
    if not reached:
        return remedies[0]
    best = max(skill for skill, _ in reached)
    return next(remedy for skill, remedy in reached if skill >= best - NO_BETTER)
