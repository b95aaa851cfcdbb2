"""Gradients taken again, on copies: against the recorded ones, between batches, against differences, and curvature."""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from tenfold.doctor.measure.numbers.pipeline import Pipeline
from tenfold.doctor.measure.numbers.rows import RowBatch, rows_of
from tenfold.doctor.measure.watching.seeded import seeded
from tenfold.doctor.measure.watching.trace import first_tensor
from tenfold.doctor.measure.watching.watched import Watched

ITERATIONS = 20  # of the power method
ENTRIES = 24  # that a gradient check looks at
SEVERAL = 1.2  # backward passes an update
STEP = 1e-5  # of its centred differences


def mean_gradient(model: nn.Module, rows: RowBatch, pipeline: Pipeline, *, graph: bool = False) -> list[Tensor]:
    """The gradient of the mean loss of some rows by trainable parameter, in the model's present mode; zeros where it
    does not reach."""
    parameters = [p for p in model.parameters() if p.requires_grad]
    with seeded(0), torch.enable_grad():
        output = first_tensor(model(*rows.inputs, **rows.keywords))
        assert output is not None
        loss = pipeline.loss(output, rows.target)
        found: Any = torch.autograd.grad(loss, parameters, create_graph=graph, allow_unused=True)
    return [torch.zeros_like(p) if g is None else g for g, p in zip(found, parameters, strict=True)]


def against_recorded(model: nn.Module, watched: Watched, pipeline: Pipeline) -> dict[str, float]:
    """Recorded updates against the gradient of the criterion on the same batch at the same weights.

    gradient_ratio: recorded norm over the norm taken again, at the first update; gradient_ratio_later: at the last one
    that can be compared (grows where gradients are never zeroed). descent: cosine between -(w_1 - w_0) and the
    gradient at w_0: near -1 where the loss is climbed. Dropout makes them rough.
    """
    states = dict(watched.snapshots)
    # an update of several batches, or of a closure that asks for gradients anew, is not the gradient of one batch
    if watched.accumulated > SEVERAL or any(type(o).__name__ == "LBFGS" for o in watched.optimizers):
        return {}
    batches = {b.step: b for b in reversed(watched.batches)}
    found: dict[str, float] = {}
    # gradients can be compared where an update was sampled, its batch was kept and its state was kept
    for sample in watched.curves.updates:
        batch, state = batches.get(sample.step), states.get(sample.step)
        rows = rows_of(batch) if batch is not None else None
        norms = [g for g in sample.gradient if g is not None]
        if batch is None or rows is None or state is None or not norms:
            continue
        model.load_state_dict(state, strict=False)
        model.train(batch.training_mode)
        taken = mean_gradient(model, rows, pipeline)
        norm = float(torch.stack([t.double().square().sum() for t in taken]).sum().sqrt())
        recorded = sum(n * n for n in norms) ** 0.5
        if norm > 0 and not found:
            found["gradient_shape"] = _shape(sample.gradient, model, taken)
        if norm > 0:
            found["gradient_ratio_later" if "gradient_ratio" in found else "gradient_ratio"] = recorded / norm
        after = states.get(sample.step + 1)
        if after is not None and "descent" not in found and sample.step == 0:
            found["descent"] = _cosine(model, state, after, taken)
    return found


def _shape(recorded: Sequence[float | None], model: nn.Module, taken: Sequence[Tensor]) -> float:
    """Largest over smallest ratio of recorded and taken norms, parameter by parameter: 1 where a common factor, as of
    clipping, is all that tells them apart."""
    norms = iter([float(g.double().norm()) for g in taken])
    pairs = [(r, next(norms)) for r, p in zip(recorded, model.parameters(), strict=True) if p.requires_grad]
    top = max((two for _, two in pairs), default=0.0)
    ratios = [one / two for one, two in pairs if one is not None and two > 1e-3 * top]
    return max(ratios) / min(ratios) if ratios and min(ratios) > 0 else 1.0


def _cosine(model: nn.Module, before: dict[str, Tensor], after: dict[str, Tensor], taken: list[Tensor]) -> float:
    names = [n for n, p in model.named_parameters() if p.requires_grad]
    dot = size = norm = 0.0
    for name, g in zip(names, taken, strict=True):
        moved = before[name].double() - after[name].double()
        dot += float((moved * g.double()).sum())
        size += float(moved.square().sum())
        norm += float(g.double().square().sum())
    return dot / (size * norm) ** 0.5 if size > 0 and norm > 0 else 0.0


def noise(model: nn.Module, parts: Sequence[RowBatch], pipeline: Pipeline) -> float | None:
    """tr(S) / |G|^2 from the gradients of at least four batches: their variance over the square of their mean, times
    the rows of a batch: the batch size at which noise and signal are equal. Source: McCandlish et al. 2018."""
    if len(parts) < 4:
        return None
    taken = [torch.cat([g.flatten() for g in mean_gradient(model, part, pipeline)]).double() for part in parts[:8]]
    stack = torch.stack(taken)  # (batches, parameters)
    mean = stack.mean(0)
    variance = float((stack - mean).square().sum() / (len(taken) - 1))
    signal = float(mean.square().sum()) - variance / len(taken)
    return parts[0].count * variance / signal if signal > 0 else float("inf")


def curvature(model: nn.Module, rows: RowBatch, pipeline: Pipeline) -> float:
    """Largest eigenvalue (by magnitude) of the Hessian of the loss on some rows, by the power method on products
    H v = d(g'v)/dw, 20 iterations; gradient descent is stable for rates under 2 / it."""
    parameters = [p for p in model.parameters() if p.requires_grad]
    generator = torch.Generator().manual_seed(0)
    v = [torch.randn(p.shape, generator=generator).to(p) for p in parameters]
    value = 0.0
    g = mean_gradient(model, rows, pipeline, graph=True)
    for _ in range(ITERATIONS):
        norm = torch.stack([x.square().sum() for x in v]).sum().sqrt()
        v = [x / norm for x in v]
        product: Any = torch.autograd.grad(
            sum(((a * b).sum() for a, b in zip(g, v, strict=True)), torch.zeros(())), parameters,
            retain_graph=True, allow_unused=True,
        )  # fmt: skip
        hv = [torch.zeros_like(p) if h is None else h for h, p in zip(product, parameters, strict=True)]
        value = float(sum(((a * b).sum() for a, b in zip(hv, v, strict=True)), torch.zeros(())))
        if not any(bool(h.any()) for h in hv):
            return 0.0
        v = hv
    return value


def check_gradient(model: nn.Module, rows: RowBatch, pipeline: Pipeline) -> float:
    """Median relative error |a - n| / max(|a|, |n|) of the gradient against centred differences (h = 1e-5) in float64
    at 24 entries drawn evenly from the parameter tensors; entries where both are under 1e-7 count as right."""
    model = copy.deepcopy(model).double().eval()
    double: Callable[[Tensor], Tensor] = lambda t: t.double() if t.is_floating_point() else t  # noqa: E731
    rows = RowBatch(
        tuple(double(v) if isinstance(v, Tensor) else v for v in rows.inputs),
        {k: double(v) if isinstance(v, Tensor) else v for k, v in rows.keywords.items()},
        double(rows.target),
    )
    parameters = [p for p in model.parameters() if p.requires_grad]
    analytic = mean_gradient(model, rows, pipeline)
    generator = torch.Generator().manual_seed(0)
    errors = []
    for number in range(ENTRIES):
        place = number % len(parameters)
        entry = int(torch.randint(parameters[place].numel(), (1,), generator=generator))
        a, n = float(analytic[place].flatten()[entry]), _difference(model, parameters[place], entry, rows, pipeline)
        errors.append(0.0 if max(abs(a), abs(n)) < 1e-7 else abs(a - n) / max(abs(a), abs(n)))
    return float(torch.tensor(errors).median())


@torch.no_grad()
def _difference(model: nn.Module, parameter: Tensor, entry: int, rows: RowBatch, pipeline: Pipeline) -> float:
    flat = parameter.reshape(-1)
    losses = []
    for way in (1.0, -2.0):
        flat[entry] += way * STEP
        output = first_tensor(model(*rows.inputs, **rows.keywords))
        assert output is not None
        losses.append(float(pipeline.loss(output, rows.target)))
    flat[entry] += STEP
    return (losses[0] - losses[1]) / (2 * STEP)
