"""The mean of several fitted models of one recipe, with the face of one: what `--keep ensemble` keeps."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import torch
from torch import Tensor, nn

from tenfold.data.columns.schema import Schema
from tenfold.data.feed.encode import Inputs
from tenfold.data.feed.randomness import derive_int
from tenfold.data.read.images import ImageContract
from tenfold.errors import BadInput, Corrupt
from tenfold.model.model import Model, model_of
from tenfold.model.predicts import Predicts
from tenfold.problem.problem import MOST_LOG_RATE
from tenfold.recipe.recipe import Recipe, loss_of
from tenfold.store.bundle import Bundle, write_bundle

Array = np.ndarray


@dataclass(frozen=True, repr=False)
class Ensemble(Predicts):
    """The mean of its members' readable outputs: probabilities, or numbers in the target's unit (Breiman 1996).

    The members are one recipe trained on different rows, each with the encoding, the preprocessing and the target's
    scale of its own rows. For a squared loss the mean is never worse than the members are on average, by exactly
    their spread (Krogh & Vedelsby 1995). Everything a `Model` can do, an ensemble can.
    """

    members: tuple[Model, ...]

    def __post_init__(self) -> None:
        if not self.members:
            raise BadInput("an ensemble without members", expected="at least one model")
        first = self.members[0]
        for member in self.members[1:]:
            for name in ("recipe", "classes", "schema", "contract", "epochs", "updates"):
                if getattr(member, name) != getattr(first, name):
                    raise BadInput(f"members of an ensemble differ in {name}", expected="fold models of one recipe")

    @property
    def recipe(self) -> Recipe:
        """The recipe of all members."""
        return self.members[0].recipe

    @property
    def classes(self) -> tuple[Any, ...]:  # pyright: ignore[reportIncompatibleVariableOverride]
        """The labels in the order of the probabilities; () for regression."""
        return self.members[0].classes

    @property
    def schema(self) -> Schema | None:
        """The contract of the columns; None for a matrix or images."""
        return self.members[0].schema

    @property
    def contract(self) -> ImageContract | None:
        """The contract of the images; None for columns."""
        return self.members[0].contract

    @property
    def image(self) -> tuple[int, int, int] | None:
        """(height, width, channels) of the images that it was trained on; None for columns."""
        return self.members[0].image

    @property
    def epochs(self) -> float:
        """Epochs that each member made of its own rows."""
        return self.members[0].epochs

    @property
    def updates(self) -> int:
        """Updates that each member made."""
        return self.members[0].updates

    @cached_property
    def module(self) -> MeanModule:
        """The members as one torch module in evaluation mode. It takes what `encode` gives and returns `outputs`:
        probabilities or numbers in the target's unit, not logits, because it is these that are averaged."""
        return MeanModule(self.members).eval()

    def inputs(self, x: Any) -> tuple[Inputs, list[str]]:
        """The columns that the members use, checked against the schema, and what was noticed on the way."""
        return self.members[0].inputs(x)

    def encode(self, inputs: Inputs, rows: slice = slice(None)) -> Array:
        """What each member makes of the rows, side by side: (rows, sum of the members' widths)."""
        return np.concatenate([member.encode(inputs, rows) for member in self.members], axis=1)

    def outputs(self, inputs: Inputs) -> Array:
        """Mean probabilities (rows, classes), or mean predictions in the target's unit (rows, 1)."""
        first, *others = self.members
        total = first.outputs(inputs)
        for member in others:
            total = total + member.outputs(inputs)
        return total / len(self.members)

    def samples(self, inputs: Inputs, count: int, *, seed: int = 0) -> tuple[Array, Array]:
        """Monte-Carlo dropout of all members: mean and standard deviation of `outputs` over `count` passes of each.

        Both (rows, classes or 1). With the members' means m_i and deviations s_i: mean(m_i), and the root of
        mean(s_i^2 + m_i^2) - mean(m_i)^2, so that their disagreement counts too (Lakshminarayanan et al. 2017). Raises
        `BadInput` for a network without dropout.
        """
        total = square = np.zeros((inputs.rows, len(self.classes) or 1))
        for number, member in enumerate(self.members):
            mean, spread = member.samples(inputs, count, seed=derive_int(seed, "dropout", number))
            total, square = total + mean, square + spread**2 + mean**2
        mean = total / len(self.members)
        return mean, np.sqrt(np.maximum(square / len(self.members) - mean**2, 0.0))

    def labels(self, outputs: Array) -> Array:
        """From `outputs` to predictions (rows,)."""
        return self.members[0].labels(outputs)

    def parts(self, card: str = "", meta: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """What a bundle holds: the arguments of `write_bundle`. Arrays of member i are named "mi.NAME"."""
        every = [member.parts(card, meta) for member in self.members]
        return every[0] | {
            "spec": every[0]["spec"] | {"members": len(every)},
            "arrays": _marked([part["arrays"] for part in every]),
            "preprocess": {"members": [part["preprocess"] for part in every]},
            "preprocess_arrays": _marked([part["preprocess_arrays"] for part in every]),
            "card": card or f"# {self.recipe.describe()}\n\nThe mean of {len(every)} models, one a fold.\n",
        }

    def save(self, path: str | Path) -> str:
        """Write all members as one directory of safetensors and JSON; returns the SHA-256 of its manifest."""
        return write_bundle(path, **self.parts())

    @staticmethod
    def load(path: str | Path) -> Fitted:
        """See `Model.load`: what the directory holds, an ensemble or one model."""
        return Model.load(path)


Fitted: TypeAlias = Model | Ensemble


class MeanModule(nn.Module):
    """The networks of several models, each on its own columns, and the mean of what they say."""

    def __init__(self, members: Sequence[Model]) -> None:
        super().__init__()
        self.members: nn.ModuleList = nn.ModuleList([member.module for member in members])
        self.widths: list[int] = [member.encoding.width for member in members]
        self.scales: list[tuple[float, float]] = [member.target_scale for member in members]
        self.classification: bool = bool(members[0].classes)
        self.rates: bool = loss_of(members[0].recipe, self.classification).link == "exp"

    def forward(self, x: Tensor) -> Tensor:
        """(rows, sum of widths) -> mean probabilities (rows, classes), or numbers in the target's unit (rows, 1)."""
        parts = zip(self.members, torch.split(x, self.widths, 1), self.scales, strict=True)
        return torch.stack([self._readable(member(part), *scale) for member, part, scale in parts]).mean(0)

    def _readable(self, out: Tensor, mean: float, std: float) -> Tensor:
        if self.classification:
            return out.softmax(-1)
        return out.clamp(max=MOST_LOG_RATE).exp() * mean if self.rates else out * std + mean


def ensemble_of(bundle: Bundle, where: str) -> Ensemble:
    """The ensemble of a verified bundle. Errors: `Corrupt` where its members are not complete."""
    count, pre = bundle.spec["members"], bundle.preprocess.get("members")
    if type(count) is not int or count < 1 or not isinstance(pre, list) or len(pre) != count:
        raise Corrupt("the number of members is not that of their preprocessing", file=where)
    arrays, fitted = _parted(bundle.arrays, count, where), _parted(bundle.preprocess_arrays, count, where)
    views = zip(arrays, pre, fitted, strict=True)
    return Ensemble(tuple(model_of(replace(bundle, arrays=a, preprocess=p, preprocess_arrays=f)) for a, p, f in views))


def _marked(parts: Sequence[Mapping[str, Array]]) -> dict[str, Array]:
    """The arrays of all members under one roof."""
    return {f"m{i}.{name}": array for i, part in enumerate(parts) for name, array in part.items()}


def _parted(arrays: Mapping[str, Array], count: int, where: str) -> list[dict[str, Array]]:
    """The inverse of `_marked`. Errors: `Corrupt` for an array of no member, and for a member without arrays."""
    parts: dict[str, dict[str, Array]] = {f"m{i}": {} for i in range(count)}
    for name, array in arrays.items():
        member, _, own = name.partition(".")
        if member not in parts:
            raise Corrupt(f"the array {name!r} belongs to no member", file=where)
        parts[member][own] = array
    if not all(parts.values()):
        raise Corrupt("a member of the ensemble has no arrays", file=where)
    return list(parts.values())
