"""Moments of inputs and targets against NumPy, and what models without gradients reach."""

import numpy as np
import pytest
import torch

from tenfold.doctor.measure.numbers.baselines import baselines
from tenfold.doctor.measure.numbers.moments import by_columns, condition, data_moments


def table(rows=200, seed=0):
    random = np.random.default_rng(seed)
    return random.normal(size=(rows, 4)) * [1.0, 10.0, 0.1, 3.0] + [0.0, -50.0, 5.0, 1.0]


def test_moments_are_those_of_numpy():
    x = table()
    found, std, mean = data_moments(torch.tensor(x)), x.std(0), x.mean(0)
    assert (found.rows, found.columns, found.constant, found.non_finite) == (200, 4, 0.0, 0.0)
    expected = {
        "mean": x.mean(), "std": x.std(), "smallest": x.min(), "largest": x.max(), "column_std_smallest": std.min(),
        "column_std_largest": std.max(), "column_mean_largest": abs(mean).max(), "spread": std.max() / std.min(),
        "offset": (abs(mean) / std).max(), "within_rows": np.sqrt((std**2).mean() / (x**2).mean()),
        "condition": np.linalg.cond(np.cov(x.T, bias=True)), "second_moment_condition": np.linalg.cond(x.T @ x / 200),
        "column_std_median": np.sort(std)[1],
    }  # fmt: skip
    for name, value in expected.items():
        assert getattr(found, name) == pytest.approx(value, rel=1e-9), name
    assert found.worst == pytest.approx([1.0, mean[1], std[1]])


def test_condition_is_that_of_a_matrix_with_known_eigenvalues():
    turn, _ = torch.linalg.qr(torch.randn(5, 5, generator=torch.Generator().manual_seed(0), dtype=torch.float64))
    values = torch.tensor([1.0, 2.0, 5.0, 40.0, 0.0], dtype=torch.float64)
    assert condition(turn @ torch.diag(values) @ turn.T) == pytest.approx(40.0, rel=1e-9)


def test_constant_columns_repeated_rows_and_bad_values():
    x = torch.tensor(table(100))
    x[:, 2] = 7.0
    x[50:] = x[:50]
    found = data_moments(x)
    assert found.constant == 0.25
    assert found.duplicates == 0.5
    assert found.spread < 20  # without the constant column
    x[0, 0], x[1, 1] = float("nan"), float("inf")
    found = data_moments(x)
    assert found.non_finite == pytest.approx(2 / 400)
    assert np.isfinite([found.mean, found.std, found.largest, found.condition]).all()


def test_a_constant_column_of_any_scale_is_constant_in_float32():
    x = torch.randn(500, 3, generator=torch.Generator().manual_seed(0))
    x[:, 1] = 123456.7
    assert data_moments(x).constant == pytest.approx(1 / 3)
    tiny = torch.randn(500, 3, generator=torch.Generator().manual_seed(0))
    tiny[:, 1] = 1e-3 * tiny[:, 1] + 1
    assert data_moments(tiny).constant == 0.0


def test_images_have_channels_and_sequences_features_as_columns():
    x = torch.arange(2 * 3 * 4 * 5).reshape(2, 3, 4, 5)
    assert torch.equal(by_columns(x)[:, 1], x[:, 1].reshape(-1))
    found = data_moments(x.float())
    assert (found.rows, found.columns) == (2, 3)
    assert found.worst[1:] == pytest.approx([float(x[:, 2].double().mean()), float(x[:, 2].double().std(correction=0))])
    assert torch.equal(by_columns(x[0])[:, 2], x[0, :, :, 2].reshape(-1))
    assert data_moments(torch.arange(6.0)).columns == 1


def test_shares_of_classes_and_whole_numbers():
    y = torch.tensor([0, 1, 1, 3])
    found = data_moments(y, classes=4)
    assert found.shares == [0.25, 0.5, 0.0, 0.25]
    assert found.integers
    assert not data_moments(y + 0.5).integers
    assert data_moments(y + 0.5).shares == []


def test_nothing_to_measure():
    assert data_moments(torch.zeros(0, 3)).rows == 0
    assert data_moments(torch.zeros(5, 2)).within_rows == 0.0
    assert data_moments(torch.zeros(5, 2)).constant == 1.0


def test_baselines_find_what_is_there_and_nothing_in_shuffled_labels():
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(300, 5, generator=generator)
    y = (x[:, 0] + 0.1 * torch.randn(300, generator=generator) > 0).long()
    found = {b.name: b for b in baselines(x, y, "binary")}
    assert found["linear"].skill > 0.8
    assert found["linear"].p_value < 1e-10
    shuffled = baselines(x, y[torch.randperm(300, generator=generator)], "binary")
    assert all(b.p_value > 0.01 and b.skill < 0.25 for b in shuffled)
    target = (x[:, :1] ** 2).double()
    found = {b.name: b for b in baselines(x, target, "numbers")}
    assert found["trees"].skill > 0.6 > found["linear"].skill
    assert found["trees"].p_value < 1e-10


def test_skill_and_p_value_of_a_baseline_are_those_of_its_hits():
    from scipy.stats import binomtest
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import KFold, cross_val_predict

    generator = torch.Generator().manual_seed(1)
    x = torch.randn(120, 3, generator=generator)
    y = (x[:, 0] + torch.randn(120, generator=generator) > 0.5).long()
    scaled = np.arcsinh((x.double().numpy() - x.double().numpy().mean(0)) / x.double().numpy().std(0))
    folds = KFold(3, shuffle=True, random_state=0)
    hits = int((cross_val_predict(LogisticRegression(C=0.3), scaled, y.numpy(), cv=folds) == y.numpy()).sum())
    chance = float(max(y.double().mean(), 1 - y.double().mean()))
    found = baselines(x, y, "binary")[0]
    assert found.skill == pytest.approx((hits / 120 - chance) / (1 - chance))
    assert found.p_value == pytest.approx(binomtest(hits, 120, chance, alternative="greater").pvalue)


def test_no_baselines_without_enough_or_finite_rows():
    x, y = torch.randn(40, 3), torch.arange(40) % 2
    assert baselines(x[:20], y[:20], "binary") == []
    assert baselines(x * float("nan"), y, "binary") == []
    assert baselines(x, y * 0, "binary") == []


def test_a_rare_second_class_has_no_baselines_where_a_training_part_lacks_it():
    generator = torch.Generator().manual_seed(3)
    x = torch.randn(300, 4, generator=generator)
    y = torch.zeros(300, dtype=torch.long)
    y[7] = 1  # in one validation part, so its training part has one class
    assert baselines(x, y, "classes") == []
    y[:150] = 1
    assert len(baselines(x, y, "classes")) == 3
