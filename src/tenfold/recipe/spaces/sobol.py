"""Quasi-random recipes: a scrambled Sobol sequence over the decisions of a space."""

from __future__ import annotations

from collections.abc import Iterator

from tenfold.recipe.recipe import Recipe
from tenfold.recipe.spaces.decisions import build_with, decisions_of
from tenfold.recipe.spaces.space import Space

SPAWN_KEY = (0x50B01,)  # a stream of its own: those of `Space.sample` are (0,), (1,), ...
FIRST_BLOCK = 64  # points; a power of two, as every block after it


def sobol(space: Space, n: int, seed: int = 0) -> list[Recipe]:
    """n distinct recipes that cover the space more evenly than random ones, or all of a smaller space.

    Formula: recipe i is decided by point i of a scrambled Sobol sequence in [0, 1)^d, one coordinate for each of the d
    decisions of the space; coordinates of decisions that are not on the way to the recipe are not used, and repeats are
    skipped. The first k are `sobol(space, k, seed)`. Raises `BadInput` when n or the seed is negative.
    Source: Sobol 1967; Owen 1998 (scrambling); Bergstra & Bengio 2012 (against grids).
    """
    return space.distinct(_endless(space, seed), n, seed)


def _endless(space: Space, seed: int) -> Iterator[Recipe]:
    import numpy as np
    from scipy.stats import qmc

    column = {decision.path: j for j, decision in enumerate(decisions_of(space))}
    rng = np.random.default_rng(np.random.SeedSequence(seed, spawn_key=SPAWN_KEY))
    # the generator's parameter is called rng from scipy 1.15 on, but seed works in older versions too
    sequence = qmc.Sobol(max(len(column), 1), scramble=True, seed=rng)  # pyright: ignore[reportCallIssue]
    size = FIRST_BLOCK
    while True:
        for point in sequence.random(size):  # (d,)
            yield build_with(space, lambda decision, point=point: decision.at(float(point[column[decision.path]])))
        # as many again: a Sobol sequence is balanced at powers of two
        size = int(sequence.num_generated)
