"""What an exponential costs: little beside the product with the weights."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import torch

from tenfold.rules.activations import ELU, ReLU, Sigmoid, Tanh
from tenfold.studies.parts.pictures import StudyPicture, bars
from tenfold.studies.study import FAILS, Bound, ClaimStudy, Measured, by_seed

ROWS, WIDTH, TRIES = 1000, 500, 12
KINDS: dict[str, Callable[..., Any]] = {
    "ReLU": ReLU.formula, "sigmoid": Sigmoid.formula, "tanh": Tanh.formula, "ELU": lambda z: ELU.formula(z, 1.0)
}  # fmt: skip


def _measure(seed: int) -> dict[str, float]:
    """Shares of the product's time; of each the fastest of some tries in turn, so that what else runs counts little."""
    rng = np.random.default_rng(seed)
    z = torch.from_numpy(rng.standard_normal((ROWS, WIDTH))).float()
    w = torch.from_numpy(rng.standard_normal((WIDTH, WIDTH))).float()
    jobs: dict[str, Callable[[], Any]] = {"product": lambda: z @ w}
    jobs |= {name: (lambda formula=formula: formula(z)) for name, formula in KINDS.items()}
    fastest = dict.fromkeys(jobs, np.inf)
    for _ in range(TRIES):
        for name, job in jobs.items():
            begun = time.perf_counter()
            job()
            fastest[name] = min(fastest[name], time.perf_counter() - begun)
    return {name: fastest[name] / fastest["product"] for name in KINDS}


def _say(means: Mapping[str, Any]) -> str:
    """With numbers."""
    shares = ", ".join(f"{name} {means[name]:.1%}" for name in KINDS)
    return (
        f"For {ROWS:,} rows of {WIDTH} numbers the activation takes this much of the time of the product with the "
        f"{WIDTH} x {WIDTH} weights in front of it: {shares}. With an exponential or without, it is little beside "
        "the product, and the less the wider the layer is."
    )


def _picture(found: Measured) -> StudyPicture:
    """The shares."""
    return bars({name: 100 * found[name] for name in KINDS}, "time, in percent of the product with the weights")


STUDY = ClaimStudy(
    name="cost-of-exp",
    claims=("C14", "E39"),
    told="the sigmoid is slow, because it computes an exponential",
    verdict=FAILS,
    formula="an activation of n units costs O(n) a row, the product with n x n weights O(n^2)",
    done="1,000 x 500 numbers in float32 with torch on this machine; of twelve tries in turn the fastest of each.",
    follows="Choose activations by how they train. In narrow networks on small batches neither counts, but the "
    "overhead of each call does, which packs share.",
    rules=("relu", "sigmoid", "tanh", "elu"),
    sources=("Stanford CS231n, notes on activation functions",),
    measure=by_seed(_measure),
    bounds=(Bound("sigmoid", high=0.5), Bound("ReLU", high=0.2)),
    say=_say,
    draw=_picture,
)  # fmt: skip
