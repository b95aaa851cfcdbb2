"""Networks of two hidden layers whose starts and rates follow their width, or do not."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from tenfold.recipe.module import Module
from tenfold.recipe.recipe import Recipe

BASE = 64  # the width at which both are the same


class OfWidth(nn.Module):
    """64-n-n-10 with ReLUs, He's weights and zero biases; mup: the output's standard deviation falls as 1 / n, not as
    1 / sqrt(n)."""

    def __init__(self, input_shape: tuple[int, ...], outputs: int, width: int = BASE, mup: bool = False) -> None:
        super().__init__()
        self.first = nn.Linear(input_shape[0], width)
        self.hidden = nn.Linear(width, width)
        self.last = nn.Linear(width, outputs)
        for layer in (self.first, self.hidden, self.last):
            nn.init.kaiming_normal_(layer.weight)
            nn.init.zeros_(layer.bias)
        if mup:
            with torch.no_grad():
                self.last.weight *= (BASE / width) ** 0.5

    def features(self, x: Tensor) -> Tensor:
        """The second hidden layer's outputs (rows, n)."""
        return self.hidden(self.first(x).relu()).relu()

    def forward(self, x: Tensor) -> Tensor:
        """(rows, classes)."""
        return self.last(self.features(x))


def of_width(width: int, rate: float, *, mup: bool, **changes: Any) -> Recipe:
    """A recipe of such a network with Adam; mup: matrices whose inputs grow with the width have a rate
    of 1 / width."""
    factor = {"rate": BASE / width}
    groups = {"hidden.weight": factor, "last.weight": factor} if mup else None
    network = Module(OfWidth, groups=groups, width=width, mup=mup)
    return Recipe.from_dict(
        {"network": network, "optimizer": {"adam": {"lr": rate}}, "batch_size": 50, "epochs": 3} | changes
    )
