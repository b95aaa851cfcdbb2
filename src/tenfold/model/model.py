"""The fitted model: a recipe's trained network with everything between a row of data and its prediction."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from tenfold.data.columns.schema import Schema, conform
from tenfold.data.columns.table import Table
from tenfold.data.feed.batches import align
from tenfold.data.feed.encode import Encoding, Inputs, make_inputs, matrix_inputs, pixel_inputs
from tenfold.data.read.images import ImageContract
from tenfold.data.read.read import read, read_images
from tenfold.engine.plan.network import plan_network, sees_images
from tenfold.errors import BadInput
from tenfold.model.predicts import Predicts
from tenfold.problem.problem import in_unit
from tenfold.recipe.recipe import Recipe, loss_of
from tenfold.rules.preprocessing import Affine, apply_affine
from tenfold.store.bundle import Bundle, read_bundle, write_bundle
from tenfold.store.unfinished import refuse_directory

if TYPE_CHECKING:
    from tenfold.model.ensemble import Fitted

Array = np.ndarray
CHUNK, CHUNK_IMAGES = 8192, 256  # rows predicted at a time


@dataclass(frozen=True, repr=False)
class Model(Predicts):
    """A fitted network. `predict(X)`: labels or numbers (rows,); `predict_proba(X)`: (rows, classes).

    X is what the model was trained on: a file, a frame or a table with the named columns (in any order; see
    `inputs`), a matrix of as many columns, or images of the same size (an array, an npz file, or image files in a
    folder). Raises `BadInput` where the schema or the contract of the images is not met.
    """

    recipe: Recipe
    classes: tuple[Any, ...]
    schema: Schema | None
    encoding: Encoding
    affine: Affine
    target_scale: tuple[float, float]
    weights: dict[str, Array]
    epochs: float
    updates: int
    contract: ImageContract | None = None

    @property
    def image(self) -> tuple[int, int, int] | None:
        """(height, width, channels) of the images that it was trained on; None for columns."""
        return self.contract.image if self.contract else None

    @cached_property
    def module(self) -> Any:
        """The network as a torch `nn.Sequential` in evaluation mode; it takes what `encode` gives."""
        from tenfold.engine.module import build_module

        outputs = len(self.classes) or 1
        steps = plan_network(self.recipe.network, inputs=self.encoding.width, outputs=outputs, image=self.image)
        return build_module(steps, self.weights, self.image if sees_images(steps) else None)

    def inputs(self, x: Any) -> tuple[Inputs, list[str]]:
        """The columns that the model uses, checked against the schema, and what was noticed on the way."""
        if self.contract is not None:
            images = read_images(x, self.contract)
            return pixel_inputs(images.pixels), list(images.notes)
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
        out[:, :count] = apply_affine(self.affine, out[:, :count])
        return out.astype(next(iter(self.weights.values())).dtype)

    def outputs(self, inputs: Inputs) -> Array:
        """Probabilities (rows, classes), or predictions in the target's unit (rows, 1)."""
        pieces = list(self._forward(inputs, self.module))
        return np.concatenate(pieces) if pieces else np.zeros((0, len(self.classes) or 1))

    def samples(self, inputs: Inputs, count: int, *, seed: int = 0) -> tuple[Array, Array]:
        """Monte-Carlo dropout: mean and standard deviation of `outputs` over `count` passes with dropout left on.

        Both (rows, classes or 1). Probabilities (not logits) are averaged (Gal & Ghahramani 2016); the deviation is
        how much the prediction depends on which units are there. Raises `BadInput` for a network without dropout.
        """
        import torch

        from tenfold.engine.module import with_dropout

        if count < 1:
            raise BadInput(f"{count} samples", expected="at least 1; 50 give the mean to about a seventh of the spread")
        module = with_dropout(self.module)
        if module is None:
            raise BadInput("samples of a network without dropout", expected="a recipe with dropout above 0")
        total = square = np.zeros((inputs.rows, len(self.classes) or 1))
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            for _ in range(count):
                drawn = np.concatenate(list(self._forward(inputs, module))).astype(np.float64)
                total, square = total + drawn, square + drawn**2
        mean = total / count
        return mean, np.sqrt(np.maximum(square / count - mean**2, 0.0))

    def _forward(self, inputs: Inputs, module: Any) -> Iterator[Array]:
        """Readable outputs of the module, a chunk of rows at a time."""
        import torch

        loss = loss_of(self.recipe, bool(self.classes))
        size = CHUNK if self.image is None else CHUNK_IMAGES
        for first in range(0, inputs.rows, size):
            x = self.encode(inputs, slice(first, first + size))
            aligned = np.pad(x, ((0, align(len(x)) - len(x)), (0, 0)))  # a row's bits do not depend on the others
            with torch.inference_mode():
                out = module(torch.from_numpy(aligned))[: len(x)]
                yield out.softmax(-1).numpy() if self.classes else in_unit(out.numpy(), loss.link, *self.target_scale)

    def labels(self, outputs: Array) -> Array:
        """From `outputs` to predictions (rows,)."""
        return np.asarray(self.classes)[outputs.argmax(1)] if self.classes else outputs[:, 0]

    def parts(self, card: str = "", meta: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """What a bundle holds: the arguments of `write_bundle`."""
        pre = {"medians": self.encoding.medians, "indicators": self.encoding.indicators}
        pre |= {f"slots{j}": slots for j, slots in enumerate(self.encoding.slots)}
        pre |= {name: part for name, part in self.affine._asdict().items() if part is not None}
        classes = [c.item() if isinstance(c, np.generic) else c for c in self.classes]
        return {
            "spec": {
                "recipe": self.recipe.to_dict(),
                "classes": classes,
                "epochs": self.epochs,
                "updates": self.updates,
                "images": self.contract.to_dict() if self.contract else None,
            },
            "arrays": self.weights,
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
    def load(path: str | Path) -> Fitted:
        """Read a saved model, or that of a run (an `Ensemble` where several were kept); every file's hash is checked,
        and nothing in it is executed."""
        inside = Path(path) / "model"
        if not inside.is_dir():
            refuse_directory(Path(path))
        place = inside if inside.is_dir() else Path(path)
        bundle = read_bundle(place)
        if "members" not in bundle.spec:
            return model_of(bundle)
        from tenfold.model.ensemble import ensemble_of

        return ensemble_of(bundle, str(place))


def model_of(bundle: Bundle) -> Model:
    """The model of a verified bundle."""
    spec, pre = bundle.spec, bundle.preprocess_arrays
    slots: list[Array] = []
    while f"slots{len(slots)}" in pre:
        slots.append(pre[f"slots{len(slots)}"])
    mean, std = bundle.preprocess["target_scale"]
    return Model(
        recipe=Recipe.from_dict(spec["recipe"]),
        classes=tuple(spec["classes"]),
        schema=Schema.from_dict(bundle.schema) if bundle.schema else None,
        encoding=Encoding(pre["medians"], pre["indicators"], tuple(slots), bundle.preprocess["width"]),
        affine=Affine(pre["shift"], pre["scale"], pre.get("rotation")),
        target_scale=(mean, std),
        weights=dict(bundle.arrays),
        epochs=spec["epochs"],
        updates=spec["updates"],
        contract=ImageContract.from_dict(spec["images"]) if spec.get("images") else None,
    )


def load(path: str | Path) -> Fitted:
    """The fitted model of a run directory (or of a saved model): `load("runs/churn-1").predict("new.csv")`.

    It is an `Ensemble`, which does all that a `Model` does, where the run kept its fold models.
    """
    return Model.load(path)
