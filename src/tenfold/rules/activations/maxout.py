"""Maxout: the largest of several affine maps of the same inputs."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Annotated, Any, ClassVar

from tenfold.rules.activations.base import ActivationRule
from tenfold.rules.fields import Within
from tenfold.rules.initialization import Initialization, LeCun

INF = math.inf


def maxout(z: Any, pieces: int) -> Any:
    """The largest of each `pieces` neighbours: (..., units * pieces) -> (..., units); ties share the gradient."""
    return z.unflatten(-1, (-1, pieces)).amax(-1)


def maxout_channels(z: Any, pieces: int) -> Any:
    """The same for channels: (rows, channels * pieces, H, W) -> (rows, channels, H, W)."""
    return z.unflatten(1, (-1, pieces)).amax(2)


@cache
def largest_moments(pieces: int) -> tuple[float, float]:
    """Mean and second moment of the largest of `pieces` independent N(0, 1) numbers, by quadrature."""
    from scipy.integrate import quad
    from scipy.stats import norm

    def density(z: float) -> float:
        return float(pieces * norm.cdf(z) ** (pieces - 1) * norm.pdf(z))

    def moment(k: int) -> float:
        return float(quad(lambda z: z**k * density(z), -12, 12, epsabs=1e-12)[0])

    return moment(1), moment(2)


@dataclass(frozen=True, kw_only=True)
class Maxout(ActivationRule):
    """The largest of k affine maps: a learned convex function with k linear pieces.

    Formula: f(x) = max over j < k of (x W_j + b_j); the layer in front holds k maps.
    Shapes: (rows, units * k) -> (rows, units), the k pieces of a unit next to each other; for convolutions the
    same with channels.
    Options: pieces - k, from 2.
    Convention: ties share the gradient (amax, jax). No current library has it as a layer.
    Claim: k times the parameters; no dead units and no saturation, but a piece that never wins has no gradient. With
    k = 2, one piece zero, it is ReLU exactly. The largest of 2 normals has second moment 1, of 5 1.8: the variance
    that keeps it is 1 / fan_in and 1 / (1.8 fan_in), not He's: use a gain by activation.
    Choose: with few data and dropout, at a rate below that of ReLU; twice the price of ReLU at k = 2.
    Source: Goodfellow et al. 2013.
    """

    pieces: Annotated[int, Within(ge=2)] = 2

    formula: ClassVar[Callable[..., Any]] = staticmethod(maxout)
    monotone: ClassVar[bool] = False
    bounds: ClassVar[tuple[float, float]] = (-INF, INF)
    saturates: ClassVar[tuple[bool, bool]] = (False, False)
    rectifier: ClassVar[bool] = False
    judged_gain: ClassVar[float] = 1.0
    suited_init: ClassVar[Initialization] = LeCun()
    torch_functions: ClassVar[tuple[str, ...]] = ()
    torch_layer_name: ClassVar[str | None] = None
    # An operation of engine/native/source/network.h, since it takes several numbers to one.
    native: ClassVar[str | None] = "maxout"

    @property
    def mean(self) -> float:
        """Of the largest of k standard normal numbers."""
        return largest_moments(self.pieces)[0]

    @property
    def second_moment(self) -> float:
        """Of the largest of k standard normal numbers: 1 for k = 2, 1.8 for k = 5."""
        return largest_moments(self.pieces)[1]

    @property
    def gain(self) -> float:
        return 1 / math.sqrt(self.second_moment)
