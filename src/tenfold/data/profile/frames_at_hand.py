"""Frames of whichever library is installed."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.util import find_spec
from typing import Any

from tenfold.errors import BadInput


def as_frame(columns: Mapping[str, Any]) -> Any:
    """Columns as a frame of the first of pandas, polars and pyarrow that is installed; BadInput without any."""
    import narwhals as nw

    for library in ("pandas", "polars", "pyarrow"):
        if find_spec(library):
            return nw.from_dict(dict(columns), backend=library).to_native()
    raise BadInput("no frame library is installed", do="pip install pandas")
