"""Options that several verbs share, and how their text is parsed."""

from __future__ import annotations

import json
import re
import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tenfold.errors import BadInput, clipped
from tenfold.formatting import visible

if TYPE_CHECKING:
    from tenfold.model.model import Model
    from tenfold.recipe.own_functions import OwnFunctions


def parse_integer(text: str | int) -> int:
    """An option's text as a whole number."""
    try:
        return int(text)
    except ValueError:
        raise typer.BadParameter(f"'{visible(clipped(text))}' is not a whole number, such as 10") from None


def parse_number(text: str | float) -> float:
    """An option's text as a number."""
    try:
        return float(text)
    except ValueError:
        raise typer.BadParameter(f"'{visible(clipped(text))}' is not a number, such as 0.2") from None


_UNITS = {"": 1, "s": 1, "m": 60, "h": 3600}


def parse_seconds(text: str | None) -> float | None:
    """ "90", "90s", "10m" or "1.5h" in seconds."""
    if text is None:
        return None
    match = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([smh]?)", text.strip())
    if match is None:
        raise BadInput(
            f"--time-limit {clipped(repr(text))}", expected="a number of seconds, or one with s, m or h", do="10m"
        )
    return float(match[1]) * _UNITS[match[2]]


def recipe_options(named: Path | None) -> dict[str, Any]:
    """The settings of --recipe: the recipe of a file, or a preset. A name without a suffix that is that of a preset is
    the preset, whatever files there are: a file of that name needs its full path."""
    if named is None:
        return {}
    from tenfold.recipe import Recipe
    from tenfold.recipe.presets import RECIPE_PRESETS

    if str(named) in RECIPE_PRESETS:
        return {"preset": str(named), "recipe": None}
    if not named.suffix and not named.exists() and named.parent == Path():
        expected = f"a YAML file, or one of the presets: {', '.join(RECIPE_PRESETS)}"
        raise BadInput(f"--recipe {named}: there is no such file or preset", expected=expected)
    try:
        return {"recipe": Recipe.from_yaml(named)}
    except BadInput:
        if _is_space(named):
            raise BadInput("this is a space, a set of recipes", where=str(named), expected="one recipe, without sets",
                           do=f"--space {shell_path(named)}") from None  # fmt: skip
        raise


def _is_space(path: Path) -> bool:
    """Whether a file that is no recipe is a space."""
    from tenfold.recipe import Space

    try:
        Space.from_yaml(path)
    except BadInput:
        return False
    return True


JsonOption = Annotated[bool, typer.Option("--json", help="Print only one JSON object on standard output.")]
DataOption = Annotated[
    str,
    typer.Argument(
        metavar="DATA", help="A .csv, .tsv (also gzipped), .parquet or .npz file, a folder of images, or sklearn:NAME."
    ),
]
TargetOption = Annotated[str | None, typer.Option(help="The column to predict.")]
DropOption = Annotated[list[str] | None, typer.Option(metavar="COL", help="Leave a column out; can be repeated.")]
TaskOption = Annotated[str | None, typer.Option(help="classification or regression; default: decided from the target.")]
FoldsOption = Annotated[int, typer.Option(parser=parse_integer, help="Number of cross-validation folds.")]
RepeatsOption = Annotated[
    int, typer.Option(parser=parse_integer, help="Repeat cross-validation with new folds and seeds.")
]
MetricOption = Annotated[
    str | None,
    typer.Option(
        help="Metric to optimize and report; default: accuracy (roc_auc where one class dwarfs the others), or r2."
    ),
]
MetricsOption = Annotated[
    str | None,
    typer.Option(metavar="A,B", help="Report several metrics at once; the first selects, unless --metric does."),
]
DeviceOption = Annotated[str, typer.Option(help="cpu, cuda, or auto.")]
TensorBoardOption = Annotated[
    Path | None, typer.Option(metavar="DIR", help="Log losses and metric of every epoch there, for TensorBoard.")
]
SeedOption = Annotated[int, typer.Option(parser=parse_integer, help="Seed of everything random.")]
HeaderRowOption = Annotated[
    int | None, typer.Option(parser=parse_integer, metavar="N", help="The line of a text file with the column names.")
]
NoHeaderOption = Annotated[
    bool, typer.Option("--no-header", help="The text file has no column names: column 1, column 2, ...")
]
SkipRowsOption = Annotated[
    str, typer.Option(metavar="LINES", help="Lines to leave out: 3 (the first three), 60- or 5-5,12-14.")
]
MissingOption = Annotated[
    str | None,
    typer.Option(metavar="WORDS", help="What stands for a missing value, as NA,unknown; +unknown adds to the usual."),
]
KindOption = Annotated[
    list[str] | None,
    typer.Option(metavar="COL=KIND", help="Take a column as category, number, text, date or id; can be repeated."),
]
BadRowsOption = Annotated[
    str, typer.Option(help="refuse a text file for a row that cannot be read, or drop such rows: at most 1 %, drop:5%.")
]
AddressOption = Annotated[
    str | None,
    typer.Option(
        help="With --engine ray: auto (the cluster of this machine), HOST:6379, or ray://HOST:10001; default: "
        "$RAY_ADDRESS, else Ray is started here and ended with the run."
    ),
]
ModuleOption = Annotated[
    list[str] | None,
    typer.Option(
        metavar="FILE:FUNCTION",
        help="A network of your own: the function of a Python file that makes it; can be repeated, for a loss.",
    ),
]
ModuleAgainOption = Annotated[
    list[str] | None,
    typer.Option(metavar="FILE:FUNCTION", help="The function of your own that the run names; the file is run."),
]
RunDirectory = Annotated[Path, typer.Argument(metavar="RUN", help="The run directory.")]


def print_json(value: Any) -> None:
    """One JSON object on standard output."""
    # Where the encoding has not all characters, they are escaped as JSON has it, \u00e9, not as Python has it, \xe9.
    ascii_only = not (sys.stdout.encoding or "utf-8").lower().startswith("utf")
    text = json.dumps(value, indent=1, allow_nan=False, ensure_ascii=ascii_only)
    # What a terminal obeys or cannot show can only be inside of strings, where JSON has an escape for it.
    plain = "".join(c if c == "\n" or visible(c) == c else json.dumps(c)[1:-1] for c in text)
    sys.stdout.write((text if text.replace("\n", "").isprintable() else plain) + "\n")


def say(*lines: str, error: bool = False) -> None:
    """Plain lines for a person on standard output, or on that of errors."""
    print(*(visible(line, lines=True) for line in lines), sep="\n", file=sys.stderr if error else None, flush=True)


def shell_path(path: Path | str) -> str:
    """A path as typed in a shell, relative to the working directory if that is shorter."""
    text = os_relative(path)
    if visible(text) == text:
        return shlex.quote(text)
    # With these quotes a shell reads the escapes that stand for what cannot be shown.
    return "$'" + visible(text.replace("\\", "\\\\").replace("'", "\\'")) + "'"


def os_relative(path: Path | str) -> str:
    """Relative to the working directory where that is shorter."""
    try:
        return str(Path(path).resolve().relative_to(Path.cwd()))
    except ValueError:
        return str(path)


def given_functions(options: list[str] | None) -> OwnFunctions | None:
    """The functions of the options `--module`, whose files are run; None for none."""
    if not options:
        return None
    from tenfold.recipe.own_functions import own_functions

    return own_functions(options)


def modules_again(options: list[str] | None) -> str:
    """The options `--module` as a later command needs them, which the run does not know."""
    return "".join(f" --module {shell_path(option)}" for option in options or ())


def load_model(run: Path, functions: OwnFunctions | None) -> Model:
    """The model of a run or a bundle, with functions of the user's own; a changed file of one is noted."""
    from tenfold.model.model import load
    from tenfold.recipe.module import NoFunction
    from tenfold.recipe.own_functions import not_given
    from tenfold.run.fit import stored_modules

    try:
        model = load(run, module=functions.by_name if functions else None)
    except NoFunction as error:
        raise not_given(error.name, shell_path(run)) from None
    for note in functions.changed(stored_modules(run)) if functions else ():
        say(f"warning: {note}", error=True)
    return model


def next_directory(name: str) -> Path:
    """runs/<name>-<n> with the first n that is free."""
    number = 1
    while (path := Path("runs") / f"{name}-{number}").exists():
        number += 1
    return path
