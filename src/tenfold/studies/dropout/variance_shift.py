"""Dropout in front of batch normalization: two variances, one in training and another at prediction."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch

from tenfold.rules.activations import ReLU
from tenfold.rules.dropout import dropout_scale
from tenfold.studies.parts.pictures import StudyPicture, curve_picture
from tenfold.studies.parts.trainings import drawn_digits, recipe, sgd, train_together
from tenfold.studies.study import HOLDS, Bound, ClaimStudy, Measured, by_seed

DROPPED, DRAWS = (0.1, 0.2, 0.3, 0.5, 0.7), 200_000
RATES = (0.01, 0.03, 0.1, 0.3, 1.0)
MEAN, SECOND = 1 / np.sqrt(2 * np.pi), 0.5  # of ReLU's output for a standard normal input
ORDERS = {"behind": ["batch_norm", {"dropout": 0.5}], "in front": [{"dropout": 0.5}, "batch_norm"]}


def _expected(rate: float) -> float:
    """Variance without dropout over variance with it."""
    return float((SECOND - MEAN**2) / (SECOND / (1 - rate) - MEAN**2))


def _ratios(seed: int) -> dict[str, Any]:
    """The measured ratio by rate, and over the expected one."""
    rng = np.random.default_rng(seed)
    h = ReLU.formula(torch.from_numpy(rng.standard_normal(DRAWS)))
    scales = [dropout_scale(torch.from_numpy(rng.random(DRAWS)), torch.tensor(rate)) for rate in DROPPED]
    ratios = np.array([float(h.var() / (h * scale).var()) for scale in scales])
    found: dict[str, Any] = {"ratio": ratios}
    for rate in (0.2, 0.5):
        found[f"ratio at {rate:g}"] = ratios[DROPPED.index(rate)]
        found[f"over the formula at {rate:g}"] = ratios[DROPPED.index(rate)] / _expected(rate)
    return found


def _measure(seeds: Sequence[int]) -> Measured:
    """Ratios; and log loss and accuracy of both orders in trained networks, each at its best rate."""
    recipes = [
        recipe(network={"layers": 2 * [{"dense": 100}, "relu", *order]}, epochs=30, **change)
        for order in ORDERS.values()
        for change in sgd(*RATES)
    ]
    trained = train_together(recipes, drawn_digits(seeds))
    losses, hits = (part[..., -1].reshape(len(ORDERS), len(RATES), -1) for part in (trained.log_loss, trained.accuracy))
    found = {**by_seed(_ratios)(seeds)}
    for name, loss, hit in zip(ORDERS, losses, hits, strict=True):
        best = int(np.nan_to_num(loss.mean(1), nan=np.inf).argmin())
        found[f"log loss, dropout {name}"], found[f"accuracy, dropout {name}"] = loss[best], hit[best]
        found[f"at the border, dropout {name}"] = np.full(len(seeds), float(best in (0, len(RATES) - 1)))
    found["rise of the log loss"] = found["log loss, dropout in front"] - found["log loss, dropout behind"]
    return found


def _say(means: Mapping[str, Any]) -> str:
    """With numbers."""
    return (
        f"At prediction the variance behind dropout is {means['ratio at 0.2']:.3f} (rate 0.2) and "
        f"{means['ratio at 0.5']:.3f} (rate 0.5) of that in training, as the formula says: {_expected(0.2):.3f} and "
        f"{_expected(0.5):.3f}. It costs little in a small network: each at its best learning rate, dropout 0.5 in "
        f"front of batch normalization ends with a log loss of {means['log loss, dropout in front']:.3f} and an "
        f"accuracy of {means['accuracy, dropout in front']:.3f}, behind it with "
        f"{means['log loss, dropout behind']:.3f} and {means['accuracy, dropout behind']:.3f}."
    )


def _picture(found: Measured) -> StudyPicture:
    """Ratio by rate."""
    curves = {"measured": found["ratio"], "formula": np.array([_expected(rate) for rate in DROPPED])}
    return curve_picture(np.array(DROPPED), curves, "dropout rate", "variance at prediction over variance in training")


STUDY = ClaimStudy(
    name="variance-shift",
    claims=("C69",),
    told="dropout in front of batch normalization shifts its variance",
    verdict=HOLDS,
    formula="Var[x] / Var[x m / (1 - r)] = (E[x^2] - E[x]^2) / (E[x^2] / (1 - r) - E[x]^2)",
    done="200,000 ReLU outputs of normal inputs with and without dropout at five rates; and 64-100-100-10 ReLU "
    "networks with batch normalization and dropout 0.5 in both orders, 30 epochs of SGD at the best of five rates on "
    "1,000 digits.",
    follows="Put dropout behind batch normalization, which costs nothing: in `hidden:` networks Tenfold does, and in "
    "`layers:` you write the order. At one rate of 0.1 for both, the wrong order looks worse than it is.",
    rules=("dropout", "batch_norm"),
    recipe="network: {layers: [{dense: 100}, relu, {dropout: 0.5}, batch_norm]}\noptimizer: {sgd: {lr: "
    "0.1}}\nbatch_size: 50\nepochs: 30\n",
    sources=(
        "Li, Chen, Hu & Yang 2019, Understanding the disharmony between dropout and batch normalization by variance "
        "shift",
    ),
    measure=_measure,
    bounds=(
        Bound("over the formula at 0.2", 0.98, 1.02), Bound("over the formula at 0.5", 0.98, 1.02),
        Bound("ratio at 0.5", 0.39, 0.42), Bound("rise of the log loss", -0.02, 0.02),
        Bound("at the border, dropout in front", 0, 0), Bound("at the border, dropout behind", 0, 0),
    ),
    say=_say,
    draw=_picture,
)  # fmt: skip
