"""The target: task, classes, dropped rows, and what is refused."""

from pathlib import Path

import numpy as np
import pytest

from tenfold.data.columns.table import Table
from tenfold.data.columns.target import Target, read_labels, read_target
from tenfold.data.read.options import ReadOptions
from tenfold.data.read.read import read_table
from tenfold.errors import BadInput
from tenfold.problem.given_target import read_given

from ..examples import csv_table


def table(tmp_path: Path, cells: list[str]) -> Table:
    return csv_table(tmp_path / "data.csv", {"x": [i + 0.5 for i in range(len(cells))], "the target": cells})


def target(tmp_path: Path, cells: list[str], task: str | None = None) -> Target:
    return read_target(table(tmp_path, cells), "the target", task)


CLASSES = {
    "text": (["b", "a", "", "b", "a"], ("a", "b"), [1, 0, 1, 0]),
    "integers": (["2", "10", "2", "", "10"], ("2", "10"), [0, 1, 0, 1]),
    "integers as floats": (["0.0", "1.0", "", "0.0", "1.0"], ("0.0", "1.0"), [0, 1, 0, 1]),
    "thousands separators and signs": (['"1,000"', "+1", "", '"1,000"', "+1"], ("+1", "1,000"), [1, 0, 1, 0]),
    "one number in two spellings": (["1", "2.0", "", "1.0", "2.0"], ("1", "2.0"), [0, 1, 0, 1]),
    "booleans as spelled": (["Yes", "No", "?", "Yes", "No"], ("No", "Yes"), [1, 0, 1, 0]),
    "booleans in two spellings": (["Yes", "no", "", "yes", "no"], ("false", "true"), [1, 0, 1, 0]),
    "codes": (["01", "02", "", "01", "02"], ("01", "02"), [0, 1, 0, 1]),
}


@pytest.mark.parametrize("case", CLASSES)
def test_classes(tmp_path: Path, case: str) -> None:
    cells, classes, codes = CLASSES[case]
    found = target(tmp_path, cells)
    assert found.task == "classification"
    assert found.classes == classes
    assert found.values.tolist() == codes
    assert found.values.dtype == np.int64
    assert found.dropped == 1
    assert len(found.keep) == 4
    plain = {"false": "no", "true": "yes"}
    assert [cells[row].lower().strip('"').removesuffix(".0") for row in found.keep] == [
        plain.get(classes[code], classes[code]).lower().removesuffix(".0") for code in codes
    ]


def test_the_task_rule(tmp_path: Path) -> None:
    twenty = [str(i % 20) for i in range(60)]
    assert target(tmp_path, twenty).task == "classification"
    more = [str(i % 21) for i in range(63)]
    assert target(tmp_path, more).task == "regression"
    assert target(tmp_path, ["1", "2.5", "1", "2.5"]).task == "regression"
    assert target(tmp_path, twenty, "regression").values.tolist() == [float(v) for v in twenty]
    assert target(tmp_path, more, "classification").classes == tuple(str(i) for i in range(21))
    assert "as asked" in target(tmp_path, more, "classification").reason


@pytest.mark.parametrize(
    ("values", "task"),
    [
        (range(0, 110, 10), "regression"),  # a share in steps of ten
        ([0, 25, 50, 75, 100], "regression"),
        ([-4, -1, 3, 8, 20], "regression"),
        ([10, 20, 30, 40], "classification"),  # four are codes as likely
        ([1, 2, 4, 8, 16, 32], "classification"),  # two of them next to each other
        ([1, 3], "classification"),
    ],
)
def test_a_few_whole_numbers_far_apart_are_amounts(tmp_path: Path, values: list[int], task: str) -> None:
    found = target(tmp_path, [str(value) for value in values] * 3)
    assert found.task == task
    assert ("none next to another" in found.reason) == (task == "regression")
    assert (read_given(np.array([*values] * 3), None)[1] == ()) == (task == "regression")
    assert target(tmp_path, [str(value) for value in values] * 3, "classification").task == "classification"


@pytest.mark.parametrize(
    ("cells", "kind", "task"),
    [
        (["1", "2", "3"], "number", "regression"),
        ([str(number) for number in range(30)], "category", "classification"),
        (["1", "2", "3"], "category", "classification"),
        (["0", "1"], "number", "regression"),
    ],
)
def test_the_user_may_say_what_kind_the_target_is(tmp_path: Path, cells: list[str], kind: str, task: str) -> None:
    path = tmp_path / "data.csv"
    path.write_text("x,y\n" + "".join(f"{i}.5,{cell}\n" for i, cell in enumerate(cells * 2)))
    table = read_table(path, options=ReadOptions(kind=(("y", kind),)))
    found = read_target(table, "y")
    assert (found.task, found.reason) == (task, f"a {kind}, as asked")
    other = "classification" if task == "regression" else "regression"
    if kind == "number":
        assert read_target(table, "y", other).task == other


REFUSED = {
    "all missing": (["", "NA", ""], None, "every row lacks its target"),
    "one class": (["a", "a", ""], None, "every row has the class 'a'"),
    "one number": (["1.5", "1.5"], None, "every row has the target 1.5"),
    "single member": (["a", "b", "a", "c", "c"], None, r"class 'b' has a single member, in .*line 3, column 2"),
    "single integer": (["1", "2", "1"], None, r"--task regression"),
    "date": (["2020-01-01", "2020-01-02"], None, "is a date"),
    "text for a regression": (["a", "b", "a", "b"], "regression", r"'a' \(.*line 2, column 2"),
    "stray text": ([f"{i}.5" for i in range(50)] + ["oops"], None, "'oops' on line 52"),
    "too large for 32 bits": (["1.5", "1e200", "2.5"], None, r"1e200 \(.*line 3, column 2.*too large"),
    "too little apart": (["1e-200", "2e-200"] * 9, "regression", "differ too little"),
    "unknown task": (["a", "b"], "ranking", "classification or regression"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_a_target_that_is_refused(tmp_path: Path, case: str) -> None:
    cells, task, words = REFUSED[case]
    with pytest.raises(BadInput, match=words) as caught:
        target(tmp_path, cells, task)
    assert len(str(caught.value).splitlines()) <= 4


def test_a_target_that_is_not_there_names_the_nearest(tmp_path: Path) -> None:
    found = table(tmp_path, ["a", "b"])
    with pytest.raises(BadInput, match=r"no column 'The Tarqet'(.|\n)*try: 'the target'"):
        read_target(found, "The Tarqet")
    with pytest.raises(BadInput, match="no target column is named"):
        read_target(found, None)


@pytest.mark.parametrize("word", ["None", "NA", "nil", "NULL", "n/a", "missing", "-"])
def test_a_word_that_fills_much_of_a_target_and_reads_as_missing_is_a_question(tmp_path: Path, word: str) -> None:
    with pytest.raises(BadInput, match=r"20 of 30 rows have the target '.*', which is read as missing") as caught:
        target(tmp_path, [word] * 20 + ["Flood", "Fire"] * 5)
    assert "--missing ''" in str(caught.value)
    assert f"--missing '{word}'" in str(caught.value)
    assert len(str(caught.value).splitlines()) <= 4


def test_a_few_such_words_are_a_warning_and_what_programs_write_for_missing_is_none(tmp_path: Path) -> None:
    few = target(tmp_path, ["None"] * 2 + ["Flood", "Fire"] * 20)
    assert few.dropped == 2
    assert "2 of 42 rows have the target 'None'" in few.warnings[0]
    assert target(tmp_path, ["NaN"] * 20 + ["Flood", "Fire"] * 5).warnings == ()
    assert target(tmp_path, [""] * 20 + ["Flood", "Fire"] * 5).warnings == ()
    assert target(tmp_path, ["NA"] * 20 + [f"{i}.5" for i in range(20)]).warnings == ()


NEAR = {
    "capitals": ["<=40K", "<=40k"],
    "a point at the end": ["<=40K", "<=40K."],
    "blanks": ["<=40K", "<= 40K"],
    "hyphens": ["New York", "New-York"],
    "full-width letters": ["AB", "\uff21\uff22"],
    "quotes": ["don't", "don\u2019t"],
    "dashes": ["0-10", "0\u201310"],
    "numbers among text": ["1", "1.0"],
}


@pytest.mark.parametrize("case", NEAR)
def test_labels_that_may_be_one_are_warned_of(tmp_path: Path, case: str) -> None:
    found = target(tmp_path, [*NEAR[case], "other"] * 4)
    assert len(found.classes) == 3
    assert "classes that may be one" in found.warnings[0]
    assert all(f"'{label}'" in found.warnings[0] for label in NEAR[case])


@pytest.mark.parametrize(
    "labels", [["<=50K", ">50K"], ["A+", "A-", "A"], ["-1", "1"], ["1.5", "15", "x"], ["1 0", "10", "x"], ["+", "++"]]
)
def test_labels_that_differ_in_what_they_say_are_not_warned_of(tmp_path: Path, labels: list[str]) -> None:
    assert target(tmp_path, labels * 4).warnings == ()


def test_test_rows_may_spell_numbers_and_booleans_otherwise(tmp_path: Path) -> None:
    for training, other in (
        (["1.0", "2.0"], ["2", "1"]),
        (["1", "2"], ["2.0", "+1"]),
        (["1", "2", "x"], ["2.0", "1.0"]),
        (["No", "Yes"], ["TRUE", "FALSE"]),
    ):
        learned = target(tmp_path, training * 3)
        assert read_labels(table(tmp_path, other), learned).values.tolist() == [1, 0]


def test_an_unknown_class_of_the_test_rows_names_the_near_one(tmp_path: Path) -> None:
    learned = target(tmp_path, ["<=40K", ">40K"] * 3)
    with pytest.raises(BadInput, match=r"'<=40K\.' .* is not among those to learn; nearest is '<=40K'") as caught:
        read_labels(table(tmp_path, ["<=40K.", ">40K."]), learned)
    assert "write '<=40K'" in str(caught.value)


def test_test_rows_of_numbers_that_cannot_be_scored_are_refused(tmp_path: Path) -> None:
    learned = target(tmp_path, ["1.5", "2.5", "3.5"])
    assert read_labels(table(tmp_path, ["1.5", "1.5"]), learned).values.tolist() == [1.5, 1.5]
    with pytest.raises(BadInput, match=r"1e200 .*line 3"):
        read_labels(table(tmp_path, ["1.5", "1e200"]), learned)


def test_words_that_were_asked_for_are_no_question(tmp_path: Path) -> None:
    cells = ["None"] * 20 + ["Flood", "Fire"] * 5
    table(tmp_path, cells)
    for words, classes in (("", ("Fire", "Flood", "None")), ("None", ("Fire", "Flood"))):
        options = ReadOptions(missing=words)
        assert read_target(read_table(tmp_path / "data.csv", options=options), "the target").classes == classes
    with pytest.raises(BadInput, match="20 of 30 rows have the target 'None'"):
        read_target(read_table(tmp_path / "data.csv", options=ReadOptions(missing="+unknown")), "the target")
