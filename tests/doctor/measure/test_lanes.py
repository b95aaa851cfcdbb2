"""The observer of packs: recorded numbers against one module trained alone, and nothing changed by looking."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch import nn

from tenfold.data.feed.encode import matrix_inputs, pixel_inputs
from tenfold.data.split.folds import Fold
from tenfold.doctor.measure import lanes as measured
from tenfold.doctor.measure.lanes import (
    LaneObserver,
    criterion_of,
    lane_module,
    lane_targets,
    lane_watched,
    optimizer_facts,
    sampled,
)
from tenfold.engine.native.library import compiled_lanes
from tenfold.engine.native.solo_lanes import SoloLanes
from tenfold.engine.packs.lanes import Lane
from tenfold.engine.packs.pack import Pack
from tenfold.engine.plan.shape import Shape
from tenfold.problem.problem import Problem
from tenfold.recipe.recipe import Recipe, loss_of
from tenfold.statistics.metrics import metric_for

ROWS, COLUMNS = 72, 5
ACTIVATIONS = ["relu", "leaky_relu", "elu", "selu", "gelu", "silu", "mish", "softplus", "sigmoid", "tanh", "maxout"]
LOSSES = [
    "cross_entropy", {"cross_entropy": {"smoothing": 0.2}}, {"hinge": {"kind": "one_against_all"}}, "hinge", "squared",
    "absolute", {"huber": {"delta": 0.7}}, "poisson",
]  # fmt: skip


def folds(rows=ROWS, parts=3):
    order = np.array_split(np.random.default_rng(1).permutation(rows), parts)
    return tuple(Fold(np.concatenate([p for p in order if p is not q]), q, k, 0) for k, q in enumerate(order))


def problem(kind="classification", image=False):
    rng = np.random.default_rng(0)
    x = rng.normal(3.0, 2.0, (ROWS, COLUMNS))
    inputs = pixel_inputs(rng.integers(0, 255, (ROWS, 8, 8, 1)).astype(np.uint8)) if image else matrix_inputs(x)
    y = x[:, 0] + x[:, 1] ** 2
    classes = ("a", "b", "c") if kind == "classification" else ()
    y = np.digitize(y, np.quantile(y, [0.33, 0.66])).astype(np.int64) if classes else np.abs(y) + 0.1
    return Problem(inputs, y, classes, folds(), metric_for(kind, None))


def pack_of(*recipes, kind="classification", dtype=torch.float64, image=False, engine=Pack):
    data = problem(kind, image)
    made = [Recipe.from_dict({"batch_size": 16, "epochs": 3, "network": {"hidden": [7]}} | r) for r in recipes]
    feed = data.feed(made, torch.device("cpu"), dtype)
    lanes = [Lane(recipe, number, fold) for number, recipe in enumerate(made) for fold in range(3)]
    return engine(lanes, Shape.of(made[0], data.size, data.folds), feed)


MIXED = [
    {"network": {"hidden": [7], "normalization": "batch", "dropout": 0.3}, "optimizer": {"sgd": {"lr": 0.1}}},
    {"network": {"hidden": [7], "normalization": "batch", "activation": "tanh"}, "weight_decay": 0.1, "clip_norm": 0.5},
    {"network": {"hidden": [7], "normalization": "batch"}, "optimizer": {"sgd": {"lr": 1e30}}},
]


@pytest.mark.parametrize(
    "recipes", [MIXED, [{"optimizer": "lbfgs", "batch_size": "full"}]], ids=["first order", "second order"]
)
def test_a_pack_trains_bit_for_bit_as_without(recipes):
    plain, seen = pack_of(*recipes, dtype=torch.float32), pack_of(*recipes, dtype=torch.float32)
    LaneObserver(seen, states=True)
    for epoch in range(3):
        for pack in (plain, seen):
            pack.run_epoch()
            if epoch == 1 and len(pack.lanes) > 3:
                pack.keep([lane.fold != 1 for lane in pack.lanes])
    assert plain.rows.keys() == seen.rows.keys()
    for name, rows in plain.rows.items():
        assert torch.equal(rows.nan_to_num(7.0), seen.rows[name].nan_to_num(7.0)), name
    assert [a.tobytes() for a in plain.evaluate()] == [a.tobytes() for a in seen.evaluate()]


def watched_numbers(watched):
    """All numbers of a training that was watched, by what they are; updates by their step."""
    curves, found = watched.curves, {}
    for name in ("loss", "validation", "gradient_norm", "lr"):
        points = getattr(curves, name)
        found[name] = [[p.step, p.value] for p in points]
    for name in ("update", "weight", "gradient"):
        found[name] = [[u.step, *getattr(u, name)] for u in curves.updates]
    found["cosine"] = [[u.step, math.nan if u.cosine is None else u.cosine] for u in curves.updates]
    for step, arrays in [(0, watched.start), *watched.snapshots]:
        found |= {f"{name} after {step}": value.double().tolist() for name, value in arrays.items()}
    for batch in (*watched.batches, *watched.evaluation):
        found[f"loss of batch {batch.step}"], found[f"output of batch {batch.step}"] = batch.loss, batch.output.tolist()
    return found


def near(found, expected, name):
    """To 1e-8 of the larger number, and not a number where the other is none."""
    assert np.shape(found) == np.shape(expected), name
    np.testing.assert_allclose(found, expected, rtol=1e-8, atol=1e-8, err_msg=name)


@pytest.mark.skipif(bool(compiled_lanes().missing), reason=compiled_lanes().missing)
@pytest.mark.parametrize("kind", ["classification", "regression"])
@pytest.mark.parametrize("recipes", [MIXED[:2], [{}, {"optimizer": {"sgd": {"lr": 1e200}}}]], ids=["calm", "diverges"])
def test_both_engines_record_the_same_numbers(recipes, kind):
    """To 1e-8, and of a lane that diverges up to its divergence."""
    wild = recipes[1] if "optimizer" in recipes[1] else None
    watched = []
    for engine in (Pack, SoloLanes):
        pack = pack_of(*recipes, kind=kind, engine=engine)
        observer = LaneObserver(pack, states=True)
        for epoch in range(3):
            pack.run_epoch()
            observer.validate()
            if epoch == 1:
                pack.keep([lane.fold != 1 or lane.number != 1 for lane in pack.lanes])
        watched.append((pack, [lane_watched(pack, observer, i) for i in range(len(pack.lanes))]))
    (by_pack, expected), (by_code, found) = watched
    assert by_pack.bad.tolist() == by_code.bad.tolist()
    for lane, bad, theirs, ours in zip(by_pack.lanes, by_pack.bad.tolist(), expected, found, strict=True):
        assert (bad >= 0) == (wild is not None and lane.number == 1)
        assert ours.curves.non_finite == theirs.curves.non_finite
        assert ours.steps == theirs.steps
        numbers, others = watched_numbers(ours), watched_numbers(theirs)
        assert numbers.keys() == others.keys()
        for name, expected_numbers in others.items():
            if bad < 0:
                near(numbers[name], expected_numbers, f"{lane} {name}")
            elif name == "loss":
                near(numbers[name][:bad], expected_numbers[:bad], name)
                assert [step for step, _ in numbers[name]] == [step for step, _ in expected_numbers]
                assert not np.isfinite([value for step, value in numbers[name] if step >= bad]).any()


def test_the_schedule_is_logarithmic_then_even():
    assert [u for u in range(200) if sampled(u, 30)] == [0, 1, 2, 3, 5, 8, 11, 17, 26, 38, 58, 64, 86, 128, 192]
    assert [u for u in range(130, 1000) if sampled(u, 900)] == [300, 600, 900]


@pytest.mark.parametrize("kind", ["classification", "regression"])
def test_recorded_numbers_are_those_of_a_module_trained_alone(kind):
    """Plain SGD: every number follows from a torch module on the same batches."""
    lr = 0.05
    pack = pack_of({"optimizer": {"sgd": {"lr": lr}}, "network": {"hidden": [7], "activation": "tanh"}}, kind=kind)
    observer = LaneObserver(pack, states=True)
    start, lane = lane_module(pack, pack.lanes[1], pack.w[1, None], pack.rows["moments"][1]), pack.lanes[1]
    pack.run_epoch()
    watched = lane_watched(pack, observer, 1)
    losses = {p.step: p.value for p in watched.curves.loss}
    sizes = {u.step: u for u in watched.curves.updates}
    last = None
    for batch in watched.batches:
        start.zero_grad()
        loss = watched.criterion(start(batch.inputs[0]), batch.target)
        loss.backward()
        assert losses[batch.step] == pytest.approx(loss.item(), abs=1e-12)
        gradients = [p.grad.clone() for p in start.parameters()]
        if batch.step in sizes:
            found = sizes[batch.step]
            assert found.gradient == pytest.approx([g.norm().item() for g in gradients], abs=1e-12)
            assert found.weight == pytest.approx([p.norm().item() for p in start.parameters()], abs=1e-12)
            assert found.update == pytest.approx([lr * g.norm().item() for g in gradients], abs=1e-12)
            flat = torch.cat([g.flatten() for g in gradients])
            wanted = None if last is None else torch.cosine_similarity(flat, last, dim=0).item()
            assert found.cosine == (None if wanted is None else pytest.approx(wanted, abs=1e-10))
            last = flat
        with torch.no_grad():
            for p in start.parameters():
                p -= lr * p.grad
    assert len(watched.batches) == pack.per_epoch == 3
    assert sorted(sizes) == [0, 1, 2]
    for p, q in zip(start.parameters(), watched.snapshots[-1][1].values(), strict=True):
        assert torch.allclose(p, q, atol=1e-12)
    norms = [np.linalg.norm(u.gradient) for u in watched.curves.updates]
    assert [p.value for p in watched.curves.gradient_norm] == pytest.approx(norms)
    assert lane.fold == 1


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_a_lane_is_an_ordinary_module(activation):
    """Evaluation mode gives the pack's predictions, training mode the pack's loss; dropout and batch norm are there."""
    network = {"hidden": [7, 6], "activation": activation, "normalization": "batch"}
    pack = pack_of({"network": network, "optimizer": {"sgd": {"lr": 0.05}}})
    observer = LaneObserver(pack, states=True)
    for _ in range(2):
        pack.run_epoch()
    watched = lane_watched(pack, observer, 2)
    assert watched.model.training
    assert watched.batches[0].loss == pytest.approx(watched.curves.loss[0].value, abs=1e-12)
    model = watched.model
    model.load_state_dict(watched.snapshots[-1][1])
    rows = pack.feed.folds[2].fold.validation
    with torch.no_grad():
        outputs = model.eval()(watched.evaluation[0].inputs[0]).numpy()
    np.testing.assert_allclose(outputs, pack.evaluate()[2], atol=1e-10)
    np.testing.assert_array_equal(watched.evaluation[0].target, pack.feed.target.numpy()[rows])
    names = {type(part).__name__ for part in model.modules()}
    assert "ActivationLayer" not in names
    assert "BatchNorm1d" in names


def test_dropout_and_images_are_there():
    layers = [{"conv": {"channels": 4}}, "batch_norm", "relu", {"max_pool": 2}, "flatten", {"dropout": {"rate": 0.5}}]
    pack = pack_of({"network": {"layers": layers}, "preprocess": "standardize_channel"}, image=True)
    observer = LaneObserver(pack, states=True)
    pack.run_epoch()
    watched = lane_watched(pack, observer, 0)
    assert {"Conv2d", "BatchNorm2d", "Dropout", "MaxPool2d"} <= {type(p).__name__ for p in watched.model.modules()}
    with torch.no_grad():
        x = watched.batches[0].inputs[0]
        assert not torch.equal(watched.model(x), watched.model(x))  # two draws of dropout
    watched.model.load_state_dict(watched.snapshots[-1][1])
    with torch.no_grad():
        outputs = watched.model.eval()(watched.evaluation[0].inputs[0]).numpy()
    np.testing.assert_allclose(outputs, pack.evaluate()[0], atol=1e-10)


def test_the_inputs_are_what_the_preprocessing_gives():
    raw, scaled = pack_of({"preprocess": "none"}), pack_of({})
    seen = []
    for pack in (raw, scaled):
        observer = LaneObserver(pack, states=True)
        pack.run_epoch()
        seen.append(torch.cat([b.inputs[0] for b in lane_watched(pack, observer, 0).batches]))
    train = raw.feed.folds[0].fold.train
    np.testing.assert_allclose(np.sort(seen[0][:, 0]), np.sort(problem().inputs.numbers[train, 0]), rtol=1e-12)
    np.testing.assert_allclose(seen[1].mean(0), 0, atol=1e-10)
    np.testing.assert_allclose(seen[1].std(0, correction=0), 1, atol=1e-10)


@pytest.mark.parametrize("loss", LOSSES, ids=str)
def test_the_criterion_is_the_recipes_loss(loss):
    kind = "classification" if "cross" in str(loss) or "hinge" in str(loss) else "regression"
    pack = pack_of({"loss": loss}, kind=kind)
    rows = pack.feed.folds[1].fold.train
    outputs = torch.randn(len(rows), 3 if kind == "classification" else 1, generator=torch.Generator().manual_seed(0))
    outputs = outputs.double()
    rule = loss_of(pack.lanes[1].recipe, kind == "classification")
    target = lane_targets(pack, 1, rows)
    numbers = [getattr(rule, name) for name in ("smoothing", "kind", "margin", "delta") if hasattr(rule, name)]
    wanted = type(rule).formula(outputs, target if kind == "classification" else target[:, 0], *numbers).mean()
    criterion = criterion_of(pack.lanes[1], pack)
    assert isinstance(criterion, nn.Module)
    assert criterion(outputs, target).item() == pytest.approx(wanted.item(), abs=1e-12)
    y = problem(kind).y[rows]
    if rule.link == "identity":
        np.testing.assert_allclose(target[:, 0], (y - y.mean()) / y.std(), rtol=1e-10)
    elif rule.link == "exp":
        np.testing.assert_allclose(target[:, 0], y / y.mean(), rtol=1e-12)


def test_a_diverged_lane_says_when_and_its_neighbours_are_as_alone():
    pack = pack_of(*MIXED[1:])
    observer = LaneObserver(pack, states=True)
    for _ in range(2):
        pack.run_epoch()
    places = {lane.number: i for i, lane in enumerate(pack.lanes) if lane.fold == 0}
    bad, good = lane_watched(pack, observer, places[1]), lane_watched(pack, observer, places[0])
    assert bad.curves.non_finite is not None
    assert bad.curves.non_finite.step == next(p.step for p in bad.curves.loss if not np.isfinite(p.value)) > 0
    assert good.curves.non_finite is None
    assert np.isfinite([p.value for p in good.curves.loss]).all()
    facts = good.optimizers[0]
    assert (facts.rule, facts.lr, facts.weight_decay, facts.eps) == ("adam", 1e-3, 0.1, 1e-8)
    assert facts.parameters == sum(p.numel() for p in good.model.parameters())


def test_lanes_that_leave_keep_what_was_seen(monkeypatch):
    monkeypatch.setattr(measured, "MOST_LOSSES", 8)
    pack = pack_of({"epochs": 40, "optimizer": "sgd"}, {"epochs": 40, "decay": {"cosine": {"warmup": 0}}})
    observer = LaneObserver(pack, states=True)
    stayed = next(lane for lane in pack.lanes if lane.number == 1 and lane.fold == 2)
    for epoch in range(10):
        pack.run_epoch()
        observer.validate()
        if epoch == 4:
            pack.keep([lane is stayed for lane in pack.lanes])
    watched = lane_watched(pack, observer, 0)
    steps = [p.step for p in watched.curves.loss]
    assert steps == list(range(0, 30, 4))  # 30 updates, at most 8 points
    assert [p.step for p in watched.curves.validation] == list(range(3, 31, 3))
    assert [step for step, _ in watched.snapshots] == [1, 2, 4, 8, 16, 30]
    assert [u.step for u in watched.curves.updates] == [0, 1, 2, 3, 5, 8, 11, 17, 26]
    assert watched.curves.updates[-1].cosine is not None
    assert watched.steps == 30
    for point in watched.curves.lr:
        assert point.value == pytest.approx(1e-3 * (1 + np.cos(np.pi * point.step / 120)) / 2, rel=1e-9)


def test_without_states_there_is_nothing_to_make_a_module_of():
    pack = pack_of({})
    observer = LaneObserver(pack)
    pack.run_epoch()
    assert len(observer.losses(pack.lanes[0])) == 3
    with pytest.raises(ValueError, match="no states"):
        lane_watched(pack, observer, 0)


def test_the_rate_is_that_of_the_weights():
    """With factors by kind of parameter: 5 x 7 weights of factor 1 / sqrt(5), 7 x 3 of 1 / sqrt(7)."""
    pack = pack_of({"optimizer": {"adam": {"lr": 0.04}}, "rate_factors": {"bias": 9.0, "fan_in": True}}, {})
    expected = (35 / 5**0.5 + 21 / 7**0.5) / 56
    for i, lane in enumerate(pack.lanes):
        factor = pack.weight_factor(i)
        assert factor == pytest.approx(expected if lane.number == 0 else 1.0)
        assert optimizer_facts(lane, 10, factor).lr == pytest.approx(lane.recipe.optimizer.lr * factor)
