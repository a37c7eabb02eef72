"""A schedule of difficulty that rises with the policy's success."""

from collections import deque

import numpy as np


class Schedule:
    """Which difficulty to draw next: up when a policy mostly succeeds at its level, down when it mostly fails.

    Attributes:
        level: the difficulty drawn most often, from 0.
    """

    def __init__(
        self, levels: int, *, up: float = 0.7, down: float = 0.2, window: int = 64, easier: float = 0.2
    ) -> None:
        """Begin at level 0.

        Args:
            levels: how many there are.
            up: the share of successes above which the level rises.
            down: the share below which it falls.
            window: how many episodes at a level are looked at before it may change.
            easier: the share of tasks drawn from the levels below, so that they are not forgotten.
        """
        self.level = 0
        self._levels, self._up, self._down, self._easier = levels, up, down, easier
        self._recent: deque[bool] = deque(maxlen=window)

    def draw(self, rng: np.random.Generator) -> int:
        """Draw a difficulty."""
        if self.level and rng.random() < self._easier:
            return int(rng.integers(self.level))
        return self.level

    def record(self, level: int, success: bool) -> None:
        """Take note of an episode; those at other levels than the present one change nothing."""
        if level != self.level:
            return
        self._recent.append(success)
        if len(self._recent) < (self._recent.maxlen or 1):
            return
        share = sum(self._recent) / len(self._recent)
        step = (share > self._up and self.level + 1 < self._levels) - (share < self._down and self.level > 0)
        if step:
            self.level += step
            self._recent.clear()
