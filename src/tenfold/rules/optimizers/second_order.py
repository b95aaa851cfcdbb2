"""What the second-order methods share: the record, damped solves, and backtracking, for all lanes at once."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any, ClassVar

from tenfold.rules.fields import Positive
from tenfold.rules.optimizers.objective import Objective
from tenfold.rules.record import Rule

RAISES = 40  # times that damping is raised until a matrix is positive definite
HALVINGS = 30  # of a step that does not lower the loss
DECREASE = 1e-4  # of the linear prediction that a step must reach (Armijo)


@dataclass(frozen=True, kw_only=True)
class SecondOrder(Rule, ABC):
    """A method that uses curvature. `start(w)` gives its state, by name, each (L, ...); `advance` makes one update.

    w (L, P): the parameters of all lanes. A lane whose loss, gradient or curvature is not finite keeps its w.
    """

    lr: Positive = 1.0

    MAIN: ClassVar[str] = "lr"
    MOST_PARAMETERS: ClassVar[int | None] = None
    family: ClassVar[str] = "second_order"
    decoupled: ClassVar[bool] = False

    def refusal(self, parameters: int) -> str:
        """Why the method is not for a network of so many parameters; "" if it is."""
        most = self.MOST_PARAMETERS
        if most is None or parameters <= most:
            return ""
        gigabytes = 4 * parameters**2 / 2**30
        return (
            f"{type(self).__name__} keeps a matrix of {parameters} x {parameters} numbers for each network "
            f"({gigabytes:.1f} GiB) and solves with it at every update; it is for at most {most} parameters"
        )

    def state(self) -> dict[str, float]:
        """It keeps no number for each parameter by which lanes are sorted; its state is what `start` gives."""
        return {}

    @abstractmethod
    def work(self, *, rows: int, weights: int, outputs: int) -> tuple[float, float]:
        """(gradients, further flops) that one update of so many weights on a batch of so many rows takes."""

    def start(self, w: Any) -> dict[str, Any]:
        """The state before the first update."""
        return {}

    @abstractmethod
    def advance(self, w: Any, rate: Any, objective: Objective, state: dict[str, Any]) -> tuple[Any, dict[str, Any]]:
        """One update: new w (L, P) and state. rate (L,): lr times the decay."""


def dot(a: Any, b: Any) -> Any:
    """Inner products of rows: (L, P), (L, P) -> (L,)."""
    return (a * b).sum(1)


def solve_damped(matrix: Any, g: Any, damping: Any) -> tuple[Any, Any]:
    """x = -(matrix + damping I)^-1 g (L, P), the damping (L,) raised tenfold until the sum is positive definite.

    Returns x, 0 where nothing finite was found, and the damping that was used. The matrices are filled up to a
    multiple of 16 with a unit matrix, so that each starts aligned: a lane's bits do not depend on its place.
    """
    import torch

    parameters = matrix.shape[1]
    more = -parameters % 16
    size = matrix.diagonal(dim1=1, dim2=2).abs().amax(1).nan_to_num(1.0, 1.0, 1.0).clamp(min=1e-12)  # (L,)
    matrix, g = torch.nn.functional.pad(matrix, (0, more, 0, more)), torch.nn.functional.pad(g, (0, more))
    eye = torch.eye(matrix.shape[1], dtype=matrix.dtype, device=matrix.device)
    matrix[:, parameters:] += eye[parameters:]
    fine = matrix.isfinite().all(2).all(1)
    clean = torch.where(fine[:, None, None], matrix, eye)
    factor, info = torch.linalg.cholesky_ex(clean + damping[:, None, None] * eye)
    for _ in range(RAISES):
        if not bool((info > 0).any()):
            break
        damping = torch.where(info > 0, torch.maximum(10 * damping, 1e-6 * size), damping)
        again, new_info = torch.linalg.cholesky_ex(clean + damping[:, None, None] * eye)
        factor = torch.where((info > 0)[:, None, None], again, factor)
        info = torch.where(info > 0, new_info, info)
    x = -torch.cholesky_solve(g[..., None], factor)[:, :parameters, 0]
    good = fine & (info == 0) & x.isfinite().all(1)
    return torch.where(good[:, None], x, torch.zeros_like(x)), damping


def slack(loss: Any) -> Any:
    """How much a loss may rise by rounding alone."""
    import torch

    return 10 * torch.finfo(loss.dtype).eps * loss.abs()


def backtrack(w: Any, step: Any, slope: Any, loss: Any, rate: Any, objective: Objective) -> tuple[Any, Any]:
    """The largest of rate, rate / 2, ... at which the loss falls by 1e-4 of its linear prediction (Armijo 1966).

    step (L, P), slope = g . step (L,), loss (L,) at w. Returns the length (L,), 0 where none is found, and the loss.
    """
    import torch

    length, accepted = rate.clone(), torch.zeros_like(rate, dtype=torch.bool)
    reached = loss.clone()
    for _ in range(HALVINGS):
        value = objective.loss(w + length[:, None] * step)
        good = ~accepted & value.isfinite() & (value <= loss + DECREASE * length * slope + slack(loss))
        reached = torch.where(good, value, reached)
        accepted = accepted | good
        if bool(accepted.all()):
            break
        length = torch.where(accepted, length, 0.5 * length)
    return torch.where(accepted, length, torch.zeros_like(length)), reached
