"""Networks in the styles in which people write them: nested `nn.Sequential`, classes with functional calls."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from bench.doctor.case import Net


class Square(nn.Module):
    """a -> a^2."""

    def forward(self, a: Tensor) -> Tensor:
        return a * a


ACTIVATIONS: dict[str, Callable[[], nn.Module]] = {
    "relu": nn.ReLU, "leaky_relu": nn.LeakyReLU, "elu": nn.ELU, "selu": nn.SELU, "gelu": nn.GELU, "silu": nn.SiLU,
    "mish": nn.Mish, "tanh": nn.Tanh, "softplus": nn.Softplus, "sigmoid": nn.Sigmoid, "prelu": nn.PReLU,
    "relu6": nn.ReLU6, "hardswish": nn.Hardswish, "identity": nn.Identity, "square": Square,
}  # fmt: skip
FUNCTIONS: dict[str, Callable[[Tensor], Tensor]] = {
    "relu": F.relu, "leaky_relu": F.leaky_relu, "elu": F.elu, "selu": F.selu, "gelu": F.gelu, "silu": F.silu,
    "mish": F.mish, "tanh": torch.tanh, "softplus": F.softplus, "sigmoid": torch.sigmoid, "relu6": F.relu6,
    "hardswish": F.hardswish, "identity": lambda a: a, "square": lambda a: a * a,
}  # fmt: skip
HEADS: dict[str, Callable[[], nn.Module]] = {
    "sigmoid": nn.Sigmoid, "softmax": lambda: nn.Softmax(dim=1), "log_softmax": lambda: nn.LogSoftmax(dim=1),
    "relu": nn.ReLU, "tanh": nn.Tanh, "softmax_rows": lambda: nn.Softmax(dim=0), "softplus": nn.Softplus,
}  # fmt: skip
HEAD_FUNCTIONS: dict[str, Callable[[Tensor], Tensor]] = {
    "": lambda a: a, "sigmoid": torch.sigmoid, "softmax": lambda a: F.softmax(a, dim=1), "relu": F.relu,
    "log_softmax": lambda a: F.log_softmax(a, dim=1), "tanh": torch.tanh, "softplus": F.softplus,
    "softmax_rows": lambda a: F.softmax(a, dim=0),
}  # fmt: skip
WEIGHTED = (nn.Linear, nn.Conv1d, nn.Conv2d)


def _act(net: Net) -> Callable[[Tensor], Tensor]:
    """As a function; a module where it has a parameter."""
    return nn.PReLU() if net.activation == "prelu" else FUNCTIONS[net.activation]


def _norm(net: Net, units: int, kind: type[nn.Module] = nn.BatchNorm1d) -> nn.Module:
    return kind(units, momentum=net.bn_momentum) if net.norm == "batch" else nn.LayerNorm(units)  # type: ignore[call-arg]


def _hidden(net: Net, fan_in: int, units: int) -> list[nn.Module]:
    """Linear, norm, activation, dropout: those that are asked for, in order."""
    parts: list[nn.Module] = [nn.Linear(fan_in, units, bias=net.bias)]
    drop: list[nn.Module] = [nn.Dropout(net.dropout)] if net.dropout else []
    norm: list[nn.Module] = [_norm(net, units)] if net.norm else []
    act = ACTIVATIONS[net.activation]()
    return [*parts, act, *drop, *norm] if net.dropout_first else [*parts, *norm, act, *drop]


def _head(net: Net, fan_in: int) -> list[nn.Module]:
    last = nn.Linear(fan_in, net.outputs, bias=net.bias)
    return [last, HEADS[net.head]()] if net.head else [last]


def sequential(net: Net) -> nn.Module:
    """One flat `nn.Sequential`."""
    widths = (math.prod(net.shape), *net.hidden)
    parts: list[nn.Module] = [nn.Flatten()] if len(net.shape) > 1 else []
    for fan_in, units in zip(widths, net.hidden, strict=False):
        parts += _hidden(net, fan_in, units)
    return nn.Sequential(*parts, *_head(net, widths[-1]))


class Blocks(nn.Module):
    """Named parts, each an `nn.Sequential` of layers."""

    def __init__(self, net: Net) -> None:
        super().__init__()
        widths = (math.prod(net.shape), *net.hidden)
        pairs = zip(widths, net.hidden, strict=False)
        self.body = nn.ModuleDict({f"block{i}": nn.Sequential(*_hidden(net, a, b)) for i, (a, b) in enumerate(pairs)})
        self.head = nn.Sequential(*_head(net, widths[-1]))

    def forward(self, x: Tensor) -> Tensor:
        a = x.flatten(1)
        for block in self.body.values():
            a = block(a)
        return self.head(a)


class Functional(nn.Module):
    """Layers in a list, everything else as functions in `forward`."""

    def __init__(self, net: Net) -> None:
        super().__init__()
        widths = (math.prod(net.shape), *net.hidden)
        self.layers = nn.ModuleList(nn.Linear(a, b, bias=net.bias) for a, b in zip(widths, net.hidden, strict=False))
        self.norms = nn.ModuleList(_norm(net, b) for b in net.hidden if net.norm)
        self.out = nn.Linear(widths[-1], net.outputs, bias=net.bias)
        self.act, self.net = _act(net), net

    def forward(self, x: Tensor) -> Tensor:
        a, net = x.flatten(1), self.net
        for i, layer in enumerate(self.layers):
            a = layer(a)
            if net.norm and not net.dropout_first:
                a = self.norms[i](a)
            a = self.act(a)
            if net.dropout:
                a = F.dropout(a, net.dropout, self.training)
            if net.norm and net.dropout_first:
                a = self.norms[i](a)
        return HEAD_FUNCTIONS[net.head](self.out(a))


class Residual(nn.Module):
    """a + W act(norm(a)) block by block, all of the first width."""

    def __init__(self, net: Net) -> None:
        super().__init__()
        width = net.hidden[0]
        self.stem = nn.Linear(math.prod(net.shape), width, bias=net.bias)
        self.norms = nn.ModuleList(_norm(net, width) if net.norm else nn.Identity() for _ in net.hidden)
        self.blocks = nn.ModuleList(nn.Linear(width, width, bias=net.bias) for _ in net.hidden)
        self.drop = nn.Dropout(net.dropout)
        self.out = nn.Linear(width, net.outputs, bias=net.bias)
        self.act, self.head = _act(net), net.head

    def forward(self, x: Tensor) -> Tensor:
        a = self.stem(x.flatten(1))
        for norm, block in zip(self.norms, self.blocks, strict=True):
            a = a + self.drop(block(self.act(norm(a)))) / math.sqrt(2)
        return HEAD_FUNCTIONS[self.head](self.out(self.act(a)))


def conv_sequential(net: Net) -> nn.Module:
    """Convolutions 3x3, the first two pooled, as one `nn.Sequential`."""
    parts: list[nn.Module] = []
    channels, side = net.shape[0], net.shape[1]
    for i, units in enumerate(net.hidden):
        parts.append(nn.Conv2d(channels, units, 3, padding=1, bias=net.bias))
        if net.norm and not net.dropout_first:
            parts.append(_norm(net, units, nn.BatchNorm2d))
        parts.append(ACTIVATIONS[net.activation]())
        if i < 2:
            parts.append(nn.MaxPool2d(2))
            side //= 2
        if net.dropout:
            parts.append(nn.Dropout(net.dropout))
        if net.norm and net.dropout_first:
            parts.append(_norm(net, units, nn.BatchNorm2d))
        channels = units
    return nn.Sequential(*parts, nn.Flatten(), *_head(net, channels * side * side))


class Conv(nn.Module):
    """Convolutions 3x3 with functional activations and pooling, the mean over places, a dense layer."""

    def __init__(self, net: Net) -> None:
        super().__init__()
        channels = (net.shape[0], *net.hidden)
        self.convs = nn.ModuleList(
            nn.Conv2d(a, b, 3, padding=1, bias=net.bias) for a, b in zip(channels, net.hidden, strict=False)
        )
        self.norms = nn.ModuleList(_norm(net, b, nn.BatchNorm2d) for b in net.hidden if net.norm)
        side = net.shape[1] // 4
        self.fc1 = nn.Linear(channels[-1] * side * side, 32, bias=net.bias)
        self.fc2 = nn.Linear(32, net.outputs, bias=net.bias)
        self.act, self.net = _act(net), net

    def forward(self, x: Tensor) -> Tensor:
        a, net = x, self.net
        for i, conv in enumerate(self.convs):
            a = conv(a)
            if net.norm and not net.dropout_first:
                a = self.norms[i](a)
            a = self.act(a)
            if net.norm and net.dropout_first:
                a = self.norms[i](F.dropout(a, net.dropout, self.training))
            if i < 2:
                a = F.max_pool2d(a, 2)
        a = F.dropout(self.act(self.fc1(a.flatten(1))), net.dropout, self.training)
        return HEAD_FUNCTIONS[net.head](self.fc2(a))


class Recurrent(nn.Module):
    """A recurrent layer over (rows, times, features), then dense layers on its last state."""

    def __init__(self, net: Net) -> None:
        super().__init__()
        cell = nn.LSTM if net.cell == "lstm" else nn.GRU
        self.rnn = cell(net.shape[1], net.hidden[0], batch_first=True, bias=net.bias)
        pairs = zip(net.hidden, net.hidden[1:], strict=False)
        self.fc = nn.ModuleList(nn.Linear(a, b, bias=net.bias) for a, b in pairs)
        self.norms = nn.ModuleList(_norm(net, b) for b in net.hidden[1:] if net.norm)
        self.out = nn.Linear(net.hidden[-1], net.outputs, bias=net.bias)
        self.drop = nn.Dropout(net.dropout)
        self.act, self.net = _act(net), net

    def forward(self, x: Tensor) -> Tensor:
        a = self.rnn(x)[0][:, -1]
        for i, layer in enumerate(self.fc):
            a = layer(a)
            a = self.act(self.norms[i](a) if self.net.norm else a)
        return HEAD_FUNCTIONS[self.net.head](self.out(self.drop(a)))


class Tokens(nn.Module):
    """Embeddings of (rows, places) numbers of words, their mean, dense layers. shape: (places, words)."""

    def __init__(self, net: Net) -> None:
        super().__init__()
        widths = (16, *net.hidden)
        self.embedding = nn.Embedding(net.shape[1], widths[0])
        self.layers = nn.Sequential(
            *(part for a, b in zip(widths, net.hidden, strict=False) for part in _hidden(net, a, b))
        )
        self.head = nn.Sequential(*_head(net, widths[-1]))

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.layers(self.embedding(x).mean(dim=1)))


BUILDERS: dict[str, Callable[[Net], nn.Module]] = {
    "sequential": sequential, "blocks": Blocks, "functional": Functional, "residual": Residual,
    "conv_sequential": conv_sequential, "conv": Conv, "recurrent": Recurrent, "tokens": Tokens,
}  # fmt: skip


def build(net: Net) -> nn.Module:
    """The network with its initial weights, from the global random state."""
    model = BUILDERS[net.kind](net)
    if net.init != "default":
        model.apply(lambda module: _initialize(module, net))
    if net.bias_value is not None:
        for module in [m for m in model.modules() if isinstance(m, WEIGHTED)][:-1]:
            if module.bias is not None:
                nn.init.constant_(module.bias, net.bias_value)
    return model


def _initialize(module: nn.Module, net: Net) -> None:
    """A rule's weights, biases 0; constants and normals in recurrent layers too."""
    if isinstance(module, (nn.RNNBase, nn.Embedding)) and net.init in ("constant", "normal"):
        weights = [p for p in module.parameters(recurse=False) if p.dim() > 1]
    elif isinstance(module, WEIGHTED):
        weights = [module.weight]
        if module.bias is not None:
            nn.init.zeros_(module.bias)
    else:
        return
    for weight in weights:
        _draw(weight, net)


def _draw(weight: Tensor, net: Net) -> None:
    match net.init:
        case "he":
            nn.init.kaiming_normal_(weight, nonlinearity="relu")
        case "xavier":
            nn.init.xavier_normal_(weight)
        case "orthogonal":
            nn.init.orthogonal_(weight, math.sqrt(2.0) if net.activation.endswith("relu") else 1.0)
        case "constant":
            nn.init.constant_(weight, net.init_value)
        case _:
            nn.init.normal_(weight, std=net.init_value)
