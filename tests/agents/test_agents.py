"""Agents: the built-in ones are the ends of every scale, so they must be what they say."""

from typing import Any

import gymnasium as gym
import pytest

import medgym
from medgym.agents import Brief
from medgym.core.dialects import DIALECTS
from medgym.core.errors import InputError
from medgym.core.task import Kind
from medgym.envs.medtool import MedToolEnv
from medgym.tasks.phantoms import MODALITIES


def earned(agent: str, count: int = 8, **settings: Any) -> list[float]:
    env = gym.make("MedTool-v0", split="test", **settings)
    inner, player, totals = env.unwrapped, medgym.make_agent(agent), []
    assert isinstance(inner, MedToolEnv)
    for index in range(count):
        medgym.rollout(env, player, options={"index": index})
        assert inner.reward is not None
        totals.append(inner.reward.total)
    return totals


@pytest.mark.parametrize("dialect", sorted(DIALECTS))
@pytest.mark.parametrize("coords", ["pixel", "norm1000", "unit"])
def test_the_oracle_earns_full_marks_with_exact_tools_in_every_dialect(dialect: str, coords: str) -> None:
    settings = {"tools": list(DIALECTS[dialect].spoken)} if DIALECTS[dialect].spoken else {}
    totals = earned("oracle", segmenter="simulated:error=0", dialect=dialect, coords=coords, **settings)
    assert set(totals) <= {4.0, 6.0}


@pytest.mark.parametrize("modality", MODALITIES)
def test_the_oracle_earns_full_marks_of_every_modality(modality: str) -> None:
    for kind in Kind:
        tasks = f"phantoms:modality={modality},native=256"
        totals = earned("oracle", 4, tasks=tasks, kinds=[str(kind)], segmenter="simulated:error=0")
        assert set(totals) == {6.0 if kind.localised else 4.0}, kind


def test_the_oracle_is_never_beaten() -> None:
    best = earned("oracle")
    for other in ("scripted", "silent", "random"):
        assert sum(best) >= sum(earned(other))


def test_the_script_means_the_same_box_in_every_scale() -> None:
    settings = {"segmenter": "simulated:error=0", "kinds": ["detection"]}
    totals = {tuple(earned("scripted", 12, coords=coords, **settings)) for coords in ("pixel", "norm1000", "unit")}
    assert len(totals) == 1


def test_silence_earns_its_answer_and_nothing_for_tools() -> None:
    assert max(earned("silent", 12, kinds=["choice", "yes_no"])) == 2.0


def test_an_agent_without_need_is_not_told_the_truth() -> None:
    seen: list[Brief] = []

    class Curious:
        def begin(self, brief: Brief) -> None:
            seen.append(brief)

        def act(self, messages: list[dict[str, Any]]) -> str:
            return "<think>x</think><answer>x</answer>"

    medgym.rollout(gym.make("MedTool-v0"), Curious(), seed=0)
    assert (seen[0].task.truth, seen[0].episode, seen[0].score, dict(seen[0].task.meta)) == (None, None, None, {})


def test_random_agents_differ_by_seed_and_repeat_under_one() -> None:
    env = gym.make("MedTool-v0")
    texts = [
        [turn.text for turn in medgym.rollout(env, medgym.make_agent("random", seed), options={"index": 1}).turns]
        for seed in (1, 1, 2)
    ]
    assert texts[0] == texts[1] != texts[2]


def test_an_agent_may_be_named() -> None:
    assert medgym.rollout(gym.make("MedTool-v0"), "silent", seed=0).end_reason == "answer"


def test_numeric_environments_are_not_rolled_out_with_text() -> None:
    with pytest.raises(InputError, match="text actions"):
        medgym.rollout(gym.make("MedToolBox-v0"), medgym.make_agent("silent"))
