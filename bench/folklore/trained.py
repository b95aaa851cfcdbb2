"""Batch normalization and preprocessing: what they do to trainings."""

from __future__ import annotations

from typing import Any

from sklearn.datasets import load_wine
from sklearn.model_selection import StratifiedKFold

from bench.folklore.entry import Finding, erratum
from tenfold.studies.parts.trainings import (
    DrawnRows,
    better,
    compete,
    drawn_digits,
    recipe,
    sgd,
)


@erratum(
    "C45", "normalization",
    told="batch normalization permits higher rates",
    right="so it does; at a low rate it gains nothing",
    where="`batch`",
)  # fmt: skip
def higher_rate(seeds: int) -> Finding:
    """Four hidden layers at rates from 0.01 to 10, with and without."""
    rates = (0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0)
    arms = {
        name: [recipe((100,) * 4, network={"normalization": name}, **change) for change in sgd(*rates)]
        for name in ("none", "batch")
    }
    found = compete(arms, drawn_digits(range(seeds)))
    none, batch = found["none"], found["batch"]
    return Finding(
        measured=f"at lr 1 without {none.at(1.0).mean():.3f}, with {batch.at(1.0).mean():.3f}; at 0.01 "
        f"{none.at(0.01).mean():.3f}, {batch.at(0.01).mean():.3f}; each at its best: {none}, {batch} "
        "(at 1: < 0.5, > 0.9)",
        holds=None if none.border or batch.border
        else none.at(1.0).mean() < 0.5 and batch.at(1.0).mean() > 0.9 and better(batch.at(0.01), none.at(0.01)) < 1,
    )  # fmt: skip


@erratum(
    "C46", "normalization",
    told="batch normalization makes initialization matter less",
    right="so it does: it takes the scale of the weights out",
    where="`batch`",
)  # fmt: skip
def robust_start(seeds: int) -> Finding:
    """Four hidden layers from weights of standard deviation 1e-4 to 3, each at the best of five rates."""
    sizes = (1e-4, 1e-3, 1e-2, 3e-2, 0.1, 0.3, 1.0, 3.0)
    arms = {
        f"{name} {std}": [
            recipe((100,) * 4, init={"normal": std}, network={"normalization": name}, **change)
            for change in sgd(0.001, 0.01, 0.1, 1.0, 10.0)
        ]
        for name in ("none", "batch") for std in sizes
    }  # fmt: skip
    found = compete(arms, drawn_digits(range(seeds)))
    none, batch = ([found[f"{name} {std}"].best.mean() for std in sizes] for name in ("none", "batch"))
    good = sum(score >= 0.7 for score in none)
    return Finding(
        measured=f"std 1e-4 to 3, best of 5 rates: with {min(batch):.2f} to {max(batch):.2f}, without ≥ 0.7 for {good} "
        "of 8 (≥ 0.7 everywhere; at most 4)",
        holds=min(batch) >= 0.7 and good <= 4,
    )


@erratum(
    "E24 C47 C48", "normalization",
    told="batch normalization regularizes, so dropout can be left out",
    right="its noise is weak: where labels are wrong dropout helps and batch normalization does not",
    where="`dropout`, `batch`",
)  # fmt: skip
def no_dropout(seeds: int) -> Finding:
    """300 digits, a fifth of the labels wrong, each arm at its best rate."""
    rates = (0.01, 0.03, 0.1, 0.3, 1.0)
    kinds = {"neither": {}, "batch norm": {"normalization": "batch"}, "dropout 0.5": {"dropout": 0.5},
             "both": {"normalization": "batch", "dropout": 0.5}}  # fmt: skip
    arms = {
        name: [recipe(network=network, epochs=40, **change) for change in sgd(*rates)]
        for name, network in kinds.items()
    }
    found = compete(arms, drawn_digits(range(seeds), 300, noise=0.2))
    none, batch, dropout = (found[name].best for name in ("neither", "batch norm", "dropout 0.5"))
    decided = better(dropout, batch)
    return Finding(
        measured=", ".join(f"{name} {arm}" for name, arm in found.items())
        + f"; dropout over batch norm {dropout.mean() - batch.mean():+.3f}",
        holds=None if decided == 0 or any(arm.border for arm in found.values())
        else decided == 1 and better(batch, none) < 1,
    )  # fmt: skip


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
