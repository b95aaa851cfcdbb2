"""`export`: the model of a run as an ONNX file, or as a program that trains the winner without Tenfold."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tenfold.cli.options import (
    JsonOption,
    ModuleAgainOption,
    RunDirectory,
    given_functions,
    load_model,
    print_json,
    say,
    shell_path,
)
from tenfold.errors import BadInput

if TYPE_CHECKING:
    from tenfold.model.model import Model
    from tenfold.problem.from_file import Prepared

KINDS_OF_FILES = (".onnx", ".py")


def export_command(
    run: RunDirectory,
    output: Annotated[Path, typer.Argument(metavar="FILE", help="The .onnx or .py file to write.")],
    module: ModuleAgainOption = None,
    as_json: JsonOption = False,
) -> None:
    """Write the model of RUN as FILE: ONNX with all that happens to a row, or a PyTorch program that trains the winner.

    An .onnx file is compared with `predict` on all development rows before it gets its name. A .py file is a program
    of its own, which takes torch, numpy and pandas only.
    """
    from tenfold.run.fit import read_again
    from tenfold.store.no_model import refuse_without_model
    from tenfold.store.run_directory import Run

    _check_file(output)
    with Run.read(run) as opened:
        refuse_without_model(opened, run)
        functions = given_functions(module)
        model = load_model(run, functions)
        prepared = read_again(opened, run, modules=functions)
    if output.suffix == ".py":
        lines, written = _write_program(model, prepared, output)
    else:
        written = _write_onnx(model, prepared, output)
        lines = _onnx_lines(written, output)
    if as_json:
        print_json({"output": str(output), **written})
    else:
        say(*lines)


def _write_program(model: Model, prepared: Prepared, output: Path) -> tuple[list[str], dict[str, Any]]:
    """Write the program; gives what is said, and the same as JSON."""
    from tenfold.export.program import heaviest_member, training_program
    from tenfold.store.output_file import write_output

    program = training_program(model, prepared, output.name)
    write_output(output, lambda partial: partial.write_text(program, encoding="utf-8"))
    found = {"recipe": heaviest_member(model).recipe.describe(), "lines": program.count("\n")}
    command = f"python {shell_path(output)} {shell_path(prepared.settings.data)} NEW_DATA predictions.csv"
    return [f"{shell_path(output)}: {found['lines']} lines", f"  {command}"], found


def _write_onnx(model: Model, prepared: Prepared, output: Path) -> dict[str, Any]:
    """Write the model, once it is seen to predict the same; gives what was found, as JSON."""
    from tenfold.export.onnx_check import check_onnx, refuse_other_onnx
    from tenfold.export.onnx_graph import onnx_library
    from tenfold.export.onnx_model import input_words, onnx_model
    from tenfold.store.output_file import write_output

    onnx_library("onnxruntime")  # here, not after the work
    made = onnx_model(model, f"{prepared.name}: {prepared.target}. {model!r}")
    found = check_onnx(made, model, prepared.problem.inputs)
    refuse_other_onnx(found)
    write_output(output, lambda partial: partial.write_bytes(made.SerializeToString()))
    return {
        "inputs": input_words(model), "outputs": [value.name for value in made.graph.output],
        "networks": len(model.members), "rows": found.rows, "difference": found.difference,
    }  # fmt: skip


def _onnx_lines(written: dict[str, Any], output: Path) -> list[str]:
    several = f"the mean of {written['networks']} networks" if written["networks"] > 1 else "one network"
    return [
        f"{shell_path(output)}: {several}; on {written['rows']} development rows it differs from predict "
        f"by at most {written['difference']:.1g}",
        *(f"  input {name}: {what}" for name, what in written["inputs"].items()),
        *(f"  output {name}" for name in written["outputs"]),
    ]


def _check_file(output: Path) -> None:
    """Refuse a file that cannot be written, or that would destroy something, before anything is computed."""
    from tenfold.store.output_file import refuse_output

    if output.suffix not in KINDS_OF_FILES:
        raise BadInput(f"{shell_path(output)}: not a file that a model is exported to",
                       expected=f"a file name that ends in {' or '.join(KINDS_OF_FILES)}",
                       do=shell_path(output.with_name(f"{output.stem}{KINDS_OF_FILES[0]}")))  # fmt: skip
    if output.is_dir():
        raise BadInput("is a folder", where=shell_path(output), expected="a file to write",
                       do=shell_path(output / f"model{KINDS_OF_FILES[0]}"))  # fmt: skip
    if not output.absolute().parent.is_dir():
        raise BadInput("there is no such directory", where=shell_path(output.parent),
                       expected="a directory to write to",
                       do=f"{shell_path(output.name)}, or make the directory first")  # fmt: skip
    if output.suffix == ".py" and output.exists():
        raise BadInput("there is such a file, and what you changed in it would be lost", where=shell_path(output),
                       expected="a new file", do="another name, or move it away first")  # fmt: skip
    refuse_output(output)
