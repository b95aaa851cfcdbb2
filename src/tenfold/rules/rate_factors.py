"""Rates by kind of parameter: what multiplies the steps of biases, scales, embeddings and weights."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, ClassVar

from tenfold.rules.fields import NotNegative
from tenfold.rules.record import Rule

# What RealMLP gives each kind of parameter, as the fields of `RateFactors`.
REALMLP_FACTORS: dict[str, Any] = {"bias": 0.1, "scale": 6.0, "embedding": 0.1, "parametric": 0.1, "fan_in": True}


@dataclass(frozen=True, kw_only=True)
class RateFactors(Rule):
    """A factor of the learning rate for each kind of parameter.

    Formula: w <- w - factor step, step what the optimizer would take off; with fan_in a weight into a unit of d inputs
    has factor 1 / sqrt(d). Decoupled weight decay is not multiplied: w <- w (1 - lr weight_decay) whatever the factor.
    Shapes: one number for all numbers of a parameter.
    Options: bias - of layers; scale - of scaling layers; embedding - all parameters of embeddings of numbers;
    parametric - what an activation learns (the slopes of prelu, the mix of a parametric one); first_layer - weights and
    biases of the first layer, times the others; fan_in - whether weights have 1 / sqrt(inputs of a unit), those of a
    convolution 1 / sqrt(channels in kernel^2); categories - of embedded categories.
    Convention: the steps of adam do not see the gradient's size: with fan_in it trains z = W x / sqrt(d) + b with W of
    size 1, the neural tangent parametrization, and lr is that of RealMLP's paper and package. (With sgd that would be a
    factor 1 / d.) Shifts and factors of a normalization have factor 1. RealMLP gives 1 to embedded categories too.
    Claim: the same training as torch.optim with a group of parameters for each factor. A factor 0 freezes.
    Choose: fan_in with lr 0.04 (classes) or 0.2 (numbers), bias 0.1 and a scaling layer with 6 for tables: what RealMLP
    found best. Alone it is worth little: 1.1 % of the error there.
    Source: Holzmueller, Grinsztajn & Steinwart 2024, section 3; Jacot, Gabriel & Hongler 2018.
    """

    bias: NotNegative = 1.0
    scale: NotNegative = 1.0
    embedding: NotNegative = 1.0
    parametric: NotNegative = 1.0
    first_layer: NotNegative = 1.0
    fan_in: bool = False
    categories: NotNegative = 1.0

    LATER: ClassVar[tuple[str, ...]] = ("categories",)

    @property
    def active(self) -> bool:
        """Whether any parameter has another factor than 1."""
        return self != RateFactors()

    def of(self, kind: str, *, fan_in: int | None = None, first_layer: bool = False) -> float:
        """The factor of a parameter. kind: its name within its operation; fan_in: inputs of a unit, of weights;
        first_layer: whether it belongs to the first layer that has weights."""
        if kind.startswith("embed"):
            return self.embedding
        own = {"scale": self.scale, "slope": self.parametric, "mix": self.parametric, "level": self.categories}
        factor = {"bias": self.bias, **own}.get(kind, 1)
        if kind == "weight" and self.fan_in and fan_in:
            factor /= math.sqrt(fan_in)
        return factor * self.first_layer if first_layer else factor
