"""A network's curvature moves until it meets 2 / rate, and stays there: the rate chooses the curvature."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from tenfold.rules.activations import Tanh
from tenfold.rules.initialization import Fans, LeCun
from tenfold.studies.parts.chain import drawn_weights
from tenfold.studies.parts.pictures import CurvePanel, StudyPicture, curve_panels
from tenfold.studies.parts.stacked import stacked_outputs, standardized_digits
from tenfold.studies.study import CONDITION, Bound, ClaimStudy, Measured

ROWS, UPDATES, EVERY, POWERS = 100, 400, 20, 8
SIZES = ((64, 20), (20, 20), (20, 10))
RATES = (0.025, 0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.7, 2.0)
WATCHED = (0.1, 0.3, 0.5)  # of the upper figure
HIGH, FAR = 0.5, 2.0


class _Problem:
    """Lanes of seeds by rates: 64-20-20-10 tanh networks on 100 digits each, half the squared error."""

    def __init__(self, seeds: Sequence[int]) -> None:
        x, classes = standardized_digits()
        parts = []
        for seed in seeds:
            rng = np.random.default_rng(seed)
            rows = rng.permutation(len(x))[:ROWS]
            weights = [drawn_weights(LeCun(), Fans(*size), rng).ravel() for size in SIZES]
            parts.append((torch.from_numpy(x[rows]), torch.from_numpy(np.eye(10)[classes[rows]]), torch.cat(weights)))
        self.x, self.y, self.start = (
            torch.stack(part).repeat_interleave(len(RATES), 0) for part in zip(*parts, strict=True)
        )

    def loss(self, w: Tensor) -> Tensor:
        """Of each lane, w (lanes, parameters) -> (lanes,)."""
        found = stacked_outputs(w, self.x, SIZES, Tanh.formula)
        return (found - self.y).square().sum(2).mean(1) / 2

    def gradient(self, w: Tensor, curved: bool = False) -> Tensor:
        """Of each lane; curved: as a function of w."""
        return torch.autograd.grad(self.loss(w).sum(), w, create_graph=curved)[0]

    def curvature(self, w: Tensor, direction: Tensor) -> tuple[Tensor, Tensor]:
        """The largest curvature of each lane by some power iterations, and its direction, from where that one was."""
        w = w.detach().requires_grad_()
        g = self.gradient(w, True)
        found = w.new_zeros(len(w))
        for _ in range(POWERS):
            direction = direction / direction.norm(dim=1, keepdim=True)
            turned = torch.autograd.grad((g * direction).sum(), w, retain_graph=True)[0]
            found, direction = (direction * turned).sum(1), turned
        return found, direction


def _measure(seeds: Sequence[int]) -> Measured:
    """Curvature over the updates, and the loss behind them, by rate."""
    problem = _Problem(seeds)
    direction = torch.from_numpy(np.random.default_rng(0).standard_normal(tuple(problem.start.shape)))
    rates = torch.tensor(RATES * len(seeds)).double()[:, None]
    w, seen = problem.start, []
    for update in range(UPDATES + 1):
        if update % EVERY == 0:
            curvature, direction = problem.curvature(w, direction)
            seen.append(curvature)
        w = w.detach().requires_grad_()
        w = (w - rates * problem.gradient(w)).detach()
    loss, products = (part.unflatten(0, (len(seeds), -1)).numpy() for part in (problem.loss(w), torch.stack(seen, 1)))
    products = products * np.array(RATES)[:, None]  # (seeds, rates, times seen)
    alive = (loss < 10) & np.isfinite(products).all(2)
    high, far = RATES.index(HIGH), RATES.index(FAR)
    return {
        f"rate x curvature at first, rate {HIGH}": products[:, high, 0],
        f"rate x curvature at the end, rate {HIGH}": products[:, high, -1],
        "rate x curvature at the end, rate 0.1": products[:, RATES.index(0.1), -1],
        f"loss at the end, rate {HIGH}": loss[:, high], "loss at the end, rate 0.1": loss[:, RATES.index(0.1)],
        f"trained at rate {HIGH}": alive[:, high].astype(float), f"trained at rate {FAR}": alive[:, far].astype(float),
        "losses": np.where(alive, loss, np.nan), "last products": np.where(alive, products[:, :, -1], np.nan),
        "first products": products[:, :, 0],
        **{f"path {rate}": products[:, RATES.index(rate)] for rate in WATCHED},
    }  # fmt: skip


def _say(means: Mapping[str, Any]) -> str:
    """With numbers."""
    return (
        f"At a rate of {HIGH} the rate times the largest curvature is "
        f"{means[f'rate x curvature at first, rate {HIGH}']:.1f} at first, where a quadratic would diverge; the "
        f"network moves to where it is {means[f'rate x curvature at the end, rate {HIGH}']:.2f}, the edge of 2, and "
        f"after {UPDATES} updates has a loss of {means[f'loss at the end, rate {HIGH}']:.4f} against "
        f"{means['loss at the end, rate 0.1']:.4f} at a rate of 0.1. There is still a rate that is too high: at {FAR} "
        f"the share of networks that train is {means[f'trained at rate {FAR}']:.2f}."
    )


def _picture(found: Measured) -> StudyPicture:
    """Rate times curvature over the updates; and over rates, with the loss."""
    over = CurvePanel(
        np.arange(0, UPDATES + 1, EVERY), {f"rate {rate}": found[f"path {rate}"] for rate in WATCHED},
        "update", "rate x largest curvature: the edge is 2",
    )  # fmt: skip
    fine = RATES[:-1]
    by_rate = {"rate x curvature, at first": found["first products"], "at the end": found["last products"],
               "loss at the end": found["losses"]}  # fmt: skip
    curves = {name: values[:, : len(fine)] for name, values in by_rate.items()}
    return curve_panels(over, CurvePanel(fine, curves, "learning rate", "the same by rate, and the loss", "xy"))


STUDY = ClaimStudy(
    name="edge-of-stability",
    claims=("C50",),
    told="a rate above 2 / (largest curvature) makes the training of a network diverge",
    verdict=f"{CONDITION}the curvature stays what it is; a network's moves until it is 2 / rate, and stays there",
    formula="on a quadratic w <- (1 - lr h) w diverges iff lr h > 2;   in a network h depends on w, and overshooting\n"
    "leads to where h is smaller",
    done="64-20-20-10 tanh networks with LeCun's weights, half the squared error on 100 digits, 400 updates of "
    "gradient descent on all rows at nine rates; the largest eigenvalue of the Hessian by power iterations every 20 "
    "updates.",
    follows="Take a rate as high as trains: the loss may rise for a moment on the way. Warm-up and clipping bridge the "
    "start, where the curvature is too large for it.",
    rules=("sgd",),
    recipe="network: {hidden: [20, 20], activation: tanh}\ninit: lecun\noptimizer: {sgd: {lr: 0.5}}\n"
    "batch_size: full\nepochs: 400\n",
    sources=("Cohen et al. 2021, Gradient descent on neural networks typically occurs at the edge of stability",),
    measure=_measure,
    bounds=(
        Bound(f"rate x curvature at first, rate {HIGH}", 2.5),
        Bound(f"rate x curvature at the end, rate {HIGH}", 1.8, 2.3),
        Bound("rate x curvature at the end, rate 0.1", high=1.5), Bound(f"trained at rate {HIGH}", 1),
        Bound(f"trained at rate {FAR}", high=0.2),
    ),
    say=_say,
    draw=_picture,
)  # fmt: skip
