"""`python -m bench.studies`: measures the studies, adds them to bench/results/studies.json and writes docs/folklore.md.

Names: only these studies, `--missing`: those that the file lacks, `--page`: measures none. Exit code 1 when a study
does not confirm its verdict.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
from pathlib import Path
from typing import Any

import torch

from bench.machine import describe, facts
from bench.speed import RESULTS
from tenfold.studies.all_studies import chapters, studies, study_named
from tenfold.studies.study import Found, run_study

FILE, PAGE = RESULTS / "studies.json", Path(__file__).parent.parent / "docs" / "folklore.md"
INTRODUCTION = """\
# What is told of training networks, measured

What lectures and posts say of training networks is mostly right. Each claim here is a study: an experiment of seconds
with Tenfold's own rules, its numbers over ten seeds or fewer where nothing is drawn, and tolerances that the tests
hold them against. Where a claim is wrong, or only half of it is right, Tenfold does what is right.

```
tenfold study                   # the list, with verdicts
tenfold study dead-units        # one, by name or number (E7): two sentences, and study-dead-units.html
tenfold study all -o booklet.html
```

The page of a study has its figure, formula, spread over the seeds, what follows, a recipe to play with, and sources.
Where two ways are compared, each has its own best rate on a log grid that goes beyond it on both sides, and a
difference within two standard errors over the seeds is none. Trainings are of scikit-learn's digits unless said, most
of them on 1,000 rows, scored on the 797 others. C is the number of a claim, E that of a sentence in the usual lecture
summary that is wrong, O of one from the course notes behind it, S of a newer method.

One claim is left out, since it is a matter of literature alone: that whitening is not used for images (C29). The
fastest trainings on CIFAR-10 whiten patches in their first layer.
"""


def entry(found: Found) -> dict[str, Any]:
    """What is kept of a study that was run: no curves."""
    kept = found.to_dict()
    del kept["numbers"], kept["told"], kept["name"]
    numbers = [{"name": name, "mean": mean, "deviation": deviation} for name, mean, deviation in found.spread()]
    return kept | {"seconds": round(found.seconds, 1), "seeds": len(found.seeds), "numbers": numbers}


def page(report: dict[str, Any]) -> str:
    """docs/folklore.md of the numbers in the file."""
    parts = [INTRODUCTION, f"Measured by `{report['command']}`: {describe(report['machine'])}.\n"]
    for chapter, part in chapters().items():
        parts.append(f"## {chapter.replace('_', '-').capitalize()}\n")
        for study in part:
            if study.name in report["studies"]:
                told = f"“{study.told}”: **{study.verdict}** ({', '.join(study.claims)})."
                sentences = report["studies"][study.name]["sentences"]
                parts.append(f"### {study.name}\n\n{_plain(told)}\n\n{_plain(sentences)}\n")
    return "\n".join(parts)


def _plain(text: str) -> str:
    """Stars and angle brackets as themselves, but for the two pairs of stars around the verdict."""
    return re.sub(r"(?<!\*)\*(?!\*)|<", r"\\\g<0>", text)


def main(arguments: list[str] | None = None) -> None:
    """Measure, print, write."""
    asked = argparse.ArgumentParser(prog="python -m bench.studies", description=__doc__)
    asked.add_argument("names", nargs="*", help="studies (default: all)")
    asked.add_argument("--missing", action="store_true", help="those that the file lacks, or has another verdict of")
    asked.add_argument("--page", action="store_true", help="only write the page")
    given = asked.parse_args(arguments)
    torch.set_num_threads(1)
    report: dict[str, Any] = json.loads(FILE.read_text()) if FILE.exists() else {"studies": {}}
    known = report["studies"] = {name: kept for name, kept in report["studies"].items() if name in studies()}
    chosen = [study_named(name) for name in given.names] or list(studies().values())
    if given.missing:
        chosen = [study for study in chosen if known.get(study.name, {}).get("verdict") != study.verdict]
    if given.page:
        chosen = []
    if chosen:
        report |= {"command": "python -m bench.studies", "machine": facts()}
    for study in chosen:
        found = run_study(study)
        known[study.name] = entry(found)
        print(f"{study.name} ({found.seconds:.1f} s) {'; '.join(found.broken) or 'confirmed'}", flush=True)
        report["studies"] = {name: known[name] for name in studies() if name in known}
        FILE.write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")
    PAGE.write_text(page(report), encoding="utf-8")
    broken = [name for name, kept in report["studies"].items() if not kept["confirmed"]]
    if broken:
        sys.exit(f"not confirmed: {', '.join(broken)}")


if __name__ == "__main__":
    main()
