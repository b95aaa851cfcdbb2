"""The learning problem: the inputs, the target, the folds, the metric."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from tenfold.data.feed.encode import Encoding, Inputs
from tenfold.data.feed.integers import FewIntegers, few_integers, with_categories
from tenfold.data.feed.level_rows import table_rows
from tenfold.data.feed.moments import target_scale
from tenfold.data.feed.randomness import derive, derive_int
from tenfold.data.feed.target_means import fit_target_means, target_columns
from tenfold.data.split.folds import Fold, divide_again, divide_rows
from tenfold.data.split.request import Splits
from tenfold.engine.operations.operation import PlannedOp
from tenfold.engine.plan.cost import network_work, recipe_seconds
from tenfold.engine.plan.network import plan_network
from tenfold.engine.plan.size import ColumnsTaken, Size
from tenfold.errors import BadInput
from tenfold.problem.outputs import readable_outputs
from tenfold.problem.view import View
from tenfold.recipe.module import Module
from tenfold.recipe.recipe import Recipe
from tenfold.rules.losses import Link
from tenfold.rules.optimizers.second_order import SecondOrder
from tenfold.rules.preprocessing import Moments
from tenfold.rules.record import rule_name
from tenfold.statistics.metrics import METRICS, Metric, metric_of_lopsided

if TYPE_CHECKING:
    import torch

    from tenfold.engine.packs.rows import Feed

Array = np.ndarray


@dataclass(frozen=True)
class Problem:
    """Development rows and how they are divided.

    y: class indices (int64) or numbers (float64). units (rows,): rows of one number belong together (a group, copies of
    each other, neighbours in time); None: every row for itself. ordered: training rows lie before validation rows in
    time. groups (rows,): of an ordered problem, what is never on both sides. integers: columns that recipes may take as
    categories too, known like a schema before the rows are divided; None: they are looked for among all rows. also:
    metrics that are reported besides the one that selects.
    """

    inputs: Inputs
    y: Array
    classes: tuple[str, ...]
    folds: tuple[Fold, ...]
    metric: Metric
    units: Array | None = None
    ordered: bool = False
    groups: Array | None = None
    integers: tuple[FewIntegers, ...] | None = None
    also: tuple[Metric, ...] = ()

    @property
    def task(self) -> str:
        return "classification" if self.classes else "regression"

    @property
    def outputs(self) -> int:
        """Output units: one a class (two for binary), one for each number; 0 where only the user's own loss knows."""
        if self.y.ndim > 1:
            return self.y.shape[1] if self.y.ndim == 2 else 0
        return len(self.classes) or 1

    @cached_property
    def size(self) -> Size:
        if self.inputs.tensors is not None:
            return Size(1, self.outputs, tensors=self.inputs.tensors.shapes)
        ways: list[ColumnsTaken] = []
        for integers, view in (("numbers", self.plain), ("categories", self.wide)):
            more, means = view.width - self.width, self._mean_columns(view.inputs)
            fewer = self._with_tables(view).width - self.width
            tables = tuple(table_rows(view.inputs.sizes[category]) for category in view.inputs.large_categories)
            ways += [ColumnsTaken(integers, "one_hot", more)] if more else []
            ways += [ColumnsTaken(integers, "target_means", more + means, means)] if more or means else []
            ways += [ColumnsTaken(integers, "embedded", fewer, 0, tables)] if more or tables else []
        return Size(self.width, self.outputs, self.inputs.image, self.inputs.numbers.shape[1], tuple(ways))

    @property
    def metrics(self) -> tuple[Metric, ...]:
        """All that are reported, the one that selects first."""
        return self.metric, *self.also

    @cached_property
    def ratio(self) -> float:
        """Validation rows over training rows, mean over the folds: 1 / (k - 1) for k equal folds."""
        return float(np.mean([len(fold.validation) / len(fold.train) for fold in self.folds]))

    @cached_property
    def divisions(self) -> int:
        """Folds of one repeat."""
        return len(self.folds) // len({fold.seed for fold in self.folds})

    @cached_property
    def times_scored(self) -> Array:
        """How many folds score each row (rows,)."""
        count = np.zeros(self.inputs.rows, np.int64)
        for fold in self.folds:
            count[fold.validation] += 1
        return count

    @cached_property
    def row_weights(self) -> Array:
        """The weight of each row in a mean over the folds, each fold a mean over its rows: (rows,), of sum 1."""
        weights = np.zeros(self.inputs.rows)
        for fold in self.folds:
            weights[fold.validation] += 1.0 / (len(self.folds) * len(fold.validation))
        return weights

    def cost(self, recipe: Recipe, epoch: int) -> tuple[int, float]:
        """What makes a recipe simple and cheap: learned numbers, then seconds of the chosen epochs."""
        seconds = recipe_seconds(recipe, self.size, rows=self.inputs.rows, folds=self.divisions)
        return network_work(recipe, self.size).weights, seconds * epoch / recipe.epochs

    @cached_property
    def plain(self) -> View:
        """The columns as most recipes take them: numbers, and one-hot columns of categories."""
        return View(self.inputs, self.folds)

    @cached_property
    def wide(self) -> View:
        """The same with integers of few values as categories too."""
        integers = few_integers(self.inputs) if self.integers is None else self.integers
        if not integers:
            return self.plain
        return View(with_categories(self.inputs, integers), self.folds, integers, plain=self.plain)

    @cached_property
    def _views(self) -> dict[tuple[str, str], View]:
        return {}

    def view(self, recipe: Recipe) -> View:
        """The columns as a recipe takes them."""
        view = self.wide if recipe.integers == "categories" else self.plain
        if recipe.categories == "one_hot" or not view.inputs.large_categories:
            return view
        way = recipe.integers, recipe.categories
        if way not in self._views:
            self._views[way] = (
                self._with_means(view) if recipe.categories == "target_means" else self._with_tables(view)
            )
        return self._views[way]

    def _mean_columns(self, inputs: Inputs) -> int:
        """How many numbers the mean targets of these inputs' levels are."""
        return len(inputs.large_categories) * (len(self.classes) if len(self.classes) > 2 else 1)

    def _with_means(self, view: View) -> View:
        targets = target_columns(self.y, len(self.classes))
        fitted = [
            fit_target_means(
                view.inputs, targets, fold.train, self.units, derive(fold.seed, "target_means", fold.number)
            )
            for fold in self.folds
        ]
        means, columns = zip(*fitted, strict=True)
        return replace(view, means=means, columns=columns, plain=view)

    def _with_tables(self, view: View) -> View:
        if not view.inputs.large_categories:
            return view
        return replace(view, embedded=True, plain=view)

    @property
    def encodings(self) -> tuple[Encoding, ...]:
        return self.plain.encodings

    @property
    def moments(self) -> tuple[Moments, ...]:
        return self.plain.moments

    @property
    def width(self) -> int:
        """Input columns of the widest fold."""
        return self.plain.width

    def scale(self, fold: int) -> tuple[Any, Any]:
        """Mean and standard deviation of the target over a training part (0 and 1 for classes, and for a target of
        any shape), of several numbers (k,) each."""
        return (0.0, 1.0) if self.classes or self.y.ndim > 2 else target_scale(self.y, self.folds[fold])

    def divide(self, rows: Array, folds: int, seed: int, *, stratified: bool = True) -> list[tuple[Array, Array]]:
        """Some rows (an index array) divided as the problem is: (train, validation) pairs of row indices, stratified
        unless asked not to; see `divide_again`."""
        units = None if self.units is None else self.units[rows]
        classification = bool(self.classes) and stratified
        parts = divide_again(
            self.y[rows], folds, seed, classification=classification, units=units, ordered=self.ordered,
            groups=None if self.groups is None else self.groups[rows],
        )  # fmt: skip
        return [(rows[train], rows[validation]) for train, validation in parts]

    def whole(self, seed: int, networks: int = 1) -> Problem:
        """The same rows as a part that is trained on and scores nothing: for the refit. networks: so many such parts,
        with the given seed and others that derive from it."""
        rows, number = np.arange(self.inputs.rows), len(self.folds)
        seeds = [seed, *(derive_int(seed, "refit", i) for i in range(1, networks))]
        return replace(self, folds=tuple(Fold(rows, rows[:0], number, one) for one in seeds))

    def feed(
        self,
        recipes: Sequence[Recipe],
        device: torch.device,
        dtype: torch.dtype,
        folds: Sequence[Fold] | None = None,
    ) -> Feed:
        """The rows on the device, and what their preprocessing needs. folds: trained on instead of the problem's, but
        encoded and scaled as the problem's training parts decide."""
        from tenfold.engine.packs.rows import Feed, FoldInputs

        def made(view: View) -> Feed:
            fitted = zip(folds or self.folds, view.encodings, view.moments_for(recipes), strict=True)
            parts = [FoldInputs(fold, e, moments, *self.scale(f)) for f, (fold, e, moments) in enumerate(fitted)]
            return Feed(view.inputs, self.y, parts, device, dtype, view.columns)

        feed = made(self.plain)
        for recipe in recipes:
            way, view = (recipe.integers, recipe.categories), self.view(recipe)
            if view is not self.plain and way not in feed.ways:
                feed.ways[way] = made(view)
        return feed

    def bounds(self, fold: int, *, clip: bool) -> tuple[float, float] | None:
        """The smallest and the largest target of a training part, where predictions are to be cut to them."""
        part = self.y[self.folds[fold].train]
        return (float(part.min()), float(part.max())) if clip and not self.classes else None

    def readable(self, outputs: Array, fold: int, link: Link, *, clip: bool = False) -> Array:
        """Outputs (..., rows, C) of a network trained on that fold: see `readable_outputs`. clip: whether numbers are
        cut to the range of the training part."""
        return readable_outputs(outputs, link, *self.scale(fold), self.bounds(fold, clip=clip))

    def check_recipes(self, recipes: Sequence[Recipe]) -> None:
        """Refuse a recipe that does not fit the task, the target or the inputs."""
        for number, recipe in enumerate(recipes):
            if self.inputs.tensors is not None and not isinstance(recipe.network, Module):
                found = (
                    f"recipe {number}: its network has layers of ours; X is a {self.inputs.tensors.kind} of any shape"
                )
                raise BadInput(found, expected="rows of columns, or images", do="network: tenfold.Module(make_model)")
            if self.y.ndim > 1 and not isinstance(recipe.network, Module):
                found = f"recipe {number}: a network of our layers gives one number a row; y has shape {self.y.shape}"
                raise BadInput(found, expected="y (rows,)", do="network: tenfold.Module(make_model)")
            wrong = self._target_misfit(recipe) or self._misfit(recipe) or _module_misfit(recipe)
            if wrong is not None:
                found, do = wrong
                raise BadInput(f"recipe {number}: {found}", do=do)
            steps = plan_network(recipe.network, self.size.of(recipe))
            too_large = size_refusal(recipe, steps)
            if too_large:
                raise BadInput(f"recipe {number}: {too_large}", do="a smaller network, or lbfgs, or adam")

    def _target_misfit(self, recipe: Recipe) -> tuple[str, str] | None:
        """What does not fit a target of several numbers, or the user's own loss."""
        own = isinstance(recipe.network, Module) and recipe.network.loss is not None
        if own and recipe.loss != "auto":
            return "a loss of the recipe beside that of its Module", "one of the two"
        if self.y.ndim > 2 and not own:
            return f"y has shape {self.y.shape}, which no loss of ours takes", "Module(make_model, loss=my_loss)"
        if self.y.ndim > 2 and self.metric.name in METRICS:
            return f"y has shape {self.y.shape}, which no metric of ours takes", "metric=my_metric, a function"
        if self.y.ndim > 1 and (recipe.clip_predictions or getattr(recipe.loss, "link", "") == "exp"):
            return "clip_predictions and poisson are for one number a row", "leave it out"
        return None

    def _misfit(self, recipe: Recipe) -> tuple[str, str] | None:
        """What does not fit, and one thing to do."""
        if recipe.loss != "auto":
            name = rule_name(recipe.loss)
            if recipe.loss.task != self.task:
                return (
                    f"loss {name} is for {recipe.loss.task}; the task is {self.task}",
                    "loss: auto, or another --task",
                )
            if recipe.loss.link == "exp" and (self.y.min() < 0 or self.y.max() <= 0):
                return f"loss {name} is for counts; the target has {self.y.min():g}", "loss: squared"
        images = self.inputs.image is not None
        if recipe.preprocess.images_only and not images:
            return f"preprocess {rule_name(recipe.preprocess)} is for images; these are rows of columns", "standardize"
        if recipe.integers == "categories" and images:
            return "integers: categories is for the columns of a table; these are images", "leave integers out"
        if recipe.categories != "one_hot" and images:
            return f"categories: {recipe.categories} is for the columns of a table; these are images", "leave it out"
        if recipe.augment.active and not images:
            return "augment is for images; these are rows of columns", "leave augment out"
        if recipe.clip_predictions and self.classes:
            return "clip_predictions is for numbers; the target has classes", "leave clip_predictions out"
        return None


def make_problem(
    inputs: Inputs,
    y: Array,
    classes: tuple[str, ...],
    metric: Metric,
    splits: Splits,
    also: Sequence[Metric] = (),
    *,
    asked: bool = True,
) -> tuple[Problem, list[str]]:
    """The problem of these rows, divided as asked (see `divide_rows`), and notes on the division. asked: whether the
    metric was; where it was not, lopsided classes have another one (see `metric_of_lopsided`)."""
    division = divide_rows(inputs, y, splits, classification=bool(classes))
    if classes and not asked:
        metric = metric_of_lopsided(y, [y[fold.validation] for fold in division.folds]) or metric
    ordered = splits.way == "forward"
    groups = splits.group_codes if ordered else None
    problem = Problem(inputs, y, classes, division.folds, metric, division.units, ordered, groups, also=tuple(also))
    return problem, list(division.notes)


def _module_misfit(recipe: Recipe) -> tuple[str, str] | None:
    """What a recipe says that a user's module settles itself."""
    if not isinstance(recipe.network, Module):
        return None
    if recipe.init != Recipe.init:
        return f"init {rule_name(recipe.init)}, but a module draws its own first weights", "leave init out"
    if recipe.rate_factors.active:
        return "rate_factors, which are for our own layers", 'Module(..., groups={"head.*": {"rate": 0.1}})'
    if recipe.dropout_schedule != Recipe.dropout_schedule:
        return "dropout_schedule, which is for our own layers", "leave it out"
    if recipe.categories == "embedded":
        return "categories: embedded, which is a layer of our own networks", "one_hot or target_means"
    return None


def size_refusal(recipe: Recipe, steps: Sequence[PlannedOp]) -> str:
    """Why a second-order method cannot train a network of that size; "" if it can."""
    if not isinstance(recipe.optimizer, SecondOrder):
        return ""
    return recipe.optimizer.refusal(sum(step.op.parameter_count for step in steps))
