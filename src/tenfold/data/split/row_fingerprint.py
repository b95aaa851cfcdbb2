"""Recognizing rows again in another run: whatever columns are used, and whatever their order.

Two runs on one file may leave out different columns, or a file may have got another column since; the rows are the
same, and who has scored a model on them has seen them. So rows are recognized by all columns that were read, each by
the values in it. One column that is equal may be a coincidence, as with classes of fixed shares: every column therefore
counts by how unlikely that is.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from tenfold.data.columns.table import Column, Table
from tenfold.data.read.images import Images
from tenfold.data.read.tensor_rows import TensorRows

Array = np.ndarray
BITS = 32.0  # of evidence from which equal columns are no coincidence
MOST_COLUMNS = 256  # that are remembered: those with the smallest hashes, in every run the same


@dataclass(frozen=True)
class RowFingerprint:
    """rows: how many. cells: a hash of all cells, whatever the order of rows and columns. columns: a hash of the values
    of each column that tells something, whatever their order, with the bits of evidence that an equal one is; a column
    of fixed values, or one that only counts, is none of these. place: a hash of the file and of the lines on which the
    rows stand, "" where they have no lines: it stays when the file is read in another way."""

    rows: int
    cells: str
    columns: Mapping[str, float] = field(default_factory=dict)
    place: str = ""

    @staticmethod
    def of(rows: Table | Images | TensorRows, target: str = "", source_sha: str = "") -> RowFingerprint:
        """Of rows with everything that was read of them. target: the column whose values the division has balanced.
        source_sha: the hash of their file, where it is known."""
        if isinstance(rows, Images):
            images = sorted(hashlib.sha256(np.ascontiguousarray(image).tobytes()).digest() for image in rows.pixels)
            return RowFingerprint(len(images), hashlib.sha256(b"".join(images)).hexdigest())
        if isinstance(rows, TensorRows):
            arrays = [np.ascontiguousarray(a) for _, a in sorted(rows.tensors.arrays.items())]
            parts = zip(*arrays, strict=True)
            hashes = sorted(hashlib.sha256(b"".join(part.tobytes() for part in row)).digest() for row in parts)
            return RowFingerprint(len(hashes), hashlib.sha256(b"".join(hashes)).hexdigest())
        every, found = np.zeros(rows.rows, np.uint64), dict[str, float]()
        for column in rows.columns:
            cells = _cells(column)
            every += _mixed(cells ^ _text_hash(column.name))
            bits = 0.0 if column.name == target or _counts(column) else _bits(cells)
            if bits > 0:
                found[f"{int(_mixed(cells).sum()):016x}"] = round(bits, 1)
        kept = {key: found[key] for key in sorted(found)[:MOST_COLUMNS]}
        place = ""
        if source_sha and rows.lines is not None:
            place = hashlib.sha256(source_sha.encode() + np.sort(rows.lines).astype("<i8").tobytes()).hexdigest()
        return RowFingerprint(rows.rows, hashlib.sha256(np.sort(every).tobytes()).hexdigest(), kept, place)

    def same_rows(self, other: RowFingerprint) -> bool:
        """Whether these are the same rows: they stand on the same lines of the same file, or all cells are equal, or
        more than half of the columns are, and that can be no coincidence."""
        if self.rows != other.rows:
            return False
        if self.cells == other.cells or (self.place and self.place == other.place):
            return True
        common = self.columns.keys() & other.columns.keys()
        most = 2 * len(common) > min(len(self.columns), len(other.columns))
        return most and sum(min(self.columns[key], other.columns[key]) for key in common) >= BITS

    def to_dict(self) -> dict[str, Any]:
        """As JSON."""
        return {"rows": self.rows, "cells": self.cells, "columns": dict(self.columns), "place": self.place}

    @staticmethod
    def from_dict(value: Mapping[str, Any]) -> RowFingerprint:
        """The inverse of `to_dict`."""
        return RowFingerprint(value["rows"], value["cells"], value["columns"], value.get("place", ""))


def _cells(column: Column) -> Array:
    """A number (rows,) uint64 for every cell; equal values of any kind of number have equal ones."""
    values = column.values
    if column.kind == "text":
        numbers = {value: _text_hash("\0" if value is None else value) for value in set(values)}
        return np.fromiter((numbers[value] for value in values), np.uint64, len(values))
    if column.kind == "date":
        return values.astype("datetime64[s]").astype(np.int64).view(np.uint64)
    # Adding 0 turns -0 into 0; one NaN stands for all.
    return np.where(np.isnan(values), np.nan, values + 0.0).view(np.uint64)


def _text_hash(text: str) -> np.uint64:
    digest = hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8).digest()
    return np.uint64(int.from_bytes(digest, "little"))


def _mixed(x: Array) -> Array:
    """Each number scattered over all 64 bits (the finalizer of splitmix64; Steele, Lea and Flood 2014)."""
    x = x + np.uint64(0x9E3779B97F4A7C15)
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return x ^ (x >> np.uint64(31))


def _counts(column: Column) -> bool:
    """Whether the values only grow or fall from row to row, as numbers of rows and times do: two files may share them
    that have nothing else in common."""
    values = column.values
    if column.missing.any() or len(values) < 2:
        return False
    following, before = values[1:], values[:-1]
    return bool((following > before).all() or (following < before).all())


def _bits(cells: Array) -> float:
    """How unlikely it is, in bits, that as many other rows of the same kind have the same values: the chance that two
    samples of a multinomial distribution are equal, by its normal approximation."""
    counts = np.unique(cells, return_counts=True)[1]
    rows = len(cells)
    if len(counts) < 2:
        return 0.0
    shares = np.log2(counts / rows).sum()
    return max(0.0, 0.5 * float((len(counts) - 1) * math.log2(4 * math.pi * rows) + shares))
