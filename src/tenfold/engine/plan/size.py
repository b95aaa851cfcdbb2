"""What enters and leaves a network."""

from __future__ import annotations

from itertools import starmap
from typing import TYPE_CHECKING, NamedTuple

from tenfold.data.feed.tensors import TensorShapes

if TYPE_CHECKING:
    from tenfold.recipe.recipe import Recipe


Image = tuple[int, int, int]  # height, width, channels


class ColumnsTaken(NamedTuple):
    """How some recipes take the columns: what they say of integers and of categories, how many more columns than most
    recipes have (of embedded categories mostly fewer), how many more numbers among them, and `Size.tables`."""

    integers: str
    categories: str
    inputs: int
    numbers: int = 0
    tables: tuple[int, ...] = ()


class Size(NamedTuple):
    """inputs: encoded columns (of images all pixels of all channels); outputs: units of the output layer; image: the
    size of the images that the columns are, None for a table; numbers: how many of the columns, the first ones, are
    numbers and no indicators or levels, None for all; ways: where recipes that take the columns in other ways get other
    ones; tables: of each embedded category, whose columns follow those of the numbers, the rows of its table;
    tensors: what X is where only a user's module takes it."""

    inputs: int
    outputs: int
    image: Image | None = None
    numbers: int | None = None
    ways: tuple[ColumnsTaken, ...] = ()
    tensors: TensorShapes | None = None
    tables: tuple[int, ...] = ()

    @property
    def numeric(self) -> int:
        """The columns that are numbers."""
        return self.inputs if self.numbers is None else self.numbers

    def of(self, recipe: Recipe) -> Size:
        """What enters and leaves the network of a recipe."""
        for integers, categories, inputs, numbers, tables in starmap(ColumnsTaken, self.ways):
            if (integers, categories) == (recipe.integers, recipe.categories):
                inputs, numbers = self.inputs + inputs, self.numeric + numbers
                return self._replace(inputs=inputs, numbers=numbers, ways=(), tables=tables)
        return self._replace(ways=())
