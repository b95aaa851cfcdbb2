"""What enters and leaves a network."""

from __future__ import annotations

from typing import NamedTuple

Image = tuple[int, int, int]  # height, width, channels


class Size(NamedTuple):
    """inputs: encoded columns (of images all pixels of all channels); outputs: units of the output layer; image: the
    size of the images that the columns are, None for a table; numbers: how many of the columns, the first ones, are
    numbers and no indicators or levels, None for all."""

    inputs: int
    outputs: int
    image: Image | None = None
    numbers: int | None = None

    @property
    def numeric(self) -> int:
        """The columns that are numbers."""
        return self.inputs if self.numbers is None else self.numbers
