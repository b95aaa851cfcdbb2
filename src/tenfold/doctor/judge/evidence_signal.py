"""Evidence from probes: what goes through the network at its start and at its end, against a right start."""

from __future__ import annotations

import math
from collections.abc import Iterator
from statistics import median

from tenfold.doctor.changes.surgery import GAINS, RECTIFIED
from tenfold.doctor.judge.evidence import Evidence, decades, number, ramp, share
from tenfold.doctor.record import LayerNumbers, Probe, Record, following, hidden_layers, weighted


def signal_evidence(record: Record) -> Iterator[Evidence]:
    """Start, end, reference."""
    start, reference, end = record.probe("start"), record.probe("reference"), record.probe("end")
    if start is not None:
        yield from _start(record, start, reference)
    if end is not None and start is not None:
        yield from _end(record, start, end, reference)
    if reference is not None:
        yield from _reference(record, reference)


def _layers(probe: Probe) -> dict[int, LayerNumbers]:
    return {layer.operation: layer for layer in probe.layers}


def _start(record: Record, start: Probe, reference: Probe | None) -> Iterator[Evidence]:
    operations = record.facts.operations
    here, there = _layers(start), _layers(reference) if reference is not None else {}
    ratios = []
    for place in weighted(operations):
        op, found = operations[place], here.get(place)
        if op.kind not in ("linear", "conv") or found is None or found.weight_rms is None or not op.fan_in:
            continue
        follower = following(operations, place)
        gain = GAINS.get(operations[follower].rule, 1.0) if follower is not None else 1.0
        ratios.append((found.weight_rms * math.sqrt(op.fan_in) / gain, op.name, found.weight_rms))
    if ratios:
        yield from _scales(ratios, record)
    yield from _against_right(record, here, there)
    yield from _units(record, here, there, "start")
    yield from _initial_loss(record, start)


def _against_right(record: Record, here: dict[int, LayerNumbers], there: dict[int, LayerNumbers]) -> Iterator[Evidence]:
    """Signal and gradient at the start, against those under a right start."""
    hidden = hidden_layers(record.facts.operations)
    if not hidden or not there:
        return
    last = hidden[-1]
    if last in here and last in there and there[last].rms > 0:
        ratio, name = here[last].rms / there[last].rms, record.facts.operations[last].name
        said = f"at the start the last hidden layer's rms is {number(here[last].rms)}, "
        said += f"under a right start {number(there[last].rms)}"
        yield Evidence("signal_fades", decades(ratio, 0.1, 1e-3), said, name)
        yield Evidence("signal_grows", decades(ratio, 8, 300), said, name)
    flow, right = _flow(here, hidden), _flow(there, hidden)
    if flow is not None and right is not None and right > 0:
        yield Evidence(
            "gradient_fades",
            decades(flow / right, 0.05, 1e-3),
            f"the gradient shrinks to {number(flow)} of itself between the last and the first hidden layer, "
            f"under a right start to {number(right)}",
        )
        yield Evidence(
            "gradient_grows",
            decades(flow / right, 20, 1e3),
            f"the gradient grows {number(flow)} times between the last and the first hidden layer, under a "
            f"right start {number(right)} times",
        )


def _scales(ratios: list[tuple[float, str, float]], record: Record) -> Iterator[Evidence]:
    smallest, largest = min(ratios[:-1] or ratios), max(ratios)
    middle = math.exp(sum(math.log(max(r, 1e-12)) for r, _, _ in ratios) / len(ratios))
    recurrent = any(op.kind == "recurrent" for op in record.facts.operations)
    if not recurrent:
        yield Evidence(
            "weights_small",
            max(decades(middle, 0.3, 0.05), 0.8 * decades(smallest[0], 0.1, 0.01)),
            f"the initial weights of {smallest[1]} have rms {number(smallest[2])}, {number(smallest[0])} of what "
            "its fan-in and activation ask for",
            smallest[1],
        )
    yield Evidence(
        "weights_large",
        max(decades(middle, 1.8, 6), 0.8 * decades(largest[0], 4, 15)),
        f"the initial weights of {largest[1]} have rms {number(largest[2])}, {number(largest[0])} times what its "
        "fan-in and activation ask for",
        largest[1],
    )


def _flow(layers: dict[int, LayerNumbers], hidden: list[int]) -> float | None:
    """Gradient at the first hidden layer over that at the last."""
    first, last = layers.get(hidden[0]), layers.get(hidden[-1])
    if first is None or last is None or first.gradient is None or not last.gradient:
        return None
    return first.gradient / last.gradient


def _units(
    record: Record, here: dict[int, LayerNumbers], there: dict[int, LayerNumbers], when: str
) -> Iterator[Evidence]:
    operations = record.facts.operations
    activations = [
        i for i, op in enumerate(operations) if op.kind == "activation" and i < (weighted(operations) or [0])[-1]
    ]
    found = [
        (here[i].dead or 0.0, operations[i])
        for i in activations
        if i in here and here[i].dead is not None and operations[i].rule in RECTIFIED
    ]
    if found:
        worst = max(found, key=lambda pair: pair[0])
        mean = sum(d for d, _ in found) / len(found)
        yield Evidence(
            f"dead_{when}",
            max(ramp(mean, 0.15, 0.6), 0.9 * ramp(worst[0], 0.5, 0.95)),
            f"{share(worst[0])} of the units of {worst[1].name} are flat on all rows at the {when} ({share(mean)} "
            "over all layers)",
            worst[1].name,
        )
    flat = [
        (here[i].saturated or 0.0, operations[i], there.get(i))
        for i in activations
        if i in here and here[i].saturated is not None
    ]
    if flat:
        worst = max(flat, key=lambda triple: triple[0])
        right = worst[2].saturated if worst[2] is not None and worst[2].saturated is not None else 0.0
        yield Evidence(
            f"saturated_{when}",
            ramp(worst[0] - right, 0.2, 0.6),
            f"{share(worst[0])} of {worst[1].name}'s outputs are saturated at the {when}; under a right start on "
            f"standardized rows {share(right)}",
            worst[1].name,
        )


def _initial_loss(record: Record, start: Probe) -> Iterator[Evidence]:
    constant, chance = record.theory.constant, record.theory.chance
    expected = chance if chance is not None and record.facts.task != "numbers" else constant
    if start.train_loss is None or expected is None or expected <= 0 or record.facts.reduction == "sum":
        return
    ratio = start.train_loss / expected
    yield Evidence(
        "initial_loss_high",
        decades(ratio, 2.5, 20),
        f"the initial loss is {number(start.train_loss)}, {number(ratio)} times what a constant output gives",
    )


def _end(record: Record, start: Probe, end: Probe, reference: Probe | None) -> Iterator[Evidence]:
    here = _layers(end)
    there = _layers(reference) if reference is not None else {}
    yield from _units(record, here, there, "end")
    if record.facts.task != "numbers" and end.distinct is not None:
        yield Evidence(
            "one_class",
            ramp(end.distinct, 0.03, 0.0),
            f"{share(1 - end.distinct)} of the predictions are the same class",
        )
    elif end.output_spread is not None and record.targets is not None and record.targets.std > 0:
        ratio = end.output_spread / record.targets.std
        yield Evidence(
            "outputs_constant",
            decades(ratio, 0.1, 0.005),
            f"the outputs' std is {number(end.output_spread)}, the targets' {number(record.targets.std)}",
        )
    if end.skill is not None and end.skill_train_mode is not None:
        yield Evidence(
            "mode_gap",
            ramp(end.skill_train_mode - end.skill, 0.1, 0.35),
            f"the same rows have skill {number(end.skill_train_mode)} in training mode and {number(end.skill)} in "
            "evaluation mode",
        )
        yield Evidence(
            "mode_gain",
            ramp(end.skill - end.skill_train_mode, 0.15, 0.5),
            f"the same rows have skill {number(end.skill_train_mode)} in training mode and {number(end.skill)} in "
            "evaluation mode",
        )
    yield from _weights(record, here)


def _weights(record: Record, here: dict[int, LayerNumbers]) -> Iterator[Evidence]:
    """What the training did to the weights."""
    same = [(here[i].identical or 0.0, i) for i in hidden_layers(record.facts.operations) if i in here]
    if same:
        worst, place = max(same)
        yield Evidence(
            "identical_end",
            ramp(worst, 0.3, 0.8),
            f"{share(worst)} of {record.facts.operations[place].name}'s units equal another one after training",
            record.facts.operations[place].name,
        )
    moves = [
        (p.end_rms / p.start_rms, p.name)
        for p in record.facts.parameters
        if len(p.shape) > 1 and p.start_rms > 0 and math.isfinite(p.end_rms)
    ]
    if moves:
        middle = median(r for r, _ in moves)
        yield Evidence(
            "weights_shrank", decades(middle, 0.5, 0.03), f"the weights shrank to {number(middle)} of their start"
        )
        top = max(moves)
        yield Evidence(
            "weights_grew", decades(top[0], 6, 60), f"the weights of {top[1]} grew {number(top[0])} times", top[1]
        )


def _reference(record: Record, reference: Probe) -> Iterator[Evidence]:
    layers = _layers(reference)
    hidden = hidden_layers(record.facts.operations)
    if len(hidden) < 3:
        return
    flow = _flow(layers, hidden)
    if flow is not None:
        yield Evidence(
            "depth_fades",
            decades(flow, 0.02, 1e-4),
            f"even under a right start the gradient shrinks to {number(flow)} of itself on its way down "
            f"{len(hidden)} hidden layers",
        )
        yield Evidence(
            "depth_explodes",
            decades(flow, 50, 5e3),
            f"even under a right start the gradient grows {number(flow)} times on its way down {len(hidden)} "
            "hidden layers",
        )
