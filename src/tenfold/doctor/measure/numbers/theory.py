"""What a loss is at landmarks: a constant output, equal odds, a perfect output; found by minimizing the user's own
criterion over free outputs, so it needs no formula of the criterion."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from tenfold.doctor.measure.numbers.pipeline import COUNTS, Pipeline, name_of
from tenfold.doctor.measure.watching.watched import ObservedBatch
from tenfold.doctor.record import Theory
from tenfold.rules.optimizers import Adam
from tenfold.rules.optimizers.update import Coefficients, Flat, Need, Time, shared_update

STEPS = 150
NEAR_THE_TARGETS = (
    "MSELoss", "mse_loss", "L1Loss", "l1_loss", "SmoothL1Loss", "smooth_l1_loss", "HuberLoss", "huber_loss",
    *COUNTS, "GaussianNLLLoss", "gaussian_nll_loss",
)  # fmt: skip
LOG_ODDS, ODDS = ("NLLLoss", "nll_loss", "KLDivLoss", "kl_div"), ("BCELoss", "binary_cross_entropy")


def theory(pipeline: Pipeline, sample: Tensor, targets: Tensor) -> Theory:
    """Landmarks for outputs shaped as `sample` (rows, ...) and their targets (at most 256 rows are looked at)."""
    rows = min(len(targets), 256)
    wanted = targets[:rows]
    bounded = name_of(pipeline.criterion) in ODDS and pipeline.after == ""
    output = torch.full_like(sample[:rows].detach(), 0.5 if pipeline.cut == 0.5 and not bounded else 0.0)
    if pipeline.task == "numbers" and wanted.is_floating_point():
        output = output + wanted.mean().to(output.dtype)
    squash: Callable[[Tensor], Tensor] = torch.sigmoid if bounded else lambda z: z
    if name_of(pipeline.criterion) in LOG_ODDS:
        squash = lambda z: torch.log_softmax(z, 1)  # noqa: E731
    chance = math.log(pipeline.classes) if pipeline.task != "numbers" else None
    constant = least(pipeline, lambda row: squash(row.expand_as(output)), output.mean(0, keepdim=True), wanted)
    free = least(pipeline, squash, output, wanted)
    skill = None
    if free is not None and pipeline.task != "numbers":
        with torch.no_grad():
            skill = pipeline.skill(squash(free[1]), wanted)
    return Theory(constant[0] if constant else None, chance, free[0] if free else None, skill)


def another_goal(pipeline: Pipeline, batches: Sequence[ObservedBatch]) -> str:
    """Why outputs near the targets are not what an own loss of numbers asks for: its best constant output lies outside
    of the middle half of the targets, as that of a high quantile does; "" where it does not, or is not known."""
    if pipeline.task != "numbers" or name_of(pipeline.criterion) in NEAR_THE_TARGETS:
        return ""
    pairs = [(b.output, b.target) for b in batches]
    seen = [(o, t) for o, t in pairs if o is not None and t is not None and t.is_floating_point() and t.dim()]
    seen = [(o, t) for o, t in seen if o.shape[1:] == seen[0][0].shape[1:] and t.shape[1:] == seen[0][1].shape[1:]]
    if not seen or seen[0][1][0].numel() != 1:
        return ""
    output, wanted = (torch.cat(parts)[:1024].detach() for parts in zip(*seen, strict=True))
    if output.shape != wanted.shape:
        return ""
    start = (output * 0 + wanted.mean().to(output.dtype)).mean(0, keepdim=True)
    found = least(pipeline, lambda row: row.expand_as(output), start, wanted)
    low, high = (float(torch.quantile(wanted.double(), share)) for share in (0.25, 0.75))
    if found is None or not high > low:
        return ""
    best = float(found[1].mean())
    if low <= best <= high:
        return ""
    return (
        f"the best constant answer to {name_of(pipeline.criterion)} is {best:.3g}, outside of the middle half of "
        "the targets "
        f"({low:.3g} to {high:.3g}): it asks for something else than outputs near the targets"
    )


def least(
    pipeline: Pipeline, spread: Callable[[Tensor], Tensor], start: Tensor, wanted: Tensor
) -> tuple[float, Tensor] | None:
    """The least loss over free outputs and these outputs, by Adam with a falling rate, scaled to the targets; None
    where the criterion has no gradient or no floor was met (a loss that falls without bound). With our own rule: the
    first optimizer of torch in a process imports its compiler, a second and more."""
    scale = max(1.0, float(wanted.double().abs().max())) if pipeline.task == "numbers" else 1.0
    made = np.arange(STEPS)
    table = Adam().coefficients(Time(made + 1, 0.3 * scale * (1 - made / STEPS), made / STEPS))
    with torch.enable_grad():
        free = torch.where(torch.isfinite(start), start, 0.0).clamp(-1e6, 1e6).detach().clone().requires_grad_()
        row = free.detach()
        state = {name: torch.full_like(row, value) for name, value in Adam().state().items()}
        best, at = math.inf, row.clone()
        for numbers in zip(*(torch.from_numpy(values).to(row.dtype) for values in table), strict=True):
            try:
                loss = pipeline.loss(spread(free), wanted)
            except (RuntimeError, ValueError, IndexError):
                return None
            if not loss.requires_grad or not torch.isfinite(loss):
                break
            if float(loss.detach()) < best:
                best, at = float(loss.detach()), row.clone()
            slope: Any = torch.autograd.grad(loss, [free], allow_unused=True)[0]
            if slope is None:
                break
            flat = Flat(row, slope.clone(), state, torch.empty_like(row))
            shared_update(flat, Coefficients(*numbers), Need(plain=False, inside=False))
    return (best, at) if math.isfinite(best) else None
