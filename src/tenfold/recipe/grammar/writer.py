"""From records and trees to plain data (what YAML and JSON hold)."""

from __future__ import annotations

import dataclasses
from typing import Any

from tenfold.recipe.grammar.field_kinds import Either, Family, FieldKind, Fields, LayerList, Open, kinds
from tenfold.recipe.grammar.nodes import Choice, Fixed, Group, Items, Node, Range
from tenfold.rules.record import rule_name


def plain_record(record: Any) -> dict[str, Any]:
    """A recipe, network or layer with all its fields; rules in their short form."""
    if hasattr(type(record), "OPEN"):
        return record.plain()
    return {name: _value(kind, getattr(record, name)) for name, kind in kinds(type(record)).items()}


def plain_changes(record: Any) -> dict[str, Any]:
    """The fields of a recipe or a network that are not at their defaults."""
    if hasattr(type(record), "OPEN"):
        return record.plain()
    default = type(record)()
    names = [name for name in kinds(type(record)) if getattr(record, name) != getattr(default, name)]
    return {name: _changes(kinds(type(record))[name], getattr(record, name)) for name in names}


def _changes(kind: FieldKind, value: Any) -> Any:
    return plain_changes(value) if isinstance(kind, Fields | Either) else _value(kind, value)


def _value(kind: FieldKind, value: Any) -> Any:
    match kind:
        case Fields() | Either():
            return plain_record(value)
        case LayerList(layer):
            return [_value(layer, item) for item in value]
        case Family(rules) if isinstance(value, rules):
            default, inside = type(value)(), kinds(type(value))
            names = [name for name in inside if getattr(value, name) != getattr(default, name)]
            changed = {name: _value(inside[name], getattr(value, name)) for name in names}
            return {kind.name(type(value)): changed} if changed else kind.name(type(value))
    return list(value) if isinstance(value, tuple) else value


def plain_in_full(record: Any) -> Any:
    """Every value of a record and of its rules. Defaults are included, so that the key of a recipe does not change
    when a later version has other defaults; but for fields that the record calls `LATER`, so that it does not change
    when a later version has more fields."""
    if hasattr(type(record), "OPEN"):
        return record.plain()
    if dataclasses.is_dataclass(record) and not isinstance(record, type):
        later = getattr(type(record), "LATER", ())
        inside = {
            field.name: plain_in_full(getattr(record, field.name))
            for field in dataclasses.fields(record)
            if field.name not in later or getattr(record, field.name) != field.default
        }
        return {rule_name(record): inside}
    return [plain_in_full(item) for item in record] if isinstance(record, tuple) else record


def plain_node(node: Node, kind: FieldKind) -> Any:
    """A tree as plain data: a rule of a family as {name: fields}, another record as its fields alone."""
    match node:
        case Fixed(value):
            return list(value) if isinstance(value, tuple) else value
        case Range(name, low, high):
            return {name: [low, high]}
        case Choice(options):
            return [plain_node(option, kind) for option in options]
        case Items(items):
            return [plain_node(item, kind.layer if isinstance(kind, LayerList) else kind) for item in items]
        case Group(record, fields) if hasattr(record, "OPEN"):
            return {
                record.OPEN: {
                    name: record.plain_field(name, child, plain_node(child, Open())) for name, child in fields
                }
            }
        case Group(record, fields):
            inside = {name: plain_node(child, kinds(record)[name]) for name, child in fields}
            if not isinstance(kind, Family):
                return inside
            return {kind.name(record): inside} if inside else kind.name(record)
