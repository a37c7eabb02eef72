"""Traces: what is kept is enough to score again, under any reward, and says so where it cannot be read."""

import json
from pathlib import Path
from typing import Any

import pytest

from medgym.agents import load_agent
from medgym.catalog import names
from medgym.core.errors import InputError
from medgym.envs.scenario import Scenario
from medgym.evaluation.rollout import rollouts
from medgym.evaluation.run import RunConfig, play, read_lines, read_truths
from medgym.evaluation.traces import ERRORS, VERSION, current, episode_line, trajectory_of, truth_line
from medgym.rewards.recipe import load_recipe

TASKS = "phantoms:native=256"
ALL_TOOLS = ["zoom_in", "sam2", "biomedparse", "measure", "window", "enhance", "rotate", "flip", "compare"]


class Wanders:
    """Uses every tool, some of them wrongly, and answers with the last image."""

    CALLS = (
        ("zoom_in", {"image": 1, "bbox_2d": [20, 30, 160, 170]}), ("rotate", {"image": 2, "degrees": 90}),
        ("sam2", {"image": 3, "bbox_2d": [10, 10, 90, 90]}), ("flip", {"image": 1, "axis": "horizontal"}),
        ("compare", {"image": 1, "other": 2}), ("sam2", {"image": 9}), ("nothing", {}),
        ("biomedparse", {"image": 1, "text": "lesion"}),
    )  # fmt: skip

    def act(self, messages: list[dict[str, Any]]) -> str:
        turn = sum(message["role"] == "assistant" for message in messages)
        if turn == 3:
            return "I forgot the form."
        if turn == len(self.CALLS):
            return '<think>Done.</think><answer>{"image": 1, "bbox_2d": [10, 10, 80, 90]}</answer>'
        name, arguments = self.CALLS[turn]
        call = json.dumps({"name": name, "arguments": arguments})
        return f"<think>I call.</think><tool_call>{call}</tool_call>"


@pytest.mark.parametrize("agent", ["oracle", "scripted", "random", "silent", Wanders()])
def test_a_kept_episode_is_scored_again_as_it_was_under_every_reward(agent: Any) -> None:
    scenario = Scenario(tasks=TASKS, split="test", tools=ALL_TOOLS, segmenter="simulated", max_turns=10)
    player = load_agent(agent).make(0) if isinstance(agent, str) else agent
    recipes = [load_recipe(name) for name in names("rewards")]
    for trajectory, reward in rollouts(scenario, player, [("test", index) for index in range(24)]):
        line = json.loads(json.dumps(episode_line(trajectory, reward, scenario.recipe), allow_nan=False))
        truth = json.loads(json.dumps(truth_line(trajectory.task), allow_nan=False))
        again = trajectory_of(line, truth)
        for recipe in recipes:
            assert recipe.score(again) == recipe.score(trajectory), recipe.name


def test_errors_are_named_each_once() -> None:
    scenario = Scenario(tasks=TASKS, split="test", tools=ALL_TOOLS, segmenter="simulated", max_turns=10)
    (played,) = rollouts(scenario, Wanders(), [("test", 0)])
    line = episode_line(*played, scenario.recipe)
    assert line["errors"][:3] == ["format", "unknown_tool", "wrong_argument"]
    assert set(line["errors"]) <= set(ERRORS)


@pytest.mark.parametrize(
    ("calls", "answer", "expected"),
    [
        ("good", "mask", []),
        ("bad", "mask", ["tool_believed"]),
        ("good", "null", ["tool_ignored"]),
        ("bad good", "mask", ["tool_corrected"]),
        ("bad", "null", []),
    ],
)
def test_what_came_of_a_tool_s_mask_is_told(calls: str, answer: str, expected: list[str]) -> None:
    scenario = Scenario(tasks=f"{TASKS},absent=0", kinds=["segmentation"], segmenter="simulated:error=0", split="test")
    task = scenario.task("test", 0)
    assert task.truth
    assert task.truth.mask
    assert task.truth.mask.box
    others = [mask for mask in task.truth.structures.values() if mask.iou(task.truth.mask) < 0.3]
    boxes = {"good": task.truth.mask.box, "bad": others[0].box}
    episode = scenario.episode(task)
    for name in calls.split():
        call = json.dumps({"name": "sam2", "arguments": {"image": 1, "bbox_2d": list(boxes[name] or ())}})
        episode.apply(f"<think>I ask.</think><tool_call>{call}</tool_call>")
    last = len(episode.views) if answer == "mask" else "null"
    episode.apply(f'<think>Done.</think><answer>{{"mask": {last}}}</answer>')
    trajectory = episode.trajectory()
    assert episode_line(trajectory, scenario.score(trajectory), scenario.recipe)["errors"] == expected


def test_the_first_schema_is_read_and_a_later_one_refused(tmp_path: Path) -> None:
    config = RunConfig("MedTool-v0", "scripted", 6, 0, {"split": "test", "tasks": TASKS})
    play(config, tmp_path / "run")
    truths = read_truths(tmp_path / "run")
    recipe = load_recipe("ophiuchus")
    for line in read_lines(tmp_path / "run"):
        first = {
            key: line[key]
            for key in line
            if key not in ("images", "failed", "patient", "f1", "errors", "perceiving", "usage")
        }
        first |= {"version": 1, "turns": [], "views": []}
        for turn in line["turns"]:
            calls = [
                {**call, "result": {k: v for k, v in call["result"].items() if k != "fault"}} for call in turn["calls"]
            ]
            kept = {key: turn[key] for key in turn if key not in ("not_made", "image", "fault")}
            first["turns"].append({**kept, "calls": calls})
        first["views"] = [{key: view[key] for key in view if key not in ("drawn", "panels")} for view in line["views"]]
        read = current(first)
        assert read["version"] == VERSION
        second = {**line, "version": 2}
        for old in (first, second):
            assert recipe.score(trajectory_of(old, truths[line["index"]])).total == line["reward"]
    with pytest.raises(InputError, match=r"schema version 4 cannot be read .* pip install --upgrade medgym"):
        current({**line, "version": 4})


def test_no_file_holds_what_is_right_while_a_policy_plays(tmp_path: Path) -> None:
    seen: list[bool] = []
    config = RunConfig("MedTool-v0", "silent", 3, 0, {"split": "test", "tasks": TASKS})
    play(config, tmp_path / "run", lambda lines, total: seen.append((tmp_path / "run" / "truth.jsonl").exists()))
    assert not any(seen)
    assert len(read_truths(tmp_path / "run")) == 3
