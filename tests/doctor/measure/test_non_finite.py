"""Numbers that are not finite are named for what they are, whatever else they bring about."""

import pytest
import torch
from torch import nn

import tenfold
from tenfold.doctor.measure.numbers.non_finite import not_finite

NAN, INF = float("nan"), float("inf")


def rows(count=300, columns=6):
    x = torch.randn(count, columns, generator=torch.Generator().manual_seed(0))
    return x, (x[:, 0] - x[:, 1] > 0).long()


def trained(x, y, criterion, outputs=2, first=()):
    torch.manual_seed(0)
    model = nn.Sequential(*first, nn.Linear(6, 16), nn.ReLU(), nn.Linear(16, outputs))
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    with tenfold.watch(model, optimizer, criterion) as doctor:
        for _ in range(3):
            for part in torch.arange(len(x)).split(32):
                optimizer.zero_grad()
                criterion(model(x[part]), y[part]).backward()
                optimizer.step()
    return doctor


def watched(*arguments, **options):
    return trained(*arguments, **options).diagnose(budget=0.2)


@pytest.mark.parametrize(("value", "said"), [(NAN, "is not a number"), (INF, "is infinite")])
def test_an_input_that_is_not_finite_is_the_first_finding(value, said):
    x, y = rows()
    x[77, 3] = value
    first = watched(x, y, nn.CrossEntropyLoss()).findings[0]
    assert first.cause == "unscaled_inputs"
    assert first.probability > 0.95
    assert f"1 of 192 input values of the batch at update 2 {said}: row 13, column 3 of the batch" in first.evidence
    assert first.remedy == "fill or drop the rows whose inputs are not finite, before the training"
    assert not first.proof


def test_a_target_that_is_not_finite_too():
    x, _ = rows()
    y = x[:, :1].clone()
    y[40], y[41] = NAN, INF
    first = watched(x, y, nn.MSELoss(), 1).findings[0]
    assert first.cause == "unscaled_targets"
    assert (
        "2 of 32 target values of the batch at update 1 are not finite: row 8, column 0 of the batch"
        in (first.evidence[0])
    )
    assert "drop the rows whose targets are not finite" in first.remedy


def test_a_late_row_is_found_among_more_than_are_kept():
    x, y = rows(5000)
    x[4990, 2] = NAN
    found = trained(x, y, nn.CrossEntropyLoss()).watched().curves.non_finite
    assert (found.what, found.step, found.count, found.of, found.place) == ("the input", 155, 1, 192, [30, 2])


class Filled(nn.Module):
    def forward(self, x):
        return x.nan_to_num(0.0)


def test_a_model_that_fills_what_is_missing_is_not_ill_for_it():
    x, y = rows()
    x[77, 3] = NAN
    assert trained(x, y, nn.CrossEntropyLoss(), first=(Filled(),)).watched().curves.non_finite is None


def test_what_is_counted():
    found = not_finite(torch.tensor([[1.0, INF], [NAN, NAN]]))
    assert (found.count, found.of, found.nans, found.place) == (3, 4, 2, [0, 1])
    assert found.words() == "3 values of 4 that are not finite (the first in row 0, column 1)"
    assert not_finite(torch.tensor([0.0, -INF]), infinite=False) is None  # a mask
    assert not_finite(torch.tensor([1, 2])) is None
    assert (
        not_finite(torch.full((2, 1, 2), NAN)).words().endswith("that are not numbers (the first in row 0, at [0, 0])")
    )
