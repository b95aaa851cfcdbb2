"""What a run has stored of its search, read without its data."""

from __future__ import annotations

import re
from dataclasses import replace

from tenfold.recipe.recipe import Recipe
from tenfold.run.checkpoint_journal import CHECKPOINT, RECORDS
from tenfold.search.job import records_of
from tenfold.search.records import EpochRecorder, RecipeRecord
from tenfold.search.so_far import SoFar
from tenfold.store.run_directory import Run

PLACE = re.compile(r"(\d+)\.(\d+)\.(\d+)")  # round, stage and number of a pack of the search itself


def stored_recipes(run: Run) -> list[Recipe]:
    """Of all rounds, by number."""
    return [recipe for part in _rounds(run) for recipe in part]


def _rounds(run: Run) -> list[list[Recipe]]:
    found: list[list[Recipe]] = []
    while run.has(f"recipes.{len(found)}"):
        found.append([Recipe.from_dict(value) for value in run.get(f"recipes.{len(found)}")])
    return found


def stored_records(run: Run) -> dict[int, RecipeRecord]:
    """Of all recipes, as the last pack left them that trained them."""
    found: dict[int, RecipeRecord] = {}
    for key in _packs(run, RECORDS):
        found |= EpochRecorder.read(*run.get_arrays(RECORDS, key))
    return found


def _packs(run: Run, kind: str) -> list[str]:
    """The packs of which arrays of a kind are stored, in the order in which they were trained."""
    places = [tuple(map(int, m.groups())) for key in run.keys(kind) if (m := PLACE.fullmatch(key))]
    return [".".join(map(str, place)) for place in sorted(places)]


def stored_so_far(run: Run) -> SoFar:
    """What the last checkpoints of a run that is not finished know: curves, scores and outcomes."""
    records = stored_records(run)
    for key in _packs(run, CHECKPOINT):
        records |= records_of(run.get_arrays(CHECKPOINT, key))
    records = {n: replace(record, out_of_fold=None, rows=None) for n, record in sorted(records.items())}
    first = 0
    for number, recipes in enumerate(_rounds(run)):
        mine = set(range(first, first + len(recipes)))
        for n in (mine - _alive(run, number, mine)) & set(records):
            if not records[n].finished:
                records[n].drop(records[n].made)
        first += len(recipes)
    return SoFar(stored_recipes(run), records)


def _alive(run: Run, number: int, recipes: set[int]) -> set[int]:
    """Those of a round's recipes that no decision of the race has left out."""
    stage = 0
    while run.has(f"alive.{number}.{stage}"):
        recipes = recipes & set(run.get(f"alive.{number}.{stage}"))
        stage += 1
    return recipes
