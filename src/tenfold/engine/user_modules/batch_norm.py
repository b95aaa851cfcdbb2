"""Batch normalization of stacked lanes, whose last bits in torch's own kernel depend on what lies beside them.

torch puts the channels of all lanes side by side and adds up in the order that suits their number. Here every lane adds
up by itself.
"""

from __future__ import annotations

from types import MethodType
from typing import Any

import torch
from torch import Tensor, nn

LAYERS = nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d


def with_lanes_apart(module: nn.Module) -> None:
    """Let torch's batch normalizations compute lane by lane, in place; their parameters and buffers stay theirs."""
    for part in module.modules():
        if type(part) in LAYERS:
            part.forward = MethodType(_forward, part)


def _forward(layer: Any, x: Tensor) -> Tensor:
    """x (rows, channels, ...) normalized as `nn.BatchNorm1d` and its like do; its running moments move in training."""
    if not layer.training and layer.running_mean is not None:
        return _normalized(layer, x, layer.running_mean, layer.running_var)
    dims = [0, *range(2, x.dim())]
    count = x.numel() // x.shape[1]
    if count < 2:
        raise ValueError(f"Expected more than 1 value per channel when training, got input size {tuple(x.shape)}")
    mean = x.sum(dims) / count
    variance = (x - _by_channel(mean, x)).square().sum(dims) / count
    if layer.training and layer.running_mean is not None:
        with torch.no_grad():
            seen: Any = layer.num_batches_tracked + 1
            layer.num_batches_tracked = seen
            share: Any = seen.reciprocal() if layer.momentum is None else layer.momentum
            unbiased = variance.detach() * (count / (count - 1))
            layer.running_mean = (1 - share) * layer.running_mean + share * mean.detach()
            layer.running_var = (1 - share) * layer.running_var + share * unbiased
    return _normalized(layer, x, mean, variance)


def _normalized(layer: Any, x: Tensor, mean: Tensor, variance: Tensor) -> Tensor:
    out = (x - _by_channel(mean, x)) * _by_channel((variance + layer.eps).rsqrt(), x)
    if layer.weight is None:
        return out
    return out * _by_channel(layer.weight, x) + _by_channel(layer.bias, x)


def _by_channel(values: Tensor, x: Tensor) -> Tensor:
    """(channels,) beside (rows, channels, ...)."""
    return values.view(-1, *[1] * (x.dim() - 2))
