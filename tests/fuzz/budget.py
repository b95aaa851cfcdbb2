"""How often a property is tried: a few times in the fast suite, more often in the long one, and as often as
FUZZ_EXAMPLES says in `make fuzz`, with other examples each time."""

from __future__ import annotations

import os

import pytest
from hypothesis import HealthCheck, settings

ASKED = int(os.environ.get("FUZZ_EXAMPLES", "0"))
TIMES = [pytest.param(ASKED, marks=pytest.mark.slow)] if ASKED else [20, pytest.param(200, marks=pytest.mark.slow)]


def tried(times: int) -> settings:
    """The settings of a property that is tried so often."""
    slow = [HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much]
    return settings(
        max_examples=times, derandomize=not ASKED, print_blob=bool(ASKED), deadline=None, database=None,
        suppress_health_check=slow,
    )  # fmt: skip
