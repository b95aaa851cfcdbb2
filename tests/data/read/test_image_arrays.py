"""Images of npz files and arrays: inputs, the card, and the contract that a model holds them to."""

from pathlib import Path

import numpy as np
import pytest
from sklearn.datasets import load_digits

from tenfold.data.columns.table import Column
from tenfold.data.columns.target import read_target
from tenfold.data.feed.encode import Inputs, fit_encoding, pixel_inputs
from tenfold.data.profile.card import Card
from tenfold.data.profile.image_card import make_image_card
from tenfold.data.read.images import ImageContract, Images, as_pixels
from tenfold.data.read.read import read_any, read_images, read_table

from .pictures import colours, say


def npz(path: Path, **arrays: np.ndarray) -> Path:
    np.savez(path, **arrays)  # type: ignore[arg-type]
    return path


@pytest.mark.parametrize("shape", [(6, 4, 5, 3), (6, 4, 5)])
def test_npz_of_bytes(tmp_path, shape):
    x = colours(shape)
    found = read_any(npz(tmp_path / "d.npz", x=x, y=np.arange(6) % 2))
    assert found.pixels.dtype == np.uint8
    np.testing.assert_array_equal(found.pixels, x.reshape(6, 4, 5, -1))
    assert read_target(found.labels, None).classes == ("0", "1")


def test_npz_with_training_arrays_and_class_names(tmp_path):
    x, y = colours((6, 4, 4, 3)), np.array([2, 0, 1, 2, 0, 1])
    names = np.array(["cat", "dog", "emu"])
    path = npz(tmp_path / "d.npz", x_train=x, y_train=y[:, None], x_test=x[:2], y_test=y[:2], classes=names)
    found = read_any(path)
    assert found.labels.column("target").values.tolist() == names[y].tolist()
    assert found.notes == ("arrays x_train and y_train are used as x and y", "not used: x_test, y_test")
    flat = read_table(npz(tmp_path / "flat.npz", x_train=x.reshape(6, -1).astype(float), y_train=y, classes=names))
    assert flat.column("target").values.tolist() == names[y].tolist()


@pytest.mark.parametrize(
    ("arrays", "words"),
    [
        ({"x": np.zeros((4, 3, 3), complex), "y": np.arange(4)}, "type complex128"),
        ({"x": np.zeros((4, 3, 3)), "y": np.arange(5)}, r"x has the shape (4, 3, 3) and y (5,)"),
        ({"x": np.zeros((4, 3, 3, 1, 1)), "y": np.arange(4)}, "x has the shape (4, 3, 3, 1, 1)"),
        ({"x": np.zeros((4, 3, 0)), "y": np.arange(4)}, "shape (4, 3, 0)"),
        ({"x": np.full((4, 3, 3), np.nan), "y": np.arange(4)}, "the pixel (0, 0, 0) is nan"),
        (
            {"x": np.zeros((4, 3, 3)), "y": np.arange(4), "classes": np.array(["a", "b"])},
            "0 to 3 and there are 2 classes",
        ),
        ({"x_train": np.zeros((4, 3, 3))}, "no array 'y'"),
    ],
)
def test_npz_that_is_refused(tmp_path, arrays, words):
    assert words in say(read_any, npz(tmp_path / "d.npz", **arrays))


def test_digits_are_images_to_a_fit_and_a_table_to_a_reader():
    found, digits = read_any("sklearn:digits"), load_digits()
    np.testing.assert_array_equal(found.pixels[..., 0], digits.images)
    assert found.pixels.dtype == np.float64
    assert read_table("sklearn:digits").column("pixel_0_0").values.shape == (1797,)


def test_infinite_pixels_are_placed():
    x = np.zeros((3, 2, 2), np.float32)
    x[1, 0, 1] = np.inf
    assert "the pixel (1, 0, 1) is inf" in say(as_pixels, x, source="X")


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
    assert fit_encoding(pixel_inputs(colours((3, 2, 2, 1))), np.arange(2)).width == 4


def card_of(pixels, values, notes=()) -> Card:
    target = np.array([f"c{v}" for v in values], object)
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
    assert "3 of 36 pixel values are the same" in text
    assert "a note" in text
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
