"""Every schedule against torch.optim.lr_scheduler and optax, its end points, and what its docstring claims."""

import itertools
import math
import typing

import numpy as np
import pytest
import torch
from torch.optim import lr_scheduler

from tenfold.rules.record import preset
from tenfold.rules.schedules import (
    Cosine,
    CosLog,
    Decay,
    Exponential,
    FlatCos,
    InverseTime,
    Linear,
    NoDecay,
    OneCycle,
    Plateau,
    PlateauState,
    Step,
    plateau_next,
)

PER, EPOCHS = 7, 30
TOTAL = PER * EPOCHS
UNITS = {"epochs": lambda u: u / PER, "whole_epochs": lambda u: u // PER, "updates": lambda u: u}


def stepped(o, r):
    return lr_scheduler.StepLR(o, r.every * (1 if r.time == "updates" else PER), r.drop)


def exponential(o, r):
    if r.time == "epochs":
        return lr_scheduler.ExponentialLR(o, math.exp(-r.k / PER))
    return lr_scheduler.LambdaLR(o, lambda u: math.exp(-r.k) ** UNITS[r.time](u))


def cosine(o, r):
    if not r.restarts:
        return lr_scheduler.CosineAnnealingLR(o, left(r), eta_min=r.end)
    cycles = sum(r.stretch**i for i in range(r.restarts + 1))
    return lr_scheduler.CosineAnnealingWarmRestarts(o, round(left(r) / cycles), int(r.stretch), eta_min=r.end)


def one_cycle(o, r):
    return lr_scheduler.OneCycleLR(
        o, 1.0, left(r), pct_start=r.rise, div_factor=r.start, final_div_factor=r.end,
        cycle_momentum=r.cycle_momentum, base_momentum=r.momentum_low, max_momentum=r.momentum_high,
    )  # fmt: skip


ORACLES = {
    NoDecay: lambda o, r: lr_scheduler.ConstantLR(o, 1.0),
    Exponential: exponential,
    InverseTime: lambda o, r: lr_scheduler.LambdaLR(o, lambda u: 1 / (1 + r.k * UNITS[r.time](u))),
    Step: stepped,
    Plateau: lambda o, r: lr_scheduler.ConstantLR(o, 1.0),  # the rest of it follows a loss: see below
    Linear: lambda o, r: lr_scheduler.LinearLR(o, 1.0, r.end, left(r)),
    Cosine: cosine,
    OneCycle: one_cycle,
    FlatCos: lambda o, r: lr_scheduler.SequentialLR(
        o,
        [lr_scheduler.ConstantLR(o, 1.0), lr_scheduler.CosineAnnealingLR(o, left(r) - flat(r), eta_min=r.end)],
        [flat(r)],
    ),
    CosLog: lambda o, r: lr_scheduler.LambdaLR(o, lambda u: valley(u / left(r), r.base, r.cycles)),
}
MEMBERS = typing.get_args(Decay)
RULES = [member() for member in MEMBERS] + [member(warmup=0.2) for member in MEMBERS]
RULES += [kind(time=time) for kind in (Exponential, InverseTime, Step) for time in UNITS]
RULES += [Exponential(k=0.0), Exponential(k=1.5), InverseTime(k=2.0), Step(drop=0.5, every=3), Step(drop=1.0, every=1)]
RULES += [Cosine(warmup=0.0), Cosine(warmup=0.3, end=0.1), Cosine(warmup=0.0, end=1.0), Cosine(warmup=0.99)]
RULES += [Cosine(warmup=0.0, restarts=2), Cosine(warmup=1 / 3, end=0.2, restarts=2, stretch=2), Linear(end=0.3)]
RULES += [FlatCos(flat=0.2, end=0.3), FlatCos(flat=0.0), CosLog(cycles=3, base=3.0), CosLog(cycles=1, base=1.5)]
RULES += [OneCycle(rise=0.5, start=10.0, end=100.0, momentum_low=0.5, momentum_high=0.9)]
MOVES_MOMENTUM = (OneCycle,)  # the others leave the optimizer's momentum alone
rules = pytest.mark.parametrize("rule", list(dict.fromkeys(RULES)), ids=repr)
UPDATES = np.arange(TOTAL)


def left(rule):
    """Updates behind the warm-up."""
    return TOTAL - min(round(rule.warmup * TOTAL), TOTAL - 1)


def torchs(rule):
    """Rates and momenta of a torch scheduler, (TOTAL,): by itself, or behind a warm-up of its own."""
    parameters = [torch.zeros(1, dtype=torch.float64, requires_grad=True)]
    rates, momenta = [], []

    def follow(make, count):
        optimizer = torch.optim.SGD(parameters, lr=1.0, momentum=0.5)
        schedule = make(optimizer)
        for _ in range(count):
            rates.append(optimizer.param_groups[0]["lr"])
            momenta.append(optimizer.param_groups[0]["momentum"])
            optimizer.step()
            schedule.step()

    rise = TOTAL - left(rule)
    if rise:
        follow(lambda o: lr_scheduler.LinearLR(o, 1 / (rise + 1), 1.0, rise), rise)
    follow(lambda o: ORACLES[type(rule)](o, rule), TOTAL - rise)
    return np.array(rates), np.array(momenta), rise


def flat(rule):
    """Updates that a flat_cos stays at 1."""
    return round(rule.flat * left(rule))


def valley(t, base, cycles):
    """RealMLP's coslog at t, in plain words of math."""
    return 0.5 * (1 - math.cos(2 * math.pi * math.log(1 + (base**cycles - 1) * t, base)))


def test_every_schedule_has_an_oracle():
    assert set(ORACLES) == set(MEMBERS)


@rules
def test_equals_torch(rule):
    rates, momenta, rise = torchs(rule)
    np.testing.assert_allclose(rule.factor(UPDATES, PER, TOTAL), rates, rtol=1e-12, atol=1e-12)
    momentum = rule.momentum(UPDATES, PER, TOTAL)
    assert (momentum is not None) == isinstance(rule, MOVES_MOMENTUM)
    if momentum is not None:
        np.testing.assert_allclose(momentum[rise:], momenta[rise:], rtol=1e-12)
        assert (momentum[:rise] == rule.momentum_high).all()


OPTAX = [
    (Exponential(k=0.02, time="updates"), lambda x: x.exponential_decay(1.0, 1, math.exp(-0.02))),
    (Step(every=40, drop=0.5, time="updates"), lambda x: x.exponential_decay(1.0, 40, 0.5, staircase=True)),
    (Linear(end=0.1), lambda x: x.linear_schedule(1.0, 0.1, TOTAL)),
    (Cosine(warmup=0.0, end=0.2), lambda x: x.cosine_decay_schedule(1.0, TOTAL, 0.2)),
]


@pytest.mark.parametrize(("rule", "make"), OPTAX, ids=lambda x: type(x).__name__)
def test_equals_optax(rule, make):
    jax = pytest.importorskip("jax")
    jax.config.update("jax_enable_x64", True)
    theirs = np.asarray(jax.vmap(make(pytest.importorskip("optax")))(jax.numpy.asarray(UPDATES)))
    np.testing.assert_allclose(rule.factor(UPDATES, PER, TOTAL), theirs, rtol=3e-9, atol=3e-9)


def test_optaxs_one_cycle_is_another():
    jax, optax = pytest.importorskip("jax"), pytest.importorskip("optax")
    theirs = np.asarray(jax.vmap(optax.cosine_onecycle_schedule(100, 1.0))(jax.numpy.arange(100)))
    ours = OneCycle().factor(np.arange(100), 10, 100)
    assert (ours.argmax(), theirs.argmax()) == (29, 30)
    assert np.abs(ours - theirs).max() > 1e-3


@rules
def test_one_update_or_many_are_the_same(rule):
    many = rule.factor(UPDATES, PER, TOTAL)
    assert many.shape == (TOTAL,)
    assert many.dtype == np.float64
    assert [float(rule.factor(np.array([u]), PER, TOTAL)[0]) for u in range(TOTAL)] == many.tolist()
    np.testing.assert_array_equal(rule.factor(UPDATES[40:60], PER, TOTAL), many[40:60])
    momentum = rule.momentum(UPDATES, PER, TOTAL)
    if momentum is not None:
        np.testing.assert_array_equal(rule.momentum(UPDATES[40:60], PER, TOTAL), momentum[40:60])


@rules
def test_bounds_and_direction(rule):
    factor, rise = rule.factor(UPDATES, PER, TOTAL), TOTAL - left(rule)
    assert (factor >= 0).all() if isinstance(rule, CosLog) else (factor > 0).all()  # a cycle begins at 0
    assert factor.max() <= 1
    assert (np.diff(factor[:rise]) > 0).all()
    if not isinstance(rule, OneCycle | CosLog):
        assert factor[rise] == 1
        ups = np.flatnonzero(np.diff(factor[rise:]) > 1e-15) + 1 + rise
        assert len(ups) == getattr(rule, "restarts", 0)
        assert (factor[ups] == 1).all()
    beyond = rule.factor(np.arange(TOTAL, TOTAL + 20), PER, TOTAL)
    assert ((beyond >= 0) & (beyond <= 1)).all()
    assert (beyond <= factor[-1] + 1e-15).all()


def test_a_coslog_has_so_many_cycles():
    for rule in (CosLog(), CosLog(cycles=3, base=3.0), CosLog(cycles=1, base=1.5)):
        factor = rule.factor(np.arange(10_000), 1, 10_000)
        assert (np.diff(np.sign(np.diff(factor))) < 0).sum() == rule.cycles


def at(rule, epoch):
    return float(rule.factor(np.array(epoch * PER), PER, TOTAL))


def test_end_points():
    assert at(Exponential(k=0.1), 10) == pytest.approx(math.exp(-1))
    assert at(InverseTime(k=0.1), 10) == pytest.approx(0.5)
    step = Step(drop=0.1, every=10)
    assert (at(step, 10 - 1 / PER), at(step, 10), at(step, 20)) == pytest.approx((1.0, 0.1, 0.01))
    assert at(Cosine(warmup=0.0, end=0.2), EPOCHS / 2) == pytest.approx(0.6)
    assert at(Cosine(warmup=0.0, end=0.2), EPOCHS) == pytest.approx(0.2)
    assert at(Cosine(warmup=0.1), 0) == pytest.approx(1 / (1 + round(0.1 * TOTAL)))
    assert [at(Cosine(warmup=0.0, restarts=2), epoch) for epoch in (0, 5, 10, 20)] == pytest.approx([1, 0.5, 1, 1])
    assert at(Linear(), EPOCHS / 2) == 0.5
    assert at(Linear(end=0.25), EPOCHS) == 0.25
    assert at(OneCycle(), 0) == pytest.approx(1 / 25)
    assert at(OneCycle(), EPOCHS - 1 / PER) == pytest.approx(1 / 25 / 1e4)
    assert at(OneCycle(rise=0.5), EPOCHS / 2 - 1 / PER) == 1


@pytest.mark.parametrize("kind", [Exponential, InverseTime, Step])
def test_the_same_number_in_updates_is_off_by_the_updates_of_an_epoch(kind):
    updates, epochs, whole = (kind(time=time) for time in ("updates", "epochs", "whole_epochs"))
    np.testing.assert_allclose(
        updates.factor(UPDATES, PER, TOTAL), epochs.factor(UPDATES * PER, PER, TOTAL * PER), rtol=1e-13
    )
    first = UPDATES[::PER]
    np.testing.assert_array_equal(whole.factor(UPDATES, PER, TOTAL), np.repeat(epochs.factor(first, PER, TOTAL), PER))
    assert preset(kind, "torch").time == "whole_epochs"


@rules
@pytest.mark.parametrize("total", [1, 2, 3, 10])
def test_short_trainings_give_rates(rule, total):
    factor = rule.factor(np.arange(total), 1, total)
    assert np.isfinite(factor).all()
    assert (factor >= 0).all() if isinstance(rule, CosLog) else (factor > 0).all()
    momentum = rule.momentum(np.arange(total), 1, total)
    assert (momentum is not None) == isinstance(rule, MOVES_MOMENTUM)
    if momentum is not None:
        assert ((momentum >= 0.5) & (momentum < 1)).all()


def test_a_cycle_may_leave_the_momentum_alone():
    assert OneCycle(cycle_momentum=False).momentum(UPDATES, PER, TOTAL) is None


PLATEAUS = [
    Plateau(),
    Plateau(patience=0),
    Plateau(drop=0.5, patience=2, threshold=0.05),
    Plateau(patience=1, drop=0.01),
]


def losses(kind):
    rng = np.random.default_rng(4)
    falling = np.exp(-np.arange(80) / 10) + 0.02 * rng.standard_normal(80)
    found = {"noisy": falling, "flat": np.ones(80), "down": np.exp(-np.arange(80.0)), "negative": falling - 0.5}
    found["broken"] = np.where(rng.random(80) < 0.2, np.nan, falling)
    found["broken"][0] = np.nan
    found["infinite"] = np.where(np.arange(80) < 5, np.inf, falling)
    return found[kind]


@pytest.mark.parametrize("kind", ["noisy", "flat", "down", "negative", "broken", "infinite"])
@pytest.mark.parametrize("rule", PLATEAUS, ids=repr)
def test_plateau_equals_torch(rule, kind):
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=1.0)
    schedule = lr_scheduler.ReduceLROnPlateau(
        optimizer, factor=rule.drop, patience=rule.patience, threshold=rule.threshold
    )
    state = PlateauState()
    for loss in losses(kind):
        schedule.step(loss)
        state = plateau_next(rule, state, float(loss))
        assert state == (
            schedule.best,
            schedule.num_bad_epochs,
            pytest.approx(optimizer.param_groups[0]["lr"], rel=1e-15),
        )
    if kind == "flat":
        assert state.factor < 1


def test_the_closed_form_of_a_plateau_is_its_warm_up_alone():
    assert (Plateau().factor(UPDATES, PER, TOTAL) == 1).all()


def noisy(rates, start=0.0, seeds=4000):
    """x <- x - r (x + noise): the last E[x^2] over many runs, exact but for the sampling."""
    rng, x = np.random.default_rng(5), np.full(seeds, start)
    for r in rates:
        x -= r * (x + rng.standard_normal(seeds))
    return float(np.mean(x**2))


@pytest.mark.parametrize("lr", [0.4, 0.1])
def test_a_constant_rate_stays_at_its_floor(lr):
    assert noisy(lr * NoDecay().factor(np.arange(200), 1, 200)) == pytest.approx(lr / (2 - lr), rel=0.12)


def test_one_over_t_reaches_the_noise():
    total = 400
    rates = InverseTime(k=1.0, time="updates").factor(np.arange(total), 1, total)
    assert total * noisy(rates, start=1.0) == pytest.approx(1.0, rel=0.12)


def test_every_decay_ends_far_below_the_floor():
    total, update = 400, np.arange(400)
    floor = noisy(0.4 * np.ones(total))
    rules = [Exponential(k=math.log(100) / total), Step(every=130, drop=0.1), Cosine(), Linear(), OneCycle()]
    ends = [noisy(0.4 * rule.factor(update, 1, total)) for rule in rules]
    assert all(end < floor / 10 for end in ends), ends


def test_too_fast_a_decay_freezes_before_it_arrives():
    """All rates together are lr / k, in epochs: from 5, a gradient flow would still be at 5 exp(-0.4 / 0.4)."""
    rates = 0.02 * Exponential(k=0.4).factor(np.arange(20 * 100), 20, 20 * 100)
    assert rates.sum() == pytest.approx(20 * 0.02 / 0.4, rel=0.02)
    x = 5.0
    for r in rates:
        x -= r * x
    assert x == pytest.approx(5 * math.exp(-1), rel=0.03)


@pytest.mark.parametrize(("member", "warmup"), [*itertools.product(MEMBERS, [0.1, 0.5])])
def test_behind_a_warm_up_the_rule_runs_on_the_rest(member, warmup):
    rise = round(warmup * TOTAL)
    factor = member(warmup=warmup).factor(UPDATES, PER, TOTAL)
    np.testing.assert_allclose(factor[:rise], np.arange(1, rise + 1) / (rise + 1), rtol=1e-15)
    rest = member(warmup=0.0).factor(np.arange(TOTAL - rise), PER, TOTAL - rise)
    np.testing.assert_array_equal(factor[rise:], rest)


def test_coslog_is_cool_where_its_docstring_says():
    for rule, zeros, total in (
        (CosLog(), [0, 1 / 15, 3 / 15, 7 / 15, 1], 15),
        (CosLog(cycles=3, base=3.0), [0, 1 / 13, 4 / 13, 1], 13),
    ):
        factor = rule.factor(np.array(zeros) * total, 1, total)
        np.testing.assert_allclose(factor, 0, atol=1e-12)
        tops = (rule.base ** (np.arange(rule.cycles) + 0.5) - 1) / (rule.base**rule.cycles - 1)
        np.testing.assert_allclose(rule.factor(tops * total, 1, total), 1, rtol=1e-12)


def test_many_cycles_do_not_overflow():
    factor = CosLog(cycles=500, base=2.0).factor(UPDATES, PER, TOTAL)
    assert np.isfinite(factor).all()


def test_flat_cos_is_flat_and_half_way_down():
    rule = FlatCos(flat=0.5, end=0.2)
    assert (rule.factor(np.arange(50), 10, 100) == 1).all()
    assert rule.factor(np.array([75]), 10, 100)[0] == pytest.approx(0.6)
    assert rule.factor(np.array([100]), 10, 100)[0] == pytest.approx(0.2)
    assert preset(FlatCos, "fastai").flat == 0.75


def test_flat_cos_and_coslog_are_those_of_realmlp():
    """RealMLP's package; not installed, the closed forms above stand alone."""
    scheduling = pytest.importorskip("pytabkit.models.training.scheduling")
    t = np.linspace(0, 0.999, 57)
    theirs = np.array([scheduling.CoslogFunc(4)(x) for x in t])
    np.testing.assert_allclose(CosLog().factor(t * 1000, 1, 1000), theirs, atol=1e-12)
    half = scheduling.combine_scheds(
        [0.5, 0.5], [scheduling.ConstantSchedule(1.0), scheduling.get_cos_sched().scaled(1.0, 0.0)]
    )
    np.testing.assert_allclose(FlatCos().factor(t * 1000, 1, 1000), [half.call_time_(x) for x in t], atol=1e-12)
