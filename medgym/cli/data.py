"""The commands on data of one's own, under ``medgym data``."""

import json
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Column, Table

from .terminal import AsJson, app, progress

SHOWN = 5
"""So many tasks are named of each fault; ``--json`` has more."""

data = typer.Typer(no_args_is_help=True, rich_markup_mode=None, help="Bring data in, check it, make questions of it.")
app.add_typer(data, name="data")


@data.command()
def check(
    source: Annotated[str, typer.Argument(help="A task source's name, or the path of records.")],
    as_json: AsJson = False,
) -> None:
    """Check that splits share nothing, that images can be read and are no copies, and that none names a patient.

    Exit status 0 only where there is no error; warnings alone do not change it.

    Example: medgym data check records.json
    Example: medgym data check vqa-rad:path=data/vqa-rad --json
    """
    from ..data.check import check as look

    with progress(as_json) as bar:
        looking = bar.add_task("looking at tasks", total=None)
        found = look(source, lambda done, total: bar.update(looking, completed=done, total=total))
    if as_json:
        print(json.dumps(found))
    else:
        _show_check(found)
    if not found["right"]:
        raise typer.Exit(1)


def _show_check(found: dict[str, Any]) -> None:
    console = Console()
    table = Table("split", "tasks", "images", "kinds", "modalities", "patients", "left out", show_edge=False)
    for split, about in found["splits"].items():
        kinds, modalities, left_out = (_counts(about[name]) for name in ("kinds", "modalities", "left_out"))
        whose = about["patients"] or about["groups"]
        table.add_row(split, *map(str, (about["made"], about["images"])), kinds, modalities, str(whose or ""), left_out)
    for split, why in found["absent"].items():
        table.add_row(split, "–", "", "", "", "", escape(why.splitlines()[0]))
    console.print(table)
    if found["faults"]:
        faults = Table("", "what", "n", Column("about", overflow="fold"), "tasks", show_edge=False)
        for fault in found["faults"]:
            level = "[red]error[/]" if fault["error"] else "[yellow]warning[/]"
            tasks = "\n".join(fault["tasks"][:SHOWN] + (("…",) if fault["count"] > SHOWN else ()))
            faults.add_row(level, fault["what"], str(fault["count"]), escape(fault["about"]), escape(tasks))
        console.print()
        console.print(faults)
    console.print()
    errors = sum(fault["error"] for fault in found["faults"])
    said = f"{errors} kinds of error" if errors else "Nothing is wrong"
    console.print(f"{said}; {len(found['faults']) - errors} warnings", highlight=False)


def _counts(counts: dict[str, int]) -> str:
    return "\n".join(f"{count} {escape(name)}" for name, count in counts.items())
