"""Changes of a recipe by name: the remedies as other recipes, in words, and a random change as a control."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any, get_args

import numpy as np

from tenfold.errors import BadInput
from tenfold.problem.default_space import default_space
from tenfold.recipe.grammar.files import dump_yaml
from tenfold.recipe.layers import ChannelDropout, Conv, Dense, Dropout, Residual
from tenfold.recipe.network import MLP, Layers, Network
from tenfold.recipe.recipe import BATCH, Recipe
from tenfold.rules.activations import Activation, Identity, ReLU
from tenfold.rules.initialization import He
from tenfold.rules.normalization import BatchNorm, GroupNorm, LayerNorm
from tenfold.rules.optimizers import Adam
from tenfold.rules.preprocessing import Standardize, StandardizeChannel
from tenfold.rules.schedules import NoDecay

SMALL_BATCH, WIDE, MOST_HIDDEN, LONGER = 32, 64, 2, 4
NORMS = (BatchNorm, LayerNorm, GroupNorm)
RecipeChange = Callable[[Recipe], Recipe]


def changed_recipe(recipe: Recipe, change: str) -> Recipe | None:
    """The recipe with that change; None where it is so already, or cannot have the fault that the change cures:
    Tenfold standardizes targets, averages losses, descends, and trains all of what it builds. "as_is" gives the recipe
    itself."""
    if change == "as_is":
        return recipe
    if change not in CHANGES:
        return None
    try:
        changed = CHANGES[change][0](recipe)
    except BadInput:  # two values that do not go together, such as clipping with a second-order method
        return None
    return None if changed == recipe else changed


def words(recipe: Recipe, change: str) -> str:
    """What a change does to this recipe: a sentence, and the lines of the recipe file as they are after it."""
    changed = changed_recipe(recipe, change)
    if changed is None or changed == recipe:
        return "leave the recipe as it is"
    return f"{CHANGES[change][1]}:\n{lines(recipe, changed)}"


def lines(before: Recipe, after: Recipe) -> str:
    """The fields that differ as lines of YAML, with the values of the second recipe."""
    old, new = before.to_dict(), after.to_dict()
    found: dict[str, Any] = {}
    for name, value in new.items():
        if value == old.get(name):
            continue
        former = old.get(name)
        if name == "network" and isinstance(value, dict) and isinstance(former, dict) and value.keys() == former.keys():
            value = {field: inner for field, inner in value.items() if inner != former[field]}
        found[name] = value
    return "\n".join(f"  {line}" for line in dump_yaml(found).splitlines())


# ---- networks ----------------------------------------------------------------------------------------------------


def _activations(network: Network) -> list[Any]:
    return [layer for layer in _flat(network.sequence()) if isinstance(layer, get_args(Activation))]


def _flat(layers: Any) -> list[Any]:
    """All layers, those of residual blocks too."""
    return [inner for layer in layers for inner in (_flat(layer.layers) if isinstance(layer, Residual) else [layer])]


def _rewritten(layers: Any, change: Callable[[Any], list[Any]]) -> tuple[Any, ...]:
    """Every layer replaced by what `change` gives for it, inside residual blocks too."""
    found: list[Any] = []
    for layer in layers:
        inside = isinstance(layer, Residual)
        found += [replace(layer, layers=_rewritten(layer.layers, change))] if inside else change(layer)
    return tuple(found)


def _written_out(recipe: Recipe, change: Callable[[Any], list[Any]]) -> Recipe:
    assert isinstance(recipe.network, Layers)
    return replace(recipe, network=Layers(layers=_rewritten(recipe.network.layers, change)))


def _relu(recipe: Recipe) -> Recipe:
    """ReLU for every activation, and behind every layer where there is none at all; He initialization."""
    network = recipe.network
    if isinstance(network, MLP):
        return replace(recipe, network=replace(network, activation=ReLU()), init=He())
    some = bool(_activations(network))

    def change(layer: Any) -> list[Any]:
        if isinstance(layer, get_args(Activation)):
            return [ReLU()]
        return [layer, ReLU()] if not some and isinstance(layer, Dense | Conv) else [layer]

    return replace(_written_out(recipe, change), init=He())


def _dropout(rate: float) -> RecipeChange:
    """At most this rate, everywhere."""

    def change(recipe: Recipe) -> Recipe:
        network = recipe.network
        if isinstance(network, MLP):
            less = {name: min(getattr(network, name), rate) for name in ("dropout", "input_dropout")}
            return replace(recipe, network=replace(network, **less))
        drops = Dropout | ChannelDropout
        return _written_out(recipe, lambda x: [replace(x, rate=min(x.rate, rate))] if isinstance(x, drops) else [x])

    return change


def _normalized(recipe: Recipe) -> Recipe:
    """Batch normalization behind every hidden map, where the network has no normalization."""
    network = recipe.network
    if any(isinstance(layer, NORMS) for layer in _flat(network.sequence())):
        return recipe
    recipe = replace(recipe, batch_size=SMALL_BATCH) if recipe.batch_size == 1 else recipe
    if isinstance(network, MLP):
        return replace(recipe, network=replace(network, normalization=BatchNorm())) if network.hidden else recipe
    return _written_out(recipe, lambda x: [x, BatchNorm()] if isinstance(x, Dense | Conv) else [x])


def _shallower(recipe: Recipe) -> Recipe:
    network = recipe.network
    if not isinstance(network, MLP):
        return recipe
    return replace(recipe, network=replace(network, hidden=network.hidden[:MOST_HIDDEN]))


def _wider(recipe: Recipe) -> Recipe:
    network = recipe.network
    if isinstance(network, MLP):
        return replace(recipe, network=replace(network, hidden=tuple(max(units, WIDE) for units in network.hidden)))

    def change(layer: Any) -> list[Any]:
        if isinstance(layer, Dense):
            return [Dense(units=max(layer.units, WIDE))]
        return [replace(layer, channels=max(layer.channels, WIDE // 2))] if isinstance(layer, Conv) else [layer]

    return _written_out(recipe, change)


# ---- the other fields --------------------------------------------------------------------------------------------


def _fit_init(recipe: Recipe) -> Recipe:
    """The initialization that keeps the second moment through the recipe's activation, with biases of 0."""
    kinds = _activations(recipe.network)
    return replace(recipe, init=(kinds[0] if kinds else Identity()).suited_init)


def _rate(factor: float) -> RecipeChange:
    def change(recipe: Recipe) -> Recipe:
        optimizer: Any = recipe.optimizer
        own = getattr(optimizer, "adam_lr", None)  # of Muon: the rate of what it leaves to Adam
        rates = {"lr": optimizer.lr} | ({"adam_lr": own} if own is not None else {})
        rates = {name: float(f"{rate * factor:.12g}") for name, rate in rates.items()}  # 0.01, not 0.010000000000000002
        return replace(recipe, optimizer=replace(optimizer, **rates))

    return change


def _adam(lr: float) -> RecipeChange:
    """Adam; where the batch was full for a second-order method, batches of the usual size."""

    def change(recipe: Recipe) -> Recipe:
        second = recipe.optimizer.family == "second_order"
        return replace(recipe, optimizer=Adam(lr=lr), batch_size=BATCH if second else recipe.batch_size)

    return change


def _epsilon(recipe: Recipe) -> Recipe:
    optimizer: Any = recipe.optimizer
    default = getattr(type(optimizer)(), "eps", None)
    if default is None or optimizer.eps <= default:
        return recipe
    return replace(recipe, optimizer=replace(optimizer, eps=default))


def _batch(rows: int, *, more: bool) -> RecipeChange:
    def change(recipe: Recipe) -> Recipe:
        size = recipe.batch_size
        fits = (size != "full" and size >= rows) if more else (size != "full" and size <= rows)
        return recipe if fits or (more and size == "full") else replace(recipe, batch_size=rows)

    return change


def _all(*changes: RecipeChange) -> RecipeChange:
    def change(recipe: Recipe) -> Recipe:
        for one in changes:
            recipe = one(recipe)
        return recipe

    return change


def _clip(recipe: Recipe) -> Recipe:
    return recipe if recipe.clip_norm is not None and recipe.clip_norm <= 1 else replace(recipe, clip_norm=1.0)


def _standardized(recipe: Recipe) -> Recipe:
    """Columns, or the channels of images."""
    if isinstance(recipe.preprocess, StandardizeChannel):
        return recipe
    images = recipe.preprocess.images_only or any(isinstance(x, Conv) for x in _flat(recipe.network.sequence()))
    return replace(recipe, preprocess=StandardizeChannel() if images else Standardize())


def _no_penalty(recipe: Recipe) -> Recipe:
    return replace(recipe, weight_decay=0.0, l1=0.0, max_norm=None)


def _own_loss(recipe: Recipe) -> Recipe:
    return replace(recipe, loss="auto")


def _regularized(recipe: Recipe) -> Recipe:
    network = recipe.network
    if not isinstance(network, MLP):
        return replace(recipe, weight_decay=max(recipe.weight_decay, 1e-3))
    network = replace(network, dropout=max(network.dropout, 0.3))
    return replace(recipe, network=network, weight_decay=max(recipe.weight_decay, 1e-3))


def _steady(recipe: Recipe) -> Recipe:
    return replace(recipe, decay=NoDecay(), weight_average=0.0)


_SAFE = _all(_standardized, _fit_init, _own_loss, _dropout(0.0), _no_penalty, _steady)
CHANGES: dict[str, tuple[RecipeChange, str]] = {
    "standardize_inputs": (_standardized, "standardize the inputs with the training rows' mean and std"),
    "reinitialize": (_fit_init, "draw the first weights with the variance that fits the activation, biases 0"),
    **{f"lr_x{10**k}": (_rate(10.0**k), f"raise the learning rate {10**k} times") for k in (1, 2, 3)},
    **{f"lr_d{10**k}": (_rate(10.0**-k), f"lower the learning rate {10**k} times") for k in (1, 2, 3)},
    "adam": (_adam(1e-3), "let Adam train it"),
    "epsilon": (_epsilon, "leave the optimizer's epsilon at its default"),
    "activation": (_relu, "use ReLU in the hidden layers, with He initialization"),
    "head": (_own_loss, "use the loss of the task"),
    "loss": (_own_loss, "use the loss of the task"),
    "no_dropout": (_dropout(0.0), "leave dropout out"),
    "dropout_02": (_dropout(0.2), "lower dropout to 0.2"),
    "no_decay": (_no_penalty, "leave out the penalties on the weights"),
    "regularize": (_regularized, "add dropout and weight decay"),
    "clip": (_clip, "clip the gradient's norm at 1"),
    "smaller_batch": (_batch(SMALL_BATCH, more=False), f"use batches of {SMALL_BATCH} rows"),
    "larger_batch": (_batch(SMALL_BATCH, more=True), f"use batches of {SMALL_BATCH} rows"),
    "longer": (lambda r: replace(r, epochs=LONGER * r.epochs), f"train {LONGER} times as long"),
    "normalize": (_normalized, "put batch normalization behind every hidden layer"),
    "shallower": (_shallower, f"use at most {MOST_HIDDEN} hidden layers"),
    "wider": (_wider, f"give every hidden layer at least {WIDE} units"),
    "right": (_all(_SAFE, _adam(3e-3), _clip), "set everything that trains the network as is the rule"),
    "right_slow": (_all(_SAFE, _adam(5e-4), _clip), "set everything that trains the network as is the rule"),
    "right_relu": (
        _all(_SAFE, _adam(3e-3), _clip, _relu, _normalized),
        "set everything that trains the network as is the rule, with ReLU and batch normalization",
    ),
}


# ---- the control -------------------------------------------------------------------------------------------------


def random_recipe_change(
    recipe: Recipe, rng: np.random.Generator, *, task: str = "classification", rows: int = 1000
) -> Recipe:
    """Another value of one field, drawn from the default space of such data: what a change that nobody thought about
    brings. It costs what the recipe costs: the shape of the network, the batch and the epochs stay.

    task: "classification" or "regression"; rows: development rows. Raises `ValueError` where nothing can be changed.
    """
    space = default_space(rows=rows, columns=1, task=task, outputs=1)
    fields = ["init", "weight_decay", "activation", "dropout"]
    if recipe.optimizer.family != "second_order":
        fields += ["optimizer", "decay", "clip_norm"]
    for _ in range(100):
        other = space.sample(1, seed=int(rng.integers(2**31)))[0]
        changed = _with(recipe, str(rng.choice(fields)), other)
        if changed != recipe:
            return changed
    raise ValueError("no field of the recipe can be changed")


def _with(recipe: Recipe, name: str, other: Recipe) -> Recipe:
    """The recipe with one value of another one."""
    if name not in ("activation", "dropout"):
        return replace(recipe, **{name: getattr(other, name)})
    assert isinstance(other.network, MLP)
    if not isinstance(recipe.network, MLP) or not recipe.network.hidden:
        return recipe
    return replace(recipe, network=replace(recipe.network, **{name: getattr(other.network, name)}))
