"""Initial weights: the stated variance and distribution against draws, against torch, jax and scikit-learn."""

import dataclasses
import math
import typing
from itertools import pairwise

import numpy as np
import pytest
import torch
from scipy.stats import ks_2samp
from sklearn.neural_network import MLPClassifier
from torch import nn

from tenfold.rules.fields import value_kinds
from tenfold.rules.initialization import (
    LSUV,
    Constant,
    DataDriven,
    Fans,
    He,
    Initialization,
    LeCun,
    Normal,
    Orthogonal,
    Sparse,
    UniformWithin,
    Xavier,
    Zeros,
    base_draw,
    bias_draw,
    deviation_factor,
    lsuv_factor,
)  # fmt: skip
from tenfold.rules.record import SECTIONS, BadField, main_field, preset, sections

MEMBERS = typing.get_args(Initialization)
SIZES = [(800, 50), (60, 500), (200, 200), (9, 3000)]
# variance in closed form; kurtosis and largest value in standard deviations, None where not random
NORMAL, UNIFORM, TRUNCATED = (3.0, math.inf), (1.8, math.sqrt(3)), (2.3654, 2 / 0.87962566)
DISTRIBUTIONS = {"normal": NORMAL, "uniform": UNIFORM, "truncated": TRUNCATED}
ORACLES = {
    Zeros: (lambda r, f: 0.0, None),
    Constant: (lambda r, f: 0.0, None),
    Normal: (lambda r, f: r.std**2, NORMAL),
    UniformWithin: (lambda r, f: r.bound**2 / 3, UNIFORM),
    LeCun: (lambda r, f: 1 / f.fan_in, NORMAL),
    Xavier: (lambda r, f: 2 / (f.fan_in + f.fan_out), UNIFORM),
    He: (lambda r, f: 2 / f.fan_in, NORMAL),
    Orthogonal: (lambda r, f: f.gain**2 / max(f.fan_in, f.fan_out), NORMAL),
    Sparse: (lambda r, f: r.std**2 * min(r.connections, f.fan_in) / f.fan_in, None),
    LSUV: (lambda r, f: 1 / max(f.fan_in, f.fan_out), NORMAL),
    DataDriven: (lambda r, f: 1 / f.fan_in, NORMAL),
}
RULES = [member() for member in MEMBERS] + [
    Normal(std=0.3), Constant(value=-2.5), UniformWithin(bound=2.0), Sparse(connections=15, std=1.0),
]  # fmt: skip
rules = pytest.mark.parametrize("rule", RULES, ids=repr)
members = pytest.mark.parametrize("member", MEMBERS, ids=lambda member: member.__name__)


def draw(rule, fans, columns=None, seed=0):
    """Weights and biases as the engine draws them."""
    columns = columns or fans.fan_out
    base = base_draw(rule.draw, np.random.default_rng(seed), fans.fan_in, columns)
    row = base_draw(rule.draw, np.random.default_rng(seed + 1), 1, columns)
    return rule.weights(base, fans), rule.biases(row[0], fans)


def same_distribution(ours, theirs):
    return ks_2samp(np.ravel(ours), np.ravel(np.asarray(theirs, dtype=float))).pvalue > 1e-4


def check_distribution(w, sigma, kurtosis, largest):
    n = w.size
    assert abs(w.std() / sigma - 1) < 5 / math.sqrt(2 * n)
    assert abs(w.mean()) < 5 * sigma / math.sqrt(n)
    assert ((w - w.mean()) ** 4).mean() / w.var() ** 2 == pytest.approx(kurtosis, abs=5 * math.sqrt(24 / n))
    assert np.abs(w).max() <= largest * sigma * (1 + 1e-8)
    assert np.abs(w).max() >= min(0.999 * largest, 3.5) * sigma


def test_every_initialization_has_an_oracle():
    assert set(ORACLES) == set(MEMBERS)


@rules
@pytest.mark.parametrize("size", SIZES)
def test_variance_and_distribution_are_the_claim(rule, size):
    fans = Fans(*size, 1.5)
    variance, shape = ORACLES[type(rule)]
    if not isinstance(rule, Orthogonal | LSUV | DataDriven):
        assert rule.variance(fans) == pytest.approx(variance(rule, fans), rel=1e-12)
    w, b = draw(rule, fans)
    assert w.shape == size
    assert w.dtype == np.float64
    assert b.shape == (size[1],)
    if shape is not None:
        check_distribution(w, math.sqrt(variance(rule, fans)), *shape)
    elif not isinstance(rule, Sparse):
        assert np.ptp(w) == 0


@pytest.mark.parametrize("member", [LeCun, Xavier, He])
@pytest.mark.parametrize("fan", value_kinds(He)["fan"].words)
@pytest.mark.parametrize("distribution", DISTRIBUTIONS)
def test_scaled_rules_equal_jaxs_variance_scaling(member, fan, distribution):
    jax = pytest.importorskip("jax")
    jax.config.update("jax_enable_x64", True)
    rule = member(fan=fan, distribution=distribution)
    fans, gain = Fans(200, 120), {LeCun: 1.0, Xavier: 1.0, He: math.sqrt(2)}[member]
    w, _ = draw(rule, fans)
    mode = {"average": "fan_avg"}.get(fan, fan)
    kind = {"truncated": "truncated_normal"}.get(distribution, distribution)
    scaling = jax.nn.initializers.variance_scaling(gain**2, mode, kind, dtype=float)
    assert same_distribution(w, scaling(jax.random.key(0), (200, 120)))
    exact = gain**2 / {"fan_in": 200, "fan_out": 120, "average": 160}[fan]
    assert rule.variance(fans) == pytest.approx(exact, rel=1e-12)
    check_distribution(w, math.sqrt(exact), *DISTRIBUTIONS[distribution])


TORCH = {  # (filler of a torch weight (units, inputs), the rule)
    "normal_": (lambda w, g: nn.init.normal_(w, std=0.3, generator=g), Normal(std=0.3)),
    "uniform_": (lambda w, g: nn.init.uniform_(w, -0.2, 0.2, generator=g), UniformWithin(bound=0.2)),
    "xavier_uniform_": (lambda w, g: nn.init.xavier_uniform_(w, generator=g), Xavier()),
    "xavier_normal_": (
        lambda w, g: nn.init.xavier_normal_(w, 5 / 3, generator=g),
        Xavier(distribution="normal", gain="activation"),
    ),
    "kaiming_uniform_": (lambda w, g: nn.init.kaiming_uniform_(w, generator=g), preset(He, "torch")),
    "kaiming_normal_": (lambda w, g: nn.init.kaiming_normal_(w, nonlinearity="relu", generator=g), He()),
    "kaiming_fan_out": (lambda w, g: nn.init.kaiming_normal_(w, mode="fan_out", generator=g), He(fan="fan_out")),
    "kaiming_linear": (lambda w, g: nn.init.kaiming_normal_(w, nonlinearity="linear", generator=g), LeCun()),
    "orthogonal_": (lambda w, g: nn.init.orthogonal_(w, generator=g), preset(Orthogonal, "torch")),
}  # fmt: skip


@pytest.mark.parametrize("name", TORCH)
@pytest.mark.parametrize("size", [(200, 120), (90, 250)])
def test_rules_draw_as_torch_does(name, size):
    fill, rule = TORCH[name]
    theirs = fill(torch.empty(size[::-1], dtype=torch.float64), torch.Generator().manual_seed(0))
    ours, _ = draw(rule, Fans(*size, 5 / 3))
    assert same_distribution(ours, theirs.numpy())
    assert ours.std() == pytest.approx(float(theirs.std()), rel=0.02)


def test_a_convolution_has_torchs_fans():
    """Weights (36, 8) of Conv2d(4, 8, 3), by its fans (36, 72)."""
    theirs = torch.empty(8, 4, 3, 3, dtype=torch.float64)
    fans = Fans(*nn.init._calculate_fan_in_and_fan_out(theirs))
    assert fans == (36, 72, 1.0)
    for mode in ("fan_in", "fan_out"):
        w, _ = draw(He(distribution="uniform", fan=mode), fans, columns=8)
        assert w.shape == (36, 8)
        nn.init.kaiming_uniform_(theirs, mode=mode, generator=torch.Generator().manual_seed(0))
        bound = math.sqrt(6 / getattr(fans, mode))
        assert 0.97 * bound < np.abs(w).max() < bound
        assert 0.97 * bound < float(theirs.abs().max()) < bound


@pytest.mark.parametrize("columns", [120, 240])
def test_a_maxout_is_scaled_by_its_units_not_its_pieces(columns):
    w, b = draw(Xavier(bias="like_weights"), Fans(200, 120), columns)
    assert w.shape == (200, columns)
    assert b.shape == (columns,)
    assert np.abs(w).max() == pytest.approx(math.sqrt(6 / 320), rel=1e-3)


# Presets: what the library's own layers hold


@pytest.mark.parametrize("layer", [nn.Linear(400, 3000), nn.Conv2d(16, 900, 5)], ids=repr)
def test_lecuns_torch_preset_is_torchs_default_layer(layer):
    with torch.random.fork_rng():
        torch.manual_seed(3)
        layer.reset_parameters()
    fan_in, bound = layer.weight[0].numel(), 1 / math.sqrt(400)
    assert fan_in == 400
    w, b = draw(preset(LeCun, "torch"), Fans(*nn.init._calculate_fan_in_and_fan_out(layer.weight)), len(layer.weight))
    for ours, theirs in ((w, layer.weight), (b, layer.bias)):
        theirs = theirs.detach().numpy()[..., :100] if theirs.ndim == 2 else theirs.detach().numpy()
        assert same_distribution(ours, theirs)
        assert 0.99 * bound < np.abs(theirs).max() <= bound * (1 + 1e-6)
        assert 0.99 * bound < np.abs(ours).max() <= bound


@pytest.mark.parametrize(("activation", "name", "six"), [("relu", "sklearn", 6), ("logistic", "sklearn_logistic", 2)])
def test_xaviers_sklearn_presets_are_sklearns_mlp(activation, name, six):
    model = MLPClassifier(activation=activation)
    model._random_state = np.random.RandomState(0)
    coef, intercept = model._init_coef(50, 2000, np.float64)
    bound = math.sqrt(six / 2050)
    for ours, theirs in zip(draw(preset(Xavier, name), Fans(50, 2000)), (coef, intercept), strict=True):
        assert same_distribution(ours, theirs)
        assert 0.99 * bound < np.abs(ours).max() <= bound
        assert 0.99 * bound < np.abs(theirs).max() <= bound


@pytest.mark.parametrize("rule", [LeCun, He, Xavier, Orthogonal])
def test_jax_presets_are_jaxs_initializers(rule):
    jax = pytest.importorskip("jax")
    jax.config.update("jax_enable_x64", True)
    make = {LeCun: "lecun_normal", He: "he_normal", Xavier: "glorot_uniform", Orthogonal: "orthogonal"}[rule]
    theirs = getattr(jax.nn.initializers, make)(dtype=float)(jax.random.key(1), (250, 90))
    w, b = draw(preset(rule, "keras"), Fans(250, 90, 3.0))  # Keras' initializers of these names are jax's
    assert same_distribution(w, theirs)
    assert w.std() == pytest.approx(float(theirs.std()), rel=0.015)
    if rule in (LeCun, He):
        assert np.abs(w).max() == pytest.approx(float(np.abs(theirs).max()), rel=1e-3)
    assert (b == 0).all()


@members
def test_presets_are_fields_that_build(member):
    for library in getattr(member, "PRESETS", {}):
        assert isinstance(preset(member, library), member)


def test_the_lectures_xavier_is_lecun():
    fans = Fans(400, 300)
    assert preset(Xavier, "lecture").variance(fans) == LeCun().variance(fans) == 1 / 400
    assert Xavier().variance(fans) == 1 / 350
    assert preset(Xavier, "lecture").draw == LeCun().draw


# Orthogonal, sparse, constants, biases


@pytest.mark.parametrize("size", [(80, 80), (120, 40), (40, 120), (1, 7), (7, 1)])
def test_orthogonal_turns_without_stretching(size):
    for rule, gain in ((Orthogonal(), 1.7), (Orthogonal(gain=2.0), 2.0), (LSUV(), 1.0)):
        w, _ = draw(rule, Fans(*size, 1.7))
        gram = w.T @ w if size[0] >= size[1] else w @ w.T
        np.testing.assert_allclose(gram, gain**2 * np.eye(min(size)), atol=1e-12)
        assert rule.variance(Fans(*size)) is None


def test_orthogonal_is_uniform_not_only_orthogonal():
    """Without the sign correction the diagonal of LAPACK's Q is all but never positive."""
    diagonal = [np.diag(base_draw("orthogonal", np.random.default_rng(seed), 3, 3)) for seed in range(600)]
    assert np.mean(np.array(diagonal) > 0) == pytest.approx(0.5, abs=0.06)
    trace = [float(d.sum() / math.sqrt(3)) for d in diagonal]  # E[trace] = 0, E[trace^2] = 1 for Haar measure
    assert np.mean(np.square(trace)) == pytest.approx(1, abs=0.15)


def test_a_hundred_orthogonal_layers_are_well_conditioned_and_normal_ones_are_not():
    def spectrum(rule):
        layers = [draw(rule, Fans(100, 100, 1.0), seed=seed)[0] for seed in range(100)]
        return np.linalg.svd(np.linalg.multi_dot(layers), compute_uv=False)

    values = spectrum(Orthogonal())
    assert values[0] / values[-1] < 1 + 1e-9
    assert np.median(spectrum(LeCun())) < 1e-10


@pytest.mark.parametrize("connections", [1, 10, 50, 80])
def test_sparse_connects_each_unit_to_so_many_inputs(connections):
    w, b = draw(Sparse(connections=connections, std=2.0, bias="like_weights"), Fans(50, 4000))
    kept = min(connections, 50)
    assert ((w != 0).sum(axis=0) == kept).all()
    check_distribution(w[w != 0], 2.0, *NORMAL)
    check_distribution(b, 2.0, *NORMAL)
    assert w.var() == pytest.approx(Sparse(connections=connections, std=2.0).variance(Fans(50, 4000)), rel=0.1)
    each = (w != 0).mean(axis=1)  # every input is as likely
    assert np.abs(each - kept / 50).max() < 5 * math.sqrt(0.25 / 4000)


def test_sparse_keeps_the_size_of_a_sum_at_every_width():
    for width in (50, 1000):
        w, _ = draw(Sparse(connections=16, std=0.25), Fans(width, 500))
        x = np.random.default_rng(9).standard_normal((400, width))
        assert (x @ w).var() == pytest.approx(1, abs=0.05)


def test_recipes_share_one_draw():
    """Rules of one kind are multiples of one draw; sparse rules of 5 connections have 5 of those of 10."""
    fans = Fans(30, 20)
    normal = [draw(rule, fans)[0] for rule in (Normal(std=1.0), LeCun(), He(), He(fan="fan_out"))]
    for w in normal:
        np.testing.assert_allclose(w / w.std(), normal[0] / normal[0].std(), rtol=1e-12)
    few, many = (draw(Sparse(connections=k), fans)[0] for k in (5, 10))
    assert (many[few != 0] == few[few != 0]).all()
    with pytest.raises(ValueError, match="cauchy"):
        base_draw("cauchy", np.random.default_rng(0), 2, 2)


def test_constants_are_exact():
    assert (draw(Zeros(), Fans(7, 5))[0] == 0).all()
    assert (draw(Constant(value=0.25), Fans(7, 5))[0] == 0.25).all()


@members
def test_biases_are_a_constant_or_like_the_weights(member):
    fans = Fans(200, 30000, 1.5)
    row = base_draw(member().draw, np.random.default_rng(1), 1, 30000)[0]
    assert (member().biases(row, fans) == 0).all()
    others = {"bias_rows": 0} if member is DataDriven else {}  # else the rows decide
    assert (member(bias=0.1, **others).biases(row, fans) == 0.1).all()
    b = member(bias="like_weights", **others).biases(row, fans)
    sigma = {Zeros: 0.0, Constant: 0.0, Sparse: 0.01}.get(member, math.sqrt(ORACLES[member][0](member(), fans)))
    assert b.std() == pytest.approx(sigma, rel=5 / math.sqrt(60000))
    assert b.mean() == pytest.approx(0.1 if member is Constant else 0, abs=5 * sigma / math.sqrt(30000) + 1e-15)


def test_gain_of_the_activation_is_used_where_it_is_asked_for():
    for rule in (LeCun(gain="activation"), Xavier(gain="activation", fan="fan_in"), He(gain="activation")):
        assert rule.variance(Fans(100, 50, 5 / 3)) == pytest.approx((5 / 3) ** 2 / 100, rel=1e-12)
    for rule in (LeCun(), Xavier(), He()):
        assert rule.variance(Fans(100, 50, 5 / 3)) == rule.variance(Fans(100, 50, 1.0))


@members
def test_only_lsuv_asks_for_unit_variance(member):
    assert member.unit_variance == (member is LSUV)
    assert member(zero_last=True).zero_last


def test_lsuv_gives_every_layers_sums_variance_one():
    rng, widths = np.random.default_rng(5), (40, 300, 30, 200, 10)
    for activation in (np.tanh, np.exp, lambda z: np.maximum(z, 0)):
        h = rng.standard_normal((64, 40)) * 3 + 1
        for layer, size in enumerate(pairwise(widths)):
            w, b = draw(LSUV(bias=0.1), Fans(*size), seed=layer)
            z = h @ (w * lsuv_factor((h @ w + b).var())) + b
            assert z.var() == pytest.approx(1, abs=1e-12)
            h = activation(z)


def test_lsuvs_factor_of_numbers_arrays_and_tensors():
    assert lsuv_factor(4.0) == 0.5
    assert lsuv_factor(0.0) == 1.0
    np.testing.assert_array_equal(lsuv_factor(np.array([4.0, 0.0, 0.25])), [0.5, 1, 2])
    assert torch.equal(lsuv_factor(torch.tensor([4.0, 0.0, 0.25])), torch.tensor([0.5, 1, 2]))


# The records


@members
def test_the_docstring_has_every_section_and_every_field(member):
    text = sections(member)
    assert [section for section in SECTIONS if not text.get(section)] == []
    assert text[""].endswith(".")
    for field in dataclasses.fields(member):
        assert f"{field.name} - " in text["Options"], field.name


@members
def test_words_are_checked(member):
    for field, bad in (("bias", "weights"), ("bias", None), ("zero_last", 0), ("zero_last", "no")):
        with pytest.raises(BadField, match=f"{member.__name__}.{field}"):
            member(**{field: bad})
    for field in ("distribution", "fan", "gain"):
        if field in {f.name for f in dataclasses.fields(member)}:
            with pytest.raises(BadField, match=f"{member.__name__}.{field}"):
                member(**{field: "fan"})


def test_short_forms():
    short = {Normal: "std", Constant: "value", UniformWithin: "bound", Sparse: "connections", Orthogonal: "gain"}
    assert {member: main_field(member) for member in short} == short
    assert {main_field(member) for member in (LeCun, Xavier, He)} == {"distribution"}


def test_only_data_driven_asks_for_unit_deviations():
    assert [member for member in MEMBERS if member.unit_deviation] == [DataDriven]


def test_deviation_factors_of_arrays_and_tensors():
    np.testing.assert_array_equal(deviation_factor(np.array([2.0, 0.0, 0.25])), [0.5, 1, 4])
    assert torch.equal(deviation_factor(torch.tensor([2.0, 0.0, 0.25])), torch.tensor([0.5, 1, 4]))


def test_bias_draws_are_convex_shares_of_exponentials():
    chosen, shares = bias_draw(np.random.default_rng(0), 7, 5, 4000)
    assert chosen.shape == shares.shape == (5, 4000)
    assert set(np.unique(chosen)) == set(range(7))
    np.testing.assert_allclose(shares.sum(0), 1, rtol=1e-12)
    # Exp(1) over their sum: uniform on the simplex, each share Beta(1, 4)
    assert shares.mean() == pytest.approx(0.2, abs=1e-12)
    assert shares.var() == pytest.approx(4 / (25 * 6), rel=0.05)


def test_biases_may_be_normal_of_size_one():
    fans, base = Fans(400, 30), np.random.default_rng(0).normal(size=30)
    for rule in (LeCun(bias="normal"), Xavier(bias="normal"), DataDriven(bias="normal", bias_rows=0)):
        np.testing.assert_array_equal(rule.biases(base, fans), base)
        assert rule.draw_of("bias") == "normal"
        assert rule.draw_of("weight") == rule.draw
        assert not rule.silent("bias", output=True)
    assert LeCun(bias="normal", zero_last=True).silent("bias", output=True)
    assert not LeCun(bias="normal", zero_last=True).silent("bias", output=False)
    assert not LeCun(bias="like_weights", zero_last=True).silent("bias", output=True)
