"""The averages that batch normalization records, and how many updates they need."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch

from tenfold.rules.normalization import BatchNorm, batch_norm, running
from tenfold.studies.parts.pictures import StudyPicture, curve_picture
from tenfold.studies.parts.trainings import drawn_digits, recipe, train_together
from tenfold.studies.study import CONDITION, Bound, ClaimStudy, Measured

ROWS, EPOCHS, BATCH = 32, 15, 50
UPDATES = 1000 // BATCH  # an epoch
RULES: dict[str, dict[str, Any]] = {
    "keep 0.9": {"keep": 0.9},
    "keep 0.99": {"keep": 0.99},
    "all batches": {"average": "cumulative"},
}


def _against_torch(seed: int, rule: BatchNorm) -> float:
    """The largest difference of the running moments from torch's after five batches."""
    rng = np.random.default_rng(seed)
    weight = torch.full((1, 1, ROWS), 1 / ROWS, dtype=torch.float64)
    mean, var = torch.zeros(4).double(), torch.full((4,), rule.initial_variance).double()
    keep = None if rule.average == "cumulative" else 1 - rule.keep
    theirs = torch.nn.BatchNorm1d(4, momentum=keep).double()
    for t in range(1, 6):
        z = torch.from_numpy(rng.normal(3, 2, (1, ROWS, 4)))
        _, batch_mean, batch_var = batch_norm(z, weight, 1.0, 0.0, rule.eps)
        mean = running(mean, batch_mean[0, 0], rule.keep_at(t))
        var = running(var, batch_var[0, 0] * ROWS / (ROWS - 1), rule.keep_at(t))
        theirs(z[0])
    gaps = [a - b for a, b in ((mean, theirs.running_mean), (var, theirs.running_var)) if b is not None]
    return float(torch.stack(gaps).abs().max())


def _measure(seeds: Sequence[int]) -> Measured:
    """Differences from torch, and accuracy with recorded averages after each epoch."""
    found: dict[str, Any] = {
        "difference from torch": np.array(
            [max(_against_torch(seed, BatchNorm(**one)) for one in RULES.values()) for seed in seeds]
        )
    }
    recipes = [
        recipe((100,) * 4, network={"normalization": {"batch": one}}, epochs=EPOCHS, batch_size=BATCH)
        for one in RULES.values()
    ]
    accuracy = train_together(recipes, drawn_digits(seeds)).accuracy  # (rules, seeds, epochs)
    for name, by_epoch in zip(RULES, accuracy, strict=True):
        found[f"by epoch, {name}"] = by_epoch
        found |= {f"{name}, after {e * UPDATES} updates": by_epoch[:, e - 1] for e in (1, EPOCHS)}
    last = EPOCHS * UPDATES
    found[f"loss of keep 0.99 after {UPDATES} updates"] = (
        found[f"keep 0.9, after {UPDATES} updates"] - found[f"keep 0.99, after {UPDATES} updates"]
    )
    found[f"loss of keep 0.99 after {last} updates"] = (
        found[f"keep 0.9, after {last} updates"] - found[f"keep 0.99, after {last} updates"]
    )
    return found


def _say(means: Mapping[str, Any]) -> str:
    """With numbers."""
    last = EPOCHS * UPDATES
    return (
        f"The recorded moments are torch's to {means['difference from torch']:.0e}. After {UPDATES} updates the "
        f"start still weighs {0.9**UPDATES:.2f} in averages that keep 0.9 (torch) and {0.99**UPDATES:.2f} in those "
        f"that keep 0.99 (Keras, flax): accuracy on other rows is {means[f'keep 0.9, after {UPDATES} updates']:.2f} "
        f"and {means[f'keep 0.99, after {UPDATES} updates']:.2f}; after {last} updates "
        f"{means[f'keep 0.9, after {last} updates']:.3f} and {means[f'keep 0.99, after {last} updates']:.3f}."
    )


def _picture(found: Measured) -> StudyPicture:
    """Accuracy by updates."""
    curves = {name: found[f"by epoch, {name}"] for name in RULES}
    return curve_picture(UPDATES * np.arange(1, EPOCHS + 1), curves, "updates", "accuracy with the recorded averages")


STUDY = ClaimStudy(
    name="recorded-averages",
    claims=("C40",),
    told="at test time batch normalization uses the averages that it recorded in training",
    verdict=f"{CONDITION}there were enough updates to forget where the averages began",
    formula="run <- keep run + (1 - keep) batch:   the start weighs keep^t after t updates;   all batches: keep = (t "
    "- 1) / t",
    done="Running moments of five batches against torch in float64; and 64-100-100-100-100-10 ReLU networks with "
    "batch normalization, SGD at 0.1, batches of 50 of 1,000 digits, scored with the recorded averages after each of "
    "15 epochs.",
    follows="With few updates keep 0.9, or take `average: cumulative`; 0.99 needs several hundred updates. A network "
    "that trains well and scores at chance may have nothing but stale averages.",
    rules=("batch_norm",),
    recipe="network: {hidden: [100, 100, 100, 100], normalization: {batch: {keep: 0.99}}}\noptimizer: {sgd: {lr: "
    "0.1}}\nbatch_size: 50\nepochs: 1\n",
    sources=("Ioffe & Szegedy 2015, Batch normalization, algorithm 2", "torch.nn.BatchNorm1d, documentation"),
    measure=_measure,
    bounds=(
        Bound("difference from torch", 0, 1e-12), Bound(f"keep 0.9, after {UPDATES} updates", 0.8),
        Bound(f"loss of keep 0.99 after {UPDATES} updates", 0.1, clear=True),
        Bound(f"loss of keep 0.99 after {EPOCHS * UPDATES} updates", -0.02, 0.02),
    ),
    say=_say,
    draw=_picture,
)  # fmt: skip
