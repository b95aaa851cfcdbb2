"""Random sequences of commands, kills, damage and moves leave a run directory whole, or say what is wrong with it."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from .budget import ASKED

SCRIPT = Path(__file__).parent / "run_machine.py"
RUNS = ASKED // 50 if ASKED else 5


@pytest.mark.slow
def test_no_sequence_of_commands_kills_and_damage_breaks_a_promise() -> None:
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    command = [sys.executable, str(SCRIPT), "--runs", str(max(5, RUNS)), *(["--random"] if ASKED else [])]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    if done.returncode == 3:
        pytest.skip("a C compiler is needed to kill a process at any call")
    assert done.returncode == 0, done.stdout[-10_000:] + done.stderr[-10_000:]
    assert re.search(r"^\d+ sequences, \d+ commands, no failure$", done.stdout, re.MULTILINE)
