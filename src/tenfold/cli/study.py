"""The verb `study`: the list of claims, one of them measured, or all as a booklet."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

ALL = "all"


def study_command(
    name: Annotated[str | None, typer.Argument(help="One study, or all; without it: the list.")] = None,
    out: Annotated[
        Path | None, typer.Option("--out", "-o", help="The page; by default study-NAME.html beside you.")
    ] = None,
    seeds: Annotated[int | None, typer.Option("--seeds", min=1, max=1000, help="Over how many seeds.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object in place of words.")] = False,
) -> None:
    """The claims that are told of training networks, measured: a list with verdicts, or one study with its page."""
    from tenfold.studies.all_studies import chapters, studies, study_named

    if name is None:
        _list(chapters(), as_json)
        return
    chosen = list(studies().values()) if name == ALL else [study_named(name)]
    _run(chosen, out or Path(f"study-{chosen[0].name if len(chosen) == 1 else ALL}.html"), seeds, as_json)


def _list(chapters: dict[str, Any], as_json: bool) -> None:
    from tenfold.studies.study import CONDITION

    if as_json:
        import json

        found = {c: [{"name": s.name, "claims": s.claims, "told": s.told, "verdict": s.verdict} for s in part]
                 for c, part in chapters.items()}  # fmt: skip
        print(json.dumps({"chapters": found}, indent=1))
        return
    for chapter, part in chapters.items():
        print(f"\n{chapter.replace('_', '-')}")
        for study in part:
            short = "only if ..." if study.verdict.startswith(CONDITION) else study.verdict
            print(f"  {short:14s} {study.name:26s} {study.told} ({', '.join(study.claims)})")
    print("\n`tenfold study NAME` measures one and writes its page, `tenfold study all` a booklet.")


def _run(chosen: list[Any], out: Path, seeds: int | None, as_json: bool) -> None:
    import json

    from tenfold.jsonable import jsonable
    from tenfold.store.output_file import write_output
    from tenfold.studies.page import study_page
    from tenfold.studies.study import run_study

    found = []
    for study in chosen:
        found.append(one := run_study(study, seeds))
        if not as_json:
            print(f"“{study.told}”: {study.verdict}.\n{one.sentences}")
            print("".join(f"not confirmed: {line}\n" for line in one.broken), end="")
            print(f"{len(one.seeds)} seeds, {one.seconds:.1f} s\n")
    write_output(out, lambda path: path.write_text(study_page(found), encoding="utf-8"))
    if as_json:
        print(json.dumps([jsonable(one.to_dict() | {"page": str(out)}) for one in found]))
    else:
        print(f"page     {out}")
