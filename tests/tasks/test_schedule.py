"""A difficulty that follows the policy: up on success, down on failure, never beyond its ends."""

from collections import Counter

import numpy as np

from medgym.tasks.schedule import Schedule


def test_it_rises_and_falls_a_level_at_a_time():
    schedule = Schedule(3, window=4)
    levels = []
    for right in [True] * 12 + [False] * 12:
        schedule.record(schedule.level, right)
        levels.append(schedule.level)
    assert levels == [0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2, 2, 2, 2, 2, 1, 1, 1, 1, 0, 0, 0, 0, 0]


def test_middling_success_stays():
    schedule = Schedule(4, window=10)
    for i in range(100):
        schedule.record(schedule.level, i % 2 == 0)
    assert schedule.level == 0


def test_other_levels_say_nothing_of_this_one():
    schedule = Schedule(4, window=4)
    schedule.level = 2
    for _ in range(50):
        schedule.record(1, True)
    assert schedule.level == 2


def test_easier_tasks_are_not_forgotten():
    schedule = Schedule(4, easier=0.25)
    schedule.level = 3
    rng = np.random.default_rng(0)
    drawn = Counter(schedule.draw(rng) for _ in range(1000))
    assert 700 < drawn[3] < 800
    assert set(drawn) == {0, 1, 2, 3}
