"""The updates of a second-order method on all lanes of a pack: between padded rows and the method's own parameters."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from tenfold.engine.packs.lanes import Lane, times
from tenfold.engine.packs.step import BatchLoss
from tenfold.engine.plan.shape import Layout, as_column
from tenfold.rules.optimizers.objective import AutogradObjective

STATE = "second."  # begins the names of the method's own state among a pack's rows


class SecondOrderStep:
    """A method that sees the parameters alone, (L, P), without the padding of a lane's row (L, layout.total); an
    `UpdateStep`.

    l2: strength (L, 1) of the penalty (strength / 2) |w|^2 on all weights, or None. rows: the pack's state: "w", of
    which `leaves` are one view (L, *stored) a slot, and the method's own.
    """

    gradient: Tensor | None = None

    def __init__(
        self,
        rule: Any,
        lanes: Sequence[Lane],
        layout: Layout,
        l2: Tensor | None,
        rows: dict[str, Tensor],
        leaves: Sequence[Tensor],
    ) -> None:
        self.rule, self.lanes, self.layout, self.rows, self.leaves = rule, lanes, layout, rows, leaves
        self._first, self._rates = 0, rows["w"].new_zeros(0)
        w = rows["w"]
        is_parameter = torch.zeros(1, layout.total)
        for slot, view in zip(layout.slots, layout.views(is_parameter), strict=True):
            if slot.learned:
                slot.real(view).fill_(1)
        self.real = is_parameter[0].nonzero()[:, 0].to(w.device)  # (P,) places in a row
        self.strength = None
        if l2 is not None:
            strength = torch.zeros_like(w)
            views = layout.views(strength)
            for i in layout.weights:
                views[i].copy_(as_column(l2, views[i]).expand_as(views[i]))
            self.strength = strength.index_select(1, self.real)
        if not any(name.startswith(STATE) for name in rows):
            state = rule.start(w.index_select(1, self.real))
            rows |= {STATE + name: value for name, value in state.items()}

    def plan_epoch(self, epoch: int, per_epoch: int, schedule_updates: int, factors: np.ndarray) -> None:
        """Compute the rates of an epoch."""
        self._first = epoch * per_epoch
        lanes = zip(self.lanes, factors.tolist(), strict=True)
        rates = [times(lane, self._first, per_epoch, schedule_updates, factor)[0] for lane, factor in lanes]
        self._rates = torch.from_numpy(np.stack(rates, 1)).to(self.rows["w"])  # (updates, L)

    def step(self, update: int, batch: BatchLoss, note: Callable[[Tensor], None]) -> None:
        with torch.no_grad():
            note(batch.losses(batch.outputs(self.leaves)))  # this one evaluation moves the running moments
        w = self.rows["w"]
        frame = w.detach()  # with what is not learned

        def outputs_of(parameters: Tensor) -> Tensor:
            return batch.outputs(self.layout.views(frame.index_copy(1, self.real, parameters)), frozen=True)

        objective = AutogradObjective(outputs_of, batch.losses, self.strength)
        state = {name.removeprefix(STATE): row for name, row in self.rows.items() if name.startswith(STATE)}
        rate = self._rates[update - self._first]
        parameters, state = self.rule.advance(w.index_select(1, self.real), rate, objective, state)
        w.copy_(frame.index_copy(1, self.real, parameters.detach()))
        self.rows |= {STATE + name: row.detach() for name, row in state.items()}

    def shown(self, update: int, schedule_updates: int, factors: np.ndarray) -> Tensor:
        """The weights."""
        return self.rows["w"]
