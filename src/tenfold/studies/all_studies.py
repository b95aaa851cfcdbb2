"""All studies by name, chapter by chapter: every file in a chapter's folder has one, called STUDY."""

from __future__ import annotations

import difflib
import importlib
import pkgutil
from functools import cache

from tenfold.errors import BadInput
from tenfold.studies.study import ClaimStudy

# In the order of the booklet.
CHAPTERS = (
    "cross_validation",
    "gradients",
    "activations",
    "preprocessing",
    "initialization",
    "normalization",
    "optimizers",
    "dropout",
    "successors",
)


@cache
def chapters() -> dict[str, tuple[ClaimStudy, ...]]:
    """The studies of every chapter, by their names."""
    found = {}
    for chapter in CHAPTERS:
        package = importlib.import_module(f"tenfold.studies.{chapter}")
        modules = [
            importlib.import_module(f"{package.__name__}.{part.name}")
            for part in pkgutil.iter_modules(package.__path__)
        ]
        found[chapter] = tuple(sorted((module.STUDY for module in modules), key=lambda study: study.name))
    return found


def studies() -> dict[str, ClaimStudy]:
    """All of them by name."""
    return {study.name: study for chapter in chapters().values() for study in chapter}


def study_named(name: str) -> ClaimStudy:
    """A study by its name, or by the number of one of its claims. Raises BadInput for another name."""
    for study in studies().values():
        if name == study.name or name.upper() in study.claims:
            return study
    near = difflib.get_close_matches(name, studies(), 3, 0.5)
    raise BadInput(
        f"no study is called {name!r}",
        expected=f"one like {', '.join(near)}" if near else "a name from the list",
        do="run `tenfold study` for the list",
    )
