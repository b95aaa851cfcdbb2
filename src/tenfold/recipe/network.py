"""The network of a recipe."""

# ruff: noqa: RUF009 (the defaults are frozen records)
from __future__ import annotations

from dataclasses import dataclass

from tenfold.recipe.kinds import Written
from tenfold.recipe.reader import settle
from tenfold.rules.activations import Activation, ReLU
from tenfold.rules.normalization import NoNormalization, Normalization
from tenfold.rules.record import require


@dataclass(frozen=True, kw_only=True)
class MLP:
    """A multi-layer perceptron: for each hidden layer an affine map, the normalization, the activation, dropout;
    then an affine output layer.

    hidden: units of each hidden layer, default (128, 128); none is a linear model. dropout: probability of
    dropping a unit of a hidden activation in training, in [0, 1), default 0. Rules are given as records or by
    name (`activation="relu"`). Raises `BadInput` naming the field.
    """

    hidden: tuple[int, ...] | Written = (128, 128)
    activation: Activation | Written = ReLU()
    normalization: Normalization | Written = NoNormalization()
    dropout: float = 0.0

    def __post_init__(self) -> None:
        settle(self)
        require(all(units >= 1 for units in self.hidden), self, "hidden", "units, each >= 1")
        require(0 <= self.dropout < 1, self, "dropout", "in [0, 1)")
