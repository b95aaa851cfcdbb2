"""What every first-order optimizer is: a record that turns time into coefficients, and the state they act on."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple

import numpy as np

from tenfold.rules.fields import Positive
from tenfold.rules.record import Rule

Array = np.ndarray

# Names of the rows of state that optimizers keep; lanes of one family share those of a name.
FIRST_MOMENT = "first_moment"  # m: a mean or a sum of gradients, or a velocity
SECOND_MOMENT = "second_moment"  # v: the same of their squares
LARGEST_SECOND_MOMENT = "largest_second_moment"  # of amsgrad
STEP_MOMENT = "step_moment"  # of adadelta: a mean of squared steps


def keeps_moments(optimizer: Any) -> tuple[bool, bool]:
    """Whether an optimizer keeps a first and a second moment: in a pack those that do alike are neighbours."""
    state = optimizer.state()
    return FIRST_MOMENT in state, SECOND_MOMENT in state


class Time(NamedTuple):
    """When: float64 arrays over the updates asked for.

    t: updates counted from 1; rate: lr times the decay; share: of the training done before the update, in [0, 1);
    momentum: in place of the rule's momentum or beta1 (from a schedule that moves it), or None.
    """

    t: Array
    rate: Array
    share: Array
    momentum: Array | None = None


class Coefficients(NamedTuple):
    """The numbers of an update, with the rate inside; arrays over the updates, or (lanes, 1) tensors at one of them.

    m <- a m + b g; v <- c v + d g^2; w <- w - (e m + f g) / (sqrt(v + inside) + eps). Without a second moment
    c = d = inside = 0 and eps = 1. s: a further factor that some families have, else 1.
    """

    a: Any
    b: Any
    c: Any
    d: Any
    e: Any
    f: Any
    eps: Any
    inside: Any
    s: Any


class Matrix(NamedTuple):
    """A weight of a lane's row: where it starts and stops, the (rows, columns) stored there, and how many of them are
    used (the rest is zero); whether it is the output layer's; whether its rows, not its columns, are the units."""

    start: int
    stop: int
    shape: tuple[int, int]
    size: tuple[int, int]
    output: bool
    rows_are_units: bool = False


class Flat(NamedTuple):
    """Parameters, gradients and the optimizers' rows of state, by name, of some lanes, each (lanes, parameters). A row
    that no lane keeps is missing.

    g and scratch may be overwritten. rates: what multiplies the step of each number, where any has another factor
    than 1.
    """

    w: Any
    g: Any
    rows: Mapping[str, Any]
    scratch: Any
    rates: Any = None


class Need(NamedTuple):
    """What an update cannot leave out: plain - some lane has f != 0; inside - some lane has inside != 0; matrices - the
    weights."""

    plain: bool
    inside: bool
    matrices: Sequence[Matrix] = ()

    @staticmethod
    def of(k: Coefficients, matrices: Sequence[Matrix] = ()) -> Need:
        """What updates with these coefficients, arrays or tensors of any shape, need."""
        return Need(bool((k.f != 0).any()), bool((k.inside != 0).any()), matrices)


def constant(t: Array, *, a: Any = 0, b: Any = 0, e: Any = 0, f: Any = 0, **second: Any) -> Coefficients:
    """Coefficients over the updates t from numbers or arrays; without c, d and eps there is no second moment."""
    ones = np.ones(np.shape(t))
    c, d, eps = second.get("c", 0.0), second.get("d", 0.0), second.get("eps", 1.0)
    inside, s = second.get("inside", 0.0), second.get("s", 1.0)
    return Coefficients(*(value * ones for value in (a, b, c, d, e, f, eps, inside, s)))


@dataclass(frozen=True, kw_only=True)
class FirstOrder(Rule, ABC):
    """A first-order optimizer.

    family: the name of its update in `UPDATES`; decoupled: whether a recipe's weight_decay shrinks the weights directly
    instead of entering the gradient.
    """

    lr: Positive = 0.01

    MAIN: ClassVar[str] = "lr"
    family: ClassVar[str] = "shared"
    decoupled: ClassVar[bool] = False

    def state(self) -> dict[str, float]:
        """The rows of state that it keeps, by name, and the number that fills each before the first update."""
        return {}

    def work(self, *, rows: int, weights: int, outputs: int) -> tuple[float, float]:
        """(gradients, further flops) that one update of so many weights on a batch of so many rows takes."""
        return 1.0, 0.0

    @property
    def reports(self) -> bool:
        """Whether the parameters to predict with are others than those that are trained."""
        return False

    def reported(self, time: Time) -> Array | None:
        """r such that w + r m predicts after the updates at `time`; None for w itself."""
        return None

    @abstractmethod
    def coefficients(self, time: Time) -> Coefficients:
        """The numbers of its update at each time."""
