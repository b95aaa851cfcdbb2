"""A linear map of its own for the numbers of each column."""

from __future__ import annotations

from typing import Any


def column_map(g: Any, weight: Any, bias: Any, *, relu: bool) -> Any:
    """z = g W + b, or max(z, 0), column by column.

    g (rows, columns, numbers), weight (columns, numbers, size), bias (columns, size); z (rows, columns, size).
    """
    z = (g.unsqueeze(-2) @ weight).squeeze(-2) + bias
    return z.relu() if relu else z
