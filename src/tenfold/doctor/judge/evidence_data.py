"""Evidence about inputs and targets."""

from __future__ import annotations

from collections.abc import Iterator

from tenfold.doctor.judge.evidence import Evidence, digits, log_strength, share, strength
from tenfold.doctor.judge.evidence_trials import unfitted
from tenfold.doctor.measure.numbers.non_finite import NotFinite
from tenfold.doctor.record import DataMoments, Record

FEW = 400  # rows in which a relation that explains a few per cent may not show


def data_evidence(record: Record) -> Iterator[Evidence]:
    """Scales, offsets, repetition and balance of what was trained on."""
    yield from _not_finite(record)
    if record.inputs is not None and not _words(record):
        if not _scaled_by_itself(record):
            yield from _inputs(record.inputs)
        yield from _evaluation(record)
    if record.targets is not None:
        yield from _targets(record)


def _not_finite(record: Record) -> Iterator[Evidence]:
    """Inputs or targets that are the first numbers of the training that are not finite."""
    bad = record.curves.non_finite
    name = {"the input": "inputs_not_finite", "the target": "targets_not_finite"}.get(bad.what if bad else "")
    if bad is None or name is None:
        return
    found = NotFinite(bad.count, bad.of, bad.nans, bad.place)
    yield Evidence(
        name,
        1.0,
        f"{bad.count} of {bad.of} {bad.what.removeprefix('the ')} values of the batch at update {bad.step} "
        f"{found.what()}: {found.where()} of the batch{'' if bad.count == 1 else ', the first of them'}",
    )


def _words(record: Record) -> bool:
    """Whether the first operation looks inputs up: their scale means nothing."""
    return any(op.kind == "embedding" for op in record.facts.operations[:1])


def _scaled_by_itself(record: Record) -> bool:
    """Whether the first operation brings every column to one scale, so that the scale of the inputs means nothing."""
    return any(op.rule in ("batch_norm", "instance_norm") for op in record.facts.operations[:1])


def _inputs(x: DataMoments) -> Iterator[Evidence]:
    column, mean, std = x.worst or [0.0, x.mean, x.std]
    size = max(abs(mean), std)
    largest = max(abs(x.smallest), abs(x.largest))
    columns = f"column {int(column)} has mean {digits(mean)}, std {digits(std)}; a median column has std "
    columns += f"{digits(x.column_std_median)}; the largest value is {digits(largest)}"
    yield Evidence("inputs_large", log_strength(size, 8, 300), columns)
    if x.columns > 1:
        yield Evidence(
            "inputs_uneven",
            log_strength(x.spread, 30, 1000),
            f"the columns' standard deviations differ {digits(x.spread)} times ({digits(x.column_std_smallest)} "
            f"to {digits(x.column_std_largest)})",
        )
    yield Evidence("inputs_offset", log_strength(x.offset, 5, 100),
                   f"a column's mean is {digits(x.offset)} times its standard deviation")  # fmt: skip
    yield Evidence(
        "inputs_tiny",
        log_strength(x.column_std_median or x.std, 0.05, 0.003),
        f"the inputs hardly vary: a median column has std {digits(x.column_std_median)}",
    )
    yield Evidence(
        "inputs_outlier",
        log_strength(largest / max(size, 1e-300), 30, 300),
        f"a value of {digits(largest)} where the largest column has std {digits(std)}",
    )


def _evaluation(record: Record) -> Iterator[Evidence]:
    seen, trained = record.curves.evaluation_inputs, record.inputs
    if seen is None or trained is None or not trained.std or seen.columns != trained.columns:
        return
    ratio = max(seen.std, 1e-12) / max(trained.std, 1e-12)
    shift = abs(seen.mean - trained.mean) / trained.std
    yield Evidence(
        "evaluation_scaled",
        max(log_strength(max(ratio, 1 / ratio), 1.7, 5), strength(shift, 0.5, 2)),
        f"inputs have mean {digits(trained.mean)}, std {digits(trained.std)} in training and mean "
        f"{digits(seen.mean)}, std {digits(seen.std)} in evaluation",
    )


def _targets(record: Record) -> Iterator[Evidence]:
    y, facts = record.targets, record.facts
    assert y is not None
    if facts.task == "numbers":
        yield Evidence(
            "targets_large",
            log_strength(max(abs(y.mean), y.std), 15, 500),
            f"the targets have mean {digits(y.mean)}, std {digits(y.std)}; an untrained network's outputs are about 0",
        )
        yield Evidence("targets_tiny", log_strength(y.std, 0.02, 0.001), f"the targets have std {digits(y.std)}")
    elif y.shares:
        top = max(y.shares)
        yield Evidence("imbalance", strength(top, 0.85, 0.95), f"{share(top)} of the rows are of one class")
    if not record.baselines or record.inputs is None:
        return
    best = min(record.baselines, key=lambda b: b.p_value)
    rows = min(record.facts.rows_kept, 1000)
    if rows >= 100 and "recurrent" not in {op.kind for op in facts.operations}:
        yield Evidence(
            "labels_unrelated",
            strength(best.p_value, 0.002, 0.05)
            * strength(best.skill, 0.15, 0.05)
            * strength(max(y.shares, default=0.0), 0.95, 0.85)
            * unfitted(record),
            f"no model finds anything in {rows} rows: the best ({best.name}) has skill {digits(best.skill)} (p = "
            f"{digits(best.p_value)})" + (f"; a weak relation does not show in {rows} rows" if rows < FEW else ""),
        )
    top_skill = max(b.skill for b in record.baselines)
    yield Evidence(
        "labels_noisy",
        strength(top_skill, 0.6, 0.2) * unfitted(record),
        f"the best of {len(record.baselines)} simple models reaches skill {digits(top_skill)}",
    )
