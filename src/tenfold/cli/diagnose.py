"""`diagnose`: one recipe trained under the doctor on the development rows, and repaired."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tenfold.cli.options import (
    BadRowsOption,
    DataOption,
    DeviceOption,
    DropOption,
    FoldsOption,
    HeaderRowOption,
    JsonOption,
    KindOption,
    MissingOption,
    NoHeaderOption,
    RepeatsOption,
    SeedOption,
    SkipRowsOption,
    TargetOption,
    TaskOption,
    parse_number,
    parse_seconds,
    print_json,
    recipe_options,
    say,
    shell_path,
)
from tenfold.data.read.options import ReadOptions, asked_kinds
from tenfold.errors import BadInput
from tenfold.jsonable import jsonable
from tenfold.problem.settings import Settings

if TYPE_CHECKING:
    from tenfold.doctor.diagnosis import Diagnosis
    from tenfold.problem.from_file import Prepared
    from tenfold.recipe import Recipe
    from tenfold.repair.repair_recipe import Repair


def diagnose_command(
    data: DataOption,
    recipe: Annotated[Path, typer.Option(metavar="FILE", help="The recipe (YAML), or a preset.")],
    target: TargetOption = None,
    repair: Annotated[bool, typer.Option("--repair", help="Test and apply fixes, write the repaired recipe.")] = False,
    output: Annotated[
        Path | None,
        typer.Option("-o", "--output", metavar="FILE", help="The repaired recipe; default: NAME-repaired.yaml."),
    ] = None,
    folds: FoldsOption = Settings.folds,
    repeats: RepeatsOption = Settings.repeats,
    drop: DropOption = None,
    header_row: HeaderRowOption = None,
    no_header: NoHeaderOption = False,
    skip_rows: SkipRowsOption = ReadOptions.skip_rows,
    missing: MissingOption = None,
    kind: KindOption = None,
    bad_rows: BadRowsOption = ReadOptions.bad_rows,
    holdout: Annotated[
        float, typer.Option(parser=parse_number, help="Share of the rows that fit would seal as test rows; 0: none.")
    ] = Settings.holdout,
    task: TaskOption = Settings.task,
    metric: Annotated[str | None, typer.Option(help="Metric to report; default: accuracy, or r2.")] = Settings.metric,
    device: DeviceOption = Settings.device,
    seed: SeedOption = Settings.seed,
    time_limit: Annotated[
        str | None, typer.Option(help="Time limit for one full training run, such as 90s or 10m.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Train a recipe on DATA and diagnose it: what is wrong, the evidence, the fix, and proof that the fix helps.

    With --repair, fixes are tested and applied until the recipe is healthy, and the repaired recipe is written.
    """
    from tenfold.problem.from_file import prepare

    path = _output(recipe, output) if repair else None
    if output is not None and not repair:
        raise BadInput("--output without --repair", do="--repair, which writes the repaired recipe")
    settings = Settings(
        data=data, target=target, **recipe_options(recipe), folds=folds, repeats=repeats, drop=tuple(drop or ()),
        holdout=holdout, task=task, metric=metric, device=device, seed=seed, time_limit=parse_seconds(time_limit),
        reading=ReadOptions(header_row, no_header, skip_rows, missing, asked_kinds(kind), bad_rows),
    )  # fmt: skip
    prepared = prepare(settings)
    found = prepared.settings.recipe
    assert found is not None
    prepared.problem.check_recipes([found])
    if not as_json:
        say(*_opening(found, prepared), "")
    _work(prepared, found, path, as_json)


def _output(recipe: Path, output: Path | None) -> Path:
    """The file for the repaired recipe, which must not exist yet."""
    if output is None:
        output = recipe.with_name(f"{recipe.stem}-repaired.yaml")
    if output.exists():
        other = output.with_name(f"{output.stem}-2.yaml")
        raise BadInput("exists already", where=str(output), expected="a new file", do=f"-o {shell_path(other)}")
    return output


def _opening(recipe: Recipe, prepared: Prepared) -> list[str]:
    _, development, test, _ = prepared.rows
    left = f" ({test} more are left out, as fit would seal them)" if test else ""
    return [
        f"recipe   {recipe.describe()}",
        f"task     {prepared.why_task}",
        *(f"note     {note}" for note in prepared.notes),
        f"training on {development} rows{left}: {prepared.division}, {recipe.epochs} epochs, under the doctor ...",
    ]


def _work(prepared: Prepared, recipe: Recipe, path: Path | None, as_json: bool) -> None:
    """Diagnose, and repair if a path is given; print the result."""
    from tenfold.repair.diagnose_recipe import RecipeDiagnosis
    from tenfold.repair.repair_recipe import repair_problem, score_words
    from tenfold.search.context import SearchContext
    from tenfold.statistics.metrics import METRICS

    settings = prepared.settings
    context = SearchContext.local(settings.device, limit=settings.time_limit)
    if path is None:
        patient = RecipeDiagnosis(prepared.problem, recipe, context)
        diagnosis, metric = patient.diagnose(), prepared.problem.metric.name
        if as_json:
            print_json(jsonable({**diagnosis.to_dict(), "metric": metric, "score": patient.trained.mean_score()}))
        else:
            score = f"{METRICS[metric].words} {score_words(patient.trained.mean_score())}"
            say(diagnosis.report(), "", f"trained to the end: {score} over {prepared.division}")
        return

    def tell(diagnosis: Diagnosis) -> None:
        if not as_json:
            say(diagnosis.report(), "")

    repaired = repair_problem(prepared.problem, recipe, context, on_diagnosis=tell)
    if repaired.changes:
        repaired.recipe.to_yaml(path)
    _ending(repaired, path, as_json)


def _ending(repaired: Repair, path: Path, as_json: bool) -> None:
    written = shell_path(path) if repaired.changes else None
    if as_json:
        print_json(jsonable({**repaired.to_dict(), "written": written}))
        return
    say(repaired.report() or "nothing to repair")
    if repaired.changes:
        say(f"{repaired.last.report()}\n\nrecipe   {written}")
