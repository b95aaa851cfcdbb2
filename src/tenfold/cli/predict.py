"""`predict`: predictions of a run's model for new data, as CSV or Parquet."""

from __future__ import annotations

import csv
import os
import re
import sys
from collections.abc import Collection
from pathlib import Path
from typing import IO, TYPE_CHECKING, Annotated

import typer

from tenfold.cli.options import (
    BadRowsOption,
    DataOption,
    HeaderRowOption,
    JsonOption,
    MissingOption,
    ModuleAgainOption,
    NoHeaderOption,
    RunDirectory,
    SkipRowsOption,
    given_functions,
    load_model,
    parse_integer,
    print_json,
    say,
    shell_path,
)
from tenfold.data.read.options import ReadOptions
from tenfold.errors import BadInput, RunFailed
from tenfold.formatting import visible

if TYPE_CHECKING:
    import numpy as np

    from tenfold.model.model import Model

# What a spreadsheet takes for the beginning of a formula, also in full width, and what may stand before it.
FORMULA = re.compile(r"\s*[=+\-@\t\r\n\uff1d\uff0b\uff0d\uff20|%]")
PLAIN_NUMBER = re.compile(r"[+-]?\d+(\.\d*)?([eE][+-]?\d+)?", re.ASCII)


def predict(
    run: RunDirectory,
    data: DataOption,
    output: Annotated[
        Path | None, typer.Option("-o", "--output", help="A .csv or .parquet file; default: CSV on standard output.")
    ] = None,
    proba: Annotated[bool, typer.Option("--proba", help="Add a column p_<class> for every class.")] = False,
    samples: Annotated[
        int | None,
        typer.Option(parser=parse_integer, help="Average this many passes with dropout on, and add a column spread."),
    ] = None,
    header_row: HeaderRowOption = None,
    no_header: NoHeaderOption = False,
    skip_rows: SkipRowsOption = ReadOptions.skip_rows,
    missing: MissingOption = None,
    bad_rows: BadRowsOption = ReadOptions.bad_rows,
    safe_csv: Annotated[
        bool,
        typer.Option("--safe-csv", help="Put a ' before text that a spreadsheet would take for a formula."),
    ] = False,
    module: ModuleAgainOption = None,
    as_json: JsonOption = False,
) -> None:
    """Predict every row of DATA, in input order; it must have the columns of the training data.

    A text file is read as that of training was, but for what the options say otherwise. For a model of images: every
    image of a folder and its subfolders, sorted by path, one image file, or an npz file.
    """
    from tenfold.data.read.read import read_images

    if output is not None:
        _check_output(output, data)
    if as_json and output is None:
        raise BadInput("--json without an output file", do="-o predictions.csv")
    options = ReadOptions(header_row, no_header, skip_rows, missing, bad_rows=bad_rows)
    if safe_csv and output is not None and output.suffix != ".csv":
        raise BadInput("--safe-csv with a Parquet file", expected="a file name that ends in .csv",
                       do="leave --safe-csv out: a Parquet file holds no formulas")  # fmt: skip
    model = load_model(run, given_functions(module))
    if proba and not model.classes:
        raise BadInput("--proba with a regression model", expected="a classifier", do="leave --proba out")
    images = read_images(data, model.contract) if model.contract is not None else None
    inputs, notes, bad = model.read(data if images is None else images, options)
    outputs, spread = (model.finite_outputs(inputs), None) if samples is None else model.samples(inputs, samples)
    columns = {} if images is None or not images.files else {"file": _texts(images.files)}
    columns |= {name: _empty(values, bad) for name, values in _columns(model, outputs, spread, proba=proba).items()}
    if safe_csv:
        columns = {_harmless(name): _harmless_cells(column) for name, column in columns.items()}
    for note in notes:
        say(note if note.startswith("warning: ") else f"note: {note}", error=True)
    if output is None:
        _write_csv(sys.stdout, _shown(columns) if sys.stdout.isatty() else columns)
        return
    _write_file(output, columns)
    if as_json:
        print_json({"rows": inputs.rows, "output": str(output), "columns": list(columns), "notes": notes})
    else:
        say(f"{inputs.rows} predictions in {shell_path(output)}")


def _columns(model: Model, outputs: np.ndarray, spread: np.ndarray | None, *, proba: bool) -> dict[str, np.ndarray]:
    """The columns of the predictions. spread: deviations (rows, classes or 1); that of the predicted class is kept."""
    import numpy as np

    columns = {"prediction": model.labels(outputs)}
    if proba:
        columns |= {f"p_{label}": outputs[:, i] for i, label in enumerate(model.classes)}
    if spread is not None:
        chosen = outputs.argmax(1)[:, None] if model.classes else np.zeros((len(outputs), 1), np.int64)
        columns["spread"] = np.take_along_axis(spread, chosen, 1)[:, 0]
    return columns


def _empty(values: np.ndarray, rows: Collection[int]) -> np.ndarray:
    """A column with an empty cell for each row that could not be read."""
    if rows:
        values = values.astype(object)
        values[sorted(rows)] = None
    return values


def _shown(columns: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """The columns for a terminal, which gets no character of a name that it would obey."""
    import numpy as np

    def shown(column: np.ndarray) -> np.ndarray:
        if column.dtype.kind not in "UO":
            return column
        return np.array([visible(cell) if isinstance(cell, str) else cell for cell in column.tolist()], object)

    return {visible(name): shown(column) for name, column in columns.items()}


def _texts(values: tuple[str, ...]) -> np.ndarray:
    """Text as an array; bytes that are not UTF-8 are replaced by a mark."""
    import numpy as np

    return np.array([os.fsencode(value).decode("utf-8", "replace") for value in values])


def _write_csv(file: IO[str], columns: dict[str, np.ndarray]) -> None:
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows(zip(*(column.tolist() for column in columns.values()), strict=True))


def _write_file(path: Path, columns: dict[str, np.ndarray]) -> None:
    """Write under a temporary name, then rename: a reader never sees half a file."""
    from tenfold.store.output_file import write_output

    write_output(path, lambda partial: (_csv_file if path.suffix == ".csv" else _parquet_file)(partial, columns))


def _csv_file(path: Path, columns: dict[str, np.ndarray]) -> None:
    # A label may hold a half of a surrogate pair, which UTF-8 has no bytes for.
    with path.open("w", encoding="utf-8", errors="backslashreplace", newline="") as file:
        _write_csv(file, columns)


def _parquet_file(path: Path, columns: dict[str, np.ndarray]) -> None:
    import duckdb

    from tenfold.data.read.unquoted import QUIET

    table = {name: column.astype(object) if column.dtype.kind == "U" else column for name, column in columns.items()}
    try:
        with duckdb.connect() as connection:
            connection.execute(QUIET)
            connection.register("predictions", table)
            connection.sql("select * from predictions").write_parquet(str(path))
    except duckdb.Error as error:
        raise RunFailed(f"the Parquet file cannot be written: {str(error).splitlines()[0]}") from error


def _check_output(output: Path, data: str) -> None:
    """Refuse an output that cannot be written, or that would destroy something, before anything is computed."""
    from tenfold.store.output_file import refuse_output

    try:
        is_folder, has_folder = output.is_dir(), output.absolute().parent.is_dir()
    except OSError as error:
        raise BadInput(f"--output {str(output)[:40]}...: {error.strerror}", expected="a name of at most 255 bytes",
                       do="-o predictions.csv") from None  # fmt: skip
    if output.suffix not in (".csv", ".parquet"):
        better = output / "predictions.csv" if is_folder else output.with_name(f"{output.stem}.csv")
        raise BadInput(f"--output {shell_path(output)}", expected="a file name that ends in .csv or .parquet",
                       do=f"-o {shell_path(better)}")  # fmt: skip
    if is_folder:
        raise BadInput("is a folder", where=shell_path(output), expected="a file to write",
                       do=f"-o {shell_path(output / 'predictions.csv')}")  # fmt: skip
    if not has_folder:
        raise BadInput("there is no such directory", where=shell_path(output.parent),
                       expected="a directory to write to",
                       do=f"-o {shell_path(output.name)}, or make the directory first")  # fmt: skip
    refuse_output(output, data)


def _harmless(text: str) -> str:
    """The text, with a ' before it where a spreadsheet would compute it (OWASP, "CSV injection"); a plain number such
    as -1 is none of these."""
    return f"'{text}" if FORMULA.match(text) and not PLAIN_NUMBER.fullmatch(text) else text


def _harmless_cells(column: np.ndarray) -> np.ndarray:
    import numpy as np

    if column.dtype.kind not in "UO":
        return column
    return np.array([_harmless(cell) if isinstance(cell, str) else cell for cell in column.tolist()], object)
