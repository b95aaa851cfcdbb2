"""What every rule is: a frozen record of numbers that checks itself when built."""

from __future__ import annotations

import dataclasses
import math
import re
from typing import Any

from tenfold.errors import BadInput


class BadField(BadInput):
    """One field of a record has a value that it cannot have; `field` is its name, `reason` says what it must be."""

    def __init__(self, owner: object, field: str, must: str) -> None:
        self.field, self.reason = field, f"must be {must}; got {getattr(owner, field)!r}"
        super().__init__(f"{type(owner).__name__}.{field} {self.reason}")


def require(ok: bool, owner: object, field: str, must: str) -> None:
    """Raise `BadField` unless `ok`: "Adam.beta1 must be in [0, 1); got 1.0"."""
    if not ok:
        raise BadField(owner, field, must)


def require_number(owner: object, *fields: str) -> None:
    """Each field is a finite real number (a bool or a string is not)."""
    for field in fields:
        value = getattr(owner, field)
        number = isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
        require(number, owner, field, "a finite number")


def rule_name(rule: Any) -> str:
    """The name that recipe files use for a rule or its class: LeakyReLU -> leaky_relu, RMSProp -> rmsprop."""
    cls = rule if isinstance(rule, type) else type(rule)
    given = getattr(cls, "NAME", None)
    return given if given else re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", cls.__name__).lower()


def numbers(rule: Any) -> tuple[float, ...]:
    """The numbers of a rule in the order of its fields: what a pack stacks over its lanes."""
    return tuple(getattr(rule, field.name) for field in dataclasses.fields(rule))
