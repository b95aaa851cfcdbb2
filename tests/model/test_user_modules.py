"""The user's own modules in searches and as models: chosen, trained again, saved, loaded with their function."""

import numpy as np
import pytest
import torch
from own_modules import Lstm, Transformer, TwoInputs, mlp
from sklearn.datasets import load_iris
from sklearn.metrics import r2_score
from torch import nn

import tenfold
from tenfold import BadInput, Classifier, Module, Recipe, Regressor, Space


@pytest.fixture(scope="module")
def iris():
    x, y = load_iris(return_X_y=True)
    return x, np.array(["setosa", "versicolor", "virginica"])[y]


def with_gaps(iris):
    x = iris[0].copy()
    x[[3, 70], 1] = np.nan
    x[120, 2] = np.nan  # a gap in the training rows of four folds only: these have a column more
    return x


@pytest.mark.parametrize(
    ("network", "data"),
    [
        (Module(mlp, width=[4, 8], norm=True), with_gaps),
        (Module(TwoInputs, tokens=9), lambda iris: (iris[0].astype(int), torch.from_numpy(iris[0][:, :2]))),
    ],
)
def test_a_search_its_models_and_their_files(network, data, iris, tmp_path):
    x, y = data(iris), iris[1]
    space = Space.from_dict({"network": network, "optimizer": {"adam": {"lr": [0.03, 0.003]}}, "epochs": 4})
    search = tenfold.search(space, x, y, folds=3, trials=4, strategy="halving", device="cpu")
    assert "its lanes are trained stacked" in search.notes[0]
    for keep in ("refit", "ensemble", "blend"):
        model = search.refit(keep)
        found = model.predict_proba(x)
        assert found.shape == (150, 3)
        model.save(tmp_path / keep)
        with pytest.raises(BadInput, match="none is given"):
            tenfold.load(tmp_path / keep)
        again = tenfold.load(tmp_path / keep, module=network.make_model)
        assert np.array_equal(again.predict_proba(x), found)
        inside = model.module(_encoded(model, x))
        assert np.allclose(inside.softmax(-1).detach() if keep == "refit" else inside.detach(), found, atol=1e-5)


def _encoded(model, x):
    given = model.encode(model.inputs(x)[0])
    return torch.from_numpy(given) if isinstance(given, np.ndarray) else given


def test_estimators_take_tensors(iris):
    tokens = torch.from_numpy(iris[0]).long()
    recipe = Recipe(network=Module(Transformer, tokens=9), epochs=3, optimizer="adam")
    model = Classifier(recipe, folds=3, keep="refit", device="cpu", random_state=0).fit(tokens, iris[1])
    assert model.predict(tokens[:5]).shape == (5,)
    with pytest.raises(BadInput, match="rows of shape"):
        model.predict(tokens[:, :2])
    sequences = {"x": torch.from_numpy(iris[0]).reshape(-1, 2, 2)}
    recipe = Recipe(network=Module(Lstm), epochs=2)
    with pytest.raises(BadInput, match="network Lstm: it fails"):
        Regressor(recipe, folds=3, keep="refit", device="cpu").fit(sequences, iris[0][:, 3])
    assert Regressor(recipe, folds=3, keep="refit", device="cpu").fit(sequences["x"], iris[0][:, 3]).predict(
        sequences["x"]
    ).shape == (150,)


class Unused(nn.Module):
    def __init__(self, input_shape, outputs):
        super().__init__()
        self.used, self.lost = nn.Linear(input_shape[0], outputs), nn.Linear(2, 2)

    def forward(self, x):
        noise = torch.rand_like(x) if self.training else 0.5
        return self.used(x + 0.01 * noise)


def test_what_a_module_does_is_said(iris):
    def shapeless(input_shape, outputs):
        return nn.Linear(input_shape[0], outputs + 1)

    recipe = Recipe(network=Module(Unused), epochs=2)
    found = [tenfold.cross_validate(recipe, *iris, folds=3, device="cpu") for _ in range(2)]
    assert found[0].notes == [
        "Unused: its lanes are trained one after another: it draws random numbers that are not torch's dropout layers'",
        "Unused: no gradient reaches lost.weight, lost.bias",
    ]
    assert np.array_equal(found[0].out_of_fold, found[1].out_of_fold)
    for network, message in (
        (Module(shapeless), "gives 4 outputs"),
        (Module(mlp, depth=3), "no parameter 'depth'"),
        (Module(mlp, groups={"head.*": {"rate": 0.1}}), "no parameter is called like"),
        (Module(Transformer), "needs tokens"),
    ):
        with pytest.raises(BadInput, match=message):
            tenfold.cross_validate(Recipe(network=network, epochs=1), *iris, folds=3, device="cpu")
    own_loss = Recipe(network=Module(mlp, loss=lambda outputs, targets: outputs.sum()))
    with pytest.raises(BadInput, match="its loss is a function of your own"):
        tenfold.diagnose_recipe(own_loss, *iris)
    with pytest.raises(BadInput, match="only its name is here"):
        tenfold.cross_validate(Recipe.from_dict(recipe.to_dict()), *iris, folds=3, device="cpu")
    with pytest.raises(BadInput, match="its own first weights"):
        tenfold.cross_validate(Recipe(network=Module(Unused), init="xavier"), *iris, folds=3, device="cpu")


def test_several_numbers_and_losses_and_metrics_of_the_users(iris, tmp_path):
    x = iris[0]
    recipe = Recipe(network=Module(mlp, width=8), epochs=8, optimizer={"adam": {"lr": 0.03}})
    found = tenfold.cross_validate(recipe, x[:, :2], x[:, 2:], folds=3, device="cpu")
    assert found.out_of_fold.shape == (1, 150, 2)
    folds = found.trained.problem.folds
    expected = [r2_score(x[f.validation, 2:], found.out_of_fold[0, f.validation]) for f in folds]
    assert np.allclose(found.table[0]["scores"], expected)
    with pytest.raises(BadInput, match="one number a row"):
        tenfold.cross_validate(Recipe(epochs=1), x[:, :2], x[:, 2:], folds=3, device="cpu")
    space = Space.from_dict(recipe.to_dict() | {"network": recipe.network})
    model = tenfold.search(space, x[:, :2], x[:, 2:], trials=1, folds=3, device="cpu").refit()
    model.save(tmp_path / "m")
    assert model.predict(x[:, :2]).shape == (150, 2)
    assert np.array_equal(tenfold.load(tmp_path / "m", module=mlp).predict(x[:, :2]), model.predict(x[:, :2]))


def pinball(outputs, targets):
    error = targets[:, None] - outputs
    share = torch.tensor([0.1, 0.5, 0.9], dtype=error.dtype)
    return torch.maximum(share * error, (share - 1) * error).mean(1)


def inside(y, prediction):
    return ((prediction[:, 0] <= y) & (y <= prediction[:, 2])).astype(float)


def quantiles(input_shape, width=8):
    return nn.Sequential(nn.Linear(input_shape[0], width), nn.Tanh(), nn.Linear(width, 3))


class Tagger(nn.Module):
    """A tag for every token."""

    def __init__(self):
        super().__init__()
        self.embedding, self.out = nn.Embedding(9, 8), nn.Linear(8, 2)

    def forward(self, x):
        return self.out(self.embedding(x))


def tag_loss(outputs, targets):
    return nn.functional.cross_entropy(outputs.flatten(0, 1), targets.flatten())


def right_tags(y, prediction):
    return (prediction.reshape(len(y), 4, 2).argmax(2) == y[..., 0]).mean(1)


def test_losses_and_metrics_of_the_users(iris):
    x = iris[0]
    recipe = Recipe(network=Module(quantiles, loss=pinball), epochs=20, optimizer={"adam": {"lr": 0.03}})
    found = tenfold.cross_validate(recipe, x[:, :3], x[:, 3], folds=3, metric=inside, device="cpu")
    assert 0.6 < found.table[0]["mean"] <= 1
    assert "loss=pinball" in recipe.describe()
    tokens = torch.from_numpy(x).long()
    tags = (tokens % 2)[..., None]
    recipe = Recipe(network=Module(Tagger, loss=tag_loss), epochs=20, optimizer={"adam": {"lr": 0.03}})
    found = tenfold.cross_validate(recipe, tokens, tags, folds=3, metric=right_tags, device="cpu")
    assert found.table[0]["mean"] > 0.95
    with pytest.raises(BadInput, match="no metric of ours"):
        tenfold.cross_validate(recipe, tokens, tags, folds=3, device="cpu")
    with pytest.raises(BadInput, match="no loss of ours"):
        tenfold.cross_validate(Recipe(network=Module(Tagger)), tokens, tags, folds=3, metric=right_tags, device="cpu")
    with pytest.raises(BadInput, match="a number for each row"):
        tenfold.cross_validate(recipe, tokens, tags, folds=3, metric=lambda y, p: 1.0, device="cpu")


class NoNumber(nn.Module):
    """Linear, and all of its outputs are nan."""

    def __init__(self, input_shape, outputs):
        super().__init__()
        self.last = nn.Linear(input_shape[0], outputs)

    def forward(self, x):
        return self.last(x) * torch.nan


def test_a_module_that_gives_nan_diverges_and_leaves_the_others_alone(iris):
    recipes = [Recipe(network=Module(mlp), epochs=2), Recipe(network=Module(NoNumber), epochs=2)]
    found = tenfold.cross_validate(recipes, *iris, folds=3, device="cpu")
    assert np.isfinite(found.table[0]["mean"])
    assert set(found.table[0]["outcomes"]) == {"ok"}
    assert set(found.table[1]["outcomes"]) == {"diverged"}


def test_a_loss_that_is_a_name_is_refused(iris):
    with pytest.raises(BadInput, match=r"the loss 'mse' of a module\n  expected: a function"):
        tenfold.cross_validate(Recipe(network=Module(mlp, loss="mse"), epochs=2), *iris, folds=3, device="cpu")
