"""The commands on data of one's own, under ``medgym data``."""

import json
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.markup import escape
from rich.progress import TaskID
from rich.table import Column, Table

from ..core.errors import InputError
from .terminal import AsJson, app, error_console, progress

SHOWN = 12
"""Lines or names of a long list that are printed; ``--json`` has more."""

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
    volumes: Annotated[
        bool, typer.Option("--volumes", help="Of NIfTI: ask for a structure in all slices, scored in voxels.")
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
        told = carry_out(
            source, out, form, **said, negatives=negatives, volumes=volumes,
            tick=lambda: bar.update(reading, advance=1),
        )  # fmt: skip
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
    for split in found["absent"]:
        table.add_row(split, "none", "", "", "", "", "")
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
    console.print(f"{said}; warnings: {len(found['faults']) - errors}", highlight=False)


def _counts(counts: dict[str, int]) -> str:
    return "\n".join(f"{count} {escape(name)}" for name, count in counts.items())


@data.command()
def questions(
    source: Annotated[str, typer.Argument(help="A task source with masks: its name, or the path of records.")],
    out: Annotated[Path, typer.Option(help="The .jsonl file of records to write; what is rejected goes beside it.")],
    split: Annotated[list[str] | None, typer.Option(help="May be given several times; default: train.")] = None,
    seed: Annotated[int, typer.Option(min=0, help="Of a made source, and of what is drawn.")] = 0,
    forms: Annotated[str, typer.Option(help="Such as structure,count, with commas between; default: all.")] = "",
    per_image: Annotated[int | None, typer.Option(min=1, help="At most so many questions an image.")] = None,
    exhaustive: Annotated[
        bool, typer.Option("--exhaustive", help="What an image has no mask of is not in it: ask for that, too.")
    ] = False,
    endpoint: Annotated[str, typer.Option(help="An OpenAI-compatible endpoint that checks each question too.")] = "",
    model: Annotated[str, typer.Option(help="The name by which the endpoint knows its model.")] = "",
    write: Annotated[bool, typer.Option("--write", help="Let the endpoint's model word the questions.")] = False,
    as_json: AsJson = False,
) -> None:
    """Make questions of images, masks and labels, and keep those that pass five checks.

    Example: medgym data questions records.json --out made/questions.jsonl
    """
    from ..data.questions import make
    from ..data.questions.model import Model

    if bool(endpoint) != bool(model):
        raise InputError("an endpoint and its model go together: --endpoint URL --model NAME")
    asked = Model(model, endpoint, out.absolute().parent) if endpoint else None
    wanted = [name.strip() for name in forms.split(",") if name.strip()]
    with progress(as_json) as bar:
        steps: dict[str, TaskID] = {}

        def notify(step: str, done: int, total: int) -> None:
            if step not in steps:
                steps[step] = bar.add_task(step, total=total)
            bar.update(steps[step], completed=done, total=total)

        try:
            found = make(
                source, out, splits=split or ("train",), seed=seed, forms=wanted, per_image=per_image,
                exhaustive=exhaustive, model=asked, write=write, notify=notify,
            )  # fmt: skip
        except KeyboardInterrupt:
            error_console.print("medgym: interrupted; the same command goes on, and asks for no answer twice")
            raise typer.Exit(130) from None
    if as_json:
        print(json.dumps(found))
        return
    _show_questions(found)


def _show_questions(found: dict[str, Any]) -> None:
    checks = sorted({check for counts in found["rejected"].values() for check in counts})
    table = Table("form", "kept", *(f"rejected: {check}" for check in checks), show_edge=False)
    for form in dict.fromkeys([*found["kept"], *found["rejected"]]):
        counts = found["rejected"].get(form, {})
        table.add_row(form, str(found["kept"].get(form, 0)), *(str(counts.get(check, 0)) for check in checks))
    console = Console()
    console.print(table)
    guessed = found["text_alone"]
    console.print(
        f"{sum(found['kept'].values())} questions about {found['images']} images. The text alone tells "
        f"{guessed['right']:.2f} of those answered in words, and chance {guessed['chance']:.2f}.",
        highlight=False,
    )
    console.print(f"Kept in {found['out']}, the rejected in {found['rejected_in']}", soft_wrap=True, highlight=False)
