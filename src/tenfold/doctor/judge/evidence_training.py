"""Evidence about the course of the training: the loss over time, the size of its steps, the optimizer's options."""

from __future__ import annotations

import math
from collections.abc import Iterator
from itertools import pairwise
from statistics import median

from tenfold.doctor.judge.evidence import Evidence, digits, log_strength, share, strength
from tenfold.doctor.record import Record

USUAL_RATES = {
    "sgd": 0.05, "adam": 1e-3, "adamw": 1e-3, "nadam": 1e-3, "radam": 1e-3, "adamax": 2e-3, "rmsprop": 1e-3,
    "adagrad": 1e-2, "adadelta": 1.0,
}  # fmt: skip


def training_evidence(record: Record) -> Iterator[Evidence]:
    """Curves, updates, options."""
    yield from _finite(record)
    if not record.loop.unjudged:
        yield from _loss(record)
        yield from _validation(record)
    yield from _updates(record)
    yield from _optimizers(record)
    yield from _batches(record)
    yield from _again(record)


def _finite(record: Record) -> Iterator[Evidence]:
    found = record.curves.non_finite
    if found is not None:
        where = f" in {found.layer}" if found.layer else ""
        yield Evidence(
            "non_finite",
            1.0,
            f"the first number that is not finite: {found.what}{where}, at update {found.step}",
            found.layer,
        )


def smoothed_loss(record: Record) -> list[float]:
    """The loss as at most 40 medians of neighbouring points."""
    values = [p.value for p in record.curves.loss if math.isfinite(p.value)]
    if len(values) < 4:
        return values
    size = max(1, len(values) // 40)
    return [median(values[i : i + size]) for i in range(0, len(values) - size + 1, size)]


def _loss(record: Record) -> Iterator[Evidence]:
    values, start = smoothed_loss(record), record.probe("start")
    if len(values) < 4:
        return
    first = (
        start.train_loss
        if start is not None and start.train_loss is not None and math.isfinite(start.train_loss)
        else values[0]
    )
    tail = median(values[-max(2, len(values) // 5) :])
    # changes of the loss count relative to how far it could fall: from its start to what a perfect output gives
    floor = record.theory.perfect if record.theory.perfect is not None else 0.0
    scale = max(abs(first - min(floor, first)), abs(first) * 1e-3, 1e-12)
    yield Evidence(
        "loss_rose",
        strength((tail - first) / scale, 0.05, 0.6),
        f"the loss rose from {digits(first)} to {digits(tail)}",
    )
    yield Evidence(
        "loss_flat",
        strength(abs(tail - first) / scale, 0.05, 0.005),
        f"the loss went from {digits(first)} to {digits(tail)}",
    )
    if tail < min(floor, 0.0) - 1 or tail < -5:
        yield Evidence("loss_negative", 1.0, f"the loss fell to {digits(tail)}, below what a perfect output gives")
    constant = record.theory.constant
    if constant is not None and constant > 0 and record.facts.reduction != "sum":
        yield Evidence(
            "loss_above_constant",
            log_strength(tail / constant, 1.3, 5),
            f"the loss ends at {digits(tail)}, a constant output gives {digits(constant)}",
        )
    yield from _shape(values, first, floor, scale)


def _shape(values: list[float], first: float, floor: float, scale: float) -> Iterator[Evidence]:
    """Of the smoothed loss. first: at the start; floor: what a perfect output gives; scale: how far it could fall."""
    half = values[len(values) // 2 :]
    steps = [b - a for a, b in pairwise(half)]
    travelled = sum(map(abs, steps)) / len(steps) if steps else 0.0
    level = max(abs(median(half) - min(floor, min(half))), 1e-9)
    yield Evidence(
        "oscillates",
        strength(travelled / level, 0.5, 2.0),
        f"the smoothed loss moves by {digits(travelled)} from point to point about {digits(median(half))}",
    )
    peak = max(values)
    yield Evidence(
        "loss_jumped",
        log_strength((peak - floor) / scale, 3, 100),
        f"the loss went up to {digits(peak)} from {digits(first)}",
    )
    third = max(1, len(values) // 3)
    before, late = median(values[-2 * third : -third] or values[:1]), median(values[-third:])
    drop = (before - late) / max(before - floor, 1e-9)
    yield Evidence(
        "still_falling", strength(drop, 0.1, 0.4), f"in the last third the loss still fell by {share(max(drop, 0))}"
    )


def _validation(record: Record) -> Iterator[Evidence]:
    points = [p.value for p in record.curves.validation if math.isfinite(p.value)]
    end = record.probe("end")
    if len(points) >= 3:
        best, last = min(points), median(points[-max(1, len(points) // 5) :])
        yield Evidence(
            "validation_rises",
            strength((last - best) / max(abs(best), 1e-6), 0.15, 1.0),
            f"the validation loss rose from {digits(best)} to {digits(last)}",
        )
    if end is not None and end.skill is not None and record.curves.validation_skill is not None:
        gap = end.skill - record.curves.validation_skill
        yield Evidence(
            "validation_gap",
            strength(gap, 0.15, 0.5),
            f"skill {digits(end.skill)} on training rows and {digits(record.curves.validation_skill)} on "
            "validation rows",
        )


def _updates(record: Record) -> Iterator[Evidence]:
    ratio = record.early_update_ratio()
    # a step with a closure is many updates
    if ratio is not None and not any(rule.rule == "lbfgs" for rule in record.facts.optimizers):
        yield Evidence(
            "steps_large",
            log_strength(ratio, 0.03, 0.5),
            f"early updates change the weights by {digits(ratio)} of their norm (about 1e-3 is usual)",
        )
        yield Evidence(
            "steps_small",
            log_strength(ratio, 3e-4, 1e-6),
            f"early updates change the weights by {digits(ratio)} of their norm (about 1e-3 is usual)",
        )
    norms = [p.value for p in record.curves.gradient_norm if math.isfinite(p.value)]
    if len(norms) >= 8 and median(norms) > 0:
        top = max(norms[1:]) / median(norms)
        yield Evidence(
            "gradient_spikes",
            log_strength(top, 30, 1000),
            f"the largest gradient norm is {digits(top)} times the middle one",
        )
    cosines = [u.cosine for u in record.curves.updates if u.cosine is not None and math.isfinite(u.cosine)]
    if len(cosines) >= 4:
        yield Evidence(
            "gradients_opposed",
            strength(median(cosines), -0.1, -0.6),
            f"successive gradients point against each other (cosine {digits(median(cosines))})",
        )


def _optimizers(record: Record) -> Iterator[Evidence]:
    facts = record.facts
    for rule in facts.optimizers:
        if rule.eps is not None and rule.rule not in ("adadelta",):
            yield Evidence(
                "epsilon_large", log_strength(rule.eps, 1e-4, 1e-2), f"{rule.rule}'s epsilon is {digits(rule.eps)}"
            )
        decay = rule.weight_decay
        yield Evidence("decay_large", log_strength(decay, 0.05, 1.0), f"weight decay of {digits(decay)}")
        usual = USUAL_RATES.get(rule.rule)
        if usual is not None and rule.lr > 0:
            # a constant gradient is followed at lr / (1 - momentum)
            rate = rule.lr / (1 - rule.momentum) if rule.rule == "sgd" and rule.momentum < 1 else rule.lr
            sentence = f"{rule.rule} with learning rate {digits(rule.lr)}"
            yield Evidence("rate_above_usual", log_strength(rate / usual, 8, 300), sentence)
            yield Evidence("rate_below_usual", log_strength(rate / usual, 0.08, 1e-3), sentence)
    rules = {rule.rule for rule in facts.optimizers}
    yield Evidence(
        "plain_sgd",
        1.0 if rules == {"sgd"} and all(r.momentum == 0 for r in facts.optimizers) else 0.0,
        "SGD without momentum",
    )
    yield Evidence(
        "not_adaptive",
        1.0 if rules and rules <= {"sgd", "adagrad", "adadelta", "rprop", "asgd", "lbfgs"} else 0.0,
        f"the optimizer is {', '.join(sorted(rules))}",
    )


def _batches(record: Record) -> Iterator[Evidence]:
    facts = record.facts
    yield Evidence(
        "coupled_rows",
        1.0 if facts.reduction == "coupled" else 0.0,
        "the loss of a batch is neither the mean nor the sum of its rows' losses: it mixes rows",
    )
    yield Evidence(
        "summed",
        1.0 if facts.reduction == "sum" and facts.batch_rows > 1 else 0.0,
        f"the loss is summed over {facts.batch_rows} rows",
    )
    if facts.steps:
        yield Evidence("few_updates", log_strength(facts.steps, 120, 12), f"{facts.steps} updates in all")
    if facts.rows_kept:
        yield Evidence(
            "large_batch",
            strength(facts.batch_rows / facts.rows_kept, 0.4, 0.9) * strength(facts.batch_rows, 64, 256),
            f"a batch of {facts.batch_rows} of {facts.rows_kept} rows",
        )
    if facts.batch_rows:
        yield Evidence("tiny_batch", strength(facts.batch_rows, 5, 1), f"batches of {facts.batch_rows} rows")


def _again(record: Record) -> Iterator[Evidence]:
    """Recorded gradients and updates against the criterion's gradient taken again."""
    extra = record.extra
    first, later = extra.get("gradient_ratio"), extra.get("gradient_ratio_later")
    # the gradient taken again has other dropout masks than the recorded one: the two differ without any fault
    rough = any(op.kind == "dropout" for op in record.facts.operations)
    if (
        later is not None
        and first is not None
        and first < 2
        and math.isfinite(later)
        and record.curves.non_finite is None
    ):
        yield Evidence(
            "gradient_accumulates",
            log_strength(later / max(first, 0.1), 2.5, 8),
            f"the gradient of a later update is {digits(later)} times that of its batch: it is never set back to zero",
        )
    shape = extra.get("gradient_shape", 1.0)
    if first is not None and not rough:
        sentence = f"the gradient at the first update is {digits(first)} times the criterion's"
        if shape > 1.5:
            sentence += f", and {digits(shape)} times as much so in one parameter as in another"
        foreign = max(log_strength(first, 1.5, 10), log_strength(shape, 1.5, 10))
        yield Evidence("gradient_foreign", foreign, f"{sentence}: something else is in the loss")
    descent = extra.get("descent")
    if descent is not None:
        yield Evidence(
            "climbs",
            strength(descent, -0.02, -0.15),
            f"the first update goes up the loss (cosine with the way down {digits(descent)})",
        )
    yield from _stable_rate(record, extra.get("curvature") or 0.0)
    yield Evidence(
        "gradient_wrong",
        log_strength(extra.get("gradient_check"), 1e-4, 1e-2),
        f"the gradient differs from finite differences by {digits(extra.get('gradient_check') or 0.0)}",
    )
    yield from _penalty(record)


def _stable_rate(record: Record, curvature: float) -> Iterator[Evidence]:
    """Rates of gradient descent against 2 (1 + momentum) / curvature: beyond it a bowl of that curvature diverges."""
    for rule in record.facts.optimizers if curvature > 0 else ():
        if rule.rule == "sgd":
            limit = 2 * (1 + rule.momentum) / curvature
            yield Evidence(
                "rate_above_stable",
                log_strength(rule.lr / limit, 1.2, 10),
                f"the learning rate {digits(rule.lr)} is {digits(rule.lr / limit)} times what the curvature "
                f"({digits(curvature)}) allows",
            )


def _penalty(record: Record) -> Iterator[Evidence]:
    decay = max((o.weight_decay for o in record.facts.optimizers if not o.decoupled), default=0.0)
    samples = record.curves.updates[-3:]
    if not decay or not samples:
        return
    ratios = []
    for sample in samples:
        weight = sum(w * w for w in sample.weight if w is not None) ** 0.5
        size = sum(g * g for g in sample.gradient if g is not None) ** 0.5
        ratios.append(decay * weight / max(size, 1e-12))
    yield Evidence(
        "penalty_dominates",
        log_strength(median(ratios), 0.7, 10),
        f"the penalty's gradient is {digits(median(ratios))} times the data's",
    )
