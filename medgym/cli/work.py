"""The commands that train and serve: ``train``, ``export``, ``serve``."""

import json
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from ..core.errors import InputError
from ..spec import needs
from .terminal import AsJson, FlaggedTasks, app, change, error_console


@app.command()
def train(
    stage: Annotated[str, typer.Argument(help="sft, reflect, grpo or all; quick is all of the built-in small plan.")],
    plan: Annotated[str | None, typer.Argument(help="A plan: a .toml file, such as those in examples/.")] = None,
    out: Annotated[Path, typer.Option(help="The folder of the training; a started one goes on.")] = Path("runs/train"),
    seed: Annotated[int | None, typer.Option(help="Of weights, order and samples; default: the plan's.")] = None,
    changed: Annotated[
        list[str] | None, typer.Option("--set", help="key=value, such as grpo.trainer.max_steps=50; value is JSON.")
    ] = None,
    flagged: FlaggedTasks = "refuse",
    as_json: AsJson = False,
) -> None:
    """Train a policy in three stages: a cold start, self-reflection, reinforcement learning.

    Example: medgym train quick --out runs/quick
    """
    needs("trl", "train", "this")
    from ..data.screening import flagged_named
    from ..training.console import carry_out

    if stage not in ("quick", "all", "sft", "reflect", "grpo"):
        raise InputError(f"the stage is sft, reflect, grpo, all or quick, not {stage!r}")
    if (plan is None) != (stage == "quick"):
        raise InputError("quick has its own plan" if plan else f"name the plan: medgym train {stage} PLAN.toml")
    changes = dict(change(text) for text in changed or ())
    if seed is not None:
        changes["seed"] = seed
    stages = ("sft", "reflect", "grpo") if stage in ("quick", "all") else (stage,)
    try:
        found = carry_out(plan or "quick", changes, out, stages, quiet=as_json, flagged=flagged_named(flagged))
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
    from ..training.export import export as write

    written = write(source, out, form, env, dict(change(text) for text in setting or ()))
    if as_json:
        print(json.dumps(written))
    else:
        Console().print(f"{written['trajectories']} trajectories in {written['file']}", soft_wrap=True, highlight=False)


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
    from ..serving.app import Settings
    from ..serving.run import serve_here, serve_on_ray

    names = tuple(name.strip() for name in tools.split(",") if name.strip())
    settings = Settings(segmenter, names, token, body_mb, pixels, waiting, timeout)
    if ray:
        needs("ray", "ray", "--ray")
        serve_on_ray(settings, host, port, replicas, gpus)
    else:
        serve_here(settings, host, port)
