"""No file that is read, whatever its name and whatever is in it, makes the program do anything but read."""

import json
import subprocess
import sys
from pathlib import Path

import pytest


@pytest.mark.slow
def test_crafted_files_run_nothing_import_nothing_and_connect_to_nothing(tmp_path):
    program = Path(__file__).with_name("load_crafted_files.py")
    done = subprocess.run([sys.executable, program, tmp_path], capture_output=True, text=True, check=True)
    found = json.loads(done.stdout)
    assert found["made"] >= 500
    assert not found["flag"]
    assert found["seen"] == []
