"""What splits packs, and where each parameter of a lane lies in its row of numbers."""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

from tenfold.data.batches import ALIGN, Dealing, align
from tenfold.recipe.network import MLP
from tenfold.rules.normalization import BatchNorm

Kind = Literal["weight", "bias", "gamma", "beta"]


def padded(units: int) -> int:
    """A width with units of weight 0 added, to a multiple of 4; of 16 up to 48 units.

    A matrix product's last bits depend on whether each lane's matrices start at a multiple of 16 bytes, and so,
    without padding, on the lane's place in the pack. Narrow ones run up to twice as fast at multiples of 16.
    """
    return align(units, 16 if units <= 48 else 4)


@dataclass(frozen=True)
class Shape:
    """The structure that all lanes of a pack share; everything else about a trial is a value."""

    inputs: int
    hidden: tuple[int, ...]
    outputs: int
    normalized: bool
    dealing: Dealing

    @staticmethod
    def of(network: MLP, *, inputs: int, outputs: int, dealing: Dealing) -> Shape:
        """The shape of a network on these data."""
        return Shape(inputs, network.hidden, outputs, isinstance(network.normalization, BatchNorm), dealing)


@dataclass(frozen=True)
class Slot:
    """One parameter of a lane: its layer, its kind, where it starts in the lane's row, its shape (in, out), and the
    padded shape in which it is stored; what lies outside `size` is 0 and stays 0."""

    layer: int
    kind: Kind
    start: int
    size: tuple[int, int]

    @property
    def stored(self) -> tuple[int, int]:
        """The padded shape."""
        fan_in, fan_out = self.size
        return padded(fan_in) if self.kind == "weight" else 1, padded(fan_out)

    @property
    def stop(self) -> int:
        """One past its last number."""
        return self.start + math.prod(self.stored)


@dataclass(frozen=True)
class Layout:
    """All parameters of a lane in one row of `total` numbers, each starting at a multiple of ALIGN.

    moments: start of the running mean and variance of each normalized layer, and its padded units, in a row of
    `moment_total` numbers.
    """

    slots: tuple[Slot, ...]
    total: int
    moments: tuple[tuple[int, int, int], ...]  # (start of mean, start of variance, units)
    moment_total: int

    @staticmethod
    def of(shape: Shape) -> Layout:
        """Layer by layer: the weight, then its bias, or gamma and beta where batch normalization replaces it."""
        sizes = (shape.inputs, *shape.hidden, shape.outputs)
        slots: list[Slot] = []
        start, moments, moment_start = 0, [], 0
        for layer, (fan_in, fan_out) in enumerate(pairwise(sizes)):
            normalized = shape.normalized and layer < len(shape.hidden)
            kinds: tuple[Kind, ...] = ("weight", "gamma", "beta") if normalized else ("weight", "bias")
            for kind in kinds:
                slot = Slot(layer, kind, start, (fan_in if kind == "weight" else 1, fan_out))
                slots.append(slot)
                start = align(slot.stop)
            if normalized:
                units = padded(fan_out)
                moments.append((moment_start, moment_start + align(units), units))
                moment_start += 2 * align(units)
        return Layout(tuple(slots), max(start, ALIGN), tuple(moments), moment_start)
