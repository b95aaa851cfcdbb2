"""Every first-order optimizer in every library's convention, against that library."""

import dataclasses
import typing

import numpy as np
import pytest
import torch

from tenfold.rules.optimizers import (
    SGD,
    Adadelta,
    Adagrad,
    Adam,
    AdamW,
    AMSGrad,
    Lion,
    Momentum,
    Muon,
    NAdam,
    Nesterov,
    Optimizer,
    RMSProp,
)
from tenfold.rules.optimizers.base import FIRST_MOMENT, SECOND_MOMENT
from tenfold.rules.optimizers.muon import orthogonalize
from tenfold.rules.optimizers.update import UPDATES, Flat, Matrix, Need, Time
from tenfold.rules.penalties import decoupled_decay_
from tenfold.rules.record import preset
from tenfold.rules.schedules import OneCycle

from . import optimizer_fixture as fx
from .optimizer_fixture import LR, D, T, apart, coefficients, fixture, iterates, rates, times, torch_path, train

MEMBERS = [member for member in typing.get_args(Optimizer) if member.family != "second_order"]
TORCH = {
    SGD: lambda p, o: torch.optim.SGD(p),
    Momentum: lambda p, o: torch.optim.SGD(p, momentum=o["momentum"]),
    Nesterov: lambda p, o: torch.optim.SGD(p, momentum=o["momentum"], nesterov=True),
    Adagrad: lambda p, o: torch.optim.Adagrad(p, eps=o["eps"]),
    RMSProp: lambda p, o: torch.optim.RMSprop(p, alpha=o["rho"], eps=o["eps"]),
    Adadelta: lambda p, o: torch.optim.Adadelta(p, rho=o["rho"], eps=o["eps"]),
    Adam: lambda p, o: torch.optim.Adam(p, betas=(o["beta1"], o["beta2"]), eps=o["eps"]),
    AdamW: lambda p, o: torch.optim.AdamW(p, betas=(o["beta1"], o["beta2"]), eps=o["eps"], weight_decay=0),
    AMSGrad: lambda p, o: torch.optim.Adam(p, betas=(o["beta1"], o["beta2"]), eps=o["eps"], amsgrad=True),
    NAdam: lambda p, o: torch.optim.NAdam(
        p, betas=(o["beta1"], o["beta2"]), eps=o["eps"], momentum_decay=o["momentum_decay"]
    ),
}
OPTAX = {
    Momentum: lambda x, o: x.trace(o["momentum"]),
    Nesterov: lambda x, o: x.trace(o["momentum"], nesterov=True),
    Adagrad: lambda x, o: x.scale_by_rss(),
    RMSProp: lambda x, o: x.scale_by_rms(),
    Adadelta: lambda x, o: x.scale_by_adadelta(),
    Adam: lambda x, o: x.scale_by_adam(),
    AdamW: lambda x, o: x.scale_by_adam(),
    AMSGrad: lambda x, o: x.scale_by_amsgrad(),
    NAdam: lambda x, o: x.scale_by_adam(nesterov=True),
    Lion: lambda x, o: x.scale_by_lion(),
}
WRITTEN = {  # by library: the transcriptions
    "keras": {
        SGD: fx.descent, Momentum: fx.velocity, Nesterov: fx.keras_nesterov, Adagrad: fx.keras_adagrad,
        RMSProp: fx.keras_rmsprop, Adadelta: fx.keras_adadelta, Adam: fx.keras_adam(False),
        AdamW: fx.keras_adam(False), AMSGrad: fx.keras_adam(True), NAdam: fx.dozat, Lion: fx.chen,
    },
    "cs231n": {
        SGD: fx.descent, Momentum: fx.velocity, Nesterov: fx.cs231n_nesterov, RMSProp: fx.lecture_rmsprop,
        Adam: fx.cs231n_adam,
    },
    "lecture": {
        Momentum: fx.velocity, Nesterov: fx.cs231n_nesterov, Adagrad: fx.lecture_adagrad,
        RMSProp: fx.lecture_rmsprop, Adam: fx.lecture_adam,
    },
    "sklearn": {
        SGD: fx.sklearn_sgd(False), Momentum: fx.sklearn_sgd(False), Nesterov: fx.sklearn_sgd(True),
        Adam: fx.sklearn_adam,
    },
}  # fmt: skip
EXACT = {NAdam: fx.dozat, Lion: fx.chen}  # what torch has in less than float64, or not at all
PRESETS = [(member, library) for member in MEMBERS for library in member.PRESETS if member is not Muon]
IDS = [f"{member.__name__}-{library}" for member, library in PRESETS]
decays = pytest.mark.parametrize("decay", [1.0, 0.97], ids=["constant", "decaying"])


def expected(rule, library, gradients, rate):
    """The library's iterates for a rule's numbers."""
    member, o = type(rule), dataclasses.asdict(rule)
    if library == "torch":
        return torch_path(lambda p: TORCH[member](p, o), gradients, rate)
    if library == "optax":
        return fx.optax_path(OPTAX[member](pytest.importorskip("optax"), o), gradients, rate)
    return WRITTEN[library][member](gradients, rate, o)


# torch keeps NAdam's momentum product in float32
TOLERANCE = {(NAdam, "torch"): 1e-6, **{(member, "optax"): 2e-9 for member in OPTAX}}


@decays
@pytest.mark.parametrize(("member", "library"), PRESETS, ids=IDS)
def test_a_preset_is_what_the_library_does(member, library, decay):
    """Over the whole path, and relative to each coordinate's own travel: absolute errors would hide the small ones."""
    rule, gradients, rate = preset(member, library, lr=LR), fixture(), rates(decay)
    ours, theirs = iterates(rule, gradients, rate), expected(rule, library, gradients, rate)
    tolerance = TOLERANCE.get((member, library), 1e-12)
    assert apart(ours, theirs) <= tolerance
    travel = np.abs(theirs).max(0)
    assert (np.abs(ours - theirs).max(0) <= tolerance * travel).all()


@decays
@pytest.mark.parametrize("member", EXACT)
def test_the_paper_in_float64(member, decay):
    rule, gradients, rate = member(lr=LR), fixture(), rates(decay)
    assert apart(iterates(rule, gradients, rate), EXACT[member](gradients, rate, dataclasses.asdict(rule))) <= 1e-12


OPTIONS = [  # fields that no preset has, against a library that can be told to do the same
    (Momentum(momentum=0.5), "torch", lambda p: torch.optim.SGD(p, momentum=0.5)),
    (Nesterov(momentum=0.3), "torch", lambda p: torch.optim.SGD(p, momentum=0.3, nesterov=True)),
    (Adagrad(eps=1e-2, initial_scale=0.3), "torch",
     lambda p: torch.optim.Adagrad(p, eps=1e-2, initial_accumulator_value=0.3)),
    (RMSProp(rho=0.9, eps=1e-3), "torch", lambda p: torch.optim.RMSprop(p, alpha=0.9, eps=1e-3)),
    (RMSProp(rho=0.9, eps=1e-3, eps_inside=True, bias_correction=True), "optax",
     lambda x: x.scale_by_rms(0.9, 1e-3, bias_correction=True)),
    (RMSProp(rho=0.95, bias_correction=True), "optax",
     lambda x: x.scale_by_rms(0.95, bias_correction=True, eps_in_sqrt=False)),
    (RMSProp(rho=0.9, eps_inside=True, initial_scale=0.2), "optax", lambda x: x.scale_by_rms(0.9, initial_scale=0.2)),
    (Adadelta(rho=0.8, eps=1e-3), "torch", lambda p: torch.optim.Adadelta(p, rho=0.8, eps=1e-3)),
    (Adam(beta1=0.0, beta2=0.95, eps=1e-4), "torch", lambda p: torch.optim.Adam(p, betas=(0.0, 0.95), eps=1e-4)),
    (AMSGrad(bias_correction=False, of="corrected"), "optax",
     lambda x: x.scale_by_amsgrad(bias_correction_mu=False, bias_correction_nu=False)),
    (NAdam(beta1=0.8, beta2=0.9, momentum_decay=0.1), "torch",
     lambda p: torch.optim.NAdam(p, betas=(0.8, 0.9), momentum_decay=0.1)),
]  # fmt: skip


@decays
@pytest.mark.parametrize(
    ("rule", "library", "make"), OPTIONS, ids=[f"{rule} {library}" for rule, library, _ in OPTIONS]
)
def test_other_numbers_and_options(rule, library, make, decay):
    gradients, rate = fixture(), rates(decay)
    if library == "torch":
        theirs = torch_path(make, gradients, rate)
    else:
        theirs = fx.optax_path(make(pytest.importorskip("optax")), gradients, rate)
    assert apart(iterates(rule, gradients, rate), theirs) <= TOLERANCE.get((type(rule), library), 1e-12)


def test_every_preset_and_every_rule_has_an_oracle():
    tables = {**WRITTEN, "torch": TORCH, "optax": OPTAX}
    assert all(member in tables[library] for member, library in PRESETS)
    assert set(TORCH) | set(EXACT) | {Muon} == set(MEMBERS)


SEPARATIONS = [  # conventions, decay, and how far their ends are apart on this fixture
    (RMSProp(rho=0.9, eps_inside=True), RMSProp(rho=0.9), 1.0, 0.3314),
    (Momentum(), Momentum(rate_inside=True), 0.97, 0.4895),
    (Nesterov(), Nesterov(rate_inside=True), 0.97, 0.4405),
    (preset(Adagrad, "torch"), preset(Adagrad, "optax"), 1.0, 0.0660),
    (Adam(), Adam(eps_form="hat"), 1.0, 0.0228),
    (Adam(), preset(Adam, "keras"), 1.0, 0.1047),
    (Adam(), Adam(bias_correction=False), 1.0, 1.1175),
    (AMSGrad(), AMSGrad(of="corrected"), 1.0, 0.1009),
    (NAdam(), preset(NAdam, "optax"), 1.0, 0.0536),
    (NAdam(), preset(NAdam, "keras", eps=1e-8), 1.0, 0.0182),
]


@pytest.mark.parametrize(("one", "other", "decay", "distance"), SEPARATIONS)
def test_conventions_really_differ(one, other, decay, distance):
    ends = [iterates(rule, fixture(), rates(decay))[-1] for rule in (one, other)]
    assert np.abs(ends[0] - ends[1]).max() == pytest.approx(distance, abs=1e-4)


@pytest.mark.parametrize("member", [Momentum, Nesterov])
def test_where_the_rate_stands_matters_only_when_it_changes(member):
    ends = [iterates(member(lr=LR, rate_inside=inside), fixture(), rates(1.0)) for inside in (False, True)]
    assert apart(*ends) < 1e-13


# ---- options of one rule -----------------------------------------------------------------------------------------

VARIANTS = [
    *(preset(member, library) for member, library in PRESETS), *(member() for member in MEMBERS),
    RMSProp(bias_correction=True, eps_inside=True), RMSProp(bias_correction=True),
    AMSGrad(bias_correction=False), Nesterov(form="look_ahead"), Momentum(momentum_from=0.5),
]  # fmt: skip
variants = pytest.mark.parametrize("rule", VARIANTS, ids=repr)


@variants
def test_the_state_is_what_the_coefficients_use(rule):
    k = rule.coefficients(times(np.full(49, 0.1)))
    assert all(np.shape(column) == (49,) and column.dtype == np.float64 for column in k)
    if rule.family == "muon":
        return
    first, second = (any(np.any(column) for column in part) for part in ((k.a, k.b), (k.c, k.d)))
    assert (FIRST_MOMENT in rule.state(), SECOND_MOMENT in rule.state()) == (first, second)
    if not second:
        assert (k.eps == 1).all()


@variants
def test_updates_one_by_one_or_together_have_the_same_coefficients(rule):
    all_ = times(rates(0.9, 30))
    many = np.stack(rule.coefficients(all_), 1)
    for i in range(30):
        one = Time(*(column[i : i + 1] for column in all_[:3]))
        np.testing.assert_array_equal(np.stack(rule.coefficients(one), 1)[0], many[i])


@variants
def test_rows_left_out_change_no_bit(rule):
    if rule.family == "shared":
        full, lazy = (iterates(rule, fixture(), rates(0.97, 60), lazy=flag) for flag in (False, True))
        np.testing.assert_array_equal(full, lazy)


@pytest.mark.parametrize("family", UPDATES)
def test_a_lane_is_the_same_among_all_others(family):
    matrices = [Matrix(0, 32, (4, 8), (3, 7), False), Matrix(32, 48, (8, 2), (8, 2), True)]
    rules = [rule for rule in VARIANTS if rule.family == family]
    rules += [Muon(output="muon"), Muon(nesterov=False), Muon(scale="match_rms")] if family == "muon" else []
    gradients = fixture()[:40]
    options = {"matrices": matrices} if family == "muon" else {}
    together = train(rules, lambda w, t: gradients[t - 1], rates(0.97, 40), **options)
    for lane, rule in enumerate(rules):
        np.testing.assert_array_equal(together[:, lane], iterates(rule, gradients, rates(0.97, 40), **options))


@pytest.mark.parametrize("family", UPDATES)
def test_a_lane_that_is_not_finite_touches_no_other(family):
    rules = [rule for rule in VARIANTS if rule.family == family][:1] * 2
    gradients = torch.from_numpy(fixture()[:5, None]).repeat(1, 2, 1)
    clean = train(rules, lambda w, t: gradients[t - 1], rates(1.0, 5), matrices=[Matrix(0, 32, (4, 8), (4, 8), True)])
    gradients[1, 0] = torch.nan
    dirty = train(rules, lambda w, t: gradients[t - 1], rates(1.0, 5), matrices=[Matrix(0, 32, (4, 8), (4, 8), True)])
    np.testing.assert_array_equal(clean[:, 1], dirty[:, 1])
    assert np.isnan(dirty[-1, 0]).any()


def test_a_momentum_that_rises():
    rule = Momentum(momentum=0.99, momentum_from=0.5, momentum_ramp=0.5)
    share = np.array([0.0, 0.25, 0.5, 0.9])
    time = times(np.full(4, 0.1))._replace(share=share)
    np.testing.assert_allclose(rule.coefficients(time).a, [0.5, 0.745, 0.99, 0.99], rtol=1e-15)
    np.testing.assert_array_equal(rule.coefficients(time._replace(momentum=share)).a, share)
    np.testing.assert_array_equal(Nesterov(momentum=0.8).coefficients(time).a, np.full(4, 0.8))
    moved = iterates(Nesterov(lr=LR, momentum_from=0.5), fixture(), rates(1.0))
    momentum = 0.5 + 0.4 * np.minimum(np.arange(T) / T / 0.5, 1)
    theirs = torch_path(lambda p: torch.optim.SGD(p, momentum=0.5, nesterov=True), fixture(), rates(1.0), momentum)
    assert apart(moved, theirs) <= 1e-12


@pytest.mark.parametrize("member", [Momentum, Nesterov, Adam, AdamW, AMSGrad])
def test_a_cycle_of_the_momentum_is_torchs(member):
    update = np.arange(T)
    rate, momentum = LR * OneCycle().factor(update, 10, T), OneCycle().momentum(update, 10, T)
    o = dataclasses.asdict(member())
    theirs = torch_path(lambda p: TORCH[member](p, o), fixture(), rate, momentum)
    assert apart(iterates(member(lr=LR), fixture(), rate, momentum=momentum), theirs) <= 1e-12


def test_decoupled_decay_is_torchs_adamw():
    rule, gradients, strength = AdamW(lr=LR), fixture(), 0.3
    w, state = torch.zeros((1, D), dtype=torch.float64), {name: torch.zeros(1, D).double() for name in rule.state()}
    for g, k in zip(gradients, coefficients([rule], [times(rates(1.0))]), strict=True):
        decoupled_decay_(w, w.clone(), torch.tensor(LR * strength, dtype=torch.float64))
        flat = Flat(w, torch.from_numpy(g[None].copy()), state, torch.empty_like(w))
        UPDATES[rule.family](flat, k, Need(False, False))
    theirs = torch_path(lambda p: torch.optim.AdamW(p, weight_decay=strength), gradients, rates(1.0))
    np.testing.assert_allclose(w[0].numpy(), theirs[-1], rtol=0, atol=1e-12)
    assert [member for member in MEMBERS if member.decoupled] == [AdamW, Lion, Muon]


# ---- Muon --------------------------------------------------------------------------------------------------------

SHAPES = [(6, 4), (4, 6), (5, 5), (1, 7), (20, 33)]


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize(
    "rule", [Muon(), Muon(nesterov=False), Muon(scale="match_rms"), preset(Muon, "optax")], ids=repr
)
def test_muon_on_a_matrix_is_the_papers(rule, shape):
    """Stored as (inputs, units), with padding, or as (units, inputs); the paper has (units, inputs)."""
    rng = np.random.default_rng(1)
    inputs, units = shape
    gradients = rng.standard_normal((40, units, inputs)) * 10 ** rng.uniform(-3, 1, (40, 1, 1))
    theirs = fx.jordan(gradients, rates(0.97, 40), (units, inputs), dataclasses.asdict(rule)).reshape(-1, units, inputs)
    stored = np.zeros((40, inputs + 2, units + 3))
    stored[:, :inputs, :units] = gradients.transpose(0, 2, 1)
    matrix = Matrix(0, stored[0].size, stored[0].shape, shape, False)
    ours = iterates(rule, stored.reshape(40, -1), rates(0.97, 40), matrices=[matrix]).reshape(stored.shape)
    np.testing.assert_allclose(ours[:, :inputs, :units].transpose(0, 2, 1), theirs, rtol=0, atol=1e-12)
    assert not ours[:, inputs:].any()
    assert not ours[:, :, units:].any()
    matrix = Matrix(0, gradients[0].size, (units, inputs), (units, inputs), False, rows_are_units=True)
    ours = iterates(rule, gradients.reshape(40, -1), rates(0.97, 40), matrices=[matrix])
    np.testing.assert_allclose(ours, theirs.reshape(40, -1), rtol=0, atol=1e-12)


@decays
def test_muon_is_optaxs(decay):
    contrib = pytest.importorskip("optax.contrib")
    gradients, rule = fixture()[:, :48].reshape(T, 8, 6), preset(Muon, "optax", lr=LR)
    scale = contrib.muon(-1.0, eps=0.0)  # for (inputs, units) = (8, 6)
    theirs = fx.optax_path(scale, gradients, rates(decay)).reshape(T, -1)
    matrix = [Matrix(0, 48, (8, 6), (8, 6), True)]
    assert apart(iterates(rule, gradients.reshape(T, -1), rates(decay), matrices=matrix), theirs) <= 1e-11


def test_muon_is_near_torchs_which_works_in_bfloat16():
    gradients = np.random.default_rng(2).standard_normal((T, 6, 8))
    theirs = torch_path(lambda p: torch.optim.Muon(p, weight_decay=0), gradients, rates(1.0)).reshape(T, -1)
    matrix = [Matrix(0, 48, (6, 8), (6, 8), False, rows_are_units=True)]
    assert (
        apart(iterates(preset(Muon, "torch", lr=LR), gradients.reshape(T, -1), rates(1.0), matrices=matrix), theirs)
        < 0.1
    )


@pytest.mark.parametrize("shape", [(64, 64), (100, 30), (16, 200)])
def test_muon_makes_singular_values_equal(shape):
    """Singular values of n from 0.01 of its norm on: exactly those of the polynomial, in its band, its vectors kept."""
    x = torch.from_numpy(np.random.default_rng(3).standard_normal((2, *shape)))
    u, s, v = torch.linalg.svd(x, full_matrices=False)
    s = torch.linspace(0.1, 1.5, s.shape[1], dtype=torch.float64).expand_as(s)
    s = s / torch.linalg.vector_norm(s, dim=1, keepdim=True)
    assert float(s.min()) > 0.01
    out = orthogonalize(u * s[:, None] @ v * torch.tensor([1e-3, 1e3])[:, None, None])
    for _ in range(5):
        s = 3.4445 * s - 4.7750 * s**3 + 2.0315 * s**5
    np.testing.assert_allclose(out, u * s[:, None] @ v, rtol=0, atol=1e-12)
    assert float(s.min()) > 0.68
    assert float(s.max()) < 1.14
    assert not orthogonalize(torch.zeros(1, 3, 4)).any()


@pytest.mark.parametrize(("output", "eps_form"), [("adam", "outside"), ("muon", "outside"), ("adam", "hat")])
def test_what_is_no_hidden_matrix_gets_adam(output, eps_form):
    matrices = [Matrix(32, 48, (4, 4), (4, 4), True), Matrix(8, 24, (4, 4), (4, 4), False)]
    rule, gradients = Muon(lr=LR, adam_lr=0.5 * LR, output=output, eps_form=eps_form), fixture()
    ours = iterates(rule, gradients, rates(0.97), matrices=matrices)
    adam = iterates(Adam(eps_form=eps_form), gradients, 0.5 * rates(0.97))
    matrix = [True if 8 <= i < 24 else output == "muon" and 32 <= i < 48 for i in range(D)]
    assert apart(ours[:, ~np.array(matrix)], adam[:, ~np.array(matrix)]) <= 1e-12
    hidden = iterates(rule, gradients[:, 8:24], rates(0.97), matrices=[Matrix(0, 16, (4, 4), (4, 4), False)])
    np.testing.assert_allclose(ours[:, 8:24], hidden, rtol=0, atol=1e-13)
    if output == "muon":
        last = iterates(rule, gradients[:, 32:48], rates(0.97), matrices=[Matrix(0, 16, (4, 4), (4, 4), False)])
        np.testing.assert_allclose(ours[:, 32:48], last, rtol=0, atol=1e-13)
