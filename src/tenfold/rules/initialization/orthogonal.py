"""Initial weights that rotate their inputs without stretching them."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import numpy as np

from tenfold.rules.fields import Positive
from tenfold.rules.initialization.base import Fans, Initial


def turned(base: np.ndarray, fan_in: int, gain: float) -> np.ndarray:
    """gain Q for base = Q sqrt(max(rows, columns)); one row of biases has the scale of weights with fan_in rows."""
    return base * (gain / math.sqrt(max(fan_in, base.shape[-1])))


def lsuv_factor(variance: Any) -> Any:
    """1 / sqrt(variance): what a layer's weights are multiplied by so that its outputs (biases aside) have variance 1.

    variance: a number, an array or a tensor, over rows and units together.
    """
    # A layer without variance gets the factor 1: comparing and adding works for numbers, arrays and tensors alike.
    return (variance + (variance <= 0)) ** -0.5


@dataclass(frozen=True, kw_only=True)
class Orthogonal(Initial):
    """Turns its input without stretching it: orthonormal columns, or rows where there are fewer of them.

    Formula: W = gain Q, Q from the QR decomposition of a normal matrix with the diagonal of R made positive.
    Shapes: W (inputs, units): W^T W = gain^2 I where inputs >= units, W W^T = gain^2 I where inputs <= units; of a
    convolution inputs = channels in * kernel^2; a maxout of k pieces has k * units columns.
    Options: gain - a number, or activation for the gain of the activation after the layer; bias - a number, or
    like_weights (the scale of an entry, gain / sqrt(max(inputs, units))); zero_last - whether the output layer's
    weights start at 0.
    Convention: torch's, Keras' and jax's orthogonal has the gain 1 by default. The sign correction makes Q uniform
    among orthogonal matrices.
    Claim: W^T W = gain^2 I to 1e-12; with gain 1 the product of 100 square layers has condition number 1, that of
    normal ones is singular to rounding. An entry's variance is gain^2 / max(inputs, units).
    Choose: for deep networks without normalization, above all with tanh, and recurrent ones; else he.
    Source: Saxe, McClelland & Ganguli 2014; Mezzadri 2007.
    """

    gain: Positive | Literal["activation"] = "activation"

    MAIN: ClassVar[str] = "gain"
    draw: ClassVar[str] = "orthogonal"
    PRESETS: ClassVar[dict[str, dict[str, Any]]] = {
        library: {"gain": 1.0} for library in ("torch", "keras", "flax", "jax")
    }

    def variance(self, fans: Fans) -> None:
        # It is gain^2 / max(rows, columns), and the fans of a convolution or a maxout do not tell the columns.
        return None

    def scaled(self, base: np.ndarray, fans: Fans) -> np.ndarray:
        return turned(base, fans.fan_in, fans.gain if self.gain == "activation" else self.gain)


@dataclass(frozen=True, kw_only=True)
class LSUV(Initial):
    """Layer-sequential unit variance: orthogonal, then each layer in turn scaled by its outputs on data.

    Formula: W = Q / sqrt(Var[x Q]), x: the layer's inputs on a batch of training rows, Var over its rows and all units.
    Shapes: Q (inputs, units) as of orthogonal.
    Options: bias - a number, normal, or like_weights (the scale of an entry of Q, which the data do not change);
    zero_last - whether the output layer's weights start at 0.
    Convention: one exact step for each layer, from the first to the last, on the sums before normalization and
    activation; the authors iterate until the variance is within 0.1 of 1, which is the same where biases are constant.
    Claim: every layer's sums x W have variance 1 on that batch, whatever the activations.
    Choose: for deep networks without normalization whose activations have no known gain.
    Source: Mishkin & Matas 2016, All you need is a good init.
    """

    NAME: ClassVar[str] = "lsuv"
    draw: ClassVar[str] = "orthogonal"
    unit_variance: ClassVar[bool] = True

    def variance(self, fans: Fans) -> None:
        return None  # the data decide it

    def scaled(self, base: np.ndarray, fans: Fans) -> np.ndarray:
        return turned(base, fans.fan_in, 1.0)
