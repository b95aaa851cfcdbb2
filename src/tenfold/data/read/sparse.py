"""Sparse matrices (scipy's, as scikit-learn's steps give them, and torch's) as arrays, where these fit into memory."""

from __future__ import annotations

from typing import Any

import numpy as np

from tenfold.data.read.memory import available_memory, memory_size
from tenfold.errors import BadInput

COPIES = 3  # of the numbers that training has at a time: the array, its encoding, the rows of a pack


def is_sparse(x: Any) -> bool:
    """Whether x is a sparse matrix or array of scipy, or a sparse tensor of torch."""
    if hasattr(x, "to_dense") and hasattr(x, "layout"):
        return str(x.layout) != "torch.strided"
    return hasattr(x, "toarray") and hasattr(x, "nnz")


def dense(x: Any) -> tuple[np.ndarray, str]:
    """A sparse X as an array (rows, columns), and a sentence on its size. BadInput where that does not fit into memory:
    networks are trained on dense rows."""
    if x.ndim != 2:
        raise BadInput(f"X is sparse and has shape {tuple(x.shape)}", expected="(rows, columns)")
    rows, columns = x.shape
    size = rows * columns * 8
    said = f"X is sparse: learned from as {rows:,} x {columns:,} numbers, {memory_size(size)} of memory"
    free = available_memory()
    if size * COPIES > free:
        raise BadInput(
            f"X is sparse, {rows:,} x {columns:,}: dense it takes {memory_size(size)}, training {COPIES} times that, "
            f"while {memory_size(free)} are available",
            expected="fewer columns",
            do="a step before this one: sklearn.decomposition.TruncatedSVD(100), or fewer features (max_features=1000)",
        )
    return np.asarray(x.toarray() if hasattr(x, "toarray") else x.to_dense().detach().cpu().numpy()), said
