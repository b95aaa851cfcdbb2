"""Changes of a network from outside, without its code: other functions in place of its operations, other weights."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from tenfold.doctor.measure.activations import activation_facts
from tenfold.doctor.measure.watching.seeded import seeded
from tenfold.doctor.measure.watching.trace import OUTPUT_RULES, Call, CallReplacement as Replacement
from tenfold.doctor.record import Operation, following, hidden_layers, output_activations, weighted


def rectify(operations: Sequence[Operation]) -> dict[int, Replacement]:
    """ReLU behind every hidden layer, in place of the activation there or where there is none."""
    found: dict[int, Replacement] = {}
    for place in hidden_layers(operations):
        there = following(operations, place)
        if there is None:
            found[place] = lambda call: F.relu(_run(call))
        elif operations[there].rule not in OUTPUT_RULES:
            found[there] = lambda call: F.relu(call.args[0])
    return found


def normalize(operations: Sequence[Operation], changes: dict[int, Replacement]) -> dict[int, Replacement]:
    """Each row's hidden units standardized behind every hidden layer, (a - mean) / sqrt(var + 1e-5) over its units."""
    found = dict(changes)
    for place in hidden_layers(operations):
        before = changes.get(place)
        found[place] = lambda call, before=before: _layer_norm(before(call) if before else _run(call), call)
    return found


def _layer_norm(a: Tensor, call: Call) -> Tensor:
    return F.layer_norm(a, a.shape[1:] if call.channels else a.shape[-1:])


def _run(call: Call) -> Any:
    return call.function(*call.args, **call.keywords)


def bare(operations: Sequence[Operation]) -> dict[int, Replacement]:
    """Nothing behind the last weighted operation."""
    return {place: lambda call: call.args[0] for place in output_activations(operations)}


def without_dropout(operations: Sequence[Operation]) -> dict[int, Replacement]:
    """Dropout that keeps everything."""
    return {i: lambda call: call.args[0] for i, op in enumerate(operations) if op.kind == "dropout"}


def with_units(operations: Sequence[Operation], weight: Tensor, bias: Tensor) -> dict[int, Replacement]:
    """Another output layer, weight (units, fan in) and bias (units,), in place of the last linear one."""
    last = weighted(operations)[-1]
    place = lambda call: 1 if call.function.__name__ == "addmm" else 0  # noqa: E731  where the input stands
    return {last: lambda call: F.linear(call.args[place(call)], weight, bias)}


@torch.no_grad()
def reinitialize(model: nn.Module, operations: Sequence[Operation], rule: str = "", seed: int = 0) -> None:
    """Weights ~ N(0, gain^2 / fan_in) with the gain of the activation behind them (He et al. 2015), 1 at the output;
    biases 0; normalization 1 and 0; other modules by their own `reset_parameters`. rule: the activation that will be
    there instead of the present ones."""
    generator = torch.Generator().manual_seed(seed)
    named = dict(model.named_parameters(remove_duplicate=False))
    done: set[int] = set()
    places = weighted(operations)
    for place, op in enumerate(operations):
        parameter, bias = named.get(op.weight), named.get(op.bias)
        if parameter is None or id(parameter) in done:
            continue
        if op.kind in ("linear", "conv") and op.rule != "conv_transpose":
            there = following(operations, place)
            behind = rule or (operations[there].rule if there is not None else "")
            gain = activation_facts(behind).gain if place != places[-1] else 1.0
            draw = torch.randn(parameter.shape, generator=generator) * gain / math.sqrt(max(op.fan_in, 1))
            parameter.copy_(draw.to(parameter))
        elif op.kind == "normalization":
            parameter.fill_(1.0)
        else:
            continue
        done.add(id(parameter))
        if bias is not None:
            bias.zero_()
            done.add(id(bias))
    with seeded(seed):
        for module in model.modules():
            mine = list(module.parameters(recurse=False))
            reset = getattr(module, "reset_parameters", getattr(module, "_reset_parameters", None))
            if mine and reset is not None and not any(id(p) in done for p in mine):
                reset()


@torch.no_grad()
def dealt_anew(model: nn.Module, seed: int) -> None:
    """Another start of the same kind: the incoming weights of every layer in another order, one order a layer, so
    scales, constants and identical units stay what they are."""
    generator = torch.Generator().manual_seed(seed)
    for parameter in model.parameters():
        if parameter.dim() > 1:
            flat = parameter.reshape(parameter.shape[0], -1)
            order = torch.randperm(flat.shape[1], generator=generator).to(flat.device)
            parameter.copy_(flat[:, order].reshape(parameter.shape))
