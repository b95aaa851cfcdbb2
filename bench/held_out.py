"""Training rows of a table, the rows that are held out, and the error of a model on them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from bench.quality_tables import BenchTable, read_frame
from tenfold.statistics.metrics import METRICS

if TYPE_CHECKING:
    import pandas as pd

    from tenfold.model.model import Model

METRIC = {"binary": "roc_auc", "classes": "log_loss", "number": "rmse"}
TEST = 5000  # rows, at most


def held_out(table: BenchTable, data: Path, rows: int, seed: int) -> tuple[pd.DataFrame, pd.DataFrame]:
    """So many training rows, at most two thirds of the table, and test rows."""
    frame = read_frame(table, data)
    order = np.random.default_rng(seed).permutation(len(frame))
    rows = min(rows, 2 * len(frame) // 3)
    train, test = (frame.iloc[part].reset_index(drop=True) for part in (order[:rows], order[rows : rows + TEST]))
    return train, test


def model_error(model: Model, table: BenchTable, test: pd.DataFrame) -> float:
    """1 - AUC of two classes, log loss of several, RMSE of numbers; of the rows whose class the model knows."""
    metric = METRICS[METRIC[table.kind]]
    labels = {label: place for place, label in enumerate(model.classes)}
    known: Any = test[test[table.target].isin(labels)] if labels else test
    given = known[table.target]
    true = np.array([labels[v] for v in given]) if labels else given.to_numpy(float)
    outputs = model.outputs(model.inputs(known.drop(columns=table.target))[0])
    score = float(metric.score(true, outputs[None])[0])
    return 1 - score if metric.higher_is_better else score
