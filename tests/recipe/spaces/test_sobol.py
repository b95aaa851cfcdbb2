"""Quasi-random recipes: evenness, prefixes, and what finite spaces do."""

import math
from collections import Counter

import numpy as np
import pytest
from scipy.stats import qmc

from tenfold.engine.plan.size import Size
from tenfold.errors import BadInput
from tenfold.problem.default_space import default_space
from tenfold.recipe import Space
from tenfold.recipe.spaces.sobol import sobol

SPACE = Space.from_yaml("""
optimizer: {adam: {lr: {log_uniform: [1e-5, 1e-1]}}}
network: {activation: [relu, tanh, elu, gelu], normalization: [none, batch], dropout: {uniform: [0, 0.5]}}
""")


def shares(sample):
    """(n, 1): the learning rates as shares of their range."""
    return np.array([[(math.log10(recipe.optimizer.lr) + 5) / 4] for recipe in sample])


def test_discrepancy_is_a_fifth_of_random_s():
    quasi = [qmc.discrepancy(shares(sobol(SPACE, 64, seed)), method="L2-star") for seed in range(10)]
    random = [qmc.discrepancy(shares(SPACE.sample(64, seed)), method="L2-star") for seed in range(10)]
    assert max(quasi) < min(random)
    assert np.mean(quasi) < np.mean(random) / 5


@pytest.mark.parametrize("seed", range(3))
def test_choices_are_balanced_alone_and_together(seed):
    sample = sobol(SPACE, 64, seed)
    pairs = Counter((type(r.network.activation).__name__, type(r.network.normalization).__name__) for r in sample)
    names = Counter(pair[0] for pair in pairs.elements())
    assert set(names.values()) == {16}
    assert set(Counter(pair[1] for pair in pairs.elements()).values()) == {32}
    assert len(pairs) == 8
    assert max(pairs.values()) <= 12  # each decision has its own coordinate: 8 expected, 16 if they were one


@pytest.mark.parametrize("space", [SPACE, default_space(Size(5, 1), rows=500, task="regression")])
def test_distinct_deterministic_and_the_first_of_more_are_the_same(space):
    sample = sobol(space, 150, 3)
    assert len(set(sample)) == 150
    for k in (0, 1, 64, 65, 149):
        assert sobol(space, k, 3) == sample[:k]
    assert sobol(space, 20, 4) != sample[:20] != space.sample(20, 3)


@pytest.mark.parametrize(("text", "size"), [
    ("", 1),
    ("epochs: {int_log_uniform: [3, 7]}", 5),
    ("network: {hidden: [[1], [2], [3]], dropout: [0, 0.1, 0.2]}\nepochs: [1, 2, 3]", 27),
    ("epochs: [1, [2, [3, [4, [5, [6, [7, [8, [9, [10, [11, [12, [13, 14]]]]]]]]]]]]]", 14),
])  # fmt: skip
def test_a_finite_space_is_exhausted(text, size):
    space = Space.from_yaml(text)
    sample = sobol(space, 100, 1)
    assert len(sample) == len(set(sample)) == size
    assert set(sample) == set(space.sample(100))


@pytest.mark.parametrize(("n", "seed"), [(-1, 0), (1, -1)])
def test_negative_is_refused(n, seed):
    with pytest.raises(BadInput):
        sobol(SPACE, n, seed)
