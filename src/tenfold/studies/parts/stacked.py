"""Networks of one shape as rows of numbers, for activations and looks at the loss that no recipe has."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from sklearn.datasets import load_digits
from torch import Tensor


def standardized_digits() -> tuple[np.ndarray, np.ndarray]:
    """All digits, (1797, 64), each pixel with mean 0 and variance 1 (constant ones 0), and their classes."""
    data: Any = load_digits()
    std = data.data.std(0)
    return (data.data - data.data.mean(0)) / np.where(std > 0, std, 1), data.target


def stacked_outputs(
    w: Tensor, x: Tensor, sizes: Sequence[tuple[int, int]], activation: Callable[[Tensor], Tensor]
) -> Tensor:
    """Outputs (lanes, rows, units) of x (lanes, rows, inputs). w (lanes, parameters): weights of these sizes one after
    the other; where a size has one input more than comes, its last row is the bias. The last layer is linear."""
    h, first = x, 0
    for place, (inputs, units) in enumerate(sizes):
        matrix = w[:, first : first + inputs * units].unflatten(1, (inputs, units))
        first += inputs * units
        h = h @ matrix if inputs == h.shape[2] else torch.baddbmm(matrix[:, -1:], h, matrix[:, :-1])
        h = h if place == len(sizes) - 1 else activation(h)
    return h
