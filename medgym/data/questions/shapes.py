"""What decoded pixels say of a structure: where it lies, how many parts it has, how long it is."""

from typing import NamedTuple

import numpy as np
from scipy import ndimage

from ...core.geometry import Box
from ...core.mask import Bits

TOUCHING = np.ones((3, 3), bool)
"""Pixels that meet at a corner belong to one part."""


class Parts(NamedTuple):
    """A structure's separate parts.

    Attributes:
        boxes: of each part, upper bound excluded, in the order of rows.
        fault: why their number is open to doubt, or nothing.
    """

    boxes: tuple[Box, ...]
    fault: str = ""


def centre(bits: Bits) -> tuple[float, float]:
    """Return the mean of all pixels, as shares of width and height."""
    rows, columns = np.nonzero(bits)
    return (columns.mean() + 0.5) / bits.shape[1], (rows.mean() + 0.5) / bits.shape[0]


def inmost(bits: Bits) -> tuple[int, int]:
    """Return the point farthest from a structure's border, in whole percents of width and height."""
    depth = ndimage.distance_transform_edt(np.pad(bits, 1))[1:-1, 1:-1]
    row, column = np.unravel_index(int(depth.argmax()), depth.shape)
    height, width = bits.shape
    return round(100 * (int(column) + 0.5) / width), round(100 * (int(row) + 0.5) / height)


def around(bits: Bits, point: tuple[int, int], reach: float) -> Bits:
    """Return the pixels within `reach` pixels of a point in percents, a square of them."""
    height, width = bits.shape
    x, y = point[0] * width / 100, point[1] * height / 100
    left, top = max(0, int(x - reach)), max(0, int(y - reach))
    return bits[top : int(y + reach) + 1, left : int(x + reach) + 1]


def cut_off(bits: Bits) -> bool:
    """Whether a structure reaches the image's border, beyond which it may go on."""
    return bool(bits[0].any() or bits[-1].any() or bits[:, 0].any() or bits[:, -1].any())


def parts(bits: Bits, clear: float) -> Parts:
    """Count the parts; where shrinking or growing by `clear` pixels changes their number, two of them may touch."""
    labels, count = ndimage.label(bits, TOUCHING)
    boxes = tuple(
        (float(x.start), float(y.start), float(x.stop), float(y.stop)) for y, x in ndimage.find_objects(labels)
    )
    inner = ndimage.distance_transform_edt(np.pad(bits, 1)) > clear
    outer = ndimage.distance_transform_edt(np.pad(~bits, int(clear) + 2, constant_values=True)) <= clear
    counts = [int(ndimage.label(each, TOUCHING)[1]) for each in (inner, outer)]
    if counts != [count, count]:
        return Parts(boxes, f"{counts[1]} to {count if counts[0] == count else counts[0]} parts, as one looks")
    return Parts(boxes)
