"""How sure a mean is, and whether two agents differ: bootstrap intervals and sign-flip tests over units."""

from collections.abc import Hashable, Sequence
from dataclasses import asdict, dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

RESAMPLES = 2000
FLIPS = 10_000
SEED = 0


@dataclass(frozen=True)
class Estimate:
    """A mean over `n` episodes with its 95 % interval; the interval is None over fewer than two units."""

    mean: float
    low: float | None
    high: float | None
    n: int

    def to_json(self) -> dict[str, Any]:
        """Return it as plain values."""
        return asdict(self)


def estimate(values: Sequence[float], units: Sequence[Hashable]) -> Estimate | None:
    """Return the mean and its percentile bootstrap interval (Efron 1979), resampling units; None for no value.

    Args:
        units: of each value what it was measured on; values of one unit, such as a patient, are drawn together.
    """
    if not values:
        return None
    sums, counts = _by_unit(values, units)
    low = high = None
    if len(sums) > 1:
        drawn = _resamples(len(sums))
        means = (drawn @ sums) / (drawn @ counts)
        low, high = (float(bound) for bound in np.percentile(means, (2.5, 97.5)))
    return Estimate(float(sums.sum() / counts.sum()), low, high, len(values))


@lru_cache(maxsize=4)
def _resamples(units: int) -> NDArray[np.float64]:
    """Return how often each of so many units is drawn in each resample; the same for all metrics."""
    drawn = np.random.default_rng(SEED).multinomial(units, np.full(units, 1 / units), RESAMPLES)
    return np.asarray(drawn, np.float64)


@dataclass(frozen=True)
class Difference:
    """By how much one agent beats another on the same `n` tasks, with its 95 % interval and p-value.

    Attributes:
        p: of the sign-flip permutation test, two-sided: how often as large a mean difference comes of chance.
    """

    difference: float
    low: float | None
    high: float | None
    p: float
    n: int

    def to_json(self) -> dict[str, Any]:
        """Return it as plain values."""
        return asdict(self)


def compare(one: Sequence[float], two: Sequence[float], units: Sequence[Hashable]) -> Difference | None:
    """Compare two agents task by task: values in the same order, of the same units."""
    apart = [a - b for a, b in zip(one, two, strict=True)]
    found = estimate(apart, units)
    if found is None:
        return None
    sums, _ = _by_unit(apart, units)
    signs = np.random.default_rng(SEED).choice((-1.0, 1.0), (FLIPS, len(sums)))
    by_chance = np.abs(signs @ sums) >= abs(sums.sum()) - 1e-9
    return Difference(found.mean, found.low, found.high, float((1 + by_chance.sum()) / (1 + FLIPS)), found.n)


def _by_unit(values: Sequence[float], units: Sequence[Hashable]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    places = {unit: i for i, unit in enumerate(dict.fromkeys(units))}
    at = [places[unit] for unit in units]
    sums = np.bincount(at, np.asarray(values, float), len(places))
    counts = np.bincount(at, minlength=len(places))
    return np.asarray(sums, np.float64), np.asarray(counts, np.float64)
