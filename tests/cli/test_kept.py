"""What `fit` made is kept, recognized and verified: by another run on the same rows, by `resume`, with no output."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tenfold.errors import BadInput
from tenfold.problem import from_file
from tenfold.problem.from_file import prepare
from tenfold.problem.settings import Settings
from tenfold.run import fit as fitting
from tenfold.run.fit import reopen
from tenfold.store import check

from .program import Done, rows, tenfold, write


def slow(value: object) -> Any:
    """A case for the long tests."""
    return pytest.param(value, marks=pytest.mark.slow)


RECIPE = "network: {hidden: [4]}\nepochs: 2\nbatch_size: 16\n"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    found = tmp_path_factory.mktemp("kept")
    write(found / "churn.csv", rows())
    more = [f"{line},{number % 5}" for number, line in enumerate(rows())]
    write(found / "more.csv", more, "age,income,colour,when,churned,extra")
    (found / "recipe.yaml").write_text(RECIPE)
    return found


def fit(folder: Path, out: Path, *options: object, data: str = "churn.csv") -> Done:
    recipe = folder / "recipe.yaml"
    return tenfold(
        "fit", folder / data, "--target", "churned", "--recipe", recipe, "--folds", 2, "--out", out, *options
    )


@pytest.fixture(scope="module")
def runs(folder: Path) -> Path:
    done = fit(folder, folder / "runs" / "first")
    assert done.code == 0, done.err
    return folder / "runs"


@pytest.fixture
def run(runs: Path, tmp_path: Path) -> Path:
    """A copy of a finished run, away from the others."""
    return shutil.copytree(runs / "first", tmp_path / "there" / "run")


@pytest.mark.parametrize("options", [("--drop", "colour"), slow(("--drop", "income", "--drop", "when")), slow(())])
def test_rows_that_another_run_has_scored_are_known_whatever_columns_are_used(
    runs: Path, folder: Path, options: tuple[str, ...]
) -> None:
    data, out = ("churn.csv" if options else "more.csv"), folder / "runs" / f"second{len(options)}"
    done = fit(folder, out, *options, data=data)
    assert done.code == 0, done.err
    summary = json.loads((out / "summary.json").read_text())
    assert summary["test"]["opened"] == 1
    assert any("runs/first" in sentence for sentence in summary["test"]["ledger"])
    assert "no longer an untouched test set" in done.out


@pytest.mark.slow
def test_other_rows_of_the_same_file_are_not_taken_for_them(runs: Path, folder: Path) -> None:
    done = fit(folder, folder / "runs" / "third", "--seed", 1)
    assert done.code == 0, done.err
    assert "untouched" not in done.out


def test_the_model_of_another_run_is_neither_tested_nor_used(
    run: Path, runs: Path, folder: Path, tmp_path: Path
) -> None:
    assert fit(folder, tmp_path / "other", "--seed", 7, "--no-test").code == 0
    before = json.loads((run / "summary.json").read_text())["test"]
    shutil.rmtree(run / "model")
    shutil.copytree(tmp_path / "other" / "model", run / "model")
    for command in (("test", run), ("predict", run, folder / "churn.csv")):
        done = tenfold(*command)
        assert (done.code, done.out) == (1, "")
        assert "model/manifest.json: this is not the model that the run trained" in done.err
    assert tenfold("check", run).code == 1
    assert json.loads((run / "summary.json").read_text())["test"] == before
    done = tenfold("resume", run)  # trains the same bits again
    assert done.code == 0, done.err
    assert "made again: model/manifest.json" in done.out
    assert check(run) == []
    assert (run / "model" / "model.safetensors").read_bytes() == (
        runs / "first" / "model" / "model.safetensors"
    ).read_bytes()


def _flip(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


@pytest.mark.parametrize(
    "name", ["leaderboard.csv", slow("recipe.yaml"), slow("model/schema.json"), "model", slow("trials.csv")]
)
@pytest.mark.parametrize("late", [False, slow(True)])
def test_resume_makes_again_what_is_damaged(run: Path, runs: Path, name: str, late: bool) -> None:
    """late: the run was killed after everything was written, before it was finished."""
    if late:
        from tenfold.store import Run

        with Run.open(run) as opened:
            opened._database.delete("facts", name="report")  # pyright: ignore[reportPrivateUsage]
    shutil.rmtree(run / name) if name == "model" else _flip(run / name)
    assert check(run) != []
    done = tenfold("resume", run)
    assert done.code == 0, done.err
    assert check(run) == []
    again = run / name
    for path in again.iterdir() if again.is_dir() else [again]:
        assert path.read_bytes() == (runs / "first" / path.relative_to(run)).read_bytes()
    assert json.loads((run / "summary.json").read_text())["test"]["opened"] == 1


def test_resume_says_what_it_cannot_make_again(run: Path) -> None:
    """The first line of the records of all packs; without them the run cannot be finished again."""
    for blob in (run / "blobs").iterdir():
        _flip(blob)
    done = tenfold("resume", run)
    assert done.code == 1
    assert "the content has changed" in done.err
    assert "blobs/" in done.err


@pytest.mark.parametrize("option", ["data", "test"])
def test_data_that_are_replaced_while_they_are_read_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, option: str
) -> None:
    """What was read would not be what is hashed, and a resumed run would go on with other numbers."""
    write(tmp_path / "data.csv", rows())
    write(tmp_path / "test.csv", rows(30, seed=1))
    read_any: Any = from_file.read_any

    def replaced(source: str, **options: Any) -> Any:
        table = read_any(source, **options)
        if source.endswith(f"{option}.csv"):
            write(tmp_path / "new.csv", rows(80, seed=9))
            os.replace(tmp_path / "new.csv", source)
        return table

    monkeypatch.setattr(from_file, "read_any", replaced)
    settings = Settings(str(tmp_path / "data.csv"), target="churned", test=str(tmp_path / "test.csv"), folds=2)
    with pytest.raises(BadInput, match=rf"{option}\.csv: the file changed while it was read"):
        prepare(settings)
    monkeypatch.undo()
    prepare(settings)


def test_data_that_are_replaced_while_a_run_goes_on_are_refused(
    run: Path, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The second look finds the old bytes gone: between the check and the reading."""
    before = (folder / "churn.csv").read_bytes()
    look: Any = fitting._check_unchanged  # pyright: ignore[reportPrivateUsage]

    def then_replaced(*known: str) -> None:
        look(*known)
        write(folder / "churn.csv", rows(90, seed=5))

    monkeypatch.setattr(fitting, "_check_unchanged", then_replaced)
    try:
        with pytest.raises(BadInput, match="not those that the run was started with"):
            reopen(run)
    finally:
        (folder / "churn.csv").write_bytes(before)


PROGRAM = [sys.executable, "-m", "tenfold.cli.main"]


def shell(command: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["bash", "-c", command], capture_output=True, text=True, check=False, env=os.environ | environment
    )


@pytest.mark.slow
@pytest.mark.parametrize(
    ("redirection", "why"), [(">&-", "Bad file descriptor"), ("> /dev/full", "No space left on device")]
)
def test_an_output_that_cannot_be_written_is_one_line_and_the_run_is_finished(
    folder: Path, tmp_path: Path, redirection: str, why: str
) -> None:
    arguments = f"--target churned --recipe {folder}/recipe.yaml --folds 2 --out {tmp_path}/run"
    done = shell(f"{' '.join(PROGRAM)} fit {folder}/churn.csv {arguments} {redirection}")
    assert done.returncode == 1
    assert done.stderr == f"tenfold: what was done is kept, but standard output could not be written: {why}\n"
    assert check(tmp_path / "run") == []
    assert (tmp_path / "run" / "report.html").exists()


@pytest.mark.slow
def test_closed_files_are_not_mistaken_for_the_database(folder: Path, tmp_path: Path) -> None:
    """With all three closed, run.db would be opened as standard error, and every warning written into it."""
    arguments = f"--target churned --recipe {folder}/recipe.yaml --folds 2 --out {tmp_path}/run"
    done = shell(f"{' '.join(PROGRAM)} fit {folder}/churn.csv {arguments} <&- >&- 2>&-")
    assert done.returncode == 1
    assert check(tmp_path / "run") == []
    assert json.loads((tmp_path / "run" / "summary.json").read_text())["test"]["opened"] == 1


@pytest.mark.slow
def test_characters_that_the_encoding_lacks_are_escaped(folder: Path, tmp_path: Path) -> None:
    write(tmp_path / "größe.csv", rows(), "größe,income,colour,when,churned")
    arguments = f"--target churned --recipe {folder}/recipe.yaml --folds 2 --dry-run"
    done = shell(f"{' '.join(PROGRAM)} fit {tmp_path}/größe.csv {arguments}", PYTHONIOENCODING="ascii")
    assert (done.returncode, done.stderr) == (0, "")
    assert r"gr\xf6\xdfe" in done.stdout
    done = shell(f"{' '.join(PROGRAM)} fit {tmp_path}/größe.csv {arguments} --json", PYTHONIOENCODING="ascii")
    assert done.returncode == 0
    assert "größe" in json.dumps(json.loads(done.stdout), ensure_ascii=False)


def test_a_name_that_is_too_long_is_refused(folder: Path) -> None:
    done = fit(folder, Path("n" * 300))
    assert (done.code, done.out) == (2, "")
    assert "File name too long" in done.err
    assert len(done.err.splitlines()) <= 4
