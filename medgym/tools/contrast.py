"""How grey levels are shown: window, gamma and local contrast of a whole image, ``(H, W)`` or ``(H, W, 3) uint8``."""

from collections.abc import Iterator
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray
from PIL import Image as Pillow

from ..core.image import Pixels, SourceImage, Values

TILES = 8
"""Local contrast is that of tiles, so many each way."""


def windowed(source: SourceImage, level: float, width: float) -> Pixels:
    """Show stored values, or grey levels where there are none, from level - width/2 as 0 to level + width/2 as 255."""
    values = source.values
    if values is None:
        table = _through(np.arange(256, dtype=np.float32), level, width)
        return np.asarray(table[source.pixels])
    pixels = _through(values, level, width)
    return 255 - pixels if source.inverted else pixels


def _through(values: Values, level: float, width: float) -> Pixels:
    """Map values to 0 to 255, rounded; what is no number, or beyond all bounds, is 0."""
    with np.errstate(over="ignore", invalid="ignore"):
        shown = values - np.float32(level - width / 2)
        shown *= np.float32(255 / width)
    np.clip(shown, 0, 255, out=shown)
    shown += np.float32(0.5)
    np.copyto(shown, 0, where=np.isnan(shown))
    return shown.astype(np.uint8)


def powered(source: SourceImage, gamma: float) -> Pixels:
    """Raise grey levels, from 0 to 1, to the power of `gamma`."""
    table = np.rint(255 * (np.arange(256) / 255) ** gamma).astype(np.uint8)
    return table[source.pixels]


def equalized(source: SourceImage, clip_limit: float) -> Pixels:
    """Equalise contrast locally (CLAHE, Zuiderveld 1994); of a colour image, that of its luminance."""
    pixels = source.pixels
    if pixels.ndim == 2:
        return clahe(pixels, clip_limit)
    light, *colour = Pillow.fromarray(pixels).convert("YCbCr").split()
    light = Pillow.fromarray(clahe(np.asarray(light), clip_limit))
    return np.asarray(Pillow.merge("YCbCr", (light, *colour)).convert("RGB"))


def clahe(grey: Pixels, clip_limit: float) -> Pixels:
    """Equalise ``(H, W) uint8`` by the histograms of `TILES` x `TILES` tiles, blended between their middles.

    No grey level counts for more than `clip_limit` times what it would if all were as frequent. scikit-image's
    takes five times as long.
    """
    height, width = grey.shape
    rows, columns = _edges(height), _edges(width)
    tables = np.array(
        [[_table(grey[y1:y2, x1:x2], clip_limit) for x1, x2 in pairwise(columns)] for y1, y2 in pairwise(rows)]
    )
    made: Pixels = np.empty_like(grey)
    for y, up, low, down in _bands(rows):
        for x, left, right, across in _bands(columns):
            part = grey[y, x]
            one = _blend(tables[up, left].take(part), tables[up, right].take(part), across)
            two = _blend(tables[low, left].take(part), tables[low, right].take(part), across)
            made[y, x] = _blend(one, two, down[:, None]) + np.float32(0.5)
    return made


def _edges(length: int) -> NDArray[np.intp]:
    """Return where tiles begin, and where the last one ends."""
    tiles = min(TILES, length)
    edges: NDArray[np.intp] = np.arange(tiles + 1) * length // tiles
    return edges


def _table(tile: Pixels, clip_limit: float) -> NDArray[np.float32]:
    """Return what each of 256 grey levels becomes."""
    counts = np.bincount(tile.ravel(), minlength=256).astype(np.float64)
    limit = clip_limit * tile.size / 256
    excess = np.maximum(counts - limit, 0).sum()
    counts = np.minimum(counts, limit) + excess / 256
    return np.asarray(counts.cumsum() * (255 / tile.size), np.float32)


def _bands(edges: NDArray[np.intp]) -> Iterator[tuple[slice, int, int, NDArray[np.float32]]]:
    """Iterate the stretches between the middles of tiles: where, between which, and how near the second one."""
    middles = (edges[:-1] + edges[1:]) / 2
    last = len(middles) - 1
    bounds = [0, *(int(middle + 0.5) for middle in middles), int(edges[-1])]
    for i, (start, end) in enumerate(pairwise(bounds)):
        before, after = max(i - 1, 0), min(i, last)
        apart = max(middles[after] - middles[before], 1.0)
        near = (np.arange(start, end) + 0.5 - middles[before]) / apart
        yield slice(start, end), before, after, np.clip(near, 0, 1).astype(np.float32)


def _blend(one: NDArray[np.float32], two: NDArray[np.float32], near: NDArray[np.float32]) -> NDArray[np.float32]:
    return np.asarray(one + (two - one) * near)
