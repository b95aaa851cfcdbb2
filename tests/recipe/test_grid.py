"""Every combination of the choices of a space, in the order of nested loops."""

import itertools

import pytest

from tenfold.errors import BadInput
from tenfold.recipe import Recipe, Space
from tenfold.recipe.spaces.grid import grid, grid_size
from tenfold.search.proposals import proposer

SPACE = Space.from_yaml("network: {hidden: [[4], [8]], dropout: [0, 0.1]}\noptimizer: {adam: {lr: [0.1, 0.01, 0.001]}}")


def test_it_is_the_nested_loops_in_the_order_written():
    loops = itertools.product([(4,), (8,)], [0.0, 0.1], [0.1, 0.01, 0.001])
    found = [(r.network.hidden, r.network.dropout, r.optimizer.lr) for r in grid(SPACE)]
    assert found == list(loops)
    assert grid_size(SPACE) == 12


def test_recipes_that_the_space_names_come_first_and_none_comes_twice():
    inside, outside = list(grid(SPACE))[5], Recipe(epochs=7)
    found = list(grid(Space(SPACE.tree, (outside, inside))))
    assert found[:2] == [outside, inside]
    assert len(found) == len(set(found)) == 13


def test_options_of_a_choice_have_choices_of_their_own():
    space = Space.from_yaml("optimizer: [{adam: {lr: [0.1, 0.01]}}, {momentum: {lr: [1, 2], momentum: [0.5, 0.9]}}]")
    assert grid_size(space) == 2 + 4 == space.size


@pytest.mark.parametrize(
    ("lr", "words"),
    [
        ("{log_uniform: [1e-4, 1e-2]}", "optimizer.adam.lr: [0.0001, 0.001, 0.01]"),
        ("{uniform: [0.1, 0.3]}", "optimizer.adam.lr: [0.1, 0.2, 0.3]"),
    ],
)
def test_a_range_is_refused_by_its_name_with_a_list_to_write(lr, words):
    space = Space.from_yaml(f"optimizer: {{adam: {{lr: {lr}}}}}\nepochs: {{int_log_uniform: [4, 9]}}")
    with pytest.raises(BadInput) as error:
        list(grid(space))
    assert "and 1 more" in str(error.value)
    assert words in str(error.value)


def test_too_many_are_refused_before_they_are_listed():
    units = "[" + ", ".join(str(1 + i) for i in range(400)) + "]"
    space = Space.from_yaml(f"batch_size: {units}\nepochs: {units}")
    with pytest.raises(BadInput, match="160,000 recipes"):
        list(grid(space))


def test_trials_take_the_first_of_it():
    made = proposer("grid", SPACE, 5, 3)
    assert made.propose([]) == list(grid(SPACE))[:5]
    assert made.rounds == 1
