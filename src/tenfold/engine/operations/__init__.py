"""The operations that a network is planned as, one file each; and which layer becomes which of them."""

from __future__ import annotations

from typing import Any

from tenfold.engine.operations.activation import ActivationOp
from tenfold.engine.operations.bins import BinsOp
from tenfold.engine.operations.column_map import ColumnMapOp
from tenfold.engine.operations.convolution import ConvOp
from tenfold.engine.operations.dense import DenseOp
from tenfold.engine.operations.dropout import DropoutOp
from tenfold.engine.operations.flatten import FlattenOp
from tenfold.engine.operations.global_pooling import GlobalPoolOp
from tenfold.engine.operations.maxout import MaxoutOp
from tenfold.engine.operations.normalization import NormalizeOp
from tenfold.engine.operations.operation import NetworkOperation
from tenfold.engine.operations.parametric import ParametricOp
from tenfold.engine.operations.periodic import PeriodicOp
from tenfold.engine.operations.pooling import PoolOp
from tenfold.engine.operations.prelu import PReLUOp
from tenfold.engine.operations.residual import ResidualBegin
from tenfold.engine.operations.scale import ScaleOp
from tenfold.engine.operations.views import ViewsOp
from tenfold.recipe.layers import (
    AvgPool,
    ChannelDropout,
    Conv,
    Dense,
    Dropout,
    Flatten,
    GlobalPool,
    MaxPool,
    Residual,
    Scale,
    Views,
)
from tenfold.rules.activations import Maxout, Parametric, PReLU
from tenfold.rules.activations.base import ActivationRule
from tenfold.rules.embeddings import PBLD, PL, PLE, PLR, LinearReLU
from tenfold.rules.normalization import BatchNorm, GroupNorm, LayerNorm

# A new operation is its file and its line here. Activations that are not here have no parameters.
OPERATIONS: dict[type, type[NetworkOperation]] = {
    Dense: DenseOp,
    Conv: ConvOp,
    MaxPool: PoolOp,
    AvgPool: PoolOp,
    GlobalPool: GlobalPoolOp,
    Flatten: FlattenOp,
    Dropout: DropoutOp,
    ChannelDropout: DropoutOp,
    BatchNorm: NormalizeOp,
    LayerNorm: NormalizeOp,
    GroupNorm: NormalizeOp,
    Maxout: MaxoutOp,
    PReLU: PReLUOp,
    Parametric: ParametricOp,
    Residual: ResidualBegin,
    Scale: ScaleOp,
    PLE: BinsOp,
    PBLD: PeriodicOp,
    PL: PeriodicOp,
    PLR: PeriodicOp,
    LinearReLU: ColumnMapOp,
    Views: ViewsOp,
}


def operation_of(layer: Any) -> type[NetworkOperation]:
    """The operation that plans a layer."""
    if isinstance(layer, ActivationRule):
        return OPERATIONS.get(type(layer), ActivationOp)
    return OPERATIONS[type(layer)]
