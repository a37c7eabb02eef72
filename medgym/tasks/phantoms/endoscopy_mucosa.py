"""Mucosa of a tube as an endoscope lights it: computed in polar coordinates around the lumen, then laid out."""

import math
from collections.abc import Sequence
from functools import lru_cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from .film import Field, cloud
from .paint import Canvas, Curve
from .scene import Level

ANGLES, RADII = 384, 240
"""The polar grid."""
FAR = 0.86
"""Its radius, as a share of the image's width; the lumen is never so far off the middle that more is seen."""
FINE = 128
"""Steps that the profile of a fold has across its width."""
SHIFT = 0.1
"""How far off the middle the lumen may lie."""
TONES = ((232.0, 0.62), (152.0, 0.95), (122.0, 1.0))
"""Of red, green and blue: mucosa in full light, and the exponent of the light."""
BLOOD = (0.14, 0.46, 0.40)
"""The share of each channel that a vessel absorbs."""
MUCUS = (236.0, 220.0, 180.0)


class Mucosa(NamedTuple):
    """What the wall looks like, at working resolution.

    Attributes:
        light: ``(w, w)``, from 0 to 1.
        crest: ``(w, w)``, how far a fold's edge faces the light.
        reach: the radius of the lumen in each of `ANGLES` directions, as a share of the width.
        folds: the radius of each fold in each direction.
    """

    light: Field
    crest: Field
    reach: Field
    folds: Field


def working(native: int) -> int:
    """Return the width that mucosa is computed at: what an endoscope resolves is no finer than two pixels."""
    return (native + 1) // 2 if native >= 512 else native


def mucosa(rng: np.random.Generator, canvas: Canvas) -> Mucosa:
    """Light the wall around the lumen that is on the canvas."""
    x, y = canvas.pixels(np.zeros((1, 2)))[0] / canvas.native
    reach = _lumen(canvas)
    folds, strength = _folds(rng, reach)
    light, crest = _shaded(rng, reach, folds, strength)
    work = working(canvas.native)
    index = np.ascontiguousarray(_window(work, float(x), float(y)))
    return Mucosa(_laid(light, index), _laid(crest, index), reach, folds)


def _lumen(canvas: Canvas) -> Field:
    """Measure how far the lumen reaches in each direction."""
    steps = np.arange(0.004, 0.25, 0.004)
    angle = np.arange(0, ANGLES, 4) * (2 * np.pi / ANGLES)
    rays = np.stack([np.outer(steps, np.cos(angle)), np.outer(steps, np.sin(angle))], 2)
    columns, rows = canvas.pixels(rays).astype(np.intp).transpose(2, 0, 1)
    count = (canvas.labels[rows, columns] == canvas.tissues.index("lumen")).sum(0)
    around = np.concatenate([count[-2:], count, count[:3]]) * 0.004
    smooth = np.convolve(around, (0.25, 0.5, 0.25), "same")[1:-1]
    return np.asarray(np.interp(np.arange(ANGLES) / 4, np.arange(-1, len(count) + 2), smooth), np.float32)


def _folds(rng: np.random.Generator, reach: Field) -> tuple[Field, Field]:
    """Return the radius and the strength of each fold, ``(folds, ANGLES)``: a tube that narrows and bends."""
    ratio = float(rng.uniform(1.32, 1.55))
    count = int(math.log(0.6 / reach.mean()) / math.log(ratio))
    order = np.arange(1, count + 1)[:, None]
    spread = np.exp(rng.normal(0, 0.05, (count, 1)))
    turn = rng.uniform(0, 2 * np.pi) + rng.normal(0, 0.3, (count, 1))
    triangle = rng.uniform(0.03, 0.09) * np.cos(3 * _angles() - turn)
    bend = 0.035 * order * np.cos(_angles() - rng.uniform(0, 2 * np.pi))
    wavy = 0.045 * _waves(rng, count, 9, 0.8)
    shrunk = reach.mean() + (reach - reach.mean()) * 0.8**order
    folds = shrunk * ratio**order * spread * (1 + triangle + bend + wavy)
    strength = np.clip(0.6 + 0.7 * _waves(rng, count, 3, 0.5), 0.03, 1)
    return folds.astype(np.float32), strength.astype(np.float32)


def _shaded(rng: np.random.Generator, reach: Field, folds: Field, strength: Field) -> tuple[Field, Field]:
    """Return the light and the crests on the polar grid, ``(RADII, ANGLES)``: a fold is lit and casts shade behind."""
    radius = _radii()[:, None]
    near = np.maximum(radius - np.float32(0.75) * reach, 0)
    light = np.float32(0.04) + np.float32(0.86) * (1 - np.exp(near * np.float32(-1 / rng.uniform(0.14, 0.19))))
    light *= (1 + rng.uniform(0.06, 0.18) * np.cos(_angles() - rng.uniform(0, 2 * np.pi))).astype(np.float32)
    crest = np.zeros_like(light)
    for fold, share in zip(folds, strength, strict=True):
        wide = 0.24 * float(fold.mean())
        first, last = (max(0, int(r / FAR * RADII)) for r in (fold.min() - wide, fold.max() + 2 * wide))
        rows = slice(first, last + 1)
        place = (radius[rows] - fold) * np.float32(FINE / wide) + np.float32(FINE)
        index = np.clip(place, 0, 3 * FINE - 1, out=place).astype(np.intp)
        light[rows] *= 1 + share * _profiles()[0].take(index)
        crest[rows] += share * _profiles()[1].take(index)
    hole = np.clip((radius - reach) * 120 + np.float32(0.5), 0, 1)
    light *= np.float32(0.2) + np.float32(0.8) * hole
    crest *= hole
    return light, crest


@lru_cache(1)
def _profiles() -> tuple[Field, Field]:
    """Return the gain of light and the crest across a fold, from one width behind its edge to two in front."""
    away = np.arange(3 * FINE) / FINE - 1
    edge = 1 / (1 + np.exp(-34 * away))
    fall = np.exp(-2.0 * np.abs(away)) * np.clip(4 * (1 + away), 0, 1) * np.clip(2 * (2 - away), 0, 1)
    rim = np.exp(-(((away - 0.07) / 0.07) ** 2))
    gain = fall * (0.75 * edge - 0.5) + 0.2 * rim
    return gain.astype(np.float32), (edge * fall**1.5).astype(np.float32)


def _laid(polar: Field, index: NDArray[np.intp]) -> Field:
    return np.asarray(polar.ravel().take(index))


def _window(work: int, x: float, y: float) -> NDArray[np.intp]:
    """Return the place on the polar grid of every pixel of an image whose lumen is at ``(x, y)``."""
    grid = _grid(work)
    top, left = (round((0.5 + SHIFT - at) * work) for at in (y, x))
    return grid[top : top + work, left : left + work]


@lru_cache(4)
def _grid(work: int) -> NDArray[np.intp]:
    half = round((0.5 + SHIFT) * work)
    at = (np.arange(2 * half + 2, dtype=np.float32) - half + 0.5) / work
    y, x = at[:, None], at[None, :]
    turn = (np.arctan2(y, x) * (ANGLES / (2 * np.pi))).astype(np.int32) % ANGLES
    row = np.minimum(np.hypot(x, y) * (RADII / FAR), RADII - 1).astype(np.int32)
    return np.asarray(row * ANGLES + turn, np.intp)


@lru_cache(1)
def _angles() -> Field:
    return (np.arange(ANGLES) * (2 * np.pi / ANGLES)).astype(np.float32)


@lru_cache(1)
def _radii() -> Field:
    return ((np.arange(RADII) + 0.5) * (FAR / RADII)).astype(np.float32)


def _waves(rng: np.random.Generator, count: int, orders: int, falloff: float) -> NDArray[np.float64]:
    """Return `count` random functions of the angle, ``(count, ANGLES)``, about standard normal."""
    order = np.arange(1, orders + 1)[:, None]
    size = order**-falloff
    phase = order * _angles()
    waves = np.concatenate([np.cos(phase), np.sin(phase)]) * np.concatenate([size, size])
    return np.asarray(rng.standard_normal((count, 2 * orders)) @ waves / np.sqrt((size**2).sum()))


def coloured(rng: np.random.Generator, canvas: Canvas, seen: Mucosa, level: Level) -> list[Field]:
    """Return the red, green and blue ``(w, w)`` of the wall with its vessels, bumps, mucus and glints."""
    work = len(seen.light)
    bumps = _relief(rng, work, ((9, 0.06), (60, 0.034)))
    light = seen.light * (1 + bumps) * _vignette(work)
    shade = np.clip(light * 255, 0, 255).astype(np.intp)
    blood = _vessels(rng, canvas, work) * np.float32(rng.uniform(0.5, 0.85) / 255)
    blood += _blush(rng, work, level.clutter)
    white = _glints(rng, seen, work, bumps)
    mucus = _mucus(rng, work, level.clutter) * seen.light if level.clutter else None
    planes = []
    for tone, share, haze in zip(_palette(rng), BLOOD, MUCUS, strict=True):
        plane = tone.take(shade) * (1 - np.float32(share) * blood)
        if mucus is not None:
            plane += mucus * (np.float32(haze) - plane)
        plane += white
        plane += rng.integers(-128, 128, plane.shape, np.int8) * np.float32(level.noise * 0.035)
        planes.append(plane)
    return planes


def _palette(rng: np.random.Generator) -> NDArray[np.float32]:
    """Return the red, green and blue of mucosa, ``(3, 256)``, by how much light falls on it."""
    light = np.arange(256) / 255
    warm = (1, *rng.uniform(0.9, 1.08, 2))
    return np.array([hue * full * light**power for hue, (full, power) in zip(warm, TONES, strict=True)], np.float32)


def _relief(rng: np.random.Generator, work: int, octaves: Sequence[tuple[int, float]]) -> Field:
    """Return a random field ``(w, w)``, the sum of clouds of so many cells and such amplitudes, coarse ones first."""
    side = min(work, 2 * octaves[-1][0])
    total = np.zeros((side, side), np.float32)
    for cells, amplitude in octaves:
        total += np.float32(amplitude) * cloud(rng, side, cells)
    return np.asarray(Image.fromarray(total).resize((work, work), Image.Resampling.BILINEAR))


def _blush(rng: np.random.Generator, work: int, clutter: float) -> Field:
    """Return where mucosa is redder or paler than elsewhere, ``(w, w)``; clutter adds blotches without a border."""
    side = min(work, 64)
    red = np.float32(0.045) * cloud(rng, side, 10)
    red += np.float32(0.3 * clutter) * np.clip(cloud(rng, side, 9) - np.float32(1.2), 0, 1)
    return np.asarray(Image.fromarray(red).resize((work, work), Image.Resampling.BILINEAR))


def _mucus(rng: np.random.Generator, work: int, clutter: float) -> Field:
    """Return how much thin strands of mucus cover, ``(w, w)`` from 0 to 1."""
    sheet = Image.new("L", (work, work))
    pen = ImageDraw.Draw(sheet)
    count = int(rng.integers(3, 6) + 8 * clutter)
    ways, _ = _walks(rng, rng.uniform(0.1, 0.9, (count, 2)), rng.uniform(0, 2 * np.pi, count), 9)
    for way, tone in zip((ways - ways[:, :1]) * 0.6 + ways[:, :1], rng.integers(40, 110, count), strict=True):
        pen.line((way * work).ravel().tolist(), fill=int(tone), width=max(1, round(work * rng.uniform(0.002, 0.006))))
    soft = sheet.resize((work // 2, work // 2), Image.Resampling.BOX).resize((work, work), Image.Resampling.BICUBIC)
    return np.asarray(soft) * np.float32(1 / 255)


@lru_cache(4)
def _vignette(work: int) -> Field:
    at = ((np.arange(work, dtype=np.float32) + 0.5) / work - 0.5) ** 2
    return np.asarray(1 - 1.1 * (at[:, None] + at[None, :]) ** 2 / 0.25, np.float32)


def _vessels(rng: np.random.Generator, canvas: Canvas, work: int) -> NDArray[np.uint8]:
    """Draw trees of vessels that shrink towards the lumen, ``(w, w) uint8``."""
    sheet = Image.new("L", (2 * work, 2 * work))
    pen = ImageDraw.Draw(sheet)
    scale = 2 * work
    centre = canvas.pixels(np.zeros((1, 2)))[0] / canvas.native
    starts, heading = rng.uniform((0, -1.5), (2 * np.pi, -0.75), (10, 2)), rng.uniform(0, 2 * np.pi, 10)
    for width, tone, steps in ((0.0056, 210, 16), (0.0036, 165, 11), (0.0024, 130, 8)):
        ways, turns = _walks(rng, starts, heading, steps)
        radius = np.exp(ways[..., 1])
        points = np.stack([np.cos(ways[..., 0]), np.sin(ways[..., 0])], 2) * radius[..., None] + centre
        for way, near in zip(points * scale, radius[:, 0], strict=True):
            pen.line(way.ravel().tolist(), fill=tone, width=max(1, round(width * scale * min(1.2, 3 * near))))
        at = rng.integers(1, steps, (len(ways), 3))
        starts = np.take_along_axis(ways, at[..., None], 1).reshape(-1, 2)
        heading = (np.take_along_axis(turns, at, 1) + rng.choice((-0.8, 0.8), at.shape)).ravel()
    return np.asarray(sheet.reduce(2))


def _walks(rng: np.random.Generator, starts: Curve, heading: Curve, steps: int) -> tuple[Curve, Curve]:
    """Return wandering lines, ``(N, steps + 1, 2)``, as angle and logarithm of the radius, and their headings."""
    turns = heading[:, None] + np.cumsum(rng.normal(0, 0.3, (len(starts), steps)), 1)
    ahead = np.stack([np.cos(turns), np.sin(turns)], 2) * 0.035
    ways = np.concatenate([starts[:, None], starts[:, None] + np.cumsum(ahead, 1)], 1)
    return ways, np.concatenate([turns, turns[:, -1:]], 1)


def _glints(rng: np.random.Generator, seen: Mucosa, work: int, bumps: Field) -> Field:
    """Return the white that the wet surface throws back, ``(w, w)`` from 0 to 255: on crests above all."""
    height = _relief(rng, work, ((10, 0.9), (90, 1.05)))
    height = height + 6 * bumps
    height += np.float32(2.2) * seen.crest
    height += np.float32(1.2) * seen.light
    height -= np.float32(rng.uniform(4.7, 5.3))
    height *= np.float32(360)
    return np.clip(height, 0, 255, out=height)


def doubled(plane: NDArray[np.int16], native: int) -> NDArray[np.int16]:
    """Return 16 times a plane of bytes, ``(native, native)``, scaled up by two linearly where it is smaller."""
    if len(plane) == native:
        return plane * np.int16(16)
    wide = np.pad(plane, 1, mode="edge")
    middle = wide[1:-1] * np.int16(3)
    tall = np.empty((2 * len(plane), wide.shape[1]), np.int16)
    np.add(middle, wide[:-2], out=tall[::2])
    np.add(middle, wide[2:], out=tall[1::2])
    middle = tall[:, 1:-1] * np.int16(3)
    full = np.empty((len(tall), len(tall)), np.int16)
    np.add(middle, tall[:, :-2], out=full[:, ::2])
    np.add(middle, tall[:, 2:], out=full[:, 1::2])
    return full[:native, :native]


def cover(rng: np.random.Generator, pixels: NDArray[np.uint8], occlusion: float) -> None:
    """Lay bubbles, glare and thin films of blood over the picture."""
    native = len(pixels)
    films = int(rng.integers(0, 3)) if occlusion > 0.4 else 0
    for _ in range(films):
        crop, x, y = _crop(rng, native, rng.uniform(0.09, 0.15), rng.uniform(0.4, 0.8))
        away = np.hypot(x, y)
        thick = (0.9 + 0.4 * cloud(rng, len(away), 7)) * np.clip(2.5 * (1 - away), 0, 1)
        share = np.clip(thick, 0, 1)[..., None] * np.float32(0.5)
        part = pixels[crop]
        part[:] = part * (1 - share * np.array([0.2, 0.5, 0.4], np.float32))
    for _ in range(round(3 * occlusion)):
        crop, x, y = _crop(rng, native, rng.uniform(0.02, 0.045), rng.uniform(0.3, 0.8))
        away = np.hypot(x, y)
        share = np.clip(3 * (0.7 - away + 0.3 * cloud(rng, len(away), 6)), 0, 1) * np.clip(6 * (1 - away), 0, 1)
        _whiten(pixels[crop], share)
    for _ in range(round(2.5 * occlusion)):
        middle = _aside(rng)
        for _ in range(int(rng.integers(2, 8))):
            at = middle + rng.normal(0, 0.025, 2)
            crop, x, y = _crop(rng, native, rng.uniform(0.006, 0.018), 1.0, at)
            away = np.hypot(x, y)
            rim = np.exp(-(((away - 0.8) / 0.1) ** 2)) * (0.35 - 0.3 * (x + y))
            spot = np.exp(-(((x + 0.35) ** 2 + (y + 0.35) ** 2) / 0.02))
            _whiten(pixels[crop], np.clip(rim + spot + 0.08 * (away < 0.8), 0, 1))


def _crop(
    rng: np.random.Generator, native: int, radius: float, flat: float, at: Curve | None = None
) -> tuple[tuple[slice, slice], Field, Field]:
    """Return a square crop and its coordinates in a turned ellipse of a radius given as a share of the width."""
    turn = rng.uniform(0, np.pi)
    cos, sin = math.cos(turn), math.sin(turn)
    half = max(3, int(radius * native))
    left, top = (int(v * native) - half for v in (_aside(rng) if at is None else at))
    x = np.arange(-half, half, dtype=np.float32) / half
    x, y = x[None, :], x[:, None]
    along, aside = x * cos + y * sin, (y * cos - x * sin) / flat
    return (
        (slice(top, top + 2 * half), slice(left, left + 2 * half)),
        np.asarray(along, np.float32),
        np.asarray(aside, np.float32),
    )


def _whiten(part: NDArray[np.uint8], share: Field) -> None:
    part[:] = part + share[..., None] * (np.float32(252) - part)


def _aside(rng: np.random.Generator) -> Curve:
    """Return a place on the wall, not on the lumen, as shares of the width."""
    turn = rng.uniform(0, 2 * np.pi)
    return 0.5 + rng.uniform(0.22, 0.34) * np.array([math.cos(turn), math.sin(turn)])
