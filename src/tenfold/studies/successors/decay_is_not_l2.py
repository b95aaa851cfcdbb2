"""Weight decay and an L2 penalty: one thing for SGD, two for Adam."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor

from tenfold.rules.optimizers import SGD, Adam
from tenfold.rules.penalties import decoupled_decay_
from tenfold.studies.parts.descent import descend
from tenfold.studies.parts.pictures import StudyPicture, curve_picture
from tenfold.studies.study import FAILS, Bound, ClaimStudy, Measured, by_seed

UPDATES, RATE, STRENGTH, COPIES = 200, 1e-2, 0.1, 20
SCALES = np.logspace(-3, 1, 9)  # of the gradients


def _l2(rule: Any, gradients: Tensor, start: Tensor, strength: float) -> Tensor:
    """The end (parameters,) where strength w is added to every gradient; gradients (updates, parameters)."""
    rates = np.full(UPDATES, RATE)
    return descend([rule], lambda w, t: gradients[t - 1] + strength * w, rates, start)[-1, 0]


def _decoupled(rule: Any, gradients: Tensor, start: Tensor) -> Tensor:
    """The end where w shrinks by rate times strength beside every step. These gradients do not depend on w, so the
    steps are those of the path without decay."""
    path = torch.cat(
        [start[None], descend([rule], lambda w, t: gradients[t - 1][None], np.full(UPDATES, RATE), start)[:, 0]]
    )
    w = start.clone()
    for step in path.diff(dim=0):
        decoupled_decay_(w, w.clone(), torch.tensor(RATE * STRENGTH, dtype=w.dtype))
        w += step
    return w


def _of_torch(make: Callable[..., torch.optim.Optimizer], gradients: Tensor, start: Tensor) -> Tensor:
    """The end of torch's optimizer."""
    w = start.clone().requires_grad_()
    optimizer = make([w], lr=RATE, weight_decay=STRENGTH)
    for gradient in gradients:
        w.grad = gradient.clone()
        optimizer.step()
    return w.detach()


def _measure(seed: int) -> dict[str, Any]:
    """Ends of paths under the same noise gradients of nine sizes; how much of the weight is taken off by either."""
    rng = np.random.default_rng(seed)
    sizes = torch.from_numpy(SCALES).repeat_interleave(COPIES)
    gradients = torch.from_numpy(rng.standard_normal((UPDATES, len(sizes)))) * sizes
    start = torch.ones(len(sizes), dtype=torch.float64)
    found: dict[str, Any] = {}
    for name, rule in (("SGD", SGD()), ("Adam", Adam())):
        plain, l2, apart = (
            _l2(rule, gradients, start, 0.0),
            _l2(rule, gradients, start, STRENGTH),
            _decoupled(rule, gradients, start),
        )
        found[f"{name}: L2 against decay"] = float((l2 - apart).abs().max())
        for kind, end in (("L2", l2), ("decay", apart)):
            found[f"{name}, {kind}"] = (plain - end).view(-1, COPIES).mean(1).numpy()
        if name == "Adam":
            found["Adam against torch"] = float((l2 - _of_torch(torch.optim.Adam, gradients, start)).abs().max())
            found["AdamW against torch"] = float((apart - _of_torch(torch.optim.AdamW, gradients, start)).abs().max())
    small, large = (float(found["Adam, L2"][place]) for place in (0, -1))
    return found | {"taken off by L2, gradients of 0.001": small, "taken off by L2, gradients of 10": large,
                    "taken off by decay": float(found["Adam, decay"].mean())}  # fmt: skip


def _say(means: Mapping[str, Any]) -> str:
    """With numbers."""
    return (
        f"For SGD an L2 penalty and weight decay end at the same weights ({means['SGD: L2 against decay']:.0e} apart "
        f"after {UPDATES} updates), for Adam up to {means['Adam: L2 against decay']:.2f} apart, with weights of 1. "
        f"Decay takes {means['taken off by decay']:.2f} off every weight; L2 through Adam takes "
        f"{means['taken off by L2, gradients of 0.001']:.2f} off those whose gradients are small and "
        f"{means['taken off by L2, gradients of 10']:.3f} off those whose gradients are large. Both are torch's to "
        f"{max(means['Adam against torch'], means['AdamW against torch']):.0e}."
    )


def _picture(found: Measured) -> StudyPicture:
    """What is taken off by the gradients' size."""
    curves = {name: found[name] for name in ("Adam, L2", "Adam, decay", "SGD, L2")}
    return curve_picture(
        SCALES, curves, "standard deviation of a weight's gradients", "taken off a weight of 1", log="x"
    )


STUDY = ClaimStudy(
    name="decay-is-not-l2",
    claims=("S5",),
    told="weight decay is an L2 penalty",
    verdict=FAILS,
    formula="L2: g <- g + s w, then through Adam's means and root;   decay: w <- (1 - lr s) w beside Adam's step;   "
    "for SGD both are w <- (1 - lr s) w - lr g",
    done="180 weights of 1 under 200 gradients of pure noise, of nine sizes from 0.001 to 10, the same for all; rate "
    "0.01, strength 0.1, in float64.",
    follows="`weight_decay` is L2 with `adam` and decay with `adamw`: a strength that was found for one is nothing "
    "for the other. Prefer `adamw`, whose decay does not depend on the gradients.",
    rules=("adamw", "adam", "sgd"),
    recipe="network: {hidden: [64, 64]}\noptimizer: {adamw: {lr: 0.001}}\nweight_decay: 0.01\n",
    sources=("Loshchilov & Hutter 2019, Decoupled weight decay regularization",),
    measure=by_seed(_measure),
    bounds=(
        Bound("SGD: L2 against decay", 0, 1e-10), Bound("Adam: L2 against decay", 0.1),
        Bound("Adam against torch", 0, 1e-12),
        Bound("AdamW against torch", 0, 1e-12),
    ),
    say=_say,
    draw=_picture,
)  # fmt: skip
