"""What a policy in training is worth on tasks that it does not learn from; some are kept with their pictures."""

import json
from pathlib import Path
from statistics import fmean
from typing import Any

from ..core.geometry import box_iou
from ..core.task import Task, truth_of
from ..core.trajectory import Trajectory
from ..data.screening import Flagged, held_back, is_public, keep_record
from ..envs.scenario import Scenario
from ..evaluation.rollout import rollouts
from ..evaluation.statistics import Estimate
from ..evaluation.summary import summarise
from ..evaluation.traces import Line, episode_line, keep_images

SHOWN = 12
"""So many tasks are kept with their images, for the report."""


class HeldOut:
    """The first tasks of the test and the validation split.

    Args:
        scenario: plays and scores them.
        count: how many of each split.
        batch: how many are played at once.
        flagged: what becomes of tasks whose pictures may name a patient, where they would be kept: skipped are their
            pictures alone.

    Raises:
        InputError: for flagged tasks that are refused.
    """

    def __init__(self, scenario: Scenario, count: int, batch: int, flagged: Flagged) -> None:
        self.scenario, self.count, self.batch, self.flagged = scenario, count, batch, flagged
        private = not is_public(scenario.tasks)
        kept = range(min(SHOWN, count, len(scenario.source("test")))) if private else ()
        self._found = held_back(self._task, kept, flagged)

    def keep_record(self, folder: Path) -> None:
        """Write to ``screening.json`` which tasks were flagged, where some were."""
        if self._found:
            keep_record(folder, self._found, self.flagged)

    def play(self, agent: Any, split: str, keep: Path | None = None) -> list[Line]:
        """Let an agent play the tasks of a split; return their records, kept in a folder where one is named."""
        places = [(split, index) for index in range(self.count)]
        lines: list[Line] = []
        for trajectory, reward in rollouts(self.scenario, agent, places, batch=self.batch):
            line = episode_line(trajectory, reward, self.scenario.recipe)
            line["box_iou"] = _box_iou(trajectory)
            if keep and self._pictured(len(lines)):
                keep_images(line, trajectory, keep / "images")
            lines.append(line)
        if keep:
            text = "".join(json.dumps(line) + "\n" for line in lines)
            (keep / "episodes.jsonl").write_text(text, "utf-8")
        return lines

    def measure(self, agent: Any, folder: Path) -> dict[str, Any]:
        """Play the test split, keep it in a folder and return what it comes to."""
        lines = self.play(agent, "test", folder)
        boxes = [line["box_iou"] for line in lines if line["box_iou"] is not None]
        summary = summarise(lines)
        if boxes:
            summary["metrics"]["box_iou"] = Estimate(fmean(boxes), None, None, len(boxes)).to_json()
        (folder / "summary.json").write_text(json.dumps(summary, indent=1), "utf-8")
        return summary

    def _pictured(self, index: int) -> bool:
        return index < SHOWN and (index not in self._found or self.flagged is Flagged.KEEP)

    def _task(self, index: int) -> Task:
        return self.scenario.task("test", index)


def _box_iou(trajectory: Trajectory) -> float | None:
    """Return how well the last box that a tool was called with fits what was to be segmented; None without a mask."""
    truth = truth_of(trajectory.task)
    mask = truth.mask
    if mask is None or mask.box is None:
        return None
    for call, _ in reversed(trajectory.calls):
        index, box = call.arguments.get("image", 1), call.arguments.get("bbox_2d")
        if isinstance(box, list) and len(box) == 4 and isinstance(index, int) and 1 <= index <= len(trajectory.views):
            marked = trajectory.views[index - 1].at(tuple(box))
            if marked is None or marked[0].sheet != truth.sheet:
                return 0.0
            return box_iou(marked[0].to_original.box(marked[1]), mask.box)
    return 0.0
