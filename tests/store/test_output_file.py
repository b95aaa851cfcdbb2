"""What is written at a place that the user names: complete or not at all, and nothing of the user's is destroyed."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tenfold.errors import BadInput, RunFailed
from tenfold.store import Run, read_bundle, write_bundle
from tenfold.store.database import Database
from tenfold.store.output_file import refuse_output, write_output

PARTS: dict[str, Any] = {"spec": {}, "arrays": {"w": np.zeros(2)}, "schema": {}, "preprocess": {}, "card": "#\n"}
PARTS["preprocess_arrays"] = {"m": np.zeros(1)}
LONG = "n" * 251


def test_a_file_with_the_temporary_name_of_before_and_a_link_of_that_name_are_left_alone(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("mine")
    (tmp_path / "p.csv.tmp").symlink_to(tmp_path / "thesis.txt")
    (tmp_path / "q.csv.tmp").write_text("mine too")
    for name in ("p.csv", "q.csv", f"{LONG}.csv"):
        write_output(tmp_path / name, lambda path: path.write_text("new"))
        assert (tmp_path / name).read_text() == "new"
    assert (tmp_path / "thesis.txt").read_text() == "mine"
    assert (tmp_path / "q.csv.tmp").read_text() == "mine too"
    assert len(list(tmp_path.iterdir())) == 6


def test_what_fails_leaves_the_older_file_and_nothing_else(tmp_path: Path) -> None:
    (tmp_path / "p.csv").write_text("old")

    def broken(path: Path) -> None:
        path.write_text("half")
        raise RuntimeError

    with pytest.raises(RuntimeError):
        write_output(tmp_path / "p.csv", broken)
    assert [(path.name, path.read_text()) for path in tmp_path.iterdir()] == [("p.csv", "old")]


@pytest.mark.parametrize("name", ["no/such/p.csv", "n" * 300 + ".csv", "file/p.csv"])
def test_a_place_that_cannot_be_is_refused_in_one_line(tmp_path: Path, name: str) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(BadInput, match="cannot be written"):
        write_output(tmp_path / name, lambda path: path.write_text("new"))
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_an_input_is_never_the_output_by_whatever_name(tmp_path: Path) -> None:
    data = tmp_path / "d.csv"
    data.write_text("a\n1\n")
    (tmp_path / "linked.csv").symlink_to(data)
    os.link(data, tmp_path / "second name.csv")
    for name in ("d.csv", "linked.csv", "second name.csv", "../" + tmp_path.name + "/d.csv"):
        with pytest.raises(BadInput, match="would be overwritten"):
            refuse_output(tmp_path / name, data)
    refuse_output(tmp_path / "d.csv", "sklearn:iris")
    refuse_output(tmp_path / "new.csv", data)


def test_files_of_a_run_and_of_a_model_are_never_an_output(tmp_path: Path) -> None:
    with Run.create(tmp_path / "run") as run:
        run.write_file("leaderboard.csv", "rank\n")
        run.write_model(**PARTS)
    write_bundle(tmp_path / "model of mine", **PARTS)
    places = ["run/leaderboard.csv", "run/model/p.csv", "run/blobs/p.csv", "model of mine/p.csv"]
    for name in places:
        with pytest.raises(BadInput, match="belongs to the run or the model"):
            refuse_output(tmp_path / name)
    refuse_output(tmp_path / "run" / "predictions.csv")


@pytest.mark.parametrize("name", ["m.tmp", "m.old.tmp"])
def test_saving_a_model_deletes_no_folder_beside_it(tmp_path: Path, name: str) -> None:
    (tmp_path / name).mkdir()
    (tmp_path / name / "thesis.txt").write_text("mine")
    for _ in range(2):
        write_bundle(tmp_path / "m", **PARTS)
    assert (tmp_path / name / "thesis.txt").read_text() == "mine"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["m", name]


def test_saving_a_model_replaces_only_a_model(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "thesis.txt").write_text("mine")
    (tmp_path / "file").write_text("mine")
    for name, message in (("folder", r"other things than a model, such as 'thesis\.txt'"), ("file", "is a file")):
        with pytest.raises(BadInput, match=message):
            write_bundle(tmp_path / name, **PARTS)
    assert (tmp_path / "folder" / "thesis.txt").read_text() == (tmp_path / "file").read_text() == "mine"
    (tmp_path / "empty").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "empty")
    write_bundle(tmp_path / "link", **PARTS)
    assert (tmp_path / "link").is_symlink()
    assert read_bundle(tmp_path / "empty").card == "#\n"


def test_a_model_that_the_database_refuses_to_record_leaves_no_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise RunFailed("no space")

    with Run.create(tmp_path / "run") as run:
        run.write_model(**PARTS)
        before = sorted(path.name for path in run.path.iterdir())
        with monkeypatch.context() as patch, pytest.raises(RunFailed):
            patch.setattr(Database, "write", refuse)
            run.write_model(**{**PARTS, "card": "other"})
        assert sorted(path.name for path in run.path.iterdir()) == before
        assert read_bundle(run.path / "model").card == "#\n"


def test_a_file_of_the_user_in_a_run_that_ends_in_tmp_stays(tmp_path: Path) -> None:
    with Run.create(tmp_path / "run") as run:
        (run.path / "notes.tmp").write_text("mine")
        (run.path / "p.csv.tmp").write_text("mine")
    Run.open(tmp_path / "run").close()
    assert {path.name for path in (tmp_path / "run").glob("*.tmp")} == {"notes.tmp", "p.csv.tmp"}
