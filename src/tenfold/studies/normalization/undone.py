"""What gamma and beta must be for batch normalization to be undone."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch

from tenfold.rules.normalization import batch_norm, batch_norm_inference
from tenfold.studies.parts.pictures import StudyPicture, curve_picture
from tenfold.studies.study import FAILS, Bound, ClaimStudy, Measured, by_seed

EPS, ROWS = 1e-5, 256
X = np.linspace(-3, 9, 25)


def _measure(seed: int) -> dict[str, Any]:
    """The largest difference between what goes in and what comes out, for both gammas, and the map of each."""
    z = torch.from_numpy(np.random.default_rng(seed).normal(3.0, 2.0, (1, ROWS, 8)))
    mean, var = z.mean(1, keepdim=True), z.var(1, correction=0, keepdim=True)
    weight = torch.full((1, 1, ROWS), 1 / ROWS, dtype=z.dtype)
    found: dict[str, Any] = {}
    for name, gamma in (("standard deviation", (var + EPS).sqrt()), ("variance", var)):
        found[f"error with the {name}"] = float((batch_norm(z, weight, gamma, mean, EPS)[0] - z).abs().max())
        line = batch_norm_inference(torch.from_numpy(X)[None, :, None], mean, var, gamma, mean, EPS)
        found[f"map with the {name}"] = line[0, :, 0].numpy()
    return found


def _say(means: Mapping[str, Any]) -> str:
    """With numbers."""
    return (
        "With gamma the standard deviation, the root of variance plus eps, and beta the mean, what comes out is "
        f"what went in, up to {means['error with the standard deviation']:.0e}. With gamma the variance the outputs "
        f"are up to {means['error with the variance']:.1f} away, for inputs of standard deviation 2: they are "
        "stretched twofold."
    )


def _picture(found: Measured) -> StudyPicture:
    """Output by input."""
    curves = {f"gamma = {name}": found[f"map with the {name}"].mean(0) for name in ("standard deviation", "variance")}
    return curve_picture(X, curves, "input (mean 3, standard deviation 2)", "output")


STUDY = ClaimStudy(
    name="undone",
    claims=("C41", "E22"),
    told="with gamma the variance and beta the mean of its input, batch normalization is undone",
    verdict=FAILS,
    formula="y = gamma (z - mean) / sqrt(var + eps) + beta = z   iff   gamma = sqrt(var + eps), beta = mean",
    done="256 normal rows of 8 units with mean 3 and standard deviation 2, in float64, through batch normalization "
    "with either gamma.",
    follows="Nothing is lost by normalizing: the network can learn the identity. Whoever folds a trained batch "
    "normalization into the layer before it divides by the root.",
    rules=("batch_norm",),
    recipe="network: {hidden: [64, 64], normalization: batch}\n",
    sources=("Ioffe & Szegedy 2015, Batch normalization, section 3",),
    measure=by_seed(_measure),
    bounds=(Bound("error with the standard deviation", 0, 1e-12), Bound("error with the variance", 1)),
    say=_say,
    draw=_picture,
)
