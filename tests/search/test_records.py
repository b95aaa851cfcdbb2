"""The book of a pack: which epoch is chosen, what a diverged fold does, and how recipes are ranked."""

import math

import numpy as np
import pytest
from sklearn.datasets import load_iris

from tenfold import Recipe, RunFailed
from tenfold.engine.packs.lanes import Lane
from tenfold.problem.from_arrays import understand
from tenfold.search.leaderboard import leaderboard_row
from tenfold.search.records import EpochRecorder, RecipeRecord
from tenfold.search.results import SearchResults
from tenfold.search.trial_outcome import Outcome

PROBLEM = understand(*load_iris(return_X_y=True)).problem(2)
RECIPE = Recipe(epochs=4)
LANES = [Lane(RECIPE, 0, 0), Lane(RECIPE, 0, 1)]
RECORDED = np.arange(0, 150, 7)  # rows whose contributions are recorded


def logits(fold, share):
    """Outputs of a network that is right on that share of the fold's validation rows."""
    y = PROBLEM.y[PROBLEM.folds[fold].validation]
    right = np.arange(len(y)) < round(share * len(y))
    return 5.0 * np.eye(3, dtype=np.float32)[np.where(right, y, (y + 1) % 3)]


def kept(shares, bad=None):
    """A book after one epoch for each pair of shares (None: the fold's outputs are not finite)."""
    records = EpochRecorder.new(PROBLEM, [RECIPE], [0], RECORDED)
    book, lanes, stays = EpochRecorder(PROBLEM, records, recorded_rows=RECORDED), LANES, []
    for epoch, pair in enumerate(shares, 1):
        outputs = [np.full((75, 3), np.nan) if s is None else logits(f, s) for f, s in enumerate(pair[: len(lanes)])]
        flags = np.full(len(lanes), -1) if bad is None or epoch < len(shares) else np.array(bad)
        stay = book.record(epoch, lanes, np.full(len(lanes), 0.5), outputs, flags)
        lanes = [lane for lane, stays_on in zip(lanes, stay, strict=True) if stays_on]
        stays.append(stay)
    return book, stays


def test_the_last_of_equal_epochs_is_chosen():
    book, stays = kept([(0.2, 0.4), (0.8, 0.6), (0.6, 0.8), (0.4, 0.4)])
    record = book.records[0]
    assert record.epoch == 3
    np.testing.assert_allclose(record.scores(), [0.6, 0.8], atol=0.01)
    assert record.outcomes == [Outcome.OK, Outcome.OK]
    assert stays == [[True, True]] * 3 + [[False, False]]
    for fold, part in enumerate(record.out_of_fold):
        np.testing.assert_allclose(part, PROBLEM.readable(logits(fold, (0.6, 0.8)[fold]), fold, "softmax"))
    assert book.best() == pytest.approx(record.scores().mean())


@pytest.mark.parametrize(("change", "epoch"), [(-1e-13, 2), (-1e-6, 1)])
def test_means_that_differ_by_their_rounding_are_equal(change, epoch):
    record = kept([(0.8, 0.6), (0.6, 0.8), (0.4, 0.4)])[0].records[0]
    record.epoch = 1
    record.curves[2, 0, 1] = record.curves[2, :, 0].sum() - record.curves[2, 1, 1] + change
    EpochRecorder(PROBLEM, {0: record})._choose(0, 2, {})
    assert record.epoch == epoch


@pytest.mark.parametrize("bad", [None, [-1, 7]], ids=["outputs", "loss"])
def test_a_fold_that_diverges_has_no_score_and_the_other_goes_on(bad):
    book, stays = kept([(0.2, 0.9), (0.6, None if bad is None else 0.9)], bad)
    record = book.records[0]
    assert stays[-1] == [True, False]
    assert record.outcomes == [None, Outcome.DIVERGED]
    assert record.ended[1] == (0 if bad is None else 7)
    assert record.epoch == 2  # the first was chosen with a fold that is gone
    scores = record.scores()
    assert scores[0] == pytest.approx(0.6, abs=0.01)
    assert math.isnan(scores[1])
    assert record.out_of_fold[1] is None
    assert book.best() is None


def test_what_is_under_way_when_time_is_up_is_a_timeout():
    book, _ = kept([(0.2, 0.9), (0.6, None)])
    book.cut_short(Outcome.TIMEOUT, 2)
    assert book.records[0].outcomes == [Outcome.TIMEOUT, Outcome.DIVERGED]
    assert book.records[0].ended[0] == 2


def test_a_book_is_the_same_after_storing():
    book, _ = kept([(0.2, 0.9), (0.6, None)])
    arrays, meta = book.arrays()
    again = EpochRecorder.read(arrays, meta)
    one, two = book.records[0], again[0]
    np.testing.assert_array_equal(one.curves, two.curves)
    assert (one.outcomes, one.ended, one.epoch) == (two.outcomes, two.ended, two.epoch)
    np.testing.assert_array_equal(one.out_of_fold[0], two.out_of_fold[0])
    assert two.out_of_fold[1] is None
    np.testing.assert_array_equal(one.rows, two.rows)


def test_rows_hold_what_each_kept_row_contributes_at_every_epoch():
    shares = [(0.2, 0.4), (0.8, 0.6), (0.6, 0.8), (0.4, 0.4)]
    book, _ = kept(shares)
    for epoch, pair in enumerate(shares):
        hit = np.zeros(150)
        for f, fold in enumerate(PROBLEM.folds):
            hit[fold.validation] = logits(f, pair[f]).argmax(1) == PROBLEM.y[fold.validation]
        np.testing.assert_array_equal(book.records[0].rows[epoch], hit[RECORDED])


def test_what_racing_drops_keeps_its_scores_and_is_pruned():
    book, _ = kept([(0.2, 0.4), (0.8, 0.6)])
    record = book.records[0]
    record.drop(2)
    assert record.outcomes == [Outcome.PRUNED, Outcome.PRUNED]
    assert (record.dropped, record.ended, record.epoch) == (2, [2, 2], 2)
    assert record.mean() == pytest.approx(0.7, abs=0.01)
    assert record.finished


def test_folds_that_were_not_begun_are_left_out_of_the_mean():
    book = EpochRecorder(PROBLEM, EpochRecorder.new(PROBLEM, [RECIPE], [0]))
    book.record(1, LANES[:1], np.zeros(1), [logits(0, 0.6)], np.array([-1]))
    assert book.records[0].mean() == pytest.approx(0.6, abs=0.01)
    assert math.isnan(book.records[0].scores()[1])


def test_a_settled_epoch_stays_and_takes_the_later_folds_predictions():
    book = EpochRecorder(PROBLEM, EpochRecorder.new(PROBLEM, [RECIPE], [0]))
    for epoch, share in enumerate((0.4, 0.8, 0.6, 0.2), 1):
        book.record(epoch, LANES[:1], np.zeros(1), [logits(0, share)], np.array([-1]))
    later = EpochRecorder(PROBLEM, book.records, epoch_fixed=True)
    for epoch, share in enumerate((0.2, 0.4, 0.9, 0.2), 1):
        later.record(epoch, LANES[1:], np.zeros(1), [logits(1, share)], np.array([-1]))
    record = later.records[0]
    assert record.epoch == 2
    np.testing.assert_allclose(record.scores(), [0.8, 0.4], atol=0.01)
    np.testing.assert_allclose(record.out_of_fold[1], PROBLEM.readable(logits(1, 0.4), 1, "softmax"))


def record_of(scores, *outcomes, epoch=1):
    curves = np.full((3, 2, 1), np.nan)
    curves[2, :, 0] = scores
    return RecipeRecord(curves, list(outcomes), [1, 1], epoch)


def trained(*records):
    return SearchResults(PROBLEM, (RECIPE,) * len(records), dict(enumerate(records)), 1.0)


def test_finished_before_out_of_time_before_diverged():
    ok, late, lost = Outcome.OK, Outcome.TIMEOUT, Outcome.DIVERGED
    found = trained(
        record_of([1.0, 1.0], ok, lost), record_of([-0.9, -0.9], late, late), record_of([0.5, 0.6], ok, ok),
        record_of([0.6, 0.7], ok, ok), record_of([0.7, 0.6], ok, ok), record_of([0, 0], late, lost, epoch=0),
        record_of([0.9, 0.9], late, late),
    )  # fmt: skip
    assert found.ranking() == [3, 4, 2, 6, 1, 0, 5]
    assert found.best() == 3
    assert found.outcomes() == {"ok": 7, "diverged": 2, "timeout": 5}
    assert found.outcomes(0) == {"ok": 1, "diverged": 1}
    assert math.isnan(leaderboard_row(found, 0)["mean"])


def test_recipes_that_never_had_their_turn_were_not_begun():
    ok, late, lost = Outcome.OK, Outcome.TIMEOUT, Outcome.DIVERGED
    nan = math.nan
    found = trained(
        record_of([0.5, 0.6], ok, ok), record_of([nan, nan], late, late, epoch=0),
        record_of([nan, nan], lost, lost, epoch=0), record_of([0.4, nan], late, late),
    )  # fmt: skip
    assert found.begun == (0, 2, 3)


def test_without_a_finite_score_nobody_wins():
    found = trained(record_of([1.0, 1.0], Outcome.OK, Outcome.DIVERGED))
    with pytest.raises(RunFailed, match="1 ok, 1 diverged"):
        found.best()
