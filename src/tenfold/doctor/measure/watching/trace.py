"""The operations of a forward pass, of any module: calls of modules and of functions, seen in order and replaceable."""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, fields, is_dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from tenfold.doctor.measure.activations import ACTIVATIONS
from tenfold.doctor.record import Operation, OperationKind

_RULES: dict[str, tuple[OperationKind, str]] = {
    **dict.fromkeys(("linear", "addmm", "bilinear"), ("linear", "linear")),
    **dict.fromkeys(("conv1d", "conv2d", "conv3d"), ("conv", "conv")),
    **dict.fromkeys(("conv_transpose1d", "conv_transpose2d", "conv_transpose3d"), ("conv", "conv_transpose")),
    **{name: ("recurrent", name) for name in ("lstm", "gru", "rnn_tanh", "rnn_relu")},
    **{name: ("recurrent", name) for name in ("lstm_cell", "gru_cell", "rnn_tanh_cell", "rnn_relu_cell")},
    **dict.fromkeys(("multi_head_attention_forward", "scaled_dot_product_attention"), ("attention", "attention")),
    **dict.fromkeys(("embedding", "embedding_bag"), ("embedding", "embedding")),
    **{
        name: ("normalization", name)
        for name in ("batch_norm", "layer_norm", "group_norm", "instance_norm", "rms_norm")
    },
    **{name: ("activation", name.rstrip("_")) for name in ACTIVATIONS},  # sigmoid_ works in place
    **{
        name: ("dropout", name)
        for name in ("dropout", "dropout1d", "dropout2d", "dropout3d", "alpha_dropout", "feature_alpha_dropout")
    },
    **{
        name: ("pool", name)
        for name in (
            "max_pool1d", "max_pool2d", "max_pool3d", "avg_pool1d", "avg_pool2d", "avg_pool3d", "adaptive_avg_pool1d",
            "adaptive_avg_pool2d", "adaptive_avg_pool3d", "adaptive_max_pool2d", "boolean_dispatch", "fn",
        )
    },
}  # fmt: skip
PRODUCTS = ("matmul", "__matmul__", "mm", "addmm")  # with the weight on the right it is (fan in, units)
OUTPUT_RULES = ("softmax", "log_softmax", "softmin", "logsigmoid")
SHAPING = frozenset({"softmax", "log_softmax", "softmin", "glu"})  # not element by element


@dataclass
class Call:
    """One operation while it runs: its place, the function, its arguments and its (first) output tensor."""

    operation: Operation
    function: Callable[..., Any]
    args: tuple[Any, ...]
    keywords: dict[str, Any]
    channels: bool  # units are along dim 1
    output: Tensor | None = None
    extra: Any = None  # further outputs


CallReplacement = Callable[[Call], Any]


class Tracer(TorchFunctionMode):
    """Sees the operations of one forward pass. changes: by place, what runs instead of an operation; every: called
    with each finished operation."""

    def __init__(
        self,
        model: nn.Module,
        *,
        changes: Mapping[int, CallReplacement] | None = None,
        every: Callable[[Call], None] | None = None,
    ) -> None:
        super().__init__()
        self.names = {id(p): name for name, p in model.named_parameters(remove_duplicate=False)}
        self.paths = {id(module): name for name, module in model.named_modules()}
        self.leaves = {name for name, module in model.named_modules() if not any(module.children())}
        self.changes, self.every = changes or {}, every
        self.stack: list[str] = []
        self.reset()

    def reset(self) -> None:
        """Before the next forward pass."""
        self.place, self.channels = 0, False
        self.named: dict[str, int] = {}
        self.last: Tensor | None = None  # the last layer's outputs, and how many units it has
        self.width = 0

    def left(self) -> None:
        """A module has ended."""
        self.stack.pop()

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Run one function, noting it where it is an operation."""
        kwargs = dict(kwargs or {})
        name = getattr(func, "__name__", "")
        known = _RULES.get(name)
        if known is None and name in PRODUCTS and any(self._parameter(a) for a in args):
            known = ("linear", "linear")
        if known is None and _squares(name, args):
            known = ("activation", "square")
        if known is None or (known[0] == "activation" and not _floating(args)):
            return func(*args, **kwargs)
        if known[0] == "activation" and self._computes(known[1], args[0]):
            known = ("other", known[1])
        # An operation in place would overwrite the output of the one before it, which has been noted, and of which the
        # gradient is asked: it runs on a copy.
        if kwargs.get("inplace"):
            kwargs["inplace"] = False
        goal = args[0] if name.endswith("_") and not name.endswith("__") else None  # of an operation in place
        if goal is not None:
            args = (goal.clone(), *args[1:])
        call = self._call(known, func, args, kwargs)
        change = self.changes.get(self.place)
        self.place += 1
        run = args if goal is None else (args[0].clone(), *args[1:])
        result = change(call) if change is not None else func(*run, **kwargs)
        call.output = first_tensor(result)
        if self.every is not None:
            self.every(call)
            result = result.clone() if isinstance(result, Tensor) else result  # what is noted stays as it is
        result = result if goal is None else goal.copy_(result)
        if call.operation.kind in ("linear", "conv", "normalization"):
            self.last, self.width = first_tensor(result), call.operation.units
        return result

    def _computes(self, rule: str, given: Tensor) -> bool:
        """Whether a function that can be an activation is a step of a computation instead: the exponential or square of
        something other than a layer's outputs (half a log-variance), a softmax over another number of units (the scores
        of an attention written by hand)."""
        if self.stack and self.stack[-1] in self.leaves and self.stack[-1]:
            return False
        if rule in ("exp", "square"):
            return given is not self.last
        return (
            rule in ("softmax", "log_softmax", "softmin")
            and bool(self.width)
            and given.dim() > 2
            and (given.shape[-1] != self.width and given is not self.last)
        )

    def _parameter(self, value: Any) -> str:
        """The name of a parameter, or of the one that a value is a view of; "" for others."""
        if not isinstance(value, Tensor):
            return ""
        return self.names.get(id(value), "") or self.names.get(id(value._base), "")

    def _call(self, known: tuple[OperationKind, str], func: Any, args: Any, kwargs: dict[str, Any]) -> Call:
        kind, rule = known
        if rule in ("boolean_dispatch", "fn"):
            rule = "max_pool"  # torch chooses the variant of max pooling in a function of that name
        weights = [a for a in _tensors(args, kwargs) if self._parameter(a)]
        matrix = next((w for w in weights if w.dim() > 1), None)
        vector = next((w for w in weights if w.dim() == 1), None)
        if kind == "normalization":
            matrix, vector = (*weights, None, None)[:2]
        if kind in ("linear", "conv", "recurrent"):
            self.channels = kind == "conv"
        right = getattr(func, "__name__", "") in PRODUCTS and matrix is not None and args[-1] is matrix
        units, fan_in = (matrix.shape[-1], matrix.shape[-2]) if right and matrix is not None else _sizes(kind, matrix)
        operation = Operation(
            self._name(rule, kind),
            kind,
            rule,
            units,
            fan_in,
            self._parameter(matrix),
            self._parameter(vector),
            float(kwargs.get("p", args[1] if len(args) > 1 and isinstance(args[1], float) else 0.5))
            if kind == "dropout"
            else 0.0,
        )
        return Call(operation, func, args, kwargs, self.channels)

    def _name(self, rule: str, kind: OperationKind) -> str:
        path = self.stack[-1] if self.stack else ""
        leaf = path and path in self.leaves
        name = path if leaf else f"{path}/{rule}".lstrip("/")
        count = self.named[name] = self.named.get(name, 0) + 1
        return name if count == 1 else f"{name} ({count})"


def first_tensor(value: Any) -> Tensor | None:
    """The first tensor of a value that may be a tuple, a list, a mapping or a dataclass."""
    if isinstance(value, Tensor):
        return value
    if is_dataclass(value) and not isinstance(value, (type, Mapping)):
        value = [getattr(value, field.name) for field in fields(value)]
    if isinstance(value, Mapping):
        value = list(value.values())
    if isinstance(value, (tuple, list)):
        return next((found for found in map(first_tensor, value) if found is not None), None)
    return None


def _squares(name: str, args: Any) -> bool:
    """x ** 2, or x * x, of rows of units."""
    if len(args) < 2 or not isinstance(args[0], Tensor) or args[0].dim() < 2:
        return False
    return (name in ("pow", "__pow__") and args[1] == 2) or (name in ("mul", "__mul__") and args[0] is args[1])


def _floating(args: Any) -> bool:
    return bool(args) and isinstance(args[0], Tensor) and args[0].is_floating_point()


def _tensors(args: Any, kwargs: dict[str, Any]) -> list[Tensor]:
    found = []
    for value in (*args, *kwargs.values()):
        if isinstance(value, Tensor):
            found.append(value)
        elif isinstance(value, (tuple, list)):
            found += [v for v in value if isinstance(v, Tensor)]
    return found


def _sizes(kind: OperationKind, matrix: Tensor | None) -> tuple[int, int]:
    """Units and fan-in of a weight: (out, in), (out, in, kernel...); of gates stacked by rows for recurrent ones."""
    if matrix is None or kind == "normalization":
        return (0 if matrix is None else matrix.shape[0]), 0
    return matrix.shape[0], int(matrix[0].numel())


@contextmanager
def tracing(model: nn.Module, **options: Any) -> Generator[Tracer]:
    """A tracer that knows which module calls: hooks are on the (copied) model for the time of the block."""
    tracer = Tracer(model, **options)
    handles = []
    for name, module in model.named_modules():
        handles.append(module.register_forward_pre_hook(lambda _m, _a, name=name: tracer.stack.append(name)))
        handles.append(module.register_forward_hook(lambda _m, _a, _o: tracer.left(), always_call=True))
    try:
        with tracer:
            yield tracer
    finally:
        for handle in handles:
            handle.remove()


def operations(model: nn.Module, inputs: tuple[Any, ...], keywords: Mapping[str, Any]) -> list[Operation]:
    """The operations of one forward pass without gradients; units are filled in from the outputs."""
    found: list[Operation] = []

    def note(call: Call) -> None:
        operation = call.operation
        if call.output is not None and call.output.dim() > 0:
            dim = 1 if call.channels and call.output.dim() > 2 else -1
            operation = Operation(**{**operation.__dict__, "units": int(call.output.shape[dim])})
        found.append(operation)

    with torch.no_grad(), tracing(model, every=note):
        model(*inputs, **keywords)
    return found
