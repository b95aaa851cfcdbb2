"""Warns that the best recipe lies at an end of what its space allows, and says how far to look beyond."""

from __future__ import annotations

import contextlib
import dataclasses
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from tenfold.errors import BadInput
from tenfold.recipe.grammar.field_kinds import FieldKind, Fields, LayerList, kinds
from tenfold.recipe.grammar.nodes import Choice, Fixed, Group, Items, Node, Range
from tenfold.recipe.network import MLP, Layers
from tenfold.recipe.recipe import Recipe
from tenfold.recipe.spaces.space import Space
from tenfold.recipe.words.describe import describe_rule
from tenfold.rules.fields import Number, is_numeric

NEAR = 0.05  # share of a range's width within which a value counts as at its end
MOST_TIMES = 10.0  # how far beyond the end of a logarithmic range to look, in times that end
MOST_WIDTHS = 0.5  # the same for a uniform range, in widths
FACTOR = 2.0  # single numbers that far apart are taken for a geometric sequence, others for an arithmetic one
LADDER = 3  # single numbers from which on a choice has ends; of two there is always one at an end
HALVINGS = 10  # how often the way beyond an end is halved until the field admits a number
NATURAL_ENDS = (0.0, 1.0)  # of fields that include them: worth a try before any number nearer to the end
MISS = 1 / 3  # share of the way beyond an end by which a round number may miss its aim
WORDS = {"lr": "learning rate", "l1": "L1 penalty", "max_norm": "largest norm of a unit's weights",
         "clip_norm": "largest norm of the gradient", "clip_value": "largest number of the gradient",
         "weight_average": "decay of the weight average"}  # fmt: skip

Route = tuple[str | int, ...]  # names of fields and numbers of items, from the recipe down


@dataclass(frozen=True)
class Allowed:
    """The numbers that a space allows in one field: ranges and single numbers, gathered from all options."""

    ranges: tuple[Range, ...]
    numbers: tuple[float, ...]

    @property
    def ends(self) -> list[float]:
        """The ends of every range and the single numbers, in order; the first and the last are those of the field."""
        return sorted({*self.numbers, *(end for span in self.ranges for end in (span.low, span.high))})

    @property
    def ladder(self) -> list[float]:
        """The single numbers in order; none where there are ranges."""
        return [] if self.ranges else self.ends

    def end(self, side: str) -> float:
        """The upper or the lower end of the field."""
        return self.ends[-1 if side == "upper" else 0]

    def side(self, value: Any) -> str:
        """The end at which a value lies, "lower" or "upper"; or nothing."""
        if not is_numeric(value) or (not self.ranges and len(self.ladder) < LADDER):
            return ""
        low, high = self.end("lower"), self.end("upper")
        span = next((span for span in self.ranges if span.low <= value <= span.high), None)
        if span is None:
            return "lower" if value == low else "upper" if value == high else ""
        scale = float if span.name == "uniform" else math.log
        at, left, right = scale(value), scale(span.low), scale(span.high)
        near = NEAR * (right - left)
        if span.high == high and right - at <= near:
            return "upper"
        return "lower" if span.low == low and at - left <= near else ""

    def furthest(self, side: str) -> float:
        """The number beyond an end up to which to look: half a width past a uniform range, ten times the end of a
        logarithmic one (or as often as the range spans, if less), and one more step past single numbers."""
        end, upper = self.end(side), side == "upper"
        span = next((span for span in self.ranges if end == (span.high if upper else span.low)), None)
        if span is None:
            before = self.ends[-2 if upper else 1]
            low, high = sorted((before, end))
            geometric = low > 0 and high >= FACTOR * low
            return end * end / before if geometric else end + (end - before)
        if span.name == "uniform":
            return end + MOST_WIDTHS * (span.high - span.low) * (1 if upper else -1)
        return end * min(MOST_TIMES, span.high / span.low) ** (1 if upper else -1)


def border_warnings(space: Space, recipe: Recipe, near: Sequence[Recipe] = ()) -> list[str]:
    """A sentence for each number of a recipe that lies at an end of what its space allows, with the range to try.

    At an end: within 5 % of a range's width (on its logarithm where it has one), or the smallest or largest of three
    or more numbers. near: recipes about as good; the sentence counts those at the same end. There is no warning at an
    end beyond which the field admits no value, such as no dropout.
    """
    warnings: list[str] = []
    for route, integer, allowed in _number_fields([space.tree], Fields(Recipe), recipe, ()):
        value = _get(recipe, route)
        side = allowed.side(value)
        further = _further(recipe, route, allowed, side, integer) if side else None
        if further is not None:
            others = [allowed.side(_get(other, route)) for other in near if _same_rules(recipe, other, route)]
            way = "up" if side == "upper" else "down"
            place = f"{_place(_name(recipe, route), value, allowed, side)}{_company(others.count(side), len(others))}"
            warnings.append(f"{place}: try {way} to {further:g}")
    return warnings


def _place(name: str, value: float, allowed: Allowed, side: str) -> str:
    if allowed.ladder:
        listed = ", ".join(f"{number:g}" for number in allowed.ladder)
        return f"{name} {value:g} is the {'largest' if side == 'upper' else 'smallest'} of {listed}"
    return f"{name} {value:g} is at the {side} end of its range [{allowed.end('lower'):g}, {allowed.end('upper'):g}]"


def _company(at_the_end: int, others: int) -> str:
    if at_the_end:
        return f"; so are {at_the_end} of {others} recipes about as good"
    return f"; none of {others} about as good is" if others else ""


def _number_fields(
    nodes: list[Node], kind: FieldKind, value: Any, route: Route
) -> Iterator[tuple[Route, bool, Allowed]]:
    """Every field of a value that holds a number, with what any of the nodes allows there: a choice may offer the
    same rule several times, and the value may come from each."""
    nodes = [option for node in nodes for option in _options(node)]
    if isinstance(kind, Number):
        ranges = tuple(node for node in nodes if isinstance(node, Range))
        numbers = tuple(node.value for node in nodes if isinstance(node, Fixed) and is_numeric(node.value))
        if ranges or numbers:
            yield route, kind.integer, Allowed(ranges, numbers)
    elif dataclasses.is_dataclass(value) and kinds(type(value)):
        groups = [dict(node.fields) for node in nodes if isinstance(node, Group) and node.record is type(value)]
        default = type(value)()
        for name, inner in kinds(type(value)).items():
            fallback = Fixed(getattr(default, name))
            children = [group.get(name, fallback) for group in groups]
            yield from _number_fields(children, inner, getattr(value, name), (*route, name))
    elif isinstance(value, tuple) and any(isinstance(node, Items) for node in nodes):
        inner = kind.layer if isinstance(kind, LayerList) else Number(True)
        lists = [items for node in nodes if len(items := _items(node)) == len(value)]
        for i, item in enumerate(value):
            yield from _number_fields([items[i] for items in lists], inner, item, (*route, i))


def _options(node: Node) -> list[Node]:
    """All options of a choice, those of inner ones too."""
    return [inner for option in node.options for inner in _options(option)] if isinstance(node, Choice) else [node]


def _items(node: Node) -> tuple[Node, ...]:
    if isinstance(node, Fixed) and isinstance(node.value, tuple):
        return tuple(Fixed(item) for item in node.value)
    return node.items if isinstance(node, Items) else ()


def _get(value: Any, route: Route) -> Any:
    for step in route:
        value = value[step] if isinstance(step, int) else getattr(value, step)
    return value


def _put(value: Any, route: Route, new: Any) -> Any:
    """The record with another value at the end of a route. Raises `BadInput` where a field does not admit it."""
    if not route:
        return new
    step, rest = route[0], route[1:]
    if isinstance(step, int):
        return (*value[:step], _put(value[step], rest, new), *value[step + 1 :])
    return dataclasses.replace(value, **{step: _put(getattr(value, step), rest, new)})


def _same_rules(recipe: Any, other: Any, route: Route) -> bool:
    """Whether two recipes have the same rules all the way down a route, so that the numbers at its end compare."""
    if type(recipe) is not type(other) or (isinstance(recipe, tuple) and len(recipe) != len(other)):
        return False
    step, below = route[:1], route[1:]
    return not below or _same_rules(_get(recipe, step), _get(other, step), below)


def _further(recipe: Recipe, route: Route, allowed: Allowed, side: str, integer: bool) -> float | None:
    """A round number beyond an end, as far away as the field admits; None where it admits none."""
    end = allowed.end(side)
    way = allowed.furthest(side) - end
    for number in _candidates(end, way, bool(allowed.ladder), integer):
        if (number - end) * way > 0:
            with contextlib.suppress(BadInput):
                _put(recipe, route, int(number) if integer else number)
                return number
    return None


def _candidates(end: float, way: float, exact: bool, integer: bool) -> Iterator[float]:
    """Numbers to try, from the furthest to nearer ones; the roundest first of those at one distance."""
    for halving in range(HALVINGS):
        aim = end + way / 2**halving
        if exact:  # the next step of single numbers stays as it is
            step = float(f"{aim:.6g}")
            rounded = [round(aim)] if integer and step != int(step) else [step]
        else:
            numbers = (float(f"{aim:.{digits}g}") for digits in range(1, 6))
            most_off = MISS * min(abs(aim - end), abs(aim))
            rounded = [round(number) if integer else number for number in numbers]
            rounded = [number for number in rounded if abs(number - aim) <= most_off]
        yield from rounded
        if halving == 0:
            yield from (number for number in NATURAL_ENDS if (number - end) / way < 1)


def _name(recipe: Recipe, route: Route) -> str:
    """A field in words: "learning rate", "slope of leaky relu", "layer 2: units of dense"."""
    *above, last = route
    if isinstance(last, int):
        return f"hidden layer {last + 1}: units"
    layer = "".join(f"layer {step + 1}: " for step in above if isinstance(step, int))
    name, owner = WORDS.get(last, last.replace("_", " ")), _get(recipe, tuple(above))
    plain = isinstance(owner, Recipe | MLP | Layers) or above == ["optimizer"]
    return f"{layer}{name}" if plain else f"{layer}{name} of {describe_rule(owner)}"
