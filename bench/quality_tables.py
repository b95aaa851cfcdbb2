"""The tables that predictions are compared on: their targets, what is left out, and which rows are held out."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np
from sklearn.model_selection import GroupShuffleSplit, KFold, ShuffleSplit, StratifiedKFold, StratifiedShuffleSplit

if TYPE_CHECKING:
    import pandas as pd

Array = np.ndarray
Kind = Literal["binary", "classes", "number"]
TEST_SHARE = 1 / 3
SHORT = 10  # levels that every class needs to be stratified by


@dataclass(frozen=True)
class BenchTable:
    """One table: its file without the ending, its target, what is predicted, columns that are left out, and the column
    that says which rows belong together."""

    name: str
    target: str
    kind: Kind
    drop: tuple[str, ...] = ()
    groups: str = ""

    @property
    def error(self) -> str:
        """What is compared, lower is better."""
        return {"binary": "1 - AUC", "classes": "log loss", "number": "RMSE"}[self.kind]


TABLES = (
    BenchTable("churn_telco", "churn", "binary"),
    BenchTable("heloc", "RiskPerformance", "binary"),
    BenchTable("lending_club", "Class", "binary"),
    BenchTable("phoneme", "target", "binary"),
    BenchTable("spambase", "target", "binary"),
    BenchTable("titanic", "Survived", "binary", ("PassengerId", "Name", "Ticket")),
    BenchTable("krkopt", "target", "classes"),
    BenchTable("leaf_flavia", "species", "classes"),
    BenchTable("mice_protein", "class", "classes", groups="mouse"),
    BenchTable("page_blocks", "target", "classes"),
    BenchTable("pendigits", "target", "classes"),
    BenchTable("satimage", "target", "classes"),
    BenchTable("ames", "Sale_Price", "number"),
    BenchTable("bike_hourly", "cnt", "number"),
    BenchTable("california_housing", "median_house_value", "number"),
    BenchTable("hotel_rates", "avg_price_per_room", "number"),
    BenchTable("seoul_bike", "Rented Bike Count", "number", ("Row",)),
    BenchTable("wine_quality", "quality", "number"),
)


def read_frame(table: BenchTable, directory: Path) -> pd.DataFrame:
    """All rows, without the columns that are left out."""
    import pandas as pd

    path = directory / f"{table.name}.csv.gz"
    try:
        frame = pd.read_csv(path, low_memory=False)
    except UnicodeDecodeError:
        frame = pd.read_csv(path, low_memory=False, encoding="latin-1")
    return frame.drop(columns=list(table.drop)).dropna(subset=[table.target]).reset_index(drop=True)


def divisions(table: BenchTable, frame: pd.DataFrame, folds: int, seed: int) -> list[tuple[Array, Array]]:
    """(training, test) rows: a fixed third as test, or each of `folds` folds; classes in equal shares, groups whole."""
    y = frame[table.target].to_numpy()
    if table.groups:
        splitter = GroupShuffleSplit(max(1, folds), test_size=TEST_SHARE, random_state=seed)
        return list(splitter.split(frame, y, frame[table.groups].to_numpy()))
    classes = table.kind != "number" and np.unique(y, return_counts=True)[1].min() >= SHORT
    if folds > 1:
        by_fold = (StratifiedKFold if classes else KFold)(folds, shuffle=True, random_state=seed)
        return list(by_fold.split(frame, y))
    once = (StratifiedShuffleSplit if classes else ShuffleSplit)(1, test_size=TEST_SHARE, random_state=seed)
    return list(once.split(frame, y))
