"""Embeddings against what their papers write, in plain numpy, and against the authors' packages where they are
installed."""

import numpy as np
import pytest
import torch

from tenfold.rules.embeddings import PBLD, PLE, PLR
from tenfold.rules.embeddings.column_map import column_map
from tenfold.rules.embeddings.periodic import shifted_waves, waves
from tenfold.rules.embeddings.ple import bin_edges, encode_bins

ROWS, COLUMNS = 50, 3


@pytest.fixture
def rng():
    return np.random.default_rng(0)


def tensors(*arrays):
    return [torch.from_numpy(array) for array in arrays]


def test_waves_are_cosines_and_sines(rng):
    x, f = rng.normal(size=(ROWS, COLUMNS)) * 20, rng.normal(size=(COLUMNS, 4))
    angle = 2 * np.pi * x[:, :, None] * f
    np.testing.assert_allclose(waves(*tensors(x, f)), np.concatenate([np.cos(angle), np.sin(angle)], 2), atol=1e-12)


def test_shifted_waves_begin_with_the_number_itself(rng):
    x, f, p = rng.normal(size=(ROWS, COLUMNS)), rng.normal(size=(COLUMNS, 4)), rng.uniform(-3, 3, (COLUMNS, 4))
    made = shifted_waves(*tensors(x, f, p))
    np.testing.assert_array_equal(made[..., 0], x)
    np.testing.assert_allclose(made[..., 1:], np.cos(2 * np.pi * x[:, :, None] * f + p), atol=1e-13)


def test_a_huge_number_gives_a_wave_all_the_same():
    x, f = torch.tensor([[1e30, -3e38, 7e5]]), torch.full((3, 2), 0.37)
    assert bool((waves(x, f).abs() <= 1).all())


def test_the_gradient_of_waves(rng):
    x, f, p = tensors(rng.normal(size=(4, COLUMNS)), rng.normal(size=(COLUMNS, 2)), rng.normal(size=(COLUMNS, 2)))
    for tensor in (x, f, p):
        tensor.requires_grad_()
    assert torch.autograd.gradcheck(shifted_waves, (x, f, p))
    assert torch.autograd.gradcheck(waves, (x, f))


@pytest.mark.parametrize("relu", [False, True])
def test_a_map_of_columns_is_one_of_each(rng, relu):
    g, w, b = rng.normal(size=(ROWS, COLUMNS, 4)), rng.normal(size=(COLUMNS, 4, 2)), rng.normal(size=(COLUMNS, 2))
    expected = np.stack([g[:, j] @ w[j] + b[j] for j in range(COLUMNS)], 1)
    expected = np.maximum(expected, 0) if relu else expected
    np.testing.assert_allclose(column_map(*tensors(g, w, b), relu=relu), expected, atol=1e-13)


def encoded(x, edges):
    """One column, bin by bin, as the paper has it."""
    found = []
    for t in range(len(edges) - 1):
        e = (x - edges[t]) / (edges[t + 1] - edges[t])
        e = np.where((e < 0) & (t > 0), 0, e)
        found.append(np.where((e > 1) & (t < len(edges) - 2), 1, e))
    return np.stack(found, 1)


def test_an_encoding_is_the_papers(rng):
    train, x = rng.normal(size=(200, COLUMNS)), rng.normal(size=(ROWS, COLUMNS)) * 3
    edges = np.stack([bin_edges(column, 8) for column in train.T])
    for j in range(COLUMNS):
        np.testing.assert_allclose(edges[j], np.quantile(train[:, j], np.arange(9) / 8), rtol=1e-15)
    made = encode_bins(*tensors(x, edges))
    np.testing.assert_allclose(made, np.stack([encoded(x[:, j], edges[j]) for j in range(COLUMNS)], 1), atol=1e-12)


def test_a_sum_of_an_encoding_is_piecewise_linear_between_edges(rng):
    """Weights of widths give the number back, less the first edge, also outside all bins."""
    train = rng.exponential(size=(300, 1))
    edges = bin_edges(train[:, 0], 12)
    x = np.array([[-5.0], [0.3], [2.0], [90.0]])
    made = encode_bins(*tensors(x, edges[None])).numpy()[:, 0]
    np.testing.assert_allclose(made @ np.diff(edges), x[:, 0] - edges[0], atol=1e-12)


@pytest.mark.parametrize("bins", [1, 2, 7, 8, 48])
def test_whole_numbers_have_an_edge_at_each(rng, bins):
    column = np.concatenate([rng.integers(0, 8, 400), np.arange(8)]).astype(float)
    edges = bin_edges(column, bins)
    assert edges.shape == (bins + 1,)
    assert (np.diff(edges) >= 0).all()
    if bins >= 7:
        np.testing.assert_array_equal(np.unique(edges), np.arange(8))
    made = encode_bins(torch.arange(8.0, dtype=torch.float64)[:, None], torch.from_numpy(edges)[None])[:, 0]
    if bins >= 7:
        # what is not 0 for any number: the thermometer of a level
        used = made[:, made.abs().amax(0) > 0]
        np.testing.assert_array_equal(used, np.tril(np.ones((8, 8)), -1)[:, :7])
    assert bool(made.isfinite().all())


@pytest.mark.parametrize("value", [0.0, -3.5, 1e30])
def test_a_constant_column_becomes_zeros(value):
    edges = bin_edges(np.full(40, value), 5)
    assert edges.tolist() == [value] * 6
    made = encode_bins(
        torch.tensor([[value], [value + 1], [-1e30]], dtype=torch.float64), torch.from_numpy(edges)[None]
    )
    assert not made.any()


def test_edges_that_float32_cannot_tell_are_one():
    """A column that is nearly constant has no huge slopes: neither beside its size nor beside its range."""
    beside_size = bin_edges(1000 + np.arange(50) * 1e-7, 8)
    assert len(np.unique(beside_size)) == 1
    beside_range = bin_edges(np.array([0.0, 1e-9, 2e-9, 1.0, 2.0]), 8)
    np.testing.assert_array_equal(np.unique(beside_range), [0, 1, 2])


def test_two_distinct_values_are_one_bin(rng):
    edges = bin_edges(np.array([3.0, 3, 5, 3]), 6)
    np.testing.assert_array_equal(edges, [3, 3, 3, 3, 3, 3, 5])
    made = encode_bins(torch.tensor([[1.0], [3.0], [4.0], [9.0]], dtype=torch.float64), torch.from_numpy(edges)[None])[
        :, 0
    ]
    np.testing.assert_array_equal(made[:, -1], [-1, 0, 0.5, 3])
    assert not made[:, :-1].any()


@pytest.mark.parametrize("classes", [False, True])
def test_edges_by_the_target_are_where_it_changes(rng, classes):
    x = rng.uniform(-1, 1, 2000)
    jump = (x > 0.3).astype(np.int64)
    edges = bin_edges(x, 4, jump if classes else 10.0 * jump + 0.01 * rng.normal(size=2000))
    assert edges[0] == x.min()
    assert edges[-1] == x.max()
    assert np.abs(edges - 0.3).min() < 0.01


def test_the_encoding_of_the_authors(rng):
    package = pytest.importorskip("rtdl_num_embeddings")
    train, x = (torch.from_numpy(rng.normal(size=(n, COLUMNS))).float() for n in (300, ROWS))
    train[:, 1] = (train[:, 1] * 2).round()
    theirs = package.compute_bins(train, 10)
    layer = package.PiecewiseLinearEncoding(theirs)
    edges = np.stack([bin_edges(column.double().numpy(), 10) for column in train.T])
    made = encode_bins(x, torch.from_numpy(edges).float())
    expected = layer(x)
    # theirs leaves out what is 0 for all numbers
    used = torch.cat([m[:, [*range(len(b) - 2), 9]] for m, b in zip(made.unbind(1), theirs, strict=True)], 1)
    np.testing.assert_allclose(used, expected, atol=2e-4)
    np.testing.assert_allclose(np.concatenate([np.unique(e) for e in edges]), torch.cat(theirs), atol=1e-5)


@pytest.mark.parametrize("relu", [True, False])
def test_the_waves_of_the_authors(rng, relu):
    package = pytest.importorskip("rtdl_num_embeddings")
    rule = PLR(frequencies=5, size=3)
    theirs = package.PeriodicEmbeddings(
        COLUMNS, rule.size, n_frequencies=rule.frequencies, frequency_init_scale=0.3, activation=relu, lite=False
    )
    x = torch.from_numpy(rng.normal(size=(ROWS, COLUMNS))).float()
    made = column_map(waves(x, theirs.periodic.weight), theirs.linear.weight, theirs.linear.bias, relu=relu)
    np.testing.assert_allclose(made.detach(), theirs(x).detach(), atol=1e-6)


def test_pbld_of_the_authors(rng):
    """Theirs puts the numbers themselves behind all columns, ours each in front of its own."""
    pytest.importorskip("pytabkit")
    from pytabkit.models.nn_models.base import Fitter, Variable
    from pytabkit.models.nn_models.nn import PLREmbeddingsLayerCosBias

    rule = PBLD()
    n, k, d = COLUMNS, rule.frequencies, rule.size - 1
    x, f, p, w, b = (
        torch.from_numpy(rng.normal(size=shape)).float()
        for shape in ((ROWS, n), (n, 1, k), (n, 1, k), (n, k, d), (n, 1, d))
    )
    layer = PLREmbeddingsLayerCosBias(Fitter(), *map(Variable, (f, p, w, b)), "linear", True)
    expected = layer.forward_cont(x).detach()
    waved = shifted_waves(x, f[:, 0], p[:, 0])
    made = column_map(waved[..., 1:], w, b[:, 0], relu=False)
    np.testing.assert_allclose(made.flatten(1), expected[:, : n * d], atol=1e-5)
    np.testing.assert_array_equal(waved[..., 0], expected[:, n * d :])


def test_defaults_are_those_that_are_said():
    assert (PLE().bins, PLE().size) == (48, None)
    assert (PBLD().size, PBLD().frequencies, PBLD().sigma) == (4, 16, 0.1)
