"""The operations of a forward pass, against networks whose operations are known, and replaced by hand."""

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from tenfold.doctor.measure.watching.trace import Operation, first_tensor, operations, tracing


def parameters(seed=0):
    generator = torch.Generator().manual_seed(seed)
    return [torch.randn(size, generator=generator) * 0.3 for size in ((8, 6), (8,), (3, 8), (3,))]


def filled(module, tensors):
    with torch.no_grad():
        for parameter, tensor in zip(module.parameters(), tensors, strict=True):
            parameter.copy_(tensor)
    return module


class Functional(nn.Module):
    """Linear, activation, linear without modules. way: how it is written."""

    def __init__(self, way):
        super().__init__()
        self.way = way
        self.w1, self.b1, self.w2, self.b2 = (nn.Parameter(p) for p in parameters())
        if way in ("matmul", "addmm"):
            self.w1, self.w2 = nn.Parameter(self.w1.T.contiguous()), nn.Parameter(self.w2.T.contiguous())

    def forward(self, x):
        if self.way == "matmul":
            return torch.tanh(x @ self.w1 + self.b1) @ self.w2 + self.b2
        if self.way == "addmm":
            return torch.addmm(self.b2, torch.addmm(self.b1, x, self.w1).tanh(), self.w2)
        if self.way == "transposed":
            return torch.matmul((x @ self.w1.T + self.b1).tanh(), self.w2.t()) + self.b2
        h = F.linear(x, self.w1, self.b1)
        if self.way == "method in place":
            h.tanh_()
        elif self.way == "function in place":
            torch.tanh_(h)
        else:
            h = torch.tanh(h)
        return F.linear(h, self.w2, self.b2)


WAYS = ("functional", "method in place", "function in place", "matmul", "addmm", "transposed")


def network(way):
    if way == "modules":
        return filled(nn.Sequential(nn.Linear(6, 8), nn.Tanh(), nn.Linear(8, 3)), parameters())
    return Functional(way)


def told(model, *inputs, **keywords):
    return [(op.kind, op.rule, op.units, op.fan_in) for op in operations(model, inputs, keywords)]


@pytest.mark.parametrize("way", ["modules", *WAYS])
def test_the_same_network_has_the_same_operations_however_it_is_written(way):
    x = torch.randn(5, 6, generator=torch.Generator().manual_seed(1))
    expected = [("linear", "linear", 8, 6), ("activation", "tanh", 8, 0), ("linear", "linear", 3, 8)]
    assert told(network(way), x) == expected
    w1, b1, w2, b2 = parameters()
    assert torch.allclose(network(way)(x), torch.tanh(x @ w1.T + b1) @ w2.T + b2, atol=1e-6)
    with torch.no_grad(), tracing(network(way)) as tracer:
        traced = tracer is not None and network(way)(x)
    assert torch.allclose(traced, network(way)(x), atol=1e-6)  # tracing changes nothing


@pytest.mark.parametrize("way", ["modules", *WAYS])
@pytest.mark.parametrize("place", [0, 1, 2])
def test_replacing_an_operation_equals_the_network_with_it_replaced_by_hand(way, place):
    x = torch.randn(5, 6, generator=torch.Generator().manual_seed(1))
    w1, b1, w2, b2 = parameters()
    changes = [lambda call: torch.full((5, 8), 0.3), lambda call: F.relu(call.args[0]), lambda call: torch.ones(5, 3)]
    with torch.no_grad(), tracing(model := network(way), changes={place: changes[place]}):
        found = model(x)
    split = way in ("matmul", "transposed")  # the bias is added behind the operation
    hidden = torch.full((5, 8), 0.3) + (b1 if split else 0) if place == 0 else x @ w1.T + b1
    hidden = torch.relu(hidden) if place == 1 else torch.tanh(hidden)
    expected = torch.ones(5, 3) + (b2 if split else 0) if place == 2 else hidden @ w2.T + b2
    assert torch.allclose(found, expected, atol=1e-6)


def test_modules_and_functions_carry_their_names():
    class Two(nn.Module):
        def __init__(self):
            super().__init__()
            self.body = nn.Sequential(nn.Linear(6, 8), nn.ReLU(inplace=True))
            self.out = nn.Linear(8, 2, bias=False)

        def forward(self, x):
            return F.softmax(F.relu(F.relu(self.out(self.body(x)))), 1)

    found = operations(Two(), (torch.randn(4, 6),), {})
    assert [op.name for op in found] == ["body.0", "body.1", "out", "relu", "relu (2)", "softmax"]
    assert [(op.weight, op.bias) for op in found[:3]] == [
        ("body.0.weight", "body.0.bias"),
        ("", ""),
        ("out.weight", ""),
    ]


def test_an_activation_in_place_is_seen_and_left_as_it_is_for_the_user():
    model = nn.Sequential(nn.Linear(6, 8), nn.ReLU(inplace=True), nn.Linear(8, 2))
    x, before = torch.randn(4, 6), []
    with torch.no_grad(), tracing(model, every=lambda call: before.append(call.output.clone())):
        model(x)
    assert torch.allclose(before[0], F.linear(x, model[0].weight, model[0].bias), atol=1e-6)
    assert torch.equal(before[1], before[0].relu())
    assert model[1].inplace


class Residual(nn.Module):
    def __init__(self):
        super().__init__()
        self.one, self.two = nn.Linear(6, 6), nn.Linear(6, 6)

    def forward(self, x):
        h = self.one(x)
        h += x
        h.sigmoid_()
        h = self.two(h)
        h.add_(x)
        return h


def test_what_is_changed_in_place_later_is_kept_as_it_was():
    model, x, seen = Residual(), torch.randn(4, 6), []
    with tracing(model, every=seen.append):
        output = model(x)
    one = F.linear(x, model.one.weight, model.one.bias)
    squashed = torch.sigmoid(one + x)
    two = F.linear(squashed, model.two.weight, model.two.bias)
    for call, expected in zip(seen, (one, squashed, two), strict=True):
        assert torch.allclose(call.output, expected, atol=1e-6)
    assert torch.allclose(seen[1].args[0], one + x, atol=1e-6)
    assert torch.allclose(output, two + x, atol=1e-6)
    assert torch.allclose(model(x), output, atol=1e-6)


def test_convolution_norm_pool_and_dropout():
    model = nn.Sequential(
        nn.Conv2d(3, 4, 3, padding=1),
        nn.BatchNorm2d(4),
        nn.LeakyReLU(),
        nn.MaxPool2d(2),
        nn.Conv2d(4, 6, 1, bias=False),
        nn.GroupNorm(2, 6),
        nn.GELU(),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Dropout(0.3),
        nn.Linear(6, 2),
    )
    found = operations(model, (torch.randn(5, 3, 8, 8),), {})
    assert [(op.kind, op.rule, op.units, op.fan_in) for op in found] == [
        ("conv", "conv", 4, 27), ("normalization", "batch_norm", 4, 0), ("activation", "leaky_relu", 4, 0),
        ("pool", "max_pool2d", 4, 0), ("conv", "conv", 6, 4), ("normalization", "group_norm", 6, 0),
        ("activation", "gelu", 6, 0), ("pool", "adaptive_avg_pool2d", 6, 0), ("dropout", "dropout", 6, 0),
        ("linear", "linear", 2, 6),
    ]  # fmt: skip
    assert [op.rate for op in found if op.kind == "dropout"] == [0.3]
    assert (found[1].weight, found[1].bias) == ("1.weight", "1.bias")
    assert found[4].bias == ""


def test_recurrent_embedding_and_attention_are_one_operation_each():
    class Words(nn.Module):
        def __init__(self):
            super().__init__()
            self.words, self.lstm = nn.Embedding(10, 4), nn.LSTM(4, 5, batch_first=True)
            self.encoder = nn.TransformerEncoderLayer(4, 2, 16, dropout=0.1, batch_first=True)
            self.out = nn.Linear(5, 2)

        def forward(self, x):
            return self.out(self.lstm(self.encoder(self.words(x)))[0][:, -1])

    x = torch.randint(0, 10, (3, 7), generator=torch.Generator().manual_seed(0))
    kinds = [
        "embedding", "attention", "dropout", "normalization", "linear", "activation", "dropout", "linear", "dropout",
        "normalization", "recurrent", "linear",
    ]  # fmt: skip
    for training in (True, False):  # the fused path of evaluation hides nothing
        found = operations(Words().train(training), (x,), {})
        assert [op.kind for op in found] == kinds
    assert (found[-2].rule, found[-2].units, found[-2].fan_in, found[-2].weight) == ("lstm", 5, 4, "lstm.weight_ih_l0")


def test_shared_weights_are_seen_at_every_use():
    class Shared(nn.Module):
        def __init__(self):
            super().__init__()
            self.one = nn.Linear(6, 6)
            self.two = nn.Linear(6, 6)
            self.two.weight = self.one.weight

        def forward(self, x):
            return self.two(torch.sigmoid(self.one(torch.sigmoid(self.one(x)))))

    found = operations(Shared(), (torch.randn(4, 6),), {})
    assert [op.name for op in found] == ["one", "sigmoid", "one (2)", "sigmoid (2)", "two"]
    assert len({op.weight for op in found if op.kind == "linear"}) == 1


def test_a_square_is_an_activation_of_units_and_whole_numbers_are_none():
    class Squared(nn.Module):
        def forward(self, x, index):
            index = index * index  # whole numbers
            total = (x.sum() ** 2) * 0  # no rows of units
            return (x**2 + x * x + total)[index]

    found = operations(Squared(), (torch.randn(4, 6), torch.tensor([0, 1])), {})
    assert [op.rule for op in found] == ["square", "square"]


def test_hooks_and_the_modules_own_state_are_as_before_also_after_an_error():
    class Broken(nn.Module):
        def __init__(self):
            super().__init__()
            self.one = nn.Linear(6, 3)

        def forward(self, x):
            raise KeyError(str(self.one(x).shape))

    model = Broken()
    with pytest.raises(KeyError), tracing(model):
        model(torch.randn(4, 6))
    assert not any(m._forward_hooks or m._forward_pre_hooks or m._forward_hooks_always_called for m in model.modules())
    assert torch.overrides._get_current_function_mode() is None


def test_an_error_inside_a_module_does_not_shift_the_names_behind_it():
    class Tries(nn.Module):
        def __init__(self):
            super().__init__()
            self.bad, self.good = nn.Linear(5, 3), nn.Linear(6, 3)

        def forward(self, x):
            try:
                return self.bad(x)
            except RuntimeError:
                return F.relu(self.good(x))

    assert [op.name for op in operations(Tries(), (torch.randn(4, 6),), {})][-2:] == ["good", "relu"]


def test_reset_starts_the_places_again():
    model, seen = nn.Sequential(nn.Linear(6, 6), nn.ReLU(), nn.Linear(6, 2)), []
    with torch.no_grad(), tracing(model, changes={1: lambda call: seen.append(1) or call.args[0]}) as tracer:
        for _ in range(3):
            tracer.reset()
            model(torch.randn(2, 6))
    assert seen == [1, 1, 1]


def test_keywords_reach_the_model():
    class Named(nn.Module):
        def __init__(self):
            super().__init__()
            self.out = nn.Linear(6, 3)

        def forward(self, *, rows, loud=False):
            return {"loud": loud, "logits": self.out(rows)}

    assert [op.name for op in operations(Named(), (), {"rows": torch.randn(4, 6), "loud": True})] == ["out"]


def test_the_first_tensor_of_anything():
    one, two = torch.zeros(1), torch.ones(2)
    assert first_tensor(((None, [one]), two)) is one
    assert first_tensor({"a": None, "b": {"c": two}}) is two
    assert first_tensor([]) is None
    assert first_tensor("word") is None
    assert Operation("a", "other", "b") == Operation("a", "other", "b")
