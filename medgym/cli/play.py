"""The commands that play and compare: ``run``, ``play``, ``eval``, ``leaderboard``, ``rescore``, ``report``."""

import json
import webbrowser
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.table import Column, Table

from ..core.errors import InputError
from .terminal import AsJson, FlaggedTasks, app, error_console, progress

if TYPE_CHECKING:
    from ..evaluation.run import RunConfig

Listed = Annotated[list[str] | None, typer.Option(help="May be given several times; default: the card's.")]
Tasks = Annotated[str | None, typer.Option(help="A task source's name, or the path of records.")]
Episodes = Annotated[int | None, typer.Option(help="How many tasks, from index 0; default: all, at most 100.")]
Seed = Annotated[int | None, typer.Option(min=0, help="Of made tasks and of the agent; default: 0.")]
Out = Annotated[Path | None, typer.Option(help="Keep the run in this folder; again with the same options: go on.")]
Env = Annotated[str | None, typer.Option(help="The environment's id; default: MedTool-v0.")]
Suite = Annotated[str | None, typer.Option(help="A benchmark's card, which sets tasks, split, episodes and seed.")]
Split = Annotated[str | None, typer.Option(help="train, validation or test.")]
Segmenter = Annotated[str | None, typer.Option(help="Such as classical, or simulated:error=0.2.")]
Recipe = Annotated[str | None, typer.Option(help="A reward recipe's name or path.")]
MaxTurns = Annotated[int | None, typer.Option(help="Actions an episode may take.")]
ViewSize = Annotated[int | None, typer.Option(help="Longest side of a view, in pixels.")]


@app.command()
def run(
    agent: Annotated[str, typer.Option(help="An agent's name, or file.py:Class of your own.")] = "oracle",
    tasks: Tasks = None,
    episodes: Episodes = None,
    seed: Seed = None,
    out: Out = None,
    env: Env = None,
    suite: Suite = None,
    split: Split = None,
    kind: Listed = None,
    tool: Listed = None,
    segmenter: Segmenter = None,
    reward: Recipe = None,
    dialect: Annotated[str | None, typer.Option(help="Default: the agent's.")] = None,
    coords: Annotated[str | None, typer.Option(help="pixel, norm1000 or unit; default: the agent's.")] = None,
    max_turns: MaxTurns = None,
    view_size: ViewSize = None,
    flagged: FlaggedTasks = "refuse",
    as_json: AsJson = False,
) -> None:
    """Let an agent play tasks, and show what it earned and why.

    Example: medgym run --tasks phantoms --agent scripted --episodes 20 --seed 0 --out runs/first
    """
    from ..data.screening import flagged_named
    from ..evaluation.run import play

    config = _config(
        agent, env, suite, seed, episodes,
        tasks=tasks, split=split, kinds=kind, tools=tool, segmenter=segmenter, reward=reward, dialect=dialect,
        coords=coords, max_turns=max_turns, view_size=view_size,
    )  # fmt: skip
    with progress(as_json) as bar:
        playing = bar.add_task("images are screened" if out else f"{agent} plays", total=None)

        def tell(done: Sequence[Any], total: int) -> None:
            bar.update(playing, completed=len(done), total=total, description=f"{agent} plays")

        try:
            lines = play(config, out, tell, flagged=flagged_named(flagged))
        except KeyboardInterrupt:
            raise _interrupted() from None
    _show(config, lines, out, as_json)


@app.command("play")
def play_by_hand(
    tasks: Tasks = None,
    episodes: Episodes = None,
    seed: Seed = None,
    out: Out = None,
    env: Env = None,
    suite: Suite = None,
    split: Split = None,
    kind: Listed = None,
    tool: Listed = None,
    segmenter: Segmenter = None,
    reward: Recipe = None,
    max_turns: MaxTurns = None,
    view_size: ViewSize = None,
    flagged: FlaggedTasks = "refuse",
    port: Annotated[int, typer.Option(min=0, help="Of the page, on this machine alone; 0: any that is free.")] = 0,
    browser: Annotated[bool, typer.Option(help="Open the page in a browser.")] = True,
    as_json: AsJson = False,
) -> None:
    """Play tasks yourself, on a page in your browser: you see what a policy sees and call the same tools.

    Example: medgym play --tasks phantoms --episodes 5 --out runs/me
    """
    from ..data.screening import flagged_named
    from ..evaluation.human import Human
    from ..evaluation.run import Player, play

    config = _config(
        "human", env, suite, seed, episodes,
        tasks=tasks, split=split, kinds=kind, tools=tool, segmenter=segmenter, reward=reward, max_turns=max_turns,
        view_size=view_size,
    )  # fmt: skip
    player = Player(config)
    human = player.agent
    assert isinstance(human, Human)
    address = human.open(port)
    error_console.print(f"Play at {address} (Ctrl-C ends it)", soft_wrap=True, highlight=False)
    if browser:
        webbrowser.open(address)

    def tell(done: Sequence[Any], total: int) -> None:
        human.finished(done[-1:], player.truth, len(done), total)

    try:
        lines = play(config, out, tell, flagged=flagged_named(flagged), player=player)
    except KeyboardInterrupt:
        raise _interrupted() from None
    human.close()
    _show(config, lines, out, as_json)


def _interrupted() -> typer.Exit:
    error_console.print("medgym: interrupted; a run kept with --out goes on when started again")
    return typer.Exit(130)


def _config(
    agent: str, env: str | None, suite: str | None, seed: int | None, episodes: int | None, **given: Any
) -> "RunConfig":
    """Return the run that options ask for."""
    from ..evaluation.run import RunConfig

    settings = {key: value for key, value in given.items() if value is not None}
    if suite is not None:
        return replace(_of_suite(suite, env, seed, episodes, settings), agent=agent)
    return RunConfig(env or "MedTool-v0", agent, episodes, seed or 0, settings)


def _show(config: "RunConfig", lines: list[dict[str, Any]], out: Path | None, as_json: bool) -> None:
    """Print what a run came to."""
    from ..evaluation.summary import summarise

    summary = summarise(lines)
    if as_json:
        print(json.dumps(summary))
        return
    Console().print(f"{config.agent} on {config.env}, split {lines[0]['split']!r}", highlight=False)
    _print_summary(summary, lines)
    if out and (out / "screening.json").exists():
        Console().print(f"Some tasks were flagged: {out / 'screening.json'}", soft_wrap=True, highlight=False)
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
    flagged: FlaggedTasks = "refuse",
    as_json: AsJson = False,
) -> None:
    """Let agents play a benchmark, and rank them with intervals and paired differences.

    Example: medgym eval --suite phantoms-core --agent scripted --agent my.py:MyAgent --episodes 50 --workers 2
    """
    from ..data.screening import flagged_named
    from ..evaluation.compare import cells, variations
    from ..evaluation.compare import suite as base_of
    from ..evaluation.console import evaluate as carry_out
    from ..evaluation.run import Workers

    base = base_of(suite)
    planned = cells(
        replace(base, episodes=base.episodes if episodes is None else episodes), agent, variations(vary or ()), withhold
    )
    try:
        found = carry_out(
            planned,
            out,
            resume=resume,
            workers=Workers(workers, ray),
            quiet=as_json,
            flagged=flagged_named(flagged),
        )
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
    from ..evaluation.compare import runs_in
    from ..evaluation.console import conclude

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
    from ..catalog import names
    from ..evaluation.compare import ranks, rescored, runs_in

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
    from ..evaluation.run import conclude

    conclude(run)
    Console().print(f"{run / 'report.html'}", soft_wrap=True, highlight=False)


def _of_suite(
    name: str, env: str | None, seed: int | None, episodes: int | None, settings: dict[str, Any]
) -> "RunConfig":
    """Take what a benchmark's card fixes; only fewer episodes, and what it leaves open, may be given beside."""
    from ..evaluation.compare import suite

    fixed = suite(name)
    given = {key for key, value in {"env": env, "seed": seed, **settings}.items() if value is not None}
    clash = sorted(given & {"env", "seed", *fixed.settings})
    if clash:
        raise InputError(f"benchmark {name!r} sets {', '.join(clash)}; leave the option out")
    return replace(
        fixed, episodes=fixed.episodes if episodes is None else episodes, settings={**fixed.settings, **settings}
    )


def _show_ranking(found: dict[str, Any], as_json: bool) -> None:
    from ..evaluation.console import behaved, compared, ranked

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
