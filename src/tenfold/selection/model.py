"""The fitted model: a recipe's trained network with everything between a row of data and its prediction."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from tenfold.data.batches import align
from tenfold.data.encode import Encoding, Inputs, make_inputs, matrix_inputs
from tenfold.data.read import read
from tenfold.data.schema import Schema, conform
from tenfold.data.table import Table
from tenfold.errors import BadInput
from tenfold.recipe.recipe import Recipe
from tenfold.rules.preprocessing import Affine
from tenfold.store.bundle import Bundle, read_bundle, write_bundle

Array = np.ndarray
CHUNK = 8192  # rows predicted at a time


@dataclass(frozen=True)
class Model:
    """A fitted network. `predict(X)`: labels or numbers (rows,); `predict_proba(X)`: (rows, classes).

    X is what the model was trained on: a file, a frame or a table with the named columns (in any order; see
    `notes` of `predict_table`), or a matrix of as many columns. Raises `BadInput` where the schema is not met.
    """

    recipe: Recipe
    classes: tuple[Any, ...]
    schema: Schema | None
    encoding: Encoding
    affine: Affine
    target_scale: tuple[float, float]
    layers: tuple[tuple[Array, ...], ...]
    epochs: float
    updates: int

    @cached_property
    def module(self) -> Any:
        """The network as a torch `nn.Sequential` in evaluation mode; it takes what `encode` gives."""
        from tenfold.engine.module import build_module

        return build_module(self.recipe.network, self.layers)

    def inputs(self, x: Any) -> tuple[Inputs, list[str]]:
        """The columns that the model uses, checked against the schema, and what was noticed on the way."""
        if self.schema is None:
            matrix = np.asarray(x, np.float64)
            if matrix.ndim != 2 or matrix.shape[1] != len(self.encoding.medians):
                raise BadInput(
                    f"input has shape {matrix.shape}", expected=f"(rows, {len(self.encoding.medians)}), as in training"
                )
            return matrix_inputs(matrix), []
        table, notes = conform(x if isinstance(x, Table) else read(x), self.schema)
        return make_inputs(table, self.schema), notes

    def encode(self, inputs: Inputs, rows: slice = slice(None)) -> Array:
        """Encoded and preprocessed rows (rows, width), in the dtype of the weights."""
        out = self.encoding.matrix(inputs, rows)
        count = len(self.affine.shift)
        out[:, :count] = (out[:, :count] - self.affine.shift) / self.affine.scale
        return out.astype(self.layers[0][0].dtype)

    def outputs(self, inputs: Inputs) -> Array:
        """Probabilities (rows, classes), or predictions in the target's unit (rows, 1)."""
        import torch

        pieces = []
        module = self.module  # built outside of inference mode: it may be trained further
        with torch.inference_mode():
            for first in range(0, inputs.rows, CHUNK):
                x = self.encode(inputs, slice(first, first + CHUNK))
                aligned = np.pad(x, ((0, align(len(x)) - len(x)), (0, 0)))  # a row's bits do not depend on the others
                out = module(torch.from_numpy(aligned))[: len(x)]
                if self.classes:
                    pieces.append(out.softmax(-1).numpy())
                else:
                    pieces.append(out.double().numpy() * self.target_scale[1] + self.target_scale[0])
        return np.concatenate(pieces) if pieces else np.zeros((0, len(self.classes) or 1))

    def predict_proba(self, x: Any) -> Array:
        """Probabilities (rows, classes) in the order of `classes`; classification only."""
        if not self.classes:
            raise BadInput("predict_proba of a regression model", do="predict")
        return self.outputs(self.inputs(x)[0])

    def predict(self, x: Any) -> Array:
        """The most probable class of each row, or the predicted number (rows,)."""
        return self.labels(self.outputs(self.inputs(x)[0]))

    def labels(self, outputs: Array) -> Array:
        """From `outputs` to predictions (rows,)."""
        return np.asarray(self.classes)[outputs.argmax(1)] if self.classes else outputs[:, 0]

    def parts(self, card: str = "", meta: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """What a bundle holds: the arguments of `write_bundle`."""
        weights = {f"layer{i}.{j}": a for i, layer in enumerate(self.layers) for j, a in enumerate(layer)}
        pre = {"medians": self.encoding.medians, "indicators": self.encoding.indicators}
        pre |= {f"slots{j}": slots for j, slots in enumerate(self.encoding.slots)}
        pre |= {"shift": self.affine.shift, "scale": self.affine.scale}
        classes = [c.item() if isinstance(c, np.generic) else c for c in self.classes]
        return {
            "spec": {
                "recipe": self.recipe.to_dict(),
                "classes": classes,
                "epochs": self.epochs,
                "updates": self.updates,
            },
            "arrays": weights,
            "schema": self.schema.to_dict() if self.schema else None,
            "preprocess": {"width": self.encoding.width, "target_scale": list(self.target_scale)},
            "preprocess_arrays": pre,
            "card": card or f"# {self.recipe.describe()}\n",
            "meta": dict(meta or {}),
        }

    def save(self, path: str | Path) -> str:
        """Write the model as a directory of safetensors and JSON; returns the SHA-256 of its manifest."""
        return write_bundle(path, **self.parts())

    @staticmethod
    def load(path: str | Path) -> Model:
        """Read a saved model, or that of a run; every file's hash is checked, and nothing in it is executed."""
        inside = Path(path) / "model"
        return _from_bundle(read_bundle(inside if inside.is_dir() else path))


def _from_bundle(bundle: Bundle) -> Model:
    spec, pre = bundle.spec, bundle.preprocess_arrays
    layers: list[tuple[Array, ...]] = []
    while f"layer{len(layers)}.0" in bundle.arrays:
        names = [f"layer{len(layers)}.{j}" for j in range(5)]
        layers.append(tuple(bundle.arrays[name] for name in names if name in bundle.arrays))
    slots = []
    while f"slots{len(slots)}" in pre:
        slots.append(pre[f"slots{len(slots)}"])
    mean, std = bundle.preprocess["target_scale"]
    return Model(
        recipe=Recipe.from_dict(spec["recipe"]),
        classes=tuple(spec["classes"]),
        schema=Schema.from_dict(bundle.schema) if bundle.schema else None,
        encoding=Encoding(pre["medians"], pre["indicators"], tuple(slots), bundle.preprocess["width"]),
        affine=Affine(pre["shift"], pre["scale"]),
        target_scale=(mean, std),
        layers=tuple(layers),
        epochs=spec["epochs"],
        updates=spec["updates"],
    )


def load(path: str | Path) -> Model:
    """The fitted model of a run directory (or of a saved model): `load("runs/churn-1").predict("new.csv")`."""
    return Model.load(path)
