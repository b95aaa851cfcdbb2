"""Proof of a remedy: the change, the unchanged training and a random other change as a control over the same seeds."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np

from tenfold.doctor.changes.all_changes import CHANGES, REFERENCES
from tenfold.doctor.record import LEAST_SKILL, Record, Trial

SEEDS = (0, 1, 2, 3, 4)
SAME = 0.01  # skills that differ by less are equal, and losses that differ by less than this share
UNHELPED = "This remedy alone did not help in the short run"
CLEAR, MOST = 0.1, 0.8  # a change helps clearly if it gains this much skill and is better on this share of seeds
Try = Callable[[Sequence[str], Sequence[int]], list[Trial]]


def random_control(record: Record, without: Sequence[str]) -> str | None:
    """A random other change that was tried at equal cost; the same record gives the same one.

    What it gains is what any change gains, by luck or since the run was far from any good setting."""
    names = [t.change for t in record.trials if t.change not in ("as_is", "longer", "one_batch", *REFERENCES, *without)]
    seed = record.facts.rows_kept * 1009 + record.facts.steps
    return str(np.random.default_rng(seed).choice(names)) if names else None


def prove(record: Record, changes: Sequence[str], attempt: Try, seeds: Sequence[int] = SEEDS) -> list[Trial]:
    """Paired trials over the seeds: unchanged, each change, and a random other one as "control"."""
    wanted = [c for c in dict.fromkeys(changes) if c in CHANGES and c != "as_is"]
    if not wanted:
        return []
    control = random_control(record, wanted)
    names = ["as_is", *wanted, *([control] if control else [])]
    found = attempt(names, seeds)
    return [replace(t, change=f"control: {control}") if t.change == control else t for t in found]


def paired_wins(before: Trial, after: Trial) -> tuple[int, int]:
    """On how many of the paired seeds the change is better, and of how many: by held-out skill, and where that is the
    same to SAME by the loss."""
    wins = count = 0
    for seed in range(min(len(before.skill), len(after.skill))):
        unchanged, changed = _skill_and_loss(before, seed), _skill_and_loss(after, seed)
        if unchanged is None or changed is None:
            continue
        count += 1
        gain = changed[0] - unchanged[0]
        wins += gain > SAME or (abs(gain) <= SAME and changed[1] < (1 - SAME) * unchanged[1])
    return wins, count


def _skill_and_loss(trial: Trial, seed: int) -> tuple[float, float] | None:
    skill = trial.held_out[seed] if trial.held_out[seed] is not None else trial.skill[seed]
    loss = trial.loss[seed]
    if skill is None:
        return None
    comparable = not _other_loss(trial.change)
    return max(skill, LEAST_SKILL), loss if loss is not None and comparable and math.isfinite(loss) else math.inf


def _other_loss(name: str) -> bool:
    """Whether the losses with a change cannot be compared with those without it."""
    change = CHANGES.get(name.removeprefix("control: "))
    return change is not None and change.other_loss


def proof_sentence(proofs: Sequence[Trial], change: str) -> str:
    """What the paired runs showed of a change; "" without any."""
    before = next((t for t in proofs if t.change == "as_is"), None)
    after = next((t for t in proofs if t.change == change), None)
    if before is None or after is None:
        return ""
    wins, count = paired_wins(before, after)
    if not count:
        return ""
    comparable = not _other_loss(change) and _mean(before.loss) is not None and _mean(after.loss) is not None
    figures = f"skill {_skills(before):.2f} -> {_skills(after):.2f}"
    if comparable:
        figures = f"loss {_mean(before.loss):.3g} -> {_mean(after.loss):.3g}, " + figures
    control = next((t for t in proofs if t.change.startswith("control: ")), None)
    sentence = f"paired short run, {count} seeds, {after.steps} updates: {figures} ({wins} of {count} better)"
    if control is not None:
        luck, of = paired_wins(before, control)
        sentence += f"; a random other change ({_name(control)}): {_skills(control):.2f} ({luck} of {of})"
    return sentence if helped(before, after) else f"{sentence}. {_unhelped(proofs, before, after)}"


def helped(before: Trial, after: Trial) -> bool:
    """Whether a change did any good: better on half of the seeds, or by more than nothing in the mean."""
    wins, count = paired_wins(before, after)
    return 2 * wins >= count > 0 or _skills(after) - _skills(before) > SAME


def _unhelped(proofs: Sequence[Trial], before: Trial, after: Trial) -> str:
    """That a remedy did not help, and which other change of the same proof did."""
    sentence = UNHELPED
    others = [t for t in proofs if t is not before and t is not after and _clearly(before, t)]
    if not others:
        return sentence
    best = max(others, key=_skills)
    wins, count = paired_wins(before, best)
    return (
        f"{sentence}; another change did ({_name(best)}): skill {_skills(before):.2f} -> {_skills(best):.2f} "
        f"({wins} of {count} better)"
    )


def _clearly(before: Trial, after: Trial) -> bool:
    wins, count = paired_wins(before, after)
    return count > 0 and wins >= MOST * count and _skills(after) - _skills(before) >= CLEAR


def _name(trial: Trial) -> str:
    return trial.change.removeprefix("control: ").replace("_", " ")


def _mean(values: Sequence[float | None]) -> float | None:
    known = [v for v in values if v is not None and math.isfinite(v)]
    return sum(known) / len(known) if known and len(known) == len(values) else None


def _skills(trial: Trial) -> float:
    return math.nan if trial.reached is None else trial.reached
