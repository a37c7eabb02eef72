"""Self-reflection: where a later checkpoint is right and an earlier one was wrong, a lesson in two tries.

The pair becomes one trajectory that shows the failed try and then the correction (arXiv 2512.14157). It is played in
the environment, so every observation in it is real, and only the correction carries a loss: to fail is not learned.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from ..core.action import Action, Call
from ..core.trajectory import Trajectory
from ..envs.scenario import Scenario
from ..rewards.grading import Graded
from .demonstrations import Demonstration, faults

SECOND_THOUGHT = "That is not what is asked for, so I try again. "


def corrections(scenario: Scenario, tries: Sequence[Sequence[Trajectory]]) -> list[Demonstration]:
    """Return a demonstration for each task whose answer turned from wrong to right with other calls.

    Args:
        tries: for each checkpoint, oldest first, its trajectories at the same tasks.
    """
    made = []
    for of_task in zip(*tries, strict=True):
        for wrong, right in _turned(of_task):
            merged = merge(scenario, wrong, right)
            if merged is not None:
                made.append(merged)
                break
    return made


def merge(scenario: Scenario, wrong: Trajectory, right: Trajectory) -> Demonstration | None:
    """Join a failed try and a right one; None where that is no episode to learn from."""
    failed = [turn.text for turn in wrong.turns if turn.action.calls and turn.results]
    episode = scenario.episode(scenario.task(right.task.split, right.task.index))
    first = len(episode.views)
    texts: list[str] = []
    for text in failed:
        if episode.over:
            return None
        episode.apply(text)
        texts.append(text)
    shift = len(episode.views) - first
    for number, turn in enumerate(right.turns):
        if episode.over or not turn.action.usable:
            return None
        action = _shifted(turn.action, first, shift)
        if number == 0:
            action = replace(action, thought=SECOND_THOUGHT + action.thought)
        texts.append(scenario.dialect.format(action, [view.size for view in episode.views]))
        episode.apply(texts[-1])
    trajectory = episode.trajectory()
    if not failed or not Graded(trajectory).correct or faults(trajectory):
        return None
    return Demonstration(right.task.split, right.task.index, tuple(texts), tuple(range(len(failed))))


def _turned(of_task: Sequence[Trajectory]) -> Iterator[tuple[Trajectory, Trajectory]]:
    """Iterate pairs of a wrong try and a later right one whose calls differ."""
    for later, right in enumerate(of_task):
        if not Graded(right).correct or faults(right):
            continue
        for wrong in of_task[:later]:
            if not Graded(wrong).correct and _called(wrong) and _called(wrong) != _called(right):
                yield wrong, right


def _called(trajectory: Trajectory) -> list[tuple[str, str]]:
    return [(call.name, repr(sorted(call.arguments.items()))) for call, _ in trajectory.calls]


def _shifted(action: Action, first: int, shift: int) -> Action:
    """Let an action name the images that it means when `shift` more stand behind the first ones."""

    def moved(place: Mapping[str, Any]) -> dict[str, Any]:
        behind = {k: v + shift for k, v in place.items() if k in ("image", "mask") and isinstance(v, int) and v > first}
        return {**place, **behind}

    calls = tuple(Call(call.name, moved(call.arguments)) for call in action.calls)
    answer = action.answer
    if isinstance(answer, list):
        answer = [moved(place) if isinstance(place, dict) else place for place in answer]
    elif isinstance(answer, dict):
        answer = moved(answer)
    return replace(action, calls=calls, answer=answer)
