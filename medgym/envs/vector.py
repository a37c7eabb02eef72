"""Many episodes in one process: a step's calls reach the tools as one batch, and no action is lost."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from gymnasium.utils import seeding
from gymnasium.vector import AutoresetMode, VectorEnv
from gymnasium.vector.utils import batch_space
from numpy.typing import NDArray

from ..core.episode import Episode, apply_together
from ..core.errors import InputError
from ..core.trajectory import Trajectory
from ..rewards.recipe import Reward
from ..spec import made
from .medtool import MedToolEnv
from .render import as_image, as_text
from .scenario import Scenario, place_in
from .spaces import FreeText, letterbox, observation_space, place

Flags = NDArray[np.bool_]
COPIED = 256 << 20
"""Batched observations of more bytes are written in place by default, so that they exist once."""


class MedToolVectorEnv(VectorEnv[dict[str, Any], Any, Any]):
    """`num_envs` episodes of one `Scenario`, as ``gym.make_vec("MedTool-v0", num_envs=…)`` makes them.

    Observations, rewards and seeds are those of the synchronous vector of `MedToolEnv`. Besides,

    - ``reset(options={"index": […], "split": […]})`` takes one value for all or one for each: a group of
      rollouts on one task is ``{"index": 3}``.
    - by default (``autoreset_mode="SameStep"``) a finished episode is followed by the next task within the
      same step, its end in ``info["final_obs"]`` and ``info["final_info"]``. With ``"Disabled"`` it stays
      finished until ``reset(options={"reset_mask": …})``, and takes None for an action.
      An autoreset draws from the environment's `split`, whatever split the last reset named.
    - `messages` and `trajectories` have one entry for each episode; `finished` has the trajectory and the reward of
      each sub-environment that ended in the last step.

    Args:
        autoreset_mode: one of Gymnasium's `AutoresetMode`, or its value.
        copy: whether each returned ``image`` is an array of its own; by default it is up to 256 MiB, and
            beyond that the same array is written again at each step.
        scenario: the arguments of `Scenario`.
    """

    def __init__(
        self,
        num_envs: int = 1,
        *,
        autoreset_mode: AutoresetMode | str = AutoresetMode.SAME_STEP,
        copy: bool | None = None,
        render_mode: str | None = None,
        **scenario: Any,
    ) -> None:
        super().__init__()
        if isinstance(num_envs, bool) or not isinstance(num_envs, int) or num_envs < 1:
            raise InputError(f"num_envs is a whole number from 1, not {num_envs!r}")
        try:
            self.autoreset_mode = AutoresetMode(autoreset_mode)
        except ValueError:
            modes = ", ".join(repr(mode.value) for mode in AutoresetMode)
            raise InputError(f"autoreset_mode is one of {modes}, not {autoreset_mode!r}") from None
        if render_mode not in (None, *MedToolEnv.metadata["render_modes"]):
            raise InputError(f"render_mode is one of {MedToolEnv.metadata['render_modes']}, not {render_mode!r}")
        self.scenario: Scenario = made(Scenario, scenario, "the environment")
        self.num_envs = num_envs
        self.render_mode = render_mode
        self.metadata = {**MedToolEnv.metadata, "autoreset_mode": self.autoreset_mode}
        self.single_observation_space = observation_space(self.scenario.view_size)
        self.single_action_space = FreeText()
        self.observation_space = batch_space(self.single_observation_space, num_envs)
        self.action_space = batch_space(self.single_action_space, num_envs)
        size = self.scenario.view_size
        self._images = np.zeros((num_envs, size, size, 3), np.uint8)
        self._copy = self._images.nbytes <= COPIED if copy is None else copy
        self._drawn: list[Any] = [None] * num_envs
        self._episodes: list[Episode | None] = [None] * num_envs
        self._rewards: list[Reward | None] = [None] * num_envs
        self._rngs: list[np.random.Generator | None] = [None] * num_envs
        self.finished: dict[int, tuple[Trajectory, Reward]] = {}

    @property
    def episodes(self) -> list[Episode]:
        """The current episode of each sub-environment; under ``"SameStep"`` a finished one has given way.

        Raises:
            InputError: before the first reset.
        """
        started = [episode for episode in self._episodes if episode is not None]
        if len(started) < self.num_envs:
            raise InputError("call reset() first")
        return started

    def reset(
        self, *, seed: int | Sequence[int | None] | None = None, options: dict[str, Any] | None = None
    ) -> tuple[dict[str, Any], dict[str, Any]]:
        """Begin episodes in all sub-environments, or in those of ``options["reset_mask"]``.

        A seed s is s for the first sub-environment, s + 1 for the second and so on.
        """
        options = dict(options or {})
        mask = self._mask(options.pop("reset_mask", None))
        seeds = self._seeds(seed)
        each = self._spread(options)
        chosen = np.flatnonzero(mask).tolist()
        if self._episodes.count(None) and len(chosen) < self.num_envs:
            raise InputError("the first reset is of all sub-environments")
        rngs = {i: seeding.np_random(seeds[i])[0] if seeds[i] is not None else self._rngs[i] for i in chosen}
        begun = {i: self._new(rngs[i], each[i]) for i in chosen}
        infos: dict[str, Any] = {}
        for i, (episode, rng) in begun.items():
            self._episodes[i], self._rngs[i], self._rewards[i] = episode, rng, None
            infos = self._add_info(infos, self._info(i), i)
        self.finished = {}
        return self._observe(), infos

    def step(
        self, actions: Sequence[str | None]
    ) -> tuple[dict[str, Any], NDArray[np.float64], Flags, Flags, dict[str, Any]]:
        """Take one action in each sub-environment; all calls of tools are made in one batch."""
        episodes = self.episodes
        if isinstance(actions, str) or len(actions) != self.num_envs:
            raise InputError(f"there are {self.num_envs} sub-environments; pass as many actions, each a str")
        again = [i for i, episode in enumerate(episodes) if episode.over and self._next_step]
        acting = [i for i in range(self.num_envs) if i not in set(again) and not self._rests(i, actions[i])]
        self._act(acting, actions)
        terminated = np.array([e.over and not e.truncated for e in episodes], np.bool_)
        truncated = np.array([e.truncated for e in episodes], np.bool_)
        rewards = np.zeros(self.num_envs)
        infos: dict[str, Any] = {}
        for i in again:
            self._begin(i)
            terminated[i] = truncated[i] = False
        for i in acting:
            earned = self._rewards[i]
            rewards[i] = earned.total if earned else 0.0
        for i in range(self.num_envs):
            if episodes[i].over and self.autoreset_mode is AutoresetMode.SAME_STEP:
                ending = {"final_obs": self._observe_one(i), "final_info": self._info(i)}
                infos = self._add_info(infos, ending, i)
                self._begin(i)
            infos = self._add_info(infos, self._info(i), i)
        return self._observe(), rewards, terminated, truncated, infos

    def messages(self) -> list[list[dict[str, Any]]]:
        """Return each chat so far, with PIL images, in the form chat templates of VLMs take."""
        return [episode.messages() for episode in self.episodes]

    def trajectories(self) -> list[Trajectory]:
        """Return each episode as rewards and reports read it; they hold the truth."""
        return [episode.trajectory() for episode in self.episodes]

    def render(self) -> tuple[Any, ...] | None:
        """Return the render of each sub-environment."""
        drawn = {"rgb_array": as_image, "ansi": as_text}.get(self.render_mode or "")
        if drawn is None:
            return None
        return tuple(drawn(e.trajectory(), r) for e, r in zip(self.episodes, self._rewards, strict=True))

    @property
    def _next_step(self) -> bool:
        return self.autoreset_mode is AutoresetMode.NEXT_STEP

    def _rests(self, i: int, action: str | None) -> bool:
        """Whether a finished sub-environment is left alone; an action for it would be lost, so it is refused."""
        if not self.episodes[i].over:
            return False
        if action is None:
            return True
        raise InputError(f"sub-environment {i} is finished: reset it, or pass None for its action")

    def _act(self, acting: list[int], actions: Sequence[str | None]) -> None:
        for i in acting:
            if not isinstance(actions[i], str):
                raise InputError(f"action {i} is a str, not {type(actions[i]).__name__}")
        episodes = self.episodes
        self.finished = {}
        apply_together([episodes[i] for i in acting], [actions[i] or "" for i in acting], self.scenario.toolbox)
        for i in acting:
            if episodes[i].over:
                trajectory = episodes[i].trajectory()
                reward = self._rewards[i] = self.scenario.finish(trajectory)
                self.finished[i] = trajectory, reward

    def _begin(self, i: int) -> None:
        self._episodes[i], self._rngs[i] = self._new(self._rngs[i], {})
        self._rewards[i] = None

    def _new(
        self, rng: np.random.Generator | None, options: dict[str, Any]
    ) -> tuple[Episode, np.random.Generator | None]:
        """Make an episode on the task that `options` name, or on one drawn by `rng`; changes nothing else."""
        split, index = place_in(options, self.scenario.split)
        if index is None:
            rng = rng or seeding.np_random(None)[0]
            index = self.scenario.draw(split, rng)
        return self.scenario.episode(self.scenario.task(split, index)), rng

    def _info(self, i: int) -> dict[str, Any]:
        episode = self._episodes[i]
        return self.scenario.info(episode, self._rewards[i]) if episode else {}

    def _observe(self) -> dict[str, Any]:
        """Write what changed since the last observation; equal views are never drawn again."""
        places = np.zeros((self.num_envs, 7), np.float32)
        for i, episode in enumerate(self.episodes):
            view = episode.views[-1]
            places[i] = place(view)
            if self._drawn[i] is not view:
                letterbox(view, self._images[i])
                self._drawn[i] = view
        texts = tuple(episode.newest_text for episode in self.episodes)
        return {"image": self._images.copy() if self._copy else self._images, "text": texts, "view": places}

    def _observe_one(self, i: int) -> dict[str, Any]:
        view = self.episodes[i].views[-1]
        canvas = np.zeros(self._images.shape[1:], np.uint8)
        letterbox(view, canvas)
        return {"image": canvas, "text": self.episodes[i].newest_text, "view": place(view)}

    def _mask(self, mask: Any) -> Flags:
        if mask is None:
            return np.ones(self.num_envs, np.bool_)
        flags = np.asarray(mask)
        if flags.shape != (self.num_envs,) or flags.dtype != np.bool_ or not flags.any():
            raise InputError(f"reset_mask is a bool array of shape ({self.num_envs},) with at least one True")
        return flags

    def _seeds(self, seed: int | Sequence[int | None] | None) -> Sequence[int | None]:
        if seed is None or isinstance(seed, (int, np.integer)):
            return [None if seed is None else int(seed) + i for i in range(self.num_envs)]
        if len(seed) != self.num_envs:
            raise InputError(f"seeds are one number or {self.num_envs}, not {len(seed)}")
        return seed

    def _spread(self, options: dict[str, Any]) -> list[dict[str, Any]]:
        """Give each sub-environment its own options: a list has one value for each."""
        each: list[dict[str, Any]] = [{} for _ in range(self.num_envs)]
        for key, value in options.items():
            values = value if isinstance(value, (list, tuple, np.ndarray)) else [value] * self.num_envs
            if len(values) != self.num_envs:
                raise InputError(f"{key} is one value or {self.num_envs}, not {len(values)}")
            for own, one in zip(each, values, strict=True):
                own[key] = one
        return each
