"""y as Python users give it: what is read, and what is refused by its row, alike in every way in."""

import decimal
from datetime import date

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
import torch

import tenfold
from tenfold import BadInput, Classifier, Recipe, Regressor
from tenfold.problem.given_target import one_value_a_row, read_given

RECIPE = Recipe.from_dict({"network": {"hidden": [4]}, "epochs": 1})
X = np.random.default_rng(0).normal(size=(12, 2))

TEXTS = {
    "pandas strings": pd.array(["u", "v"] * 6, dtype="string"),
    "pandas strings of arrow": pd.Series(["u", "v"] * 6, dtype="string[pyarrow]"),
    "a category": pd.Categorical(["u", "v"] * 6),
    "polars": pl.Series(["u", "v"] * 6),
    "arrow": pa.chunked_array([["u", "v"] * 6]),
    "objects": np.array(["u", "v"] * 6, object),
    "a list": ["u", "v"] * 6,
    "a column": np.array(["u", "v"] * 6)[:, None],
    "masked without a gap": np.ma.masked_array(["u", "v"] * 6),
}


@pytest.mark.parametrize("case", TEXTS)
def test_labels_of_any_library(case: str) -> None:
    codes, labels = read_given(TEXTS[case], None)
    assert codes.tolist() == [0, 1] * 6
    assert list(labels) == ["u", "v"]


NUMBERS = {
    "nullable integers": pd.array([1, 2] * 6, dtype="Int64"),
    "objects": np.array([1, 2.0] * 6, object),
    "decimals": [decimal.Decimal(1), decimal.Decimal("2.0")] * 6,
    "a tensor": torch.tensor([1, 2] * 6),
    "integers of 128 bits": pl.Series([1, 2] * 6, dtype=pl.Int128),
}


@pytest.mark.parametrize("case", NUMBERS)
def test_numbers_of_any_library(case: str) -> None:
    codes, labels = read_given(NUMBERS[case], None)
    assert codes.tolist() == [0, 1] * 6
    assert [float(label) for label in labels] == [1.0, 2.0]
    assert read_given(NUMBERS[case], "regression")[0].tolist() == [1.0, 2.0] * 6


def test_large_integers_stay_apart() -> None:
    for y in ([2**60 + 1, 2**60 + 2] * 6, [2**70 + 1, 2**70 + 2] * 6):
        assert read_given(y, None)[1] == tuple(y[:2])


REFUSED = {
    "pandas NA": (pd.array(["u", None, "v"] * 4, dtype="string"), r"y\[1\] is missing"),
    "NA among objects": (pd.Series(["u", pd.NA, "v"] * 4, dtype=object), r"y\[1\] is missing"),
    "None": (["u", "v", None] * 4, r"y\[2\] is missing"),
    "None among numbers": ([1, 2, None] * 4, r"y\[2\] is missing"),
    "a nullable integer": (pd.array([1, 2, None] * 4, dtype="Int64"), r"y\[2\] is missing"),
    "a masked value": (np.ma.masked_array([1, 2, 3] * 4, [0, 0, 1] * 4), r"y\[2\] is missing"),
    "NaN": ([1.0, np.nan, 2.0] * 4, r"y\[1\] is missing"),
    "mixed types": (["u", 1, "v"] * 4, r"y mixes text and numbers: y\[0\] is 'u', y\[1\] is 1"),
    "mixed objects": (
        np.array([True, "v", "u"] * 4, object),
        r"y mixes text and booleans: y\[1\] is 'v', y\[0\] is True",
    ),
    "lists": (np.array([*([[1], [2, 3]] * 6), None], object)[:-1], r"y\[0\] is a list"),
    "ragged lists": ([[1], [2, 3]] * 6, "y cannot be read"),
    "dates": ([date(2020, 1, 1), date(2020, 1, 2)] * 6, r"y\[0\] is a date"),
    "dates of numpy": (np.array(["2020-01-01", "2020-01-02"] * 6, "M8[D]"), r"y\[0\] is a date"),
    "bytes": (np.array([b"u", b"v"] * 6), r"y\[0\] is a bytes"),
    "two columns": (np.zeros((12, 2)), "y has shape|y should be a 1d array"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_a_bad_target_is_refused_by_its_row(case: str) -> None:
    y, words = REFUSED[case]
    for give in (
        lambda: tenfold.cross_validate(RECIPE, X, y, folds=2),
        lambda: Classifier(RECIPE, folds=2).fit(X, y),
        lambda: Regressor(RECIPE, folds=2).fit(X, y),
    ):
        with pytest.raises(ValueError, match=words):
            give()


CONSTANT = {
    "constant": ([1.5] * 12, "every row has the target 1.5"),
    "beyond 32 bits": ([1e200, *range(11)], r"y\[0\] is too large for a network"),
    "an integer of 400 digits": ([*range(30), 10**400], "infinite"),
    "equal but for rounding": ([1e-200, 2e-200] * 6, "differ too little to be told apart"),
}


@pytest.mark.parametrize("case", CONSTANT)
def test_numbers_that_nothing_can_be_learned_from_are_refused_as_from_a_file(case: str) -> None:
    y, words = CONSTANT[case]
    x = np.zeros((len(y), 2)) + np.arange(len(y))[:, None]
    with pytest.raises(BadInput, match=words):
        tenfold.cross_validate(RECIPE, x, y, folds=2, task="regression")
    with pytest.raises(BadInput, match=words):
        Regressor(RECIPE, folds=2).fit(x, y)


def test_labels_that_may_be_one_and_words_that_read_as_missing_are_warned_of() -> None:
    frame = pd.DataFrame({"a": X[:, 0], "roof": ["None", "None", "tile"] * 4})
    found = tenfold.cross_validate(RECIPE, frame, ["<=40K", "<=40k", ">40K"] * 4, folds=2)
    assert "classes that may be one: '<=40K' and '<=40k'" in found.warnings[0]
    assert "'None' in 67% of 'roof' read as missing" in found.warnings[1]
    kept = frame.assign(roof=frame["roof"].astype("category"))
    assert len(tenfold.cross_validate(RECIPE, kept, ["u", "v", "w"] * 4, folds=2).warnings) == 0


def test_one_sort_is_kept_as_it_is() -> None:
    for y in (np.array([True, False]), np.array([1, 2], np.uint8), np.array([1.5, 2], np.float32)):
        assert one_value_a_row(y) is y


def test_missing_values_and_large_numbers_among_objects_in_x() -> None:
    x = X.astype(object)
    x[3, 1] = pd.NA
    x[4, 0] = None
    model = Classifier(RECIPE, folds=2, random_state=0).fit(x, ["u", "v"] * 6)
    plain = np.where([[(row, j) in ((3, 1), (4, 0)) for j in range(2)] for row in range(12)], np.nan, X)
    np.testing.assert_array_equal(model.predict_proba(x), model.predict_proba(plain))
    assert tenfold.cross_validate(RECIPE, x, ["u", "v"] * 6, folds=2).table
    x[5, 1] = 10**400
    with pytest.raises(BadInput, match=r"X\[5, 1\] is too large"):
        model.fit(x, ["u", "v"] * 6)


def test_structured_arrays_are_frames() -> None:
    rows = np.array([(number, "uv"[int(number > 0)]) for number in X[:, 0]], [("a", "f8"), ("b", "U1")])
    y = np.where(X[:, 0] > 0, "p", "n")
    model = Classifier(RECIPE, folds=2, random_state=0).fit(rows, y)
    assert model.feature_names_in_.tolist() == ["a", "b"]
    assert model.predict(rows.view(np.recarray)).tolist() == model.predict(pd.DataFrame(rows)).tolist()
    assert tenfold.cross_validate(RECIPE, rows, y, folds=2).table


def test_masked_values_of_x_are_missing_and_not_what_is_under_the_mask() -> None:
    mask = np.arange(24).reshape(12, 2) % 5 == 0
    masked, plain = np.ma.masked_array(X, mask), np.where(mask, np.nan, X)
    found = tenfold.cross_validate(RECIPE, masked, ["u", "v"] * 6, folds=2)
    np.testing.assert_array_equal(found.data.inputs.numbers, plain)
    model = Classifier(RECIPE, folds=2, random_state=0).fit(masked, ["u", "v"] * 6)
    np.testing.assert_array_equal(model.predict_proba(masked), model.predict_proba(plain))
    np.testing.assert_array_equal(model.model_.predict_proba(masked), model.predict_proba(plain))


def test_what_reading_a_frame_noticed_is_told() -> None:
    frame = pd.DataFrame({"a": [*X[:11, 0], np.inf], "b": X[:, 1]})
    found = tenfold.cross_validate(RECIPE, frame, ["u", "v"] * 6, folds=2)
    assert any(
        "'a': 1 infinite or too large (inf; first in row 12), read as missing" in line for line in found.warnings
    )


def test_groups_without_a_value_and_frames_that_fail_late_are_refused() -> None:
    with pytest.raises(BadInput, match="1 of 12 values of groups are missing, the first in row 1"):
        groups = pd.array(["u", None, *["v"] * 10], dtype="string")
        tenfold.cross_validate(RECIPE, X, ["u", "v"] * 6, folds=2, groups=groups)
    with pytest.raises(BadInput, match="the frame cannot be read"):
        tenfold.cross_validate(RECIPE, pl.LazyFrame({"a": [1]}).select(pl.col("b")), [0, 1])
    with pytest.raises(BadInput, match=r"X\[0, 0\] is too large"):
        Classifier(RECIPE).fit([[10**400, 1.0], [1.0, 2.0]] * 6, ["u", "v"] * 6)


def test_numbers_of_x_that_32_bits_cannot_hold_are_refused_by_their_place() -> None:
    x = X.copy()
    x[2, 1] = 1e200
    for give in (
        lambda: tenfold.cross_validate(RECIPE, x, ["u", "v"] * 6, folds=2),
        lambda: Classifier(RECIPE, folds=2).fit(x, ["u", "v"] * 6),
    ):
        with pytest.raises(BadInput, match=r"X\[2, 1\] is 1e\+200, too large for a network"):
            give()


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.longdouble, np.int8, bool])
def test_x_of_any_type_of_numbers(dtype: type) -> None:
    x = X.astype(dtype)
    assert tenfold.cross_validate(RECIPE, x, ["u", "v"] * 6, folds=2).table
    if np.dtype(dtype).kind == "f":
        x[1, 0] = np.inf
        with pytest.raises(BadInput, match=r"X\[1, 0\] is infinite"):
            tenfold.cross_validate(RECIPE, x, ["u", "v"] * 6, folds=2)
