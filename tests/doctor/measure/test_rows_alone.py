"""Rows that influence each other and axes that are taken for others, in networks whose answer is known."""

import pytest
import torch
from torch import nn

from tenfold.doctor.measure.numbers.rows import RowBatch
from tenfold.doctor.measure.numbers.rows_alone import axes_confused, classes_elsewhere, rows_mixed

X = torch.randn(12, 6, generator=torch.Generator().manual_seed(0))


class Of(nn.Module):
    def __init__(self, way):
        super().__init__()
        self.way = way

    def forward(self, x):
        return self.way(x)


@pytest.mark.parametrize(
    ("network", "mixed"),
    [
        (nn.Sequential(nn.Linear(6, 8), nn.BatchNorm1d(8), nn.Dropout(0.5), nn.Linear(8, 2)), False),
        (Of(lambda x: x.softmax(1)), False),
        (Of(lambda x: x.softmax(0)), True),
        (Of(lambda x: x - x.mean(0)), True),
        (nn.BatchNorm1d(6, track_running_stats=False), True),
        (Of(lambda x: x + torch.randn_like(x)), None),
        (Of(lambda x: x.sum()), None),
    ],
)
def test_a_row_alone(network, mixed):
    found = rows_mixed(network, RowBatch((X,), {}, torch.zeros(12)))
    assert found is None if mixed is None else (found > 0.1) == mixed


def test_how_much_by_hand():
    """x - mean over 8 rows: alone a row gives 0, in the batch x_i - m; the largest of three over the spread."""
    found = rows_mixed(Of(lambda x: x - x.mean(0)), RowBatch((X,), {}, torch.zeros(12)))
    together = (X[:8] - X[:8].mean(0)).double()
    assert found == pytest.approx(float(together[:3].abs().max() / together.std()), rel=1e-5)


def test_axes_that_are_flattened():
    output = torch.randn(4, 3, 5, generator=torch.Generator().manual_seed(1))  # rows, classes, places
    assert "movedim(1, -1)" in axes_confused(output, output.reshape(-1, 3))
    assert axes_confused(output, output.movedim(1, -1).reshape(-1, 3)) == ""
    other = output.transpose(1, 2)  # rows, places, classes
    assert "output.reshape(-1, 3)" in axes_confused(other, other.transpose(1, 2).reshape(-1, 3))
    assert axes_confused(other, other.reshape(-1, 3)) == ""
    assert axes_confused(output, torch.randn(20, 3)) == ""


def test_classes_on_the_other_of_two_axes_as_long():
    x, y = torch.randn(4, 3, 6), torch.zeros(4, 3).long()
    rows = RowBatch((x,), {}, y)
    last = nn.Linear(6, 3)
    assert "output.transpose(1, 2)" in classes_elsewhere(last, rows, True)
    assert classes_elsewhere(nn.Sequential(last, Of(lambda z: z.transpose(1, 2))), rows, True) == ""
