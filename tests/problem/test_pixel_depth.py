"""Images of more than 8 bits keep their values: they train as their versions of 8 bits do, and predict on one scale."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import tenfold
from tenfold import Recipe
from tenfold.data.feed.encode import pixel_inputs
from tenfold.data.read.images import ImageContract
from tenfold.data.read.read import read_any, read_images
from tenfold.errors import BadInput
from tenfold.problem.from_file import prepare
from tenfold.problem.settings import Settings

LOW, HIGH = 700, 2900
RNG = np.random.default_rng(0)
LABELS = np.repeat(["across", "down"], 20)
RECIPE = Recipe.from_dict(
    {"network": {"hidden": [16]}, "optimizer": {"adam": {"lr": 0.02}}, "preprocess": "center_image", "epochs": 6}
)


def picture(label: str) -> np.ndarray:
    """Values from LOW to HIGH, brighter in the upper or in the left half."""
    x = RNG.integers(LOW, HIGH - 500, (8, 8))
    x[:, :4] += 500
    return x if label == "down" else x.T


DEEP = np.stack([picture(label) for label in LABELS]).astype(np.uint16)
DEEP[0, 0, 0], DEEP[1, 0, 0] = LOW, HIGH
BYTES = np.round((DEEP - LOW) / (HIGH - LOW) * 255).astype(np.uint8)


def written(path: Path, images: np.ndarray, ending: str = "png") -> Path:
    for i, (x, label) in enumerate(zip(images, LABELS, strict=True)):
        (path / label).mkdir(parents=True, exist_ok=True)
        Image.fromarray(x).save(path / label / f"{i:02d}.{ending}")
    return path


@pytest.mark.parametrize(
    ("images", "ending"),
    [(DEEP, "png"), (DEEP, "tiff"), (DEEP.astype(np.float32), "tiff"), (DEEP.astype(np.int32), "tiff")],
)
def test_values_of_files_are_kept_and_the_card_shows_range_and_levels(tmp_path, images, ending) -> None:
    path = written(tmp_path / "d", images, ending)
    found = read_any(path)
    np.testing.assert_array_equal(found.pixels[..., 0], DEEP)
    prepared = prepare(Settings(data=str(path), holdout=0.0))
    text = " ".join(" ".join(prepared.card.lines()).split())
    assert f"values 700 to 2,900 in {len(np.unique(DEEP)):,} levels, scaled to 0 to 1" in text
    numbers = prepared.problem.inputs.numbers
    assert (numbers.min(), numbers.max()) == (0.0, 1.0)


def test_both_depths_train_alike_from_every_source(tmp_path) -> None:
    deep, flat = (read_any(written(tmp_path / name, x)).pixels for name, x in (("16", DEEP), ("8", BYTES)))
    np.savez(tmp_path / "d.npz", x=DEEP, y=LABELS)
    stored = read_any(tmp_path / "d.npz").pixels
    scores = [tenfold.cross_validate(RECIPE, x, LABELS, folds=2) for x in (deep, flat, stored, DEEP, DEEP * 1.0)]
    assert scores[0].table[0]["mean"] > 0.8
    for other in scores[1:]:
        assert abs(scores[0].table[0]["mean"] - other.table[0]["mean"]) < 0.06
        np.testing.assert_allclose(scores[0].out_of_fold, other.out_of_fold, atol=0.1)


def test_eight_bits_that_were_saved_with_sixteen_are_the_same_bytes(tmp_path) -> None:
    wide = written(tmp_path / "16", BYTES.astype(np.uint16) * 257)
    np.testing.assert_array_equal(read_any(wide).pixels, read_any(written(tmp_path / "8", BYTES)).pixels)


def test_test_rows_do_not_decide_the_scale(tmp_path) -> None:
    path = written(tmp_path / "d", DEEP)
    prepared = prepare(Settings(data=str(path)))
    development = prepared.problem.inputs
    raw = (
        development.numbers * (development.pixel_range.high - development.pixel_range.low) + development.pixel_range.low
    )
    assert (raw.min(), raw.max()) == (development.pixel_range.low, development.pixel_range.high)
    assert prepared.sealed.inputs.pixel_range == development.pixel_range


def test_predictions_are_on_the_scale_of_training(tmp_path) -> None:
    path = written(tmp_path / "d", DEEP)
    space = tenfold.Space.from_dict(RECIPE.to_dict() | {"epochs": [10]})
    model = tenfold.search(space, read_any(path).pixels, LABELS, trials=1, folds=2).refit()
    assert (model.contract.low, model.contract.high) == (LOW, HIGH)
    model.save(tmp_path / "model")
    loaded = tenfold.load(tmp_path / "model")
    expected = model.predict_proba(DEEP)
    some = LABELS == "down"  # whose range is not that of all
    np.testing.assert_array_equal(loaded.predict_proba(DEEP[some]), expected[some])
    assert loaded.inputs(DEEP + 100)[1] == ["35 of 40 images have values outside the training images' 700 to 2,900"]
    with pytest.raises(BadInput, match="pixels of type uint8"):
        loaded.predict(BYTES)


def test_files_of_the_run_are_predicted_with_its_contract(tmp_path) -> None:
    path = written(tmp_path / "d", DEEP)
    contract = ImageContract(height=8, width=8, channels=1, pixels="uint16", low=LOW, high=HIGH)
    mixed = tmp_path / "mixed"
    mixed.mkdir()
    Image.fromarray(DEEP[0]).save(mixed / "a.png")
    Image.fromarray(np.full((8, 8), 9, np.uint8)).save(mixed / "b.png")
    found = read_images(str(mixed), contract)
    np.testing.assert_array_equal(found.pixels[0, ..., 0], DEEP[0])
    assert (found.pixels[1] == 9 * 257).all()
    assert "1 images of 16 bits a pixel keep their values; those of 1 images with 8 bits count 257-fold" in found.notes
    bytes_only = ImageContract(height=8, width=8, channels=1)
    assert read_images(str(path / "down"), bytes_only).pixels.dtype == np.uint8
    Image.fromarray(DEEP[0].astype(np.float32)).save(mixed / "c.tiff")
    for wanted in (contract, bytes_only):
        with pytest.raises(BadInput, match=r"c\.tiff has 32 bits a pixel"):
            read_images(str(mixed), wanted)


def test_floats_beside_bytes_are_refused_and_deep_grey_beside_colour_is_read_with_eight_bits(tmp_path) -> None:
    path = written(tmp_path / "d", BYTES)
    Image.fromarray(DEEP[0].astype(np.float32)).save(path / "down" / "f.tiff")
    with pytest.raises(BadInput, match=r"images of 32 bits a pixel beside others: across/00\.png \(8 bits\)"):
        read_any(path)
    (path / "down" / "f.tiff").unlink()
    Image.fromarray(np.full((8, 8), 257 * 200 + 1, np.uint16)).save(path / "down" / "g.png")
    Image.fromarray(RNG.integers(256, size=(8, 8, 3), dtype=np.uint8)).save(path / "down" / "h.png")
    found = read_any(path)
    assert found.pixels.dtype == np.uint8
    assert found.pixels[[name == "down/g.png" for name in found.files]].flat[0] == 200
    assert "1 of 42 images have 16 bits a pixel and are read with 8" in found.notes


def test_larger_images_of_sixteen_bits_are_scaled_down_without_losing_levels(tmp_path) -> None:
    large = RNG.integers(LOW, HIGH, (40, 100, 100)).astype(np.uint16)
    found = read_any(written(tmp_path / "d", large))
    assert found.pixels.shape == (40, 64, 64, 1)
    assert len(np.unique(found.pixels)) > 10_000


def test_small_floats_are_taken_as_they_are() -> None:
    x = RNG.normal(size=(40, 8, 8))
    found = tenfold.cross_validate(RECIPE, x, LABELS, folds=2)
    np.testing.assert_array_equal(found.data.inputs.numbers, x.reshape(40, 64))


def test_a_run_over_a_folder_predicts_files_as_it_trained(tmp_path) -> None:
    path = written(tmp_path / "d", DEEP)
    prepared = prepare(Settings(data=str(path), holdout=0.0))
    contract = ImageContract.of(prepared.problem.inputs)
    assert contract is not None
    assert (contract.pixels, contract.low, contract.high) == ("uint16", LOW, HIGH)
    assert ImageContract.from_dict(contract.to_dict()) == contract
    found = pixel_inputs(read_images(str(path / "down"), contract).pixels, contract.pixel_range)
    np.testing.assert_array_equal(found.numbers, prepared.problem.inputs.numbers[LABELS == "down"])
    assert "low" not in ImageContract(height=8, width=8, channels=1).to_dict()  # as versions before wrote it
