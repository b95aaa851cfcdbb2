"""A recipe: one complete training configuration, in Python, as plain data and as YAML."""

# ruff: noqa: RUF009 (the defaults are frozen records)
from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar, Literal

from tenfold.recipe.grammar.faults import Source
from tenfold.recipe.grammar.field_kinds import Written
from tenfold.recipe.grammar.files import dump_yaml, load_yaml, write_text
from tenfold.recipe.grammar.nodes import only
from tenfold.recipe.grammar.reader import RecipePart, read_tree
from tenfold.recipe.grammar.writer import plain_in_full, plain_record
from tenfold.recipe.layers import Dense, Flatten, GlobalPool, Residual
from tenfold.recipe.module import Module
from tenfold.recipe.network import MLP, Layers
from tenfold.recipe.words.describe import (
    describe_columns,
    describe_dropout,
    describe_factors,
    describe_norms,
    describe_rule,
    describe_shape,
    describe_values,
    with_schedule,
)
from tenfold.rules.augmentation import Augmentation
from tenfold.rules.fields import Count, NotNegative, Positive, Share
from tenfold.rules.initialization import He, Initialization
from tenfold.rules.losses import CrossEntropy, Loss, Squared
from tenfold.rules.normalization import BatchNorm
from tenfold.rules.optimizers import Adam, HessianFree, Optimizer
from tenfold.rules.preprocessing import NoPreprocessing, Preprocessing, Standardize
from tenfold.rules.rate_factors import RateFactors
from tenfold.rules.record import require, rule_name
from tenfold.rules.schedules import Decay, NoDecay, Trend

BATCH = 64


@dataclass(frozen=True, kw_only=True)
class Recipe(RecipePart):
    """One complete training configuration; every field has a default.

    Each rule may be given as its record (`Adam(lr=1e-2)`), its bare name (`"adam"`), or `{name: {field: value}}`;
    `{name: value}` sets its only or main field. Raises `BadInput` that names each wrong field.

    integers: whole numbers of few values, as numbers alone or as categories too. categories: as one-hot columns
    alone; or those of more than eight levels as the mean target of their level too, or as eight learned numbers of
    each level in place of such columns. augment: of training images; off by
    default. loss: "auto" is cross-entropy for classification and squared error for regression. rate_factors: of the
    learning rate, by kind of parameter. weight_decay: >= 0, decoupled for AdamW, Lion and Muon, an L2 gradient for the
    others, never on biases and normalization; l1: the same for absolute values. weight_decay_schedule,
    dropout_schedule: what multiplies the weight decay and the rates of dropout. max_norm: the largest norm of the
    weights into a unit, or None. clip_norm, clip_value: the largest norm of the gradient, the largest of its numbers,
    or None. weight_average: decay of the average of the weights that is used for predictions, in [0, 1); 0 is off.
    clip_predictions: whether predicted numbers are cut to the range of the training targets. batch_size: rows, or
    "full"; by default 64, and "full" for second-order optimizers. epochs: passes over the training rows.
    """

    preprocess: Preprocessing | Written = Standardize()
    integers: Literal["numbers", "categories"] = "numbers"
    categories: Literal["one_hot", "target_means", "embedded"] = "one_hot"
    augment: Augmentation | Written = Augmentation()
    network: MLP | Layers | Module | Written = MLP()
    init: Initialization | Written = He()
    loss: Literal["auto"] | Loss | Written = "auto"
    optimizer: Optimizer | Written = Adam()
    decay: Decay | Written = NoDecay()
    rate_factors: RateFactors | Written = RateFactors()
    weight_decay: NotNegative = 0.0
    weight_decay_schedule: Trend | Written = NoDecay()
    dropout_schedule: Trend | Written = NoDecay()
    l1: NotNegative = 0.0
    max_norm: Positive | None = None
    clip_norm: Positive | None = None
    clip_value: Positive | None = None
    weight_average: Share = 0.0
    clip_predictions: bool = False
    batch_size: Count | Literal["full"] | Written = None
    epochs: Count = 40

    TOGETHER: ClassVar[
        tuple[tuple[str, ...], ...]
    ] = (  # pairs of fields that exclude each other's values, see `__post_init__`
        *(("optimizer", field) for field in ("batch_size", "l1", "clip_norm", "clip_value")),
        ("optimizer", "rate_factors"),
        ("optimizer", "weight_decay_schedule"),
        ("network", "batch_size"),
    )
    # Fields that are younger than recipes which runs have stored: at their defaults they are left out of the key.
    LATER: ClassVar[tuple[str, ...]] = (
        "integers",
        "categories",
        "rate_factors",
        "weight_decay_schedule",
        "dropout_schedule",
        "clip_predictions",
    )

    def __post_init__(self) -> None:
        by_default = self.batch_size is None
        if by_default:
            object.__setattr__(self, "batch_size", BATCH)
        super().__post_init__()
        second_order = self.optimizer.family == "second_order"
        if by_default and second_order:
            object.__setattr__(self, "batch_size", "full")
        name = rule_name(self.optimizer)
        misled = second_order and self.batch_size != "full" and not isinstance(self.optimizer, HessianFree)
        require(not misled, self, "batch_size", f"full for {name}, whose steps a minibatch would mislead")
        for field in ("l1", "clip_norm", "clip_value"):
            unused = second_order and getattr(self, field)
            require(not unused, self, field, f"absent with {name}, which does not follow the gradient")
        for field in ("rate_factors", "weight_decay_schedule"):
            unused = second_order and getattr(self, field) != getattr(Recipe, field)
            require(not unused, self, field, f"absent with {name}, which has one step for all parameters")
        one_row = self.batch_size == 1 and _normalizes_rows(self.network.sequence())
        require(not one_row, self, "batch_size", ">= 2 with batch norm on dense layers, which compares the rows")

    def with_modules(self, functions: Mapping[str, Callable[..., Any]]) -> Recipe:
        """The recipe with the function of its `Module`, of which plain data hold the name alone; others as they are.
        Raises `BadInput` where no such function is given."""
        return replace(self, network=self.network.bind(functions)) if isinstance(self.network, Module) else self

    @classmethod
    def from_dict(cls, data: Any) -> Recipe:
        """The recipe that plain data describes; raises `BadInput` with all faults and their paths."""
        return only(read_tree(cls, data, Source(), sets=False))

    @classmethod
    def from_yaml(cls, source: str | Path) -> Recipe:
        """The recipe of a YAML file (a path) or of YAML text; an empty text is all defaults. Raises `BadInput`
        with all faults, each with its line and column, and for an empty file."""
        data, origin = load_yaml(source, made_by="tenfold recipes > recipe.yaml")
        return only(read_tree(cls, data, origin, sets=False))

    def to_dict(self) -> dict[str, Any]:
        """All fields as JSON-able data; a rule at its defaults is its bare name, else `{name: {field: value}}`
        with the fields that differ. `Recipe.from_dict` gives the recipe back."""
        return plain_record(self)

    def to_yaml(self, path: str | Path | None = None) -> str:
        """`to_dict` as YAML text; written to `path` too when given."""
        return write_text(dump_yaml(self.to_dict()), path)

    def key(self) -> str:
        """Twelve hexadecimal digits that equal recipes share, whatever their short forms: SHA-256 of all values."""
        text = json.dumps(plain_in_full(self), sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(text.encode()).hexdigest()[:12]

    def describe(self) -> str:
        """The recipe in words: "128-128 ReLU, He, batch norm, Adam at 0.001, cosine"; what is off is left out."""
        own = isinstance(self.network, Module)  # which draws its own weights
        parts = [describe_shape(self.network), *describe_columns(self.network)]
        parts += [] if own else [describe_values(self.init)]
        parts += describe_norms(self.network)
        parts.append(f"{type(self.optimizer).__name__} at {self.optimizer.lr:.3g}")
        decays = "warm-up" if isinstance(self.decay, NoDecay) else describe_rule(self.decay)
        parts += [decays] if self.decay != NoDecay() else []
        parts += [f"{describe_rule(self.loss)} loss"] if self.loss != "auto" else []
        parts += [describe_factors(self.rate_factors)] if self.rate_factors.active else []
        parts += with_schedule(describe_dropout(self.network), self.dropout_schedule)
        decay = [f"weight decay {self.weight_decay:.2g}"] if self.weight_decay else []
        parts += with_schedule(decay, self.weight_decay_schedule)
        parts += [f"L1 {self.l1:.2g}"] if self.l1 else []
        parts += [f"norms up to {self.max_norm:.3g}"] if self.max_norm is not None else []
        clips = [clip for clip in (self.clip_norm, self.clip_value) if clip is not None]
        parts += [f"gradients clipped at {' and '.join(f'{clip:.3g}' for clip in clips)}"] if clips else []
        parts += [f"weights averaged at {self.weight_average:.4g}"] if self.weight_average else []
        parts += ["clipped predictions"] if self.clip_predictions else []
        parts += ["mirror images"] if self.augment.flip else []
        parts += [f"shifts up to {self.augment.shift}"] if self.augment.shift else []
        inputs = "raw" if isinstance(self.preprocess, NoPreprocessing) else describe_rule(self.preprocess)
        parts += [f"{inputs} inputs"] if self.preprocess != Standardize() else []
        parts += ["integers as categories"] if self.integers == "categories" else []
        parts += ["mean targets of levels"] if self.categories == "target_means" else []
        parts += ["embedded categories"] if self.categories == "embedded" else []
        return ", ".join(parts)


LOSS_OF_CLASSES, LOSS_OF_NUMBERS = CrossEntropy(), Squared()


def loss_of(recipe: Recipe, classification: bool) -> Loss:
    """The recipe's loss; `auto` is cross-entropy for classes and squared error for numbers."""
    if recipe.loss == "auto":
        return LOSS_OF_CLASSES if classification else LOSS_OF_NUMBERS
    return recipe.loss


def _normalizes_rows(layers: Sequence[Any], *, flat: bool = False) -> bool:
    """Whether a batch normalization has only the rows of a batch to take its moments over (an image has more)."""
    for layer in layers:
        if isinstance(layer, BatchNorm) and flat:
            return True
        if isinstance(layer, Residual) and _normalizes_rows(layer.layers, flat=flat):
            return True
        flat = flat or isinstance(layer, Dense | Flatten | GlobalPool)
    return False
