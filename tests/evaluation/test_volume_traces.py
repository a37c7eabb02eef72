"""Episodes on volumes are kept: scored again as they were, and shown slice by slice on the report's page."""

import json
from pathlib import Path
from typing import Any

import pytest

from medgym.agents import load_agent
from medgym.catalog import names
from medgym.envs.render import as_image
from medgym.evaluation.report import write_report
from medgym.evaluation.rollout import rollouts
from medgym.evaluation.traces import episode_line, keep_images, trajectory_of, truth_line
from medgym.rewards.recipe import load_recipe
from tests.conftest import answer, call
from tests.evaluation.browser import driven, needs_browser
from tests.scans import IN_VOXELS, NOT_THERE, ON_A_SLICE, scenario


class Leafs:
    """Goes through the volume in every way, and answers with masks on two slices of one axis."""

    TEXTS = (
        call("slice", image=1, axis="coronal", position=30), call("biomedparse", image=2, text="liver"),
        call("slice", image=1, axis="coronal", position=25), call("sam2", image=4, bbox_2d=[36, 5, 66, 23]),
        call("zoom_in", image=5), call("project", image=1, axis="sagittal", low=20, high=60),
        call("compare", image=1, other=2), call("sam2", image=7, points=[[3, 3]]),
    )  # fmt: skip

    def act(self, messages: list[dict[str, Any]]) -> str:
        turn = sum(message["role"] == "assistant" for message in messages)
        return self.TEXTS[turn] if turn < len(self.TEXTS) else answer('{"mask": [3, 5]}')


@pytest.mark.parametrize("agent", ["oracle", "teacher", "random", "silent", Leafs()])
def test_a_kept_episode_on_a_volume_is_scored_again_as_it_was_under_every_reward(tmp_path: Path, agent: Any) -> None:
    of = scenario(tmp_path, ON_A_SLICE, IN_VOXELS, NOT_THERE, max_turns=10)
    recipes = [load_recipe(name) for name in names("rewards")]
    player = load_agent(agent).make(0) if isinstance(agent, str) else agent
    for trajectory, reward in rollouts(of, player, [("test", index) for index in range(3)]):
        line = json.loads(json.dumps(episode_line(trajectory, reward, of.recipe), allow_nan=False))
        truth = json.loads(json.dumps(truth_line(trajectory.task), allow_nan=False))
        again = trajectory_of(line, truth)
        assert [view.sheet for view in again.views] == [view.sheet for view in trajectory.views]
        assert [view.source.size for view in again.views[:6]] == [view.source.size for view in trajectory.views[:6]]
        assert again.turns[-1].marked == trajectory.turns[-1].marked
        assert again.task.in_voxels == trajectory.task.in_voxels
        for recipe in recipes:
            assert recipe.score(again) == recipe.score(trajectory), recipe.name
        assert as_image(trajectory, reward).any()


def test_a_trace_from_before_there_were_volumes_is_read(tmp_path: Path) -> None:
    of = scenario(tmp_path, ON_A_SLICE)
    ((trajectory, reward),) = rollouts(of, load_agent("oracle").make(0), [("test", 0)])
    line, truth = episode_line(trajectory, reward, of.recipe), truth_line(trajectory.task)
    for held in (*line["images"], *line["views"], *line["turns"]):
        held.pop("cut"), held.pop("volume", None), held.pop("others", None)
    del line["in_voxels"], truth["plane"], truth["solid"]
    again = trajectory_of(line, truth)
    assert of.recipe.score(again).total == reward.total == 6


@needs_browser
def test_the_report_shows_each_slice_with_what_is_true_on_it(tmp_path: Path) -> None:
    of = scenario(tmp_path, ON_A_SLICE, IN_VOXELS)
    run = tmp_path / "run"
    run.mkdir()
    lines, truths = [], {}
    for index, (trajectory, reward) in enumerate(
        rollouts(of, load_agent("oracle").make(0), [("test", 0), ("test", 1)])
    ):
        lines.append({**episode_line(trajectory, reward, of.recipe), "index": index})
        keep_images(lines[-1], trajectory, run / "images")
        truths[index] = truth_line(trajectory.task)
    write_report(run, lines, {}, truths=truths)
    script = """
      await pause(300);
      found.right = words("#right");
      found.figures = all(".figures figcaption").map((each) => each.textContent);
      found.broken = all(".figures img").filter((each) => !each.naturalWidth).length;
    """
    found = driven(run / "report.html", script, "#index=1")
    assert found["right"] == "the structure outlined as truth, on 5 axial slices"
    answered = [caption for caption in found["figures"] if "at the answer" in caption]
    assert answered == [f"image {k}, at the answer, IoU 1.000" for k in (6, 7, 8, 9, 10)]
    assert found["broken"] == 0
