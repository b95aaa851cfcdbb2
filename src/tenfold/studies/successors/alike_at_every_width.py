"""How far layers move in the first updates, by the width of the network."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch

from tenfold.studies.parts.pictures import CurvePanel, StudyPicture, curve_panels
from tenfold.studies.parts.trainings import drawn_digits, trained_over_epochs
from tenfold.studies.parts.widths import OfWidth, of_width
from tenfold.studies.study import HOLDS, Bound, ClaimStudy, Measured

WIDTHS = (64, 128, 256, 512, 1024)
KINDS = {"standard": False, "muP": True}
PARTS = ("features", "outputs")


def _network(module: torch.nn.Module) -> OfWidth:
    return next(part for part in module.modules() if isinstance(part, OfWidth))


def _moved(before: torch.nn.Module, after: torch.nn.Module, x: torch.Tensor) -> tuple[float, float]:
    """The root mean square of the change of the second hidden layer's outputs, and of the network's."""
    old, new = _network(before), _network(after)
    with torch.no_grad():
        pairs = ((new.features(x), old.features(x)), (new(x), old(x)))
        return tuple(float((one - two).square().mean().sqrt()) for one, two in pairs)  # type: ignore[return-value]


def _measure(seeds: Sequence[int]) -> Measured:
    """The changes by width after four updates, and their slopes in logarithms."""
    rows = drawn_digits(seeds)
    found: dict[str, Any] = {}
    for name, mup in KINDS.items():
        moved = []
        for width in WIDTHS:
            one = of_width(width, 0.01, mup=mup, batch_size=250, epochs=1)
            (start,), (end,) = trained_over_epochs([one], rows, [0, 1])
            moved.append([_moved(a.module, b.module, a.test_x) for a, b in zip(start, end, strict=True)])
        changes = np.array(moved).transpose(2, 1, 0)  # (parts, seeds, widths)
        for part, change in zip(PARTS, changes, strict=True):
            found[f"{part}, {name}"] = change
            found[f"slope of the {part}, {name}"] = np.polyfit(np.log(WIDTHS), np.log(change).T, 1)[0]
    return found


def _say(means: Mapping[str, Any]) -> str:
    """With numbers."""
    slope = {(part, name): means[f"slope of the {part}, {name}"] for part in PARTS for name in KINDS}
    return (
        "In four updates of Adam at 0.01 the outputs of ordinary networks move as "
        f"n^{slope['outputs', 'standard']:.2f} and their second layer as n^{slope['features', 'standard']:.2f}, n "
        f"the width from {WIDTHS[0]} to {WIDTHS[-1]}. With muP's starts and rates they move as "
        f"n^{slope['outputs', 'muP']:.2f} and n^{slope['features', 'muP']:.2f}: alike at every width."
    )


def _picture(found: Measured) -> StudyPicture:
    """Changes by width, for both."""
    panels = [
        CurvePanel(
            np.array(WIDTHS),
            {name: found[f"{part}, {name}"] for name in KINDS},
            "width",
            f"change of the {part} in four updates",
            "xy",
        )
        for part in PARTS
    ]
    return curve_panels(*panels)


STUDY = ClaimStudy(
    name="alike-at-every-width",
    claims=("S1",),
    told="with muP what a layer computes moves alike at every width",
    verdict=HOLDS,
    formula="Adam, n inputs: an update of size lr of each weight moves a sum by up to n lr;   muP: lr / n for hidden "
    "and output matrices, output weights of standard deviation 1 / n",
    done="64-n-n-10 ReLU networks of five widths, four updates of Adam at 0.01 in batches of 250 digits; the root "
    "mean square of what changed on other rows, and the slope of its logarithm over that of n.",
    follows="A look at the changes of each layer by width, before any long training, tells whether an implementation "
    "of muP is right. In Tenfold rates by layer are `Module(..., groups=...)`.",
    rules=("adam", "he"),
    sources=("Yang et al. 2022, Tensor programs V: tuning large neural networks via zero-shot hyperparameter "
             "transfer",),
    measure=_measure,
    bounds=(
        Bound("slope of the features, muP", -0.15, 0.15), Bound("slope of the outputs, muP", -0.15, 0.15),
        Bound("slope of the features, standard", 0.3), Bound("slope of the outputs, standard", 0.5),
    ),
    say=_say,
    draw=_picture,
)  # fmt: skip
