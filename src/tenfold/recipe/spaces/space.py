"""A space: the set of recipes to choose among, written like a recipe whose values may be sets."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from tenfold.errors import check_whole
from tenfold.recipe.grammar.faults import Source, in_words, raise_all
from tenfold.recipe.grammar.field_kinds import Fields
from tenfold.recipe.grammar.files import load_yaml, write_text
from tenfold.recipe.grammar.nodes import COUNTED, Choice, Fixed, Group, Items, Node, draw, only, recipe_count, values
from tenfold.recipe.grammar.reader import Reader, read_tree
from tenfold.recipe.grammar.writer import plain_changes, plain_node
from tenfold.recipe.module import LOSS, MAKE, Module
from tenfold.recipe.recipe import Recipe
from tenfold.recipe.words.comments import commented_space

FIRST = "first"
MOST_RECIPES = 100_000  # that are drawn at once: each is in memory from then on
PATIENCE = 300  # repeats in a row after which a small space is listed and no longer drawn from
GIVE_UP = 10_000  # repeats in a row after which a space that is too large to list counts as exhausted


def functions_of(recipes: Sequence[Recipe]) -> list[Callable[..., Any]]:
    """The functions of the modules among the networks of recipes, each once."""
    return list(dict.fromkeys(function for function in made_by(recipes) if callable(function)))


def made_by(recipes: Sequence[Recipe]) -> list[Any]:
    """The functions, or names of such, of the modules among the networks of recipes."""
    networks = [recipe.network for recipe in recipes if isinstance(recipe.network, Module)]
    return [made for network in networks for made in (network.make_model, network.loss) if made is not None]


def _functions(node: Node) -> Iterator[Any]:
    """The same of a tree."""
    match node:
        case Choice(options):
            inner = options
        case Items(items):
            inner = items
        case Group(record, fields):
            inner = tuple(child for _, child in fields)
            if record is Module:
                known = [child.value for name, child in fields if name in (MAKE, LOSS) and isinstance(child, Fixed)]
                yield from (made for made in known if made is not None)
        case _:
            inner = ()
    for child in inner:
        yield from _functions(child)


def _bound(node: Node, functions: Mapping[str, Callable[..., Any]]) -> Node:
    """The node with the functions of its modules, where their names alone stand."""
    match node:
        case Choice(options):
            return Choice(tuple(_bound(option, functions) for option in options))
        case Items(items):
            return Items(tuple(_bound(item, functions) for item in items))
        case Group(record, fields):
            if record is not Module:
                return Group(record, tuple((name, _bound(child, functions)) for name, child in fields))
            known = {name: child.value for name, child in fields if name in (MAKE, LOSS) and isinstance(child, Fixed)}
            bound = Module(known[MAKE], loss=known.get(LOSS)).bind(functions).written()
            return Group(record, tuple((n, Fixed(bound.get(n)) if n in known else child) for n, child in fields))
        case _:
            return node


@dataclass(frozen=True, repr=False)
class Space:
    """A set of recipes. Build one with `from_dict` or `from_yaml`; a recipe is a space of size 1.

    Any value may be a set: a list is a choice, each option equally likely (an inner list shares the chance of one
    option); where the field is a list itself (`hidden`), a list of lists is. `{uniform: [a, b]}`,
    `{log_uniform: [a, b]}` and, for whole numbers, `{int_log_uniform: [a, b]}` are ranges. Every option and both
    ends of every range are checked when the space is built; `BadInput` lists all faults with their paths.

    first: recipes that are tried before any other, in their order, whatever the proposals; beside the fields of a
    recipe they are written as `first: [{...}, {...}]`. They need not be among those of the sets.
    """

    tree: Node
    first: tuple[Recipe, ...] = ()

    def __repr__(self) -> str:
        """The fields that were given."""
        return f"Space.from_dict({self.to_dict()!r})"

    @classmethod
    def from_dict(cls, data: Any) -> Space:
        """The space that plain data describes (a mapping, or a list of them); raises `BadInput` with all faults."""
        return cls._read(data, Source())

    @classmethod
    def from_yaml(cls, source: str | Path) -> Space:
        """The space of a YAML file (a path) or of YAML text (empty: the one recipe of all defaults); raises `BadInput`
        with all faults, lines and columns, and for an empty file."""
        data, origin = load_yaml(source, made_by="tenfold space DATA --target COL > space.yaml")
        return cls._read(data, origin)

    @classmethod
    def _read(cls, data: Any, origin: Source) -> Space:
        if not isinstance(data, Mapping) or FIRST not in data:
            return cls(read_tree(Recipe, data, origin, sets=True))
        listed, recipes, sets = data[FIRST], Reader(sets=False), Reader(sets=True)
        if not isinstance(listed, list | tuple):
            recipes.fault((FIRST,), f"found {in_words(listed)}; expected a list of recipes, [{{...}}, {{...}}]")
            listed = []
        nodes = [recipes.read(Fields(Recipe), recipe, (FIRST, i)) for i, recipe in enumerate(listed)]
        tree = sets.read(Fields(Recipe), {name: item for name, item in data.items() if name != FIRST}, ())
        raise_all([*recipes.faults, *sets.faults], origin)
        assert tree is not None
        return cls(tree, tuple(dict.fromkeys(only(node) for node in nodes if node is not None)))

    def to_dict(self) -> Any:
        """The fields that were given, as JSON-able data that `from_dict` reads back."""
        fields = plain_node(self.tree, Fields(Recipe))
        return {FIRST: [plain_changes(recipe) for recipe in self.first], **fields} if self.first else fields

    def to_yaml(self, path: str | Path | None = None) -> str:
        """`to_dict` as commented YAML text; written to `path` too when given."""
        return write_text(commented_space(self.to_dict()), path)

    @property
    def size(self) -> int | None:
        """The number of recipes, None when infinite. A choice among over 20,000 values counts overlaps twice."""
        count = recipe_count(self.tree)
        if not self.first or count is None or count > COUNTED:
            return count
        return len({*self.first, *values(self.tree)})

    @property
    def functions(self) -> list[Callable[..., Any]]:
        """The functions of the modules among its networks."""
        return list(dict.fromkeys(made for made in self.made_by if callable(made)))

    @property
    def made_by(self) -> list[Any]:
        """The same, with the names of functions that a file has named and nobody has given yet."""
        return [*made_by(self.first), *_functions(self.tree)]

    def with_modules(self, functions: Mapping[str, Callable[..., Any]]) -> Space:
        """The space with the functions of its modules, of which a file holds the names alone. Raises `BadInput` where
        no such function is given."""
        first = tuple(recipe.with_modules(functions) for recipe in self.first)
        return replace(self, tree=_bound(self.tree, functions), first=first)

    def sample(self, n: int, seed: int = 0) -> list[Recipe]:
        """n distinct recipes, those of `first` and then others at random, or all of a smaller space; the first k of
        them are `sample(k, seed)`.

        Draw i has its own stream, `SeedSequence(seed, spawn_key=(i,))`; repeats are skipped.
        Raises `BadInput` when n or the seed is negative.
        """
        return self.distinct(self._draws(seed), n, seed)

    def distinct(self, draws: Iterator[Recipe], n: int, seed: int) -> list[Recipe]:
        """The first n distinct recipes of endless draws from this space, or all of a smaller space: recipes that are
        hard to draw come last, in an order from the seed. Raises `BadInput` when n or the seed is negative."""
        check_whole("recipes asked for:", n, least=0, most=2 * MOST_RECIPES)
        check_whole("seed", seed, least=0, most=2**128)
        return list(itertools.islice(self._distinct(draws, seed), n))

    def _draws(self, seed: int) -> Iterator[Recipe]:
        for i in itertools.count():
            yield draw(self.tree, np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(i,))))

    def _distinct(self, draws: Iterator[Recipe], seed: int) -> Iterator[Recipe]:
        seen = set(self.first)
        repeats, size = 0, self.size
        yield from self.first
        while repeats < GIVE_UP and len(seen) != size:
            if repeats >= PATIENCE and size is not None and size <= COUNTED:
                yield from self._not_drawn(seen, seed)
                return
            recipe = next(draws)
            repeats = repeats + 1 if recipe in seen else 0
            if not repeats:
                seen.add(recipe)
                yield recipe

    def _not_drawn(self, seen: set[Recipe], seed: int) -> Iterator[Recipe]:
        """The recipes of a finite space that were not drawn yet, in random order."""
        recipes = [recipe for recipe in dict.fromkeys(values(self.tree)) if recipe not in seen]
        order = np.random.default_rng(np.random.SeedSequence(seed)).permutation(len(recipes))
        yield from (recipes[i] for i in order)
