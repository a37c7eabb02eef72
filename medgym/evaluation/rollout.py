"""One agent plays one episode, or many at once."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import gymnasium as gym

from ..agents.agent import Agent, AgentError, Brief, Messages, make_agent
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

    Raises:
        AgentError: where the agent could not act.
    """
    for outcome in attempts(scenario, agent, places, batch=batch):
        if outcome.failed is not None:
            raise outcome.failed
        yield outcome.trajectory, scenario.finish(outcome.trajectory)


class Attempt(NamedTuple):
    """An episode as far as it came.

    Attributes:
        failed: why the agent could not act, where it could not.
        usage: what the agent spent on it, where it says.
    """

    trajectory: Trajectory
    failed: AgentError | None = None
    usage: Mapping[str, float] | None = None


def attempts(
    scenario: Scenario, agent: Agent, places: Sequence[tuple[str, int]], *, batch: int = 64
) -> Iterator[Attempt]:
    """Let an agent play many tasks, as `rollouts` does; an episode in which it could not act fails alone."""
    size = batch if hasattr(agent, "act_batch") else 1
    for start in range(0, len(places), size):
        episodes = [scenario.episode(scenario.task(*place)) for place in places[start : start + size]]
        failed: dict[int, AgentError] = {}
        before = dict(getattr(agent, "usage", {}))
        for episode in episodes:
            begin(agent, episode, scenario)
        while running := [i for i, episode in enumerate(episodes) if not episode.over and i not in failed]:
            written = _act(agent, [episodes[i].messages() for i in running])
            failed |= {i: text for i, text in zip(running, written, strict=True) if isinstance(text, AgentError)}
            acted = [(episodes[i], text) for i, text in zip(running, written, strict=True) if isinstance(text, str)]
            apply_together([episode for episode, _ in acted], [text for _, text in acted], scenario.toolbox)
        usage = _spent(before, getattr(agent, "usage", None), len(episodes))
        for i, episode in enumerate(episodes):
            yield Attempt(episode.trajectory(), failed.get(i), usage)


def _act(agent: Agent, chats: Sequence[Messages]) -> list[str | AgentError]:
    """Return the next action of each chat, or why there is none."""
    try:
        together = getattr(agent, "act_batch", None)
        written = list(together(chats)) if together else [agent.act(chat) for chat in chats]
    except AgentError as error:
        return [error] * len(chats)
    if len(written) != len(chats):
        raise InputError(f"act_batch returned {len(written)} actions for {len(chats)} chats")
    for text in written:
        if not isinstance(text, (str, AgentError)):
            raise InputError(f"an action is a str, not {type(text).__name__}")
    return written


def _spent(before: Mapping[str, float], after: Mapping[str, float] | None, episodes: int) -> dict[str, float] | None:
    """Share what an agent spent on a batch out among its episodes."""
    if after is None:
        return None
    return {name: (value - before.get(name, 0)) / episodes for name, value in after.items()}


def begin(agent: Agent, episode: Episode, scenario: Scenario) -> None:
    """Tell an agent that wants to know of the episode; the truth only to one that declares that it needs it."""
    tell = getattr(agent, "begin", None)
    if tell is None:
        return
    if getattr(agent, "needs_truth", False):
        tell(Brief(episode.task, episode.dialect, episode, scenario.score))
    else:
        tell(Brief(episode.task.public(), episode.dialect))
