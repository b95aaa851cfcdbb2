"""Evidence from short paired trainings: how far behind the run is, and which single change brings it back."""

from __future__ import annotations

import math
from collections.abc import Iterator

from tenfold.doctor.changes.all_changes import REFERENCES, SINGLE
from tenfold.doctor.judge.evidence import Evidence, digits, strength
from tenfold.doctor.record import LEAST_SKILL, Record

FULL = 0.95  # of skill


def attained(record: Record) -> float | None:
    """What the run itself reached on rows that it trained on, in the mode in which it is used; a run that is not finite
    at its end has reached nothing."""
    end = record.probe("end")
    if record.curves.non_finite is not None and (end is None or end.skill is None or end.skill < 0):
        return LEAST_SKILL
    if record.facts.steps == 0:
        return record.reached("as_is")  # before any training: what a short one with Adam reaches
    if end is None or end.skill is None:
        return None
    return max(end.skill, LEAST_SKILL)


def possible(record: Record) -> float | None:
    """What a right configuration reaches in a short training, or a simple model."""
    found = [v for name in REFERENCES if (v := record.reached(name)) is not None]
    known = [b.skill for b in record.baselines]
    return max(found + known, default=None)


def held_out(record: Record) -> float | None:
    """What the run reaches on rows that it did not train on: in its own validation, or else as the short training of
    it does, where that has learnt as much."""
    if record.curves.validation_skill is not None:
        return max(record.curves.validation_skill, LEAST_SKILL)
    as_is, user = record.trial("as_is"), attained(record)
    if as_is is None or user is None or as_is.skill[0] is None or as_is.held_out[0] is None:
        return None
    return as_is.reached if as_is.skill[0] >= user - 0.05 else None


def unfitted(record: Record) -> float:
    """How far the targets are from being fitted, 0 to 1: those that the network fits may be all there is to learn, as
    in a task of memory, unless the loop evaluates others that it does not."""
    end = record.probe("end")
    if end is None or end.skill is None or record.curves.validation_skill is not None:
        return 1.0
    return strength(end.skill, 0.95, 0.8)


def full_skill(record: Record) -> bool:
    """Whether the run leaves nothing to wish for, on rows that it trained on and on others as far as they are known."""
    user, best, outside = attained(record), possible(record), held_out(record)
    if user is None or user < FULL:
        return False
    return (
        outside is None
        or outside >= FULL
        or (record.curves.validation_skill is None and outside >= (best or 0.0) - 0.1)
    )


def worth_trying(record: Record) -> bool:
    """Whether single changes are worth trying: the run is behind, or something else about it asks for a closer look."""
    user, best = attained(record), possible(record)
    held = held_out(record)
    behind = best is not None and held is not None and best > held + 0.08
    return user is None or best is None or behind or best > user + 0.03 or best < 0.3


def trial_evidence(record: Record) -> Iterator[Evidence]:
    """Behind what is possible, and what each change repairs."""
    user, best = attained(record), possible(record)
    one = record.trial("one_batch")
    if one is not None and one.skill[0] is not None and one.steps >= 80:
        yield Evidence(
            "cannot_overfit",
            strength(one.skill[0], 0.9, 0.3),
            f"20 rows cannot be memorized: skill {digits(one.skill[0])} after {one.steps} updates with Adam",
        )
    if user is not None:
        yield Evidence(
            "skill_low",
            strength(user, 0.5, 0.0),
            f"the run's skill is {digits(user)} (1 is perfect, 0 is a constant answer)",
        )
    if user is not None and best is not None:
        yield from _behind(record, user, best)
        yield from _limits(record, user, best)
        yield from _repaired(record, user, best)


def _margin(record: Record) -> float:
    """The error of a skill, from the rows that it is measured on: a quarter of the rows, at most 1024."""
    return 1.0 / math.sqrt(max(8.0, min(0.25 * record.facts.rows_kept, 1024)))


def _behind(record: Record, user: float, best: float) -> Iterator[Evidence]:
    gap = best - user - 0.5 * _margin(record)
    yield Evidence(
        "behind",
        strength(gap, 0.02, 0.3),
        f"the run's skill is {digits(user)}; the same network, or a simple model, reaches {digits(best)} when "
        "configured right",
    )
    outside = held_out(record)
    if outside is not None:
        loss = best - outside - _margin(record)
        yield Evidence(
            "behind_held_out",
            strength(loss, 0.05, 0.35),
            f"on rows that it did not train on the run's skill is {digits(outside)}; {digits(best)} is possible",
        )


def _limits(record: Record, user: float, best: float) -> Iterator[Evidence]:
    """Of the data, and of the network."""
    short = record.trial("as_is")
    learnt = short.skill[0] if short is not None and short.skill[0] is not None else user
    yield Evidence(
        "nothing_works",
        # Short trainings that learn far less than the run, on rows that both train on, are too short to say anything.
        strength(best, 0.2, 0.02) * unfitted(record) * strength(user - learnt, 0.4, 0.15),
        f"the best of all short trainings and simple models reaches skill {digits(best)}",
    )
    references = [v for name in REFERENCES if (v := record.reached(name)) is not None]
    simple = max((b.skill for b in record.baselines), default=None)
    if references and simple is not None:
        yield Evidence(
            "network_behind_simple",
            strength(simple - max(references), 0.05, 0.4),
            f"a simple model reaches {digits(simple)}, this network at its best {digits(max(references))}",
        )


def _repaired(record: Record, user: float, best: float) -> Iterator[Evidence]:
    """What the same training redone reaches, and what each change repairs."""
    gap, as_is = best - user - 0.5 * _margin(record), record.reached("as_is")
    if as_is is not None and gap > 0.02:
        yield Evidence(
            "redo_works",
            strength((as_is - user) / max(best - user, 0.05), 0.3, 0.8),
            f"the same training redone by the doctor reaches {digits(as_is)}, the run {digits(user)}",
        )
    train = record.trial("as_is")
    if train is not None and train.skill[0] is not None and as_is is not None:
        yield Evidence(
            "learnt_by_heart",
            strength(user - as_is, 0.25, 0.6),
            f"skill {digits(user)} on training rows and {digits(as_is)} on held-out rows",
        )
    if gap <= 0.02 or (as_is is not None and as_is >= best - 0.05 and as_is > user + 0.1):
        return  # nothing to repair, or whatever is tried works, since the loop itself is at fault
    base = as_is if as_is is not None and as_is < best - 0.05 else user
    for trial in record.trials:
        value = trial.reached
        if trial.change not in SINGLE or value is None:
            continue
        restored = (value - base) / max(best - base, 0.05)
        yield Evidence(
            f"fixed_by_{trial.change}",
            strength(restored, 0.25, 0.9),
            f"{trial.change.replace('_', ' ')}: skill {digits(base)} to {digits(value)}",
        )
