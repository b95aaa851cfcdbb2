"""A chain of dense layers at its start, made of the rules alone: what goes forward and what comes back."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from tenfold.rules.initialization import Fans, base_draw
from tenfold.rules.normalization import batch_norm


class Chain(NamedTuple):
    """Of each layer: its outputs (rows, units), and the gradients in its weights and its sums for a random linear
    loss of the last outputs."""

    outputs: list[Tensor]
    weights: list[Tensor]
    sums: list[Tensor]

    def reach(self) -> float:
        """How much larger the gradient is in the first layer's sums than in the last's."""
        return float(self.sums[0].norm() / self.sums[-1].norm())


def drawn_weights(rule: Any, fans: Fans, rng: np.random.Generator) -> Tensor:
    """Initial weights (inputs, units) float64."""
    return torch.from_numpy(rule.weights(base_draw(rule.draw, rng, fans.fan_in, fans.fan_out), fans))


def standardized(z: Tensor) -> Tensor:
    """Batch normalization with gamma 1 and beta 0 as it is in training."""
    weight = torch.full((1, 1, len(z)), 1 / len(z), dtype=z.dtype)
    return batch_norm(z[None], weight, 1.0, 0.0, 1e-5)[0][0]


def chain(
    weights: Sequence[Tensor], activation: Callable[[Tensor], Tensor], x: Tensor, *, normalize: bool = False,
    back: bool = True,
) -> Chain:  # fmt: skip
    """The chain of these weights on rows x (rows, inputs); the loss is the same linear function of equal shapes.
    back: whether the gradients are wanted."""
    leaves = [w.detach().clone().requires_grad_(back) for w in weights]
    sums, outputs, h = [], [], x
    for w in leaves:
        z = h @ w
        if back:
            z.retain_grad()
        sums.append(z)
        h = activation(standardized(z) if normalize else z)
        outputs.append(h)
    if not back:
        return Chain(outputs, [], [])
    ahead = np.random.default_rng(0).standard_normal(tuple(h.shape))
    (h * torch.from_numpy(ahead)).sum().backward()
    gradients = [[_gradient(t) for t in part] for part in (leaves, sums)]
    return Chain([h.detach() for h in outputs], *gradients)


def square_chain(
    rule: Any, activation: Callable[[Tensor], Tensor], *, depth: int, width: int, rows: int, seed: int,
    normalize: bool = False, back: bool = True,
) -> Chain:  # fmt: skip
    """The chain of `depth` layers of `width` units on standard normal rows."""
    rng = np.random.default_rng(seed)
    x = torch.from_numpy(rng.standard_normal((rows, width)))
    fans = Fans(width, width)
    return chain([drawn_weights(rule, fans, rng) for _ in range(depth)], activation, x, normalize=normalize, back=back)


def _gradient(tensor: Tensor) -> Tensor:
    assert tensor.grad is not None
    return tensor.grad
