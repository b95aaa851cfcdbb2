"""What holds for every test: one thread a process, the same examples in every run, no display."""

from __future__ import annotations

import os

from hypothesis import settings

# Before numpy or torch is imported anywhere, and inherited by the programs that tests start.
os.environ.update(OMP_NUM_THREADS="1", MKL_NUM_THREADS="1", OPENBLAS_NUM_THREADS="1", MPLBACKEND="Agg")

settings.register_profile("tenfold", deadline=None, derandomize=True, database=None)
settings.load_profile("tenfold")
