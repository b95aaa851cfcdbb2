"""The program `tenfold`: its verbs, and how every ending becomes an exit code.

0 done, 1 failed, 2 wrong usage or bad input, 130 or 143 stopped and resumable. Errors go to standard error.
Nothing here imports torch: help, the version and usage errors answer at once.
"""

from __future__ import annotations

import errno
import os
import sys
import traceback
from typing import Annotated, Any

import typer

from tenfold._version import __version__
from tenfold.cli import diagnose, export, fit, predict, runs, study
from tenfold.cli.standard_streams import take_streams
from tenfold.engine.native.library import engine_in_words
from tenfold.errors import BadInput, Stopped, TenfoldError
from tenfold.formatting import visible

app = typer.Typer(
    name="tenfold",
    help="Choose and cross-validate the training configuration of a neural network: every fold of every "
    "configuration is trained at once.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
MOST_LINES = 12  # of an error message
# what typer raises for an option or argument that cannot be, whichever copy of click it brings
UsageError: Any = typer.BadParameter.__mro__[1]


def _version(wanted: bool) -> None:
    if wanted:
        print(f"tenfold {__version__} ({engine_in_words()})")
        raise typer.Exit


@app.callback()
def _main(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version and stop.")
    ] = False,
    debug: Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.")] = False,
) -> None:
    """Global options; `run` takes `--debug` out of the arguments, wherever it is."""


for name, verb in {
    "fit": fit.fit, "predict": predict.predict, "resume": fit.resume, "test": runs.test, "report": runs.report_command,
    "check": runs.check_command, "export": export.export_command, "diagnose": diagnose.diagnose_command,
    "recipes": runs.recipes, "space": runs.space, "study": study.study_command, "demo": fit.demo,
}.items():  # fmt: skip
    app.command(name)(verb)


def entry() -> None:
    """Run the program and exit immediately with its code: unloading torch takes most of a second, and everything is
    already written."""
    output = take_streams()
    code = run()
    sys.stdout.flush()
    if output.lost is not None:
        code = code or 1
        if not isinstance(output.lost, BrokenPipeError):
            _say(f"what was done is kept, but standard output could not be written: {output.lost.strerror}")
    sys.stderr.flush()
    os._exit(code)


def run() -> int:
    """The exit code of the arguments of this process; "--debug" shows the traceback of an error."""
    arguments = [_with_visible_name(argument) for argument in sys.argv[1:] if argument != "--debug"]
    debug = len(arguments) < len(sys.argv) - 1
    try:
        code = app(arguments or ["--help"], prog_name="tenfold", standalone_mode=False)
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else int(end.code is not None)
    except UsageError as error:
        _say(_usage(error))
        return 2
    except (Exception, KeyboardInterrupt) as error:
        if debug:
            traceback.print_exc()
        else:
            _say(_words(error))
        return _code(error)
    return code if isinstance(code, int) else 0


def _with_visible_name(argument: str) -> str:
    """An argument in whose name of an option nothing is left that a terminal would obey: no option has such a name, and
    the error that repeats it is typer's."""
    if not argument.startswith("-") or argument == "-":
        return argument
    name, equals, value = argument.partition("=") if argument.startswith("--") else (argument[:2], "", argument[2:])
    return visible(name) + equals + value


def _usage(error: Any) -> str:
    """A usage error as our errors are: what was found, how the verb is called, and where its options are."""
    found, context = str(error.format_message()).strip().rstrip("."), error.ctx
    lines = [f"{found[:1].lower()}{found[1:]}"]
    if context is not None:
        verb = context.command_path
        kinds = [(getattr(value, "param_type_name", ""), value) for value in context.command.params]
        named = [str(value.metavar or value.name).upper() for kind, value in kinds if kind == "argument"]
        lines += [f"  expected: {' '.join([verb, *(named or ['COMMAND']), '[OPTIONS]'])}", f"  try: {verb} --help"]
    return "\n".join(lines)


def _words(error: BaseException) -> str:
    if isinstance(error, KeyboardInterrupt):
        return "stopped"
    if isinstance(error, TenfoldError):
        return str(error)
    if isinstance(error, OSError) and error.strerror:
        where = "" if error.filename is None else f"{error.filename!s:.200}: "
        return f"{where}{error.strerror}"
    return f"internal error: {type(error).__name__}: {error}\n  try: the same command with --debug, and report it"


def _code(error: BaseException) -> int:
    if isinstance(error, KeyboardInterrupt):
        return 130
    if isinstance(error, Stopped):
        return error.exit_code
    too_long = isinstance(error, OSError) and error.errno == errno.ENAMETOOLONG
    return 2 if isinstance(error, BadInput) or too_long else 1


def _say(message: str) -> None:
    lines = visible(message, lines=True).split("\n")
    if len(lines) > MOST_LINES:
        lines = [*lines[: MOST_LINES - 1], f"... and {len(lines) - MOST_LINES + 1} more lines"]
    print("\n".join([f"tenfold: {lines[0]}", *lines[1:]]), file=sys.stderr)


if __name__ == "__main__":
    entry()
