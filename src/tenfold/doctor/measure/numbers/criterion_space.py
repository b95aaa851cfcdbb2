"""What a criterion is made for: outputs and targets that it may get, its own numbers, and targets that it ignores."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from tenfold.doctor.measure.numbers.pipeline import BINARY_LOSSES, COUNTS, ignored, name_of
from tenfold.doctor.measure.watching.watched import ObservedBatch

BY_SIGN = ("SoftMarginLoss", "soft_margin_loss", "HingeEmbeddingLoss", "hinge_embedding_loss")
DIVERGENCES = ("KLDivLoss", "kl_div")
NEAR = 0.05  # by which the odds of a row may miss the sum of 1
FINITE = 1e6  # outputs beyond it have run away: then it is not the criterion's space that is left


def outside_space(criterion: Any, batches: Sequence[ObservedBatch]) -> str:
    """A sentence about the first outputs or targets that the criterion is not made for; "" without."""
    name = name_of(criterion)
    for batch in batches:
        scored, target = batch.scored, batch.target
        if scored is None or target is None or not torch.isfinite(scored).all():
            continue
        found = _said(criterion, name, scored.double(), target)
        if found:
            return f"{name} {found}"
    return ""


def _said(criterion: Any, name: str, scored: Tensor, target: Tensor) -> str:
    if name in DIVERGENCES:
        return _divergence(scored, target.double(), bool(getattr(criterion, "log_target", False)))
    values = torch.unique(target.double()) if target.numel() else target.double()
    low, high = (float(values[0]), float(values[-1])) if len(values) else (0.0, 0.0)
    if name in BY_SIGN and not bool(((values == 1) | (values == -1)).all()):
        return f"wants targets of -1 and 1, and gets {low:g} to {high:g}: y = 2 * y - 1"
    if name in BINARY_LOSSES and (low < 0 or high > 1):
        return f"wants targets from 0 to 1, and gets {low:g} to {high:g}: its loss has no lower end"
    if name in COUNTS:
        if not getattr(criterion, "log_input", True) and bool((scored < 0).any()):
            share = float((scored < 0).double().mean())
            return (
                f"with log_input=False wants rates above 0, and {share:.0%} of the outputs are below "
                f"(least {float(scored.min()):.3g}): leave log_input=True, or put nn.Softplus() behind the last layer"
            )
        if low < 0:
            return f"wants counts as targets, and gets {low:g}"
    return ""


def _divergence(scored: Tensor, target: Tensor, logarithms: bool) -> str:
    sums = scored.exp().sum(1 if scored.dim() > 1 else -1)
    odd = float((sums - 1).abs().max())
    if odd > NEAR:
        plain = bool((scored >= 0).all()) and float((scored.sum(1 if scored.dim() > 1 else -1) - 1).abs().max()) < NEAR
        gets = "probabilities" if plain else f"rows whose exponentials sum to {float(sums.mean()):.3g}"
        return f"wants log-probabilities as outputs, and gets {gets}: use log_softmax(outputs, dim=1)"
    if logarithms and bool((target > 1e-6).any()):
        return f"with log_target=True wants log-probabilities as targets, and gets {float(target.max()):.3g}"
    if not logarithms and bool((target < -1e-6).any()):
        return f"wants probabilities as targets, and gets {float(target.min()):.3g}: give it log_target=True"
    return ""


def outside_domain(criterion: Any, batches: Sequence[ObservedBatch]) -> str:
    """A sentence about the first batch whose finite outputs and targets have a loss that is not finite."""
    for batch in batches:
        scored, target = batch.scored, batch.target
        if scored is None or target is None or not scored.dim() or not target.dim() or len(scored) != len(target):
            continue
        fine = bool(torch.isfinite(scored).all()) and bool(torch.isfinite(target.double()).all())
        if not fine or float(scored.abs().max()) > FINITE:
            continue
        with torch.no_grad():
            if bool(torch.isfinite(criterion(scored, target)).all()):
                continue
            losses = [criterion(scored[i : i + 1], target[i : i + 1]) for i in range(min(len(scored), 512))]
            rows = [row for row, loss in enumerate(losses) if not bool(torch.isfinite(loss).all())]
        if rows:
            shown = scored[rows[0]].flatten()[:3].tolist()
            values = ", ".join(f"{value:.3g}" for value in shown) + (", ..." if scored[rows[0]].numel() > 3 else "")
            return (
                f"{name_of(criterion)} is not finite for the finite outputs ({values}) of row {rows[0]} of the batch "
                f"at update {batch.step} ({len(rows)} of {len(scored)} rows): they leave its domain"
            )
    return ""


def unusable_weights(criterion: Any, batches: Sequence[ObservedBatch]) -> str:
    """A sentence about the criterion's own tensors that are not finite, negative, or 0 for every target."""
    for name in ("weight", "pos_weight"):
        weight = getattr(criterion, name, None)
        if not isinstance(weight, Tensor) or not weight.numel():
            continue
        bad = int((~torch.isfinite(weight)).sum())
        what = f"the criterion's {name} ({', '.join(f'{w:g}' for w in weight.flatten()[:6].tolist())})"
        if bad:
            return f"{what} holds {bad} of {weight.numel()} values that are not finite"
        if bool((weight < 0).any()):
            return f"{what} holds negative values: the loss of those classes rises the better they are predicted"
        if not bool(weight.any()):
            return f"{what} is 0 throughout: the loss is 0 / 0, or 0"
        target = next((b.target for b in batches if b.target is not None and _all_zero(weight, b.target, name)), None)
        if target is not None:
            return f"{what} is 0 for every target of a batch: the loss is 0 / 0"
    return ""


def _all_zero(weight: Tensor, target: Tensor, name: str) -> bool:
    if name != "weight" or target.is_floating_point() or not target.numel():
        return False
    labels = target[(target >= 0) & (target < weight.numel())].long()
    return bool(labels.numel()) and not bool(weight.flatten()[labels].any())


def wholly_ignored(criterion: Any, batches: Sequence[ObservedBatch]) -> list[int]:
    """The updates of the batches in which every target is ignored."""
    left_out = ignored(criterion)
    if left_out is None:
        return []
    targets = ((b.step, b.target) for b in batches)
    return [step for step, t in targets if t is not None and t.numel() and not t.is_floating_point()
            and bool((t == left_out).all())]  # fmt: skip
