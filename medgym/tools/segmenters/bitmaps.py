"""Small copies of images and bitmaps over them: opened, filled, made large again."""

import numpy as np
from numpy.typing import NDArray
from PIL import Image as Pillow
from scipy import ndimage

from ...core.image import Pixels
from ...core.mask import Bits

Field = NDArray[np.float32]


def small(pixels: Pixels, size: tuple[int, int]) -> Field:
    """Return ``(h, w, C) float32`` values of a crop, re-sampled to `size` (width, height)."""
    picture = Pillow.fromarray(np.ascontiguousarray(pixels))
    values = np.asarray(picture.resize(size, Pillow.Resampling.BOX), np.float32)
    return values if values.ndim == 3 else values[..., None]


def eroded(bits: Bits, times: int = 1) -> Bits:
    """Take the outermost pixels off, also at the array's edge: a cross, quicker than ndimage's."""
    for _ in range(times):
        inner = bits.copy()
        inner[[0, -1]] = inner[:, [0, -1]] = False
        for one, other in _beside(inner, bits):
            one &= other
        bits = inner
    return bits


def _grown(bits: Bits, times: int) -> Bits:
    """Add the pixels beside it: a cross."""
    for _ in range(times):
        outer = bits.copy()
        for one, other in _beside(outer, bits):
            one |= other
        bits = outer
    return bits


def _beside(one: Bits, other: Bits) -> list[tuple[Bits, Bits]]:
    """Pair each pixel of one with its neighbours in the other, a direction at a time."""
    return [(one[1:], other[:-1]), (one[:-1], other[1:]), (one[:, 1:], other[:, :-1]), (one[:, :-1], other[:, 1:])]


def opened(bits: Bits, times: int = 1) -> Bits:
    """Take off what is thinner than about twice as many pixels as `times`."""
    return _grown(eroded(bits, times), times)


def without_holes(bits: Bits) -> Bits:
    """Fill the holes: what the outside does not reach. A label of the rest is quicker than ndimage's own filling."""
    rest, _ = ndimage.label(np.pad(~bits, 1, constant_values=True).view(np.uint8), output=np.int32)
    return np.asarray(rest[1:-1, 1:-1] != rest[0, 0])


def enlarged(found: Bits, size: tuple[int, int]) -> Bits:
    """Return the bits at `size` (width, height), which is no smaller, with a smooth border."""
    height, width = found.shape
    if (width, height) == size:
        return found
    large = np.zeros((size[1], size[0]), bool)
    rows, columns = np.flatnonzero(found.any(1)), np.flatnonzero(found.any(0))
    if not len(rows):
        return large
    (top, bottom, y1, y2), (left, right, x1, x2) = _about(rows, height, size[1]), _about(columns, width, size[0])
    soft = Pillow.fromarray(ndimage.gaussian_filter(found[top:bottom, left:right].astype(np.float32), 0.7))
    across, down = width / size[0], height / size[1]
    box = (x1 * across - left, y1 * down - top, x2 * across - left, y2 * down - top)
    near = soft.resize((x2 - x1, y2 - y1), Pillow.Resampling.BILINEAR, box=box)
    large[y1:y2, x1:x2] = np.asarray(near) > 0.5
    return large


def _about(places: NDArray[np.intp], length: int, large: int) -> tuple[int, int, int, int]:
    """Return from where to where a smooth border takes pixels, and what they become in the large one."""
    first, last = int(places[0]), int(places[-1]) + 1
    ends = (first - 2) * large // length, -(-(last + 2) * large // length)
    return max(0, first - 5), min(length, last + 5), max(0, ends[0]), min(large, ends[1])
