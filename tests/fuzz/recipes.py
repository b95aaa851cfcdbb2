"""Random recipes and spaces as plain data: from the grammar of the fields, with absurd values among them."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction
from typing import Any

import numpy as np
from hypothesis import strategies as st

from tenfold.recipe import Recipe
from tenfold.recipe.grammar.field_kinds import Either, Family, FieldKind, Fields, LayerList, kinds
from tenfold.rules.fields import Flag, Number, SizeList, Words

PLAIN_ABSURD: tuple[Any, ...] = (
    *(None, True, False, 0, -1, 1, 2, 10**19, -(10**400), 0.0, -0.0, 0.5, 1e-320, 1.8e308, float("nan"), -float("inf")),
    *(
        "",
        " ",
        "adam",
        "relu",
        "auto",
        "full",
        "1e-3",
        "1_0",
        "nan",
        "0x10",
        "Ünï",
        "a\nb",
        "\x07",
        "*",
        "&a",
        "x" * 300,
    ),
    *("'", "- a", "{", "#", "!!python/object:os.system", "9" * 5000, "1e999", "null", "~", "yes", "\ud800"),
    *([], [[]], {}, [1, 2], [None], {"": {}}, {"adam": None}, {"lr": 1}, {"uniform": [0, 1]}, {"log_uniform": [1, 0]}),
    *({"int_log_uniform": [1, 10**30]}, {"uniform": [float("nan"), 1]}, {"uniform": 3}, [{"uniform": [0, 1]}, 3]),
)
PYTHON_ABSURD: tuple[Any, ...] = (
    *(b"adam", (), (1, 2), {1}, {1: 2}, {None: 1}, {(1, 2): 3}, 1j, object, object(), range(3), Recipe, Recipe()),
    *(np.float64(0.5), np.float32("nan"), np.int64(3), np.bool_(True), np.array(3), np.array([1, 2]), np.array([])),
    *(Decimal("0.5"), Decimal("NaN"), Fraction(1, 3), len, np.str_("adam")),
)
NUMBERS = (0, 1, 2, 8, 64, 0.1, 0.5, 0.9, 0.999, 1e-3, 1.5, 10, "1e-2")


def values(kind: FieldKind, absurd: st.SearchStrategy[Any], depth: int = 0) -> st.SearchStrategy[Any]:
    """What may stand in a field of this kind, and at times what may not."""
    match kind:
        case Flag():
            right: st.SearchStrategy[Any] = st.booleans()
        case Words(words):
            right = st.sampled_from(words)
        case Number():
            right = st.sampled_from([*NUMBERS, *kind.words, *([None] if kind.optional else [])])
        case SizeList():
            right = st.lists(st.sampled_from([1, 3, 64, 4096]), max_size=3)
        case Fields(record):
            right = st.deferred(lambda: mappings(record, absurd, depth + 1))
        case Either(records):
            right = st.one_of([st.deferred(lambda r=r: mappings(r, absurd, depth + 1)) for r in records])
        case LayerList(layer):
            layers = st.deferred(lambda: values(layer, absurd, depth + 1))
            right = st.lists(layers, max_size=3) if depth < 4 else st.just([])
        case Family():
            named = [
                st.deferred(lambda name=name, r=r: mappings(r, absurd, depth + 1).map(lambda fields: {name: fields}))
                for name, r in kind.members.items()
            ]
            main = st.builds(lambda name, number: {name: number}, st.sampled_from(kind.names), st.sampled_from(NUMBERS))
            right = st.sampled_from(kind.names) | main | st.one_of(named)
    # Nine values in ten are of the right kind, or hardly a recipe would be accepted.
    return st.integers(0, 9).flatmap(lambda dice: absurd if dice == 9 else right)


def mappings(record: type, absurd: st.SearchStrategy[Any], depth: int = 0) -> st.SearchStrategy[Any]:
    """Some of the fields of a record; at times one that it does not have."""
    fields = kinds(record)
    named = st.lists(st.sampled_from([*fields]), max_size=2 if depth else 4, unique=True) if fields else st.just([])
    known = named.flatmap(lambda names: st.fixed_dictionaries({n: values(fields[n], absurd, depth) for n in names}))
    other = st.builds(
        lambda data, name, value: {**data, name: value}, known, st.sampled_from(["lr", "Epochs", "x"]), absurd
    )
    return st.integers(0, 19).flatmap(lambda dice: other if dice == 19 else known)


def choices(data: Any) -> st.SearchStrategy[Any]:
    """The same with some of its values as one option of two, as a space may have."""
    if isinstance(data, dict) and data:
        return st.fixed_dictionaries({name: choices(value) for name, value in data.items()})
    return st.sampled_from([data, data, [data, data], [data, 0.25], {"uniform": [0.1, 0.2]}])


plain = mappings(Recipe, st.sampled_from(PLAIN_ABSURD))
python = mappings(Recipe, st.sampled_from(PLAIN_ABSURD + PYTHON_ABSURD))
spaces = plain.flatmap(choices)
