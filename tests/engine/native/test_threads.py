"""Threads that train lanes: how many there are, and that a forked process does not wait for those of its parent."""

import os
import subprocess
import sys

import pytest

from tenfold.engine.native.threads import usable_cores


def test_as_many_as_cores_that_this_process_may_use(monkeypatch):
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: {0, 2, 5}, raising=False)
    assert usable_cores() == 3
    monkeypatch.delattr(os, "sched_getaffinity")
    for count, expected in ((6, 6), (None, 1)):
        monkeypatch.setattr(os, "cpu_count", lambda count=count: count)
        assert usable_cores() == expected


FORKED = """
import os
from tenfold.engine.native.threads import run_side_by_side

assert run_side_by_side([lambda stop: 0] * 3, 2)
child = os.fork()
if not child:
    os._exit(0 if run_side_by_side([lambda stop: 0] * 3, 2) else 1)
raise SystemExit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no processes are forked here")
def test_a_forked_process_has_threads_of_its_own():
    assert subprocess.run([sys.executable, "-c", FORKED], timeout=120, check=False).returncode == 0
