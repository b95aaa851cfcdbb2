"""Whoever looks on while a pack trains."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from torch import Tensor

if TYPE_CHECKING:
    from tenfold.engine.packs.pack import Pack


class Observer(Protocol):
    """Looks on and changes nothing. `pack.update` counts the updates before the one that it sees."""

    def before(self, pack: Pack, loss: Tensor) -> None:
        """The loss (L,) of the batch and, of first-order methods, its gradient are there, the weights as they were."""

    def after(self, pack: Pack) -> None:
        """The weights have been updated."""
