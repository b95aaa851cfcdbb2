"""A sample of the points at which a command can die or be refused by the disk; `make crash-points` tries all."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parent / "crash_points.py"
EVERY = 8  # of about 2,700


@pytest.mark.slow
def test_after_every_point_of_a_sample_all_is_there_and_goes_on_to_the_same_bits() -> None:
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    command = [sys.executable, str(SCRIPT), "--every", str(EVERY)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    if done.returncode == 3:
        pytest.skip("a C compiler is needed to stand between a process and the system")
    assert done.returncode == 0, done.stdout + done.stderr
    tried = re.search(r"^(\d+) points", done.stdout, re.MULTILINE)
    assert tried is not None
    assert int(tried[1]) >= 300
