"""Softmax regression by gradient descent on all rows: how many updates a rate takes."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from tenfold.rules.optimizers import SGD
from tenfold.studies.parts.descent import descend

Array = np.ndarray


def top_curvature(x: Array) -> float:
    """The largest eigenvalue of X^T X / n, x (rows, columns) with a column of ones behind it."""
    full = np.column_stack([x, np.ones(len(x))])
    return float(np.linalg.eigvalsh(full.T @ full / len(full))[-1])


def updates_to(loss: float, x: Array, y: Array, rates: Sequence[float] | Array, limit: int = 300) -> Array:
    """How many updates gradient descent from zeros takes, at each rate, until the mean cross-entropy of a softmax
    regression with a bias is that small: (rates,), at most `limit`, where it is not reached too.

    x (rows, columns), y (rows,) integers from 0.
    """
    full = torch.from_numpy(np.column_stack([x, np.ones(len(x))])).double()
    hot = torch.nn.functional.one_hot(torch.from_numpy(y)).double()
    shape = (len(rates), full.shape[1], hot.shape[1])
    seen: list[Tensor] = []

    def gradient(w: Tensor, t: int) -> Tensor:
        outputs = torch.matmul(full, w.view(shape))  # (rates, rows, classes)
        seen.append(-(outputs.log_softmax(-1) * hot).sum(-1).mean(-1))
        return (torch.matmul(full.T, outputs.softmax(-1) - hot) / len(full)).flatten(1)

    every = np.repeat(np.asarray(rates, float)[None], limit, 0)  # (updates, rates)
    descend([SGD()] * len(rates), gradient, every, torch.zeros(shape[1] * shape[2]).double())
    there = torch.stack(seen).numpy() <= loss  # (updates, rates); a diverged loss is not
    return np.where(there.any(0), there.argmax(0), limit)
