"""All executors by name. Late imported by `choose`, because they load torch."""

from __future__ import annotations

from collections.abc import Callable

from tenfold.executors.protocol import Executor
from tenfold.executors.threads import ThreadExecutor


def _on_ray(workers: int) -> Executor:
    # it imports ray, which not everybody has
    from tenfold.executors.ray_executor import RayExecutor

    return RayExecutor(workers)


EXECUTORS: dict[str, Callable[[int], Executor]] = {  # name -> executor of so many workers
    "threads": ThreadExecutor,
    "ray": _on_ray,
}
