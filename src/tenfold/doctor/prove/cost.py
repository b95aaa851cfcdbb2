"""What an update of a module costs: counted, not timed, so that a training gets the same diagnosis on every machine."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from torch.utils.flop_counter import flop_registry

# Seconds on one thread: to start an operation, of one addition or multiplication in a product of matrices or a
# convolution, to write one number. Measured on 21 networks; the sum is right within a factor of 2 on the machine of the
# benchmarks, a little more on small convolutions.
OPERATION, ARITHMETIC, NUMBER = 4.5e-6, 9e-12, 3.75e-10


def seconds_per_update(work: Callable[[int], Any]) -> float:
    """Seconds that one more update costs; work(n) makes n updates and whatever comes before and after them."""
    # the difference leaves out what is done once: copying the network, dealing rows, scoring
    once, thrice = (_counted(work, updates) for updates in (1, 3))
    return max((thrice - once) / 2, OPERATION)


def _counted(work: Callable[[int], Any], updates: int) -> float:
    with _Count() as count:
        work(updates)
    return count.seconds


class _Count(TorchDispatchMode):
    """Sees every operation, those of the gradient and of the optimizer too."""

    seconds = 0.0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = func(*args, **(kwargs or {}))
        arithmetic = flop_registry.get(func._overloadpacket)
        numbers = sum(leaf.numel() for leaf in tree_leaves(result) if isinstance(leaf, torch.Tensor))
        self.seconds += OPERATION + NUMBER * numbers
        if arithmetic is not None:
            self.seconds += ARITHMETIC * arithmetic(*args, **(kwargs or {}), out_val=result)
        return result
