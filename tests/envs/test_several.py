"""Several images in one question: any tool on any of them, and a mark on one is never one on another."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from medgym.agents import load_agent
from medgym.catalog import names
from medgym.core.episode import Episode
from medgym.core.task import truth_of
from medgym.core.tooling import ToolResult
from medgym.envs.scenario import Scenario
from medgym.evaluation.rollout import rollouts
from medgym.evaluation.traces import episode_line, trajectory_of, truth_line
from medgym.rewards.grading import Graded
from medgym.rewards.recipe import load_recipe
from medgym.testing import check_recipe, check_tasks
from tests.conftest import answer, call

TOOLS = ["zoom_in", "sam2", "biomedparse", "measure", "window", "enhance", "rotate", "flip", "compare"]
BOX = [60, 40, 100, 90]


@pytest.fixture
def of(tmp_path: Path) -> Scenario:
    """A prior and a current film of one size; what is asked for is at one place, on the first or on the second."""
    rng = np.random.default_rng(0)
    for name in ("prior", "current"):
        Image.fromarray(rng.integers(0, 255, (120, 160), np.uint8)).save(tmp_path / f"{name}.png")
    bits = np.zeros((120, 160), np.uint8)
    bits[BOX[1] : BOX[3], BOX[0] : BOX[2]] = 255
    Image.fromarray(bits).save(tmp_path / "mask.png")
    common = {"image_path": ["prior.png", "current.png"], "split": "test"}
    asked = [
        {"question_type": "segmentation", "question": "Segment the nodule.", "mask_path": "mask.png"},
        {"question_type": "detection", "question": "Mark the nodule.", "boxes": BOX},
    ]
    records = [{**common, **each, "mask_image": image} for each in asked for image in (0, 1)]
    records.append({**common, "question_type": "yes/no", "question": "Has it grown?", "answer": "yes"})
    (tmp_path / "pairs.json").write_text(json.dumps(records))
    settings = {"tools": TOOLS, "segmenter": "simulated:error=0", "split": "test", "max_turns": 8}
    return Scenario(tasks=str(tmp_path / "pairs.json"), **settings)  # type: ignore[arg-type]


def played(of: Scenario, index: int, *texts: str) -> Episode:
    episode = of.episode(of.task("test", index))
    for text in texts:
        episode.apply(text)
    return episode


CALLS: dict[str, dict[str, Any]] = {
    "zoom_in": {"bbox_2d": BOX}, "measure": {"bbox_2d": BOX}, "window": {"level": 100, "width": 50},
    "enhance": {"method": "clahe", "strength": 2}, "rotate": {"degrees": 45}, "flip": {"axis": "vertical"},
    "sam2": {"bbox_2d": BOX}, "biomedparse": {"text": "nodule"},
}  # fmt: skip


@pytest.mark.parametrize("number", [1, 2])
@pytest.mark.parametrize("name", sorted(CALLS))
def test_any_tool_works_on_any_image(of: Scenario, name: str, number: int) -> None:
    episode = played(of, number - 1, call(name, image=number, **CALLS[name]))
    result = episode.turns[-1].results[0]
    assert isinstance(result, ToolResult)
    if name != "measure":
        assert result.view is not None
        assert result.view.image == number - 1
        assert result.view.source.root is episode.task.images[number - 1]


@pytest.mark.parametrize("asked", [0, 1])
def test_a_mask_or_box_on_one_image_is_none_of_the_other(of: Scenario, asked: int) -> None:
    for number in (1, 2):
        right = float(number - 1 == asked)
        said = answer(f'{{"image": {number}, "bbox_2d": {BOX}}}')
        assert Graded(played(of, 2 + asked, said).trajectory()).quality == right
        marked = played(of, asked, call("sam2", image=number, bbox_2d=BOX), answer('{"mask": 3}'))
        assert Graded(marked.trajectory()).quality == right
        halves = [call("compare", image=1, other=2), *_on_a_half(of, asked, number)]
        assert Graded(played(of, asked, *halves).trajectory()).quality == right


def _on_a_half(of: Scenario, asked: int, number: int) -> list[str]:
    """Mark the box on one half of a comparison, and answer with what was found."""
    left, view = played(of, asked, call("compare", image=1, other=2)).views[2].panels[number - 1]
    scale = view.size[0] / 160
    box = [left + BOX[0] * scale, BOX[1] * scale, left + BOX[2] * scale, BOX[3] * scale]
    return [call("sam2", image=3, bbox_2d=box), answer('{"mask": 4}')]


def test_who_knows_the_truth_earns_full_marks_on_either_image(of: Scenario) -> None:
    for agent in ("oracle", "teacher"):
        for trajectory, reward in rollouts(of, load_agent(agent).make(0), [("test", index) for index in range(5)]):
            assert Graded(trajectory).quality == pytest.approx(1, abs=1e-3), (agent, trajectory.task.id)
            if trajectory.task.kind == "segmentation":
                assert reward.total == 6


@pytest.mark.parametrize("recipe", names("rewards"))
def test_every_recipe_holds_on_several_images(of: Scenario, recipe: str) -> None:
    check_recipe(recipe, of.source("test"), tools=TOOLS)


def test_traces_keep_which_image_was_marked(of: Scenario) -> None:
    recipes = [load_recipe(name) for name in names("rewards")]
    for agent in ("oracle", "scripted", "random"):
        for trajectory, reward in rollouts(of, load_agent(agent).make(1), [("test", index) for index in range(5)]):
            line = json.loads(json.dumps(episode_line(trajectory, reward, of.recipe)))
            again = trajectory_of(line, json.loads(json.dumps(truth_line(trajectory.task))))
            assert truth_of(again.task).image == truth_of(trajectory.task).image
            assert [view.image for view in again.views] == [view.image for view in trajectory.views]
            assert all(recipe.score(again) == recipe.score(trajectory) for recipe in recipes)


def test_they_are_well_posed(of: Scenario) -> None:
    check_tasks(of.source("test"))
