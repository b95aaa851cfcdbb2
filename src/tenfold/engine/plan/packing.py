"""Cutting a search into packs: which trials train together, from a fixed cost model (never from timings).

Only shapes split packs. Within a shape, recipes are sorted so that similar ones are neighbours (no dropout, the same
activation, the same kind of optimizer), because a pack does what any of its lanes needs. All folds of a recipe
are in one pack, so its fold-mean curve exists at every epoch.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

from tenfold.data.split.folds import Fold
from tenfold.engine.packs.lanes import Lane
from tenfold.engine.plan.cost import START_SECONDS, lane_step_seconds
from tenfold.engine.plan.shape import Layout, Shape
from tenfold.engine.plan.size import Size
from tenfold.recipe.recipe import Recipe
from tenfold.rules.optimizers.base import keeps_moments
from tenfold.rules.record import rule_name

PACK_SECONDS = 6e-3  # work of one stacked update at which the fixed cost of starting its operations is small
PACK_BYTES = 1 << 30  # that one pack may hold, at most


@dataclass(frozen=True)
class PackPlan:
    """The recipes (by number) that one pack trains on which folds, and its shape."""

    numbers: tuple[int, ...]
    folds: tuple[int, ...]
    shape: Shape

    def lanes(self, recipes: Sequence[Recipe] | Mapping[int, Recipe]) -> list[Lane]:
        """Every recipe on every one of its folds."""
        return [Lane(recipes[number], number, fold) for number in self.numbers for fold in self.folds]


def plan_packs(
    recipes: Sequence[Recipe],
    folds: Sequence[Fold],
    size: Size,
    *,
    workers: int,
    numbers: Sequence[int] | None = None,
    on: Sequence[int] | None = None,
    compiled: Callable[[Recipe], bool] = lambda recipe: False,
    parts: int | None = None,
) -> list[PackPlan]:
    """Packs of the recipes with these numbers (default all) on these folds (places in `folds`, default all), longest
    first. compiled: whether a recipe's lanes are trained by compiled code; what is not shares no pack with what is.
    parts: into which compiled lanes are cut, default one more than there are workers."""
    on = tuple(range(len(folds)) if on is None else on)
    groups: dict[tuple[Shape, bool], list[int]] = {}
    asked = list(range(len(recipes)) if numbers is None else numbers)
    for number in asked:
        recipe = recipes[number]
        groups.setdefault((Shape.of(recipe, size, folds), compiled(recipe)), []).append(number)
    plans: list[tuple[float, PackPlan]] = []
    for (shape, alone), members in groups.items():
        members.sort(key=lambda n: _likeness(recipes[n], n))
        cost = len(on) * lane_step_seconds(recipes[members[0]], size, batch=shape.dealing.rows)
        fitting = max(1, int(PACK_BYTES / (_lane_bytes(shape) * len(on))))
        if alone:
            # While the results of some are looked at, others train: one group more than there are workers.
            count = -(-len(members) // min(fitting, -(-len(asked) // (parts or workers + 1))))
        else:
            count = -(-len(members) // max(1, min(int(PACK_SECONDS / cost), fitting)))
            many = len(groups) < workers or cost * len(members) >= workers * START_SECONDS
            if count % workers and len(members) >= workers and many:
                count += workers - count % workers  # no worker idles while another trains the last pack
        bounds = [i * len(members) // count for i in range(count + 1)]
        for first, last in pairwise(bounds):
            if part := tuple(members[first:last]):
                work = cost * shape.dealing.updates * sum(recipes[n].epochs for n in part)
                plans.append((work, PackPlan(part, on, shape)))
    return [plan for _, plan in sorted(plans, key=lambda item: (-item[0], item[1].numbers))]


def _likeness(recipe: Recipe, number: int) -> tuple[object, ...]:
    layers, optimizer = recipe.network.sequence(), recipe.optimizer
    drops = any(getattr(layer, "rate", 0) for layer in layers)
    kinds = tuple(rule_name(layer) for layer in layers)
    return (
        drops, kinds, rule_name(recipe.loss), optimizer.family, keeps_moments(optimizer), recipe.epochs,
        repr(recipe.preprocess), recipe.clip_norm is None, number,
    )  # fmt: skip


def _lane_bytes(shape: Shape) -> int:
    """Parameters, gradient, optimizer state and scratch, and about six copies of the activations of a batch."""
    rows, total = max(shape.dealing.rows, 512), Layout.of(shape).total
    curvature = getattr(shape.second_order, "MOST_PARAMETERS", None)
    matrices = 3 * total * total if curvature is not None else 0
    units = shape.inputs + sum(k * op.output_count for op, k in zip(shape.ops, shape.views[1:], strict=True))
    return 4 * (6 * total + 6 * rows * units + matrices)
