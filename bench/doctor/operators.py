"""Fault operators: each puts one fault into a healthy program, and is labelled with the causes that are right."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from dataclasses import dataclass

from bench.doctor.case import Case

MODULES = ("faults_data", "faults_network", "faults_training", "faults_loop")
DENSE = ("sequential", "blocks", "functional")
PLANTED: dict[str, Fault] = {}


@dataclass(frozen=True)
class Fault:
    """causes: any of them is right. note: a good doctor says it, as a note rather than an alarm; scored apart."""

    name: str
    causes: tuple[str, ...]
    plant: Callable[[Case], Case | None]  # None where it does not apply
    note: bool = False


Plant = Callable[[Case], Case | None]


def fault(*causes: str, note: bool = False) -> Callable[[Plant], Plant]:
    """Register a function as an operator under its own name."""

    def keep(plant: Plant) -> Plant:
        PLANTED[plant.__name__] = Fault(plant.__name__, causes, plant, note)
        return plant

    return keep


def operators() -> dict[str, Fault]:
    """All of them by name."""
    for module in MODULES:
        importlib.import_module(f"bench.doctor.{module}")
    return PLANTED


def layered(case: Case, count: int) -> Case | None:
    """With this many plain hidden layers and no normalization; None for networks that are not a plain stack."""
    if case.net.kind not in DENSE or not case.net.hidden:
        return None
    width, epochs = case.net.hidden[0], case.loop.epochs
    plain = case.net_with(hidden=(width if count < 20 else min(width, 32),) * count, norm="", dropout=0.0)
    return plain.loop_with(epochs=epochs if count < 20 else max(2, epochs // 2))


def numeric(case: Case) -> bool:
    """Whether inputs are numbers (not words)."""
    return case.net.kind != "tokens"


def tabular(case: Case) -> bool:
    """Whether inputs are columns with scales of their own."""
    return len(case.net.shape) == 1
