"""A trained lane as an ordinary torch module that takes encoded, preprocessed rows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from tenfold.recipe.network import MLP
from tenfold.rules.normalization import BatchNorm
from tenfold.rules.record import numbers


class Activate(nn.Module):
    """An activation rule as a layer."""

    def __init__(self, rule: Any) -> None:
        super().__init__()
        self.rule = rule

    def forward(self, z: Tensor) -> Tensor:
        """The rule's formula with its own numbers."""
        return type(self.rule).formula(z, *numbers(self.rule))

    def extra_repr(self) -> str:
        """The rule."""
        return repr(self.rule)


def build_module(network: MLP, layers: Sequence[tuple[np.ndarray, ...]]) -> nn.Sequential:
    """The network in evaluation mode. layers: `Pack.parameters`, weights (in, out)."""
    parts: list[nn.Module] = []
    norm = network.normalization
    for position, layer in enumerate(layers):
        weight = layer[0]
        normalized = len(layer) == 5
        linear = nn.Linear(*weight.shape, bias=not normalized)
        linear.weight.data = torch.from_numpy(np.ascontiguousarray(weight.T))
        parts.append(linear)
        if isinstance(norm, BatchNorm) and normalized:
            batch = nn.BatchNorm1d(weight.shape[1], eps=norm.eps, momentum=1 - norm.keep)
            for own, array in zip((batch.weight.data, batch.bias.data), layer[1:3], strict=True):
                own.copy_(torch.from_numpy(array))
            for own, array in zip((batch.running_mean, batch.running_var), layer[3:], strict=True):
                assert own is not None
                own.copy_(torch.from_numpy(array))
            parts.append(batch)
        else:
            linear.bias.data = torch.from_numpy(layer[1])
        if position < len(network.hidden):
            parts.append(Activate(network.activation))
            if network.dropout > 0:
                parts.append(nn.Dropout(network.dropout))
    return nn.Sequential(*parts).to(torch.from_numpy(layers[0][0]).dtype).eval()
