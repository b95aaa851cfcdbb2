"""Images as arrays of pixels, and the contract that a model holds its images to."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from typing import Any, ClassVar, Literal

import numpy as np

from tenfold.data.columns.table import Column, Table
from tenfold.data.feed.encode import Inputs, PixelRange
from tenfold.errors import BadInput

Array = np.ndarray
READABLE = (1, 3)  # channels of images that files are read into: grey, and red, green, blue


@dataclass(frozen=True, kw_only=True)
class ImageContract:
    """What the images of a model are: their size, and how their pixels are stored.

    pixels: uint8 (0 to 255, which stand for value / 255), uint16 (of image files of 16 bits), or float64. low, high:
    the range of the training images, which becomes 0 to 1; None for uint8, and for float64 that is taken as it is.
    Image files are turned upright, grey for one channel, transparent parts white, and cropped and scaled where their
    size differs.
    """

    height: int
    width: int
    channels: int
    pixels: Literal["uint8", "uint16", "float64"] = "uint8"
    low: float | None = None
    high: float | None = None

    __pydantic_config__: ClassVar[Any] = {"extra": "forbid"}

    def __post_init__(self) -> None:
        if min(self.image) < 1 or self.pixels not in ("uint8", "uint16", "float64"):
            raise BadInput(
                f"images of {self.size} pixels of type {self.pixels}",
                where="image contract",
                expected="at least one pixel, uint8, uint16 or float64",
            )
        if (self.low is None) != (self.high is None) or (self.low is None) != (self.pixel_range is None):
            raise BadInput(f"a range from {self.low} to {self.high}", where="image contract", expected="both ends")

    @property
    def image(self) -> tuple[int, int, int]:
        return self.height, self.width, self.channels

    @property
    def size(self) -> str:
        return f"{self.height} x {self.width} x {self.channels}"

    @property
    def pixel_range(self) -> PixelRange | None:
        """What the pixels are scaled by."""
        if self.low is None or self.high is None or self.pixels == "uint8":
            return None
        return PixelRange(self.low, self.high, 16 if self.pixels == "uint16" else 0)

    @staticmethod
    def of(inputs: Inputs) -> ImageContract | None:
        """The contract that these inputs meet; None where they are no images."""
        if inputs.image is None:
            return None
        height, width, channels = inputs.image
        if inputs.numbers.dtype == np.uint8:
            return ImageContract(height=height, width=width, channels=channels)
        known = inputs.pixel_range
        pixels = "uint16" if known is not None and known.bits else "float64"
        low, high = (None, None) if known is None else (known.low, known.high)
        return ImageContract(height=height, width=width, channels=channels, pixels=pixels, low=low, high=high)

    def check(self, pixels: Array, source: str) -> None:
        """Refuse pixels (images, height, width, channels) of another size or kind."""
        if pixels.shape[1:] != self.image:
            raise BadInput(
                f"{len(pixels)} images of {' x '.join(map(str, pixels.shape[1:]))} pixels",
                where=source,
                expected=f"{self.size} (height x width x channels), as in training",
            )
        if (pixels.dtype == np.uint8) != (self.pixels == "uint8"):
            ways = {
                "uint8": "uint8 pixels (0 to 255)",
                "uint16": "pixels of 16 bits",
                "float64": "floats, in the unit of the training images",
            }
            raise BadInput(f"pixels of type {pixels.dtype}", where=source, expected=f"{ways[self.pixels]}, as trained")

    def to_dict(self) -> dict[str, Any]:
        """As JSON; no range where there is none, as versions that knew none wrote it."""
        return {name: value for name, value in asdict(self).items() if value is not None}

    @staticmethod
    def from_dict(values: dict[str, Any]) -> ImageContract:
        """The inverse of `to_dict`; BadInput for unknown, missing or mistyped fields."""
        from pydantic import TypeAdapter, ValidationError

        try:
            return TypeAdapter(ImageContract).validate_python(values)
        except ValidationError as error:
            fault = error.errors()[0]
            place = ".".join(str(part) for part in fault["loc"])
            raise BadInput(f"{place}: {fault['msg']}", where="image contract") from error


@dataclass(frozen=True, kw_only=True)
class Images:
    """Images and, where the source has them, their targets.

    pixels (images, height, width, channels): uint8 or float64. target: one value an image, None where there is none.
    files: where each image was read from, relative to the source; () for arrays. notes: what was noticed on reading.
    bits: 16 for image files of so many, else 0. pixel_range: what the pixels are to be scaled by, where that is known.
    """

    name: str
    source: str
    pixels: Array
    target: Column | None = None
    files: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    bits: int = 0
    pixel_range: PixelRange | None = None

    @property
    def labels(self) -> Table:
        """The targets as a table of one column."""
        if self.target is None:
            raise BadInput("the images have no target", where=self.source, expected="one value an image")
        return Table(self.name, self.source, (self.target,), self.notes, target=self.target.name)

    def take(self, rows: Array) -> Images:
        """Some of the images (an index array), in that order."""
        files = tuple(self.files[row] for row in rows) if self.files else ()
        target = None if self.target is None else self.target.take(rows)
        return replace(self, pixels=self.pixels[rows], target=target, files=files)


def as_pixels(x: Array, *, source: str) -> Array:
    """An array (images, height, width) or (images, height, width, channels) as pixels: bytes as uint8, all other
    numbers as float64.

    BadInput: other shapes and types, and pixels that are no finite numbers.
    """
    if x.ndim not in (3, 4) or 0 in x.shape[1:]:
        raise BadInput(
            f"the array has the shape {x.shape}",
            where=source,
            expected="images: (images, height, width) or (images, height, width, channels)",
        )
    if x.dtype.kind not in "iuf":
        raise BadInput(
            f"the pixels are of type {x.dtype}",
            where=source,
            expected="uint8 (0 to 255), or other integers and floats in any unit",
            do='.astype("uint8"), or .astype("float64")',
        )
    if x.dtype != np.uint8:
        x = x.astype(np.float64, copy=False)
        good = np.isfinite(x)
        if not good.all():
            place = tuple(int(index) for index in np.argwhere(~good)[0])
            raise BadInput(f"the pixel {place} is {x[place]}", where=source, expected="finite numbers")
    return x[..., None] if x.ndim == 3 else x
