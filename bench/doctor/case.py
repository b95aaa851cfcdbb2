"""What a program of the suite is made of: data, network, optimizer and loop, as records that operators change."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any, Literal

import torch
from torch import Tensor

Task = Literal["classes", "binary", "numbers"]
Decide = Literal["argmax", "logit", "probability", "round", "value"]


@dataclass(frozen=True)
class Data:
    """Rows: x (n, ...), y (n,) of classes or (n, 1) of numbers. val: what the loop looks at, test: what is scored."""

    x_train: Tensor
    y_train: Tensor
    x_val: Tensor
    y_val: Tensor
    x_test: Tensor
    y_test: Tensor

    def inputs(self, change: Callable[[Tensor], Tensor], *, train: bool = True, held_out: bool = True) -> Data:
        """Other inputs, of the training rows, of the held-out ones or of both."""
        found = replace(self, x_train=change(self.x_train)) if train else self
        return replace(found, x_val=change(self.x_val), x_test=change(self.x_test)) if held_out else found

    def targets(self, change: Callable[[Tensor], Tensor]) -> Data:
        """Other targets everywhere."""
        return replace(self, y_train=change(self.y_train), y_val=change(self.y_val), y_test=change(self.y_test))


Make = Callable[[int], Data]  # from a seed


@dataclass(frozen=True)
class Net:
    """A network; `kind` is the way it is written (see `networks`).

    shape: of one row's inputs. hidden: units (channels) of each hidden layer. init: "default", "he", "xavier",
    "orthogonal", "constant" or "normal" with init_value. bias_value: of all hidden biases, None for the rule's own.
    norm: "batch", "layer" or "" behind each hidden layer; dropout_first: dropout comes before it.
    """

    kind: str
    shape: tuple[int, ...]
    hidden: tuple[int, ...]
    outputs: int
    activation: str = "relu"
    head: str = ""
    init: str = "default"
    init_value: float = 0.0
    bias: bool = True
    bias_value: float | None = None
    norm: str = ""
    bn_momentum: float = 0.1
    dropout: float = 0.0
    dropout_first: bool = False
    cell: str = "gru"


@dataclass(frozen=True)
class Optim:
    """An optimizer by its rule (see `program.RULES`)."""

    rule: str
    lr: float
    options: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Loop:
    """How the training goes.

    function: the criterion is called as a plain function and reported to the doctor. sign: of the loss that is
    differentiated. l1: penalty on all weights. frozen: modules with weights, from the first on, that are frozen
    before the optimizer is made. optimized: "all", the "last" layer or a "copy" of the model. still: modules of this
    class stay in evaluation mode ("all": the model is never put in training mode).
    """

    batch: int
    epochs: int
    validate: bool = True
    loader: bool = False
    function: bool = False
    schedule: str = ""
    clip: float = 0.0
    zero_grad: bool = True
    sign: float = 1.0
    l1: float = 0.0
    frozen: int = 0
    optimized: str = "all"
    still: str = ""


@dataclass(frozen=True)
class Case:
    """A program: plain PyTorch, from its data to its loop.

    wrap: what is made of the network that `net` describes. body: another body of the loop, from (case, data, model,
    optimizer, criterion, doctor) to the number of updates.
    """

    name: str
    task: Task
    data: Make
    net: Net
    optim: Optim
    criterion: str
    loop: Loop
    decide: Decide
    threshold: float = 0.5
    wrap: Callable[[Any], Any] | None = None
    body: Callable[..., int] | None = None

    def on(self, change: Callable[[Data, torch.Generator], Data], salt: int = 0) -> Case:
        """The same program on changed data; `change` may draw from its generator."""
        make = self.data

        def changed(seed: int) -> Data:
            return change(make(seed), torch.Generator().manual_seed(7919 * seed + 104729 + salt))

        return replace(self, data=changed)

    def net_with(self, **options: Any) -> Case:
        """Another network."""
        return replace(self, net=replace(self.net, **options))

    def loop_with(self, **options: Any) -> Case:
        """Another loop."""
        return replace(self, loop=replace(self.loop, **options))

    def lr_times(self, factor: float) -> Case:
        """Another learning rate."""
        return replace(self, optim=replace(self.optim, lr=self.optim.lr * factor))

    def optim_with(self, **options: Any) -> Case:
        """Further options of the optimizer."""
        return replace(self, optim=replace(self.optim, options=self.optim.options | options))
