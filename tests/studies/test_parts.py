"""What several studies measure with, against what a reader can see is right."""

import numpy as np
import torch

from tenfold.rules.optimizers import Newton
from tenfold.studies.parts.second_order import objective_of, second_order_path, undamped
from tenfold.studies.parts.stacked import stacked_outputs, standardized_digits
from tenfold.studies.parts.trainings import (
    accuracy_of,
    drawn_digits,
    recipe,
    trained_networks,
    trained_over_epochs,
    training_loss,
)


def test_stacked_outputs_are_those_of_each_lane_alone_with_biases_and_without():
    rng = np.random.default_rng(0)
    x = torch.from_numpy(rng.standard_normal((3, 5, 4)))  # (lanes, rows, inputs)
    for extra in (0, 1):
        sizes = [(4 + extra, 6), (6 + extra, 2)]
        w = torch.from_numpy(rng.standard_normal((3, sum(a * b for a, b in sizes))))
        found = stacked_outputs(w, x, sizes, torch.tanh)
        for lane in range(3):
            parts = w[lane].split([a * b for a, b in sizes])
            first, second = (part.view(size) for part, size in zip(parts, sizes, strict=True))
            h = torch.tanh(x[lane] @ first[:4] + (first[4] if extra else 0))
            alone = h @ second[:6] + (second[6] if extra else 0)
            torch.testing.assert_close(found[lane], alone, rtol=1e-12, atol=1e-12)


def test_standardized_digits():
    x, y = standardized_digits()
    assert x.shape == (1797, 64)
    assert np.abs(x.mean(0)).max() < 1e-12
    assert set(np.round(x.std(0), 9)) == {0.0, 1.0}
    assert sorted(set(y)) == list(range(10))


def test_second_order_paths_stop_at_the_minimum():
    h, best = torch.tensor([1.0, 30.0]).double(), torch.tensor([2.0, -1.0]).double()
    objective = objective_of(lambda w: (h * (w - best).square()).sum(1) / 2)
    start = torch.zeros(2).double()
    path, norms = second_order_path(Newton(damping=0.0), objective, start, 20)
    assert len(path) == len(norms) == 2
    torch.testing.assert_close(path[-1], best)
    assert norms[0] == float((h * best).norm())
    torch.testing.assert_close(undamped(objective, start, 1)[1], best)
    assert len(second_order_path(Newton(lr=0.5, line_search=False), objective, start, 3)[0]) == 4


def test_networks_over_epochs_are_those_of_one_training():
    rows = drawn_digits([4], 100)
    arms = [recipe((10,), optimizer={"sgd": {"lr": rate}}) for rate in (0.1, 1e6)]
    seen = list(trained_over_epochs(arms, rows, (0, 1, 3)))
    once = trained_networks(arms, rows, 3)
    fine = [networks[0][0] for networks in seen]
    assert training_loss(fine[2]) == training_loss(once[0][0])
    assert training_loss(fine[0]) > training_loss(fine[1]) > training_loss(fine[2])
    right = (once[0][0].module(once[0][0].test_x).argmax(1) == once[0][0].test_y).double().mean()
    assert accuracy_of(fine[2]) == float(right)
    lost = training_loss(seen[2][1][0])
    assert lost > 100  # at a rate of a million
