"""The commands on data of one's own, under ``medgym data``."""

import json
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from .terminal import AsJson, app, progress

SHOWN = 12
"""Lines or names of a long list that are printed."""
data = typer.Typer(no_args_is_help=True, rich_markup_mode=None, help="Bring data in, check it, make questions of it.")
app.add_typer(data, name="data")


@data.command("import")
def bring_in(
    source: Annotated[str, typer.Argument(help="A folder, or a file of records or of COCO's annotations.")],
    out: Annotated[Path, typer.Option(help="The folder to write: a new one, or that of an earlier import.")],
    form: Annotated[str, typer.Option("--format", help="auto, folder, records, coco, nifti or dicom.")] = "auto",
    split: Annotated[
        str, typer.Option(help="0.8,0.1,0.1, or the split that all is; default: the source's own, else these.")
    ] = "",
    names: Annotated[
        str, typer.Option(help="Of labels: a JSON file, 1=liver,2=tumor, or one name for all masks.")
    ] = "",
    modality: Annotated[str, typer.Option(help="Such as CT, where the source does not say.")] = "",
    negatives: Annotated[
        bool, typer.Option("--negatives", help="An empty mask means that nothing is there; else it is rejected.")
    ] = False,
    patient: Annotated[
        str, typer.Option(help="What of an image's path names its patient, as a regular expression: '^[^/_]+'.")
    ] = "",
    as_json: AsJson = False,
) -> None:
    """Make a manifest of images with masks, records, COCO, NIfTI or DICOM; report each row that cannot be used.

    Example: medgym data import scans --out my-tasks
    """
    from ..data.imports import FORMATS
    from ..data.imports import bring_in as carry_out

    said = {"split": split, "names": names, "modality": modality, "patient": patient}
    with progress(as_json) as bar:
        reading = bar.add_task("rows", total=None)
        told = carry_out(source, out, form, **said, negatives=negatives, tick=lambda: bar.update(reading, advance=1))
    if as_json:
        print(json.dumps(told))
        return
    console = Console(highlight=False, soft_wrap=True)
    console.print(f"Read {source} as {FORMATS[told['format']]}: {told['tasks']} tasks", markup=False)
    for counted in ("kinds", "splits", "structures", "modalities"):
        console.print(f"{counted}: {_counted(told[counted])}", markup=False)
    rejected = told["rejected"]
    where = f", each with its place and reason in {out / 'rejected.jsonl'}" if rejected["count"] else ""
    console.print(f"rejected: {rejected['count']}{where}", markup=False)
    for reason, count in list(rejected["reasons"].items())[:SHOWN]:
        console.print(f"  {count}: {reason}", markup=False)
    console.print(f'Kept in {out}: medgym.load_tasks("{out}")', markup=False)


def _counted(counts: dict[str, int]) -> str:
    shown = [f"{count} {name}" for name, count in list(counts.items())[:SHOWN]]
    return ", ".join(shown) + (f" and {len(counts) - SHOWN} more" if len(counts) > SHOWN else "")
