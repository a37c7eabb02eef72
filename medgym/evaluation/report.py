"""A run as one page that opens from disk: what it comes to, and every step of every episode with its pictures.

Each episode and each picture is an inert element of its own that the page reads when it is looked at, so that a page
of thousands of episodes opens at once.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from .page import data, page
from .pictures import embedded
from .traces import Line

Truth = Mapping[str, Any]
"""What was right, as JSON: answer, accepted, mask and boxes in the original's pixels, image, unit, tolerance."""

SETTINGS = ("tasks", "split", "segmenter", "reward", "dialect", "coords", "max_turns", "view_size")


@dataclass(frozen=True)
class Part:
    """Episodes kept in one folder: a run's, or those of a stage of training.

    Attributes:
        folder: holds ``images/<hash>.png``.
        lines: the episodes' records.
        truths: what was right, by index, where that is known.
        stage: a name to tell several parts apart.
    """

    folder: Path
    lines: Sequence[Line]
    truths: Mapping[int, Truth] = field(default_factory=dict)
    stage: str = ""


def write_report(
    folder: Path, lines: Sequence[Line], summary: Mapping[str, Any], *, truths: Mapping[int, Truth] | None = None
) -> None:
    """Write ``report.html`` into a run's folder.

    Args:
        folder: the run's.
        lines: the episodes' records.
        summary: what they come to.
        truths: what was right, by index; the page shows it where it is known.
    """
    path = folder / "report.html"
    write_episodes(path, f"medgym run: {folder.name}", [Part(folder, lines, truths or {})], summary, _about(folder))


def write_episodes(
    path: Path,
    title: str,
    parts: Sequence[Part],
    summary: Mapping[str, Any],
    about: Sequence[tuple[str, str]] = (),
    results: str = "",
) -> None:
    """Write a page over the episodes of `parts`; `results` is HTML to show above the plots."""
    episodes = [(part, line) for part in parts for line in part.lines]
    index = {"about": about, "summary": dict(summary), "columns": _columns(episodes)}
    begin, end = page(title, "report", index, results=results)
    partial = path.with_suffix(".part")
    with partial.open("w", encoding="utf-8", errors="replace") as file:
        file.write(begin)
        for place, (part, line) in enumerate(episodes):
            file.write(data(f"episode-{place}", {"line": line, "truth": part.truths.get(line["index"])}))
        for _, element in embedded(_pictures(episodes)):
            file.write(element)
        file.write(end)
    partial.replace(path)


def _pictures(episodes: Sequence[tuple[Part, Line]]) -> Iterator[Path]:
    for part, line in episodes:
        for view in line.get("views", ()):
            yield part.folder / "images" / f"{view['image']}.png"


def _columns(episodes: Sequence[tuple[Part, Line]]) -> dict[str, list[Any]]:
    """Return what the list of episodes shows and searches, by column."""
    lines = [line for _, line in episodes]
    return {
        "index": [line["index"] for line in lines],
        "stage": [part.stage for part, _ in episodes],
        "task": [line.get("task_id", "") for line in lines],
        "question": [line.get("question", "") for line in lines],
        "kind": [line.get("kind", "") for line in lines],
        "modality": [line.get("modality", "") for line in lines],
        "outcome": [_outcome(line) for line in lines],
        "end": [line.get("end_reason", "") for line in lines],
        "errors": [sorted(set(line.get("errors") or ())) for line in lines],
        "reward": [line.get("reward") for line in lines],
        "iou": [line.get("iou") if line.get("kind") == "segmentation" else None for line in lines],
        "calls": [line.get("calls") for line in lines],
    }


def _outcome(line: Line) -> str:
    if line.get("failed"):
        return "failed"
    return "correct" if line.get("correct") else "wrong"


def _about(folder: Path) -> list[tuple[str, str]]:
    """Say what was run, from the run's own config where it has one."""
    path = folder / "config.json"
    if not path.exists():
        return []
    config = json.loads(path.read_text("utf-8"))
    run, make = config.get("run", {}), config.get("make", {})
    about = {"agent": run.get("agent"), "environment": run.get("env"), "seed": run.get("seed")}
    about |= {name: make.get(name) for name in SETTINGS}
    about["medgym"] = config.get("versions", {}).get("medgym")
    return [(name, str(value)) for name, value in about.items() if value not in (None, "")]
