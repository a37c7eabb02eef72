"""Skin under a dermatoscope: the pigment of a mole with its network, the furrows around it, and the light."""

import math
from functools import lru_cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy import ndimage

from .film import Field, Grain, blurred, cloud
from .paint import Labels

MELANIN = np.array([0.46, 0.76, 0.96])
"""How strongly a unit of pigment dims red, green and blue."""
STEPS, DEEPEST = 80.0, 1.3
"""Levels of pigment to a unit of it, and the most units there are before the network: so levels end below 256."""
PLAIN = 128.0
"""The level of light at which colours are as they are."""
COARSE = 64
"""About how many cells across slow changes are computed on."""
TILE, CELLS, TILES = 480, 40, 7
"""Pixels and cells across a tile of the network, and how many tiles reach across any image."""
COARSEST = 0.75
"""From this many pixels of a tile to one of the image, the nearest is near enough."""


class Slow(NamedTuple):
    """A field that changes slowly, as whole numbers from 0 to 255, of which rows are made as they are needed.

    Attributes:
        coarse: its rows, as many as are known, in full width.
        steps: from each of them to the next.
        at, share: for every row of the image the known row above it and how far it is to the next, of 128.
    """

    coarse: Grain
    steps: Grain
    at: NDArray[np.intp]
    share: Grain

    @classmethod
    def over(cls, field: NDArray[np.floating], native: int) -> "Slow":
        """Stretch a small square field over an image."""
        size = len(field)
        place = np.clip((np.arange(native) + 0.5) * size / native - 0.5, 0, size - 1.001)
        at = place.astype(int)
        share = np.rint(128 * (place - at)).astype(np.int16)
        cells = np.clip(field, 0, 255).astype(np.int16)
        wide = cells.take(at, 1) + (np.diff(cells).take(at, 1) * share >> 7)
        return cls(wide, np.diff(wide, axis=0), at, share[:, None])

    def rows(self, rows: slice) -> Grain:
        """Return some rows."""
        at = self.at[rows]
        found = self.steps.take(at, 0)
        found *= self.share[rows]
        found >>= 7
        found += self.coarse.take(at, 0)
        return found


class Skin(NamedTuple):
    """What makes the pigment that light passes through.

    Attributes:
        pigmented: ``(H, W) bool``.
        tone: the level of pigment, where there is any.
        strength: of its network.
        network, furrows: 255 on their lines, the furrows at half the size.
    """

    pigmented: NDArray[np.bool_]
    tone: Slow
    strength: Slow
    network: Labels
    furrows: Labels

    def rows(self, top: int, bottom: int) -> NDArray[np.int16]:
        """Return the level of pigment of some rows, blurred by the optics."""
        native = len(self.network)
        first, last = max(0, top - 1), min(native, bottom + 1)
        rows = slice(first, last)
        level = self.network[rows].astype(np.int16)
        level -= 90
        level *= self.strength.rows(rows)
        level >>= 7
        level += 128
        whole = level.view(np.uint16)
        whole *= self.tone.rows(rows).view(np.uint16)
        whole >>= 5
        whole *= self.pigmented[rows].view(np.uint8)
        half = np.repeat(np.repeat((self.furrows[first // 2 : last // 2 + 1] >> 3) + 20, 2, 1), 2, 0)
        whole += half[first % 2 : first % 2 + last - first, :native]
        soft = blurred(level)[top - first : bottom - first]
        soft >>= 6
        return soft


def colours(rng: np.random.Generator) -> NDArray[np.uint32]:
    """Return the colour of each level of light (high byte) and of pigment (low byte)."""
    red, green, blue = rng.uniform((222, 0.77, 0.88), (244, 0.85, 0.96))
    plain = red * np.array([1, green, green * blue])
    melanin = MELANIN * rng.uniform(0.95, 1.05, 3)
    seen = plain / PLAIN * np.exp(-melanin * np.arange(256)[:, None] / STEPS)
    table = np.zeros((256, 256, 4), np.uint8)
    for channel in range(3):
        lit = np.multiply.outer(np.arange(256, dtype=np.float32), seen[:, channel].astype(np.float32))
        table[..., channel] = np.minimum(lit, 255, out=lit)
    return table.view(np.uint32).ravel()


def light(rng: np.random.Generator, native: int) -> Slow:
    """Return levels of light: uneven, and often dark beyond the dermatoscope's round window."""
    y, x = (np.indices((COARSE, COARSE), np.float32) + 0.5) / COARSE - 0.5 - rng.uniform(-0.02, 0.02, (2, 1, 1))
    off = np.hypot(x, y)
    seen = PLAIN * rng.uniform(0.94, 1.04) * (1 + 0.025 * cloud(rng, COARSE, 3))
    seen *= 1 - rng.uniform(0.0, 0.35) * np.clip(off - 0.3, 0, None) / 0.4
    if rng.random() < 0.45:
        seen *= np.clip((rng.uniform(0.62, 0.68) - off) / 0.02, 0.06, 1)
    return Slow.over(seen, native)


def skin(rng: np.random.Generator, pigmented: NDArray[np.bool_], pitch: float, clutter: float) -> Skin:
    """Return skin with a mole where it is pigmented, `pitch` pixels to a millimetre."""
    native = len(pigmented)
    cell = pitch * float(rng.uniform(0.13, 0.2))
    tone, strength = _tones(rng, pigmented, clutter)
    # Cells of a few pixels are too small to be drawn sharply.
    strength *= min(1.0, cell / 7)
    network = _honeycomb(rng, native, cell, float(rng.uniform(0.8, 1.0)), 0.3)
    furrow, squeeze = pitch * float(rng.uniform(0.3, 0.4)), float(rng.uniform(0.5, 0.7))
    furrows = _honeycomb(rng, native // 2 + 1, furrow / 2, squeeze, math.pi)
    return Skin(pigmented, Slow.over(tone, native), Slow.over(strength, native), network, furrows)


def _tones(rng: np.random.Generator, pigmented: NDArray[np.bool_], clutter: float) -> tuple[Field, Field]:
    """Return the level of pigment and the strength of its network, coarsely: both fade towards the border."""
    step = max(1, len(pigmented) // COARSE)
    depth = ndimage.distance_transform_edt(pigmented[step // 2 :: step, step // 2 :: step])
    size = len(depth)
    depth = depth / (0.4 * size)
    rim, body, core = rng.uniform(0.16, 0.4), rng.uniform(0.6, 1.05), rng.uniform(0.0, 0.5)
    inwards = 1 - np.exp(-depth / rng.uniform(0.04, 0.2))
    tone = rim + (body - rim) * inwards + core * np.clip(depth - 0.2, 0, 0.7)
    uneven = (0.09 + 0.04 * clutter) * cloud(rng, size, 4) + 0.06 * cloud(rng, size, 11)
    patchy = rng.uniform(55, 95) * inwards * np.clip(1 + 0.45 * cloud(rng, size, 6), 0.1, 1.3)
    return STEPS * np.minimum(tone * (1 + np.clip(uneven, -0.3, 0.3)), DEEPEST), patchy


def _honeycomb(rng: np.random.Generator, native: int, cell: float, squeeze: float, most: float) -> Labels:
    """Return a network, 255 on its lines, of cells `cell` pixels wide, somewhere and turned by `most` or less."""
    scale = TILE / CELLS / cell
    turn = float(rng.uniform(-most, most))
    a, b = scale * math.cos(turn), scale * math.sin(turn)
    across = (a / squeeze, b / squeeze)
    x, y = TILE * (TILES - 1) / 2 + rng.uniform(0, TILE, 2) - native / 2 * np.array([sum(across), a - b])
    how = Image.Resampling.NEAREST if scale > COARSEST else Image.Resampling.BILINEAR
    return np.asarray(_tiles().transform((native, native), Image.Transform.AFFINE, (*across, x, -b, a, y), how))


@lru_cache
def _tiles() -> Image.Image:
    """Return a tile that repeats, `TILES` times each way: the walls between jittered cells."""
    rng = np.random.default_rng(7)
    size = TILE // 2
    off = rng.uniform(-0.3, 0.3, (CELLS, CELLS, 2))
    down, across = off[..., 0], off[..., 1] + np.arange(CELLS)[:, None] % 2 / 2
    place = (np.arange(size) + 0.5) * (CELLS / size)
    cell = place.astype(int)
    first, second = np.full((2, size, size), np.inf)
    # Spots further off than two cells are never among the two nearest.
    for up, left in np.ndindex(5, 5):
        rows, columns = ((cell + step - 2) % CELLS for step in (up, left))
        y, x = (place % 1 - step + 2 for step in (up, left))
        y, x = y[:, None] - down.take(rows, 0).take(columns, 1), x - across.take(rows, 0).take(columns, 1)
        distance = y * y + x * x
        second = np.minimum(second, np.maximum(first, distance))
        first = np.minimum(first, distance)
    walls = np.clip(1.15 - (np.sqrt(second) - np.sqrt(first)) / 0.42, 0, 1)
    wide = Image.fromarray(np.pad((walls * 255).astype(np.uint8), 4, mode="wrap"))
    smoothed = wide.resize((TILE, TILE), Image.Resampling.BICUBIC, (4, 4, 4 + size, 4 + size))
    return Image.fromarray(np.tile(np.asarray(smoothed), (TILES, TILES)))
