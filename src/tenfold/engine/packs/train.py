"""The one loop over a pack's epochs: of a search, of the final model, and of the doctor's trainings."""

from __future__ import annotations

from collections.abc import Callable

from tenfold.engine.packs.lane_states import LaneStates


def train(
    pack: LaneStates,
    *,
    last: int | None = None,
    tick: Callable[[], str] = lambda: "go on",
    each_epoch: Callable[[], None] = lambda: None,
) -> bool:
    """Train a pack to update `last` (None: until its lanes have left), or until every lane has diverged.

    tick: asked before each update; anything but "go on" stops the training there. each_epoch: called after each epoch
    (and after the part of one that ends at `last`); it may let lanes leave. Returns False if it was stopped.
    """
    while pack.lanes and (last is None or pack.update < last) and not bool((pack.bad >= 0).all()):
        if not pack.run_epoch(tick, last):
            return False
        each_epoch()
    return True
