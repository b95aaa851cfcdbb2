"""What every rule is: a frozen record of numbers and named options, checked when it is built.

A rule's docstring is also what `tenfold recipes --explain NAME` prints. It begins with a sentence, and holds
paragraphs that begin with the words of `SECTIONS`. `PRESETS` names the fields that reproduce a library's defaults.
"""

from __future__ import annotations

import dataclasses
import inspect
import re
from typing import Any, ClassVar

from tenfold.errors import BadInput
from tenfold.rules.fields import Number, value_kinds

SECTIONS = ("Formula", "Shapes", "Options", "Convention", "Claim", "Choose", "Source")


class BadField(BadInput):
    """A field of a record has a value that it does not admit; `field` is its name, `reason` says what it must be."""

    def __init__(self, owner: object, field: str, must: str) -> None:
        self.field: str = field
        self.reason: str = refusal(must, getattr(owner, field))
        super().__init__(f"{type(owner).__name__}.{field} {self.reason}")


def refusal(must: str, value: Any) -> str:
    """Why a field does not admit a value, given what it must be instead; nothing if that is nothing."""
    return f"must be {must}; got {value!r}" if must else ""


def require(ok: bool, owner: object, field: str, must: str) -> None:
    """Raise `BadField` unless `ok`: "Adam.beta1 must be in [0, 1); got 1.0"."""
    if not ok:
        raise BadField(owner, field, must)


def check_fields(record: Any) -> None:
    """Raise `BadField` for the first field whose value its annotation does not allow."""
    for field, kind in value_kinds(type(record)).items():
        value = getattr(record, field)
        must = kind.must_be(value)
        if must:
            raise BadField(record, field, must)
        if type(value) is float and isinstance(kind, Number) and kind.integer:
            object.__setattr__(record, field, int(value))  # 10.0 is as good as 10, but neither counts nor slices


class Rule:
    """Base of the rules that have fields, which are checked when a rule is built. A rule whose fields bound each other
    adds a `require` to `__post_init__` and names the fields in `TOGETHER`."""

    TOGETHER: ClassVar[tuple[tuple[str, ...], ...]] = ()

    def __post_init__(self) -> None:
        check_fields(self)


def preset(rule: type, library: str, **changes: Any) -> Any:
    """The rule with the defaults of a library (a name in its `PRESETS`), and these changes: `preset(Adam, "keras")`.

    Raises `BadInput` with the names there are.
    """
    known = getattr(rule, "PRESETS", {})
    if library not in known:
        listed = ", ".join(known) or "none for this rule"
        raise BadInput(f"preset {library!r} of {rule_name(rule)}", expected=f"one of: {listed}")
    return rule(**{**known[library], **changes})


def rule_name(rule: Any) -> str:
    """The name that recipe files use for a rule or its class: LeakyReLU -> leaky_relu, RMSProp -> rmsprop."""
    cls = rule if isinstance(rule, type) else type(rule)
    given = getattr(cls, "NAME", None)
    return given if given else re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", cls.__name__).lower()


def main_field(rule: type) -> str | None:
    """The field that `{name: value}` sets: the one that the rule names as `MAIN`, or its only one."""
    fields = [field.name for field in dataclasses.fields(rule)]
    return getattr(rule, "MAIN", fields[0] if len(fields) == 1 else None)


def sections(rule: type) -> dict[str, str]:
    """A rule's docstring: "" for what stands first, then each of SECTIONS that it has, as text of one line."""
    found, at = {"": ""}, ""
    for line in inspect.cleandoc(rule.__doc__ or "").splitlines():
        word, colon, rest = line.partition(":")
        if colon and word in SECTIONS:
            at, line = word, rest
        found[at] = f"{found.get(at, '')} {line.strip()}".strip()
    return found


def numbers(rule: Any) -> tuple[Any, ...]:
    """The numbers (and options) of a rule in the order of its fields: what its formula takes behind the tensor."""
    return tuple(getattr(rule, field.name) for field in dataclasses.fields(rule))
