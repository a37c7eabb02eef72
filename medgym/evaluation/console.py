"""What an evaluation shows in a terminal: a table that grows while agents play, and the one that is left."""

import time
from collections.abc import Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.live import Live
from rich.table import Column, Table

from ..core.errors import InputError
from ..data.screening import Flagged
from .compare import Cell, entries, pairs
from .leaderboard import write_leaderboard
from .run import Workers, play, screen
from .traces import Line

RIGHT = {"accuracy": "accuracy", "iou": "IoU", "f1": "F1"}
USED = {
    "calls": "calls",
    "well_called": "well called",
    "over_calling": "over",
    "under_calling": "under",
    "words": "words",
}
RUN = Column("run", overflow="fold")
OFTEN = 0.25
"""Seconds between two looks of the table."""


def evaluate(
    cells: Sequence[Cell],
    out: Path,
    *,
    resume: bool,
    workers: Workers,
    quiet: bool,
    flagged: Flagged = Flagged.REFUSE,
) -> dict[str, Any]:
    """Play all runs of an evaluation, each in a folder of its own, and write the leaderboard beside them.

    Raises:
        InputError: where there are runs already and `resume` was not asked for; where tasks are flagged and refused.
    """
    begun = [cell.name for cell in cells if (out / cell.name / "config.json").exists()]
    if begun and not resume:
        raise InputError(f"{out} holds runs already, such as {begun[0]!r}: --resume goes on; or choose another folder")
    console = Console(stderr=True, quiet=quiet)
    with console.status("images are screened"):
        for cell in cells:  # all before the first writes
            screen(cell.config, flagged)
    state: dict[str, tuple[Sequence[Line], int]] = {cell.name: ([], 0) for cell in cells}
    with Live(console=console, auto_refresh=False, transient=True) as live:
        looked = 0.0
        for cell in cells:

            def tell(lines: Sequence[Line], total: int, name: str = cell.name) -> None:
                nonlocal looked
                state[name] = lines, total
                if console.is_terminal and not quiet and (time.monotonic() - looked > OFTEN or len(lines) == total):
                    looked = time.monotonic()
                    live.update(_going(state), refresh=True)

            play(cell.config, out / cell.name, tell, workers, flagged)
    return conclude([out / cell.name for cell in cells], out)


def conclude(runs: Sequence[Path], out: Path) -> dict[str, Any]:
    """Write the leaderboard of runs to ``leaderboard.html`` in a folder; return what it says."""
    found, apart = entries(runs), pairs(runs)
    for entry in found:
        report = Path(entry["run"]) / "report.html"
        entry["report"] = _relative(report, out) if report.exists() else ""
    out.mkdir(parents=True, exist_ok=True)
    write_leaderboard(out / "leaderboard.html", found, apart)
    return {"runs": found, "pairs": apart, "leaderboard": str(out / "leaderboard.html")}


def ranked(found: Sequence[Mapping[str, Any]]) -> Table:
    """Return the runs as a table, the best reward of each set of tasks first; in brackets over how many a mean is."""
    table = Table(RUN, "reward", Column("95 % interval", no_wrap=True), *RIGHT.values(), "failed", show_edge=False)
    for entry in _order(found):
        cells = [_cell(entry["metrics"].get(name)) for name in RIGHT]
        reward = entry["metrics"].get("reward")
        table.add_row(entry["name"], _cell(reward), _interval(reward), *cells, str(entry["failed"]))
    return table


def behaved(found: Sequence[Mapping[str, Any]]) -> Table:
    """Return how the runs' agents used their tools."""
    table = Table(RUN, *USED.values(), show_edge=False)
    for entry in _order(found):
        table.add_row(entry["name"], *(_cell(entry["metrics"].get(name)) for name in USED))
    return table


def compared(found: Mapping[str, Any]) -> Table:
    """Return by how much each run beats the next one in reward, task by task."""
    table = Table(RUN, Column("beats", overflow="fold"), "by", "95 % interval", "p", "n", show_edge=False)
    by_names = {(p["one"], p["two"]): (p, 1) for p in found["pairs"] if p["metric"] == "reward"}
    by_names |= {(two, one): (pair, -1) for (one, two), (pair, _) in by_names.items()}
    for one, two in pairwise(entry["name"] for entry in _order(found["runs"])):
        if (one, two) in by_names:
            pair, sign = by_names[one, two]
            low, high = sorted((sign * (pair["low"] or 0), sign * (pair["high"] or 0)))
            interval = "" if pair["low"] is None else f"{low:.2f} to {high:.2f}"
            table.add_row(one, two, f"{sign * pair['difference']:.2f}", interval, f"{pair['p']:.4f}", str(pair["n"]))
    return table


def _order(found: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    return sorted(found, key=lambda entry: (entry["suite"], -entry["metrics"].get("reward", {"mean": 0})["mean"]))


def _going(state: Mapping[str, tuple[Sequence[Line], int]]) -> Table:
    table = Table("run", "episodes", "reward", "right", "failed", show_edge=False)
    for name, (lines, total) in state.items():
        scored = [line for line in lines if not line["failed"]]
        count = max(1, len(scored))
        reward, right = sum(line["reward"] for line in scored) / count, sum(line["correct"] for line in scored) / count
        row = (f"{reward:.2f}", f"{right:.0%}") if scored else ("", "")
        table.add_row(name, f"{len(lines)} of {total}" if total else "waits", *row, str(len(lines) - len(scored)))
    return table


def _cell(found: Mapping[str, Any] | None) -> str:
    return f"{found['mean']:.2f} [dim]({found['n']})[/]" if found else "–"


def _interval(found: Mapping[str, Any] | None) -> str:
    return "" if not found or found["low"] is None else f"{found['low']:.2f} to {found['high']:.2f}"


def _relative(path: Path, folder: Path) -> str:
    try:
        return path.resolve().relative_to(folder.resolve()).as_posix()
    except ValueError:
        return path.resolve().as_uri()
