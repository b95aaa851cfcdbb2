"""Evidence about the network: its structure, its outputs against the loss, and its parameters."""

from __future__ import annotations

import math
from collections.abc import Iterator
from itertools import pairwise

from tenfold.doctor.judge.evidence import Evidence, digits, log_strength, share, strength
from tenfold.doctor.judge.evidence_trials import full_skill
from tenfold.doctor.measure.activations import activation_facts
from tenfold.doctor.record import Record, following, hidden_layers, output_activations

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
YES_OR_NO = ("BCEWithLogitsLoss", "binary_cross_entropy_with_logits", "MultiLabelSoftMarginLoss")
ODDS = ("BCELoss", "binary_cross_entropy")
ELEMENTWISE = (*SQUARED, *ODDS, "BCEWithLogitsLoss", "binary_cross_entropy_with_logits", "PoissonNLLLoss")


def network_evidence(record: Record) -> Iterator[Evidence]:
    """Structure, output, parameters."""
    yield from _structure(record)
    yield from _output(record)
    yield from _parameters(record)


def _structure(record: Record) -> Iterator[Evidence]:
    operations = record.facts.operations
    hidden = hidden_layers(operations)
    rules = [operations[f].rule for i in hidden if (f := following(operations, i)) is not None]
    bare = [i for i in hidden if following(operations, i) is None and operations[i].kind == "linear"]
    recurrent = any(op.kind in ("recurrent", "attention") for op in operations)
    if hidden and not recurrent:
        yield Evidence(
            "no_nonlinearity",
            strength(len(bare) / len(hidden), 0.45, 0.9),
            f"{len(bare)} of {len(hidden)} hidden layers have no activation behind them: they collapse into one "
            "linear map",
            operations[bare[0]].name if bare else "",
        )
    normalized = any(op.kind == "normalization" for op in operations)
    bounded = [r for r in rules if activation_facts(r).saturates and not activation_facts(r).rectifier]
    shrinking = [r for r in bounded if activation_facts(r).slope_scale < 1]  # the gradient shrinks in every layer
    if bounded and not normalized:
        yield Evidence(
            "saturating_deep",
            strength(len(shrinking) + 0.34 * len(bounded), 2, 5),
            f"{len(bounded)} hidden layers with {bounded[0]}, without normalization",
        )
    yield from _activations(rules)
    yield Evidence(
        "deep",
        strength(len(hidden), 9, 18) * (0.5 if normalized else 1.0),
        f"{len(hidden)} hidden layers" + ("" if normalized else ", without normalization"),
    )
    widths = [operations[i].units for i in hidden]
    if widths and not full_skill(record):  # few units may be all that is needed
        yield Evidence("narrow", strength(min(widths), 4, 2), f"a hidden layer of {min(widths)} units")
    sizes = sum(math.prod(p.shape) for p in record.facts.parameters)
    if rows := record.facts.rows_kept:
        yield Evidence("oversized", log_strength(sizes / rows, 30, 300), f"{sizes} parameters for {rows} rows")
    yield from _dropout(record)


def _activations(rules: list[str]) -> Iterator[Evidence]:
    growing = [r for r in rules if r in GROWING]
    odd = [r for r in rules if r in ("softmax", "log_softmax", "logsigmoid", *GROWING)]
    yield Evidence(
        "growing_activation",
        1.0 if growing else 0.0,
        f"{len(growing)} hidden layers with {growing[0] if growing else ''}, which grows without bound",
    )
    yield Evidence("odd_activation", 1.0 if odd else 0.0, f"a hidden layer has {odd[0] if odd else ''} behind it")


def _dropout(record: Record) -> Iterator[Evidence]:
    operations = record.facts.operations
    rates = [op.rate for op in operations if op.kind == "dropout"]
    top = max(rates, default=0.0)
    yield Evidence("dropout_high", strength(top, 0.6, 0.85), f"dropout of {share(top)}")
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
        strength(record.facts.batch_rows, 8, 3) if batch and record.facts.batch_rows else 0.0,
        f"batch normalization on batches of {record.facts.batch_rows}",
    )
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
    units = math.prod(facts.output_shape[1:]) if facts.output_shape else 0  # 0: not seen
    behind = " then ".join(rules)
    soft = [r for r in rules if r in ("softmax", "log_softmax")]
    yield Evidence("softmax_on_one", 1.0 if soft and units == 1 else 0.0, "softmax over one unit is always 1")
    again = (name in LOGITS and any(r in ("softmax", "sigmoid") for r in rules)) or len(
        [r for r in rules if r == "softmax"]
    ) > 1
    yield Evidence("squashed_twice", 1.0 if again else 0.0, f"{behind} in front of {name}, which wants bare outputs")
    cut = name in LOGITS and any(r in ("relu", "tanh", "relu6", "leaky_relu", "hardtanh") for r in rules)
    yield Evidence("logits_cut", 1.0 if cut else 0.0, f"{behind} in front of {name} cuts its inputs")
    yield Evidence(
        "odds_out_of_range",
        1.0 if name in ODDS and rules and rules[-1] not in ("sigmoid", "softmax", "hardsigmoid") else 0.0,
        f"{behind} in front of {name}, which wants probabilities",
    )
    yield Evidence(
        "unnormalized_scores",
        1.0 if name in ("NLLLoss", "nll_loss") and "log_softmax" not in rules and facts.after != "log" else 0.0,
        f"{name} without log_softmax in front",
    )
    yield from _range(record, rules)
    yield from _task(record, units)
    yield from _shapes(record)


def _task(record: Record, units: int) -> Iterator[Evidence]:
    facts, name = record.facts, record.facts.criterion
    if facts.task != "numbers":
        wrong = name in SQUARED
        yield Evidence("squared_on_classes", 1.0 if wrong else 0.0, f"{name} on {facts.classes} classes")
        yield Evidence(
            "one_unit_many_classes",
            1.0 if units == 1 and facts.classes > 2 else 0.0,
            f"one output unit for {facts.classes} classes",
        )
    elif name in (*LOGITS, *ODDS) and facts.target_shape and not _between(record):
        yield Evidence("odds_on_numbers", 1.0, f"{name} on targets that are numbers")
    known = not name or name.endswith("Loss") or name in (*SQUARED, *LOGITS, *ODDS, "nll_loss")
    yield Evidence("own_loss", 0.0 if known else 1.0, f"the loss ({name}) is one of your own")
    best = record.theory.skill_at_best
    if best is not None and units > 1:
        yield Evidence(
            "loss_misses_task", strength(best, 0.9, 0.5), f"outputs that minimize {name} have skill {digits(best)} only"
        )


def _between(record: Record) -> bool:
    """Whether targets that are numbers are odds, which the losses of yes-or-no questions take."""
    y = record.targets
    return record.facts.criterion in (*YES_OR_NO, *ODDS) and y is not None and y.smallest >= 0 and y.largest <= 1


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
    low, high = activation_facts(rules[-1]).output_range
    outside = (max(0.0, low - y.smallest) + max(0.0, y.largest - high)) / max(y.largest - y.smallest, 1e-12)
    yield Evidence(
        "target_out_of_range",
        strength(outside, 0.02, 0.25),
        f"{rules[-1]} gives {digits(low)} to {digits(high)}, the targets are {digits(y.smallest)} to "
        f"{digits(y.largest)}",
    )


def _parameters(record: Record) -> Iterator[Evidence]:
    weights = [p for p in record.facts.parameters if len(p.shape) > 1]
    total = sum(math.prod(p.shape) for p in weights) or 1
    for cause, members in (
        ("frozen", [p for p in weights if not p.trainable or not p.optimized]),
        ("unmoved", [p for p in weights if p.moved is False]),
    ):
        part = sum(math.prod(p.shape) for p in members) / total
        # parts that are frozen on purpose, where the rest learns all there is
        count = 0.0 if full_skill(record) else max(part, len(members) / max(len(weights), 1))
        yield Evidence(
            cause,
            strength(count, 0.05, 0.4),
            f"{len(members)} of {len(weights)} weight matrices "
            f"{'are not trained' if cause == 'frozen' else 'did not move'} ({members[0].name if members else ''})",
            members[0].name if members else "",
        )
    same = [p for p in weights if p.identical_rows > 0.5 and p.shape[0] > 2]
    yield Evidence(
        "identical_start",
        strength(len(same) / max(len(weights), 1), 0.1, 0.5),
        f"{len(same)} of {len(weights)} weight matrices start with equal rows" + (f" ({same[0].name})" if same else ""),
        same[0].name if same else "",
    )
    biases = [p for p in record.facts.parameters if len(p.shape) == 1]
    layers = [op for op in record.facts.operations if op.kind in ("linear", "conv")]
    without = [op for op in layers if not op.bias]
    if layers and not any(op.kind == "normalization" for op in record.facts.operations):
        yield Evidence(
            "no_biases",
            strength(len(without) / len(layers), 0.4, 1.0) if not biases or layers[-1] in without else 0.0,
            f"{len(without)} of {len(layers)} layers have no bias",
        )
