"""Initial weights whose variance is gain^2 / fan."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import numpy as np

from tenfold.rules.fields import Positive
from tenfold.rules.initialization.base import Fans, Initial


@dataclass(frozen=True, kw_only=True)
class Scaled(Initial):
    """Weights of variance gain^2 / fan, whatever the distribution."""

    distribution: Literal["normal", "uniform", "truncated"] = "normal"
    fan: Literal["fan_in", "fan_out", "average"] = "fan_in"
    gain: Positive | Literal["activation"] = 1.0

    MAIN: ClassVar[str] = "distribution"

    @property
    def draw(self) -> str:  # type: ignore[override]
        return self.distribution

    def variance(self, fans: Fans) -> float:
        fan = {"fan_in": fans.fan_in, "fan_out": fans.fan_out, "average": (fans.fan_in + fans.fan_out) / 2}[self.fan]
        return (fans.gain if self.gain == "activation" else self.gain) ** 2 / fan

    def scaled(self, base: np.ndarray, fans: Fans) -> np.ndarray:
        """base times the standard deviation, or for base ~ U(-1, 1) times the bound sqrt(3 Var)."""
        return base * ((3 if self.distribution == "uniform" else 1) * self.variance(fans)) ** 0.5


@dataclass(frozen=True, kw_only=True)
class LeCun(Scaled):
    """Keeps the variance of a linear layer: normal with variance 1 / fan_in.

    Formula: w ~ N(0, gain^2 / fan).
    Shapes: W (inputs, units); of a convolution fan_in = channels in * kernel^2, fan_out = channels * kernel^2.
    Options: distribution - normal, uniform on +-sqrt(3) gain / sqrt(fan), or truncated at two standard deviations and
    rescaled to the same variance; fan - fan_in, fan_out, or their average; gain - a number, or activation for the gain
    of the activation after the layer; bias - a number, like_weights or normal; zero_last - whether the output layer's
    weights start at 0.
    Convention: the usual lecture summary (randn(n) / sqrt(n)) calls this Xavier. Flax (its default) and Keras truncate
    the normal. torch's default for linear and convolution layers is the uniform with gain 1 / sqrt(3), on
    +-1 / sqrt(fan_in), for the biases too.
    Claim: Var[w] = gain^2 / fan. Ten tanh layers of 500 units shrink slowly, from 0.628 to 0.228, and with the gain
    5/3 settle at 0.65; through ReLU the second moment halves in every layer.
    Choose: for tanh, SELU and linear layers, with gain: activation for any activation, maxout too; for ReLU take he.
    Source: LeCun, Bottou, Orr & Müller 1998, Efficient BackProp.
    """

    NAME: ClassVar[str] = "lecun"
    PRESETS: ClassVar[dict[str, dict[str, Any]]] = {
        "torch": {"distribution": "uniform", "gain": 1 / math.sqrt(3), "bias": "like_weights"},
        "keras": {"distribution": "truncated"},
        "flax": {"distribution": "truncated"},
        "jax": {"distribution": "truncated"},
        "lecture": {"distribution": "normal"},
    }


@dataclass(frozen=True, kw_only=True)
class Xavier(Scaled):
    """A compromise between keeping the activations' and the gradients' variance: uniform, 2 / (fan_in + fan_out).

    Formula: w ~ U(-b, b), b = gain sqrt(6 / (fan_in + fan_out)), so Var = 2 gain^2 / (fan_in + fan_out).
    Shapes: W (inputs, units); of a convolution fan_in = channels in * kernel^2, fan_out = channels * kernel^2.
    Options: distribution - normal, uniform, or truncated at two standard deviations and rescaled to the same
    variance; fan - fan_in, fan_out, or their average; gain - a number, or activation for the gain of the activation
    after the layer; bias - a number, like_weights or normal; zero_last - whether the output layer's weights start at 0.
    Convention: Glorot's; Keras' default with biases 0. scikit-learn draws the biases from the same interval, and for
    logistic units takes 2 in place of 6. What the usual lecture summary calls Xavier is lecun.
    Claim: Var[w] = 2 / (fan_in + fan_out); equal to lecun in a square layer, so ten tanh layers end at 0.228.
    Choose: for tanh, sigmoid and linear layers; for ReLU take he.
    Source: Glorot & Bengio 2010.
    """

    distribution: Literal["normal", "uniform", "truncated"] = "uniform"
    fan: Literal["fan_in", "fan_out", "average"] = "average"

    PRESETS: ClassVar[dict[str, dict[str, Any]]] = {
        "torch": {"distribution": "uniform"},
        "keras": {"distribution": "uniform", "bias": 0.0},
        "sklearn": {"distribution": "uniform", "bias": "like_weights"},
        "sklearn_logistic": {"distribution": "uniform", "gain": 1 / math.sqrt(3), "bias": "like_weights"},
        "lecture": {"distribution": "normal", "fan": "fan_in"},
    }


@dataclass(frozen=True, kw_only=True)
class He(Scaled):
    """Keeps the second moment through ReLU layers: normal with variance 2 / fan_in.

    Formula: w ~ N(0, gain^2 / fan), gain = sqrt(2).
    Shapes: W (inputs, units); of a convolution fan_in = channels in * kernel^2, fan_out = channels * kernel^2.
    Options: distribution - normal, uniform on +-sqrt(3) gain / sqrt(fan), or truncated at two standard deviations and
    rescaled to the same variance; fan - fan_in, fan_out, or their average; gain - a number, or activation for the gain
    of the activation after the layer; bias - a number, like_weights or normal; zero_last - whether the output layer's
    weights start at 0.
    Convention: the output layer has the gain sqrt(2) too; with gain: activation it has 1. torch's kaiming_uniform_
    (a = 0) is uniform, torch's own layers do not use it. Keras' and jax's he_normal truncate.
    Claim: Var[w] = 2 / fan_in; through ten ReLU layers of 500 units the root mean square stays within [0.5, 2] of the
    first, the standard deviation is 0.83, the mean is not 0. The distribution of the weights makes no difference.
    Choose: the default; for ReLU and its relatives. Without normalization, plain networks train to some 20 layers.
    Source: He, Zhang, Ren & Sun 2015.
    """

    gain: Positive | Literal["activation"] = 2**0.5

    PRESETS: ClassVar[dict[str, dict[str, Any]]] = {
        "torch": {"distribution": "uniform"},
        "keras": {"distribution": "truncated"},
        "flax": {"distribution": "truncated"},
        "jax": {"distribution": "truncated"},
        "lecture": {"distribution": "normal"},
    }
