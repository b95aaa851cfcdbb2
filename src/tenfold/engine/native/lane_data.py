"""What compiled lanes share of the data: encoded rows, batch orders, and the states of dropout's generators.

All of it is derived from (fold, purpose, epoch) and holds for every recipe, so it is made once and kept as long as
there is room. Nothing depends on what is kept: what was dropped is made again with the same bits.
"""

from __future__ import annotations

import ctypes
import threading
from collections import OrderedDict
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from tenfold.data.feed.batches import Dealing, align, deal
from tenfold.data.feed.randomness import derive
from tenfold.engine.native.library import compiled_lanes
from tenfold.engine.native.records import KEPT_BYTES, TABLE_ALIGN, SourceRecord, TargetRecord, address
from tenfold.engine.packs.rows import Feed
from tenfold.rules.preprocessing import Preprocessing


class RowSource(NamedTuple):
    """The record of a fold's rows under a preprocessing, and the arrays that it points to."""

    record: SourceRecord
    arrays: tuple[Any, ...]


class KeptBytes:
    """Arrays by key, the oldest dropped when they become too many. Several threads may ask."""

    def __init__(self, most: int) -> None:
        self.most, self.size = most, 0
        self._arrays: OrderedDict[Any, np.ndarray] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, key: Any, make: Callable[[], np.ndarray]) -> np.ndarray:
        """The array of that key; made where there is none."""
        with self._lock:
            found = self._arrays.get(key)
        if found is not None:
            return found
        made = make()
        with self._lock:
            if key not in self._arrays:
                self._arrays[key] = made
                self.size += made.nbytes
            while self.size > self.most and len(self._arrays) > 1:
                self.size -= self._arrays.popitem(last=False)[1].nbytes
        return made


def encoded(rows: RowSource, out: np.ndarray) -> np.ndarray:
    """All rows as a network gets them, into `out` (rows, at least as many numbers as a row has)."""
    encode = compiled_lanes().function("encode")
    encode(
        ctypes.byref(rows.record), len(out), ctypes.c_void_p(address(out)), out.shape[1], int(out.dtype == np.float64)
    )
    return out


class SharedSource:
    """What the lanes of one feed share."""

    def __init__(self, feed: Feed) -> None:
        self.feed = feed
        self.numbers = feed.numbers.numpy()
        self.target = np.ascontiguousarray(feed.target.numpy())
        self._orders, self._tables = KeptBytes(KEPT_BYTES), KeptBytes(KEPT_BYTES)
        self._draws = KeptBytes(KEPT_BYTES // 8)
        self._sources: dict[tuple[int, Preprocessing], RowSource] = {}
        self._lock = threading.Lock()

    def order(self, fold: int, dealing: Dealing, epoch: int) -> np.ndarray:
        """The rows of an epoch, (updates, batch) int64."""
        return self._orders.get(
            (fold, dealing, epoch), lambda: np.ascontiguousarray(deal(self.feed.folds[fold].fold, dealing, epoch)[0])
        )

    def draw_states(self, fold: int, operation: int, first: int, stop: int) -> np.ndarray:
        """The states (blocks, 4) uint64 of the generators that draw blocks first .. stop - 1 of a dropout."""
        part = self.feed.folds[fold].fold

        def make(block: int) -> np.ndarray:
            state: Any = derive(part.seed, "dropout", part.number, block, operation).bit_generator.state
            return np.asarray(state["state"]["state"], np.uint64)

        found = [self._draws.get((fold, operation, block), lambda b=block: make(b)) for block in range(first, stop)]
        return np.stack(found)

    def target_record(self, fold: int, *, rates: bool) -> TargetRecord:
        """Targets as a fold's network learns them: classes, standardized numbers, or shares of the mean."""
        if self.feed.classification:
            return TargetRecord(address(self.target), None, 0.0, 1.0)
        part = self.feed.folds[fold]
        mean, scale = (0.0, part.target_mean) if rates else (part.target_mean, part.target_std)
        return TargetRecord(None, address(self.target), mean, scale)

    def source(self, fold: int, preprocessing: Preprocessing) -> RowSource:
        """The rows of a fold under a preprocessing: encoded once where there is room for it, else row by row whenever
        they are needed; the bits are the same."""
        with self._lock:
            if (fold, preprocessing) not in self._sources:
                self._sources[fold, preprocessing] = self._made(fold, preprocessing)
            rows = self._sources[fold, preprocessing]
        width, dtype = align(self.feed.width, TABLE_ALIGN), np.dtype(str(self.feed.dtype).removeprefix("torch."))
        if len(self.numbers) * width * dtype.itemsize * len(self.feed.folds) > KEPT_BYTES:
            return rows
        table = self._tables.get(
            (fold, preprocessing), lambda: encoded(rows, np.zeros((len(self.numbers), width), dtype))
        )
        return RowSource(SourceRecord(table=address(table), table_row=width, width=self.feed.width), (table,))

    def _made(self, fold: int, preprocessing: Preprocessing) -> RowSource:
        feed, affine = self.feed, self.feed.affine(fold, preprocessing)
        numbers = feed.numbers_of(fold)
        pixels = numbers.dtype == np.uint8
        medians, shift, scale = (
            np.ascontiguousarray(part, np.float64)
            for part in (feed.folds[fold].encoding.medians, affine.shift, affine.scale)
        )
        rotation, limit, knots, heights = (
            None if part is None else np.ascontiguousarray(part, np.float64)
            for part in (affine.rotation, affine.limit, affine.knots, affine.heights)
        )
        none = np.zeros(0, np.int64)
        gaps = none if feed.gaps is None else feed.gaps.numpy()
        flags = none if feed.gaps is None else np.ascontiguousarray(feed.flag[fold, 0].numpy())
        codes = none if feed.codes is None else feed.codes.numpy()
        columns = none if feed.codes is None else np.ascontiguousarray(feed.slots[fold].numpy())
        rows = (
            None if feed.rows_of_codes is None else np.ascontiguousarray(feed.rows_of_codes[fold].numpy(), np.float64)
        )
        record = SourceRecord(
            table=None, table_row=0, columns=numbers.shape[1], width=feed.width, behind=feed.extra,
            numbers=None if pixels else address(numbers), pixels=address(numbers) if pixels else None,
            medians=address(medians), shift=address(shift), scale=address(scale),
            rotation=None if rotation is None else address(rotation), limit=None if limit is None else address(limit),
            knots=None if knots is None else address(knots), heights=None if heights is None else address(heights),
            knot_count=0 if knots is None else knots.shape[1],
            gap_count=len(gaps), gaps=address(gaps), flags=address(flags),
            code_count=0 if feed.codes is None else feed.codes.shape[1], codes=address(codes),
            code_columns=address(columns), code_rows=None if rows is None else address(rows),
        )  # fmt: skip
        return RowSource(
            record, (numbers, medians, shift, scale, rotation, limit, knots, heights, gaps, flags, codes, columns, rows)
        )


_sharing = threading.Lock()


def shared_source(feed: Feed) -> SharedSource:
    """What the lanes of this feed share."""
    with _sharing:
        if feed.shared is None:
            feed.shared = SharedSource(feed)
        return feed.shared
