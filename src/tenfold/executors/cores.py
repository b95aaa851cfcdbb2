"""How many workers this process may use."""

from __future__ import annotations

import os


def available_workers() -> int:
    """Processor cores that this process may use."""
    return max(1, len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else (os.cpu_count() or 1))
