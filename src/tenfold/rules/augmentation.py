"""Augmentation of training images: random mirroring and shifts, from draws that all recipes share."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

import numpy as np

from tenfold.rules.fields import Within
from tenfold.rules.record import Rule

if TYPE_CHECKING:
    from torch import Tensor

Array = np.ndarray


@dataclass(frozen=True, kw_only=True)
class Augmentation(Rule):
    """Training images mirrored and shifted at random, anew at every update; scored images stay as they are.

    Formula: z[i, j] = x'[i - down, j - right], 0 outside; x' is x or, with probability 1/2, its mirror image
    x[i, width - 1 - j]; down and right are uniform on -shift ... shift.
    Shapes: x and z (rows, height, width, channels); flip, down and right are one draw for each row.
    Options: flip - mirror left-right with probability 1/2; shift - the most pixels that an image moves up, down, left
    or right, 0 for none.
    Convention: on the raw pixels, before preprocessing, and filled with raw zeros (black): torchvision's RandomCrop
    with padding = shift and RandomHorizontalFlip.
    Claim: the draws of a row do not depend on the rule: recipes of a fold see the same mirror coins, and a larger shift
    moves a row the same way, further. Off (the default) it is the identity.
    Choose: where the label does not depend on the place (shift 1-2 for small images, 4 for 32 x 32) or on left and
    right (flip: photographs; not digits or letters).
    Source: Krizhevsky, Sutskever & Hinton 2012, section 4.1; He, Zhang, Ren & Sun 2016, section 4.2.
    """

    flip: bool = False
    shift: Annotated[int, Within(ge=0)] = 0

    @property
    def active(self) -> bool:
        """Whether it changes anything."""
        return self.flip or self.shift > 0


def draws(rng: np.random.Generator, rows: int, shift: int) -> tuple[Array, Array, Array]:
    """flip (rows,) bool; down, right (rows,) int64, uniform on -shift ... shift: from one draw, whatever shift is."""
    # Always three uniform numbers a row, so that the stream is the same for every shift.
    mirror, down, right = rng.random((3, rows))
    steps = 2 * shift + 1
    return mirror < 0.5, (down * steps).astype(np.int64) - shift, (right * steps).astype(np.int64) - shift


def augment(images: Tensor, flip: Tensor, down: Tensor, right: Tensor) -> Tensor:
    """Images (F, B, H, W, C) of any dtype, mirrored where flip, then moved down and right; zeros come in.

    flip (F, B) bool; down and right (F, B) int64, negative for up and left.
    """
    import torch

    height, width, channels = images.shape[2:]
    row = torch.arange(height, device=images.device) - down[..., None]  # (F, B, H): where each row comes from
    column = torch.arange(width, device=images.device) - right[..., None]  # (F, B, W)
    inside = ((row >= 0) & (row < height))[..., None] & ((column >= 0) & (column < width))[..., None, :]
    # Mirrored first, then moved: a flipped row reads its pixels from the right.
    column = torch.where(flip[..., None], width - 1 - column, column)
    # Pixels that come from outside read the edge here, and are set to 0 at the end: a gather needs valid indices.
    place = row.clamp(0, height - 1)[..., None] * width + column.clamp(0, width - 1)[..., None, :]  # (F, B, H, W)
    source = place.flatten(2)[..., None].expand(-1, -1, -1, channels)
    moved = images.flatten(2, 3).gather(2, source).view(images.shape)
    return moved.masked_fill(~inside[..., None], 0)
