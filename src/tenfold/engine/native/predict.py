"""What a trained network predicts, by compiled code and without torch."""

from __future__ import annotations

import ctypes
from collections.abc import Mapping

import numpy as np

from tenfold.data.feed.batches import Dealing, align
from tenfold.engine.native.library import compiled_lanes
from tenfold.engine.native.network import compiled_network, unknown_network
from tenfold.engine.native.records import NO_MEMORY, TABLE_ALIGN, PredictionRecord, SourceRecord, address
from tenfold.engine.plan.shape import Layout, Shape
from tenfold.engine.plan.size import Size
from tenfold.recipe.recipe import Recipe

Array = np.ndarray


class CompiledPredictor:
    """A trained network in evaluation mode. weights: arrays by name, see `LaneStates.parameters`.

    Called with preprocessed rows (rows, size.inputs) it gives outputs (rows, size.outputs), in the dtype of the
    weights. A row's numbers do not depend on the others.
    """

    def __init__(self, recipe: Recipe, size: Size, weights: Mapping[str, Array]) -> None:
        self.size, self.dtype = size, next(iter(weights.values())).dtype
        shape = Shape.of_network(recipe, size, Dealing(1, 1))  # the layout does not depend on batches
        layout = Layout.of(shape)
        self._network = compiled_network(shape.steps(recipe), layout, size.inputs, size.outputs)
        self._w, self._moments = np.zeros(layout.total, self.dtype), np.zeros(layout.moment_total + 1, self.dtype)
        for slot in layout.slots:
            stored = self._w[slot.start : slot.stop].reshape(slot.stored)
            stored[: slot.size[0], : slot.size[1]] = weights[f"{slot.op}.{slot.kind}"]
        for number, (mean, var, _) in layout.moments.items():
            for name, at in (("running_mean", mean), ("running_var", var)):
                found = weights[f"{number}.{name}"]
                self._moments[at : at + len(found)] = found

    def __call__(self, x: Array) -> Array:
        table = np.zeros((len(x), align(self.size.inputs, TABLE_ALIGN)), self.dtype)
        table[:, : self.size.inputs] = x
        out = np.empty((len(x), self.size.outputs), self.dtype)
        source = SourceRecord(table=address(table), table_row=table.shape[1], width=self.size.inputs)
        record = PredictionRecord(
            self._network.record, source, address(self._w), address(self._moments), None, len(x), address(out), None
        )
        predict = compiled_lanes().function("predict")
        if predict(ctypes.addressof(record), int(self.dtype == np.float64)) == NO_MEMORY:
            raise MemoryError(f"not enough memory to predict {len(x)} rows")
        return out


def compiled_predictor(recipe: Recipe, size: Size, weights: Mapping[str, Array]) -> CompiledPredictor | None:
    """A trained network by compiled code; None where there is none here, or it does not know the network."""
    dtype = next(iter(weights.values())).dtype
    if dtype.name not in ("float32", "float64") or compiled_lanes().missing or unknown_network(recipe, size):
        return None
    return CompiledPredictor(recipe, size, weights)
