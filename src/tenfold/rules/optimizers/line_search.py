"""A line search for the strong Wolfe conditions, for all lanes at once."""

from __future__ import annotations

from typing import Any, NamedTuple

from tenfold.rules.optimizers.objective import Objective
from tenfold.rules.optimizers.second_order import dot, slack

GROW = 2.0  # of the step while nothing is bracketed


class Point(NamedTuple):
    """A place on each lane's line: length, loss and slope (L,), gradient (L, P)."""

    a: Any
    f: Any
    d: Any
    g: Any


def pick(where: Any, one: Point, two: Point) -> Point:
    """one where `where` (L,), else two."""
    import torch

    parts = [torch.where(where if x.dim() == 1 else where[:, None], x, y) for x, y in zip(one, two, strict=True)]
    return Point(*parts)


def cubic_minimum(lo: Point, hi: Point) -> Any:
    """The minimum of the cubic through two points with their slopes, kept inside the middle 80 % between them; the
    middle where there is none (Nocedal & Wright 2006, equation 3.59)."""
    import torch

    span = hi.a - lo.a
    safe = torch.where(span == 0, torch.ones_like(span), span)
    d1 = lo.d + hi.d - 3 * (lo.f - hi.f) / -safe
    root = (d1 * d1 - lo.d * hi.d).clamp(min=0).sqrt() * span.sign()
    share = 1 - (hi.d + root - d1) / (hi.d - lo.d + 2 * root)
    share = torch.where(share.isfinite() & hi.f.isfinite(), share, 0.5).clamp(0.1, 0.9)
    return lo.a + share * span


def strong_wolfe(
    w: Any, p: Any, loss: Any, g: Any, length: Any, objective: Objective, c1: float, c2: float, evaluations: int
) -> tuple[Any, Any]:
    """w + a p and the gradient there, a meeting f(a) <= f(0) + c1 a f'(0) and |f'(a)| <= c2 |f'(0)|.

    p (L, P) downhill, loss (L,) and g (L, P) at w, length (L,) the first a tried. Algorithms 3.5 and 3.6 of Nocedal &
    Wright as a state machine: every lane brackets, zooms or has finished, and one evaluation serves all. A lane that
    runs out of evaluations takes the best point that met the first condition, or stays where it is.
    """
    import torch

    slope = dot(g, p)
    start = Point(torch.zeros_like(loss), loss, slope, g)
    before, lo, hi = start, start, start
    zooming = torch.zeros_like(loss, dtype=torch.bool)
    done = ~(loss.isfinite() & slope.isfinite() & (slope < 0))
    final, a = start, length
    for i in range(evaluations):
        if bool(done.all()):
            break
        f, gradient = objective.gradient(w + a[:, None] * p)
        here = Point(a, f, dot(gradient, p), gradient)
        high = ~f.isfinite() | (f > loss + c1 * a * slope + slack(loss))
        flat = here.d.abs() <= -c2 * slope
        bracketing = ~zooming & ~done
        above = bracketing & (high | ((f >= before.f + slack(loss)) if i else torch.zeros_like(high)))
        beyond = bracketing & ~above & ~flat & (here.d >= 0)
        worse = zooming & ~done & (high | (f > lo.f + slack(loss)))
        accepted = ~done & ~high & flat & ~above & ~worse
        better = zooming & ~done & ~worse & ~accepted
        turn = better & (here.d * (hi.a - lo.a) >= 0)
        hi = pick(above | worse, here, pick(turn, lo, pick(beyond, before, hi)))
        lo = pick(better | beyond, here, pick(above, before, lo))
        final = pick(accepted, here, final)
        done = done | accepted
        going = bracketing & ~above & ~beyond & ~accepted
        before = pick(going, here, before)
        zooming = zooming | above | beyond
        a = torch.where(done, a, torch.where(zooming, cubic_minimum(lo, hi), GROW * a))
    fallback = pick(zooming, lo, before)
    usable = ~done & fallback.f.isfinite() & (fallback.f < loss)
    final = pick(usable, fallback, final)
    return w + final.a[:, None] * p, final.g
