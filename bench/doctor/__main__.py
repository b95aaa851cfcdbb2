"""`python -m bench.doctor`: run the planted-fault suite, judge its records, follow its remedies.

run --half calibration --seeds 0-4 --jobs 2 --out runs.jsonl
    [--doctor preflight] [--bases a,b] [--operators healthy,x] [--limit n]
judge runs.jsonl [--write]            rates, tables and lists from stored records, without training
remedies runs.jsonl [--write]         the first remedy and a random other change, on the whole program
outcomes runs.jsonl                   what healthy variants and faults do to held-out skill
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from bench.doctor.outcomes import outcomes
from bench.doctor.pages import page, rates
from bench.doctor.remedies import remedies
from bench.doctor.runner import DOCTORS, jobs, read, run, visible_early
from bench.doctor.scoring import judge_all, score
from bench.machine import describe, facts
from bench.speed import RESULTS

JSON, PAGE = RESULTS / "doctor.json", RESULTS / "doctor.md"


def seeds_of(text: str) -> list[int]:
    """ "0-4" or "0,2,5"."""
    first, dash, last = text.partition("-")
    return list(range(int(first), int(last) + 1)) if dash else [int(word) for word in text.split(",")]


def _words(text: str | None) -> tuple[str, ...]:
    return tuple(text.split(",")) if text else ()


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m bench.doctor", description=__doc__.split("\n")[0])
    parts = parser.add_subparsers(dest="what", required=True)
    making = parts.add_parser("run", help="train under the doctor and record")
    making.add_argument("--half", choices=("calibration", "evaluation"), required=True)
    making.add_argument("--seeds", type=seeds_of, default=seeds_of("0-4"))
    making.add_argument("--out", type=Path, required=True)
    making.add_argument("--doctor", choices=DOCTORS, default="watch", help="none: outcomes only")
    making.add_argument("--bases", type=_words, default=())
    making.add_argument("--operators", type=_words, default=(), help='names; "healthy", "sound" for such runs')
    making.add_argument("--limit", type=int, help="that many runs, evenly spread")
    for name, words in (("judge", "rates from stored records"), ("remedies", "follow the first remedies"),
                        ("outcomes", "held-out skill by variant and fault")):  # fmt: skip
        part = parts.add_parser(name, help=words)
        part.add_argument("file", type=Path)
        part.add_argument("--write", action="store_true", help=f"into {JSON.name} and {PAGE.name}")
    for part in parts.choices.values():
        part.add_argument("--jobs", type=int, default=2)
    return parser


def write(half: str, found: dict[str, Any]) -> None:
    """Add numbers of a half to the stored ones, and print the page anew."""
    stored = json.loads(JSON.read_text()) if JSON.exists() else {"machine": facts(), "halves": {}}
    stored["halves"].setdefault(half, {}).update(found)
    JSON.write_text(json.dumps(stored, indent=1) + "\n")
    head = f"# Planted faults\n\nCommand: `python -m bench.doctor`.\n\n{describe(stored['machine'])}\n"
    pages = [page(name, numbers) for name, numbers in stored["halves"].items() if "operators" in numbers]
    PAGE.write_text("\n".join([head, *pages]))


def _spread(found: Sequence[Any], limit: int | None) -> list[Any]:
    if limit is None or limit >= len(found):
        return list(found)
    return [found[i * len(found) // limit] for i in range(limit)]


def main(arguments: list[str] | None = None) -> None:
    """Run, judge or follow."""
    given = _parser().parse_args(arguments)
    if given.what == "run":
        found = jobs(given.half, given.seeds, given.bases, given.operators)
        found = [job for job in found if given.doctor != "preflight" or visible_early(job)]
        run(_spread(found, given.limit), given.out, given.jobs, given.doctor)
        return
    lines = read(given.file)
    if given.what == "outcomes":
        print(outcomes(lines))
        return
    judged, half = judge_all(lines, given.jobs), lines[0]["half"]
    half += ", before any training" if lines[0].get("doctor") == "preflight" else ""
    found = score(judged) if given.what == "judge" else remedies(judged, given.jobs)
    print(page(half, found) if given.what == "judge" else rates(found) + f"\n{found['changes']}")
    if given.write:
        write(half, found)


if __name__ == "__main__":
    main()
