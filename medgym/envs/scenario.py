"""What environments of one configuration share: tasks, tools, dialect, recipe and limits."""

from collections.abc import Sequence
from functools import partial
from typing import Any

import numpy as np

from ..core.dialects import make_dialect
from ..core.episode import Episode
from ..core.errors import InputError, ToolError
from ..core.task import Drawing, Task, TaskSource
from ..core.trajectory import Trajectory
from ..rewards.grading import Graded
from ..rewards.recipe import Reward, load_recipe
from ..tasks.sources import load_tasks
from ..tools.segmenters import make_segmenter
from ..tools.toolbox import Tools


class Scenario:
    """Makes episodes and scores them; the arguments are those of ``gym.make("MedTool-v0", …)``.

    Args:
        tasks: a task source: a name, a path of records, or ``module:Class``.
        split: the split that `reset` draws from unless its options name another.
        tools: names of the tools the policy has, or ``module:name`` of a user's own.
        segmenter: what stands behind the segmentation tools, such as ``simulated:error=0.2``.
        reward: the name or path of a reward recipe.
        dialect: how the policy writes.
        coords: the scale of the policy's coordinates.
        max_turns: the number of actions after which an episode is truncated.
        view_size: the longest side of a view, in pixels.
        kinds: only tasks of these kinds; all by default.
        task_seed: the seed of a made task source.
        max_unusable: the number of unusable actions that ends an episode.

    Raises:
        InputError: names the argument that is wrong and what was expected.
    """

    def __init__(
        self,
        *,
        tasks: str = "phantoms",
        split: str = "train",
        tools: Sequence[str] = ("zoom_in", "sam2", "biomedparse"),
        segmenter: str = "classical",
        reward: str = "ophiuchus",
        dialect: str = "hermes",
        coords: Any = "pixel",
        max_turns: int = 6,
        view_size: int = 512,
        kinds: Sequence[str] = (),
        task_seed: int = 0,
        max_unusable: int = 3,
    ) -> None:
        for name, number, least in (
            ("max_turns", max_turns, 1),
            ("view_size", view_size, 32),
            ("max_unusable", max_unusable, 1),
        ):
            if isinstance(number, bool) or not isinstance(number, int) or number < least:
                raise InputError(f"{name} is a whole number from {least}, not {number!r}")
        for name, value in (
            ("tasks", tasks),
            ("segmenter", segmenter),
            ("reward", reward),
            ("dialect", dialect),
        ):
            if not isinstance(value, str):
                raise InputError(f"{name} is a name or a path, not {type(value).__name__}")
        if isinstance(tools, str):
            raise InputError(f"tools is a list of names, such as ['zoom_in'], not the text {tools!r}")
        self.tasks, self.split = tasks, split
        self.max_turns, self.view_size, self.max_unusable = max_turns, view_size, max_unusable
        self.toolbox = Tools(tools, make_segmenter(segmenter))
        self.dialect = make_dialect(dialect, self.toolbox.specs, coords)
        self.recipe = load_recipe(reward)
        self._load = partial(load_tasks, tasks, seed=task_seed, kind=kinds)
        self._sources: dict[str, TaskSource] = {}
        self.source(split)

    def source(self, split: str) -> TaskSource:
        """Return the tasks of a split, loaded once."""
        if not isinstance(split, str):
            raise InputError(f"split is a name, not {split!r}")
        if split not in self._sources:
            self._sources[split] = self._load(split)
        return self._sources[split]

    def draw(self, split: str, rng: np.random.Generator) -> int:
        """Draw the index of a task: all are as likely, unless the source has a say in it."""
        source = self.source(split)
        return source.draw(rng) if isinstance(source, Drawing) else int(rng.integers(len(source)))

    def task(self, split: str, index: int) -> Task:
        """Return a task by its place.

        Raises:
            InputError: for an index outside the split.
        """
        source = self.source(split)
        if isinstance(index, bool) or not isinstance(index, int) or not 0 <= index < len(source):
            raise InputError(f"index is a whole number from 0 to {len(source) - 1} in split {split!r}, not {index!r}")
        return source[index]

    def episode(self, task: Task) -> Episode:
        """Begin an episode."""
        limits = {"max_turns": self.max_turns, "max_unusable": self.max_unusable}
        return Episode(task, self.dialect, self.toolbox, view_size=self.view_size, **limits)

    def score(self, trajectory: Trajectory) -> Reward:
        """Score a finished episode."""
        return self.recipe.score(trajectory)

    def finish(self, trajectory: Trajectory) -> Reward:
        """Score an episode that a policy has just ended, and tell its source whether it succeeded."""
        task = trajectory.task
        source = self._sources.get(task.split)
        if isinstance(source, Drawing):
            source.record(task.index, lambda: Graded(trajectory).correct)
        return self.score(trajectory)

    def info(self, episode: Episode, reward: Reward | None = None) -> dict[str, Any]:
        """Return the info of a step: JSON-able, always the same keys, nothing of the truth."""
        turn = episode.turns[-1] if episode.turns else None
        calls = turn.calls if turn else []
        return {
            "task_id": episode.task.id,
            "split": episode.task.split,
            "index": episode.task.index,
            "turn": len(episode.turns),
            "calls": sum(len(turn.calls) for turn in episode.turns),
            "tool": ",".join(call.name[:64] for call, _ in calls),
            "tool_ok": bool(calls) and not any(isinstance(result, ToolError) for _, result in calls),
            "error": turn.error if turn else "",
            "end_reason": str(episode.end_reason),
            "rewards": reward.values if reward else dict.fromkeys(self.recipe.names, 0.0),
        }


def place_in(options: dict[str, Any] | None, default_split: str) -> tuple[str, int | None]:
    """Read a reset's options: the split and, where it is given, the index.

    Raises:
        InputError: for an option that there is not.
    """
    options = options or {}
    unknown = set(options) - {"split", "index"}
    if unknown:
        raise InputError(f"unknown reset option {min(unknown)!r}: there are 'split' and 'index'")
    index = options.get("index")
    if index is not None and not isinstance(index, bool):
        try:
            index = index.__index__()
        except (AttributeError, TypeError):
            raise InputError(f"index is a whole number, not {index!r}") from None
    return options.get("split") or default_split, index
