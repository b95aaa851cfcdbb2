"""Tenfold's updates on problems whose gradient is known: a lane for each rule."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from tenfold.rules.optimizers import SGD
from tenfold.rules.optimizers.update import UPDATES, Coefficients, Flat, Need, Time


def descend(
    rules: Sequence[Any], gradient: Callable[[Tensor, int], Tensor], rates: np.ndarray, start: Tensor
) -> Tensor:
    """The points (updates, lanes, parameters) after each update, float64; the rules are of one family.

    gradient(w, t) of all lanes, t = 1, 2, ...; rates (updates,) or (updates, lanes); start (parameters,).
    """
    rates = np.broadcast_to(rates.T, (len(rules), len(rates)))
    t = np.arange(1.0, rates.shape[1] + 1)
    times = [Time(t, rate, (t - 1) / len(t)) for rate in rates]
    table = np.stack([np.stack(rule.coefficients(time)) for rule, time in zip(rules, times, strict=True)], 2)
    w = start.repeat(len(rules), 1)
    names = {name for rule in rules for name in rule.state()}
    first = {name: torch.tensor([[rule.state().get(name, 0.0)] for rule in rules]).double() for name in names}
    state = {name: column.repeat(1, w.shape[1]) for name, column in first.items()}
    path = []
    for step, k in enumerate(torch.from_numpy(table).unbind(1), 1):
        flat = Flat(w, gradient(w, step).clone(), state, torch.empty_like(w))
        UPDATES[rules[0].family](flat, Coefficients(*k[..., None]), Need(True, True))
        path.append(w.clone())
    return torch.stack(path)


def steps(rule: Any, gradient: float = 1.0, updates: int = 400) -> np.ndarray:
    """The steps, in units of the rate and against the gradient's sign, under a constant gradient."""
    path = descend([rule], lambda w, t: torch.full_like(w, gradient), np.ones(updates), torch.zeros(1).double())
    return -np.diff(path[:, 0, 0].numpy(), prepend=0.0) * np.sign(gradient)


def noisy_quadratic(rates: np.ndarray, *, start: float = 0.0, copies: int = 4000, seed: int = 0) -> float:
    """E[x^2] behind gradient descent on x^2 / 2 whose gradient x + N(0, 1) is noisy; rates (updates,)."""
    rng = np.random.default_rng(seed)

    def gradient(w: Tensor, t: int) -> Tensor:
        return w + torch.from_numpy(rng.standard_normal((1, copies)))

    return float(descend([SGD()], gradient, rates, torch.full((copies,), start).double())[-1].square().mean())
