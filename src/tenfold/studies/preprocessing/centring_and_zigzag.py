"""The path of gradient descent on two weights: inputs with a mean, centred ones, and centred ones of unequal units."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch

from tenfold.rules.optimizers import SGD
from tenfold.studies.parts.descent import descend
from tenfold.studies.parts.pictures import StudyPicture, surface_paths
from tenfold.studies.study import FAILS, Bound, ClaimStudy, Measured, by_seed

Array = np.ndarray
ROWS, UPDATES = 200, 300
NAMES = ("mean 3", "centred", "centred, one unit a fifth")
START = np.array([1.2, -0.5])


def _inputs(rng: np.random.Generator) -> dict[str, Array]:
    """The same rows (rows, 2) in three ways."""
    x = rng.standard_normal((ROWS, 2)) + 3
    centred = x - x.mean(0)
    return dict(zip(NAMES, (x, centred, centred * [1, 0.2]), strict=True))


def _path(curvature: Array) -> Array:
    """From START at the best constant rate, (updates + 1, 2)."""
    h = torch.from_numpy(curvature)
    rates = np.full(UPDATES, 2 / np.linalg.eigvalsh(curvature).sum())
    path = descend([SGD()], lambda w, t: w @ h, rates, torch.from_numpy(START))
    return np.concatenate([START[None], path[:, 0].numpy()])


def _measure(seed: int) -> dict[str, Any]:
    """Condition, sign changes of the steep direction and how long they last, and updates until the loss is a
    millionth."""
    found: dict[str, Any] = {}
    for name, x in _inputs(np.random.default_rng(seed)).items():
        curvature = x.T @ x / ROWS
        values, vectors = np.linalg.eigh(curvature)
        path = _path(curvature)
        steep = path @ vectors[:, 1]
        loss = np.einsum("ti,ij,tj->t", path, curvature, path)
        done = np.flatnonzero(loss < 1e-6 * loss[0])
        found |= {
            f"condition, {name}": values[1] / values[0],
            f"sign changes in ten updates, {name}": float((steep[1:11] * steep[:10] < 0).sum()),
            f"still to and fro after ten updates, {name}": abs(steep[10] / steep[0]),
            f"updates, {name}": float(done[0]) if len(done) else float(UPDATES),
            f"curvature {name}": curvature,
            f"path {name}": path,
        }
    return found


def _say(means: Mapping[str, Any]) -> str:
    """With numbers."""
    cond, steps, left = (
        [means[f"{what}, {name}"] for name in NAMES]
        for what in ("condition", "updates", "still to and fro after ten updates")
    )
    return (
        f"Centring lowers the condition of these inputs from {cond[0]:.0f} to {cond[1]:.1f}, and the updates to a "
        f"millionth of the loss at the best rate from {steps[0]:.0f} to {steps[1]:.0f}; with one unit ten times "
        f"smaller they are centred too, have a condition of {cond[2]:.0f} and take {steps[2]:.0f}. The steep direction "
        f"changes sign at every update in all three, and after ten still has {left[0]:.0%}, {left[1]:.0%} and "
        f"{left[2]:.0%} of its start: what zigzags is unequal curvatures, whatever makes them unequal."
    )


def _picture(found: Measured) -> StudyPicture:
    """The three paths of the first seed."""
    heights = {
        name: lambda a, b, h=found[f"curvature {name}"][0]: h[0, 0] * a * a + 2 * h[0, 1] * a * b + h[1, 1] * b * b
        for name in NAMES
    }
    paths = {name: found[f"path {name}"][0][:31] for name in NAMES}
    return surface_paths(heights, (-1.4, 1.4), (-1.4, 1.4), paths, goal=(0, 0))


STUDY = ClaimStudy(
    name="centring-and-zigzag",
    claims=("C21",),
    told="with centred inputs, or tanh, gradient descent does not zigzag",
    verdict=FAILS,
    formula="w <- w - lr H w, H = X^T X / n = Cov + mean mean^T:   at the best rate 2 / (h_max + h_min) the steepest "
    "direction is multiplied by -(k - 1) / (k + 1) and the flattest by (k - 1) / (k + 1), k = h_max / h_min",
    done="Least squares with two weights on 200 normal rows with mean 3, the same rows centred, and centred with one "
    "column divided by 5; 300 updates of gradient descent at the best constant rate. In the figure the first 30, from "
    "the square to the cross.",
    follows="Centre, and bring the columns to one unit: `standardize`, the default, does both. Correlations stay; "
    "momentum, Adam or batch normalization deal with those.",
    rules=("center", "standardize", "sgd"),
    recipe="preprocess: center\nnetwork: {hidden: []}\noptimizer: {sgd: {lr: 0.1}}\nbatch_size: 1000\nepochs: 50\n",
    sources=("LeCun, Bottou, Orr & Müller 1998, Efficient BackProp, sections 4.3 and 5",
             "Goh 2017, Why momentum really works, Distill"),
    measure=by_seed(_measure),
    bounds=(
        Bound("condition, mean 3", 10), Bound("condition, centred", 1, 2),
        Bound("condition, centred, one unit a fifth", 15), Bound("updates, centred", 0, 10),
        Bound("updates, centred, one unit a fifth", 40),
        Bound("sign changes in ten updates, centred, one unit a fifth", 10, 10),
        Bound("still to and fro after ten updates, centred", 0, 0.01),
        Bound("still to and fro after ten updates, centred, one unit a fifth", 0.3),
    ),
    say=_say,
    draw=_picture,
)  # fmt: skip
