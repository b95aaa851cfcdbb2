"""What is claimed of normalization: the scale of weights, high rates, exploding gradients, independent rows."""

import math
from itertools import pairwise

import pytest
import torch
from sklearn.datasets import load_digits
from torch.nn import functional

from tenfold.rules.normalization import BatchNorm, batch_norm, group_norm, running
from tenfold.rules.record import preset

F64 = torch.float64


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def normal(*shape, seed=0):
    return torch.randn(shape, dtype=F64, generator=generator(seed))


def standardized(z):
    """Batch normalization as it is at the start of training, of z (1, B, H)."""
    rows = z.shape[1]
    return batch_norm(z, z.new_full((1, 1, rows), 1 / rows), 1.0, 0.0, 1e-5)[0]


@pytest.mark.parametrize("scale", [0.01, 1 / math.sqrt(512), 1.0])
def test_gradients_of_deep_relu_networks_explode_at_the_start(scale):
    """pi / (pi - 1) = 1.467 a layer in squared norm, whatever the scale of the weights (Yang et al. 2019)."""
    h, sums = normal(1, 128, 512), []
    for layer in range(12):
        z = h.bmm(scale * normal(1, 512, 512, seed=layer + 1)).requires_grad_()
        sums.append(z)
        h = standardized(z).relu()
    gradients = torch.autograd.grad((h * normal(1, 128, 512, seed=99)).sum(), sums)
    squares = [float(g.square().sum()) for g in gradients[1:]]  # the first layer has another input
    a_layer = (squares[0] / squares[-1]) ** (1 / (len(squares) - 1))
    assert a_layer == pytest.approx(math.pi / (math.pi - 1), rel=0.03)


def trained_loss(between, scale, rate):
    """Cross-entropy of a network of four hidden ReLU layers of 64 on 500 digits after 120 steps of gradient descent."""
    x, y = load_digits(return_X_y=True)
    x = torch.from_numpy(x[:500] / 16)[None]
    x, y = (x - x.mean(1, keepdim=True)) / x.std(), torch.from_numpy(y[:500])
    sizes = [64, 64, 64, 64, 64, 10]
    weights = [scale * normal(1, a, b, seed=i) for i, (a, b) in enumerate(pairwise(sizes))]
    for w in weights:
        w.requires_grad_()
    loss = torch.tensor(math.inf)
    for _ in range(120):
        h = x
        for w in weights[:-1]:
            h = between(h.bmm(w)).relu()
        loss = functional.cross_entropy(h.bmm(weights[-1])[0], y)
        with torch.no_grad():
            for w, g in zip(weights, torch.autograd.grad(loss, weights), strict=True):
                w -= rate * g
    return loss.item()


def test_networks_train_from_nearly_any_scale_of_the_weights():
    for scale in (0.001, 0.05, 1.0):
        assert trained_loss(standardized, scale, 0.3) < 0.2
    assert trained_loss(lambda z: z, 0.001, 0.3) == pytest.approx(math.log(10), abs=0.01)
    assert not trained_loss(lambda z: z, 1.0, 0.3) < 2


def test_networks_train_at_higher_rates():
    he = math.sqrt(2 / 64)
    assert trained_loss(lambda z: z, he, 0.1) < 0.5
    assert not trained_loss(lambda z: z, he, 3.0) < 2
    assert trained_loss(standardized, he, 3.0) < 0.2


@pytest.mark.parametrize(("library", "share"), [("keras", 0.82), ("flax", 0.82), ("torch", 0.12)])
def test_how_much_of_the_start_is_left_after_20_updates(library, share):
    rule = preset(BatchNorm, library)
    variance = rule.initial_variance
    for t in range(1, 21):
        variance = running(variance, 0.0, rule.keep_at(t))
    assert variance == pytest.approx(share, abs=0.005)


def test_the_cumulative_average_forgets_the_start():
    rule, mean = BatchNorm(average="cumulative"), 100.0
    for t, batch in enumerate((3.0, 5.0, 10.0), 1):
        mean = running(mean, batch, rule.keep_at(t))
    assert mean == pytest.approx(6, rel=1e-15)


def test_rows_are_independent_under_group_normalization_and_not_under_batch_normalization():
    z, one, eps = normal(1, 16, 12), torch.ones(1, 1, 12, dtype=F64), torch.full((1, 1, 1), 1e-5, dtype=F64)
    for groups in (1, 3):
        whole = group_norm(z, groups, one, 0 * one, eps)
        assert torch.equal(whole[:, :5], group_norm(z[:, :5], groups, one, 0 * one, eps))
    assert not torch.allclose(standardized(z)[:, :5], standardized(z[:, :5]))


def test_as_many_groups_as_channels_are_instance_normalization():
    images = normal(5, 4, 3, 3)
    rows, one = images.flatten(1)[None], torch.ones(1, 1, 36, dtype=F64)
    got = group_norm(rows, 4, one, 0 * one, torch.full((1, 1, 1), 1e-5, dtype=F64))[0]
    assert (got.view_as(images) - functional.instance_norm(images)).abs().max() <= 1e-12


def test_layer_norm_of_images_is_one_group():
    """gamma and beta for each channel, moments over channels and pixels."""
    images, gamma, beta = normal(5, 4, 3, 3), normal(4, seed=1), normal(4, seed=2)
    wide = [p.repeat_interleave(9).view(1, 1, 36) for p in (gamma, beta)]
    got = group_norm(images.flatten(1)[None], 1, *wide, torch.full((1, 1, 1), 1e-5, dtype=F64))[0]
    expected = functional.group_norm(images, 1, gamma, beta, 1e-5)
    assert (got.view_as(images) - expected).abs().max() <= 1e-12
