"""Batch normalization: standardize each unit over the rows of a batch, then scale and shift."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from tenfold.rules.record import require, require_number


def batch_norm(z: Any, weight: Any, gamma: Any, beta: Any, eps: Any) -> tuple[Any, Any, Any]:
    """y = gamma (z - mean) / sqrt(var + eps) + beta with the (biased) moments of the batch.

    z (L, B, H) sums; weight (L, 1, B): 1 / rows for each real row of a lane and 0 for padding, so that padded
    rows never count; gamma, beta, eps broadcast. Returns y (L, B, H), mean and biased var (L, 1, H).
    Source: Ioffe & Szegedy 2015.
    """
    mean = weight.bmm(z)  # (L, 1, H)
    centred = z - mean  # (L, B, H)
    var = weight.bmm(centred * centred)  # (L, 1, H)
    return centred * ((var + eps).rsqrt() * gamma) + beta, mean, var


def batch_norm_inference(z: Any, mean: Any, var: Any, gamma: Any, beta: Any, eps: Any) -> Any:
    """The same map with the running moments instead of the batch's: an affine map of z (L, B, H)."""
    return (z - mean) * ((var + eps).rsqrt() * gamma) + beta


def running(old: Any, new: Any, keep: Any) -> Any:
    """keep * old + (1 - keep) * new: an exponential average, without bias correction."""
    return keep * old + (1 - keep) * new


@dataclass(frozen=True, kw_only=True)
class NoNormalization:
    """Layers are affine maps with a bias."""

    NAME: ClassVar[str] = "none"


@dataclass(frozen=True, kw_only=True)
class BatchNorm:
    """Batch normalization before the activation; the affine map in front of it then has no bias.

    eps: added to the variance under the root. keep: share of the running moments kept at each update
    (torch calls 1 - keep "momentum"). Running variance is unbiased (n / (n - 1)), it starts at 1 and the
    running mean at 0, as in torch. gamma starts at 1, beta at 0. Claim: the output of each unit has mean beta
    and variance gamma^2 var / (var + eps) over the batch, whatever the scale of the weights.
    """

    eps: float = 1e-5
    keep: float = 0.9

    NAME: ClassVar[str] = "batch"

    def __post_init__(self) -> None:
        require_number(self, "eps", "keep")
        require(self.eps > 0, self, "eps", "> 0")
        require(0 <= self.keep < 1, self, "keep", "in [0, 1)")


Normalization = NoNormalization | BatchNorm
