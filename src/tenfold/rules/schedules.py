"""Learning-rate decay: the factor of the base rate at each update, in closed form.

`factor(update, per_epoch, total)` takes the number of updates already made (0, 1, ...; a numpy array), the updates in
an epoch and in the whole training. `momentum(...)` replaces the optimizer's momentum, unless it is None. Every rule can
be preceded by a linear warm-up.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, Literal, NamedTuple

import numpy as np

from tenfold.rules.fields import Count, NotNegative, Positive, Share, Within
from tenfold.rules.record import Rule, require

Array = np.ndarray
EndShare = Annotated[float, Within(ge=0, le=1, note="a share of the rate")]
SMALLEST_DROP = 1e-8  # a plateau stops lowering the factor when that would change it by less


@dataclass(frozen=True, kw_only=True)
class Scheduled(Rule, ABC):
    """Base of all schedules: a warm-up over a share of the training, in W = round(warmup * total) updates.

    At update u < W the factor is (u + 1) / (W + 1); the schedule itself runs over the updates that follow.
    A plateau also follows the training loss, through `plateau_next`.
    """

    warmup: Annotated[float, Within(ge=0, lt=1, note="a share of the training")] = 0.0

    def warm_updates(self, total: int) -> int:
        """W, the updates of warm-up; the last update of a training is never one of them."""
        return min(round(self.warmup * total), total - 1)

    def factor(self, update: Array, per_epoch: int, total: int) -> Array:
        """The factor of lr at each update."""
        update, rise = np.asarray(update, dtype=np.float64), self.warm_updates(total)
        after = self.decayed(np.maximum(update - rise, 0.0), per_epoch, total - rise)
        return np.where(update < rise, (update + 1) / (rise + 1), after)

    def momentum(self, update: Array, per_epoch: int, total: int) -> Array | None:
        """The momentum (or beta1) at each update in place of the optimizer's own; None where that stays."""
        return None

    @abstractmethod
    def decayed(self, update: Array, per_epoch: int, total: int) -> Array:
        """The factor at each update after the warm-up; `update` and `total` count from its end."""


@dataclass(frozen=True, kw_only=True)
class Clocked(Scheduled):
    """A schedule in time t, which counts epochs, whole epochs, or updates."""

    time: Literal["epochs", "whole_epochs", "updates"] = "epochs"

    def clock(self, update: Array, per_epoch: int) -> Array:
        """t at each update."""
        if self.time == "updates":
            return update
        return update / per_epoch if self.time == "epochs" else np.floor(update / per_epoch)


@dataclass(frozen=True, kw_only=True)
class NoDecay(Scheduled):
    """A constant rate.

    Formula: factor = 1.
    Shapes: one factor an update.
    Options: warmup - the share of the training over which the rate first rises linearly.
    Convention: the default of every library's optimizers.
    Claim: on a noisy quadratic of curvature 1 and noise 1 it stays at the floor E[x^2] = lr / (2 - lr).
    Choose: for short trials; every decay ends far lower.
    Source: Robbins & Monro 1951 shows that it does not converge.
    """

    NAME: ClassVar[str] = "none"

    def decayed(self, update: Array, per_epoch: int, total: int) -> Array:
        return np.ones(np.shape(update))


@dataclass(frozen=True, kw_only=True)
class Exponential(Clocked):
    """A rate that falls by the same share in every unit of time.

    Formula: factor = exp(-k t).
    Shapes: one factor an update.
    Options: k - how fast, in one unit of time; time - the unit: epochs (continuous: t = update / per_epoch),
    whole_epochs (its floor), or updates; warmup - the share of the training over which the rate first rises linearly,
    t counted from its end.
    Convention: torch's ExponentialLR(gamma = exp(-k)) counts its own steps, usually whole epochs; Keras, optax and the
    usual lecture summary count updates. The same k in the other unit is off by a factor of updates per epoch, the
    commonest mistake in moving a schedule.
    Claim: a k that is too large freezes the training before it has arrived: the rate adds up to lr / k over all time.
    Choose: where the length of the training is open; otherwise cosine, which needs no k.
    Source: -
    """

    k: NotNegative = 0.05

    MAIN: ClassVar[str] = "k"
    PRESETS: ClassVar[dict[str, dict[str, Any]]] = {
        "torch": {"time": "whole_epochs"}, "keras": {"time": "updates"}, "optax": {"time": "updates"},
        "lecture": {"time": "updates"},
    }  # fmt: skip

    def decayed(self, update: Array, per_epoch: int, total: int) -> Array:
        return np.exp(-self.k * self.clock(update, per_epoch))


@dataclass(frozen=True, kw_only=True)
class InverseTime(Clocked):
    """A rate that falls as one over the time.

    Formula: factor = 1 / (1 + k t).
    Shapes: one factor an update.
    Options: k - how fast, in one unit of time; time - the unit: epochs (continuous: t = update / per_epoch),
    whole_epochs (its floor), or updates; warmup - the share of the training over which the rate first rises linearly,
    t counted from its end.
    Convention: Keras' InverseTimeDecay, torch's lr_decay of Adagrad and the usual lecture summary count updates; a
    scheduler of torch usually whole epochs. optax has none.
    Claim: with lr = 1, k = 1 per update, on a noisy quadratic of curvature 1, T E[x^2] stays near the noise's variance.
    Choose: for convex problems, where it is optimal; for networks cosine.
    Source: Robbins & Monro 1951.
    """

    k: NotNegative = 0.1

    MAIN: ClassVar[str] = "k"
    PRESETS: ClassVar[dict[str, dict[str, Any]]] = {
        "torch": {"time": "whole_epochs"}, "keras": {"time": "updates"}, "lecture": {"time": "updates"},
    }  # fmt: skip

    def decayed(self, update: Array, per_epoch: int, total: int) -> Array:
        return 1.0 / (1.0 + self.k * self.clock(update, per_epoch))


@dataclass(frozen=True, kw_only=True)
class Step(Clocked):
    """A rate that falls to a share of itself in steps.

    Formula: factor = drop^floor(t / every).
    Shapes: one factor an update.
    Options: drop - the share; every - the time between two steps; time - its unit: epochs or whole_epochs (the same
    here), or updates; warmup - the share of the training over which the rate first rises linearly, t counted from its
    end.
    Convention: torch's StepLR (drop 0.1) counts its own steps, usually epochs; optax's staircase counts updates.
    Claim: piecewise constant: with epochs, the rate changes only where one begins.
    Choose: where you know when the loss stalls; plateau finds out by itself.
    Source: He et al. 2016 (drop 0.1).
    """

    drop: Annotated[float, Within(gt=0, le=1)] = 0.1
    every: Count = 10

    MAIN: ClassVar[str] = "every"
    PRESETS: ClassVar[dict[str, dict[str, Any]]] = {
        "torch": {"drop": 0.1, "time": "whole_epochs"}, "optax": {"time": "updates"},
    }  # fmt: skip

    def decayed(self, update: Array, per_epoch: int, total: int) -> Array:
        return self.drop ** np.floor(self.clock(update, per_epoch) / self.every)


@dataclass(frozen=True, kw_only=True)
class Plateau(Scheduled):
    """A rate that falls to a share of itself once the training loss no longer does.

    Formula: after every epoch: if loss < best (1 - threshold), best = loss and waited = 0; else waited grows by 1;
    where waited > patience, factor <- drop factor and waited = 0.
    Shapes: one factor an epoch.
    Options: drop - the share; patience - epochs without improvement that are let pass; threshold - the relative
    improvement that counts; warmup - the share of the training over which the rate first rises linearly.
    Convention: torch's ReduceLROnPlateau (min, rel), with its defaults; it too stops where the factor would change by
    less than 1e-8. It watches the mean TRAINING loss of an epoch, never the validation rows, which are there to judge.
    A loss that is not a number is no improvement. Keras' threshold is absolute.
    Claim: the same factors as torch's on any sequence of losses.
    Choose: where the length of the training is open; with patience well below the number of epochs.
    Source: -
    """

    drop: Annotated[float, Within(gt=0, lt=1)] = 0.1
    patience: Annotated[int, Within(ge=0)] = 10
    threshold: Share = 1e-4

    MAIN: ClassVar[str] = "patience"
    PRESETS: ClassVar[dict[str, dict[str, Any]]] = {"torch": {"drop": 0.1, "patience": 10, "threshold": 1e-4}}

    def decayed(self, update: Array, per_epoch: int, total: int) -> Array:
        # The factor that follows the loss is in `PlateauState`; in closed form there is only the warm-up.
        return np.ones(np.shape(update))


class PlateauState(NamedTuple):
    """The lowest training loss so far, the epochs since then, and the factor of the rate."""

    best: float = np.inf
    waited: int = 0
    factor: float = 1.0


def plateau_next(rule: Plateau, state: PlateauState, loss: float) -> PlateauState:
    """The state after one more epoch with that mean training loss. A NaN is no improvement: it compares as false."""
    if loss < state.best * (1 - rule.threshold):
        return PlateauState(loss, 0, state.factor)
    if state.waited < rule.patience:
        return PlateauState(state.best, state.waited + 1, state.factor)
    lower = state.factor * rule.drop
    return PlateauState(state.best, 0, lower if state.factor - lower > SMALLEST_DROP else state.factor)


@dataclass(frozen=True, kw_only=True)
class Linear(Scheduled):
    """A rate that falls on a straight line to a share of itself.

    Formula: factor = 1 - (1 - end) u / total, u the updates made.
    Shapes: one factor an update.
    Options: end - the share of the rate that it goes to, reached one update after the last; warmup - the share of the
    training over which the rate first rises linearly, the line begins after it.
    Convention: torch's LinearLR and optax's linear_schedule over all updates.
    Claim: it reaches `end` exactly when the training is over, whatever its length.
    Choose: as cosine; a little better where the training is short for its problem.
    Source: Goyal et al. 2017 (warm-up); Defazio et al. 2023.
    """

    end: EndShare = 0.0

    MAIN: ClassVar[str] = "end"

    def decayed(self, update: Array, per_epoch: int, total: int) -> Array:
        return 1 - (1 - self.end) * np.minimum(update / total, 1.0)


@dataclass(frozen=True, kw_only=True)
class Cosine(Scheduled):
    """A linear warm-up, then half a cosine down; with restarts, several of them.

    Formula: factor = end + (1 - end) (1 + cos(pi u / T)) / 2, u the updates since the warm-up or the last restart, T
    the updates of that cycle.
    Shapes: one factor an update.
    Options: warmup - the share of the training over which the rate first rises linearly; end - the share of the rate
    that it goes to; restarts - how often it jumps back to 1; stretch - how many times longer each cycle is than the
    one before.
    Convention: torch's CosineAnnealingLR and optax's cosine_decay_schedule, counted in updates; with restarts torch's
    CosineAnnealingWarmRestarts, the cycles filling the training: edges are rounded to updates.
    Claim: 1 at the end of the warm-up and at each restart, half way between 1 and end in the middle of a cycle.
    Choose: the default; restarts only where you want a good model after each cycle.
    Source: Loshchilov & Hutter 2017; Goyal et al. 2017 (warm-up).
    """

    warmup: Annotated[float, Within(ge=0, lt=1, note="a share of the training")] = 0.05
    end: EndShare = 0.0
    restarts: Annotated[int, Within(ge=0)] = 0
    stretch: Positive = 1.0

    PRESETS: ClassVar[dict[str, dict[str, Any]]] = {
        "torch": {"warmup": 0.0}, "keras": {"warmup": 0.0}, "optax": {"warmup": 0.0},
    }  # fmt: skip

    def edges(self, total: int) -> Array:
        """The updates at which cycles begin, then the end of the last one, (restarts + 2,)."""
        lengths = float(self.stretch) ** np.arange(int(self.restarts) + 1)
        return np.round(total * np.concatenate([[0.0], lengths.cumsum() / lengths.sum()]))

    def decayed(self, update: Array, per_epoch: int, total: int) -> Array:
        edges = self.edges(total)
        cycle = np.clip(np.searchsorted(edges, update, side="right") - 1, 0, len(edges) - 2)
        length = np.maximum(edges[cycle + 1] - edges[cycle], 1.0)
        turn = np.minimum((update - edges[cycle]) / length, 1.0)
        return self.end + (1 - self.end) * (1 + np.cos(np.pi * turn)) / 2


@dataclass(frozen=True, kw_only=True)
class FlatCos(Scheduled):
    """Constant for a share of the training, then half a cosine down to a share of itself.

    Formula: factor = 1 for t < flat, else end + (1 - end) (1 + cos(pi (t - flat) / (1 - flat))) / 2, t = u / total, u
    the updates made.
    Shapes: one factor an update.
    Options: flat - the share of the training that it stays at 1; end - the share that it goes to; warmup - the share of
    the training over which it first rises linearly.
    Convention: fastai's fit_flat_cos (flat 0.75) and RealMLP's flat_cos (flat 0.5), which multiplies dropout and weight
    decay there.
    Claim: 1 until flat, half way between 1 and end at (1 + flat) / 2.
    Choose: as dropout_schedule and weight_decay_schedule: noise early, none at the end.
    Source: Holzmueller, Grinsztajn & Steinwart 2024, section 3.
    """

    flat: Annotated[float, Within(ge=0, lt=1, note="a share of the training")] = 0.5
    end: EndShare = 0.0

    MAIN: ClassVar[str] = "flat"
    PRESETS: ClassVar[dict[str, dict[str, Any]]] = {"fastai": {"flat": 0.75}}

    def decayed(self, update: Array, per_epoch: int, total: int) -> Array:
        turn = np.clip((update / total - self.flat) / (1 - self.flat), 0.0, 1.0)
        return self.end + (1 - self.end) * (1 + np.cos(np.pi * turn)) / 2


@dataclass(frozen=True, kw_only=True)
class CosLog(Scheduled):
    """Cosine cycles from 0 up to 1 and back to 0, each `base` times longer than the one before.

    Formula: factor = (1 - cos(2 pi log_base(1 + (base^cycles - 1) t))) / 2, t = u / total, u the updates made.
    Shapes: one factor an update.
    Options: cycles - how many; base - how many times longer each is; warmup - the share of the training over which the
    rate first rises linearly, before all that and not needed: a cycle begins at 0.
    Convention: RealMLP's coslog4 (cycles 4, base 2).
    Claim: 0 at t = (base^i - 1) / (base^cycles - 1), i = 0 ... cycles, where the network is cool and can be judged: at
    1/15, 3/15, 7/15 and 1 by default; with base 3 and cycles 3 at 1/13, 4/13 and 1.
    Choose: for tables, with adam and beta2 0.95: 1 to 2 % less error than one cosine or a constant rate, and good
    networks early in the training. In a race whose rungs are a factor apart take that factor as base.
    Source: Holzmueller, Grinsztajn & Steinwart 2024, section 3.
    """

    cycles: Count = 4
    base: Annotated[float, Within(gt=1)] = 2.0

    NAME: ClassVar[str] = "coslog"
    MAIN: ClassVar[str] = "cycles"

    def decayed(self, update: Array, per_epoch: int, total: int) -> Array:
        # log1p of the whole, so that many cycles do not overflow: base^cycles - 1 = expm1(cycles ln base)
        longest = np.expm1(self.cycles * np.log(self.base))
        turns = np.log1p(longest * np.minimum(update / total, 1.0)) / np.log(self.base)
        return (1 - np.cos(2 * np.pi * turns)) / 2


@dataclass(frozen=True, kw_only=True)
class OneCycle(Scheduled):
    """A rate that rises to lr and falls far below its start, while the momentum falls and rises again.

    Formula: from 1 / start up to 1 over the updates 0 ... rise total - 1, from there down to 1 / (start end) at total -
    1, both on half a cosine; the momentum on the same curve from momentum_high to momentum_low and back.
    Shapes: one factor an update, and one momentum.
    Options: rise - the share of the training that it rises; start, end - divisors: it begins at lr / start and ends at
    lr / (start end); cycle_momentum - whether it moves the optimizer's momentum (or beta1) too; momentum_low,
    momentum_high - between which values; warmup - a linear rise before all that, not needed.
    Convention: lr is the PEAK rate. torch's OneCycleLR (cos, not three_phase) with its defaults; optax's
    cosine_onecycle_schedule puts the peak one update later and ends elsewhere (0.003 apart). It replaces the momentum
    that the optimizer names, as torch does; an optimizer without one keeps none.
    Claim: the factor is 1 at update rise total - 1, and nowhere more.
    Choose: with momentum and a large lr, where the length of the training is fixed.
    Source: Smith & Topin 2018.
    """

    rise: Annotated[float, Within(gt=0, lt=1, note="a share of the training")] = 0.3
    start: Annotated[float, Within(ge=1, note="what lr is divided by")] = 25.0
    end: Annotated[float, Within(ge=1, note="what lr / start is divided by")] = 1e4
    cycle_momentum: bool = True
    momentum_low: Share = 0.85
    momentum_high: Share = 0.95

    PRESETS: ClassVar[dict[str, dict[str, Any]]] = {"torch": {"rise": 0.3, "start": 25.0, "end": 1e4}}
    TOGETHER: ClassVar[tuple[tuple[str, ...], ...]] = (("momentum_low", "momentum_high"),)

    def __post_init__(self) -> None:
        super().__post_init__()
        require(self.momentum_low <= self.momentum_high, self, "momentum_high", "in [momentum_low, 1)")

    def curve(self, update: Array, total: int, ends: tuple[float, float, float]) -> Array:
        """From the first of `ends` to the second and on to the third, each on half a cosine."""
        first, peak, last = ends
        # The peak is at update rise * total - 1, as in torch, and need not be a whole number.
        top = self.rise * total - 1
        up = update / top if top > 0 else np.ones(np.shape(update))
        down = np.clip((update - top) / (total - 1 - top), 0.0, 1.0)
        rising = peak + (first - peak) / 2 * (np.cos(np.pi * up) + 1)
        return np.where(update <= top, rising, last + (peak - last) / 2 * (np.cos(np.pi * down) + 1))

    def decayed(self, update: Array, per_epoch: int, total: int) -> Array:
        return self.curve(update, total, (1 / self.start, 1.0, 1 / self.start / self.end))

    def momentum(self, update: Array, per_epoch: int, total: int) -> Array | None:
        """momentum_high, momentum_low, momentum_high; during the warm-up momentum_high."""
        if not self.cycle_momentum:
            return None
        warm = self.warm_updates(total)
        after = np.maximum(np.asarray(update, dtype=np.float64) - warm, 0.0)
        return self.curve(after, total - warm, (self.momentum_high, self.momentum_low, self.momentum_high))


Decay = NoDecay | Exponential | InverseTime | Step | Plateau | Linear | Cosine | OneCycle | FlatCos | CosLog
# Of what is no rate and watches no loss: of dropout and of weight decay.
Trend = NoDecay | Exponential | InverseTime | Step | Linear | Cosine | FlatCos | CosLog
