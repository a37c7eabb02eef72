"""Agents: the built-in ones are the ends of every scale, so they must be what they say."""

from pathlib import Path
from typing import Any

import gymnasium as gym
import pytest

import medgym
from medgym.agents import Brief, load_agent
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


def test_a_card_has_settings_that_those_after_its_name_go_before(tmp_path: Path) -> None:
    own = tmp_path / "mine.toml"
    own.write_text("policy = 'medgym.agents.teacher:Teacher'\ntools = ['sam2']\n[settings]\nerror = 0.5\nseed = 7\n")
    card = load_agent(str(own))
    assert (card.make(1).error, card.make(1).seed, card.tools) == (0.5, 7, ("sam2",))
    assert load_agent(f"{own}:error=0.1").make(1).error == 0.1
    spoken = load_agent("scripted:dialect=mini-o3,coords=unit,tools=zoom_in+sam2")
    assert (spoken.dialect, spoken.coords, spoken.tools) == ("mini-o3", "unit", ("zoom_in", "sam2"))
    own.write_text("policy = 'medgym.agents.teacher:Teacher'\nsetting = 1\n")
    with pytest.raises(InputError, match=r"unknown 'setting'\. Did you mean 'settings'"):
        load_agent(str(own))
