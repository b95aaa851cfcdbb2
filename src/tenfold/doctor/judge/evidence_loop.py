"""Evidence about the loop itself: the order of its calls, the way of the gradient, schedules, rows, axes, the
criterion's own numbers. Each is a reading that has one explanation: where one is there, it settles the cause."""

from __future__ import annotations

import re
from collections.abc import Iterator

from tenfold.doctor.judge.evidence import Evidence, digits, share, strength
from tenfold.doctor.record import Record

READINGS = (
    "loop_raised", "never_stepped", "no_gradient_at_step", "gradients_lost", "path_cut", "weights_unheld",
    "optimizer_foreign", "rate_gone", "rate_not_begun", "row_alone_differs", "axes_confused", "all_ignored",
    "mode_left", "outside_space", "weights_unusable", "gradient_hides_nan", "batch_repeated", "epsilon_vanishes",
)  # fmt: skip
WORDS = {"F": "model", "C": "criterion", "c": "criterion", "B": "backward", "Z": "zero_grad", "S": "step", "s": "step"}
LOST = re.compile(r"(?:Z+F+C+B+){2,}S")  # several small batches, each of which clears the gradient of the one before
MOSTLY = 0.7  # of the updates that were looked at
FEW_UPDATES = 20  # fewer say nothing of a schedule
GONE, NOT_BEGUN = 1e-4, 0.05  # of the largest rate; of the rate that the schedule leads to


def loop_evidence(record: Record) -> Iterator[Evidence]:
    """Readings of the loop."""
    yield from _error(record)
    yield from _gradient(record)
    yield from _schedule(record)
    yield from _rows(record)
    yield from _criterion(record)


def settled_by_reading(record: Record) -> bool:
    """Whether a reading leaves nothing to try."""
    return any(item.strength > 0.99 for item in loop_evidence(record))


def _error(record: Record) -> Iterator[Evidence]:
    loop = record.loop
    if not loop.error or _severed(record):
        return
    yield Evidence("loop_raised", 1.0, f"the loop ended at update {loop.error_step} with {loop.error}")


def _severed(record: Record) -> bool:
    """Whether no loss carried a gradient."""
    return record.loop.severed > 0 and not record.loop.losses


def _calls(order: str) -> str:
    return ", ".join(WORDS[letter] for letter in order[:24])


def _gradient(record: Record) -> Iterator[Evidence]:
    loop = record.loop
    foreign = loop.trainable > 0 and loop.members == 0 and (loop.foreign > 0 or record.facts.steps > 0)
    yield Evidence(
        "optimizer_foreign",
        1.0 if foreign else 0.0,
        f"the optimizer holds none of the model's {loop.trainable} trainable parameters, and {loop.foreign} others",
    )
    if foreign:
        return
    if _severed(record) or (loop.cut and loop.unreached):
        yield Evidence("path_cut", 1.0, _cut(record), loop.unreached[0] if loop.unreached else "")
        return
    yield Evidence(
        "weights_unheld",
        1.0 if loop.unheld else 0.0,
        f"the loss depends on weights that model.parameters() lacks and nothing moves: {'; '.join(loop.unheld)}",
    )
    orders = [order for order in loop.orders if order]
    if loop.losses and not record.facts.steps and not loop.error:
        called = f": {_calls(orders[0])}" if orders else ""
        yield Evidence("never_stepped", 1.0, f"{loop.losses} losses and no step of the optimizer{called}")
    plain = [order for order in orders if order.endswith("S")]  # without those whose step calls a closure
    if not plain or not record.facts.steps:
        return
    lost = [order for order in plain if LOST.fullmatch(order)]
    if len(lost) >= MOSTLY * len(plain):
        count = lost[-1].count("B")
        scaled = loop.factor is not None and abs(loop.factor * count - 1) < 0.01
        yield Evidence(
            "gradients_lost",
            1.0,
            f"of {count} backward passes before a step the gradients of {count - 1} are cleared by the next zero_grad"
            + (f", though each loss is divided by {count} to add them up" if scaled else ""),
        )
    why = _empty(plain)
    if why:
        yield Evidence("no_gradient_at_step", strength(loop.no_gradient, 0.6, 0.95), why)


def _cut(record: Record) -> str:
    loop = record.loop
    names = ", ".join(loop.unreached[:2]) + (", ..." if len(loop.unreached) > 2 else "")
    way = f"the way from {len(loop.unreached)} parameters ({names}) to the loss" if names else "the way to the loss"
    if not loop.cut:
        return "the loss carries no gradient, though gradients are recorded: the way to it is cut"
    return f"{way} ends at {loop.cut}{f' ({loop.cut_at})' if loop.cut_at else ''}: no gradient comes through"


def _empty(orders: list[str]) -> str:
    """Why a step found no gradient, as the calls tell; "" where they are in order: then the gradient itself is 0."""
    order = orders[-1]
    if "B" not in order:
        return f"no backward pass between the criterion and the step: the calls of an update are {_calls(order)}"
    if "Z" in order[order.rindex("B") :]:
        return f"gradients are cleared between backward and step: the calls of an update are {_calls(order)}"
    return ""


def _schedule(record: Record) -> Iterator[Evidence]:
    points, steps = record.curves.lr, record.facts.steps
    if steps < FEW_UPDATES or not points:
        return
    ends = [p.step for p in points[1:]] + [steps]
    spans = [(p.value, max(0, end - p.step)) for p, end in zip(points, ends, strict=True)]
    top = max(value for value, _ in spans)
    if top <= 0:
        if record.loop.rate:
            yield Evidence("rate_not_begun", 1.0, f"the learning rate stays at 0 for all {steps} updates; the schedule "
                           f"leads to {digits(record.loop.rate)}")  # fmt: skip
        return
    peak = next(i for i, (value, _) in enumerate(spans) if value == top)
    gone = sum(count for value, count in spans[peak:] if value < GONE * top) / steps
    first = next((p.step for p in points[peak:] if p.value < GONE * top), steps)
    yield Evidence(
        "rate_gone",
        strength(gone, 0.15, 0.35),
        f"the learning rate falls from {digits(top)} to under a ten-thousandth of it by update {first} of {steps}, and "
        f"ends at {digits(points[-1].value)}; it changed {len(points) - 1} times",
    )
    if record.loop.rate:
        part, changes = top / record.loop.rate, len(points) - 1
        slowly = changes <= steps / 4
        yield Evidence(
            "rate_not_begun",
            strength(part, 2 * NOT_BEGUN, NOT_BEGUN) if slowly and points[-1].value >= top else 0.0,
            f"the learning rate rises to {digits(top)} only, {share(part)} of the {digits(record.loop.rate)} that the "
            f"schedule leads to: it changed {changes} times in {steps} updates",
        )


def _rows(record: Record) -> Iterator[Evidence]:
    loop = record.loop
    if loop.mixed is not None:
        yield Evidence(
            "row_alone_differs",
            strength(loop.mixed, 0.02, 0.1),
            f"in evaluation mode the outputs of a row change by {digits(loop.mixed)} of their spread when it is alone: "
            "its outputs depend on the rows beside it",
        )
    if loop.left is not None and any(op.rule == "batch_norm" for op in record.facts.operations):
        rest = (record.facts.steps - loop.left) / max(record.facts.steps, 1)
        yield Evidence(
            "mode_left",
            strength(rest, 0.2, 0.5),
            f"the model is in evaluation mode since update {loop.left} of {record.facts.steps}: model.eval() was not "
            "taken back, so batch normalization keeps the moments that it had by then",
        )
    yield Evidence("axes_confused", 1.0 if loop.axes else 0.0, loop.axes)
    end, validation = record.probe("end"), record.curves.validation_skill
    if loop.repeated and end is not None and end.skill is not None and validation is not None:
        gap = end.skill - validation
        yield Evidence(
            "batch_repeated",
            strength(gap, 0.15, 0.4) * strength(loop.repeated, 96, 64),
            f"every one of {record.facts.steps} updates had the same {loop.repeated} rows: skill {digits(end.skill)} "
            f"on them and {digits(validation)} on the rows that are evaluated",
        )


def _criterion(record: Record) -> Iterator[Evidence]:
    loop = record.loop
    yield Evidence(
        "all_ignored",
        1.0 if loop.ignored and record.curves.non_finite is not None else 0.0,
        f"every target of the batch at update {loop.ignored[0] if loop.ignored else 0} is ignored: the mean over "
        "nothing is not a number",
    )
    yield Evidence("outside_space", 1.0 if loop.space else 0.0, loop.space)
    yield Evidence("weights_unusable", 1.0 if loop.weights else 0.0, loop.weights)
    yield Evidence("epsilon_vanishes", 1.0 if loop.small_type else 0.0, loop.small_type)
    rows = ", ".join(map(str, loop.hidden_rows[:3])) + (", ..." if len(loop.hidden_rows) > 3 else "")
    what = f" by the backward pass of {loop.hidden}()" if loop.hidden not in ("", "unknown") else ""
    named = f" {loop.hidden_parameter}" if loop.hidden_parameter else ""
    yield Evidence(
        "gradient_hides_nan",
        1.0 if loop.hidden else 0.0,
        f"parameter{named} is not finite since update {loop.hidden_step}, while the loss is: "
        f"row{'s' if ',' in rows else ''} {rows} of that batch make the gradient not finite{what}",
    )
