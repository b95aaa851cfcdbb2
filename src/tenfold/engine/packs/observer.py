"""What may watch a pack while it trains."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from torch import Tensor

if TYPE_CHECKING:
    from tenfold.engine.packs.lane_states import LaneStates


class Observer(Protocol):
    """Watches and changes nothing. `pack.update` counts the updates before the one that is being made."""

    def looks_at(self, pack: LaneStates, update: int) -> bool:
        """Whether it will look at weights or gradients at that update, which comes later; at others only at the loss,
        and it may be told of several of them together."""
        ...

    def before(self, pack: LaneStates, loss: Tensor) -> None:
        """Called with the loss (L,) of the batch: `pack.gradient` is computed (None with second-order methods), the
        weights are not updated yet."""

    def after(self, pack: LaneStates) -> None:
        """Called when the weights are updated."""
