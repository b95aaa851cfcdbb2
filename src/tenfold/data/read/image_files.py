"""Image files and folders of them: every file is decoded to its end before training starts."""

from __future__ import annotations

import hashlib
import os
import re
import warnings
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from tenfold.data.columns.table import Column
from tenfold.data.read.images import READABLE, ImageContract, Images
from tenfold.errors import BadInput
from tenfold.formatting import listed

if TYPE_CHECKING:
    from PIL.Image import Image

Array = np.ndarray
# Pillow can open more formats. These run no program (as EPS does) and are what people keep images in.
FORMATS = ("PNG", "JPEG", "MPO", "GIF", "BMP", "DIB", "WEBP", "AVIF", "TIFF", "PPM")
LITTER = ("thumbs.db", "desktop.ini", "__macosx")  # what systems leave in folders, besides hidden files
IMAGE_ENDINGS = (".png", ".jpg", ".jpeg", ".gif", ".bmp", ".webp", ".avif", ".tif", ".tiff", ".ppm", ".pgm")
KEPT = 96  # rows and columns up to which images of one size are kept as they are
SIDE = 64  # of the squares that other images are scaled to, at most
NAMED = 10  # files that a message names
TARGET = "target"
RUN = "run.db"  # a folder that holds it is a run, not data


class Seen(NamedTuple):
    """One file: the image as it was kept (None where there is none), its own size, and what is wrong with it.

    The image is of mode L or RGB, in bytes, or of mode F: its own values. bits: of a pixel in the file, 32 for floats
    too; 8 where 16 bits hold no more than 8 can.
    """

    image: Image | None
    size: tuple[int, int]  # width, height
    fault: str = ""
    bits: int = 8


def read_folder(path: str | os.PathLike[str], *, name: str | None = None) -> Images:
    """The images of a folder with one subfolder for each class; the target is the subfolder's name.

    Images of one size, up to 96 x 96, are kept; others are cropped to squares and scaled to the median of their
    shorter sides, at most 64. Grey where no image has colour, else red, green and blue. Grey images of more than 8 bits
    keep their values. BadInput names every file that is damaged or no image, and every file or folder in the wrong
    place.
    """
    top = Path(path)
    classes, ignored = _class_files(top)
    files = sorted((file for files in classes.values() for file in files), key=lambda file: _relative(top, file))
    seen = _read_all(top, files, _shrunk)
    images = [seen_file.image for seen_file in seen if seen_file.image is not None]
    size, note = _common_size([seen_file.size for seen_file in seen])
    colour = any(image.mode == "RGB" for image in images)
    depth = max((seen_file.bits for seen_file in seen), default=8)
    shallow = [f"{_relative(top, file)} ({s.bits} bits)" for file, s in zip(files, seen, strict=True) if s.bits < 32]
    if depth == 32 and shallow:
        raise BadInput(
            f"images of 32 bits a pixel beside others: {_listed(shallow)}",
            where=str(top),
            expected="images of one kind, because their units differ",
            do="save all of them alike, or as an npz file with arrays x and y",
        )
    stored = "uint8" if depth == 8 or colour else "uint16" if depth == 16 else "float64"
    contract = ImageContract(height=size[1], width=size[0], channels=3 if colour else 1, pixels=stored)
    pixels = np.stack([_pixels(_fitted(image, contract), contract) for image in images])
    labels = np.array([file.parent.name for file in files], object)
    notes = [
        note,
        "" if colour else f"all {len(files)} images are grey: one channel",
        _depth_note([seen_file.bits for seen_file in seen], stored),
        _ignored_note(ignored),
    ]
    return Images(
        name=name or top.resolve().name,
        source=os.fspath(path),
        pixels=pixels,
        target=Column(TARGET, "text", labels),
        files=tuple(_relative(top, file) for file in files),
        notes=tuple(line for line in notes if line),
        bits=16 if stored == "uint16" else 0,
    )


def read_files(path: str | os.PathLike[str], contract: ImageContract) -> Images:
    """One image file, or every image in a folder and its subfolders, sorted by path, as the contract wants them."""
    top = Path(path)
    if contract.channels not in READABLE:
        raise _of_an_array(top, contract)
    everything = _walk(top) if top.is_dir() else [top]
    ignored = [file for file in everything if _is_ignored(top, file)]
    files = [file for file in everything if file not in set(ignored)]
    if not files:
        raise BadInput("no image in this folder", where=str(top), expected="image files, also in subfolders")
    seen = _read_all(top, files, lambda image: _fitted(image, contract))
    images = [seen_file.image for seen_file in seen if seen_file.image is not None]
    bits = [seen_file.bits for seen_file in seen]
    if contract.pixels == "float64" and min(bits) < 32:
        raise _of_an_array(top, contract)
    if contract.pixels != "float64" and max(bits) > 16:
        file = files[bits.index(max(bits))]
        raise BadInput(
            f"{_relative(top, file)} has 32 bits a pixel",
            where=str(top),
            expected=f"images of {'8' if contract.pixels == 'uint8' else '16'} bits a pixel, as in training",
            do="save it as the training images were",
        )
    scaled = sum(seen_file.size != (contract.width, contract.height) for seen_file in seen)
    coloured = sum(image.mode == "RGB" for image in images) if contract.channels == 1 else 0
    notes = [
        f"{scaled} of {len(files)} images cropped and scaled to {contract.height} x {contract.width}" if scaled else "",
        f"{coloured} of {len(files)} images turned grey, as all were in training" if coloured else "",
        _depth_note(bits, contract.pixels),
        _ignored_note(ignored),
    ]
    return Images(
        name=top.resolve().name,
        source=str(top),
        pixels=np.stack([_pixels(image, contract) for image in images]),
        files=tuple(_relative(top, file) for file in files),
        notes=tuple(line for line in notes if line),
    )


def _of_an_array(top: Path, contract: ImageContract) -> BadInput:
    return BadInput(
        "image files, but the model was trained on an array",
        where=str(top),
        expected=f"an npz file with x of {contract.size} {contract.pixels} pixels",
    )


def _depth_note(bits: Sequence[int], stored: str) -> str:
    """How images of other depths than 8 bits are read, in words."""
    count = Counter(bits)
    if stored == "uint8":
        return f"{count[16]} of {len(bits)} images have 16 bits a pixel and are read with 8" if count[16] else ""
    mixed = f"; those of {count[8]} images with 8 bits count 257-fold" if count[8] and stored == "uint16" else ""
    return f"{len(bits) - count[8]} images of {max(bits)} bits a pixel keep their values{mixed}"


def folder_sha(path: str | os.PathLike[str]) -> str:
    """A hash of the relative paths and the bytes of every file in a folder that would be read."""
    top, digest = Path(path), hashlib.sha256()
    for file in (file for file in _walk(top) if file.is_file() and not _is_ignored(top, file)):
        with file.open("rb") as opened:
            content = hashlib.file_digest(opened, "sha256").digest()
        digest.update(os.fsencode(_relative(top, file)) + b"\0" + content)
    return digest.hexdigest()


def _walk(top: Path) -> list[Path]:
    """Every file in a folder and its subfolders, sorted by path. Links to folders are followed, each folder once."""

    def refuse(error: OSError) -> None:
        raise error

    files: list[Path] = []
    seen: set[str] = set()
    for place, folders, names in os.walk(top, followlinks=True, onerror=refuse):
        folders.sort()
        if os.path.realpath(place) in seen:
            folders.clear()
            continue
        seen.add(os.path.realpath(place))
        files += [Path(place, name) for name in names]
    return sorted(files, key=lambda file: _relative(top, file))


def _relative(top: Path, file: Path) -> str:
    return file.relative_to(top).as_posix() if file != top else file.name


def _is_ignored(top: Path, file: Path) -> bool:
    parts = file.relative_to(top).parts if file != top else ()
    return any(part.startswith(".") or part.casefold() in LITTER for part in parts)


def _ignored_note(files: Sequence[Path]) -> str:
    names = sorted({file.name for file in files})
    return f"{len(files)} hidden or system file{'s' * (len(files) > 1)} ignored: {_listed(names)}" if files else ""


def _class_files(top: Path) -> tuple[dict[str, list[Path]], list[Path]]:
    """The files of every class folder, and what is ignored; refuses every other layout."""
    entries = sorted(top.iterdir())
    ignored = [entry for entry in entries if _is_ignored(top, entry)]
    folders = [entry for entry in entries if entry.is_dir() and entry not in ignored]
    loose = [entry.name for entry in entries if not entry.is_dir() and entry not in ignored]
    layout = "one subfolder for each class, with its images in it and nothing else"
    runs = [entry.name for entry in (top, *folders) if (entry / RUN).is_file()]
    if runs:
        what = "a run of tenfold" if top.name in runs else f"holds runs of tenfold, such as '{runs[0]}'"
        raise BadInput(what, where=str(top), expected=f"data: a table, or a folder of images, {layout}")
    if not folders and not any(file.suffix.lower() in IMAGE_ENDINGS for file in map(Path, loose)):
        raise BadInput(
            "a folder without class folders", where=str(top), expected=f"a table, or a folder of images: {layout}"
        )
    if loose:
        found = f"{len(loose)} file{'s' * (len(loose) > 1)} in no class folder: {_listed(loose)}"
        raise BadInput(found, where=str(top), expected=layout, do="move each into the folder of its class, or away")
    if len(folders) < 2:
        raise BadInput(f"one class folder only: '{folders[0].name}'", where=str(top), expected=f"{layout}, two or more")
    classes: dict[str, list[Path]] = {}
    for folder in folders:
        inside = sorted(folder.iterdir())
        hidden = [entry for entry in inside if _is_ignored(top, entry)]
        ignored += hidden
        classes[folder.name] = [entry for entry in inside if entry not in hidden]
        _check_class(folder, classes[folder.name], layout)
    return classes, ignored


def _check_class(folder: Path, files: list[Path], layout: str) -> None:
    """Refuse a class folder that is empty, holds a single file or folders, or has no printable name."""
    inner = [file.name for file in files if file.is_dir()]
    if inner:
        found = f"the class folder '{folder.name}' holds folders: {_listed(inner)}"
        raise BadInput(
            found, where=str(folder.parent), expected=layout, do=f"tenfold fit {folder}, or move the images up"
        )
    if len(files) < 2:
        found = f"the class folder '{folder.name}' holds {'a single image' if files else 'no image'}"
        raise BadInput(
            found,
            where=str(folder.parent),
            expected="at least two images of every class",
            do="add images, or remove it",
        )
    if not folder.name.isprintable():
        raise BadInput(
            f"the class folder {folder.name!a} has no printable name", where=str(folder.parent), do="rename it"
        )


def _listed(names: Sequence[str]) -> str:
    return listed((name if name.isprintable() else ascii(name) for name in names), NAMED)


def _read_all(top: Path, files: Sequence[Path], keep: Callable[[Image], Image]) -> list[Seen]:
    """Every file, decoded to its end and kept as `keep` gives it; BadInput names all that cannot be."""
    pillow = _pillow()
    pillow.init()
    formats = [name for name in FORMATS if name in pillow.OPEN]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # about what Pillow repairs by itself
        warnings.simplefilter("error", pillow.DecompressionBombWarning)
        with ThreadPoolExecutor(min(8, os.cpu_count() or 1)) as pool:
            seen = list(pool.map(lambda file: _read_one(pillow, file, formats, keep), files))
    pairs = zip(files, seen, strict=True)
    faults = [f"{_relative(top, file)} ({seen_file.fault})" for file, seen_file in pairs if seen_file.fault]
    if faults:
        what = "a file that is no readable image" if len(faults) == 1 else f"{len(faults)} files are no readable images"
        raise BadInput(
            f"{what}: {_listed(faults)}",
            where=str(top),
            expected="images such as PNG, JPEG, GIF, BMP, WebP or TIFF",
            do="remove or replace them: nothing was trained",
        )
    return seen


def _pillow() -> Any:
    """The module PIL.Image; BadInput where Pillow is not installed."""
    try:
        from PIL import Image
    except ImportError as error:
        raise BadInput("reading image files takes Pillow", do="pip install 'tenfold[images]'") from error
    return Image


def _read_one(pillow: Any, file: Path, formats: list[str], keep: Callable[[Image], Image]) -> Seen:
    if not file.is_file():
        return Seen(None, (0, 0), "no file")
    try:
        with pillow.open(file, formats=formats) as opened:
            image, bits = _upright(opened)
            size = image.size
            return Seen(_uncoloured(keep(image)), size, bits=bits)
    except (pillow.DecompressionBombWarning, pillow.DecompressionBombError) as error:
        numbers = re.findall("[0-9]+", str(error))
        return Seen(None, (0, 0), f"too many pixels: {int(numbers[0]):,}" if numbers else "too many pixels")
    except pillow.UnidentifiedImageError:
        return Seen(None, (0, 0), "empty" if not file.stat().st_size else "no image")
    except BadInput as error:
        return Seen(None, (0, 0), error.found)
    except Exception as error:  # decoders of damaged files raise nearly everything
        first = (str(error).splitlines() or [type(error).__name__])[0]
        return Seen(None, (0, 0), f"damaged: {first[:60]}")


def _upright(opened: Image) -> tuple[Image, int]:
    """The first frame as it is meant to be seen, of mode L or RGB, or F with its own values; and its bits a pixel."""
    from PIL import Image as pillow, ImageOps

    # Pillow reads 16 bits of a colour with 8, which it tells only here.
    deep_colour = any("16" in str(part) for tile in getattr(opened, "tile", ()) for part in tile[3:])
    image = ImageOps.exif_transpose(opened)
    if image.mode.startswith("I;16") or (image.mode == "I" and opened.format in ("PNG", "PPM")):
        values = np.asarray(image)
        if not (values % 257).any():  # 8 bits, saved with 16
            return pillow.fromarray((values // 257).astype(np.uint8)), 8
        return pillow.fromarray(values.astype(np.float32)), 16
    if image.mode in ("I", "F"):
        values = np.asarray(image)
        if not np.isfinite(values).all():
            raise BadInput("pixels that are no finite numbers")
        return pillow.fromarray(values.astype(np.float32)), 32
    bits = 16 if deep_colour else 8
    if image.has_transparency_data:
        white = pillow.new("RGBA", image.size, "white")
        return pillow.alpha_composite(white, image.convert("RGBA")).convert("RGB"), bits
    return image.convert("L" if image.mode in ("1", "L") else "RGB"), bits


def _uncoloured(image: Image) -> Image:
    """The image as grey if no pixel of it has colour."""
    if image.mode in ("L", "F"):
        return image
    pixels = np.asarray(image)
    return image if (pixels != pixels[..., :1]).any() else image.convert("L")


def _shrunk(image: Image) -> Image:
    """An image of more than 96 rows or columns as a square of at most 64; smaller ones as they are."""
    from PIL import ImageOps
    from PIL.Image import Resampling

    if max(image.size) <= KEPT:
        return image
    side = min(SIDE, *image.size)
    return ImageOps.fit(image, (side, side), Resampling.LANCZOS)


def _fitted(image: Image, contract: ImageContract) -> Image:
    """Cropped about its centre to the shape of the contract, and scaled to its size."""
    from PIL import ImageOps
    from PIL.Image import Resampling

    size = contract.width, contract.height
    if image.size == size:
        return image
    # In two steps, as in training: scaling directly gives other pixels.
    square = contract.height == contract.width <= SIDE
    return ImageOps.fit(_shrunk(image) if square else image, size, Resampling.LANCZOS)


def _pixels(image: Image, contract: ImageContract) -> Array:
    """Pixels (height, width, channels): bytes, or as float64 what the contract has more bits of."""
    if contract.pixels == "uint8":
        if image.mode == "F":  # 16 bits to 8: 65535 / 257 = 255
            from PIL import Image as pillow

            image = pillow.fromarray(np.round(np.clip(np.asarray(image) / 257.0, 0, 255)).astype(np.uint8))
        return np.asarray(image.convert("L" if contract.channels == 1 else "RGB")).reshape(contract.image)
    pixels = np.asarray(image if image.mode == "F" else image.convert("L"), np.float64)
    return (pixels if image.mode == "F" else pixels * 257).reshape(contract.image)


def _common_size(sizes: list[tuple[int, int]]) -> tuple[tuple[int, int], str]:
    """The (width, height) that all images get, and a note on it ("" where they keep their size)."""
    counts = Counter(sizes)
    width, height = next(iter(counts))
    if len(counts) == 1 and max(width, height) <= KEPT:
        return (width, height), ""
    side = min(SIDE, int(np.median([min(size) for size in sizes])))
    of = f"{height} x {width}" if len(counts) == 1 else f"{len(counts)} sizes"
    how = "scaled" if all(w == h for w, h in counts) else "cropped to squares and scaled"
    return (side, side), f"{len(sizes)} images of {of} {how} to {side} x {side}"
