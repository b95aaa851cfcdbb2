"""One trained network with its preprocessing: what a model averages over."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from tenfold.data.feed.encode import Encoding, Inputs, LevelRows
from tenfold.data.feed.integers import FewIntegers, with_categories
from tenfold.data.feed.level_rows import table_rows
from tenfold.data.feed.target_means import TargetMeans, mean_columns, with_columns
from tenfold.data.feed.tensors import GivenTensors, TensorShapes
from tenfold.engine.plan.network import entering_image, plan_recipe
from tenfold.engine.plan.size import Size
from tenfold.recipe.recipe import Recipe
from tenfold.rules.preprocessing import Affine, apply_affine

Array = np.ndarray


@dataclass(frozen=True, repr=False)
class Member:
    """A network, and what the rows that it was trained on decided: the encoding, the preprocessing, the target's scale.

    target_scale: mean and standard deviation of the target, (0, 1) for classes. weights: arrays by name, see
    `Pack.parameters`. share: its weight in the mean of a model's members. target_bounds: what predicted numbers are cut
    to, if to anything.
    """

    recipe: Recipe
    encoding: Encoding
    affine: Affine
    target_scale: tuple[Any, Any]
    weights: dict[str, Array]
    epochs: float
    updates: int
    share: float = 1.0
    integers: tuple[FewIntegers, ...] = ()  # that are categories too
    means: tuple[TargetMeans, ...] = ()  # of levels
    target_bounds: tuple[float, float] | None = None
    # that enter a user's module of a former version, some of them without a meaning in this member's fold
    columns: int | None = None
    tensors: TensorShapes | None = None  # that a user's module takes in place of columns

    @property
    def numbers(self) -> int:
        """How many of the numbers are columns of the data."""
        return len(self.encoding.medians) - sum(table.shape[1] for _, table in self.means)

    def _handed(self, tensors: GivenTensors) -> Any:
        import torch

        dtype = next(iter(self.weights.values())).dtype
        own = {name: a.astype(dtype) if a.dtype.kind == "f" else a for name, a in tensors.arrays.items()}
        return tensors.handed({name: torch.from_numpy(np.require(a, None, ["C", "W"])) for name, a in own.items()})

    def encode(self, inputs: Inputs, rows: slice = slice(None)) -> Any:
        """Encoded and preprocessed rows (rows, width), in the dtype of the weights; or tensors, as a user's module is
        called with them."""
        if inputs.tensors is not None:
            return self._handed(inputs.tensors.take(rows))
        if self.integers or self.means:
            inputs, rows = with_categories(inputs.take(rows), self.integers), slice(None)
        if self.means:
            inputs = with_columns(inputs, mean_columns(inputs, self.means))
        out = self.encoding.matrix(inputs, rows)
        count = len(self.affine.shift)
        out[:, :count] = apply_affine(self.affine, out[:, :count])
        return out.astype(next(iter(self.weights.values())).dtype)

    def size(self, outputs: int, image: tuple[int, int, int] | None) -> Size:
        """What enters and leaves the network."""
        if self.tensors is not None:
            return Size(1, outputs, tensors=self.tensors)
        tables = tuple(table_rows(len(rows)) for _, rows in self.encoding.levels)
        width = self.columns or self.encoding.width
        return Size(width, outputs, image, len(self.encoding.medians), tables=tables)

    def network(self, outputs: int, image: tuple[int, int, int] | None) -> Any:
        """The network as a torch `nn.Sequential` in evaluation mode: (rows, width) -> (rows, outputs)."""
        from tenfold.engine.module import build_module, with_zero_columns

        size = self.size(outputs, image)
        steps = plan_recipe(self.recipe, size)
        network = build_module(steps, self.weights, entering_image(self.recipe.network, size))
        whole = self.tensors is not None or size.inputs == self.encoding.width
        return network if whole else with_zero_columns(network, size.inputs)

    def compiled(self, outputs: int, image: tuple[int, int, int] | None) -> Any:
        """The network by compiled code, (rows, width) -> (rows, outputs); None where there is none of it."""
        from tenfold.engine.native.predict import compiled_predictor

        return compiled_predictor(self.recipe, self.size(outputs, image), self.weights)

    def preprocess(self) -> tuple[dict[str, Any], dict[str, Array]]:
        """Encoding, preprocessing and target scale as a bundle holds them: a JSON value, and arrays by name."""
        arrays = {"medians": self.encoding.medians, "indicators": self.encoding.indicators}
        arrays |= {f"slots{j}": slots for j, slots in enumerate(self.encoding.slots)}
        arrays |= {name: part for name, part in self.affine._asdict().items() if part is not None}
        if self.integers:
            arrays["integer_columns"] = np.array([column for column, _ in self.integers], np.int64)
            arrays |= {f"integer_values{i}": values for i, (_, values) in enumerate(self.integers)}
        if self.means:
            arrays["mean_categories"] = np.array([category for category, _ in self.means], np.int64)
            arrays |= {f"means{i}": table for i, (_, table) in enumerate(self.means)}
        if self.encoding.levels:
            arrays["embedded_categories"] = np.array([category for category, _ in self.encoding.levels], np.int64)
            arrays |= {f"level_rows{i}": rows for i, (_, rows) in enumerate(self.encoding.levels)}
        scale = [np.asarray(part).tolist() for part in self.target_scale]
        settings: dict[str, Any] = {"width": self.encoding.width, "target_scale": scale}
        if self.target_bounds is not None:
            settings["target_bounds"] = list(self.target_bounds)
        if self.columns is not None:
            settings["columns"] = self.columns
        return settings, arrays


def read_member(
    recipe: Recipe, spec: Mapping[str, Any], weights: Mapping[str, Array], preprocess: Mapping[str, Any],
    arrays: Mapping[str, Array],
) -> Member:  # fmt: skip
    """The member of a verified bundle. preprocess, arrays: see `Member.preprocess`."""
    slots: list[Array] = []
    while f"slots{len(slots)}" in arrays:
        slots.append(arrays[f"slots{len(slots)}"])
    mean, std = (np.array(x) if isinstance(x, list) else x for x in preprocess["target_scale"])
    bounds = preprocess.get("target_bounds")
    none = np.zeros(0, np.int64)
    columns, categories, embedded = (
        arrays.get(name, none).tolist() for name in ("integer_columns", "mean_categories", "embedded_categories")
    )
    levels = tuple(LevelRows(category, arrays[f"level_rows{i}"]) for i, category in enumerate(embedded))
    return Member(
        recipe=recipe,
        encoding=Encoding(arrays["medians"], arrays["indicators"], tuple(slots), preprocess["width"], levels),
        affine=Affine(arrays["shift"], arrays["scale"], *(arrays.get(name) for name in Affine._fields[2:])),
        target_scale=(mean, std),
        weights=dict(weights),
        epochs=spec["epochs"],
        updates=spec["updates"],
        integers=tuple(FewIntegers(column, arrays[f"integer_values{i}"]) for i, column in enumerate(columns)),
        means=tuple(TargetMeans(category, arrays[f"means{i}"]) for i, category in enumerate(categories)),
        share=spec.get("share", 1.0),
        target_bounds=None if bounds is None else (bounds[0], bounds[1]),
        columns=preprocess.get("columns"),
    )
