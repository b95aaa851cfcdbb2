"""What makes the updates of a pack: a first-order or a second-order step, with the same methods."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

import numpy as np
from torch import Tensor

from tenfold.engine.operations.operation import BatchContext, Flow


class BatchLoss:
    """The losses of a pack's lanes on one batch, as functions of their parameters."""

    def __init__(
        self,
        outputs: Callable[[Flow, Sequence[Tensor], BatchContext], Tensor],
        losses: Callable[[Tensor], Tensor],
        x: Flow,
        context: BatchContext,
    ) -> None:
        self.losses = losses  # of outputs (L, B, C): the mean loss of each lane (L,)
        self._outputs, self._x, self._context = outputs, x, context

    def outputs(self, parameters: Sequence[Tensor], *, frozen: bool = False) -> Tensor:
        """Outputs (L, B, C) for one view (L, *stored) a slot; frozen: leave the running moments as they are."""
        context = self._context._replace(frozen=True) if frozen else self._context
        return self._outputs(self._x, parameters, context)


class UpdateStep(Protocol):
    """Updates the rows of a pack in place. Made anew when lanes leave; what it keeps from update to update are rows of
    the pack's state, which it adds to them where they are missing."""

    @property
    def gradient(self) -> Tensor | None:
        """The gradient of each lane's batch (L, layout.total), until the update; None if there is not one of all."""
        ...

    def plan_epoch(self, epoch: int, per_epoch: int, schedule_updates: int, factors: np.ndarray) -> None:
        """Compute what the updates of an epoch need of schedules. factors (L,): of plateau schedules."""
        ...

    def step(self, update: int, batch: BatchLoss, note: Callable[[Tensor], None]) -> None:
        """Make one update. note: takes the losses (L,), once the gradient is there and the weights are as before."""
        ...

    def shown(self, update: int, schedule_updates: int, factors: np.ndarray) -> Tensor:
        """The parameters (L, layout.total) that predict after so many updates."""
        ...
