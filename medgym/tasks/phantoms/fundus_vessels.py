"""The vessels of the retina: a tree of arteries and veins that arch around the macula from the optic disc."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from .paint import Canvas, Labels, smooth

FOVEA, DISC = np.array([-1.0, 0.0]), np.array([1.0, 0.0])
"""The body's frame: x grows from the fovea towards the nose, y downwards."""

COURSES = np.array(
    [
        ((1.08, 0.0), (0.9, 0.4), (0.45, 1.02), (-0.35, 1.45), (-1.35, 1.4), (-2.2, 1.0), (-2.9, 0.75)),
        ((1.08, 0.0), (1.1, 0.32), (1.25, 0.75), (1.5, 1.2), (1.75, 1.7), (1.95, 2.2), (2.1, 2.8)),
        ((1.08, 0.0), (1.25, 0.1), (1.5, 0.14), (1.75, 0.2), (2.0, 0.22), (2.4, 0.3), (2.9, 0.4)),
        ((1.08, 0.0), (1.0, 0.35), (0.96, 0.8), (0.85, 1.2), (0.75, 1.7), (0.7, 2.2), (0.7, 2.9)),
        ((1.08, 0.0), (0.8, 0.12), (0.5, 0.22), (0.2, 0.26), (-0.05, 0.27), (-0.3, 0.26), (-0.52, 0.24)),
    ]
)
"""Trunks of the lower half: temporal arcade, nasal, medial, straight down, and a twig to the macula."""
WIDTHS = np.array([0.064, 0.045, 0.028, 0.04, 0.014])
ENDS = np.array([0.5, 0.45, 0.4, 0.45, 0.15])
"""What is left of each one's width at its end."""
SPREAD = np.array([0.13, 0.13, 0.12, 0.13, 0.05])
"""How far each one's end strays."""
HEIGHTS = np.array([(0.85, 1.1), (0.85, 1.1), (0.3, 1.5), (0.95, 1.05), (0.6, 2.2)])
"""By what each one's rise is multiplied."""

INKS = 124
"""The most that `blurred` can take."""
VEIN, ARTERY = 122, 74
"""How much light each takes."""
AVASCULAR, HEAD = 0.26, 0.42
"""The radii around the fovea and the disc that branches keep out of."""
FINE, HAIR = 1.7, 0.6
"""The widths in pixels below which a vessel is a mere line, and is not seen at all."""
REFLEX = 0.28
"""The share of a trunk's width that mirrors the flash."""


class Branches(NamedTuple):
    """Vessels of one order: ``(N, S, 2)`` lines, ``(N, S)`` widths in the body's frame, ``(N,)`` inks."""

    lines: NDArray[np.float64]
    widths: NDArray[np.float64]
    inks: NDArray[np.float64]


def vessels(rng: np.random.Generator, canvas: Canvas) -> Labels:
    """Return the light that vessels take, ``(native, native) uint8`` up to `INKS`."""
    trunks = _trunks(rng)
    limbs = _sprouted(rng, trunks, 5, 1.4, 0.62)
    twigs = _sprouted(rng, limbs, 2, 0.8, 0.62)
    shades = np.zeros((canvas.native, canvas.native), np.uint8)
    shared = Image.frombuffer("L", shades.shape, shades, "raw", "L", 0, 1)
    shared.readonly = 0
    pen = ImageDraw.Draw(shared)
    for branches in (twigs, limbs, trunks):
        _draw(pen, canvas, branches)
    far = trunks.lines.shape[1] // 5
    lit = trunks.inks * rng.uniform(0.55, 0.8)
    wide = trunks.widths[:, far] * canvas.axes[1] >= FINE / REFLEX
    _draw(pen, canvas, Branches(trunks.lines[wide, far:], REFLEX * trunks.widths[wide, far:], lit[wide]))
    return shades


def _trunks(rng: np.random.Generator) -> Branches:
    """Let arteries and veins leave the disc in pairs, up and down."""
    plan: list[tuple[int, int, float]] = []
    for up in (-1, 1):
        courses = (0, 1, 2, 3) if rng.random() < 0.5 else (0, 1, 2)
        plan += [(course, up, ink) for ink in (VEIN, ARTERY) for course in (4, *courses)]
    table = np.array(sorted(plan, key=lambda row: -row[0]))
    course, ink = table[:, 0].astype(int), table[:, 2]
    count, corners = len(plan), COURSES.shape[1]
    points = COURSES[course]
    points[..., 1] *= (table[:, 1] * rng.uniform(*HEIGHTS[course].T))[:, None]
    growing = np.linspace(0, 1, corners)[:, None] ** 0.7
    points += rng.standard_normal((count, corners, 2)) * SPREAD[course][:, None, None] * growing
    points[:, 0] += rng.normal(0, 0.03, (count, 2))
    before, after = 2 * points[:, :1] - points[:, 1:2], 2 * points[:, -1:] - points[:, -2:-1]
    wide = np.concatenate([before, points, after], 1)
    steps = 5
    # All at once, as one curve in 2 N dimensions; it is closed by the far side, which is cut off.
    curves = smooth(wide.transpose(1, 0, 2).reshape(corners + 2, -1), steps)[steps : steps * corners]
    lines = curves.reshape(-1, count, 2).transpose(1, 0, 2)
    width = WIDTHS[course] * np.where(ink == VEIN, 1.0, 0.74) * rng.uniform(0.85, 1.1, count)
    taper = 1 - (1 - ENDS[course])[:, None] * np.linspace(0, 1, lines.shape[1])
    # They come up out of the disc.
    taper *= np.minimum(0.3 + 0.2 * np.arange(lines.shape[1]), 1)
    return Branches(lines, width[:, None] * taper, ink)


def _sprouted(rng: np.random.Generator, parents: Branches, each: int, length: float, share: float) -> Branches:
    """Let `each` branches at most grow from every parent, to both sides in turn."""
    count, steps = parents.widths.shape
    picked = np.linspace(0.14, 0.84, each) + rng.normal(0, 0.06, (count, each))
    at = np.clip(picked * steps, 2, steps - 2).astype(int).ravel()
    row = np.repeat(np.arange(count), each)
    start = parents.lines[row, at]
    kept = np.hypot(*(start - DISC).T) > HEAD
    row, at, start = row[kept], at[kept], start[kept]
    ahead = parents.lines[row, at + 1] - parents.lines[row, at - 1]
    turned = (at + row) % 2 * 2 - 1
    heading = np.arctan2(ahead[:, 1], ahead[:, 0]) + turned * rng.uniform(0.45, 0.95, len(row))
    width = parents.widths[row, at] * share * rng.uniform(0.7, 1.15, len(row))
    grow = 14
    curl = rng.normal(0, 0.035, (len(row), 1)) - 0.02 * turned[:, None]
    way = heading[:, None] + np.cumsum(curl + 0.15 * rng.standard_normal((len(row), grow)), 1)
    # Thin ones end sooner.
    reach = length * rng.uniform(0.5, 1.1, len(row)) * np.clip(width / 0.02, 0.35, 1) / grow
    lines = np.empty((len(row), grow + 1, 2))
    lines[:, 0] = 0
    np.cumsum(np.stack([np.cos(way), np.sin(way)], 2), 1, out=lines[:, 1:])
    lines = _ended(start[:, None] + reach[:, None, None] * lines)
    return Branches(lines, width[:, None] * np.linspace(1, 0.25, grow + 1), parents.inks[row] * 0.93)


def _ended(lines: NDArray[np.float64]) -> NDArray[np.float64]:
    """End lines where they come to the fovea or back to the disc."""
    free = (np.hypot(*(lines - FOVEA).T) > AVASCULAR) & (np.hypot(*(lines - DISC).T) > 0.95 * HEAD)
    last = np.maximum(np.logical_and.accumulate(free).sum(0) - 1, 0)
    steps = np.minimum(np.arange(lines.shape[1]), last[:, None])
    return np.asarray(np.take_along_axis(lines, steps[..., None], 1))


def _draw(pen: ImageDraw.ImageDraw, canvas: Canvas, branches: Branches) -> None:
    """Draw vessels, those finer than two pixels the fainter."""
    wide = branches.widths.mean(1) * float(abs(canvas.axes[1]))
    inks = np.rint(branches.inks * np.minimum(wide / 2.2, 1)).astype(int)
    broad = wide >= FINE
    lines = branches.lines[broad]
    across = np.gradient(lines, axis=1)[..., ::-1] * (-1, 1)
    across *= branches.widths[broad][..., None] / 2 / np.maximum(np.hypot(across[..., :1], across[..., 1:]), 1e-9)
    rims = np.concatenate([lines + across, (lines - across)[:, ::-1]], 1)
    hairs = (wide < FINE) & (wide >= HAIR)
    for draw, curves, chosen in ((pen.line, branches.lines[hairs], hairs), (pen.polygon, rims, broad)):
        corners = (canvas.pixels(curves) - 0.5).reshape(len(curves), 2 * curves.shape[1]).tolist()
        for corner, ink in zip(corners, inks[chosen].tolist(), strict=True):
            draw(corner, fill=ink)
