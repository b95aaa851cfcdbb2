"""A smaller space around the best recipes of a first search: the fine stage after a coarse one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from tenfold.errors import BadInput
from tenfold.recipe.grammar.field_kinds import FieldKind, Fields, kinds
from tenfold.recipe.grammar.nodes import Choice, Fixed, Group, Items, Node, Range, choice_of, items_of
from tenfold.recipe.recipe import Recipe
from tenfold.recipe.spaces.decisions import below, locate, locate_in, number_at, share_of
from tenfold.recipe.spaces.space import Space
from tenfold.rules.fields import Scalar, is_numeric


def narrow(space: Space, leaders: Sequence[Recipe], shrink: float = 0.25) -> Space:
    """The part of a space around its leaders; it holds all of them.

    Formula: a range becomes the hull of the leaders' values, widened by shrink / 2 of its old width on either side (on
    the logarithm of a logarithmic range) within the old ends: a single leader leaves at most the share `shrink`.
    Of a choice the options that give the leaders stay, themselves narrowed; of a choice among numbers also those
    in between, and the next one on either side. Raises `BadInput` without leaders, for one that the space does not
    hold, and for a shrink outside (0, 0.5].
    Source: Li & Karpathy, CS231n (from coarse to fine).
    """
    if not 0 < shrink <= 0.5:
        raise BadInput(f"shrink {shrink:g}", expected="a share in (0, 0.5]")
    strangers = [leader for leader in leaders if locate(space, leader) is None]
    if strangers or not leaders:
        raise BadInput(f"{len(strangers)} of {len(leaders)} leaders that the space does not hold", expected="its own")
    return Space(_narrow(space.tree, Fields(Recipe), list(dict.fromkeys(leaders)), shrink))


def _narrow(node: Node, kind: FieldKind, values: list[Any], shrink: float) -> Node:
    match node:
        case Fixed():
            return node
        case Range():
            return _range(node, values, shrink)
        case Choice():
            return _choice(node, kind, values, shrink)
        case Items():
            narrowed = [
                _narrow(item, inner, [value[i] for value in values], shrink)
                for i, (item, inner, _) in enumerate(below(node, kind))
            ]
            return items_of(narrowed)
        case Group(record, fields):
            children = [
                (name, _narrow(child, kinds(record)[name], [getattr(value, name) for value in values], shrink))
                for name, child in fields
            ]
            return Group(record, tuple(children))


def _range(span: Range, values: list[float], shrink: float) -> Range | Fixed:
    first, last = min(values), max(values)
    low = number_at(span, max(share_of(span, first) - shrink / 2, 0.0))
    high = number_at(span, min(share_of(span, last) + shrink / 2, 1.0))
    # `number_at` rounds to four digits: without this, a rounded end could leave a leader out
    low, high = min(low, first), max(high, last)
    return Range(span.name, low, high) if low < high else Fixed(first)


def _choice(choice: Choice, kind: FieldKind, values: list[Any], shrink: float) -> Node:
    if isinstance(kind, Scalar) and all(isinstance(o, Fixed) and is_numeric(o.value) for o in choice.options):
        return choice_of(_neighbours(choice.options, values))
    # a value belongs to the first option that gives it, as in `locate`
    values_of: dict[int, list[Any]] = {}
    for value in values:
        index = next(i for i, option in enumerate(choice.options) if locate_in(option, kind, "", value) is not None)
        values_of.setdefault(index, []).append(value)
    return choice_of([_narrow(choice.options[i], kind, values_of[i], shrink) for i in sorted(values_of)])


def _neighbours(options: tuple[Any, ...], values: list[float]) -> list[Fixed]:
    """The numbers between the leaders' and the next on either side, in the order written."""
    ladder = sorted({option.value for option in options})
    first, last = ladder.index(min(values)), ladder.index(max(values))
    chosen = ladder[max(first - 1, 0) : last + 2]
    return [option for option in options if option.value in chosen]
