"""From typed columns to the numbers that a network takes, fitted on the training rows of each fold.

`Inputs` holds every row once: numbers with NaN for missing cells (or the pixels of images, as bytes), and categories
as codes. An `Encoding` is what one training part decides: medians, missing indicators, and which code goes to which
input column. Levels that are absent or rare in its training rows share the unknown slot. Nothing in it depends on any
other row.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from tenfold.data.columns.in_threads import for_each
from tenfold.data.feed.tensors import GivenTensors
from tenfold.errors import BadInput

if TYPE_CHECKING:
    from tenfold.data.columns.schema import Schema
    from tenfold.data.columns.table import Table

Array = np.ndarray
MAX_LEVELS = 64  # levels of one category with an input column of their own
LEAST_LEVELS = 9  # of a large category; fewer are told apart by their one-hot columns
STACKED_ROWS = 4096
SMALL_UNIT = 16.0  # floats up to it are in a unit that networks train well in
DAY, WEEK, YEAR = 1.0, 7.0, 365.2425  # periods of the cyclic parts of a date, in days


@dataclass(frozen=True)
class PixelRange:
    """The least and the greatest value of the training images, which become 0 and 1, where pixels are no bytes.

    bits: 16 for image files of so many, in which the values of files of 8 bits count 257-fold; else 0."""

    low: float
    high: float
    bits: int = 0

    def __post_init__(self) -> None:
        if (
            not np.isfinite([self.low, self.high, self.high - self.low]).all()
            or self.low > self.high
            or self.bits not in (0, 16)
        ):
            raise BadInput(f"pixels from {self.low} to {self.high} of {self.bits} bits", expected="a finite range")

    @staticmethod
    def of(pixels: Array, bits: int = 0) -> PixelRange | None:
        """The range of these pixels; None for bytes, and for floats that are in a small unit already."""
        if pixels.dtype == np.uint8 or not pixels.size:
            return None
        low, high = float(pixels.min()), float(pixels.max())
        return PixelRange(low, high, bits) if bits or max(-low, high) > SMALL_UNIT else None

    def scaled(self, pixels: Array) -> Array:
        """The pixels with this range as 0 to 1."""
        return (pixels - self.low) / ((self.high - self.low) or 1.0)


@dataclass(frozen=True)
class Inputs:
    """All rows, once: numbers (rows, numeric columns) float64 with NaN; codes (rows, categories) int64.

    Code c of category j is in [0, sizes[j]): one for each level of the schema, then "missing", then "unseen".
    own_flag: which numeric columns may have a missing indicator (the parts of one date share one). image: (height,
    width, channels) where the numeric columns are the pixels of an image, in that order, and there are no others; then
    no cell is missing, and numbers may be uint8, which mean value / 255 (see `values`). pixel_range: what other pixels
    were scaled by; None where they are as they were given. tensors: what only a user's module takes; then there are no
    columns.
    """

    numbers: Array
    codes: Array
    names: tuple[str, ...]
    sizes: tuple[int, ...]
    categories: tuple[str, ...]
    own_flag: Array
    image: tuple[int, int, int] | None = None
    pixel_range: PixelRange | None = None
    tensors: GivenTensors | None = None

    def __post_init__(self) -> None:
        columns, dtype = self.numbers.shape[1], self.numbers.dtype
        if self.image is not None and (int(np.prod(self.image)) != columns or self.sizes):
            raise BadInput(f"{columns} numbers and {len(self.sizes)} categories are no image of {self.image} pixels")
        if dtype != np.float64 and (dtype != np.uint8 or self.image is None):
            raise BadInput(f"numbers of type {dtype}", expected="float64, or uint8 for the pixels of images")

    @property
    def rows(self) -> int:
        return len(self.numbers)

    def values(self, rows: Array | slice = slice(None)) -> Array:
        """The numbers of some rows as float64 (rows, numeric columns); pixels in bytes become [0, 1]."""
        numbers = self.numbers[rows]
        return numbers / 255.0 if numbers.dtype == np.uint8 else numbers

    @property
    def large_categories(self) -> list[int]:
        """The categories of so many levels that recipes may take them otherwise; two codes of each are missing and
        unseen."""
        return [category for category, size in enumerate(self.sizes) if size - 2 >= LEAST_LEVELS]

    def take(self, rows: Array | slice) -> Inputs:
        """The same columns for some rows."""
        tensors = None if self.tensors is None else self.tensors.take(rows)
        return replace(self, numbers=self.numbers[rows], codes=self.codes[rows], tensors=tensors)


def matrix_inputs(x: Array) -> Inputs:
    """Inputs of a plain numeric matrix (rows, columns)."""
    x = np.require(x, np.float64, ["C", "W"])  # torch shares no memory that is read-only
    names = tuple(f"x{column}" for column in range(x.shape[1]))
    return Inputs(x, np.zeros((len(x), 0), np.int64), names, (), (), np.ones(x.shape[1], bool))


def tensor_inputs(tensors: GivenTensors) -> Inputs:
    """Inputs that only a user's module takes."""
    none = matrix_inputs(np.zeros((tensors.rows, 0)))
    return replace(none, tensors=tensors)


def pixel_inputs(pixels: Array, pixel_range: PixelRange | None = None) -> Inputs:
    """Inputs of images (rows, height, width, channels), uint8 or float64, scaled by the range."""
    if pixel_range is not None:
        pixels = pixel_range.scaled(pixels)
    rows, height, width, channels = pixels.shape
    count = height * width * channels
    numbers = np.require(pixels.reshape(rows, count), None, ["C", "W"])
    names = tuple(f"p{pixel}" for pixel in range(count))
    return Inputs(
        numbers,
        np.zeros((rows, 0), np.int64),
        names,
        (),
        (),
        np.zeros(count, bool),
        (height, width, channels),
        pixel_range,
    )


def make_inputs(table: Table, schema: Schema) -> Inputs:
    """Inputs of a table whose columns are the used columns of the schema (see `conform`), in its order."""
    numbers: list[Array] = []
    names: list[str] = []
    flags: list[bool] = []
    codes: list[Array] = []
    sizes: list[int] = []
    categories: list[str] = []
    for column in (c for c in schema.columns if c.used):
        values = table.column(column.name).values
        if column.kind == "category":
            codes.append(_codes(values, column.levels))
            sizes.append(len(column.levels) + 2)
            categories.append(column.name)
        elif column.kind == "date":
            for part, part_values in date_parts(values).items():
                numbers.append(part_values)
                names.append(f"{column.name}.{part}")
                flags.append(part == "days")
        else:
            numbers.append(np.asarray(values, np.float64))
            names.append(column.name)
            flags.append(True)
    return Inputs(
        side_by_side(numbers, table.rows, np.float64),
        side_by_side(codes, table.rows, np.int64),
        tuple(names),
        tuple(sizes),
        tuple(categories),
        np.array(flags, bool),
    )


def side_by_side(columns: Sequence[Array], rows: int, dtype: type) -> Array:
    """The columns as a matrix (rows, columns), filled some rows at a time: those stay in the processor's cache."""
    matrix = np.empty((rows, len(columns)), dtype)
    for start in range(0, rows, STACKED_ROWS):
        part = slice(start, start + STACKED_ROWS)
        for j, column in enumerate(columns):
            matrix[part, j] = column[part]
    return matrix


def _codes(values: Array, levels: tuple[str, ...]) -> Array:
    """Index of each value among the levels; missing and unseen values get the two codes after them."""
    index: dict[Any, int] = {level: code for code, level in enumerate(levels)}
    index[None] = len(levels)
    return np.fromiter((index.get(value, len(levels) + 1) for value in values), np.int64, len(values))


def date_parts(values: Array) -> dict[str, Array]:
    """Numeric parts of datetime64[s] values: days since 1970, and sine and cosine of the time in year, week, day."""
    seconds = values.astype("datetime64[s]").astype(np.int64).astype(np.float64)
    days = np.where(np.isnat(values), np.nan, seconds / 86400)
    parts = {"days": days}
    for name, period in (("year", YEAR), ("week", WEEK), ("day", DAY)):
        angle = 2 * np.pi * (days % period) / period
        parts[f"{name}_sin"], parts[f"{name}_cos"] = np.sin(angle), np.cos(angle)
    return parts


class LevelRows(NamedTuple):
    """Of an embedded category (its place among the codes) the row of each code, (codes,), in the tables of all of them,
    which lie one below the other. See `with_level_rows`."""

    category: int
    rows: Array


@dataclass(frozen=True)
class Encoding:
    """What one training part decided about the input columns. Input columns are: the numbers, a row of a table for each
    embedded category, the missing indicators, then for each other category its own levels and its unknown slot.

    medians (numeric columns,); indicators: the numeric columns that have one; slots: one array for each
    category, from code to input column; width: number of input columns; levels: of the embedded categories.
    """

    medians: Array
    indicators: Array
    slots: tuple[Array, ...]
    width: int
    levels: tuple[LevelRows, ...] = ()

    def matrix(self, inputs: Inputs, rows: Array | slice = slice(None)) -> Array:
        """The encoded rows (rows, width) float64, before the recipe's preprocessing."""
        numbers = inputs.values(rows)
        if inputs.image is not None:
            # The caller writes into it, so it may not be a view of the data.
            return numbers if numbers.base is None else numbers.copy()
        missing = np.isnan(numbers)
        out = np.zeros((len(numbers), self.width))
        count = numbers.shape[1]
        out[:, :count] = np.where(missing, self.medians, numbers)
        behind = count + len(self.levels)
        out[:, behind : behind + len(self.indicators)] = missing[:, self.indicators]
        for category, slots in enumerate(self.slots):
            out[np.arange(len(out)), slots[inputs.codes[rows, category]]] = 1.0
        for place, (category, level_rows) in enumerate(self.levels):
            out[:, count + place] = level_rows[inputs.codes[rows, category]]
        return out


def fit_encodings(inputs: Inputs, parts: Sequence[Array]) -> tuple[Encoding, ...]:
    """The encoding that the training rows of each part decide (see `fit_encoding`)."""
    count = inputs.numbers.shape[1]
    medians, gaps = np.zeros((len(parts), count)), np.zeros((len(parts), count), bool)

    def decide(column: int) -> None:
        # A column of its own is read far faster by many parts than one of a matrix.
        numbers = np.ascontiguousarray(inputs.numbers[:, column])
        for part, train in enumerate(parts):
            values = numbers[train]
            missing = np.isnan(values)
            gaps[part, column] = missing.any()
            present = values[~missing] if gaps[part, column] else values
            # Of every column, also of those without a gap here: a scored row may be the first with one.
            medians[part, column] = np.median(present) if len(present) else 0.0

    for_each(decide, range(0 if inputs.image is not None else count), inputs.rows)
    fitted = zip(parts, medians, gaps, _level_counts(inputs, parts), strict=True)
    return tuple(_encoding(inputs, *decided) for decided in fitted)


def fit_encoding(inputs: Inputs, train: Array) -> Encoding:
    """The encoding that the training rows decide; images are taken as they are."""
    return fit_encodings(inputs, [train])[0]


def _encoding(inputs: Inputs, train: Array, medians: Array, gaps: Array, counts: Sequence[Array]) -> Encoding:
    count = len(medians)
    indicators = np.flatnonzero(gaps & inputs.own_flag)
    slots, width = _slots(counts, len(train), count + len(indicators))
    return Encoding(medians, indicators, slots, width)


def with_more_numbers(encoding: Encoding, medians: Array) -> Encoding:
    """The encoding with more numbers, the last ones, which are never missing: by their medians."""
    return replace(
        encoding,
        medians=np.concatenate([encoding.medians, medians]),
        slots=tuple(slots + len(medians) for slots in encoding.slots),
        width=encoding.width + len(medians),
    )


def with_more_categories(encodings: Sequence[Encoding], inputs: Inputs, parts: Sequence[Array]) -> tuple[Encoding, ...]:
    """The encodings of inputs that have more categories, the last ones, than those that were encoded."""
    result: list[Encoding] = []
    counted = _level_counts(inputs, parts, first=len(encodings[0].slots))
    for encoding, train, counts in zip(encodings, parts, counted, strict=True):
        slots, width = _slots(counts, len(train), encoding.width)
        result.append(replace(encoding, slots=(*encoding.slots, *slots), width=width))
    return tuple(result)


def _level_counts(inputs: Inputs, parts: Sequence[Array], first: int = 0) -> list[tuple[Array, ...]]:
    """Of each part, and each category from number `first` on, how many of its rows have each code (codes,)."""

    def count(category: int) -> list[Array]:
        # As with medians, a column of its own is read far faster by many parts than one of a matrix.
        codes, size = np.ascontiguousarray(inputs.codes[:, category]), inputs.sizes[category]
        return [np.bincount(codes[train], minlength=size) for train in parts]

    counts = for_each(count, range(first, len(inputs.sizes)), inputs.rows)
    return [tuple(of_parts[part] for of_parts in counts) for part in range(len(parts))]


def frequent_codes(seen: Array, least: int, most: int) -> Array:
    """The codes with at least so many training rows, at most so many codes, in order. seen: rows of each code of a
    category; the last is that of values outside the schema, which are no level."""
    known = seen[:-1]
    frequent = np.flatnonzero(known >= least)
    return np.sort(frequent[np.argsort(-known[frequent], kind="stable")][:most])


def _slots(counts: Sequence[Array], rows: int, width: int) -> tuple[tuple[Array, ...], int]:
    """The slots of categories with these counts among so many training rows, behind so many input columns; and how many
    columns there are then."""
    least = max(2, min(10, round(0.005 * rows)))
    slots: list[Array] = []
    for seen in counts:
        frequent = frequent_codes(seen, least, MAX_LEVELS)
        slot = np.full(len(seen), width + len(frequent))
        slot[frequent] = width + np.arange(len(frequent))
        slots.append(slot)
        width += len(frequent) + 1
    return tuple(slots), width
