"""A user's function called: the module that it returns, with first weights that only a seed decides."""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from tenfold.engine.plan.size import Size
from tenfold.engine.undisturbed import own_random_state
from tenfold.errors import BadInput, clipped

if TYPE_CHECKING:
    from tenfold.recipe.module import Module

SHAPE, OUTPUTS = "input_shape", "outputs"  # the parameters of a function that are given what they are called


def row_shape(size: Size) -> Any:
    """The shape of one row: (columns,), (channels, height, width), or what the tensors of X have (see
    `TensorShapes.row_shape`)."""
    if size.tensors is not None:
        return size.tensors.row_shape
    if size.image is not None:
        height, width, channels = size.image
        return (channels, height, width)
    return (size.inputs,)


def make_module(network: Module, size: Size, seed: int) -> nn.Module:
    """What the function of a `Module` returns for rows of this size, its weights drawn with a seed.

    Raises `BadInput` where the function cannot be called so, fails, or returns something else.
    """
    where = f"network {network.name}"
    if not network.bound:
        do = "tenfold.cross_validate or search in Python, with Module(make_model)"
        raise BadInput("only its name is here, and not the function", where=where, do=do)
    arguments = {**_known(network, size), **dict(network.fields)}
    _check_arguments(network, arguments, where)
    with own_random_state():
        torch.manual_seed(seed)
        try:
            module = network.make_model(**arguments)
        except Exception as error:
            raise BadInput(f"it fails: {type(error).__name__}: {clipped(error, 200)}", where=where) from error
    if not isinstance(module, nn.Module):
        raise BadInput(f"it returns a {type(module).__name__}", where=where, expected="a torch.nn.Module")
    if any(isinstance(part, nn.parameter.UninitializedParameter) for part in module.parameters()):
        raise BadInput(
            "it has lazy layers, whose size the first rows would decide", where=where, expected="layers with sizes",
            do=f"take the sizes from a parameter called {SHAPE}",
        )  # fmt: skip
    odd = next((name for name, part in module.named_parameters() if not part.is_floating_point()), None)
    if odd is not None:
        raise BadInput(f"parameter {odd} is of type {dict(module.named_parameters())[odd].dtype}", where=where)
    return module


def _parameters(network: Module) -> dict[str, inspect.Parameter]:
    try:
        return dict(inspect.signature(network.make_model).parameters)
    except (TypeError, ValueError):  # of some classes in C
        return {}


def _known(network: Module, size: Size) -> dict[str, Any]:
    """What Tenfold knows, as far as the function asks for it by name."""
    known = {SHAPE: row_shape(size), OUTPUTS: size.outputs}
    asked = _parameters(network)
    return {name: value for name, value in known.items() if name in asked}


def _check_arguments(network: Module, arguments: dict[str, Any], where: str) -> None:
    parameters = _parameters(network)
    open_ended = any(p.kind is inspect.Parameter.VAR_KEYWORD for p in parameters.values())
    strange = [name for name in arguments if name not in parameters]
    if strange and parameters and not open_ended:
        raise BadInput(
            f"it has no parameter {strange[0]!r}", where=where, expected=f"one of: {', '.join(parameters) or 'none'}"
        )
    fixed = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
    needed = [n for n, p in parameters.items() if p.default is p.empty and p.kind not in fixed and n not in arguments]
    if needed:
        raise BadInput(
            f"it needs {', '.join(needed)}", where=where, expected=f"{SHAPE} and {OUTPUTS}, or fields of the Module",
            do=f"Module({network.name}, {needed[0]}=...)",
        )  # fmt: skip
