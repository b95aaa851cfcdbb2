"""Losses of single rows; the engine averages them over the real rows of a batch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, Literal

Task = Literal["classification", "regression"]


def cross_entropy(output: Any, target: Any) -> Any:
    """-log softmax(output)[target] in nats. output (..., B, C) logits, target (..., B) class indices -> (..., B)."""
    log_p = output.transpose(-1, -2).log_softmax(-2)  # (..., C, B): many rows beside each other are many times faster
    return -log_p.gather(-2, target.unsqueeze(-2)).squeeze(-2)


def squared(output: Any, target: Any) -> Any:
    """(output - target)^2, without a factor 1/2 (torch's MSELoss). output (..., 1), target (...) -> (...)."""
    return (output.squeeze(-1) - target).square()


@dataclass(frozen=True, kw_only=True)
class CrossEntropy:
    """Softmax cross-entropy: the negative log-likelihood of the class. At chance it is ln C."""

    task: ClassVar[Task] = "classification"
    formula: ClassVar = staticmethod(cross_entropy)


@dataclass(frozen=True, kw_only=True)
class Squared:
    """Squared error of the standardized target: predicts the conditional mean. At chance it is 1."""

    task: ClassVar[Task] = "regression"
    formula: ClassVar = staticmethod(squared)


Loss = CrossEntropy | Squared
