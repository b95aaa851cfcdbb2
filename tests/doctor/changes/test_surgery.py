"""Changes of a network from outside against the same network written by hand."""

import copy
import math

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from tenfold.doctor.changes.surgery import (
    bare,
    dealt_anew,
    normalize,
    rectify,
    reinitialize,
    with_units,
    without_dropout,
)
from tenfold.doctor.measure.watching.trace import operations, tracing
from tenfold.doctor.record import following, output_activations, weighted

X = torch.randn(7, 6, generator=torch.Generator().manual_seed(0))
IMAGES = torch.randn(5, 2, 6, 6, generator=torch.Generator().manual_seed(1))


def dense(*last):
    torch.manual_seed(3)
    return nn.Sequential(nn.Linear(6, 8), nn.Sigmoid(), nn.Dropout(0.4), nn.Linear(8, 8), nn.Linear(8, 3), *last)


def changed(model, x, changes):
    with torch.no_grad(), tracing(model, changes=changes(operations(model, (x,), {}))):
        return model(x)


def test_places_of_weights_and_of_the_activations_behind_them():
    found = operations(dense(nn.ReLU(), nn.Softmax(1)), (X,), {})
    assert weighted(found) == [0, 3, 4]
    assert [following(found, place) for place in weighted(found)] == [1, None, 5]
    assert output_activations(found) == [5, 6]
    assert output_activations([]) == []


def test_rectified_there_is_relu_behind_every_hidden_layer():
    model = dense(nn.Tanh()).eval()
    by_hand = nn.Sequential(model[0], nn.ReLU(), model[3], nn.ReLU(), model[4], nn.Tanh())
    assert torch.allclose(changed(model, X, rectify), by_hand(X), atol=1e-6)


def test_rectified_twice_used_and_in_place_activations():
    class Twice(nn.Module):
        def __init__(self):
            super().__init__()
            self.one, self.two, self.act = nn.Linear(6, 6), nn.Linear(6, 2), nn.Tanh()

        def forward(self, x):
            h = self.one(self.act(self.one(x)))
            h.sigmoid_()
            return self.two(h)

    model = Twice()
    h = F.relu(model.one(F.relu(model.one(X))))
    assert torch.allclose(changed(model, X, rectify), model.two(h), atol=1e-6)


def test_softmax_between_layers_stays_for_it_may_be_attention():
    model = nn.Sequential(nn.Linear(6, 8), nn.Softmax(1), nn.Linear(8, 3))
    assert torch.equal(changed(model, X, rectify), model(X))


def test_without_what_stands_behind_the_output():
    model = dense(nn.ReLU(), nn.Softmax(1)).eval()
    assert torch.allclose(changed(model, X, bare), model[:5](X), atol=1e-6)


def test_without_dropout_training_is_as_evaluation():
    model = dense().train()
    assert torch.allclose(changed(model, X, without_dropout), copy.deepcopy(model).eval()(X), atol=1e-6)


def test_normalized_each_row_has_mean_0_and_variance_1_behind_every_hidden_layer():
    model = dense(nn.Tanh()).eval()
    norm = nn.LayerNorm(8)
    by_hand = nn.Sequential(model[0], norm, nn.Sigmoid(), model[3], norm, model[4], nn.Tanh())
    assert torch.allclose(changed(model, X, lambda ops: normalize(ops, {})), by_hand(X), atol=1e-6)
    both = nn.Sequential(model[0], norm, nn.ReLU(), model[3], nn.ReLU(), norm, model[4], nn.Tanh())
    assert torch.allclose(changed(model, X, lambda ops: normalize(ops, rectify(ops))), both(X), atol=1e-6)


def test_normalized_convolutions_are_so_over_channels_and_places():
    model = nn.Sequential(nn.Conv2d(2, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(64, 3))
    by_hand = nn.Sequential(model[0], nn.LayerNorm((4, 4, 4)), *model[1:])
    assert torch.allclose(changed(model, IMAGES, lambda ops: normalize(ops, {})), by_hand(IMAGES), atol=1e-6)


def test_another_output_layer():
    model = dense().eval()
    weight, bias = torch.randn(5, 8), torch.randn(5)
    found = changed(model, X, lambda ops: with_units(ops, weight, bias))
    assert torch.allclose(found, F.linear(model[:4](X), weight, bias), atol=1e-6)


def test_another_output_layer_of_a_product_with_a_bias_in_front():
    class Added(nn.Module):
        def __init__(self):
            super().__init__()
            self.weight, self.bias = nn.Parameter(torch.randn(6, 3)), nn.Parameter(torch.randn(3))

        def forward(self, x):
            return torch.addmm(self.bias, x, self.weight)

    weight, bias = torch.randn(5, 6), torch.randn(5)
    assert torch.allclose(changed(Added(), X, lambda ops: with_units(ops, weight, bias)), F.linear(X, weight, bias))


STARTS = [
    (nn.ReLU, math.sqrt(2)), (nn.LeakyReLU, math.sqrt(2)), (nn.Tanh, 1.1), (nn.Sigmoid, 1.0), (nn.ELU, 1.25),
    (nn.Identity, 1.0),
]  # fmt: skip


@pytest.mark.parametrize(("activation", "gain"), STARTS)
def test_right_weights_have_the_std_that_fan_in_and_activation_ask_for(activation, gain):
    model = nn.Sequential(nn.Linear(200, 300), activation(), nn.BatchNorm1d(300), nn.Linear(300, 100))
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.fill_(9.0)
    ops = operations(model, (torch.randn(4, 200),), {})
    reinitialize(model, ops)
    for weight, std in ((model[0].weight, gain / math.sqrt(200)), (model[-1].weight, 1 / math.sqrt(300))):
        bound = 5 / math.sqrt(2 * weight.numel())
        assert float(weight.detach().square().mean().sqrt()) == pytest.approx(std, rel=bound)
        assert abs(float(weight.detach().mean())) < 5 * std / math.sqrt(weight.numel())
    assert all(not layer.bias.detach().any() for layer in (model[0], model[2], model[3]))
    assert bool((model[2].weight == 1).all())


def test_right_weights_for_another_activation_that_will_be_there():
    model = nn.Sequential(nn.Linear(200, 300), nn.Sigmoid(), nn.Linear(300, 100))
    reinitialize(model, operations(model, (torch.randn(4, 200),), {}), "relu")
    bound = 5 / math.sqrt(2 * 60_000)
    assert float(model[0].weight.detach().std()) == pytest.approx(math.sqrt(2 / 200), rel=bound)


def test_right_weights_of_convolutions_and_of_products():
    class Product(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv, self.weight = nn.Conv2d(8, 40, 3), nn.Parameter(torch.zeros(640, 200))
            self.out = nn.Linear(200, 2)

        def forward(self, x):
            return self.out(F.relu(F.relu(self.conv(x)).flatten(1) @ self.weight))

    model = Product()
    reinitialize(model, operations(model, (torch.randn(3, 8, 6, 6),), {}))
    for weight, fan_in in ((model.conv.weight, 72), (model.weight, 640)):
        bound = 5 / math.sqrt(2 * weight.numel())
        assert float(weight.detach().std()) == pytest.approx(math.sqrt(2 / fan_in), rel=bound)


class Words(nn.Module):
    def __init__(self):
        super().__init__()
        self.words, self.lstm = nn.Embedding(50, 16), nn.LSTM(16, 16, batch_first=True)
        self.attention = nn.MultiheadAttention(16, 2, batch_first=True)
        self.up, self.out = nn.ConvTranspose1d(16, 16, 1), nn.Linear(16, 2)

    def forward(self, x):
        h = self.lstm(self.words(x))[0]
        h = self.attention(h, h, h)[0]
        return self.out(self.up(h.transpose(1, 2)).mean(2))


def test_other_modules_start_as_they_do_by_themselves():
    model, x = Words(), torch.randint(0, 50, (4, 9), generator=torch.Generator().manual_seed(0))
    ops = operations(model, (x,), {})
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.fill_(9.0)
    reinitialize(model, ops)
    sizes = {name: float(p.detach().std()) for name, p in model.named_parameters() if p.dim() > 1}
    assert sizes["words.weight"] == pytest.approx(1.0, rel=0.15)
    for name in ("lstm.weight_ih_l0", "lstm.weight_hh_l0"):  # uniform up to 1 / sqrt(16)
        assert sizes[name] == pytest.approx(0.25 / math.sqrt(3), rel=0.15)
    assert sizes["attention.in_proj_weight"] == pytest.approx(math.sqrt(2 / (16 + 48)), rel=0.15)  # Glorot
    assert 0.05 < sizes["up.weight"] < 0.3


def test_right_weights_are_the_same_for_a_seed_and_leave_the_random_state():
    state, drawn = torch.get_rng_state(), []
    for seed in (0, 0, 1):
        model = Words()
        torch.set_rng_state(state)
        reinitialize(model, operations(model, (torch.zeros(2, 3).long(),), {}), "", seed)
        drawn.append(torch.cat([p.detach().flatten() for p in model.parameters()]))
        assert torch.equal(torch.get_rng_state(), state)
    assert torch.equal(drawn[0], drawn[1])
    assert not torch.equal(drawn[0], drawn[2])


def test_a_shared_weight_is_drawn_once():
    model = nn.Sequential(nn.Linear(6, 6), nn.ReLU(), nn.Linear(6, 6), nn.Linear(6, 2))
    model[2].weight = model[0].weight
    reinitialize(model, operations(model, (X,), {}))
    expected = torch.randn(6, 6, generator=torch.Generator().manual_seed(0)) * math.sqrt(2) / math.sqrt(6)
    assert torch.allclose(model[0].weight, expected)


def test_dealt_anew_every_row_keeps_its_weights_and_equal_rows_stay_equal():
    model = nn.Sequential(nn.Conv2d(2, 5, 3), nn.BatchNorm2d(5), nn.Flatten(), nn.Linear(80, 4), nn.Embedding(7, 3))
    with torch.no_grad():
        model[3].weight[1] = model[3].weight[2]
        model[3].weight[3] = 0.25
    before = [p.detach().clone() for p in model.parameters()]
    dealt_anew(model, 1)
    for one, two in zip(before, model.parameters(), strict=True):
        if one.dim() < 2:
            assert torch.equal(one, two)
            continue
        assert torch.equal(one.flatten(1).sort(1).values, two.detach().flatten(1).sort(1).values)
        assert not torch.equal(one, two)
    assert torch.equal(model[3].weight[1], model[3].weight[2])
    assert bool((model[3].weight[3] == 0.25).all())
    other = [p.detach().clone() for p in model.parameters()]
    dealt_anew(model, 2)
    assert any(not torch.equal(a, b) for a, b in zip(other, model.parameters(), strict=True))
