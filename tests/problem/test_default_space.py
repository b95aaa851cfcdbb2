"""The default space and the cost formula that sizes it."""

import math
from dataclasses import replace

import pytest

from tenfold.engine.operations.flatten import FlattenOp
from tenfold.engine.plan.cost import (
    COMPILED,
    CostModel,
    epochs_within,
    lane_step_seconds,
    mean_seconds,
    network_work,
    plan_trials,
    recipe_seconds,
)
from tenfold.engine.plan.network import plan_network
from tenfold.engine.plan.size import Size
from tenfold.errors import BadInput
from tenfold.problem.default_space import default_space
from tenfold.problem.table_space import recipe_budget
from tenfold.recipe import MLP, Recipe, Space
from tenfold.recipe.words.describe import describe_shape
from tenfold.rules.embeddings import NoEmbedding
from tenfold.rules.optimizers import HessianFree
from tenfold.rules.preprocessing import QuantileNormal, RobustClip

SIZES = [(30, 4), (569, 30), (891, 40), (4_000, 20), (6_000, 12), (16_000, 20), (60_000, 100), (1_000_000, 50)]


def space_for(rows, columns, task="classification"):
    return default_space(Size(columns, 2 if task == "classification" else 1), rows=rows, task=task)


@pytest.mark.parametrize(("rows", "columns"), SIZES)
@pytest.mark.parametrize("task", ["classification", "regression"])
def test_it_is_what_it_says(rows, columns, task):
    space = space_for(rows, columns, task)
    sample = space.sample(40, seed=0)
    assert len(set(sample)) == 40
    first, others = space.first, sample[len(space.first) :]
    assert tuple(sample[: len(first)]) == first
    assert sum(recipe.network.views > 1 for recipe in first) == 1
    assert sum(recipe.network.hidden == () for recipe in first) == 1
    assert {type(recipe.preprocess) for recipe in sample} == {RobustClip, QuantileNormal}
    assert {type(recipe.network.embedding).__name__ for recipe in others} == {"PBLD", "PLE"}
    assert len({recipe.epochs for recipe in others}) == 1
    assert 12 <= others[0].epochs <= 256
    assert 32 <= sample[0].batch_size <= 512
    assert Space.from_yaml(space.to_yaml()) == space


def test_columns_that_may_be_taken_in_two_ways_are_tried_both_ways():
    ways = {
        "integers": (("categories", "one_hot", 12, 0), {"numbers", "categories"}),
        "categories": (("numbers", "target_means", 2, 2), {"one_hot", "target_means"}),
    }
    for field, (way, values) in ways.items():
        space = default_space(Size(9, 3, ways=(way,)), rows=2_000, task="classification")
        assert {getattr(recipe, field) for recipe in space.first} == values
        assert {getattr(recipe, field) for recipe in space.sample(60)[len(space.first) :]} == values
        plain = default_space(Size(9, 3), rows=2_000, task="classification")
        assert len({getattr(recipe, field) for recipe in plain.sample(60)}) == 1


def test_it_grows_with_the_rows():
    widest = [max(max(r.network.hidden or (0,)) for r in space_for(rows, 20).first) for rows, _ in SIZES]
    epochs = [space_for(rows, 20).first[0].epochs for rows, _ in SIZES]
    batch = [space_for(rows, 20).first[0].batch_size for rows, _ in SIZES]
    assert widest == sorted(widest)
    assert batch == sorted(batch)
    assert epochs == sorted(epochs, reverse=True)
    assert epochs[0] == 256
    assert widest[0] == 128
    assert widest[5] == 256


def test_networks_of_large_tables_have_enough_updates():
    recipe = space_for(20_000, 20).first[0]
    assert recipe.epochs * (20_000 * 4 // 5 // recipe.batch_size) >= 5_000


def test_less_time_makes_trainings_shorter():
    size, task = Size(20, 2), "classification"
    usual, short, long = (
        default_space(size, rows=10_000, task=task, core_seconds=seconds).first[0].epochs for seconds in (None, 15, 90)
    )
    assert 12 <= short < usual < long <= 256


def test_every_line_has_a_comment_above():
    lines = space_for(16_000, 20).to_yaml().splitlines()
    for i, line in enumerate(lines):
        if line and not line.startswith((" ", "#", "-")):
            assert lines[i - 1].startswith("# ")
    # five fields of a network, five rate factors
    assert sum(line.startswith("  # ") for line in lines) == 10


@pytest.mark.parametrize(("rows", "columns"), [(2_000, 20), (10_000, 20), (20_000, 20), (20_000, 60)])
def test_the_budget_is_kept(rows, columns):
    size, counts = Size(columns, 2), {"rows": rows, "folds": 5}
    first = [recipe for recipe in space_for(rows, columns).first if recipe.network.views == 1]
    mean = sum(recipe_seconds(r, size, **counts, model=COMPILED) for r in first) / len(first)
    assert mean <= recipe_budget(rows) or first[0].epochs == 12
    assert recipe_budget(2_000) == 8
    assert recipe_budget(10_000) == 60
    assert recipe_budget(20_000) == 70


def test_another_task_is_refused():
    with pytest.raises(BadInput, match="classification or regression"):
        default_space(Size(2, 1), rows=10, task="clustering")


def test_step_formula_by_hand():
    recipe = Recipe(network=MLP(hidden=(10, 20)), batch_size=32)
    model = CostModel(flops=1e9, weight=1e-6, unit=1e-7, step=1e-3)
    products, units = 5 * 10 + 10 * 20 + 20 * 3, 10 + 20 + 3
    expected = 6 * 32 * products / 1e9 + (products + units) * 1e-6 + 32 * units * 1e-7 + 1e-3
    assert lane_step_seconds(recipe, Size(5, 3), model=model) == pytest.approx(expected, rel=1e-12)


LAYERS = [
    {"conv": 4}, "batch_norm", "relu", {"max_pool": 2}, {"residual": [{"conv": {"channels": 6, "stride": 2}}]},
    {"dense": 5}, {"maxout": 3}, {"dropout": 0.5},
]  # fmt: skip


def test_work_of_layers_by_hand():
    work = network_work(Recipe(network={"layers": LAYERS}), Size(192, 2, (8, 8, 3)))
    first, second, shortcut = 8 * 8 * 4 * 3 * 9, 2 * 2 * 6 * 4 * 9, 2 * 2 * 6 * 4
    assert work.conv_products == first + second + shortcut
    assert work.convs == 3
    assert work.products == 24 * 15 + 5 * 2
    assert work.units == 256 + 256 + 24 + 24 + 15 + 2  # the pool takes 256 in
    assert work.normalized == 256
    assert work.dropped == 5
    # no bias in front of the batch normalization, none in the shortcut
    assert work.weights == 4 * 27 + 2 * 4 + 6 * 37 + 6 * 4 + 25 * 15 + 6 * 2
    still = Recipe(network={"layers": [*LAYERS[:-1], {"dropout": 0.0}]})
    assert network_work(still, Size(192, 2, (8, 8, 3))) == replace(work, dropped=0)


def test_step_formula_of_convolutions_by_hand():
    model = CostModel(
        flops=1e9, conv_flops=1e8, conv=1e-2, weight=0, unit=1e-7, normalized=1e-6, dropped=1e-5, step=1e-3, image=0.5
    )
    size = Size(192, 2, (8, 8, 3))
    recipe = Recipe(network={"layers": LAYERS}, batch_size=16)
    work = network_work(recipe, size)
    units = work.units * 1e-7 + work.normalized * 1e-6 + work.dropped * 1e-5
    expected = 16 * (6 * work.products / 1e9 + 6 * work.conv_products / 1e8 + units / 2) + 3 * 1e-2 + 1e-3
    assert lane_step_seconds(recipe, size, model=model) == pytest.approx(expected, rel=1e-12)


def test_work_counts_what_the_network_has():
    """Against torch: parameters, and floating point operations of the forward pass as its counter has them."""
    torch = pytest.importorskip("torch")
    from torch.utils.flop_counter import FlopCounterMode

    nn = torch.nn
    net = nn.Sequential(
        nn.Conv2d(3, 8, 3, padding=1, bias=False), nn.BatchNorm2d(8), nn.ReLU(), nn.MaxPool2d(2),
        nn.Conv2d(8, 16, 5, stride=2, padding=2), nn.Flatten(), nn.Linear(16 * 16, 12), nn.ReLU(), nn.Linear(12, 4),
    )  # fmt: skip
    layers = [{"conv": 8}, "batch_norm", "relu", "max_pool", {"conv": {"channels": 16, "kernel": 5, "stride": 2}}]
    recipe = Recipe(network={"layers": [*layers, "flatten", {"dense": 12}, "relu"]})
    work = network_work(recipe, Size(768, 4, (16, 16, 3)))
    with FlopCounterMode(display=False) as counter:
        net(torch.zeros(2, 3, 16, 16))
    assert 2 * 2 * (work.products + work.conv_products) == counter.get_total_flops()
    assert work.weights == sum(p.numel() for p in net.parameters())


def test_second_order_costs_gradients():
    size = Size(4, 3)
    model = CostModel(flops=float("inf"), conv_flops=float("inf"), weight=0, unit=0, step=1.0)
    network = MLP(hidden=(2,))
    gradients = {
        name: lane_step_seconds(Recipe(network=network, optimizer=name), size, batch=100, model=model)
        for name in ("sgd", "lbfgs", "hessian_free", "gauss_newton", "newton")
    }
    weights = 4 * 2 + 2 + 2 * 3 + 3
    steps = HessianFree().cg_steps
    assert gradients == {
        "sgd": 1, "lbfgs": 2, "hessian_free": 2 * steps + 2, "gauss_newton": 5, "newton": 2 * weights
    }  # fmt: skip
    wide = Recipe(optimizer="newton")
    cheap = lane_step_seconds(Recipe(optimizer="lbfgs"), size, batch=100)
    assert lane_step_seconds(wide, size, batch=100) > 1000 * cheap


def test_layers_that_do_not_fit_are_refused():
    with pytest.raises(BadInput, match=r"network\.layers\[0\]: conv needs an image|first layer on a row of numbers"):
        lane_step_seconds(Recipe(network={"layers": LAYERS}), Size(192, 2))


IMAGES = [
    (1_437, (8, 8, 1)),
    (8_000, (28, 28, 1)),
    (4_350, (32, 32, 3)),
    (400, (96, 96, 3)),
    (300, (9, 100, 3)),
    (500, (20, 20, 1)),
]


@pytest.mark.parametrize(("rows", "image"), IMAGES)
def test_images_get_convolutions(rows, image):
    size = Size(math.prod(image), 10, image)
    space = default_space(size, rows=rows, task="classification")
    sample = space.sample(60, seed=0)
    shapes = {describe_shape(recipe.network) for recipe in sample}
    assert len(shapes) == 3
    assert "256 ReLU" in shapes
    assert {type(recipe.preprocess).__name__ for recipe in sample} == {"StandardizeChannel", "CenterImage"}
    assert {type(recipe.optimizer).__name__ for recipe in sample} == {"AdamW", "Nesterov"}
    short = min(image[:2])
    assert {recipe.augment.shift for recipe in sample} == ({0, 1, 2} if short >= 24 else {0, 1} if short >= 16 else {0})
    assert any(recipe.augment.flip for recipe in sample) == (image[2] == 3 and min(image[:2]) >= 24)
    for recipe in sample:
        steps = plan_network(recipe.network, size)
        flat = next((step.op.of for step in steps if isinstance(step.op, FlattenOp)), None)
        assert flat is None or (max(flat[:2]) <= 8 or min(flat[:2]) == 1)
    assert Space.from_yaml(space.to_yaml()) == space
    assert 5 <= sample[0].epochs <= 40


def test_a_few_minutes_for_ten_thousand_small_images():
    size, counts = Size(784, 10, (28, 28, 1)), {"rows": 10_000, "folds": 5}
    space = default_space(size, rows=10_000, task="classification")
    assert plan_trials(space, size, budget_seconds=100, **counts) == 8
    minutes = 8 * mean_seconds(space, size, **counts) / 2 / 60
    assert 1 < minutes < 6


def test_tiny_images_are_tables_without_columns_to_embed():
    sample = default_space(Size(48, 2, (4, 4, 3)), rows=500, task="classification").sample(40)
    assert {type(recipe.network.embedding) for recipe in sample} == {NoEmbedding}
    assert {recipe.network.views for recipe in sample} == {1}
    for recipe in sample:
        plan_network(recipe.network, Size(48, 2, (4, 4, 3)))


def test_many_columns_are_not_embedded():
    for columns, embedded in ((160, True), (161, False)):
        sample = default_space(Size(columns, 2), rows=500, task="classification").sample(30)
        assert any(not isinstance(recipe.network.embedding, NoEmbedding) for recipe in sample) == embedded
        assert any(recipe.network.views > 1 for recipe in sample) == embedded


def test_recipe_formula_by_hand():
    model = CostModel(flops=float("inf"), weight=0, unit=0, step=1.0)
    recipe = Recipe(batch_size=30, epochs=7)
    seconds = recipe_seconds(recipe, Size(5, 3), rows=100, folds=5, model=model)
    assert seconds == 5 * 7 * (3 + 1)  # 80 training rows are 3 steps; one validation
    assert recipe_seconds(recipe, Size(5, 3), rows=100, folds=1, model=model) == 7 * 4
    full = Recipe(batch_size="full", epochs=7)
    assert recipe_seconds(full, Size(5, 3), rows=100, folds=5, model=model) == 5 * 7 * (1 + 1)
    with pytest.raises(BadInput, match="full batch"):
        lane_step_seconds(full, Size(5, 3))


def test_plan_clamps_and_divides():
    size, counts = Size(10, 1), {"rows": 5_000, "folds": 5}
    space = space_for(5_000, 10)
    mean = mean_seconds(space, size, **counts)
    assert plan_trials(space, size, **counts, budget_seconds=0) == 8
    assert plan_trials(space, size, **counts, budget_seconds=1e9) == 48
    assert plan_trials(space, size, **counts, budget_seconds=20.5 * mean, cores=1) == 20
    assert plan_trials(space, size, **counts, budget_seconds=10.25 * mean, cores=2) == 20
    assert plan_trials(Space.from_dict({"epochs": [1, 2, 3]}), size, **counts, budget_seconds=1e9) == 3


def test_epochs_within_is_the_last_that_fits():
    recipes = [Recipe(), Recipe(network=MLP(hidden=(8,)))]
    size, counts = Size(10, 1), {"rows": 3_000, "folds": 5}
    epochs = epochs_within(recipes, size, **counts, core_seconds=3.0)

    def mean(n):
        return sum(recipe_seconds(Recipe(network=r.network, epochs=n), size, **counts) for r in recipes) / 2

    assert mean(epochs) <= 3.0 < mean(epochs + 1)
    assert epochs_within(recipes, size, **counts, core_seconds=0.0) == 1
