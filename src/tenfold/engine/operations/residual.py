"""A residual block: its input is remembered where it begins, and added where it ends."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from tenfold.engine.operations.convolution import ConvOp
from tenfold.engine.operations.dense import DenseOp
from tenfold.engine.operations.operation import (
    Arrays,
    CompiledOp,
    Flow,
    FlowSize,
    NetworkOperation,
    Operands,
    PlannedOp,
    Site,
    Sized,
    Slot,
    Work,
    count,
    misfit,
    size_in_words,
)
from tenfold.engine.operations.pooling import window_count

if TYPE_CHECKING:
    from torch import nn


@dataclass(frozen=True)
class ResidualBegin(Sized):
    """A residual block begins: its input is remembered."""

    name: ClassVar[str] = "residual block begins"

    @classmethod
    def plan(cls, layer: Any, site: Site) -> list[PlannedOp]:
        """All operations of the block."""
        steps, after = site.walk(layer.layers, site.size, site.path, site.entering)
        if isinstance(site.size, tuple) != isinstance(after, tuple):
            raise misfit(site.path, "its layers turn an image into a row of numbers", "the same kind at both ends")
        end = ResidualEnd(_shortcut(site.size, after, site.path), after)
        return [PlannedOp(cls(site.size)), *steps, PlannedOp(end, layer)]

    def compiled(self, layer: Any) -> CompiledOp | None:
        return None if isinstance(self.size, tuple) else CompiledOp("residual_begin", self.size, self.size)

    def forward(self, h: Flow, lanes: Operands) -> Flow:
        lanes.remembered.append(h)
        return h

    def modules(self, layer: Any, arrays: Arrays) -> list[nn.Module]:
        return []

    def extend(self, stack: list[list[nn.Module]], layer: Any, arrays: Arrays) -> None:
        stack.append([])


@dataclass(frozen=True)
class ResidualEnd(NetworkOperation):
    """A residual block ends: the remembered input, through `shortcut` where the block changed the shape, is added to
    what the block puts out, of size `to`."""

    shortcut: DenseOp | ConvOp | None
    to: FlowSize

    name: ClassVar[str] = "residual block ends"

    @classmethod
    def plan(cls, layer: Any, site: Site) -> list[PlannedOp]:
        return ResidualBegin.plan(layer, site)

    @property
    def output_size(self) -> None:
        return None

    def slots(self) -> list[Slot]:
        return [] if self.shortcut is None else self.shortcut.slots()

    def work(self, layer: Any) -> Work:
        return Work() if self.shortcut is None else self.shortcut.work(layer)

    def compiled(self, layer: Any) -> CompiledOp | None:
        if isinstance(self.to, tuple) or isinstance(self.shortcut, ConvOp):
            return None
        return CompiledOp("residual_end", self.to if self.shortcut is None else self.shortcut.inputs, self.to)

    def forward(self, h: Flow, lanes: Operands) -> Flow:
        other = lanes.remembered.pop()
        if self.shortcut is not None:
            other = self.shortcut.forward(other, lanes)
        if isinstance(h, list) or isinstance(other, list):
            return [image + before for image, before in zip(h, other, strict=True)]
        return h + other

    def modules(self, layer: Any, arrays: Arrays) -> list[nn.Module]:
        """The shortcut."""
        from torch import nn

        return [nn.Identity()] if self.shortcut is None else self.shortcut.modules(layer, arrays)

    def extend(self, stack: list[list[nn.Module]], layer: Any, arrays: Arrays) -> None:
        from torch import nn

        from tenfold.engine.layers import ResidualLayer

        body = nn.Sequential(*stack.pop())
        stack[-1].append(ResidualLayer(body, *self.modules(layer, arrays)))


def _shortcut(size: FlowSize, after: FlowSize, path: tuple[int, ...]) -> DenseOp | ConvOp | None:
    """The map from what enters a block to what it is added to; None if the sizes are equal."""
    if size == after:
        return None
    if not isinstance(size, tuple) or not isinstance(after, tuple):
        return DenseOp(count(size), count(after), bias=False)
    stride = -(-size[0] // after[0])
    if window_count(size[0], 1, stride, 0) != after[0] or window_count(size[1], 1, stride, 0) != after[1]:
        found = f"its layers turn {size_in_words(size)} into {size_in_words(after)}"
        raise misfit(path, found, "what a single stride makes of it")
    return ConvOp(size, after, 1, stride, 0, bias=False)
