"""The stacked forward pass: every operation of a network for all lanes of a pack at once.

Rows of numbers are one tensor (lanes, rows, units), units padded; a product is one batched product. Images are a
list with one tensor (rows, channels, height, width) a lane, in channels-last memory, without the rows that pad a
batch. From a flatten or a global pool on, lanes are stacked again.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from torch import Tensor

from tenfold.engine.operations.activation import ActivationOp, PooledActivationOp
from tenfold.engine.operations.operation import BatchContext, Flow, NetworkOperation, Operands
from tenfold.engine.operations.pooling import PoolOp
from tenfold.engine.packs.lanes import LaneValues
from tenfold.engine.plan.shape import Layout, Shape


class Forward:
    """A network of one shape for the lanes of a pack."""

    def __init__(self, shape: Shape, layout: Layout, values: LaneValues) -> None:
        self.shape, self.layout, self.values = shape, layout, values
        self._program = _program(shape.ops)
        self._slots: list[list[int]] = [[] for _ in shape.ops]  # the numbers of the slots of each operation
        for i, slot in enumerate(layout.slots):
            self._slots[slot.op].append(i)

    def __call__(
        self,
        x: Flow,
        parameters: Sequence[Tensor],
        moments: Tensor,
        batch: BatchContext | None,
        until: tuple[int, Callable[[Flow], None]] | None = None,
    ) -> Tensor:
        """Outputs (L, B, C), in training of a network with k views (L, k B, C). x: inputs (L, B, D) or one image tensor
        a lane; parameters: one view (L, *stored) a slot; moments (L, moment_total): running moments, updated in
        training; until: a weight operation whose sums are looked at, behind which nothing is computed."""
        h, remembered = x, list[Flow]()
        for number, op in self._program:
            lanes = Operands(
                [parameters[i] for i in self._slots[number]],
                self.values.of_op[number],
                self._moments(number, moments),
                batch,
                None if batch is None else batch.scales.get(number),
                remembered,
            )
            h = op.forward(h, lanes)
            batch = None if batch is None else op.batch_behind(batch)
            if until is not None and until[0] == number and op.is_weight:
                until[1](h)
                break
        if isinstance(h, list):
            return h[0]
        return h if self.shape.is_module else h[..., : self.shape.outputs]

    def _moments(self, number: int, moments: Tensor) -> tuple[Tensor, Tensor] | None:
        """Views (L, 1, features) of the running means and variances of an operation."""
        if number not in self.layout.moments:
            return None
        mean, var, width = self.layout.moments[number]
        return moments[:, None, mean : mean + width], moments[:, None, var : var + width]


def _program(ops: Sequence[NetworkOperation]) -> list[tuple[int, NetworkOperation]]:
    """The operations with their numbers, an activation and the max pooling directly behind it as one."""
    program: list[tuple[int, NetworkOperation]] = []
    for number, op in enumerate(ops):
        before = program[-1][1] if program else None
        if type(before) is ActivationOp and isinstance(op, PoolOp) and op.kind == "max":
            program[-1] = number - 1, PooledActivationOp(before.size, op)
        else:
            program.append((number, op))
    return program
