"""A dense map: x W + b, one batched product for all lanes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from tenfold.engine.operations.flatten import flattened
from tenfold.engine.operations.maxout import pieces_behind
from tenfold.engine.operations.normalization import keeps_bias
from tenfold.engine.operations.operation import (
    Arrays,
    Columns,
    CompiledOp,
    Flow,
    Needs,
    NetworkOperation,
    Operands,
    PlannedOp,
    Site,
    Slot,
    Work,
    count,
    padded,
)
from tenfold.rules.initialization import Fans

if TYPE_CHECKING:
    from torch import nn


@dataclass(frozen=True)
class DenseOp(NetworkOperation):
    """A dense map of `inputs` numbers to `units` (times `pieces` for maxout)."""

    inputs: int
    units: int
    bias: bool
    pieces: int = 1
    output: bool = False

    name: ClassVar[str] = "dense map"
    is_weight: ClassVar[bool] = True
    columns: ClassVar[Columns] = "ignored"  # the weights of padding columns are 0

    @classmethod
    def needs(cls, layer: Any) -> Needs:
        return "row"

    @classmethod
    def plan(cls, layer: Any, site: Site) -> list[PlannedOp]:
        op = cls(count(site.size), layer.units, keeps_bias(site.behind), pieces_behind(site.behind))
        return [*flattened(site.size), PlannedOp(op, layer)]

    @property
    def output_size(self) -> int:
        return self.units * self.pieces

    def slots(self) -> list[Slot]:
        fans = Fans(self.inputs, self.units, 1.0)
        columns = self.output_size
        weight = Slot("weight", (self.inputs, columns), (padded(self.inputs), padded(columns)), fans, self.output)
        bias = Slot("bias", (1, columns), (1, padded(columns)), fans, self.output)
        return [weight, bias] if self.bias else [weight]

    def work(self, layer: Any) -> Work:
        products = self.inputs * self.output_size
        return Work(products=products, units=self.output_size, weights=self.parameter_count)

    def compiled(self, layer: Any) -> CompiledOp | None:
        return CompiledOp("dense", self.inputs, self.output_size)

    def forward(self, h: Flow, lanes: Operands) -> Flow:
        import torch

        assert isinstance(h, torch.Tensor)
        if not self.bias:
            return h.bmm(lanes.parameters[0])  # (L, B, in) (L, in, out) -> (L, B, out)
        weight, bias = lanes.parameters
        return torch.baddbmm(bias, h, weight)

    def modules(self, layer: Any, arrays: Arrays) -> list[nn.Module]:
        import torch

        linear = torch.nn.Linear(*arrays["weight"].shape, bias=self.bias)
        linear.weight.data = torch.from_numpy(np.ascontiguousarray(arrays["weight"].T))  # torch stores (out, in)
        if self.bias:
            linear.bias.data = torch.from_numpy(arrays["bias"])
        return [linear]
