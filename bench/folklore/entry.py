"""One entry of the table, and the list of all entries."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, kw_only=True)
class Finding:
    """What was measured, and whether it is what we print as right; None: it does not decide (best rate at the border,
    or a difference within two standard errors)."""

    measured: str
    holds: bool | None

    @property
    def contradicts(self) -> bool:
        """Whether it is not what we print as right."""
        return self.holds is not None and not self.holds

    @property
    def verdict(self) -> str:
        """One word."""
        return "inconclusive" if self.holds is None else "CONTRADICTED" if self.contradicts else "holds"


@dataclass(frozen=True, kw_only=True)
class Erratum:
    """A sentence of the folklore, what is right instead, the rules where it is built in, and what measures it.

    measure takes the number of seeds.
    """

    ids: tuple[str, ...]
    family: str
    told: str
    right: str
    where: str
    measure: Callable[[int], Finding]


ENTRIES: list[Erratum] = []


def erratum(
    ids: str, family: str, *, told: str, right: str, where: str
) -> Callable[[Callable[[int], Finding]], Callable[[int], Finding]]:
    """Adds what a function measures to the table; ids: "E7 C17 C18"."""

    def add(measure: Callable[[int], Finding]) -> Callable[[int], Finding]:
        ENTRIES.append(Erratum(ids=tuple(ids.split()), family=family, told=told, right=right, where=where,
                               measure=measure))  # fmt: skip
        return measure

    return add


def near(value: float, expected: float, tolerance: float) -> bool:
    """Whether a number is within so large a share of what is expected."""
    return abs(value - expected) <= tolerance * abs(expected)


def spread(values: Sequence[float] | np.ndarray, digits: int = 3) -> str:
    """Mean and standard deviation over seeds."""
    found = np.asarray(values, float)
    return f"{found.mean():.{digits}f} ± {found.std(ddof=1) if len(found) > 1 else 0.0:.{digits}f}"
