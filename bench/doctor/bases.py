"""The healthy programs that everything starts from, in two halves: other data, networks and styles in each."""

from __future__ import annotations

from bench.doctor import data
from bench.doctor.case import Case, Loop, Net, Optim


def program(name: str, make: data.Any, net: Net, optim: Optim, loop: Loop, criterion: str = "") -> Case:
    """A program; its task follows from the criterion."""
    kind = criterion or "ce"
    task = "classes" if kind in ("ce", "nll") else "binary" if kind.startswith("bce") else "numbers"
    decide = {"bce": "probability", "bce_logits": "logit"}.get(kind, "value" if task == "numbers" else "argmax")
    return Case(name, task, make, net, optim, kind, loop, decide)  # type: ignore[arg-type]


CALIBRATION = (
    program("wine", data.bundled("wine", "classes"), Net("sequential", (13,), (32,), 3),
          Optim("adam", 5e-3), Loop(16, 25, loader=True)),
    program("moons", data.moons(), Net("functional", (2,), (32, 32), 1, "tanh", head="sigmoid"),
          Optim("momentum", 0.05), Loop(25, 20), "bce"),
    program("friedman", data.friedman(), Net("sequential", (10,), (64, 64), 1),
          Optim("adam", 3e-3), Loop(32, 20), "mse"),
    program("digits_conv", data.digits(flat=False, unit=False, rows=1000),
            Net("conv_sequential", (1, 8, 8), (8, 16), 10),
          Optim("nesterov", 0.05), Loop(32, 12, schedule="cosine")),
    program("clusters_residual", data.clusters(900, 20, 4, "classes", sep=2.0),
            Net("residual", (20,), (32,) * 6, 4, "gelu", norm="layer"),
          Optim("adamw", 2e-3, {"weight_decay": 0.01}), Loop(32, 12)),
    program("deep_norm", data.clusters(900, 16, 2, "binary", sep=1.2),
            Net("functional", (16,), (32,) * 9, 1, "sigmoid", norm="batch"),
          Optim("adam", 5e-3), Loop(64, 20, validate=False), "bce_logits"),
    program("waves_gru", data.sequences(), Net("recurrent", (14, 2), (24, 24), 3),
          Optim("adam", 8e-3), Loop(32, 12, clip=1.0)),
    program("surface", data.waves_sum(), Net("functional", (6,), (64, 64, 64), 1, "silu", dropout=0.02),
          Optim("adamw", 1e-2, {"weight_decay": 0.01}), Loop(32, 25, schedule="step", function=True), "mse"),
)  # fmt: skip

EVALUATION = (
    program("cancer", data.bundled("breast_cancer", "binary"), Net("blocks", (30,), (32, 16), 1, dropout=0.1),
          Optim("sgd", 0.1), Loop(32, 20, loader=True), "bce_logits"),
    program("digits_table", data.digits(flat=True, unit=True, rows=1200),
            Net("functional", (64,), (64, 64, 64, 64), 10, "elu"),
          Optim("momentum", 0.02), Loop(32, 15)),
    program("diabetes", data.bundled("diabetes", "numbers"), Net("sequential", (10,), (16,), 1, "tanh"),
          Optim("sgd", 0.02), Loop(20, 20, validate=False), "mse"),
    program("spirals", data.spirals(), Net("blocks", (2,), (48, 48, 48, 48), 3, head="log_softmax"),
          Optim("rmsprop", 3e-3), Loop(40, 30, schedule="cosine"), "nll"),
    program("shapes_conv", data.shapes(), Net("conv", (1, 12, 12), (8, 16), 4, norm="batch", dropout=0.1),
          Optim("adam", 3e-3), Loop(32, 12, loader=True)),
    program("frequency_lstm", data.sequences(600, 12, task="numbers"), Net("recurrent", (12, 2), (24,), 1, cell="lstm"),
          Optim("adam", 1e-2), Loop(30, 25), "huber"),
    program("deep_regression", data.friedman(900, 0.5),
            Net("residual", (10,), (40,) * 8, 1, "leaky_relu", norm="batch"),
          Optim("nadam", 3e-3), Loop(64, 20, schedule="step"), "mse"),
    program("texts", data.tokens(), Net("tokens", (12, 60), (32,), 4, dropout=0.1),
          Optim("adam", 1e-2), Loop(32, 15, function=True)),
)  # fmt: skip

BASES: dict[str, tuple[Case, ...]] = {"calibration": CALIBRATION, "evaluation": EVALUATION}


def base_of(name: str) -> tuple[str, Case]:
    """(half, case) by name."""
    return next((half, case) for half, cases in BASES.items() for case in cases if case.name == name)
