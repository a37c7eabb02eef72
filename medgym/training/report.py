"""What training did, as one page: a table of the stages, the curves, and held-out episodes before and after."""

import base64
import html
import io
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ..evaluation.report import Part, write_episodes
from ..evaluation.summary import mean
from .plan import STAGES

MEASURES = (
    ("box IoU", "box_iou"),
    ("mask IoU", "iou"),
    ("accuracy", "accuracy"),
    ("calls", "calls"),
)
NAMES = {"start": "before", "sft": "after SFT", "reflect": "after reflection", "grpo": "after GRPO"}


def rows(results: dict[str, dict[str, Any]]) -> tuple[list[str], list[list[str]]]:
    """Return headings and a row for each stage: reward, its components, boxes, masks, accuracy and calls.

    What no task has, such as the accuracy of segmentations, has no column.
    """
    components = list(dict.fromkeys(name for each in results.values() for name in each["rewards"]))
    measures = [(name, key) for name, key in MEASURES if any(mean(each, key) is not None for each in results.values())]
    tasks = max((found["episodes"] for found in results.values()), default=0)
    headings = [f"{tasks} tasks", "reward", *components, *(name for name, _ in measures)]
    cells = []
    for stage, found in results.items():
        values = [mean(found, "reward"), *(found["rewards"].get(name, {}).get("mean") for name in components)]
        values += [mean(found, key) for _, key in measures]
        cells.append([NAMES[stage], *("–" if v is None else f"{v:.2f}" for v in values)])
    return headings, cells


def write_training_report(out: Path, results: dict[str, dict[str, Any]], shown: int = 6) -> Path:
    """Write ``report.html`` into a training's folder and return its path."""
    headings, cells = rows(results)
    head = "".join(f"<th>{html.escape(name)}</th>" for name in headings)
    body = "".join(
        f"<tr><td>{row[0]}</td>{''.join(f'<td class=n>{cell}</td>' for cell in row[1:])}</tr>" for row in cells
    )
    path = out / "report.html"
    table = f"<div class=scroll><table><tr>{head}</tr>{body}</table></div>"
    stages = f"<section class=card>{table}{_curves(out)}</section>"
    parts = [_part(out, stage, shown) for stage in results]
    write_episodes(path, f"medgym training: {out.name}", parts, {}, results=stages)
    return path


def _part(out: Path, stage: str, shown: int) -> Part:
    lines = (out / stage / "episodes.jsonl").read_text("utf-8").splitlines()[:shown]
    return Part(out / stage, [json.loads(line) for line in lines], stage=NAMES[stage])


def _curves(out: Path) -> str:
    """Draw reward by component, calls and length over reinforcement, and the loss of the other stages."""
    logs = {stage: _log(out / stage / "log.json") for stage in STAGES}
    panels: list[tuple[str, dict[str, list[tuple[int, float]]]]] = []
    if logs["grpo"]:
        names = sorted(key for key in logs["grpo"][0] if key.startswith("rewards/") and key.endswith("/mean"))
        parts = {"reward": _line(logs["grpo"], "reward")}
        parts |= {name.split("/")[1]: _line(logs["grpo"], name) for name in names}
        panels.append(("GRPO: reward by component", parts))
        kept = out / "grpo" / "checkpoints" / "guard.json"
        if kept.exists():
            history = json.loads(kept.read_text("utf-8"))["history"]
            panels.append(
                ("GRPO: held-out reward", {"validation": [(each["step"], each["reward"]) for each in history]})
            )
        panels.append(("GRPO: calls an episode", {"calls": _line(logs["grpo"], "medgym/calls")}))
        panels.append(("GRPO: tokens written", {"mean": _line(logs["grpo"], "completions/mean_length")}))
        panels.append(("GRPO: entropy", {"mean": _line(logs["grpo"], "entropy")}))
    losses = {stage: _line(logs[stage], "loss") for stage in ("sft", "reflect") if logs[stage]}
    if losses:
        panels.append(("supervised loss", losses))
    return _drawn(panels) if panels else ""


def _drawn(panels: Sequence[tuple[str, dict[str, list[tuple[int, float]]]]]) -> str:
    from matplotlib.figure import Figure

    across = min(3, len(panels))
    down = -(-len(panels) // across)
    figure = Figure(figsize=(4.2 * across, 2.9 * down), layout="constrained")
    for number, (title, lines) in enumerate(panels, 1):
        axes = figure.add_subplot(down, across, number)
        for name, points in lines.items():
            (line,) = axes.plot([step for step, _ in points], _running([value for _, value in points]), label=name)
            axes.plot([step for step, _ in points], [v for _, v in points], color=line.get_color(), alpha=0.25)
        axes.set_title(title, fontsize=10)
        axes.set_xlabel("step")
        axes.grid(alpha=0.3)
        if len(lines) > 1:
            axes.legend(fontsize=8)
    data = io.BytesIO()
    figure.savefig(data, format="svg")
    source = base64.b64encode(data.getvalue()).decode("ascii")
    return f'<img style="max-width:100%" src="data:image/svg+xml;base64,{source}" alt="curves of training">'


def _running(values: Sequence[float], over: int = 9) -> list[float]:
    """Return the mean of the values about each, `over` of them where so many are, so that a trend can be seen."""
    about = range(len(values))
    near = [values[max(0, place - over // 2) : place + over // 2 + 1] for place in about]
    return [sum(each) / len(each) for each in near] if len(values) > 2 * over else list(values)


def _log(path: Path) -> list[dict[str, Any]]:
    return json.loads(path.read_text("utf-8")) if path.exists() else []


def _line(log: Sequence[dict[str, Any]], key: str) -> list[tuple[int, float]]:
    return [(each["step"], each[key]) for each in log if key in each]
