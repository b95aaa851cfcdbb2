"""A line search for the strong Wolfe conditions, for all lanes at once."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from tenfold.rules.optimizers.second_order import slack

GROW = 2.0  # of the step while nothing is bracketed


class LinePoint(NamedTuple):
    """A place on each lane's line: length, loss and slope (L,), gradient (L, P)."""

    a: Any
    f: Any
    d: Any
    g: Any


class LineSearch(NamedTuple):
    """Where the search of each lane is: the last point while nothing is bracketed, the bracket's better and other end
    while zooming, and the point that was accepted once done; zooming, done (L,)."""

    before: LinePoint
    lo: LinePoint
    hi: LinePoint
    final: LinePoint
    zooming: Any
    done: Any


def pick(where: Any, one: LinePoint, two: LinePoint) -> LinePoint:
    """one where `where` (L,), else two."""
    import torch

    parts = [torch.where(where if x.dim() == 1 else where[:, None], x, y) for x, y in zip(one, two, strict=True)]
    return LinePoint(*parts)


def cubic_minimum(lo: LinePoint, hi: LinePoint) -> Any:
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


def advance(now: LineSearch, here: LinePoint, start: LinePoint, c1: float, c2: float, first: bool) -> LineSearch:
    """The search after an evaluation: Algorithms 3.5 (bracketing) and 3.6 (zooming) of Nocedal & Wright, masked."""
    before, lo, hi, final, zooming, done = now
    high = ~here.f.isfinite() | (here.f > start.f + c1 * here.a * start.d + slack(start.f))
    flat = here.d.abs() <= -c2 * start.d
    bracketing, zoomed = ~zooming & ~done, zooming & ~done
    above = bracketing & (high if first else high | (here.f >= before.f + slack(start.f)))
    beyond = bracketing & ~above & ~flat & (here.d >= 0)
    worse = zoomed & (high | (here.f > lo.f + slack(start.f)))
    accepted = ~done & ~high & flat & ~above & ~worse
    better = zoomed & ~worse & ~accepted
    turn = better & (here.d * (hi.a - lo.a) >= 0)
    going = bracketing & ~above & ~beyond & ~accepted
    return LineSearch(
        before=pick(going, here, before),
        lo=pick(better | beyond, here, pick(above, before, lo)),
        hi=pick(above | worse, here, pick(turn, lo, pick(beyond, before, hi))),
        final=pick(accepted, here, final),
        zooming=zooming | above | beyond,
        done=done | accepted,
    )


def strong_wolfe(
    line: Callable[[Any], LinePoint], start: LinePoint, length: Any, c1: float, c2: float, evaluations: int
) -> LinePoint:
    """The point of each lane's line that meets f(a) <= f(0) + c1 a f'(0) and |f'(a)| <= c2 |f'(0)|.

    line: lengths (L,) -> their points; start: at 0, downhill; length (L,): the first that is tried. Every lane
    brackets, zooms or is done, and one evaluation serves all. A lane that runs out of evaluations takes the best point
    that met the first condition, or stays at 0.
    """
    import torch

    done = ~(start.f.isfinite() & start.d.isfinite() & (start.d < 0))
    now = LineSearch(start, start, start, start, torch.zeros_like(done), done)
    a = length
    for i in range(evaluations):
        if bool(now.done.all()):
            break
        now = advance(now, line(a), start, c1, c2, first=i == 0)
        a = torch.where(now.done, a, torch.where(now.zooming, cubic_minimum(now.lo, now.hi), GROW * a))
    best = pick(now.zooming, now.lo, now.before)
    usable = ~now.done & best.f.isfinite() & (best.f < start.f)
    return pick(usable, best, now.final)
