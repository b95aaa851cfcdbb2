"""A change of a training: what it does to a recipe and to a short training of a user's module, and its words."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from tenfold.doctor.record import Operation, OutputKind, Record
from tenfold.recipe.recipe import Recipe

# What runs instead of operations, by place; rows that are trained on in batches, and rows that are held out. These
# are tensors and functions of tensors, which are not spelled out here: torch is imported only where it computes.
Replaced = dict[int, Any]
Rows = tuple[list[Any], Any]
StartEdit = Callable[[Any, Sequence[Operation], int], None]
NetworkEdit = Callable[[Sequence[Operation], Replaced], Replaced]
RowsEdit = Callable[[list[Any], Any, OutputKind], Rows]
RecipeChange = Callable[[Recipe], Recipe]


@dataclass
class TrainingPlan:
    """How a short training of a copy of a user's module is made; a change edits it before the training begins.

    asked: updates that a short training makes, steps: that this one makes. batch_rows: rows of a batch; few_rows: train
    on the first rows of the first batch alone, 0 for all rows. clip_norm: None without clipping. adam_rate: learning
    rate of Adam in place of the user's optimizers, 0 for the user's; rate_factor: of their learning rates; options: of
    their groups, where they have such an option. all_parameters: train those that the user left out; training_mode:
    for the model and all of its modules; descend: undo a sign that makes the user's loop climb; mean_loss: divide a
    summed loss by the rows; task_output: the output layer and the loss that the task asks for.
    start(model, operations, seed): edits of the weights; network(operations, replaced): edits of the operations;
    rows(training, held_out, task): edits of the rows.
    """

    asked: int
    batch_rows: int
    clip_norm: float | None = None
    steps: int = 0
    few_rows: int = 0
    adam_rate: float = 0.0
    rate_factor: float = 1.0
    options: dict[str, Any] = field(default_factory=dict[str, Any])
    all_parameters: bool = False
    training_mode: bool = False
    descend: bool = False
    mean_loss: bool = False
    task_output: bool = False
    start: list[StartEdit] = field(default_factory=list[StartEdit])
    network: list[NetworkEdit] = field(default_factory=list[NetworkEdit])
    rows: list[RowsEdit] = field(default_factory=list[RowsEdit])

    def __post_init__(self) -> None:
        self.steps = self.steps or self.asked


def setting(**fields: Any) -> Callable[[TrainingPlan], None]:
    """A change of a plan that sets these fields."""

    def change(plan: TrainingPlan) -> None:
        for name, value in fields.items():
            setattr(plan, name, value)

    return change


def option(name: str, value: float | bool) -> Callable[[TrainingPlan], None]:
    """A change of a plan that sets an option of the user's optimizers."""

    def change(plan: TrainingPlan) -> None:
        plan.options[name] = value

    return change


def edit(
    *, start: StartEdit | None = None, network: NetworkEdit | None = None, rows: RowsEdit | None = None
) -> Callable[[TrainingPlan], None]:
    """A change of a plan that adds an edit of the weights, of the operations or of the rows."""

    def change(plan: TrainingPlan) -> None:
        plan.start += [start] if start else []
        plan.network += [network] if network else []
        plan.rows += [rows] if rows else []

    return change


def always(record: Record) -> bool:
    """Any network can have it."""
    return True


def never(record: Record) -> bool:
    """No single try of it tells anything."""
    return False


def after_training(record: Record) -> bool:
    """Before any training there is no optimizer to judge."""
    return record.facts.steps > 0


@dataclass(frozen=True)
class Change:
    """One thing that is done differently.

    name: as in records; words: what to do, as an imperative; short_words: for figures. applies: whether a short
    training with it can tell anything of a user's module. module, recipe: what it does to a short training of a module
    and to a recipe, None where it does nothing to them. preference: of two that do equally well for a recipe the lower
    one comes first. other_loss: losses with and without it cannot be compared.
    """

    name: str
    words: str
    short_words: str = ""
    applies: Callable[[Record], bool] = never
    module: Callable[[TrainingPlan], None] | None = None
    recipe: RecipeChange | None = None
    preference: int = 0
    other_loss: bool = False

    def plan(self, steps: int, batch_rows: int, clip_norm: float | None = None) -> TrainingPlan:
        """A short training with this change, of one that makes `steps` updates on batches of `batch_rows`."""
        plan = TrainingPlan(steps, batch_rows, clip_norm)
        if self.module is not None:
            self.module(plan)
        return plan


def combined(name: str, words: str, *changes: Change, **fields: Any) -> Change:
    """All of them, one after the other."""

    def module(plan: TrainingPlan) -> None:
        for change in changes:
            if change.module is not None:
                change.module(plan)

    def recipe(changed: Recipe) -> Recipe:
        for change in changes:
            if change.recipe is not None:
                changed = change.recipe(changed)
        return changed

    return Change(name, words, **{"module": module, "recipe": recipe} | fields)
