"""`predict`: rows in order, the schema contract, CSV and Parquet."""

import csv
import errno
import io
import json
import os
import subprocess
import sys

import numpy as np
import pyarrow.parquet as pq
import pytest

from tenfold import load
from tenfold.cli.predict import _harmless
from tenfold.store import output_file

from .program import HEADER, rows, tenfold, write


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("predict")


@pytest.fixture(scope="module")
def run(folder):
    data = write(folder / "churn.csv", rows())
    (folder / "recipe.yaml").write_text("network: {hidden: [8]}\nepochs: 5\nbatch_size: 16\n")
    done = tenfold(
        "fit", data, "--target", "churned", "--recipe", folder / "recipe.yaml", "--folds", 2, "--out", folder / "run"
    )
    assert done.code == 0, done.err
    return folder / "run"


@pytest.fixture(scope="module")
def expected(run, folder):
    return load(run).predict_proba(folder / "churn.csv")


def columns(done):
    assert done.code == 0, done.err
    lines = list(csv.DictReader(io.StringIO(done.out)))
    return {name: [line[name] for line in lines] for name in lines[0]}


def fresh(path, lines, header="age,income,colour,when"):
    return write(path, lines, header)


def test_one_row_for_each_in_order_with_probabilities(run, folder, expected):
    found = columns(tenfold("predict", run, folder / "churn.csv", "--proba"))
    assert list(found) == ["prediction", "p_left", "p_stayed"]
    p = np.array([found["p_left"], found["p_stayed"]], float).T
    np.testing.assert_allclose(p, expected, rtol=1e-6)
    assert found["prediction"] == [("left", "stayed")[i] for i in expected.argmax(1)]
    assert list(columns(tenfold("predict", run, folder / "churn.csv"))) == ["prediction"]


def test_reordered_and_extra_columns_are_handled_and_said(run, folder, tmp_path, expected):
    lines = [line.split(",") for line in rows()]
    turned = [",".join([colour, when, "x", income, age]) for age, income, colour, when, _ in lines]
    data = write(tmp_path / "turned.csv", turned, "colour,when,extra,income,age")
    done = tenfold("predict", run, data, "--proba")
    np.testing.assert_allclose(np.array(columns(done)["p_left"], float), expected[:, 0], rtol=1e-6)
    assert "extra" in done.err
    assert "order" in done.err


def test_a_missing_column_is_refused_by_name_with_the_nearest(run, tmp_path):
    lines = [line.rsplit(",", 1)[0] for line in rows(5)]
    done = tenfold("predict", run, fresh(tmp_path / "new.csv", lines, "age,incme,colour,when"))
    assert (done.code, done.out) == (2, "")
    assert "'income'" in done.err
    assert "'incme'" in done.err


def test_unseen_categories_and_gaps_have_a_place(run, tmp_path):
    lines = ["41,2.5,violet,2024-03-01", ",,,", "41,2.5,red,2024-03-01"]
    found = columns(tenfold("predict", run, fresh(tmp_path / "new.csv", lines), "--proba"))
    assert len(found["prediction"]) == 3
    assert np.isfinite(np.array(found["p_left"], float)).all()


@pytest.mark.parametrize("row", ["old,2.5,red,2024-03-01", "41,2.5,red,some day"])
def test_a_changed_kind_is_refused_with_the_row(run, tmp_path, row):
    lines = ["40,2.5,red,2024-03-01"] * 3 + [row]
    done = tenfold("predict", run, fresh(tmp_path / "new.csv", lines))
    assert (done.code, done.out) == (2, "")
    assert "line 5" in done.err
    assert len(done.err.splitlines()) <= 12


def test_parquet_holds_the_same_values(run, folder, tmp_path, expected):
    done = tenfold("predict", run, folder / "churn.csv", "-o", tmp_path / "p.parquet", "--proba", "--json")
    said = json.loads(done.out)
    assert (said["rows"], said["columns"]) == (90, ["prediction", "p_left", "p_stayed"])
    table = pq.read_table(tmp_path / "p.parquet").to_pydict()
    assert table["prediction"] == [("left", "stayed")[i] for i in expected.argmax(1)]
    np.testing.assert_array_equal(np.array(table["p_left"], np.float32), expected[:, 0])
    assert [path.name for path in tmp_path.iterdir()] == ["p.parquet"]


def test_csv_files_are_what_standard_output_is(run, folder, tmp_path):
    tenfold("predict", run, folder / "churn.csv", "-o", tmp_path / "p.csv", "--proba")
    assert (tmp_path / "p.csv").read_text() == tenfold("predict", run, folder / "churn.csv", "--proba").out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("-o", "p.xlsx"), "try: -o p.csv"),
        (("-o", "/"), "try: -o /predictions.csv"),
        (("-o", "."), "predictions.csv"),
        (("--json",), "-o predictions.csv"),
        (("-o", "no/such/folder/p.csv"), "no/such/folder"),
    ],
)
def test_output_that_cannot_be_is_refused(run, folder, arguments, message):
    done = tenfold("predict", run, folder / "churn.csv", *arguments)
    assert (done.code, done.out) == (2, "")
    assert message in done.err


def test_what_is_no_run_is_refused(folder, tmp_path):
    for verb in (("predict", tmp_path, folder / "churn.csv"), ("report", tmp_path), ("resume", tmp_path / "none")):
        done = tenfold(*verb)
        assert done.code in (1, 2)
        assert "Traceback" not in done.err
        assert done.err.startswith("tenfold: ")
        assert "internal error" not in done.err


def test_the_target_in_the_data_is_ignored_and_said(run, folder):
    done = tenfold("predict", run, folder / "churn.csv")
    assert "'churned'" in done.err
    assert HEADER.endswith("churned")


def test_samples_add_a_spread(folder, tmp_path):
    recipe = tmp_path / "recipe.yaml"
    recipe.write_text("network: {hidden: [8], dropout: 0.3}\nepochs: 4\nbatch_size: 16\n")
    done = tenfold("fit", folder / "churn.csv", "--target", "churned", "--recipe", recipe, "--folds", 2,
                   "--out", tmp_path / "run")  # fmt: skip
    assert done.code == 0, done.err
    found = columns(tenfold("predict", tmp_path / "run", folder / "churn.csv", "--samples", 20, "--proba"))
    assert list(found) == ["prediction", "p_left", "p_stayed", "spread"]
    assert (np.array(found["spread"], float) > 0).all()


def test_samples_of_a_model_without_dropout_are_refused(run, folder):
    done = tenfold("predict", run, folder / "churn.csv", "--samples", 20)
    assert done.code == 2
    assert "dropout" in done.err


def test_predictions_never_overwrite_what_they_are_made_from(run, folder, tmp_path):
    data = write(tmp_path / "d.csv", rows(8))
    before = data.read_bytes()
    (tmp_path / "link.csv").symlink_to(data)
    for output in (data, tmp_path / "link.csv"):
        done = tenfold("predict", run, data, "-o", output)
        assert (done.code, done.out) == (2, "")
        assert "would be overwritten" in done.err
        assert "try: -o" in done.err
    assert data.read_bytes() == before
    done = tenfold("predict", run, data, "-o", run / "leaderboard.csv")
    assert (done.code, done.out) == (2, "")
    assert "belongs to the run" in done.err


@pytest.mark.parametrize("name", ["p.csv", "p.parquet", "n" * 251 + ".csv", "n" * 246 + ".parquet"])
def test_a_long_name_is_written_and_a_longer_one_refused(run, folder, tmp_path, name):
    done = tenfold("predict", run, folder / "churn.csv", "-o", tmp_path / name)
    assert done.code == 0, done.err
    assert [path.name for path in tmp_path.iterdir()] == [name]
    done = tenfold("predict", run, folder / "churn.csv", "-o", tmp_path / ("n" * 300 + name))
    assert (done.code, done.out) == (2, "")
    assert "File name too long" in done.err
    assert "internal" not in done.err


@pytest.mark.parametrize("name", ["p.csv", "p.parquet"])
def test_a_disk_that_refuses_is_one_line(run, folder, tmp_path, monkeypatch, name):
    def refuse(*_, **__):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(output_file.os, "fsync", refuse)
    done = tenfold("predict", run, folder / "churn.csv", "-o", tmp_path / name)
    assert (done.code, done.out) == (1, "")
    assert done.err.splitlines()[-1] == f"tenfold: {tmp_path / name}: cannot be written: No space left on device"
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["p.csv", "p.parquet"])
def test_a_size_limit_on_files_is_one_line(run, folder, tmp_path, name):
    limits = "import resource, signal; signal.signal(signal.SIGXFSZ, signal.SIG_IGN); resource.setrlimit"
    code = f"{limits}(resource.RLIMIT_FSIZE, (100, 100)); from tenfold.cli.main import entry; entry()"
    command = [sys.executable, "-c", code, "predict", run, folder / "churn.csv", "-o", tmp_path / name]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1].startswith("tenfold: ")
    assert "internal" not in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_formulas_are_defused_on_request(folder, tmp_path):
    """A label that a spreadsheet would run as a formula."""
    names = {"left": "=cmd|'/c calc'!A1", "stayed": "-1"}
    lines = [line.rsplit(",", 1)[0] + ',"' + names[line.rsplit(",", 1)[1]] + '"' for line in rows()]
    data = write(tmp_path / "d.csv", lines)
    recipe = folder / "recipe.yaml"
    done = tenfold("fit", data, "--target", "churned", "--recipe", recipe, "--folds", 2, "--out", tmp_path / "run")
    assert done.code == 0, done.err
    plain = set(columns(tenfold("predict", tmp_path / "run", data))["prediction"])
    assert plain == set(names.values())
    safe = columns(tenfold("predict", tmp_path / "run", data, "--proba", "--safe-csv"))
    assert set(safe["prediction"]) == {"'=cmd|'/c calc'!A1", "-1"}
    assert all(float(p) >= 0 for p in safe["p_-1"])
    refused = tenfold("predict", tmp_path / "run", data, "--safe-csv", "-o", tmp_path / "p.parquet")
    assert refused.code == 2


@pytest.mark.parametrize("text", ["=1", "+a", "-a", "@a", "\ta", "\ra", "  =1", "\uff1d1", "-1+1"])
def test_every_beginning_of_a_formula_gets_a_mark(text):
    assert _harmless(text) == "'" + text


@pytest.mark.parametrize("text", ["a=1", "-1", "+1.5", "-2e-3", "", "yes", "'=1"])
def test_what_is_no_formula_stays(text):
    assert _harmless(text) == text
