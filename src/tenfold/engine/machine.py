"""What the bits of a training depend on besides the run itself: the processor, the device, the versions."""

from __future__ import annotations

import platform
import re
from importlib.metadata import version
from pathlib import Path

from tenfold._version import __version__
from tenfold.engine.engines import Engine
from tenfold.engine.native.library import compiled_lanes

CPU_FACTS = Path("/proc/cpuinfo")


def machine_facts(device: str, engine: Engine) -> dict[str, str]:
    """Of this machine, for a run with that engine on that kind of device, such as "cpu"."""
    lanes = compiled_lanes()
    return {
        "processor": _processor(),
        "system": platform.system(),
        "device": device,
        "engine": f"compiled lanes, {lanes.level}" if engine == "compiled" and not lanes.missing else "packs",
        "tenfold": __version__,
        **{name: version(name) for name in ("torch", "numpy")},
    }


def _processor() -> str:
    """The model, where the system tells it."""
    try:
        found = re.search(r"^model name\s*:\s*(.+)$", CPU_FACTS.read_text(encoding="utf-8", errors="replace"), re.M)
    except OSError:
        found = None
    return found[1].strip() if found else platform.processor() or platform.machine()
