"""What goes through a network, layer by layer, on one set of rows: activations forward, gradients back."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from tenfold.doctor.measure.activations import activation_facts
from tenfold.doctor.measure.numbers.pipeline import Pipeline
from tenfold.doctor.measure.numbers.rows import RowBatch, join, probe_part
from tenfold.doctor.measure.watching.seeded import seeded
from tenfold.doctor.measure.watching.trace import SHAPING, Call, first_tensor, tracing
from tenfold.doctor.record import LayerNumbers, Probe, ProbeState

SAMPLE = 4_000  # entries that quantiles are taken from
MAP_UNITS = 256  # units that a map of dead units shows
QUANTILES = (0.0, 0.05, 0.25, 0.5, 0.75, 0.95, 1.0)
SATURATED = 0.05  # of the activation's slope_scale
FLAT = 1e-3  # of the same, on all rows: a dead unit
SAME = 1e-4  # relative distance of units that count as identical


@dataclass
class _Seen:
    call: Call
    derivative: Tensor | None = None


def probe(
    model: nn.Module,
    parts: Sequence[RowBatch],
    pipeline: Pipeline | None,
    state: ProbeState,
    step: int,
    *,
    joined: bool,
) -> Probe:
    """Measure a (copied) model in one state. joined: the parts may be put together (see `splittable`)."""
    rows = probe_part(join(parts)) if joined else parts[0]
    seen: list[_Seen] = []

    def every(call: Call) -> None:
        if call.output is not None and call.output.requires_grad:
            call.output.retain_grad()
        seen.append(_Seen(call, _derivative(call)))

    model.zero_grad(set_to_none=True)
    was = model.training
    # a pass in training mode moves the running moments of batch normalization: they are put back
    buffers = {name: b.clone() for name, b in model.named_buffers()}
    model.train()
    with seeded(0), torch.enable_grad():
        with tracing(model, every=every):
            output = _tensor(model(*rows.inputs, **rows.keywords))
        if pipeline is not None:
            loss = pipeline.loss(output, rows.target)
            if loss.requires_grad and torch.isfinite(loss):
                loss.backward()
    layers = [_numbers(place, s, model) for place, s in enumerate(seen)]
    model.zero_grad(set_to_none=True)
    _restore(model, buffers)
    found = _outcome(model, parts, pipeline, joined)
    model.train(was)
    return Probe(state, step, layers, **found)


@torch.no_grad()
def _restore(model: nn.Module, buffers: dict[str, Tensor]) -> None:
    for name, buffer in model.named_buffers():
        buffer.copy_(buffers[name])


def _tensor(output: object) -> Tensor:
    found = first_tensor(output)
    assert found is not None, "the model returns no tensor"
    return found


@torch.no_grad()
def outputs_of(model: nn.Module, parts: Sequence[RowBatch], *, training: bool) -> list[Tensor]:
    """The outputs for each part in one of the two modes."""
    model.train(training)
    with seeded(0):
        return [_tensor(model(*part.inputs, **part.keywords)) for part in parts]


def _outcome(model: nn.Module, parts: Sequence[RowBatch], pipeline: Pipeline | None, joined: bool) -> dict[str, Any]:
    """Losses and skills in both modes on the parts as they were dealt, and what the outputs look like."""
    if pipeline is None:
        return {}
    buffers = {name: b.clone() for name, b in model.named_buffers()}
    few = parts[:32]
    found: dict[str, Any] = {}
    targets = torch.cat([p.target for p in few]) if joined or len({p.target.shape[1:] for p in few}) == 1 else None
    for training, loss_name, skill_name in ((True, "train_loss", "skill_train_mode"), (False, "eval_loss", "skill")):
        outputs = outputs_of(model, few, training=training)
        _restore(model, buffers)
        with torch.no_grad():
            losses = [float(pipeline.loss(o, p.target)) for o, p in zip(outputs, few, strict=True)]
        found[loss_name] = sum(losses) / len(losses)
        if targets is not None:
            found[skill_name] = pipeline.skill(torch.cat(outputs), targets)
    if targets is not None:
        found |= _shape_of_outputs(pipeline, torch.cat(outputs))
    return found


def _shape_of_outputs(pipeline: Pipeline, output: Tensor) -> dict[str, Any]:
    scored = pipeline.scored(output).float()
    flat = scored.reshape(scored.shape[0], -1)
    found: dict[str, Any] = {
        "outputs": quantiles(flat),
        "output_spread": float(flat.std(0).max()) if len(flat) > 1 else 0.0,
    }
    predicted = pipeline.predicted(output)
    if pipeline.task != "numbers":
        shares = torch.bincount(predicted.flatten(), minlength=pipeline.classes).double() / predicted.numel()
        found["predicted_shares"] = shares[:20].tolist()
        found["distinct"] = 1.0 - float(shares.max())
    return found


def _derivative(call: Call) -> Tensor | None:
    """f'(z) of an element-by-element activation, at the inputs that it just had."""
    operation = call.operation
    if operation.kind != "activation" or operation.rule in SHAPING:
        return None
    with torch.enable_grad():
        z = call.args[0].detach().requires_grad_()
        try:
            out = call.function(
                z.clone(), *[a.detach() if isinstance(a, Tensor) else a for a in call.args[1:]], **call.keywords
            )
            return torch.autograd.grad(out.sum(), z)[0]
        except RuntimeError:  # no derivative
            return None


def by_units(tensor: Tensor, channels: bool) -> Tensor:
    """(rows and places, units)."""
    if tensor.dim() < 2:
        return tensor.reshape(-1, 1)
    return (tensor.movedim(1, -1) if channels and tensor.dim() > 2 else tensor).reshape(
        -1, tensor.shape[1 if channels and tensor.dim() > 2 else -1]
    )


def _numbers(place: int, seen: _Seen, model: nn.Module) -> LayerNumbers:
    call = seen.call
    output = call.output
    if output is None:
        return LayerNumbers(place, float("nan"), float("nan"), float("nan"))
    units = by_units(output.detach().float(), call.channels)
    kind, rule = call.operation.kind, call.operation.rule
    found: dict[str, Any] = {
        "mean": float(units.mean()), "std": float(units.std()) if units.numel() > 1 else 0.0,
        "rms": float(units.square().mean().sqrt()), "quantiles": quantiles(units),
    }  # fmt: skip
    if units.shape[0] > 1:
        centre, spread = units.mean(0), units.std(0)
        # relative to the unit's own size, and to the layer's for units about 0
        still = spread <= 1e-4 * (centre.abs() + units.square().mean().sqrt() * 1e-2 + 1e-30)
        found["unvarying"] = float(still.float().mean())
        if kind in ("linear", "conv", "activation") and units.shape[1] > 1:
            found["identical"] = _identical(units[:, ~still])
    if seen.derivative is not None:
        slope = by_units(seen.derivative.float(), call.channels)
        facts = activation_facts(rule)
        dead = (slope.abs() < FLAT * facts.slope_scale).all(0)
        found |= {
            "derivative": float(slope.mean()), "derivative_square": float(slope.square().mean()),
            "dead": float(dead.float().mean()), "dead_units": dead[:MAP_UNITS].int().tolist(),
        }  # fmt: skip
        if facts.saturates:
            found["saturated"] = float((slope.abs() < SATURATED * facts.slope_scale).float().mean())
    if output.grad is not None:
        gradient = output.grad.float()
        # of the sum of the rows' losses, not of their mean: it does not shrink with the number of probed rows
        found["gradient"] = float(gradient.square().mean().sqrt() * output.shape[0])
        found["gradient_quantiles"] = quantiles(gradient.abs() * output.shape[0])
    found |= _of_parameters(call, model)
    return LayerNumbers(place, **found)


def _of_parameters(call: Call, model: nn.Module) -> dict[str, Any]:
    named = dict(model.named_parameters(remove_duplicate=False))
    found = {}
    if call.operation.weight in named:
        weight = named[call.operation.weight]
        found["weight_rms"] = float(weight.detach().square().mean().sqrt())
        if weight.grad is not None:
            found["weight_gradient"] = float(weight.grad.square().mean().sqrt())
    if call.operation.bias in named:
        found["bias_rms"] = float(named[call.operation.bias].detach().square().mean().sqrt())
    return found


def _identical(units: Tensor) -> float:
    """Share of units that equal another one on all rows, up to SAME of their rms."""
    if units.shape[1] < 2:
        return 0.0
    # rounded to a grid, equal units are equal columns, which `unique` finds without comparing all pairs
    rows = units[:64]
    scale = rows.square().mean().sqrt() + 1e-30
    key = (rows / (scale * SAME)).round()
    if not torch.isfinite(key).all():
        return 0.0
    _, counts = torch.unique(key.T, dim=0, return_counts=True)
    return float(counts[counts > 1].sum()) / units.shape[1]


def quantiles(values: Tensor) -> list[float]:
    """The values at QUANTILES, of every n-th entry of a large tensor."""
    flat = values.detach().flatten().float()
    flat = flat[:: max(1, len(flat) // SAMPLE)].cpu()
    if not len(flat) or not torch.isfinite(flat).all():
        return []
    return torch.quantile(flat, torch.tensor(QUANTILES)).tolist()
