"""Whether the content of a bundle is a model: right hashes say that nothing was changed since, not that it fits.

Everything that prediction relies on is compared with what the recipe and the schema ask for, before it is used.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from tenfold.data.columns.schema import Schema
from tenfold.data.columns.table import Table, blank_column
from tenfold.data.feed.encode import make_inputs
from tenfold.data.feed.level_rows import table_rows
from tenfold.data.feed.tensors import TensorShapes
from tenfold.engine.plan.network import plan_network
from tenfold.engine.plan.size import Size
from tenfold.errors import Corrupt
from tenfold.recipe.module import Module
from tenfold.recipe.recipe import Recipe

Array = np.ndarray
RUNNING = ("running_mean", "running_var")


def check_spec(spec: Any, schema: Schema | None, where: str) -> None:
    """Raise `Corrupt` unless `spec` has classes that fit the schema, and counts."""
    wanted = {"recipe", "classes", "epochs", "updates"}
    more = {"images", "members", "parts", "temperature", "tensors", "outputs"}
    if not isinstance(spec, dict) or not wanted <= set(spec) <= wanted | more:
        raise Corrupt("the fields are not those of a model", file=where)
    classes = spec["classes"]
    labels = isinstance(classes, list) and all(isinstance(label, str | int | float) for label in classes)
    if not labels or len(set(classes)) < len(classes) or len(classes) == 1:
        raise Corrupt("the classes are no list of two or more different labels", file=where)
    if schema is not None and (schema.task == "classification") != bool(classes):
        raise Corrupt(f"{len(classes)} classes, where the schema says {schema.task}", file=where)
    if schema is not None and schema.classes and len(schema.classes) != len(classes):
        raise Corrupt(f"{len(classes)} classes, where the schema has {len(schema.classes)}", file=where)
    _check_trained(spec, where)
    if type(spec.get("outputs", 1)) is not int or spec.get("outputs", 1) < 0:
        raise Corrupt(f"the outputs are {spec['outputs']!r:.40}", file=where)
    temperature = spec.get("temperature", 1.0)
    if not _is_number(temperature) or not 1e-3 < temperature < 1e3 or ("temperature" in spec and not classes):
        raise Corrupt(f"the temperature is {temperature!r:.40}", file=where)


def check_parts(spec: Any, members: int, where: str) -> list[dict[str, Any]]:
    """For each member what it has of a model with that spec: `recipe`, `epochs`, `updates`, and in a blend its `share`.
    Raises `Corrupt` unless the parts of a blend are as many members as there are."""
    if "parts" not in spec:
        return [spec] * members
    wanted, parts = {"members", "share", "recipe", "epochs", "updates"}, spec["parts"]
    if not isinstance(parts, list) or not all(isinstance(part, dict) and set(part) == wanted for part in parts):
        raise Corrupt("the parts of the blend have other fields", file=where)
    for part in parts:
        _check_trained(part, where)
        if not _is_number(part["share"]) or part["share"] <= 0:
            raise Corrupt(f"the share of a part is {part['share']!r:.40}", file=where)
        if type(part["members"]) is not int or part["members"] < 1:
            raise Corrupt(f"a part has {part['members']!r:.40} members", file=where)
    found = [part for part in parts for _ in range(min(part["members"], members + 1))]
    if len(found) != members:
        raise Corrupt(f"the parts of the blend are not of {members} members", file=where)
    return found


def _check_trained(spec: Any, where: str) -> None:
    for name in ("epochs", "updates"):
        if not _is_number(spec[name]) or spec[name] < 0:
            raise Corrupt(f"{name} is {spec[name]!r:.40}", file=where)


def check_member(
    recipe: Recipe,
    outputs: int,
    image: tuple[int, int, int] | None,
    schema: Schema | None,
    stored: tuple[Mapping[str, Array], Any, Mapping[str, Array]],
    where: str,
    tensors: TensorShapes | None = None,
) -> None:
    """Raise `Corrupt` unless weights, settings and arrays of a member (`stored`) are those of such a network. tensors:
    that a user's module takes in place of columns."""
    weights, settings, arrays = stored
    width = _check_preprocess(settings, arrays, where, least=0 if tensors is not None else 1)
    if tensors is not None:
        if width or schema is not None or image is not None or not isinstance(recipe.network, Module):
            raise Corrupt("columns beside tensors", file=where)
        _check_weights(weights, _shapes(recipe, Size(1, outputs, tensors=tensors)), where)
        return
    if schema is not None:
        _check_columns(arrays, schema, where)
    elif "slots0" in arrays and f"slots{len(_integer_values(arrays))}" in arrays:
        raise Corrupt("categories without a schema of their columns", file=where)
    if image is not None and (width != math.prod(image) or len(arrays["medians"]) != width):
        raise Corrupt(f"{width} inputs, where the images have {math.prod(image)} numbers", file=where)
    numbers = len(arrays["medians"])
    columns = settings.get("columns", width)
    if type(columns) is not int or columns < width or (columns > width and not isinstance(recipe.network, Module)):
        raise Corrupt(f"{columns!r:.40} columns of which {width} have a meaning", file=where)
    tables = tuple(table_rows(len(arrays[name])) for name in _level_rows(arrays))
    _check_weights(weights, _shapes(recipe, Size(columns, outputs, image, numbers, tables=tables)), where)


def _check_preprocess(settings: Any, arrays: Mapping[str, Array], where: str, *, least: int = 1) -> int:
    """The number of inputs of the network."""
    if not isinstance(settings, dict) or set(settings) - {"target_bounds", "columns"} != {"width", "target_scale"}:
        raise Corrupt("the settings of the preprocessing have other fields", file=where)
    width, scale = settings["width"], settings["target_scale"]
    if type(width) is not int or width < least:
        raise Corrupt(f"the width is {width!r:.40}", file=where)
    several = isinstance(scale, list) and all(isinstance(part, list) and part for part in scale)
    numbers_of_scale = [number for part in scale for number in part] if several else scale
    if not isinstance(scale, list) or len(scale) != 2 or not all(map(_is_number, numbers_of_scale)):
        raise Corrupt(f"the scale of the target is {scale!r:.60}", file=where)
    bounds = settings.get("target_bounds", [0, 0])
    if not isinstance(bounds, list) or len(bounds) != 2 or not all(map(_is_number, bounds)) or bounds[0] > bounds[1]:
        raise Corrupt(f"the bounds of the target are {bounds!r:.60}", file=where)
    slots = sorted((name for name in arrays if name.startswith("slots")), key=lambda name: (len(name), name))
    wanted = {"medians", "indicators", "shift", "scale"}
    more = {
        "rotation",
        "limit",
        "knots",
        "heights",
        "integer_columns",
        "mean_categories",
        "embedded_categories",
        *_integer_values(arrays),
        *_mean_tables(arrays),
        *_level_rows(arrays),
    }
    known = {*wanted, *slots, *more}
    if slots != [f"slots{j}" for j in range(len(slots))] or not wanted <= set(arrays) <= known:
        raise Corrupt("the arrays of the preprocessing are others", file=where)
    for name in ("medians", "shift", "scale"):
        _check_array(arrays[name], name, "f", (None,), where)
    for name in ("indicators", *slots):
        _check_array(arrays[name], name, "iu", (None,), where)
    numbers, indicators, columns = len(arrays["medians"]), arrays["indicators"], len(arrays["shift"])
    if indicators.size and not (indicators.min() >= 0 and indicators.max() < numbers):
        raise Corrupt("an indicator is of no column", file=where)
    places = np.unique(np.concatenate([np.zeros(0, np.int64), *(arrays[name] for name in slots)]))
    embedded = len(_level_rows(arrays))
    behind = np.arange(numbers + embedded + len(indicators), width)
    if not np.array_equal(places, np.concatenate([np.arange(numbers, numbers + embedded), behind])):
        raise Corrupt(f"the columns and categories do not fill {width} inputs", file=where)
    if columns > width or len(arrays["scale"]) != columns or not arrays["scale"].all():
        raise Corrupt(f"the preprocessing does not fit {width} inputs", file=where)
    if "rotation" in arrays:
        _check_array(arrays["rotation"], "rotation", "f", (columns, columns), where)
    if "integer_columns" in arrays:
        _check_integers(arrays, slots, where)
    if "mean_categories" in arrays:
        _check_means(arrays, slots, where)
    if "embedded_categories" in arrays:
        _check_levels(arrays, slots, where)
    if "knots" in arrays or "heights" in arrays:
        _check_lines(arrays, columns, where)
    if "limit" in arrays:
        _check_array(arrays["limit"], "limit", "f", (columns,), where)
        if (arrays["limit"] <= 0).any():
            raise Corrupt("a limit of the preprocessing is not positive", file=where)
    return width


def _check_lines(arrays: Mapping[str, Array], columns: int, where: str) -> None:
    """What the lines of a preprocessing are stored as: of each column its knots, in rising order, and their heights."""
    if not {"knots", "heights"} <= set(arrays):
        raise Corrupt("the lines of the preprocessing are not whole", file=where)
    for name in ("knots", "heights"):
        _check_array(arrays[name], name, "f", (columns, None), where)
    if arrays["knots"].shape != arrays["heights"].shape or arrays["knots"].shape[1] < 2:
        raise Corrupt("the lines of the preprocessing are no points", file=where)
    if (np.diff(arrays["knots"], axis=1) < 0).any():
        raise Corrupt("the knots of the preprocessing do not rise", file=where)


def _check_columns(arrays: Mapping[str, Array], schema: Schema, where: str) -> None:
    """The arrays of the preprocessing are for the columns of the schema."""
    blank = tuple(blank_column(column.name, column.cell_kind, 0) for column in schema.used)
    inputs = make_inputs(Table("none", where, blank), schema)
    sizes = [len(arrays[f"slots{j}"]) for j in range(len(arrays)) if f"slots{j}" in arrays]
    sizes = sizes[: len(sizes) - len(_integer_values(arrays))]  # those are categories beside their numbers
    means = sum(arrays[name].shape[1] for name in _mean_tables(arrays))
    if len(arrays["medians"]) - means != inputs.numbers.shape[1] or sizes != list(inputs.sizes):
        raise Corrupt("the preprocessing is not for the columns of the schema", file=where)


def _integer_values(arrays: Mapping[str, Array]) -> list[str]:
    """The names of the arrays that hold the values of integers which are categories too, in order."""
    return _numbered("integer_values", "integer_columns", arrays)


def _mean_tables(arrays: Mapping[str, Array]) -> list[str]:
    """The names of the arrays that hold the mean targets of levels, in order."""
    return _numbered("means", "mean_categories", arrays)


def _level_rows(arrays: Mapping[str, Array]) -> list[str]:
    """The names of the arrays that hold the rows of the levels of embedded categories, in order."""
    return _numbered("level_rows", "embedded_categories", arrays)


def _numbered(name: str, of: str, arrays: Mapping[str, Array]) -> list[str]:
    count = arrays[of].size if of in arrays else 0
    return [f"{name}{i}" for i in range(min(count, len(arrays)))]


def _check_integers(arrays: Mapping[str, Array], slots: Sequence[str], where: str) -> None:
    """What integers that are categories too are stored as: columns, and of each its values, in rising order."""
    columns, values = arrays["integer_columns"], _integer_values(arrays)
    _check_array(columns, "integer_columns", "iu", (None,), where)
    if not values or len(values) != len(columns) or len(set(columns.tolist())) < len(columns):
        raise Corrupt("the integers that are categories are no list of columns", file=where)
    if columns.min() < 0 or columns.max() >= len(arrays["medians"]) or len(values) > len(slots):
        raise Corrupt("integers of no column are categories", file=where)
    for name, slot in zip(values, slots[-len(values) :], strict=True):
        if name not in arrays:
            raise Corrupt(f"{name} is missing", file=where)
        _check_array(arrays[name], name, "f", (None,), where)
        if len(arrays[slot]) != len(arrays[name]) + 2 or not (np.diff(arrays[name]) > 0).all():
            raise Corrupt(f"{name} does not fit its category", file=where)


def _check_means(arrays: Mapping[str, Array], slots: Sequence[str], where: str) -> None:
    """What mean targets of levels are stored as: categories, and of each the means of its codes."""
    categories, tables = arrays["mean_categories"], _mean_tables(arrays)
    _check_array(categories, "mean_categories", "iu", (None,), where)
    if not tables or len(tables) != len(categories) or categories.min() < 0 or categories.max() >= len(slots):
        raise Corrupt("mean targets are of no category", file=where)
    for name, category in zip(tables, categories.tolist(), strict=True):
        if name not in arrays:
            raise Corrupt(f"{name} is missing", file=where)
        _check_array(arrays[name], name, "f", (len(arrays[f"slots{category}"]), None), where)
    if sum(arrays[name].shape[1] for name in tables) > len(arrays["medians"]):
        raise Corrupt("there are more mean targets than numbers", file=where)


def _check_levels(arrays: Mapping[str, Array], slots: Sequence[str], where: str) -> None:
    """What embedded categories are stored as: their numbers, of each the rows of its codes, and a column that is its
    own."""
    categories, names, numbers = arrays["embedded_categories"], _level_rows(arrays), len(arrays["medians"])
    _check_array(categories, "embedded_categories", "iu", (None,), where)
    rising = bool((np.diff(categories) > 0).all())
    if not names or len(names) != len(categories) or not rising or categories[0] < 0 or categories[-1] >= len(slots):
        raise Corrupt("the embedded categories are no categories", file=where)
    first = 0
    for place, (name, category) in enumerate(zip(names, categories.tolist(), strict=True)):
        codes = arrays[f"slots{category}"]
        if name not in arrays:
            raise Corrupt(f"{name} is missing", file=where)
        _check_array(arrays[name], name, "iu", (len(codes),), where)
        behind = first + table_rows(len(codes))
        if arrays[name].min() < first or arrays[name].max() >= behind or (codes != numbers + place).any():
            raise Corrupt(f"{name} does not fit its category", file=where)
        first = behind
    others = [arrays[name] for j, name in enumerate(slots) if j not in categories]
    if any(codes.min() < numbers + len(names) for codes in others):
        raise Corrupt("a category has the column of an embedded one", file=where)


def _shapes(recipe: Recipe, size: Size) -> dict[str, tuple[int, ...]]:
    """The weights of a network, see `Pack.parameters`: shapes by name."""
    shapes: dict[str, tuple[int, ...]] = {}
    for number, step in enumerate(plan_network(recipe.network, size)):
        for slot in step.op.slots():
            shapes[f"{number}.{slot.kind}"] = slot.size[1:] if slot.is_vector else slot.size
        if step.op.moment_width:
            shapes |= {f"{number}.{name}": shapes[f"{number}.gamma"] for name in RUNNING}
    return shapes


def _check_weights(weights: Mapping[str, Array], shapes: Mapping[str, tuple[int, ...]], where: str) -> None:
    if set(weights) != set(shapes):
        other = sorted(set(weights) ^ set(shapes))[0]
        raise Corrupt(f"the weights are not those of the recipe's network, such as {other!r:.60}", file=where)
    for name, shape in shapes.items():
        _check_array(weights[name], name, "f", shape, where)
        if name.endswith(".running_var") and (weights[name] < 0).any():
            raise Corrupt(f"{name} has a negative variance", file=where)
    if len({array.dtype for array in weights.values()}) > 1:
        raise Corrupt("the weights are of different types", file=where)


def _check_array(array: Array, name: str, kinds: str, shape: tuple[int | None, ...], where: str) -> None:
    fits = len(shape) == array.ndim and all(n in (None, size) for n, size in zip(shape, array.shape, strict=True))
    if array.dtype.kind not in kinds or array.dtype == np.float16 or not fits:
        raise Corrupt(f"{name} is of shape {array.shape} and type {array.dtype}", file=where)
    if not np.isfinite(array).all():
        raise Corrupt(f"{name} has numbers that are not finite", file=where)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
