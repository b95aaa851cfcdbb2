"""Normalization of layers: standardize each unit over the rows of a batch, or each row over its units."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, Literal

from tenfold.rules.fields import Count, NotNegative, Positive, Share
from tenfold.rules.record import Rule


def batch_norm(z: Any, weight: Any, gamma: Any, beta: Any, eps: Any) -> tuple[Any, Any, Any]:
    """y = gamma (z - mean) / sqrt(var + eps) + beta with the (biased) moments of the batch.

    z (L, B, H) sums; weight (L, 1, B): 1 / rows for each real row of a lane and 0 for padding, so that padded
    rows never count; gamma, beta, eps broadcast. Returns y (L, B, H), mean and biased var (L, 1, H).
    Source: Ioffe & Szegedy 2015.
    """
    # Weighted sums as products: rows that pad a batch have weight 0, and each lane's sum is its own, in its own order.
    mean = weight.bmm(z)  # (L, 1, H)
    centred = z - mean  # (L, B, H)
    var = weight.bmm(centred * centred)  # (L, 1, H)
    return centred * ((var + eps).rsqrt() * gamma) + beta, mean, var


def batch_norm_inference(z: Any, mean: Any, var: Any, gamma: Any, beta: Any, eps: Any) -> Any:
    """The same with the running moments in place of the batch's: an affine map of z (L, B, H)."""
    return (z - mean) * ((var + eps).rsqrt() * gamma) + beta


def running(old: Any, new: Any, keep: Any) -> Any:
    """keep * old + (1 - keep) * new: an exponential average, without bias correction."""
    return keep * old + (1 - keep) * new


def group_norm(z: Any, groups: int, gamma: Any, beta: Any, eps: Any) -> Any:
    """y = gamma (z - mean) / sqrt(var + eps) + beta with the (biased) moments of each row's groups of neighbours.

    z (L, B, H) sums, H divisible by `groups`; gamma, beta (L, 1, H); eps (L, 1, 1). One group is layer normalization.
    Source: Wu & He 2018; Ba, Kiros & Hinton 2016.
    """
    parts = z.unflatten(-1, (groups, -1))  # (L, B, groups, H / groups)
    centred = parts - parts.mean(-1, keepdim=True)
    var = centred.square().mean(-1, keepdim=True)
    return (centred * (var + eps.unsqueeze(-1)).rsqrt()).flatten(-2) * gamma + beta


@dataclass(frozen=True, kw_only=True)
class NoNormalization:
    """Nothing between the affine map, which keeps its bias, and the activation.

    Formula: y = z.
    Shapes: any.
    Convention: -
    Claim: the scale of the weights decides the scale of everything that follows: the initialization matters.
    Choose: for shallow networks, and for second-order methods.
    Source: -
    """

    NAME: ClassVar[str] = "none"


@dataclass(frozen=True, kw_only=True)
class BatchNorm(Rule):
    """Standardizes every unit over the rows of the batch, then gives it a learned scale and shift.

    Formula: y = gamma (z - mean) / sqrt(var + eps) + beta, mean and biased variance of the batch in training (of a
    convolution over rows and pixels), running ones at prediction: run <- keep run + (1 - keep) batch.
    Shapes: z (rows, units) or (rows, channels, H, W); gamma, beta and the running moments (units,) or (channels,).
    Options: eps - added to the variance under the root; keep - share of the running moments that stays at an update;
    average - exponential, or cumulative: the plain mean of all batches so far; unbiased - whether the running variance
    is multiplied by n / (n - 1); initial_variance - where it starts (the running mean starts at 0).
    Convention: torch, whose momentum is 1 - keep = 0.1, with an unbiased running variance. Keras and flax keep 0.99
    and a biased one; with few updates the start then still weighs (0.82 after 20 updates). The affine map directly in
    front has no bias. Rows that pad a batch do not count; no batch has a single row.
    Claim: the output has mean beta and variance gamma^2 var / (var + eps), whatever the scale of the weights; gamma =
    sqrt(var + eps) and beta = mean undo it. It makes networks trainable at higher rates and from nearly any
    initialization; it does not make features Gaussian, it makes gradients of deep plain ReLU networks explode at
    first (1.47 a layer in squared norm), and it does not replace dropout.
    Choose: for convolutions, and for dense networks at high rates; with batches of at least 16 rows.
    Source: Ioffe & Szegedy 2015.
    """

    eps: Positive = 1e-5
    keep: Share = 0.9
    average: Literal["exponential", "cumulative"] = "exponential"
    unbiased: bool = True
    initial_variance: NotNegative = 1.0

    NAME: ClassVar[str] = "batch"
    LAYER: ClassVar[str] = "batch_norm"
    PRESETS: ClassVar[dict[str, dict[str, Any]]] = {
        "torch": {"eps": 1e-5, "keep": 0.9},
        "keras": {"eps": 1e-3, "keep": 0.99, "unbiased": False},
        "flax": {"eps": 1e-5, "keep": 0.99, "unbiased": False},
        "cs231n": {"eps": 1e-5, "keep": 0.9, "unbiased": False, "initial_variance": 0.0},
    }

    def keep_at(self, t: int) -> float:
        """The share that stays at update t = 1, 2, ...: keep, or (t - 1) / t for the cumulative mean."""
        return (t - 1) / t if self.average == "cumulative" else self.keep


@dataclass(frozen=True, kw_only=True)
class LayerNorm(Rule):
    """Standardizes every row over its units, then gives each unit a learned scale and shift.

    Formula: y = gamma (z - mean) / sqrt(var + eps) + beta, mean and biased variance over the units of the row.
    Shapes: z (rows, units) or (rows, channels, H, W); gamma and beta (units,) or (channels,).
    Options: eps - added to the variance under the root.
    Convention: eps 1e-5 (torch; Keras 1e-3). On images it is one group over channels and pixels, with gamma and beta
    for each channel.
    Claim: training and prediction compute the same; no row depends on another.
    Choose: for small batches, and where rows of a batch must not mix.
    Source: Ba, Kiros & Hinton 2016.
    """

    eps: Positive = 1e-5

    NAME: ClassVar[str] = "layer"
    LAYER: ClassVar[str] = "layer_norm"
    PRESETS: ClassVar[dict[str, dict[str, Any]]] = {"torch": {"eps": 1e-5}, "keras": {"eps": 1e-3}}


@dataclass(frozen=True, kw_only=True)
class GroupNorm(Rule):
    """Standardizes every row over groups of its units or channels, then gives each a learned scale and shift.

    Formula: y = gamma (z - mean) / sqrt(var + eps) + beta, mean and biased variance over each group of the row (of an
    image over the group's channels and all pixels).
    Shapes: z (rows, units) or (rows, channels, H, W); gamma and beta (units,) or (channels,).
    Options: groups - of neighbouring units or channels, a divisor of their number; eps - added to the variance.
    Convention: eps 1e-5 (torch; Keras 1e-3 and 32 groups).
    Claim: one group is layer normalization, as many as channels instance normalization; no row depends on another.
    Choose: for convolutions with batches too small for batch normalization.
    Source: Wu & He 2018.
    """

    groups: Count = 8
    eps: Positive = 1e-5

    NAME: ClassVar[str] = "group"
    LAYER: ClassVar[str] = "group_norm"
    MAIN: ClassVar[str] = "groups"
    PRESETS: ClassVar[dict[str, dict[str, Any]]] = {
        "torch": {"eps": 1e-5}, "keras": {"groups": 32, "eps": 1e-3}
    }  # fmt: skip


NormLayer = BatchNorm | LayerNorm | GroupNorm
Normalization = NoNormalization | NormLayer
