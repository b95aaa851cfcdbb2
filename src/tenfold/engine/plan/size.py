"""What enters and leaves a network."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from tenfold.recipe.recipe import Recipe

Image = tuple[int, int, int]  # height, width, channels


class Size(NamedTuple):
    """inputs: encoded columns (of images all pixels of all channels); outputs: units of the output layer; image: the
    size of the images that the columns are, None for a table; numbers: how many of the columns, the first ones, are
    numbers and no indicators or levels, None for all; integers: how many more columns enter a network whose recipe
    takes integers of few values as categories."""

    inputs: int
    outputs: int
    image: Image | None = None
    numbers: int | None = None
    integers: int = 0

    @property
    def numeric(self) -> int:
        """The columns that are numbers."""
        return self.inputs if self.numbers is None else self.numbers

    def of(self, recipe: Recipe) -> Size:
        """What enters and leaves the network of a recipe."""
        more = self.integers if recipe.integers == "categories" else 0
        return self._replace(inputs=self.inputs + more, integers=0)
