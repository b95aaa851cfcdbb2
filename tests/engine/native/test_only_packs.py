"""What only packs train is what docs/compiled.md says: of everything that a recipe can name, the rest is compiled."""

import dataclasses
import re
import typing
from pathlib import Path

from tenfold.engine.native import network
from tenfold.engine.native.network import MOST_OPEN, only_packs_know
from tenfold.engine.operations import OPERATIONS
from tenfold.engine.operations.operation import NetworkOperation
from tenfold.engine.plan.size import Size
from tenfold.recipe.layers import ChannelDropout, Flatten
from tenfold.recipe.recipe import Recipe
from tenfold.rules.activations import Activation
from tenfold.rules.losses import Loss
from tenfold.rules.normalization import Normalization
from tenfold.rules.optimizers import Optimizer
from tenfold.rules.record import rule_name

ROOT = Path(__file__).parents[3]
PLAIN = Recipe.from_dict({"network": {"hidden": [8, 16]}, "batch_size": "full"})
IMAGES = Size(36, 3, (6, 6, 1))


def left(recipe, outputs=3, size=None):
    return only_packs_know(recipe, size or Size(5, outputs), classification=outputs > 1)


def published():
    """The words of the section's list."""
    page = (ROOT / "docs/compiled.md").read_text(encoding="utf-8")
    section = page.split("## What they train\n")[1].split("\n## ")[0]
    items = section[section.index("\n- ") :].split("\n\n")[0]
    return set(re.findall(r"`([a-z_]+)`", items))


def test_the_list_is_what_packs_alone_know():
    layers = {layer for layer, made in OPERATIONS.items() if made.compiled is NetworkOperation.compiled}
    found = {rule_name(layer) for layer in layers - {Flatten} | {ChannelDropout}}  # flatten is behind one of the others
    for rule in typing.get_args(Optimizer):
        if left(dataclasses.replace(PLAIN, optimizer=rule())):
            found.add(rule_name(rule))
    for rule in typing.get_args(Loss):
        if left(dataclasses.replace(PLAIN, loss=rule()), outputs=3 if rule.task == "classification" else 1):
            found.add(rule_name(rule))
    for field, rules in (("activation", Activation), ("normalization", Normalization)):
        for rule in typing.get_args(rules):
            made = dataclasses.replace(PLAIN.network, **{field: rule()})
            if left(dataclasses.replace(PLAIN, network=made)):
                found.add(rule_name(rule))
    augmented = Recipe.from_dict({"network": {"hidden": [4]}, "augment": {"flip": True}})
    assert left(augmented, size=IMAGES) == "augment"
    assert found | {"augment"} == published()


def test_images_that_enter_as_images_and_those_that_enter_as_rows():
    assert left(PLAIN, size=IMAGES) == ""
    firsts = [
        ("flatten", ""),
        *((first, "convolutions") for first in ({"conv": 4}, {"channel_dropout": 0.2}, "max_pool")),
    ]
    for first, why in firsts:
        recipe = Recipe.from_dict({"network": {"layers": [first, {"dense": 4}]}})
        assert left(recipe, size=IMAGES) == why, first


def test_blocks_in_one_another_are_left_to_packs_beyond_what_the_sources_hold():
    def nested(depth):
        layers = [{"dense": 4}]
        for _ in range(depth):
            layers = [{"dense": 4}, {"residual": layers}]
        return Recipe.from_dict({"network": {"layers": layers}})

    assert left(nested(MOST_OPEN)) == ""
    assert left(nested(MOST_OPEN + 1)) == f"more than {MOST_OPEN} residual blocks in one another"
    header = (Path(network.__file__).parent / "source/network.h").read_text(encoding="utf-8")
    assert f"MOST_OPEN = {MOST_OPEN};" in header
