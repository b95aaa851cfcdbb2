"""Memory that cannot be had is an error that names it, at whatever place it runs out, and changes nothing."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tenfold.engine.native.library import compiled_lanes

pytestmark = [
    pytest.mark.skipif(bool(compiled_lanes().missing), reason=compiled_lanes().missing),
    pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="only Linux says how much memory is mapped"),
    pytest.mark.skipif("asan" in os.environ.get("LD_PRELOAD", ""), reason="a sanitizer maps terabytes"),
]

# A process of its own, whose memory is limited to so many MiB more than it has; the last are enough.
PROGRAM = """
import resource
import sys
from pathlib import Path

import numpy as np
import torch

sys.path.insert(0, sys.argv[1])
from plain import make_feed
from tenfold.data.split.folds import Fold
from tenfold.engine.native.solo_lanes import SoloLanes
from tenfold.engine.out_of_memory import is_out_of_memory
from tenfold.engine.packs.lanes import Lane
from tenfold.engine.plan.shape import Shape
from tenfold.engine.plan.size import Size
from tenfold.recipe.recipe import Recipe

rows, columns = 10_000, 20
network = {"hidden": [300, 300], "normalization": "batch", "dropout": 0.2}
recipe = Recipe.from_dict({"network": network, "batch_size": "full", "epochs": 3})
x = np.random.default_rng(0).normal(size=(rows, columns))
feed = make_feed(x, (x[:, 0] > 0).astype(np.int64), [Fold(np.arange(50, rows), np.arange(50), 0, 1)], torch.float32)
shape = Shape.of(recipe, Size(columns, 2), [part.fold for part in feed.folds])
lanes = SoloLanes([Lane(recipe, 0, 0)], shape, feed, threads=1)
start = lanes.rows["w"].clone()
before, made = lanes.evaluate()[0].copy(), []  # the threads are there now
for more in (0.1, 1, 2, 5, 10, 20, 40, 60, 80, 100, 4000):
    mapped = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (mapped + int(more * 2**20), resource.RLIM_INFINITY))
    try:
        made.append(lanes.run_epoch(last=1))
    except (MemoryError, RuntimeError) as error:
        assert is_out_of_memory(error), error
        assert lanes.update == 0 and torch.equal(lanes.rows["w"], start)
        made.append(type(error).__name__)
print(*made)
"""


@pytest.mark.slow
def test_every_allocation_may_fail():
    command = [sys.executable, "-c", PROGRAM, str(Path(__file__).parents[1])]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    made = done.stdout.split()
    assert made[-1] == "True"
    assert made.count("MemoryError") > 3
    assert set(made) <= {"MemoryError", "RuntimeError", "True"}
