"""Racing: who is dropped when, that survivors lose no bit, and that what is kept or resumed is what was decided."""

import math
import time
from copy import deepcopy

import numpy as np
import pytest
from sklearn.datasets import load_iris

import tenfold
from tenfold import BadInput, Recipe, Space
from tenfold.data.split.folds import Fold
from tenfold.problem.from_arrays import understand
from tenfold.search.context import Journal, SearchContext
from tenfold.search.leaderboard import leaderboard_row
from tenfold.search.racing import NAMES, Standing, Strategy
from tenfold.search.search import SearchPlan, train_all
from tenfold.search.trial_outcome import Outcome

X, Y = load_iris(return_X_y=True)
FIELDS = {"network": {"hidden": [[8], [12]], "activation": ["relu", "tanh"], "dropout": [0.0, 0.2]}, "batch_size": 20}
SPACE = Space.from_dict(FIELDS | {"epochs": 18, "optimizer": {"adam": {"lr": {"log_uniform": [1e-4, 1e-1]}}}})
FOLDS = tuple(Fold(np.arange(4), np.arange(4, 8), n, seed) for seed in (0, 1) for n in range(5))


def raced(strategy, *, trials=18, plan=None, **options):
    problem = understand(X, Y).problem(5)
    context = SearchContext.local("cpu", **options)
    return train_all(problem, SPACE.sample(trials, seed=3), context, plan or SearchPlan(Strategy(strategy)))


@pytest.fixture(scope="module")
def whole():
    return raced("exhaustive")


# ---- the plan of a race -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("recipes", "epochs", "rungs"),
    [
        (81, 81, [3, 9, 27, 81]),
        (48, 40, [2, 5, 14, 40]),
        (9, 40, [14, 40]),
        (3, 40, [40]),
        (81, 4, [2, 4]),
        (1, 1, [1]),
    ],
)
def test_rungs_of_halving_lie_eta_apart_and_end_at_the_end(recipes, epochs, rungs):
    stages = Strategy("halving").stages(FOLDS, recipes, epochs)
    assert [stage.until for stage in stages] == rungs
    assert all(stage.folds == tuple(range(10)) for stage in stages)


def standing(means, folds=5, spread=0.0, first=None):
    rng = np.random.default_rng(0)
    noise = rng.normal(size=(len(means), folds))
    scores = {n: mean + spread * (row - row.mean()) for n, (mean, row) in enumerate(zip(means, noise, strict=True))}
    return Standing(tuple(range(len(means))) if first is None else first, scores, 0.25)


def test_halving_keeps_the_best_third_of_those_that_began():
    race, means = Strategy("halving"), np.random.default_rng(1).permutation(81) / 81
    best = np.argsort(-means).tolist()
    seen = standing(means)
    alive = list(range(81))
    for stage, left in enumerate((27, 9, 3)):
        alive = race.survivors(stage, 3, alive, seen)
        assert alive == best[:left]


def test_a_diverged_recipe_is_the_first_to_go():
    seen = standing([0.9, math.nan, 0.5, 0.1])
    assert Strategy("halving", least=1).survivors(0, 1, [0, 1, 2, 3], seen) == [0, 2]


def test_a_hyperband_search_makes_as_many_brackets_as_it_has_rungs():
    epochs = SPACE.sample(1)[0].epochs
    race = Strategy("hyperband")
    rungs = race.stages(FOLDS[:5], 18, epochs)
    assert len(rungs) == 3
    found = raced("hyperband").race
    brackets = race.brackets(range(18), 2)
    assert [rung.epoch for rung in found] == [stage.until for stage in rungs[:-1]]
    cut, *others = (set(bracket) for bracket in brackets)
    assert set().union(*others) <= set(found[0].kept)  # the first rung cuts the first bracket alone
    assert len(cut & set(found[0].kept)) == max(race.least, -(-len(cut) // race.eta))


def test_brackets_of_hyperband_share_the_recipes_and_the_last_drops_none():
    race = Strategy("hyperband")
    brackets = race.brackets(tuple(range(81)), 3)
    assert [len(members) for members in brackets] == [45, 19, 10, 7]  # as 27/4 : 9/3 : 3/2 : 1
    assert sorted(n for members in brackets for n in members) == list(range(81))
    seen = standing(np.linspace(1, 0, 81))
    first = race.survivors(0, 3, list(range(81)), seen)
    assert sorted(first) == [*range(15), *range(45, 81)]  # only the first bracket decides at the first rung
    last = race.survivors(2, 3, race.survivors(1, 3, first, seen), seen)
    assert set(brackets[3]) <= set(last)


def test_fold_racing_takes_three_folds_then_one_by_one_then_whole_repeats():
    stages = Strategy("racing").stages(FOLDS, 10, 40)
    assert [stage.folds for stage in stages] == [(0, 1, 2), (3,), (4,), (5, 6, 7, 8, 9)]
    assert {stage.until for stage in stages} == {40}


def test_noise_never_drops_a_tie_and_a_clear_difference_is_seen():
    race = Strategy("racing")
    tied = standing([0.9] * 6, spread=0.02)
    assert sorted(race.survivors(0, 2, list(range(6)), tied)) == list(range(6))
    same = Standing((0, 1), dict.fromkeys((0, 1), np.array([0.9, 0.8, 0.95])), 0.25)
    assert race.survivors(0, 2, [0, 1], same) == [0, 1]
    clear = standing([0.9, 0.4], spread=0.02)
    assert race.survivors(0, 2, [0, 1], clear) == [0]


def test_ties_are_dropped_as_rarely_as_the_level_says():
    rng, race, dropped = np.random.default_rng(4), Strategy("racing"), 0
    for _ in range(600):
        scores = dict(enumerate(0.9 + 0.02 * rng.normal(size=(2, 5)) + 0.02 * rng.normal(size=5)))
        dropped += len(race.survivors(0, 1, [0, 1], Standing((0, 1), scores, 0.25))) < 2
    assert dropped / 600 <= 0.08


@pytest.mark.parametrize("fields", [{"name": "hyper"}, {"eta": 1}, {"least": 0}, {"level": 1.0}])
def test_a_race_that_cannot_be_is_refused(fields):
    with pytest.raises(BadInput):
        Strategy(**fields)


def test_work_counts_the_epochs_of_a_race():
    assert Strategy("halving").work(FOLDS[:5], 81, 81) == 5 * (81 * 3 + 27 * 6 + 9 * 18 + 3 * 54)
    assert Strategy("exhaustive").work(FOLDS[:5], 81, 81) == 5 * 81 * 81


# ---- races that are run -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("strategy", [name for name in NAMES if name != "exhaustive"])
def test_what_survives_has_the_bits_of_a_search_without_a_race(strategy, whole):
    found = raced(strategy)
    assert found.race
    dropped = 0
    for number, record in found.records.items():
        other = whole.records[number]
        seen = np.isfinite(record.curves)
        np.testing.assert_array_equal(record.curves[seen], other.curves[seen])
        if record.dropped:
            dropped += 1
            assert Outcome.PRUNED in record.outcomes
            continue
        np.testing.assert_array_equal(record.curves, other.curves)
        if strategy != "racing":  # which settles its epochs on the first folds
            assert record.epoch == other.epoch
            np.testing.assert_array_equal(record.rows, other.rows)
            for one, two in zip(record.out_of_fold, other.out_of_fold, strict=True):
                np.testing.assert_array_equal(one, two)
    assert dropped == sum(len(rung.entered) - len(rung.kept) for rung in found.race) > 0
    made, of_all = found.epochs()
    assert made < of_all


def test_only_what_was_trained_to_the_end_can_win(whole):
    found = raced("halving")
    order = found.ranking()
    complete = [found.complete(n) for n in order]
    assert complete == sorted(complete, reverse=True)
    assert sum(complete) == 3
    assert found.best() in found.race[-1].kept
    seen = [found.records[n].dropped for n in order[3:]]
    assert seen == sorted(seen, reverse=True)
    assert found.outcomes() == {"ok": 15, "pruned": 75}


def test_an_audit_trains_dropped_recipes_to_the_end_as_if_nothing_had_been(whole):
    found = raced("halving", plan=SearchPlan(Strategy("halving"), audit=True))
    assert len(found.audit) == 12
    assert all(found.records[n].dropped for n in found.audit)
    for number, record in found.audit.items():
        np.testing.assert_array_equal(record.curves, whole.records[number].curves)
    wrong, total = found.audited()
    best = found.mean(found.best())
    assert (wrong, total) == (sum(whole.mean(n) > best for n in found.audit), 12)


def test_the_same_seed_samples_the_same_recipes_whatever_the_strategy():
    one, two = (tenfold.search(SPACE, X, Y, trials=6, folds=2, strategy=name) for name in ("exhaustive", "halving"))
    assert one.trained.recipes == two.trained.recipes
    assert two.racing
    assert not one.racing


class Memory(Journal):
    """Keeps everything, and stops the search after so many messages."""

    def __init__(self):
        self.values, self.arrays, self.left = {}, {"checkpoint": {}, "done": {}, "rest": {}}, math.inf

    def once(self, name, make, *, write=lambda value: value, read=lambda value: value):
        if name not in self.values:
            self.values[name] = write(make())
        return read(self.values[name])

    def checkpoint(self, pack):
        return deepcopy(self.arrays["checkpoint"].get(pack))

    def finished(self, pack):
        return deepcopy(self.arrays["done"].get(pack))

    def paused(self, pack):
        return self.arrays["rest"].get(pack)

    def drop_paused(self, packs):
        for pack in packs:
            self.arrays["rest"].pop(pack, None)

    def receive(self, message):
        if message.kind != "epoch":
            kept = {name: array.copy() for name, array in message.arrays.items()}
            self.arrays[message.kind][message.pack] = kept, message.meta
        if message.paused is not None:
            self.arrays["rest"][message.pack] = message.paused
        self.left -= 1
        if self.left <= 0:
            raise KeyboardInterrupt


@pytest.mark.parametrize("strategy", ["halving", pytest.param("racing", marks=pytest.mark.slow)])
def test_a_race_that_is_stopped_anywhere_goes_on_to_the_same_end(strategy):
    golden, journal, stops = raced(strategy), Memory(), 0
    while True:
        journal.left = 4 + 4 * stops
        try:
            found = raced(strategy, journal=journal)
            break
        except KeyboardInterrupt:
            stops += 1
    assert stops >= 2
    assert found.ranking() == golden.ranking()
    assert found.race == golden.race
    for number, record in found.records.items():
        np.testing.assert_array_equal(record.curves, golden.records[number].curves)
        np.testing.assert_array_equal(record.rows, golden.records[number].rows)
        assert record.outcomes == golden.records[number].outcomes
    assert not any(key.startswith("0.0") for key in journal.arrays["rest"])


@pytest.mark.slow
def test_a_race_under_a_time_limit_ends_with_a_score():  # who goes on then: tests/search/test_deadline.py
    space = Space.from_dict(FIELDS | {"epochs": 729, "optimizer": {"adam": {"lr": {"log_uniform": [1e-4, 1e-1]}}}})
    problem, begun = understand(X, Y).problem(5), time.monotonic()
    context = SearchContext.local("cpu", limit=6.0)
    found = train_all(problem, space.sample(24, seed=0), context, SearchPlan(Strategy("halving")))
    assert time.monotonic() - begun < 9.0
    assert math.isfinite(found.mean(found.best()))


def test_one_se_takes_the_cheapest_within_a_standard_error(whole):
    found = raced("exhaustive", plan=SearchPlan(rule="one-se"))
    best = whole.ranking()[0]
    least = whole.mean(best) - leaderboard_row(whole, best)["se"]
    near = [n for n in whole.ranking() if whole.mean(n) >= least]
    assert len(near) > 1
    problem = whole.problem
    cheapest = min(near, key=lambda n: problem.cost(whole.recipes[n], whole.records[n].epoch))
    assert found.best() == found.ranking()[0] == cheapest
    with pytest.raises(BadInput, match="one-se"):
        SearchPlan(rule="cheapest")


def test_the_corrected_score_is_below_the_winners_and_covers_all_that_was_picked(whole):
    corrected = whole.correction
    assert corrected.raw == whole.mean(whole.best())
    assert corrected.score < corrected.raw
    assert corrected.interval[0] <= corrected.score <= corrected.interval[1]
    one = train_all(whole.problem, [Recipe(epochs=1)], SearchContext.local("cpu"))
    assert one.correction.score == pytest.approx(one.mean(0), abs=1e-12)  # nothing was picked


def test_the_weighted_rows_of_an_epoch_are_its_fold_mean(whole):
    for record in whole.records.values():
        means = record.rows @ whole.problem.row_weights[whole.recorded_rows]
        np.testing.assert_allclose(means, record.curves[2].mean(0), atol=1e-6)  # float32
