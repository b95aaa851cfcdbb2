"""Rows on one scale: constant numbers are only centred."""

import pytest
import torch

from tenfold.doctor.measure.numbers.rows import RowBatch, standardized_targets


def of(target):
    return RowBatch((torch.zeros(len(target), 1),), {}, target)


def test_targets_get_mean_0_and_std_1_number_by_number():
    y = torch.randn(50, 2, dtype=torch.float64) * torch.tensor([3.0, 0.1]) + 7
    (found,), held = standardized_targets([of(y)], of(y[:5]))
    assert found.target.mean(0).tolist() == pytest.approx([0, 0], abs=1e-12)
    assert found.target.std(0, correction=0).tolist() == pytest.approx([1, 1], abs=1e-12)
    assert torch.equal(held.target, found.target[:5])


def test_a_constant_number_is_only_centred():
    y = torch.randn(50, 2)
    y[:, 1] = 0.25
    held = torch.tensor([[0.0, 1.25]])
    (found,), other = standardized_targets([of(y)], of(held))
    assert found.target[:, 1].abs().max() < 1e-6
    assert other.target[0, 1].item() == pytest.approx(1 / y[:, 0].std(correction=0).item(), rel=1e-5)
    (alone,), _ = standardized_targets([of(torch.full((9, 1), 4.0))], None)
    assert alone.target.abs().max() == 0
