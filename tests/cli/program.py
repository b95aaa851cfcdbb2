"""The program in this process (torch is loaded once), and a small table to give it."""

from __future__ import annotations

import contextlib
import io
import sys
from dataclasses import dataclass
from pathlib import Path
from unittest import mock

import numpy as np

from tenfold.cli.main import run

SPACE = """
network: {hidden: [8], activation: [relu, tanh]}
optimizer: {adam: {lr: [0.01, 0.03]}}
epochs: 4
batch_size: 16
"""
HEADER = "age,income,colour,when,churned"


@dataclass(frozen=True)
class Done:
    """How a command ended and what it said."""

    code: int
    out: str
    err: str


def tenfold(*arguments: object) -> Done:
    """Run `tenfold ARGUMENTS` in this process."""
    out, err = io.StringIO(), io.StringIO()
    command = ["tenfold", *map(str, arguments)]
    with mock.patch.object(sys, "argv", command), contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        code = run()
    return Done(code, out.getvalue(), err.getvalue())


def rows(count: int = 90, seed: int = 0) -> list[str]:
    """Lines of the table: two numbers (one with gaps), a category, a date, and whether the customer left."""
    rng = np.random.default_rng(seed)
    lines = []
    for i in range(count):
        age, income, colour = rng.normal(40, 10), rng.normal(3, 1), rng.choice(["red", "green", "blue"])
        left = "left" if (age > 40) ^ (colour == "red") else "stayed"
        gap = "" if i % 9 == 0 else f"{income:.3f}"
        lines.append(f"{age:.2f},{gap},{colour},2024-{1 + i % 12:02d}-{1 + i % 27:02d},{left}")
    return lines


def write(path: Path, lines: list[str], header: str = HEADER) -> Path:
    """The table as a file."""
    path.write_text("\n".join([header, *lines]) + "\n")
    return path
