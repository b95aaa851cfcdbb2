"""Records that a user writes: recipes, networks and spaces, in Python and as YAML, checked when built."""

from tenfold.recipe.module import Module
from tenfold.recipe.network import MLP, Layers
from tenfold.recipe.recipe import Recipe
from tenfold.recipe.spaces.space import Space
from tenfold.recipe.words.comments import commented_default

__all__ = ["MLP", "Layers", "Module", "Recipe", "Space", "commented_default"]
