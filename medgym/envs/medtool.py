"""MedToolEnv: look at a medical image, call tools on it, answer."""

from typing import Any

import gymnasium as gym
import numpy as np
from numpy.typing import NDArray

from ..core.episode import Episode
from ..core.errors import InputError
from ..core.trajectory import Snapshot, Trajectory
from ..rewards.recipe import Reward
from ..spec import made
from .render import as_image, as_text
from .scenario import Scenario, place_in
from .spaces import FreeText, letterbox, observation_space, place

Observation = dict[str, Any]


class MedToolEnv(gym.Env[Observation, Any]):
    """An episode is one question about a medical image.

    ## Action
    Text, in the dialect's form. In ``hermes``: ``<think>…</think>``, then calls
    ``<tool_call>{"name": …, "arguments": {…}}</tool_call>`` or one ``<answer>…</answer>``. Anything else is
    an unusable action: the policy is told why, and the episode goes on until there are too many.

    ## Observation
    | key   | space                                 | what                                                |
    |-------|---------------------------------------|-----------------------------------------------------|
    | image | `Box(0, 255, (S, S, 3), uint8)`       | the newest view at the upper left, black around; S is view_size |
    | text  | `FreeText`                            | the newest message; first, prompt and question      |
    | view  | `Box(0, 2**20, (7,), float32)`        | number, width, height, and the box of the original it shows |

    `messages()` is the whole chat with all images, as vision-language models take it.

    ## Rewards
    0 until the end, then the total of the reward recipe; ``info["rewards"]`` has its components.

    ## Termination
    By an answer, by a call made before (same tool, same arguments), or by ``max_unusable`` unusable actions.
    Truncated after ``max_turns`` actions. ``info["end_reason"]`` says which.

    ## Reset
    ``options={"split": …, "index": …}`` name a task; without an index one is drawn by the seed. The same
    (task_seed, split, index) is the same task in every process, among the same kinds.
    """

    metadata: dict[str, Any] = {"render_modes": ["rgb_array", "ansi"], "render_fps": 1}  # noqa: RUF012 - as gymnasium declares it

    def __init__(self, render_mode: str | None = None, **scenario: Any) -> None:
        """Make the environment; the arguments are those of `Scenario`.

        Raises:
            InputError: names the argument that is wrong and what was expected.
        """
        if render_mode not in (None, *self.metadata["render_modes"]):
            raise InputError(f"render_mode is one of {self.metadata['render_modes']}, not {render_mode!r}")
        self.scenario: Scenario = made(Scenario, scenario, "the environment")
        self.render_mode = render_mode
        self.observation_space: gym.Space[Observation] = observation_space(self.scenario.view_size)
        self.action_space: gym.Space[Any] = FreeText()
        self._episode: Episode | None = None
        self._reward: Reward | None = None

    @property
    def episode(self) -> Episode:
        """The running episode.

        Raises:
            InputError: before the first reset.
        """
        if self._episode is None:
            raise InputError("call reset() first")
        return self._episode

    @property
    def reward(self) -> Reward | None:
        """What the finished episode earned, each component with its reason; None while it runs."""
        return self._reward

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Observation, dict[str, Any]]:
        """Begin an episode, on the task that `options` name or on one drawn by the seed."""
        super().reset(seed=seed)
        split, index = place_in(options, self.scenario.split)
        if index is None:
            index = self.scenario.draw(split, self.np_random)
        self._episode = self.scenario.episode(self.scenario.task(split, index))
        self._reward = None
        return self._observe(), self.scenario.info(self._episode)

    def step(self, action: Any) -> tuple[Observation, float, bool, bool, dict[str, Any]]:
        """Take one action."""
        episode = self.episode
        episode.apply(self._as_text(action))
        if episode.over:
            self._reward = self.scenario.finish(episode.trajectory())
        total = self._reward.total if self._reward else 0.0
        ended = episode.over and not episode.truncated
        return self._observe(), total, ended, episode.truncated, self.scenario.info(episode, self._reward)

    def messages(self) -> list[dict[str, Any]]:
        """Return the chat so far with PIL images, in the form chat templates of VLMs take."""
        return self.episode.messages()

    def trajectory(self) -> Trajectory:
        """Return the episode as rewards and reports read it; it holds the truth, so it is not for policies."""
        return self.episode.trajectory()

    def snapshot(self) -> Snapshot:
        """Return the episode's state, without truth; it can be pickled."""
        return self.episode.snapshot()

    def restore(self, state: Snapshot) -> tuple[Observation, dict[str, Any]]:
        """Go to a state that `snapshot` returned, here or in an environment of the same configuration.

        Behind gymnasium's wrappers, which insist on it, reset a new environment once before.

        Raises:
            InputError: where this environment has another task at that place.
        """
        episode = self.scenario.episode(self.scenario.task(state.split, state.index))
        episode.restore(state)
        self._episode = episode
        self._reward = self.scenario.score(episode.trajectory()) if episode.over else None
        return self._observe(), self.scenario.info(episode, self._reward)

    def render(self) -> Any:
        """Return the views so far with boxes, masks and reward, as an image or as text."""
        if self.render_mode == "rgb_array":
            return as_image(self.episode.trajectory(), self._reward)
        if self.render_mode == "ansi":
            return as_text(self.episode.trajectory(), self._reward)
        return None

    def _as_text(self, action: Any) -> str:
        return action  # type: ignore[no-any-return]

    def _observe(self) -> Observation:
        view = self.episode.views[-1]
        return {"image": self._picture(), "text": self.episode.newest_text, "view": place(view)}

    def _picture(self) -> NDArray[np.uint8]:
        canvas = np.empty((self.scenario.view_size, self.scenario.view_size, 3), np.uint8)
        letterbox(self.episode.views[-1], canvas)
        return canvas
