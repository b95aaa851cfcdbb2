"""Sets of recipes: sampling, narrowing, and the edges of ranges."""
