"""Images from files: what pixels they become in training and in prediction, and what is refused by name."""

import hashlib
import os
import struct
import sys
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageOps

from tenfold.data.feed.encode import pixel_inputs
from tenfold.data.read.image_files import FORMATS, folder_sha, read_files, read_folder
from tenfold.data.read.images import ImageContract
from tenfold.data.read.read import read_any, read_images

from .pictures import colours, folder, four, say


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
    expected = ImageOps.fit(Image.fromarray(colours((97, 50, 3))), (50, 50), Image.Resampling.LANCZOS)
    np.testing.assert_array_equal(found.pixels[0], np.asarray(expected))
    assert found.notes == ("4 images of 97 x 50 cropped to squares and scaled to 50 x 50",)


def test_different_sizes_become_squares_of_the_median_shorter_side(tmp_path):
    sizes = [(20, 12), (10, 10), (40, 30), (9, 40)]
    images = {f"{'ab'[i % 2]}/{i}.png": colours((*size, 3), i) for i, size in enumerate(sizes)}
    found = read_folder(folder(tmp_path, images))
    assert found.pixels.shape == (4, 11, 11, 3)  # the median of 12, 10, 30, 9
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
    "I;16": (Image.fromarray(np.full((8, 8), 257 * 200, np.uint16)), (200, 200, 200), (200, 200, 200)),
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


def claiming(width, height):
    """A small PNG file that claims to be large."""
    chunks = {
        b"IHDR": struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0),
        b"IDAT": zlib.compress(bytes(9)),
        b"IEND": b"",
    }
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
    assert "0.png" not in said.replace("a/0.png", "")
    assert "try: remove or replace them" in said


def test_ten_files_are_named_and_the_rest_counted(tmp_path):
    path = four(tmp_path)
    for i in range(13):
        (path / "a" / f"bad{i:02d}.jpg").write_bytes(b"nothing")
    said = say(read_folder, path)
    assert said.count("bad") == 10
    assert "and 3 more" in said


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
        (
            lambda p: folder(p, {"c\x1b/0.png": colours((8, 8, 3)), "c\x1b/1.png": colours((8, 8, 3))}),
            "no printable name",
        ),
    ],
)
def test_other_layouts_are_refused(tmp_path, spoil, words):
    path = four(tmp_path / "photos")
    spoil(path)
    assert words in say(read_any, path)


def test_a_folder_without_class_folders(tmp_path):
    assert "a folder without class folders" in say(read_any, str(tmp_path))
    (tmp_path / "table.csv").write_text("a,b\n")
    assert "a folder without class folders" in say(read_any, str(tmp_path))
    assert "2 files in no class folder: 0.png, table.csv" in say(
        read_any, folder(tmp_path, {"0.png": colours((8, 8, 3))})
    )


def test_linked_folders_are_read_once_each(tmp_path):
    stored, path = four(tmp_path / "stored"), tmp_path / "photos"
    path.mkdir()
    for name in "ab":
        (path / name).symlink_to(stored / name)
    assert folder_sha(path) == folder_sha(stored)
    found = read_folder(path)
    np.testing.assert_array_equal(found.pixels, read_folder(stored).pixels)
    (stored / "b" / "round").symlink_to(path)
    assert read_images(path, ImageContract(height=8, width=8, channels=3)).files == found.files


def test_litter_is_ignored_and_said(tmp_path):
    path = four(tmp_path / "photos")
    before = folder_sha(path)
    for name in (".DS_Store", "a/Thumbs.db", "b/.hidden.png"):
        (path / name).write_bytes(b"litter")
    (path / "__MACOSX").mkdir()
    found = read_folder(path)
    assert len(found.pixels) == 4
    assert found.notes == ("4 hidden or system files ignored: .DS_Store, .hidden.png, Thumbs.db, __MACOSX",)
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


SETS = {
    "kept": {f"{c}/{i}.png": colours((9, 7, 3), i) for c in "ab" for i in range(2)},
    "grey as rgb": {f"{c}/{i}.png": np.repeat(colours((30 + i, 9, 1), i), 3, 2) for c in "ab" for i in range(2)},
    "mixed sizes": {f"{c}/{i}.png": colours((90 + 40 * i, 70, 3), i) for c in "ab" for i in range(2)},
    "photos": {f"{c}/{i}.jpg": colours((150, 120 + i, 3), i) for c in "ab" for i in range(2)},
    "small and large": {f"{c}/{i}.png": colours((200, 200, 3) if i else (20, 30, 3), i) for c in "ab" for i in range(3)}
    | {f"a/more{i}.png": colours((20, 20, 3), i) for i in range(9)},
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
    x, large = colours((128, 128, 3)), colours((200, 200, 3))
    path = folder(tmp_path, {"0.png": x, "1.png": large})
    contract = ImageContract(height=128, width=128, channels=3)
    expected = Image.fromarray(large).resize((128, 128), Image.Resampling.LANCZOS)
    np.testing.assert_array_equal(read_images(path, contract).pixels, [x, np.asarray(expected)])


def test_what_cannot_be_predicted_is_said(tmp_path):
    contract = ImageContract(height=8, width=8, channels=1)
    assert "no image in this folder" in say(read_images, tmp_path, contract)
    (tmp_path / "a.png").write_bytes(b"x")
    assert "a.png (no image)" in say(read_images, tmp_path, contract)
    assert "a.png (no image)" in say(read_images, tmp_path / "a.png", contract)
    assert "there is no such file or folder" in say(read_images, tmp_path / "b.png", contract)
    floats = ImageContract(height=8, width=8, channels=1, pixels="float64")
    Image.fromarray(colours((8, 8))).save(tmp_path / "a.png")
    assert "trained on an array" in say(read_images, tmp_path, floats)
    assert read_images("sklearn:digits", floats).pixels.shape == (1797, 8, 8, 1)
