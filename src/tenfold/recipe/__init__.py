"""Records that a user writes: recipes, networks and spaces, in Python and as YAML, checked when built."""

from tenfold.recipe.comments import commented_default
from tenfold.recipe.default_space import default_space
from tenfold.recipe.network import MLP, Layers
from tenfold.recipe.recipe import Recipe
from tenfold.recipe.space import Space

__all__ = ["MLP", "Layers", "Recipe", "Space", "commented_default", "default_space"]
