"""What enters and leaves a network."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from tenfold.data.feed.tensors import TensorShapes

if TYPE_CHECKING:
    from tenfold.recipe.recipe import Recipe


Image = tuple[int, int, int]  # height, width, channels


class Size(NamedTuple):
    """inputs: encoded columns (of images all pixels of all channels); outputs: units of the output layer; image: the
    size of the images that the columns are, None for a table; numbers: how many of the columns, the first ones, are
    numbers and no indicators or levels, None for all; ways: where recipes that take the columns in other ways get more
    of them: what such a recipe says of integers and of categories, how many more columns, and numbers among them;
    tensors: what X is where only a user's module takes it."""

    inputs: int
    outputs: int
    image: Image | None = None
    numbers: int | None = None
    ways: tuple[tuple[str, str, int, int], ...] = ()
    tensors: TensorShapes | None = None

    @property
    def numeric(self) -> int:
        """The columns that are numbers."""
        return self.inputs if self.numbers is None else self.numbers

    def of(self, recipe: Recipe) -> Size:
        """What enters and leaves the network of a recipe."""
        for integers, categories, inputs, numbers in self.ways:
            if (integers, categories) == (recipe.integers, recipe.categories):
                return self._replace(inputs=self.inputs + inputs, numbers=self.numeric + numbers, ways=())
        return self._replace(ways=())
