"""A torch module of the user's own, the whole network."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
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

    def start(self, fold: Fold) -> dict[str, np.ndarray]:
        """The first values of its slots on a fold, by kind: as the function draws them with the fold's seed."""
        from tenfold.engine.user_modules.making import make_module
        from tenfold.engine.user_modules.skeleton import first_seed

        return self.skeleton.values(make_module(self.network, self.size, first_seed(fold)))

    def work(self, layer: Any) -> Work:
        return self.skeleton.work

    def lane_values(self, layers: Sequence[Any], column: Callable[[Sequence[float]], Tensor]) -> Any:
        """What runs the lanes."""
        like = column([0.0])
        return self.skeleton.runner(like.device, like.dtype)

    def forward(self, h: Flow, lanes: Operands) -> Flow:
        """h: what each lane's module is called with."""
        batch = lanes.batch
        # what is not learned gets no gradient, which would move it
        held = [v if s.learned else v.detach() for s, v in zip(self.skeleton.slots, lanes.parameters, strict=True)]
        if batch is None:
            return lanes.values(h, held)
        return lanes.values(h, held, batch.rows, padded=batch.weight.shape[2], draws=batch.draws, frozen=batch.frozen)

    def modules(self, layer: Any, arrays: Arrays) -> list[nn.Module]:
        """The user's module with these numbers."""
        import torch

        from tenfold.engine.layers import GivenModule
        from tenfold.engine.user_modules.making import make_module
        from tenfold.engine.user_modules.skeleton import KIND

        module = make_module(self.network, self.size, 0)
        own = {**dict(module.named_parameters()), **dict(module.named_buffers())}
        with torch.no_grad():
            for kind, array in arrays.items():
                tensor = own[kind.removeprefix(KIND)]
                tensor.copy_(torch.from_numpy(np.asarray(array)).to(tensor.dtype))
        return [GivenModule(module).eval()]
