"""What an agent is, and how one is found by name."""

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

from ..catalog import card, names
from ..core.dialects import Dialect
from ..core.episode import Episode
from ..core.errors import InputError, nearest
from ..core.task import Task
from ..core.trajectory import Trajectory
from ..rewards.recipe import Reward
from ..spec import imported, made, split_spec

Messages = list[dict[str, Any]]


class AgentError(Exception):
    """The agent could not act for a reason that is not its own decision, such as an endpoint that is gone.

    A harness counts the episode as failed and scores nothing.
    """


class Agent(Protocol):
    """Reads a chat, images included, and writes the next action.

    An agent may also have ``begin(brief)``, which is called before each episode.
    """

    def act(self, messages: Messages) -> str:
        """Write the next action."""
        ...


@dataclass(frozen=True)
class Brief:
    """What `begin` is told of an episode.

    Attributes:
        task: the task without its truth, unless the agent declares ``needs_truth``.
        dialect: how to write actions.
        episode: only for an agent that declares ``needs_truth``: the episode, to fork and try.
        score: likewise, the recipe.
    """

    task: Task
    dialect: Dialect
    episode: Episode | None = None
    score: Callable[[Trajectory], Reward] | None = None


@dataclass(frozen=True)
class AgentCard:
    """An agent with the dialect and the coordinates that it was made for."""

    name: str
    make: Callable[..., Agent]
    about: str = ""
    dialect: str = "hermes"
    coords: str = "pixel"


def load_agent(name: str) -> AgentCard:
    """Find an agent by the name or path of a card, or a user's own by ``module:Class`` or ``file.py:Class``.

    Settings follow the name, as in ``random:seed=3``.

    Raises:
        InputError: where there is none, or its card lacks a policy.
    """
    plain, settings = split_spec(name)
    if ":" in plain:
        return AgentCard(name, _with(imported(plain, "agent"), settings, name))
    if not plain.endswith(".toml") and plain not in names("agents"):
        raise InputError(f"unknown agent {plain!r}{nearest(plain, names('agents'))}, or 'file.py:Class' of your own")
    written = card("agents", plain)
    if "policy" not in written:
        raise InputError(f"agent card {plain!r} has no policy = 'module:Class'")
    own = {key: written[key] for key in ("about", "dialect", "coords") if key in written}
    return AgentCard(written["name"], _with(imported(written["policy"], "agent"), settings, name), **own)


def make_agent(name: str, seed: int = 0) -> Agent:
    """Make an agent by name; `seed` goes to one that takes it."""
    return load_agent(name).make(seed)


def _with(policy: Any, settings: dict[str, Any], name: str) -> Callable[[int], Agent]:
    def make(seed: int = 0) -> Agent:
        own = dict(settings)
        if "seed" in inspect.signature(policy).parameters:
            own.setdefault("seed", seed)
        agent: Agent = made(policy, own, f"agent {name!r}")
        if not callable(getattr(agent, "act", None)):
            raise InputError(f"agent {name!r} has no act(messages) method")
        return agent

    return make
