"""Mucosa of a tube as an endoscope lights it: computed in polar coordinates around the lumen, then laid out."""

import math
from functools import lru_cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from .film import GRAIN, STRIP, Field, Grain, cloud
from .paint import Canvas, Curve
from .scene import Level

Plane = NDArray[np.int16]

ANGLES = 320
"""Directions of the polar grid."""
LEAST_STEPS = 96
"""The fewest radii of the polar grid."""
FAR = 0.79
"""The radius of the polar grid, as a share of the image's width: to the corner that is farthest from any lumen."""
EDGE = np.float32(5)
"""How sharp the edge of a fold is."""
DRY = np.float32(12)
"""What keeps the lumen from glinting."""
FINER = 8
"""Steps of a grey level: colours stay fine until the camera's noise is on them."""
LIGHT = 4096
"""Steps of full light."""
RELIEF = 512
"""Steps of a coarse field's unit while it is scaled up."""
LUMEN_STEP = 0.003
"""How finely the lumen is measured, as a share of the image's width."""
SHIFT = 0.05
"""How far off the middle the lumen may lie."""
TONES = ((232.0, 0.66), (152.0, 0.07), (122.0, 0.0))
"""Of red, green and blue: mucosa in full light, and the share of it that grows with the root of the light."""
BLOOD = (0.14, 0.46, 0.40)
"""The share of each channel that a vessel absorbs."""
STOOL = (0.25, 0.45, 0.8)
"""The share of each that a fleck of stool absorbs."""
GLINT = (255, 250, 244)
"""What a glint adds to each."""
KNOTS = 72
"""The finest bumps across an image."""
LEAST_SOILED = 128
"""The least width in which dirt is far smaller than lesions."""
FOAM = 0.3
"""How white a bubble's edge is."""


class Mucosa(NamedTuple):
    """What the wall looks like, at working resolution.

    Attributes:
        light: ``(w, w)``, from 0 to 1.
        sheen: how easily it glints, at half of that resolution; far below 0 in the lumen.
    """

    light: Field
    sheen: Field


def working(native: int) -> int:
    """Return the width that mucosa is computed at: what an endoscope resolves is no finer than two pixels."""
    return half(native)


def half(side: int) -> int:
    """Return half of a width, rounded up."""
    return (side + 1) // 2


def doubled(small: Plane) -> Plane:
    """Scale ``(h, w)`` up by two, linearly; up to a quarter of what 16 bits hold."""
    height, width = small.shape
    wide, tall = (np.empty((rows, 2 * width), np.int16) for rows in (height, 2 * height))
    # Columns first: rows of the large image are then made of whole rows.
    _between(small.T, wide.T)
    _between(wide, tall)
    return tall


def _between(rows: Plane, twice: Plane) -> None:
    """Fill in twice as many rows."""
    thrice = 3 * rows
    twice[0], twice[-1] = rows[0], rows[-1]
    for these, before in ((twice[2::2], thrice[1:] + rows[:-1]), (twice[1:-1:2], thrice[:-1] + rows[1:])):
        np.right_shift(before, 2, out=these)


def mucosa(rng: np.random.Generator, canvas: Canvas) -> Mucosa:
    """Light the wall around the lumen that is on the canvas."""
    x, y = (float(v) for v in canvas.pixels(np.zeros((1, 2)))[0] / canvas.native)
    reach = _lumen(canvas)
    folds, strength = _folds(rng, reach)
    work = working(canvas.native)
    steps = max(LEAST_STEPS, work * 9 // 16)
    light, sheen = _shaded(rng, reach, folds, strength, steps)
    # Twice as fine as it is computed, or the edges of folds are jagged.
    fine = doubled((light * np.float32(LIGHT)).astype(np.int16))
    seen = fine.ravel().take(_window(work, 2 * steps, 2 * ANGLES, x, y)) * np.float32(1 / LIGHT)
    return Mucosa(np.asarray(seen), np.asarray(sheen.ravel().take(_window(half(work), steps, ANGLES, x, y))))


def _lumen(canvas: Canvas) -> Field:
    """Measure how far the lumen reaches in each direction."""
    steps = np.arange(LUMEN_STEP, 0.2, LUMEN_STEP)
    angle = np.arange(0, ANGLES, 8) * (2 * np.pi / ANGLES)
    rays = np.stack([np.outer(steps, np.cos(angle)), np.outer(steps, np.sin(angle))], 2)
    columns, rows = canvas.pixels(rays).astype(np.intp).transpose(2, 0, 1)
    count = (canvas.labels[rows, columns] == canvas.tissues.index("lumen")).sum(0)
    around = np.concatenate([count[-2:], count, count[:3]]) * LUMEN_STEP
    smooth = np.convolve(around, (0.25, 0.5, 0.25), "same")[1:-1]
    return np.asarray(np.interp(np.arange(ANGLES) / 8, np.arange(-1, len(count) + 2), smooth).astype(np.float32))


def _folds(rng: np.random.Generator, reach: Field) -> tuple[Field, Field]:
    """Return the radius and the strength of each fold, ``(folds, ANGLES)``: a tube that narrows and bends."""
    ratio = float(rng.uniform(1.32, 1.55))
    count = int(math.log(0.6 / reach.mean()) / math.log(ratio))
    order = np.arange(1, count + 1)[:, None]
    spread = np.exp(rng.normal(0, 0.05, (count, 1)))
    triangle = rng.uniform(0.03, 0.09) * np.cos(
        3 * _angles() - rng.uniform(0, 2 * np.pi) + rng.normal(0, 0.3, (count, 1))
    )
    bend = 0.035 * order * np.cos(_angles() - rng.uniform(0, 2 * np.pi))
    wavy = 0.045 * _waves(rng, count, 9, 0.8)
    shrunk = reach.mean() + (reach - reach.mean()) * 0.8**order
    folds = shrunk * ratio**order * spread * (1 + triangle + bend + wavy)
    strength = np.clip(0.62 + 0.55 * _waves(rng, count, 3, 0.5), 0.04, 1)
    return folds.astype(np.float32), strength.astype(np.float32)


def _shaded(rng: np.random.Generator, reach: Field, folds: Field, strength: Field, steps: int) -> tuple[Field, Field]:
    """Return the light and the sheen on the polar grid, ``(steps, ANGLES)``: a fold is lit and casts shade behind."""
    radius = _radii(steps)[:, None]
    depth = np.maximum(radius - 0.75 * reach, 0)
    light = 0.93 - np.float32(0.88) * np.exp(depth * np.float32(-1 / rng.uniform(0.13, 0.17)))
    light *= (1 + rng.uniform(0.05, 0.14) * np.cos(_angles() - rng.uniform(0, 2 * np.pi))).astype(np.float32)
    sheen = light * np.float32(1.2)
    for fold, share in zip(folds, strength, strict=True):
        wide = 0.24 * float(fold.mean())
        first, last = (int(r / FAR * steps) for r in (fold.min() - 1.6 * wide, fold.max() + 2.2 * wide))
        rows = slice(max(0, first), max(0, last))
        away = (radius[rows] - fold) * np.float32(1 / wide)
        edge = np.clip(away * EDGE + np.float32(0.5), 0, 1)
        edge *= edge * (3 - 2 * edge)
        fall = np.exp(np.abs(away, out=away) * np.float32(-2.2))
        fall *= share
        lit = edge * fall
        sheen[rows] += lit * np.float32(1.6)
        lit *= np.float32(0.85)
        lit -= fall * np.float32(0.55)
        lit += 1
        light[rows] *= lit
    inner = slice(0, int((reach.max() + 0.04) / FAR * steps))
    hole = np.clip((radius[inner] - reach) * np.float32(55) + np.float32(0.5), 0, 1)
    hole *= hole * (3 - 2 * hole)
    light[inner] *= np.float32(0.16) + np.float32(0.84) * hole
    sheen[inner] -= DRY * (1 - np.clip((radius[inner] - reach) * np.float32(60), 0, 1))
    return light, sheen


def _window(work: int, steps: int, turns: int, x: float, y: float) -> NDArray[np.intp]:
    """Return the place on the polar grid of every pixel of an image whose lumen is at ``(x, y)``."""
    grid = _grid(work, steps, turns)
    top, left = (round((0.5 + SHIFT - at) * work) for at in (y, x))
    return grid[top : top + work, left : left + work]


@lru_cache(8)
def _grid(work: int, steps: int, turns: int) -> NDArray[np.intp]:
    half = round((0.5 + SHIFT) * work)
    at = (np.arange(2 * half + 2, dtype=np.float32) - half + 0.5) / work
    y, x = at[:, None], at[None, :]
    turn = np.floor(np.arctan2(y, x) * (turns / (2 * np.pi))).astype(np.int32) % turns
    row = np.minimum(np.hypot(x, y) * (steps / FAR), steps - 1).astype(np.int32)
    return np.asarray(row * turns + turn, np.intp)


@lru_cache(1)
def _angles() -> Field:
    return (np.arange(ANGLES) * (2 * np.pi / ANGLES)).astype(np.float32)


@lru_cache(4)
def _radii(steps: int) -> Field:
    return ((np.arange(steps) + 0.5) * (FAR / steps)).astype(np.float32)


def _waves(rng: np.random.Generator, count: int, orders: int, falloff: float) -> NDArray[np.float64]:
    """Return `count` random functions of the angle, ``(count, ANGLES)``, about standard normal."""
    order = np.arange(1, orders + 1)[:, None]
    size = order**-falloff
    phase = order * _angles()
    waves = np.concatenate([np.cos(phase), np.sin(phase)]) * np.concatenate([size, size])
    return np.asarray(rng.standard_normal((count, 2 * orders)) @ waves / np.sqrt((size**2).sum()))


def coloured(rng: np.random.Generator, canvas: Canvas, seen: Mucosa, grain: Grain, level: Level) -> tuple[Plane, Plane]:
    """Colour the wall with its vessels, bumps and glints.

    Returns:
        ``(3, w, w)`` red, green and blue, `FINER` times as large, and ``(w, w)`` how white the wall glints: where
        above 0, fully so at `RELIEF`.
    """
    work, coarse = len(seen.light), len(seen.sheen)
    bumps = _bumps(rng, coarse)
    relief, glare = _enlarged(1 + bumps, work), _glare(rng, seen, bumps)
    blush = _enlarged(np.float32(0.04) * cloud(rng, coarse, 10), work)
    vessels = _vessels(rng, canvas, work)
    deep = np.float32(rng.uniform(0.5, 0.85) / 255)
    warm = (1.0, *rng.uniform(0.9, 1.08, 2))
    rough = (grain * np.float32(level.noise * 2.6 * FINER / GRAIN)).astype(np.int16)
    planes = np.empty((3, work, work), np.int16)
    for rows in strips(work):
        light = seen.light[rows] * _vignette(work)[rows]
        light *= relief[rows] * np.float32(1 / RELIEF)
        root = np.sqrt(light)
        blood = vessels[rows] * deep
        blood += blush[rows] * np.float32(1 / RELIEF)
        for plane, (full, dim), tint, share in zip(planes, TONES, warm, BLOOD, strict=True):
            tone = light * np.float32(full * tint * (1 - dim) * FINER)
            if dim:
                tone += root * np.float32(full * tint * dim * FINER)
            tone -= tone * (blood * np.float32(share))
            np.add(tone, cut(rng, rough, tone.shape), out=plane[rows], casting="unsafe")
    wet = np.flatnonzero(glare > 0)
    shine = np.minimum(glare.ravel()[wet] * np.float32(FINER / RELIEF), FINER)
    for plane, glint in zip(planes.reshape(3, -1), GLINT, strict=True):
        plane[wet] += (shine * glint).astype(np.int16)
    _soil(rng, planes, level.clutter)
    return planes, glare


def strips(side: int) -> list[slice]:
    """Return the rows of a square image in strips that stay in the processor's cache."""
    rows = max(STRIP, STRIP * 1024 // side)
    return [slice(top, min(side, top + rows)) for top in range(0, side, rows)]


def cut(rng: np.random.Generator, noise: Plane, shape: tuple[int, ...]) -> Plane:
    """Return a block ``(h, w)`` of a larger field of noise, from anywhere in it."""
    size = shape[0] * shape[1]
    start = int(rng.integers(0, noise.size - size + 1))
    return noise.ravel()[start : start + size].reshape(shape)


def _enlarged(coarse: Field, work: int) -> Plane:
    """Scale a field up to the working resolution, `RELIEF` times as large."""
    return doubled((coarse * np.float32(RELIEF)).astype(np.int16))[:work, :work]


def _soil(rng: np.random.Generator, planes: Plane, clutter: float) -> None:
    """Scatter flecks of stool and bubbles over the wall: both are far smaller than any lesion."""
    work = planes.shape[1]
    count = int(rng.integers(0, 1 + round(45 * clutter)))
    if not count or work < LEAST_SOILED:
        return
    sheet = Image.new("L", (work, work))
    pen = ImageDraw.Draw(sheet)
    for tone, least, most in ((1, 0.0015, 0.004), (2, 0.004, 0.009)):
        angle, away = rng.uniform((0, 0.27), (2 * np.pi, 0.42), (3, 2)).T
        heart = 0.5 + np.stack([np.cos(angle), np.sin(angle)], 1) * away[:, None]
        middles = heart[rng.integers(0, 3, count)] + rng.normal(0, 0.03, (count, 2))
        radii = rng.uniform(least, most, (count, 1)) * rng.uniform(0.8, 1.2, (count, 2))
        for box in (np.concatenate([middles - radii, middles + radii], 1) * work).tolist():
            pen.ellipse(box, fill=tone if tone == 1 else None, outline=tone)
    drawn = np.asarray(sheet)
    flecks, foam = (np.flatnonzero(drawn == tone) for tone in (1, 2))
    for plane, share, glint in zip(planes.reshape(3, -1), STOOL, GLINT, strict=True):
        plane[flecks] = plane[flecks] * (1 - share)
        plane[foam] += ((glint * FINER - plane[foam]) * FOAM).astype(np.int16)


@lru_cache(4)
def _vignette(work: int) -> Field:
    at = ((np.arange(work, dtype=np.float32) + 0.5) / work - 0.5) ** 2
    return np.asarray(np.maximum(1 - 4.4 * (at[:, None] + at[None, :]) ** 2, 0), np.float32)


def _vessels(rng: np.random.Generator, canvas: Canvas, work: int) -> NDArray[np.uint8]:
    """Draw trees of vessels that shrink towards the lumen, ``(w, w) uint8``."""
    scale = 2 * work
    sheet = Image.new("L", (scale, scale))
    pen = ImageDraw.Draw(sheet)
    centre = canvas.pixels(np.zeros((1, 2)))[0] / canvas.native
    starts, heading = rng.uniform((0, -1.5), (2 * np.pi, -0.75), (13, 2)), rng.uniform(0, 2 * np.pi, 13)
    for width, tone, steps in ((0.0056, 210, 12), (0.0036, 165, 9), (0.0024, 130, 7)):
        ways, turns = _walks(rng, starts, heading, steps)
        radius = np.exp(ways[..., 1:])
        points = (np.concatenate([np.cos(ways[..., :1]), np.sin(ways[..., :1])], 2) * radius + centre) * scale
        widths = np.maximum(1, np.rint(width * scale * np.minimum(1.2, 3 * radius[:, 0, 0]))).astype(int).tolist()
        for way, wide in zip(points.reshape(len(ways), -1).tolist(), widths, strict=True):
            pen.line(way, tone, wide)
        at = rng.integers(1, steps, (len(ways), 2))
        starts = np.take_along_axis(ways, at[..., None], 1).reshape(-1, 2)
        heading = (np.take_along_axis(turns, at, 1) + rng.choice((-0.8, 0.8), at.shape)).ravel()
    return np.asarray(sheet.reduce(2))


def _walks(rng: np.random.Generator, starts: Curve, heading: Curve, steps: int) -> tuple[Curve, Curve]:
    """Return wandering lines, ``(N, steps + 1, 2)``, as angle and logarithm of the radius, and their headings."""
    turns = heading[:, None] + np.cumsum(rng.normal(0, 0.36, (len(starts), steps)), 1)
    ahead = np.stack([np.cos(turns), np.sin(turns)], 2) * 0.05
    ways = np.concatenate([starts[:, None], starts[:, None] + np.cumsum(ahead, 1)], 1)
    return ways, np.concatenate([turns, turns[:, -1:]], 1)


def _bumps(rng: np.random.Generator, side: int) -> Field:
    """Return how much more light the wall's unevenness catches, ``(side, side)``: bumps of three sizes."""
    knots = np.float32(0.05) * cloud(rng, KNOTS, 7)
    knots += np.float32(0.035) * cloud(rng, KNOTS, 26)
    knots += np.float32(0.036) * rng.standard_normal(knots.shape).astype(np.float32)
    return np.asarray(Image.fromarray(knots).resize((side, side), Image.Resampling.BICUBIC))


def _glare(rng: np.random.Generator, seen: Mucosa, bumps: Field) -> Plane:
    """Return how white the wet surface glints, ``(w, w)``: on crests above all."""
    height = np.float32(1.15) * cloud(rng, len(bumps), 90)
    height += 11 * bumps
    height += seen.sheen
    height -= 5
    height *= np.float32(1.6)
    return _enlarged(np.clip(height, -8, 8, out=height), len(seen.light))
