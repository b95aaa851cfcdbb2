"""Evidence about the network: its structure, its start, what goes through it, and its outputs."""

from __future__ import annotations

import math
from collections.abc import Iterator
from itertools import pairwise
from statistics import median

from tenfold.doctor.judge.evidence import Evidence, decades, number, ramp, share
from tenfold.doctor.measure.record import LayerNumbers, Probe, Record
from tenfold.doctor.prove.surgery import GAINS, RECTIFIED, following, output_activations, weighted

BOUNDED = ("sigmoid", "tanh", "softsign", "hardsigmoid", "hardtanh")
GROWING = ("square", "exp")
SQUARED = ("MSELoss", "mse_loss", "L1Loss", "l1_loss", "SmoothL1Loss", "smooth_l1_loss", "HuberLoss", "huber_loss")
LOGITS = (
    "CrossEntropyLoss",
    "cross_entropy",
    "BCEWithLogitsLoss",
    "binary_cross_entropy_with_logits",
    "MultiLabelSoftMarginLoss",
    "MultiMarginLoss",
)
ODDS = ("BCELoss", "binary_cross_entropy")
ELEMENTWISE = (*SQUARED, *ODDS, "BCEWithLogitsLoss", "binary_cross_entropy_with_logits", "PoissonNLLLoss")


def evidence(record: Record) -> Iterator[Evidence]:
    """Structure, start, end."""
    yield from _structure(record)
    yield from _output(record)
    yield from _parameters(record)
    start, reference, end = record.probe("start"), record.probe("reference"), record.probe("end")
    if start is not None:
        yield from _start(record, start, reference)
    if end is not None and start is not None:
        yield from _end(record, start, end, reference)
    if reference is not None:
        yield from _reference(record, reference)


def hidden_layers(record: Record) -> list[int]:
    """Places of the hidden linear and convolutional operations."""
    places = weighted(record.facts.operations)
    return [i for i in places[:-1] if record.facts.operations[i].kind in ("linear", "conv")]


def _structure(record: Record) -> Iterator[Evidence]:
    operations = record.facts.operations
    hidden = hidden_layers(record)
    rules = [operations[f].rule for i in hidden if (f := following(operations, i)) is not None]
    bare = [i for i in hidden if following(operations, i) is None and operations[i].kind == "linear"]
    recurrent = any(op.kind in ("recurrent", "attention") for op in operations)
    if hidden and not recurrent:
        yield Evidence(
            "no_nonlinearity",
            ramp(len(bare) / len(hidden), 0.45, 0.9),
            f"{len(bare)} of {len(hidden)} hidden layers have no activation behind them: they collapse into one "
            "linear map",
            operations[bare[0]].name if bare else "",
        )
    normalized = any(op.kind == "normalization" for op in operations)
    bounded = [r for r in rules if r in BOUNDED]
    if bounded and not normalized:
        yield Evidence(
            "saturating_deep",
            ramp(len([r for r in rules if r in ("sigmoid", "hardsigmoid")]) + 0.34 * len(bounded), 2, 5),
            f"{len(bounded)} hidden layers with {bounded[0]}, without normalization",
        )
    growing = [r for r in rules if r in GROWING]
    yield Evidence(
        "growing_activation",
        1.0 if growing else 0.0,
        f"{len(growing)} hidden layers with {growing[0] if growing else ''}, which grows without bound",
    )
    yield Evidence(
        "odd_activation",
        1.0 if any(r in ("softmax", "log_softmax", "logsigmoid", *GROWING) for r in rules) else 0.0,
        "a hidden layer has "
        f"{next((r for r in rules if r in ('softmax', 'log_softmax', 'logsigmoid', *GROWING)), '')} behind it",
    )
    yield Evidence(
        "deep",
        ramp(len(hidden), 9, 18) * (0.5 if normalized else 1.0),
        f"{len(hidden)} hidden layers" + ("" if normalized else ", without normalization"),
    )
    widths = [operations[i].units for i in hidden]
    yield Evidence("narrow", ramp(min(widths, default=99), 4, 2), f"a hidden layer of {min(widths, default=0)} units")
    sizes = sum(math.prod(p.shape) for p in record.facts.parameters)
    rows = max(record.facts.rows_kept, 1)
    yield Evidence("oversized", decades(sizes / rows, 30, 300), f"{sizes} parameters for {record.facts.rows_kept} rows")
    yield from _dropout(record)


def _dropout(record: Record) -> Iterator[Evidence]:
    operations = record.facts.operations
    rates = [op.rate for op in operations if op.kind == "dropout"]
    top = max(rates, default=0.0)
    yield Evidence("dropout_high", ramp(top, 0.6, 0.85), f"dropout of {share(top)}")
    kinds = [op.kind for op in operations if op.kind in ("dropout", "normalization")]
    shifted = any(a == "dropout" and b == "normalization" for a, b in pairwise(kinds))
    batch = any(op.rule == "batch_norm" for op in operations)
    yield Evidence(
        "dropout_before_norm",
        1.0 if shifted and batch and top >= 0.2 else 0.0,
        "dropout before batch normalization shifts its variance in evaluation",
    )
    yield Evidence(
        "tiny_batch_norm",
        ramp(record.facts.batch_rows, 8, 3) if batch else 0.0,
        f"batch normalization on batches of {record.facts.batch_rows}",
    )
    yield Evidence("has_batch_norm", 1.0 if batch else 0.0, "batch normalization")
    yield Evidence(
        "frozen_norm",
        1.0 if batch and (record.facts.training_mode < 0.5 or record.facts.still) else 0.0,
        "batch normalization in evaluation mode while training",
    )


def _output(record: Record) -> Iterator[Evidence]:
    facts = record.facts
    operations, name = facts.operations, facts.criterion
    rules = [operations[i].rule for i in output_activations(operations)]
    if facts.after in ("sigmoid", "softmax", "log_softmax", "tanh"):
        rules.append(facts.after)
    units = math.prod(facts.output_shape[1:]) if len(facts.output_shape) > 1 else 1
    said = " then ".join(rules)
    soft = [r for r in rules if r in ("softmax", "log_softmax")]
    yield Evidence("softmax_on_one", 1.0 if soft and units == 1 else 0.0, "softmax over one unit is always 1")
    again = (name in LOGITS and any(r in ("softmax", "sigmoid") for r in rules)) or len(
        [r for r in rules if r == "softmax"]
    ) > 1
    yield Evidence("squashed_twice", 1.0 if again else 0.0, f"{said} in front of {name}, which wants bare outputs")
    cut = name in LOGITS and any(r in ("relu", "tanh", "relu6", "leaky_relu", "hardtanh") for r in rules)
    yield Evidence("logits_cut", 1.0 if cut else 0.0, f"{said} in front of {name} cuts its inputs")
    yield Evidence(
        "odds_out_of_range",
        1.0 if name in ODDS and rules and rules[-1] not in ("sigmoid", "softmax", "hardsigmoid") else 0.0,
        f"{said} in front of {name}, which wants probabilities",
    )
    yield Evidence(
        "unnormalized_scores",
        1.0
        if name in ("NLLLoss", "nll_loss")
        and "log_softmax" not in rules
        and not any(r == "log" for r in (facts.after,))
        else 0.0,
        f"{name} without log_softmax in front",
    )
    yield from _range(record, rules)
    if facts.task != "numbers":
        wrong = name in SQUARED
        yield Evidence("squared_on_classes", 1.0 if wrong else 0.0, f"{name} on {facts.classes} classes")
        yield Evidence(
            "one_unit_many_classes",
            1.0 if units == 1 and facts.classes > 2 else 0.0,
            f"one output unit for {facts.classes} classes",
        )
    elif facts.criterion in (*LOGITS, *ODDS):
        yield Evidence("odds_on_numbers", 1.0, f"{name} on targets that are numbers")
    known = not name or name.endswith("Loss") or name in (*SQUARED, *LOGITS, *ODDS, "nll_loss")
    yield Evidence("own_loss", 0.0 if known else 1.0, f"the loss ({name}) is one of your own")
    best = record.theory.skill_at_best
    if best is not None and units > 1:
        yield Evidence(
            "loss_misses_task", ramp(best, 0.9, 0.5), f"outputs that minimize {name} have skill {number(best)} only"
        )
    yield from _shapes(record)


def _shapes(record: Record) -> Iterator[Evidence]:
    facts = record.facts
    out, want = facts.output_shape, facts.target_shape
    different = (facts.criterion in ELEMENTWISE and out != want and bool(out and want)) or (
        facts.task == "numbers"
        and len(out) != len(want)
        and bool(out and want)
        and out[0] == want[0] > 1
        and facts.criterion not in LOGITS
    )
    yield Evidence(
        "broadcast",
        1.0 if different else 0.0,
        f"outputs {tuple(out)} and targets {tuple(want)} broadcast into {_broadcast(out, want)}",
    )


def _broadcast(one: list[int], two: list[int]) -> str:
    size = max(len(one), len(two))
    padded = [[1] * (size - len(s)) + list(s) for s in (one, two)]
    return str(tuple(max(a, b) for a, b in zip(*padded, strict=True)))


def _range(record: Record, rules: list[str]) -> Iterator[Evidence]:
    """An output activation that the targets do not fit into."""
    y = record.targets
    if record.facts.task != "numbers" or y is None or not rules:
        return
    spans = {
        "sigmoid": (0.0, 1.0),
        "softmax": (0.0, 1.0),
        "tanh": (-1.0, 1.0),
        "relu": (0.0, math.inf),
        "hardtanh": (-1.0, 1.0),
        "softplus": (0.0, math.inf),
        "log_softmax": (-math.inf, 0.0),
    }
    low, high = spans.get(rules[-1], (-math.inf, math.inf))
    outside = (max(0.0, low - y.smallest) + max(0.0, y.largest - high)) / max(y.largest - y.smallest, 1e-12)
    yield Evidence(
        "target_out_of_range",
        ramp(outside, 0.02, 0.25),
        f"{rules[-1]} gives {number(low)} to {number(high)}, the targets are {number(y.smallest)} to "
        f"{number(y.largest)}",
    )


def _parameters(record: Record) -> Iterator[Evidence]:
    weights = [p for p in record.facts.parameters if len(p.shape) > 1]
    total = sum(math.prod(p.shape) for p in weights) or 1
    for cause, members in (
        ("frozen", [p for p in weights if not p.trainable or not p.optimized]),
        ("unmoved", [p for p in weights if p.moved is False]),
    ):
        part = sum(math.prod(p.shape) for p in members) / total
        count = max(part, len(members) / max(len(weights), 1))
        yield Evidence(
            cause,
            ramp(count, 0.05, 0.4),
            f"{len(members)} of {len(weights)} weight matrices "
            f"{'are not trained' if cause == 'frozen' else 'did not move'} ({members[0].name if members else ''})",
            members[0].name if members else "",
        )
    same = [p for p in weights if p.identical_rows > 0.5 and p.shape[0] > 2]
    yield Evidence(
        "identical_start",
        ramp(len(same) / max(len(weights), 1), 0.1, 0.5),
        f"{len(same)} of {len(weights)} weight matrices start with equal rows" + (f" ({same[0].name})" if same else ""),
        same[0].name if same else "",
    )
    biases = [p for p in record.facts.parameters if len(p.shape) == 1]
    layers = [op for op in record.facts.operations if op.kind in ("linear", "conv")]
    without = [op for op in layers if not op.bias]
    if layers and not any(op.kind == "normalization" for op in record.facts.operations):
        yield Evidence(
            "no_biases",
            ramp(len(without) / len(layers), 0.4, 1.0) if not biases or layers[-1] in without else 0.0,
            f"{len(without)} of {len(layers)} layers have no bias",
        )


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
    hidden = hidden_layers(record)
    if hidden and there:
        last = hidden[-1]
        if last in here and last in there and there[last].rms > 0:
            ratio = here[last].rms / there[last].rms
            yield Evidence(
                "signal_fades",
                decades(ratio, 0.1, 1e-3),
                f"at the start the last hidden layer's rms is {number(here[last].rms)}, under a right start "
                f"{number(there[last].rms)}",
                operations[last].name,
            )
            yield Evidence(
                "signal_grows",
                decades(ratio, 8, 300),
                f"at the start the last hidden layer's rms is {number(here[last].rms)}, under a right start "
                f"{number(there[last].rms)}",
                operations[last].name,
            )
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
    yield from _units(record, here, there, "start")
    yield from _initial_loss(record, start)


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
    same = [(here[i].identical or 0.0, i) for i in hidden_layers(record) if i in here]
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
    hidden = hidden_layers(record)
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
