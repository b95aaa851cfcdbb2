"""A torch module as ONNX operations: it is run on a few rows, and each step that torch makes is put in other words.

So a rule needs nothing here, as long as its formula is made of the steps below.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from tenfold.engine.undisturbed import plain_torch
from tenfold.errors import BadInput
from tenfold.export.onnx_graph import OnnxGraph

if TYPE_CHECKING:
    from torch import Tensor, nn

PRIMES = (101, 103, 107, 109, 113, 127, 131, 137, 139, 149, 151, 157, 163, 167, 173, 179, 181, 191, 193, 197, 199)
IN_MEMORY = {"dtype", "layout", "device", "pin_memory", "memory_format"}  # options that change no number


def add_network(graph: OnnxGraph, network: nn.Module, x: str, width: int) -> str:
    """Put in what a module in evaluation mode makes of x (rows, width): (rows, outputs). Raises `BadInput` that names a
    step which has no counterpart here."""
    import torch
    from torch.utils._python_dispatch import TorchDispatchMode

    parameters = [*network.parameters(), *network.buffers()]
    sizes = {width, *(size for parameter in parameters for size in parameter.shape)}
    # Then a multiple of it among the sizes can only come from the number of rows.
    rows = next(prime for prime in PRIMES if all(size % prime for size in sizes))
    with plain_torch(), torch.no_grad():
        given = torch.zeros(rows, width, dtype=parameters[0].dtype)
        steps = _Steps(graph, given, x)

        class Recorder(TorchDispatchMode):
            def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
                made = func(*args, **(kwargs or {}))
                steps.record(func.__name__, made, args, kwargs or {})
                return made

        with Recorder():
            out = network(given)
    return steps.value(out)


class _Steps:
    """The steps of a network in order, put into a graph. Tensors are known by what they are, in memory."""

    def __init__(self, graph: OnnxGraph, given: Tensor, x: str) -> None:
        self.graph, self.rows = graph, len(given)
        self._x = x
        self._names = {id(given): x}
        self._kept: list[Any] = [given]  # so that no other tensor takes the place of one in memory

    def record(self, operation: str, made: Any, args: Sequence[Any], options: dict[str, Any]) -> None:
        """Put in one step of torch. made: what it gave."""
        first = made[0] if isinstance(made, tuple) else made
        if not first.numel():
            return  # torch's layers make empty tensors that only training fills
        name = operation.split(".")[0]  # without the overload
        options = {key: value for key, value in options.items() if key not in IN_MEMORY}
        step = STEPS.get(name)
        if step is None or options.keys() - {"approximate"}:
            what = " with ".join([name, *options])
            raise BadInput(f"the network has a step that ONNX export does not know: {what}", do="another recipe")
        self._names[id(first)] = step(self, first, *args, **options)
        self._kept += [made, args]

    def value(self, given: Any, like: Any = None) -> str:
        """The name of an argument: of what a step made, of a parameter, or of a number, in the type of `like`."""
        if not hasattr(given, "dtype"):
            return self.graph.constant(np.asarray(given, numpy_type(like)))
        return self._names.get(id(given)) or self.graph.constant(given.detach().numpy())

    def sizes(self, given: Sequence[int]) -> str:
        """Sizes, of which those that come from the number of rows are known when the model runs, as (sizes,)."""
        parts: list[str] = []
        for size in given:
            times, left = divmod(size, self.rows)
            if left or times < 1:
                parts.append(self.graph.constant(np.array([size])))
            else:
                count = self.graph.call("Shape", self._x, start=0, end=1)
                parts.append(self.graph.call("Mul", count, self.graph.constant(np.array([times]))))
        return self.graph.call("Concat", *parts, axis=0) if len(parts) > 1 else parts[0]

    def axes(self, *given: int) -> str:
        """Axes as a value."""
        return self.graph.constant(np.array(given, np.int64))


def numpy_type(tensor: Tensor) -> Any:
    """The numpy type of a tensor."""
    return tensor.detach().flatten()[:0].numpy().dtype


def _plain(operation: str, **attributes: Any) -> Callable[..., str]:
    """A step whose tensors are those of an ONNX operation."""

    def step(steps: _Steps, made: Tensor, *given: Any) -> str:
        like = next(part for part in given if hasattr(part, "dtype"))
        return steps.graph.call(operation, *(steps.value(part, like) for part in given), **attributes)

    return step


def _same(steps: _Steps, made: Tensor, x: Any, *_: Any) -> str:
    return steps.value(x)


def _transpose(steps: _Steps, made: Tensor, x: Any, one: int = 0, other: int = 1) -> str:
    order = list(range(x.dim()))
    order[one], order[other] = order[other], order[one]
    return steps.graph.call("Transpose", steps.value(x), perm=order)


def _permute(steps: _Steps, made: Tensor, x: Any, order: Sequence[int]) -> str:
    return steps.graph.call("Transpose", steps.value(x), perm=list(order))


def _reshape(steps: _Steps, made: Tensor, x: Any, sizes: Sequence[Any], *_: Any) -> str:
    return steps.graph.call("Reshape", steps.value(x), steps.sizes(sizes), allowzero=1)


def _expand(steps: _Steps, made: Tensor, x: Any, sizes: Sequence[Any]) -> str:
    # -1 keeps a size, which is what 1 does in ONNX.
    return steps.graph.call("Expand", steps.value(x), steps.sizes([1 if s == -1 else s for s in sizes]))


def _slice(steps: _Steps, made: Tensor, x: Any, axis: int = 0, start: Any = 0, end: Any = None, step: int = 1) -> str:
    last = np.iinfo(np.int64).max if end is None else end
    sides = [steps.sizes([side or 0]) for side in (start, last)]
    return steps.graph.call("Slice", steps.value(x), *sides, steps.axes(axis), steps.axes(step))


def _linear(steps: _Steps, made: Tensor, bias: Any, x: Any, weight: Any) -> str:
    return steps.graph.call("Add", steps.graph.call("MatMul", steps.value(x), steps.value(weight)), steps.value(bias))


def _take_back(steps: _Steps, made: Tensor, x: Any, number: Any) -> str:
    return steps.graph.call("Sub", steps.value(number, x), steps.value(x))


def _full(steps: _Steps, made: Tensor, number: Any, *_: Any) -> str:
    return steps.graph.constant(np.asarray(number, numpy_type(made)))


def _zero(steps: _Steps, made: Tensor, *_: Any) -> str:
    return steps.graph.constant(np.asarray(0, numpy_type(made)))  # it has the size of what it meets


def _reduce(operation: str) -> Callable[..., str]:
    def step(steps: _Steps, made: Tensor, x: Any, axes: Sequence[int], keepdim: bool = False) -> str:
        return steps.graph.call(operation, steps.value(x), steps.axes(*axes), keepdims=int(keepdim))

    return step


def _clamp(steps: _Steps, made: Tensor, x: Any, low: Any = None, high: Any = None) -> str:
    found = steps.value(x)
    for operation, bound in (("Max", low), ("Min", high)):
        if bound is not None:
            found = steps.graph.call(operation, found, steps.value(bound, x))
    return found


def _elu(steps: _Steps, made: Tensor, x: Any, alpha: float = 1.0, scale: float = 1.0, inner: float = 1.0) -> str:
    if inner != 1:
        raise BadInput("an ELU with a factor inside, which ONNX export does not know", do="another recipe")
    found = steps.graph.call("Elu", steps.value(x), alpha=float(alpha))
    return found if scale == 1 else steps.graph.call("Mul", found, steps.value(scale, x))


def _gelu(steps: _Steps, made: Tensor, x: Any, *_: Any, approximate: str = "none") -> str:
    return steps.graph.call("Gelu", steps.value(x), approximate=approximate)


def _silu(steps: _Steps, made: Tensor, x: Any) -> str:
    return steps.graph.call("Mul", steps.value(x), steps.graph.call("Sigmoid", steps.value(x)))


def _log_of_sum(steps: _Steps, made: Tensor, x: Any, other: Any) -> str:
    """log(exp(x) + exp(y)) = max(x, y) + log(1 + exp(-|x - y|))."""
    graph, (x, y) = steps.graph, (steps.value(x), steps.value(other, x))
    apart = graph.call("Neg", graph.call("Abs", graph.call("Sub", x, y)))
    one = graph.constant(np.asarray(1, numpy_type(made)))
    return graph.call(
        "Add", graph.call("Max", x, y), graph.call("Log", graph.call("Add", one, graph.call("Exp", apart)))
    )


def _leaky(steps: _Steps, made: Tensor, x: Any, slope: float = 0.01) -> str:
    return steps.graph.call("LeakyRelu", steps.value(x), alpha=float(slope))


def _rows_of_table(steps: _Steps, made: Tensor, table: Any, rows: Any, *_: Any) -> str:
    return steps.graph.call("Gather", steps.value(table), steps.value(rows), axis=0)


def _copy(steps: _Steps, made: Tensor, x: Any, *_: Any) -> str:
    """A copy in memory, or in another type."""
    kinds = {np.dtype(np.int64): "INT64", np.dtype(np.float32): "FLOAT", np.dtype(np.float64): "DOUBLE"}
    return steps.graph.cast(steps.value(x), kinds[numpy_type(made)])


def _softmax(operation: str) -> Callable[..., str]:
    return lambda steps, made, x, axis, *_: steps.graph.call(operation, steps.value(x), axis=axis)


def _concat(steps: _Steps, made: Tensor, parts: Sequence[Any], axis: int = 0) -> str:
    return steps.graph.call("Concat", *(steps.value(part) for part in parts), axis=axis)


def _squeeze(operation: str) -> Callable[..., str]:
    return lambda steps, made, x, axis: steps.graph.call(operation, steps.value(x), steps.axes(axis))


def _batch_norm(steps: _Steps, made: Tensor, x: Any, *given: Any) -> str:
    gamma, beta, mean, var, *_, eps = given
    values = [steps.value(part) for part in (x, gamma, beta, mean, var)]
    return steps.graph.call("BatchNormalization", *values, epsilon=float(eps))


def _group_norm(steps: _Steps, made: Tensor, x: Any, *given: Any) -> str:
    """Each group by itself (rows, groups, numbers), then a factor and a shift for each channel."""
    graph, (gamma, beta, _, channels, _, groups, eps) = steps.graph, given
    entered = steps.value(x)
    apart = graph.call("Reshape", entered, graph.constant(np.array([0, groups, -1])))
    dtype = numpy_type(x)
    ones, zeros = graph.constant(np.ones(groups, dtype)), graph.constant(np.zeros(groups, dtype))
    normal = graph.call("InstanceNormalization", apart, ones, zeros, epsilon=float(eps))
    found = graph.call("Reshape", normal, graph.call("Shape", entered))
    shape = steps.axes(channels, *[1] * (x.dim() - 2))
    scale, shift = (graph.call("Reshape", steps.value(part), shape) for part in (gamma, beta))
    return graph.call("Add", graph.call("Mul", found, scale), shift)


def _convolution(steps: _Steps, made: Tensor, x: Any, weight: Any, bias: Any, *how: Any) -> str:
    stride, pad, dilation, _, _, groups = how
    given = [steps.value(part) for part in (x, weight, bias) if part is not None]
    return steps.graph.call(
        "Conv", *given, strides=list(stride), pads=[*pad, *pad], dilations=list(dilation), group=groups
    )


def _pool(operation: str) -> Callable[..., str]:
    def step(steps: _Steps, made: Tensor, x: Any, size: Sequence[int], stride: Any = (), *more: Any) -> str:
        if any(pad for pad in more[:1] if pad not in ([0, 0], 0)):
            raise BadInput("a padded pool, which ONNX export does not know", do="another recipe")
        return steps.graph.call(operation, steps.value(x), kernel_shape=list(size), strides=list(stride or size))

    return step


# By the names that torch gives its operations, of which only the first result is used. as_strided_ is what torch does
# to the mean of an image, to lay out the same numbers otherwise.
STEPS: dict[str, Callable[..., str]] = {
    "_to_copy": _copy, "embedding": _rows_of_table,
    "_log_softmax": _softmax("LogSoftmax"), "_softmax": _softmax("Softmax"),
    "native_batch_norm": _batch_norm, "native_group_norm": _group_norm,
    "_prelu_kernel": _plain("PRelu"), "_unsafe_view": _reshape, "view": _reshape, "as_strided_": _reshape,
    "add": _plain("Add"),
    "addmm": _linear, "alias": _same, "clone": _same, "amax": _reduce("ReduceMax"), "mean": _reduce("ReduceMean"),
    "logsumexp": _reduce("ReduceLogSumExp"), "avg_pool2d": _pool("AveragePool"),
    "max_pool2d_with_indices": _pool("MaxPool"), "bmm": _plain("MatMul"), "mm": _plain("MatMul"), "cat": _concat,
    "clamp": _clamp, "convolution": _convolution, "cos": _plain("Cos"), "sin": _plain("Sin"), "elu": _elu,
    "expand": _expand, "gelu": _gelu, "gt": _plain("Greater"), "lt": _plain("Less"), "leaky_relu": _leaky,
    "logaddexp": _log_of_sum, "mish": _plain("Mish"), "mul": _plain("Mul"), "div": _plain("Div"),
    "sub": _plain("Sub"), "rsub": _take_back, "permute": _permute, "t": _transpose, "transpose": _transpose,
    "reciprocal": _plain("Reciprocal"), "relu": _plain("Relu"), "round": _plain("Round"),
    "scalar_tensor": _full, "new_zeros": _zero, "sigmoid": _plain("Sigmoid"), "silu": _silu, "slice": _slice,
    "squeeze": _squeeze("Squeeze"), "unsqueeze": _squeeze("Unsqueeze"), "tanh": _plain("Tanh"),
    "where": _plain("Where"), }  # fmt: skip
