"""Which recipes failed, what they share, and what the doctor says of them."""

import numpy as np
import pytest
from sklearn.datasets import load_iris

from tenfold import MLP, SGD, Adam, Recipe
from tenfold.doctor.prove.paired import UNHELPED
from tenfold.problem.from_arrays import understand
from tenfold.repair.failures import failure_sentence, failures, findings
from tenfold.search.context import SearchContext
from tenfold.search.records import RecipeRecord
from tenfold.search.results import SearchResults
from tenfold.search.search import train_all
from tenfold.search.trial_outcome import Outcome

PROBLEM = understand(*load_iris(return_X_y=True)).problem(2)
DUMMY, EPOCHS = 0.4, 10


def record(scores, outcome=Outcome.OK):
    """A recipe whose two folds have the same scores (epochs made,); its best epoch is chosen."""
    curves = np.full((3, 2, EPOCHS), np.nan)
    curves[:, :, : len(scores)] = scores
    best = int(np.argmax(scores)) + 1 if len(scores) else 0
    return RecipeRecord(curves, [outcome] * 2, [len(scores)] * 2, best)


def found(*records, rates=None):
    """The groups of recipes with these records; only their learning rates differ."""
    rates = rates or [0.1 * (n + 1) for n in range(len(records))]
    recipes = tuple(Recipe(optimizer=SGD(lr=rate), epochs=EPOCHS) for rate in rates)
    return failures(SearchResults(PROBLEM, recipes, dict(enumerate(records)), 0.0), DUMMY)


GOOD = record([0.5] * EPOCHS)


@pytest.mark.parametrize(
    ("scores", "failed"),
    [
        ([0.20, 0.25, 0.30, 0.32, 0.34], False),  # it rises: the race has dropped a slow recipe, not a broken one
        ([0.20, 0.25, 0.30, 0.305, 0.31], False),  # a tenth of the gap in the second half of its epochs
        ([0.20, 0.25, 0.30, 0.305, 0.309], True),  # less
        ([0.30, 0.31, 0.32, 0.34, 0.33], True),  # it falls at the end
        ([0.4] * 5, True),  # a constant answer
        ([0.1, 0.4, 0.4, 0.4, 0.4], True),  # and one that is found in an epoch
        ([0.1, 0.1], False),  # two epochs prove nothing
        ([], False),  # and none less
        ([0.45] * 5, False),  # better than the dummy
    ],
)
def test_what_was_ended_early_failed_only_if_it_was_not_on_its_way(scores, failed):
    groups = found(GOOD, record(scores, Outcome.PRUNED))
    assert [group.recipes for group in groups] == ([(1,)] if failed else [])
    assert found(GOOD, record(scores, Outcome.TIMEOUT)) == groups
    if failed:
        assert (groups[0].what, groups[0].trials, groups[0].of) == ("learnt nothing", 2, 4)


def test_what_was_trained_to_its_end_failed_if_it_is_no_better_than_the_dummy():
    groups = found(GOOD, record(np.linspace(0.1, 0.39, EPOCHS)), record([0.41] * EPOCHS))
    assert [group.recipes for group in groups] == [(1,)]


def test_a_metric_that_is_to_fall():
    problem = understand(*load_iris(return_X_y=True)).problem(2, metric="log_loss")
    recipes = (Recipe(epochs=EPOCHS),) * 3
    curves = [np.linspace(2.0, 1.5, 5), np.linspace(1.2, 1.2, 5), np.full(EPOCHS, 0.8)]
    records = {n: record(c, Outcome.PRUNED if len(c) < EPOCHS else Outcome.OK) for n, c in enumerate(curves)}
    assert [group.recipes for group in failures(SearchResults(problem, recipes, records, 0.0), 1.1)] == [(1,)]


def test_the_groups_are_told_by_what_their_recipes_share():
    bad = record([0.3] * EPOCHS)
    groups = found(GOOD, bad, GOOD, bad, bad, rates=[0.01, 0.5, 0.02, 2.0, 1.0])
    assert [(g.where, g.recipes, g.trials) for g in groups] == [("optimizer.sgd.lr of 0.5 or more", (1, 3, 4), 6)]
    assert [(g.where, len(g.recipes)) for g in found(bad, bad)] == [("", 2)]  # no recipe that did not fail


def test_what_all_recipes_of_a_search_have_tells_nothing():
    bad = record([0.3] * EPOCHS)
    # nine in ten failed, and all ten have the same optimizer and batch size
    groups = found(*[bad] * 9, GOOD, rates=[0.1] * 10)
    assert [(group.where, len(group.recipes)) for group in groups] == [("", 9)]


def test_diverged_and_learnt_nothing_are_two_groups():
    diverged = record([0.3, 0.2], Outcome.DIVERGED)
    groups = found(GOOD, GOOD, diverged, record([0.3] * EPOCHS), diverged)
    assert {(group.what, group.recipes) for group in groups} == {("diverged", (2, 4)), ("learnt nothing", (3,))}


def test_the_doctor_names_what_zeros_do_and_says_nothing_it_did_not_look_at():
    network = MLP(hidden=(8,), activation="tanh")
    sound = Recipe(network=network, optimizer=Adam(lr=0.02), epochs=8, batch_size=20)
    zeros = Recipe(network=network, init="zeros", optimizer=Adam(lr=0.02), epochs=8, batch_size=20)
    trained = train_all(PROBLEM, [sound, zeros], SearchContext.local("cpu"))
    dummy = float(trained.mean(1)) + 1e-12
    (first,) = findings(trained, dummy, SearchContext.local("cpu"))
    assert (first["recipes"], first["trials"], first["of"]) == ([1], 2, 4)
    assert first["cause"] == "constant_init"
    assert failure_sentence(first).startswith(f"2 of 4 trials learnt nothing, in 1 recipe: {first['words']} (")
    failed = failure_sentence(first | {"proof": f"paired short run. {UNHELPED}"})
    assert failed == failure_sentence(first | {"proof": ""})[:-1] + ", which alone did not help in a short run."
    (unseen,) = findings(trained, dummy, SearchContext.local("cpu"), looks=False)
    assert unseen["cause"] is None
    # As a run does that has no more time for looking: before the first look, in the watched training, among the trials.
    for after in (0, 1, 3, 30):
        asked = iter(range(1_000_000))
        late = SearchContext.local("cpu", late=lambda asked=asked, after=after: next(asked) >= after)
        (cut,) = findings(trained, dummy, late)
        assert (cut["cause"], cut["evidence"], cut["remedy"]) == (None, [], ""), after
    assert failure_sentence(unseen) == "2 of 4 trials learnt nothing, in 1 recipe."


def test_columns_that_tell_nothing_are_not_called_wrong_labels():
    """A run shuffles nothing: where neither it nor a simple model finds anything, the columns may be at fault."""
    rng = np.random.default_rng(0)
    problem = understand(rng.normal(size=(300, 3)), rng.integers(0, 2, 300)).problem(2)
    recipe = Recipe(network=MLP(hidden=(8,)), optimizer=Adam(lr=0.02), epochs=5)
    trained = train_all(problem, [recipe], SearchContext.local("cpu"))
    (first,) = findings(trained, 0.99, SearchContext.local("cpu"))
    assert first["cause"] == "corrupted_labels"
    text = failure_sentence(first)
    assert "nothing that was tried finds anything in these columns" in text
    assert f"({first['probability']:.2f})" not in text
