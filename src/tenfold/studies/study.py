"""What a study is made of, and how it is run: numbers over seeds, held against tolerances."""

from __future__ import annotations

import math
import re
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from tenfold.errors import BadInput
from tenfold.studies.parts.pictures import StudyPicture

Array = np.ndarray
Measured = Mapping[str, Array]  # name -> (seeds,) or (seeds, ...)
ROUNDING = 1e-12  # of a mean
SEEDS = 10  # that a verdict is stable over
HOLDS, FAILS, CONDITION = "holds", "does not hold", "holds only if "
NAME = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")


@dataclass(frozen=True)
class Bound:
    """A number lies in [low, high], in the mean over the seeds; clear: by two standard errors, so that a difference
    within the noise is none."""

    name: str
    low: float = -math.inf
    high: float = math.inf
    clear: bool = False

    def __post_init__(self) -> None:
        if not self.low <= self.high:
            raise BadInput(f"a bound of {self.name} from {self.low} to {self.high}", expected="low at most high")

    def holds(self, values: Array) -> bool:
        """Whether the values (seeds,) are within it."""
        mean = float(np.mean(values))
        slack = 2 * float(np.std(values, ddof=1)) / math.sqrt(len(values)) if self.clear and len(values) > 1 else 0.0
        # the mean of equal numbers may differ from them by rounding
        rounding = ROUNDING * abs(mean)
        return self.low + slack - rounding <= mean <= self.high - slack + rounding

    def words(self, values: Array) -> str:
        """What was expected, and what was found."""
        low = f"at least {self.low:g}" if math.isfinite(self.low) else ""
        high = f"at most {self.high:g}" if math.isfinite(self.high) else ""
        by = ", by two standard errors" if self.clear else ""
        return f"{self.name}: {np.mean(values):.4g}, expected {' and '.join(filter(None, (low, high)))}{by}"


@dataclass(frozen=True, kw_only=True)
class ClaimStudy:
    """A claim and the experiment that decides it.

    name: words with hyphens. claims: its numbers in the list of claims. told: the claim as it is usually told; verdict:
    "holds", "does not hold" or "holds only if ..."; formula: what the rule computes, in plain text; done: what the
    experiment does; follows: what follows for a user; rules: names of Tenfold's rules that it is about; recipe: one to
    play with, as a recipe file; sources: papers and pages.

    measure(seeds) -> numbers, the first axis the seeds; bounds: between which the verdict is right; say(means) -> two
    sentences with the numbers; draw(numbers) -> the figure.
    """

    name: str
    claims: tuple[str, ...]
    told: str
    verdict: str
    formula: str
    done: str
    follows: str
    rules: tuple[str, ...] = ()
    recipe: str = ""
    sources: tuple[str, ...]
    measure: Callable[[Sequence[int]], Measured]
    bounds: tuple[Bound, ...]
    say: Callable[[Mapping[str, Any]], str]
    draw: Callable[[Measured], StudyPicture]
    seeds: int = SEEDS

    def __post_init__(self) -> None:
        if not NAME.fullmatch(self.name):
            raise BadInput(f"a study named {self.name!r}", expected="small letters and digits with hyphens between")
        if self.verdict not in (HOLDS, FAILS) and not self.verdict.startswith(CONDITION):
            raise BadInput(
                f"study {self.name}: verdict {self.verdict!r}", expected=f"{HOLDS!r}, {FAILS!r} or '{CONDITION}...'"
            )
        if not self.bounds:
            raise BadInput(f"study {self.name} has no bounds", expected="numbers between which its verdict is right")


@dataclass(frozen=True)
class Found:
    """A study that was run. broken: the bounds that do not hold, in words; none of them: the verdict is confirmed."""

    study: ClaimStudy
    seeds: tuple[int, ...]
    numbers: Measured
    broken: tuple[str, ...]
    seconds: float

    @property
    def means(self) -> dict[str, Any]:
        """Of every number, over the seeds."""
        return {name: np.mean(values, 0) for name, values in self.numbers.items()}

    @property
    def sentences(self) -> str:
        """What was measured, in words."""
        return self.study.say(self.means)

    def to_dict(self) -> dict[str, Any]:
        """As JSON: the verdict, whether this run confirms it, and every number by seed."""
        return {
            "name": self.study.name, "told": self.study.told, "verdict": self.study.verdict,
            "confirmed": not self.broken, "broken": list(self.broken), "sentences": self.sentences,
            "seeds": list(self.seeds), "seconds": self.seconds,
            "numbers": {name: values.tolist() for name, values in self.numbers.items()},
        }  # fmt: skip

    def spread(self) -> list[tuple[str, float, float]]:
        """Name, mean and standard deviation over the seeds of every bounded number."""
        found = []
        for name in dict.fromkeys(bound.name for bound in self.study.bounds):
            values = np.asarray(self.numbers[name], float)
            found.append((name, float(values.mean()), float(values.std(ddof=1)) if len(values) > 1 else 0.0))
        return found


def run_study(study: ClaimStudy, seeds: int | Sequence[int] | None = None) -> Found:
    """Measure a study over seeds (a number of them, or which; default: its own number) and hold it against its bounds.

    Raises BadInput for no seed at all.
    """
    chosen = study.seeds if seeds is None else seeds
    chosen = tuple(range(chosen)) if isinstance(chosen, int) else tuple(chosen)
    if not chosen:
        raise BadInput("a study over 0 seeds", expected="at least one")
    begun = time.perf_counter()
    numbers = {name: np.asarray(values) for name, values in study.measure(chosen).items()}
    for name, values in numbers.items():
        if values.shape[:1] != (len(chosen),):
            raise AssertionError(f"study {study.name}: {name} has shape {values.shape} for {len(chosen)} seeds")
    broken = tuple(bound.words(numbers[bound.name]) for bound in study.bounds if not bound.holds(numbers[bound.name]))
    return Found(study, chosen, numbers, broken, time.perf_counter() - begun)


def by_seed(one: Callable[[int], Mapping[str, Any]]) -> Callable[[Sequence[int]], Measured]:
    """The measure of an experiment that is made for one seed after another."""

    def measure(seeds: Sequence[int]) -> Measured:
        rows = [one(seed) for seed in seeds]
        return {name: np.array([row[name] for row in rows], float) for name in rows[0]}

    return measure
