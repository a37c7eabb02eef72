"""A local model as an agent."""

from pathlib import Path
from typing import Any

import pytest

from medgym.agents.agent import load_agent, make_agent
from medgym.agents.transformers import Transformers, placeholders
from medgym.core.errors import InputError
from medgym.envs.scenario import Scenario
from medgym.evaluation.run import RunConfig, play
from medgym.training import small_policy

TASKS = {"tasks": "phantoms:native=64", "view_size": 64}


@pytest.fixture(scope="module")
def policy() -> tuple[Any, Any]:
    return small_policy(["macula"], side=64)


@pytest.mark.filterwarnings("ignore")
def test_a_batch_is_what_each_chat_gets_alone(policy: tuple[Any, Any], tmp_path):
    scenario = Scenario(**TASKS)
    chats = [scenario.episode(scenario.task("test", index)).messages() for index in range(3)]
    agent = Transformers(*policy, max_new_tokens=12)
    assert agent.act_batch(chats) == [agent.act(chat) for chat in chats]
    sampled = [Transformers(*policy, max_new_tokens=12, temperature=1.0, seed=seed).act(chats[0]) for seed in (1, 1, 2)]
    assert sampled[0] == sampled[1] != sampled[2]
    banned = policy[1].tokenizer.batch_decode([[token] for token in placeholders(policy[1])])
    assert not any(token in text for text in sampled for token in banned)
    for part in policy:
        part.save_pretrained(tmp_path / "policy")
    named = make_agent(f"medgym.agents.transformers:Transformers:model={tmp_path / 'policy'},max_new_tokens=12")
    assert named.act(chats[0]) == agent.act(chats[0])


def test_what_is_no_model_is_named(policy: tuple[Any, Any], tmp_path):
    with pytest.raises(InputError, match="no model"):
        Transformers(str(tmp_path))
    with pytest.raises(InputError, match="its processor"):
        Transformers(policy[0])


@pytest.mark.filterwarnings("ignore")
def test_the_card_plays_a_folder(policy: tuple[Any, Any], tmp_path: Path) -> None:
    for part in policy:
        part.save_pretrained(tmp_path / "policy")
    agent = f"transformers:model={tmp_path / 'policy'},max_new_tokens=8,dialect=mini-o3,coords=unit"
    card = load_agent(agent)
    assert (card.dialect, card.coords) == ("mini-o3", "unit")
    settings = {**TASKS, "split": "test", "tools": ["zoom_in"]}
    line = play(RunConfig("MedTool-v0", agent, 1, 0, settings))[0]
    assert line["end_reason"] == "unusable"
    with pytest.raises(InputError, match="needs a setting: model"):
        make_agent("transformers")
