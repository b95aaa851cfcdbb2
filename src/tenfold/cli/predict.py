"""`predict`: predictions of a run's model for new data, as CSV or Parquet."""

from __future__ import annotations

import csv
import os
import sys
from pathlib import Path
from typing import IO, TYPE_CHECKING, Annotated

import typer

from tenfold.cli.options import DataOption, JsonOption, RunDirectory, parse_integer, print_json, say, shell_path
from tenfold.errors import BadInput
from tenfold.formatting import visible

if TYPE_CHECKING:
    import numpy as np

    from tenfold.model.model import Model


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
    as_json: JsonOption = False,
) -> None:
    """Predict every row of DATA, in input order; it must have the columns of the training data.

    For a model of images: every image of a folder and its subfolders, sorted by path, one image file, or an npz file.
    """
    from tenfold.data.read.read import read_images
    from tenfold.model.model import load

    if output is not None and output.suffix not in (".csv", ".parquet"):
        better = output / "predictions.csv" if output.is_dir() else output.with_name(f"{output.stem}.csv")
        raise BadInput(f"--output {shell_path(output)}", expected="a file name that ends in .csv or .parquet",
                       do=f"-o {shell_path(better)}")  # fmt: skip
    if output is not None and not output.absolute().parent.is_dir():
        raise BadInput("there is no such directory", where=shell_path(output.parent),
                       expected="a directory to write to",
                       do=f"-o {shell_path(output.name)}, or make the directory first")  # fmt: skip
    if as_json and output is None:
        raise BadInput("--json without an output file", do="-o predictions.csv")
    model = load(run)
    if proba and not model.classes:
        raise BadInput("--proba with a regression model", expected="a classifier", do="leave --proba out")
    images = read_images(data, model.contract) if model.contract is not None else None
    inputs, notes = model.inputs(data if images is None else images)
    outputs, spread = (model.outputs(inputs), None) if samples is None else model.samples(inputs, samples)
    columns = {} if images is None or not images.files else {"file": _texts(images.files)}
    columns |= _columns(model, outputs, spread, proba=proba)
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


def _shown(columns: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """The columns for a terminal, which gets no character of a name that it would obey."""
    import numpy as np

    def shown(column: np.ndarray) -> np.ndarray:
        return np.array([visible(text) for text in column.tolist()]) if column.dtype.kind in "UO" else column

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
    partial = path.with_name(path.name + ".tmp")
    try:
        if path.suffix == ".csv":
            with partial.open("w", encoding="utf-8", newline="") as file:
                _write_csv(file, columns)
        else:
            import duckdb

            table = {
                name: column.astype(object) if column.dtype.kind == "U" else column for name, column in columns.items()
            }
            with duckdb.connect() as connection:
                connection.register("predictions", table)
                connection.sql("select * from predictions").write_parquet(str(partial))
        os.replace(partial, path)
    except OSError as error:
        partial.unlink(missing_ok=True)
        raise BadInput(f"cannot be written: {error.strerror}", where=str(path)) from None
