"""Cells and fibres of a tissue section: stencils that are made once, like type, and pressed onto the labels."""

from collections.abc import Callable, Iterable, Sequence
from functools import lru_cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFilter

from .film import STRIP, cloud
from .paint import Curve, Labels

TURNS = 12
"""Orientations that elongated stencils come in."""
VARIANTS = 3
"""Stencils of each size and orientation."""
SHADES = 6
"""Shades of collagen, from the clefts between fibres to the densest fibre."""
WEAVE = (512, 256)
"""Rows across the fibres, columns along them: as many as a byte can count."""
FINENESS = 3.0
"""Rows of the weave a micrometre."""
ALONG = 0.8
"""Columns of the weave a micrometre."""
CLUMPS = 28
"""Patches of granular cytoplasm side by side."""
GRID = 64
"""Points each way at which the course of the fibres is reckoned."""

Floats = NDArray[np.float64]
Drawing = tuple[NDArray[np.generic], NDArray[np.bool_]]
"""The parts of a small thing in a square around its middle, and where in it the thing is."""
RING: Floats = np.array([[0, 0], *([np.cos(angle), np.sin(angle)] for angle in np.arange(8) * (np.pi / 4))])
"""A middle and eight points around it."""


class Stencil(NamedTuple):
    """The pixels of a small thing.

    Attributes:
        places: their distances from its middle in a flat image.
        parts: what part each belongs to.
        reach: how far it reaches from its middle each way.
    """

    places: NDArray[np.intp]
    parts: Labels
    reach: int

    def cut(self, native: int, x: int, y: int) -> "Stencil":
        """Leave out what would be beyond the border of an image with the middle at a pixel of it."""
        rows, columns = np.divmod(self.places + native // 2, native)
        rows, columns = rows + y, columns - native // 2 + x
        inside = (rows >= 0) & (rows < native) & (columns >= 0) & (columns < native)
        return Stencil(self.places[inside], self.parts[inside], self.reach)


def press(labels: Labels, stencils: Sequence[Stencil], spots: Curve, first: Iterable[int]) -> None:
    """Print stencils, each at one of the `spots`, with labels that count from one of `first`, all in one go."""
    if not stencils:
        return
    native = len(labels)
    x, y = spots.astype(int).T
    reach = max(stencil.reach for stencil in stencils)
    outer = np.flatnonzero((np.minimum(x, y) < reach) | (np.maximum(x, y) >= native - reach))
    stencils = list(stencils)
    for k in outer.tolist():
        stencils[k] = stencils[k].cut(native, x[k], y[k])
    sizes = [len(stencil.parts) for stencil in stencils]
    places = np.concatenate([stencil.places for stencil in stencils])
    printed = np.concatenate([stencil.parts for stencil in stencils])
    printed += np.repeat(np.fromiter(first, np.uint8, len(sizes)), sizes)
    places += np.repeat(y * native + x, sizes)
    labels.reshape(-1)[places] = printed


def within(labels: Labels, points: Curve, reach: float, first: int, last: int) -> NDArray[np.bool_]:
    """Return which points ``(N, 2)`` have only labels from `first` to `last` as far as `reach` around them."""
    native = len(labels)
    inside = (points.min(1) >= reach) & (points.max(1) < native - reach)
    x, y = points.astype(int).T
    around = np.rint(reach * RING).astype(int) @ (1, native)
    found = labels.take(y * native + x + around[:, None], mode="clip")
    return np.asarray(inside & (found - np.uint8(first) <= last - first).all(0))


def lattice(rng: np.random.Generator, low: Curve, high: Curve, gap: float, loose: float) -> Curve:
    """Return the points of a turned hexagonal lattice over a box, each moved by `loose` gaps or less."""
    count = int(np.hypot(*(high - low)) / gap / 1.7) + 2
    row, column = np.mgrid[-count : count + 1, -count : count + 1].reshape(2, -1)
    points = np.stack([column + 0.5 * (row % 2), 0.866 * row], 1) + rng.uniform(-loose, loose, (len(row), 2))
    turn = rng.uniform(0, np.pi)
    cos, sin = np.cos(turn), np.sin(turn)
    points = gap * points @ np.array([[cos, sin], [-sin, cos]]) + (low + high) / 2
    return np.asarray(points[((low < points) & (points < high)).all(1)])


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
    return _turned(native, _nucleus, radius, turn, variant)


@lru_cache(2048)
def _nucleus(radius: int, turn: int, variant: int) -> Drawing:
    rng = np.random.default_rng([radius, turn, variant])
    x, y = _grid(radius + radius // 3 + 1, np.pi * turn / TURNS)
    narrow = rng.uniform(0.7, 0.88) ** 0.5
    way = (x + 1j * y) / np.maximum(np.hypot(x, y), 1)
    two, three, four = rng.normal(0, 0.04, 3) * np.exp(1j * rng.uniform(0, 2 * np.pi, 3))
    wave = (way**2 * (two + way * (three + way * four))).real
    depth = np.hypot(x * narrow, y / narrow) / radius / (1 + wave)
    mottle = _mottle(rng, len(x), 0.09 * radius + 0.3)
    parts = np.where(mottle + 0.8 * depth > 1.1, 1, 0)
    parts[(depth > 1 - max(1.1, 0.08 * radius) / radius) & (mottle > -1.0)] = 2
    for _ in range(np.searchsorted((0.3, 0.8), rng.random())):
        at = rng.uniform(-0.38, 0.38, 2) * radius
        parts[(x - at[0]) ** 2 + (y - at[1]) ** 2 < (rng.uniform(0.14, 0.24) * radius) ** 2] = 3
    return parts, depth < 1


@lru_cache(256)
def lymphocyte(native: int, radius: int, variant: int) -> Stencil:
    """Return the nucleus of a lymphocyte: its ground and coarse clumps of chromatin."""
    rng = np.random.default_rng([radius, variant])
    x, y = _grid(radius + 1, rng.uniform(0, np.pi))
    clumped = (_mottle(rng, len(x), 0.16 * radius + 0.2) > 0.3) | (np.hypot(x, y) > 0.85 * radius)
    return _cut(native, clumped, np.hypot(x, y / rng.uniform(0.88, 1.0)) < radius)


@lru_cache(2048)
def spindle(native: int, radius: int, turn: int, variant: int) -> Stencil:
    """Return the nucleus of a fibroblast, `radius` half its length: its ground and its chromatin."""
    return _turned(native, _spindle, radius, turn, variant)


@lru_cache(512)
def _spindle(radius: int, turn: int, variant: int) -> Drawing:
    rng = np.random.default_rng([radius, turn, variant])
    x, y = _grid(radius + 2, np.pi * turn / TURNS)
    bend = rng.uniform(-0.25, 0.25)
    half = np.maximum(0, 1 - (x / radius) ** 2) ** 0.7 * max(0.7, rng.uniform(0.13, 0.26) * radius)
    off = np.abs(y - bend * (x**2 / radius - radius / 3))
    noise = rng.random((len(x) + 1, len(x) + 1), np.float32)
    rows = noise[1:] + noise[:-1]
    return (rows[:, 1:] + rows[:, :-1] > 2.12) | (off > half - 1), off < half


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


def _turned(native: int, draw: Callable[[int, int, int], Drawing], radius: int, turn: int, variant: int) -> Stencil:
    """Draw turns up to an eighth of a circle; mirrored at the diagonal and upright they make up all the others."""
    steep = min(turn, TURNS - turn)
    flat = min(steep, TURNS // 2 - steep)
    parts, inside = draw(radius, flat, variant)
    if flat != steep:
        parts, inside = parts.T, inside.T
    if steep != turn:
        parts, inside = parts[:, ::-1], inside[:, ::-1]
    return _cut(native, parts, inside)


def _cut(native: int, parts: NDArray[np.generic], inside: NDArray[np.bool_]) -> Stencil:
    rows, columns = np.nonzero(inside)
    middle = len(inside) // 2
    return Stencil((rows - middle) * native + columns - middle, parts[inside].astype(np.uint8), middle + 1)


def _mottle(rng: np.random.Generator, side: int, coarse: float) -> Floats:
    """Return noise ``(side, side)`` blurred by `coarse` pixels, with a standard deviation of 1."""
    blur = _blur(side, coarse)
    noise = blur @ rng.standard_normal((side, side)) @ blur
    return np.asarray(noise / noise.std())


@lru_cache(256)
def _blur(side: int, coarse: float) -> Floats:
    apart = np.arange(side)
    return np.asarray(np.exp(-0.5 * ((apart - apart[:, None]) / coarse) ** 2))


def _grid(half: int, turn: float) -> tuple[Floats, Floats]:
    y, x = np.mgrid[-half : half + 1, -half : half + 1].astype(float)
    cos, sin = np.cos(turn), np.sin(turn)
    return cos * x + sin * y, cos * y - sin * x


@lru_cache(1)
def weave() -> Labels:
    """Return straight fibres along the rows, in shades from 0 to `SHADES` - 1; it repeats each way."""
    rng = np.random.default_rng(0)
    noise = np.fft.rfft2(rng.standard_normal(WEAVE))
    rows, columns = np.fft.fftfreq(WEAVE[0])[:, None], np.fft.rfftfreq(WEAVE[1])
    kept = np.zeros(noise.shape)
    for across, along, amount in ((1.4, 8.0, 0.6), (2.5, 16.0, 0.9), (9.0, 24.0, 0.6), (26.0, 40.0, 0.4)):
        # Blurred by a Gaussian, noise keeps 1 / (4 pi across along) of its variance.
        blurred = np.exp(-2 * np.pi**2 * ((across * rows) ** 2 + (along * columns) ** 2))
        kept = np.hypot(kept, amount * (4 * np.pi * across * along) ** 0.5 * blurred)
    cloth = np.fft.irfft2(noise * kept, WEAVE)
    return np.clip(SHADES * (0.6 + 0.17 * cloth), 0, SHADES - 1).astype(np.uint8).ravel()


@lru_cache(8)
def mottled(native: int) -> Labels:
    """Return granular cytoplasm in shades from 0 to 3, the commonest first, more than half as wide as an image."""
    rng = np.random.default_rng(0)
    side = native * 5 // 8
    specks = Image.fromarray(rng.integers(0, 256, (side, side), np.uint8))
    fine = np.asarray(specks.filter(ImageFilter.GaussianBlur(2.2 * native / 1024)), np.float32)
    cloth = (fine - fine.mean()) / fine.std() + np.float32(0.8) * cloud(rng, side, CLUMPS)
    order = (cloth > -1.2).view(np.uint8) + (cloth > -0.3) + (cloth > 0.8)
    return np.asarray(np.array([3, 1, 0, 2], np.uint8).take(order))


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
        # What is left of a row after rounding falls where the columns are counted, and makes way for them.
        fine = columns * (FINENESS * self._across + rng.uniform(2 * rows, 3 * rows))
        knots = -(-native // 8) + 1
        coarse = Image.fromarray(fine.astype(np.float32)).resize((native, knots), Image.Resampling.BICUBIC, box=inner)
        across = np.asarray(coarse).astype(np.int32)
        # Scaling the rows up the rest of the way is as good as linear by now, and done in strips it is cheaper.
        rise = np.diff(across, axis=0)[:, None] >> 3
        eighths = np.arange(8, dtype=np.int32)[:, None]
        step = np.arange(native) * (ALONG * self._width / native)
        right, down = (
            (way * step).astype(np.int32).astype(np.uint8) for way in (np.cos(self.heading), np.sin(self.heading))
        )
        shades = np.empty((native, native), np.uint8)
        for top in range(0, native, STRIP):
            strip = shades[top : top + STRIP]
            near = slice(top // 8, (top + len(strip) + 7) // 8)
            line = rise[near] * eighths
            line += across[near, None]
            line &= (rows - 1) * columns
            place = line.reshape(-1, native)[: len(strip)]
            place |= right + down[top : top + STRIP, None]
            strip[:] = weave().take(place)
        return shades
