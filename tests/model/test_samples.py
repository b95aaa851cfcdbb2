"""Monte-Carlo dropout: the mean of stochastic passes, and their spread."""

import numpy as np
import pytest
from sklearn.datasets import load_diabetes, load_digits

import tenfold
from tenfold.api import search


def fitted(x, y, **change):
    data = {"network": {"hidden": [32], "dropout": 0.3}, "optimizer": {"adam": {"lr": 3e-3}}, "epochs": 25, **change}
    return search(tenfold.Space.from_dict(data), x, y, trials=1, folds=2, device="cpu").refit()


@pytest.fixture(scope="module")
def classifier():
    x, y = load_digits(return_X_y=True)
    return fitted(x[:500], y[:500]), x[500:700], y[500:700]


def test_passes_differ_and_their_mean_is_a_probability(classifier):
    model, x, y = classifier
    mean, spread = model.predict_samples(x, 30)
    np.testing.assert_allclose(mean.sum(1), 1, atol=1e-5)
    assert (spread > 0).all()
    assert (mean.argmax(1) == y).mean() > 0.7
    assert np.abs(mean - model.predict_proba(x)).mean() < 0.1  # weight scaling is close, not equal


def test_the_spread_is_larger_where_the_model_errs(classifier):
    model, x, y = classifier
    mean, spread = model.predict_samples(x, 50)
    chosen = mean.argmax(1)
    mine = np.take_along_axis(spread, chosen[:, None], 1)[:, 0]
    assert mine[chosen != y].mean() > 1.3 * mine[chosen == y].mean()


def test_a_seed_gives_the_same_passes_and_leaves_the_global_stream_alone(classifier):
    import torch

    model, x, _ = classifier
    state = torch.random.get_rng_state()
    one, two, other = (model.predict_samples(x, 3, seed=seed)[0] for seed in (1, 1, 2))
    assert torch.equal(state, torch.random.get_rng_state())
    np.testing.assert_array_equal(one, two)
    assert not np.array_equal(one, other)


def test_the_spread_of_numbers_is_in_the_unit_of_the_target():
    x, y = load_diabetes(return_X_y=True)
    model = fitted(x, y)
    mean, spread = model.predict_samples(x, 30)
    assert mean.shape == spread.shape == (len(y), 1)
    assert 1 < spread.mean() < y.std()


def test_without_dropout_it_is_refused():
    x, y = load_diabetes(return_X_y=True)
    model = fitted(x, y, network={"hidden": [4]}, epochs=1)
    with pytest.raises(tenfold.BadInput, match="without dropout"):
        model.predict_samples(x, 5)
