"""What all commands share: the app, its errors, its options."""

import json
import sys
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from .. import __version__
from ..core.errors import InputError

app = typer.Typer(no_args_is_help=True, add_completion=False, rich_markup_mode=None, pretty_exceptions_enable=False)
error_console = Console(stderr=True)

AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object, for programs.")]
FlaggedTasks = Annotated[
    str, typer.Option("--flagged", help="Tasks whose pictures may name a patient: refuse, skip or keep them.")
]


def main() -> None:
    """Run a command; what the user got wrong is one line and exit status 2."""
    try:
        app()
    except InputError as error:
        error_console.print(f"medgym: {error}", style="red", markup=False, highlight=False, soft_wrap=True)
        sys.exit(2)
    except OSError as error:
        error_console.print(f"medgym: {error}", style="red", markup=False, highlight=False, soft_wrap=True)
        sys.exit(1)


def _version(wanted: bool) -> None:
    if wanted:
        print(__version__)
        raise typer.Exit


@app.callback()
def medgym(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """A gym in which agents look at medical images, call tools on them and answer."""


def progress(quiet: bool) -> Progress:
    """Return a progress bar for a terminal."""
    return Progress(
        TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn(),
        console=error_console, transient=True, disable=quiet or not error_console.is_terminal,
    )  # fmt: skip


def change(text: str) -> tuple[str, Any]:
    """Read ``key=value`` of an option that may be given several times; the value is JSON, or words."""
    key, equals, value = text.partition("=")
    if not equals:
        raise InputError(f"--set takes key=value, not {text!r}")
    try:
        return key, json.loads(value)
    except ValueError:
        return key, value
