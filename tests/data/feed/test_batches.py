"""Batches: every training row once an epoch, nearly equal sizes, the same for all recipes."""

import numpy as np
import pytest

from tenfold.data.feed.batches import ALIGN, Dealing, align, deal
from tenfold.data.feed.randomness import derive, derive_int
from tenfold.data.split.folds import Fold

NONE = np.zeros(0, np.int64)


def part(rows, number=0, seed=0, start=100):
    return Fold(np.arange(start, start + rows), NONE, number, seed)


def sizes_of(fold, dealing, epoch=0):
    """Checks an epoch of a fold and returns the number of rows of each batch."""
    rows, weights = deal(fold, dealing, epoch)
    assert rows.shape == weights.shape == (dealing.updates, dealing.rows)
    real = weights > 0
    sizes = real.sum(1)
    assert sorted(rows[real]) == list(fold.train)  # every row exactly once
    assert np.isin(rows, fold.train).all()  # padding is rows of the fold
    assert (weights[real] == np.repeat(1 / sizes, sizes)).all()
    np.testing.assert_allclose(weights.sum(1), 1, rtol=1e-14)
    assert (real == (np.arange(dealing.rows) < sizes[:, None])).all()  # real rows first
    return sizes


def test_exhaustively_for_small_parts():
    for rows in range(1, 41):
        fold = part(rows)
        for batch in [*range(1, 65), "full"]:
            dealing = Dealing.of([fold], batch)
            sizes = sizes_of(fold, dealing)
            assert np.ptp(sizes) <= 1
            assert dealing.rows % ALIGN == 0
            if batch == "full":
                assert dealing.updates == 1
            elif rows == 1 or batch == 1:
                assert (sizes == 1).all()
            else:
                assert sizes.min() >= 2  # a batch of one row has no variance to normalize with
                assert sizes.max() <= max(batch, 3)


def test_unequal_folds_make_the_same_number_of_updates():
    for rows in range(2, 30):
        folds = [part(rows), part(rows + 1, 1), part(2 * rows, 2)]
        for batch in (1, 2, 3, 5, 8, 64, "full"):
            dealing = Dealing.of(folds, batch)
            for fold in folds:
                sizes = sizes_of(fold, dealing)
                assert np.ptp(sizes) <= 1
                assert sizes.min() >= (1 if batch == 1 else 2)


@pytest.mark.parametrize(("rows", "batch", "updates"), [(100, 32, 4), (96, 32, 3), (455, 32, 15), (10, 999, 1)])
def test_updates_of_an_epoch(rows, batch, updates):
    assert Dealing.of([part(rows)], batch).updates == updates


def test_order_comes_from_seed_fold_and_epoch_and_from_nothing_else():
    dealing, fold = Dealing.of([part(50)], 8), part(50)
    rows = deal(fold, dealing, 3)[0]
    np.testing.assert_array_equal(rows, deal(part(50), dealing, 3)[0])
    others = [deal(fold, dealing, 4), deal(part(50, number=1), dealing, 3), deal(part(50, seed=1), dealing, 3)]
    assert all((other != rows).any() for other, _ in others)

    def flat(batch):
        rows, weights = deal(fold, Dealing.of([fold], batch), 3)
        return rows[weights > 0].tolist()

    assert flat(8) == flat(50) == flat(1)  # another batch size deals the same shuffled rows


def test_align():
    assert [align(n) for n in (0, 1, 32, 33)] == [0, 32, 32, 64]
    assert align(17, 16) == 32


def test_derived_randomness():
    draw = lambda *place: derive(*place).random(4).tolist()  # noqa: E731
    assert draw(0, "init", 1, 2) == draw(0, "init", 1, 2)
    places = [(0, "init"), (0, "order"), (1, "init"), (0, "init", 0), (0, "init", 1), (0, "init", 0, 1), (0, "dropout")]
    assert len({tuple(draw(*place)) for place in places}) == len(places)
    assert 0 <= derive_int(5, "folds", 0) < 2**32
    assert derive_int(5, "folds", 0) == derive_int(5, "folds", 0) != derive_int(5, "folds", 1)
