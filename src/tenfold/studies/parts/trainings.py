"""Trainings: all arms, rates and seeds of a claim in one call, and the trained networks where they are looked into."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import torch
from sklearn.datasets import load_digits
from torch import nn

from tenfold import cross_validate
from tenfold.engine.module import build_module
from tenfold.engine.packs.lanes import Lane
from tenfold.engine.packs.pack import Pack
from tenfold.engine.plan.shape import Shape
from tenfold.engine.plan.size import Size
from tenfold.problem.from_arrays import understand
from tenfold.problem.problem import Problem
from tenfold.recipe.recipe import Recipe
from tenfold.rules.preprocessing import apply_affine
from tenfold.search.trial_outcome import is_broken

CHANCE = 0.1  # of digits; what a diverged training counts
TEST = 797


class DrawnRows(NamedTuple):
    """DrawnRows, their classes, and a (training, validation) pair of row numbers for each seed."""

    x: np.ndarray
    y: np.ndarray
    folds: list[tuple[np.ndarray, np.ndarray]]


def drawn_digits(seeds: Sequence[int], train: int = 1000, noise: float = 0.0) -> DrawnRows:
    """Digits, shuffled anew for each seed: `train` rows with all classes, and 797 others to score on. noise: share of
    training labels that are replaced by another class (never of the rows that score)."""
    data: Any = load_digits()
    x, y, folds = [], [], []
    for place, seed in enumerate(seeds):
        rng = np.random.default_rng(seed)
        order, first = rng.permutation(len(data.data)), place * len(data.data)
        while len(np.unique(data.target[order[:train]])) < 10:
            order = rng.permutation(len(data.data))
        labels = data.target[order].copy()
        wrong = rng.random(train) < noise
        labels[:train][wrong] = (labels[:train][wrong] + rng.integers(1, 10, wrong.sum())) % 10
        x.append(data.data[order])
        y.append(labels)
        folds.append((first + np.arange(train), first + np.arange(len(order) - TEST, len(order))))
    return DrawnRows(np.concatenate(x), np.concatenate(y), folds)


def recipe(hidden: Sequence[int] = (100, 100), **changes: Any) -> Recipe:
    """A multi-layer perceptron with He weights, SGD at 0.1 and batches of 50, changed; network: its other fields, its
    layers, or a module."""
    network = changes.pop("network", {})
    if isinstance(network, dict) and "layers" not in network:
        network = {"hidden": list(hidden), **network}
    plain = {"optimizer": {"sgd": {"lr": 0.1}}, "batch_size": 50, "epochs": 5, "network": network}
    return Recipe.from_dict({**plain, **changes})


def sgd(*rates: float) -> list[dict[str, Any]]:
    """SGD at these rates."""
    return [{"optimizer": {"sgd": {"lr": rate}}} for rate in rates]


@dataclass(frozen=True)
class Arm:
    """One side of a comparison. rates: of its recipes; scores (rates, seeds): accuracy after the last epoch."""

    rates: tuple[float, ...]
    scores: np.ndarray

    @property
    def place(self) -> int:
        """Where its best rate stands."""
        return int(self.scores.mean(1).argmax())

    @property
    def border(self) -> bool:
        """Whether its best rate is the first or the last, so that a better one may lie outside."""
        return self.place in (0, len(self.rates) - 1)

    @property
    def best(self) -> np.ndarray:
        """The scores of its best rate, (seeds,)."""
        return self.scores[self.place]

    def at(self, rate: float) -> np.ndarray:
        """The scores at a rate."""
        return self.scores[self.rates.index(rate)]

    def __str__(self) -> str:
        spread = self.best.std(ddof=1) if len(self.best) > 1 else 0.0
        mark = " (border)" if self.border else ""
        return f"{self.best.mean():.3f} ± {spread:.3f} at {self.rates[self.place]:g}{mark}"


class EpochCurves(NamedTuple):
    """By epoch, (recipes, seeds, epochs): the training loss, the log loss and the accuracy on the rows that score, NaN
    of a training that has diverged. Recipes of fewer epochs stand at the end."""

    training_loss: np.ndarray
    log_loss: np.ndarray
    accuracy: np.ndarray

    @property
    def last(self) -> np.ndarray:
        """The accuracy after the last epoch, (recipes, seeds); of a training that has diverged, chance."""
        return np.nan_to_num(self.accuracy[..., -1], nan=CHANCE)


def train_together(recipes: Sequence[Recipe], rows: DrawnRows) -> EpochCurves:
    """Cross-validate recipes together."""
    found = cross_validate(recipes, rows.x, rows.y, folds=rows.folds, task="classification", device="cpu").trained
    records = [found.records[number] for number in range(len(recipes))]
    longest = max(one.epochs for one in recipes)
    curves = np.stack([_padded(record.curves, longest) for record in records], 1)
    curves[:, [[is_broken(outcome) for outcome in record.outcomes] for record in records]] = np.nan
    return EpochCurves(*curves)


def _padded(curves: np.ndarray, epochs: int) -> np.ndarray:
    return np.pad(curves, ((0, 0), (0, 0), (epochs - curves.shape[-1], 0)), constant_values=np.nan)


def compete(arms: Mapping[str, Sequence[Recipe]], rows: DrawnRows) -> dict[str, Arm]:
    """Cross-validate all recipes of all arms together."""
    scores = train_together([one for arm in arms.values() for one in arm], rows).last
    out, first = {}, 0
    for name, arm in arms.items():
        out[name] = Arm(tuple(one.optimizer.lr for one in arm), scores[first : first + len(arm)])
        first += len(arm)
    return out


def better(one: np.ndarray, two: np.ndarray) -> int:
    """1 or -1 where the means differ by more than two standard errors over the seeds, else 0."""
    n = len(one)
    if n < 2:
        return int(np.sign(one.mean() - two.mean()))
    error = np.sqrt((one.var(ddof=1) + two.var(ddof=1)) / n)
    return int(np.sign(one.mean() - two.mean())) if abs(one.mean() - two.mean()) > 2 * error else 0


class Trained(NamedTuple):
    """A trained network (in evaluation mode), and the preprocessed rows of its fold with their classes."""

    module: nn.Sequential
    x: torch.Tensor
    y: torch.Tensor
    test_x: torch.Tensor
    test_y: torch.Tensor


def pack_of(recipes: Sequence[Recipe], rows: DrawnRows) -> tuple[Problem, Pack]:
    """Recipes of one shape on the rows of every seed, one pack before its first update."""
    problem = understand(rows.x, rows.y, "classification").problem(rows.folds)
    feed = problem.feed(recipes, torch.device("cpu"), torch.float32)
    shape = Shape.of(recipes[0], Size(feed.width, problem.outputs), problem.folds)
    lanes = [Lane(one, number, fold) for number, one in enumerate(recipes) for fold in range(len(rows.folds))]
    return problem, Pack(lanes, shape, feed)


def trained_over_epochs(
    recipes: Sequence[Recipe], rows: DrawnRows, epochs: Sequence[int]
) -> Iterator[list[list[Trained]]]:
    """The networks of recipes of one shape, trained in one pack, behind each of these numbers of epochs, which rise
    (0: as they begin): a list over the seeds for each recipe."""
    problem, pack = pack_of(recipes, rows)
    shape = pack.shape
    moments = problem.plain.moments_for(recipes)
    parts: dict[tuple[int, int], list[torch.Tensor]] = {}
    for lane in pack.lanes:
        affine = lane.recipe.preprocess.fit(moments[lane.fold])
        own = parts[lane.number, lane.fold] = []
        for part in rows.folds[lane.fold]:
            own += [torch.from_numpy(apply_affine(affine, rows.x[part])).float(), torch.from_numpy(rows.y[part])]
    for epoch in epochs:
        while pack.epoch < epoch:
            pack.run_epoch()
        found: list[list[Any]] = [[None] * len(rows.folds) for _ in recipes]
        for i, lane in enumerate(pack.lanes):
            module = build_module(shape.steps(lane.recipe), pack.parameters(i), shape.image)
            found[lane.number][lane.fold] = Trained(module, *parts[lane.number, lane.fold])
        yield found


def trained_networks(recipes: Sequence[Recipe], rows: DrawnRows, epochs: int | None = None) -> list[list[Trained]]:
    """The same behind the last epoch alone."""
    return next(trained_over_epochs(recipes, rows, [recipes[0].epochs if epochs is None else epochs]))


def training_loss(found: Trained) -> float:
    """The mean cross-entropy on the training rows; infinite where the training was lost."""
    with torch.no_grad():
        loss = torch.nn.functional.cross_entropy(found.module(found.x), found.y)
    return float(loss) if loss.isfinite() else math.inf


def accuracy_of(found: Trained) -> float:
    """On the rows that score."""
    with torch.no_grad():
        return float((found.module(found.test_x).argmax(1) == found.test_y).double().mean())


def probabilities_of(found: Trained) -> np.ndarray:
    """Of the classes (rows, classes), on the rows that score."""
    with torch.no_grad():
        return found.module(found.test_x).softmax(1).numpy()
