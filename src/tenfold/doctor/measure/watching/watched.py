"""What a watcher brings home from a user's loop: recorded numbers, and the tensors that later measures work on."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from torch import Tensor, nn

from tenfold.doctor.measure.watching.calls import CallLog
from tenfold.doctor.record import Curves, LoopFacts


@dataclass
class ObservedBatch:
    """One forward pass with its loss. inputs, keywords: the model's arguments (tensors detached and copied);
    output: the model's output tensor (the first tensor of it), scored: what the criterion got first, target: what it
    got second (all copies)."""

    step: int  # updates made before it
    inputs: tuple[Any, ...]
    keywords: dict[str, Any]
    output: Tensor | None
    scored: Tensor | None
    target: Tensor | None
    loss: float | None
    training_mode: bool


@dataclass
class Watched:
    """A training that was watched.

    model: the user's own module (the one inside a compiled one), to be copied, never changed. start: its state at the
    beginning; snapshots: parameters and buffers by name at some updates, oldest first, the last is the end.
    batches: training batches, evaluation: batches seen without gradients; both bounded in rows and bytes. first: the
    arguments and keywords of the model's first call, which show its structure where no loss was seen. loop: what is
    known of the order of its calls, calls: the log of them.
    """

    model: nn.Module
    criterion: Any
    optimizers: list[Any]
    options: list[list[dict[str, Any]]]  # of each optimizer: its groups' options at the start, without the parameters
    start: dict[str, Tensor]
    snapshots: list[tuple[int, dict[str, Tensor]]]
    batches: list[ObservedBatch]
    evaluation: list[ObservedBatch]
    curves: Curves
    steps: int
    training_mode: float = 1.0
    accumulated: float = 1.0
    compiled: bool = False
    still: list[str] = field(default_factory=list)  # modules that were in evaluation mode while the model trained
    notes: list[str] = field(default_factory=list)
    first: tuple[tuple[Any, ...], dict[str, Any]] | None = None
    loop: LoopFacts = field(default_factory=LoopFacts)
    calls: CallLog | None = None
    broken: list[ObservedBatch] = field(default_factory=list)  # the first whose loss is not finite
    several: bool = False  # whether the model gives more than one tensor
    sunk: ObservedBatch | None = None  # the batch whose update made a parameter nan, where that was seen at once
    no_target: str = ""  # why what the criterion gets is no output with its target
