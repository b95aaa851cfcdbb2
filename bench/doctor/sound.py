"""Sound programs as people write them outside of our own suite: each is a function from a seed to a `Program`.

They differ from the bases in what those have in common: tasks, sizes of batch from one row to all, where the loss's
last activation stands, what targets are, loops that are not the plain one. Half of them calibrate, half judge. Where a
doctor cannot judge (no targets, several criteria), it may say so, but may not raise an alarm either.
"""

from __future__ import annotations

import importlib
import math
import time
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor, nn

from bench.doctor.case import Data
from bench.doctor.program import Trained, Watcher

MODULES = ("sound_tables", "sound_targets", "sound_sequences", "sound_loops")
SOUND: dict[str, Sound] = {}
Loop = Callable[["Program", Any], int]  # trains, told of the doctor; returns the number of updates


@dataclass
class Program:
    """A model, what it is trained on, and how. skill: of the trained model, 1 at best, 0 for what a constant knows.

    x: inputs, one tensor or a tuple of them, first axis the rows; y: targets, first axis the rows. loop: where the
    plain one (zero_grad, forward, criterion, backward, step, in shuffled batches) is not it.
    """

    model: nn.Module
    criterion: Any
    optimizer: Any
    x: Any
    y: Tensor
    skill: Callable[[nn.Module], float]
    batch: int = 32
    epochs: int = 20
    loop: Loop | None = None
    early: bool = True  # whether preflight can be asked: criterion(model(x), y) is the loss


@dataclass(frozen=True)
class Sound:
    """A sound program by name. known: the skill that it reaches."""

    name: str
    half: str
    known: float
    make: Callable[[int], Program]

    @property
    def early(self) -> bool:
        """Whether preflight can be asked."""
        return self.make(0).early


def sound(half: str, known: float) -> Callable[[Callable[[int], Program]], Callable[[int], Program]]:
    """Register a function as a sound program under its own name."""

    def register(make: Callable[[int], Program]) -> Callable[[int], Program]:
        SOUND[make.__name__] = Sound(make.__name__, half, known, make)
        return make

    return register


def programs() -> dict[str, Sound]:
    """All of them by name."""
    for module in MODULES:
        importlib.import_module(f"bench.doctor.{module}")
    return SOUND


def part(x: Any, rows: Tensor) -> Any:
    """These rows of one input or of several."""
    return tuple(value[rows] for value in x) if isinstance(x, tuple) else x[rows]


def forward(model: nn.Module, x: Any) -> Any:
    """The model's output for one input or several."""
    return model(*x) if isinstance(x, tuple) else model(x)


def loss_of(program: Program, output: Any, target: Tensor, doctor: Any) -> Tensor:
    """The loss of a batch; one that a plain function computes is told to the doctor."""
    loss = program.criterion(output, target)
    if doctor is not None and not isinstance(program.criterion, nn.Module):
        doctor.observe(output, target, loss)
    return loss


def batches(program: Program) -> Sequence[Tensor]:
    """The rows of every batch of an epoch, in a new order."""
    return torch.randperm(len(program.y)).split(program.batch)


def plain(program: Program, doctor: Any) -> int:
    """The loop of every tutorial."""
    updates = 0
    for _ in range(program.epochs):
        for rows in batches(program):
            program.optimizer.zero_grad()
            loss_of(program, forward(program.model, part(program.x, rows)), program.y[rows], doctor).backward()
            program.optimizer.step()
            updates += 1
    return updates


def train(chosen: Sound, seed: int, watcher: Watcher | None = None) -> Trained:
    """Train from this seed, watched or not."""
    torch.manual_seed(seed)
    program = chosen.make(seed)
    since = time.perf_counter()
    with watcher(program.model, program.optimizer, program.criterion) if watcher else nullcontext() as doctor:
        updates = (program.loop or plain)(program, doctor)
    seconds = time.perf_counter() - since
    program.model.eval()
    with torch.no_grad():
        skill = program.skill(program.model)
    y = program.y
    data = Data(program.x, y, program.x, y, program.x, y)
    return Trained(program.model, data, skill if math.isfinite(skill) else -math.inf, updates, seconds, "", doctor)


# ---- skills ----------------------------------------------------------------------------------------------------------


def accuracy(x: Any, y: Tensor, decide: Callable[[Tensor], Tensor] = lambda o: o.argmax(-1)) -> Callable[..., float]:
    """(accuracy - c) / (1 - c), c the share of the commonest class; entries below 0 are ignored."""

    def skill(model: nn.Module) -> float:
        found, counted = decide(forward(model, x)).reshape(y.shape), y >= 0
        largest = float(torch.bincount(y[counted].long().reshape(-1)).max()) / int(counted.sum())
        return (float((found == y)[counted].float().mean()) - largest) / max(1 - largest, 1e-9)

    return skill


def r2(x: Any, y: Tensor, read: Callable[[Any], Tensor] = lambda o: o) -> Callable[..., float]:
    """1 - squared error / variance, of all targets together."""

    def skill(model: nn.Module) -> float:
        rest = (read(forward(model, x)).reshape(y.shape).double() - y).square().mean()
        return float(1 - rest / (y.double() - y.double().mean(0)).square().mean())

    return skill


def divided(x: Tensor, y: Tensor, held: float = 0.25) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Training and held-out rows in a drawn order: x, y, x, y."""
    order = torch.randperm(len(x))
    cut = int(len(x) * held)
    return x[order[cut:]], y[order[cut:]], x[order[:cut]], y[order[:cut]]


def standard(x: Tensor, of: Tensor | None = None) -> Tensor:
    """Columns with mean 0 and standard deviation 1 (those of other rows, where given)."""
    of = x if of is None else of
    return (x - of.mean(0)) / (of.std(0) + 1e-8)


def mlp(*widths: int, activation: Callable[[], nn.Module] = nn.ReLU, last: Sequence[nn.Module] = ()) -> nn.Sequential:
    """Dense layers with activations between them."""
    parts: list[nn.Module] = []
    for fan_in, units in pairwise(widths):
        parts += [nn.Linear(fan_in, units), activation()]
    return nn.Sequential(*parts[:-1], *last)
