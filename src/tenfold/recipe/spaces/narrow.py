"""A smaller space around the best recipes of a first search: the fine stage after a coarse one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from tenfold.errors import BadInput
from tenfold.recipe.grammar.field_kinds import FieldKind, Fields, kinds
from tenfold.recipe.grammar.nodes import Choice, Fixed, Group, Items, Node, Range
from tenfold.recipe.recipe import Recipe
from tenfold.recipe.spaces.decisions import below, locate_in, number_at, share_of
from tenfold.recipe.spaces.space import Space
from tenfold.rules.fields import Scalar


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
    whole = Fields(Recipe)
    strangers = [leader for leader in leaders if locate_in(space.tree, whole, leader) is None]
    if strangers or not leaders:
        raise BadInput(f"{len(strangers)} of {len(leaders)} leaders that the space does not hold", expected="its own")
    return Space(_narrow(space.tree, whole, list(dict.fromkeys(leaders)), shrink))


def _narrow(node: Node, kind: FieldKind, values: list[Any], shrink: float) -> Node:
    match node:
        case Fixed():
            return node
        case Range():
            return _range(node, values, shrink)
        case Choice():
            return _choice(node, kind, values, shrink)
        case Items(items):
            parts = [[value[i] for value in values] for i in range(len(items))]
            narrowed = [
                _narrow(item, inner, part, shrink)
                for (item, inner, _), part in zip(below(node, kind), parts, strict=True)
            ]
            fixed = tuple(item.value for item in narrowed if isinstance(item, Fixed))
            return Fixed(fixed) if len(fixed) == len(narrowed) else Items(tuple(narrowed))
        case Group(record, fields):
            known = kinds(record)
            inside = {
                name: _narrow(child, known[name], [getattr(value, name) for value in values], shrink)
                for name, child in fields
            }
            return Group(record, tuple(inside.items()))


def _range(span: Range, values: list[float], shrink: float) -> Range | Fixed:
    first, last = min(values), max(values)
    low = number_at(span, max(share_of(span, first) - shrink / 2, 0.0))
    high = number_at(span, min(share_of(span, last) + shrink / 2, 1.0))
    low, high = min(low, first), max(high, last)  # a rounded end might leave a leader out
    return Range(span.name, low, high) if low < high else Fixed(first)


def _choice(choice: Choice, kind: FieldKind, values: list[Any], shrink: float) -> Node:
    options = [(option, inner) for option, inner, _ in below(choice, kind)]
    chosen: list[list[Any]] = [[] for _ in options]
    for value in values:
        i = next(i for i, option in enumerate(options) if locate_in(*option, value) is not None)
        chosen[i].append(value)
    if isinstance(kind, Scalar) and all(_is_number(option) for option in choice.options):
        return _one_of(_neighbours(choice.options, values))
    return _one_of([_narrow(*options[i], those, shrink) for i, those in enumerate(chosen) if those])


def _is_number(node: Node) -> bool:
    return isinstance(node, Fixed) and isinstance(node.value, int | float) and not isinstance(node.value, bool)


def _neighbours(options: tuple[Any, ...], values: list[float]) -> list[Fixed]:
    """The numbers between the leaders' and the next on either side, in the order written."""
    ladder = sorted({option.value for option in options})
    first, last = ladder.index(min(values)), ladder.index(max(values))
    kept = ladder[max(first - 1, 0) : last + 2]
    return [option for option in options if option.value in kept]


def _one_of(nodes: Sequence[Node]) -> Node:
    return Choice(tuple(nodes)) if len(nodes) > 1 else nodes[0]
