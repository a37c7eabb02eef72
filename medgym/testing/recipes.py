"""The check of a recipe: degenerate policies against the silent agent that gives the same answer."""

import json
import math
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from ..agents.agent import Brief
from ..agents.builtin import default
from ..agents.oracle import Oracle
from ..core.action import Action, Answer
from ..core.dialects import Dialect
from ..core.episode import Episode
from ..core.geometry import Size
from ..core.task import Kind, Task, TaskSource
from ..core.tooling import ToolResult
from ..core.view import View
from ..envs.scenario import Scenario
from ..rewards.recipe import Reward, load_recipe
from ..tasks import load_tasks

Policy = Callable[[Task, Dialect, list[Size]], str]


def check_recipe(
    name: str, tasks: TaskSource | None = None, most: int = 6, tools: Sequence[str] = ("zoom_in", "sam2", "biomedparse")
) -> None:
    """Check that no degenerate policy with `tools` earns more than the silent agent that gives the same answer.

    Where the recipe's card says that it pays for calls, only policies without a successful call are held to
    that; the others to what the oracle earns.
    """
    recipe = load_recipe(name)
    scenario = Scenario(reward=name, segmenter="simulated:error=0", tools=tools)
    source = tasks or load_tasks("phantoms", "test")
    for index in range(min(most, len(source))):
        task = source[index]
        best = _oracle(scenario, task)
        for policy, act in DEGENERATE.items():
            episode, reward = _play(scenario, task, act)
            assert math.isfinite(reward.total), f"{name}: {policy} earns {reward.total}"
            assert math.isclose(reward.total, sum(reward.values.values())), f"{name}: total is not the sum"
            answer = episode.turns[-1].action.answer if episode.turns else None
            silent = _played(scenario, task, [_silent(scenario, task, answer)]).total
            looked = any(isinstance(result, ToolResult) for _, result in episode.trajectory().calls)
            bound = max(best, silent) if recipe.pays_for_calls and looked else silent
            bound = min(bound, best)
            assert reward.total <= bound + 1e-9, (
                f"{name}: '{policy}' earns {reward.total:.3f} on {task.id}, more than {bound:.3f}: "
                f"{ {k: tuple(v) for k, v in reward.components.items()} }"
            )


def _silent(scenario: Scenario, task: Task, answer: Answer | None) -> str:
    said = default(task) if answer is None else answer
    return scenario.dialect.format(Action("I answer.", answer=said), _sizes(task))


def _sizes(task: Task) -> list[Size]:
    return [View.whole(image, 512).size for image in task.images]


def _oracle(scenario: Scenario, task: Task) -> float:
    episode = scenario.episode(task)
    oracle = Oracle()
    oracle.begin(Brief(task, scenario.dialect, episode, scenario.score))
    while not episode.over:
        episode.apply(oracle.act(episode.messages()))
    return scenario.score(episode.trajectory()).total


def _played(scenario: Scenario, task: Task, texts: Iterable[str]) -> Reward:
    episode = scenario.episode(task)
    for text in texts:
        episode.apply(text)
    return scenario.score(episode.trajectory())


def _play(scenario: Scenario, task: Task, policy: Policy) -> tuple[Episode, Reward]:
    episode = scenario.episode(task)
    while not episode.over:
        episode.apply(policy(task, scenario.dialect, [view.size for view in episode.views]))
    return episode, scenario.score(episode.trajectory())


def _whole(task: Task, dialect: Dialect, sizes: list[Size]) -> str:
    box = [0, 0, *sizes[0]]
    answer: Answer = {"image": 1, "bbox_2d": box} if task.kind.localised else default(task)
    return dialect.format(Action("Everything.", answer=answer), sizes)


def _all_options(task: Task, dialect: Dialect, sizes: list[Size]) -> str:
    said = {Kind.CHOICE: " ".join(task.letters), Kind.YES_NO: "yes no", Kind.NUMBER: "0 1 2 3 4 5"}
    return f"<think>All.</think><answer>{said.get(task.kind, 'liver or spleen or kidney')}</answer>"


def _call_text(name: str, **arguments: Any) -> str:
    return f"<think>.</think><tool_call>{json.dumps({'name': name, 'arguments': arguments})}</tool_call>"


def _zooms(task: Task, dialect: Dialect, sizes: list[Size]) -> str:
    return _call_text("zoom_in", image=1, bbox_2d=[len(sizes), 1, 40 + len(sizes), 30])


DEGENERATE: dict[str, Policy] = {
    "empty text": lambda *_: "",
    "100 kB of text": lambda *_: "lesion B yes 3 " * 7000,
    "every option at once": _all_options,
    "the whole image as a box": _whole,
    "the same call again": lambda *_: _call_text("zoom_in", image=1, bbox_2d=[5, 5, 50, 50]),
    "zooms without end": _zooms,
    "slices without end": lambda task, dialect, sizes: _call_text(
        "slice", image=len(sizes), axis="axial", position=len(sizes) - 1
    ),
    "the same slice by other names": lambda task, dialect, sizes: _call_text("slice", image=1, axis="axial", position=0)
    if len(sizes) == 1
    else _call_text("slice", image=len(sizes), axis="axial", position=0),
    "projections without end": lambda task, dialect, sizes: _call_text(
        "project", image=1, axis="axial", low=0, high=len(sizes)
    ),
    "every image as the mask": lambda task, dialect, sizes: "<think>.</think><answer>"
    + json.dumps({"mask": list(range(1, len(sizes) + 1))}) + "</answer>",
    "one mask many times": lambda *_: '<think>.</think><answer>{"mask": [1, 1, 1]}</answer>',
    "fifty calls at once": lambda *_: "<think>.</think>"
    + "".join(_call_text("zoom_in", image=1, bbox_2d=[i, 0, 60 + i, 60])[len("<think>.</think>") :] for i in range(50)),
    "a click beside everything": lambda task, dialect, sizes: _call_text("sam2", image=1, points=[[1, 1]], labels=[0])
    if len(sizes) == 1
    else f"<think>.</think><answer>{json.dumps({'mask': 2})}</answer>",
    "every name at once": lambda *_: _call_text(
        "biomedparse", image=1, text="liver spleen left right kidney tumor cyst calcification lesion"
    ),
    "broken JSON": lambda *_: '<think>.</think><tool_call>{"name": "zoom_in", "arguments": </tool_call>',
    "an unknown tool": lambda *_: _call_text("oracle", image=1),
    "an answer inside <think>": lambda *_: "<think><answer>A</answer></think>",
    "two answers": lambda *_: "<think>.</think><answer>A</answer><answer>B</answer>",
    "an answer with a call": lambda *_: _call_text("zoom_in", image=1, bbox_2d=[1, 1, 9, 9]) + "<answer>A</answer>",
    "look-alike tags": lambda *_: "＜think＞.＜/think＞＜answer＞A＜/answer＞",
    "a letter in prose": lambda *_: "Let me look at a region. The answer is B.",
    "all boxes there are": lambda task, dialect, sizes: "<think>.</think><answer>"
    + json.dumps({"bbox_2d": [[x, y, x + 40, y + 40] for x in range(0, 400, 50) for y in range(0, 400, 50)]})
    + "</answer>",
}  # fmt: skip
