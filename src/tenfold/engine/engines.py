"""Which engine trains what: compiled lanes on a CPU where they know the network, packs everywhere else.

A run decides once whether it uses compiled lanes at all, and remembers it: the two engines agree, but not in the last
bits. Which recipes they know is a matter of the recipe alone, so all folds of one are trained by the same engine.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal

from tenfold.engine.native.library import compiled_lanes
from tenfold.engine.native.network import only_packs_know
from tenfold.engine.plan.size import Size
from tenfold.recipe.recipe import Recipe

if TYPE_CHECKING:
    from tenfold.engine.packs.lane_states import LaneStates
    from tenfold.engine.packs.lanes import Lane
    from tenfold.engine.packs.rows import Feed
    from tenfold.engine.plan.shape import Shape

Engine = Literal["compiled", "packs"]


def best_engine() -> Engine:
    """The faster one of those that there are here."""
    return "packs" if compiled_lanes().missing else "compiled"


def engine_of(recipe: Recipe, size: Size, *, classification: bool, engine: Engine, device: str = "cpu") -> Engine:
    """What trains a recipe in a run with that engine on that kind of device."""
    if engine == "packs" or device != "cpu" or only_packs_know(recipe, size, classification=classification):
        return "packs"
    return "compiled"


def make_lanes(
    lanes: Sequence[Lane], shape: Shape, feed: Feed, *, engine: Engine, schedule_updates: int | None = None,
    threads: int | None = None, scored: bool = True, ahead: bool = False, with_snapshots: bool = False,
) -> LaneStates:  # fmt: skip
    """Lanes of one shape, to be trained by compiled code if the run uses it and it knows all of their recipes, else as
    a pack.

    schedule_updates: what the schedules call an epoch, default the feed's. threads: of the compiled lanes, default one
    a core. scored, ahead, with_snapshots: see `SoloLanes`.
    """
    feed, given = feed.of(lanes[0].recipe), feed
    assert all(given.of(lane.recipe) is feed for lane in lanes), "lanes of one shape take the columns in one way"
    size = shape.size
    recipes = dict.fromkeys(lane.recipe for lane in lanes)
    if all(
        engine_of(r, size, classification=feed.classification, engine=engine, device=feed.device.type) == "compiled"
        for r in recipes
    ):
        from tenfold.engine.native.solo_lanes import SoloLanes

        return SoloLanes(
            lanes, shape, feed, schedule_updates=schedule_updates, threads=threads, scored=scored, ahead=ahead,
            with_snapshots=with_snapshots,
        )  # fmt: skip
    from tenfold.engine.packs.pack import Pack

    return Pack(lanes, shape, feed, schedule_updates=schedule_updates)
