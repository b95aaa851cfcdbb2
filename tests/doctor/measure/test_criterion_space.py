"""What criteria are made for, on outputs and targets made by hand."""

import math

import pytest
import torch
from torch import nn

from tenfold.doctor.measure.numbers.criterion_space import (
    outside_domain,
    outside_space,
    unusable_weights,
    wholly_ignored,
)
from tenfold.doctor.measure.numbers.pipeline import pipeline_of
from tenfold.doctor.measure.watching.watched import ObservedBatch

Z = torch.randn(8, 3, generator=torch.Generator().manual_seed(0))
ODDS = torch.softmax(Z.flip(0), 1)
SIGNS = torch.tensor([1.0, -1.0] * 4)


def batch(scored, target, step=0):
    return ObservedBatch(step, (Z,), {}, scored, scored, target, None, True)


@pytest.mark.parametrize(
    ("criterion", "scored", "target", "said"),
    [
        (nn.KLDivLoss(), Z.log_softmax(1), ODDS, ""),
        (nn.KLDivLoss(), Z.softmax(1), ODDS, "gets probabilities"),
        (nn.KLDivLoss(), Z, ODDS, "exponentials sum to"),
        (nn.KLDivLoss(log_target=True), Z.log_softmax(1), ODDS.log(), ""),
        (nn.KLDivLoss(log_target=True), Z.log_softmax(1), ODDS, "log-probabilities as targets"),
        (nn.KLDivLoss(), Z.log_softmax(1), ODDS.log(), "log_target=True"),
        (nn.SoftMarginLoss(), Z[:, 0], SIGNS, ""),
        (nn.SoftMarginLoss(), Z[:, 0], (SIGNS + 1) / 2, "y = 2 * y - 1"),
        (nn.HingeEmbeddingLoss(), Z[:, 0], (SIGNS + 1) / 2, "y = 2 * y - 1"),
        (nn.BCEWithLogitsLoss(), Z[:, 0], (SIGNS + 1) / 2, ""),
        (nn.BCEWithLogitsLoss(), Z[:, 0], SIGNS, "no lower end"),
        (nn.PoissonNLLLoss(), Z, Z.abs().round(), ""),
        (nn.PoissonNLLLoss(log_input=False), Z.exp(), Z.abs().round(), ""),
        (nn.PoissonNLLLoss(log_input=False), Z, Z.abs().round(), "rates above 0"),
        (nn.PoissonNLLLoss(), Z, Z, "wants counts"),
        (nn.MSELoss(), Z, Z, ""),
    ],
)
def test_spaces(criterion, scored, target, said):
    found = outside_space(criterion, [batch(scored, target)])
    assert said in found
    assert bool(found) == bool(said)


def test_rows_that_leave_the_domain_of_a_loss_are_named():
    def logarithms(output, target):
        return ((torch.log1p(output) - torch.log1p(target)) ** 2).mean()

    scored = torch.tensor([0.5, 0.1, -1.5, 2.0])
    said = outside_domain(logarithms, [batch(scored, torch.ones(4), 3)])
    assert "(-1.5) of row 2 of the batch at update 3 (1 of 4 rows)" in said
    assert outside_domain(logarithms, [batch(scored.abs(), torch.ones(4))]) == ""
    assert outside_domain(logarithms, [batch(scored * math.nan, torch.ones(4))]) == ""


def test_weights_that_cannot_be_used():
    labels = torch.tensor([0, 0, 1, 1])

    def said(*weight):
        return unusable_weights(nn.CrossEntropyLoss(weight=torch.tensor(weight)), [batch(Z[:4], labels)])

    assert said(1.0, 2.0, 0.5) == said(0.0, 1.0, 1.0) == ""
    assert "1 of 3 values that are not finite" in said(1.0, math.inf, 1.0)
    assert "negative" in said(1.0, -1.0, 1.0)
    assert "0 throughout" in said(0.0, 0.0, 0.0)
    assert "0 for every target of a batch" in said(0.0, 0.0, 1.0)


def test_batches_without_a_target_that_counts():
    all_out, some = torch.full((8,), 255), torch.tensor([255] * 7 + [1])
    criterion = nn.CrossEntropyLoss(ignore_index=255)
    assert wholly_ignored(criterion, [batch(Z, some, 0), batch(Z, all_out, 5)]) == [5]
    assert wholly_ignored(nn.CrossEntropyLoss(), [batch(Z, all_out)]) == []
    assert wholly_ignored(nn.MSELoss(), [batch(Z, all_out)]) == []


def skill(criterion, scored, target):
    pipeline = pipeline_of(criterion, [batch(scored, target)])
    return pipeline.task, pipeline.skill(scored, target)


def test_ignored_targets_are_in_no_skill():
    scored = torch.eye(3)[torch.tensor([0, 1, 2, 0, 1, 2, 0, 0])]
    target = torch.tensor([0, 1, 2, 0, -100, -100, -100, -100])
    assert skill(nn.CrossEntropyLoss(), scored, target) == ("classes", 1.0)
    wrong = torch.tensor([0, 1, 0, 0, -100, -100, -100, -100])  # 3 of 4, and 3 of 4 are of one class
    assert skill(nn.CrossEntropyLoss(), scored, wrong) == ("classes", pytest.approx(0.0))


def test_several_binary_outputs_are_judged_label_by_label():
    target = torch.tensor([[1.0, 1.0], [0.0, 1.0], [1.0, 0.0], [0.0, 0.0]])
    task, found = skill(nn.BCEWithLogitsLoss(), 10 * target - 5, target)
    assert (task, found) == ("labels", 1.0)
    # of 8 answers 2 are wrong, and always the commoner value is right in half: (0.75 - 0.5) / 0.5
    off = (10 * target - 5) * torch.tensor([[1.0, 1.0], [1.0, -1.0], [1.0, -1.0], [1.0, 1.0]])
    assert skill(nn.BCEWithLogitsLoss(), off, target) == ("labels", pytest.approx(0.5))


def test_odds_as_targets_are_classes_and_rates_are_numbers():
    assert skill(nn.CrossEntropyLoss(), ODDS.log(), ODDS) == ("classes", 1.0)
    assert skill(nn.KLDivLoss(), ODDS.log(), ODDS) == ("classes", 1.0)
    counts = torch.tensor([[1.0], [2.0], [5.0], [9.0]])
    assert skill(nn.PoissonNLLLoss(), counts.log(), counts) == ("numbers", pytest.approx(1.0))
