"""A run as one page that opens from disk: the summary, and every step of every episode with its pictures."""

import base64
import html
import io
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from PIL import Image as Pillow

from .traces import Line

THUMBNAIL = 240

PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>{title}</title><style>
body{{font:15px/1.5 system-ui,sans-serif;margin:2rem auto;max-width:72rem;padding:0 1rem;color:#1c1c22}}
table{{border-collapse:collapse;margin:1rem 0}}
td,th{{padding:.25rem .8rem;border-bottom:1px solid #ddd;text-align:left}}
td.n{{text-align:right;font-variant-numeric:tabular-nums}}
details{{border:1px solid #ddd;border-radius:6px;margin:.5rem 0;padding:.4rem .8rem}}summary{{cursor:pointer}}
.views{{display:flex;flex-wrap:wrap;gap:.6rem;margin:.6rem 0}}figure{{margin:0}}figcaption{{font-size:12px;color:#666}}
img{{display:block;max-width:{size}px;border-radius:4px}}pre{{white-space:pre-wrap;background:#f6f6f8;padding:.5rem;
border-radius:4px;margin:.3rem 0;font-size:13px}}.good{{color:#0a7a3c}}.bad{{color:#b3261e}}
</style></head><body><h1>{title}</h1>{summary}<h2>Episodes</h2>{episodes}</body></html>
"""


def write_report(run: Path, lines: Sequence[Line], summary: dict[str, Any]) -> None:
    """Write ``report.html`` into a run's folder; the pictures are in it, small."""
    page = PAGE.format(
        title=f"medgym run: {html.escape(run.name)}",
        size=THUMBNAIL,
        summary=_about(run) + _summary(summary),
        episodes="\n".join(episode(run, line) for line in lines),
    )
    (run / "report.html").write_text(page, "utf-8", errors="replace")


def _about(run: Path) -> str:
    """Say what was run, from the run's own config."""
    config = json.loads((run / "config.json").read_text("utf-8"))
    about = {"agent": config["run"]["agent"], "environment": config["run"]["env"], "seed": config["run"]["seed"]}
    for name in ("tasks", "split", "segmenter", "reward", "dialect", "coords", "max_turns", "view_size"):
        about[name] = config["make"].get(name, "")
    about["medgym"] = config["versions"]["medgym"]
    return f"<p>{html.escape(', '.join(f'{name}: {value}' for name, value in about.items() if value != ''))}</p>"


def _summary(summary: dict[str, Any]) -> str:
    rows = [
        ("episodes", summary["episodes"]),
        *((f"{name} (n = {found['n']})", found["mean"]) for name, found in summary["metrics"].items()),
        *((f"reward: {name}", found["mean"]) for name, found in summary["rewards"].items()),
        *((f"ended by {name}", count) for name, count in summary["end_reasons"].items()),
    ]
    cells = "".join(f"<tr><td>{html.escape(name)}</td><td class=n>{_number(value)}</td></tr>" for name, value in rows)
    return f"<table>{cells}</table>"


def episode(run: Path, line: Line) -> str:
    """Return an episode of a run as HTML, folded."""
    mark = "good" if line["correct"] else "bad"
    head = f"{line['task_id']} [{line['kind']}] {line['question']}"
    options = "".join(f"<br>{chr(65 + i)}. {html.escape(text)}" for i, text in enumerate(line["options"]))
    turns = "".join(f"<pre>{html.escape(turn['text'])}</pre>{_results(turn)}" for turn in line["turns"])
    rewards = "".join(
        f"<tr><td>{html.escape(name)}</td><td class=n>{_number(score['value'])}</td>"
        f"<td>{html.escape(score['reason'])}</td></tr>"
        for name, score in line["rewards"].items()
    )
    views = "".join(_figure(run, view) for view in line["views"])
    return (
        f"<details><summary><b class={mark}>{line['reward']:g}</b> {html.escape(head)} "
        f"<small>({html.escape(line['end_reason'])})</small></summary>{options}"
        f"<div class=views>{views}</div>{turns}<table>{rewards}</table></details>"
    )


def _results(turn: dict[str, Any]) -> str:
    words = [*turn["errors"]]
    for call in turn["calls"]:
        result = call["result"]
        shown = f" [image {result['view']}]" if result.get("view") else ""
        words.append(f"{call['name']} {json.dumps(call['arguments'])} → {result.get('error') or result['text']}{shown}")
    return "".join(f"<div><small>{html.escape(text)}</small></div>" for text in words)


def _figure(run: Path, view: dict[str, Any]) -> str:
    with Pillow.open(run / "images" / f"{view['image']}.png") as picture:
        picture.thumbnail((THUMBNAIL, THUMBNAIL))
        data = io.BytesIO()
        picture.convert("RGB").save(data, "JPEG", quality=82)
    source = base64.b64encode(data.getvalue()).decode("ascii")
    caption = f"image {view['index']}{', with a mask' if view['mask'] else ''}"
    shown = f'<img src="data:image/jpeg;base64,{source}" alt="{caption}">'
    return f"<figure>{shown}<figcaption>{caption}</figcaption></figure>"


def _number(value: Any) -> str:
    return "–" if value is None else f"{value:.3f}" if isinstance(value, float) else str(value)
