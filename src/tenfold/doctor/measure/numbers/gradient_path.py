"""Where the path of the gradient ends: the operation whose result carries none though what it got did, and weights that
the loss depends on and that the model does not hold."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from tenfold.doctor.measure.numbers.rows import RowBatch
from tenfold.doctor.measure.watching.calls import FLAT, dependence
from tenfold.doctor.measure.watching.seeded import seeded

# What takes a value out of the graph. Others that give no gradient (shapes, comparisons) are asked by sound code too.
CUTS = {
    "detach": "detach()", "detach_": "detach_()", "numpy": ".numpy()", "tolist": ".tolist()", "item": ".item()",
    "__array__": "NumPy", "argmax": "argmax()", "long": ".long()", "int": ".int()", "bool": ".bool()",
    "gt": "a comparison", "ge": "a comparison", "lt": "a comparison", "le": "a comparison", "__gt__": "a comparison",
    "__ge__": "a comparison", "__lt__": "a comparison", "__le__": "a comparison", "tensor": "torch.tensor(...)",
    "as_tensor": "torch.as_tensor(...)", "data": ".data", "topk": "topk()", "one_hot": "one_hot()",
    "bernoulli": "bernoulli()", "multinomial": "multinomial()",
}  # fmt: skip


class _Path(TorchFunctionMode):
    """Notes where values lose their gradient. wanted: ids of parameters that get none."""

    def __init__(self, wanted: set[int]) -> None:
        super().__init__()
        self.wanted = wanted
        self.found: list[tuple[str, str]] = []  # operation, module
        self.stack: list[str] = []

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        carried = [t for t in _tensors((args, kwargs)) if t.requires_grad]
        result = func(*args, **kwargs)
        if not carried:
            return result
        name = getattr(func, "__name__", "")
        if name == "__get__":  # of an attribute, such as data
            name = getattr(getattr(func, "__self__", None), "__name__", "")
        outputs = [t for t in _tensors(result) if t.is_floating_point()]
        lost = not any(t.requires_grad for t in outputs)
        flat = any(t.grad_fn is not None and t.grad_fn.name().split("Backward")[0] in FLAT for t in outputs)
        said = CUTS.get(name, "") if lost else f"{name.rstrip('_')}()" if flat else ""
        if lost and not said and outputs and not torch.is_grad_enabled():
            said = f"torch.no_grad() about {name}"
        if said and self._concerns(carried):
            self.found.append((said, self.stack[-1] if self.stack else ""))
        return result

    def _concerns(self, carried: list[Tensor]) -> bool:
        return any(
            id(t) in self.wanted or (t.grad_fn is not None and not self.wanted.isdisjoint(dependence(t).leaves))
            for t in carried
        )


def _tensors(value: Any) -> Iterator[Tensor]:
    if isinstance(value, Tensor):
        yield value
    elif isinstance(value, Mapping):
        for item in value.values():
            yield from _tensors(item)
    elif isinstance(value, (tuple, list)):
        for item in value:
            yield from _tensors(item)


def cut_in_model(model: nn.Module, rows: RowBatch, unreached: list[str]) -> tuple[str, str]:
    """The last operation of a (copied) model at which the path from these parameters ends, and its module; two empty
    words where there is none."""
    named = dict(model.named_parameters(remove_duplicate=False))
    path = _Path({id(named[name]) for name in unreached if name in named})
    handles = []
    for name, module in model.named_modules():
        handles.append(module.register_forward_pre_hook(lambda _m, _a, name=name: path.stack.append(name)))
        handles.append(module.register_forward_hook(lambda _m, _a, _o: _ended(path), always_call=True))
    try:
        with seeded(0), torch.enable_grad(), path:
            model(*rows.inputs, **rows.keywords)
    finally:
        for handle in handles:
            handle.remove()
    return path.found[-1] if path.found else ("", "")


def _ended(path: _Path) -> None:
    path.stack.pop()


def unheld(model: nn.Module, outside: set[int]) -> list[str]:
    """Attributes of the model's modules that hold some of these tensors (by id) where torch does not look: "layers, a
    list of 2 modules"."""
    found = []
    for path, module in model.named_modules():
        for name, value in vars(module).items():
            if name.startswith("_") and name in nn.Module().__dict__:
                continue
            parts = _parts(value)
            mine = [part for part in parts if any(id(p) in outside for p in _parameters(part))]
            if mine:
                place = f"{path}.{name}".lstrip(".")
                kind = type(value).__name__
                what = "module" if isinstance(mine[0], nn.Module) else "tensor"
                found.append(f"{place}, a {kind} of {len(mine)} {what}{'' if len(mine) == 1 else 's'}")
    return found


def _parts(value: Any, depth: int = 0) -> list[Any]:
    """The modules and tensors inside a container of any kind."""
    if isinstance(value, (nn.Module, Tensor)):
        return [value]
    if depth > 3:
        return []
    if isinstance(value, Mapping):
        value = list(value.values())
    if isinstance(value, (list, tuple, set, frozenset)):
        return [part for item in value for part in _parts(item, depth + 1)]
    return []


def _parameters(part: Any) -> list[Tensor]:
    return list(part.parameters()) if isinstance(part, nn.Module) else [part]
