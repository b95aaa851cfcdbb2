"""The fitted model: one trained network or several, with everything between a row of data and its prediction."""

from __future__ import annotations

import operator
import os
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cached_property, reduce
from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np

from tenfold.data.columns.schema import Schema
from tenfold.data.feed.batches import align
from tenfold.data.feed.encode import Inputs, PixelRange, make_inputs, matrix_inputs, pixel_inputs, tensor_inputs
from tenfold.data.feed.randomness import derive_int
from tenfold.data.feed.tensors import TensorShapes, as_given
from tenfold.data.read.images import ImageContract
from tenfold.data.read.options import ReadOptions
from tenfold.data.read.read import read_as, read_images, read_tensors
from tenfold.data.read.sparse import dense, is_sparse
from tenfold.engine.undisturbed import own_random_state, plain_torch
from tenfold.errors import BadInput, Corrupt
from tenfold.formatting import byte_size
from tenfold.model.check_stored import check_member, check_parts, check_spec
from tenfold.model.member import Member, read_member
from tenfold.problem.from_arrays import with_gaps
from tenfold.problem.outputs import in_unit
from tenfold.recipe.module import GivenModules, NoFunction, functions_by_name
from tenfold.recipe.recipe import Recipe, loss_of
from tenfold.store.bundle import Bundle, read_bundle, write_bundle
from tenfold.store.no_model import find_bundle

Array = np.ndarray
CHUNK, CHUNK_IMAGES = 8192, 256  # rows predicted at a time


@dataclass(frozen=True, repr=False)
class Model:
    """A fitted model. `predict(X)`: labels or numbers (rows,); `predict_proba(X)`: (rows, classes).

    X is what the model was trained on: a file, a frame or a table with the named columns (in any order; see
    `inputs`), a matrix of as many columns, or images of the same size (an array, an npz file, or image files in a
    folder). Raises `BadInput` where the schema or the contract of the images is not met.

    members: one network that was trained on all rows, or several with other seeds, or one for each fold, of one recipe
    or of several. The prediction is the mean of the members' readable outputs, weighted by their shares: probabilities,
    or numbers in the target's unit (Breiman 1996). For a squared loss it is never worse than the members are on
    average, by exactly their spread (Krogh & Vedelsby 1995).
    """

    members: tuple[Member, ...]
    classes: tuple[Any, ...]  # labels in the order of the probabilities; () for regression
    schema: Schema | None  # the contract of the columns; None for a matrix or images
    contract: ImageContract | None = None  # the contract of the images; None for columns
    temperature: float = 1.0  # that logits are divided by before they become probabilities
    tensors: TensorShapes | None = None  # the contract of tensors that a user's module takes
    given_outputs: int = 1  # numbers for each row, where there are no classes

    def __post_init__(self) -> None:
        if not self.members:
            raise BadInput("a model without members", expected="at least one network")

    def __repr__(self) -> str:
        """The recipe, or those of a blend with their shares, and how long they were trained."""
        size = f" of {len(self.members)} networks" if len(self.members) > 1 else ""
        groups, whole = self.alike, sum(member.share for member in self.members)
        lines: list[str] = []
        for members in groups:
            first = members[0]
            line = f"{first.recipe.describe()}, {first.epochs:g} epochs ({first.updates} updates)"
            lines.append(f"{sum(member.share for member in members) / whole:.0%} {line}" if len(groups) > 1 else line)
        weights = [f"{byte_size(self.size)} of weights"] if len(self.members) > 1 else []
        return f"Model{size}: " + "; ".join([*lines, *weights])

    @property
    def alike(self) -> list[list[Member]]:
        """The members, those together that have one recipe, trained alike: one list, or several for a blend."""
        return [
            list(group) for _, group in groupby(self.members, key=lambda m: (m.recipe, m.epochs, m.updates, m.share))
        ]

    @property
    def size(self) -> int:
        """Bytes of all weights."""
        return sum(array.nbytes for member in self.members for array in member.weights.values())

    @property
    def recipe(self) -> Recipe:
        """The recipe of the first member, and of all but those of a blend."""
        return self.members[0].recipe

    @property
    def epochs(self) -> float:
        """Epochs that the first member made of its own rows."""
        return self.members[0].epochs

    @property
    def updates(self) -> int:
        """Updates that the first member made."""
        return self.members[0].updates

    @property
    def outputs_of_row(self) -> int:
        """How many outputs a row has: one a class, or one a number."""
        return len(self.classes) or self.given_outputs

    @property
    def image(self) -> tuple[int, int, int] | None:
        """(height, width, channels) of the images that it was trained on; None for columns."""
        return self.contract.image if self.contract else None

    def __getstate__(self) -> dict[str, Any]:
        # What is made to predict is made again: compiled code is told where in memory its numbers are.
        return {name: self.__dict__[name] for name in self.__dataclass_fields__}

    @cached_property
    def _networks(self) -> list[Any]:
        """The torch module of each member."""
        with plain_torch():
            return [member.network(self.outputs_of_row, self.image) for member in self.members]

    @cached_property
    def _predictors(self) -> list[Callable[[Array], Array]]:
        """Of each member, from preprocessed rows to outputs: by compiled code, or by its module."""
        compiled = [member.compiled(self.outputs_of_row, self.image) for member in self.members]
        return [found or by_module(self._networks[i]) for i, found in enumerate(compiled)]

    @cached_property
    def module(self) -> Any:
        """The model as a torch module in evaluation mode; it takes what `encode` gives.

        One network is an `nn.Sequential` that returns logits or standardized numbers. Several return `outputs`, because
        it is these that are averaged.
        """
        from tenfold.model.mean_module import MeanModule, clipped_network, with_temperature

        if len(self.members) == 1:
            network = clipped_network(self._networks[0], self.members[0], bool(self.classes))
            return network if self.temperature == 1 else with_temperature(network, self.temperature)
        return MeanModule(self.members, self._networks, bool(self.classes), self.temperature).eval()

    def inputs(self, x: Any) -> tuple[Inputs, list[str]]:
        """The columns that the model uses, checked against the schema, and what was noticed on the way."""
        return self.read(x)[:2]

    def read(self, x: Any, options: ReadOptions | None = None) -> tuple[Inputs, list[str], dict[int, str]]:
        """As `inputs`, and a word on each row that could not be read, where the options or those of training drop such
        rows: it stays, with missing values. options: how a file is read, in place of what training found."""
        if self.contract is not None:
            images = read_images(x, self.contract)
            known = self.contract.pixel_range
            return pixel_inputs(images.pixels, known), [*images.notes, *outside(images.pixels, known)], {}
        if self.tensors is not None:
            of_file = isinstance(x, str | os.PathLike)
            given = read_tensors(x, self.tensors) if of_file else as_given(x, self.tensors)
            return tensor_inputs(given), [], {}
        if self.schema is None:
            x = dense(x)[0] if is_sparse(x) else with_gaps(x)
            matrix, columns = np.asarray(x, np.float64), self.members[0].numbers
            if matrix.ndim != 2 or matrix.shape[1] != columns:
                raise BadInput(f"input has shape {matrix.shape}", expected=f"(rows, {columns}), as in training")
            return matrix_inputs(matrix), [], {}
        table, notes = read_as(x, self.schema, options)
        return make_inputs(table, self.schema), notes, dict(table.bad)

    def encode(self, inputs: Inputs, rows: slice = slice(None)) -> Any:
        """What each member makes of the rows, side by side: (rows, sum of the members' widths); tensors that users'
        modules take are the same for all."""
        if self.tensors is not None:
            return self.members[0].encode(inputs, rows)
        return np.concatenate([member.encode(inputs, rows) for member in self.members], axis=1)

    def finite_outputs(self, inputs: Inputs) -> Array:
        """What `outputs` gives. Raises `BadInput` where a row has no output, because of a cell too far from those of
        training to compute with."""
        with np.errstate(over="ignore", invalid="ignore"):
            outputs = self.outputs(inputs)
        bad = np.flatnonzero(~np.isfinite(outputs).all(1))
        if bad.size:
            raise _too_far(inputs, int(bad[0]))
        return outputs

    def outputs(self, inputs: Inputs) -> Array:
        """Probabilities (rows, classes), or predictions in the target's unit (rows, 1)."""
        pairs = zip(self.members, self._predictors, strict=True)
        return self._mean(self._forward(member, predictor, inputs) for member, predictor in pairs)

    def samples(self, inputs: Inputs, count: int, *, seed: int = 0) -> tuple[Array, Array]:
        """Monte-Carlo dropout: mean and standard deviation of `outputs` over `count` passes of each member with dropout
        left on.

        Both (rows, classes or 1). Probabilities (not logits) are averaged (Gal & Ghahramani 2016); the deviation is
        how much the prediction depends on which units are there and, with several members, how far these disagree
        (Lakshminarayanan et al. 2017). Of a blend, a network without dropout says the same in every pass. Raises
        `BadInput` where no network has dropout.
        """
        from tenfold.engine.module import with_dropout

        if count < 1:
            raise BadInput(f"{count} samples", expected="at least 1; 50 give the mean to about a seventh of the spread")
        seeds = [derive_int(seed, "dropout", number) for number in range(len(self.members))]
        if len(self.members) == 1:
            seeds = [seed]
        dropping = [with_dropout(network) for network in self._networks]
        if not any(network is not None for network in dropping):
            raise BadInput("samples of a network without dropout", expected="a recipe with dropout above 0")
        triples = zip(self.members, dropping, self._networks, seeds, strict=True)
        moments = [
            self._still(member, plain, inputs)
            if network is None
            else self._sampled(member, network, inputs, count, own)
            for member, network, plain, own in triples
        ]
        mean, square = (self._mean(part) for part in zip(*moments, strict=True))
        return mean, np.sqrt(np.maximum(square - mean**2, 0.0))

    def _sampled(self, member: Member, network: Any, inputs: Inputs, count: int, seed: int) -> tuple[Array, Array]:
        """Mean of the outputs, and of their squares, over `count` passes with dropout left on."""
        import torch

        total = square = np.zeros((inputs.rows, self.outputs_of_row))
        with own_random_state():
            torch.manual_seed(seed)
            for _ in range(count):
                drawn = self._forward(member, by_module(network), inputs).astype(np.float64)
                total, square = total + drawn, square + drawn**2
        return total / count, square / count

    def _still(self, member: Member, network: Any, inputs: Inputs) -> tuple[Array, Array]:
        """The same of a network without dropout."""
        outputs = self._forward(member, by_module(network), inputs).astype(np.float64)
        return outputs, outputs**2

    def _mean(self, parts: Iterable[Array]) -> Array:
        """The mean over the members, weighted by their shares."""
        weighted = (member.share * part for member, part in zip(self.members, parts, strict=True))
        return reduce(operator.add, weighted) / sum(member.share for member in self.members)

    def _forward(self, member: Member, predictor: Callable[[Array], Array], inputs: Inputs) -> Array:
        """Readable outputs of a member: (rows, classes or 1)."""
        pieces = list(self._chunks(member, predictor, inputs))
        return np.concatenate(pieces) if pieces else np.zeros((0, self.outputs_of_row))

    def _chunks(self, member: Member, predictor: Callable[[Array], Array], inputs: Inputs) -> Iterator[Array]:
        link = loss_of(member.recipe, bool(self.classes)).link
        size = CHUNK if self.image is None else CHUNK_IMAGES
        for first in range(0, inputs.rows, size):
            out = predictor(member.encode(inputs, slice(first, first + size)))
            if self.classes:
                yield softmax(out / out.dtype.type(self.temperature))
            else:
                yield in_unit(out, link, *member.target_scale, member.target_bounds)

    def labels(self, outputs: Array) -> Array:
        """From `outputs` to predictions (rows,), of several numbers (rows, k)."""
        if self.classes:
            return np.asarray(self.classes)[outputs.argmax(1)]
        return outputs[:, 0] if self.given_outputs == 1 else outputs

    def predict(self, x: Any) -> Array:
        """The most probable class of each row, or the predicted number (rows,). Of a row that could not be read (see
        `read`) None or NaN."""
        inputs, _, bad = self.read(x)
        return without_rows(self.labels(self.finite_outputs(inputs)), bad)

    def predict_proba(self, x: Any) -> Array:
        """Probabilities (rows, classes) in the order of `classes`; classification only."""
        if not self.classes:
            raise BadInput("predict_proba of a regression model", do="predict")
        inputs, _, bad = self.read(x)
        return without_rows(self.finite_outputs(inputs), bad)

    def predict_samples(self, x: Any, samples: int = 50, *, seed: int = 0) -> tuple[Array, Array]:
        """Monte-Carlo dropout: mean and standard deviation, each (rows, classes or 1), of what `samples` passes with
        dropout left on predict (see `samples`)."""
        return self.samples(self.inputs(x)[0], samples, seed=seed)

    def parts(self, card: str = "", meta: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """What a bundle holds: the arguments of `write_bundle`. Of several members the arrays of member i are named
        "mi.NAME"; `parts` tells which recipes a blend's members have."""
        count, groups = len(self.members), self.alike
        spec = {
            "recipe": self.recipe.to_dict(),
            "classes": [c.item() if isinstance(c, np.generic) else c for c in self.classes],
            "epochs": self.epochs,
            "updates": self.updates,
            "images": self.contract.to_dict() if self.contract else None,
        }
        if self.tensors is not None:
            spec["tensors"] = self.tensors.to_list()
        if self.given_outputs != 1:
            spec["outputs"] = self.given_outputs
        settings, arrays = zip(*(member.preprocess() for member in self.members), strict=True)
        weights = [member.weights for member in self.members]
        about = f"# {self.recipe.describe()}\n"
        if count > 1:
            spec["members"] = count
            about += f"\nThe mean of {count} networks.\n"
        if self.temperature != 1:
            spec["temperature"] = self.temperature
        if len(groups) > 1:
            spec["parts"] = [
                {
                    "members": len(members), "share": members[0].share, "recipe": members[0].recipe.to_dict(),
                    "epochs": members[0].epochs, "updates": members[0].updates,
                }
                for members in groups
            ]  # fmt: skip
        return {
            "spec": spec,
            "arrays": weights[0] if count == 1 else _join(weights),
            "schema": self.schema.to_dict() if self.schema else None,
            "preprocess": settings[0] if count == 1 else {"members": list(settings)},
            "preprocess_arrays": arrays[0] if count == 1 else _join(arrays),
            "card": card or about,
            "meta": dict(meta or {}),
        }

    def save(self, path: str | Path) -> str:
        """Write the model as a directory of safetensors and JSON; returns the SHA-256 of its manifest."""
        return write_bundle(path, **self.parts())


def outside(pixels: Array, known: PixelRange | None) -> list[str]:
    """A note of images with values that no training image had; [] for none."""
    if known is None:
        return []
    flat = pixels.reshape(len(pixels), -1)
    count = int(((flat < known.low) | (flat > known.high)).any(1).sum())
    if not count:
        return []
    values = f"values outside the training images' {known.low:,.6g} to {known.high:,.6g}"
    return [f"{count} of {len(pixels)} images have {values}"]


def without_rows(values: Array, rows: Collection[int]) -> Array:
    """Predictions (rows, ...) without those of some rows: NaN, or None for labels."""
    if not rows:
        return values
    values = values.astype(np.float64 if values.dtype.kind == "f" else object)
    values[sorted(rows)] = np.nan if values.dtype.kind == "f" else None
    return values


def by_module(network: Any) -> Callable[[Array], Array]:
    """From preprocessed rows to outputs, by a torch module."""

    def predictor(x: Array) -> Array:
        import torch

        if not isinstance(x, np.ndarray):  # what only a user's module takes
            with plain_torch(), torch.inference_mode():
                return network(x).numpy()
        # Kernels treat the last rows of a block that is not aligned differently: padded, a row has the same bits
        # whatever the other rows are.
        aligned = np.pad(x, ((0, align(len(x)) - len(x)), (0, 0)))
        with plain_torch(), torch.inference_mode():
            return network(torch.from_numpy(aligned))[: len(x)].numpy()

    return predictor


def _too_far(inputs: Inputs, row: int) -> BadInput:
    """The error for a row whose largest number makes its output infinite or none at all."""
    numbers = inputs.values(slice(row, row + 1))[0]
    where = f"row {row + 1}"
    if not len(numbers) or np.isnan(numbers).all():
        return BadInput("the network has no finite output for this row", where=where)
    column = int(np.nanargmax(np.abs(numbers)))
    return BadInput(
        f"{numbers[column]:.6g} is so far from the values of training that there is no finite prediction",
        where=f"{where}, column '{inputs.names[column]}'",
        expected="values of the size of those of training",
        do="fix that cell, or leave it empty",
    )


def softmax(outputs: Array) -> Array:
    """Probabilities (rows, classes), in the dtype of the outputs."""
    powers = np.exp(outputs - outputs.max(-1, keepdims=True))
    return powers / powers.sum(-1, keepdims=True)


def load(path: str | Path, module: GivenModules = None) -> Model:
    """The fitted model of a run directory (or of a saved model): `load("runs/churn-1").predict("new.csv")`.

    module: the function of a `Module`, or several of them: the files hold its name and its weights, and no code. Every
    file's hash is checked, in a run also that of the whole against the one that the run has recorded, and nothing in it
    is executed.
    """
    functions = functions_by_name(module)
    directory, expected = find_bundle(Path(path))
    bundle = read_bundle(directory, expected=expected)
    where = str(directory)
    try:
        return _read_model(bundle, where, functions)
    except NoFunction:
        raise
    except Corrupt:
        raise
    except (BadInput, ArithmeticError, AttributeError, LookupError, TypeError, ValueError, RecursionError) as error:
        # Every part is as it was written, but what was written is no model: made by hand, or by a program with a fault.
        found = error.found if isinstance(error, BadInput) else str(error)
        raise Corrupt(f"the content is not that of a model ({found:.200})", file=where) from error


def _read_model(bundle: Bundle, where: str, functions: Mapping[str, Callable[..., Any]]) -> Model:
    """The model of a verified bundle. Errors: `Corrupt` where its parts do not fit, and whatever values of other types
    than a model's lead to."""
    spec = bundle.spec
    schema = Schema.from_dict(bundle.schema) if bundle.schema is not None else None
    check_spec(spec, schema, where)
    contract = ImageContract.from_dict(spec["images"]) if spec.get("images") is not None else None
    outputs = len(spec["classes"]) or spec.get("outputs", 1)
    tensors = TensorShapes.of(spec["tensors"]) if "tensors" in spec else None
    stored = list(_stored_members(bundle, where))
    parts = check_parts(spec, len(stored), where)
    recipes = [Recipe.from_dict(part["recipe"]).with_modules(functions) for part in parts]
    for recipe, member in zip(recipes, stored, strict=True):
        check_member(recipe, outputs, contract.image if contract else None, schema, member, where, tensors)
    return Model(
        members=tuple(
            replace(read_member(recipe, part, *member), tensors=tensors)
            for recipe, part, member in zip(recipes, parts, stored, strict=True)
        ),
        classes=tuple(spec["classes"]),
        schema=schema,
        contract=contract,
        temperature=float(spec.get("temperature", 1.0)),
        tensors=tensors,
        given_outputs=spec.get("outputs", 1),
    )


def _stored_members(bundle: Bundle, where: str) -> Iterable[tuple[dict[str, Array], Any, dict[str, Array]]]:
    """Of each member its weights, the settings and the arrays of its preprocessing. Errors: `Corrupt` where the members
    are not complete."""
    if "members" not in bundle.spec:
        return [(bundle.arrays, bundle.preprocess, bundle.preprocess_arrays)]
    count, settings = bundle.spec["members"], bundle.preprocess.get("members")
    if type(count) is not int or count < 1 or not isinstance(settings, list) or len(settings) != count:
        raise Corrupt("the number of members is not that of their preprocessing", file=where)
    weights, arrays = _split(bundle.arrays, count, where), _split(bundle.preprocess_arrays, count, where)
    return zip(weights, settings, arrays, strict=True)


def _join(members: Iterable[Mapping[str, Array]]) -> dict[str, Array]:
    """The arrays of all members in one dict, "mi.NAME" for member i."""
    return {f"m{i}.{name}": array for i, arrays in enumerate(members) for name, array in arrays.items()}


def _split(joined: Mapping[str, Array], count: int, where: str) -> list[dict[str, Array]]:
    """The inverse of `_join`. Errors: `Corrupt` for an array of no member, and for a member without arrays."""
    members: dict[str, dict[str, Array]] = {f"m{i}": {} for i in range(count)}
    for name, array in joined.items():
        member, _, own = name.partition(".")
        if member not in members:
            raise Corrupt(f"the array {name!r} belongs to no member", file=where)
        members[member][own] = array
    if not all(members.values()):
        raise Corrupt("a member of the model has no arrays", file=where)
    return list(members.values())
