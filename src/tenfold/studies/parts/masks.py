"""Trained networks with dropout: one pass with scaled layers, or many passes with masks."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from tenfold.rules.dropout import dropout_scale
from tenfold.rules.losses import CrossEntropy
from tenfold.studies.parts.trainings import Trained


def log_loss_of(log_p: Tensor, y: Tensor) -> float:
    """Mean negative log-likelihood of classes y (rows,); log_p (rows, classes) needs no normalization."""
    return float(CrossEntropy.formula(log_p, y, 0.0).mean())


def share_right(outputs: Tensor, y: Tensor) -> float:
    """Accuracy of outputs (rows, classes)."""
    return float((outputs.argmax(1) == y).double().mean())


def scaled_pass(found: Trained, factor: float = 1.0) -> Tensor:
    """Outputs (rows, classes) on the rows that score, with a factor in place of every dropout layer."""
    h = found.test_x
    with torch.no_grad():
        for layer in found.module:
            h = h * factor if isinstance(layer, nn.Dropout) else layer(h)
    return h


def masked_passes(found: Trained, samples: int, seed: int, rows: Tensor | None = None) -> Tensor:
    """Log probabilities (samples, rows, classes) with dropout left on; rows: by default those that score."""
    generator = torch.Generator().manual_seed(seed)
    logs = []
    with torch.no_grad():
        for _ in range(samples):
            h = found.test_x if rows is None else rows
            for layer in found.module:
                if isinstance(layer, nn.Dropout):
                    h = h * dropout_scale(torch.rand(h.shape, generator=generator), torch.tensor(layer.p))
                else:
                    h = layer(h)
            logs.append(h.log_softmax(1))
    return torch.stack(logs)
