"""Recipes by name: the published defaults, and what happens to names that are none."""

import pytest

from tenfold.errors import BadInput
from tenfold.recipe import Recipe
from tenfold.recipe.presets import RECIPE_PRESETS, TASKS, recipe_preset
from tenfold.rules.activations import ReLU


@pytest.mark.parametrize("task", TASKS)
@pytest.mark.parametrize("name", list(RECIPE_PRESETS))
def test_a_preset_is_a_recipe_that_can_be_written_and_read(name, task):
    recipe = recipe_preset(name, task)
    assert Recipe.from_yaml(recipe.to_yaml()) == recipe
    assert recipe.describe()
    assert (recipe_preset.__doc__ or "").count(name)


def test_realmlp_has_the_defaults_of_its_authors():
    """Table A.1 of the paper, and pytabkit 1.8's default_params.py."""
    classes, numbers = (recipe_preset("realmlp", task) for task in TASKS)
    for recipe in (classes, numbers):
        network, optimizer, factors = recipe.network, recipe.optimizer, recipe.rate_factors
        assert network.hidden == (256, 256, 256)
        assert (network.dropout, network.scale) == (0.15, True)
        assert (network.embedding.size, network.embedding.frequencies, network.embedding.sigma) == (4, 16, 0.1)
        assert (optimizer.beta1, optimizer.beta2, optimizer.eps, optimizer.decoupled) == (0.9, 0.95, 1e-8, True)
        assert (factors.bias, factors.scale, factors.embedding, factors.parametric) == (0.1, 6, 0.1, 0.1)
        assert factors.fan_in
        assert (recipe.decay.cycles, recipe.decay.base) == (4, 2)
        assert recipe.weight_decay == 0.02
        assert recipe.weight_decay_schedule == recipe.dropout_schedule
        assert (recipe.dropout_schedule.flat, recipe.dropout_schedule.end) == (0.5, 0)
        assert (recipe.batch_size, recipe.epochs, recipe.init.bias_rows) == (256, 256, 5)
        assert recipe.preprocess.limit == 3
    assert (classes.network.activation.of, numbers.network.activation.of) == ("selu", "mish")
    assert (classes.optimizer.lr, numbers.optimizer.lr) == (0.04, 0.2)
    assert classes.loss.smoothing == 0.1
    assert (classes.clip_predictions, numbers.clip_predictions) == (False, True)


def test_pytabkit_has_the_same_defaults():
    theirs = pytest.importorskip("pytabkit.models.sklearn.default_params").DefaultParams
    for task, large, small in zip(TASKS, (theirs.RealMLP_TD_CLASS, theirs.RealMLP_TD_REG),
                                  (theirs.RealMLP_TD_S_CLASS, theirs.RealMLP_TD_S_REG), strict=True):  # fmt: skip
        for name, params in (("realmlp", large), ("realmlp_s", small)):
            recipe = recipe_preset(name, task)
            assert list(recipe.network.hidden) == params["hidden_sizes"]
            activation = recipe.network.activation
            assert type(getattr(activation, "mixed", activation)).__name__.lower() == params["act"]
            assert (recipe.optimizer.lr, recipe.optimizer.beta2) == (params["lr"], params["sq_mom"])
            assert (recipe.epochs, recipe.weight_decay) == (params["n_epochs"], params.get("wd", 0))
            assert recipe.network.dropout == params.get("p_drop", 0)
            assert recipe.rate_factors.bias == params["bias_lr_factor"]
            assert recipe.rate_factors.scale == params["scale_lr_factor"]
            assert recipe.rate_factors.embedding == params.get("plr_lr_factor", 1)
            assert recipe.rate_factors.parametric == params.get("act_lr_factor", 1)
            assert getattr(recipe.loss, "smoothing", None) == params.get("ls_eps")
            assert recipe.clip_predictions == params.get("clamp_output", False)
            assert params["lr_sched"] == f"coslog{recipe.decay.cycles}"


def test_tabm_mini_has_what_does_not_depend_on_its_size_from_the_authors():
    """`TabM.make` and the example of tabm 0.0.3."""
    recipe = recipe_preset("tabm_mini", "regression")
    assert recipe == recipe_preset("tabm_mini", "classification")
    assert (recipe.network.activation, recipe.network.dropout) == (ReLU(), 0.1)
    assert (recipe.optimizer.lr, recipe.weight_decay, recipe.clip_norm, recipe.batch_size) == (2e-3, 3e-4, 1.0, 256)
    assert recipe.optimizer.decoupled
    assert (recipe.network.views, recipe.network.embedding.bins) == (8, 16)


def test_an_unknown_name_names_those_there_are():
    with pytest.raises(BadInput, match=r"unknown preset 'realmpl'; nearest: realmlp"):
        recipe_preset("realmpl", "regression")
    with pytest.raises(BadInput, match="unknown task 'ranking'"):
        recipe_preset("realmlp", "ranking")
