"""Trajectories to learn from: what was written, task by task, checked and replayed with real observations."""

import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from ..core.errors import InputError, ToolError
from ..core.task import truth_of
from ..core.tooling import ToolResult
from ..core.trajectory import Trajectory
from ..envs.scenario import Scenario
from ..rewards.grading import Graded


@dataclass(frozen=True)
class Demonstration:
    """What a policy wrote at one task; all else is made anew by the environment.

    Attributes:
        skip: turns, from 0, that are shown but carry no loss, such as an error that is then mended.
    """

    split: str
    index: int
    texts: tuple[str, ...]
    skip: tuple[int, ...] = ()

    @classmethod
    def of(cls, trajectory: Trajectory) -> "Demonstration":
        """Take what was written from a trajectory; a segmentation that missed and was mended is shown, not taught."""
        task = trajectory.task
        return cls(task.split, task.index, tuple(turn.text for turn in trajectory.turns), _mended(trajectory))

    def messages(self, scenario: Scenario) -> list[dict[str, Any]]:
        """Play it again and return the chat, up to the last thing written.

        Raises:
            InputError: where the episode ends before the last of the texts.
        """
        episode = scenario.episode(scenario.task(self.split, self.index))
        for text in self.texts:
            if episode.over:
                raise InputError(
                    f"task {self.index} of {self.split!r} ends by {episode.end_reason} before all was said"
                )
            episode.apply(text)
        chat = episode.messages()
        return chat if chat[-1]["role"] == "assistant" else chat[:-1]


def faults(trajectory: Trajectory) -> list[str]:
    """Return why a trajectory is not to be learned from; nothing for one that is.

    The rules of Ophiuchus (arXiv 2512.14157) for cold starts: the format holds in every turn, every call is valid and
    is justified by the thought before it, and the final answer is right. That observations are real needs no check:
    the environment makes them.
    """
    graded = Graded(trajectory)
    found = []
    if not graded.well_formed:
        found.append("format: an action was unusable, or the last one was no answer")
    if any(isinstance(result, ToolError) for _, result in trajectory.calls):
        found.append("call: one of them failed")
    asked = _words(trajectory.task.question) | {word for option in trajectory.task.options for word in _words(option)}
    for turn in trajectory.turns:
        said = _words(turn.action.thought)
        names = {word for call in turn.action.calls for word in _words(call.name.replace("_", " "))}
        if turn.action.calls and not said & (asked | names):
            found.append("justification: the thought before a call speaks of nothing that is asked for or called")
    if not graded.correct:
        found.append("answer: it is wrong")
    return found


def save(path: Path, demonstrations: Iterable[Demonstration]) -> None:
    """Write demonstrations as lines of JSON."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_suffix(".part")
    partial.write_text("".join(json.dumps(asdict(each)) + "\n" for each in demonstrations), "utf-8")
    partial.replace(path)


def load(path: Path) -> Iterator[Demonstration]:
    """Read demonstrations, or the episodes of a run.

    Raises:
        InputError: names the file and the line that is neither.
    """
    if path.is_dir():
        path = path / "episodes.jsonl"
    if not path.is_file():
        raise InputError(f"{path}: there are no demonstrations; give a .jsonl file or the folder of a run")
    for number, line in enumerate(path.read_text("utf-8").splitlines(), 1):
        try:
            read = json.loads(line)
            texts = read["texts"] if "texts" in read else [turn["text"] for turn in read["turns"]]
            yield Demonstration(read["split"], int(read["index"]), tuple(texts), tuple(read.get("skip", ())))
        except (ValueError, KeyError, TypeError) as error:
            raise InputError(f"{path}, line {number}: no demonstration (split, index, texts): {error}") from error


def _mended(trajectory: Trajectory) -> tuple[int, ...]:
    """Return the turns that brought no mask of what is asked for, before one that did."""
    truth = truth_of(trajectory.task)
    missed: list[int] = []
    for number, turn in enumerate(trajectory.turns):
        views = [result.view for result in turn.results if isinstance(result, ToolResult)]
        masks = [(view.mask, view.sheet) for view in views if view is not None and view.mask is not None]
        asked = [mask for mask, sheet in masks if sheet == truth.sheet]
        if truth.mask is not None and any(mask.iou(truth.mask) > 0.5 for mask in asked):
            return tuple(missed)
        if views and len(masks) == sum(view is not None for view in views):
            missed.append(number)
    return ()


def _words(text: str) -> set[str]:
    return {word.removesuffix("s") for word in re.findall(r"[a-z0-9]{3,}", text.lower())} - {"the", "all"}
