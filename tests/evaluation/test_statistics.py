"""Intervals and tests: that they cover what they say, and know that the cases of one patient are not many."""

import numpy as np
import pytest

from medgym.evaluation.statistics import compare, estimate


def test_an_interval_covers_the_mean_as_often_as_it_says() -> None:
    rng = np.random.default_rng(1)
    covered = 0
    for _ in range(300):
        values = (rng.random(60) < 0.3).astype(float).tolist()
        found = estimate(values, list(range(60)))
        assert found is not None
        covered += found.low <= 0.3 <= found.high  # type: ignore[operator]
    assert 0.90 <= covered / 300 <= 0.98


def test_one_patient_s_images_are_no_independent_cases() -> None:
    rng = np.random.default_rng(0)
    patients = np.repeat(np.arange(20), 10)
    values = (rng.random(20) < 0.5).astype(float)[patients].tolist()
    apart, together = estimate(values, list(range(200))), estimate(values, patients.tolist())
    assert apart is not None
    assert together is not None
    assert apart.mean == together.mean
    assert (together.high - together.low) > 2 * (apart.high - apart.low)  # type: ignore[operator]


def test_too_little_says_so() -> None:
    assert estimate([], []) is None
    one = estimate([0.5], ["a"])
    assert one is not None
    assert (one.mean, one.low, one.n) == (0.5, None, 1)
    same = estimate([1.0, 1.0, 1.0], [1, 2, 3])
    assert same is not None
    assert (same.low, same.high) == (1.0, 1.0)


def test_a_difference_that_is_none_has_a_p_that_says_so() -> None:
    rng = np.random.default_rng(0)
    small = 0
    for _ in range(100):
        one, two = rng.normal(0, 1, (2, 40)).tolist()
        found = compare(one, two, list(range(40)))
        assert found is not None
        small += found.p < 0.05
    assert small <= 12
    better = compare((rng.normal(1, 1, 40)).tolist(), rng.normal(0, 1, 40).tolist(), list(range(40)))
    assert better is not None
    assert better.p < 0.01
    assert better.low is not None
    assert better.low > 0
    assert better.difference == pytest.approx(1, abs=0.6)


def test_equal_agents_do_not_differ() -> None:
    found = compare([1.0, 0.0, 1.0], [1.0, 0.0, 1.0], [1, 2, 3])
    assert found is not None
    assert (found.difference, found.p) == (0.0, 1.0)
