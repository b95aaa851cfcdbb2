"""Losses of single rows; the engine averages them over the real rows of a batch.

`link` says what an output is: a logit (softmax), a score of which only the order matters, the standardized target
(identity), or the logarithm of a rate relative to the mean of the target (exp).

`native` is a loss's name in the table of engine/native/source/losses.h, where its formula and slope are compiled (None
where only packs train it), and `native_numbers` are the up to two numbers that they take there.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

from tenfold.rules.fields import Positive, Share
from tenfold.rules.record import Rule

Task = Literal["classification", "regression"]
Link = Literal["softmax", "scores", "identity", "exp"]


def cross_entropy(output: Any, target: Any, smoothing: float) -> Any:
    """-log softmax(output)[target] in nats. output (..., B, C) logits, target (..., B) class indices -> (..., B).

    With smoothing s the target is (1 - s) for the class plus s / C for all: (1 - s) ce - s mean over c of log p_c.
    """
    # Over the last axis but one: neighbouring numbers are then rows, many, and not classes, few; many times faster.
    log_p = output.transpose(-1, -2).log_softmax(-2)  # (..., C, B)
    loss = -log_p.gather(-2, target.unsqueeze(-2)).squeeze(-2)
    return (1 - smoothing) * loss - smoothing * log_p.mean(-2) if smoothing else loss


def hinge(output: Any, target: Any, kind: str, margin: float) -> Any:
    """Margin losses of scores. output (..., B, C), target (..., B) class indices -> (..., B).

    weston_watkins: sum over j != y of max(0, margin + s_j - s_y); one_against_all: max(0, margin - s_y) + sum over
    j != y of max(0, margin + s_j).
    """
    import torch

    is_class = torch.nn.functional.one_hot(target, output.shape[-1]).bool()  # (..., B, C)
    own_score = output.gather(-1, target.unsqueeze(-1))  # (..., B, 1)
    if kind == "weston_watkins":
        return (margin + output - own_score).clamp(min=0).masked_fill(is_class, 0.0).sum(-1)
    return (margin + output.where(~is_class, -output)).clamp(min=0).sum(-1)


def squared(output: Any, target: Any) -> Any:
    """(output - target)^2, without a factor 1/2 (torch's MSELoss). output (..., 1), target (...) -> (...)."""
    return (output.squeeze(-1) - target).square()


def absolute(output: Any, target: Any) -> Any:
    """|output - target|. output (..., 1), target (...) -> (...)."""
    return (output.squeeze(-1) - target).abs()


def huber(output: Any, target: Any, delta: float) -> Any:
    """e^2 / 2 for |e| <= delta, delta (|e| - delta / 2) beyond. output (..., 1), target (...) -> (...)."""
    error = (output.squeeze(-1) - target).abs()
    # Both branches in one: with inside = min(|e|, delta) it is e^2 / 2 below delta and delta (|e| - delta / 2) beyond.
    inside = error.clamp(max=delta)
    return inside * (error - inside / 2)


def poisson(output: Any, target: Any) -> Any:
    """exp(output) - target * output: the negative log-likelihood of a count, up to a constant. As `squared`."""
    output = output.squeeze(-1)
    return output.exp() - target * output


class LossRule(Rule):
    """What every loss with numbers has besides its `task`, `link`, `formula`, `at_chance`, `native` and
    `native_numbers`."""

    def torch_criterion(self) -> Any:
        """torch's criterion for the mean of this loss, of outputs and targets as the formula has them (targets of a
        regression as (rows, 1)); None where torch has none that is the same."""
        return None


@dataclass(frozen=True, kw_only=True)
class CrossEntropy(LossRule):
    """The negative log-likelihood of the class under a softmax.

    Formula: -ln softmax(o)[y]; with smoothing s, against (1 - s) onehot(y) + s / C.
    Shapes: outputs (rows, classes), classes (rows,), losses (rows,).
    Options: smoothing - the share of the target that is spread over all classes.
    Convention: nats, mean over the rows (torch, optax, Keras); smoothing spreads over all classes, the own included.
    Claim: ln C where all outputs are equal: a larger first loss means too large an output layer.
    Choose: for classes, always the first choice; smoothing 0.1 where labels are noisy or confidence is too high.
    Source: Bridle 1990; Szegedy et al. 2016.
    """

    smoothing: Share = 0.0

    task: ClassVar[Task] = "classification"
    link: ClassVar[Link] = "softmax"
    formula: ClassVar[Callable[..., Any]] = staticmethod(cross_entropy)
    native: ClassVar[str | None] = "cross_entropy"

    @property
    def native_numbers(self) -> tuple[float, ...]:
        return (self.smoothing,)

    def torch_criterion(self) -> Any:
        """The same loss as a criterion of torch.nn."""
        from torch import nn

        return nn.CrossEntropyLoss(label_smoothing=self.smoothing)

    def at_chance(self, classes: int) -> float:
        """ln C, at equal outputs, with or without smoothing."""
        return math.log(classes)


@dataclass(frozen=True, kw_only=True)
class Hinge(LossRule):
    """A margin between the score of the class and the others (multi-class support vector machine).

    Formula: weston_watkins: sum over j != y of max(0, margin + s_j - s_y); one_against_all: max(0, margin - s_y) +
    sum over j != y of max(0, margin + s_j).
    Shapes: scores (rows, classes), classes (rows,), losses (rows,).
    Options: kind - weston_watkins or one_against_all; margin - that is asked for.
    Convention: a sum over classes, as in CS231n; torch's MultiMarginLoss divides it by C.
    Claim: C - 1 where all scores are equal (weston_watkins, margin 1), C for one_against_all; 0, with gradient 0,
    once every margin is kept.
    Choose: where only the decision counts; its scores are no probabilities (softmax of them is what is reported).
    Source: Weston & Watkins 1999; Rifkin & Klautau 2004.
    """

    kind: Literal["weston_watkins", "one_against_all"] = "weston_watkins"
    margin: Positive = 1.0

    MAIN: ClassVar[str] = "kind"
    task: ClassVar[Task] = "classification"
    link: ClassVar[Link] = "scores"
    formula: ClassVar[Callable[..., Any]] = staticmethod(hinge)
    native: ClassVar[str | None] = "hinge"

    @property
    def native_numbers(self) -> tuple[float, ...]:
        """The margin, and 1 for one against all."""
        return (self.margin, float(self.kind == "one_against_all"))

    def at_chance(self, classes: int) -> float:
        """margin (C - 1), or margin C for one_against_all, at scores of 0."""
        return self.margin * (classes - (self.kind == "weston_watkins"))


@dataclass(frozen=True, kw_only=True)
class Squared:
    """The squared error of the standardized target.

    Formula: (o - t)^2.
    Shapes: outputs (rows, 1), targets (rows,), losses (rows,).
    Convention: no factor 1/2 (torch's MSELoss; optax' l2_loss has one).
    Claim: its minimum is the conditional mean; 1 for outputs of 0, since the target is standardized.
    Choose: for numbers, the default.
    Source: Gauss 1809.
    """

    task: ClassVar[Task] = "regression"
    link: ClassVar[Link] = "identity"
    formula: ClassVar[Callable[..., Any]] = staticmethod(squared)
    native: ClassVar[str | None] = "squared"
    native_numbers: ClassVar[tuple[float, ...]] = ()

    def torch_criterion(self) -> Any:
        """The same loss as a criterion of torch.nn."""
        from torch import nn

        return nn.MSELoss()

    def at_chance(self, classes: int = 1) -> float:
        """1: the variance of a standardized target."""
        return 1.0


@dataclass(frozen=True, kw_only=True)
class Absolute:
    """The absolute error of the standardized target.

    Formula: |o - t|.
    Shapes: outputs (rows, 1), targets (rows,), losses (rows,).
    Convention: torch's L1Loss; the derivative at 0 is 0.
    Claim: its minimum is the conditional median, which an outlier does not move; sqrt(2 / pi) for outputs of 0 and a
    normal target.
    Choose: where a few targets are far off and should not count more than others.
    Source: Boscovich 1757; Laplace 1774.
    """

    task: ClassVar[Task] = "regression"
    link: ClassVar[Link] = "identity"
    formula: ClassVar[Callable[..., Any]] = staticmethod(absolute)
    native: ClassVar[str | None] = "absolute"
    native_numbers: ClassVar[tuple[float, ...]] = ()

    def torch_criterion(self) -> Any:
        """The same loss as a criterion of torch.nn."""
        from torch import nn

        return nn.L1Loss()

    def at_chance(self, classes: int = 1) -> float:
        """sqrt(2 / pi), for a normal target."""
        return math.sqrt(2 / math.pi)


@dataclass(frozen=True, kw_only=True)
class Huber(LossRule):
    """Squared for small errors, absolute for large ones.

    Formula: e^2 / 2 for |e| <= delta, delta (|e| - delta / 2) beyond, e = o - t.
    Shapes: outputs (rows, 1), targets (rows,), losses (rows,).
    Options: delta - where it changes, in standard deviations of the target.
    Convention: torch's HuberLoss, with the factor 1/2 inside (SmoothL1Loss divides it by delta).
    Claim: its gradient is never larger than delta; twice it is the squared error within delta.
    Choose: for numbers with outliers, where most of the errors are regular.
    Source: Huber 1964.
    """

    delta: Positive = 1.0

    task: ClassVar[Task] = "regression"
    link: ClassVar[Link] = "identity"
    formula: ClassVar[Callable[..., Any]] = staticmethod(huber)
    native: ClassVar[str | None] = "huber"

    @property
    def native_numbers(self) -> tuple[float, ...]:
        return (self.delta,)

    def torch_criterion(self) -> Any:
        """The same loss as a criterion of torch.nn."""
        from torch import nn

        return nn.HuberLoss(delta=self.delta)

    def at_chance(self, classes: int = 1) -> float:
        """E[huber(t)] for a standard normal target."""
        d = self.delta
        tail = 0.5 * math.erfc(d / math.sqrt(2))
        density = math.exp(-d * d / 2) / math.sqrt(2 * math.pi)
        return 0.5 * (1 - 2 * tail) - d * density + 2 * d * (density - d * tail / 2)


@dataclass(frozen=True, kw_only=True)
class Poisson:
    """The likelihood of counts: the output is the logarithm of their rate.

    Formula: exp(o) - t o, t the count divided by the mean of the training rows; predictions are exp(o) times that mean.
    Shapes: outputs (rows, 1), targets (rows,) >= 0, losses (rows,).
    Convention: torch's PoissonNLLLoss with log_input and without the constant ln(t!).
    Claim: its minimum is the conditional mean, and predictions are positive; 1 for outputs of 0.
    Choose: for counts and other amounts that cannot be negative and vary in proportion to their size.
    Source: Nelder & Wedderburn 1972.
    """

    task: ClassVar[Task] = "regression"
    link: ClassVar[Link] = "exp"
    formula: ClassVar[Callable[..., Any]] = staticmethod(poisson)
    native: ClassVar[str | None] = "poisson"
    native_numbers: ClassVar[tuple[float, ...]] = ()

    def torch_criterion(self) -> Any:
        """The same loss as a criterion of torch.nn."""
        from torch import nn

        return nn.PoissonNLLLoss(log_input=True)

    def at_chance(self, classes: int = 1) -> float:
        """1, at outputs of 0."""
        return 1.0


Loss = CrossEntropy | Hinge | Squared | Absolute | Huber | Poisson
