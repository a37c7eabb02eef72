"""Boxes and the affine maps between the pixels of a view and those of the original image.

Coordinates are continuous: pixel ``i`` covers ``[i, i + 1)``, its centre is ``i + 0.5``. A box is
``(x1, y1, x2, y2)`` with the upper bound excluded, so ``(0, 0, w, h)`` is a whole image.
"""

from collections.abc import Iterable
from itertools import pairwise
from typing import NamedTuple

Box = tuple[float, float, float, float]
Point = tuple[float, float]
Size = tuple[int, int]
"""``(width, height)`` in pixels."""


class Affine(NamedTuple):
    """The map ``x' = a x + b y + c``, ``y' = d x + e y + f``."""

    a: float = 1.0
    b: float = 0.0
    c: float = 0.0
    d: float = 0.0
    e: float = 1.0
    f: float = 0.0

    @classmethod
    def onto(cls, box: Box, size: Size) -> "Affine":
        """Map the pixels of a view of `size` onto the region `box` of the original."""
        x1, y1, x2, y2 = box
        return cls((x2 - x1) / size[0], 0.0, x1, 0.0, (y2 - y1) / size[1], y1)

    def point(self, x: float, y: float) -> tuple[float, float]:
        """Map one point."""
        return self.a * x + self.b * y + self.c, self.d * x + self.e * y + self.f

    def box(self, box: Box) -> Box:
        """Map a box: the bounding box of its mapped corners."""
        x1, y1, x2, y2 = box
        corners = [self.point(x, y) for x in (x1, x2) for y in (y1, y2)]
        xs, ys = [p[0] for p in corners], [p[1] for p in corners]
        return min(xs), min(ys), max(xs), max(ys)

    def inverse(self) -> "Affine":
        """Return the inverse map; a view never has a degenerate one."""
        det = self.a * self.e - self.b * self.d
        a, b, d, e = self.e / det, -self.b / det, -self.d / det, self.a / det
        return Affine(a, b, -(a * self.c + b * self.f), d, e, -(d * self.c + e * self.f))

    def after(self, first: "Affine") -> "Affine":
        """Return the map that does `first` and then this one."""
        c, f = self.point(first.c, first.f)
        (a, b), (d, e) = self[0:2], self[3:5]
        return Affine(
            *(a * first.a + b * first.d, a * first.b + b * first.e, c),
            *(d * first.a + e * first.d, d * first.b + e * first.e, f),
        )

    def squared(self) -> "Affine":
        """Return it with what is a rounding error beside a right angle set to 0."""
        a, b, c, d, e, f = self
        least = 1e-9 * max(abs(a), abs(b))
        a, b, d, e = (v if abs(v) > least else 0.0 for v in (a, b, d, e))
        return Affine(a, b, c, d, e, f)

    def facing(self, box: Box, size: Size) -> "Affine":
        """Map a view of `size` onto the region `box`, turned and mirrored as this `straight` map is."""
        x1, y1, x2, y2 = box
        if self.a + self.b < 0:
            x1, x2 = x2, x1
        if self.d + self.e < 0:
            y1, y2 = y2, y1
        if self.a:
            return Affine.onto((x1, y1, x2, y2), size)
        return Affine(0.0, (x2 - x1) / size[1], x1, (y2 - y1) / size[0], 0.0, y1)

    @property
    def upright(self) -> bool:
        """Whether the map only scales and shifts: no rotation, no mirror."""
        return self.b == 0 and self.d == 0 and self.a > 0 and self.e > 0

    @property
    def straight(self) -> bool:
        """Whether a box is mapped onto a box: besides scale and shift at most quarter turns and mirrors."""
        return (self.b == 0 and self.d == 0) or (self.a == 0 and self.e == 0)


def area(box: Box) -> float:
    """Area of a box; 0 for an empty or inverted one."""
    return max(0.0, box[2] - box[0]) * max(0.0, box[3] - box[1])


def intersect(one: Box, two: Box) -> Box:
    """Return the common part of two boxes, which may be empty (`area` 0)."""
    return max(one[0], two[0]), max(one[1], two[1]), min(one[2], two[2]), min(one[3], two[3])


def within(box: Box, size: Size, slack: float = 1e-6) -> bool:
    """Whether a box lies inside an image of `size`."""
    return box[0] >= -slack and box[1] >= -slack and box[2] <= size[0] + slack and box[3] <= size[1] + slack


def area_seen(box: Box, to_original: Affine, size: Size) -> float:
    """Return the area of `box`, of the original, that a view of `size` shows, in the original's pixels squared."""
    if to_original.straight:
        return area(intersect(box, to_original.box((0, 0, *size))))
    corners = outline(box, to_original, size)
    sides = pairwise([*corners, *corners[:1]])
    return abs(sum(one[0] * two[1] - two[0] * one[1] for one, two in sides)) / 2


def outline(box: Box, to_original: Affine, size: Size) -> list[Point]:
    """Return the corners of what a view of `size` shows of `box`, of the original, in the original's pixels.

    The view is a parallelogram there, which is cut at the box's sides (Sutherland and Hodgman 1974).
    """
    width, height = size
    corners = [to_original.point(x, y) for x, y in ((0, 0), (width, 0), (width, height), (0, height))]
    for axis, limit, sign in ((0, box[0], 1), (0, box[2], -1), (1, box[1], 1), (1, box[3], -1)):
        corners = _cut(corners, axis, limit, sign)
    return corners


def _cut(corners: list[Point], axis: int, limit: float, sign: int) -> list[Point]:
    """Cut a convex polygon at a line across `axis`, and keep the side to which `sign` points."""
    kept: list[Point] = []
    for one, two in pairwise([*corners, *corners[:1]]):
        before, after = sign * (one[axis] - limit), sign * (two[axis] - limit)
        if before >= 0:
            kept.append(one)
        if (before < 0) != (after < 0):
            share = before / (before - after)
            kept.append((one[0] + share * (two[0] - one[0]), one[1] + share * (two[1] - one[1])))
    return kept


def box_iou(one: Box, two: Box) -> float:
    """Intersection over union of two boxes; 0 where both are empty."""
    inter = area(intersect(one, two))
    union = area(one) + area(two) - inter
    return inter / union if union > 0 else 0.0


def bounding(boxes: Iterable[Box]) -> Box:
    """Return the smallest box that holds all of `boxes` (at least one)."""
    x1, y1, x2, y2 = zip(*boxes, strict=True)
    return min(x1), min(y1), max(x2), max(y2)


def grow(box: Box, by: float) -> Box:
    """Return the box enlarged by the share `by` of its longer side on every side."""
    margin = by * max(box[2] - box[0], box[3] - box[1])
    return box[0] - margin, box[1] - margin, box[2] + margin, box[3] + margin


def fit(size: tuple[float, float], longest: int) -> Size:
    """Scale `size` down, keeping its shape, so that no side exceeds `longest`; never up."""
    scale = min(1.0, longest / max(size))
    return max(1, round(size[0] * scale)), max(1, round(size[1] * scale))


def snap(box: Box, size: Size) -> tuple[int, int, int, int]:
    """Round a box to whole pixels inside an image of `size`; one that rounds to none is the pixel it lies in."""
    (x1, x2), (y1, y2) = _snapped(box[0], box[2], size[0]), _snapped(box[1], box[3], size[1])
    return x1, y1, x2, y2


def _snapped(low: float, high: float, limit: int) -> tuple[int, int]:
    first, last = max(round(low), 0), min(round(high), limit)
    if first < last:
        return first, last
    inside = min(max(int((low + high) // 2), 0), limit - 1)
    return inside, inside + 1
