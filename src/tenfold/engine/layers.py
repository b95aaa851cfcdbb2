"""Layers that torch lacks, for a trained lane as an ordinary torch module."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from tenfold.engine.operations.convolution import convolve
from tenfold.engine.plan.size import Image
from tenfold.rules.activations import maxout, maxout_channels
from tenfold.rules.embeddings.column_map import column_map
from tenfold.rules.embeddings.periodic import shifted_waves, waves
from tenfold.rules.embeddings.ple import encode_bins
from tenfold.rules.record import numbers
from tenfold.rules.views import ViewMean, view_mean

Array = np.ndarray


class ActivationLayer(nn.Module):
    """An activation rule as a layer."""

    def __init__(self, rule: Any) -> None:
        super().__init__()
        self.rule = rule

    def forward(self, z: Tensor) -> Tensor:
        """The rule's formula with its own numbers."""
        return type(self.rule).formula(z, *numbers(self.rule))

    def extra_repr(self) -> str:
        return repr(self.rule)


class ParametricLayer(nn.Module):
    """A parametric activation as a layer; mix: one number for every unit or channel."""

    def __init__(self, rule: Any, mix: Tensor) -> None:
        super().__init__()
        self.rule, self.mix = rule, nn.Parameter(mix)

    def forward(self, z: Tensor) -> Tensor:
        """(rows, units) or (rows, channels, H, W), of the same shape."""
        own = self.mix[:, None, None] if z.dim() == 4 else self.mix
        return type(self.rule).formula(z, own, *numbers(self.rule))

    def extra_repr(self) -> str:
        return repr(self.rule)


class GivenModule(nn.Module):
    """A user's module that is called with one thing, a tensor, a tuple or a dict of them, and gives (rows, numbers)."""

    def __init__(self, module: nn.Module) -> None:
        super().__init__()
        self.module = module

    def forward(self, x: Any) -> Tensor:
        """Outputs (rows, numbers)."""
        out = self.module(*x) if isinstance(x, tuple) else self.module(**x) if isinstance(x, dict) else self.module(x)
        return out.flatten(1) if out.dim() > 1 else out[:, None]


class ZeroColumns(nn.Module):
    """Rows with columns of zeros behind their own."""

    def __init__(self, columns: int) -> None:
        super().__init__()
        self.columns = columns

    def forward(self, x: Tensor) -> Tensor:
        """(rows, some) -> (rows, columns)."""
        return nn.functional.pad(x, (0, self.columns - x.shape[1]))

    def extra_repr(self) -> str:
        return str(self.columns)


class ClipLayer(nn.Module):
    """Numbers cut to [low, high]."""

    def __init__(self, low: float, high: float) -> None:
        super().__init__()
        self.low, self.high = low, high

    def forward(self, x: Tensor) -> Tensor:
        """Of the same shape."""
        return x.clamp(self.low, self.high)

    def extra_repr(self) -> str:
        return f"{self.low:g}, {self.high:g}"


class MaxoutLayer(nn.Module):
    """The largest of each `pieces` neighbouring units or channels."""

    def __init__(self, pieces: int) -> None:
        super().__init__()
        self.pieces = pieces

    def forward(self, z: Tensor) -> Tensor:
        """(rows, units * pieces) -> (rows, units), or the same of channels."""
        return maxout_channels(z, self.pieces) if z.dim() == 4 else maxout(z, self.pieces)

    def extra_repr(self) -> str:
        return f"pieces={self.pieces}"


class ScaleLayer(nn.Module):
    """A factor for each number of a row."""

    def __init__(self, scale: Array) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.from_numpy(scale))

    def forward(self, x: Tensor) -> Tensor:
        """(rows, units) -> (rows, units)."""
        return x * self.scale


class WavesLayer(nn.Module):
    """The first columns become numbers and their cosines with a phase, or without phases cosines and sines; the others
    pass by."""

    def __init__(self, frequency: Array, phase: Array | None) -> None:
        super().__init__()
        self.frequency = nn.Parameter(torch.from_numpy(frequency))  # (columns, frequencies)
        self.phase = None if phase is None else nn.Parameter(torch.from_numpy(phase))

    def forward(self, x: Tensor) -> Tensor:
        """(rows, columns and others) -> (rows, columns numbers and others)."""
        columns = len(self.frequency)
        numbers, others = x[:, :columns], x[:, columns:]
        if self.phase is None:
            made = waves(numbers, self.frequency)
        else:
            made = shifted_waves(numbers, self.frequency, self.phase)
        return torch.cat([made.flatten(1), others], 1)

    def extra_repr(self) -> str:
        columns, frequencies = self.frequency.shape
        return f"{columns}, frequencies={frequencies}, phases={self.phase is not None}"


class BinsLayer(nn.Module):
    """The first columns become numbers for their bins; the others pass by."""

    def __init__(self, edges: Array) -> None:
        super().__init__()
        self.edges: Tensor
        self.register_buffer("edges", torch.from_numpy(edges))  # (columns, bins + 1)

    def forward(self, x: Tensor) -> Tensor:
        """(rows, columns and others) -> (rows, columns bins and others)."""
        columns = len(self.edges)
        return torch.cat([encode_bins(x[:, :columns], self.edges).flatten(1), x[:, columns:]], 1)

    def extra_repr(self) -> str:
        return f"{len(self.edges)}, bins={self.edges.shape[1] - 1}"


class ColumnMapLayer(nn.Module):
    """A linear map of its own for the numbers of each of the first columns; the first `kept` of each stay as they are,
    and what is behind the columns passes by."""

    def __init__(self, weight: Array, bias: Array, *, kept: int, relu: bool) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.from_numpy(weight))  # (columns, inside, outside)
        self.bias = nn.Parameter(torch.from_numpy(bias))  # (columns, outside)
        self.kept, self.relu = kept, relu

    def forward(self, x: Tensor) -> Tensor:
        """(rows, columns (kept + inside) and others) -> (rows, columns (kept + outside) and others)."""
        columns, inside, _ = self.weight.shape
        wide = columns * (self.kept + inside)
        g = x[:, :wide].unflatten(1, (columns, self.kept + inside))
        made = column_map(g[..., self.kept :], self.weight, self.bias, relu=self.relu)
        return torch.cat([torch.cat([g[..., : self.kept], made], -1).flatten(1), x[:, wide:]], 1)

    def extra_repr(self) -> str:
        columns, inside, outside = self.weight.shape
        return f"{columns}, {inside} -> {outside}, kept={self.kept}, relu={self.relu}"


class ImageLayer(nn.Module):
    """Rows of pixels, channel last, as images (rows, channels, height, width)."""

    def __init__(self, image: Image) -> None:
        super().__init__()
        self.image = image

    def forward(self, x: Tensor) -> Tensor:
        """(rows, H W C) -> (rows, C, H, W)."""
        return x.unflatten(1, self.image).permute(0, 3, 1, 2)

    def extra_repr(self) -> str:
        return " x ".join(map(str, self.image))


class Conv2d(nn.Conv2d):
    """`convolve` as a layer: what torch's layer of this name computes."""

    def forward(self, input: Tensor) -> Tensor:
        """(B, C, H, W) -> (B, C', H', W')."""
        stride: Any = self.stride
        pad: Any = self.padding
        return convolve(input, self.weight, self.bias, stride[0], pad[0])


class GlobalMaxLayer(nn.Module):
    """The largest value of each channel."""

    def forward(self, x: Tensor) -> Tensor:
        """(rows, C, H, W) -> (rows, C, 1, 1)."""
        return x.amax((2, 3), keepdim=True)


class ResidualLayer(nn.Module):
    """Layers with their input added to their output."""

    def __init__(self, body: nn.Module, shortcut: nn.Module) -> None:
        super().__init__()
        self.body, self.shortcut = body, shortcut

    def forward(self, x: Tensor) -> Tensor:
        """f(x) + s(x)."""
        return self.body(x) + self.shortcut(x)


class ViewsLayer(nn.Module):
    """Views of every row, each times its own factors (views, columns)."""

    def __init__(self, factors: Tensor) -> None:
        super().__init__()
        self.factors = nn.Parameter(factors)

    def forward(self, x: Tensor) -> Tensor:
        """(rows, columns) -> (views rows, columns), the first view of all rows in front."""
        return (x * self.factors[:, None]).flatten(0, 1)

    def extra_repr(self) -> str:
        return f"views={len(self.factors)}, columns={self.factors.shape[1]}"


class LookupLayer(nn.Module):
    """Columns that hold rows of a table (rows, size), behind the first `numbers` ones, as the numbers of these rows."""

    def __init__(self, table: Array, numbers: int, categories: int) -> None:
        super().__init__()
        self.table = nn.Embedding.from_pretrained(torch.from_numpy(table.copy()), freeze=False)
        self.numbers, self.behind = numbers, numbers + categories

    def forward(self, x: Tensor) -> Tensor:
        """(rows, columns) -> (rows, numbers + categories size + columns that pass)."""
        found = self.table(x[:, self.numbers : self.behind].long()).flatten(1)
        return torch.cat([x[:, : self.numbers], found, x[:, self.behind :]], 1)

    def extra_repr(self) -> str:
        return f"numbers={self.numbers}, categories={self.behind - self.numbers}"


class HeadsLayer(nn.Module):
    """A dense map for each view, weight (views, inputs, units) and bias (views, 1, units). apart: whether in training
    the views' outputs stay apart, as their losses need them."""

    apart = True

    def __init__(self, weight: Tensor, bias: Tensor, mean: ViewMean) -> None:
        super().__init__()
        self.weight, self.bias, self.mean = nn.Parameter(weight), nn.Parameter(bias), mean

    def forward(self, h: Tensor) -> Tensor:
        """(views rows, inputs) -> in training (rows, views, units), else the mean over the views (rows,
        units)."""
        h = h.unflatten(0, (len(self.weight), -1))  # (views, rows, inputs)
        out = h @ self.weight + self.bias
        return out.transpose(0, 1) if self.training and self.apart else view_mean(out, self.mean.link)

    def extra_repr(self) -> str:
        views, inputs, units = self.weight.shape
        return f"views={views}, inputs={inputs}, units={units}"
