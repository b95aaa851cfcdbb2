"""The journeys of the documentation are made: their Python runs, their commands run, and what is shown is what comes.

In a block of a terminal a line that begins with "$ " is a command; the lines behind it must come in that order among
what it prints. Numbers may differ, "..." stands for anything, and "^C" interrupts once the line before it has come.
"""

import os
import re
import shlex
import signal
import subprocess
import sys
from pathlib import Path

import pytest

PAGES = sorted((Path(__file__).parent.parent / "docs" / "journeys").glob("*.md"))
NUMBER = re.compile(r"(?<![A-Za-z])[-+]?\d[\d.,]*(?:e[-+]?\d+)?")


def pattern(shown):
    """What a line must match: the line, with any number for a number and anything for "..."."""
    parts = [re.escape(NUMBER.sub("#", part)) for part in re.sub(r" +", " ", shown.strip()).split("...")]
    return re.compile(".*".join(parts))


def matches(shown, line):
    line = NUMBER.sub("#", re.sub(r" +", " ", line.strip()))
    return pattern(shown).fullmatch(line) is not None


def commands(block):
    """(command, what is shown of its output) of a terminal."""
    for part in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]:
        command, _, shown = part.partition("\n")
        yield command, [line for line in shown.splitlines() if line.strip()]


def run(command, shown):
    """Run it, see that every shown line comes, in order; give its exit code."""
    program, *arguments = shlex.split(command)
    assert program == "tenfold"
    waited, printed = [line for line in shown if line.strip() != "..."], []
    with subprocess.Popen(
        [sys.executable, "-m", "tenfold.cli.main", *arguments], stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        text=True, env={**os.environ, "OMP_NUM_THREADS": "1", "PYTHONUNBUFFERED": "1"},
    ) as process:  # fmt: skip
        for line in process.stdout:
            printed.append(line)
            if waited and matches(waited[0], line):
                waited.pop(0)
                if waited and waited[0] == "^C":
                    waited.pop(0)
                    process.send_signal(signal.SIGINT)
    assert not waited, f"{command}: {waited[0]!r} did not come in\n{''.join(printed)}"
    return process.returncode


@pytest.mark.slow
@pytest.mark.parametrize("page", [pytest.param(p, id=p.stem) for p in PAGES])
def test_a_journey(page, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    names, codes = {}, {}
    text = page.read_text(encoding="utf-8")
    for language, block in re.findall(r"^```(python|console|yaml)\n(.*?)^```$", text, re.MULTILINE | re.DOTALL):
        if language == "console":
            codes |= {command: run(command, shown) for command, shown in commands(block)}
        elif language == "python":
            exec(compile(block, page.name, "exec"), names)
        elif block.startswith("# "):  # the name of the file stands in its first line
            Path(block.split("\n", 1)[0].removeprefix("# ")).write_text(block, encoding="utf-8")
    wrong = {command: code for command, code in codes.items() if code not in (0, 2, 130)}
    assert not wrong


def test_a_line_that_does_not_come_is_seen():
    assert matches("Accuracy 0.86 +- 0.02 over 5 folds; ...", "Accuracy 0.7 +- 0.1 over 3 folds; corrected: 0.6")
    assert not matches("Accuracy 0.86", "R2 0.86")
    assert not matches("done", "undone")
