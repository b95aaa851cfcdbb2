"""The recorded numbers of one training: all that judge, prescribe, prove and the drawings know about it.

Every field is a plain number, word or list, so a record can be written as JSON, kept with a run, and judged again.
A number that was not measured is None (or its list is empty), with the reason in `notes`.
"""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from statistics import median
from typing import Any, Literal

OperationKind = Literal[
    "linear", "conv", "recurrent", "attention", "embedding", "normalization", "activation", "dropout", "pool", "other"
]
OutputKind = Literal["classes", "binary", "labels", "numbers"]  # labels: several that are 0 or 1, independent
ProbeState = Literal["start", "during", "end", "reference"]
WEIGHTED = ("linear", "conv", "recurrent", "attention")  # operations with a weight matrix
LEARNT = 0.1  # of skill: below it nothing was learnt
LEAST_SKILL = -0.2  # skills below it count as this: how much worse than a constant answer a run is means nothing


@dataclass(frozen=True)
class Operation:
    """One operation of the forward pass, in the order of execution.

    name: the module's path ("body.0"), or module path and function ("body/relu") where code calls a function.
    rule: "linear", "relu", "softmax", "batch_norm"...; units: features or channels of its output; fan_in: 0 without
    weights. weight, bias: names of its parameters, "" without.
    """

    name: str
    kind: OperationKind
    rule: str
    units: int = 0
    fan_in: int = 0
    weight: str = ""
    bias: str = ""
    rate: float = 0.0  # of dropout


def weighted(operations: Sequence[Operation]) -> list[int]:
    """Places of the operations with a weight matrix, in order."""
    return [i for i, op in enumerate(operations) if op.kind in WEIGHTED]


def following(operations: Sequence[Operation], place: int) -> int | None:
    """The place of the activation between a weighted operation and the next one, None without."""
    for i in range(place + 1, len(operations)):
        if operations[i].kind in WEIGHTED:
            return None
        if operations[i].kind == "activation":
            return i
    return None


def hidden_layers(operations: Sequence[Operation]) -> list[int]:
    """Places of the hidden linear and convolutional operations."""
    return [i for i in weighted(operations)[:-1] if operations[i].kind in ("linear", "conv")]


def output_activations(operations: Sequence[Operation]) -> list[int]:
    """Places of the activations behind the last weighted operation."""
    places = weighted(operations)
    last = places[-1] if places else -1
    return [i for i in range(last + 1, len(operations)) if operations[i].kind == "activation"]


@dataclass(frozen=True)
class LayerNumbers:
    """One operation's output on one set of rows, and the gradient of the mean loss with respect to it.

    rms = sqrt(mean(a^2)). saturated: share of entries whose derivative is under 5 % of its largest. dead: share of
    units inactive on all rows. unvarying: share of units the same on all rows. identical: share of units that equal
    another unit on all rows. derivative: mean derivative of an activation; derivative_square: mean of its square.
    gradient: rms of the gradient. quantiles: of the outputs at 0, 5, 25, 50, 75, 95, 100 %; gradient_quantiles: of
    the absolute gradients. weight_rms, bias_rms: of its parameters. dead_units: the first 256 units, 1 where dead.
    """

    operation: int  # its place in Facts.operations
    mean: float
    std: float
    rms: float
    saturated: float | None = None
    dead: float | None = None
    unvarying: float | None = None
    identical: float | None = None
    derivative: float | None = None
    derivative_square: float | None = None
    gradient: float | None = None
    weight_gradient: float | None = None
    weight_rms: float | None = None
    bias_rms: float | None = None
    quantiles: list[float] = field(default_factory=list)
    gradient_quantiles: list[float] = field(default_factory=list)
    dead_units: list[int] = field(default_factory=list)


@dataclass(frozen=True)
class Probe:
    """A network in one state on the kept training rows.

    train_loss, eval_loss: the same rows in the two modes. skill_train_mode, skill: accuracy above always naming the
    largest class, (a - c) / (1 - c), or R2: 1 is perfect, 0 is what a constant reaches, negative is worse.
    outputs: quantiles of the outputs as for LayerNumbers; distinct: share of rows whose prediction differs from the
    most common one. output_spread: std over rows of the outputs, largest output unit.
    """

    state: ProbeState
    step: int
    layers: list[LayerNumbers]
    train_loss: float | None = None
    eval_loss: float | None = None
    skill_train_mode: float | None = None
    skill: float | None = None
    outputs: list[float] = field(default_factory=list)
    output_spread: float | None = None
    distinct: float | None = None
    predicted_shares: list[float] = field(default_factory=list)  # of classes


@dataclass(frozen=True)
class ParameterFacts:
    """A parameter tensor: whether gradients reach it, whether the optimizer has it, whether it moved at all."""

    name: str
    shape: list[int]
    trainable: bool
    optimized: bool
    moved: bool | None = None
    identical_rows: float = 0.0  # at the start: share of rows (units) that equal another row
    start_rms: float = 0.0
    end_rms: float = 0.0


@dataclass(frozen=True)
class OptimizerFacts:
    """An optimizer's group: rule is the class name in lower case."""

    rule: str
    lr: float
    momentum: float = 0.0
    weight_decay: float = 0.0
    eps: float | None = None
    parameters: int = 0
    decoupled: bool = False


@dataclass(frozen=True)
class Facts:
    """The structure of a training: the network, the loss, the optimizer, the rows."""

    task: OutputKind
    classes: int  # 2 for binary and labels, 0 for numbers
    operations: list[Operation]
    parameters: list[ParameterFacts]
    optimizers: list[OptimizerFacts]
    criterion: str  # "CrossEntropyLoss", "BCELoss", the function's name...
    reduction: str  # "mean", "sum", "none" or "" where unknown
    after: str  # what happens between the model's output and the loss: "", "sigmoid", "softmax", "reshape", "unknown"
    output_shape: list[int]
    target_shape: list[int]
    batch_rows: int
    rows_kept: int
    steps: int
    rows_known: int | None = None  # rows of the training set where known
    training_mode: float = 1.0  # share of the updates made in training mode
    accumulated: float = 1.0  # backward passes an update
    compiled: bool = False
    still: list[str] = field(default_factory=list)  # modules in evaluation mode while the model was in training mode


@dataclass(frozen=True)
class DataMoments:
    """Inputs or targets of the kept rows; per column where there are at most 4096 columns.

    worst: the column of the largest |value|, its mean and std. spread: largest over smallest column std (not constant
    ones), condition: largest over smallest eigenvalue of the centred columns' covariance, None above 512 columns.
    second_moment_condition: the same of X'X / n. offset: largest |mean| / std of a column. within_rows: std over rows
    relative to rms, small for inputs that hardly vary.
    """

    rows: int
    columns: int
    mean: float
    std: float
    smallest: float
    largest: float
    column_std_smallest: float = 0.0
    column_std_largest: float = 0.0
    column_std_median: float = 0.0
    column_mean_largest: float = 0.0
    worst: list[float] = field(default_factory=list)  # column, mean, std
    spread: float = 1.0
    offset: float = 0.0
    condition: float | None = None
    second_moment_condition: float | None = None
    constant: float = 0.0  # share of columns
    duplicates: float = 0.0  # share of rows that repeat another one
    within_rows: float = 1.0
    non_finite: float = 0.0
    integers: bool = False
    shares: list[float] = field(default_factory=list)  # of classes, for targets


@dataclass(frozen=True)
class CurvePoint:
    """A number at an update."""

    step: int
    value: float


@dataclass(frozen=True)
class UpdateSizes:
    """One sampled update: for each parameter (in the order of Facts.parameters) the norm of w_after - w_before, of w
    before, and of the gradient at the time of the step (None without one). cosine: between this update's gradient and
    the last sampled one's."""

    step: int
    update: list[float | None]
    weight: list[float | None]
    gradient: list[float | None]
    cosine: float | None = None


@dataclass(frozen=True)
class NonFinite:
    """The first tensor that was not finite: what ("the loss", "the gradient", "the input"...) and when. Of an input or
    a target: count of `of` values, nans of them NaN, and the place of the first in its batch."""

    step: int
    what: str
    layer: str = ""
    count: int = 0
    of: int = 0
    nans: int = 0
    place: list[int] = field(default_factory=list[int])


@dataclass(frozen=True)
class Curves:
    """Numbers over time. loss: of training batches (thinned to at most 2048 points), validation: of batches seen
    without gradients. evaluation_inputs: moments of the inputs seen without gradients, None without such batches."""

    loss: list[CurvePoint]
    validation: list[CurvePoint] = field(default_factory=list)
    gradient_norm: list[CurvePoint] = field(default_factory=list)
    lr: list[CurvePoint] = field(default_factory=list)
    updates: list[UpdateSizes] = field(default_factory=list)
    non_finite: NonFinite | None = None
    evaluation_inputs: DataMoments | None = None
    validation_skill: float | None = None  # at the end, in the mode in which it was seen


@dataclass(frozen=True)
class Theory:
    """What a loss is at landmarks. constant: the least that a constant output reaches (ln C and less, the targets'
    variance...); chance: what equal odds for all classes give; perfect: the least that any output reaches on these
    targets; skill_at_best: the skill of those outputs, under 1 where the loss does not measure the task."""

    constant: float | None = None
    chance: float | None = None
    perfect: float | None = None
    skill_at_best: float | None = None


@dataclass(frozen=True)
class Trial:
    """A short training of a copy with one change (`change`: its name, "as_is" for none), one entry a seed.

    skill: on kept rows that it trained on, held_out: on kept rows that it did not. loss: the criterion at the end on
    the training rows (in its own units, so comparable between trials with the same criterion). steps: updates made.
    """

    change: str
    steps: int
    skill: list[float | None]
    held_out: list[float | None]
    loss: list[float | None]

    @property
    def reached(self) -> float | None:
        """Mean skill over seeds, on held-out rows where there are any; None for a trial that failed."""
        values = [held if held is not None else skill for held, skill in zip(self.held_out, self.skill, strict=True)]
        known = [max(value, LEAST_SKILL) for value in values if value is not None and not math.isnan(value)]
        return sum(known) / len(known) if known else None


@dataclass(frozen=True)
class SimpleModel:
    """What models without gradients reach on the kept rows, cross-validated. p_value: of their skill against chance."""

    name: str
    skill: float
    p_value: float


@dataclass(frozen=True)
class LoopFacts:
    """What a watched loop did, beside its numbers.

    orders: of the updates that were looked at, the calls in their order, a letter each: F the model, C the criterion, c
    the criterion where its loss carries no gradient although gradients are recorded, B a backward pass from that loss,
    Z gradients set to zero, S the optimizer's step; what follows S was called by the step itself (a closure). losses:
    calls of the criterion with a gradient, severed: without one although gradients are recorded. factor: what the first
    backward pass multiplied the loss by. no_gradient: share of the updates looked at that found no gradient at all.

    members: the model's trainable parameters that the optimizers hold, trainable: all of them, foreign: tensors of the
    optimizers that are none of the model's. unreached: trainable parameters of the optimizers that no gradient reached.
    cut, cut_at: the operation at which the path from them to the loss ends, and where. unheld: weights that the loss
    depends on, that the model does not hold and that nothing moves, each with where it was found.

    rate: what the schedule calls the learning rate (the group's `initial_lr`), None without a schedule. error: what the
    loop ended with. hidden: the operation whose gradient is not finite behind a finite loss, with the update and the
    rows of its batch. mixed: how much a row's outputs change, in evaluation mode, where it is alone, relative to their
    spread. axes, space, weights: sentences about the order of axes, outputs or targets that the criterion is not made
    for, and its own numbers. ignored: updates whose targets are all ignored. repeated: rows of the batch where all
    batches are the same. left: the update from which on the model was in evaluation mode, after it had been in training
    mode. small_type: a sentence about an epsilon that is 0 in the weights' type. unjudged: why its skill is not judged.
    """

    orders: list[str] = field(default_factory=list[str])
    losses: int = 0
    severed: int = 0
    factor: float | None = None
    no_gradient: float = 0.0
    members: int = 0
    trainable: int = 0
    foreign: int = 0
    unreached: list[str] = field(default_factory=list[str])
    cut: str = ""
    cut_at: str = ""
    unheld: list[str] = field(default_factory=list[str])
    rate: float | None = None
    error: str = ""
    error_step: int = 0
    hidden: str = ""
    hidden_step: int = 0
    hidden_rows: list[int] = field(default_factory=list[int])
    hidden_parameter: str = ""
    mixed: float | None = None
    axes: str = ""
    space: str = ""
    weights: str = ""
    small_type: str = ""
    left: int | None = None
    ignored: list[int] = field(default_factory=list[int])
    repeated: int = 0
    unjudged: list[str] = field(default_factory=list[str])


@dataclass(frozen=True)
class Record:
    """All numbers of one training."""

    facts: Facts
    inputs: DataMoments | None = None
    targets: DataMoments | None = None
    curves: Curves = field(default_factory=lambda: Curves([]))
    probes: list[Probe] = field(default_factory=list)
    theory: Theory = field(default_factory=Theory)
    trials: list[Trial] = field(default_factory=list)
    baselines: list[SimpleModel] = field(default_factory=list)
    proofs: list[Trial] = field(default_factory=list)  # paired over seeds: as_is, remedies, "control: " a random change
    extra: dict[str, float] = field(default_factory=dict)  # on request: curvature, gradient_check, gradient_noise...
    notes: list[str] = field(default_factory=list)  # what was not measured, and why
    loop: LoopFacts = field(default_factory=LoopFacts)

    @property
    def unseen(self) -> bool:
        """Whether updates were made and no loss of them was seen."""
        return bool(self.facts.steps) and not self.curves.loss

    @property
    def unjudged(self) -> list[str]:
        """Why it is not said whether the training learns; nothing where its skill was measured."""
        if self.loop.unjudged:
            return self.loop.unjudged
        end, tried = self.probe("end"), any(trial.reached is not None for trial in self.trials)
        if self.facts.steps and not tried and (end is None or end.skill is None):
            return ["the skill of its outputs could not be measured"]
        if tried and not self.facts.steps and self.most_reached < LEARNT:
            made = max(trial.steps for trial in self.trials)
            return [f"nothing learns in short trainings of {made} updates, which a hard task and labels that do not "
                    "belong to their rows have in common; watch the training"]  # fmt: skip
        return []

    @property
    def most_reached(self) -> float:
        """The best skill of all short trainings and simple models, LEAST_SKILL without any."""
        # that a single batch is memorized says nothing of the others
        tried = [t.reached for t in self.trials if t.reached is not None and t.change != "one_batch"]
        return max([*tried, *(simple.skill for simple in self.baselines)], default=LEAST_SKILL)

    def probe(self, state: ProbeState) -> Probe | None:
        """The last probe of a state."""
        return next((p for p in reversed(self.probes) if p.state == state), None)

    def trial(self, change: str) -> Trial | None:
        """The trial of a change."""
        return next((t for t in self.trials if t.change == change), None)

    def early_update_ratio(self) -> float | None:
        """Median of ||w_after - w_before|| / ||w|| over weight matrices and the first sampled updates; None where no
        update was sampled."""
        matrices = [i for i, p in enumerate(self.facts.parameters) if len(p.shape) > 1]
        ratios = []
        for sample in self.curves.updates[1:12] or self.curves.updates[:1]:
            for i in matrices:
                if i < len(sample.update):
                    moved, weight = sample.update[i], sample.weight[i]
                    if moved is not None and weight and math.isfinite(moved) and math.isfinite(weight):
                        ratios.append(moved / weight)
        return median(ratios) if ratios else None

    def reached(self, change: str) -> float | None:
        """What the trial of a change reached; None where it was not tried or failed."""
        trial = self.trial(change)
        return None if trial is None else trial.reached

    def to_json(self) -> str:
        """As JSON; infinities and NaN as Python's json writes them."""
        return json.dumps(asdict(self), separators=(",", ":"))

    @staticmethod
    def from_json(text: str) -> Record:
        """The inverse of `to_json`."""
        from pydantic import TypeAdapter

        value: Any = json.loads(text)
        return TypeAdapter(Record).validate_python(value)
