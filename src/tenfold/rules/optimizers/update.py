"""The update that all first-order optimizers share, and the record of its coefficients."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np


class Coefficients(NamedTuple):
    """a, b, c, d, e, f, eps of the shared update; each a float64 array over the updates t that were asked for."""

    a: Any
    b: Any
    c: Any
    d: Any
    e: Any
    f: Any
    eps: Any


def constant(t: np.ndarray, *, a: float = 0, b: float = 0, e: float = 0, f: float = 0, **second: float) -> Coefficients:
    """Coefficients that do not change with t; without c, d and eps there is no second moment (eps = 1)."""
    one = np.ones(np.shape(t))
    c, d, eps = second.get("c", 0.0), second.get("d", 0.0), second.get("eps", 1.0)
    return Coefficients(*(value * one for value in (a, b, c, d, e, f, eps)))


def first_order_update(w: Any, g: Any, m: Any, v: Any, scratch: Any, k: Coefficients, *, plain: bool) -> None:
    """One update in place of w, m and v, each (lanes, parameters): w <- w - (e m + f g) / (sqrt(v) + eps).

    k holds (lanes, 1) tensors, with the learning rate already inside e and f. m is None when no lane here has
    a first moment (a = b = e = 0); v is None when none has a second (c = d = 0, eps = 1); plain says whether any
    lane has f != 0. Leaving out what is zero gives the same numbers for less work, so a lane's result never
    depends on its neighbours. g and scratch are overwritten.
    """
    import torch

    if v is not None:
        v.mul_(k.c).addcmul_(torch.mul(g, k.d, out=scratch), g)
    if m is not None:
        m.mul_(k.a).addcmul_(g, k.b)
        if plain:
            g.mul_(k.f).addcmul_(m, k.e)
        else:
            torch.mul(m, k.e, out=g)
    else:
        g.mul_(k.f)
    if v is not None:
        w.addcdiv_(g, torch.sqrt(v, out=scratch).add_(k.eps), value=-1)
    else:
        w.sub_(g)
