"""Images from folders, npz files and arrays: what pixels they become, what is refused, and what a model holds them to."""

import hashlib
import os
import struct
import sys
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from sklearn.datasets import load_digits

from tenfold.data.card import Card
from tenfold.data.encode import Encoding, Inputs, fit_encoding, pixel_inputs
from tenfold.data.image_card import make_image_card
from tenfold.data.image_files import FORMATS, folder_sha, read_files, read_folder
from tenfold.data.images import ImageContract, Images, as_pixels
from tenfold.data.read import read, read_any, read_images
from tenfold.data.table import Table
from tenfold.data.target import read_target
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


# --- pixels ---


def test_equal_sizes_are_kept_to_the_pixel(tmp_path):
    found = read_folder(four(tmp_path / "photos", (5, 7, 3)))
    assert (found.name, found.files) == ("photos", ("a/0.png", "a/1.png", "b/0.png", "b/1.png"))
    assert found.pixels.dtype == np.uint8
    np.testing.assert_array_equal(found.pixels, [colours((5, 7, 3), seed) for seed in (0, 1, 10, 11)])
    assert found.labels.column("target").values.tolist() == ["a", "a", "b", "b"]
    assert found.notes == ()


def test_96_pixels_are_kept_and_97_are_scaled(tmp_path):
    assert read_folder(four(tmp_path / "kept", (96, 50, 3))).pixels.shape == (4, 96, 50, 3)
    found = read_folder(four(tmp_path / "scaled", (97, 50, 3)))
    assert found.pixels.shape == (4, 50, 50, 3)
    assert found.notes == ("4 images of 97 x 50 cropped to squares and scaled to 50 x 50",)


def test_different_sizes_become_squares_of_the_median_shorter_side(tmp_path):
    sizes = [(20, 12), (10, 10), (14, 30), (9, 40)]
    images = {f"{'ab'[i % 2]}/{i}.png": colours((*size, 3), i) for i, size in enumerate(sizes)}
    found = read_folder(folder(tmp_path, images))
    assert found.pixels.shape == (4, 11, 11, 3)  # the median of 12, 10, 14, 9
    assert found.notes == ("4 images of 4 sizes cropped to squares and scaled to 11 x 11",)


def test_a_crop_is_about_the_centre_and_scaling_averages(tmp_path):
    """A picture of 200 x 100: the middle 100 x 100 is white, the rest black; stripes of one pixel turn grey."""
    wide = np.zeros((100, 200), np.uint8)
    wide[:, 50:150] = 255
    stripes = np.tile(np.array([0, 255], np.uint8), (128, 64))
    found = read_folder(folder(tmp_path, {"a/0.png": wide, "a/1.png": wide.T, "b/0.png": stripes, "b/1.png": stripes}))
    assert found.pixels.shape == (4, 64, 64, 1)
    assert found.pixels[:2].min() >= 240  # at the cut the filter sees a little of what was cut off
    assert found.pixels[:2, 3:-3, 3:-3].min() >= 254
    assert np.abs(found.pixels[2, :, 4:-4].astype(float) - 127.5).max() <= 1


def test_the_resampling_is_pillows_lanczos(tmp_path):
    x = colours((80, 60, 3))
    found = read_folder(folder(tmp_path, {"a/0.png": x, "a/1.png": x, "b/0.png": x[:60], "b/1.png": x[:60]}))
    square = Image.fromarray(x).crop((0, 10, 60, 70))
    np.testing.assert_array_equal(found.pixels[0], np.asarray(square))  # the median shorter side is 60
    photo = colours((300, 300, 3), 1)
    files = folder(tmp_path / "big", {f"{c}/{i}.png": photo for c in "ab" for i in range(2)})
    expected = Image.fromarray(photo).resize((64, 64), Image.Resampling.LANCZOS)
    np.testing.assert_array_equal(read_folder(files).pixels[3], np.asarray(expected))


def test_turned_photos_are_turned_upright(tmp_path):
    x = colours((4, 6, 3))
    upright, exif = Image.fromarray(x), Image.Exif()
    exif[0x0112] = 6  # to be turned by 90 degrees clockwise
    path = four(tmp_path, (4, 6, 3))
    Image.fromarray(np.rot90(x).copy()).save(path / "a" / "0.png", exif=exif)
    np.testing.assert_array_equal(read_folder(path).pixels[0], np.asarray(upright))


def test_grey_stays_grey_and_one_coloured_image_makes_all_rgb(tmp_path):
    grey = colours((6, 6))
    same = np.repeat(grey[..., None], 3, 2)  # grey that is stored as RGB
    files = {"a/0.png": grey, "a/1.png": same, "b/0.png": same, "b/1.png": grey}
    found = read_folder(folder(tmp_path / "grey", files))
    np.testing.assert_array_equal(found.pixels, np.repeat(grey[None, ..., None], 4, 0))
    assert found.notes == ("all 4 images are grey: one channel",)
    found = read_folder(folder(tmp_path / "mixed", {**files, "b/1.png": colours((6, 6, 3))}))
    np.testing.assert_array_equal(found.pixels[:3], np.repeat(same[None], 3, 0))


def transparent() -> Image.Image:
    x = colours((8, 8, 4))
    x[..., 3] = 0
    x[0, 0] = 10, 20, 30, 255
    return Image.fromarray(x)


def palette() -> Image.Image:
    image = Image.new("P", (8, 8), 1)
    image.putpalette([0, 0, 0, 200, 100, 50])
    return image


MODES = {  # name: (image, its pixel in the corner, its last pixel)
    "1": (Image.fromarray(np.eye(8, dtype=bool)), (255, 255, 255), (255, 255, 255)),
    "RGBA": (transparent(), (10, 20, 30), (255, 255, 255)),
    "LA": (Image.merge("LA", [Image.new("L", (8, 8), 7), Image.new("L", (8, 8), 0)]), (255,) * 3, (255,) * 3),
    "P": (palette(), (200, 100, 50), (200, 100, 50)),
    "I;16": (Image.fromarray(np.full((8, 8), 257 * 90, np.uint16)), (90, 90, 90), (90, 90, 90)),
}


@pytest.mark.parametrize("mode", MODES)
def test_every_mode_becomes_bytes(tmp_path, mode):
    image, corner, last = MODES[mode]
    assert image.mode == mode
    path = four(tmp_path)
    image.save(path / "a" / "0.png")
    pixels = read_folder(path).pixels
    assert (tuple(pixels[0, 0, 0]), tuple(pixels[0, -1, -1])) == (corner, last)


LOSSLESS = {"png": {}, "bmp": {}, "tiff": {}, "ppm": {}, "gif": {}, "webp": {"lossless": True}}


@pytest.mark.parametrize("ending", [*LOSSLESS, "jpg"])
def test_formats(tmp_path, ending):
    x = np.full((8, 8, 3), (200, 100, 50), np.uint8)
    path = four(tmp_path)
    Image.fromarray(x).save(path / "a" / f"0.{ending}", **LOSSLESS.get(ending, {}))
    (path / "a" / "0.png").unlink(missing_ok=ending != "png")
    if ending == "png":
        Image.fromarray(x).save(path / "a" / "0.png")
    off = np.abs(read_folder(path).pixels[0].astype(int) - x).max()
    assert off <= (2 if ending == "jpg" else 0)


def test_the_first_frame_of_an_animation(tmp_path):
    path = four(tmp_path)
    frames = [Image.new("RGB", (8, 8), colour) for colour in ("red", "blue")]
    frames[0].save(path / "a" / "2.gif", save_all=True, append_images=frames[1:])
    assert read_folder(path).pixels[2, 0, 0].tolist() == [255, 0, 0]


def test_no_format_that_runs_programs():
    assert not {"EPS", "WMF", "PDF", "FITS"} & set(FORMATS)


# --- what is refused, and named ---


def claiming(width, height):
    """A small PNG file that claims to be large."""
    chunks = {b"IHDR": struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0), b"IDAT": zlib.compress(bytes(9)), b"IEND": b""}
    packed = [
        struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))
        for name, content in chunks.items()
    ]
    return b"\x89PNG\r\n\x1a\n" + b"".join(packed)


def half(path: Path) -> bytes:
    """The first half of an image file."""
    content = path.read_bytes()
    return content[: len(content) // 2]


def damage(path: Path) -> dict[str, str]:
    """Spoils files of a folder of `four`; the file and the reason that must be given."""
    Image.fromarray(colours((64, 64, 3))).save(path / "b" / "cut.jpg", quality=95)
    content = {
        "a/empty.png": (b"", "empty"),
        "a/page.html": (b"<html>not an image</html>", "no image"),
        "a/half.png": (half(path / "a" / "0.png"), "damaged: "),
        "b/cut.jpg": (half(path / "b" / "cut.jpg"), "damaged: "),
        "b/script.eps": (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 8 8\n", "no image"),
        "b/bomb.png": (claiming(20000, 20000), "too many pixels"),
        "b/large.png": (claiming(12000, 9000), "too many pixels"),  # Pillow only warns of this one
    }
    for name, (written, _) in content.items():
        (path / name).write_bytes(written)
    return {name: why for name, (_, why) in content.items()}


def test_every_damaged_file_is_named_with_its_reason(tmp_path):
    path = four(tmp_path)
    wrong = damage(path)
    said = say(read_folder, path)
    assert f"{len(wrong)} files are no readable images" in said
    for name, why in wrong.items():
        assert f"{name} ({why}" in said
    assert "0.png" not in said.replace("a/0.png", "") and "try: remove or replace them" in said


def test_ten_files_are_named_and_the_rest_counted(tmp_path):
    path = four(tmp_path)
    for i in range(13):
        (path / "a" / f"bad{i:02d}.jpg").write_bytes(b"nothing")
    said = say(read_folder, path)
    assert said.count("bad") == 10 and "and 3 more" in said


@pytest.mark.parametrize("kind", ["link", "fifo"])
def test_what_is_no_file_is_named_and_not_waited_for(tmp_path, kind):
    path = four(tmp_path)
    make = {"link": lambda p: p.symlink_to("nowhere"), "fifo": os.mkfifo}
    make[kind](path / "a" / "odd.png")
    assert "a/odd.png (no file)" in say(read_folder, path)


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (lambda p: (p / "lonely.png").write_bytes(b"x"), "1 file in no class folder: lonely.png"),
        (lambda p: (p / "empty").mkdir(), "the class folder 'empty' holds no image"),
        (lambda p: folder(p, {"c/0.png": colours((8, 8, 3))}), "the class folder 'c' holds a single image"),
        (lambda p: folder(p, {"b/deep/0.png": colours((8, 8, 3))}), "the class folder 'b' holds folders: deep"),
        (lambda p: [f.unlink() for f in (p / "b").iterdir()] and (p / "b").rmdir(), "one class folder only: 'a'"),
        (lambda p: folder(p, {"c\x1b/0.png": colours((8, 8, 3)), "c\x1b/1.png": colours((8, 8, 3))}), "no printable name"),
    ],
)
def test_other_layouts_are_refused(tmp_path, spoil, words):
    path = four(tmp_path / "photos")
    spoil(path)
    assert words in say(read_any, path)


def test_a_folder_without_class_folders(tmp_path):
    assert "a folder without class folders" in say(read_any, str(tmp_path))


def test_litter_is_ignored_and_said(tmp_path):
    path = four(tmp_path / "photos")
    before = folder_sha(path)
    for name in (".DS_Store", "a/Thumbs.db", "b/.hidden.png"):
        (path / name).write_bytes(b"litter")
    (path / "__MACOSX").mkdir()
    found = read_folder(path)
    assert len(found.pixels) == 4
    assert found.notes == ("4 hidden or system files ignored: .DS_Store, .hidden.png, Thumbs.db, ...",)
    assert folder_sha(path) == before


def test_pillow_missing_is_one_line_to_type(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "PIL", None)
    assert "pip install 'tenfold[images]'" in say(read_folder, four_bytes(tmp_path))


def four_bytes(path: Path) -> Path:
    for name in ("a/0.png", "a/1.png", "b/0.png", "b/1.png"):
        (path / name).parent.mkdir(exist_ok=True)
        (path / name).write_bytes(b"x")
    return path


def test_the_sha_of_a_folder_is_of_names_and_bytes(tmp_path):
    path = four(tmp_path)
    first = folder_sha(path)
    digest = hashlib.sha256()
    for name in ("a/0.png", "a/1.png", "b/0.png", "b/1.png"):
        digest.update(name.encode() + b"\0" + hashlib.sha256((path / name).read_bytes()).digest())
    assert first == digest.hexdigest()
    (path / "a" / "1.png").rename(path / "a" / "2.png")
    second = folder_sha(path)
    (path / "a" / "2.png").write_bytes(b"x")
    assert len({first, second, folder_sha(path)}) == 3


# --- npz files and arrays ---


def npz(path: Path, **arrays: np.ndarray) -> Path:
    np.savez(path, **arrays)  # type: ignore[arg-type]
    return path


@pytest.mark.parametrize("shape", [(6, 4, 5, 3), (6, 4, 5)])
def test_npz_of_bytes(tmp_path, shape):
    x = colours(shape)
    found = read_any(npz(tmp_path / "d.npz", x=x, y=np.arange(6) % 2))
    assert isinstance(found, Images)
    assert found.pixels.dtype == np.uint8
    np.testing.assert_array_equal(found.pixels, x.reshape(6, 4, 5, -1))
    assert read_target(found.labels, None).classes == ("0", "1")


def test_npz_with_training_arrays_and_class_names(tmp_path):
    x, y = colours((6, 4, 4, 3)), np.array([2, 0, 1, 2, 0, 1])
    names = np.array(["cat", "dog", "emu"])
    path = npz(tmp_path / "d.npz", x_train=x, y_train=y[:, None], x_test=x[:2], y_test=y[:2], classes=names)
    found = read_any(path)
    assert isinstance(found, Images)
    assert found.labels.column("target").values.tolist() == names[y].tolist()
    assert found.notes == ("arrays x_train and y_train stand for x and y", "not used: x_test, y_test")
    flat = read(npz(tmp_path / "flat.npz", x_train=x.reshape(6, -1).astype(float), y_train=y, classes=names))
    assert flat.column("target").values.tolist() == names[y].tolist()


@pytest.mark.parametrize(
    ("arrays", "words"),
    [
        ({"x": np.zeros((4, 3, 3), np.int64), "y": np.arange(4)}, "type int64"),
        ({"x": np.zeros((4, 3, 3)), "y": np.arange(5)}, r"x has the shape (4, 3, 3) and y (5,)"),
        ({"x": np.zeros((4, 3, 3, 1, 1)), "y": np.arange(4)}, "x has the shape (4, 3, 3, 1, 1)"),
        ({"x": np.zeros((4, 3, 0)), "y": np.arange(4)}, "shape (4, 3, 0)"),
        ({"x": np.full((4, 3, 3), np.nan), "y": np.arange(4)}, "the pixel (0, 0, 0) is nan"),
        ({"x": np.zeros((4, 3, 3)), "y": np.arange(4), "classes": np.array(["a", "b"])}, "0 to 3 and there are 2 classes"),
        ({"x_train": np.zeros((4, 3, 3))}, "no array 'y'"),
    ],
)
def test_npz_that_is_refused(tmp_path, arrays, words):
    assert words in say(read_any, npz(tmp_path / "d.npz", **arrays))


def test_digits_are_images_to_a_fit_and_a_table_to_a_reader():
    found, digits = read_any("sklearn:digits"), load_digits()
    assert isinstance(found, Images)
    np.testing.assert_array_equal(found.pixels[..., 0], digits.images)
    assert found.pixels.dtype == np.float64
    assert isinstance(read("sklearn:digits"), Table)


def test_infinite_pixels_are_placed():
    x = np.zeros((3, 2, 2), np.float32)
    x[1, 0, 1] = np.inf
    assert "the pixel (1, 0, 1) is inf" in say(as_pixels, x, source="X")


# --- inputs ---


def test_bytes_are_values_in_0_1_of_the_rows_asked_for():
    x = colours((5, 3, 2, 3))
    inputs = pixel_inputs(x)
    assert inputs.numbers.dtype == np.uint8
    assert np.shares_memory(inputs.numbers, x)
    encoding = fit_encoding(inputs, np.arange(3))
    assert (encoding.width, len(encoding.indicators), encoding.medians.any()) == (18, 0, False)
    for rows in (slice(1, 3), np.array([4, 0])):
        expected = x.reshape(5, -1)[rows] / 255
        np.testing.assert_array_equal(inputs.values(rows), expected)
        np.testing.assert_array_equal(encoding.matrix(inputs, rows), expected)
        np.testing.assert_array_equal(inputs.take(rows).values(), expected)
    assert inputs.take(np.array([1])).image == (3, 2, 3)
    assert encoding.column_names(inputs)[:2] == ["p0", "p1"]


@pytest.mark.parametrize("rows", [slice(None), slice(1, 3), np.array([0, 2])])
def test_an_encoded_matrix_is_the_callers_to_write_into(rows):
    inputs = pixel_inputs(np.ones((3, 2, 2, 1)))
    encoding = fit_encoding(inputs, np.arange(3))
    encoding.matrix(inputs, rows)[:] = 7
    assert (inputs.numbers == 1).all()


def test_inputs_that_are_no_image():
    codes, flags = np.zeros((2, 0), np.int64), np.ones(4, bool)
    names = tuple("abcd")
    assert "no image" in say(Inputs, np.zeros((2, 4)), codes, names, (), (), flags, (2, 1, 1))
    assert "uint8" in say(Inputs, np.zeros((2, 4), np.uint8), codes, names, (), (), flags)
    assert "float32" in say(Inputs, np.zeros((2, 4), np.float32), codes, names, (), (), flags, (2, 2, 1))
    assert isinstance(fit_encoding(pixel_inputs(colours((3, 2, 2, 1))), np.arange(2)), Encoding)


# --- the card ---


def card_of(pixels, values, notes=()) -> Card:
    target = np.array([f"c{v}" for v in values], object)
    from tenfold.data.table import Column

    images = Images(name="d", source="d", pixels=pixels, target=Column("target", "text", target), notes=notes)
    return make_image_card(images, pixel_inputs(pixels), read_target(images.labels, None))


def test_the_card_against_numpy():
    x = colours((40, 3, 4, 3))
    x[:, 0, 0] = 9  # three constant pixel values
    card = card_of(x, np.arange(40) % 2, ("a note",))
    facts = card.images
    assert facts is not None
    np.testing.assert_allclose(facts.means, (x / 255).mean((0, 1, 2)), rtol=1e-12)
    np.testing.assert_allclose(facts.stds, (x / 255).std((0, 1, 2)), rtol=1e-12)
    assert (facts.constant, facts.classes, facts.unit) == (3, (("c0", 20), ("c1", 20)), "0 to 1")
    text = "\n".join(card.lines(80))
    assert "40 development images of 3 x 4 pixels, 3 channels; target 'target'" in text
    assert "3 of 36 pixel values are the same" in text and "a note" in text
    assert all(len(line) <= 80 for line in card.lines(80)[1:])
    assert card.warnings == ()


def test_repeated_images_and_rare_classes_are_warned_of():
    x = colours((30, 3, 3, 1))
    x[5], x[6], x[20] = x[1], x[1], x[0]
    values = np.array([0] * 10 + [1] * 18 + [2] * 2)
    warnings = card_of(x, values).warnings
    assert warnings == (
        "3 images repeat an earlier one exactly (10.0%), 1 of them with another target",
        "rare class: 'c2' (2 images)",
    )


# --- the contract ---


def test_the_contract_round_trips_and_refuses():
    contract = ImageContract(height=8, width=6, channels=3)
    assert ImageContract.from_dict(contract.to_dict()) == contract
    assert ImageContract.of(pixel_inputs(colours((2, 8, 6, 3)))) == contract
    for wrong in ({**contract.to_dict(), "depth": 1}, {"height": 8}, {**contract.to_dict(), "width": "wide"}):
        assert "image contract" in say(ImageContract.from_dict, wrong)
    say(ImageContract, height=0, width=6, channels=3)
    say(ImageContract, height=1, width=6, channels=3, pixels="float32")


@pytest.mark.parametrize(
    ("x", "words"),
    [
        (colours((4, 6, 8, 3)), "4 images of 6 x 8 x 3 pixels"),
        (colours((4, 8, 6)), "8 x 6 x 1 pixels"),
        (np.zeros((4, 8, 6, 3)), "pixels of type float64"),
        (colours((4, 144)), "the array has the shape (4, 144)"),
    ],
)
def test_other_arrays_are_refused_by_numbers(x, words):
    assert words in say(read_images, x, ImageContract(height=8, width=6, channels=3))


def test_npz_needs_no_target_to_predict(tmp_path):
    contract, x = ImageContract(height=4, width=4, channels=1), colours((3, 4, 4))
    found = read_images(npz(tmp_path / "d.npz", x=x), contract)
    np.testing.assert_array_equal(found.pixels[..., 0], x)
    assert "a table" in say(read_images, npz(tmp_path / "t.npz", x=np.zeros((3, 4)), y=np.arange(3)), contract)


SETS = {
    "kept": {f"{c}/{i}.png": colours((9, 7, 3), i) for c in "ab" for i in range(2)},
    "grey as rgb": {f"{c}/{i}.png": np.repeat(colours((30 + i, 9, 1), i), 3, 2) for c in "ab" for i in range(2)},
    "mixed sizes": {f"{c}/{i}.png": colours((90 + 40 * i, 70, 3), i) for c in "ab" for i in range(2)},
    "photos": {f"{c}/{i}.jpg": colours((150, 120 + i, 3), i) for c in "ab" for i in range(2)},
    "grey and colour": {"a/0.png": colours((120, 99)), "a/1.png": colours((9, 9)), "b/0.png": colours((70, 70, 3)),
                        "b/1.png": colours((99, 140, 3))},
}  # fmt: skip


@pytest.mark.parametrize("name", SETS)
def test_a_file_has_the_same_pixels_in_training_and_in_prediction(tmp_path, name):
    path = folder(tmp_path, SETS[name])
    trained = read_folder(path)
    contract = ImageContract.of(pixel_inputs(trained.pixels))
    assert contract is not None
    again = read_files(path, contract)
    assert again.files == trained.files
    np.testing.assert_array_equal(again.pixels, trained.pixels)
    for number, file in enumerate(trained.files):
        alone = read_images(path / file, contract)
        assert alone.files == (Path(file).name,)
        np.testing.assert_array_equal(alone.pixels, trained.pixels[[number]])


def test_a_folder_to_predict_is_read_by_path_with_notes(tmp_path):
    contract = ImageContract(height=8, width=8, channels=1)
    path = folder(tmp_path, {"z.png": colours((8, 8)), "in/a.png": colours((20, 10)), "in/b.png": colours((8, 8, 3))})
    (path / ".DS_Store").write_bytes(b"x")
    found = read_images(str(path), contract)
    assert found.files == ("in/a.png", "in/b.png", "z.png")
    assert found.notes == (
        "1 of 3 images cropped and scaled to 8 x 8",
        "1 of 3 images turned grey, as all were in training",
        "1 hidden or system file ignored: .DS_Store",
    )
    grey = np.asarray(Image.open(path / "in" / "b.png").convert("L"))
    np.testing.assert_array_equal(found.pixels[1, ..., 0], grey)


def test_large_images_of_an_array_are_not_shrunk_on_the_way(tmp_path):
    x = colours((128, 128, 3))
    path = folder(tmp_path, {"0.png": x})
    contract = ImageContract(height=128, width=128, channels=3)
    np.testing.assert_array_equal(read_images(path, contract).pixels[0], x)


def test_what_cannot_be_predicted_is_said(tmp_path):
    contract = ImageContract(height=8, width=8, channels=1)
    assert "no image in this folder" in say(read_images, tmp_path, contract)
    (tmp_path / "a.png").write_bytes(b"x")
    assert "a.png (no image)" in say(read_images, tmp_path, contract)
    assert "a.png (no image)" in say(read_images, tmp_path / "a.png", contract)
    assert "there is no such file or folder" in say(read_images, tmp_path / "b.png", contract)
    floats = ImageContract(height=8, width=8, channels=1, pixels="float64")
    assert "trained on an array" in say(read_images, tmp_path, floats)
    assert read_images("sklearn:digits", floats).pixels.shape == (1797, 8, 8, 1)
