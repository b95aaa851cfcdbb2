"""`fit`, `resume` and `demo`: a run from the data card to the verdict."""

from __future__ import annotations

import os
import signal
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING, Annotated

import typer

from tenfold.cli.options import (
    AddressOption,
    BadRowsOption,
    DataOption,
    DeviceOption,
    DropOption,
    FoldsOption,
    HeaderRowOption,
    JsonOption,
    KindOption,
    MetricOption,
    MetricsOption,
    MissingOption,
    ModuleAgainOption,
    ModuleOption,
    NoHeaderOption,
    RepeatsOption,
    RunDirectory,
    SeedOption,
    SkipRowsOption,
    TargetOption,
    TaskOption,
    TensorBoardOption,
    given_functions,
    modules_again,
    next_directory,
    parse_integer,
    parse_number,
    parse_seconds,
    print_json,
    recipe_options,
    shell_path,
)
from tenfold.data.read.options import ReadOptions, asked_kinds
from tenfold.errors import BadInput, Corrupt, RunFailed, Stopped
from tenfold.problem.settings import Settings

if TYPE_CHECKING:
    from tenfold.cli.screen import Screen
    from tenfold.executors.protocol import Cluster
    from tenfold.problem.from_file import Prepared
    from tenfold.recipe import Space
    from tenfold.run.fit import Stop
    from tenfold.run.plan import RunPlan
    from tenfold.store.run_directory import Run


def fit(
    data: DataOption,
    target: TargetOption = None,
    trials: Annotated[
        int | None,
        typer.Option(parser=parse_integer, help="Number of recipes to try; default: 8 to 48, by their cost."),
    ] = Settings.trials,
    recipe: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Cross-validate this one recipe (YAML, or a preset: realmlp, realmlp_s, tabm_mini) instead of "
            "searching.",
        ),
    ] = None,
    space: Annotated[Path | None, typer.Option(metavar="FILE", help="Search this space (YAML).")] = None,
    module: ModuleOption = None,
    strategy: Annotated[
        str | None,
        typer.Option(help="halving, hyperband, racing (over folds) or exhaustive; default: halving from 16 recipes."),
    ] = Settings.strategy,
    proposals: Annotated[
        str,
        typer.Option(help="How recipes are proposed: random, sobol, grid, coarse-to-fine or model."),
    ] = Settings.proposals,
    folds: FoldsOption = Settings.folds,
    repeats: RepeatsOption = Settings.repeats,
    groups: Annotated[
        str | None, typer.Option(metavar="COL", help="Keep rows with the same value in one fold.")
    ] = Settings.groups,
    time: Annotated[
        str | None, typer.Option(metavar="COL", help="Train on earlier rows, validate on later ones.")
    ] = Settings.time,
    gap: Annotated[
        int, typer.Option(parser=parse_integer, help="With --time: rows to skip between training and validation.")
    ] = Settings.gap,
    drop: DropOption = None,
    header_row: HeaderRowOption = None,
    no_header: NoHeaderOption = False,
    skip_rows: SkipRowsOption = ReadOptions.skip_rows,
    missing: MissingOption = None,
    kind: KindOption = None,
    bad_rows: BadRowsOption = ReadOptions.bad_rows,
    holdout: Annotated[
        float, typer.Option(parser=parse_number, help="Share of the rows to seal as a test set; 0: none.")
    ] = Settings.holdout,
    test: Annotated[
        str | None, typer.Option(metavar="FILE", help="Take the test rows from this file instead.")
    ] = Settings.test,
    no_test: Annotated[
        bool, typer.Option("--no-test", help="Keep the test rows sealed; tenfold test opens them later.")
    ] = Settings.no_test,
    nested: Annotated[
        bool, typer.Option("--nested", help="Nested cross-validation: repeat the search inside every fold.")
    ] = Settings.nested,
    audit: Annotated[
        bool, typer.Option("--audit", help="Also train a sample of the dropped recipes to the end.")
    ] = Settings.audit,
    rule: Annotated[
        str,
        typer.Option(help="best, or one-se: the cheapest recipe within one standard error of the best."),
    ] = Settings.rule,
    keep: Annotated[
        str,
        typer.Option(
            help="Final model: refit, refits (the mean of five), ensemble (of the fold models), blend (of the fold "
            "models of several recipes), or both, to keep the better of refit and ensemble."
        ),
    ] = Settings.keep,
    task: TaskOption = Settings.task,
    metric: MetricOption = Settings.metric,
    metrics: MetricsOption = None,
    device: DeviceOption = Settings.device,
    executor: Annotated[
        str, typer.Option("--engine", help="Where packs are trained: local, or ray, on the cores of a Ray cluster.")
    ] = Settings.executor,
    address: AddressOption = Settings.address,
    seed: SeedOption = Settings.seed,
    out: Annotated[Path | None, typer.Option(help="The run directory; default: runs/NAME-N.")] = None,
    time_limit: Annotated[str | None, typer.Option(help="Such as 90s, 10m or 1h.")] = None,
    tensorboard: TensorBoardOption = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Stop after the data card and the plan.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Cross-validate many recipes on DATA, train the winner, and test it once."""
    begun = monotonic()
    # Every option is a field of Settings under the same name, or one of ReadOptions; some are parsed first.
    options = {name: value for name, value in locals().items() if name in Settings.__dataclass_fields__}
    if out is not None:
        _check_place(out)
    if tensorboard is not None:
        from tenfold.run.tensorboard_log import refuse_without_tensorboard

        refuse_without_tensorboard()
    options["reading"] = ReadOptions(header_row, no_header, skip_rows, missing, asked_kinds(kind), bad_rows)
    options["metrics"] = tuple(part for part in map(str.strip, (metrics or "").split(",")) if part)
    options |= {**recipe_options(recipe), "space": _space(space), "drop": tuple(drop or ())}
    options["modules"] = given_functions(module)
    settings = Settings(**{**options, "time_limit": parse_seconds(time_limit)})
    _fit(settings, out, begun, tensorboard, dry_run=dry_run, as_json=as_json, again=modules_again(module))


def _check_place(out: Path) -> None:
    """Refuse an --out that exists or cannot be created, before anything is read."""
    try:
        there = out.exists()
    except OSError as error:
        raise BadInput(f"--out {str(out)[:60]}...: {error.strerror}", expected="a name of at most 255 bytes",
                       do="--out with a shorter name") from None  # fmt: skip
    if there:
        raise BadInput("exists already", where=str(out), expected="a new directory", do=f"--out {out}-2")
    above = next(parent for parent in out.absolute().parents if parent.exists())
    if not above.is_dir() or not os.access(above, os.W_OK):
        why = "may not be written to" if above.is_dir() else "is a file"
        raise BadInput(f"{shell_path(above)} {why}", where=str(out), expected="a place where a directory can be made",
                       do="give another --out")  # fmt: skip


def demo(
    out: Annotated[Path | None, typer.Option(help="The run directory; default: runs/demo-N.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Run `fit` on a data set that comes with scikit-learn, in under a minute."""
    _fit(Settings(data="sklearn:breast_cancer"), out or next_directory("demo"), monotonic(), as_json=as_json)


def resume(
    run: RunDirectory,
    executor: Annotated[
        str | None, typer.Option("--engine", help="local or ray; default: as the run was begun, at the same address.")
    ] = None,
    address: AddressOption = None,
    module: ModuleAgainOption = None,
    tensorboard: TensorBoardOption = None,
    as_json: JsonOption = False,
) -> None:
    """Continue a run that was stopped or killed; the result is the same as without the stop."""
    from tenfold.cli.screen import Screen
    from tenfold.executors.choose import check_place, opened_cluster
    from tenfold.run.fit import reopen
    from tenfold.store.check import check
    from tenfold.store.no_model import NO_MODEL, has_failed

    begun, screen = monotonic(), Screen(quiet=as_json)
    check_place(executor or ("local" if address is None else "ray"), address)
    again = modules_again(module)
    with _signals(run, again) as stop:
        opened, prepared, plan = reopen(run, given_functions(module))
        with opened:
            damaged = [damage.file for damage in check(run)] if opened.has("report") else []
            if damaged:
                screen.say(f"damaged, and made again: {', '.join(damaged)}")
            elif opened.has("report"):
                screen.say(f"{shell_path(run)} is finished: nothing left to do")
                _end(opened, screen, as_json, again)
                if has_failed(opened):
                    raise RunFailed(NO_MODEL)
                return
            screen.resumed(shell_path(run), prepared, plan)
            place, at = _place(prepared.settings, executor, address)
            with opened_cluster(place, at, quiet=True) as cluster:
                if place != "local" or prepared.settings.executor != "local":
                    screen.say(f"packs are trained on {'this machine' if cluster is None else cluster.in_words()}")
                _work(opened, prepared, plan, screen, stop, begun, as_json, tensorboard, cluster, again)
            for damage in check(run) if damaged else ():
                raise Corrupt(damage.what, file=str(run / damage.file), expected=damage.expected, found=damage.found)


def _place(settings: Settings, executor: str | None, address: str | None) -> tuple[str, str | None]:
    """Where a run goes on: as asked for now, else as it was begun."""
    if executor is None and address is None:
        return settings.executor, settings.address
    return executor or "ray", address


def _space(path: Path | None) -> Space | None:
    if path is None:
        return None
    from tenfold.recipe import Space

    return Space.from_yaml(path)


def _fit(
    settings: Settings, out: Path | None, begun: float, tensorboard: Path | None = None, *, dry_run: bool = False,
    as_json: bool = False, again: str = "",
) -> None:  # fmt: skip
    """again: the options that later commands on the run need once more."""
    from tenfold.cli.screen import Screen, plan_dict
    from tenfold.engine.native.threads import usable_cores
    from tenfold.executors.choose import opened_cluster
    from tenfold.problem.from_file import prepare
    from tenfold.run.fit import create_run
    from tenfold.run.plan import make_plan
    from tenfold.search.context import device_named

    screen = Screen(quiet=as_json)
    if settings.device not in ("auto", "cpu"):
        device_named(settings.device)  # an unknown device is an error before the data are read
    prepared = prepare(settings)
    with opened_cluster(settings.executor, settings.address, quiet=True) as cluster:
        plan = make_plan(prepared, usable_cores() if cluster is None else cluster.workers)
        if cluster is not None:
            plan = replace(plan, notes=(*plan.notes, f"packs are trained on {cluster.in_words()}"))
        screen.planned(prepared, plan)
        if dry_run:
            if as_json:
                print_json(plan_dict(prepared, plan))
            return
        path = out or next_directory(prepared.name)
        with _signals(path, again) as stop, create_run(prepared.settings, path, prepared, plan) as run:
            _work(run, prepared, plan, screen, stop, begun, as_json, tensorboard, cluster, again)


def _work(
    run: Run, prepared: Prepared, plan: RunPlan, screen: Screen, stop: Stop, begun: float, as_json: bool,
    tensorboard: Path | None = None, cluster: Cluster | None = None, again: str = "",
) -> None:  # fmt: skip
    """Do what is left of a run and print how it ended. begun: when the command did, from which a time limit counts."""
    from tenfold.cli.runs import draw_unfinished
    from tenfold.run.fit import Fit

    failure = None
    try:
        Fit(
            run, prepared, plan, screen, stop, begun=begun, draw=draw_unfinished, tensorboard=tensorboard,
            cluster=cluster,
        ).advance()  # fmt: skip
    except RunFailed as error:
        if not run.has("report"):
            raise
        failure = error
    finally:
        screen.close()
    _end(run, screen, as_json, again)
    if failure is not None:
        raise failure


def _end(run: Run, screen: Screen, as_json: bool, again: str = "") -> None:
    """Write the report; print the verdict and the next commands."""
    from tenfold.cli.runs import write_report

    data = write_report(run)
    if as_json:
        print_json(data["summary"])
    where = shell_path(run.path)
    sealed = data["summary"]["rows"]["test"] and data["summary"]["test"]["score"] is None
    opening = [f"test     tenfold test {where}{again}"] if sealed and run.has("model") else []
    predicting = [f"predict  tenfold predict {where} NEW_DATA -o predictions.csv{again}"] if run.has("model") else []
    next_steps = [f"report   {where}/report.html", *opening, *predicting, f"check    tenfold check {where}"]
    screen.say("", *data["verdict"], *data["tested"], "", *next_steps)


@contextmanager
def _signals(path: Path, again: str) -> Generator[Stop]:
    """SIGINT and SIGTERM stop the work at the next update, with a checkpoint; a second signal quits immediately."""
    from tenfold.run.fit import Stop

    stop = Stop()

    def receive(number: int, frame: object) -> None:
        if stop.signal:
            os._exit(128 + number)
        stop.signal = number

    before = {number: signal.signal(number, receive) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield stop
    except Stopped as error:
        raise Stopped(f"{error}\n  go on with: tenfold resume {shell_path(path)}{again}", error.exit_code) from None
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
