"""How files are read, from the command line: what is said, what overrules it, and that a model remembers it."""

import csv
import io
import json

import pyarrow.parquet as pq
import pytest

import tenfold as package
from tenfold.data.read.options import ReadOptions
from tenfold.problem.settings import Settings

from .program import HEADER, rows, tenfold

RECIPE = "network: {hidden: [4]}\nepochs: 2\nbatch_size: 16\n"


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("reading")
    (folder / "recipe.yaml").write_text(RECIPE)
    table = "\n".join([HEADER, *(row.replace("blue", "None") for row in rows())])
    (folder / "titled.csv").write_text(f"Customers\n\n{table}\nTotal,90,,,\n\nSource: the shop\n")
    (folder / "bare.csv").write_text("\n".join(rows()) + "\n")
    return folder


@pytest.fixture(scope="module")
def run(folder):
    done = tenfold(
        "fit", folder / "titled.csv", "--target", "churned", "--recipe", folder / "recipe.yaml", "--folds", 2,
        "--missing", "NA", "--skip-rows", "94-", "--bad-rows", "drop", "--out", folder / "run",
    )  # fmt: skip
    assert done.code == 0, done.err
    return folder / "run"


def test_a_dry_run_prints_what_python_reads(folder):
    done = tenfold("fit", folder / "titled.csv", "--target", "churned", "--dry-run", "--json")
    assert done.code == 0, done.err
    said = json.loads(done.out)
    data = package.read(folder / "titled.csv")
    assert said["reading"]["notes"] == list(data.notes)
    assert said["reading"]["contract"] == data.to_dict()["reading"]
    assert "line 1 above the header left out: 'Customers'" in data.notes
    kinds = {column["name"]: column["kind"] for column in said["card"]["columns"]}
    assert kinds == {name: kind for name, kind in data.kinds.items() if name != "churned"}
    assert len(data) == data.rows == len(data["age"])
    assert "age" in repr(data)
    assert list(data.to_frame().columns) == list(data.columns)


def test_a_model_reads_new_files_as_its_own(run, folder):
    (folder / "new.csv").write_text(
        "New ones\nage,income,colour,when\n41,3.1,None,2024-03-01\n" + "39,NA,red,2024-03-01\n" * 98 + "x,1,red\n"
    )
    done = tenfold("predict", run, folder / "new.csv", "-o", folder / "new.parquet")
    assert done.code == 0, done.err
    assert "line 1 above the header left out" in done.err
    assert "unseen" not in done.err
    assert "1 of 100 rows (1.0%) cannot be read and have no prediction: line 102" in done.err
    found = pq.read_table(folder / "new.parquet").column("prediction").to_pylist()
    assert len(found) == 100
    assert found[-1] is None
    assert None not in found[:-1]
    refused = tenfold("predict", run, folder / "new.csv", "--bad-rows", "drop:0.5%")
    assert refused.code == 2
    assert "--bad-rows drop:1%" in refused.err


def test_a_file_without_names_is_learnt_and_predicted(folder):
    done = tenfold(
        "fit", folder / "bare.csv", "--target", "column 5", "--recipe", folder / "recipe.yaml", "--folds", 2,
        "--out", folder / "bare",
    )  # fmt: skip
    assert done.code == 0, done.err
    assert "no header: line 1 looks like data" in done.out.replace("\n    ", " ")
    (folder / "some.csv").write_text("41,3.1,blue,2024-03-01\n39,2.0,red,2024-03-01\n")
    done = tenfold("predict", folder / "bare", folder / "some.csv")
    assert len(list(csv.reader(io.StringIO(done.out)))) == 3


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--header-row", "0"), "--header-row 0"),
        (("--header-row", "1", "--no-header"), "both"),
        (("--skip-rows", "x"), "--skip-rows 'x'"),
        (("--kind", "age"), "COLUMN=KIND"),
        (("--kind", "age=numbr"), "--kind 'age=number'"),
        (("--bad-rows", "skip"), "expected: refuse, drop"),
    ],
)
def test_an_option_that_cannot_be_understood_is_a_usage_error(folder, options, said):
    done = tenfold("fit", folder / "titled.csv", "--target", "churned", *options, "--dry-run")
    assert done.code == 2
    assert said in done.err


def test_the_settings_of_a_run_keep_how_its_file_is_read():
    reading = ReadOptions(skip_rows="3", missing="+x", kind=(("a", "id"),), bad_rows="drop:5%")
    settings = Settings(data="a.csv", reading=reading)
    assert Settings.of(json.loads(json.dumps(settings.to_dict()))) == settings
    assert "space" in tenfold("space", "--help").out
