"""Trajectories as a table in Weights & Biases or trackio: what was asked, said, seen and paid for, with the images."""

import importlib
from typing import Any

from PIL import Image
from transformers import TrainerCallback

from .bridge import Bridge

TABLES = ("wandb", "trackio")


class Journal(TrainerCallback):
    """Logs some rollouts of the newest step, every so many steps.

    Args:
        bridge: where the trainer's rollouts are scored.
        every: how many steps lie between two tables.
        shown: how many rollouts a table has.
    """

    def __init__(self, bridge: Bridge, *, every: int = 10, shown: int = 8) -> None:
        self.bridge, self.every, self.shown = bridge, every, shown

    def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """Log a table when it is time."""
        if not state.is_world_process_zero or (state.global_step - 1) % self.every:
            return
        for name in TABLES:
            if name in args.report_to:
                backend = importlib.import_module(name)
                columns, rows = self.table(backend.Image)
                backend.log({"medgym/trajectories": backend.Table(columns=columns, data=rows)})

    def table(self, image: Any) -> tuple[list[str], list[list[Any]]]:
        """Return columns and rows; `image` makes a backend's image of one of Pillow."""
        names = self.bridge.scenario.recipe.names
        columns = ["task", "question", "image", "said", "ended by", "reward", *names, "reasons"]
        rows = []
        for trajectory, reward in self.bridge.newest[: self.shown]:
            views = [Image.fromarray(view.pixels) for view in trajectory.views]
            reasons = "\n".join(f"{name}: {score.reason}" for name, score in reward.components.items())
            said = "\n\n".join(turn.text for turn in trajectory.turns)
            start = [trajectory.task.id, trajectory.task.question, image(_beside(views)), said]
            rows.append([*start, trajectory.end_reason or "cut off", reward.total, *reward.values.values(), reasons])
        return columns, rows


def _beside(views: list[Image.Image]) -> Image.Image:
    """Put the views of an episode beside each other: a table's cell holds one image."""
    canvas = Image.new("RGB", (sum(view.width for view in views), max(view.height for view in views)))
    left = 0
    for view in views:
        canvas.paste(view, (left, 0))
        left += view.width
    return canvas
