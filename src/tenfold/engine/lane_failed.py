"""An error that the user's own code raised while lanes were trained: their module, or their loss."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from contextlib import contextmanager

from tenfold.engine.out_of_memory import is_out_of_memory
from tenfold.errors import RunFailed, TenfoldError, clipped


class LaneFailed(RunFailed):
    """what: whose code it was; lanes: the places in the pack, () for all of them."""

    def __init__(self, what: str, error: Exception, lanes: Sequence[int] = ()) -> None:
        self.error, self.lanes = error, tuple(lanes)
        text = str(error).strip().splitlines()
        self.note = f"{what} fails: {type(error).__name__}: {clipped(text[0] if text else '', 200)}"
        super().__init__(f"{self.note}\n  try: call it on such rows yourself")


@contextmanager
def own_code(what: str, lanes: Sequence[int] = ()) -> Generator[None]:
    """Around a call of the user's own code. Lack of memory, and what Tenfold refuses, are no failures of it."""
    try:
        yield
    except (TenfoldError, MemoryError):
        raise
    except Exception as error:
        if is_out_of_memory(error):
            raise
        raise LaneFailed(what, error, lanes) from error
