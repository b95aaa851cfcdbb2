"""Whether the best recipe lies at the border of its space, and how far to look beyond."""

from __future__ import annotations

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
from tenfold.rules.fields import Number

NEAR = 0.05  # of a range's width: that near to an end a value counts as at it
BEYOND = 10.0  # times the end of a logarithmic range, unless the range itself is narrower
WIDER = 0.5  # of the width of a uniform range
FACTOR = 2.0  # between two numbers from which a step is a factor, and no difference
LADDER = 3  # numbers from which a choice among them is ordered
HALVINGS = 10  # of the way beyond an end, until the field admits it
LIMITS = (0.0, 1.0)  # that fields may have, and admit
OFF = 1 / 3  # of the way beyond an end by which a round number may miss
WORDS = {"lr": "learning rate", "l1": "L1 penalty", "max_norm": "largest norm of a unit's weights",
         "clip_norm": "largest norm of the gradient", "clip_value": "largest number of the gradient",
         "weight_average": "decay of the weight average"}  # fmt: skip

Route = tuple[str | int, ...]  # names of fields and numbers of items, from the recipe down


@dataclass(frozen=True)
class Allowed:
    """The numbers that a space allows in one field: ranges and single numbers, whichever options they stand in."""

    spans: tuple[Range, ...]
    numbers: tuple[float, ...]

    @property
    def ends(self) -> tuple[float, float]:
        """The smallest and the largest."""
        every = [*self.numbers, *(end for span in self.spans for end in (span.low, span.high))]
        return min(every), max(every)

    @property
    def ladder(self) -> list[float]:
        """The single numbers in order; none where ranges are."""
        return [] if self.spans else sorted(set(self.numbers))

    def end(self, side: str) -> float:
        """The smallest or the largest."""
        return self.ends[side == "upper"]

    def side(self, value: Any) -> str:
        """The end at which a value lies, "lower" or "upper"; or nothing."""
        if not _is_number(value) or (len(self.ladder) < LADDER and not self.spans):
            return ""
        low, high = self.ends
        span = next((span for span in self.spans if span.low <= value <= span.high), None)
        if span is None:
            return "lower" if value == low else "upper" if value == high else ""
        log = span.name != "uniform"
        at, left, right = (math.log(x) if log else x for x in (value, span.low, span.high))
        near = NEAR * (right - left)
        if span.high == high and right - at <= near:
            return "upper"
        return "lower" if span.low == low and at - left <= near else ""

    def beyond(self, side: str) -> float:
        """How far to look past an end: ten times (or as many as a range has that spans less), half of the width of a
        uniform range, and past a single number the step before it once more."""
        end, up = self.end(side), side == "upper"
        span = next((span for span in self.spans if end == (span.high if up else span.low)), None)
        if span is None:
            inner = sorted({*self.numbers, *(x for span in self.spans for x in (span.low, span.high))})[-2 if up else 1]
            low, high = sorted((inner, end))
            return end * end / inner if low > 0 and high >= FACTOR * low else end + (end - inner)
        if span.name == "uniform":
            return end + WIDER * (span.high - span.low) * (1 if up else -1)
        return end * min(BEYOND, span.high / span.low) ** (1 if up else -1)


def border_warnings(space: Space, recipe: Recipe, near: Sequence[Recipe] = ()) -> list[str]:
    """A sentence for each number of a recipe that lies at an end of what its space allows, with the range to try.

    At an end: within 5 % of a range's width (on its logarithm where it has one), or the smallest or largest of three
    or more numbers. near: recipes about as good; how many of them lie there too is said. Nothing is said of an end
    beyond which the field admits no value, such as no dropout.
    """
    said = []
    for route, integer, allowed in _fields([space.tree], Fields(Recipe), recipe, ()):
        value = _get(recipe, route)
        side = allowed.side(value)
        further = _further(recipe, route, allowed, side, integer) if side else None
        if further is not None:
            others = [_get(other, route) for other in near if _alike(recipe, other, route)]
            also = _also(len(others), sum(allowed.side(other) == side for other in others))
            way = "up" if side == "upper" else "down"
            said.append(f"{_sentence(_name(recipe, route), value, allowed, side)}{also}: try {way} to {further:g}")
    return said


def _also(others: int, there: int) -> str:
    if not others:
        return ""
    return f"; so are {there} of {others} recipes about as good" if there else f"; none of {others} about as good is"


def _sentence(name: str, value: float, allowed: Allowed, side: str) -> str:
    low, high = allowed.ends
    if allowed.ladder:
        listed = ", ".join(f"{number:g}" for number in allowed.ladder)
        return f"{name} {value:g} is the {'largest' if side == 'upper' else 'smallest'} of {listed}"
    return f"{name} {value:g} is at the {side} end of its range [{low:g}, {high:g}]"


def _fields(nodes: list[Node], kind: FieldKind, value: Any, route: Route) -> Iterator[tuple[Route, bool, Allowed]]:
    """Every field of a value that holds a number, with what the nodes, any of which it may come from, allow there."""
    nodes = [option for node in nodes for option in _options(node)]
    if isinstance(kind, Number):
        spans = tuple(node for node in nodes if isinstance(node, Range))
        numbers = tuple(node.value for node in nodes if isinstance(node, Fixed) and _is_number(node.value))
        if spans or numbers:
            yield route, kind.integer, Allowed(spans, numbers)
    elif dataclasses.is_dataclass(value):
        groups = [dict(node.fields) for node in nodes if isinstance(node, Group) and node.record is type(value)]
        default = type(value)()
        for name, inner in kinds(type(value)).items():
            fallback = Fixed(getattr(default, name))
            children = [group.get(name, fallback) for group in groups]
            yield from _fields(children, inner, getattr(value, name), (*route, name))
    elif isinstance(value, tuple) and any(isinstance(node, Items) for node in nodes):
        inner = kind.layer if isinstance(kind, LayerList) else Number(True)
        lists = [items for node in nodes if len(items := _items(node)) == len(value)]
        for i, item in enumerate(value):
            yield from _fields([items[i] for items in lists], inner, item, (*route, i))


def _options(node: Node) -> list[Node]:
    """All options of a choice, those of inner ones too."""
    return [inner for option in node.options for inner in _options(option)] if isinstance(node, Choice) else [node]


def _items(node: Node) -> tuple[Node, ...]:
    if isinstance(node, Fixed) and isinstance(node.value, tuple):
        return tuple(Fixed(item) for item in node.value)
    return node.items if isinstance(node, Items) else ()


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


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


def _alike(mine: Any, other: Any, route: Route) -> bool:
    """Whether two recipes have the same rules on the way down a route, so that the numbers at its end compare."""
    if type(mine) is not type(other) or (isinstance(mine, tuple) and len(mine) != len(other)):
        return False
    step, rest = route[:1], route[1:]
    return not rest or _alike(_get(mine, step), _get(other, step), rest)


def _further(recipe: Recipe, route: Route, allowed: Allowed, side: str, integer: bool) -> float | None:
    """The furthest round number beyond an end that the field admits, at most as far as `Allowed.beyond`."""
    end = allowed.end(side)
    way = allowed.beyond(side) - end

    def admitted(number: float) -> bool:
        if (number - end) * way <= 0:
            return False
        try:
            _put(recipe, route, int(number) if integer else number)
        except BadInput:
            return False
        return True

    found = (_round(end + way / 2**halving, end, allowed, integer) for halving in range(HALVINGS))
    first, *nearer = (next((number for number in rounds if admitted(number)), None) for rounds in found)
    limits = (limit for limit in LIMITS if admitted(limit) and (limit - end) / way < 1)
    return next((number for number in (first, *limits, *nearer) if number is not None), None)


def _round(aim: float, end: float, allowed: Allowed, integer: bool) -> list[float]:
    """Numbers near an aim, the roundest first; behind single numbers none but the aim."""
    if allowed.ladder:
        exact = float(f"{aim:.6g}")
        return [exact] if not integer or exact == int(exact) else [round(aim)]
    off = OFF * min(abs(aim - end), abs(aim))
    rounds = [float(f"{aim:.{digits}g}") for digits in range(1, 6)]
    return [number for number in ([round(x) for x in rounds] if integer else rounds) if abs(number - aim) <= off]


def _name(recipe: Recipe, route: Route) -> str:
    """A field in words: "learning rate", "slope of leaky relu", "layer 2: units of dense"."""
    *above, last = route
    if isinstance(last, int):
        return f"hidden layer {last + 1}: units"
    layer = "".join(f"layer {step + 1}: " for step in above if isinstance(step, int))
    name, owner = WORDS.get(last, last.replace("_", " ")), _get(recipe, tuple(above))
    plain = isinstance(owner, Recipe | MLP | Layers) or above == ["optimizer"]
    return f"{layer}{name}" if plain else f"{layer}{name} of {describe_rule(owner)}"
