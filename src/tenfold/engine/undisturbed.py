"""Work that does not depend on what the caller has set torch to, and that leaves all that is global as it was."""

from __future__ import annotations

import threading
from collections.abc import Callable, Generator
from contextlib import ExitStack, contextmanager
from functools import wraps
from typing import ParamSpec, TypeVar

P = ParamSpec("P")
R = TypeVar("R")
# Threads of arithmetic, filters of warnings (which scikit-learn sets as well) and torch's random state belong
# to the process: two fits at once would each put back what the other one has set.
_ONE_AT_A_TIME = threading.RLock()
_RANDOM_STATE = threading.RLock()


def undisturbed(function: Callable[P, R]) -> Callable[P, R]:
    """The function, one call at a time in this process, with torch as it is by default (see `plain_torch`)."""

    @wraps(function)
    def alone(*args: P.args, **kwargs: P.kwargs) -> R:
        with _ONE_AT_A_TIME, plain_torch():
            return function(*args, **kwargs)

    return alone


@contextmanager
def plain_torch() -> Generator[None]:
    """In the calling thread: gradients on, no inference mode, no automatic casts, tensors on the CPU by default."""
    import torch

    with ExitStack() as stack:
        stack.enter_context(torch.inference_mode(False))
        stack.enter_context(torch.enable_grad())
        for device in ("cpu", "cuda"):
            if torch.is_autocast_enabled(device):
                stack.enter_context(torch.autocast(device, enabled=False))
        # Only where it is needed: it makes every call of torch slower.
        if torch.get_default_device().type != "cpu":
            stack.enter_context(torch.device("cpu"))
        yield


@contextmanager
def own_random_state() -> Generator[None]:
    """What is drawn inside from torch's global generator of the CPU is not seen outside, nor by other threads here."""
    import torch

    with _RANDOM_STATE, torch.random.fork_rng(devices=[]):
        yield
