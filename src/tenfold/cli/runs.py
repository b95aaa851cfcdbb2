"""The verbs `report`, `test`, `check`, `recipes` and `space`."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tenfold.cli.options import (
    BadRowsOption,
    DataOption,
    DropOption,
    HeaderRowOption,
    JsonOption,
    KindOption,
    MissingOption,
    ModuleAgainOption,
    NoHeaderOption,
    RunDirectory,
    SkipRowsOption,
    TargetOption,
    TaskOption,
    given_functions,
    load_model,
    parse_integer,
    print_json,
    say,
    shell_path,
)
from tenfold.data.read.options import ReadOptions, asked_kinds

if TYPE_CHECKING:
    from tenfold.recipe.own_functions import OwnFunctions
    from tenfold.run.replay import Replay
    from tenfold.store.run_directory import Run


def write_report(run: Run) -> dict[str, Any]:
    """Write report.html from the stored data, with the current ledger of the sealed rows; returns the data."""
    from tenfold.report.run_page import render
    from tenfold.run.fit import refreshed, write_summary

    data = refreshed(run)
    run.put("report", data)
    run.write_file("report.html", render(data))
    write_summary(run)
    return data


def draw_unfinished(data: dict[str, Any]) -> str:
    """The page of a run that is not finished; what draws is loaded when the first one is drawn."""
    from tenfold.report.unfinished_page import render_unfinished

    return render_unfinished(data)


def report_command(run: RunDirectory, as_json: JsonOption = False) -> None:
    """Write RUN/report.html again and print the verdict; of a run that is not finished, what is known so far."""
    from tenfold.store.run_directory import InUse, Run

    path = run / "report.html"
    try:
        with Run.open(run) as opened:
            if not opened.has("report"):
                lines, state = _draw_what_is_known(opened, run)
                return _say_unfinished(path, lines, state, as_json)
            data = write_report(opened)
    except InUse as used:
        with Run.read(run) as opened:
            if opened.has("report"):
                raise
            drawn = opened.get("drawn")
        return _say_unfinished(path if drawn else None, _as_drawn(used.process, drawn), "running", as_json)
    if as_json:
        print_json({"report": str(path), "summary": data["summary"]})
    else:
        say(*data["verdict"], *data["tested"], "", shell_path(path))


def _draw_what_is_known(run: Run, where: Path) -> tuple[list[str], str]:
    """Write the page of a run that nothing works on and that is not finished; its lines, and how it ended."""
    from tenfold.run.unfinished import ABOUT, status_of, unfinished_data
    from tenfold.store.no_model import refuse_unfinished

    if not run.has(ABOUT):
        refuse_unfinished(run, where)
    status = status_of(run)
    data = unfinished_data(run, status)
    run.write_file("report.html", draw_unfinished(data))
    return data["lines"], status.state


def _as_drawn(process: str, drawn: dict[str, Any] | None) -> list[str]:
    """What the process that works on a run has put on its page."""
    from tenfold.formatting import in_utc

    if drawn is None:
        return [f"Not finished: process {process} is working on it, and has drawn no page yet."]
    return [f"Process {process} is working on it; as of {in_utc(drawn['time'])}:", *drawn["lines"]]


def _say_unfinished(path: Path | None, lines: list[str], state: str, as_json: bool) -> None:
    if as_json:
        print_json({"report": path and str(path), "summary": None, "unfinished": {"state": state, "lines": lines}})
    else:
        say(*lines, *(() if path is None else ("", shell_path(path))))


def test(run: RunDirectory, module: ModuleAgainOption = None, as_json: JsonOption = False) -> None:
    """Open the lockbox of RUN: score its model on the sealed test rows. Every opening is recorded."""
    from tenfold.run.fit import reopen
    from tenfold.run.lockbox import open_lockbox, refuse_unsealed
    from tenfold.store.no_model import refuse_without_model

    functions = given_functions(module)
    opened, prepared, _ = reopen(run, functions)
    with opened:
        refuse_without_model(opened, run)
        refuse_unsealed(opened, prepared.sealed)
        model = load_model(opened.path / "model", functions)
        open_lockbox(opened, prepared.sealed, model, prepared.problem.metric, again=True)
        data = write_report(opened)
    if as_json:
        print_json(data["summary"])
    else:
        say(*data["tested"])


def check_command(
    run: RunDirectory,
    replay: Annotated[
        str | None,
        typer.Option(
            metavar="N",
            help="Also train N trials again and compare their bits; or all, or recipes and folds such as 3:0,3:1.",
        ),
    ] = None,
    seed: Annotated[int, typer.Option(parser=parse_integer, help="With --replay: draws the trials.")] = 0,
    data: Annotated[
        str | None, typer.Option(metavar="FILE", help="With --replay: where the data of the run are now.")
    ] = None,
    test: Annotated[
        str | None, typer.Option(metavar="FILE", help="With --replay: where the file of its test rows is now.")
    ] = None,
    module: ModuleAgainOption = None,
    as_json: JsonOption = False,
) -> None:
    """Verify the hash of everything in RUN; exit code 1 if anything is damaged, or trains to other bits."""
    from tenfold.store.check import check as find_problems

    problems = find_problems(run)
    functions = None if replay is None else given_functions(module)
    again = None if problems or replay is None else _replayed(run, replay, seed, data, test, functions)
    if as_json:
        found = [{"file": p.file, "what": p.what, "expected": p.expected, "found": p.found} for p in problems]
        about = {} if replay is None else {"replay": None if again is None else again.to_dict()}
        print_json({"ok": not problems and not (again and again.failed), "problems": found, **about})
    elif not problems:
        say(f"{shell_path(run)}: all files are intact", *(again.in_words() if again else ()))
    for problem in problems if not as_json else ():
        say(f"{problem.file}: {problem.what}\n  expected {problem.expected}\n  found    {problem.found}")
    if problems and replay is not None and not as_json:
        say("no trial was trained again, because what is stored is damaged")
    if problems or (again and again.failed):
        raise typer.Exit(1)


def _replayed(
    run: Path, wanted: str, seed: int, data: str | None, test: str | None, functions: OwnFunctions | None
) -> Replay:
    from tenfold.run.replay import replay
    from tenfold.store.no_model import refuse_unfinished
    from tenfold.store.run_directory import Run

    with Run.read(run) as opened:
        refuse_unfinished(opened, run)
        return replay(opened, wanted, seed=seed, data=data, test=test, modules=functions)


def recipes(
    preset: Annotated[
        str | None,
        typer.Argument(metavar="[PRESET]", help="Print this recipe of a paper instead: realmlp, realmlp_s, tabm_mini."),
    ] = None,
    explain: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="Explain one rule or layer: formula, claim, when to choose it."),
    ] = None,
    task: Annotated[str, typer.Option(help="classification or regression, for a preset.")] = "classification",
    as_json: JsonOption = False,
) -> None:
    """Print the default recipe as YAML, with a comment on every line, to edit and give to `fit --recipe`."""
    from tenfold.recipe import Recipe, commented_default
    from tenfold.recipe.presets import recipe_preset
    from tenfold.recipe.words.explain import explain as find, explanation

    if explain is not None:
        found = find(explain)
        if as_json:
            print_json({"rules": [entry.to_dict() for entry in found]})
        else:
            width = shutil.get_terminal_size().columns
            print("\n".join(explanation(entry, width=width) for entry in found), end="")
    elif preset is not None:
        made = recipe_preset(preset, task)
        if as_json:
            print_json({"recipe": made.to_dict()})
        else:
            print(f"# {preset} for {task}: {made.describe()}\n{made.to_yaml()}", end="")
    elif as_json:
        print_json({"recipe": Recipe().to_dict()})
    else:
        print(commented_default(), end="")


def space(
    data: DataOption,
    target: TargetOption = None,
    drop: DropOption = None,
    task: TaskOption = None,
    header_row: HeaderRowOption = None,
    no_header: NoHeaderOption = False,
    skip_rows: SkipRowsOption = ReadOptions.skip_rows,
    missing: MissingOption = None,
    kind: KindOption = None,
    bad_rows: BadRowsOption = ReadOptions.bad_rows,
    as_json: JsonOption = False,
) -> None:
    """Print the default space for this data as YAML, to edit and give to `fit --space`."""
    from tenfold.problem.default_space import default_space
    from tenfold.problem.from_file import prepare
    from tenfold.problem.settings import Settings

    reading = ReadOptions(header_row, no_header, skip_rows, missing, asked_kinds(kind), bad_rows)
    settings = Settings(data=data, target=target, drop=tuple(drop or ()), task=task, reading=reading)
    problem = prepare(settings).problem
    found = default_space(problem.size, rows=problem.inputs.rows, task=problem.task)
    if as_json:
        print_json({"space": found.to_dict()})
    else:
        print(found.to_yaml(), end="")
