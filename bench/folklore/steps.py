"""Optimizers and decays: on problems whose answer is known."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from bench.folklore.entry import Finding, erratum, near
from tenfold.rules.optimizers import SGD, Adagrad, Adam, AMSGrad, Momentum, Nesterov, RMSProp
from tenfold.rules.record import preset
from tenfold.rules.schedules import Cosine, Exponential, InverseTime, Linear, NoDecay, Step
from tenfold.studies.parts.descent import descend, noisy_quadratic, steps

UPDATES = 2000
H = torch.tensor([1.0, 100.0], dtype=torch.float64)  # curvatures


def quadratic(w: Tensor, t: int) -> Tensor:
    """The gradient of w . H w / 2."""
    return H * w


@erratum(
    "E26 C51", "optimizers",
    told="momentum's v grows when v and dx have the same sign",
    right="with v = μ v − lr dx, v points along −dx; it grows when successive gradients agree, to lr / (1 − μ)",
    where="`momentum`",
)  # fmt: skip
def velocity(seeds: int) -> Finding:
    """The velocity under a constant gradient, and iterations on a quadratic of condition 100."""
    last = -float(steps(preset(Momentum, "lecture", momentum=0.9), 1.0)[-1])
    root = 10.0
    momentum = ((root - 1) / (root + 1)) ** 2
    rules = (SGD(), 2 / 101), (Momentum(momentum=momentum), (2 / (root + 1)) ** 2)
    counts = []
    for rule, rate in rules:
        path = descend([rule], quadratic, np.full(1000, rate), torch.ones(2).double())[:, 0].norm(dim=1) / 2**0.5
        counts.append(int((path > 1e-6).nonzero()[-1]) + 2)
    return Finding(
        measured=f"constant gradient +1, μ = 0.9: v goes to {last:.3f} lr; to 1e-6 on curvatures 1 and 100 at the best "
        f"rates {counts[0]} updates without, {counts[1]} with momentum (> 5 times fewer)",
        holds=near(last, -10, 1e-6) and counts[0] > 5 * counts[1],
    )


def four_lines(rate: float, momentum: float, updates: int) -> Tensor:
    """The four printed lines, executed one after the other."""
    x, v, path = torch.ones(2).double(), torch.zeros(2).double(), []
    for t in range(updates):
        x = x + momentum * v
        before, v = v, momentum * v - rate * quadratic(x, t)
        x = x - momentum * before + (1 + momentum) * v
        path.append(x)
    return torch.stack(path)


def look_ahead(rate: float, momentum: float, updates: int) -> tuple[Tensor, Tensor]:
    """Nesterov's own form: the points x, and where each would look ahead to."""
    x, v = torch.ones(2).double(), torch.zeros(2).double()
    points, ahead = [], []
    for t in range(updates):
        v = momentum * v - rate * quadratic(x + momentum * v, t)
        x = x + v
        points.append(x)
        ahead.append(x + momentum * v)
    return torch.stack(points), torch.stack(ahead)


@erratum(
    "E27 C52", "optimizers",
    told="Nesterov in the new variables is four lines, to be executed in turn",
    right="the first of them defines the new variable, the look-ahead point; three are the update",
    where="`nesterov`",
)  # fmt: skip
def nesterov(seeds: int) -> Finding:
    """The rewritten form against Nesterov's own and against the four lines."""
    rate, mu = 0.005, 0.9
    rule = Nesterov(momentum=mu, rate_inside=True)
    path = descend([rule], quadratic, np.full(100, rate), torch.ones(2).double())[:, 0]
    points, ahead = look_ahead(rate, mu, 100)
    same, plain, four = (float((path - other).abs().max()) for other in (ahead, points, four_lines(rate, mu, 100)))
    return Finding(
        measured=f"100 updates: from the look-ahead points {same:.0e}, from the plain points {plain:.2f}, "
        f"from the four lines {four:.2g} (1e-12; > 0.01)",
        holds=same < 1e-12 and min(plain, four) > 0.01,
    )


@erratum(
    "E28 C53", "optimizers",
    told="Adagrad uses second-order momentum",
    right="a running sum of squared gradients: no momentum, no curvature; its steps die as 1 / √t",
    where="`adagrad`",
)  # fmt: skip
def adagrad(seeds: int) -> Finding:
    """step √t under a constant gradient."""
    found = steps(Adagrad(), 3.0) * np.sqrt(np.arange(1, 401))
    off = float(np.abs(found - 1).max())
    return Finding(
        measured=f"constant gradient: step · √t / lr is 1 within {off:.0e} over 400 updates", holds=off < 1e-9
    )


@erratum(
    "E29 E30 C54", "optimizers",
    told="RMSProp cures Adagrad's dying rate; eps is 1e-7 (or 1e7), wherever it stands",
    right="it does, but its first step is 1 / √(1 − ρ) too long, and where eps stands decides for small gradients",
    where="`rmsprop` (bias_correction, eps_inside)",
)  # fmt: skip
def rmsprop(seeds: int) -> Finding:
    """First and settled steps; a gradient of 1e-6 with eps outside and inside the root."""
    plain, corrected = steps(RMSProp(rho=0.99), updates=3000), steps(RMSProp(rho=0.99, bias_correction=True))
    outside, inside, huge = (
        float(steps(RMSProp(rho=0.9, eps=eps, eps_inside=where), 1e-6)[-1])
        for eps, where in ((1e-7, False), (1e-7, True), (1e7, False))
    )
    return Finding(
        measured=f"steps in lr: first {plain[0]:.2f}, settled {plain[-1]:.3f}, corrected first {corrected[0]:.3f}; for "
        f"a gradient of 1e-6 eps 1e-7 outside {outside:.3f}, inside {inside:.4f}, 1e7 {huge:.0e} (to 1 %)",
        holds=near(plain[0], 10, 0.01) and near(plain[-1], 1, 0.01) and near(corrected[0], 1, 0.01)
        and near(outside, 1e-6 / 1.1e-6, 0.01) and near(inside, 1e-6 / (1e-12 + 1e-7) ** 0.5, 0.01),
    )  # fmt: skip


@erratum(
    "E31 C55", "optimizers",
    told="Adam is momentum and RMSProp together (no bias correction)",
    right="Algorithm 1 corrects both means; without, the first steps are several times lr",
    where="`adam` (bias_correction)",
)  # fmt: skip
def adam_uncorrected(seeds: int) -> Finding:
    """Steps under a constant gradient."""
    raw, corrected = steps(Adam(bias_correction=False), updates=4000), steps(Adam())
    settled = int(np.flatnonzero(np.abs(raw - 1) > 0.05)[-1]) + 1
    peak, at = float(raw.max()), int(raw.argmax()) + 1
    return Finding(
        measured=f"steps in lr: first {raw[0]:.2f}, largest {peak:.2f} at t = {at}, more than 5 % off until "
        f"t = {settled}; corrected {corrected.min():.4f} to {corrected.max():.4f} (3.16, 6.57 at 12; to 0.1 %)",
        holds=near(raw[0], 10**0.5, 1e-3) and near(peak, 6.5685, 1e-3) and at == 12
        and bool(np.abs(corrected - 1).max() < 1e-6),
    )  # fmt: skip


@erratum(
    "E32", "optimizers",
    told="β₂ = 0.995",
    right="0.999, in the paper and in every library; the memory is 1 / (1 − β₂) = 1000 updates, not 200",
    where="`adam`",
)  # fmt: skip
def beta2(seeds: int) -> Finding:
    """The presets, and the largest uncorrected step with either."""
    found = {library: preset(Adam, library).beta2 for library in Adam.PRESETS}
    others = {value for library, value in found.items() if library != "lecture"}
    peak = float(steps(preset(Adam, "lecture")).max())
    return Finding(
        measured=f"presets: the lecture summary's {found['lecture']}, all {len(found) - 1} libraries' {others}; "
        f"largest uncorrected step {peak:.2f} lr in place of 6.57",
        holds=others == {0.999} and near(peak, 2.97, 0.01),
    )


@erratum(
    "C57", "optimizers",
    told="Adam converges",
    right="not on every convex problem: Reddi's drives it to the worst point; AMSGrad goes to the best",
    where="`amsgrad`",
)  # fmt: skip
def reddi(seeds: int) -> Finding:
    """Gradient 1010 at every 101st update, else -10, on [-1, 1]: the best point is -1."""

    def gradient(w: Tensor, t: int) -> Tensor:
        w.clamp_(-1, 1)
        return torch.full_like(w, 1010.0 if t % 101 == 1 else -10.0)

    rates = 0.5 / np.sqrt(np.arange(1.0, 20_001))
    ends = [
        float(descend([rule], gradient, rates, torch.zeros(1).double())[-1, 0, 0].clamp(-1, 1))
        for rule in (Adam(beta2=0.99), AMSGrad(beta2=0.99))
    ]
    return Finding(
        measured=f"20,000 updates: Adam ends at {ends[0]:.3f}, AMSGrad at {ends[1]:.3f}, the best is −1 "
        "(> 0.9, < −0.7)",
        holds=ends[0] > 0.9 and ends[1] < -0.7,
    )


@erratum(
    "C58", "optimizers",
    told="adaptive methods leave saddles faster",
    right="so they do: their steps do not shrink with the gradient",
    where="`rmsprop`, `adam`",
)  # fmt: skip
def saddle(seeds: int) -> Finding:
    """x^2 - y^2 from y = 1e-6 at lr 0.01: updates until |y| is 0.5."""
    start = torch.tensor([1e-6]).double()
    counts = [
        int((descend([rule], lambda w, t: -2 * w, np.full(700, 0.01), start)[:, 0, 0].abs() < 0.5).sum())
        for rule in (RMSProp(), Adam(), Momentum(), SGD())
    ]
    return Finding(
        measured="updates beside it: RMSProp {}, Adam {}, momentum {}, SGD {}".format(*counts),
        holds=counts == sorted(counts) and counts[3] > 100 * counts[0],
    )


@erratum(
    "E33 C59", "decay",
    told="decay the rate exponentially or as 1 / t",
    right="every decay ends far below a constant rate on noise; step decay, which the lecture prefers, is none worse",
    where="`step`, `cosine`, `linear`, `exponential`",
)  # fmt: skip
def decays(seeds: int) -> Finding:
    """E x² behind 2,000 updates on a noisy quadratic, lr 0.4."""
    u = np.arange(float(UPDATES))
    rules = {
        "constant": NoDecay(), "exponential": Exponential(k=np.log(100) / UPDATES, time="updates"),
        "step": Step(drop=0.1, every=UPDATES // 3 + 1, time="updates"), "cosine": Cosine(warmup=0.0),
        "linear": Linear(),
    }  # fmt: skip
    found = {name: noisy_quadratic(0.4 * rule.factor(u, 1, UPDATES)) for name, rule in rules.items()}
    floor = 0.4 / (2 - 0.4)
    worst = max(value for name, value in found.items() if name != "constant")
    return Finding(
        measured="E[x²]: " + ", ".join(f"{name} {value:.4f}" for name, value in found.items())
        + f" (lr / (2 − lr) = {floor:.2f} within 15 %; decays at most a tenth of it)",
        holds=near(found["constant"], floor, 0.15) and worst < 0.1 * found["constant"],
    )  # fmt: skip


@erratum(
    "E33 C60", "decay",
    told="exponential or 1 / t, as you like",
    right="1 / t is optimal here; an exponential decay that is too fast freezes before it arrives",
    where="`inverse_time`, `exponential`",
)  # fmt: skip
def frozen(seeds: int) -> Finding:
    """T E x² for 1 / (1 + t), and E x² behind exp(-0.05 t) from 5."""
    u = np.arange(float(UPDATES))
    inverse = noisy_quadratic(InverseTime(k=1.0, time="updates").factor(u, 1, UPDATES)) * UPDATES
    fast = noisy_quadratic(0.1 * Exponential(k=0.05, time="updates").factor(u, 1, UPDATES), start=5.0)
    return Finding(
        measured=f"T E[x²] = {inverse:.2f} for 1 / (1 + t) (1 within 15 %); from 5, lr 0.1 exp(−0.05 t) ends at "
        f"E[x²] = {fast:.2f} (> 0.3)",
        holds=near(inverse, 1, 0.15) and fast > 0.3,
    )
