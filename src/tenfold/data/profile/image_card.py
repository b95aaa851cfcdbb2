"""The data card of images."""

from __future__ import annotations

import hashlib

import numpy as np

from tenfold.data.columns.target import Target
from tenfold.data.feed.encode import Inputs
from tenfold.data.feed.moments import block_moments
from tenfold.data.profile.card import Card, ImageFacts, describe_target, rare_warning
from tenfold.data.read.images import Images

Array = np.ndarray


def make_image_card(images: Images, inputs: Inputs, target: Target) -> Card:
    """The card of the development images: their pixels, and the target of the same rows."""
    rare = rare_warning(target.values, target.classes, "images") if target.classes else []
    return Card(
        inputs.rows,
        (),
        (*_repeated(inputs.numbers, target.values), *rare),
        images.notes,
        describe_target(target.name, target.classes, target.values),
        target.dropped,
        _facts(inputs, target),
    )


def _facts(inputs: Inputs, target: Target) -> ImageFacts:
    assert inputs.image is not None
    height, width, channels = inputs.image
    moments = block_moments(inputs, np.arange(inputs.rows))
    means = moments.mean.reshape(-1, channels)
    mean = means.mean(0)
    variance = (moments.squares / moments.count).reshape(-1, channels).mean(0) + ((means - mean) ** 2).mean(0)
    counts = np.bincount(target.values, minlength=len(target.classes)).tolist() if target.classes else []
    return ImageFacts(
        height,
        width,
        channels,
        _unit(inputs),
        tuple(mean.tolist()),
        tuple(np.sqrt(variance).tolist()),
        int((moments.minimum == moments.maximum).sum()),
        tuple(zip(target.classes, counts, strict=True)),
    )


def _unit(inputs: Inputs) -> str:
    """What the pixels are as numbers, in words."""
    if inputs.numbers.dtype == np.uint8:
        return "0 to 1"
    known = inputs.pixel_range
    if known is None:
        return "as stored"
    levels = len(np.unique(inputs.numbers))
    return f"values {known.low:,.6g} to {known.high:,.6g} in {levels:,} levels, scaled to 0 to 1"


def _repeated(pixels: Array, target: Array) -> list[str]:
    """A warning of images that are equal to an earlier one, and of those among them with another target."""
    first: dict[bytes, float] = {}
    repeated = differently = 0
    for row, value in zip(pixels, target.tolist(), strict=True):
        key = hashlib.sha256(row).digest()
        repeated += key in first
        differently += first.setdefault(key, value) != value
    if not repeated:
        return []
    verb = "image repeats" if repeated == 1 else "images repeat"
    other = f", {differently:,} of them with another target" if differently else ""
    return [f"{repeated:,} {verb} an earlier one exactly ({repeated / len(target):.1%}){other}"]
