"""What a number was measured on: versions, processor, load, memory."""

from __future__ import annotations

import os
import platform
import resource
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

PACKAGES = ("tenfold", "torch", "numpy", "scikit-learn", "skorch", "jax")


def cores() -> int:
    """Processor cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else (os.cpu_count() or 1)


def facts() -> dict[str, Any]:
    """Versions, processor model, cores and the load averages (1, 5, 15 minutes) at this moment."""
    return {
        "versions": {"python": platform.python_version(), **{name: _version(name) for name in PACKAGES}},
        "cpu": _cpu(),
        "cores": cores(),
        "load_at_start": [round(value, 2) for value in os.getloadavg()],
    }


def peak_memory() -> dict[str, float]:
    """Largest resident memory so far in MB: of this process, and of the largest of its children that have ended."""
    unit = 1024.0 if platform.system() == "Linux" else 1024.0**2  # Linux counts in KB, macOS in bytes
    kinds = {"process_mb": resource.RUSAGE_SELF, "largest_child_mb": resource.RUSAGE_CHILDREN}
    return {name: round(resource.getrusage(who).ru_maxrss / unit, 1) for name, who in kinds.items()}


def processor_seconds(*, children: bool = False) -> float:
    """Of all processors that this process has used so far, or those of its children that have ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN if children else resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def describe(machine: dict[str, Any]) -> str:
    """The facts in one line."""
    versions = ", ".join(f"{name} {number}" for name, number in machine["versions"].items() if number)
    load = ", ".join(str(value) for value in machine["load_at_start"])
    return f"{machine['cpu']}, {machine['cores']} cores, load at start {load}; {versions}"


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def _cpu() -> str:
    listing = Path("/proc/cpuinfo")
    if listing.exists():
        for line in listing.read_text().splitlines():
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    return platform.processor() or platform.machine()
