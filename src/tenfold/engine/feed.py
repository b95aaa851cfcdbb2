"""The rows of a batch as network inputs: gathered from the one copy of the data, encoded and preprocessed.

A group is a (fold, preprocessing) pair: lanes of one group share their inputs, which are computed once.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from tenfold.data.encode import Encoding, Inputs
from tenfold.data.folds import Fold
from tenfold.engine.shape import padded
from tenfold.rules.preprocessing import Affine, Moments, Preprocessing


@dataclass(frozen=True)
class FoldInputs:
    """What the training part of a fold decided: its encoding, the moments of its columns, its target's scale."""

    fold: Fold
    encoding: Encoding
    moments: Moments
    target_mean: float
    target_std: float

    def affine(self, preprocessing: Preprocessing) -> Affine:
        """The recipe's preprocessing, fitted on this fold's training rows."""
        return preprocessing.fit(self.moments)


class GroupAffine(NamedTuple):
    """x -> (x - shift) / scale for each group. fold_of (G,): its fold, None where group g is fold g; shift and scale
    (G, 1, N)."""

    fold_of: Tensor | None
    shift: Tensor
    scale: Tensor


class Feed:
    """All rows on the device, once, and the encodings of all folds side by side.

    `width` is that of the widest fold, padded; narrower folds have columns of zeros behind their own.
    """

    def __init__(
        self, inputs: Inputs, target: np.ndarray, folds: Sequence[FoldInputs], device: torch.device, dtype: torch.dtype
    ) -> None:
        self.folds, self.device, self.dtype = tuple(folds), device, dtype
        self.width = padded(max(1, *(fold.encoding.width for fold in folds)))
        self.numbers = torch.from_numpy(inputs.numbers).to(device)  # (rows, N) float64
        self.classification = target.dtype.kind in "iu"
        self.target = torch.from_numpy(target).to(device)  # (rows,) int64 or float64
        count = inputs.numbers.shape[1]
        gaps = np.flatnonzero(np.isnan(inputs.numbers).any(0))
        self.gaps = torch.from_numpy(gaps).to(device) if len(gaps) else None
        self.medians = self._stack([fold.encoding.medians for fold in folds])[:, None]  # (F, 1, N)
        self.extra = self.width - count  # input columns behind the numbers
        flag = np.full((len(folds), count), self.extra)  # column behind the numbers; self.extra means none
        for f, fold in enumerate(folds):
            flag[f, fold.encoding.indicators] = np.arange(len(fold.encoding.indicators))
        self.flag = torch.from_numpy(flag[:, gaps]).to(device)[:, None]  # (F, 1, gaps)
        offsets = np.concatenate([[0], np.cumsum(inputs.sizes)]).astype(np.int64)
        self.codes = None
        if inputs.sizes:
            self.codes = torch.from_numpy(inputs.codes + offsets[:-1]).to(device)  # (rows, C), codes made distinct
            slots = np.stack([np.concatenate(fold.encoding.slots) for fold in folds]) - count
            self.slots = torch.from_numpy(slots).to(device)  # (F, all codes)
        self.target_mean = torch.tensor([fold.target_mean for fold in folds], dtype=torch.float64, device=device)
        self.target_std = torch.tensor([fold.target_std for fold in folds], dtype=torch.float64, device=device)

    def _stack(self, arrays: list[np.ndarray]) -> Tensor:
        return torch.from_numpy(np.stack(arrays)).to(self.device)

    def affine(self, groups: Sequence[tuple[int, Preprocessing]]) -> GroupAffine:
        """The affine maps of groups: (fold number, preprocessing) pairs."""
        maps = [self.folds[f].affine(preprocessing) for f, preprocessing in groups]
        folds = [f for f, _ in groups]
        fold_of = None if folds == list(range(len(self.folds))) else torch.tensor(folds, device=self.device)
        shift, scale = (self._stack([part[i] for part in maps])[:, None] for i in (0, 1))
        return GroupAffine(fold_of, shift, scale)

    def inputs(self, rows: Tensor, affine: GroupAffine) -> Tensor:
        """Inputs (G, B, width) of rows (F, B), the rows of each fold, for groups with these affine maps."""
        fold_of, shift, scale = affine
        folds, batch = rows.shape
        flat = rows.reshape(-1)
        numbers = self.numbers.index_select(0, flat).view(folds, batch, -1)  # (F, B, N)
        behind = None
        if self.gaps is not None or self.codes is not None:
            behind = torch.zeros(folds, batch, self.extra + 1, dtype=self.dtype, device=self.device)
        if self.gaps is not None and behind is not None:
            missing = numbers.isnan()
            numbers = torch.where(missing, self.medians, numbers)
            place = torch.where(missing.index_select(2, self.gaps), self.flag, self.extra)
            behind.scatter_(2, place, 1.0)
        if self.codes is not None and behind is not None:
            codes = self.codes.index_select(0, flat).view(folds, -1)  # (F, B C)
            behind.scatter_(2, self.slots.gather(1, codes).view(folds, batch, -1), 1.0)
        if fold_of is not None:
            numbers = numbers.index_select(0, fold_of)
            behind = None if behind is None else behind.index_select(0, fold_of)
        out = torch.zeros(len(shift), batch, self.width, dtype=self.dtype, device=self.device)
        count = numbers.shape[2]
        out[..., :count] = (numbers - shift) / scale
        if behind is not None:
            out[..., count:] = behind[..., : self.extra]
        return out

    def targets(self, rows: Tensor) -> Tensor:
        """Targets (F, B) of rows (F, B): class indices, or numbers standardized with the fold's training rows."""
        y = self.target[rows]
        if self.classification:
            return y
        return ((y - self.target_mean[:, None]) / self.target_std[:, None]).to(self.dtype)
