"""Batch, layer and group normalization of rows and images."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from tenfold.engine.operations.operation import (
    Arrays,
    CompiledOp,
    Flow,
    Operands,
    PlannedOp,
    Site,
    Sized,
    Slot,
    Work,
    features,
    misfit,
    stored_width,
)
from tenfold.rules.normalization import BatchNorm, GroupNorm, batch_norm, batch_norm_inference, group_norm, running

if TYPE_CHECKING:
    from torch import Tensor, nn


class NormValues:
    """The numbers of one normalization layer for all lanes, as tensors (L, 1, 1)."""

    def __init__(self, rules: Sequence[Any], column: Callable[[Sequence[float]], Tensor]) -> None:
        self.eps_list = [rule.eps for rule in rules]
        self.eps = column(self.eps_list)[:, :, None]
        batch = [rule if isinstance(rule, BatchNorm) else BatchNorm() for rule in rules]
        self.unbiased = column([rule.unbiased for rule in batch])[:, :, None] > 0
        self.initial_variance = [rule.initial_variance for rule in batch]
        self._rules, self._column = batch, column
        steady = all(rule.average == "exponential" for rule in batch)
        self._keep = column([rule.keep for rule in batch])[:, :, None] if steady else None

    def keep_at(self, update: int) -> Tensor:
        """The share of the running moments that update 1, 2, ... keeps."""
        if self._keep is not None:
            return self._keep
        return self._column([float(rule.keep_at(update)) for rule in self._rules])[:, :, None]


@dataclass(frozen=True)
class NormalizeOp(Sized):
    """Normalization of units or channels; groups: of channels that share moments, 0 for batch norm."""

    groups: int

    name: ClassVar[str] = "normalization"

    @classmethod
    def plan(cls, layer: Any, site: Site) -> list[PlannedOp]:
        groups = 0 if isinstance(layer, BatchNorm) else layer.groups if isinstance(layer, GroupNorm) else 1
        width = features(site.size)
        if groups and width % groups:
            raise misfit(site.path, f"{groups} groups of {width} features", "a number of groups that divides them")
        return [PlannedOp(cls(site.size, groups), layer)]

    def slots(self) -> list[Slot]:
        size, stored = (1, features(self.size)), (1, stored_width(self.size))
        return [Slot("gamma", size, stored), Slot("beta", size, stored)]

    @property
    def moment_width(self) -> int:
        return 0 if self.groups else stored_width(self.size)

    def initial_value(self, kind: str, layer: Any) -> float | None:
        return 1.0 if kind == "gamma" else 0.0

    def work(self, layer: Any) -> Work:
        return Work(normalized=self.output_count, weights=self.parameter_count)

    def compiled(self, layer: Any) -> CompiledOp | None:
        if isinstance(self.size, tuple):
            return None
        if self.groups:
            return CompiledOp("group_normalization", self.size, self.size, self.groups, numbers=(layer.eps,))
        keep = layer.keep if layer.average == "exponential" else -1.0
        return CompiledOp("batch_normalization", self.size, self.size, numbers=(layer.eps, keep, layer.unbiased))

    def lane_values(self, layers: Sequence[Any], column: Callable[[Sequence[float]], Tensor]) -> NormValues:
        return NormValues(layers, column)

    def forward(self, h: Flow, lanes: Operands) -> Flow:
        if self.groups:
            return self._by_groups(h, lanes)
        if isinstance(h, list):
            return self._images(h, lanes)
        (gamma, beta), value, batch = lanes.parameters, lanes.values, lanes.batch
        assert lanes.moments is not None
        if batch is None:
            return batch_norm_inference(h, *lanes.moments, gamma, beta, value.eps)
        y, mean, var = batch_norm(h, batch.weight, gamma, beta, value.eps)
        if not batch.frozen:
            rows = 1 / batch.weight.amax(2, keepdim=True)  # of each lane's batch, (L, 1, 1)
            _remember(lanes, mean, var, rows)
        return y

    def _by_groups(self, h: Flow, lanes: Operands) -> Flow:
        """Each row or image by itself: training and evaluation are the same."""
        import torch

        (gamma, beta), value, functional = lanes.parameters, lanes.values, torch.nn.functional
        if isinstance(h, list):
            vectors = zip(h, gamma.unbind(), beta.unbind(), value.eps_list, strict=True)
            return [functional.group_norm(z, self.groups, g[0], b[0], eps) for z, g, b, eps in vectors]
        units = features(self.size)  # padded units must not enter the moments of a row
        y = group_norm(h[..., :units], self.groups, gamma[..., :units], beta[..., :units], value.eps)
        return functional.pad(y, (0, h.shape[2] - units))

    def _images(self, h: list[Tensor], lanes: Operands) -> list[Tensor]:
        """Batch normalization with torch's own kernel: a lane's images hold no padding, so their moments are the
        batch's."""
        import torch

        (gamma, beta), value, batch = lanes.parameters, lanes.values, lanes.batch
        assert lanes.moments is not None
        mean, var = lanes.moments
        normalize = torch.nn.functional.batch_norm
        vectors = zip(h, gamma.unbind(), beta.unbind(), value.eps_list, strict=True)
        if batch is None:
            return [
                normalize(z, mean[lane, 0], var[lane, 0], g[0], b[0], training=False, eps=eps)
                for lane, (z, g, b, eps) in enumerate(vectors)
            ]
        new_mean, new_var = torch.zeros_like(mean), torch.ones_like(var)
        out = [  # momentum 1: the buffers become the batch's mean and unbiased variance
            normalize(z, new_mean[lane, 0], new_var[lane, 0], g[0], b[0], training=True, momentum=1.0, eps=eps)
            for lane, (z, g, b, eps) in enumerate(vectors)
        ]
        if not batch.frozen:
            pixels = h[0].shape[2] * h[0].shape[3]
            count = torch.tensor([rows * pixels for rows in batch.rows], dtype=mean.dtype, device=mean.device)
            count = count[:, None, None]
            _remember(lanes, new_mean, new_var * ((count - 1) / count), count)
        return out

    def modules(self, layer: Any, arrays: Arrays) -> list[nn.Module]:
        import torch
        from torch import nn

        width = features(self.size)
        if self.groups:
            norm: Any = nn.GroupNorm(self.groups, width, eps=layer.eps)
        else:
            # torch's momentum is the share of the batch; None is its cumulative average
            momentum = 1 - layer.keep if layer.average == "exponential" else None
            kind = nn.BatchNorm2d if isinstance(self.size, tuple) else nn.BatchNorm1d
            norm = kind(width, eps=layer.eps, momentum=momentum)
            for name in ("running_mean", "running_var"):
                setattr(norm, name, torch.from_numpy(arrays[name]))
        norm.weight.data = torch.from_numpy(arrays["gamma"])
        norm.bias.data = torch.from_numpy(arrays["beta"])
        return [norm]


def _remember(lanes: Operands, new_mean: Tensor, new_var: Tensor, rows: Tensor) -> None:
    """Move the running moments towards the batch's; new_var is biased; rows (L, 1, 1) that the batch had."""
    import torch

    assert lanes.moments is not None and lanes.batch is not None
    (mean, var), value = lanes.moments, lanes.values
    with torch.no_grad():
        keep = value.keep_at(lanes.batch.update)
        unbiased = torch.where(value.unbiased, rows / (rows - 1).clamp(min=1), 1.0)
        mean.copy_(running(mean, new_mean, keep))
        var.copy_(running(var, new_var * unbiased, keep))


def keeps_bias(behind: Sequence[Any]) -> bool:
    """Whether a weight layer has a bias: a batch normalization directly behind it would remove that."""
    return not (behind and isinstance(behind[0], BatchNorm))
