"""Evidence from probes: what goes through the network at its start and at its end, against a right start."""

from __future__ import annotations

import math
from collections.abc import Iterator
from statistics import median

from tenfold.doctor.judge.evidence import Evidence, digits, log_strength, share, strength
from tenfold.doctor.measure.activations import activation_facts
from tenfold.doctor.record import LayerNumbers, Probe, Record, following, hidden_layers, weighted

DEAD_LAYER = 0.5  # share of a layer's units that are dead, from which the layer alone is evidence
DEAD_NOTED = 0.3  # share that is noted over several seeds, whatever is judged


def signal_evidence(record: Record) -> Iterator[Evidence]:
    """Start, end, reference."""
    start, reference, end = record.probe("start"), record.probe("reference"), record.probe("end")
    if start is not None:
        yield from _start(record, start, reference)
    if end is not None and start is not None:
        yield from _end(record, end)
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
        gain = activation_facts(operations[follower].rule).gain if follower is not None else 1.0
        ratios.append((found.weight_rms * math.sqrt(op.fan_in) / gain, op.name, found.weight_rms))
    if ratios:
        yield from _scales(ratios, record)
    yield from _against_right(record, here, there)
    yield from _dead(record, here, "start")
    yield from _saturated(record, here, there)
    yield from _initial_loss(record, start)


def _against_right(record: Record, here: dict[int, LayerNumbers], there: dict[int, LayerNumbers]) -> Iterator[Evidence]:
    """Signal and gradient at the start, against those under a right start."""
    hidden = hidden_layers(record.facts.operations)
    if not hidden or not there:
        return
    last = hidden[-1]
    if last in here and last in there and there[last].rms > 0:
        ratio, name = here[last].rms / there[last].rms, record.facts.operations[last].name
        sentence = f"at the start the last hidden layer's rms is {digits(here[last].rms)}, "
        sentence += f"under a right start {digits(there[last].rms)}"
        yield Evidence("signal_fades", log_strength(ratio, 0.1, 1e-3), sentence, name)
        yield Evidence("signal_grows", log_strength(ratio, 8, 300), sentence, name)
    flow, right = _flow(here, hidden), _flow(there, hidden)
    if flow is not None and right is not None and right > 0:
        yield Evidence(
            "gradient_fades",
            log_strength(flow / right, 0.05, 1e-3),
            f"the gradient shrinks to {digits(flow)} of itself between the last and the first hidden layer, "
            f"under a right start to {digits(right)}",
        )
        yield Evidence(
            "gradient_grows",
            log_strength(flow / right, 20, 1e3),
            f"the gradient grows {digits(flow)} times between the last and the first hidden layer, under a "
            f"right start {digits(right)} times",
        )


def _scales(ratios: list[tuple[float, str, float]], record: Record) -> Iterator[Evidence]:
    smallest, largest = min(ratios[:-1] or ratios), max(ratios)
    middle = math.exp(sum(math.log(max(r, 1e-12)) for r, _, _ in ratios) / len(ratios))
    recurrent = any(op.kind == "recurrent" for op in record.facts.operations)
    if not recurrent:
        yield Evidence(
            "weights_small",
            max(log_strength(middle, 0.3, 0.05), 0.8 * log_strength(smallest[0], 0.1, 0.01)),
            f"the initial weights of {smallest[1]} have rms {digits(smallest[2])}, {digits(smallest[0])} of what "
            "its fan-in and activation ask for",
            smallest[1],
        )
    yield Evidence(
        "weights_large",
        max(log_strength(middle, 1.8, 6), 0.8 * log_strength(largest[0], 4, 15)),
        f"the initial weights of {largest[1]} have rms {digits(largest[2])}, {digits(largest[0])} times what its "
        "fan-in and activation ask for",
        largest[1],
    )


def _flow(layers: dict[int, LayerNumbers], hidden: list[int]) -> float | None:
    """Gradient at the first hidden layer over that at the last."""
    first, last = layers.get(hidden[0]), layers.get(hidden[-1])
    if first is None or last is None or first.gradient is None or not last.gradient:
        return None
    return first.gradient / last.gradient


def _hidden_activations(record: Record) -> list[int]:
    """Places of the activations in front of the last operation with weights."""
    operations = record.facts.operations
    last = (weighted(operations) or [0])[-1]
    return [i for i, op in enumerate(operations) if op.kind == "activation" and i < last]


def _dead(record: Record, here: dict[int, LayerNumbers], when: str) -> Iterator[Evidence]:
    operations = record.facts.operations
    shares = [
        (here[i].dead or 0.0, operations[i])
        for i in _hidden_activations(record)
        if i in here and here[i].dead is not None and activation_facts(operations[i].rule).rectifier
    ]
    if shares:
        worst, layer = max(shares, key=lambda pair: pair[0])
        mean = sum(dead for dead, _ in shares) / len(shares)
        yield Evidence(
            f"dead_{when}",
            max(strength(mean, 0.15, 0.6), 0.9 * strength(worst, DEAD_LAYER, 0.95)),
            f"{share(worst)} of the units of {layer.name} are flat on all rows at the {when} ({share(mean)} "
            "over all layers)",
            layer.name,
        )


def _saturated(record: Record, here: dict[int, LayerNumbers], there: dict[int, LayerNumbers]) -> Iterator[Evidence]:
    operations = record.facts.operations
    shares = [
        (here[i].saturated or 0.0, operations[i], there.get(i))
        for i in _hidden_activations(record)
        if i in here and here[i].saturated is not None
    ]
    if shares:
        worst, layer, reference = max(shares, key=lambda triple: triple[0])
        right = reference.saturated if reference is not None and reference.saturated is not None else 0.0
        yield Evidence(
            "saturated_start",
            strength(worst - right, 0.2, 0.6),
            f"{share(worst)} of {layer.name}'s outputs are saturated at the start; under a right start on "
            f"standardized rows {share(right)}",
            layer.name,
        )


def _initial_loss(record: Record, start: Probe) -> Iterator[Evidence]:
    constant, chance = record.theory.constant, record.theory.chance
    expected = chance if chance is not None and record.facts.task != "numbers" else constant
    if start.train_loss is None or expected is None or expected <= 0 or record.facts.reduction == "sum":
        return
    ratio = start.train_loss / expected
    yield Evidence(
        "initial_loss_high",
        log_strength(ratio, 2.5, 20),
        f"the initial loss is {digits(start.train_loss)}, {digits(ratio)} times what a constant output gives",
    )


def _end(record: Record, end: Probe) -> Iterator[Evidence]:
    here = _layers(end)
    yield from _dead(record, here, "end")
    if record.facts.task != "numbers" and end.distinct is not None:
        yield Evidence(
            "one_class",
            strength(end.distinct, 0.03, 0.0),
            f"{share(1 - end.distinct)} of the predictions are the same class",
        )
    elif end.output_spread is not None and record.targets is not None and record.targets.std > 0:
        ratio = end.output_spread / record.targets.std
        yield Evidence(
            "outputs_constant",
            log_strength(ratio, 0.1, 0.005),
            f"the outputs' std is {digits(end.output_spread)}, the targets' {digits(record.targets.std)}",
        )
    if end.skill is not None and end.skill_train_mode is not None:
        yield Evidence(
            "mode_gap",
            strength(end.skill_train_mode - end.skill, 0.1, 0.35),
            f"the same rows have skill {digits(end.skill_train_mode)} in training mode and {digits(end.skill)} in "
            "evaluation mode",
        )
        yield Evidence(
            "mode_gain",
            strength(end.skill - end.skill_train_mode, 0.15, 0.5),
            f"the same rows have skill {digits(end.skill_train_mode)} in training mode and {digits(end.skill)} in "
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
            strength(worst, 0.3, 0.8),
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
            "weights_shrank", log_strength(middle, 0.5, 0.03), f"the weights shrank to {digits(middle)} of their start"
        )
        top = max(moves)
        yield Evidence(
            "weights_grew", log_strength(top[0], 6, 60), f"the weights of {top[1]} grew {digits(top[0])} times", top[1]
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
            log_strength(flow, 0.02, 1e-4),
            f"even under a right start the gradient shrinks to {digits(flow)} of itself on its way down "
            f"{len(hidden)} hidden layers",
        )
        yield Evidence(
            "depth_explodes",
            log_strength(flow, 50, 5e3),
            f"even under a right start the gradient grows {digits(flow)} times on its way down {len(hidden)} "
            "hidden layers",
        )
