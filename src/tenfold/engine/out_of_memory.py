"""Whether an error says that memory could not be had."""

from __future__ import annotations

# of torch, on a CPU of either system and on a GPU
SAID = ("can't allocate memory", "not enough memory", "out of memory")


def is_out_of_memory(error: BaseException) -> bool:
    """Python's own error (numpy and the compiled lanes raise it too), or torch's, which is a `RuntimeError`."""
    return isinstance(error, MemoryError) or (
        isinstance(error, RuntimeError) and any(words in str(error) for words in SAID)
    )
