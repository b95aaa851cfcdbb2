"""Preprocessing of images: the mean image, and mean and standard deviation of each channel."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from tenfold.errors import BadInput
from tenfold.rules.preprocessing.moments import Affine, AffineRule, Moments
from tenfold.rules.record import rule_name


def channel_moments(moments: Moments, rule: AffineRule) -> Moments:
    """The moments of each channel over rows and pixels, exact, from those of the pixels; repeated for every pixel.

    Raises `BadInput` where the columns are not pixels.
    """
    if moments.image is None:
        raise BadInput(
            f"{rule_name(rule)} is for images, and these inputs are the columns of a table",
            expected="images: a folder, or an array (rows, height, width, channels)",
            do="preprocess: standardize",
        )
    height, width, channels = moments.image
    # Each (pixels, channels). The squares gain what the pixels' means differ from the channel's (as in `merge`).
    count, mean, squares, least, most = (part.reshape(-1, channels) for part in moments[:5])
    total = np.maximum(count.sum(0), 1)
    channel_mean = (count * mean).sum(0) / total
    squares = (squares + count * (mean - channel_mean) ** 2).sum(0)
    pooled = (count.sum(0), channel_mean, squares, least.min(0), most.max(0))
    of_pixel = [np.tile(part, height * width) for part in pooled]
    return Moments(of_pixel[0], of_pixel[1], of_pixel[2], of_pixel[3], of_pixel[4])


@dataclass(frozen=True, kw_only=True)
class CenterImage(AffineRule):
    """Subtracts the mean image of the training rows.

    Formula: z[i, j, c] = x[i, j, c] - mean over the rows of x[:, i, j, c].
    Shapes: x and z (rows, height, width, channels); the mean is one image.
    Convention: mean over the rows only (AlexNet); center_channel takes it over the pixels too (VGG).
    Claim: equals center on the pixels: every pixel of the training rows has mean 0.
    Choose: for images of one size with objects in place, such as digits; with shifts in training center_channel, which
    does not tie a mean to a place.
    Source: Krizhevsky, Sutskever & Hinton 2012, section 2.
    """

    images_only: ClassVar[bool] = True

    def fit(self, moments: Moments) -> Affine:
        """shift: the mean of each pixel; scale 1."""
        channel_moments(moments, self)
        return Affine(moments.mean, np.ones_like(moments.mean))


@dataclass(frozen=True, kw_only=True)
class CenterChannel(AffineRule):
    """Subtracts the mean of each channel over the training rows and all pixels.

    Formula: z[i, j, c] = x[i, j, c] - mean over rows and pixels of x[:, :, :, c].
    Shapes: x and z (rows, height, width, channels); the mean is one number for each channel.
    Convention: mean over the axes 0, 1, 2 (VGG: three numbers).
    Claim: each channel of the training rows has mean 0 over rows and pixels.
    Choose: where the sizes of pixel values matter and are comparable; standardize_channel is the default for images.
    Source: Simonyan & Zisserman 2015, section 2.1.
    """

    images_only: ClassVar[bool] = True

    def fit(self, moments: Moments) -> Affine:
        """shift: the mean of each pixel's channel; scale 1."""
        return Affine(channel_moments(moments, self).mean, np.ones_like(moments.mean))


@dataclass(frozen=True, kw_only=True)
class StandardizeChannel(AffineRule):
    """Each channel with mean 0 and standard deviation 1 over the training rows and all pixels.

    Formula: z[i, j, c] = (x[i, j, c] - mean_c) / std_c.
    Shapes: x and z (rows, height, width, channels); mean and std are one number for each channel.
    Convention: torchvision's Normalize with mean and std over the axes 0, 1, 2 of the training part; ddof 0; 1 for a
    channel that is constant.
    Claim: each channel of the training rows has mean 0 and std 1 over rows and pixels; constant border pixels are not
    blown up, which standardize, pixel by pixel, does to pixels that hardly ever vary.
    Choose: the default for images.
    Source: He, Zhang, Ren & Sun 2016; torchvision.
    """

    images_only: ClassVar[bool] = True

    def fit(self, moments: Moments) -> Affine:
        """shift and scale: mean and std of each pixel's channel."""
        pooled = channel_moments(moments, self)
        return Affine(pooled.mean, pooled.std)
