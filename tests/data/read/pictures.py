"""Images and folders of them for the tests, and what a refusal says."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tenfold.errors import BadInput


def colours(shape, seed=0):
    return np.random.default_rng(seed).integers(0, 256, shape).astype(np.uint8)


def folder(path: Path, images: dict[str, np.ndarray | Image.Image]) -> Path:
    """A folder with these files; arrays are written as they are."""
    for name, image in images.items():
        file = path / name
        file.parent.mkdir(parents=True, exist_ok=True)
        (image if isinstance(image, Image.Image) else Image.fromarray(image)).save(file)
    return path


def four(path: Path, size=(8, 8, 3)) -> Path:
    return folder(path, {f"{c}/{i}.png": colours(size, 10 * j + i) for j, c in enumerate("ab") for i in range(2)})


def say(action, *arguments, **options) -> str:
    with pytest.raises(BadInput) as caught:
        action(*arguments, **options)
    assert len(str(caught.value).splitlines()) <= 4
    return str(caught.value)
