"""Muon: for the matrices of hidden layers a momentum made orthogonal, for everything else Adam."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, ClassVar, Literal, NamedTuple

import numpy as np

from tenfold.rules.fields import Positive, Share
from tenfold.rules.optimizers.base import (
    FIRST_MOMENT,
    SECOND_MOMENT,
    Coefficients,
    FirstOrder,
    Flat,
    Matrix,
    Need,
    Time,
)

NEWTON_SCHULZ = (3.4445, -4.7750, 2.0315)  # X <- a X + (b G + c G^2) X, G = X X^T
STEPS = 5
SMALLEST_NORM = 1e-7
TILE = 16  # rows and columns are filled up to multiples of it, so that every matrix of a batch lies alike in memory


class MuonCoefficients(NamedTuple):
    """What the nine places of `Coefficients` mean to this family, in their order."""

    spectral_rate: Any  # times sqrt(max(1, units / inputs)): lr, or 0
    rms_rate: Any  # times 0.2 sqrt(max(units, inputs)): lr, or 0
    output: Any  # 1: the output layer's matrix is orthogonalized too
    adam_take: Any  # 1 - beta1
    adam_rate: Any
    adam_take_square: Any  # 1 - beta2
    eps: Any
    take: Any  # 1 - momentum
    newest: Any  # share of the gradient in the direction


@dataclass(frozen=True, kw_only=True)
class Muon(FirstOrder):
    """For matrices a momentum whose singular values are all made equal; for all other parameters Adam.

    Formula: m <- momentum m + (1 - momentum) g; n = momentum m + (1 - momentum) g (or m without nesterov);
    X = n / |n|, five times X <- 3.4445 X - 4.7750 G X + 2.0315 G^2 X with G = X X^T;
    w <- w - lr sqrt(max(1, units / inputs)) X.
    Shapes: W (inputs, units); a convolution as (channels in * kernel^2, channels). Biases, normalization, and the
    output layer get Adam with adam_lr, beta1, beta2, eps.
    Options: lr - the learning rate of matrices; momentum - the share of m that stays; nesterov - whether the newest
    gradient counts once more; bias_correction - of the two parts of n, for starting at 0; scale - original, the factor
    above, or match_rms, 0.2 sqrt(max(units, inputs)); output - adam or muon for the output layer's matrix; adam_lr -
    learning rate of the others, decayed as lr is (null: lr); beta1, beta2, eps, eps_form - of their Adam.
    Convention: torch and Keller Jordan: no correction, scale original, hidden matrices only. optax: corrected, every
    matrix, Adam at the same lr. Keras: match_rms. torch computes X in bfloat16, here it has the precision of the
    parameters. weight_decay is decoupled and takes lr for all weights, the output layer's too. A schedule that moves
    the momentum moves m's, not beta1.
    Claim: the singular values of X lie in [0.68, 1.14] where those of n are at least 1e-2 of its norm ([0.68, 1.21]
    from 2e-3 on), so every direction of a matrix is learned at the same speed, whatever the gradient's scale.
    Choose: for wide hidden layers and large batches; lr near 0.02 with scale original, or adamw's lr with match_rms.
    Source: Jordan et al. 2024, Muon: an optimizer for hidden layers in neural networks; Liu et al. 2025 (match_rms).
    """

    lr: Positive = 0.02
    momentum: Share = 0.95
    nesterov: bool = True
    bias_correction: bool = False
    scale: Literal["original", "match_rms"] = "original"
    output: Literal["adam", "muon"] = "adam"
    adam_lr: Positive | None = 3e-3
    beta1: Share = 0.9
    beta2: Share = 0.999
    eps: Positive = 1e-8
    eps_form: Literal["outside", "hat"] = "outside"

    family: ClassVar[str] = "muon"
    decoupled: ClassVar[bool] = True
    PRESETS: ClassVar[dict[str, dict[str, Any]]] = {
        "torch": {"lr": 1e-3},
        "keras": {"lr": 1e-3, "scale": "match_rms", "adam_lr": None, "eps": 1e-7, "eps_form": "hat"},
        "optax": {"bias_correction": True, "output": "muon", "adam_lr": None},
    }

    def state(self) -> dict[str, float]:
        return {FIRST_MOMENT: 0.0, SECOND_MOMENT: 0.0}

    def coefficients(self, time: Time) -> Coefficients:
        """`MuonCoefficients` in the places of `Coefficients`."""
        ones = np.ones(np.shape(time.t))
        momentum = self.momentum * ones if time.momentum is None else time.momentum
        root, lr = np.sqrt(1 - self.beta2**time.t), self.lr if self.adam_lr is None else self.adam_lr
        original = self.scale == "original"
        return Coefficients(*MuonCoefficients(
            spectral_rate=time.rate * original, rms_rate=time.rate * (not original),
            output=ones * (self.output == "muon"),
            adam_take=ones * (1 - self.beta1), adam_rate=time.rate * (lr / self.lr) * root / (1 - self.beta1**time.t),
            adam_take_square=ones * (1 - self.beta2), eps=self.eps * (root if self.eps_form == "outside" else ones),
            take=1 - momentum, newest=self._newest(time.t, momentum),
        ))  # fmt: skip

    def _newest(self, t: np.ndarray, momentum: np.ndarray) -> np.ndarray:
        """The gradient's share of n: 1 - momentum, each part corrected for starting at 0 or not."""
        if not self.nesterov:
            return 0 * momentum
        if not self.bias_correction:
            return 1 - momentum
        old, new = momentum / (1 - momentum ** (t + 1)), (1 - momentum) / (1 - momentum**t)
        return new / (old + new)


def muon_update(state: Flat, k: Coefficients, need: Need) -> None:
    """One update in place; see `Muon`. The gradient is overwritten."""
    c, free = MuonCoefficients(*k), 0
    for matrix in sorted(need.matrices):
        if not matrix.output:
            _adam(state, slice(free, matrix.start), c)
            _orthogonal(state, matrix, c)
            free = matrix.stop
    outputs = [matrix for matrix in need.matrices if matrix.output]
    before = [[row[:, x.start : x.stop].clone() for row in (state.w, state.rows[FIRST_MOMENT])] for x in outputs]
    gradients = [state.g[:, x.start : x.stop].clone() for x in outputs]
    _adam(state, slice(free, state.w.shape[1]), c)
    for matrix, (w, m), g in zip(outputs, before, gradients, strict=True):
        _choose(state, matrix, c, (w, m, g))


def _choose(state: Flat, matrix: Matrix, c: MuonCoefficients, before: tuple[Any, Any, Any]) -> None:
    """For the output layer's matrix: Adam's update, already made, or Muon's from what was before."""
    import torch

    w, m, g = before
    other = Matrix(0, matrix.stop - matrix.start, matrix.shape, matrix.size, True, matrix.rows_are_units)
    rates = None if state.rates is None else state.rates[:, matrix.start : matrix.stop]
    _orthogonal(Flat(w, g, {FIRST_MOMENT: m}, None, rates), other, c)
    for row, new in ((state.w, w), (state.rows[FIRST_MOMENT], m)):
        part = row[:, matrix.start : matrix.stop]
        part.copy_(torch.where(c.output > 0, new, part))


def _adam(state: Flat, part: slice, c: MuonCoefficients) -> None:
    """Adam on a part of every row."""
    import torch

    first, second = state.rows[FIRST_MOMENT], state.rows[SECOND_MOMENT]
    w, g, m, v, scratch = (row[:, part] for row in (state.w, state.g, first, second, state.scratch))
    m.lerp_(g, c.adam_take)
    v.lerp_(g.square_(), c.adam_take_square)
    step = torch.mul(m, c.adam_rate, out=g)
    if state.rates is not None:
        step.mul_(state.rates[:, part])
    w.addcdiv_(step, torch.sqrt(v, out=scratch).add_(c.eps), value=-1)


def _orthogonal(state: Flat, matrix: Matrix, c: MuonCoefficients) -> None:
    """Muon on one weight of every row."""
    part = slice(matrix.start, matrix.stop)
    w, g, m = (row[:, part] for row in (state.w, state.g, state.rows[FIRST_MOMENT]))
    m.lerp_(g, c.take)
    direction = m.lerp(g, c.newest).view(len(w), *matrix.shape)
    inputs, units = matrix.size[::-1] if matrix.rows_are_units else matrix.size
    rate = c.spectral_rate * math.sqrt(max(1.0, units / inputs)) + c.rms_rate * (0.2 * math.sqrt(max(units, inputs)))
    step = orthogonalize(direction).flatten(1).mul_(rate)
    if state.rates is not None:
        step.mul_(state.rates[:, part])
    w.sub_(step)


def orthogonalize(x: Any) -> Any:
    """Newton-Schulz on matrices (lanes, rows, columns): singular values in [0.68, 1.14], the same singular vectors."""
    import torch

    rows, columns = x.shape[1:]
    flat = rows <= columns
    short, long = (rows, columns) if flat else (columns, rows)
    tiles = x.new_zeros(len(x), -(-short // TILE) * TILE, -(-long // TILE) * TILE)
    tiles[:, :short, :long] = x if flat else x.transpose(1, 2)
    tiles /= torch.linalg.vector_norm(tiles, dim=(1, 2), keepdim=True).clamp_(min=SMALLEST_NORM)
    a, b, c = NEWTON_SCHULZ
    for _ in range(STEPS):
        gram = tiles @ tiles.transpose(1, 2)
        tiles = torch.baddbmm(tiles, torch.baddbmm(gram, gram, gram, beta=b, alpha=c), tiles, beta=a)
    out = tiles[:, :short, :long]
    return (out if flat else out.transpose(1, 2)).contiguous()
