"""What `recipes --explain` says of a rule: found by any of its names, all sections, wrapped."""

import json
import re

import pytest

from tenfold.errors import BadInput
from tenfold.recipe import Recipe
from tenfold.recipe.grammar.field_kinds import kinds
from tenfold.recipe.presets import RECIPE_PRESETS
from tenfold.recipe.words.explain import catalogue, explain, explanation
from tenfold.recipe.words.topics import TOPICS
from tenfold.rules.activations import LeakyReLU
from tenfold.rules.normalization import BatchNorm
from tenfold.rules.record import SECTIONS, sections

from ..examples import LAYER, MEMBERS, RULES

ENTRIES = catalogue()


OF_OTHERS = {"weight_decay_schedule", "dropout_schedule"}  # whose rules are those of `decay`


def test_the_catalogue_holds_every_rule_and_layer():
    assert {entry.rule for entry in ENTRIES} == set(RULES)
    assert {(entry.place, entry.name) for entry in ENTRIES if entry.place == "layer"} == {
        ("layer", name) for name in LAYER.names
    }
    assert {entry.place for entry in ENTRIES} == {
        "augment", "rate_factors", "layer", *(path[-1] for path, _ in MEMBERS if path[-1] not in OF_OTHERS)
    }  # fmt: skip
    assert len({(entry.place, entry.name) for entry in ENTRIES}) == len(ENTRIES)


@pytest.mark.parametrize("entry", ENTRIES, ids=lambda entry: f"{entry.place}-{entry.name}")
@pytest.mark.parametrize("width", [60, 100])
def test_every_name_is_explained_in_full(entry, width):
    assert entry.rule in [found.rule for found in explain(entry.name)]
    assert [found.rule for found in explain(entry.rule.__name__)] == [entry.rule]
    text = explanation(entry, width=width)
    assert all(len(line) <= width for line in text.splitlines())
    words = " ".join(text.split())
    said = sections(entry.rule)
    assert said[""] in words
    for word in SECTIONS:
        assert (word not in said) or f"{word} {said[word]}" in words
    for field in kinds(entry.rule):
        assert f"{field}: " in words
    for library in getattr(entry.rule, "PRESETS", {}):
        assert f"{library} (" in words
    assert json.loads(json.dumps(entry.to_dict(), allow_nan=False)) == entry.to_dict()


def test_names_are_found_however_they_are_spelled():
    for name in ("leaky_relu", "LeakyReLU", "leaky relu", "leaky-relu", "LEAKY_RELU"):
        assert [entry.rule for entry in explain(name)] == [LeakyReLU]
    assert [entry.rule for entry in explain("batch_norm")] == [BatchNorm] == [entry.rule for entry in explain("batch")]
    assert [entry.place for entry in explain("none")] == ["preprocess", "normalization", "embedding", "decay"]


def test_the_order_and_the_heading():
    (entry,) = explain("batch_norm")
    text = explanation(entry)
    assert text.startswith("batch (normalization), batch_norm (layer)\n  ")
    (relu,) = explain("relu")
    assert explanation(relu).startswith("relu (activation, layer)\n")
    (conv,) = explain("conv")
    labels = [line[2:14].strip() for line in explanation(conv).splitlines()[2:] if line[2] != " "]
    assert labels == ["Formula", "Shapes", "Defaults", "Options", "Convention", "Claim", "Choose", "Source"]
    assert "Defaults    channels: 32, kernel: 3, stride: 1, padding: same\n" in explanation(conv)
    (residual,) = explain("residual")
    assert residual.to_dict()["defaults"] == {"layers": []}


def test_an_unknown_name_is_refused_with_all_there_are():
    with pytest.raises(BadInput) as caught:
        explain("adma")
    lines = str(caught.value).splitlines()
    assert lines[0] == "unknown name 'adma'; nearest: adam; there are"
    assert len(lines) <= 12
    assert any(line.startswith("  optimizer: sgd, momentum, ") for line in lines)
    assert any(line.startswith("  layer: dense, conv, ") and "relu" not in line for line in lines)
    with pytest.raises(BadInput, match="unknown name '';"):
        explain("")


@pytest.mark.parametrize("topic", TOPICS, ids=lambda topic: topic.name)
def test_values_of_fields_and_presets_are_explained_too(topic):
    assert topic in explain(topic.name.upper())
    text = explanation(topic, width=60)
    assert text.startswith(f"{topic.name} ({topic.place})\n")
    assert max(map(len, text.splitlines())) <= 60
    assert topic.to_dict()["summary"] in " ".join(text.split()).replace("Choose", "")


def test_every_value_of_the_fields_and_every_preset_is_a_topic():
    named = {topic.name for topic in TOPICS}
    assert {"integers", "categories", *RECIPE_PRESETS} <= named
    values = set(re.findall(r"'(\w+)'", Recipe.__annotations__["categories"]))
    assert values == {"one_hot", "target_means", "embedded"} <= named


@pytest.mark.parametrize(
    ("asked", "name"),
    [("glorot", "xavier"), ("Kaiming normal", "he"), ("batch normalization", "batch"), ("BatchNorm2d", "batch"),
     ("sgd with momentum", "momentum"), ("CrossEntropyLoss", "cross_entropy"), ("StandardScaler", "standardize")],
)  # fmt: skip
def test_names_of_courses_and_other_libraries_are_known(asked, name):
    assert [entry.name for entry in explain(asked)] == [name]


@pytest.mark.parametrize(("asked", "place"), [("decay", "decay"), ("learning rate decay", "decay"), ("init", "init")])
def test_a_family_is_answered_with_its_rules(asked, place):
    with pytest.raises(BadInput, match=rf"^{place} has several rules: ") as found:
        explain(asked)
    names = str(found.value).splitlines()[0].split(": ")[1].split(", ")
    assert set(names) == {entry.name for entry in catalogue() if entry.place == place}
