"""One agent plays one episode, or many at once."""

from collections.abc import Iterator, Sequence
from typing import Any

import gymnasium as gym

from ..agents.agent import Agent, Brief, make_agent
from ..core.episode import Episode, apply_together
from ..core.errors import InputError
from ..core.trajectory import Trajectory
from ..envs.medtool import MedToolEnv
from ..envs.scenario import Scenario
from ..envs.spaces import FreeText
from ..rewards.recipe import Reward


def rollout(
    env: gym.Env[Any, Any], agent: Agent | str, *, seed: int | None = None, options: dict[str, Any] | None = None
) -> Trajectory:
    """Reset `env` and let `agent` act until the episode ends; the reward is then ``env.unwrapped.reward``.

    Args:
        agent: whatever has ``act(messages) -> str``, or the name of one.
        seed: passed to reset.
        options: passed to reset: ``{"split": …, "index": …}``.

    Raises:
        InputError: where `env` is no MedToolEnv with text actions, or what the agent returns is no str.
    """
    inner = env.unwrapped
    if not isinstance(inner, MedToolEnv) or not isinstance(inner.action_space, FreeText):
        raise InputError(f"rollout() plays environments with text actions, not {type(inner).__name__}")
    agent = make_agent(agent) if isinstance(agent, str) else agent
    env.reset(seed=seed, options=options)
    begin(agent, inner.episode, inner.scenario)
    over = False
    while not over:
        _, _, terminated, truncated, _ = env.step(agent.act(inner.messages()))
        over = terminated or truncated
    return inner.trajectory()


def rollouts(
    scenario: Scenario, agent: Agent, places: Sequence[tuple[str, int]], *, batch: int = 64
) -> Iterator[tuple[Trajectory, Reward]]:
    """Let an agent play many tasks, each a split and an index, and return each episode with its reward, in order.

    One that has ``act_batch(list of messages) -> list of str`` plays `batch` episodes at once, and their tools are
    called in batches; any other plays one after another.
    """
    together = getattr(agent, "act_batch", None)
    for start in range(0, len(places), batch if together else 1):
        episodes = [
            scenario.episode(scenario.task(split, index))
            for split, index in places[start : start + (batch if together else 1)]
        ]
        for episode in episodes:
            begin(agent, episode, scenario)
        while running := [episode for episode in episodes if not episode.over]:
            chats = [episode.messages() for episode in running]
            texts = together(chats) if together else [agent.act(chat) for chat in chats]
            apply_together(running, texts, scenario.toolbox)
        for episode in episodes:
            trajectory = episode.trajectory()
            yield trajectory, scenario.finish(trajectory)


def begin(agent: Agent, episode: Episode, scenario: Scenario) -> None:
    """Tell an agent that wants to know of the episode; the truth only to one that declares that it needs it."""
    tell = getattr(agent, "begin", None)
    if tell is None:
        return
    if getattr(agent, "needs_truth", False):
        tell(Brief(episode.task, episode.dialect, episode, scenario.score))
    else:
        tell(Brief(episode.task.public(), episode.dialect))
