"""A gradient check works with centred differences in float64, judged by the median."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor

from tenfold.rules.activations import Tanh
from tenfold.rules.initialization import Fans, LeCun
from tenfold.rules.losses import CrossEntropy
from tenfold.studies.parts.chain import drawn_weights
from tenfold.studies.parts.pictures import StudyPicture, curve_picture
from tenfold.studies.parts.stacked import stacked_outputs
from tenfold.studies.study import CONDITION, Bound, ClaimStudy, Measured, by_seed

SIZES, ROWS, ENTRIES = ((8, 12), (12, 10), (10, 3)), 20, 40
STEPS = 10.0 ** np.arange(-10, 0)
STEP, WRONG = 1e-5, 1.01


def _problem(rng: np.random.Generator, dtype: torch.dtype) -> tuple[Callable[[Tensor], Tensor], Tensor]:
    """The loss of a tanh network as a function of its weights, and some weights."""
    x = torch.from_numpy(rng.standard_normal((ROWS, SIZES[0][0]))).to(dtype)
    y = torch.from_numpy(rng.integers(0, SIZES[-1][1], ROWS))
    w = torch.cat([drawn_weights(LeCun(), Fans(*size), rng).ravel() for size in SIZES]).to(dtype)

    def loss(w: Tensor) -> Tensor:
        return CrossEntropy.formula(stacked_outputs(w[None], x[None], SIZES, Tanh.formula)[0], y, 0.0).mean()

    return loss, w


def _differences(
    loss: Callable[[Tensor], Tensor], w: Tensor, entries: np.ndarray, h: float, centred: bool
) -> np.ndarray:
    """Difference quotients in some of the weights."""
    found = []
    for entry in entries:
        up, down = w.clone(), w.clone()
        up[entry] += h
        if centred:
            down[entry] -= h
        found.append(float((loss(up) - loss(down)) / ((2 if centred else 1) * h)))
    return np.array(found)


def _errors(numeric: np.ndarray, exact: np.ndarray) -> np.ndarray:
    """Relative errors, |a - n| / max(|a|, |n|)."""
    return np.abs(numeric - exact) / np.maximum(np.maximum(np.abs(numeric), np.abs(exact)), 1e-12)


def _measure(seed: int) -> dict[str, Any]:
    """Median relative errors of difference quotients by step, in both precisions, and of a gradient 1 % too large."""
    found: dict[str, Any] = {}
    for name, dtype in (("float64", torch.float64), ("float32", torch.float32)):
        loss, w = _problem(np.random.default_rng(seed), dtype)
        w.requires_grad_()
        exact = torch.autograd.grad(loss(w), w)[0].numpy().astype(float)
        w = w.detach()
        entries = np.random.default_rng(seed).permutation(len(w))[:ENTRIES]
        for kind in (True, False) if name == "float64" else (True,):
            label = f"{'centred' if kind else 'forward'}, {name}"
            by_step = [_errors(_differences(loss, w, entries, h, kind), exact[entries]) for h in STEPS]
            found[f"curve {label}"] = np.array([np.median(errors) for errors in by_step])
            at = by_step[int(np.abs(STEPS - STEP).argmin())]
            found[label], found[f"largest, {label}"] = np.median(at), at.max()
        if name == "float64":
            wrong = _errors(_differences(loss, w, entries, STEP, True), WRONG * exact[entries])
            found["a gradient 1 % too large"] = np.median(wrong)
    return found


def _say(means: Mapping[str, Any]) -> str:
    """With numbers."""
    return (
        f"At a step of 1e-5 the median relative error of centred differences is {means['centred, float64']:.0e} in "
        f"float64 (the largest of {ENTRIES} weights {means['largest, centred, float64']:.0e}), of forward differences "
        f"{means['forward, float64']:.0e}, and in float32 {means['centred, float32']:.0e}, which finds nothing. A "
        f"gradient 1 % too large has {means['a gradient 1 % too large']:.1e}: far above the first, below what float32 "
        "can see."
    )


def _picture(found: Measured) -> StudyPicture:
    """Errors by step."""
    names = ("centred, float64", "forward, float64", "centred, float32")
    curves = {name: 10 ** np.log10(np.maximum(found[f"curve {name}"], 1e-15)).mean(0) for name in names}
    return curve_picture(STEPS, curves, "step h", "median relative error of the difference quotient", log="xy")


STUDY = ClaimStudy(
    name="gradient-check",
    claims=("O1",),
    told="a gradient is checked against the difference quotient (L(w + h) - L(w)) / h",
    verdict=f"{CONDITION}it is the centred one, in float64, with h near 1e-5, and the median error is judged",
    formula="(L(w + h) - L(w - h)) / 2h = L' + h^2 L''' / 6 + rounding / h;   forward: L' + h L'' / 2 + rounding / h",
    done="A drawn 8-12-10-3 tanh network with cross-entropy on 20 rows; relative errors |a - n| / max(|a|, |n|) of 40 "
    "drawn weights for steps from 1e-10 to 0.1, and with the gradient times 1.01.",
    follows="`tenfold.diagnose` and `watch` check the gradients of your own layers this way. Where you do it by "
    "hand: no dropout, no ReLU near its kink, entries of every parameter.",
    rules=("tanh", "cross_entropy"),
    sources=("Stanford CS231n, notes on gradient checks",
             "Nocedal & Wright 2006, Numerical optimization, section 8.1"),
    measure=by_seed(_measure),
    bounds=(
        Bound("centred, float64", high=1e-7), Bound("forward, float64", 1e-7, 1e-3), Bound("centred, float32", 1e-3),
        Bound("a gradient 1 % too large", 5e-3, 2e-2),
    ),
    say=_say,
    draw=_picture,
)  # fmt: skip
