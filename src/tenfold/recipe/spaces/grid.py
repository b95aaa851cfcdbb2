"""Every combination of the choices of a space, in the order written."""

from __future__ import annotations

from collections.abc import Iterator

from tenfold.errors import BadInput
from tenfold.recipe.grammar.nodes import Range, recipe_count, values
from tenfold.recipe.recipe import Recipe
from tenfold.recipe.spaces.decisions import Decision, decisions_of
from tenfold.recipe.spaces.space import MOST_RECIPES, Space


def grid(space: Space) -> Iterator[Recipe]:
    """All distinct recipes of a space: those that it names first, then every combination of its choices, the last
    written changing fastest. Raises `BadInput` for a range, of which a grid has no end, and for too many."""
    ranges = [decision for decision in decisions_of(space) if isinstance(decision.node, Range)]
    if ranges:
        first = ranges[0]
        more = f" and {len(ranges) - 1} more" if len(ranges) > 1 else ""
        raise BadInput(
            f"a grid of the range {first.path}{more}",
            expected="choices only, which are lists of values",
            do=f"{first.path}: {_points(first)}, or other --proposals",
        )
    count = recipe_count(space.tree) or 0
    if count > MOST_RECIPES:
        raise BadInput(f"a grid of {count:,} recipes", expected=f"at most {MOST_RECIPES:,}", do="fewer choices")
    yield from dict.fromkeys([*space.first, *values(space.tree)])


def grid_size(space: Space) -> int:
    """How many recipes `grid` gives."""
    return sum(1 for _ in grid(space))


def _points(decision: Decision) -> str:
    """A list of a few values of a range, as YAML."""
    assert isinstance(decision.node, Range)
    low, high = decision.node.low, decision.node.high
    middle = (low * high) ** 0.5 if decision.node.name != "uniform" else (low + high) / 2
    if decision.node.name == "int_log_uniform":
        found = dict.fromkeys([int(low), round(middle), int(high)])
    else:
        found = dict.fromkeys(float(f"{x:.3g}") for x in (low, middle, high))
    return f"[{', '.join(f'{x:g}' for x in found)}]"
