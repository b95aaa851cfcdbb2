"""Warnings of torch in the doctor's own forward passes, which say hundreds of times what the diagnosis says once."""

from __future__ import annotations

import warnings
from collections.abc import Generator
from contextlib import contextmanager


@contextmanager
def quiet() -> Generator[None]:
    """No warning of torch inside; those of other code, and all of them afterwards, are as before."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", category=UserWarning, module=r"torch(\.|$)")
        warnings.filterwarnings("ignore", message="Using a target size", category=UserWarning)
        yield
