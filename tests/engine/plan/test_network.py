"""Networks as lists of operations: shapes, parameters, biases, gains, and what does not fit."""

import pytest
import torch
from hypothesis import given, settings, strategies as st
from torch import nn

from tenfold.engine.operations.activation import ActivationOp
from tenfold.engine.operations.convolution import ConvOp
from tenfold.engine.operations.dense import DenseOp
from tenfold.engine.operations.dropout import DropoutOp
from tenfold.engine.operations.flatten import FlattenOp
from tenfold.engine.operations.global_pooling import GlobalPoolOp
from tenfold.engine.operations.maxout import MaxoutOp
from tenfold.engine.operations.normalization import NormalizeOp
from tenfold.engine.operations.operation import PlannedOp
from tenfold.engine.operations.pooling import PoolOp
from tenfold.engine.operations.prelu import PReLUOp
from tenfold.engine.operations.residual import ResidualBegin, ResidualEnd
from tenfold.engine.plan.network import entering_image, plan_network
from tenfold.engine.plan.size import Size
from tenfold.errors import BadInput
from tenfold.recipe.layers import AvgPool, Conv, Dense, MaxPool
from tenfold.recipe.network import MLP, Layers
from tenfold.rules.activations import Maxout, ReLU, Tanh

IMAGE = (9, 8, 3)


def plan(layers, image=IMAGE, outputs=4):
    inputs = image if isinstance(image, int) else image[0] * image[1] * image[2]
    return plan_network(Layers(layers=layers), Size(inputs, outputs, None if isinstance(image, int) else image))


def ops(*arguments, **keywords):
    return [step.op for step in plan(*arguments, **keywords)]


def test_a_perceptron():
    steps = plan_network(MLP(hidden=(5, 6), activation="tanh", dropout=0.5), Size(7, 2))
    assert [step.op for step in steps] == [
        DropoutOp(7, False), DenseOp(7, 5, True), ActivationOp(5), DropoutOp(5, False), DenseOp(5, 6, True),
        ActivationOp(6), DropoutOp(6, False), DenseOp(6, 2, True, output=True),
    ]  # fmt: skip
    assert [step.gain for step in steps] == [1, Tanh.gain, 1, 1, Tanh.gain, 1, 1, 1]
    assert steps[-1] == PlannedOp(DenseOp(6, 2, True, output=True))
    assert ops([], image=7) == [DenseOp(7, 4, True, output=True)]
    image = plan_network(MLP(hidden=(5,)), Size(216, 2, IMAGE))
    assert image == plan_network(MLP(hidden=(5,)), Size(216, 2))
    assert entering_image(MLP(hidden=(5,)), Size(216, 2, IMAGE)) is None


def test_normalization_stands_where_it_is_asked_to_and_removes_the_bias_in_front_of_it():
    before = plan_network(MLP(hidden=(5,), normalization="batch"), Size(7, 2))
    assert [step.op for step in before][1:4] == [DenseOp(7, 5, False), NormalizeOp(5, 0), ActivationOp(5)]
    after = plan_network(MLP(hidden=(5,), normalization="batch", normalize="after"), Size(7, 2))
    assert [step.op for step in after][1:4] == [DenseOp(7, 5, True), ActivationOp(5), NormalizeOp(5, 0)]
    assert ops([{"dense": 6}, "layer_norm"], image=7)[:2] == [DenseOp(7, 6, True), NormalizeOp(6, 1)]
    assert ops([{"dense": 6}, {"group_norm": 3}], image=7)[1] == NormalizeOp(6, 3)
    assert ops([{"conv": 4}, "batch_norm"])[0] == ConvOp(IMAGE, (9, 8, 4), 3, 1, 1, False)
    assert ops([{"conv": 4}, "relu", "batch_norm"])[0] == ConvOp(IMAGE, (9, 8, 4), 3, 1, 1, True)


def test_every_layer_on_images():
    layers = [
        "batch_norm", {"conv": {"channels": 4, "kernel": 5, "stride": 2}}, {"channel_dropout": 0.1}, "prelu",
        {"max_pool": 2}, {"dropout": 0.1}, {"avg_pool": {"size": 2, "stride": 1}}, "flatten", {"dense": 5}, "relu",
    ]  # fmt: skip
    assert ops(layers) == [
        NormalizeOp(IMAGE, 0), ConvOp(IMAGE, (5, 4, 4), 5, 2, 2, True), DropoutOp((5, 4, 4), True),
        PReLUOp((5, 4, 4), 1),
        PoolOp((5, 4, 4), (2, 2, 4), "max", 2, 2), DropoutOp((2, 2, 4), False),
        PoolOp((2, 2, 4), (1, 1, 4), "average", 2, 1),
        FlattenOp((1, 1, 4)), DenseOp(4, 5, True), ActivationOp(5), DenseOp(5, 4, True, output=True),
    ]  # fmt: skip
    assert entering_image(Layers(layers=layers), Size(216, 4, IMAGE)) == IMAGE
    pooled = ops([{"conv": 4}, {"global_pool": "max"}])
    assert pooled[1:] == [GlobalPoolOp((9, 8, 4), "max"), DenseOp(4, 4, True, output=True)]
    assert ops([{"conv": 4}])[1:] == [FlattenOp((9, 8, 4)), DenseOp(288, 4, True, output=True)]
    assert ops([{"conv": 4}, {"dense": 5}])[1:3] == [FlattenOp((9, 8, 4)), DenseOp(288, 5, True)]
    assert ops(["flatten", {"dense": 5}])[0] == DenseOp(216, 5, True)
    assert ops([{"conv": 4}, {"prelu": {"per": "channel"}}])[1] == PReLUOp((9, 8, 4), 4)


def test_values_stand_beside_the_operations():
    steps = plan([{"conv": 4}, {"leaky_relu": 0.2}, {"dropout": 0.3}])
    assert [step.layer for step in steps[:3]] == list(
        Layers(layers=[{"conv": 4}, {"leaky_relu": 0.2}, {"dropout": 0.3}]).layers
    )
    other = plan([{"conv": 4}, "tanh", {"dropout": 0.1}])
    assert [step.op for step in steps] == [step.op for step in other]


def test_maxout_widens_the_layer_in_front_of_it():
    found = ops([{"dense": 5}, "batch_norm", {"maxout": 3}, {"dense": 2}, "relu"], image=7)
    assert found[:4] == [DenseOp(7, 5, False, 3), NormalizeOp(15, 0), MaxoutOp(5, 3), DenseOp(5, 2, True)]
    found = ops([{"conv": 5}, {"maxout": 2}])
    assert found[:2] == [ConvOp(IMAGE, (9, 8, 5), 3, 1, 1, True, 2), MaxoutOp((9, 8, 5), 2)]
    assert found[0].parameter_count == (3 * 9 + 1) * 10
    assert found[0].output_count == 9 * 8 * 10
    for layers, place in (
        ([{"dense": 5}, "relu", "maxout"], 2),
        ([{"dense": 5}, {"residual": ["maxout"]}], "1].layers[0"),
    ):
        with pytest.raises(BadInput, match="maxout without the layer whose pieces it compares") as caught:
            plan(layers, image=7)
        assert str(caught.value).startswith(f"network.layers[{place}]: ")


def test_residual_blocks():
    same = ops([{"conv": 3}, {"residual": [{"conv": 3}, "relu"]}, "relu"])
    assert same[1:5] == [
        ResidualBegin(IMAGE),
        ConvOp(IMAGE, IMAGE, 3, 1, 1, True),
        ActivationOp(IMAGE),
        ResidualEnd(None, IMAGE),
    ]
    wider = ops([{"residual": [{"conv": {"channels": 6, "stride": 2}}, {"residual": ["relu"]}]}])
    down = (5, 4, 6)
    assert wider[0] == ResidualBegin(IMAGE)
    assert wider[2:5] == [ResidualBegin(down), ActivationOp(down), ResidualEnd(None, down)]
    assert wider[5] == ResidualEnd(ConvOp(IMAGE, down, 1, 2, 0, bias=False), down)
    assert wider[5].parameter_count == 3 * 6
    flat = ops([{"dense": 5}, {"residual": [{"dense": 6}, "relu"]}], image=7)
    assert flat[-2] == ResidualEnd(DenseOp(5, 6, bias=False), 6)
    assert ops([{"residual": ["relu"]}, {"conv": 2}])[0] == ResidualBegin(IMAGE)


def test_gains_are_those_of_the_next_activation():
    layers = [{"conv": 4}, "batch_norm", {"max_pool": 2}, "relu", {"conv": 4}, {"conv": 4}, {"dropout": 0.1}, "tanh"]
    gains = [
        step.gain for step in plan([*layers, {"dense": 3}, {"maxout": 2}]) if isinstance(step.op, ConvOp | DenseOp)
    ]
    assert gains == [ReLU.gain, 1, Tanh.gain, Maxout(pieces=2).gain, 1]


@pytest.mark.parametrize(
    ("layers", "image", "expected"),
    [
        ([{"dense": 3}, "relu", "conv"], IMAGE, "network.layers[2]: conv needs an image; here is a row of 3 numbers"),
        (["conv"], 20, "network.layers[0]: conv needs an image; here is a row of 20 numbers"),
        ([{"dropout": 0.1}, "global_pool"], 20, "network.layers[1]: global_pool needs an image"),
        (["relu", "dense"], 20, "network.layers[0]: relu is the first layer on a row of numbers"),
        ([{"residual": ["dense"]}], 20, "network.layers[0]: residual is the first layer"),
        ([{"conv": 3}, "global_pool", "max_pool"], IMAGE, "network.layers[2]: max_pool needs an image"),
        ([{"max_pool": 9}], IMAGE, "network.layers[0]: a window of 9 x 9 on an image of 9 x 8 x 3"),
        (
            [{"conv": 3}, {"residual": [{"max_pool": 8}, {"max_pool": 2}]}],
            IMAGE,
            "network.layers[1].layers[1]: a window",
        ),
        (
            [{"residual": ["conv", "flatten"]}],
            IMAGE,
            "network.layers[0]: its layers turn an image into a row of numbers",
        ),
        (
            [{"residual": [{"conv": {"kernel": 4, "padding": 0}}]}],
            IMAGE,
            "network.layers[0]: its layers turn 9 x 8 x 3 into 6 x 5 x 32",
        ),
        ([{"conv": 6}, {"group_norm": 4}], IMAGE, "network.layers[1]: 4 groups of 6 features"),
    ],
)
def test_what_does_not_fit_is_refused_with_its_layer(layers, image, expected):
    with pytest.raises(BadInput) as caught:
        plan(layers, image=image)
    assert str(caught.value).startswith(expected)


def test_counts_of_the_small_ones():
    assert DropoutOp(5, False).draws == (16,)
    assert DropoutOp(IMAGE, False).draws == IMAGE
    assert DropoutOp(IMAGE, True).draws == (1, 1, 3)
    assert NormalizeOp(IMAGE, 0).parameter_count == 6
    assert PReLUOp(IMAGE, 3).parameter_count == 3
    assert (
        ActivationOp(5).parameter_count
        == ResidualEnd(None, 5).parameter_count
        == ResidualEnd(None, 5).output_count
        == 0
    )
    assert GlobalPoolOp(IMAGE, "max").output_count == 3
    assert FlattenOp(IMAGE).output_count == ResidualBegin(IMAGE).output_count == 216


windows = st.builds(
    Conv, channels=st.integers(1, 4), kernel=st.sampled_from([1, 3, 5]), stride=st.integers(1, 3),
    padding=st.sampled_from(["same", 0, 1]),
) | st.builds(MaxPool, size=st.integers(1, 3), stride=st.none() | st.integers(1, 3)) | st.builds(AvgPool)  # fmt: skip


def as_torch(layer, channels):
    if isinstance(layer, Conv):
        padding = layer.kernel // 2 if layer.padding == "same" else layer.padding
        return nn.Conv2d(channels, layer.channels, layer.kernel, layer.stride, padding)
    return (nn.MaxPool2d if isinstance(layer, MaxPool) else nn.AvgPool2d)(layer.size, layer.stride)


@settings(max_examples=60, deadline=None)
@given(st.lists(windows, min_size=1, max_size=4), st.integers(1, 12), st.integers(1, 12), st.integers(1, 3))
def test_shapes_and_parameters_are_those_of_torch(layers, height, width, channels):
    x = torch.zeros(1, channels, height, width)
    shapes, parameters, fits = [], 0, True
    for layer in layers:
        module = as_torch(layer, x.shape[1])
        try:
            x = module(x)
        except RuntimeError:
            fits = False
            break
        shapes.append((x.shape[2], x.shape[3], x.shape[1]))
        parameters += sum(p.numel() for p in module.parameters())
    if not fits:
        with pytest.raises(BadInput, match=f"network.layers.{len(shapes)}.: a window"):
            plan([*layers, Dense(units=2)], image=(height, width, channels))
        return
    found = ops(layers, image=(height, width, channels), outputs=2)
    assert [op.to for op in found if isinstance(op, ConvOp | PoolOp)] == shapes
    assert [op.output_count for op in found if isinstance(op, ConvOp | PoolOp)] == [h * w * c for h, w, c in shapes]
    assert sum(op.parameter_count for op in found[:-2]) == parameters
    assert found[-1] == DenseOp(x.numel(), 2, True, output=True)
