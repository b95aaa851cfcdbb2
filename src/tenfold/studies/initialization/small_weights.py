"""0.01 randn() with one, two and three hidden layers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from tenfold.studies.parts.pictures import StudyPicture, bars
from tenfold.studies.parts.trainings import compete, drawn_digits, recipe, sgd
from tenfold.studies.study import FAILS, Bound, ClaimStudy, Measured

KINDS: dict[str, Any] = {
    "SGD 0.05": sgd(0.05)[0], "SGD 0.5": sgd(0.5)[0], "Adam 0.001": {"optimizer": {"adam": {"lr": 1e-3}}}
}  # fmt: skip


def _measure(seeds: Sequence[int]) -> Measured:
    """Accuracy with one to three hidden layers of 100, by optimizer."""
    arms = {
        f"{kind}, {depth} hidden": [recipe((100,) * depth, init={"normal": 0.01}, epochs=15, **change)]
        for kind, change in KINDS.items() for depth in (1, 2, 3)
    }  # fmt: skip
    arms["He, SGD 0.05, 3 hidden"] = [recipe((100,) * 3, epochs=15, **sgd(0.05)[0])]
    return {name: arm.best for name, arm in compete(arms, drawn_digits(seeds)).items()}


def _say(means: Mapping[str, Any]) -> str:
    """With numbers."""
    rows = {kind: ", ".join(f"{means[f'{kind}, {depth} hidden']:.2f}" for depth in (1, 2, 3)) for kind in KINDS}
    return (
        f"Accuracy with one, two and three hidden layers: SGD at 0.05 {rows['SGD 0.05']}, SGD at 0.5 "
        f"{rows['SGD 0.5']}, Adam "
        f"{rows['Adam 0.001']}. It depends on rate and optimizer: at a usual rate two layers already stall, where "
        "He's weights reach "
        f"{means['He, SGD 0.05, 3 hidden']:.2f} with three."
    )


def _picture(found: Measured) -> StudyPicture:
    """All ten."""
    return bars(found, "accuracy on other rows after 15 epochs")


STUDY = ClaimStudy(
    name="small-weights",
    claims=("C33", "E15"),
    told="0.01 randn() works for two or three layers",
    verdict=FAILS,
    formula="dL/dW(1) is proportional to the product of all later weights: 0.01^(l-1) against 1/sqrt(n)^(l-1) = "
    "0.1^(l-1) for n = 100",
    done="ReLU networks of 100 units a layer on 1,000 digits, 15 epochs, batches of 50.",
    follows="Nothing speaks for a fixed 0.01. He's rule works at every width and depth here, with plain SGD too.",
    rules=("normal", "he"),
    recipe="network: {hidden: [100, 100]}\ninit: {normal: 0.01}\noptimizer: {sgd: {lr: 0.05}}\n",
    sources=("He, Zhang, Ren & Sun 2015, Delving deep into rectifiers, section 2.2",),
    measure=_measure,
    bounds=(
        Bound("SGD 0.05, 1 hidden", 0.85), Bound("SGD 0.05, 2 hidden", high=0.3), Bound("SGD 0.5, 3 hidden", high=0.3),
        Bound("Adam 0.001, 3 hidden", 0.85), Bound("He, SGD 0.05, 3 hidden", 0.9),
    ),
    say=_say,
    draw=_picture,
)  # fmt: skip
