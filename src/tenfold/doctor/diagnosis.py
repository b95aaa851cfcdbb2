"""A diagnosis with its findings, and its text."""

from __future__ import annotations

import textwrap
from dataclasses import dataclass, field
from typing import Any

from tenfold.doctor.causes import cause_words
from tenfold.doctor.judge.evidence_loop import READINGS as OF_THE_LOOP
from tenfold.doctor.judge.evidence_trials import attained
from tenfold.doctor.judge.gather import gather
from tenfold.doctor.judge.judge import HEALTHY, SHOWN, Verdict, alarm, judge
from tenfold.doctor.prescribe.prescribe import prescribe
from tenfold.doctor.prove.paired import paired_wins, proof_sentence
from tenfold.doctor.record import LEARNT, Record

MOST_EVIDENCE = 5
# What can be read off a program and has one explanation; other evidence is a matter of degree.
READINGS = frozenset(OF_THE_LOOP) | {
    "inputs_not_finite", "targets_not_finite", "broadcast", "softmax_on_one", "identical_start", "climbs", "summed",
    "evaluation_scaled", "frozen", "unmoved", "frozen_norm", "gradient_accumulates", "squashed_twice", "logits_cut",
    "odds_out_of_range", "unnormalized_scores", "target_out_of_range", "squared_on_classes", "odds_on_numbers",
    "no_nonlinearity", "no_biases", "epsilon_large", "odd_activation", "growing_activation", "imbalance",
    "inputs_large", "inputs_tiny", "targets_large", "narrow", "dropout_high", "decay_large", "dead_start",
    "weights_large", "weights_small",
}  # fmt: skip
DEGREES = frozenset({  # of these, readings that a network may well learn with
    "inputs_large", "inputs_tiny", "targets_large", "narrow", "dropout_high", "decay_large", "weights_large",
    "weights_small", "epsilon_large", "growing_activation", "odd_activation", "imbalance",
})  # fmt: skip
WIDTH = 110  # columns of the text
MOST = 0.9  # probability of a cause that nothing settles: no reading, no change that repaired the training
TIED = 0.5  # of the first cause's probability: from here on the text has the second one's evidence and remedy too
EARLY = 0.45  # before any training: probability of a cause that can be read off
LEARNS = 0.5  # before any training: share of the best skill at which a network learns
DOUBT = 0.35  # of not being healthy: from here on a run without a finding is called so with a reservation
SURE, NAMED = 0.9, 0.08  # below the first, a run whose most probable cause is below the second raises no alarm


@dataclass(frozen=True)
class Finding:
    """A root cause. cause: a code of `tenfold.doctor.causes`; probability: of being the cause, in [0, 1]; layer: the
    operation concerned, "" for none; evidence: sentences with numbers; remedy: what to do; proof: what a paired short
    training showed, "" for none; change: the name of the change that the proof tried."""

    cause: str
    probability: float
    layer: str
    evidence: list[str]
    remedy: str
    proof: str = ""
    change: str = ""

    @property
    def words(self) -> str:
        """The cause in words."""
        return cause_words(self.cause)


@dataclass(frozen=True)
class Diagnosis:
    """The judgement of one training. probability: of not being healthy; findings: most probable first, empty when
    healthy; notes: what does not make a run unhealthy but is worth knowing, and what could not be measured."""

    probability: float
    findings: list[Finding]
    record: Record
    notes: list[str] = field(default_factory=list[str])

    @property
    def healthy(self) -> bool:
        """Whether there is no finding. Of a loop whose loss was not seen this speaks of structure and updates only: the
        report says so, and claims no health."""
        return not self.findings

    def report(self) -> str:
        """The diagnosis as text."""
        return diagnosis_text(self)

    def __repr__(self) -> str:
        """The report."""
        return self.report()

    def plot(self) -> Any:
        """A matplotlib figure of what was recorded: signal and gradient propagation against the reference, activations
        and gradients by layer and time, update sizes, dead units, the loss and the short trainings."""
        # Drawn in a layer far above, the one exception to the contract: imported by name when it is asked for.
        from importlib import import_module

        return import_module("tenfold.report.diagnosis_page").figure(self.record)

    def to_dict(self) -> dict[str, Any]:
        """As a JSON value, without the record."""
        from dataclasses import asdict

        return {"healthy": self.healthy, "probability": self.probability,
                "findings": [asdict(f) for f in self.findings], "notes": self.notes}  # fmt: skip


def diagnosis_of(record: Record) -> Diagnosis:
    """Judge a record: a pure function of its numbers."""
    verdicts = judge(record)
    sick = 1.0 - next(v.probability for v in verdicts if v.cause == HEALTHY)
    notes = [*record.notes, *remarks(record)]
    causes = [v for v in verdicts if v.cause != HEALTHY]
    vague = sick < SURE and causes[0].probability < NAMED
    if sick < alarm() or vague or _premature(causes[0], record):
        return Diagnosis(sick, [], record, notes)
    shown = [v for i, v in enumerate(causes) if i == 0 or v.probability >= SHOWN]
    return Diagnosis(sick, [_finding(v, record) for v in shown], record, notes)


def _premature(first: Verdict, record: Record) -> bool:
    """Whether nothing but short trainings before any other speaks for a cause, of a network that learns in them, or
    where nothing does: how fast a network learns at one rate of Adam says little of a training at its own."""
    read = {item.name for item in first.evidence if item.strength >= MOST and item.name in READINGS}
    if record.facts.steps or read - DEGREES or (read and first.probability >= EARLY):
        return False
    user, best = attained(record), record.most_reached
    return best < LEARNT or (user is not None and user >= LEARNS * best)


def remarks(record: Record) -> list[str]:
    """What is worth knowing and makes no run unhealthy: a run that overfits late."""
    found = gather(record)
    rises, gap = found.get("validation_rises"), found.get("validation_gap")
    sentences = [item.sentence for item in (rises, gap) if item is not None and item.strength > 0.3]
    if not sentences:
        return []
    return [f"it overfits: {'; '.join(sentences)}. Stop at the best validation epoch, or regularize"]


def _finding(verdict: Verdict, record: Record) -> Finding:
    shown = verdict.evidence[:MOST_EVIDENCE]
    remedy = prescribe(verdict.cause, record, [item.name for item in shown])
    sentences = [item.sentence for item in shown]
    proof = proof_sentence(record.proofs, remedy.change)
    layer = next((item.layer for item in verdict.evidence if item.layer), "")
    probability = verdict.probability if settled(verdict, record, remedy.change) else min(verdict.probability, MOST)
    return Finding(verdict.cause, probability, layer, sentences, remedy.words, proof, remedy.change)


def settled(verdict: Verdict, record: Record, change: str) -> bool:
    """Whether a cause may be called more than MOST: one of its readings is beyond doubt, or a change that cures it was
    tried and repaired the training."""
    strong = {item.name for item in verdict.evidence if item.strength >= MOST}
    if verdict.cause == "corrupted_labels":
        # the linear and tree models find nothing, and neither does any short training of the network
        return {"labels_unrelated", "nothing_works"} <= strong
    if strong & READINGS or any(name.startswith("fixed_by_") for name in strong):
        return True
    before, after = (next((t for t in record.proofs if t.change == name), None) for name in ("as_is", change))
    if before is None or after is None or change == "as_is":
        return False
    wins, count = paired_wins(before, after)
    return count > 0 and wins >= 0.8 * count


def diagnosis_text(diagnosis: Diagnosis) -> str:
    """The verdict, the first finding with evidence, remedy and proof, the others in a line, the notes."""
    lines = textwrap.wrap(diagnosis_verdict(diagnosis), WIDTH)
    if diagnosis.findings:
        first, *others = diagnosis.findings
        lines += _grounds(first)
        if first.proof:
            lines += _block("proof", first.proof)
        if others:
            named = ", ".join(f"{f.words} ({f.probability:.2f})" for f in others)
            lines += textwrap.wrap(f"Also possible: {named}.", WIDTH)
            if others[0].probability >= TIED * first.probability:
                lines += _grounds(others[0])
    for note in diagnosis.notes:
        lines += textwrap.wrap(f"Note: {note}", WIDTH, subsequent_indent="      ")
    return "\n".join(lines)


def diagnosis_verdict(diagnosis: Diagnosis) -> str:
    """The verdict in a sentence or two; a loop whose loss was not seen is never called healthy."""
    if diagnosis.findings:
        first = diagnosis.findings[0]
        named = f"{cause_words(first.cause)} ({first.probability:.2f})"
        return f"Not healthy (p = {diagnosis.probability:.2f}). Most likely cause: {named}."
    record = diagnosis.record
    if record.unseen:
        return "No fault was found in the network's structure and its updates. Whether it learns was not looked at."
    if record.unjudged:
        return (
            "No fault was found in the network's structure and its updates. Whether it learns is not judged: "
            f"{'; '.join(record.unjudged)}."
        )
    doubt = "" if diagnosis.probability < DOUBT else " No cause stands out, but it does not look quite right either."
    return f"Healthy (p = {1 - diagnosis.probability:.2f}).{doubt}"


def _grounds(finding: Finding) -> list[str]:
    """What speaks for a cause, and what to do about it."""
    return _block("evidence", ";\n".join(finding.evidence)) + _block("remedy", finding.remedy)


def _block(name: str, text: str) -> list[str]:
    """The name, and the text in a column at its right."""
    found: list[str] = []
    for piece in text.split("\n"):
        found += textwrap.wrap(piece, WIDTH - 13)
    return [f"  {name if i == 0 else '':<11}{line}" for i, line in enumerate(found)]
