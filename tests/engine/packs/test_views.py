"""Views of rows: the network is TabM-mini, its training is that of plain torch, and its prediction a mean."""

import numpy as np
import pytest
import torch
from plain import make_pack, run
from torch import nn

from tenfold.data.feed.batches import deal
from tenfold.data.feed.encode import Inputs
from tenfold.data.split.folds import make_folds
from tenfold.engine.module import build_module
from tenfold.engine.operations.views import HeadsOp, ViewsOp
from tenfold.engine.plan.cost import network_work
from tenfold.engine.plan.network import plan_network, plan_recipe
from tenfold.engine.plan.size import Size
from tenfold.errors import BadInput
from tenfold.problem.outputs import readable_outputs
from tenfold.recipe.network import MLP, Layers
from tenfold.recipe.recipe import Recipe
from tenfold.rules.views import ViewMean, view_mean

VIEWS, COLUMNS, CLASSES, ROWS = 4, 5, 3, 90


def recipe_of(**changes):
    network = {"hidden": [9, 7], "views": VIEWS, **changes.pop("network", {})}
    plain = {"optimizer": {"adamw": {"lr": 1e-2}}, "weight_decay": 0.1, "batch_size": 20, "epochs": 9}
    return Recipe.from_dict({**plain, **changes, "network": network})


def data(classes=CLASSES):
    rng = np.random.default_rng(0)
    x = rng.normal(size=(ROWS, COLUMNS))
    score = x[:, 0] * x[:, 1] + x[:, 2]
    y = np.digitize(score, np.quantile(score, [1 / 3, 2 / 3])) if classes else np.exp(score)
    return x, y


def lanes_of(recipes, classes=CLASSES, dtype=torch.float64):
    x, y = data(classes)
    folds = make_folds(y, 3, classification=bool(classes), seed=0)
    return make_pack(recipes, x, y, folds, dtype), x, y, folds


class ByHand(nn.Module):
    """TabM-mini with a list of output layers, as the paper describes it; parameters in the order of a lane's."""

    def __init__(self, arrays, hidden=2):
        super().__init__()
        self.factors = nn.Parameter(torch.from_numpy(arrays["1.view"]))  # (views, columns)
        self.weights = nn.ParameterList(torch.from_numpy(arrays[f"{2 + 3 * i}.weight"]) for i in range(hidden))
        self.biases = nn.ParameterList(torch.from_numpy(arrays[f"{2 + 3 * i}.bias"]) for i in range(hidden))
        last, views = 2 + 3 * hidden, len(arrays["1.view"])
        of_heads = np.split(arrays[f"{last}.weight"], views, 1), np.split(arrays[f"{last}.bias"], views)
        self.heads, self.head_biases = (nn.ParameterList(map(torch.from_numpy, part)) for part in of_heads)

    def forward(self, x):
        """One (rows, outputs) a view."""
        outputs = []
        for factor, head, bias in zip(self.factors, self.heads, self.head_biases, strict=True):
            h = x * factor
            for weight, of_units in zip(self.weights, self.biases, strict=True):
                h = torch.relu(h @ weight + of_units)
            outputs.append(h @ head + bias)
        return outputs


def train_by_hand(recipe, x, target, fold, start, updates, pack, loss):
    model = ByHand(start)
    decayed = [*model.weights, *model.heads]
    others = [p for p in model.parameters() if not any(p is other for other in decayed)]
    groups = [{"params": decayed, "weight_decay": recipe.weight_decay}, {"params": others, "weight_decay": 0.0}]
    optimizer = torch.optim.AdamW(groups, lr=recipe.optimizer.lr)
    z = torch.from_numpy((x - x[fold.train].mean(0)) / x[fold.train].std(0))
    for update in range(updates):
        rows, weight = deal(fold, pack.shape.dealing, update // pack.per_epoch)
        batch = rows[update % pack.per_epoch][weight[update % pack.per_epoch] > 0]
        losses = [loss(output, target[batch]) for output in model(z[batch])]
        optimizer.zero_grad()
        torch.stack(losses).mean().backward()
        optimizer.step()
    return model, z


def test_a_training_equals_one_by_hand():
    recipe = recipe_of()
    pack, x, y, folds = lanes_of([recipe])
    start = {lane.fold: pack.parameters(i) for i, lane in enumerate(pack.lanes)}
    run(pack, 20)
    for lane, outputs in zip(pack.lanes, pack.evaluate(), strict=True):
        fold = folds[lane.fold]
        target = torch.from_numpy(y.astype(np.int64))
        loss = nn.functional.cross_entropy
        model, z = train_by_hand(recipe, x, target, fold, start[lane.fold], 20, pack, loss)
        chances = torch.stack([output.softmax(1) for output in model(z[fold.validation])]).mean(0).detach().numpy()
        np.testing.assert_allclose(readable_outputs(outputs, "softmax", 0, 1), chances, rtol=0, atol=1e-10)


@pytest.mark.parametrize("loss", ["squared", "poisson"])
def test_a_training_on_numbers_equals_one_by_hand(loss):
    recipe = recipe_of(loss=loss)
    pack, x, y, folds = lanes_of([recipe], classes=0)
    start = {lane.fold: pack.parameters(i) for i, lane in enumerate(pack.lanes)}
    run(pack, 20)
    for lane, outputs in zip(pack.lanes, pack.evaluate(), strict=True):
        fold = folds[lane.fold]
        mean, std = y[fold.train].mean(), y[fold.train].std()
        if loss == "squared":
            target, link = torch.from_numpy((y - mean) / std)[:, None], "identity"
            criterion = nn.functional.mse_loss
        else:
            target, link = torch.from_numpy(y / mean)[:, None], "exp"
            criterion = nn.functional.poisson_nll_loss
        model, z = train_by_hand(recipe, x, target, fold, start[lane.fold], 20, pack, criterion)
        found = [output.detach().numpy() for output in model(z[fold.validation])]
        numbers = np.mean([np.exp(o) * mean if link == "exp" else o * std + mean for o in found], 0)
        np.testing.assert_allclose(readable_outputs(outputs, link, mean, std), numbers, rtol=1e-10)


def test_the_network_and_its_gradient_are_the_authors():
    """tabm.TabM of the same parameters: its outputs to 1e-6 in float32, to 1e-12 in float64 with the gradients."""
    tabm = pytest.importorskip("tabm")
    pack, x, y, _ = lanes_of([recipe_of()])
    arrays = pack.parameters(0)
    theirs = tabm.TabM.make(
        n_num_features=COLUMNS, d_out=CLASSES, arch_type="tabm-mini", k=VIEWS, n_blocks=2, d_block=9, dropout=0.0
    ).double()
    blocks = theirs.backbone.blocks
    blocks[1][0] = nn.Linear(9, 7).double()  # theirs are all of one width
    theirs.output.weight = nn.Parameter(torch.zeros(VIEWS, 7, CLASSES, dtype=torch.float64))
    with torch.no_grad():
        theirs.backbone.affine.weight.copy_(torch.from_numpy(arrays["1.view"]))
        for block, number in zip(blocks, (2, 5), strict=True):
            block[0].weight.copy_(torch.from_numpy(arrays[f"{number}.weight"].T))
            block[0].bias.copy_(torch.from_numpy(arrays[f"{number}.bias"]))
        theirs.output.weight.copy_(torch.from_numpy(np.stack(np.split(arrays["8.weight"], VIEWS, 1))))
        theirs.output.bias.copy_(torch.from_numpy(np.stack(np.split(arrays["8.bias"], VIEWS))))
    module = build_module(pack.shape.steps(pack.lanes[0].recipe), arrays, None).train()
    z, target = torch.from_numpy(x), torch.from_numpy(y.astype(np.int64))
    torch.testing.assert_close(module(z), theirs(z), rtol=0, atol=1e-12)
    torch.testing.assert_close(module.float()(z.float()), theirs.float()(z.float()), rtol=0, atol=1e-6)
    for network in (module.double(), theirs.double()):
        output = network(z)  # (rows, views, classes)
        nn.functional.cross_entropy(output.flatten(0, 1), target.repeat_interleave(VIEWS)).backward()
    mine = list(module.parameters())
    torch.testing.assert_close(mine[0].grad, theirs.backbone.affine.weight.grad, rtol=0, atol=1e-12)
    torch.testing.assert_close(mine[1].grad, blocks[0][0].weight.grad, rtol=0, atol=1e-12)
    torch.testing.assert_close(mine[-2].grad, theirs.output.weight.grad, rtol=0, atol=1e-12)


def test_the_mean_over_views_is_that_of_what_people_read():
    outputs = np.random.default_rng(0).normal(size=(2, VIEWS, 6, CLASSES)) * 5
    tensor = torch.from_numpy(outputs)
    for link, columns in (("softmax", slice(None)), ("identity", slice(1)), ("exp", slice(1))):
        mean = view_mean(tensor[..., columns], link).numpy()
        expected = readable_outputs(outputs[..., columns], link, 2.0, 3.0).mean(1)
        np.testing.assert_allclose(readable_outputs(mean, link, 2.0, 3.0), expected, rtol=1e-12)
    np.testing.assert_allclose(view_mean(tensor, "scores"), outputs.mean(1), rtol=1e-12)
    assert bool(view_mean(1e4 * tensor, "softmax").isfinite().all())
    assert bool(view_mean(torch.full((2, 3, 1), torch.inf), "softmax").isnan().all())


def test_one_view_with_factors_of_one_is_the_network_without():
    layers = [{"dense": 9}, "tanh", {"dense": 7}, "relu"]
    plain = {"optimizer": "adam", "batch_size": 20, "epochs": 9}
    with_view, without = (
        lanes_of([Recipe.from_dict({**plain, "network": {"layers": made}})])[0]
        for made in ([{"views": 1}, *layers], layers)
    )
    slot = with_view.layout.slots[0]
    assert slot.kind == "view"
    with_view.layout.views(with_view.w)[0].copy_(torch.ones(()).expand(3, *slot.stored))
    for one, other in zip(with_view.evaluate(), without.evaluate(), strict=True):
        np.testing.assert_allclose(torch.from_numpy(one), torch.from_numpy(other).log_softmax(1), rtol=0, atol=1e-12)


def test_factors_start_as_signs_that_recipes_share_and_are_0_for_columns_that_a_fold_lacks():
    x, y = data()
    folds = make_folds(y, 3, classification=True, seed=0)
    rng = np.random.default_rng(1)
    codes = rng.integers(0, 3, (ROWS, 1))
    codes[folds[0].validation] = 3  # a level that fold 0 does not train on
    inputs = Inputs(x, codes, tuple("abcde"), (5,), ("f",), np.ones(COLUMNS, bool))
    recipes = [recipe_of(optimizer={"adam": {"lr": lr}}) for lr in (1e-2, 1e-3)]
    pack = make_pack(recipes, inputs, y, folds, torch.float64)
    widths = [part.encoding.width for part in pack.feed.folds]
    assert len(set(widths)) > 1
    views = {(lane.number, lane.fold): pack.parameters(i)["1.view"] for i, lane in enumerate(pack.lanes)}
    for (_, fold), factors in views.items():
        assert factors.shape == (VIEWS, widths[fold])
        assert set(np.unique(factors)) == {-1.0, 1.0}
        np.testing.assert_array_equal(factors, views[0, fold])
    assert not np.array_equal(views[0, 0][:, :COLUMNS], views[0, 1][:, :COLUMNS])
    run(pack, 12)
    stored = pack.layout.views(pack.w)[0]
    for i, lane in enumerate(pack.lanes):
        assert bool((stored[i, :, widths[lane.fold] :] == 0).all())
        module = build_module(pack.shape.steps(lane.recipe), pack.parameters(i), None)
        rows = torch.from_numpy(folds[lane.fold].validation)[None].repeat(len(folds), 1)
        entered = pack.feed.inputs(rows, pack.batches.groups)[pack.batches.group_list[i]][:, : widths[lane.fold]]
        np.testing.assert_allclose(module(entered).detach(), pack.evaluate()[i], rtol=0, atol=1e-12)


def test_behind_an_embedding_the_numbers_of_a_column_start_with_one_normal_factor():
    x, y = data()
    folds = make_folds(y, 3, classification=True, seed=0)
    codes = np.random.default_rng(1).integers(0, 3, (ROWS, 1))
    codes[folds[0].validation] = 3
    inputs = Inputs(x, codes, tuple("abcde"), (5,), ("f",), np.ones(COLUMNS, bool))
    network = {"embedding": {"pbld": {"size": 3}}, "scale": True, "views": 200}
    pack = make_pack([recipe_of(network=network)], inputs, y, folds, torch.float64)
    for i, lane in enumerate(pack.lanes):
        width = pack.feed.folds[lane.fold].encoding.width
        [factors] = [array for name, array in pack.parameters(i).items() if name.endswith(".view")]
        assert factors.shape == (200, 3 * COLUMNS + width - COLUMNS)
        of_columns, others = factors[:, : 3 * COLUMNS].reshape(200, COLUMNS, 3), factors[:, 3 * COLUMNS :]
        assert (of_columns == of_columns[:, :, :1]).all()
        assert abs(np.std(of_columns[:, :, 0]) - 1) < 0.1
        assert abs(np.std(others) - 1) < 0.1
        assert len(np.unique(factors)) == 200 * width
    inside = [{"views": 2}, {"dense": 4}]
    behind = [{"pbld": 3}, {"dense": 9}, "relu", {"views": 2}, {"dense": 4}]
    for layers in (inside, behind):
        steps = plan_network(Layers(layers=layers), Size(COLUMNS, 2, None, COLUMNS))
        assert [step.op.embedded for step in steps if isinstance(step.op, ViewsOp)] == [0]


def test_data_driven_weights_give_every_unit_of_every_head_a_deviation_of_1():
    pack, *_, folds = lanes_of([recipe_of(init="data_driven")])
    names = [f"{slot.op}.{slot.kind}" for slot in pack.layout.slots]
    for i in range(len(pack.lanes)):
        model = ByHand(pack.parameters(i))
        rows = pack._inputs_of(np.stack([fold.train for fold in folds]))[i, :, :COLUMNS]
        h = torch.stack([rows * factor for factor in model.factors]).flatten(0, 1)
        for weight, bias in zip(model.weights, model.biases, strict=True):
            z = h @ weight
            torch.testing.assert_close(z.std(0, correction=0), torch.ones(z.shape[1], dtype=z.dtype))
            h = torch.relu(z + bias)
        for view, head in zip(h.unflatten(0, (VIEWS, -1)), model.heads, strict=True):
            z = view @ head
            torch.testing.assert_close(z.std(0, correction=0), torch.ones(CLASSES, dtype=z.dtype))
    assert names[-2:] == ["8.weight", "8.bias"]


@pytest.mark.parametrize("optimizer", ["lbfgs", "gauss_newton", "muon"])
def test_every_kind_of_optimizer_lowers_the_loss(optimizer):
    changes = {"optimizer": optimizer, "network": {"hidden": [4], "views": 2}, "batch_size": "full"}
    pack, *_ = lanes_of([recipe_of(**changes, weight_decay=1e-3)])
    run(pack, 1)
    before = pack.train_loss()
    run(pack, 9)
    assert (pack.train_loss() < 0.95 * before).all()


def test_a_module_can_be_exported_for_any_number_of_rows():
    pack, *_ = lanes_of([recipe_of(network={"dropout": 0.1, "normalization": "batch"})], dtype=torch.float32)
    module = build_module(pack.shape.steps(pack.lanes[0].recipe), pack.parameters(0), None)
    program = torch.export.export(module, (torch.zeros(2, COLUMNS),), dynamic_shapes=({0: torch.export.Dim("rows")},))
    x = torch.randn(11, COLUMNS, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(program.module()(x), module(x))
    assert module(x).shape == (11, CLASSES)


def test_plans():
    size = Size(COLUMNS, CLASSES)
    steps = plan_network(MLP(hidden=(8,), views=VIEWS), size)
    assert steps[1].op == ViewsOp(COLUMNS, VIEWS)
    assert steps[-1].op == HeadsOp(8, CLASSES, VIEWS)
    assert steps[-1].layer == ViewMean("softmax")
    assert plan_recipe(recipe_of(loss="hinge"), size)[-1].layer == ViewMean("scores")
    assert plan_recipe(recipe_of(loss="poisson"), Size(COLUMNS, 1))[-1].layer == ViewMean("exp")
    assert plan_recipe(recipe_of(), Size(COLUMNS, 1))[-1].layer == ViewMean("identity")
    one, many = (network_work(Recipe(network=MLP(hidden=(8, 8), views=k)), size) for k in (1, VIEWS))
    assert many.products == VIEWS * one.products
    assert many.weights == one.weights + VIEWS * COLUMNS + (VIEWS - 1) * (8 + 1) * CLASSES


@pytest.mark.parametrize(
    ("layers", "image", "says"),
    [
        ([{"conv": 4}, {"views": 2}], (4, 4, 1), r"layers\[1\]: views of an image of 4 x 4 x 4"),
        ([{"views": 2}, {"conv": 4}], (4, 4, 1), r"layers\[1\]: conv needs an image"),
        ([{"dense": 4}, {"residual": [{"views": 2}, {"dense": 4}]}], None, "inside a residual block"),
        ([{"views": 2}, {"dense": 4}, {"views": 3}], None, r"layers\[2\]: views of views"),
    ],
)
def test_where_views_do_not_fit(layers, image, says):
    with pytest.raises(BadInput, match=says):
        plan_network(Layers(layers=layers), Size(16, 2, image))


def test_a_recipe_says_that_it_has_views():
    assert recipe_of().describe().startswith("4 views of 9-7 ReLU")
    assert Recipe(network={"layers": [{"views": 4}, {"dense": 8}]}).describe().startswith("views 4, dense 8")
    assert MLP(views=1).sequence() == MLP().sequence()
    with pytest.raises(BadInput, match=r"views"):
        MLP(views=0)
