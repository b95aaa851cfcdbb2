"""The data card of tensors that only a user's module takes."""

from __future__ import annotations

from tenfold.data.columns.target import Target
from tenfold.data.feed.tensors import SINGLE
from tenfold.data.profile.card import Card, TensorFacts, describe_target, rare_warning
from tenfold.data.read.tensor_rows import TensorRows


def make_tensor_card(rows: TensorRows, target: Target) -> Card:
    """The card of the development rows: each tensor, and the target of the same rows."""
    facts = tuple(
        TensorFacts("X" if tensor.name == SINGLE else tensor.name, tensor.dtype, tensor.shape, tensor.least,
                    tensor.greatest)
        for tensor in rows.tensors.shapes.tensors
    )  # fmt: skip
    rare = rare_warning(target.values, target.classes, "rows") if target.classes else []
    about = describe_target(target.name, target.classes, target.values)
    return Card(rows.tensors.rows, (), tuple(rare), rows.notes, about, target.dropped, tensors=facts)
