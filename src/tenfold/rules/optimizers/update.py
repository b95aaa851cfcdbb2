"""The updates themselves, one a family of optimizers: in place, on rows of (lanes, parameters).

`UPDATES[family](state, k, need)` makes one update; k holds (lanes, 1) tensors. Where `state.rates` is there it
multiplies what is taken off w. Leaving out what is zero gives the same
bits as doing it, so a lane's result never depends on its neighbours. Gradients and scratch are overwritten.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tenfold.rules.optimizers.base import (
    FIRST_MOMENT,
    LARGEST_SECOND_MOMENT,
    SECOND_MOMENT,
    STEP_MOMENT,
    Coefficients,
    Flat,
    Matrix,
    Need,
    Time,
    constant,
)
from tenfold.rules.optimizers.muon import muon_update


def shared_update(state: Flat, k: Coefficients, need: Need) -> None:
    """m <- a m + b g; v <- c v + d g^2; w <- w - (e m + f g) / (sqrt(v + inside) + eps)."""
    v = state.rows.get(SECOND_MOMENT)
    _square(state, k)
    _direction(state, k, need)
    if v is not None:
        state.w.addcdiv_(state.g, _root(v, state.scratch, k, need), value=-1)
    else:
        state.w.sub_(state.g)


def amsgrad_update(state: Flat, k: Coefficients, need: Need) -> None:
    """As the shared update, divided by the root of the largest s v so far: u <- max(u, s v), sqrt(u) + eps."""
    import torch

    v, largest, scratch = state.rows[SECOND_MOMENT], state.rows[LARGEST_SECOND_MOMENT], state.scratch
    _square(state, k)
    _direction(state, k, need)
    torch.maximum(largest, torch.mul(v, k.s, out=scratch), out=largest)
    state.w.addcdiv_(state.g, _root(largest, scratch, k, need), value=-1)


def adadelta_update(state: Flat, k: Coefficients, need: Need) -> None:
    """v <- c v + d g^2; x = g sqrt(u + inside) / sqrt(v + inside); u <- c u + d x^2; w <- w - f x."""
    import torch

    w, g, rows, scratch, _ = state
    v, u = rows[SECOND_MOMENT], rows[STEP_MOMENT]
    _square(state, k)
    g.div_(torch.add(v, k.inside, out=scratch).sqrt_()).mul_(torch.add(u, k.inside, out=scratch).sqrt_())
    u.mul_(k.c).addcmul_(torch.mul(g, k.d, out=scratch), g)
    w.sub_(_rated(g.mul_(k.f), state))


def lion_update(state: Flat, k: Coefficients, need: Need) -> None:
    """w <- w - s sign(e m + f g); then m <- a m + b g. What is not a number shows in w too, whose sign would be 0."""
    import torch

    w, g, rows, scratch, _ = state
    m = rows[FIRST_MOMENT]
    torch.mul(m, k.e, out=scratch).addcmul_(g, k.f)
    m.mul_(k.a).addcmul_(g, k.b)
    w.sub_(_rated(scratch.sign_().mul_(k.s), state)).add_(m, alpha=0.0)


def _square(state: Flat, k: Coefficients) -> None:
    """v <- c v + d g^2, where there is one."""
    import torch

    v = state.rows.get(SECOND_MOMENT)
    if v is not None:
        v.mul_(k.c).addcmul_(torch.mul(state.g, k.d, out=state.scratch), state.g)


def _direction(state: Flat, k: Coefficients, need: Need) -> None:
    """m <- a m + b g, and e m + f g into g, times the factors of the rates."""
    import torch

    g, m = state.g, state.rows.get(FIRST_MOMENT)
    if m is None:
        _rated(g.mul_(k.f), state)
        return
    m.mul_(k.a).addcmul_(g, k.b)
    if need.plain:
        g.mul_(k.f).addcmul_(m, k.e)
    else:
        torch.mul(m, k.e, out=g)
    _rated(g, state)


def _rated(step: Any, state: Flat) -> Any:
    """A step times the factors of the rates, in place."""
    return step if state.rates is None else step.mul_(state.rates)


def _root(v: Any, scratch: Any, k: Coefficients, need: Need) -> Any:
    """sqrt(v + inside) + eps, in scratch."""
    import torch

    root = torch.add(v, k.inside, out=scratch).sqrt_() if need.inside else torch.sqrt(v, out=scratch)
    return root.add_(k.eps)


UPDATES: dict[str, Callable[[Flat, Coefficients, Need], None]] = {
    "shared": shared_update,
    "amsgrad": amsgrad_update,
    "adadelta": adadelta_update,
    "lion": lion_update,
    "muon": muon_update,
}

__all__ = ["UPDATES", "Coefficients", "Flat", "Matrix", "Need", "Time", "constant"]
