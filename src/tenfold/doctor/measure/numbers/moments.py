"""Moments of inputs and targets: the scale, spread and conditioning of their columns, repeated rows."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from tenfold.doctor.record import DataMoments

MOST_COLUMNS, MOST_CONDITION = 4096, 512


def data_moments(values: Tensor, *, classes: int = 0) -> DataMoments:
    """Of rows (rows, columns); of images (rows, channels, height, width) the channels are columns, of sequences (rows,
    times, features) the features. classes: how many, of class numbers, whose shares are counted.

    condition = l_max / l_min of the covariance X'X / n - m m', over eigenvalues above 1e-10 of the largest.
    """
    flat = _by_rows(values.detach().double().cpu())
    x = by_columns(values.detach().double().cpu())
    bad = ~torch.isfinite(x)
    share_bad = float(bad.double().mean()) if x.numel() else 0.0
    x = torch.where(bad, torch.zeros_like(x), x)
    rows, columns = x.shape
    if not x.numel():
        return DataMoments(rows, columns, 0.0, 0.0, 0.0, 0.0)
    mean, std = x.mean(0), x.std(0, correction=0)
    # constant up to rounding, relative to the column's mean and to the largest column: its std means nothing
    alive = std > 1e-7 * (mean.abs() + std.max() * 1e-3) + 1e-300
    living = std[alive]
    worst = int(torch.maximum(mean.abs(), std).argmax())
    rms = x.square().mean().sqrt()
    found = {
        "column_std_smallest": float(living.min()) if len(living) else 0.0,
        "column_std_largest": float(living.max()) if len(living) else 0.0,
        "column_std_median": float(living.median()) if len(living) else 0.0,
        "column_mean_largest": float(mean.abs().max()),
        "worst": [float(worst), float(mean[worst]), float(std[worst])],
        "spread": float(living.max() / living.min()) if len(living) else 1.0,
        "offset": float((mean.abs()[alive] / living).max()) if len(living) else 0.0,
        "constant": float((~alive).double().mean()),
        "duplicates": 1.0 - len(torch.unique(flat, dim=0)) / len(flat) if flat.numel() <= 2_000_000 else 0.0,
        "within_rows": float(std.square().mean().sqrt() / rms) if rms > 0 else 0.0,
        "non_finite": share_bad,
        "integers": bool((x == x.round()).all()),
        "shares": _shares(x, classes),
    }
    if 1 < columns <= MOST_CONDITION and rows > 1:
        found["condition"] = condition((x - mean).T @ (x - mean) / rows)
        found["second_moment_condition"] = condition(x.T @ x / rows)
    return DataMoments(
        len(flat), columns, float(x.mean()), float(x.std(correction=0)), float(x.min()), float(x.max()), **found
    )


def by_columns(values: Tensor) -> Tensor:
    """(rows and places, columns)."""
    if values.dim() >= 4:
        return values.movedim(1, -1).reshape(-1, values.shape[1])
    return values.reshape(-1, values.shape[-1]) if values.dim() == 3 else _by_rows(values)


def _by_rows(values: Tensor) -> Tensor:
    return values.reshape(values.shape[0], math.prod(values.shape[1:]))


def condition(matrix: Tensor) -> float | None:
    """Largest over smallest eigenvalue of a symmetric matrix (n, n), those under 1e-10 of the largest left out."""
    values = torch.linalg.eigvalsh(matrix)
    values = values[values > 1e-10 * values[-1]]
    return float(values[-1] / values[0]) if len(values) else None


def _shares(x: Tensor, classes: int) -> list[float]:
    if classes < 2:
        return []
    counted = torch.bincount(x[:, 0].long().clamp(0, classes - 1), minlength=classes)
    return (counted.double() / len(x)).tolist()[:20]
