"""The mean image and the mean of each channel, of photographs cut into pieces."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from sklearn.datasets import load_sample_images

from tenfold.data.feed.moments import column_moments
from tenfold.rules.preprocessing import CenterChannel, CenterImage, apply_affine
from tenfold.studies.parts.pictures import StudyPicture, bars
from tenfold.studies.study import CONDITION, Bound, ClaimStudy, Measured, by_seed

Array = np.ndarray
PIECES = 300
SIZES = ((32, 32), (24, 48))


def _pieces(rng: np.random.Generator, height: int, width: int) -> Array:
    """Drawn pieces of two photographs, (pieces, height, width, 3), in [0, 1]."""
    photographs: Any = load_sample_images()
    found = []
    for _ in range(PIECES):
        whole = photographs.images[rng.integers(2)]
        top, left = rng.integers(whole.shape[0] - height + 1), rng.integers(whole.shape[1] - width + 1)
        found.append(whole[top : top + height, left : left + width] / 255)
    return np.array(found)


def _measure(seed: int) -> dict[str, Any]:
    """What is left of the means of channels and of pixels, and how many numbers are subtracted."""
    rng, found = np.random.default_rng(seed), {}
    for height, width in SIZES:
        size = (height, width, 3)
        rows = _pieces(rng, height, width).reshape(PIECES, -1)
        moments = column_moments(rows)._replace(image=size)
        for name, rule in (("mean image", CenterImage()), ("channel means", CenterChannel())):
            affine = rule.fit(moments)
            z = apply_affine(affine, rows).reshape(PIECES, *size)
            left = f"{height} x {width}, {name}"
            found |= {
                f"numbers, {left}": float(
                    len(np.unique(affine.shift)) if name == "channel means" else affine.shift.size
                ),
                f"mean of a channel, {left}": np.abs(z.mean((0, 1, 2))).max(),
                f"mean of a pixel, {left}": np.abs(z.mean(0)).max(),
            }
    return found


def _say(means: Mapping[str, Any]) -> str:
    """With numbers."""
    one, two = (f"{height} x {width}" for height, width in SIZES)
    return (
        f"The mean image of {one} pieces of photographs has {means[f'numbers, {one}, mean image']:.0f} numbers and "
        f"that of {two} pieces {means[f'numbers, {two}, mean image']:.0f}; behind it no pixel has a mean beyond "
        f"{means[f'mean of a pixel, {one}, mean image']:.0e}. The means of the channels are "
        f"{means[f'numbers, {one}, channel means']:.0f} numbers at every size, and leave single pixels with means up "
        f"to {means[f'mean of a pixel, {one}, channel means']:.2f}."
    )


def _picture(found: Measured) -> StudyPicture:
    """What is left of the pixels' means."""
    names = [f"{height} x {width}, {kind}" for height, width in SIZES for kind in ("mean image", "channel means")]
    return bars({name: found[f"mean of a pixel, {name}"] for name in names}, "largest mean of a pixel behind it")


STUDY = ClaimStudy(
    name="mean-image",
    claims=("C24", "E11"),
    told="subtract the mean image, an array of [32, 32, 3] (AlexNet), or the mean of each channel (VGGNet)",
    verdict=f"{CONDITION}[32, 32, 3] is the shape of your images: it is that of CIFAR-10, and AlexNet's were 256 x 256",
    formula="mean image[i, j, c] = mean over rows of x[:, i, j, c]:   height x width x channels numbers;   channel "
    "mean[c] = mean over rows and pixels: one a channel",
    done="300 pieces of two photographs, of two sizes, behind `center_image` and `center_channel`.",
    follows="`standardize_channel`, the default for images, takes the channels' means: they fit images of all sizes "
    "and do not tie a mean to a place, which shifted or mirrored images would not have.",
    rules=("center_image", "center_channel", "standardize_channel"),
    recipe="preprocess: center_image\nnetwork: {layers: [{conv: 16}, relu, flatten, {dense: 32}, relu]}\n",
    sources=("Krizhevsky, Sutskever & Hinton 2012, ImageNet classification, section 2",
             "Simonyan & Zisserman 2015, Very deep convolutional networks, section 2.1"),
    measure=by_seed(_measure),
    bounds=(
        Bound("mean of a pixel, 32 x 32, mean image", 0, 1e-12),
        Bound("mean of a pixel, 24 x 48, mean image", 0, 1e-12),
        Bound("mean of a channel, 32 x 32, channel means", 0, 1e-12),
        Bound("mean of a pixel, 32 x 32, channel means", 0.01), Bound("numbers, 32 x 32, mean image", 3072, 3072),
        Bound("numbers, 24 x 48, mean image", 3456, 3456), Bound("numbers, 24 x 48, channel means", 3, 3),
    ),
    seeds=3,
    say=_say,
    draw=_picture,
)  # fmt: skip
