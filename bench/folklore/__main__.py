"""`python -m bench.folklore`: measures the errata of the usual folklore and writes them as a table.

Exit code 1 when a measurement contradicts what is printed as right.
"""

from __future__ import annotations

import argparse
import importlib
import sys
import time
from pathlib import Path

import torch

from bench.folklore.entry import ENTRIES, Erratum, Finding
from bench.machine import describe, facts
from bench.speed import RESULTS, markdown

MODULES: tuple[str, ...] = ()
FAMILIES: tuple[str, ...] = ()
HEAD = ("no.", "what is usually told", "what is right", "measured (tolerance)", "verdict", "where")


def entries(only: str | None) -> list[Erratum]:
    """All entries by family, or those with one of these numbers."""
    for module in MODULES:
        importlib.import_module(f"bench.folklore.{module}")
    wanted = None if only is None else set(only.replace(",", " ").split())
    unknown = (wanted or set()) - {name for entry in ENTRIES for name in entry.ids}
    if unknown:
        sys.exit(
            f"no entry {', '.join(sorted(unknown))}; there are {' '.join(name for e in ENTRIES for name in e.ids)}"
        )
    chosen = [entry for entry in ENTRIES if wanted is None or wanted & set(entry.ids)]
    return sorted(chosen, key=lambda entry: FAMILIES.index(entry.family))


def line(entry: Erratum, finding: Finding) -> list[str]:
    """One line of the table."""
    cells = [" ".join(entry.ids), entry.told, entry.right, finding.measured, finding.verdict, entry.where]
    return [cell.replace("|", "\\|") for cell in cells]


def document(found: list[tuple[Erratum, Finding]], head: str) -> str:
    """The table of each family."""
    parts = [head]
    for family in FAMILIES:
        lines = [line(entry, finding) for entry, finding in found if entry.family == family]
        if lines:
            parts.append(f"## {family.capitalize()}\n\n{markdown(lines, HEAD)}")
    return "\n".join(parts)


def main(arguments: list[str] | None = None) -> None:
    """Measure, print, write."""
    asked = argparse.ArgumentParser(prog="python -m bench.folklore", description=__doc__)
    asked.add_argument("--only", help="numbers, such as E9,E17 (default: all); writes no file")
    asked.add_argument("--seeds", type=int, default=3, help="of each training (default 3)")
    asked.add_argument("--out", type=Path, default=RESULTS / "folklore.md")
    given = asked.parse_args(arguments)
    torch.set_num_threads(1)
    head = f"Command: `python -m bench.folklore --seeds {given.seeds}`\n\n{describe(facts())}\n"
    found = []
    for entry in entries(given.only):
        start = time.perf_counter()
        finding = entry.measure(given.seeds)
        found.append((entry, finding))
        print(f"{' '.join(entry.ids)} ({time.perf_counter() - start:.1f} s) {finding.verdict}: {entry.right}\n"
              f"    {finding.measured}", flush=True)  # fmt: skip
    if given.only is None:
        given.out.parent.mkdir(parents=True, exist_ok=True)
        given.out.write_text(document(found, head))
    contradicted = [" ".join(entry.ids) for entry, finding in found if finding.contradicts]
    if contradicted:
        sys.exit(f"contradicted: {', '.join(contradicted)}")


if __name__ == "__main__":
    main()
