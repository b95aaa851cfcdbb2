"""The lanes of a pack whose folds have different numbers of columns: of each number a module as the function makes it.

What a fold's module is depends on that fold's training rows alone. Its parameters lie in the corner of those of the
widest fold, which are stored with zeros around them.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from tenfold.engine.user_modules.draws import ModuleDraws
from tenfold.engine.user_modules.runner import ModuleInput, ModuleRunner

if TYPE_CHECKING:
    from tenfold.engine.operations.user_module import ModuleOp


class LaneRunners:
    """Runs the lanes of a pack, each through a module for as many columns as its rows have."""

    def __init__(self, op: ModuleOp, device: torch.device, dtype: torch.dtype) -> None:
        self.op, self.device, self.dtype = op, device, dtype
        self._runners: dict[int, ModuleRunner] = {}
        self._sizes: dict[int, list[tuple[int, ...]]] = {}  # of the slots, by width
        self._by_columns = op.size.tensors is None and op.size.image is None

    def __call__(
        self, x: Sequence[ModuleInput], held: Sequence[Tensor], rows: Sequence[int] | None = None, *, padded: int = 0,
        draws: ModuleDraws | None = None, frozen: bool = False,
    ) -> Tensor:  # fmt: skip
        """As `ModuleRunner`."""
        widest = self.op.size.inputs
        widths = [part.shape[1] for part in x] if self._by_columns else [widest] * len(x)
        how: dict[str, Any] = {"padded": padded, "draws": draws, "frozen": frozen}
        if all(width == widest for width in widths):
            return self._runner(widest)(x, held, rows, **how)
        parts: list[Tensor] = []
        order: list[int] = []
        for width in dict.fromkeys(widths):
            lanes = [lane for lane, own in enumerate(widths) if own == width]
            order += lanes
            own = self._own(held, lanes, width)
            real = None if rows is None else [rows[lane] for lane in lanes]
            parts.append(self._runner(width)([x[lane] for lane in lanes], own, real, places=lanes, **how))
            if rows is not None and not frozen:
                self._put_back(held, own, lanes)
        longest = max(part.shape[1] for part in parts)
        parts = [torch.nn.functional.pad(part, (0, 0, 0, longest - part.shape[1])) for part in parts]
        back = torch.tensor(sorted(range(len(order)), key=order.__getitem__), device=parts[0].device)
        return torch.cat(parts).index_select(0, back)

    def _runner(self, width: int) -> ModuleRunner:
        if width not in self._runners:
            self._runners[width] = self.op.of_width(width).skeleton.runner(self.device, self.dtype)
        return self._runners[width]

    def _own(self, held: Sequence[Tensor], lanes: list[int], width: int) -> list[Tensor]:
        """What lanes of that width hold, (lanes, *size), as memory of its own: kernels choose their path by how rows
        lie, and must see the same whatever the widest fold is."""
        at = torch.tensor(lanes, device=held[0].device)
        if width not in self._sizes:
            self._sizes[width] = [slot.size for slot in self.op.slots_of(width)]
        return [
            part.index_select(0, at)[(slice(None), *map(slice, size))].contiguous()
            for part, size in zip(held, self._sizes[width], strict=True)
        ]

    def _put_back(self, held: Sequence[Tensor], own: Sequence[Tensor], lanes: list[int]) -> None:
        """The buffers as a pass in training has moved them."""
        count = len(self.op.skeleton.names.parameters)
        for to, new in zip(held[count:], own[count:], strict=True):
            block = to.data[lanes]
            block[(slice(None), *map(slice, new.shape[1:]))] = new
            to.data[lanes] = block
