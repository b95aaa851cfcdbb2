"""Gradient descent bounces along a direction where rate times curvature is above 1, and diverges above 2."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch

from tenfold.rules.optimizers import SGD
from tenfold.studies.parts.descent import descend
from tenfold.studies.parts.pictures import StudyPicture, curve_picture
from tenfold.studies.study import CONDITION, Bound, ClaimStudy, Measured

CURVATURES = torch.tensor([1.0, 100.0], dtype=torch.float64)
SHARES, UPDATES = (0.99, 1.5, 1.99, 2.01), 200


def _gradient(w: torch.Tensor, t: int) -> torch.Tensor:
    return CURVATURES * w


def _measure(seeds: Sequence[int]) -> Measured:
    """Sign changes along the steep direction, and where it ends, for four products of rate and curvature."""
    found: dict[str, list[Any]] = {}
    for seed in seeds:
        rng = np.random.default_rng(seed)
        start = torch.from_numpy(rng.uniform(0.5, 1.5, 2))
        for share in SHARES:
            rates = np.full(UPDATES, share / 100)
            path = torch.cat([start[None], descend([SGD()], _gradient, rates, start)[:, 0]])
            steep = path[:, 1] / start[1]
            found.setdefault(f"sign changes at {share:g}", []).append(float((steep[1:] * steep[:-1] < 0).sum()))
            found.setdefault(f"end at {share:g}", []).append(float(steep[-1].abs()))
            found.setdefault(f"path {share:g}", []).append(steep[:31].numpy())
            flat = float((path[1:, 0] * path[:-1, 0] < 0).sum())
            found.setdefault(f"flat {share:g}", []).append(flat)
    arrays = {name: np.array(values) for name, values in found.items()}
    return arrays | {"sign changes of the flat direction": np.sum([arrays[f"flat {share:g}"] for share in SHARES], 0)}


def _say(means: Mapping[str, Any]) -> str:
    """With numbers."""
    return (
        f"In {UPDATES} updates the steep direction changes sign {means['sign changes at 0.99']:.0f} times where "
        "rate times "
        f"curvature is 0.99, and {means['sign changes at 1.5']:.0f} times at 1.5; at 1.99 it ends at "
        f"{means['end at 1.99']:.2f} of its start, at 2.01 at {means['end at 2.01']:.1f} times its start. The flat "
        "direction, a hundred times less curved, never bounces, and hardly moves."
    )


def _picture(found: Measured) -> StudyPicture:
    """The steep coordinate over the first thirty updates."""
    curves = {f"rate x curvature {share:g}": found[f"path {share:g}"].mean(0) for share in SHARES}
    return curve_picture(np.arange(31), curves, "update", "the steep coordinate, its start being 1")


STUDY = ClaimStudy(
    name="bouncing",
    claims=("C50", "E38"),
    told="gradient descent jumps to and fro along steep directions, and is slow along flat ones",
    verdict=f"{CONDITION}the rate times the curvature is above 1; above 2 it diverges",
    formula="w <- w - lr h w = (1 - lr h) w:   sign changes iff lr h > 1, divergence iff lr h > 2",
    done="A quadratic with curvatures 1 and 100, 200 updates of gradient descent at four rates, from drawn starts.",
    follows="A rate of 1 / (largest curvature) does not bounce; momentum or normalization of the inputs, not a smaller "
    "rate, is what makes the flat directions faster.",
    rules=("sgd", "momentum"),
    recipe="network: {hidden: [64]}\noptimizer: {sgd: {lr: 0.5}}\nbatch_size: 1000\nepochs: 50\n",
    sources=("Goh 2017, Why momentum really works, Distill",
             "Cohen et al. 2021, Gradient descent on neural networks typically occurs at the edge of stability"),
    measure=_measure,
    bounds=(
        Bound("sign changes at 0.99", 0, 0), Bound("sign changes at 1.5", UPDATES, UPDATES), Bound("end at "
        "1.99", high=0.5),
        Bound("end at 2.01", low=2), Bound("sign changes of the flat direction", 0, 0),
    ),
    say=_say,
    draw=_picture,
)  # fmt: skip
