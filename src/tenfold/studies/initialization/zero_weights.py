"""Zero and constant weights: units that never differ."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch

from tenfold.studies.parts.pictures import StudyPicture, bars
from tenfold.studies.parts.trainings import Trained, accuracy_of, drawn_digits, recipe, trained_networks
from tenfold.studies.study import HOLDS, Bound, ClaimStudy, Measured


def _apart(found: Trained) -> float:
    """The largest difference between the incoming weights of two units of the first layer."""
    weight = next(layer.weight for layer in found.module if isinstance(layer, torch.nn.Linear))
    return float((weight - weight[:1]).detach().abs().max())


def _measure(seeds: Sequence[int]) -> Measured:
    """Zeros and constants on digits, with a hidden layer, without one, and with dropout."""
    rows = drawn_digits(seeds)
    starts: tuple[tuple[Any, float], ...] = (
        ("zeros", 0.0),
        ({"constant": 0.1}, 0.0),
        ({"constant": 0.1}, 0.5),
        ("he", 0.0),
    )
    arms = trained_networks([recipe((100,), init=init, network={"dropout": rate}) for init, rate in starts[:3]], rows)
    arms += trained_networks([recipe((100,), init="he")], rows) + trained_networks([recipe((), init="zeros")], rows)
    names = ("zeros", "constant 0.1", "constant 0.1 with dropout", "He", "linear model from zeros")
    found = {name: np.array([accuracy_of(one) for one in arm]) for name, arm in zip(names, arms, strict=True)}
    gaps = {f"units of {name} differ by": np.array([_apart(one) for one in arm])
            for name, arm in zip(names[:3], arms[:3], strict=True)}  # fmt: skip
    return found | gaps


def _say(means: Mapping[str, Any]) -> str:
    """With numbers."""
    return (
        f"After training, accuracy is {means['zeros']:.2f} from zeros, {means['constant 0.1']:.2f} from a constant "
        f"0.1, {means['He']:.2f} "
        "from He's weights: from constants the units of a layer stay equal to the last bit, from zeros nothing but "
        "the output's bias "
        f"learns. A linear model does not mind ({means['linear model from zeros']:.2f}), and dropout separates the "
        "units "
        f"(they differ by {means['units of constant 0.1 with dropout differ by']:.3f})."
    )


def _picture(found: Measured) -> StudyPicture:
    """Accuracies."""
    return bars({name: values for name, values in found.items() if "differ" not in name}, "accuracy on other rows")


STUDY = ClaimStudy(
    name="zero-weights",
    claims=("C30", "C31", "E14"),
    told="with zero weights all neurons compute the same",
    verdict=HOLDS,
    formula="equal rows of W(l) and equal columns of W(l+1) get equal gradients, and stay equal;   W(l+1) = 0 "
    "gives dL/da(l) = 0",
    done="64-100-10 ReLU networks from zeros, from 0.1, from 0.1 with dropout 0.5 and from He's weights, and a "
    "linear model from zeros; "
    "five epochs of SGD at 0.1 on 1,000 digits.",
    follows="Weights must be drawn. Zeros are right for biases, for a linear model and, as a start at chance, for "
    "the output layer.",
    rules=("zeros", "constant", "he"),
    recipe="network: {hidden: [100]}\ninit: {constant: 0.1}\n",
    sources=("Goodfellow, Bengio & Courville 2016, Deep Learning, section 8.4",),
    measure=_measure,
    bounds=(
        Bound("zeros", high=0.2), Bound("constant 0.1", high=0.3), Bound("linear model from "
        "zeros", 0.9), Bound("He", 0.9),
        Bound("units of zeros differ by", 0, 0), Bound("units of constant 0.1 differ by", 0, 1e-6),
        Bound("units of constant 0.1 with dropout differ by", 1e-3),
    ),
    say=_say,
    draw=_picture,
)  # fmt: skip
