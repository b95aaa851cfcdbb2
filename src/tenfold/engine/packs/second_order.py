"""One update of a second-order method on all lanes of a pack: between padded rows and the method's own parameters."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from tenfold.engine.plan.shape import Layout, as_column
from tenfold.rules.optimizers.objective import AutogradObjective

STATE = "second."  # begins the names of the method's own state among a pack's rows


class SecondOrderStep:
    """A method sees the parameters alone, (L, P), without the padding of a lane's row (L, layout.total).

    l2: strength (L, 1, 1) of the penalty (strength / 2) |w|^2 on all weights, or None.
    """

    def __init__(self, rule: Any, layout: Layout, l2: Tensor | None, rows: Tensor) -> None:
        self.rule, self.layout = rule, layout
        mark = torch.zeros(1, layout.total)
        for slot, view in zip(layout.slots, layout.views(mark), strict=True):
            slot.real(view).fill_(1)
        self.real = mark[0].nonzero()[:, 0].to(rows.device)  # (P,) places in a row
        self.strength = None
        if l2 is not None:
            strength = torch.zeros_like(rows)
            views = layout.views(strength)
            for i in layout.weights:
                views[i].copy_(as_column(l2, views[i]).expand_as(views[i]))
            self.strength = strength.index_select(1, self.real)

    def start(self, rows: Tensor) -> dict[str, Tensor]:
        """The method's state, by name."""
        state = self.rule.start(rows.index_select(1, self.real))
        return {STATE + name: value for name, value in state.items()}

    def advance(
        self,
        rows: Mapping[str, Tensor],
        outputs: Callable[[Sequence[Tensor]], Tensor],
        loss: Callable[[Tensor], Tensor],
        rate: Tensor,
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """New parameter rows (L, total) and state. rows: the pack's, "w" and the method's own; outputs: of the
        network for one view a slot; loss: mean of each lane (L,) for outputs; rate (L,)."""
        frame = torch.zeros_like(rows["w"])

        def outputs_of(w: Tensor) -> Tensor:
            return outputs(self.layout.views(frame.index_copy(1, self.real, w)))

        objective = AutogradObjective(outputs_of, loss, self.strength)
        state = {name.removeprefix(STATE): value for name, value in rows.items() if name.startswith(STATE)}
        w, state = self.rule.advance(rows["w"].index_select(1, self.real), rate, objective, state)
        filled = frame.index_copy(1, self.real, w.detach())
        return filled, {STATE + name: value.detach() for name, value in state.items()}
