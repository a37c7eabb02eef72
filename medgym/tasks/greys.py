"""From values to greys: what a screen shows of an image that holds more than a byte a pixel."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..core.image import Pixels

Values = NDArray[Any]


@dataclass(frozen=True)
class Linear:
    """Shows values from `low` as black to `high` as white."""

    low: float
    high: float
    inverted: bool = False

    def __call__(self, values: Values) -> Pixels:
        """Return ``uint8``; what is no number is as `low`."""
        low, high = self.low, self.high
        if values.dtype == np.uint8 and (low, high) == (0.0, 255.0):
            return 255 - values if self.inverted else values
        exact = np.nan_to_num(np.asarray(values, np.float64), nan=low, posinf=high, neginf=low)
        shown = to_bytes((exact - low) * (255 / (high - low) if high > low else 0.0))
        return 255 - shown if self.inverted else shown


@dataclass(frozen=True)
class Window:
    """Shows values through a window of DICOM (PS3.3 C.11.2.1.2 and .3)."""

    centre: float
    width: float
    form: str = "LINEAR"
    inverted: bool = False

    def __call__(self, values: Values) -> Pixels:
        """Return ``uint8``."""
        exact = np.asarray(values, np.float64)
        if self.form == "SIGMOID":
            shown = to_bytes(255 / (1 + np.exp(-4 * (exact - self.centre) / self.width)))
        else:
            half = 0.5 if self.form == "LINEAR" else 0.0
            shown = to_bytes(((exact - self.centre + half) / max(self.width - 2 * half, 1e-9) + 0.5) * 255)
        return 255 - shown if self.inverted else shown


def fitting(values: Values) -> Linear:
    """Return what shows values as they are where they fill 0 to 255, else stretched."""
    if values.dtype == np.uint8:
        return Linear(0.0, 255.0)
    exact = np.asarray(values, np.float64)
    return Linear(0.0, 255.0) if exact.min() >= 0 and 1 < exact.max() <= 255 else stretching(exact)


def stretching(values: Values) -> Linear:
    """Return what stretches the 0.5th to 99.5th percentile; of an image nearly all of one value, the extremes."""
    exact = np.asarray(values, np.float64)
    finite = exact[np.isfinite(exact)]
    if not finite.size:
        return Linear(0.0, 0.0)
    low, high = np.percentile(finite, (0.5, 99.5))
    if low == high:
        low, high = finite.min(), finite.max()
    return Linear(float(low), float(high))


def fitted(values: Values) -> Pixels:
    """Show values as they are where they fill 0 to 255, else stretch them; alpha goes on black."""
    if values.ndim == 3 and values.shape[2] == 4:
        return to_bytes(fitted(values[..., :3]) * (values[..., 3:] / 255.0))
    return fitting(values)(values)


def to_bytes(exact: NDArray[np.float64]) -> Pixels:
    """Round to whole numbers from 0 to 255."""
    return np.rint(np.clip(exact, 0, 255)).astype(np.uint8)
