"""Activations, initialization and batch normalization: what they do to trainings on digits."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from sklearn.datasets import load_wine
from sklearn.model_selection import StratifiedKFold

from bench.folklore.entry import Finding, erratum, spread
from tenfold.engine.module import ActivationLayer
from tenfold.rules.losses import CrossEntropy
from tenfold.studies.parts.trainings import (
    DrawnRows,
    Trained,
    better,
    compete,
    drawn_digits,
    recipe,
    sgd,
    trained_networks,
)


def dead(found: Trained) -> float:
    """The share of hidden units that are off on every training row."""
    h, off = found.x, []
    with torch.no_grad():
        for layer in found.module:
            h = layer(h)
            if isinstance(layer, ActivationLayer):
                off.append((h <= 0).all(0).double().mean())
    return float(torch.stack(off).mean())


@erratum(
    "E6 E7 C17 C18", "activations",
    told="a unit that some data leave inactive is dead; a bias of 0.01 prevents it",
    right="dead is inactive on all data; the bias does not help, a lower rate does",
    where="`relu`; `init` (bias), `lr`",
)  # fmt: skip
def dead_relu(seeds: int) -> Finding:
    """Dead units of 64-100-100-10 behind 5 epochs of SGD."""
    rates, biases = (0.01, 0.1, 0.3, 1.0), (0.01, 0.1)
    arms = [recipe(**change) for change in sgd(*rates)]
    arms += [recipe(init={"he": {"bias": bias}}, **sgd(1.0)[0]) for bias in biases]
    shares = np.array([[dead(one) for one in arm] for arm in trained_networks(arms, drawn_digits(range(seeds)))])
    low, high, biased = shares[:3], shares[3], shares[4:]
    return Finding(
        measured="dead units: lr " + ", ".join(f"{r:g} {s.mean():.1%}" for r, s in zip(rates, shares, strict=False))
        + "; at lr 1 with bias " + ", ".join(f"{b:g} {s.mean():.1%}" for b, s in zip(biases, biased, strict=True))
        + " (≤ 0.5 % up to 0.3, > 2 % at 1; bias no more than a point better)",
        holds=low.mean(1).max() <= 0.005 and high.mean() > 0.02 and bool((biased.mean(1) > high.mean() - 0.01).all()),
    )  # fmt: skip


def accuracy(found: Trained) -> float:
    """On the rows that score."""
    with torch.no_grad():
        return float((found.module(found.test_x).argmax(1) == found.test_y).double().mean())


def apart(found: Trained) -> float:
    """The largest difference between the incoming weights of two units of the first layer."""
    weight = next(layer.weight for layer in found.module if isinstance(layer, torch.nn.Linear))
    return float((weight - weight[:1]).detach().abs().max())


@erratum(
    "E14 C30 C31", "initialization",
    told="with zero weights all neurons compute the same",
    right="so they do with any constant, only within a layer; with exactly 0 nothing but the output's bias learns, "
    "yet a linear model learns well",
    where="`zeros`, `constant`",
)  # fmt: skip
def symmetric(seeds: int) -> Finding:
    """Zeros and constants on digits, with a hidden layer, without, and with dropout."""
    rows = drawn_digits(range(seeds))
    deep = [
        recipe((100,), init=init, network={"dropout": rate})
        for init, rate in (("zeros", 0.0), ({"constant": 0.1}, 0.0), ({"constant": 0.1}, 0.5))
    ]
    zero, constant, dropped = trained_networks(deep, rows)
    (linear,) = trained_networks([recipe((), init="zeros")], rows)
    scores = [float(np.mean([accuracy(one) for one in arm])) for arm in (zero, constant, linear)]
    gaps = [max(apart(one) for one in arm) for arm in (zero, constant, dropped)]
    return Finding(
        measured=f"accuracy: zeros {scores[0]:.3f}, constant 0.1 {scores[1]:.3f}, linear model from zeros "
        f"{scores[2]:.3f}; units differ by {gaps[0]:.0e}, {gaps[1]:.0e}, with dropout {gaps[2]:.3f} (0, 0, > 0.001)",
        holds=scores[0] < 0.2 and scores[2] > 0.9 and gaps[0] == 0 and gaps[1] < 1e-6 and gaps[2] > 1e-3,
    )


@erratum(
    "E15 C33", "initialization",
    told="0.01 randn() works for two or three layers",
    right="that depends on width, rate and optimizer: with plain SGD at a usual rate two hidden layers already stall",
    where="`normal`, `he`",
)  # fmt: skip
def small_weights(seeds: int) -> Finding:
    """0.01 with one to three hidden layers of 100."""
    kinds = {"SGD 0.05": sgd(0.05)[0], "SGD 0.5": sgd(0.5)[0], "Adam 0.001": {"optimizer": {"adam": {"lr": 1e-3}}}}
    arms = {
        f"{kind} {depth}": [recipe((100,) * depth, init={"normal": 0.01}, epochs=15, **change)]
        for kind, change in kinds.items() for depth in (1, 2, 3)
    }  # fmt: skip
    arms["He"] = [recipe((100,) * 3, epochs=15, **sgd(0.05)[0])]
    found = {name: float(arm.best.mean()) for name, arm in compete(arms, drawn_digits(range(seeds))).items()}
    lines = [f"{kind} " + ", ".join(f"{found[f'{kind} {depth}']:.2f}" for depth in (1, 2, 3)) for kind in kinds]
    return Finding(
        measured=f"accuracy with 1, 2, 3 hidden layers: {'; '.join(lines)}; He, 3 layers, SGD 0.05: {found['He']:.2f} "
        "(> 0.85 and < 0.3 with one and two; He > 0.9)",
        holds=found["SGD 0.05 1"] > 0.85 and found["SGD 0.05 2"] < 0.3 and found["He"] > 0.9
        and found["Adam 0.001 3"] > 0.85,
    )  # fmt: skip


@erratum(
    "E19 E20 C38 C39", "initialization",
    told="outputs must be Gaussian to learn",
    right="their scale decides, not their distribution or that of the weights",
    where="`he` (distribution)",
)  # fmt: skip
def deep_training(seeds: int) -> Finding:
    """Ten hidden ReLU layers from four kinds of weights, each at its best rate."""
    rates = (0.01, 0.03, 0.1, 0.3, 1.0)
    kinds = {"He normal": "he", "He uniform": {"he": "uniform"}, "He truncated": {"he": "truncated"}, "1/√n": "lecun"}
    arms = {
        name: [recipe((100,) * 10, init=init, epochs=8, **change) for change in sgd(*rates)]
        for name, init in kinds.items()
    }
    found = compete(arms, drawn_digits(range(seeds)))
    lecun = found["1/√n"]
    he = [arm for arm in found.values() if arm is not lecun]
    same = all(better(one.best, he[0].best) == 0 for one in he)
    gap = float(np.ptp([arm.best.mean() for arm in he]))
    return Finding(
        measured="10 layers: " + ", ".join(f"{name} {arm}" for name, arm in found.items())
        + f"; the three of He within {gap:.3f} (two standard errors)",
        holds=None if any(arm.border for arm in found.values()) else same and better(he[0].best, lecun.best) == 1,
    )  # fmt: skip


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


@erratum(
    "O2", "initialization",
    told="a network may start anywhere",
    right="look at its first loss: at chance it is ln C; a zero output layer starts there, large weights far above",
    where="`zero_last`",
)  # fmt: skip
def first_loss(seeds: int) -> Finding:
    """The loss before any training."""
    inits = {"He": "he", "zero last layer": {"he": {"zero_last": True}}, "normal(1)": {"normal": 1.0}}
    found = trained_networks([recipe(init=init) for init in inits.values()], drawn_digits(range(seeds)), epochs=0)
    with torch.no_grad():
        losses = [[float(CrossEntropy.formula(one.module(one.x), one.y, 0.0).mean()) for one in arm] for arm in found]
    means = dict(zip(inits, np.mean(losses, 1), strict=True))
    texts = [f"{name} {spread(values)}" for name, values in zip(inits, losses, strict=True)]
    return Finding(
        measured=f"first loss: {', '.join(texts)}; ln 10 = {CrossEntropy().at_chance(10):.4f}",
        holds=abs(means["zero last layer"] - np.log(10)) < 1e-4 and means["normal(1)"] > 100,
    )  # fmt: skip
