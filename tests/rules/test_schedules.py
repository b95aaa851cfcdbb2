"""Learning-rate decay against torch.optim.lr_scheduler, end points, and one formula for one update or many."""

import math
import typing

import numpy as np
import pytest
import torch
from torch.optim import lr_scheduler

from tenfold.rules.schedules import Cosine, Decay, Exponential, InverseTime, NoDecay, Step

PER, EPOCHS = 7, 30
TOTAL = PER * EPOCHS


def warm_cosine(optimizer, rule):
    rise = round(rule.warmup * TOTAL)
    fall = lr_scheduler.CosineAnnealingLR(optimizer, TOTAL - rise, eta_min=rule.end)
    if rise == 0:
        return fall
    for group in optimizer.param_groups:  # as if the first schedule had been made first
        group["lr"] = group["initial_lr"]
    warm = lr_scheduler.LinearLR(optimizer, 1 / (rise + 1), 1.0, rise)
    return lr_scheduler.SequentialLR(optimizer, [warm, fall], [rise])


ORACLES = {
    NoDecay: lambda o, r: lr_scheduler.ConstantLR(o, 1.0),
    Exponential: lambda o, r: lr_scheduler.ExponentialLR(o, math.exp(-r.k / PER)),
    InverseTime: lambda o, r: lr_scheduler.LambdaLR(o, lambda u: 1 / (1 + r.k * u / PER)),
    Step: lambda o, r: lr_scheduler.StepLR(o, r.every * PER, r.drop),
    Cosine: warm_cosine,
}
RULES = [member() for member in typing.get_args(Decay)]
RULES += [Exponential(k=0.0), Exponential(k=1.5), InverseTime(k=2.0), Step(drop=0.5, every=3), Step(drop=1.0, every=1)]
RULES += [Cosine(warmup=0.0), Cosine(warmup=0.3, end=0.1), Cosine(warmup=0.0, end=1.0), Cosine(warmup=0.99)]
rules = pytest.mark.parametrize("rule", RULES, ids=repr)
UPDATES = np.arange(TOTAL)


def test_every_schedule_has_an_oracle():
    assert set(ORACLES) == set(typing.get_args(Decay))


@rules
def test_equals_torch(rule):
    optimizer = torch.optim.SGD([torch.zeros(1, dtype=torch.float64, requires_grad=True)], lr=1.0)
    schedule, rates = ORACLES[type(rule)](optimizer, rule), []
    for _ in range(TOTAL):
        rates.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        schedule.step()
    np.testing.assert_allclose(rule.factor(UPDATES, PER, TOTAL), rates, rtol=1e-12, atol=1e-12)


@rules
def test_one_update_or_many_are_the_same(rule):
    many = rule.factor(UPDATES, PER, TOTAL)
    assert many.shape == (TOTAL,)
    assert many.dtype == np.float64
    assert [float(rule.factor(np.array([u]), PER, TOTAL)[0]) for u in range(TOTAL)] == many.tolist()
    np.testing.assert_array_equal(rule.factor(UPDATES[40:60], PER, TOTAL), many[40:60])


@rules
def test_bounds_and_direction(rule):
    factor = rule.factor(UPDATES, PER, TOTAL)
    assert (factor > 0).all()
    assert factor.max() <= 1
    rise = round(getattr(rule, "warmup", 0) * TOTAL)
    assert factor[rise] == 1 or rise == TOTAL - 1
    assert (np.diff(factor[: rise + 1]) > 0).all()
    assert (np.diff(factor[rise:]) <= 1e-15).all()


def test_end_points():
    at = lambda rule, epoch: float(rule.factor(np.array(epoch * PER), PER, TOTAL))  # noqa: E731
    assert at(Exponential(k=0.1), 10) == pytest.approx(math.exp(-1))
    assert at(InverseTime(k=0.1), 10) == pytest.approx(0.5)
    step = Step(drop=0.1, every=10)
    assert (at(step, 10 - 1 / PER), at(step, 10), at(step, 20)) == pytest.approx((1.0, 0.1, 0.01))
    assert at(Cosine(warmup=0.0, end=0.2), EPOCHS / 2) == pytest.approx(0.6)
    assert at(Cosine(warmup=0.0, end=0.2), EPOCHS) == pytest.approx(0.2)
    assert at(Cosine(warmup=0.1), 0) == pytest.approx(1 / (1 + round(0.1 * TOTAL)))


@rules
@pytest.mark.parametrize("total", [1, 2, 3])
def test_short_trainings_give_rates(rule, total):
    factor = rule.factor(np.arange(total), 1, total)
    assert np.isfinite(factor).all()
    assert (factor > 0).all()


@pytest.mark.parametrize("member", typing.get_args(Decay))
def test_docstring_has_the_formula(member):
    assert "factor = " in member.__doc__ or "cos(pi" in member.__doc__
