"""A plain PyTorch program: the loop that a person would write, and what its network is worth on held-out rows."""

from __future__ import annotations

import copy
import math
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.data import DataLoader, TensorDataset

from bench.doctor.case import Case, Data
from bench.doctor.networks import WEIGHTED, build

Watcher = Callable[[nn.Module, torch.optim.Optimizer, Any], AbstractContextManager[Any]]

RULES: dict[str, tuple[str, dict[str, Any]]] = {
    "sgd": ("SGD", {}), "momentum": ("SGD", {"momentum": 0.9}),
    "nesterov": ("SGD", {"momentum": 0.9, "nesterov": True}),
    "adagrad": ("Adagrad", {}), "rmsprop": ("RMSprop", {}), "adadelta": ("Adadelta", {}), "adam": ("Adam", {}),
    "adamw": ("AdamW", {}), "nadam": ("NAdam", {}), "adamax": ("Adamax", {}), "radam": ("RAdam", {}),
}  # fmt: skip


class NegativeCrossEntropy(nn.Module):
    """A loss with its sign flipped."""

    def forward(self, output: Tensor, target: Tensor) -> Tensor:
        return -F.cross_entropy(output, target)


class LogLikelihood(nn.Module):
    """What should be maximized, given to an optimizer that minimizes."""

    def forward(self, output: Tensor, target: Tensor) -> Tensor:
        if output.shape == target.shape:
            return F.logsigmoid(torch.where(target > 0.5, output, -output)).mean()
        return F.log_softmax(output, 1).gather(1, target[:, None]).mean()


class Rows(nn.Module):
    """Cross-entropy whose softmax runs over the rows of the batch instead of the classes."""

    def forward(self, output: Tensor, target: Tensor) -> Tensor:
        return -F.log_softmax(output, 0).gather(1, target[:, None]).mean()


class ClassNumbers(nn.Module):
    """Squared error against the numbers of the classes."""

    def forward(self, output: Tensor, target: Tensor) -> Tensor:
        return F.mse_loss(output, target.float().reshape(-1, 1))


class Largest(nn.Module):
    """Squared error of the largest output against the number of the class."""

    def forward(self, output: Tensor, target: Tensor) -> Tensor:
        return F.mse_loss(output.max(1).values, target.float())


class OneHot(nn.Module):
    """Absolute error against indicators of the classes."""

    def forward(self, output: Tensor, target: Tensor) -> Tensor:
        return F.l1_loss(output, F.one_hot(target, output.shape[1]).float())


CRITERIA: dict[str, Callable[[], Any]] = {
    "ce": nn.CrossEntropyLoss, "ce_sum": lambda: nn.CrossEntropyLoss(reduction="sum"), "nll": nn.NLLLoss,
    "bce_logits": nn.BCEWithLogitsLoss, "bce_logits_sum": lambda: nn.BCEWithLogitsLoss(reduction="sum"),
    "bce": nn.BCELoss, "bce_sum": lambda: nn.BCELoss(reduction="sum"), "mse": nn.MSELoss, "l1": nn.L1Loss,
    "mse_sum": lambda: nn.MSELoss(reduction="sum"), "huber": nn.SmoothL1Loss,
    "huber_sum": lambda: nn.SmoothL1Loss(reduction="sum"), "nll_sum": lambda: nn.NLLLoss(reduction="sum"),
    "negative_ce": NegativeCrossEntropy, "log_likelihood": LogLikelihood, "rows": Rows, "class_numbers": ClassNumbers,
    "largest": Largest, "one_hot_l1": OneHot,
}  # fmt: skip
PLAIN: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "ce": F.cross_entropy, "bce_logits": F.binary_cross_entropy_with_logits, "mse": F.mse_loss, "nll": F.nll_loss,
    "bce": F.binary_cross_entropy, "huber": F.smooth_l1_loss, "l1": F.l1_loss,
}  # fmt: skip


@dataclass
class Trained:
    """A finished program; stopped: what it raised, "" for nothing."""

    model: nn.Module
    data: Data
    outcome: float
    updates: int
    seconds: float
    stopped: str
    doctor: Any


def optimizer_of(case: Case, model: nn.Module) -> torch.optim.Optimizer:
    """The optimizer over what the program hands it."""
    layers = [m for m in model.modules() if isinstance(m, (*WEIGHTED, nn.RNNBase, nn.Embedding))]
    for module in layers[: case.loop.frozen]:
        module.requires_grad_(False)
    owner = {"all": model, "last": layers[-1], "copy": copy.deepcopy(model)}[case.loop.optimized]
    name, options = RULES[case.optim.rule]
    return getattr(torch.optim, name)(
        [p for p in owner.parameters() if p.requires_grad], lr=case.optim.lr, **options | case.optim.options
    )


def _schedule(case: Case, optimizer: torch.optim.Optimizer) -> Any:
    epochs = case.loop.epochs
    if case.loop.schedule == "cosine":
        return torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, epochs)
    if case.loop.schedule == "step":
        return torch.optim.lr_scheduler.StepLR(optimizer, max(1, epochs // 3), 0.4)
    return None


def _modes(case: Case, model: nn.Module) -> None:
    if case.loop.still == "all":
        return
    model.train()
    for module in model.modules():
        if case.loop.still and case.loop.still in type(module).__name__:
            module.eval()


def _batches(case: Case, data: Data, generator: torch.Generator) -> Any:
    if case.loop.loader:
        rows = TensorDataset(data.x_train, data.y_train)
        size = case.loop.batch
        return DataLoader(rows, size, shuffle=True, generator=generator, drop_last=size > 1 and len(rows) % size == 1)
    order = torch.randperm(len(data.x_train), generator=generator).split(case.loop.batch)
    return ((data.x_train[rows], data.y_train[rows]) for rows in order if len(rows) > 1 or case.loop.batch == 1)


def train(case: Case, seed: int, watcher: Watcher | None = None) -> Trained:
    """Train from this seed, watched or not."""
    data = case.data(seed)
    torch.manual_seed(seed)
    model = build(case.net)
    model = model if case.wrap is None else case.wrap(model)
    criterion = PLAIN[case.criterion] if case.loop.function and case.criterion in PLAIN else CRITERIA[case.criterion]()
    optimizer = optimizer_of(case, model)
    since, stopped, updates = time.perf_counter(), "", 0
    watched = watcher(model, optimizer, criterion) if watcher else nullcontext()
    doctor: Any = watched if watcher else None
    try:
        with watched:
            updates = (case.body or _loop)(case, data, model, optimizer, criterion, doctor)
    except (RuntimeError, ValueError, IndexError) as error:  # what a loss or a layer refuses
        stopped = str(error)[:200]
    seconds = time.perf_counter() - since
    return Trained(model, data, skill(case, model, data), updates, seconds, stopped, doctor)


def _loop(case: Case, data: Data, model: nn.Module, optimizer: Any, criterion: Any, doctor: Any) -> int:
    loop, schedule, updates = case.loop, _schedule(case, optimizer), 0
    generator = torch.Generator().manual_seed(torch.initial_seed())
    if loop.still == "all":
        model.eval()
    for _ in range(loop.epochs):
        _modes(case, model)
        for x, y in _batches(case, data, generator):
            if loop.zero_grad:
                optimizer.zero_grad()
            loss = loss_of(case, model(x), y, criterion, doctor)
            if loop.l1:
                loss = loss + loop.l1 * sum(p.abs().sum() for p in model.parameters())
            (loop.sign * loss).backward()
            if loop.clip:
                nn.utils.clip_grad_norm_(model.parameters(), loop.clip)
            optimizer.step()
            updates += 1
        if schedule is not None:
            schedule.step()
        if loop.validate:
            model.eval()
            with torch.no_grad():
                loss_of(case, model(data.x_val), data.y_val, criterion, doctor)
    return updates


def loss_of(case: Case, output: Tensor, target: Tensor, criterion: Any, doctor: Any) -> Tensor:
    """The loss of a batch; one that a plain function computes is told to the doctor."""
    if isinstance(criterion, nn.Module):
        return criterion(output, target)
    loss = criterion(output, target)
    if doctor is not None:
        doctor.observe(output, target, loss)
    return loss


@torch.no_grad()
def skill(case: Case, model: nn.Module, data: Data) -> float:
    """(accuracy - c) / (1 - c) with c the share of the largest class, or R2; minus infinity where not finite."""
    model.eval()
    output, y = model(data.x_test), data.y_test
    if not bool(torch.isfinite(output).all()):
        return -math.inf
    if case.task == "numbers":
        wanted = y.reshape(output.shape).double()
        rest = (output.double() - wanted).square().mean()
        return float(1 - rest / wanted.var(correction=0))
    labels = y.reshape(-1).long()
    largest = float(torch.bincount(labels).max()) / len(labels)
    right = float((_decided(case, output) == labels).float().mean())
    return (right - largest) / (1 - largest)


def _decided(case: Case, output: Tensor) -> Tensor:
    if case.decide == "argmax":
        return output.argmax(1)
    flat = output.reshape(len(output), -1)[:, -1]
    if case.decide == "round":
        return flat.round().long()
    return (flat > (0.0 if case.decide == "logit" else case.threshold)).long()
