"""Mirrored and shifted images against a loop over rows and against numpy, and the draws that decide them."""

import dataclasses

import numpy as np
import pytest
import torch

from tenfold.rules.augmentation import Augmentation, augment, draws
from tenfold.rules.record import SECTIONS, BadField, sections

SHAPES = [(2, 5, 6, 4, 3), (1, 1, 1, 1, 1), (3, 2, 8, 8, 1)]
DTYPES = [torch.uint8, torch.float32, torch.float64, torch.int64]


def slow(image, flip, down, right):
    """One image (H, W, C), pixel by pixel."""
    height, width, _ = image.shape
    out = np.zeros_like(image)
    for i in range(height):
        for j in range(width):
            at, to = i + down, (width - 1 - j if flip else j) + right
            if 0 <= at < height and 0 <= to < width:
                out[at, to] = image[i, j]
    return out


def batch(shape, dtype, shift, seed=0):
    rng = np.random.default_rng(seed)
    images = torch.from_numpy(rng.integers(1, 200, shape)).to(dtype)
    flip = torch.from_numpy(rng.random(shape[:2]) < 0.5)
    down, right = (torch.from_numpy(rng.integers(-shift, shift + 1, shape[:2])) for _ in range(2))
    return images, flip, down, right


@pytest.mark.parametrize("shift", [0, 1, 3, 20])
@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_equals_a_loop_over_pixels(shape, dtype, shift):
    images, flip, down, right = batch(shape, dtype, shift)
    before = images.clone()
    out = augment(images, flip, down, right)
    assert out.dtype == dtype
    assert out.shape == images.shape
    assert torch.equal(images, before)
    for f in range(shape[0]):
        for b in range(shape[1]):
            expected = slow(images[f, b].numpy(), bool(flip[f, b]), int(down[f, b]), int(right[f, b]))
            np.testing.assert_array_equal(out[f, b].numpy(), expected)


def test_nothing_drawn_is_the_identity_and_a_mirror_is_its_own_inverse():
    images, flip, down, right = batch(SHAPES[0], torch.float64, 0)
    assert torch.equal(augment(images, flip & False, down, right), images)
    every = torch.ones_like(flip)
    mirrored = augment(images, every, down, right)
    assert torch.equal(mirrored, images.flip(3))
    assert torch.equal(augment(mirrored, every, down, right), images)


def test_what_is_moved_out_is_lost_and_black_comes_in():
    image = torch.arange(1.0, 10).view(1, 1, 3, 3, 1)
    none = torch.zeros(1, 1, dtype=torch.bool)
    one = torch.ones(1, 1, dtype=torch.int64)
    down = augment(image, none, one, 0 * one)[0, 0, :, :, 0]
    assert down.tolist() == [[0, 0, 0], [1, 2, 3], [4, 5, 6]]
    left = augment(image, none, 0 * one, -one)[0, 0, :, :, 0]
    assert left.tolist() == [[2, 3, 0], [5, 6, 0], [8, 9, 0]]
    mirrored_then_right = augment(image, ~none, 0 * one, one)[0, 0, :, :, 0]
    assert mirrored_then_right.tolist() == [[0, 3, 2], [0, 6, 5], [0, 9, 8]]


def test_stacked_equals_alone():
    images, flip, down, right = batch(SHAPES[0], torch.float32, 2)
    out = augment(images, flip, down, right)
    for f in range(2):
        alone = augment(images[f : f + 1], flip[f : f + 1], down[f : f + 1], right[f : f + 1])
        assert torch.equal(out[f : f + 1], alone)


@pytest.mark.parametrize("shift", [0, 1, 2, 4])
def test_draws_are_uniform_and_independent(shift):
    flip, down, right = draws(np.random.default_rng(0), 40_000, shift)
    assert flip.dtype == bool
    assert down.dtype == right.dtype == np.int64
    assert abs(flip.mean() - 0.5) < 0.01
    for moves in (down, right):
        values, counts = np.unique(moves, return_counts=True)
        assert values.tolist() == list(range(-shift, shift + 1))
        assert np.abs(counts / 40_000 - 1 / (2 * shift + 1)).max() < 0.01
    if shift:
        assert np.abs(np.corrcoef([flip, down, right]) - np.eye(3)).max() < 0.02


def test_a_larger_shift_moves_the_same_rows_the_same_way_further():
    few, more = (draws(np.random.default_rng(5), 1000, shift) for shift in (1, 3))
    np.testing.assert_array_equal(few[0], more[0])
    for one, two in zip(few[1:], more[1:], strict=True):
        assert (one * two >= 0).all()
        assert (np.abs(two) >= np.abs(one)).all()


def test_draws_stay_in_range_at_the_ends_of_the_uniforms():
    class Ends:
        def random(self, shape):
            return np.full(shape, self.value)

    ends = Ends()
    for shift in range(200):
        ends.value = np.nextafter(1.0, 0.0)
        assert draws(ends, 1, shift)[1] == shift
        ends.value = 0.0
        assert draws(ends, 1, shift)[1] == -shift


def test_it_says_whether_it_changes_anything():
    assert not Augmentation().active
    assert Augmentation(flip=True).active
    assert Augmentation(shift=1).active


@pytest.mark.parametrize(
    ("field", "value"), [("flip", 1), ("flip", "yes"), ("shift", -1), ("shift", 1.5), ("shift", True), ("shift", None)]
)
def test_a_field_refuses_what_it_cannot_be(field, value):
    with pytest.raises(BadField, match=field):
        Augmentation(**{field: value})


def test_it_is_documented_like_a_rule():
    found = sections(Augmentation)
    assert list(found) == ["", *SECTIONS]
    assert all(field.name in found["Options"] for field in dataclasses.fields(Augmentation))
