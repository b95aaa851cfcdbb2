"""The programs that the JAX contestants compile: the numbers of torch, no lane forgotten, every class in its place."""

from itertools import cycle, islice

import numpy as np
import pytest
import torch
from bench.cases import ACTIVATIONS, OPTIMIZERS, Case, Setting, mixed
from bench.contestants import Task
from bench.jax_grid import Grid, Structure, shares, train_vmapped, training
from bench.torch_loop import ACTIVATIONS as TORCH_ACTIVATIONS, OPTIMIZERS as TORCH_OPTIMIZERS, network
from torch import nn

jax = pytest.importorskip("jax")


def small_case(settings, epochs=2):
    """30-5-2 on some rows of breast_cancer, batches of 16."""
    return Case("small", "breast_cancer", (5,), 16, epochs, tuple(settings))


def some_rows(case):
    """107 rows; two folds of unequal size, neither of them a multiple of a batch."""
    x, y = case.load()
    x, y = x[:107], y[:107]
    odd = np.arange(107) % 2 == 1
    return x, y, [(np.flatnonzero(odd), np.flatnonzero(~odd)), (np.flatnonzero(~odd), np.flatnonzero(odd))]


def by_torch(grid, structure, lane, data):
    """Validation accuracy after every epoch, and final weights: plain torch on the same weights, rows and orders, and
    only on rows that are rows."""
    setting, fold = lane
    model = network(grid.sizes[0], grid.sizes[1:-1], grid.sizes[-1], structure.activation)
    with torch.no_grad():
        for parameter, drawn in zip(model.parameters(), grid.weights(lane), strict=True):
            parameter.copy_(torch.from_numpy(drawn.T if drawn.ndim == 2 else drawn))
    make, options = TORCH_OPTIMIZERS[grid.case.settings[setting].optimizer]
    optimizer = make(model.parameters(), lr=grid.case.settings[setting].lr, **options)
    train, validation = grid.folds[fold]
    x, labels = torch.from_numpy(data.rows), torch.from_numpy(grid.y[train])
    curve = []
    for epoch in data.order:
        for batch in epoch:
            rows = torch.from_numpy(batch[batch < len(train)].astype(np.int64))
            optimizer.zero_grad()
            nn.functional.cross_entropy(model(x[rows]), labels[rows]).backward()
            optimizer.step()
        with torch.no_grad():
            said = model(torch.from_numpy(data.validation[: len(validation)])).argmax(1).numpy()
        curve.append(np.mean(said == grid.y[validation]))
    return curve, [p.detach().numpy().T if p.ndim == 2 else p.detach().numpy() for p in model.parameters()]


KINDS = list(zip(islice(cycle(ACTIVATIONS), len(OPTIMIZERS)), OPTIMIZERS, strict=True))  # all of both


@pytest.mark.parametrize(("activation", "optimizer"), KINDS)
def test_a_program_has_the_numbers_of_torch(activation, optimizer):
    assert activation in TORCH_ACTIVATIONS
    case = small_case([Setting(3e-3, activation, optimizer)])
    x, y, folds = some_rows(case)
    grid = Grid(case, x, y, folds, seed=3)
    for structure, lanes in grid.structures().items():
        program = jax.jit(training(structure))
        for lane in lanes:
            data = grid.fold_data(lane[1], structure)
            curve, weights = program(grid.rate(0), grid.weights(lane), *data.arguments())
            expected, theirs = by_torch(grid, structure, lane, data)
            # Accuracies are counted in rows; float32 sums in another order, over 8 updates.
            np.testing.assert_allclose(curve, expected, atol=1e-6)
            for mine, their in zip(weights, theirs, strict=True):
                assert mine.dtype == np.float32
                np.testing.assert_allclose(mine, their, rtol=1e-3, atol=2e-5)


def test_every_row_is_dealt_once_an_epoch():
    case = small_case([Setting(1e-3)])
    x, y, folds = some_rows(case)
    grid = Grid(case, x, y, folds, seed=0)
    for fold, (train, _) in enumerate(folds):
        data = grid.fold_data(fold, Structure("relu", "adam", grid.batches(fold)))
        for epoch in data.order:
            dealt = epoch[data.classes[epoch].sum(-1) == 1]
            np.testing.assert_array_equal(np.sort(dealt), np.arange(len(train)))
        counts = [(batch < len(train)).sum() for batch in data.order[0]]
        np.testing.assert_allclose(data.weight, 1 / np.array(counts), rtol=1e-7)


def test_vmapped_blocks_give_every_lane_the_score_that_it_has_alone():
    case = small_case([Setting(lr) for lr in (1e-3, 3e-3, 1e-2, 3e-2, 0.1)])  # more than a block
    x, y, folds = some_rows(case)
    scores = train_vmapped(Task("jax_vmap", case, 5, 1, "cpu"), x, y, folds).scores
    grid = Grid(case, x, y, folds, seed=5)
    assert scores.shape == (5, 2)
    for structure, lanes in grid.structures().items():
        program = jax.jit(training(structure))
        for lane in lanes:
            given = grid.fold_data(lane[1], structure).arguments()
            alone = program(grid.rate(lane[0]), grid.weights(lane), *given)[0][-1]
            # Sums in another order may turn one row of about 53.
            assert scores[lane] == pytest.approx(float(alone), abs=0.02)


def test_a_diverged_lane_has_no_score():
    case = small_case([Setting(1e30, "relu", "sgd")])
    x, y, folds = some_rows(case)
    assert np.isnan(train_vmapped(Task("jax_vmap", case, 0, 1, "cpu"), x, y, folds).scores).all()


@pytest.mark.parametrize("settings", [[Setting(1e-3)] * 7, mixed(48)], ids=["one structure", "30 structures"])
@pytest.mark.parametrize("processes", [1, 2, 3])
def test_the_processes_share_all_lanes(settings, processes):
    case = small_case(settings)
    grid = Grid(case, *some_rows(case), seed=0)
    parts = shares(grid.structures(), processes)
    lanes = [lane for part in parts for some in part.values() for lane in some]
    assert sorted(lanes) == [(setting, fold) for setting in range(len(settings)) for fold in range(2)]
    sizes = [sum(map(len, part.values())) for part in parts]
    assert max(sizes) - min(sizes) <= max(len(lanes) for lanes in grid.structures().values())
