"""A torch module of the user's own, the whole network."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import zip_longest
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from tenfold.data.split.folds import Fold
from tenfold.engine.operations.operation import (
    Arrays,
    Columns,
    Flow,
    FlowSize,
    NetworkOperation,
    Operands,
    PlannedOp,
    Site,
    Slot,
    Work,
)
from tenfold.engine.plan.size import Size
from tenfold.errors import BadInput
from tenfold.recipe.module import Module

if TYPE_CHECKING:
    from torch import Tensor, nn

    from tenfold.engine.user_modules.skeleton import Skeleton


@dataclass(frozen=True)
class ModuleOp(NetworkOperation):
    """What a user's function makes for rows of this size. Networks of the same function and fields are of one shape."""

    network: Module
    size: Size

    name: ClassVar[str] = "a module"
    columns: ClassVar[Columns] = "ignored"

    @classmethod
    def plan(cls, layer: Any, site: Site) -> list[PlannedOp]:
        return [PlannedOp(cls(layer, site.entering))]

    @property
    def skeleton(self) -> Skeleton:
        """The module, and what is known of it."""
        from tenfold.engine.user_modules.skeleton import skeleton

        return skeleton(self.network, self.size)

    @property
    def output_size(self) -> FlowSize:
        return self.skeleton.outputs

    def slots(self) -> list[Slot]:
        return list(self.skeleton.slots)

    def of_width(self, width: int) -> ModuleOp:
        """The same on a fold whose training rows give so many columns: the function makes it for these."""
        if self.size.tensors is not None or self.size.image is not None or width == self.size.inputs:
            return self
        return replace(self, size=self.size._replace(inputs=width))

    def slots_of(self, width: int) -> list[Slot]:
        """Its slots, each with the size that it has on a fold of so many columns, stored as on the widest fold.

        Raises `BadInput` where a parameter is larger there, or another one."""
        mine, own = self.slots(), self.of_width(width).slots()
        for slot, narrow in zip_longest(mine, own):
            if slot is None or narrow is None or not _fits_into(narrow, slot):
                named = narrow or slot
                name = "a parameter" if named is None else named.kind.split(".", 1)[1]
                found, most = (None if part is None else part.size for part in (narrow, slot))
                raise BadInput(
                    f"on a fold with {width} input columns {name} is {found}", where=f"network {self.network.name}",
                    expected=f"at most {most}, as for {self.size.inputs} columns",
                    do="fewer missing cells, or a module whose parameters do not grow where columns are fewer",
                )  # fmt: skip
        return [replace(slot, size=narrow.size) for slot, narrow in zip(mine, own, strict=True)]

    def start(self, fold: Fold, width: int) -> dict[str, np.ndarray]:
        """The first values of its slots on a fold of so many columns, by kind: as the function draws them with the
        fold's seed, with zeros where the widest fold has more."""
        from tenfold.engine.user_modules.making import make_module
        from tenfold.engine.user_modules.skeleton import first_seed

        own = self.of_width(width)
        values = own.skeleton.values(make_module(own.network, own.size, first_seed(fold)))
        if own is self:
            return values
        stored = {slot.kind: np.zeros(slot.stored) for slot in self.slots_of(width)}
        for kind, value in values.items():
            stored[kind][tuple(map(slice, value.shape))] = value
        return stored

    def work(self, layer: Any) -> Work:
        return self.skeleton.work

    def lane_values(self, layers: Sequence[Any], column: Callable[[Sequence[float]], Tensor]) -> Any:
        """What runs the lanes."""
        from tenfold.engine.user_modules.widths import LaneRunners

        like = column([0.0])
        return LaneRunners(self, like.device, like.dtype)

    def forward(self, h: Flow, lanes: Operands) -> Flow:
        """h: what each lane's module is called with."""
        batch = lanes.batch
        # what is not learned gets no gradient, which would move it
        held = [v if s.learned else v.detach() for s, v in zip(self.skeleton.slots, lanes.parameters, strict=True)]
        if batch is None:
            return lanes.values(h, held)
        return lanes.values(h, held, batch.rows, padded=batch.weight.shape[2], draws=batch.draws, frozen=batch.frozen)

    def modules(self, layer: Any, arrays: Arrays) -> list[nn.Module]:
        from tenfold.engine.layers import GivenModule

        return [GivenModule(self.with_arrays(arrays)).eval()]

    def with_arrays(self, arrays: Arrays) -> nn.Module:
        """The user's module with these numbers."""
        import torch

        from tenfold.engine.user_modules.making import make_module
        from tenfold.engine.user_modules.skeleton import KIND

        module = make_module(self.network, self.size, 0)
        own = {**dict(module.named_parameters()), **dict(module.named_buffers())}
        with torch.no_grad():
            for kind, array in arrays.items():
                tensor = own[kind.removeprefix(KIND)]
                tensor.copy_(torch.from_numpy(np.asarray(array)).to(tensor.dtype))
        return module


def _fits_into(narrow: Slot, slot: Slot) -> bool:
    """Whether a parameter on a narrower fold is the same one, and not larger."""
    if narrow.kind != slot.kind or len(narrow.size) != len(slot.size):
        return False
    return all(n <= most for n, most in zip(narrow.size, slot.size, strict=True))
