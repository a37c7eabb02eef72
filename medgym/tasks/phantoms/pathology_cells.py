"""Cells and fibres of a tissue section: stencils that are made once, like type, and pressed onto the labels."""

from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy import ndimage

from .paint import Curve, Labels

TURNS = 12
"""Orientations that elongated stencils come in."""
VARIANTS = 3
"""Stencils of each size and orientation."""
SHADES = 6
"""Shades of collagen, from the clefts between fibres to the densest fibre."""
WEAVE = (512, 256)
"""Rows across the fibres, columns along them."""
FINENESS = 3.0
"""Rows of the weave a micrometre."""
ALONG = 0.8
"""Columns of the weave a micrometre."""
GRID = 64
"""Points each way at which the course of the fibres is reckoned."""

Floats = NDArray[np.float64]


class Stencil(NamedTuple):
    """The pixels of a small thing, as distances from its middle in a flat image, and the part each belongs to."""

    places: NDArray[np.intp]
    parts: Labels


def press(labels: Labels, stencils: Sequence[Stencil], spots: Curve, first: Iterable[int]) -> None:
    """Print stencils, each at one of the `spots`, with labels that count from one of `first`, all in one go."""
    if not stencils:
        return
    native = len(labels)
    sizes = [len(stencil.parts) for stencil in stencils]
    x, y = spots.astype(int).T
    places = np.concatenate([stencil.places for stencil in stencils])
    printed = np.concatenate([stencil.parts for stencil in stencils])
    printed += np.repeat(np.fromiter(first, np.uint8, len(sizes)), sizes)
    reach = max(-int(stencil.places[0]) // native for stencil in stencils) + 1
    outer = (np.minimum(x, y) < reach) | (np.maximum(x, y) >= native - reach)
    if outer.any():
        # What is left of the left border would come out at the right one.
        near = np.repeat(outer, sizes)
        rows, columns = np.divmod(places[near] + native // 2, native)
        down, right = (np.repeat(at[outer], np.array(sizes)[outer]) for at in (y, x))
        rows, columns = rows + down, columns - native // 2 + right
        near[near] = (rows < 0) | (rows >= native) | (columns < 0) | (columns >= native)
        places += np.repeat(y * native + x, sizes)
        places, printed = places[~near], printed[~near]
    else:
        places += np.repeat(y * native + x, sizes)
    labels.reshape(-1)[places] = printed


def within(labels: Labels, points: Curve, reach: float, first: int, last: int) -> NDArray[np.bool_]:
    """Return which points ``(N, 2)`` have only labels from `first` to `last` as far as `reach` around them."""
    angle = np.arange(8) * (np.pi / 4)
    ring = np.concatenate([[[0, 0]], reach * np.stack([np.cos(angle), np.sin(angle)], 1)])
    at = (points[:, None] + ring).astype(int)
    inside = ((at >= 0) & (at < len(labels))).all((1, 2))
    x, y = np.clip(at, 0, len(labels) - 1).transpose(2, 0, 1)
    found = labels[y, x]
    return np.asarray(inside & ((found >= first) & (found <= last)).all(1))


def lattice(rng: np.random.Generator, low: Curve, high: Curve, gap: float, loose: float) -> Curve:
    """Return the points of a turned hexagonal lattice over a box, each moved by `loose` gaps or less."""
    count = int(np.hypot(*(high - low)) / gap / 1.7) + 2
    row, column = np.mgrid[-count : count + 1, -count : count + 1].reshape(2, -1)
    points = np.stack([column + 0.5 * (row % 2), 0.866 * row], 1) + rng.uniform(-loose, loose, (len(row), 2))
    turn = rng.uniform(0, np.pi)
    cos, sin = np.cos(turn), np.sin(turn)
    points = gap * points @ np.array([[cos, sin], [-sin, cos]]) + (low + high) / 2
    return np.asarray(points[((points > low) & (points < high)).all(1)])


def sizes_in_pixels(lengths: NDArray[np.float64], step: int) -> list[int]:
    """Round lengths in pixels to multiples of `step`, to 1 at least: the fewer there are, the fewer are drawn."""
    step = max(1, step)
    return [max(1, step * length) for length in np.rint(lengths / step).astype(int).tolist()]


def turns_of(angles: NDArray[np.float64]) -> list[int]:
    """Return the nearest turns of a stencil."""
    return [turn % TURNS for turn in np.rint(angles * (TURNS / np.pi)).astype(int).tolist()]


def along(rng: np.random.Generator, outline: Curve, gap: float, inset: float) -> tuple[Curve, NDArray[np.float64]]:
    """Return points every `gap` along the inside of an outline, and the direction upright on it at each."""
    ahead = np.roll(outline, -1, 0) - outline
    walked = np.concatenate([[0], np.cumsum(np.hypot(*ahead.T))])
    at = np.arange(0.5, int(walked[-1] / gap)) * (walked[-1] / max(1, int(walked[-1] / gap)))
    closed = np.concatenate([outline, outline[:1]])
    place = np.stack([np.interp(at, walked, closed[:, k]) for k in (0, 1)], 1)
    way = ahead[np.clip(np.searchsorted(walked, at) - 1, 0, len(ahead) - 1)]
    upright = np.stack([-way[:, 1], way[:, 0]], 1) / np.maximum(np.hypot(*way.T), 1e-6)[:, None]
    place += upright * (inset * rng.uniform(0.9, 1.25, (len(at), 1)))
    return place, np.arctan2(upright[:, 1], upright[:, 0]) + rng.normal(0, 0.25, len(at))


@lru_cache(8192)
def nucleus(native: int, radius: int, turn: int, variant: int) -> Stencil:
    """Return the nucleus of a tumor cell: its pale ground, clumped chromatin, the membrane and nucleoli."""
    rng = np.random.default_rng([radius, turn, variant])
    x, y = _grid(radius + radius // 3 + 1, np.pi * turn / TURNS)
    narrow = rng.uniform(0.7, 0.88)
    angle = np.arctan2(y, x)
    wave = sum(rng.normal(0, 0.04) * np.cos(k * angle + rng.uniform(0, 6.3)) for k in (2, 3, 4))
    depth = np.hypot(x * narrow**0.5, y / narrow**0.5) / radius / (1 + wave)
    mottle = ndimage.gaussian_filter(rng.standard_normal(x.shape), 0.09 * radius + 0.3)
    mottle /= mottle.std()
    parts = np.where(mottle + 0.8 * depth > 1.1, 1, 0)
    parts[(depth > 1 - max(1.1, 0.08 * radius) / radius) & (mottle > -1.0)] = 2
    for _ in range(rng.choice(3, p=(0.3, 0.5, 0.2))):
        at = rng.uniform(-0.38, 0.38, 2) * radius
        parts[np.hypot(x - at[0], y - at[1]) < rng.uniform(0.14, 0.24) * radius] = 3
    return _cut(native, parts, depth < 1)


@lru_cache(256)
def lymphocyte(native: int, radius: int, variant: int) -> Stencil:
    """Return the nucleus of a lymphocyte: its ground and coarse clumps of chromatin."""
    rng = np.random.default_rng([radius, variant])
    x, y = _grid(radius + 1, rng.uniform(0, np.pi))
    mottle = ndimage.gaussian_filter(rng.standard_normal(x.shape), 0.16 * radius + 0.2)
    clumped = (mottle > 0.3 * mottle.std()) | (np.hypot(x, y) > 0.85 * radius)
    return _cut(native, clumped, np.hypot(x, y / rng.uniform(0.88, 1.0)) < radius)


@lru_cache(2048)
def spindle(native: int, radius: int, turn: int, variant: int) -> Stencil:
    """Return the nucleus of a fibroblast, `radius` half its length: its ground and its chromatin."""
    rng = np.random.default_rng([radius, turn, variant])
    x, y = _grid(radius + 2, np.pi * turn / TURNS)
    bend = rng.uniform(-0.25, 0.25)
    half = np.maximum(0, 1 - (x / radius) ** 2) ** 0.7 * max(0.7, rng.uniform(0.13, 0.26) * radius)
    off = np.abs(y - bend * (x**2 / radius - radius / 3))
    mottle = ndimage.gaussian_filter(rng.standard_normal(x.shape), 0.6)
    return _cut(native, (mottle > 0.1) | (off > half - 1), off < half)


@lru_cache(256)
def red_cell(native: int, radius: int) -> Stencil:
    """Return a red blood cell: its rim and its paler middle."""
    x, y = _grid(radius, 0.0)
    return _cut(native, np.hypot(x, y) < 0.45 * radius, np.hypot(x, y) < radius)


@lru_cache(256)
def dying(native: int, radius: int, variant: int) -> Stencil:
    """Return an apoptotic cell: the halo it shrank from, its dense cytoplasm and crumbs of its nucleus."""
    rng = np.random.default_rng([radius, variant])
    x, y = _grid(radius, rng.uniform(0, np.pi))
    parts = np.where(np.hypot(x - 0.1 * radius, y) < 0.75 * radius, 1, 0)
    for at in rng.uniform(-0.35, 0.35, (3, 2)) * radius:
        parts[np.hypot(x - at[0], y - at[1]) < rng.uniform(0.15, 0.32) * radius] = 2
    return _cut(native, parts, np.hypot(x, y) < radius)


def _cut(native: int, parts: NDArray[np.generic], inside: NDArray[np.bool_]) -> Stencil:
    rows, columns = np.nonzero(inside)
    middle = len(inside) // 2
    return Stencil((rows - middle) * native + columns - middle, parts[inside].astype(np.uint8))


def _grid(half: int, turn: float) -> tuple[Floats, Floats]:
    y, x = np.mgrid[-half : half + 1, -half : half + 1].astype(float)
    cos, sin = np.cos(turn), np.sin(turn)
    return cos * x + sin * y, cos * y - sin * x


@lru_cache(1)
def weave() -> Labels:
    """Return straight fibres along the rows, in shades from 0 to `SHADES` - 1; it repeats each way."""
    rng = np.random.default_rng(0)
    cloth = np.zeros(WEAVE)
    for across, along, amount in ((1.4, 8.0, 0.6), (2.5, 16.0, 0.9), (9.0, 24.0, 0.6), (26.0, 40.0, 0.4)):
        layer = ndimage.gaussian_filter(rng.standard_normal(WEAVE), (across, along), mode="wrap")
        cloth += amount * layer / layer.std()
    return np.clip(SHADES * (0.6 + 0.17 * cloth), 0, SHADES - 1).astype(np.uint8).ravel()


@lru_cache(8)
def mottled(native: int) -> Labels:
    """Return granular cytoplasm in shades from 0 to 3, the commonest first, more than half as wide as an image."""
    rng = np.random.default_rng(0)
    cloth = np.zeros((native * 5 // 8, native * 5 // 8))
    for coarse, amount in ((2.2, 1.0), (12.0, 0.8)):
        layer = ndimage.gaussian_filter(rng.standard_normal(cloth.shape), coarse * native / 1024)
        cloth += amount * layer / layer.std()
    return np.array([3, 1, 0, 2], np.uint8)[np.digitize(cloth, (-1.2, -0.3, 0.8))]


class Course:
    """The course of wavy fibres that part around islands as a stream does.

    Attributes:
        heading: their general direction, an angle.
    """

    def __init__(
        self, rng: np.random.Generator, width: float, islands: Curve, radii: Floats, crimp: tuple[float, float]
    ) -> None:
        """Lay fibres over a field of `width` micrometres; `crimp` is the length and the height of their waves."""
        self.heading = float(rng.uniform(0, np.pi))
        self._width = width
        cos, sin = np.cos(self.heading), np.sin(self.heading)
        y, x = np.mgrid[0:GRID, 0:GRID] * (width / (GRID - 1))
        across = cos * y - sin * x
        for (cx, cy), radius in zip(islands, radii, strict=True):
            beside = cos * (y - cy) - sin * (x - cx)
            across -= beside * radius**2 / np.maximum((x - cx) ** 2 + (y - cy) ** 2, (0.8 * radius) ** 2)
        drift = np.asarray(Image.fromarray(rng.standard_normal((6, 6)).astype(np.float32)).resize((GRID, GRID), 3))
        phase = (cos * x + sin * y) * (2 * np.pi / crimp[0]) + 2.0 * drift
        self._across = across + 0.03 * width * drift + crimp[1] * np.sin(phase)
        down, right = np.gradient(self._across)
        self._angle = np.arctan2(-right, down)

    def angle(self, points: Curve) -> Floats:
        """Return the direction of the fibres at points in micrometres."""
        column, row = np.clip(points.T * ((GRID - 1) / self._width) + 0.5, 0, GRID - 1).astype(int)
        return np.asarray(self._angle[row, column])

    def woven(self, rng: np.random.Generator, native: int) -> Labels:
        """Return ``(native, native)`` shades of the fibres."""
        rows, columns = WEAVE
        inner = (0.5, 0.5, GRID - 0.5, GRID - 0.5)
        coarse = Image.fromarray((FINENESS * self._across + rng.uniform(2 * rows, 3 * rows)).astype(np.float32))
        knots = native // 4 + 2
        across = np.asarray(coarse.resize((native, knots), Image.Resampling.BICUBIC, box=inner))
        rise = np.diff(across, axis=0)
        # Scaling the rows up the rest of the way is as good as linear by now, and done in strips it is cheaper.
        at = np.arange(native) * ((knots - 1.001) / native)
        share = (at % 1).astype(np.float32)[:, None]
        at = at.astype(int)
        step = np.arange(native) * (ALONG * self._width / native)
        right = (np.cos(self.heading) * step).astype(np.int32)
        down = (np.sin(self.heading) * step).astype(np.int32)[:, None]
        shades = np.empty((native, native), np.uint8)
        for top in range(0, native, 64):
            strip = slice(top, top + 64)
            line = rise[at[strip]]
            line *= share[strip]
            line += across[at[strip]]
            place = line.astype(np.int32)
            place &= rows - 1
            place *= columns
            place += (right + down[strip]) & (columns - 1)
            weave().take(place, out=shades[strip])
        return shades
