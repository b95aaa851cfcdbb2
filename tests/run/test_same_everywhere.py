"""The same command gives the same bits whatever surrounds the process."""

import hashlib
import os
import subprocess
import sys

import pytest

from ..cli.program import SPACE, rows, write

SURROUNDINGS = {
    "threads": {"OMP_NUM_THREADS": "4", "OPENBLAS_NUM_THREADS": "3", "MKL_NUM_THREADS": "2"},
    "Turkish letters": {"LC_ALL": "tr_TR.UTF-8", "LANG": "tr_TR.UTF-8"},
    "German numbers": {"LC_ALL": "de_DE.UTF-8", "LC_NUMERIC": "de_DE.UTF-8"},
    "no locale": {"LC_ALL": "POSIX", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"},
    "time zone": {"TZ": "Pacific/Kiritimati"},
    "hashes": {"PYTHONHASHSEED": "12345"},
    "terminal": {"COLUMNS": "20", "LINES": "5", "TERM": "dumb", "NO_COLOR": "1", "FORCE_COLOR": "1"},
    "home": {"HOME": "/nonexistent", "USER": "nobody", "LOGNAME": "nobody", "XDG_CACHE_HOME": "/nonexistent"},
}


def run(folder, name, **around):
    """Hashes of what a run leaves, and what it said of the recipes."""
    base = {key: value for key, value in os.environ.items() if not key.startswith(("LC_", "LANG", "OMP", "TZ"))}
    command = [sys.executable, "-m", "tenfold.cli.main", "fit", folder / "churn.csv", "--target", "churned"]
    command += ["--space", folder / "space.yaml", "--trials", "3", "--folds", "3", "--out", folder / name]
    options = {"cwd": around.pop("cwd", folder), "umask": around.pop("umask", 0o022)}
    done = subprocess.run(command, capture_output=True, env=base | around, **options)
    assert done.returncode == 0, done.stderr.decode(errors="replace")
    files = [
        "leaderboard.csv",
        "trials.csv",
        "recipe.yaml",
        *(f"model/{n}" for n in sorted(os.listdir(folder / name / "model"))),
    ]
    found = {file: hashlib.sha256((folder / name / file).read_bytes()).hexdigest() for file in files}
    found.pop("model/manifest.json", None)  # which holds the hash of the card, and this the name of the run
    said = [line for line in done.stdout.decode(errors="replace").splitlines() if line.startswith("Winner:")]
    return found, said


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    found = tmp_path_factory.mktemp("same")
    write(found / "churn.csv", rows())
    (found / "space.yaml").write_text(SPACE)
    return found


@pytest.fixture(scope="module")
def plain(folder):
    return run(folder, "plain")


@pytest.mark.slow
@pytest.mark.parametrize("name", SURROUNDINGS)
def test_variables_of_the_process_change_no_bit(folder, plain, name):
    assert run(folder, name.replace(" ", "-"), **SURROUNDINGS[name]) == plain


@pytest.mark.slow
def test_where_and_by_whom_it_is_started_changes_no_bit(folder, plain):
    assert run(folder, "elsewhere", cwd="/", umask=0o077) == plain
