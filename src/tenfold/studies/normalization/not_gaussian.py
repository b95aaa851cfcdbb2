"""Batch normalization moves and stretches; it does not change the shape of what it normalizes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from scipy.stats import kurtosis, skew

from tenfold.studies.parts.chain import standardized
from tenfold.studies.parts.pictures import StudyPicture, histograms
from tenfold.studies.study import FAILS, Bound, ClaimStudy, Measured, by_seed

ROWS = 10_000
EDGES = np.linspace(-3, 6, 46)


def _measure(seed: int) -> dict[str, Any]:
    """Third and fourth moments of exponential and two-humped numbers, before and after."""
    rng = np.random.default_rng(seed)
    humps = rng.normal(0, 0.3, ROWS) + rng.choice([-1.0, 3.0], ROWS)
    z = np.stack([rng.exponential(size=ROWS), humps], 1)
    after = standardized(torch.from_numpy(z)).numpy()
    skews, tails = (np.abs(of(after) - of(z)) for of in (skew, kurtosis))
    found: dict[str, Any] = {
        "skewness before": float(skew(z)[0]),
        "skewness after": float(skew(after)[0]),
        "change of skewness": float(skews.max()),
        "change of kurtosis": float(tails.max()),
        "mean after": float(np.abs(after.mean(0)).max()),
        "variance after": float(after.var(0).mean()),
    }
    for unit, name in enumerate(("exponential", "two humps")):
        found[f"{name}, before"] = np.histogram(z[:, unit], EDGES)[0]
        found[f"{name}, after"] = np.histogram(after[:, unit], EDGES)[0]
    return found


def _say(means: Mapping[str, Any]) -> str:
    """With numbers."""
    return (
        f"Exponential numbers have a skewness of {means['skewness before']:.4f} before and "
        f"{means['skewness after']:.4f} after batch normalization, and two humps stay two humps (skewness and "
        f"kurtosis change by less than {max(means['change of skewness'], means['change of kurtosis']):.0e}). What it "
        f"sets is the mean, to 0, and the variance, to {means['variance after']:.3f}: a Gaussian has skewness 0."
    )


def _picture(found: Measured) -> StudyPicture:
    """Before and after."""
    parts = {name: found[name] for kind in ("exponential", "two humps")
             for name in (f"{kind}, before", f"{kind}, after")}  # fmt: skip
    return histograms(parts, EDGES, "a unit's values over the rows of a batch", columns=2)


STUDY = ClaimStudy(
    name="not-gaussian",
    claims=("C42", "E21"),
    told="batch normalization makes features Gaussian",
    verdict=FAILS,
    formula="y = (z - mean) / sqrt(var + eps):   E[((y - E y) / sd y)^k] = E[((z - E z) / sd z)^k] for every k",
    done="10,000 exponential numbers and as many of two humps, in float64, before and after batch normalization with "
    "gamma 1 and beta 0.",
    follows="Features with long tails keep them: take a logarithm, or quantiles, of such inputs. That layers are "
    "normalized does not make inputs harmless.",
    rules=("batch_norm",),
    recipe="network: {hidden: [64, 64], normalization: batch}\n",
    sources=("Ioffe & Szegedy 2015, Batch normalization, section 3",),
    measure=by_seed(_measure),
    bounds=(
        Bound("skewness before", 1.5, 2.5), Bound("change of skewness", 0, 1e-9), Bound("change of kurtosis", 0, 1e-9),
        Bound("mean after", 0, 1e-12), Bound("variance after", 0.9999, 1),
    ),
    say=_say,
    draw=_picture,
)  # fmt: skip
