"""Every rule and operation as ONNX: what ONNX Runtime makes of random rows is what the torch module makes of them."""

import typing

import numpy as np
import pytest
import torch
from torch import nn

from tenfold.engine.module import build_module
from tenfold.engine.plan.network import entering_image, plan_recipe
from tenfold.engine.plan.size import Size
from tenfold.errors import BadInput
from tenfold.export.onnx_graph import OnnxGraph
from tenfold.export.onnx_network import add_network
from tenfold.recipe.recipe import Recipe
from tenfold.rules import activations, embeddings, normalization
from tenfold.rules.record import rule_name

runtime = pytest.importorskip("onnxruntime")
TABLE, IMAGE = Size(15, 10, None, 12), Size(64, 10, (8, 8, 1))


def names(union):
    return [rule_name(rule) for rule in typing.get_args(union)]


def chains():
    """Networks of tables and of images, by a label."""
    wide = {"hidden": [32, 16]}
    tables = {name: {**wide, "activation": name} for name in names(activations.Activation)}
    tables |= {
        f"{name} {place}": {**wide, "normalization": name, "normalize": place}
        for name in names(normalization.Normalization)
        for place in ("before", "after")
    }
    tables |= {f"embedding {name}": {**wide, "embedding": name} for name in names(embeddings.Embedding)}
    tables |= {
        "ple with size": {**wide, "embedding": {"ple": {"bins": 5, "size": 3}}},
        "parametric": {**wide, "activation": {"parametric": "mish"}},
        "prelu a channel": {**wide, "activation": {"prelu": {"per": "channel"}}},
        "maxout of 3": {**wide, "activation": {"maxout": 3}},
        "all at once": {
            **wide, "embedding": "pbld", "scale": True, "views": 4, "dropout": 0.1, "normalization": "batch",
            "activation": {"parametric": "selu"},
        },
    }  # fmt: skip
    images = {
        name: ["conv", "batch_norm", name, {"max_pool": 2}, "flatten", {"dense": 9}, "relu"]
        for name in names(activations.Activation)
    }
    images |= {
        "pools": [{"conv": 6}, {"avg_pool": 2}, {"conv": 6}, "layer_norm", "relu", "global_pool"],
        "largest": [{"conv": 8}, {"group_norm": 4}, "relu", {"global_pool": "max"}],
        "strides": [
            {"conv": {"channels": 5, "kernel": 4, "stride": 2, "padding": 1}}, {"max_pool": {"size": 3, "stride": 1}},
        ],
        "residual": [
            {"conv": 6}, {"residual": [{"conv": {"channels": 9, "stride": 2}}, "relu", {"conv": 9}]}, "flatten",
        ],
        "views": [{"conv": 4}, "relu", "flatten", {"views": 3}, {"dropout": 0.1}, {"dense": 9}, "relu"],
    }  # fmt: skip
    found = {f"table, {label}": (network, TABLE) for label, network in tables.items()}
    for label, layers in images.items():
        found[f"image, {label}"] = ({"layers": [{"conv": 6} if layer == "conv" else layer for layer in layers]}, IMAGE)
    return found


def random_module(network, size, dtype):
    recipe = Recipe.from_dict({"network": network})
    rng, steps, arrays = np.random.default_rng(0), plan_recipe(recipe, size), {}
    for number, step in enumerate(steps):
        for slot in step.op.slots():
            array = rng.normal(size=slot.size).astype(dtype) * 0.5
            if slot.kind == "embed_edge":
                array = np.sort(array.reshape(size.numeric, -1), 1).reshape(1, -1)
            arrays[f"{number}.{slot.kind}"] = array[0] if slot.is_vector else array
        if step.op.moment_width:
            gamma = arrays[f"{number}.gamma"]
            arrays[f"{number}.running_mean"] = rng.normal(size=gamma.size).astype(dtype)
            arrays[f"{number}.running_var"] = rng.uniform(0.5, 2, gamma.size).astype(dtype)
    return build_module(steps, arrays, entering_image(recipe.network, size))


def in_onnx(module, width, kind):
    graph = OnnxGraph(["x"])
    out = add_network(graph, module, graph.input("x", kind, ["rows", width]), width)
    graph.output("y", out, kind, ["rows", "outputs"])
    return runtime.InferenceSession(graph.model("", {}).SerializeToString())


@pytest.mark.parametrize("label", chains())
def test_a_network_predicts_the_same_for_any_number_of_rows(label):
    network, size = chains()[label]
    module = random_module(network, size, np.float32)
    session = in_onnx(module, size.inputs, "FLOAT")
    for rows in (1, 7, 101, 202):
        x = np.random.default_rng(rows).normal(size=(rows, size.inputs)).astype(np.float32)
        with torch.no_grad():
            expected = module(torch.from_numpy(x)).numpy()
        (found,) = session.run(None, {"x": x})
        np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5 * np.abs(expected).max())


def test_a_step_without_a_counterpart_is_named():
    class Sorted(nn.Module):
        def forward(self, x):
            return x.sort(-1)[0]

    with pytest.raises(BadInput, match="does not know: sort"):
        in_onnx(nn.Sequential(nn.Linear(4, 4), Sorted()), 4, "FLOAT")
