"""A run: an agent over the first N tasks of a split, kept in a folder as it goes.

The folder holds ``config.json``, ``episodes.jsonl`` (a line appended as each episode ends), ``images/<hash>.png``,
and, when all episodes are over, ``truth.jsonl``, ``summary.json`` and ``report.html``. Running again with the same
settings goes on where it stopped; episodes that failed are played again. Images that are neither made nor public are
screened before anything is written; where some were flagged and the run went on, ``screening.json`` says so.
"""

import json
import os
import platform
import tempfile
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import asdict, dataclass
from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from multiprocessing import get_context, parent_process
from pathlib import Path
from typing import Any

import gymnasium as gym

from ..agents.agent import Agent, load_agent
from ..catalog import names
from ..core.errors import InputError, nearest
from ..core.task import Task
from ..data.screening import Flagged, held_back, is_public, keep_record
from ..envs.medtool import MedToolEnv
from ..envs.scenario import Scenario
from ..envs.spaces import FreeText
from ..spec import needs
from ..tasks.sources import load_tasks
from .report import write_report
from .rollout import attempts
from .summary import summarise
from .traces import VERSION, Line, current, episode_line, failed_line, keep_images, truth_line

PACKAGES = ("medgym", "gymnasium", "numpy", "pillow", "scikit-image", "scipy", "pycocotools")
SHARE = 16
"""So many episodes are played at once by an agent that acts in batches."""


@dataclass(frozen=True)
class RunConfig:
    """What a run is: two runs of one config give the same episodes.

    Attributes:
        env: the id of the environment.
        agent: the name of an agent, its card's path, or ``file.py:Class``.
        episodes: how many tasks, from index 0; None for all of a benchmark, or else at most 100.
        seed: of a made task source and of the agent.
        settings: arguments of ``gym.make`` that differ from the environment's card.
        suite: the benchmark that it is of, or empty.
    """

    env: str
    agent: str
    episodes: int | None
    seed: int
    settings: dict[str, Any]
    suite: str = ""


@dataclass(frozen=True)
class Workers:
    """Who plays: this process (``count`` 1), so many processes, or so many on a Ray cluster."""

    count: int = 1
    ray: bool = False


ALONE = Workers()
Progress = Callable[[Sequence[Line], int], None]
Played = tuple[Line, Line]
"""The line of an episode, and what had been right."""


def play(
    config: RunConfig,
    out: Path | None = None,
    progress: Progress | None = None,
    workers: Workers = ALONE,
    flagged: Flagged = Flagged.REFUSE,
    player: "Player | None" = None,
) -> list[Line]:
    """Play a run and return its episodes' lines, those of an earlier start included.

    Args:
        out: the folder to keep it in, or None to keep nothing.
        progress: called with the finished episodes and the number of all.
        workers: who plays; the episodes are the same, whoever does.
        flagged: what becomes of tasks whose pictures may name a patient, where they would be kept.
        player: the run's own, where it is at hand.

    Raises:
        InputError: for an unusable setting, a folder that holds another run, or flagged tasks that are refused.
    """
    player = player or Player(config)
    asked = range(_count(config, len(player.scenario.source(player.split))))
    private = out and not is_public(player.scenario.tasks)
    found = held_back(player.task, asked, flagged) if private else {}
    played = [index for index in asked if index not in found or flagged is Flagged.KEEP]
    if not played:
        raise InputError(f"all {len(asked)} tasks are flagged and skipped; nothing is left to play")
    lines = {line["index"]: line for line in (_open(config, out, player) if out else [])}
    if out and found:
        keep_record(out, found, flagged)
    left = [index for index in played if index not in lines or lines[index]["failed"]]
    truths: dict[int, Line] = {}
    tell = progress or (lambda lines, total: None)
    tell(list(lines.values()), len({*played, *lines}))
    for line, truth in _played(player, left, out / "images" if out else None, workers):
        lines[line["index"]], truths[line["index"]] = line, truth
        if out:
            with (out / "episodes.jsonl").open("a", encoding="utf-8") as file:
                file.write(json.dumps(line) + "\n")
        tell(list(lines.values()), len({*played, *lines}))
    if out:
        _keep_truths(out, [truths.get(index) or player.truth(index) for index in sorted(lines)])
        conclude(out)
    return [lines[index] for index in sorted(lines)]


def screen(config: RunConfig, flagged: Flagged) -> None:
    """Screen the images of a run that is to be kept, without its agent and its segmenter.

    Raises:
        InputError: for tasks that cannot be loaded, and for flagged ones that are refused.
    """
    given = {**gym.spec(config.env).kwargs, **config.settings}
    tasks = given.get("tasks", "phantoms")
    if not is_public(tasks):
        source = load_tasks(tasks, given.get("split", "train"), seed=config.seed, kind=given.get("kinds"))
        held_back(source.__getitem__, range(_count(config, len(source))), flagged)


class Player:
    """Plays tasks of one run by their index; each process has its own."""

    def __init__(self, config: RunConfig) -> None:
        self.config = config
        self.spec, self.scenario, self.agent = _make(config)
        self.split = self.scenario.split

    @property
    def together(self) -> int:
        """How many episodes are played at once: more than one where the agent acts in batches."""
        return int(getattr(self.agent, "concurrency", SHARE)) if hasattr(self.agent, "act_batch") else 1

    def play(self, indexes: Sequence[int], images: Path | None) -> Iterator[Played]:
        """Play tasks; iterate the line of each episode and what had been right."""
        places = [(self.split, index) for index in indexes]
        for trajectory, failed, usage in attempts(self.scenario, self.agent, places, batch=self.together):
            if failed is not None:
                line = failed_line(trajectory.task, str(failed) or type(failed).__name__)
            else:
                line = episode_line(trajectory, self.scenario.finish(trajectory), self.scenario.recipe)
                if images:
                    keep_images(line, trajectory, images)
            yield {**line, "usage": usage}, truth_line(trajectory.task)

    def truth(self, index: int) -> Line:
        """Return what is right in a task."""
        return truth_line(self.task(index))

    def task(self, index: int) -> Task:
        """Return a task of the run."""
        return self.scenario.task(self.split, index)


def _played(player: Player, left: Sequence[int], images: Path | None, workers: Workers) -> Iterator[Played]:
    """Play the tasks that are left, here or by workers; episodes come as they end."""
    size = player.together
    parts = [left[start : start + size] for start in range(0, len(left), size)]
    if workers.ray:
        yield from _on_ray(player.config, parts, images, workers.count)
    elif workers.count > 1 and len(parts) > 1:
        with ProcessPoolExecutor(workers.count, get_context("spawn"), _begin, (player.config,)) as pool:
            jobs = [pool.submit(_play, part, images) for part in parts]
            for job in as_completed(jobs):
                yield from job.result()
    else:
        yield from player.play(left, images)


_OWN: list[Player] = []
"""The player of a worker process."""


def _begin(config: RunConfig) -> None:
    threading.Thread(target=_end_with_parent, daemon=True).start()
    _OWN[:] = [Player(config)]


def _end_with_parent() -> None:
    """End this worker when the run that began it is killed: its queue alone would let it wait for ever."""
    parent = parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


def _play(indexes: Sequence[int], images: Path | None) -> list[Played]:
    return list(_OWN[0].play(indexes, images))


def _on_ray(config: RunConfig, parts: Sequence[Sequence[int]], images: Path | None, count: int) -> Iterator[Played]:
    """Play on a Ray cluster; pictures travel back, since its machines need not share a folder."""
    needs("ray", "ray", "--ray")
    ray: Any = import_module("ray")
    pool: Any = import_module("ray.util").ActorPool
    ray.init(ignore_reinit_error=True, log_to_driver=False)

    class Away:
        def __init__(self) -> None:
            self.player = Player(config)

        def play(self, indexes: Sequence[int]) -> tuple[list[Played], dict[str, bytes]]:
            with tempfile.TemporaryDirectory() as folder:
                played = list(self.player.play(indexes, Path(folder)))
                return played, {path.name: path.read_bytes() for path in Path(folder).iterdir()}

    actors = pool([ray.remote(Away).remote() for _ in range(count)])
    for played, pictures in actors.map_unordered(lambda actor, part: actor.play.remote(part), parts):
        if images:
            images.mkdir(parents=True, exist_ok=True)
            for name, data in pictures.items():
                (images / name).write_bytes(data)
        yield from played


def _make(config: RunConfig) -> tuple[Any, Scenario, Agent]:
    card = load_agent(config.agent)
    own = {"dialect": card.dialect, "coords": card.coords, **({"tools": list(card.tools)} if card.tools else {})}
    settings = {**own, **config.settings}
    try:
        env = gym.make(config.env, task_seed=config.seed, **settings)
    except gym.error.UnregisteredEnv as error:
        raise InputError(f"unknown environment {config.env!r}{nearest(config.env, names('envs'))}") from error
    inner = env.unwrapped
    if not isinstance(inner, MedToolEnv) or not isinstance(inner.action_space, FreeText):
        raise InputError(f"agents play environments with text actions, and {config.env!r} has none")
    return env.spec, inner.scenario, card.make(config.seed)


def _count(config: RunConfig, available: int) -> int:
    if config.episodes is None:
        return available if config.suite else min(available, 100)
    if not 1 <= config.episodes <= available:
        raise InputError(f"episodes is from 1 to {available}, the number of tasks there are, not {config.episodes}")
    return config.episodes


def _open(config: RunConfig, out: Path, player: Player) -> list[Line]:
    """Write the config of a new run, or read the finished episodes of one that goes on."""
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"{out} cannot be made a folder: {error.strerror}") from error
    path = out / "config.json"
    about = {
        "run": {**asdict(config), "episodes": None},
        "trace_version": VERSION,
        "make": dict(player.spec.kwargs) if player.spec else {},
        "reward": dict(player.scenario.recipe.card),
    }
    about = json.loads(json.dumps(about))
    if path.exists():
        before = read_config(out)
        for key, value in about.items():
            if before.get(key) != value:
                raise InputError(
                    f"{out} holds another run: its {key!r} is {before.get(key)}; choose another folder, or remove it"
                )
        return read_lines(out)
    if any(out.iterdir()):
        raise InputError(f"{out} is not empty and holds no run; choose another folder")
    versions = {"python": platform.python_version(), **{name: _version(name) for name in PACKAGES}}
    _write(path, {**about, "versions": versions})
    return []


def _keep_truths(out: Path, truths: Sequence[Line]) -> None:
    """Write what is right, now that no policy plays any more."""
    _replace(out / "truth.jsonl", "".join(json.dumps(truth) + "\n" for truth in truths))


def conclude(run: Path) -> None:
    """Write the summary and the report of a run from what it kept.

    Raises:
        InputError: where it holds no run.
    """
    read_config(run)
    lines = read_lines(run)
    summary = summarise(lines)
    _write(run / "summary.json", summary)
    truths = read_truths(run) if (run / "truth.jsonl").exists() else None
    write_report(run, lines, summary, truths=truths)


def read_config(run: Path) -> dict[str, Any]:
    """Return what a run's folder says of it.

    Raises:
        InputError: where it holds no run, or a damaged one.
    """
    path = run / "config.json"
    try:
        return dict(json.loads(path.read_text("utf-8")))
    except FileNotFoundError:
        raise InputError(f"{run} holds no run: there is no config.json") from None
    except ValueError as error:
        raise InputError(f"{path} is damaged ({error}); remove the folder, or choose another") from error


def read_lines(run: Path) -> list[Line]:
    """Read a run's episodes, each as it ended last; a last line that was cut off by a kill is dropped from the file.

    They are in the order of their tasks, not of their ends: so resamples, and with them intervals, repeat.

    Raises:
        InputError: where a line is of a schema that cannot be read.
    """
    path = run / "episodes.jsonl"
    if not path.exists():
        return []
    whole = path.read_bytes()
    kept = whole[: whole.rfind(b"\n") + 1]
    if kept != whole:
        path.write_bytes(kept)
    lines = [current(json.loads(line)) for line in kept.splitlines()]
    return sorted({line["index"]: line for line in lines}.values(), key=lambda line: int(line["index"]))


def read_truths(run: Path) -> dict[int, Line]:
    """Read what is right in a run's tasks, by their index.

    Raises:
        InputError: where the run has not ended.
    """
    path = run / "truth.jsonl"
    if not path.exists():
        raise InputError(f"{run} has not ended: start it again to the end, and it writes what is right")
    return {truth["index"]: truth for truth in map(json.loads, path.read_text("utf-8").splitlines())}


def _write(path: Path, value: Any) -> None:
    _replace(path, json.dumps(value, indent=2) + "\n")


def _replace(path: Path, text: str) -> None:
    partial = path.with_suffix(".part")
    partial.write_text(text, "utf-8")
    partial.replace(path)


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return "not installed"
