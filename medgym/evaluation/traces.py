"""An episode as one line of JSON: what was said, called, returned and earned, and why.

Images are named by the hash of their pixels and kept once each, so a line is small; masks are COCO run-length
codes in the pixels of the original image.
"""

import hashlib
from pathlib import Path
from typing import Any

from PIL import Image as Pillow

from ..core.errors import ToolError
from ..core.tooling import ToolResult
from ..core.trajectory import Trajectory, Turn
from ..core.view import View
from ..rewards.grading import Graded
from ..rewards.recipe import Recipe, Reward

VERSION = 1


def episode_line(trajectory: Trajectory, reward: Reward, recipe: Recipe) -> dict[str, Any]:
    """Return the record of a finished episode; it holds how well it went but not the right answer."""
    graded = Graded(trajectory, recipe.latest_mask_stands_in)
    task = trajectory.task
    has_mask = task.truth is not None and task.truth.mask is not None
    return {
        "version": VERSION,
        "task_id": task.id,
        "split": task.split,
        "index": task.index,
        "kind": str(task.kind),
        "modality": task.modality,
        "question": task.question,
        "options": list(task.options),
        "end_reason": str(trajectory.end_reason),
        "reward": reward.total,
        "rewards": {name: {"value": score.value, "reason": score.reason} for name, score in reward.components.items()},
        "correct": graded.correct,
        "quality": graded.quality,
        "iou": graded.iou(graded.mask) if has_mask else None,
        "dice": graded.dice(graded.mask) if has_mask else None,
        "calls": len(trajectory.calls),
        "turns": [_turn(turn) for turn in trajectory.turns],
        "views": [_view(view) for view in trajectory.views],
    }


def image_name(view: View) -> str:
    """Return the name of the file that holds what a view shows."""
    pixels = view.pixels
    return hashlib.blake2b(repr(pixels.shape).encode() + pixels.tobytes(), digest_size=16).hexdigest()


def keep_images(trajectory: Trajectory, folder: Path) -> None:
    """Write each view's picture once."""
    folder.mkdir(parents=True, exist_ok=True)
    for view in trajectory.views:
        path = folder / f"{image_name(view)}.png"
        if not path.exists():
            partial = path.with_suffix(".part")
            Pillow.fromarray(view.pixels).save(partial, "PNG", compress_level=1)
            partial.replace(path)


def _turn(turn: Turn) -> dict[str, Any]:
    return {
        "text": turn.text,
        "thought": turn.action.thought,
        "calls": [
            {"name": call.name, "arguments": dict(call.arguments), "result": _result(result)}
            for call, result in turn.calls
        ],
        "answer": turn.action.answer,
        "errors": list(turn.action.errors),
        "mask": turn.mask.to_json() if turn.mask else None,
    }


def _result(result: ToolResult | ToolError) -> dict[str, Any]:
    if isinstance(result, ToolError):
        return {"error": str(result)}
    return {"text": result.text, "view": result.view.index if result.view else None}


def _view(view: View) -> dict[str, Any]:
    panels = [{"left": panel.left, "of": panel.view.index} for panel in view.panels]
    return {
        "index": view.index,
        "image": image_name(view),
        "of": view.image,
        "size": list(view.size),
        "to_original": list(view.to_original),
        "mask": view.mask.to_json() if view.mask else None,
        "panels": panels,
    }
