"""One contract for every rule of every family: documented, writable in a recipe, of the right shape and type, the same
alone as stacked, with the right gradient. Oracles and claims stand in the file of each family, one entry a rule."""

import dataclasses
import math
import typing

import numpy as np
import pytest
import torch

from tenfold.doctor.measure.watching.trace import operations
from tenfold.recipe import Recipe, layers
from tenfold.rules import activations, embeddings, initialization, losses, normalization, preprocessing, schedules
from tenfold.rules.initialization import Fans, base_draw
from tenfold.rules.optimizers import Optimizer
from tenfold.rules.optimizers.update import UPDATES, Flat, Matrix, Need, Time
from tenfold.rules.preprocessing import Moments, apply_affine
from tenfold.rules.record import SECTIONS, numbers, preset, rule_name, sections

FAMILIES = {
    "activation": activations.Activation, "init": initialization.Initialization, "loss": losses.Loss,
    "normalization": normalization.Normalization, "embedding": embeddings.Embedding,
    "preprocess": preprocessing.Preprocessing,
    "decay": schedules.Decay, "optimizer": Optimizer, "layers": layers.Layer,
}  # fmt: skip
RULES = [(family, rule) for family, union in FAMILIES.items() for rule in typing.get_args(union)]
IDS = [f"{family} {rule_name(rule)}" for family, rule in RULES]
MOVES_MOMENTUM = {schedules.OneCycle}  # the others leave the optimizer's momentum alone
FIRST_ORDER = [rule for rule in typing.get_args(Optimizer) if rule.family != "second_order"]


def of(family):
    return typing.get_args(FAMILIES[family])


def named(rules):
    return {"argvalues": rules, "ids": [rule_name(rule) for rule in rules]}


@pytest.mark.parametrize(("family", "rule"), RULES, ids=IDS)
def test_a_rule_is_documented(family, rule):
    found = sections(rule)
    wanted = [name for name in SECTIONS if name != "Options" or dataclasses.fields(rule)]
    assert list(found) == ["", *wanted]
    assert all(len(text) > 0 for text in found.values())
    assert found[""].endswith(".")
    for field in dataclasses.fields(rule):
        assert field.name in found["Options"], field.name


@pytest.mark.parametrize(("family", "rule"), RULES, ids=IDS)
def test_a_rule_can_be_written_in_a_recipe(family, rule):
    name = getattr(rule, "LAYER", rule_name(rule)) if family == "layers" else rule_name(rule)
    if family == "layers":
        data = {"network": {"layers": [{"conv": 4}, name]}}
    elif family in ("activation", "normalization", "embedding"):
        data = {"network": {family: name}}
    else:
        data = {family: name}
    recipe = Recipe.from_dict(data)
    assert Recipe.from_dict(recipe.to_dict()) == recipe
    assert Recipe.from_yaml(recipe.to_yaml()) == recipe


@pytest.mark.parametrize(("family", "rule"), RULES, ids=IDS)
def test_presets_are_rules(family, rule):
    for library, fields in getattr(rule, "PRESETS", {}).items():
        made = preset(rule, library)
        assert all(getattr(made, name) == value for name, value in fields.items())


def formula_inputs(rule, rng, *, pieces=1):
    z = torch.from_numpy(rng.normal(size=(3, 16, 8 * pieces)) * 2)
    return z, getattr(rule(), "learned", False)


def call(rule, z):
    record = rule()
    if getattr(rule, "learned", False):
        others = (record.of,) if isinstance(record, activations.Parametric) else ()
        return rule.formula(z, torch.full((1,), record.start, dtype=z.dtype), *others)
    return rule.formula(z, *numbers(record))


@pytest.mark.parametrize("rule", **named(of("activation")))
def test_an_activation_is_elementwise_exact_and_differentiable(rule):
    rng = np.random.default_rng(0)
    pieces = getattr(rule(), "pieces", 1)
    z, _ = formula_inputs(rule, rng, pieces=pieces)
    for dtype in (torch.float32, torch.float64):
        out = call(rule, z.to(dtype))
        assert out.dtype == dtype
        assert out.shape == (3, 16, 8)
        for lane in range(3):
            assert torch.equal(out[lane], call(rule, z[lane].to(dtype)))
    free = z[0, :4].clone().requires_grad_()
    assert torch.autograd.gradcheck(lambda t: call(rule, t), free)


FACTS = {  # what every activation states of itself, and its type
    "monotone": bool, "learned": bool, "rectifier": bool, "saturates": tuple, "bounds": tuple, "slope_scale": float,
    "gain": float, "judged_gain": float, "mean": float, "second_moment": float, "torch_functions": tuple,
    "torch_layer_name": str | None, "suited_init": initialization.Initialization, "native": str | None,
    "native_number": float,
}  # fmt: skip
UNSEEN = {"identity", "maxout", "parametric"}  # without a function of torch that a trace could see
OWN_LAYERS = {*UNSEEN, "prelu"}  # without a layer of torch, or built by their network operation


@pytest.mark.parametrize("rule", **named(of("activation")))
def test_an_activation_states_what_others_ask_of_it(rule):
    record = rule()
    for name, kind in FACTS.items():
        assert isinstance(getattr(record, name, ...), kind), name
    assert len(record.saturates) == len(record.bounds) == 2
    assert record.bounds[0] < record.bounds[1]
    assert bool(record.torch_functions) == (rule_name(rule) not in UNSEEN)
    assert (record.torch_layer_name is not None) == (rule_name(rule) not in OWN_LAYERS)
    assert 0.95 <= record.judged_gain <= 1.05 / math.sqrt(record.second_moment)


@pytest.mark.parametrize("rule", **named([rule for rule in of("activation") if rule is not activations.Maxout]))
def test_the_facts_of_an_activation_are_those_of_its_formula(rule):
    """On a grid and by quadrature. Maxout is no function of one number: its own file has its facts."""
    record, z = rule(), torch.linspace(-50, 50, 100_001, dtype=torch.float64, requires_grad=True)
    out = call(rule, z)
    slope, out = torch.autograd.grad(out.sum(), z)[0], out.detach()
    assert record.monotone == bool((out.diff() >= -1e-12).all())
    flat = slope[[0, -1]].abs() < 1e-3 * record.slope_scale
    assert record.saturates == tuple(flat.tolist())
    far = call(rule, torch.tensor([-1e9, 1e9], dtype=torch.float64))
    for bound, reached, end in zip(record.bounds, torch.cat([out, far]).aminmax(), far, strict=True):
        assert abs(end) > 1e3 if math.isinf(bound) else float(reached) == pytest.approx(bound, abs=1e-6)
    steepest = float(slope.abs().max())
    assert record.slope_scale <= steepest <= 1.8 * record.slope_scale
    line = abs(float(slope[-1]))
    assert record.rectifier == (line > 0.5 and abs(float(slope[0])) < 0.3 * line)
    nodes, weights = np.polynomial.hermite_e.hermegauss(120)
    value = call(rule, torch.from_numpy(nodes)).numpy()
    second = float((weights * value**2).sum() / math.sqrt(2 * math.pi))
    assert record.second_moment == pytest.approx(second, rel=0.02)
    if rule not in (activations.Sigmoid, activations.Tanh):  # torch's conventions, 1 and 5/3
        assert record.gain == pytest.approx(1 / math.sqrt(second), rel=0.01)


@pytest.mark.parametrize("rule", **named([rule for rule in of("activation") if rule_name(rule) not in OWN_LAYERS]))
def test_torchs_layer_of_an_activation_is_its_formula(rule):
    z = torch.linspace(-9, 9, 200, dtype=torch.float64)
    layer = rule().torch_layer()
    assert isinstance(layer, torch.nn.Module)
    assert (layer(z) - call(rule, z)).abs().max() <= 1e-12
    assert [op.rule for op in operations(torch.nn.Sequential(layer), (z[None],), {})] == [rule.torch_functions[0]]
    for name in rule.torch_functions:
        assert hasattr(torch, name) or hasattr(torch.nn.functional, name)


@pytest.mark.parametrize("rule", **named([rule for rule in of("loss") if rule is not losses.Hinge]))
def test_torchs_criterion_of_a_loss_is_its_mean(rule):
    """Hinge has none: torch's MultiMarginLoss divides by the number of classes, and knows no one_against_all."""
    rng, record = np.random.default_rng(2), rule()
    classes = record.task == "classification"
    output = torch.from_numpy(rng.normal(size=(16, 4 if classes else 1)))
    target = torch.from_numpy(rng.integers(0, 4, 16) if classes else rng.uniform(0.1, 3, 16))
    mean = rule.formula(output, target, *numbers(record)).mean()
    assert float(record.torch_criterion()(output, target if classes else target[:, None])) == pytest.approx(float(mean))


@pytest.mark.parametrize("rule", **named(of("loss")))
def test_a_loss_states_what_the_compiled_lanes_ask_of_it(rule):
    record = rule()
    assert isinstance(record.native, str | None)
    assert isinstance(record.native_numbers, tuple)
    assert len(record.native_numbers) <= 2
    assert all(type(number) is float for number in record.native_numbers)
    # The numbers of a recipe all reach the compiled formula.
    assert len(record.native_numbers) == len(numbers(record))


@pytest.mark.parametrize("rule", **named(of("loss")))
def test_a_loss_is_one_number_a_row_and_differentiable(rule):
    rng = np.random.default_rng(1)
    record = rule()
    classes = record.task == "classification"
    output = torch.from_numpy(rng.normal(size=(3, 16, 4 if classes else 1)))
    target = torch.from_numpy(rng.integers(0, 4, (3, 16)) if classes else rng.uniform(0.1, 3, (3, 16)))
    for dtype in (torch.float32, torch.float64):
        loss = rule.formula(output.to(dtype), target if classes else target.to(dtype), *numbers(record))
        assert loss.dtype == dtype
        assert loss.shape == (3, 16)
        for lane in range(3):
            alone = rule.formula(
                output[lane].to(dtype), target[lane] if classes else target[lane].to(dtype), *numbers(record)
            )
            assert torch.equal(loss[lane], alone)
    free = output[0].clone().requires_grad_()
    assert torch.autograd.gradcheck(lambda o: rule.formula(o, target[0], *numbers(record)), free)


@pytest.mark.parametrize("rule", **named(of("init")))
@pytest.mark.parametrize("shape", [(50, 20), (9, 16), (1, 4)])
def test_an_initialization_gives_float64_weights_of_its_base_draw(rule, shape):
    record, fans = rule(), Fans(shape[0], shape[1], 1.0)
    first, second = (base_draw(record.draw, np.random.default_rng(3), *shape) for _ in range(2))
    weights = record.weights(first, fans)
    assert weights.shape == shape
    assert weights.dtype == np.float64
    assert np.isfinite(weights).all()
    np.testing.assert_array_equal(weights, record.weights(second, fans))
    assert record.biases(first[0], fans).shape == (shape[1],)


@pytest.mark.parametrize("rule", **named(of("preprocess")))
def test_a_preprocessing_is_a_map_of_all_columns(rule):
    x = np.random.default_rng(4).normal(size=(60, 12)) * np.arange(1, 13) + 5
    centred = x - x.mean(0)
    moments = Moments(
        np.full(12, 60.0), x.mean(0), (centred**2).sum(0), x.min(0), x.max(0), centred.T @ centred, (2, 2, 3)
    )
    moments = moments._replace(quantiles=np.quantile(x, np.arange(1001) / 1000, axis=0))
    map_ = rule().fit(moments)
    out = apply_affine(map_, x)
    assert out.shape == x.shape
    assert out.dtype == np.float64
    assert np.isfinite(out).all()
    np.testing.assert_allclose(out[:7], apply_affine(map_, x[:7]), rtol=1e-12, atol=1e-12)
    if not rule.needs_scatter:
        assert map_.rotation is None
        assert rule().fit(moments._replace(scatter=None)).shift.shape == (12,)


@pytest.mark.parametrize("rule", **named(of("decay")))
@pytest.mark.parametrize("warmup", [0.0, 0.2])
def test_a_decay_is_a_closed_form_in_the_update(rule, warmup):
    record = rule(warmup=warmup)
    updates = np.arange(60)
    factor = record.factor(updates, 6, 60)
    assert factor.shape == (60,)
    assert np.isfinite(factor).all()
    assert (factor >= 0).all()
    assert factor.max() <= 1 + 1e-12
    np.testing.assert_array_equal(factor[25:31], record.factor(updates[25:31], 6, 60))  # nothing is remembered
    momentum = record.momentum(updates, 6, 60)
    assert (momentum is not None) == (rule in MOVES_MOMENTUM)
    if momentum is not None:
        assert momentum.shape == (60,)
        assert (momentum < 1).all()


def steps(rule, lanes, parts):
    """20 updates of some lanes with their own rates; every lane's row and gradients come from its own number."""
    rngs = [np.random.default_rng(lane) for lane in parts]
    w = torch.from_numpy(np.stack([rng.normal(size=64) for rng in rngs]))
    records = [rule(lr=0.01 * (1 + lane)) for lane in parts]
    state = {name: torch.full_like(w, value) for name, value in records[0].state().items()}
    for update in range(20):
        g = torch.from_numpy(np.stack([rng.normal(size=64) for rng in rngs]))
        t = np.array([update + 1.0])
        table = [r.coefficients(Time(t, np.array([r.lr]), np.array([update / 20]), None)) for r in records]
        k = type(table[0])(*(torch.from_numpy(np.stack([row[i] for row in table])) for i in range(len(table[0]))))
        need = Need.of(k, [Matrix(0, 48, (8, 6), (8, 6), False)])
        UPDATES[rule.family](Flat(w, g, state, torch.empty_like(w)), k, need)
    return w


@pytest.mark.parametrize("rule", **named(FIRST_ORDER))
def test_an_optimizer_treats_a_lane_as_if_it_were_alone(rule):
    together = steps(rule, 3, [0, 1, 2])
    assert together.isfinite().all()
    for lane in range(3):
        assert torch.equal(together[lane], steps(rule, 1, [lane])[0])
