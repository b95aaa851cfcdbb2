"""All executors by name. Late imported by `choose`, because they load torch."""

from __future__ import annotations

from collections.abc import Callable

from tenfold.executors.protocol import Executor
from tenfold.executors.threads import ThreadExecutor

EXECUTORS: dict[str, Callable[[int], Executor]] = {  # name -> executor of so many workers
    "threads": ThreadExecutor,
}
