"""What is left of a time limit, by a clock that the test sets."""

import math

import pytest

from tenfold.problem.from_arrays import understand
from tenfold.recipe import Recipe
from tenfold.search.deadline import (
    BASELINES_SHARE,
    LOOK_SECONDS,
    LOOK_SHARE,
    Deadline,
    planned_training,
    seconds_after_training,
)


class Clock:
    now = 1000.0

    def __call__(self):
        return self.now


def test_a_limit_counts_down_from_now_less_what_is_used():
    clock = Clock()
    deadline = Deadline(10.0, used=4.0, clock=clock)
    assert (deadline.left(), deadline.over(), deadline.seconds()) == (6.0, False, 6.0)
    clock.now += 6.0
    assert (deadline.left(), deadline.over()) == (0.0, False)
    clock.now += 1.0
    assert (deadline.left(), deadline.over(), deadline.seconds()) == (-1.0, True, 0.0)


def test_without_a_limit_nothing_ends():
    clock = Clock()
    deadline = Deadline(used=4.0, clock=clock)
    clock.now += 1e9
    for of in (deadline, deadline.part(3)):
        assert (of.left(), of.over(), of.seconds(), of.for_baselines()) == (math.inf, False, None, None)
    assert deadline.leaves_a_look()
    assert deadline.affordable(7, lambda count: math.inf, 1) == 7
    assert planned_training(None) == math.inf


def test_a_part_is_of_what_is_left_when_it_is_taken():
    clock = Clock()
    deadline = Deadline(12.0, clock=clock)
    first = deadline.part(3)
    clock.now += 6.0  # the first stage took two seconds more than its part
    assert first.over()
    assert not deadline.over()
    assert deadline.part(2).left() == 3.0
    assert deadline.part(1).left() == deadline.left() == 6.0
    clock.now += 7.0
    assert deadline.part(2).left() == 0.0  # of a limit that is over nothing is left, not less


def test_the_baselines_get_their_share():
    assert Deadline(30.0, clock=Clock()).for_baselines() == pytest.approx(30.0 * BASELINES_SHARE)


def test_the_doctor_looks_while_enough_is_left():
    clock = Clock()
    deadline = Deadline(LOOK_SECONDS + 1.0, clock=clock)
    assert deadline.leaves_a_look()
    clock.now += 1.0
    assert not deadline.leaves_a_look()


def test_looking_takes_a_share_of_what_the_run_has_taken_and_never_more_than_is_left():
    clock = Clock()
    for deadline in (Deadline(clock=clock), Deadline(1000.0, clock=clock)):
        assert deadline.for_looking(2.0).left() == LOOK_SECONDS  # after a few seconds a first look may still be had
        assert deadline.for_looking(600.0).left() == 600.0 * LOOK_SHARE
    assert Deadline(20.0, clock=clock).for_looking(600.0).left() == 20.0
    looking = Deadline(clock=clock).for_looking(2.0)
    clock.now += LOOK_SECONDS + 1
    assert looking.over()


def test_as_many_go_on_as_the_rest_of_the_round_affords():
    deadline = Deadline(24.0, clock=Clock())
    assert deadline.affordable(9, lambda count: 3.0 * count, 1) == 8
    assert deadline.affordable(9, lambda count: 3.0 * count, 2) == 4
    assert deadline.affordable(9, lambda count: 300.0 * count, 1) == 1
    assert deadline.affordable(1, lambda count: 300.0, 1) == 1


def test_more_networks_take_longer_after_the_training():
    problem = understand([[float(i)] for i in range(40)], [0, 1] * 20).problem(4)
    recipes = [Recipe(epochs=epochs) for epochs in (5, 6, 7, 8, 500)]
    refit, ensemble, both = (seconds_after_training(problem, recipes, keep) for keep in ("refit", "ensemble", "both"))
    assert 3.0 < refit < ensemble < both
    assert refit < seconds_after_training(problem, recipes[-1:], "refit")  # the costliest alone does not count
    assert seconds_after_training(problem, recipes, "refit", compiled=recipes) < refit  # compiled lanes are faster
