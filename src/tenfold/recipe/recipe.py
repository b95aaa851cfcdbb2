"""A recipe: one complete training configuration, in Python, as plain data and as YAML."""

# ruff: noqa: RUF009 (the defaults are frozen records)
from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from tenfold.recipe.faults import Source
from tenfold.recipe.files import dump_yaml, load_yaml, write_text
from tenfold.recipe.kinds import Written
from tenfold.recipe.network import MLP
from tenfold.recipe.nodes import only
from tenfold.recipe.reader import read_tree, settle
from tenfold.recipe.writer import describe_rule, plain, plain_in_full
from tenfold.rules.initialization import He, Initialization
from tenfold.rules.losses import Loss
from tenfold.rules.normalization import NoNormalization
from tenfold.rules.optimizers import Adam, Optimizer
from tenfold.rules.preprocessing import Preprocessing, Standardize
from tenfold.rules.record import numbers, require
from tenfold.rules.schedules import Decay, NoDecay


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """One complete training configuration; every field has a default.

    Each rule may be given as its record (`Adam(lr=1e-2)`), its bare name (`"adam"`), or `{name: {field: value}}`;
    a rule with one field also as `{name: value}`. Raises `BadInput` that names each wrong field.

    loss: "auto" is cross-entropy for classification and squared error for regression. weight_decay: >= 0,
    decoupled for AdamW, an L2 gradient for the others, never on biases and normalization. clip_norm: the largest
    global norm of the gradient, > 0, or None. batch_size: rows, or "full". epochs: passes over the training rows.
    """

    preprocess: Preprocessing | Written = Standardize()
    network: MLP | Written = MLP()
    init: Initialization | Written = He()
    loss: Literal["auto"] | Loss | Written = "auto"
    optimizer: Optimizer | Written = Adam()
    decay: Decay | Written = NoDecay()
    weight_decay: float = 0.0
    clip_norm: float | None = None
    batch_size: int | Literal["full"] = 64
    epochs: int = 40

    def __post_init__(self) -> None:
        settle(self)
        require(self.weight_decay >= 0, self, "weight_decay", ">= 0")
        require(self.clip_norm is None or self.clip_norm > 0, self, "clip_norm", "> 0, or null")
        require(self.batch_size == "full" or self.batch_size >= 1, self, "batch_size", ">= 1, or full")
        require(self.epochs >= 1, self, "epochs", ">= 1")

    @classmethod
    def from_dict(cls, data: Any) -> Recipe:
        """The recipe that plain data describes; raises `BadInput` with all faults and their paths."""
        return only(read_tree(cls, data, Source(), sets=False))

    @classmethod
    def from_yaml(cls, source: str | Path) -> Recipe:
        """The recipe of a YAML file (a path) or of YAML text; empty is all defaults. Raises `BadInput` with all
        faults, each with its line and column."""
        data, found = load_yaml(source)
        return only(read_tree(cls, data, found, sets=False))

    def to_dict(self) -> dict[str, Any]:
        """All fields as JSON-able data; a rule at its defaults is its bare name, else `{name: {field: value}}`
        with the fields that differ. `Recipe.from_dict` gives the recipe back."""
        return plain(self)

    def to_yaml(self, path: str | Path | None = None) -> str:
        """`to_dict` as YAML text; written to `path` too when given."""
        return write_text(dump_yaml(self.to_dict()), path)

    def key(self) -> str:
        """Twelve hexadecimal digits that equal recipes share, whatever their short forms: SHA-256 of all values."""
        text = json.dumps(plain_in_full(self), sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(text.encode()).hexdigest()[:12]

    def describe(self) -> str:
        """The recipe in words: "128-128 ReLU, He, batch norm, Adam at 0.001, cosine"; what is off is not said."""
        net = self.network
        shape = "-".join(map(str, net.hidden)) + f" {type(net.activation).__name__}" if net.hidden else "linear"
        parts = [shape, " ".join([type(self.init).__name__, *(f"{number:.3g}" for number in numbers(self.init))])]
        parts += [f"{describe_rule(net.normalization)} norm"] if net.normalization != NoNormalization() else []
        parts.append(f"{type(self.optimizer).__name__} at {self.optimizer.lr:.3g}")
        parts += [describe_rule(self.decay)] if self.decay != NoDecay() else []
        parts += [f"dropout {net.dropout:.2g}"] if net.dropout else []
        parts += [f"weight decay {self.weight_decay:.2g}"] if self.weight_decay else []
        parts += [f"gradients clipped at {self.clip_norm:.3g}"] if self.clip_norm is not None else []
        parts += [f"{describe_rule(self.preprocess)} inputs"] if self.preprocess != Standardize() else []
        return ", ".join(parts)
