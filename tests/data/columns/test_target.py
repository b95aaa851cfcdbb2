"""The target: task, classes, dropped rows, and what is refused."""

from pathlib import Path

import numpy as np
import pytest

from tenfold.data.columns.table import Table
from tenfold.data.columns.target import Target, read_target
from tenfold.errors import BadInput

from ..examples import csv_table


def table(tmp_path: Path, cells: list[str]) -> Table:
    return csv_table(tmp_path / "data.csv", {"x": [i + 0.5 for i in range(len(cells))], "the target": cells})


def target(tmp_path: Path, cells: list[str], task: str | None = None) -> Target:
    return read_target(table(tmp_path, cells), "the target", task)


CLASSES = {
    "text": (["b", "a", "", "b", "a"], ("a", "b"), [1, 0, 1, 0]),
    "integers": (["2", "10", "2", "", "10"], ("2", "10"), [0, 1, 0, 1]),
    "integers as floats": (["0.0", "1.0", "", "0.0", "1.0"], ("0", "1"), [0, 1, 0, 1]),
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
    assert [cells[row].lower().removesuffix(".0") for row in found.keep] == [
        {"false": "no", "true": "yes"}.get(classes[code], classes[code]).lower() for code in codes
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


REFUSED = {
    "all missing": (["", "NA", ""], None, "every row lacks its target"),
    "one class": (["a", "a", ""], None, "every row has the class 'a'"),
    "one number": (["1.5", "1.5"], None, "every row has the target 1.5"),
    "single member": (["a", "b", "a", "c", "c"], None, r"class 'b' has a single member, in .*line 3, column 2"),
    "single integer": (["1", "2", "1"], None, r"--task regression"),
    "date": (["2020-01-01", "2020-01-02"], None, "is a date"),
    "text for a regression": (["a", "b", "a", "b"], "regression", r"'a' \(.*line 2, column 2"),
    "stray text": ([f"{i}.5" for i in range(50)] + ["oops"], None, "'oops' on line 52"),
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
