"""The gradient through batch normalization: through its mean and its variance too."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor

from tenfold.rules.normalization import batch_norm, batch_norm_inference
from tenfold.studies.parts.pictures import StudyPicture, bars
from tenfold.studies.study import HOLDS, Bound, ClaimStudy, Measured, by_seed

ROWS, UNITS, EPS, STEP = 16, 6, 1e-5, 1e-5
WEIGHT = torch.full((1, 1, ROWS), 1 / ROWS, dtype=torch.float64)


def _written_out(z: Tensor, ahead: Tensor, gamma: Tensor) -> Tensor:
    """The gradient in z (1, rows, units) by the formula; ahead: the gradient in the outputs."""
    mean, var = z.mean(1, keepdim=True), z.var(1, correction=0, keepdim=True)
    x = (z - mean) / (var + EPS).sqrt()
    inner = ahead - ahead.mean(1, keepdim=True) - x * (ahead * x).mean(1, keepdim=True)
    return gamma / (var + EPS).sqrt() * inner


def _measure(seed: int) -> dict[str, Any]:
    """Three other gradients against automatic differentiation, the largest difference over the largest gradient."""
    rng = np.random.default_rng(seed)
    z, ahead = (torch.from_numpy(rng.standard_normal((1, ROWS, UNITS))) for _ in range(2))
    gamma, beta = (torch.from_numpy(rng.uniform(0.5, 2, (1, 1, UNITS))) for _ in range(2))

    def loss(z: Tensor) -> Tensor:
        return (batch_norm(z, WEIGHT, gamma, beta, EPS)[0] * ahead).sum()

    leaf = z.clone().requires_grad_()
    (exact,) = torch.autograd.grad(loss(leaf), [leaf])
    flat = torch.eye(z.numel(), dtype=z.dtype).mul(STEP).unflatten(1, (1, ROWS, UNITS))
    numeric = torch.stack([(loss(z + h) - loss(z - h)) / (2 * STEP) for h in flat]).view_as(z)
    mean, var = z.mean(1, keepdim=True), z.var(1, correction=0, keepdim=True)
    frozen = z.clone().requires_grad_()
    (constant,) = torch.autograd.grad(
        (batch_norm_inference(frozen, mean, var, gamma, beta, EPS) * ahead).sum(), [frozen]
    )
    largest = exact.abs().max()
    others = {"the formula": _written_out(z, ahead, gamma), "differences": numeric, "moments as constants": constant}
    found = {name: float((one - exact).abs().max() / largest) for name, one in others.items()}
    return found | {"sum over the batch": float(exact.sum(1).abs().max() / largest)}


def _say(means: Mapping[str, Any]) -> str:
    """With numbers."""
    return (
        f"Against automatic differentiation the formula is off by {means['the formula']:.0e} of the largest "
        f"gradient, centred differences by {means['differences']:.0e}: it can be trained through. Whoever forgets "
        f"that mean and variance depend on the inputs is off by {means['moments as constants']:.0%}; with them the "
        f"gradient adds up to {means['sum over the batch']:.0e} over the batch, which is why a bias in front learns "
        "nothing."
    )


def _picture(found: Measured) -> StudyPicture:
    """Errors of the three."""
    names = ("the formula", "differences", "moments as constants")
    return bars({name: found[name] for name in names}, "largest error, in units of the largest gradient", log=True)


STUDY = ClaimStudy(
    name="through-the-batch",
    claims=("C43",),
    told="batch normalization is differentiable, so networks are trained through it",
    verdict=HOLDS,
    formula="dL/dz_i = gamma / sqrt(var + eps) (g_i - mean(g) - x_i mean(g x)),   x = (z - mean) / sqrt(var + eps), "
    "g = dL/dy",
    done="16 normal rows of 6 units in float64 with a random linear loss; the gradient by automatic differentiation, "
    "by the formula, by centred differences with steps of 1e-5, and with mean and variance as if they were constants.",
    follows="Nothing needs to be done: gradients pass through the moments by themselves. A layer of your own that "
    "computes them without gradients trains something else; `tenfold diagnose` finds gradients that are wrong.",
    rules=("batch_norm",),
    recipe="network: {hidden: [64, 64], normalization: batch}\n",
    sources=("Ioffe & Szegedy 2015, Batch normalization, section 3",),
    measure=by_seed(_measure),
    bounds=(
        Bound("the formula", 0, 1e-12), Bound("differences", 0, 1e-7), Bound("moments as constants", 0.1),
        Bound("sum over the batch", 0, 1e-12),
    ),
    say=_say,
    draw=_picture,
)  # fmt: skip
