"""Lesions: where one fits into its host, and the outline that tells one finding from another."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from .paint import Canvas, Curve
from .scene import Lesion, Quadrant


class Shape(NamedTuple):
    """The outlines a finding may have.

    Attributes:
        radii: smallest and largest mean radius, in units of the exam.
        waves: harmonics of the outline.
        rough: how far they reach, as a share of the radius.
        spikes: the height of fine spicules in pixels; 0 for none.
        stretch: the shortest that its shorter axis may be, as a share of the longer one.
    """

    radii: tuple[float, float]
    waves: int = 5
    rough: float = 0.08
    spikes: float = 0.0
    stretch: float = 0.85


@dataclass(frozen=True)
class Patch:
    """A lesion as painted.

    Attributes:
        asked: what was asked for.
        tissue: its own name on the canvas.
        rows, columns: the crop of the canvas that holds it.
        inside: ``(h, w) bool`` of the crop.
        centre: ``(x, y)`` in pixels.
        radius: its mean radius in pixels.
    """

    asked: Lesion
    tissue: str
    rows: slice
    columns: slice
    inside: NDArray[np.bool_]
    centre: tuple[float, float]
    radius: float

    def on(self, image: NDArray[Any]) -> NDArray[Any]:
        """Return the crop of an image that holds it, as a view of the same memory."""
        return image[self.rows, self.columns]

    def distance(self) -> NDArray[np.float32]:
        """Return every pixel's distance from the centre in radii, ``(h, w)`` of the crop."""
        y, x = np.ogrid[self.rows, self.columns]
        squared = (x + 0.5 - self.centre[0]) ** 2 + (y + 0.5 - self.centre[1]) ** 2
        return np.asarray(np.sqrt(squared) / self.radius, np.float32)


def implant(
    rng: np.random.Generator,
    canvas: Canvas,
    asked: Lesion,
    shape: Shape,
    tissues: Sequence[str],
    sizes: tuple[float, float] = (0.0, 1.0),
) -> Patch | None:
    """Paint a lesion into a host that consists of `tissues`; None where it has no room for the smallest.

    Args:
        rng: of its place, size and outline.
        canvas: painted on; gains a tissue of the lesion's own.
        asked: what to paint.
        shape: of its finding.
        tissues: of the host; other lesions are none of them, so two never touch.
        sizes: the share of the finding's range to draw a size from, where none is asked for.
    """
    # In a tiny image the smallest lesions would be less than a pixel.
    least, most = (max(radius * canvas.unit, 1.2) for radius in shape.radii)
    share = float(rng.uniform(*sizes)) if asked.size is None else asked.size
    found = _place(rng, canvas, tissues, asked.quadrant, least * (most / least) ** share, least, canvas.native / 250)
    if found is None:
        return None
    x, y, radius = found
    tissue = f"lesion {len(canvas.tissues)}"
    canvas.tissues.append(tissue)
    canvas.outline(tissue, outline(rng, shape, radius) + np.array([x, y]), tissues)
    reach = int(2 * radius) + 3
    rows, columns = (slice(max(0, int(v) - reach), min(canvas.native, int(v) + reach + 1)) for v in (y, x))
    label = canvas.tissues.index(tissue)
    canvas.labels[int(y), int(x)] = label
    return Patch(asked, tissue, rows, columns, canvas.labels[rows, columns] == label, (x, y), radius)


def outline(rng: np.random.Generator, shape: Shape, radius: float) -> Curve:
    """Return a closed curve around the origin, in pixels, of mean radius `radius`."""
    angle = np.linspace(0, 2 * np.pi, 240, endpoint=False)
    order = np.arange(2, shape.waves + 2)
    phase = rng.uniform(0, 2 * np.pi, shape.waves)
    size = shape.rough * rng.standard_normal(shape.waves) / np.sqrt(order)
    reach = 1 + np.clip(size @ np.cos(order[:, None] * angle + phase[:, None]), -0.35, 0.35)
    if shape.spikes:
        spike = np.repeat(rng.random(120) ** 4, 2) * (np.arange(240) % 2)
        reach += spike * min(0.3, shape.spikes / radius)
    stretch = rng.uniform(shape.stretch, 1.0)
    turn = rng.uniform(0, np.pi)
    x, y = radius * reach * np.cos(angle), radius * stretch * reach * np.sin(angle)
    return np.stack([np.cos(turn) * x - np.sin(turn) * y, np.sin(turn) * x + np.cos(turn) * y], 1)


def _place(
    rng: np.random.Generator,
    canvas: Canvas,
    tissues: Sequence[str],
    quadrant: Quadrant | None,
    radius: float,
    least: float,
    gap: float,
) -> tuple[float, float, float] | None:
    """Choose ``(x, y, radius)`` in pixels, at least `gap` from the host's border, `radius` or smaller."""
    native = canvas.native
    step = max(1, native // 96)
    free = canvas.among(tissues, canvas.labels[::step, ::step])
    room = np.zeros(free.shape)
    across, down = np.flatnonzero(free.any(0)), np.flatnonzero(free.any(1))
    if len(down):
        held = np.s_[down[0] : down[-1] + 1, across[0] : across[-1] + 1]
        # The edge of the image is a border too, or lesions would be cut.
        room[held] = ndimage.distance_transform_edt(np.pad(free[held], 1))[1:-1, 1:-1] * step
    if quadrant is not None:
        at = (np.arange(free.shape[0]) * step + 0.5) / native - 0.5
        column, row = (at > 0.05 if side else at < -0.05 for side in quadrant)
        room = room * column[None, :] * row[:, None]
    widest = float(room.max()) - gap
    if widest < least:
        return None
    radius = min(radius, max(least, 0.85 * widest))
    rows, columns = np.nonzero(room - gap >= min(1.15 * radius, widest))
    chosen = int(rng.integers(len(rows)))
    return float(columns[chosen] * step + 0.5), float(rows[chosen] * step + 0.5), radius
