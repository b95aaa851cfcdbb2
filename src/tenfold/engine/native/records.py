"""What the compiled lanes are handed over: the records of source/interface.h, field by field."""

from __future__ import annotations

from ctypes import POINTER, Structure, c_double, c_int32, c_int64, c_void_p

import numpy as np

# In the order of `OperationKind`, `Phase` and `Failure` in source/interface.h.
KINDS = (
    "dense", "activation", "batch_normalization", "group_normalization", "dropout", "prelu", "maxout", "residual_begin",
    "residual_end", "scale", "waves", "column_map", "parametric", "views", "heads", "bins", "lookup",
)  # fmt: skip
GRADIENT, MOVE = 1, 2
NO_MEMORY, STOPPED = -1, -2
# Of batch orders and of encoded rows that lanes share, at most, each.
KEPT_BYTES = 256 << 20
# Epochs that are made before the first is looked at, at most; and what they put out for a pack, networks too, at most,
# if that of one epoch is not more.
AHEAD_EPOCHS, AHEAD_BYTES = 64, 32 << 20
# Numbers that the length of a table's row is a multiple of: it is read in whole vectors.
TABLE_ALIGN = 16


class OperationRecord(Structure):
    """One operation of a network."""

    _fields_ = [
        *(
            (name, c_int64)
            for name in ("kind", "inputs", "outputs", "slot", "slots", "option", "stored", "mean", "var")
        ),
        ("numbers", c_double * 4),
    ]


class SlotRecord(Structure):
    """Where one parameter lies in a lane's row."""

    _fields_ = [(name, c_int64) for name in ("start", "rows", "columns", "stored", "weight")]


class NetworkRecord(Structure):
    """A network of one recipe."""

    _fields_ = [
        ("operations", POINTER(OperationRecord)),
        ("slots", POINTER(SlotRecord)),
        *((name, c_int64) for name in ("operation_count", "slot_count", "inputs", "outputs", "total", "moment_total")),
    ]


class SourceRecord(Structure):
    """Rows of data and what makes inputs of them."""

    _fields_ = [
        ("table", c_void_p),
        ("table_row", c_int64),
        ("numbers", c_void_p),
        ("pixels", c_void_p),
        ("columns", c_int64),
        ("width", c_int64),
        *((name, c_void_p) for name in ("medians", "shift", "scale", "rotation", "limit", "knots", "heights")),
        ("knot_count", c_int64),
        ("gap_count", c_int64),
        ("gaps", c_void_p),
        ("flags", c_void_p),
        ("code_count", c_int64),
        ("codes", c_void_p),
        ("code_columns", c_void_p),
        ("code_rows", c_void_p),
        ("behind", c_int64),
    ]


class TargetRecord(Structure):
    """What rows are held against."""

    _fields_ = [("classes", c_void_p), ("numbers", c_void_p), ("mean", c_double), ("scale", c_double)]


class RuleRecord(Structure):
    """How weights are moved."""

    _fields_ = [
        ("family", c_int64),
        ("coefficients", c_void_p),
        ("rate_factors", c_void_p),
        *((name, c_double) for name in ("l1", "clip_norm", "clip_value", "max_norm", "average")),
        ("decoupled", c_int64),
    ]


class DrawsRecord(Structure):
    """The uniform numbers of one dropout."""

    _fields_ = [("states", c_void_p), ("updates", c_int64), ("first", c_int64)]


class TrainingRecord(Structure):
    """One lane and the work on it."""

    _fields_ = [
        ("network", NetworkRecord),
        ("source", SourceRecord),
        ("target", TargetRecord),
        ("rule", RuleRecord),
        ("loss", c_int64),
        ("loss_numbers", c_double * 2),
        ("draws", POINTER(DrawsRecord)),
        ("dropout_trend", c_void_p),
        ("orders", POINTER(c_void_p)),
        *((name, c_int64) for name in ("batch", "train_rows", "per_epoch", "first", "last", "phases")),
        *(
            (name, c_void_p)
            for name in ("w", "moments", "first_moment", "second_moment", "third_moment", "average", "gradient")
        ),
        *((name, c_void_p) for name in ("losses", "loss_sum", "bad", "validation")),
        ("validation_rows", c_int64),
        *((name, c_void_p) for name in ("reported", "outputs", "epoch_losses", "epoch_w", "epoch_moments")),
        ("stop", POINTER(c_int32)),
    ]


class PredictionRecord(Structure):
    """Rows that a trained network predicts."""

    _fields_ = [
        ("network", NetworkRecord),
        ("source", SourceRecord),
        ("w", c_void_p),
        ("moments", c_void_p),
        ("rows", c_void_p),
        ("row_count", c_int64),
        ("outputs", c_void_p),
        ("stop", POINTER(c_int32)),
    ]


def address(array: np.ndarray) -> int:
    """Where the numbers of a contiguous array lie. Whoever hands it over keeps the array."""
    return array.__array_interface__["data"][0]  # `array.ctypes` takes three times as long
