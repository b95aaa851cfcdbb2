"""Gradients, activations and initial weights: formulas and networks at their start."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from sklearn.datasets import load_digits
from torch import Tensor

from bench.folklore.entry import Finding, erratum, near
from tenfold.rules.activations import ELU, LeakyReLU, ReLU, Sigmoid, Tanh
from tenfold.rules.initialization import Fans, He, LeCun, Normal, Xavier
from tenfold.rules.losses import CrossEntropy
from tenfold.rules.optimizers import SGD
from tenfold.studies.parts.chain import chain, drawn_weights, square_chain

DEPTH, WIDTH, ROWS = 10, 500, 1000
relu, tanh, sigmoid = ReLU.formula, Tanh.formula, Sigmoid.formula


def digits() -> tuple[Tensor, Tensor]:
    """Standardized digits and their classes."""
    data: Any = load_digits()
    x = data.data - data.data.mean(0)
    std = x.std(0)
    return torch.from_numpy(x / np.where(std > 0, std, 1)), torch.from_numpy(data.target.astype(np.int64))


@erratum(
    "E2 C08", "gradients",
    told="what multiplies from layer to layer is the input times the activation's derivative",
    right="the weights times the derivative multiply; the input enters once",
    where="every network",
)  # fmt: skip
def what_multiplies(seeds: int) -> Finding:
    """Twice the input, then twice the weights, of ten linear layers."""
    rng = np.random.default_rng(0)
    weights = [drawn_weights(LeCun(), Fans(20, 20), rng) for _ in range(10)]
    x = torch.from_numpy(rng.standard_normal((30, 20)))
    once = chain(weights, lambda z: z, x).weights[0].norm()
    inputs = float(chain(weights, lambda z: z, 2 * x).weights[0].norm() / once)
    factor = float(chain([2 * w for w in weights], lambda z: z, x).weights[0].norm() / once)
    return Finding(
        measured=f"gradient of the first of 10 linear layers: inputs × 2 → × {inputs:.6f}; weights × 2 → × {factor:.3f}"
        " (2⁹ = 512; to 1e-9)",
        holds=near(inputs, 2, 1e-9) and near(factor, 512, 1e-9),
    )


def one_sign(activation: Any, rows: int, tries: int) -> float:
    """The share of second-layer units whose weight gradients all have one sign, of those that have any."""
    x, y = digits()
    rng, tied, alive = np.random.default_rng(0), 0, 0
    for _ in range(tries):
        w = [drawn_weights(He(), Fans(*size), rng).requires_grad_() for size in ((64, 100), (100, 100), (100, 10))]
        batch = torch.from_numpy(rng.permutation(len(x))[:rows])
        output = activation(activation(x[batch] @ w[0]) @ w[1]) @ w[2]
        loss = CrossEntropy.formula(output, y[batch], 0.0).mean()
        (gradient,) = torch.autograd.grad(loss, w[1])  # (inputs, units)
        some = gradient.abs().amax(0) > 0
        tied += int((((gradient >= 0).all(0) | (gradient <= 0).all(0)) & some).sum())
        alive += int(some.sum())
    return tied / alive


@erratum(
    "E4 E5 C12", "activations",
    told="without zero-centred activations all weight gradients of a unit have one sign, so the path zigzags",
    right="true of one example; a batch sums examples of both signs, and what slows is the conditioning",
    where="`sigmoid`, `relu`, `tanh`",
)  # fmt: skip
def sign_ties(seeds: int) -> Finding:
    """Gradients of a 64-100-100-10 network on digits, batch 1 and batch 50."""
    shares = {(f, b): one_sign(f, b, 20) for f in (sigmoid, relu, tanh) for b in (1, 50)}
    text = ", ".join(
        f"{name} {shares[f, 1]:.0%} → {shares[f, 50]:.1%}"
        for name, f in (("sigmoid", sigmoid), ("ReLU", relu), ("tanh", tanh))
    )
    holds = all(shares[f, 1] == 1.0 and shares[f, 50] < 0.5 for f in (sigmoid, relu)) and shares[tanh, 1] == 0
    return Finding(measured=f"units of one sign, batch 1 → batch 50: {text} (1 and < 50 %)", holds=holds)


@erratum(
    "E8 C20b", "activations",
    told="leaky ReLU and PReLU are max(αx, x)",
    right="only for α ≤ 1; always: max(0, x) + α min(0, x)",
    where="`leaky_relu`, `prelu`",
)  # fmt: skip
def leaky(seeds: int) -> Finding:
    """Where the two differ on [-5, 5]."""
    x = torch.linspace(-5, 5, 2001, dtype=torch.float64)
    gap = {a: float((LeakyReLU.formula(x, a) - torch.maximum(a * x, x)).abs().max()) for a in (-0.3, 0.01, 1.0, 1.5)}
    holds = near(gap[1.5], 2.5, 1e-12) and max(gap[a] for a in gap if a <= 1) <= 1e-15
    small = max(gap[a] for a in gap if a <= 1)
    return Finding(measured=f"on [-5, 5]: α ≤ 1 differs by {small:.0e}; α = 1.5 by {gap[1.5]:.3f}", holds=holds)


@erratum(
    "E9 C20b", "activations",
    told="ELU is max(α(eˣ − 1), x)",
    right="x for x > 0, else α(eˣ − 1): eˣ − 1 ≥ x everywhere, so the maximum is never x",
    where="`elu`",
)  # fmt: skip
def elu(seeds: int) -> Finding:
    """Where the two differ on [-5, 5]."""
    x = torch.linspace(-5, 5, 2001, dtype=torch.float64)
    gap = (ELU.formula(x, 1.0) - torch.maximum(x.expm1(), x)).abs()
    at_one = float(gap[(x - 1).abs().argmin()])
    return Finding(
        measured=f"α = 1: the maximum is too large by {at_one:.3f} at 1 and {float(gap[-1]):.1f} at 5, by "
        f"{float(gap[x <= 0].max()):.0e} below 0",
        holds=near(float(gap[-1]), np.expm1(5) - 5, 1e-9) and float(gap[x <= 0].max()) < 1e-12,
    )


@erratum(
    "E38 C50", "gradients",
    told="gradient descent jumps to and fro along the steep direction",
    right="it changes sign along a direction of curvature h iff lr h > 1, and diverges iff lr h > 2",
    where="`sgd`",
)  # fmt: skip
def bouncing(seeds: int) -> Finding:
    """Curvatures 1 and 100 at four rates."""
    h, found = torch.tensor([1.0, 100.0], dtype=torch.float64), {}
    for share in (0.99, 1.5, 1.99, 2.01):
        w = torch.ones(2, dtype=torch.float64)
        flips = torch.zeros(2)
        for _ in range(200):
            new = w - SGD(lr=share / 100).lr * h * w
            flips += new * w < 0
            w = new
        found[share] = flips.int().tolist(), float(w[1].abs())
    holds = found[0.99][0] == [0, 0] and found[1.5][0] == [0, 200] and found[1.99][1] < 1 < found[2.01][1]
    return Finding(
        measured=f"curvatures 1 and 100, 200 updates: sign changes {found[0.99][0]} at lr h = 0.99, {found[1.5][0]} at"
        f" 1.5; the steep end is at {found[1.99][1]:.2f} for 1.99 and {found[2.01][1]:.1f} for 2.01",
        holds=holds,
    )


def stds(rule: Any, activation: Any, seeds: int) -> np.ndarray:
    """Standard deviation and root mean square of the outputs of ten layers of 500 units, (2, layers)."""
    found = []
    for seed in range(seeds):
        outputs = square_chain(rule, activation, depth=DEPTH, width=WIDTH, rows=ROWS, seed=seed, back=False).outputs
        found.append([[float(h.std()) for h in outputs], [float(h.square().mean().sqrt()) for h in outputs]])
    return np.mean(found, 0)


@erratum(
    "E16 C34", "initialization",
    told="with weights of standard deviation 1 tanh saturates and the gradient goes to 0",
    right="the units saturate, but the weights are so large that the gradient explodes on its way back",
    where="`normal`",
)  # fmt: skip
def saturated(seeds: int) -> Finding:
    """Share of saturated units; the gradient over 20 layers."""
    found = [square_chain(Normal(std=1.0), tanh, depth=20, width=256, rows=128, seed=seed) for seed in range(seeds)]
    wide = square_chain(Normal(std=1.0), tanh, depth=DEPTH, width=WIDTH, rows=ROWS, seed=0, back=False).outputs
    share = float(torch.stack([(h.abs() > 0.95).double().mean() for h in wide]).mean())
    reach = float(np.exp(np.mean([np.log(c.reach()) for c in found])))
    return Finding(
        measured=f"{share:.1%} of the units beyond ±0.95, yet the gradient of the first of 20 layers is {reach:.1e} "
        "times the last's (> 90 %, > 1e6)",
        holds=share > 0.9 and reach > 1e6,
    )


@erratum(
    "C32 C35", "initialization",
    told="0.01 randn() is too small for deep tanh networks, randn() / sqrt(n) is right",
    right="so it is; 1 / sqrt(n) still loses a little in every layer, and tanh's gain 5/3 stops that",
    where="`normal`, `lecun` (gain: activation)",
)  # fmt: skip
def ten_tanh_layers(seeds: int) -> Finding:
    """Standard deviations of the first and the tenth layer's outputs."""
    small, lecun, gain = (stds(rule, tanh, seeds)[0] for rule in (Normal(), LeCun(), LeCun(gain=Tanh.gain)))
    return Finding(
        measured=f"std of layers 1 and 10 of 500 units: 0.01 {small[0]:.4f}, {small[-1]:.1e}; 1/√n {lecun[0]:.3f}, "
        f"{lecun[-1]:.3f}; with gain 5/3 {gain[0]:.3f}, {gain[-1]:.3f} (to 2 %)",
        holds=small[-1] < 1e-6 and near(lecun[-1], 0.2277, 0.02) and near(gain[-1], 0.651, 0.02),
    )


@erratum(
    "E17 C36", "initialization",
    told="Xavier is randn(n) / sqrt(n)",
    right="1 / fan_in is LeCun's; Glorot's (Xavier) is 2 / (fan_in + fan_out)",
    where="`lecun`, `xavier`",
)  # fmt: skip
def not_xavier(seeds: int) -> Finding:
    """A layer of 400 inputs and 300 units."""
    rng = np.random.default_rng(0)
    lecun, xavier = (float(drawn_weights(rule, Fans(400, 300), rng).std()) for rule in (LeCun(), Xavier()))
    return Finding(
        measured=f"std of the weights 400 → 300: LeCun {lecun:.4f} (0.0500), Xavier {xavier:.4f} (0.0535); to 1 %",
        holds=near(lecun, 0.05, 0.01) and near(xavier, (2 / 700) ** 0.5, 0.01),
    )


@erratum(
    "E18 C37", "initialization",
    told="ReLU halves the standard deviation, hence the 2 of He",
    right="it halves the second moment E[y²], and He's 2 is about that; the standard deviation falls to 0.584",
    where="`he`, `relu`",
)  # fmt: skip
def relu_halves(seeds: int) -> Finding:
    """ReLU of a million standard normal numbers."""
    y = relu(torch.from_numpy(np.random.default_rng(0).standard_normal(1_000_000)))
    second, std = float(y.square().mean()), float(y.std())
    return Finding(
        measured=f"of ReLU(N(0, 1)): E[y²] = {second:.4f}, std = {std:.4f} (0.5 and 0.5838; to 0.5 %)",
        holds=near(second, ReLU().second_moment, 5e-3) and near(std, (0.5 - 0.5 / np.pi) ** 0.5, 5e-3),
    )


@erratum(
    "E19 C38", "initialization",
    told="for ReLU divide by sqrt(n / 2)",
    right="so it is (He, fan_in): the root mean square is kept through ten layers, with 1 / sqrt(n) it is lost",
    where="`he`",
)  # fmt: skip
def ten_relu_layers(seeds: int) -> Finding:
    """Root mean squares of the tenth layer's outputs over the first's."""
    he, lecun = (rms[-1] / rms[0] for rms in (stds(rule, relu, seeds)[1] for rule in (He(), LeCun())))
    return Finding(
        measured=f"rms of layer 10 over layer 1: He {he:.2f} (0.5 to 2), 1/√n {lecun:.3f} (0.5^4.5 = 0.044)",
        holds=0.5 < he < 2 and 0.035 < lecun < 0.055,
    )
