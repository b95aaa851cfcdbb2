"""From records and trees to plain data (what YAML and JSON hold)."""

from __future__ import annotations

import dataclasses
from typing import Any

from tenfold.recipe.kinds import Family, Fields, Kind, kinds
from tenfold.recipe.nodes import Choice, Fixed, Group, Items, Node, Range
from tenfold.rules.record import rule_name


def plain(record: Any) -> dict[str, Any]:
    """A record that users write (a recipe, a network) with all its fields, rules in their short form."""
    return {name: _value(kind, getattr(record, name)) for name, kind in kinds(type(record)).items()}


def _value(kind: Kind, value: Any) -> Any:
    if isinstance(kind, Fields):
        return plain(value)
    if isinstance(kind, Family) and isinstance(value, kind.rules):
        default = type(value)()
        changed = {name: getattr(value, name) for name in kinds(type(value)) if value != default}
        changed = {name: number for name, number in changed.items() if number != getattr(default, name)}
        return {rule_name(value): changed} if changed else rule_name(value)
    return list(value) if isinstance(value, tuple) else value


def plain_in_full(record: Any) -> Any:
    """Every value of a record and of its rules, defaults included; floats by `repr`, so they are exact."""
    if dataclasses.is_dataclass(record) and not isinstance(record, type):
        inside = {field.name: plain_in_full(getattr(record, field.name)) for field in dataclasses.fields(record)}
        return {rule_name(record): inside}
    return list(record) if isinstance(record, tuple) else record


def plain_node(node: Node, *, named: bool = False) -> Any:
    """A tree as plain data; `named`: a record stands under its name (a rule), else as its fields alone."""
    match node:
        case Fixed(value):
            return list(value) if isinstance(value, tuple) else value
        case Range(name, low, high):
            return {name: [low, high]}
        case Choice(options):
            return [plain_node(option, named=named) for option in options]
        case Items(items):
            return [plain_node(item) for item in items]
        case Group(record, fields):
            known = kinds(record)
            inside = {name: plain_node(child, named=isinstance(known[name], Family)) for name, child in fields}
            if not named:
                return inside
            return {rule_name(record): inside} if inside else rule_name(record)


def describe_rule(rule: Any) -> str:
    """A rule's name in words: MinMax -> "min max"."""
    return rule_name(rule).replace("_", " ")
