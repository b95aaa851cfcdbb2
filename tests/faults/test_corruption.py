"""Damage to every kind of file of a run is found, or changes nothing."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parent / "corruption.py"


@pytest.mark.slow
def test_no_damage_to_a_run_is_both_unseen_and_of_effect() -> None:
    """300 flipped bits, 300 zeroed blocks and 300 cuts of each kind; every row changed, deleted and exchanged."""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    done = subprocess.run([sys.executable, str(SCRIPT)], capture_output=True, text=True, check=False, env=environment)
    assert done.returncode == 0, done.stdout + done.stderr
    tried = re.search(r"^\| all \| (\d+) \|", done.stdout, re.MULTILINE)
    assert tried is not None
    assert int(tried[1]) > 10_000
