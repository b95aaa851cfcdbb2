"""Names of files, columns and classes that are no UTF-8, or that a terminal would obey: everything works, and they are
shown as escapes."""

import json
import os
import subprocess

import pytest

from tenfold.cli.options import shell_path
from tenfold.formatting import visible

from .program import HEADER, SPACE, rows, tenfold, write

ESCAPE, TITLE, TURN, BYTE = "\x1b[2J", "\x1b]0;evil\x07", "\u202e", "\udcff"
FAST = ("--space", "space.yaml", "--trials", 2, "--folds", 2)


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "space.yaml").write_text(SPACE)
    return tmp_path


def harmless(done, code=0):
    """How a command ended, whose words no terminal obeys and every terminal can show."""
    assert done.code == code, done.err
    assert "internal error" not in done.err
    for text in (done.out, done.err):
        text.encode("utf-8")
        assert visible(text, lines=True) == text
    return done


def test_files_and_runs_whose_names_are_not_utf8(here):
    data = write(here / f"d{BYTE}{ESCAPE}.csv", rows())
    (here / f"neighbour{BYTE}").mkdir()
    run = f"runs/o{BYTE}{TITLE}"
    done = harmless(tenfold("fit", data.name, "--target", "churned", *FAST, "--out", run))
    assert r"tenfold predict $'runs/o\xff\x1b]0;evil\x07' NEW_DATA" in done.out
    second = harmless(tenfold("fit", data.name, "--target", "churned", *FAST, "--out", "runs/second"))
    assert r"runs/o\xff\x1b]0;evil\x07" in second.out  # which opened the same sealed rows
    for verb in ("check", "report", "test", "resume"):
        harmless(tenfold(verb, run))
        harmless(tenfold(verb, "runs/second"))
    assert json.loads(harmless(tenfold("report", run, "--json")).out)["report"] == f"{run}/report.html"
    output = f"p{BYTE}{TURN}.csv"
    harmless(tenfold("predict", run, data.name, "-o", output))
    assert len((here / output).read_text().splitlines()) == 91


def test_without_out_the_run_is_named_after_the_file(here):
    data = write(here / f"d{BYTE}.csv", rows())
    harmless(tenfold("fit", data.name, "--target", "churned", *FAST))
    harmless(tenfold("check", f"runs/d{BYTE}-1"))


def test_names_of_columns_and_classes(here):
    names = [
        f"{name}{mark}" for name, mark in zip(HEADER.split(","), (ESCAPE, "\x9b1m", TURN, "\x07", TITLE), strict=True)
    ]
    lines = [line.replace("red", f"re{ESCAPE}d").replace("left", f"le{TITLE}ft") for line in rows()]
    write(here / "data.csv", lines, ",".join(names))
    write(here / "plain.csv", rows())
    dry = harmless(tenfold("fit", "data.csv", "--target", names[4], "--dry-run"))
    assert r"'churned\x1b]0;evil\x07': classification" in dry.out
    plan = harmless(tenfold("fit", "data.csv", "--target", names[4], "--dry-run", "--json"))
    assert [column["name"] for column in json.loads(plan.out)["card"]["columns"]] == names[:4]
    harmless(tenfold("fit", "data.csv", "--target", names[4], *FAST, "--out", "run"))
    harmless(tenfold("fit", "data.csv", "--target", "age"), 2)
    harmless(tenfold("fit", "data.csv", "--target", names[4], "--groups", names[2] + "x"), 2)
    harmless(tenfold("predict", "run", "plain.csv"), 2)
    predicted = tenfold("predict", "run", "data.csv", "--proba")
    assert f"le{TITLE}ft" in predicted.out  # for a program, not for a terminal: the data as they are
    harmless(tenfold("predict", "run", "data.csv", "-o", "p.csv"))


@pytest.mark.parametrize(
    "arguments",
    [("fit", f"no{ESCAPE}{BYTE}.csv"), ("predict", f"no{ESCAPE}{BYTE}", "x"), ("check", TURN), ("resume", BYTE),
     (ESCAPE,), ("fit", f"-{TURN}", "a"), ("fit", f"--o{TURN}=x", "a"), ("fit", f"--o{ESCAPE}", "a"),
     ("fit", "a", TITLE), ("fit", f"--o{TURN}", "a"), ("fit", "a", "--seed", ESCAPE), ("fit", "a", "--device", TITLE),
     ("fit", "a", "--time-limit", TITLE), ("fit", "a", "--rule", ESCAPE), ("recipes", "--explain", ESCAPE)],
    ids=ascii,
)  # fmt: skip
def test_errors_about_what_was_typed(arguments, here):
    harmless(tenfold(*arguments), 2)


@pytest.mark.parametrize(
    "name", ["plain", "with space", "o'clock\x1b", f"a\\b{BYTE}", f"{TITLE}{TURN}\n$x`", "\x9b\u00e9"], ids=ascii
)
def test_a_shown_path_can_be_typed(name):
    shown = shell_path(name)
    assert visible(shown) == shown
    env = {**os.environ, "LC_ALL": "C.UTF-8"}
    echoed = subprocess.run(["bash", "-c", f"printf %s {shown}"], capture_output=True, check=True, env=env).stdout
    assert echoed == os.fsencode(name)
