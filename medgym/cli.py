"""The commands, in the order in which ``medgym --help`` lists them."""

import json
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Column, Table

from . import __version__
from .core.errors import InputError
from .spec import needs

if TYPE_CHECKING:
    from .evaluation.run import RunConfig

app = typer.Typer(no_args_is_help=True, add_completion=False, rich_markup_mode=None, pretty_exceptions_enable=False)
error_console = Console(stderr=True)

AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object, for programs.")]
Listed = Annotated[list[str] | None, typer.Option(help="May be given several times; default: the card's.")]


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


@app.command("list")
def list_all(as_json: AsJson = False) -> None:
    """List what there is: environments, tasks, tools, segmenters, rewards, agents, dialects, benchmarks.

    Example: medgym list
    """
    from .evaluation.inventory import inventory

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
    from .evaluation.inventory import describe, describe_task, is_task_source

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
    from .evaluation.gallery import write_gallery

    with _progress(quiet) as bar:
        drawing = bar.add_task("drawing samples", total=None)
        return write_gallery(name, split, out, lambda done, of: bar.update(drawing, completed=done, total=of))


def _progress(quiet: bool) -> Progress:
    return Progress(
        TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn(),
        console=error_console, transient=True, disable=quiet or not error_console.is_terminal,
    )  # fmt: skip


@app.command()
def run(
    agent: Annotated[str, typer.Option(help="An agent's name, or file.py:Class of your own.")] = "oracle",
    tasks: Annotated[str | None, typer.Option(help="A task source's name, or the path of records.")] = None,
    episodes: Annotated[
        int | None, typer.Option(help="How many tasks, from index 0; default: all, at most 100.")
    ] = None,
    seed: Annotated[int | None, typer.Option(min=0, help="Of made tasks and of the agent; default: 0.")] = None,
    out: Annotated[
        Path | None, typer.Option(help="Keep the run in this folder; again with the same options: go on.")
    ] = None,
    env: Annotated[str | None, typer.Option(help="The environment's id; default: MedTool-v0.")] = None,
    suite: Annotated[
        str | None, typer.Option(help="A benchmark's card, which sets tasks, split, episodes and seed.")
    ] = None,
    split: Annotated[str | None, typer.Option(help="train, validation or test.")] = None,
    kind: Listed = None,
    tool: Listed = None,
    segmenter: Annotated[str | None, typer.Option(help="Such as classical, or simulated:error=0.2.")] = None,
    reward: Annotated[str | None, typer.Option(help="A reward recipe's name or path.")] = None,
    dialect: Annotated[str | None, typer.Option(help="Default: the agent's.")] = None,
    coords: Annotated[str | None, typer.Option(help="pixel, norm1000 or unit; default: the agent's.")] = None,
    max_turns: Annotated[int | None, typer.Option(help="Actions an episode may take.")] = None,
    view_size: Annotated[int | None, typer.Option(help="Longest side of a view, in pixels.")] = None,
    as_json: AsJson = False,
) -> None:
    """Let an agent play tasks, and show what it earned and why.

    Example: medgym run --tasks phantoms --agent scripted --episodes 20 --seed 0 --out runs/first
    """
    from .evaluation.run import RunConfig, play
    from .evaluation.summary import summarise

    given: dict[str, Any] = {
        "tasks": tasks, "split": split, "kinds": kind, "tools": tool, "segmenter": segmenter, "reward": reward,
        "dialect": dialect, "coords": coords, "max_turns": max_turns, "view_size": view_size,
    }  # fmt: skip
    settings = {key: value for key, value in given.items() if value is not None}
    config = RunConfig(env or "MedTool-v0", agent, episodes, seed or 0, settings)
    if suite is not None:
        config = replace(_of_suite(suite, env, seed, episodes, settings), agent=agent)
    with _progress(as_json) as bar:
        playing = bar.add_task(f"{agent} plays", total=None)
        try:
            lines = play(config, out, lambda done, total: bar.update(playing, completed=len(done), total=total))
        except KeyboardInterrupt:
            error_console.print("medgym: interrupted; a run kept with --out goes on when started again")
            raise typer.Exit(130) from None
    summary = summarise(lines)
    if as_json:
        print(json.dumps(summary))
        return
    Console().print(f"{agent} on {config.env}, split {lines[0]['split']!r}", highlight=False)
    _print_summary(summary, lines)
    if out:
        Console().print(f"Kept in {out}: open {out / 'report.html'}", soft_wrap=True, highlight=False)


@app.command("eval")
def evaluate(
    agent: Annotated[list[str], typer.Option(help="An agent's name, or file.py:Class of your own; several times.")],
    suite: Annotated[str, typer.Option(help="A benchmark's card.")] = "phantoms-core",
    out: Annotated[Path, typer.Option(help="Keep each run in a folder of its own in this one.")] = Path("runs/eval"),
    episodes: Annotated[int | None, typer.Option(min=1, help="Only so many tasks, from the first.")] = None,
    vary: Annotated[
        list[str] | None, typer.Option(help="key=one|two: all agents play each, such as tools=zoom_in|zoom_in+sam2.")
    ] = None,
    withhold: Annotated[
        bool, typer.Option("--withhold", help="Also without tools: who calls them needlessly?")
    ] = False,
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on where it was cut off; play the failed again.")
    ] = False,
    workers: Annotated[int, typer.Option(min=1, help="How many processes play.")] = 1,
    ray: Annotated[bool, typer.Option("--ray", help="Play on a Ray cluster, by so many workers.")] = False,
    as_json: AsJson = False,
) -> None:
    """Let agents play a benchmark, and rank them with intervals and paired differences.

    Example: medgym eval --suite phantoms-core --agent scripted --agent my.py:MyAgent --episodes 50 --workers 2
    """
    from .evaluation.compare import cells, variations
    from .evaluation.compare import suite as base_of
    from .evaluation.console import evaluate as carry_out
    from .evaluation.run import Workers

    base = base_of(suite)
    planned = cells(
        replace(base, episodes=base.episodes if episodes is None else episodes), agent, variations(vary or ()), withhold
    )
    try:
        found = carry_out(planned, out, resume=resume, workers=Workers(workers, ray), quiet=as_json)
    except KeyboardInterrupt:
        error_console.print("medgym: interrupted; the same command with --resume goes on")
        raise typer.Exit(130) from None
    _show_ranking(found, as_json)


@app.command()
def leaderboard(
    runs: Annotated[list[Path], typer.Argument(help="Folders of runs, or folders that hold some.")],
    out: Annotated[Path, typer.Option(help="Write leaderboard.html into this folder.")] = Path(),
    as_json: AsJson = False,
) -> None:
    """Rank runs, however they were made, those over the same tasks beside each other.

    Example: medgym leaderboard runs/eval runs/mine --out runs
    """
    from .evaluation.compare import runs_in
    from .evaluation.console import conclude

    _show_ranking(conclude(runs_in(runs), out), as_json)


@app.command()
def rescore(
    runs: Annotated[list[Path], typer.Argument(help="Folders of runs, or folders that hold some.")],
    reward: Annotated[str, typer.Option(help="Recipes, with commas between; default: all.")] = "",
    as_json: AsJson = False,
) -> None:
    """Score kept trajectories under other rewards, and show how the ranking of agents changes.

    Example: medgym rescore runs/eval --reward ophiuchus,deepeyes,medsam-agent
    """
    from .catalog import names
    from .evaluation.compare import ranks, rescored, runs_in

    recipes = [name.strip() for name in reward.split(",") if name.strip()] or names("rewards")
    table = rescored(runs_in(runs), recipes)
    placed = ranks(table)
    if as_json:
        print(json.dumps({"rewards": table, "places": placed}))
        return
    shown = Table("reward", *(Column(run, overflow="fold") for run in table), show_edge=False)
    for name in recipes:
        found = [(row[name], placed[run][name]) for run, row in table.items()]
        shown.add_row(name, *(f"{each['mean']:.2f}  [dim]{place}.[/]" if each else "–" for each, place in found))
    Console().print(shown)


@app.command()
def report(run: Annotated[Path, typer.Argument(help="The folder of a run.")]) -> None:
    """Write a run's summary.json and report.html again.

    Example: medgym report runs/first
    """
    from .evaluation.run import conclude

    conclude(run)
    Console().print(f"{run / 'report.html'}", soft_wrap=True, highlight=False)


@app.command()
def train(
    stage: Annotated[str, typer.Argument(help="sft, reflect, grpo or all; quick is all of the built-in small plan.")],
    plan: Annotated[str | None, typer.Argument(help="A plan: a .toml file, such as those in examples/.")] = None,
    out: Annotated[Path, typer.Option(help="The folder of the training; a started one goes on.")] = Path("runs/train"),
    seed: Annotated[int | None, typer.Option(help="Of weights, order and samples; default: the plan's.")] = None,
    changed: Annotated[
        list[str] | None, typer.Option("--set", help="key=value, such as grpo.trainer.max_steps=50; value is JSON.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Train a policy in three stages: a cold start, self-reflection, reinforcement learning.

    Example: medgym train quick --out runs/quick
    """
    needs("trl", "train", "this")
    from .training.console import carry_out

    if stage not in ("quick", "all", "sft", "reflect", "grpo"):
        raise InputError(f"the stage is sft, reflect, grpo, all or quick, not {stage!r}")
    if (plan is None) != (stage == "quick"):
        raise InputError("quick has its own plan" if plan else f"name the plan: medgym train {stage} PLAN.toml")
    changes = dict(_change(text) for text in changed or ())
    if seed is not None:
        changes["seed"] = seed
    stages = ("sft", "reflect", "grpo") if stage in ("quick", "all") else (stage,)
    try:
        found = carry_out(plan or "quick", changes, out, stages, quiet=as_json)
    except KeyboardInterrupt:
        error_console.print("medgym: interrupted; the same command goes on from the last checkpoint")
        raise typer.Exit(130) from None
    if as_json:
        print(json.dumps(found))


@app.command()
def export(
    source: Annotated[Path, typer.Argument(help="Demonstrations (.jsonl), or the folder of a run or a training.")],
    out: Annotated[Path, typer.Option(help="The folder to write.")],
    form: Annotated[str, typer.Option("--format", help="trl, sharegpt (LLaMA-Factory) or verl (parquet).")] = "trl",
    env: Annotated[str, typer.Option(help="The environment that the trajectories are of.")] = "MedTool-v0",
    setting: Annotated[
        list[str] | None, typer.Option("--set", help="key=value of the environment; read from a run's own folder.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Write trajectories as a data set of another trainer, images included.

    Example: medgym export runs/oracle --format sharegpt --out data/oracle
    """
    if form == "verl":
        needs("datasets", "train", "this")
    from .training.export import export as write

    written = write(source, out, form, env, dict(_change(text) for text in setting or ()))
    if as_json:
        print(json.dumps(written))
    else:
        Console().print(f"{written['trajectories']} trajectories in {written['file']}", soft_wrap=True, highlight=False)


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
    from .evaluation.doctor import packages, segmenters

    findings = packages()
    if segmenter or not model:
        findings += segmenters(segmenter or ())
    if model:
        needs("transformers", "train", "this")
        from .training.doctor import check_model

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


@app.command()
def serve(
    segmenter: Annotated[str, typer.Option(help="Such as sam2:model=facebook/sam2.1-hiera-large.")] = "classical",
    tools: Annotated[str, typer.Option(help="The tools that it stands behind.")] = "sam2,biomedparse",
    host: Annotated[str, typer.Option(help="The address to listen on; any but loopback needs a token.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=1, max=65535)] = 8100,
    token: Annotated[str, typer.Option(envvar="MEDGYM_TOKEN", help="What clients must send.")] = "",
    body_mb: Annotated[int, typer.Option(min=1, help="The largest request, in MiB.")] = 64,
    pixels: Annotated[int, typer.Option(min=1, help="The largest image.")] = 64_000_000,
    waiting: Annotated[int, typer.Option(min=1, help="How many prompts may wait.")] = 1024,
    timeout: Annotated[float, typer.Option(min=0.1, help="Seconds that a request may take.")] = 60.0,
    ray: Annotated[bool, typer.Option("--ray", help="Serve on a Ray cluster, or start one here.")] = False,
    replicas: Annotated[int, typer.Option(min=1, help="With --ray: how many copies of the segmenter.")] = 1,
    gpus: Annotated[float, typer.Option(min=0, help="With --ray: GPUs of each copy, such as 0.5.")] = 0.0,
) -> None:
    """Serve a segmenter to environments in other processes and on other machines.

    Example: medgym serve --segmenter sam2:model=facebook/sam2.1-hiera-large
    Then: medgym run --segmenter remote:url=http://127.0.0.1:8100
    """
    needs("fastapi", "serve", "this")
    from .serving.app import Settings
    from .serving.run import serve_here, serve_on_ray

    names = tuple(name.strip() for name in tools.split(",") if name.strip())
    settings = Settings(segmenter, names, token, body_mb, pixels, waiting, timeout)
    if ray:
        needs("ray", "ray", "--ray")
        serve_on_ray(settings, host, port, replicas, gpus)
    else:
        serve_here(settings, host, port)


def _change(text: str) -> tuple[str, Any]:
    key, equals, value = text.partition("=")
    if not equals:
        raise InputError(f"--set takes key=value, not {text!r}")
    try:
        return key, json.loads(value)
    except ValueError:
        return key, value


def _of_suite(
    name: str, env: str | None, seed: int | None, episodes: int | None, settings: dict[str, Any]
) -> "RunConfig":
    """Take what a benchmark's card fixes; only fewer episodes, and what it leaves open, may be given beside."""
    from .evaluation.compare import suite

    fixed = suite(name)
    given = {key for key, value in {"env": env, "seed": seed, **settings}.items() if value is not None}
    clash = sorted(given & {"env", "seed", *fixed.settings})
    if clash:
        raise InputError(f"benchmark {name!r} sets {', '.join(clash)}; leave the option out")
    return replace(
        fixed, episodes=fixed.episodes if episodes is None else episodes, settings={**fixed.settings, **settings}
    )


def _show_ranking(found: dict[str, Any], as_json: bool) -> None:
    from .evaluation.console import behaved, compared, ranked

    if as_json:
        print(json.dumps(found))
        return
    console = Console()
    for table in (ranked(found["runs"]), behaved(found["runs"]), compared(found)):
        console.print(table)
        console.print()
    console.print(f"Ranked in {found['leaderboard']}", soft_wrap=True, highlight=False)


def _print_summary(summary: dict[str, Any], lines: list[dict[str, Any]]) -> None:
    console = Console()
    earned = Table(Column("task", overflow="fold"), "kind", "reward", *summary["rewards"], "ended by", show_edge=False)
    for line in lines[:20]:
        if line["failed"]:
            earned.add_row(line["task_id"], line["kind"], "failed", *("" for _ in summary["rewards"]), line["failed"])
            continue
        values = [f"{score['value']:g}" for score in line["rewards"].values()]
        earned.add_row(line["task_id"], line["kind"], f"{line['reward']:g}", *values, line["end_reason"])
    console.print(earned)
    if len(lines) > 20:
        console.print(f"… and {len(lines) - 20} more")
    table = Table("measure", "mean", "95 % interval", "n", show_edge=False)
    components = {f"reward: {name}": found for name, found in summary["rewards"].items()}
    for name, found in {**summary["metrics"], **components}.items():
        table.add_row(name, _number(found["mean"]), _interval(found), str(found["n"]))
    for name, count in summary["end_reasons"].items():
        table.add_row(f"ended by {name}", "", "", str(count))
    if summary["failed"]:
        table.add_row("failed: not scored", "", "", str(summary["failed"]))
    console.print()
    console.print(table)


def _number(value: float | None) -> str:
    return "–" if value is None else f"{value:.3f}"


def _interval(found: dict[str, Any]) -> str:
    return "" if found["low"] is None else f"{found['low']:.3f} to {found['high']:.3f}"
