"""Agents over benchmarks: which runs an evaluation is made of, and what they come to beside each other."""

import itertools
import json
import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from ..catalog import card
from ..core.errors import InputError, nearest
from ..rewards.recipe import load_recipe
from .run import RunConfig, read_config, read_lines, read_truths
from .statistics import estimate
from .summary import calling, paired, summarise
from .traces import trajectory_of

DATA = "MEDGYM_DATA"
"""The environment variable that names the folder of data sets on disk."""
VARIED = ("segmenter", "tools", "reward", "dialect", "coords", "max_turns", "view_size", "tasks")
WITHHELD = "no tools"
PAIRED_IN = ("reward", "accuracy", "iou", "f1")


@dataclass(frozen=True)
class Cell:
    """One run of an evaluation: its folder's name, what it is, and what was varied."""

    name: str
    config: RunConfig
    varied: Mapping[str, Any] = field(default_factory=dict)


def suite(name: str) -> RunConfig:
    """Return the run that a benchmark's card describes, without an agent.

    A card names made tasks by ``tasks``, or by ``data`` a file below the folder in `DATA`.

    Raises:
        InputError: where its data are not there.
    """
    written = card("benchmarks", name)
    settings = {key: value for key, value in written.items() if key not in ("name", "about", "env", "episodes", "seed")}
    if "data" in settings:
        where = os.environ.get(DATA, "")
        path = Path(where) / settings.pop("data")
        if not where or not path.is_file():
            raise InputError(f"benchmark {name!r} needs {path}: set {DATA} to the folder that holds it")
        settings["tasks"] = str(path)
    return RunConfig(
        written["env"], "", written.get("episodes"), written.get("seed", 0), settings, str(written["name"])
    )


def variations(given: Sequence[str]) -> list[dict[str, Any]]:
    """Read ``key=one,two`` or ``key=one|two`` (``+`` joins tools) and return every combination.

    Raises:
        InputError: for a key that cannot be varied.
    """
    choices: dict[str, list[Any]] = {}
    for text in given:
        key, equals, values = text.partition("=")
        if not equals or key not in VARIED:
            raise InputError(f"--vary takes key=one|two with a key of {', '.join(VARIED)}{nearest(key, VARIED)}")
        choices.setdefault(key, []).extend(_choice(key, value) for value in _split(values))
    return [dict(zip(choices, each, strict=True)) for each in itertools.product(*choices.values())]


def cells(base: RunConfig, agents: Sequence[str], varied: Sequence[Mapping[str, Any]], withhold: bool) -> list[Cell]:
    """Return the runs of an evaluation: every agent under every variation, and where asked without tools.

    Raises:
        InputError: where two would be the same.
    """
    found = []
    for agent in agents:
        ways = [*varied, *([{"tools": []}] if withhold else [])]
        for way in ways:
            config = replace(base, agent=agent, settings={**base.settings, **way})
            shown = " ".join([_plain(agent), *(f"{key}={_shown(value)}" for key, value in way.items())])
            found.append(Cell(re.sub(r"[^\w.=+-]+", "_", shown).strip("_")[:120], config, way))
    names = [cell.name for cell in found]
    twice = {name for name in names if names.count(name) > 1}
    if twice:
        raise InputError(f"two runs would be {min(twice)!r}: name each agent and variation once")
    return found


def entries(runs: Sequence[Path]) -> list[dict[str, Any]]:
    """Return what each run came to, for a table or a leaderboard, those of one set of tasks beside each other."""
    found = []
    for run in runs:
        config = read_config(run)
        summary = summarise(read_lines(run))
        rewards = {f"reward: {name}": value for name, value in summary["rewards"].items()}
        found.append({
            "name": run.name,
            "about": config["run"]["agent"],
            "suite": _tasks(config),
            "n": summary["episodes"] - summary["failed"],
            "failed": summary["failed"],
            "metrics": {**summary["metrics"], **rewards},
            "versions": config["versions"],
            "report": "report.html",
            "run": str(run),
        })  # fmt: skip
    _withheld(found)
    return found


def pairs(runs: Sequence[Path]) -> list[dict[str, Any]]:
    """Compare every two runs over one set of tasks, task by task, in each metric that both have."""
    kept = [(run, _tasks(read_config(run)), read_lines(run)) for run in runs]
    found = []
    for (one, tasks, first), (two, others, second) in itertools.combinations(kept, 2):
        for metric in PAIRED_IN if tasks == others else ():
            apart = paired(first, second, metric)
            if apart is not None:
                found.append({"one": one.name, "two": two.name, "suite": tasks, "metric": metric, **apart.to_json()})
    return found


def rescored(runs: Sequence[Path], rewards: Sequence[str]) -> dict[str, dict[str, Any]]:
    """Return by run and by recipe the mean reward, with its interval, of the same trajectories.

    Raises:
        InputError: for an unknown recipe, or a run that has not ended.
    """
    recipes = {name: load_recipe(name) for name in rewards}
    table: dict[str, dict[str, Any]] = {}
    for run in runs:
        truths = read_truths(run)
        lines = [line for line in read_lines(run) if not line["failed"]]
        played = [trajectory_of(line, truths[line["index"]]) for line in lines]
        units = [line["patient"] or line["index"] for line in lines]
        table[run.name] = {}
        for name, recipe in recipes.items():
            found = estimate([recipe.score(trajectory).total for trajectory in played], units)
            table[run.name][name] = found.to_json() if found else None
    return table


def ranks(table: Mapping[str, Mapping[str, Any]]) -> dict[str, dict[str, int]]:
    """Return by run and by recipe the place of the run, from 1; equals share one."""
    recipes = list(dict.fromkeys(name for row in table.values() for name in row))
    placed: dict[str, dict[str, int]] = {run: {} for run in table}
    for name in recipes:
        means = {run: (row[name] or {"mean": float("-inf")})["mean"] for run, row in table.items()}
        for run, own in means.items():
            placed[run][name] = 1 + sum(other > own + 1e-9 for other in means.values())
    return placed


def runs_in(folders: Sequence[Path]) -> list[Path]:
    """Return the runs that folders are, or hold.

    Raises:
        InputError: where one is and holds none.
    """
    found: list[Path] = []
    for folder in folders:
        own = [folder] if (folder / "config.json").is_file() else sorted(p.parent for p in folder.glob("*/config.json"))
        if not own:
            raise InputError(f"{folder} neither is a run nor holds one; a run is what medgym run and medgym eval keep")
        found += own
    return found


def _withheld(found: Sequence[dict[str, Any]]) -> None:
    """Add over- and under-calling to each run beside which the same agent played without tools."""
    bare = {}
    for entry in found:
        config = read_config(Path(entry["run"]))
        entry["_key"] = (entry["about"], entry["suite"])
        if config["make"].get("tools") == []:
            bare[entry["_key"]] = entry["run"]
    for entry in found:
        without = bare.get(entry.pop("_key"))
        if without and without != entry["run"]:
            entry["metrics"] |= calling(read_lines(Path(entry["run"])), read_lines(Path(without)))


def _tasks(config: Mapping[str, Any]) -> str:
    """Name the tasks that a run is over: runs compare where these are the same."""
    made, run = config["make"], config["run"]
    settings = {key: run["settings"][key] for key in ("kinds",) if key in run["settings"]}
    where = f"{run['env']} {made.get('tasks', 'phantoms')} {made.get('split', 'train')} seed {run['seed']}"
    named = run.get("suite") or where
    return f"{named} {json.dumps(settings)}" if settings and not run.get("suite") else named


def _split(values: str) -> list[str]:
    if values.startswith("["):
        return [str(value) for value in json.loads(values)]
    return [value for value in values.split("|" if "|" in values else ",") if value]


def _choice(key: str, value: str) -> Any:
    if key == "tools":
        return [] if value in ("none", WITHHELD) else value.split("+")
    return int(value) if key in ("max_turns", "view_size") else value


def _plain(name: str) -> str:
    """Leave folders out of what a name names."""
    return re.sub(r"[^|:=,\s]*/", "", name)


def _shown(value: Any) -> str:
    return ("+".join(map(_plain, value)) or "none") if isinstance(value, list) else _plain(str(value))
