"""Initial weights: the stated variance against draws, the distribution by its kurtosis, and what it is for."""

import math
import re
import typing

import numpy as np
import pytest
import torch

from tenfold.rules.initialization import Constant, He, Initialization, LeCun, Normal, Xavier, Zeros

FANS = [(2000, 50), (60, 700), (300, 300), (9, 4000)]
# variance in closed form, kurtosis of the distribution (None: not random)
ORACLES = {
    Zeros: (lambda r, i, o: 0.0, None),
    Constant: (lambda r, i, o: 0.0, None),
    Normal: (lambda r, i, o: r.std**2, 3.0),
    LeCun: (lambda r, i, o: 1 / i, 3.0),
    Xavier: (lambda r, i, o: 2 / (i + o), 1.8),
    He: (lambda r, i, o: 2 / i, 3.0),
}
RULES = [member() for member in typing.get_args(Initialization)] + [Normal(std=0.3), Constant(value=-2.5)]
rules = pytest.mark.parametrize("rule", RULES, ids=repr)


def draw(rule, fan_in, fan_out, seed=0):
    rng = np.random.default_rng(seed)
    size = (fan_in, fan_out)
    base = rng.standard_normal(size) if rule.draw == "normal" else rng.uniform(-1, 1, size)
    return rule.weights(base, fan_in, fan_out)


def test_every_initialization_has_an_oracle():
    assert set(ORACLES) == set(typing.get_args(Initialization))


@rules
@pytest.mark.parametrize("fans", FANS)
def test_variance_is_the_claim(rule, fans):
    variance, kurtosis = ORACLES[type(rule)]
    assert rule.variance(*fans) == pytest.approx(variance(rule, *fans), rel=1e-12)
    w = draw(rule, *fans)
    assert w.shape == fans
    if kurtosis is None:
        assert np.ptp(w) == 0
        return
    sigma, n = math.sqrt(variance(rule, *fans)), w.size
    assert abs(w.std() / sigma - 1) < 5 / math.sqrt(2 * n)
    assert abs(w.mean()) < 5 * sigma / math.sqrt(n)
    assert ((w - w.mean()) ** 4).mean() / w.var() ** 2 == pytest.approx(kurtosis, abs=0.1)


@pytest.mark.parametrize("fans", FANS)
def test_xavier_fills_torchs_range(fans):
    bound = math.sqrt(6 / sum(fans))
    w = draw(Xavier(), *fans)
    assert np.abs(w).max() <= bound
    assert np.abs(w).max() > 0.999 * bound
    reference = torch.nn.init.xavier_uniform_(torch.empty(fans[::-1]), generator=torch.Generator().manual_seed(0))
    assert float(reference.abs().max()) == pytest.approx(np.abs(w).max(), rel=1e-3)


def test_constants_are_exact():
    assert (draw(Zeros(), 7, 5) == 0).all()
    assert (draw(Constant(value=0.25), 7, 5) == 0.25).all()


def layer_outputs(rule, activation, layers=10, width=500, rows=1000):
    """Standard deviation and root mean square of every layer of the lecture's deep network."""
    h, found = np.random.default_rng(1).standard_normal((rows, width)), []
    for layer in range(layers):
        h = activation(h @ draw(rule, width, width, seed=2 + layer))
        found.append((h.std(), np.sqrt((h**2).mean())))
    return np.array(found).T


def test_tanh_and_lecun_shrink_slowly():
    expected = [0.6278, 0.4852, 0.4071, 0.3567, 0.3206, 0.2939, 0.2721, 0.2544, 0.2406, 0.2277]
    np.testing.assert_allclose(layer_outputs(LeCun(), np.tanh)[0], expected, rtol=0.02)


def test_he_keeps_the_second_moment_through_relu_and_lecun_halves_it():
    relu = lambda z: np.maximum(z, 0)  # noqa: E731
    assert 0.5 < layer_outputs(He(), relu)[1][-1] < 2
    assert layer_outputs(LeCun(), relu)[1][-1] == pytest.approx(0.5**5, rel=0.3)
    assert layer_outputs(Normal(std=0.01), relu)[1][-1] < 1e-6


@pytest.mark.parametrize("member", [LeCun, Xavier, He])
def test_docstring_has_variance_and_source(member):
    assert re.search(r"Var = |N\(0, \d / fan_in\)", member.__doc__)
    assert re.search(r"(19|20)\d\d", member.__doc__)
