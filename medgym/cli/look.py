"""The commands that look: ``list``, ``show``, ``doctor``."""

import json
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from ..core.errors import InputError
from ..spec import needs
from .terminal import AsJson, app, progress


@app.command("list")
def list_all(as_json: AsJson = False) -> None:
    """List what there is: environments, tasks, tools, segmenters, rewards, agents, dialects, benchmarks.

    Example: medgym list
    """
    from ..evaluation.inventory import inventory

    everything = inventory()
    if as_json:
        print(json.dumps(everything))
        return
    table = Table(show_edge=False)
    for heading in ("what", "name", "about"):
        table.add_column(heading)
    for what, entries in everything.items():
        for name, about in entries.items():
            table.add_row(what, name, about)
    Console().print(table)


@app.command()
def show(
    name: Annotated[str, typer.Argument(help="An environment, task source, tool, reward, agent or benchmark.")],
    index: Annotated[int, typer.Option(help="Of a task source: which task.")] = 0,
    split: Annotated[str, typer.Option(help="Of a task source: which split.")] = "test",
    out: Annotated[Path | None, typer.Option(help="Of a task source: write the image here, as PNG.")] = None,
    gallery: Annotated[
        Path | None, typer.Option(help="Of a task source: write a page of samples with their masks here, as HTML.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Show one thing: a card, a tool's schema, a task and its image, or a page of samples.

    Example: medgym show phantoms --index 3 --out task.png
    Example: medgym show phantoms:modality=ct+mri --gallery gallery.html
    """
    from ..evaluation.inventory import describe, describe_task, is_task_source

    if gallery is not None and is_task_source(name):
        found = {"gallery": str(gallery), "samples": _gallery(name, split, gallery, as_json)}
    elif is_task_source(name):
        found = describe_task(name, split, index, out)
    elif out is not None or gallery is not None:
        raise InputError(f"--out and --gallery show tasks, and {name!r} is no task source")
    else:
        found = describe(name)
    if as_json:
        print(json.dumps(found))
        return
    Console().print_json(data=found)


def _gallery(name: str, split: str, out: Path, quiet: bool) -> int:
    from ..evaluation.gallery import write_gallery

    with progress(quiet) as bar:
        drawing = bar.add_task("drawing samples", total=None)
        return write_gallery(name, split, out, lambda done, of: bar.update(drawing, completed=done, total=of))


@app.command()
def doctor(
    segmenter: Annotated[
        list[str] | None, typer.Option(help="Load and ask this one; default: all that need no download.")
    ] = None,
    model: Annotated[str | None, typer.Option(help="A model's name or folder: can it be trained with tools?")] = None,
    as_json: AsJson = False,
) -> None:
    """Say what is installed, which segmenters answer, and whether a model's chat template keeps tools and images.

    Example: medgym doctor --segmenter sam2:model=facebook/sam2.1-hiera-large
    Example: medgym doctor --model Qwen/Qwen2.5-VL-7B-Instruct
    """
    from ..evaluation.doctor import packages, segmenters

    findings = packages()
    if segmenter or not model:
        findings += segmenters(segmenter or ())
    if model:
        needs("transformers", "train", "this")
        from ..training.doctor import check_model

        findings += check_model(model)
    if as_json:
        print(json.dumps(findings))
    else:
        table = Table("what", "state", "", show_edge=False)
        for each in findings:
            table.add_row(each["what"], "[green]ok[/]" if each["ok"] else "[red]no[/]", escape(each["about"]))
        Console().print(table)
    if not all(each["ok"] for each in findings if each["needed"]):
        raise typer.Exit(1)
