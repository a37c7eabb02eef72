"""Text in pixels, found without reading it: letters are thin, of one colour, and stand in a row on one line.

Strokes are what an opening (bright ones) or a closing (dark ones) takes away. Connected ones of a letter's size are
linked to their neighbours of like height and colour on the same line, and a row is text where its letters are many,
clear, close, on the line and alone. Nothing is trained, and nothing is read: a ruler or a scale may be text too, a
single L or R is not, and handwriting or letters under six pixels high are missed. `benchmarks/hygiene` measures it.
"""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy import ndimage
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from ..core.geometry import Box
from ..core.image import Pixels, grey

STROKE = 9
"""Strokes are thinner than this, in pixels; thicker letters are found at half the size."""
CLEAR = (40, 90, 160)
"""By how many grey levels a stroke differs from what is around it: tried in turn, for the higher part what touches."""
HEIGHTS = (5, 64)
LETTERS = 4
"""The fewest letters of a row."""
ENOUGH = 1.0
"""The evidence from which a row is text: that of four well set letters of half the greatest contrast."""
BLOCK = 2048
"""Letters whose neighbours are looked for at once: of a grid of 30,000 dots, all pairs are over a gigabyte."""
SIDES = (400, 1280)
"""Smaller images are looked at doubled, larger ones made smaller."""


class _Letters(NamedTuple):
    """What may be letters, left to right, and the strokes of all else.

    Attributes:
        boxes: ``(N, 4)``.
        areas: how many pixels each has.
        levels: the grey level of each.
        contrasts: how far that is from what is around.
        strokes: where strokes are, ``(H, W)``.
    """

    boxes: NDArray[np.int64]
    areas: NDArray[np.int64]
    levels: NDArray[np.float64]
    contrasts: NDArray[np.float64]
    strokes: NDArray[np.bool_]

    def of(self, which: NDArray[np.intp]) -> "_Letters":
        return _Letters(self.boxes[which], self.areas[which], self.levels[which], self.contrasts[which], self.strokes)

    @property
    def box(self) -> tuple[int, int, int, int]:
        (x1, y1), (x2, y2) = self.boxes[:, :2].min(axis=0), self.boxes[:, 2:].max(axis=0)
        return int(x1), int(y1), int(x2), int(y2)

    @property
    def heights(self) -> NDArray[np.int64]:
        return self.boxes[:, 3] - self.boxes[:, 1]


def lines_of_text(pixels: Pixels) -> list[Box]:
    """Return where rows of letters are, the surest first, in the pixels of the image; none where there is no text.

    Args:
        pixels: ``(H, W)`` or ``(H, W, 3) uint8``.
    """
    image = Image.fromarray(np.ascontiguousarray(grey(pixels)))
    found: list[tuple[float, Box]] = []
    for scaled in _sizes(image):
        x, y = image.width / scaled.width, image.height / scaled.height
        for row in _rows(np.asarray(scaled)):
            sure = _evidence(row)
            if sure >= ENOUGH:
                x1, y1, x2, y2 = row.box
                found.append((sure, (float(x1 * x), float(y1 * y), float(x2 * x), float(y2 * y))))
    return [box for _, box in sorted(found, reverse=True)]


def _sizes(image: Image.Image) -> Iterator[Image.Image]:
    """Iterate the image at the size it is looked at, and at half of it."""
    longest = max(image.size)
    scale = 2.0 if longest < SIDES[0] else min(1.0, SIDES[1] / longest)
    for factor in (scale, scale / 2):
        size = (round(image.width * factor), round(image.height * factor))
        if min(size) >= 2 * STROKE:
            yield image.resize(size, Image.Resampling.BILINEAR)


def _rows(values: Pixels) -> Iterator[_Letters]:
    for shown in (values, 255 - values):
        strokes = shown - _opened(shown)
        for clear in CLEAR:
            letters = _letters(shown, strokes, clear)
            if len(letters.boxes) >= LETTERS:
                yield from _linked(letters)


def _opened(values: Pixels) -> Pixels:
    """Take away what is brighter than its surroundings and thinner than a stroke."""
    return _extreme(_extreme(values, np.minimum), np.maximum)


def _extreme(values: Pixels, pick: np.ufunc) -> Pixels:
    """Take the least or greatest in a square of `STROKE` pixels: by doubling, ten times as fast as a filter of rank."""
    reach = STROKE // 2
    padded = np.pad(values, reach, mode="edge")
    for axis in (0, 1):
        spans = np.moveaxis(padded, axis, 0)
        width = 1
        while width < STROKE:
            step = min(width, STROKE - width)
            spans = pick(spans[:-step], spans[step:])
            width += step
        padded = np.moveaxis(spans, 0, axis)
    return padded


def _letters(shown: Pixels, strokes: Pixels, clear: int) -> _Letters:
    """Find what is of a letter's size and not too sparse."""
    inside = strokes > clear
    labels, _ = ndimage.label(inside)
    corners = [(x.start, y.start, x.stop, y.stop) for y, x in ndimage.find_objects(labels)]
    boxes = np.array(corners, np.int64).reshape(-1, 4)
    width, height = boxes[:, 2] - boxes[:, 0], boxes[:, 3] - boxes[:, 1]
    of = labels[inside]
    areas = np.bincount(of, minlength=len(boxes) + 1)[1:]
    fits = (height >= HEIGHTS[0]) & (height <= HEIGHTS[1]) & (width <= 2.2 * height)
    fits &= (areas >= 6) & (areas >= 0.18 * width * height)
    order = np.flatnonzero(fits)[np.argsort(boxes[fits, 0], kind="stable")]
    levels, contrasts = (_bright(values[inside], of, areas) for values in (shown, strokes))
    return _Letters(boxes[order], areas[order], levels[order], contrasts[order], inside)


def _bright(levels: NDArray[np.uint8], of: NDArray[np.int32], areas: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return the level that four fifths of each part's pixels do not exceed: its colour, past softened edges."""
    ordered = np.sort(of.astype(np.int64) * 256 + levels) % 256
    places = np.cumsum(areas) - areas + (0.8 * (areas - 1)).astype(np.int64)
    return np.asarray(ordered[places], np.float64)


def _linked(letters: _Letters) -> Iterator[_Letters]:
    """Link letters to those on their right that may be of the same row."""
    count = len(letters.boxes)
    found = [_neighbours(letters, start, min(start + BLOCK, count)) for start in range(0, count, BLOCK)]
    first, second = (np.concatenate(each) for each in zip(*found, strict=True))
    pairs = coo_array((np.ones(len(first), bool), (first, second)), shape=(count, count))
    _, row = connected_components(pairs, directed=False)
    for number in np.flatnonzero(np.bincount(row) >= LETTERS):
        yield letters.of(np.flatnonzero(row == number))


def _neighbours(letters: _Letters, start: int, stop: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return pairs of the letters from `start` to `stop` with those on their right in the same row."""
    boxes, heights = letters.boxes, letters.heights
    own = np.arange(start, stop)
    ends = np.searchsorted(boxes[:, 0], boxes[own, 2] + 2 * heights[own], side="right")
    first = np.repeat(own, np.maximum(ends - own - 1, 0))
    second = np.concatenate([np.arange(at + 1, max(end, at + 1)) for at, end in zip(own, ends, strict=True)])
    tall, low = np.maximum(heights[first], heights[second]), np.minimum(heights[first], heights[second])
    gap = boxes[second, 0] - boxes[first, 2]
    off = np.abs(boxes[second] - boxes[first])
    # Letters with tails share the line above, all others the one below.
    level = np.minimum(off[:, 1], off[:, 3]) <= np.maximum(1, 0.12 * tall)
    alike = (low >= 0.6 * tall) & (np.abs(letters.levels[second] - letters.levels[first]) <= 18)
    near = level & alike & (gap <= 1.1 * tall) & (gap >= -0.25 * tall)
    return first[near], second[near]


def _evidence(row: _Letters) -> float:
    """Weigh a row: each letter counts by its contrast; all count less that are wide apart, off the line or not alone.

    Of noise and speckle, little of what is in a row's box falls into the row.
    """
    x1, y1, x2, y2 = row.box
    alone = float(row.areas.sum() / row.strokes[y1:y2, x1:x2].sum())
    height = float(np.percentile(row.heights, 75))
    bottoms = row.boxes[:, 3]
    off = float(np.minimum(np.abs(bottoms - np.median(bottoms)) / height, 0.3).mean())
    gap = float(np.median(np.maximum(row.boxes[1:, 0] - row.boxes[:-1, 2], 0))) / height
    weight = (len(bottoms) - 1) * float(np.median(row.contrasts)) / 255
    return weight * max(0.0, 1 - 4 * off) * max(0.0, 1 - gap) * max(0.0, 2 * alone - 1)
