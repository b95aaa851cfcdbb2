"""What a user gives the doctor: read as tensors, and refused where it cannot be judged, with one thing to do."""

from __future__ import annotations

from collections.abc import Callable
from numbers import Real
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from tenfold.doctor.measure.numbers.non_finite import not_finite
from tenfold.errors import BadInput


def inputs_by_name(values: Any, name: str) -> dict[str, Any]:
    """What a model gets, by the name that a message has for it: one input, or several in a tuple."""
    if not isinstance(values, tuple) or len(values) == 1:
        return {name: values[0] if isinstance(values, tuple) else values}
    return {f"{name}[{place}]": value for place, value in enumerate(values)}


def tensor(values: Any, name: str) -> Tensor:
    """A tensor as it is; arrays, frames and nested lists as a tensor, float64 as float32 and whole numbers as int64.

    Refused: what has no rows, and what is no number, with its row.
    """
    if isinstance(values, Tensor):
        found = values.detach()
    else:
        array = _numbers(values, name)
        found = torch.from_numpy(array.astype({"f": np.float32, "b": np.bool_}.get(array.dtype.kind, np.int64)))
    if found.is_meta:
        raise BadInput(
            f"{name} is on the meta device: it has a shape and no numbers",
            expected="numbers in memory",
            do=f"pass the rows of {name} as a torch tensor or a NumPy array",
        )
    if not found.dim():
        raise BadInput(
            f"{name} is a single value ({type(values).__name__})",
            expected="an array or a tensor, a row each",
            do=f"pass the rows of {name} as a torch tensor or a NumPy array",
        )
    return found


def _numbers(values: Any, name: str) -> np.ndarray:
    try:
        array = np.array(values)
    except (ValueError, TypeError, RuntimeError) as error:
        raise BadInput(
            f"{name} cannot be read as an array: {str(error).splitlines()[0]}",
            expected="rows of the same length, all of numbers",
            do=f"pass {name} as a torch tensor or a NumPy array",
        ) from error
    if array.dtype.kind in "biuf":
        return array
    if array.ndim:
        for place, value in zip(np.ndindex(array.shape), array.flat, strict=True):
            if not isinstance(value, (Real, np.bool_)):
                encode = f"number the classes: {name} = sklearn.preprocessing.LabelEncoder().fit_transform({name})"
                shown = value.item() if isinstance(value, np.generic) else value
                raise BadInput(
                    f"{name} holds {shown!r} in row {place[0]}" + (f", column {place[1]}" if len(place) > 1 else ""),
                    expected="numbers only",
                    do=encode if array.ndim == 1 else f"encode or drop the columns of {name} that are no numbers",
                )
        return array.astype(float)
    raise BadInput(
        f"{name} is a {type(values).__name__}",
        expected="an array or a tensor, a row each",
        do=f"pass the rows of {name} as a torch tensor or a NumPy array",
    )


def check_finite(values: Tensor, name: str, *, infinite: bool = True) -> None:
    """Refuse NaN and infinities: no training survives them, and nothing measured of them means anything. infinite:
    whether infinities are refused too (a mask is made of them)."""
    bad = not_finite(values, infinite=infinite)
    if bad is None:
        return
    fill = "" if name == "y" else ", or fill them (sklearn.impute.SimpleImputer)"
    raise BadInput(
        f"{name} holds {bad.words()}",
        expected="finite numbers only",
        do=f"drop the rows of {name} that are not finite{fill}",
    )


def check_numbers(model: nn.Module) -> None:
    """Refuse weights on the meta device: shapes without numbers."""
    name = next((name for name, value in model.state_dict(keep_vars=True).items() if value.is_meta), None)
    if name is not None:
        raise BadInput(
            f"{name} of the model is on the meta device: it has a shape and no numbers",
            expected="a model whose weights are in memory",
            do="make room and initialize it first: model.to_empty(device='cpu'), then reset_parameters() of its layers",
        )


def check_parameters(model: nn.Module) -> None:
    """Refuse weights that are not finite, and such as have no numbers at all."""
    check_numbers(model)
    for name, parameter in model.named_parameters():
        if isinstance(parameter, nn.parameter.UninitializedParameter):
            continue
        bad = not_finite(parameter)
        if bad is not None:
            raise BadInput(
                f"the model's parameter {name} holds {bad.count} of {bad.of} values that are not finite",
                expected="finite weights before the training",
                do=f"initialize {name} again, or load a state whose weights are finite",
            )


def check_module(model: Any, do: str) -> None:
    """Refuse what is no module; do: what to do about it, with {} for the module."""
    if isinstance(model, nn.Module):
        return
    name = getattr(model, "__name__", type(model).__name__)
    made = f"{'make_model' if name == '<lambda>' else name}()" if callable(model) else "model"
    kind = "class" if isinstance(model, type) else "function" if callable(model) else type(model).__name__
    raise BadInput(
        f"the model is {'None' if model is None else 'a ' + kind}" + (f" ({name})" if callable(model) else ""),
        expected="a torch.nn.Module",
        do=do.format(made),
    )


def check_maker(make: Any, name: str, example: str) -> None:
    """Refuse what is no function that makes something."""
    if callable(make) and not isinstance(make, (nn.Module, torch.optim.Optimizer)):
        return
    raise BadInput(
        f"{name} is {_a(make)}",
        expected="a function that makes a fresh one for every seed",
        do=f"pass {name}={example}",
    )


def check_criterion(criterion: Any) -> None:
    """Refuse a class where an instance is meant, and what cannot be called."""
    if isinstance(criterion, type):
        raise BadInput(
            f"the criterion is the class {criterion.__name__}",
            expected="an instance, or a function of (output, target)",
            do=f"make one: {'nn.' if issubclass(criterion, nn.Module) else ''}{criterion.__name__}()",
        )
    if not callable(criterion) or isinstance(criterion, torch.optim.Optimizer):
        raise BadInput(
            f"the criterion is {_a(criterion)}",
            expected="a loss module, or a function of (output, target)",
            do="pass the loss that is minimized, such as torch.nn.CrossEntropyLoss()",
        )


def check_watched(model: Any, optimizers: list[Any], criterion: Any) -> None:
    """Refuse arguments of `watch` that are in the wrong order, or that are no module, optimizer and criterion."""
    known = optimizers and all(hasattr(o, "register_step_post_hook") and hasattr(o, "param_groups") for o in optimizers)
    if not isinstance(model, nn.Module) or not known:
        given = ", ".join(map(_kind, (model, *optimizers, *([] if criterion is None else [criterion]))))
        raise BadInput(
            f"tenfold.watch({given})",
            expected="a torch.nn.Module, then its optimizer (or a list of them), then the criterion",
            do="tenfold.watch(model, optimizer, criterion)",
        )
    if criterion is not None:
        check_criterion(criterion)


def check_fresh(model: nn.Module, earlier: list[nn.Module]) -> None:
    """Refuse a module that shares weights with one made before: the second training would begin where the first one
    ended."""
    known = {id(p) for other in earlier for p in other.parameters()}
    if any(model is other for other in earlier) or any(id(p) in known for p in model.parameters()):
        raise BadInput(
            "make_model gives the same module (or the same weights) each time",
            expected="a fresh module at every call",
            do="build the layers inside the function: make_model=lambda: Network()",
        )


def check_rows(inputs: Tensor, targets: Tensor, least: int) -> None:
    """Refuse too few rows, and targets of other rows."""
    if len(inputs) != len(targets) or len(inputs) < least:
        raise BadInput(
            f"X has {len(inputs)} rows and y has {len(targets)}",
            expected=f"as many targets as rows, at least {least}",
            do="pass X and y of the same rows",
        )


def optimizer_of(make: Callable[[Any], Any], model: nn.Module) -> torch.optim.Optimizer:
    """make(parameters), or where that is not what it takes, make(module); refused where that gives no optimizer."""
    try:
        found = make(model.parameters())
    except (AttributeError, TypeError):
        found = make(model)
    if not isinstance(found, torch.optim.Optimizer):
        raise BadInput(
            f"make_optimizer gives {_a(found)}",
            expected="a torch.optim.Optimizer",
            do="return it: make_optimizer=lambda parameters: torch.optim.Adam(parameters, lr=1e-3)",
        )
    return found


def _a(value: Any) -> str:
    name = _kind(value)
    return name if value is None else f"{'an' if name[0] in 'AEIOUaeiou' else 'a'} {name}"


def _kind(value: Any) -> str:
    return "None" if value is None else value.__name__ if isinstance(value, type) else type(value).__name__
