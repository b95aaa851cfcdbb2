"""All masks of a few units, one by one, against the network with scaled weights."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor

from tenfold.rules.activations import ReLU
from tenfold.rules.initialization import Fans, He
from tenfold.studies.parts.chain import drawn_weights
from tenfold.studies.parts.pictures import StudyPicture, bars
from tenfold.studies.study import CONDITION, Bound, ClaimStudy, Measured, by_seed

UNITS, CLASSES, RATE, ROWS = 8, 3, 0.5, 20
MASKS = torch.tensor([[int(bit) for bit in f"{number:08b}"] for number in range(2**UNITS)]).double()  # (masks, units)


def _gaps(outputs: Tensor, scaled: Tensor) -> dict[str, float]:
    """Of both means of the masks' outputs (masks, rows, classes) from the one pass (rows, classes)."""
    logs, p = outputs.log_softmax(2), scaled.softmax(1)
    means = {"geometric": logs.mean(0).softmax(1), "plain": logs.exp().mean(0)}
    return {name: float((mean - p).abs().max()) for name, mean in means.items()}


def _measure(seed: int) -> dict[str, Any]:
    """The largest differences of probabilities, for one layer behind the masks and for two."""
    rng = np.random.default_rng(seed)
    h = torch.from_numpy(rng.standard_normal((ROWS, UNITS))).clamp(min=0)
    first, last = (drawn_weights(He(), Fans(UNITS, units), rng) for units in (UNITS, CLASSES))
    kept = h * MASKS[:, None]  # (masks, rows, units), the 2^8 masks of rate 0.5 equally likely
    one = _gaps(kept @ last, (1 - RATE) * h @ last)
    two = _gaps(ReLU.formula(kept @ first) @ last, ReLU.formula((1 - RATE) * h @ first) @ last)
    return {
        f"{name} mean, {layers}": gap
        for layers, part in (("one layer", one), ("two layers", two))
        for name, gap in part.items()
    }


def _say(means: Mapping[str, Any]) -> str:
    """With numbers."""
    return (
        f"With one softmax layer behind the {2**UNITS} masks the scaled network is their geometric mean to "
        f"{means['geometric mean, one layer']:.0e}, and {means['plain mean, one layer']:.3f} away from their plain "
        f"mean. With a ReLU layer in between it is {means['geometric mean, two layers']:.3f} and "
        f"{means['plain mean, two layers']:.3f} away: then scaling is an approximation of both."
    )


def _picture(found: Measured) -> StudyPicture:
    """The four differences."""
    names = [f"{kind} mean, {layers}" for layers in ("one layer", "two layers") for kind in ("geometric", "plain")]
    return bars(
        {name: found[name] for name in names}, "largest difference of a probability from the scaled network's", log=True
    )


STUDY = ClaimStudy(
    name="exact-mean",
    claims=("C65", "E37"),
    told="scaling the weights gives the mean of all thinned networks",
    verdict=f"{CONDITION}one linear layer and a softmax follow, and the mean is the geometric one",
    formula="prod_m softmax(W (m h))^(1/M), normalized, = softmax(W E[m] h);   (1/M) sum_m softmax(W (m h)) is not",
    done="Eight hidden units on 20 rows, dropout 0.5 behind them, all 256 masks one by one, in float64; behind the "
    "masks three softmax outputs, or eight ReLUs and then those.",
    follows="That prediction without masks works is a finding (see many-masks), not a theorem, for networks of more "
    "than one layer.",
    rules=("dropout",),
    recipe="network: {hidden: [8], dropout: 0.5}\n",
    sources=("Baldi & Sadowski 2013, Understanding dropout",
             "Goodfellow, Bengio & Courville 2016, Deep Learning, section 7.12"),
    measure=by_seed(_measure),
    bounds=(
        Bound("geometric mean, one layer", 0, 1e-12), Bound("plain mean, one layer", 0.01),
        Bound("geometric mean, two layers", 0.01), Bound("plain mean, two layers", 0.01),
    ),
    say=_say,
    draw=_picture,
)  # fmt: skip
