"""Preprocessing: what they do to trainings."""

from __future__ import annotations

from typing import Any

from sklearn.datasets import load_wine
from sklearn.model_selection import StratifiedKFold

from bench.folklore.entry import Finding, erratum
from tenfold.studies.parts.trainings import (
    DrawnRows,
    compete,
    drawn_digits,
    recipe,
    sgd,
)


@erratum(
    "E12 C25", "preprocessing",
    told="dividing by the standard deviation is not usual",
    right="where units differ it decides; on pixels, which have one unit, it changes little",
    where="`standardize`, `center`",
)  # fmt: skip
def scale_matters(seeds: int) -> Finding:
    """Wine and digits, each kind of inputs at its best rate."""
    wine: Any = load_wine()
    folds = [
        next(StratifiedKFold(5, shuffle=True, random_state=seed).split(wine.data, wine.target))
        for seed in range(2 * seeds)
    ]
    rates = [10.0**k for k in range(-6, 2)]
    table = compete(
        {kind: [recipe((32,), preprocess=kind, epochs=30, batch_size=32, **change) for change in sgd(*rates)]
         for kind in ("none", "standardize")}, DrawnRows(wine.data, wine.target, folds),
    )  # fmt: skip
    pixels = compete(
        {kind: [recipe(preprocess=kind, **change) for change in sgd(*(10 ** (k / 2) for k in range(-9, 2)))]
         for kind in ("center", "standardize")}, drawn_digits(range(seeds)),
    )  # fmt: skip
    raw, scaled = table["none"], table["standardize"]
    gap = abs(pixels["center"].best.mean() - pixels["standardize"].best.mean())
    return Finding(
        measured=f"wine: raw {raw}, standardized {scaled} (> 0.2 better); digits: centred "
        f"{pixels['center']}, standardized {pixels['standardize']} (within 0.02)",
        holds=None if any(arm.border for arm in (raw, scaled, *pixels.values()))
        else scaled.best.mean() - raw.best.mean() > 0.2 and gap < 0.02,
    )  # fmt: skip


@erratum(
    "E12 C28", "preprocessing",
    told="whitening removes redundancy, which helps",
    right="it hurts what is learnt from few rows, and gains nothing from many",
    where="`whiten_zca`",
)  # fmt: skip
def whitening_hurts(seeds: int) -> Finding:
    """Digits from 50 and 1000 rows, centred and whitened, each at its best rate."""
    rates = [10 ** (k / 2) for k in range(-7, 3)]
    kinds = {"centred": "center", "ZCA 1e-8": {"whiten_zca": 1e-8}, "ZCA 1e-2": {"whiten_zca": 1e-2}}
    found = {}
    for rows, epochs, batch in ((50, 60, 25), (1000, 5, 50)):
        arms = {
            f"{name}, {rows}": [recipe((100,), preprocess=kind, epochs=epochs, batch_size=batch, **change)
                                for change in sgd(*rates)]
            for name, kind in kinds.items()
        }  # fmt: skip
        found |= compete(arms, drawn_digits(range(seeds), rows))
    few, many = ([found[f"{name}, {rows}"] for name in kinds] for rows in (50, 1000))
    return Finding(
        measured="rows: " + "; ".join(f"{name} {arm}" for name, arm in found.items())
        + " (50 rows: > 0.1 worse; 1000: within 0.02)",
        holds=None if any(arm.border for arm in found.values())
        else min(few[0].best.mean() - arm.best.mean() for arm in few[1:]) > 0.1
        and max(abs(many[0].best.mean() - arm.best.mean()) for arm in many[1:]) < 0.02,
    )  # fmt: skip
