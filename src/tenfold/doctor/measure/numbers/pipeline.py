"""From a model's output to its loss and its skill, as the user's loop has it: what the criterion gets, and the task."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from tenfold.doctor.measure.numbers.skill import WORST, class_skill, number_skill
from tenfold.doctor.measure.watching.watched import ObservedBatch
from tenfold.doctor.record import OutputKind

_AFTER: dict[str, Callable[[Tensor], Tensor]] = {
    "sigmoid": torch.sigmoid,
    "softmax": lambda z: torch.softmax(z, -1 if z.dim() < 3 else 1),
    "log_softmax": lambda z: torch.log_softmax(z, -1 if z.dim() < 3 else 1),
    "tanh": torch.tanh,
    "log": lambda z: torch.log(z),
    "transpose": lambda z: z.transpose(1, -1) if z.dim() > 2 else z,
}
MOST_CLASSES = 20
DISTRIBUTIONS = ("CrossEntropyLoss", "cross_entropy", "KLDivLoss", "kl_div")  # take the odds of all classes as targets
BINARY_LOSSES = ("BCEWithLogitsLoss", "binary_cross_entropy_with_logits", "BCELoss", "binary_cross_entropy")
BY_ODDS = (*BINARY_LOSSES, "MultiLabelSoftMarginLoss", "multilabel_soft_margin_loss")
COUNTS = ("PoissonNLLLoss", "poisson_nll_loss")
IGNORED = -100  # torch's default


def ignored(criterion: Any) -> int | None:
    """The class number that a criterion leaves out; None where it has none."""
    if name_of(criterion) in ("CrossEntropyLoss", "NLLLoss", "cross_entropy", "nll_loss"):
        return int(getattr(criterion, "ignore_index", IGNORED))
    return None


@dataclass(frozen=True)
class Pipeline:
    """What follows the model. after: from output to what the criterion gets; shape: of one row there.

    task, classes: what the targets are; values: the two target values of a binary task. cut: the output at which a
    single unit's prediction changes class.
    """

    criterion: Callable[[Tensor, Tensor], Tensor]
    after: str
    shape: tuple[int, ...]
    task: OutputKind
    classes: int
    values: tuple[float, float] = (0.0, 1.0)
    cut: float = 0.0
    sign: float = 1.0
    left_out: int = IGNORED  # the class number of targets that do not count

    def scored(self, output: Tensor) -> Tensor:
        """What the criterion gets for a model's output."""
        if self.after in _AFTER:
            output = _AFTER[self.after](output)
        if self.after == "last":
            output = output[:, -1]
        size = math.prod(self.shape)  # several scored rows an input row where sequences are flattened
        if output.shape[1:] != self.shape and (output[0].numel() == size or self.after == "reshape"):
            output = output.reshape(output.numel() // size, *self.shape)
        return output

    def loss(self, output: Tensor, target: Tensor) -> Tensor:
        """The user's loss."""
        loss = self.criterion(self.scored(output), target)
        return self.sign * (loss if loss.dim() == 0 else loss.mean())

    def predicted(self, output: Tensor) -> Tensor:
        """Class numbers (rows,), labels of 0 and 1 (rows, labels), or numbers (rows, targets)."""
        scored = self.scored(output).detach()
        if self.task == "numbers":
            numbers = scored.reshape(scored.shape[0], -1).double()
            # outputs of counts are logarithms of rates
            return (
                numbers.exp()
                if name_of(self.criterion) in COUNTS and getattr(self.criterion, "log_input", True)
                else numbers
            )
        if self.task == "labels":
            return (scored.reshape(scored.shape[0], -1) > self.cut).long()
        if scored.dim() > 1 and scored[0].numel() > 1:
            return scored.argmax(1)
        single = scored.reshape(scored.shape[0])
        if self.task == "binary":
            return (single > self.cut).long()
        return single.round().clamp(0, self.classes - 1).nan_to_num(0).long()

    def wanted(self, target: Tensor) -> Tensor:
        """Class numbers (rows,), labels of 0 and 1 (rows, labels), or numbers (rows, targets), of targets."""
        if self.task == "numbers":
            return target.reshape(target.shape[0], -1).double()
        if self.task == "labels":
            return (target.reshape(target.shape[0], -1) > 0.5).long()
        if target.is_floating_point() and target.dim() > 1 and target[0].numel() > 1:
            return target.argmax(1)
        flat = target.reshape(target.shape[0], -1)
        if self.task == "binary":
            return (flat[:, 0] > sum(self.values) / 2).long()
        return flat[:, 0].long() if flat.shape[1] == 1 else target.long()

    def skill(self, outputs: Tensor, targets: Tensor) -> float | None:
        """See `class_skill` and `number_skill`, without the targets that are ignored; None for a constant target, and
        where there is none. Of labels: the mean over all of them, against always saying the commoner value of each."""
        if not torch.isfinite(outputs).all():
            return WORST
        predicted, wanted = self.predicted(outputs), self.wanted(targets)
        if self.task == "numbers":
            if predicted.shape != wanted.shape:
                return None
            residual, total = ((predicted - wanted) ** 2).sum(), ((wanted - wanted.mean(0)) ** 2).sum()
            return number_skill(float(residual), float(total))
        if self.task == "labels":
            ones = wanted.double().mean(0)
            return class_skill(
                float((predicted == wanted).double().mean()), float(torch.maximum(ones, 1 - ones).mean())
            )
        known = wanted != self.left_out
        if not bool(known.all()):
            if predicted.shape != wanted.shape or not bool(known.any()):
                return None
            predicted, wanted = predicted[known], wanted[known]
        if bool((wanted < 0).any()):
            return None
        chance = float(torch.bincount(wanted.flatten()).max()) / wanted.numel()
        accuracy = float((predicted == wanted).double().mean())
        return class_skill(accuracy, chance)


def pipeline_of(criterion: Any, batches: list[ObservedBatch]) -> Pipeline | None:
    """The pipeline that explains the first batches; None where output, target or loss was not seen."""
    batches_seen, task_seen = _complete(batches), task_of(batches, name_of(criterion))
    if not batches_seen or task_seen is None or criterion is None:
        return None
    first = batches_seen[0]
    assert first.output is not None and first.scored is not None
    after = what_follows(first.output, first.scored)
    task, classes, values = task_seen
    name = name_of(criterion)
    cut = 0.5 if name in ("BCELoss", "binary_cross_entropy") else sum(values) / 2
    if name in ("BCEWithLogitsLoss", "binary_cross_entropy_with_logits", "SoftMarginLoss", "HingeEmbeddingLoss"):
        cut = 0.0
    if task == "labels":
        cut = 0.0 if name not in ("BCELoss", "binary_cross_entropy") else 0.5
    left_out = ignored(criterion)
    return Pipeline(
        criterion, after, tuple(first.scored.shape[1:]), task, classes, values, cut,
        left_out=IGNORED if left_out is None else left_out,
    )  # fmt: skip


def _complete(batches: list[ObservedBatch]) -> list[ObservedBatch]:
    return [b for b in batches if b.output is not None and b.scored is not None and b.target is not None]


def task_of(batches: list[ObservedBatch], criterion: str = "") -> tuple[OutputKind, int, tuple[float, float]] | None:
    """The task, its classes and the two values of a binary one, of what the criterion got; None where it was not
    seen. criterion: its name, where it says more than outputs and targets do."""
    seen = _complete(batches)
    if not seen:
        return None
    first = seen[0]
    assert first.scored is not None and first.target is not None
    targets = torch.cat(
        [
            b.target.reshape(b.target.shape[0], -1)[:, :1].float().cpu()
            for b in seen
            if b.target is not None and b.target.dim()
        ]
    )
    return _task(first.scored, first.target, targets, criterion)


def what_follows(output: Tensor, scored: Tensor) -> str:
    """The step between a model's output and what the criterion got."""
    # found by trying, on numbers: a loop may apply a softmax, flatten sequences or take the last step in its own code,
    # where no hook sees it
    if output.shape == scored.shape and _same(output, scored):
        return ""
    if output.numel() == scored.numel():
        if _same(output.flatten(), scored.flatten()):
            return "reshape"
        for name, step in _AFTER.items():
            if output.dim() > 0 and _same(step(output).flatten(), scored.flatten()):
                return name
    if output.dim() == 3 and scored.shape == output[:, -1].shape and _same(output[:, -1], scored):
        return "last"
    return "unknown"


def _same(one: Tensor, two: Tensor) -> bool:
    return bool(torch.allclose(one.float(), two.float(), rtol=1e-4, atol=1e-6, equal_nan=True))


def name_of(criterion: Any) -> str:
    """The class's or function's name."""
    return getattr(criterion, "__name__", None) or type(criterion).__name__


def _task(scored: Tensor, target: Tensor, seen: Tensor, criterion: str) -> tuple[OutputKind, int, tuple[float, float]]:
    if criterion in COUNTS:
        return "numbers", 0, (0.0, 1.0)  # whole numbers from 0 on, which are no classes
    values = torch.unique(seen)
    if not target.is_floating_point():
        if scored.dim() >= 2 and scored.shape[1] > 1 and target.dim() == scored.dim() - 1:
            return "classes", int(scored.shape[1]), (0.0, 1.0)
    elif target.dim() == 2 and target.shape[1] > 1 and target.shape == scored.shape and _odds(target, criterion):
        return "classes", int(target.shape[1]), (0.0, 1.0)
    several = target.shape == scored.shape and target.dim() > 1 and target[0].numel() > 1
    if criterion in BY_ODDS and several and bool(((target == 0) | (target == 1)).all()):
        return "labels", 2, (0.0, 1.0)  # several answers to yes-or-no questions, or a map of pixels
    single = scored.dim() < 2 or scored[0].numel() == 1
    if single and target[0].numel() == 1 and len(values) == 2:
        low, high = float(values[0]), float(values[1])
        if (low, high) in ((0.0, 1.0), (-1.0, 1.0)) or not target.is_floating_point():
            return "binary", 2, (low, high)
    numbered = bool((values == values.round()).all()) and 2 < len(values) <= MOST_CLASSES
    if single and numbered and float(values[0]) == 0 and float(values[-1]) == len(values) - 1:
        return "classes", len(values), (0.0, 1.0)
    return "numbers", 0, (0.0, 1.0)


def _odds(target: Tensor, criterion: str) -> bool:
    """Whether targets (rows, classes) are the odds of exclusive classes: one of them 1, or, for a criterion that takes
    it, a sum of 1."""
    if bool(((target == 0) | (target == 1)).all() and (target.sum(1) == 1).all()):
        return True
    if criterion not in DISTRIBUTIONS:
        return False
    odds = target.exp() if bool((target <= 0).all()) else target
    return bool((odds >= 0).all()) and bool(((odds.sum(1) - 1).abs() < 1e-3).all())


def proper_loss(
    task: OutputKind, classes: int, left_out: int = IGNORED
) -> tuple[int, Callable[[Tensor, Tensor], Tensor]]:
    """The output units that the task needs and the loss of class numbers (rows,) or numbers (rows, targets)."""
    if task == "numbers":
        return 0, lambda output, wanted: F.mse_loss(output.reshape(wanted.shape), wanted.to(output.dtype))
    if task == "labels":
        return 0, lambda output, wanted: F.binary_cross_entropy_with_logits(
            output.reshape(wanted.shape), wanted.to(output.dtype)
        )
    return classes, lambda output, wanted: F.cross_entropy(output, wanted, ignore_index=left_out)
