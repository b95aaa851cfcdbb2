"""Evidence about inputs and targets."""

from __future__ import annotations

from collections.abc import Iterator

from tenfold.doctor.judge.evidence import Evidence, decades, number, ramp, share
from tenfold.doctor.measure.numbers.non_finite import NotFinite
from tenfold.doctor.record import DataMoments, Record


def data_evidence(record: Record) -> Iterator[Evidence]:
    """Scales, offsets, repetition and balance of what was trained on."""
    yield from _not_finite(record)
    if record.inputs is not None and not _words(record):
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


def _inputs(x: DataMoments) -> Iterator[Evidence]:
    column, mean, std = x.worst or [0.0, x.mean, x.std]
    size = max(abs(mean), std)
    rest = f"column {int(column)} has mean {number(mean)}, std {number(std)}; "
    rest += f"a middle column has std {number(x.column_std_median)}"
    yield Evidence(
        "inputs_large", decades(size, 8, 300), f"{rest}; largest value {number(max(abs(x.smallest), abs(x.largest)))}"
    )
    if x.columns > 1:
        yield Evidence(
            "inputs_uneven",
            decades(x.spread, 30, 1000),
            f"the columns' standard deviations differ {number(x.spread)} times ({number(x.column_std_smallest)} "
            f"to {number(x.column_std_largest)})",
        )
    yield Evidence("inputs_offset", decades(x.offset, 5, 100),
                   f"a column's mean is {number(x.offset)} times its standard deviation")  # fmt: skip
    yield Evidence(
        "inputs_tiny",
        decades(x.column_std_median or x.std, 0.05, 0.003),
        f"the inputs hardly vary: a middle column has standard deviation {number(x.column_std_median)}",
    )
    yield Evidence(
        "inputs_outlier",
        decades(max(abs(x.smallest), abs(x.largest)) / max(size, 1e-300), 30, 300),
        f"a value of {number(max(abs(x.smallest), abs(x.largest)))} where the largest column has std {number(std)}",
    )


def _evaluation(record: Record) -> Iterator[Evidence]:
    seen, trained = record.curves.evaluation_inputs, record.inputs
    if seen is None or trained is None or not trained.std or seen.columns != trained.columns:
        return
    ratio = max(seen.std, 1e-12) / max(trained.std, 1e-12)
    shift = abs(seen.mean - trained.mean) / trained.std
    yield Evidence(
        "evaluation_scaled",
        max(decades(max(ratio, 1 / ratio), 1.7, 5), ramp(shift, 0.5, 2)),
        f"inputs have mean {number(trained.mean)}, std {number(trained.std)} in training and mean "
        f"{number(seen.mean)}, std {number(seen.std)} in evaluation",
    )


def _targets(record: Record) -> Iterator[Evidence]:
    y, facts = record.targets, record.facts
    assert y is not None
    if facts.task == "numbers":
        yield Evidence(
            "targets_large",
            decades(max(abs(y.mean), y.std), 15, 500),
            f"the targets have mean {number(y.mean)}, std {number(y.std)}; an untrained network's outputs are about 0",
        )
        yield Evidence("targets_tiny", decades(y.std, 0.02, 0.001), f"the targets have std {number(y.std)}")
    elif y.shares:
        top = max(y.shares)
        yield Evidence("imbalance", ramp(top, 0.85, 0.95), f"{share(top)} of the rows are of one class")
    if not record.baselines or record.inputs is None:
        return
    best = min(record.baselines, key=lambda b: b.p_value)
    rows = min(record.facts.rows_kept, 1000)
    if rows >= 100 and "recurrent" not in {op.kind for op in facts.operations}:
        yield Evidence(
            "labels_unrelated",
            ramp(best.p_value, 0.002, 0.05)
            * ramp(best.skill, 0.15, 0.05)
            * ramp(max(y.shares, default=0.0), 0.95, 0.85),
            f"no model finds anything in {rows} rows: the best ({best.name}) has skill {number(best.skill)} (p = "
            f"{number(best.p_value)})",
        )
    top_skill = max(b.skill for b in record.baselines)
    yield Evidence(
        "labels_noisy",
        ramp(top_skill, 0.6, 0.2),
        f"the best of {len(record.baselines)} simple models reaches skill {number(top_skill)}",
    )
