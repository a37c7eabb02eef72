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
    """The agent could not act for a reason that is not its own decision: its server is down, refuses or talks nonsense.

    The harness counts the episode as failed, not as wrong. Its words are the reason.
    """


class Agent(Protocol):
    """Reads a chat, images included, and writes the next action.

    It may have more than `act`:

    - ``begin(brief)`` is called before each episode.
    - ``act_batch(chats)`` writes the next action of each of several chats, in their order. Where it could not act in
      one of them, an `AgentError` stands in that one's place, returned and not raised, and the others go on.
    - ``usage`` is a dict of numbers that only grow: what its actions took so far, such as ``prompt_tokens``, ``cost``
      and ``seconds``. A harness takes differences; those around an ``act_batch`` are of the whole batch.
    """

    def act(self, messages: Messages) -> str:
        """Write the next action.

        Raises:
            AgentError: where it cannot act; the episode then failed, and the next may go well.
            InputError: where it never will: what the user asked for cannot be used.
        """
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
    """An agent with the dialect and the coordinates that it was made for.

    Attributes:
        tools: those that it was made for; empty where it takes any.
    """

    name: str
    make: Callable[..., Agent]
    about: str = ""
    dialect: str = "hermes"
    coords: str = "pixel"
    tools: tuple[str, ...] = ()


OF_CARD = ("dialect", "coords", "tools")
"""What a card says of an agent besides its policy; settings after a name may say it too."""


def load_agent(name: str) -> AgentCard:
    """Find an agent by the name or path of a card, or a user's own by ``module:Class`` or ``file.py:Class``.

    Settings follow the name, as in ``random:seed=3``; they go before those of the card. `dialect`, `coords` and
    `tools` (``zoom_in+sam2``) are among them, unless the policy itself takes them.

    Raises:
        InputError: where there is none, or its card lacks a policy.
    """
    plain, settings = split_spec(name)
    if ":" in plain:
        return _carded(name, {"name": name, "policy": plain}, settings)
    if not plain.endswith(".toml") and plain not in names("agents"):
        raise InputError(f"unknown agent {plain!r}{nearest(plain, names('agents'))}, or 'file.py:Class' of your own")
    written = card("agents", plain)
    if "policy" not in written:
        raise InputError(f"agent card {plain!r} has no policy = 'module:Class'")
    known = ("name", "about", "policy", "settings", *OF_CARD)
    unknown = sorted(set(written) - set(known))
    if unknown:
        raise InputError(f"agent card {plain!r} has an unknown {unknown[0]!r}{nearest(unknown[0], known)}")
    return _carded(name, written, settings)


def make_agent(name: str, seed: int = 0) -> Agent:
    """Make an agent by name; `seed` goes to one that takes it."""
    return load_agent(name).make(seed)


def _carded(name: str, written: dict[str, Any], given: dict[str, Any]) -> AgentCard:
    policy = imported(written["policy"], "agent")
    settings = {**written.get("settings", {}), **given}
    takes = inspect.signature(policy).parameters
    of_card = {key: settings.pop(key) for key in OF_CARD if key in settings and key not in takes}
    own = {key: written[key] for key in ("about", *OF_CARD) if key in written} | of_card
    tools = own.pop("tools", ())
    own["tools"] = tuple(tools.split("+") if isinstance(tools, str) else tools)
    return AgentCard(written["name"], _with(policy, settings, name), **own)


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
