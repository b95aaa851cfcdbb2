"""Who is compared on tables: each reads the training rows as CSV, predicts the test rows, and writes them as npz.

`python -m bench.quality_contestants NAME TRAIN TEST TABLE OUT` runs one, in a process of its own so that its processor
time is its own. Rivals get what they are made for: categories as categories, dates as numbers, five folds with early
stopping on the part that is left out, the mean of the five.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from sklearn.model_selection import GroupKFold, KFold, StratifiedKFold

from bench.machine import cores
from bench.quality_tables import TABLES, BenchTable

if TYPE_CHECKING:
    import pandas as pd

Array = np.ndarray
FOLDS, ROUNDS, PATIENCE = 5, 2000, 50
MOST_LEVELS = 255  # of a category that scikit-learn's trees take


class Rows(NamedTuple):
    """Training and test rows as a rival gets them. y: class numbers, or numbers; groups: which rows belong together."""

    table: BenchTable
    train: pd.DataFrame
    test: pd.DataFrame
    y: Array
    classes: Array
    groups: Array | None
    categories: list[str]

    def folds(self) -> Iterator[tuple[Array, Array]]:
        """(training, validation) rows of five folds."""
        if self.groups is not None:
            return GroupKFold(FOLDS).split(self.train, self.y, self.groups)
        number = self.table.kind == "number"
        splitter = KFold if number else StratifiedKFold
        return splitter(FOLDS, shuffle=True, random_state=0).split(self.train, self.y)


def prepare(table: BenchTable, train_path: Path, test_path: Path) -> Rows:
    """Columns by kind: numbers, dates as days with weekday and month, and texts as categories of the training rows."""
    import pandas as pd

    train, test = pd.read_csv(train_path, low_memory=False), pd.read_csv(test_path, low_memory=False)
    target = train.pop(table.target)
    test = test.drop(columns=[table.target], errors="ignore")
    groups = train.pop(table.groups).to_numpy() if table.groups else None
    test = test.drop(columns=[table.groups]) if table.groups else test
    categories: list[str] = []
    for name in list(train):
        if pd.api.types.is_numeric_dtype(train[name]) and pd.api.types.is_numeric_dtype(test[name]):
            train[name], test[name] = train[name].astype(float), test[name].astype(float)
            continue
        dates = _dates(train[name])
        if dates is not None:
            day_first = "/" in str(train[name].iloc[0])
            for frame in (train, test):
                found = pd.to_datetime(frame[name], errors="coerce", dayfirst=day_first)
                frame[f"{name} days"] = (found - pd.Timestamp("1970-01-01")) / pd.Timedelta(days=1)
                frame[f"{name} weekday"], frame[f"{name} month"] = found.dt.weekday.astype(float), found.dt.month * 1.0
                del frame[name]
        else:
            kind = pd.CategoricalDtype(sorted(train[name].dropna().astype(str).unique()))
            for frame in (train, test):
                frame[name] = frame[name].where(frame[name].isna(), frame[name].astype(str)).astype(kind)
            categories.append(name)
    if table.kind == "number":
        return Rows(table, train, test, target.to_numpy(float), np.zeros(0), groups, categories)
    classes, y = np.unique(target.to_numpy(), return_inverse=True)
    return Rows(table, train, test, y, classes, groups, categories)


def _dates(column: Any) -> Any:
    import warnings

    import pandas as pd

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found = pd.to_datetime(column, errors="coerce", dayfirst="/" in str(column.iloc[0]))
    return found if found.notna().mean() > 0.95 else None


def _bag(rows: Rows, test: pd.DataFrame, fit: Callable[[Array, Array], Any]) -> Array:
    """The mean of the predictions of test rows by five models, each fitted on the training rows of a fold; the rows
    left out are for stopping."""
    folds = ((train, fit(train, held)) for train, held in rows.folds())
    return np.mean([_outputs(model, rows, test, np.unique(rows.y[train])) for train, model in folds], 0)


def lightgbm(rows: Rows) -> Array:
    """LightGBM at its defaults but for the rate, 0.05, with early stopping, a bag of five folds."""
    import lightgbm as lgb

    kind = {"number": lgb.LGBMRegressor}.get(rows.table.kind, lgb.LGBMClassifier)
    metric = {"number": "rmse", "binary": "auc", "classes": "multi_logloss"}[rows.table.kind]

    def fit(train: Array, held: Array) -> Any:
        model = kind(n_estimators=ROUNDS, learning_rate=0.05, n_jobs=cores(), verbose=-1, random_state=0)
        return model.fit(
            rows.train.iloc[train], rows.y[train], eval_set=[(rows.train.iloc[held], rows.y[held])], eval_metric=metric,
            callbacks=[lgb.early_stopping(PATIENCE, verbose=False)],
        )  # fmt: skip

    return _bag(rows, rows.test, fit)


def catboost(rows: Rows) -> Array:
    """CatBoost at its defaults with early stopping, a bag of five folds; texts as its own categories."""
    import catboost as cb

    kind = cb.CatBoostRegressor if rows.table.kind == "number" else cb.CatBoostClassifier
    metric = {"number": "RMSE", "binary": "AUC", "classes": "MultiClass"}[rows.table.kind]
    known, new = rows.train.copy(), rows.test.copy()
    for name in rows.categories:
        for frame in (known, new):
            frame[name] = frame[name].astype(object).where(frame[name].notna(), "missing").astype(str)

    def fit(train: Array, held: Array) -> Any:
        model = kind(
            iterations=ROUNDS, early_stopping_rounds=PATIENCE, eval_metric=metric, verbose=False, random_seed=0,
            thread_count=cores(), cat_features=rows.categories, allow_writing_files=False,
        )  # fmt: skip
        return model.fit(known.iloc[train], rows.y[train], eval_set=(known.iloc[held], rows.y[held]))

    return _bag(rows, new, fit)


def scikit_trees(rows: Rows) -> Array:
    """scikit-learn's histogram gradient boosting at its defaults, a bag of five folds."""
    from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor

    kind = HistGradientBoostingRegressor if rows.table.kind == "number" else HistGradientBoostingClassifier
    many = [name for name in rows.categories if len(rows.train[name].cat.categories) > MOST_LEVELS]
    known = rows.train.drop(columns=many)

    def fit(train: Array, held: Array) -> Any:
        model = kind(categorical_features="from_dtype", random_state=0)
        return model.fit(known.iloc[train], rows.y[train])

    return _bag(rows, rows.test.drop(columns=many), fit)


def realmlp(rows: Rows) -> Array:
    """RealMLP with its tuned defaults, by its authors' package, a bag of five folds."""
    return _pytabkit(rows, "RealMLP_TD")


def tabm(rows: Rows) -> Array:
    """TabM with its defaults, by the package of RealMLP's authors, a bag of five folds."""
    return _pytabkit(rows, "TabM_D")


def _pytabkit(rows: Rows, name: str) -> Array:
    import pytabkit

    kind = getattr(pytabkit, f"{name}_{'Regressor' if rows.table.kind == 'number' else 'Classifier'}")
    more: dict[str, Any] = {} if rows.table.kind == "number" else {"val_metric_name": "cross_entropy"}
    if name == "RealMLP_TD" and more:
        more |= {"use_ls": False}

    # It takes no missing numbers: the mean in their place, and a category that says so, as its users do.
    known, new = rows.train.copy(), rows.test.copy()
    categories = list(rows.categories)
    for column in rows.train.columns.difference(rows.categories):
        gaps, mean = f"{column} missing", rows.train[column].mean()
        if rows.train[column].isna().any():
            categories.append(gaps)
            known[gaps], new[gaps] = (frame[column].isna().astype(str) for frame in (known, new))
        known[column], new[column] = (frame[column].fillna(mean) for frame in (known, new))

    def fit(train: Array, held: Array) -> Any:
        both = np.concatenate([train, held])
        model = kind(device="cpu", random_state=0, n_threads=cores(), **more)
        x, last = known.iloc[both].reset_index(drop=True), np.arange(len(train), len(both))
        return model.fit(x, rows.y[both], val_idxs=last, cat_col_names=categories)

    return _bag(rows, new, fit)


def mlp(rows: Rows) -> Array:
    """scikit-learn's MLP, tuned for as long as TENFOLD_SECONDS says (default 60): random settings on three folds."""
    from sklearn.compose import make_column_transformer
    from sklearn.impute import SimpleImputer
    from sklearn.model_selection import ParameterSampler, cross_val_score
    from sklearn.neural_network import MLPClassifier, MLPRegressor
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import OneHotEncoder, StandardScaler

    number = rows.table.kind == "number"
    numeric = [name for name in rows.train if name not in rows.categories]
    before = make_column_transformer(
        (make_pipeline(SimpleImputer(strategy="median", keep_empty_features=True), StandardScaler()), numeric),
        (OneHotEncoder(handle_unknown="ignore", max_categories=64), rows.categories),
    )
    mean, scale = (float(rows.y.mean()), float(rows.y.std())) if number else (0.0, 1.0)
    y = (rows.y - mean) / scale if number else rows.y
    kind = MLPRegressor if number else MLPClassifier
    scoring = {"number": "neg_root_mean_squared_error", "binary": "roc_auc", "classes": "neg_log_loss"}[rows.table.kind]
    settings = {
        "hidden_layer_sizes": [(64,), (128,), (64, 64), (128, 128), (256, 128)], "alpha": np.logspace(-6, 0, 7),
        "learning_rate_init": np.logspace(-4, -1.5, 6), "activation": ["relu", "tanh"],
        "batch_size": [32, 64, 128, 256],
    }  # fmt: skip
    end = time.monotonic() + float(os.environ.get("TENFOLD_SECONDS", "60"))
    best, winner = -np.inf, None
    for tried in ParameterSampler(settings, 200, random_state=0):
        if winner is not None and time.monotonic() > end:
            break
        model = make_pipeline(before, kind(early_stopping=True, n_iter_no_change=10, random_state=0, **tried))
        score = float(np.mean(cross_val_score(model, rows.train, y, cv=3, scoring=scoring, n_jobs=cores())))
        if winner is None or score > best:
            best, winner = score, model
    assert winner is not None
    return _outputs(winner.fit(rows.train, y), rows, rows.test, np.unique(y)) * scale + mean


def _outputs(model: Any, rows: Rows, frame: pd.DataFrame, seen: Array) -> Array:
    """Numbers, or probabilities of all classes; those that a training part lacks get 0."""
    if rows.table.kind == "number":
        return np.asarray(model.predict(frame), float)
    out = np.zeros((len(frame), len(rows.classes)))
    out[:, seen.astype(int)] = model.predict_proba(frame)
    return out


RIVALS: dict[str, Callable[[Rows], Array]] = {
    "lightgbm": lightgbm, "catboost": catboost, "scikit_trees": scikit_trees, "realmlp": realmlp, "tabm": tabm,
    "mlp": mlp,
}  # fmt: skip


def main() -> None:
    """Run one rival; prints the seconds as JSON."""
    name, train, test, table, out = sys.argv[1:]
    rows = prepare(next(known for known in TABLES if known.name == table), Path(train), Path(test))
    wall, processor = time.perf_counter(), time.process_time()
    outputs = RIVALS[name](rows)
    np.savez(out, outputs=outputs, classes=rows.classes.astype(str))
    print(json.dumps({"wall": time.perf_counter() - wall, "processor": time.process_time() - processor}))


if __name__ == "__main__":
    main()
