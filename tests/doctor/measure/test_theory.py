"""Landmarks of a loss, found by minimizing it, against their formulas."""

import math

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from tenfold.doctor.measure.numbers.pipeline import Pipeline
from tenfold.doctor.measure.numbers.theory import another_goal, least, theory
from tenfold.doctor.measure.watching.watched import ObservedBatch

ROWS = 200
GENERATOR = torch.Generator().manual_seed(0)
CLASSES = torch.multinomial(torch.tensor([0.5, 0.3, 0.1, 0.06, 0.04]), ROWS, True, generator=GENERATOR)
TWO = (torch.rand(ROWS, 1, generator=GENERATOR) < 0.3).float()
NUMBERS = torch.randn(ROWS, 1, generator=GENERATOR) ** 2 * 50 + 300


def classes(criterion, after=""):
    return Pipeline(criterion, after, (5,), "classes", 5)


def entropy(shares):
    return -sum(float(p) * math.log(float(p)) for p in shares if p > 0)


@pytest.mark.parametrize(
    ("criterion", "after", "sample"),
    [
        (nn.CrossEntropyLoss(), "", torch.zeros(ROWS, 5)),
        (nn.NLLLoss(), "log_softmax", torch.zeros(ROWS, 5)),
        (F.nll_loss, "", torch.log_softmax(torch.randn(ROWS, 5, generator=GENERATOR), 1)),
    ],
)
def test_classes_ln_c_the_entropy_of_the_shares_and_nothing(criterion, after, sample):
    found = theory(classes(criterion, after), sample, CLASSES)
    assert found.chance == math.log(5)
    assert found.constant == pytest.approx(entropy(torch.bincount(CLASSES, minlength=5) / ROWS), rel=1e-3)
    assert found.perfect == pytest.approx(0.0, abs=2e-3)
    assert found.skill_at_best == 1.0


@pytest.mark.parametrize(
    ("criterion", "after", "cut"),
    [(nn.BCELoss(), "", 0.5), (F.binary_cross_entropy, "sigmoid", 0.5), (nn.BCEWithLogitsLoss(), "", 0.0)],
)
def test_binary_the_entropy_of_the_share_and_nothing(criterion, after, cut):
    share = float(TWO.mean())
    found = theory(Pipeline(criterion, after, (1,), "binary", 2, (0.0, 1.0), cut), torch.full((ROWS, 1), 0.4), TWO)
    assert found.chance == math.log(2)
    assert found.constant == pytest.approx(entropy([share, 1 - share]), rel=1e-3)
    assert found.perfect == pytest.approx(0.0, abs=5e-3)
    assert found.skill_at_best == 1.0


def test_squares_the_variance_absolute_values_the_distance_from_the_median():
    numbers = lambda criterion: Pipeline(criterion, "", (1,), "numbers", 0)  # noqa: E731
    found = theory(numbers(nn.MSELoss()), torch.zeros(ROWS, 1), NUMBERS)
    variance = float(NUMBERS.double().var(correction=0))
    assert found.constant == pytest.approx(variance, rel=1e-4)
    assert found.perfect == pytest.approx(0.0, abs=1e-4 * variance)
    assert found.chance is None
    assert found.skill_at_best is None
    found = theory(numbers(nn.L1Loss()), torch.zeros(ROWS, 1), NUMBERS)
    assert found.constant == pytest.approx(float((NUMBERS - NUMBERS.median()).abs().mean()), rel=1e-3)
    assert found.perfect < 0.05 * found.constant


def test_squares_on_one_hot_targets():
    found = theory(classes(nn.MSELoss()), torch.zeros(ROWS, 5), F.one_hot(CLASSES, 5).float())
    shares = torch.bincount(CLASSES, minlength=5).double() / ROWS
    assert found.constant == pytest.approx(float((shares * (1 - shares)).mean()), rel=1e-3)
    assert found.perfect == pytest.approx(0.0, abs=1e-6)
    assert found.skill_at_best == 1.0


def test_a_summed_loss_and_one_squashed_twice_have_landmarks_of_their_own():
    summed = theory(classes(nn.CrossEntropyLoss(reduction="sum")), torch.zeros(ROWS, 5), CLASSES)
    mean = theory(classes(nn.CrossEntropyLoss()), torch.zeros(ROWS, 5), CLASSES)
    assert summed.constant == pytest.approx(ROWS * mean.constant, rel=1e-3)
    twice = theory(classes(nn.CrossEntropyLoss(), "softmax"), torch.zeros(ROWS, 5), CLASSES)
    floor = math.log(math.e + 4) - 1  # softmax of a one-hot vector
    assert floor <= twice.perfect < floor + 0.01


def test_a_loss_that_misses_the_task_is_seen_by_the_skill_of_its_best_outputs():
    def upside_down(output, target):
        return ((output - 1 + F.one_hot(target, 5)) ** 2).mean()

    assert theory(classes(upside_down), torch.zeros(ROWS, 5), CLASSES).skill_at_best < 0


def test_no_floor_no_gradient_and_no_loss():
    found = theory(
        classes(lambda output, target: output.mean() * 0 - output.exp().sum()), torch.zeros(ROWS, 5), CLASSES
    )
    assert found.constant is None or found.constant < -1e3  # falls without bound
    flat = lambda output, target: (output.argmax(1) != target).float().mean()  # noqa: E731
    assert theory(classes(flat), torch.zeros(ROWS, 5), CLASSES).constant is None
    assert least(classes(nn.CrossEntropyLoss()), lambda z: z, torch.zeros(3, 5), CLASSES[:2]) is None


def test_outputs_that_are_not_finite_do_not_spoil_the_landmarks():
    found = theory(classes(nn.CrossEntropyLoss()), torch.full((ROWS, 5), float("nan")), CLASSES)
    assert found.constant == pytest.approx(entropy(torch.bincount(CLASSES, minlength=5) / ROWS), rel=1e-3)


def pinball(share):
    def loss(output, target):
        return torch.maximum(share * (target - output), (share - 1) * (target - output)).mean()

    return loss


@pytest.mark.parametrize(("share", "other"), [(0.1, True), (0.4, False), (0.5, False), (0.6, False), (0.9, True)])
def test_an_own_loss_whose_best_constant_is_a_high_or_low_quantile_asks_for_something_else(share, other):
    found = asked_for(pinball(share))
    assert bool(found) == other
    if other:
        quantile = float(torch.quantile(NUMBERS, share))
        assert f"is {quantile:.2g}" in found or abs(float(found.split(" is ")[1].split(",")[0]) - quantile) < 5


@pytest.mark.parametrize(
    "loss",
    [nn.MSELoss(), lambda o, t: (o.log1p() - t.log1p()).square().mean(), lambda o, t: (o - t).abs().mean()],
)
def test_losses_of_nearness_ask_for_the_targets(loss):
    assert asked_for(loss) == ""


def asked_for(loss):
    pipeline = Pipeline(loss, "", (1,), "numbers", 0)
    output = torch.full((20, 1), 300.0)
    batches = [ObservedBatch(n, (), {}, output, output, NUMBERS[20 * n : 20 * n + 20], None, True) for n in range(10)]
    return another_goal(pipeline, batches)
