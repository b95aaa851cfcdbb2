"""Healthy variants of the bases, and healthy programs on data of their own.

Rates were chosen once, by trying four of them for each base and optimizer; a variant stays only where it reaches its
base's skill to within noise over five seeds (`LEFT_OUT` names the others).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cache

from bench.doctor import data
from bench.doctor.bases import BASES, base_of, program
from bench.doctor.case import Case, Loop, Net, Optim
from bench.doctor.healthy_rates import LEFT_OUT, RATES

Variant = Callable[[Case], Case | None]
SMOOTH = (
    "relu", "leaky_relu", "elu", "selu", "gelu", "silu", "mish", "tanh", "softplus", "prelu", "relu6", "hardswish",
)  # fmt: skip


def _activation(name: str) -> Variant:
    def vary(case: Case) -> Case | None:
        return case.net_with(activation=name) if case.net.hidden and case.net.activation != name else None

    return vary


def _sigmoid(case: Case) -> Case | None:
    """Sigmoid behind batch normalization."""
    if case.net.kind in ("recurrent", "tokens") or case.net.activation == "sigmoid":
        return None
    return case.net_with(activation="sigmoid", norm="batch")


def _optimizer(rule: str) -> Variant:
    def vary(case: Case) -> Case | None:
        lr = RATES.get(case.name, {}).get(rule)
        return replace(case, optim=Optim(rule, lr)) if lr and rule != case.optim.rule else None

    return vary


def _start(rule: str) -> Variant:
    return lambda case: case.net_with(init=rule) if case.net.kind != "residual" else None


def _dropout(rate: float) -> Variant:
    return lambda case: case.net_with(dropout=rate) if case.net.hidden else None


def _batch(factor: float) -> Variant:
    def vary(case: Case) -> Case:
        epochs = case.loop.epochs if factor < 1 else int(case.loop.epochs * factor)
        return case.loop_with(batch=int(case.loop.batch * factor), epochs=epochs)

    return vary


def _wide(factor: float) -> Variant:
    return lambda case: case.net_with(hidden=tuple(int(h * factor) for h in case.net.hidden))


def _deeper(by: int) -> Variant:
    def vary(case: Case) -> Case | None:
        hidden = case.net.hidden
        if len(hidden) + by < 1 or case.net.kind == "recurrent":
            return None
        if by < 0 and case.net.kind.startswith("conv"):  # the head rests on the size that the poolings leave
            return None
        return case.net_with(hidden=(*hidden, *(hidden[-1],) * by) if by > 0 else hidden[:by])

    return vary


def _norm(name: str) -> Variant:
    def vary(case: Case) -> Case | None:
        if case.net.kind in ("recurrent", "tokens") or case.net.norm == name:
            return None
        if name == "layer" and case.net.kind.startswith("conv"):
            return None
        return case.net_with(norm=name)

    return vary


VARIANTS: dict[str, Variant] = {
    "as_is": lambda case: case,
    **{f"act_{name}": _activation(name) for name in SMOOTH},
    "act_sigmoid": _sigmoid,
    **{f"opt_{rule}": _optimizer(rule) for rule in (
        "sgd", "momentum", "nesterov", "adagrad", "rmsprop", "adadelta", "adam", "adamw", "nadam", "adamax", "radam")},
    **{f"init_{rule}": _start(rule) for rule in ("he", "xavier", "orthogonal")},
    "dropout_10": _dropout(0.1), "dropout_30": _dropout(0.3), "dropout_50": _dropout(0.5),
    "batch_half": _batch(0.5), "batch_double": _batch(2.0), "wide": _wide(2.0), "narrow": _wide(0.5),
    "deeper": _deeper(2), "shallower": _deeper(-1),
    "decay": lambda case: case.optim_with(weight_decay=1e-4),
    "cosine": lambda case: case.loop_with(schedule="cosine"),
    "steps": lambda case: case.loop_with(schedule="step"),
    "clipped": lambda case: case.loop_with(clip=1.0),
    "longer": lambda case: case.loop_with(epochs=case.loop.epochs * 2),
    "unwatched_validation": lambda case: case.loop_with(validate=not case.loop.validate),
    "norm_batch": _norm("batch"), "norm_layer": _norm("layer"),
}  # fmt: skip


@dataclass(frozen=True)
class Special:
    """A healthy program on data of its own. known: the skill that it should reach."""

    case: Case
    known: float


def _stack(name: str, shape: int, outputs: int, depth: int, activation: str, init: str, make: data.Make) -> Case:
    net = Net("sequential", (shape,), (64,) * depth, outputs, activation, init=init)
    return program(f"{name}_{depth}", make, net, Optim("adam", 1e-3), Loop(32, 25))


_FOUR = data.clusters(1000, 12, 4, "classes", sep=2.5)
_PIXELS = data.digits(flat=True, unit=True, rows=1000)

SPECIALS: dict[str, tuple[Special, ...]] = {
    "calibration": (
        Special(program("linear_wine", data.bundled("wine", "classes"), Net("sequential", (13,), (), 3),
                      Optim("adam", 1e-2), Loop(16, 25)), 0.95),
        Special(program("overfits_late", data.friedman(250), Net("functional", (10,), (128, 128), 1),
                      Optim("adam", 2e-3), Loop(25, 120), "mse"), 0.77),
        *(Special(_stack("he_relu", 12, 4, d, "relu", "he", _FOUR), 0.93) for d in (2, 4, 6, 8, 10)),
        *(Special(_stack("xavier_tanh", 12, 4, d, "tanh", "xavier", _FOUR), 0.92) for d in (2, 5)),
        Special(program("noisy_targets", data.friedman(700, 5.0), Net("sequential", (10,), (16,), 1),
                      Optim("adam", 3e-3), Loop(32, 20), "mse"), 0.41),
        Special(program("nine_to_one", data.clusters(1200, 10, 2, "binary", rare=0.1, sep=1.8, flip=0.0),
                      Net("functional", (10,), (32, 32), 1), Optim("adam", 5e-3), Loop(32, 20), "bce_logits"), 0.93),
        Special(program("sixty_rows", data.bundled("wine", "classes", rows=60),
                      Net("sequential", (13,), (16,), 3, "tanh"),
                      Optim("adam", 1e-2), Loop(12, 30)), 0.95),
        Special(program("one_epoch_of_many", data.clusters(20_000, 12, 3, "classes", sep=1.5),
                      Net("blocks", (12,), (64, 64), 3), Optim("adam", 3e-3), Loop(50, 1)), 0.92),
        Special(program("pixels", data.digits(flat=False, unit=True, rows=1000), Net("conv", (1, 8, 8), (8, 16), 10),
                      Optim("adam", 5e-3), Loop(32, 12)), 0.95),
    ),
    "evaluation": (
        Special(program("linear_cancer", data.bundled("breast_cancer", "binary"), Net("functional", (30,), (), 1),
                      Optim("sgd", 0.3), Loop(32, 20), "bce_logits"), 0.93),
        Special(program("linear_diabetes", data.bundled("diabetes", "numbers"), Net("blocks", (10,), (), 1),
                      Optim("sgd", 0.02), Loop(20, 20), "mse"), 0.47),
        Special(program("overfits_late_classes", data.clusters(400, 10, 3, "classes", sep=1.2, flip=0.05),
                      Net("blocks", (10,), (128, 128), 3), Optim("adam", 2e-3), Loop(20, 80)), 0.78),
        *(Special(_stack("he_relu_digits", 64, 10, d, "relu", "he", _PIXELS), 0.93) for d in (2, 4, 6, 8, 10)),
        *(Special(_stack("xavier_tanh_digits", 64, 10, d, "tanh", "xavier", _PIXELS), 0.93) for d in (3, 6)),
        Special(program("sigmoid_norm_8", _PIXELS, Net("blocks", (64,), (48,) * 8, 10, "sigmoid", norm="batch"),
                      Optim("adam", 5e-3), Loop(50, 20)), 0.94),
        Special(program("noisy_surface", data.waves_sum(900, noise=1.6), Net("functional", (6,), (24,), 1, "tanh"),
                      Optim("momentum", 0.02), Loop(30, 20), "mse"), 0.30),
        Special(program("nine_to_one_blocks", data.clusters(1300, 14, 2, "binary", rare=0.1, sep=2.0, flip=0.0),
                      Net("blocks", (14,), (24,), 1, "silu"), Optim("rmsprop", 5e-3), Loop(32, 20),
                      "bce_logits"), 0.93),
        Special(program("sixty_rows_cancer", data.bundled("breast_cancer", "binary", rows=60),
                      Net("functional", (30,), (12,), 1),
                      Optim("adamw", 1e-2), Loop(12, 25), "bce_logits"), 0.85),
        Special(program("one_epoch_of_many_numbers", data.friedman(20_000, 1.0), Net("sequential", (10,), (64, 64), 1),
                      Optim("adam", 5e-3), Loop(50, 1), "mse"), 0.93),
        Special(program("pixels_dense", data.digits(flat=True, unit=True, rows=1500), Net("blocks", (64,), (64,), 10),
                      Optim("adam", 5e-3), Loop(32, 12)), 0.95),
    ),
}  # fmt: skip


def variants_of(case: Case) -> dict[str, Case]:
    """The healthy variants of a base by name, itself among them."""
    return _variants(case.name)


@cache
def _variants(base: str) -> dict[str, Case]:
    case = base_of(base)[1]
    found = {name: vary(case) for name, vary in VARIANTS.items() if name not in LEFT_OUT.get(base, ())}
    return {name: varied for name, varied in found.items() if varied is not None}


def special(name: str) -> Special | None:
    """A healthy program on data of its own by name."""
    return next((s for group in SPECIALS.values() for s in group if s.case.name == name), None)


def names(half: str) -> list[tuple[str, str]]:
    """(base, variant) of all healthy programs of a half; variant "own" for those on data of their own."""
    found = [(case.name, variant) for case in BASES[half] for variant in variants_of(case)]
    return found + [(s.case.name, "own") for s in SPECIALS[half]]
