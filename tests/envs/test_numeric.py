"""MedToolBoxEnv: numbers in, numbers out, and the rewards of the text they stand for."""

from typing import Any

import gymnasium as gym
import numpy as np
import pytest

from medgym.core.errors import InputError
from medgym.envs.numeric import CELLS, MedToolBoxEnv


def test_numbers_stand_for_calls_and_answers() -> None:
    env: Any = gym.make("MedToolBox-v0", kinds=["segmentation"], segmenter="simulated:error=0").unwrapped
    for index in range(40):
        env.reset(options={"index": index})
        truth = env.episode.task.truth
        view = env.episode.views[0]
        native = view.source.size[0]
        if truth.mask.area > 0.04 * native**2:
            break
    box = np.array(view.box_of(truth.mask)) * CELLS / view.size[0]
    x1, y1, x2, y2 = np.floor(box).astype(int)
    env.step([0, 0, 1, 1, 20, 20])
    assert env.episode.turns[0].action.calls[0].name == "zoom_in"
    assert env.episode.views[1].region[0] == pytest.approx(native / CELLS, abs=1)
    env.reset(options={"index": index})
    env.step([1, 0, x2, y2, x1, y1])
    assert env.episode.turns[0].action.calls[0].name == "sam2"
    *_, terminated, _, info = env.step([2, 0, 0, 0, 0, 0])
    assert terminated
    assert info["end_reason"] == "answer"
    assert info["rewards"]["format"] == 1
    assert env.episode.turns[-1].mask.iou(truth.mask) > 0.9
    env.reset(options={"index": index})
    env.step([2, 1, 0, 0, 0, 0])
    assert env.episode.turns[-1].mask.area == 0


def test_any_action_is_scored() -> None:
    env = gym.make("MedToolBox-v0")
    env.action_space.seed(0)
    for seed in range(20):
        env.reset(seed=seed)
        over = False
        while not over:
            observation, _, terminated, truncated, _ = env.step(env.action_space.sample())
            assert env.observation_space.contains(observation)
            over = terminated or truncated


def test_the_question_is_there_in_bytes() -> None:
    env: Any = gym.make("MedToolBox-v0").unwrapped
    observation, _ = env.reset(seed=0)
    words = bytes(observation["question"]).rstrip(b"\0").decode(errors="ignore")
    assert words.startswith(env.episode.task.question[:40])


def test_what_boxes_cannot_say_is_refused() -> None:
    with pytest.raises(InputError, match="kinds among"):
        MedToolBoxEnv(kinds=["open"])
    with pytest.raises(InputError, match="tools among"):
        MedToolBoxEnv(tools=["biomedparse"])
    env = MedToolBoxEnv()
    env.reset(seed=0)
    with pytest.raises(InputError, match="an action is in MultiDiscrete"):
        env.step([9, 0, 0, 0, 0, 0])
    with pytest.raises(InputError, match="an action is in MultiDiscrete"):
        env.step("zoom_in")


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_stable_baselines_checks_it_and_ppo_learns_on_it() -> None:
    from stable_baselines3 import PPO
    from stable_baselines3.common.env_checker import check_env

    env = gym.make("MedToolBox-v0")
    check_env(env, warn=True)
    model = PPO("MultiInputPolicy", env, n_steps=32, batch_size=16, n_epochs=1, seed=0)
    before = [p.detach().clone() for p in model.policy.parameters()]
    model.learn(64)
    assert any((a != b).any() for a, b in zip(before, model.policy.parameters(), strict=True))
