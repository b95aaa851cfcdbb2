"""What studies read off trainings: losses and steps of updates, passes with masks, widths."""

import numpy as np
import pytest
import torch
from torch import nn

from tenfold.studies.parts.masks import log_loss_of, masked_passes, scaled_pass, share_right
from tenfold.studies.parts.trainings import CHANCE, Trained, drawn_digits, recipe, sgd, train_together
from tenfold.studies.parts.updates import watched
from tenfold.studies.parts.widths import BASE, OfWidth, of_width

ROWS = drawn_digits([0, 1], 100)


def test_steps_of_sgd_grow_with_the_rate_and_losses_are_those_before_the_step():
    found = watched([recipe((8,), epochs=1, **change) for change in sgd(0.01, 0.02)], ROWS)
    assert found.losses.shape == found.ratios.shape == (2, 2, 2)  # recipes, seeds, updates
    np.testing.assert_array_equal(found.losses[0, :, 0], found.losses[1, :, 0])
    assert (found.losses[0, :, 1] != found.losses[1, :, 1]).all()
    np.testing.assert_allclose(found.ratios[1, :, 0], 2 * found.ratios[0, :, 0], rtol=1e-3)  # float32 differences


def test_a_training_that_diverges_counts_as_chance():
    found = train_together([recipe((8,), epochs=2, **change) for change in sgd(0.1, 1e20)], ROWS)
    assert found.accuracy.shape == (2, 2, 2)
    assert np.isnan(found.accuracy[1]).all()
    np.testing.assert_array_equal(found.last[1], CHANCE)
    assert (found.last[0] > CHANCE).all()


def test_recipes_of_fewer_epochs_stand_at_the_end():
    one, two = (recipe((8,), epochs=epochs) for epochs in (1, 3))
    accuracy = train_together([one, two], ROWS).accuracy
    assert np.isnan(accuracy[0, :, :2]).all()
    assert np.isfinite(accuracy[0, :, 2]).all()
    assert np.isfinite(accuracy[1]).all()


def made():
    """A linear layer behind dropout, on rows of ones."""
    torch.manual_seed(0)
    module = nn.Sequential(nn.Dropout(0.25), nn.Linear(4, 3)).double().eval()
    x, y = torch.ones(5, 4, dtype=torch.float64), torch.arange(5) % 3
    return Trained(module, x, y, x, y)


def test_one_pass_and_many():
    found = made()
    with torch.no_grad():
        plain = found.module(found.test_x)
        half = found.module(found.test_x / 2)
    torch.testing.assert_close(scaled_pass(found), plain)
    torch.testing.assert_close(scaled_pass(found, 0.5), half)
    logs = masked_passes(found, 4000, seed=3)
    torch.testing.assert_close(logs, masked_passes(found, 4000, seed=3))
    torch.testing.assert_close(logs.exp().sum(2), torch.ones(4000, 5, dtype=torch.float64))
    # Of one linear layer the geometric mean over all masks is the scaled network; 20,000 of them come close.
    torch.testing.assert_close(logs.mean((0, 1)).softmax(0), plain[0].softmax(0), atol=0.01, rtol=0)


def test_losses_and_shares():
    outputs = torch.tensor([[2.0, 0.0], [0.0, 1.0]])
    y = torch.tensor([0, 0])
    assert log_loss_of(outputs, y) == pytest.approx((np.log1p(np.exp(-2)) + np.log1p(np.exp(1))) / 2, rel=1e-6)
    assert share_right(outputs, y) == 0.5


def test_widths():
    torch.manual_seed(0)
    wide = OfWidth((64,), 10, 16 * BASE, mup=True)
    # He's is sqrt(2 / n); a width 16 times the base divides by 4 again.
    assert float(wide.last.weight.detach().std()) == pytest.approx(np.sqrt(2 / (16 * BASE)) / 4, rel=0.05)
    x = torch.ones(2, 64)
    torch.testing.assert_close(wide(x), wide.last(wide.features(x)))
    factors = {group.pattern: group.rate for group in of_width(4 * BASE, 0.1, mup=True).network.groups}
    assert factors == {"hidden.weight": 0.25, "last.weight": 0.25}
    assert of_width(4 * BASE, 0.1, mup=False).network.groups == ()
