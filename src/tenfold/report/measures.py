"""What the page of a diagnosis prints in tables: measures of the whole training, and of each layer."""

from __future__ import annotations

from typing import Any

from tenfold.doctor.record import DataMoments, LayerNumbers, ProbeState, Record
from tenfold.report import panels, words

STATES: tuple[tuple[str, ProbeState], ...] = (
    ("at the start", "start"), ("at the end", "end"), ("right initialization", "reference"),
)  # fmt: skip
MeasureRows = list[tuple[str, Any]]


def measure_text(value: Any) -> str:
    """A measure in a table: whole numbers in full, others with at most four digits and no trailing zeros; text as it
    is; a dash for what is not finite."""
    if isinstance(value, str):
        return value
    if not words.is_finite_number(value):
        return words.DASH
    return words.whole_number(value) if value == int(value) and abs(value) < 1e6 else f"{value:.4g}"


def measures(record: Record) -> list[tuple[str, list[tuple[str, str]]]]:
    """Groups of measures: (name, value); without those that were not measured."""
    groups = [("Training", _training(record)), ("Loss", _losses(record)), ("Skill", _skills(record)),
              ("Inputs", _moments(record.inputs)), ("Targets", _moments(record.targets)),
              ("On request", [(name.replace("_", " "), value) for name, value in record.extra.items()])]  # fmt: skip
    kept = [
        (name, [(what, measure_text(value)) for what, value in rows if value not in (None, "")])
        for name, rows in groups
    ]
    return [(name, rows) for name, rows in kept if rows]


def _training(record: Record) -> MeasureRows:
    facts = record.facts
    rules = [
        f"{o.rule}, learning rate {measure_text(o.lr)}"
        + (f", weight decay {measure_text(o.weight_decay)}" if o.weight_decay else "")
        for o in facts.optimizers
    ]
    rows = f"{facts.rows_kept:,}" + (f" of {facts.rows_known:,}" if facts.rows_known else "")
    return [
        ("updates", facts.steps), ("rows a batch", facts.batch_rows), ("rows kept", rows),
        *(("optimizer", rule) for rule in rules),
        ("loss function", ", ".join(filter(None, (facts.criterion, facts.reduction)))),
        ("between output and loss", facts.after),
        ("updates in training mode", words.percent(facts.training_mode)),
        ("backward passes an update", facts.accumulated if facts.accumulated != 1 else None),
    ]  # fmt: skip


def _losses(record: Record) -> MeasureRows:
    rows: MeasureRows = []
    for name, state in STATES:
        probe = record.probe(state)
        if probe is not None:
            rows += [(name, probe.train_loss), (f"{name}, evaluation mode", probe.eval_loss)]
    return rows + panels.landmarks(record)


def _skills(record: Record) -> MeasureRows:
    end = record.probe("end")
    rows: MeasureRows = (
        [] if end is None else [("training rows", end.skill_train_mode), ("the same, evaluation mode", end.skill)]
    )
    rows.append(("rows without gradients", record.curves.validation_skill))
    return rows + [(f"{b.name} (p = {measure_text(b.p_value)})", b.skill) for b in record.baselines]


def _moments(found: DataMoments | None) -> MeasureRows:
    if found is None:
        return []
    extent = f"{measure_text(found.smallest)} to {measure_text(found.largest)}"
    rows: MeasureRows = [
        ("columns", found.columns), ("mean", found.mean), ("standard deviation", found.std), ("range", extent),
        ("largest over smallest column deviation", found.spread), ("largest mean in deviations", found.offset),
        ("condition of the covariance", found.condition), ("constant columns", found.constant or None),
        ("repeated rows", found.duplicates or None), ("not finite", found.non_finite or None),
    ]  # fmt: skip
    if len(found.worst) == 3:
        column, mean, std = found.worst
        rows.append(
            (
                "column of the largest values",
                f"{measure_text(column)}: mean {measure_text(mean)}, deviation {measure_text(std)}",
            )
        )
    return rows


def layers(record: Record) -> list[dict[str, Any]]:
    """A row an operation: name, rule, units, rms at the start, the end and in the reference, shares, gradient."""
    by_state: dict[str, dict[int, LayerNumbers]] = {}
    for _, state in STATES:
        probe = record.probe(state)
        by_state[state] = {n.operation: n for n in probe.layers} if probe is not None else {}
    found = []
    for place, op in enumerate(record.facts.operations):
        start, end, reference = (by_state[state].get(place) for state in ("start", "end", "reference"))
        last = end or start
        if last is not None:
            found.append({
                "name": op.name, "rule": op.rule, "units": op.units or None,
                "start": start.rms if start else None, "end": end.rms if end else None,
                "reference": reference.rms if reference else None, "saturated": last.saturated, "dead": last.dead,
                "identical": last.identical, "gradient": last.gradient,
            })  # fmt: skip
    return found
