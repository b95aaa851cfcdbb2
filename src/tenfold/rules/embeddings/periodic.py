"""Waves of a number: what the periodic embeddings share."""

from __future__ import annotations

import math
from typing import Any


def angles(x: Any, frequency: Any) -> Any:
    """2 pi (f x - n) for every frequency f, n the whole number nearest to f x: the angle 2 pi f x without its whole
    turns, so that large numbers keep their digits.

    x (..., columns), frequency (..., columns, frequencies), which broadcasts against x[..., None].
    """
    turns = x.unsqueeze(-1) * frequency
    return (turns - turns.round()) * (2 * math.pi)


def waves(x: Any, frequency: Any) -> Any:
    """Cosines, then sines of 2 pi f x: (..., columns, 2 frequencies)."""
    import torch

    angle = angles(x, frequency)
    return torch.cat([angle.cos(), angle.sin()], -1)


def shifted_waves(x: Any, frequency: Any, phase: Any) -> Any:
    """x itself, then cos(2 pi f x + phase): (..., columns, 1 + frequencies); phase as frequency."""
    import torch

    return torch.cat([x.unsqueeze(-1), (angles(x, frequency) + phase).cos()], -1)
