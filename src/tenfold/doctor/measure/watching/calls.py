"""The order of a loop's calls in the updates that are looked at, and what the loss of the first ones depends on."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

MOST_ORDERS, MOST_LETTERS = 64, 200  # updates whose order is kept; calls of one update
MOST_NODES = 20_000  # of a graph that is walked
# operations whose derivative is 0 wherever it exists: a path through one of them carries no gradient
FLAT = ("Round", "Floor", "Ceil", "Trunc", "Sign", "Sgn", "Heaviside")


@dataclass
class Dependence:
    """What a loss depends on. leaves: the tensors at which its graph ends, by id; alive: those of them that a path
    without a flat operation leads to; flat: the first flat operation, "" without."""

    leaves: dict[int, Tensor] = field(default_factory=dict[int, Tensor])
    alive: set[int] = field(default_factory=set[int])
    flat: str = ""


def dependence(loss: Tensor) -> Dependence:
    """Walk the graph of a loss (at most MOST_NODES of its nodes)."""
    found = Dependence()
    for through_flat in (False, True):
        nodes, seen = [loss.grad_fn], set[Any]()
        while nodes and len(seen) < MOST_NODES:
            node = nodes.pop()
            if node is None or node in seen:
                continue
            seen.add(node)
            name = node.name()
            if name.removesuffix("0").removesuffix("Backward") in FLAT:
                found.flat = found.flat or name.split("Backward")[0].lower()
                if not through_flat:
                    continue
            leaf = getattr(node, "variable", None)
            if isinstance(leaf, Tensor) and not node.next_functions:
                found.leaves[id(leaf)] = leaf
                if not through_flat:
                    found.alive.add(id(leaf))
            nodes += [following for following, _ in node.next_functions]
        if not found.flat:
            break
    return found


class CallLog:
    """Notes calls while it listens. Nothing of it is left where it does not."""

    def __init__(self, model: nn.Module, optimizers: Sequence[torch.optim.Optimizer]) -> None:
        self.optimizers: Sequence[torch.optim.Optimizer] = optimizers
        held = {id(p) for p in model.parameters()}
        self.members: list[Tensor] = [
            p for o in optimizers for g in o.param_groups for p in g["params"] if id(p) in held and p.requires_grad
        ]
        self.orders: list[str] = []
        self.factor: float | None = None
        self.empty: int = 0  # updates without any gradient
        self.reached: set[int] = set()  # members that a gradient reached
        self.depends: Dependence | None = None
        self.versions: dict[int, int] = {}  # of the leaves, at the time of the walk
        self.severed: int = 0
        self.severed_by: str = ""
        self.without: bool = False  # whether the model's output carried no gradient
        self.again: Dependence | None = None  # what the second loss depends on
        self._letters: list[str] = []
        self._full: set[int] = set()  # members with a gradient when the step began
        self._arrived: bool = False  # a gradient that is not 0, since it was last seen cleared
        self._handles: list[Any] = []
        self._wrapped: list[tuple[Any, Any]] = []
        self.listening: bool = False

    def listen(self) -> None:
        """From now on."""
        if self.listening or len(self.orders) >= MOST_ORDERS:
            return
        self.listening = True
        for optimizer in self.optimizers:
            self._wrap(optimizer)
        if self.members:
            self._handles.append(self.members[-1].register_post_accumulate_grad_hook(self._arrives))

    def _wrap(self, optimizer: Any) -> None:
        own, call = vars(optimizer).get("zero_grad"), optimizer.zero_grad

        def zero_grad(*args: Any, **keywords: Any) -> Any:
            self.note("Z")
            self._arrived = False
            return call(*args, **keywords)

        optimizer.zero_grad = zero_grad
        self._wrapped.append((optimizer, own))

    def rest(self) -> None:
        """Until it listens again."""
        self.listening = False
        for handle in self._handles:
            handle.remove()
        for optimizer, own in self._wrapped:
            if own is None:
                vars(optimizer).pop("zero_grad", None)
            else:
                optimizer.zero_grad = own
        self._handles, self._wrapped, self._letters, self._arrived = [], [], [], False

    def note(self, letter: str) -> None:
        """A call."""
        if self.listening and len(self._letters) < MOST_LETTERS:
            self._letters.append(letter)

    def _arrives(self, parameter: Tensor) -> None:
        # called from within the user's backward pass, which nothing here may stop
        with suppress(Exception):
            self._arrived = self._arrived or (parameter.grad is not None and bool(parameter.grad.any()))

    def _look_cleared(self) -> None:
        """Gradients may be cleared without the optimizer, by the model or by hand: what had arrived is gone."""
        if not self._arrived:
            return
        gradient = self.members[-1].grad
        if gradient is None or not bool(gradient.any()):
            self.note("Z")
            self._arrived = False

    def forward(self) -> None:
        """The model was called."""
        if self.listening:
            self._look_cleared()
            self.note("F")

    def loss(self, loss: Tensor, scored: Any = None, output: Tensor | None = None) -> None:
        """The criterion gave a loss that carries a gradient, for what it scored and the model's output."""
        if not self.listening:
            return
        self.note("C")

        def backward(gradient: Tensor) -> None:
            with suppress(Exception):
                self.note("B")
                if self.factor is None and gradient.numel() == 1:
                    self.factor = float(gradient)

        loss.register_hook(backward)
        if self.depends is None:
            self.depends = dependence(loss)
            self.versions = {key: leaf._version for key, leaf in self.depends.leaves.items()}
            if self.members and not any(id(p) in self.depends.leaves for p in self.members):
                self._cut_off(scored, output)
        elif self.again is None:
            self.again = dependence(loss)

    def no_gradient(self, scored: Any, output: Tensor | None) -> None:
        """The criterion gave a loss without a gradient although gradients are recorded."""
        self.severed += 1
        self.note("c")
        if not self.severed_by:
            self._cut_off(scored, output)

    def _cut_off(self, scored: Any, output: Tensor | None) -> None:
        """What the loss of these depends on is none of the members."""
        if isinstance(scored, Tensor) and output is not None:
            self.severed_by = severed_by(output.detach(), scored) if output.requires_grad else ""
            if not output.requires_grad and output.is_floating_point():
                self.without = True

    def before_step(self, first: bool) -> None:
        """An optimizer is about to step."""
        if not self.listening:
            return
        self._look_cleared()
        self.note("S" if first else "s")
        if not first:
            return
        self._full = self._with_gradient()

    def _with_gradient(self) -> set[int]:
        """The members with a gradient that is not 0."""
        found = ((id(p), p.grad) for p in self.members)
        return {key for key, g in found if g is not None and (g.is_sparse or bool(g.any()))}

    def after_step(self) -> None:
        """The first optimizer has stepped."""
        if self.listening and "S" in self._letters:
            # of a closure the gradients came inside the step
            full = self._full | self._with_gradient()
            self.reached |= full
            self.empty += not full
            self.orders.append("".join(self._letters))
        self._letters = []

    def unfinished(self) -> str:
        """The calls since the last step."""
        return "".join(self._letters)

    def made_anew(self, held: set[int]) -> int:
        """How many parameters, none of those held (by id), the first two losses depend on, each on others of the same
        shapes: they are made anew at every call."""
        if self.depends is None or self.again is None:
            return 0
        one, two = (
            sorted(
                tuple(leaf.shape) for key, leaf in of.leaves.items()
                if isinstance(leaf, nn.Parameter) and key not in other.leaves and key not in held
            )
            for of, other in ((self.depends, self.again), (self.again, self.depends))
        )  # fmt: skip
        return len(one) if one == two else 0

    def still(self) -> dict[int, Tensor]:
        """The leaves that nothing has changed since the walk."""
        if self.depends is None:
            return {}
        return {key: leaf for key, leaf in self.depends.leaves.items() if leaf._version == self.versions[key]}


def severed_by(output: Tensor, scored: Tensor) -> str:
    """What a loop did between a model's output and what the criterion got, where that carries no gradient."""
    tries: dict[str, Callable[[], Tensor]] = {
        "detach() or a new tensor": lambda: output,
        "round()": output.round,
        "argmax()": lambda: output.argmax(-1),
        "a threshold at 0": lambda: output > 0,
        "a threshold at 0.5": lambda: output > 0.5,
        "a threshold of its sigmoid": lambda: output.sigmoid() > 0.5,
        "sigmoid() and detach()": output.sigmoid,
        "softmax() and detach()": lambda: output.softmax(-1),
    }
    for name, compute in tries.items():
        try:
            found = compute().float().flatten()
        except (RuntimeError, IndexError):
            continue
        if found.numel() == scored.numel() and torch.allclose(found, scored.detach().float().flatten(), atol=1e-5):
            return name
    return ""
