"""The rows of a batch as network inputs: gathered from the one copy of the data, encoded and preprocessed.

A group is a (fold, preprocessing, augmentation) triple: lanes of one group share their inputs, computed once.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from threading import Lock
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from tenfold.data.feed.encode import Encoding, Inputs
from tenfold.data.feed.randomness import derive
from tenfold.data.feed.tensors import GivenTensors
from tenfold.data.split.folds import Fold
from tenfold.engine.operations.operation import padded
from tenfold.recipe.recipe import Recipe
from tenfold.rules.augmentation import Augmentation, augment, draws
from tenfold.rules.preprocessing import Affine, Moments, Preprocessing, apply_affine
from tenfold.rules.preprocessing.moments import FAR

# Numbers of inputs that are made at once, at most (a megabyte in float64): starting an operation costs 2 to 3
# microseconds, whatever its size, so small batches are made together.
INPUTS_AHEAD = 1 << 17


@dataclass(frozen=True)
class FoldInputs:
    """What the training part of a fold decided: its encoding, the moments of its columns, its target's scale."""

    fold: Fold
    encoding: Encoding
    moments: Moments
    target_mean: Any  # a number, or (k,) of several
    target_std: Any

    def affine(self, preprocessing: Preprocessing) -> Affine:
        """The recipe's preprocessing, fitted on this fold's training rows."""
        return preprocessing.fit(self.moments)


class Groups(NamedTuple):
    """What turns rows into inputs for each group of lanes. fold_of (G,): its fold, None where group g is fold g;
    shift and scale (G, 1, N); rotations: (N, N), limits: (N,) and lines: knots and heights, each (N, K), of each
    group, None where it has none; augment: of each group."""

    folds: tuple[int, ...]
    fold_of: Tensor | None
    shift: Tensor
    scale: Tensor
    rotations: tuple[Tensor | None, ...]
    limits: tuple[Tensor | None, ...]
    lines: tuple[tuple[Tensor, Tensor] | None, ...]
    augment: tuple[Augmentation, ...]


class Feed:
    """All rows on the device, once, and the encodings of all folds side by side.

    `width` is that of the widest fold, padded; narrower folds have columns of zeros behind their own. own: of each fold
    numbers (rows, columns) that it alone has, behind those that all share.
    """

    def __init__(
        self, inputs: Inputs, target: np.ndarray, folds: Sequence[FoldInputs], device: torch.device, dtype: torch.dtype,
        own: Sequence[np.ndarray] = (),
    ) -> None:  # fmt: skip
        self.folds: tuple[FoldInputs, ...] = tuple(folds)
        self.device: torch.device = device
        self.dtype: torch.dtype = dtype
        self._fitted: dict[tuple[int, Preprocessing], Affine] = {}
        self._decided: dict[Any, np.ndarray] = {}
        self._fitting = Lock()
        self.shared: Any = None  # what compiled lanes share of it
        # of the same rows, for recipes that take the columns in another way: of integers and of categories
        self.ways: dict[tuple[str, str], Feed] = {}
        self.width: int = padded(max(1, *(fold.encoding.width for fold in folds)))
        self.numbers: Tensor = torch.from_numpy(inputs.numbers).to(device)  # (rows, N) float64, or uint8 pixels
        self.image: tuple[int, int, int] | None = inputs.image
        self.given: GivenTensors | None = inputs.tensors  # what only a user's module takes
        self.tensors: dict[str, Tensor] = {}  # and on the device, floats in the type of the training
        for name, array in {} if inputs.tensors is None else inputs.tensors.arrays.items():
            tensor = torch.from_numpy(np.require(array, None, ["C", "W"]))
            self.tensors[name] = tensor.to(device, dtype if tensor.is_floating_point() else tensor.dtype)
        self.classification: bool = target.dtype.kind in "iu" and target.ndim == 1
        self.target: Tensor = torch.from_numpy(target).to(device)  # (rows,) int64 or float64
        self.own: Tensor | None = self._stack(list(own)) if own else None  # (F, rows, T) float64
        count = inputs.numbers.shape[1] + (0 if self.own is None else self.own.shape[2])
        pixels = inputs.numbers.dtype == np.uint8  # never missing, and too many to look through
        gaps = np.zeros(0, np.int64) if pixels else np.flatnonzero(np.isnan(inputs.numbers).any(0))
        self.gaps: Tensor | None = torch.from_numpy(gaps).to(device) if len(gaps) else None
        self.medians: Tensor = self._stack([fold.encoding.medians for fold in folds])[:, None]  # (F, 1, N)
        # Behind the numbers come the columns that say what is missing and which category a row has. A fold has no such
        # column for some gaps and codes: they are written to column `extra`, which is cut off in the end.
        self.extra: int = self.width - count
        flag = np.full((len(folds), count), self.extra)
        for f, fold in enumerate(folds):
            first = len(fold.encoding.levels)
            flag[f, fold.encoding.indicators] = first + np.arange(len(fold.encoding.indicators))
        self.flag: Tensor = torch.from_numpy(flag[:, gaps]).to(device)[:, None]  # (F, 1, gaps)
        offsets = np.concatenate([[0], np.cumsum(inputs.sizes)]).astype(np.int64)
        self.codes: Tensor | None = None
        self.rows_of_codes: Tensor | None = None  # what is written to the column of a code, where not always 1
        if inputs.sizes:
            self.codes = torch.from_numpy(inputs.codes + offsets[:-1]).to(device)  # (rows, C), codes made distinct
            slots = np.stack([np.concatenate(fold.encoding.slots) for fold in folds]) - count
            self.slots: Tensor = torch.from_numpy(slots).to(device)  # (F, all codes)
            if any(fold.encoding.levels for fold in folds):
                written = np.ones(slots.shape)
                for f, fold in enumerate(folds):
                    for category, level_rows in fold.encoding.levels:
                        written[f, offsets[category] : offsets[category + 1]] = level_rows
                self.rows_of_codes = torch.from_numpy(written).to(device, dtype)  # (F, all codes)
        means, deviations = np.stack([f.target_mean for f in folds]), np.stack([f.target_std for f in folds])
        self.target_mean: Tensor = torch.from_numpy(means.astype(np.float64)).to(device)  # (F,) or (F, k)
        self.target_std: Tensor = torch.from_numpy(deviations.astype(np.float64)).to(device)

    def of(self, recipe: Recipe) -> Feed:
        """The feed of a recipe's network."""
        return self.ways.get((recipe.integers, recipe.categories), self)

    def affine(self, f: int, preprocessing: Preprocessing) -> Affine:
        """The preprocessing of fold f, fitted once for all packs: an eigenvalue problem of all pixels takes seconds."""
        with self._fitting:
            if (f, preprocessing) not in self._fitted:
                self._fitted[f, preprocessing] = self.folds[f].affine(preprocessing)
            return self._fitted[f, preprocessing]

    def numbers_of(self, f: int) -> np.ndarray:
        """All numbers of fold f, (rows, N), on the host."""
        numbers = self.numbers.cpu().numpy()
        return numbers if self.own is None else np.hstack([numbers, self.own[f].cpu().numpy()])

    def training_columns(self, f: int, preprocessing: Preprocessing) -> Iterator[np.ndarray]:
        """Each numeric column (rows,) float64 of the training rows of fold f, filled and preprocessed."""
        rows, affine = self.folds[f].fold.train, self.affine(f, preprocessing)
        medians, shared = self.folds[f].encoding.medians, self.numbers.shape[1]
        count = len(medians)
        # a rotation needs all columns at once; else one after the other takes less memory
        width = 1 if affine.rotation is None else max(1, count)
        for first in range(0, count, width):
            part = slice(first, first + width)
            numbers = self.numbers[:, part].cpu().numpy()[rows]
            if self.own is not None and part.stop > shared:
                columns = slice(max(0, first - shared), part.stop - shared)
                numbers = np.hstack([numbers, self.own[f][:, columns].cpu().numpy()[rows]])
            own = affine if affine.rotation is not None else affine.columns(part)
            yield from apply_affine(own, np.where(np.isnan(numbers), medians[part], numbers)).T

    def fitted(self, key: Any, make: Callable[[], np.ndarray]) -> np.ndarray:
        """What the training rows decide, made once for all packs."""
        with self._fitting:
            found = self._decided.get(key)
        if found is None:
            found = make()
            with self._fitting:
                self._decided[key] = found
        return found

    def _stack(self, arrays: list[np.ndarray]) -> Tensor:
        return torch.from_numpy(np.stack(arrays)).to(self.device)

    def groups(self, keys: Sequence[tuple[int, Preprocessing, Augmentation]]) -> Groups:
        """What the groups need: keys are (fold number, preprocessing, augmentation)."""
        maps = [self.affine(f, preprocessing) for f, preprocessing, _ in keys]
        folds = tuple(f for f, _, _ in keys)
        fold_of = None if folds == tuple(range(len(self.folds))) else torch.tensor(folds, device=self.device)
        shift = self._stack([part.shift for part in maps])[:, None]
        scale = self._stack([part.scale for part in maps])[:, None]

        def tensor(array: np.ndarray | None) -> Tensor | None:
            return None if array is None else torch.from_numpy(np.ascontiguousarray(array)).to(self.device)

        rotations, limits = tuple(tensor(part.rotation) for part in maps), tuple(tensor(part.limit) for part in maps)
        points = [(tensor(part.knots), tensor(part.heights)) for part in maps]
        lines = tuple(None if knots is None or heights is None else (knots, heights) for knots, heights in points)
        augment = tuple(augmentation for _, _, augmentation in keys)
        return Groups(folds, fold_of, shift, scale, rotations, limits, lines, augment)

    def inputs(self, rows: Tensor, groups: Groups, update: int | None = None) -> Tensor:
        """Inputs (G, B, width) of rows (F, B), the rows of each fold, for these groups; augmented where `update`, the
        number of a training update, is given."""
        folds, batch = rows.shape
        fold_of, shift, scale = groups.fold_of, groups.shift, groups.scale
        flat = rows.reshape(-1)
        numbers = self.numbers.index_select(0, flat).view(folds, batch, -1)  # (F, B, N)
        if self.own is not None:
            own = [part.index_select(0, of_fold) for part, of_fold in zip(self.own, rows, strict=True)]
            numbers = torch.cat([numbers, torch.stack(own)], 2)
        if numbers.dtype == torch.uint8:
            numbers = numbers.double() / 255
        behind = None
        if self.gaps is not None or self.codes is not None:
            behind = torch.zeros(folds, batch, self.extra + 1, dtype=self.dtype, device=self.device)
        if self.gaps is not None and behind is not None:
            missing = numbers.isnan()
            numbers = torch.where(missing, self.medians, numbers)
            place = torch.where(missing.index_select(2, self.gaps), self.flag, self.extra)  # (F, B, gaps)
            behind.scatter_(2, place, 1.0)
        if self.codes is not None and behind is not None:
            codes = self.codes.index_select(0, flat).view(folds, -1)  # (F, B C)
            place = self.slots.gather(1, codes).view(folds, batch, -1)
            if self.rows_of_codes is None:
                behind.scatter_(2, place, 1.0)
            else:
                behind.scatter_(2, place, self.rows_of_codes.gather(1, codes).view(folds, batch, -1))
        if fold_of is not None:
            numbers = numbers.index_select(0, fold_of)
            behind = None if behind is None else behind.index_select(0, fold_of)
        if update is not None and any(augmentation.active for augmentation in groups.augment):
            numbers = self._augmented(numbers, groups, update)
        # In float64 up to here: a column whose mean is large beside its spread would lose its digits in float32.
        numbers = (numbers - shift) / scale  # (G, B, N)
        for g, rotation in enumerate(groups.rotations):
            if rotation is not None:
                numbers[g] = numbers[g] @ rotation
        for g, line in enumerate(groups.lines):
            if line is not None:
                numbers[g] = _on_lines(numbers[g], *line)
        for g, limit in enumerate(groups.limits):
            if limit is not None:
                far = (numbers[g] / limit).clamp(-FAR, FAR)  # the square of a larger one is infinite
                numbers[g] = limit * (far / (1 + far * far).sqrt())
        out = torch.zeros(len(shift), batch, self.width, dtype=self.dtype, device=self.device)
        count = numbers.shape[2]
        out[..., :count] = numbers
        if behind is not None:
            out[..., count:] = behind[..., : self.extra]
        return out

    def _augmented(self, numbers: Tensor, groups: Groups, update: int) -> Tensor:
        """Images (G, B, N) mirrored and shifted, by draws that all recipes of a fold share at this update."""
        assert self.image is not None
        images = numbers.unflatten(2, self.image)  # (G, B, H, W, C)
        out = images.clone()
        for g, (f, augmentation) in enumerate(zip(groups.folds, groups.augment, strict=True)):
            if augmentation.active:
                fold = self.folds[f].fold
                rng = derive(fold.seed, "augment", fold.number, update)
                flip, down, right = (
                    torch.from_numpy(d).to(self.device) for d in draws(rng, images.shape[1], augmentation.shift)
                )
                flip = flip & augmentation.flip
                out[g] = augment(images[g][None], flip[None], down[None], right[None])[0]
        return out.flatten(2)

    def handed(self, rows: Tensor) -> Any:
        """Some rows (B,) of the tensors, as a user's module is called with them."""
        assert self.given is not None
        return self.given.handed({name: tensor.index_select(0, rows) for name, tensor in self.tensors.items()})

    def rates(self, rows: Tensor) -> Tensor:
        """Targets (..., F, B) of rows (..., F, B) divided by their mean over the fold's training rows: for counts."""
        return (self.target[rows] / self.target_mean[:, None]).to(self.dtype)

    def targets(self, rows: Tensor) -> Tensor:
        """Targets (..., F, B) of rows (..., F, B): class indices, or numbers standardized with its training rows;
        (..., F, B, k) of several numbers, and of any shape as they are."""
        y = self.target[rows]
        if self.classification:
            return y
        if self.target.dim() > 2:
            return y.to(self.dtype) if y.is_floating_point() else y
        return ((y - self.target_mean[:, None]) / self.target_std[:, None]).to(self.dtype)


def _on_lines(x: Tensor, knots: Tensor, heights: Tensor) -> Tensor:
    """The heights at x (B, N) of the line of each column (see `Affine`)."""
    x = x.T.contiguous()  # (N, B)
    left = (torch.searchsorted(knots, x, right=True) - 1).clamp(0, knots.shape[1] - 2)
    from_x, from_z = knots.gather(1, left), heights.gather(1, left)
    width = knots.gather(1, left + 1) - from_x
    share = ((x - from_x) / torch.where(width > 0, width, 1.0)).clamp(0.0, 1.0)
    return (from_z + share * (heights.gather(1, left + 1) - from_z)).T


class Ahead:
    """Inputs of training batches, made for several updates at once where batches are small."""

    def __init__(self, feed: Feed, groups: Groups) -> None:
        self.feed, self.groups = feed, groups
        self._augmented = any(augmentation.active for augmentation in groups.augment)
        self._rows: Tensor | None = None
        self._first, self._inputs = 0, torch.empty(0)

    def __call__(self, rows: Tensor, step: int, update: int) -> Tensor:
        """Inputs (G, B, width) of one update, `step` of an epoch with these rows (updates, F, B)."""
        if self._augmented:  # the draws of each update are its own
            return self.feed.inputs(rows[step], self.groups, update)
        if self._rows is not rows or not 0 <= step - self._first < self._inputs.shape[1]:
            _, folds, batch = rows.shape
            count = max(1, INPUTS_AHEAD // (len(self.groups.folds) * batch * self.feed.width))
            several = rows[step : step + count]  # (U, F, B)
            inputs = self.feed.inputs(several.transpose(0, 1).reshape(folds, -1), self.groups)  # (G, U B, width)
            self._rows, self._first = rows, step
            self._inputs = inputs.unflatten(1, (len(several), batch))  # (G, U, B, width)
        return self._inputs[:, step - self._first]
