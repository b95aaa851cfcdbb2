"""What the doctor holds activations against: the numbers that the judge was calibrated with, name by name."""

import math

import pytest
import torch
from torch import nn

from tenfold.doctor.measure.activations import ACTIVATIONS, activation_facts
from tenfold.doctor.measure.watching.trace import operations

ROOT = math.sqrt(2)
GAINS = {
    "relu": ROOT, "leaky_relu": ROOT, "relu6": ROOT, "prelu": ROOT, "elu": 1.25, "gelu": 1.53, "silu": 1.68,
    "mish": 1.49, "hardswish": 1.68, "softplus": 1.0, "tanh": 1.1, "sigmoid": 1.0, "selu": 1.0,
}  # fmt: skip
RECTIFIERS = {
    "relu", "leaky_relu", "elu", "gelu", "silu", "mish", "prelu", "selu", "softplus", "relu6", "hardswish", "celu",
    "rrelu",
}  # fmt: skip
SATURATES = {"sigmoid", "tanh", "softsign", "hardsigmoid", "hardtanh", "relu6"}
SLOPES = {"sigmoid": 0.25, "hardsigmoid": 1 / 6}
RANGES = {
    "sigmoid": (0.0, 1.0), "softmax": (0.0, 1.0), "tanh": (-1.0, 1.0), "relu": (0.0, math.inf), "hardtanh": (-1.0, 1.0),
    "softplus": (0.0, math.inf), "log_softmax": (-math.inf, 0.0),
}  # fmt: skip
FUNCTIONS = {
    "relu", "relu_", "relu6", "leaky_relu", "leaky_relu_", "prelu", "rrelu", "elu", "elu_", "selu", "selu_", "celu",
    "gelu", "silu", "mish", "softplus", "softsign", "sigmoid", "sigmoid_", "tanh", "tanh_", "hardtanh", "hardsigmoid",
    "hardswish", "hardshrink", "softshrink", "tanhshrink", "threshold", "logsigmoid", "softmax", "log_softmax",
    "softmin", "glu", "square", "exp", "sin",
}  # fmt: skip
LAYERS = [
    nn.ReLU(), nn.ReLU(inplace=True), nn.LeakyReLU(), nn.PReLU(), nn.RReLU(), nn.ELU(), nn.SELU(), nn.CELU(), nn.GELU(),
    nn.SiLU(inplace=True), nn.Mish(), nn.Softplus(), nn.Softsign(), nn.Sigmoid(), nn.Tanh(), nn.Hardtanh(),
    nn.Hardsigmoid(), nn.Hardswish(), nn.Hardshrink(), nn.Softshrink(), nn.Tanhshrink(), nn.Softmax(-1), nn.Softmin(-1),
    nn.GLU(),
]  # fmt: skip


@pytest.mark.parametrize("name", [*sorted(FUNCTIONS), "relu_squared"])
def test_the_facts_are_those_of_the_calibration(name):
    facts, plain = activation_facts(name), name.rstrip("_")
    assert facts.gain == GAINS.get(plain, 1.0)
    assert facts.rectifier == (plain in RECTIFIERS)
    assert facts.saturates == (plain in SATURATES)
    assert facts.slope_scale == SLOPES.get(plain, 1.0)
    assert facts.output_range == RANGES.get(plain, (-math.inf, math.inf))


def test_every_function_is_known():
    assert set(ACTIVATIONS) >= FUNCTIONS


@pytest.mark.parametrize("layer", LAYERS, ids=lambda layer: str(layer).lower())
def test_a_layer_of_torch_is_seen_under_its_functions_name(layer):
    seen = operations(nn.Sequential(layer), (torch.randn(3, 4),), {})
    assert [op.kind for op in seen] == ["activation"]
    assert seen[0].rule.replace("_", "") == type(layer).__name__.lower()
    assert seen[0].rule in FUNCTIONS


@pytest.mark.parametrize(
    ("layer", "names"), [(nn.ReLU6(), ["hardtanh"]), (nn.LogSoftmax(-1), ["log_softmax"]), (nn.LogSigmoid(), [])]
)
def test_layers_whose_function_has_another_name(layer, names):
    """torch computes ReLU6 by hardtanh, and LogSigmoid by log_sigmoid, which is not among the functions."""
    assert [op.rule for op in operations(nn.Sequential(layer), (torch.randn(3, 4),), {})] == names
