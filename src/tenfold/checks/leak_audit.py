"""The proof that nothing leaks: change the validation rows arbitrarily, and the trained weights stay bit-identical."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from tenfold.data.feed.batches import Dealing
from tenfold.data.feed.encode import Inputs
from tenfold.data.feed.integers import few_integers
from tenfold.errors import BadInput
from tenfold.problem.from_arrays import Labelled, understand
from tenfold.problem.problem import Problem
from tenfold.recipe.recipe import Recipe

Array = np.ndarray
PreprocessingStep = Callable[[Array, Array], Array]
HUGE = 1e16  # a sum that holds it and subtracts it again has lost the last bits of everything else


@dataclass(frozen=True)
class Leak:
    """One thing that changed when only validation rows were changed. fold: its number; change: what was done to the
    validation rows; part: what differs, in the order of the pipeline; share: of its numbers that differ."""

    fold: int
    change: str
    part: str
    share: float


@dataclass(frozen=True)
class LeakAudit:
    """What an audit of so many folds found. clean: no number that was trained or fitted depends on a validation row."""

    folds: int
    changes: tuple[str, ...]
    leaks: tuple[Leak, ...]

    @property
    def clean(self) -> bool:
        return not self.leaks

    def report(self) -> str:
        """The audit in words."""
        done = f"{self.folds} folds, validation rows changed in {len(self.changes)} ways ({'; '.join(self.changes)})"
        if self.clean:
            return f"No leak: {done}; every fitted number and every trained weight stayed bit-identical."
        lines = [f"LEAK: {done}."]
        first: dict[int, Leak] = {}
        for leak in self.leaks:
            first.setdefault(leak.fold, leak)
        lines += [
            f"  fold {f}: {leak.part} changed ({leak.share:.0%} of it) with {leak.change}" for f, leak in first.items()
        ]
        return "\n".join([*lines, "  try: fit every step on the training rows of the fold only"])


def audit(
    recipe: Recipe,
    X: Any,
    y: Any,
    *,
    step: PreprocessingStep | None = None,
    folds: Any = 5,
    groups: Any = None,
    seed: int = 0,
    task: str | None = None,
    epochs: int | None = None,
) -> LeakAudit:
    """Train each fold of a recipe again with its validation rows changed, and compare bit by bit what was fitted.

    Features are multiplied by 1e16 and by -1e16, made missing (pixels inverted), and moved to other categories; labels
    are moved to other classes, or multiplied by 1e16. step: a preprocessing step of your own, step(X, train) -> X for
    a numeric matrix X (rows, columns) and the indices of the training rows, that is put in front of the recipe: if it
    looks at validation rows, the audit says so. epochs: train only so many. Raises `BadInput` as `cross_validate`.
    """
    if epochs is not None:
        recipe = replace(recipe, epochs=min(recipe.epochs, epochs))
    data = understand(X, y, task)
    problem = data.problem(folds, seed=seed, groups=groups)
    # Which columns may be categories is decided before the rows are divided, like a schema: no change of rows moves it.
    problem = replace(problem, integers=problem.wide.integers)
    problem.check_recipes([recipe])
    if step is not None and (data.schema is not None or data.inputs.image is not None):
        raise BadInput("a step of your own on a frame or on images", expected="a numeric matrix X", do="X.to_numpy()")
    leaks: list[Leak] = []
    names: list[str] = []
    for f in range(len(problem.folds)):
        before = _fitted(_stepped(problem, data, step, f), recipe, f)
        for change, altered in alterations(problem, f):
            names.append(change)
            after = _fitted(_stepped(altered, data, step, f), recipe, f)
            leaks += [Leak(f, change, part, share) for part, share in _differences(before, after)]
    return LeakAudit(len(problem.folds), tuple(dict.fromkeys(names)), tuple(leaks))


def alterations(problem: Problem, fold: int) -> Iterator[tuple[str, Problem]]:
    """The problem with the validation rows of a fold changed, in several ways; in words and as a problem."""
    rows, inputs = problem.folds[fold].validation, problem.inputs
    y = problem.y.copy()
    y[rows] = (y[rows] + 1) % len(problem.classes) if problem.classes else y[rows] * HUGE
    codes = inputs.codes.copy()
    for j, size in enumerate(inputs.sizes):
        codes[rows, j] = (codes[rows, j] + 1) % size

    def changed(values: Array) -> Inputs:
        numbers = inputs.numbers.copy()
        numbers[rows] = values
        return replace(inputs, numbers=numbers, codes=codes)

    before = inputs.numbers[rows]
    if inputs.image is not None:
        inverted = 255 - before if before.dtype == np.uint8 else HUGE * (1.0 - before)
        yield "pixels inverted, other labels", replace(problem, inputs=changed(inverted), y=y)
        return
    yield "features times 1e16, other labels", replace(problem, inputs=changed((before + 1.0) * HUGE), y=y)
    yield "features times -1e16, the same labels", replace(problem, inputs=changed((before + 1.0) * -HUGE))
    if inputs.numbers.shape[1]:
        yield "features missing, other labels", replace(problem, inputs=changed(np.full_like(before, np.nan)), y=y)


def _stepped(problem: Problem, data: Labelled, step: PreprocessingStep | None, fold: int) -> Problem:
    """The problem with the user's own step in front, which gets the training rows of that fold."""
    if step is None:
        return problem
    x = np.asarray(step(problem.inputs.numbers.copy(), problem.folds[fold].train), np.float64)
    if x.shape[0] != problem.inputs.rows or x.ndim != 2:
        raise BadInput(f"step gave an array of shape {x.shape}", expected=f"({problem.inputs.rows}, columns)")
    again = understand(x, data.y if not data.labels else np.asarray(data.labels, object)[data.y], data.task)
    return replace(problem, inputs=again.inputs, integers=few_integers(again.inputs.take(problem.folds[fold].train)))


def _fitted(problem: Problem, recipe: Recipe, fold: int) -> dict[str, Array]:
    """Everything that the training of a fold fits, by the name of its part, in the order of the pipeline."""
    import torch

    from tenfold.model.refit import train_lanes

    train = problem.folds[fold].train
    fitted = {"the inputs of the training rows": problem.inputs.numbers[train]}
    view, (mean, std) = problem.view(recipe), problem.scale(fold)
    encoding = view.encodings[fold]
    fitted["the encoding"] = np.concatenate([encoding.medians, encoding.indicators, *encoding.slots, [encoding.width]])
    for category, rows in encoding.levels:
        fitted[f"the rows of levels ({category})"] = rows
    for number, means in enumerate(view.means_of(fold)):
        fitted[f"the mean targets ({number})"] = means.table
    if view.columns:
        fitted["the mean targets of the training rows"] = view.columns[fold][train]
    affine = recipe.preprocess.fit(view.moments_for([recipe])[fold])
    for name, part in affine._asdict().items():
        if part is not None:
            fitted[f"the preprocessing ({name})"] = part
    fitted["the target's scale"] = np.array([mean, std])
    feed = problem.feed([recipe], torch.device("cpu"), torch.float32)
    last = recipe.epochs * Dealing.of(problem.folds, recipe.batch_size).updates
    pack = train_lanes(problem, recipe, feed, last, on=[fold])
    return fitted | {f"weights ({name})": part for name, part in pack.parameters(0).items()}


def _differences(before: dict[str, Array], after: dict[str, Array]) -> Iterator[tuple[str, float]]:
    """The parts that are not bit-identical, and the share of their numbers."""
    for name, first in before.items():
        second = after.get(name)
        if second is None or first.shape != second.shape:
            yield name, 1.0
        elif first.tobytes() != second.tobytes():
            yield name, float(np.mean(~((first == second) | (np.isnan(first) & np.isnan(second)))))
