"""The chest seen from the front: the outlines that label it, and the sheets of bone and vessel that lie over it.

In the frame of the body the lungs reach from -1 to 1 each way. The patient's right is at the image's left.
"""

from collections.abc import Collection
from functools import lru_cache
from itertools import pairwise
from math import comb

import numpy as np
from PIL import Image, ImageDraw

from .paint import Canvas, Curve, Labels, blob, dot, jitter, smooth
from .scene import Level

ZONES = ("upper", "middle", "lower")
SIDES = {"right": -1, "left": 1}
"""Which way from the middle of the image a side of the patient is."""

TISSUES: dict[str, float] = {
    "body": 0,
    **{f"{side} {zone} {part}": -56 for side in SIDES for zone in ZONES for part in ("zone", "edge")},
    "right clavicle over lung": -32,
    "left clavicle over lung": -32,
    "right clavicle": 24,
    "left clavicle": 24,
    "mediastinum": 6,
    "heart": 20,
    "trachea": -18,
    "bronchus": -4,
    "abdomen": 46,
    "gastric bubble": -50,
    "side marker": 330,
}
"""What each adds to the thickness that the beam has passed, in units of `xray`. A zone's edge holds no lesion."""

PARTS: dict[str, tuple[str, ...]] = {
    **{
        f"{side} {zone} zone": (
            f"{side} {zone} zone",
            f"{side} {zone} edge",
            *([f"{side} clavicle over lung"] if zone == "upper" else []),
        )
        for side in SIDES
        for zone in ZONES
    },
    "heart": ("heart",),
    "trachea": ("trachea",),
    "gastric bubble": ("gastric bubble",),
    "right clavicle": ("right clavicle", "right clavicle over lung"),
    "left clavicle": ("left clavicle", "left clavicle over lung"),
    "side marker": ("side marker",),
}

LUNGS = {
    "right": (
        *((-0.44, -1.0), (-0.63, -0.9), (-0.8, -0.6), (-0.91, -0.2), (-0.97, 0.25), (-0.99, 0.65), (-0.985, 0.97)),
        *((-0.85, 0.79), (-0.64, 0.68), (-0.42, 0.66), (-0.28, 0.7), (-0.18, 0.68), (-0.14, 0.4), (-0.17, 0.0)),
        *((-0.18, -0.4), (-0.19, -0.75), (-0.27, -0.94)),
    ),
    "left": (
        *((0.44, -1.0), (0.63, -0.9), (0.8, -0.6), (0.91, -0.2), (0.97, 0.25), (0.99, 0.65), (0.985, 0.99)),
        *((0.86, 0.86), (0.67, 0.76), (0.47, 0.75), (0.3, 0.77), (0.14, 0.7), (0.14, 0.4), (0.17, -0.02)),
        *((0.21, -0.16), (0.19, -0.25), (0.25, -0.36), (0.21, -0.48), (0.18, -0.75), (0.27, -0.94)),
    ),
}
"""Down the chest wall, along the diaphragm's dome, and up the mediastinum; the left one round the aortic arch."""
DOME = slice(7, 11)
"""The points of a lung that lie on the diaphragm."""
HEART = (
    *((-0.18, -0.06), (-0.26, 0.16), (-0.3, 0.4), (-0.26, 0.64), (-0.12, 0.78), (0.12, 0.84), (0.36, 0.86)),
    *((0.53, 0.8), (0.57, 0.68), (0.53, 0.47), (0.43, 0.24), (0.31, 0.06), (0.22, -0.1), (0.02, -0.13)),
)
DIAPHRAGM = ((-1.0, 1.0), (-0.9, 0.6), (-0.1, 0.55), (0.1, 0.55), (0.9, 0.65), (1.0, 1.0), (1.06, 2.2), (-1.06, 2.2))
"""The abdomen below it; lungs and heart hide its upper border."""
BODY = (
    *((0.2, -2.0), (0.23, -1.42), (0.4, -1.24), (0.8, -1.16), (1.2, -1.16), (1.5, -1.06), (2.0, -0.6), (2.0, 0.1)),
    *((1.7, 0.05), (1.32, -0.45), (1.2, -0.3), (1.16, 0.1), (1.15, 0.7), (1.17, 2.2)),
)
"""The half at the image's right."""
CLAVICLE = ((0.08, -0.74), (0.3, -0.76), (0.45, -0.78), (0.68, -1.1), (1.1, -1.13))
SCAPULA = (
    (1.2, -1.02),
    (1.0, -1.0),
    (0.86, -0.9),
    (0.84, -0.5),
    (0.93, -0.12),
    (1.02, -0.2),
    (1.2, -0.7),
    (1.3, -0.88),
)
HUMERUS = ((1.44, -0.98), (1.33, -1.0), (1.28, -0.9), (1.32, -0.78), (1.5, -0.5), (1.9, 0.1), (2.1, 0.0), (1.56, -0.8))
VERTEBRA = ((-1, -0.44), (0, -0.4), (1, -0.44), (0.86, 0), (1, 0.44), (0, 0.4), (-1, 0.44), (-0.86, 0))
WALL = ((-1.1, -0.85, -0.6, -0.2, 0.25, 0.65, 1.3), (0.4, 0.68, 0.82, 0.93, 0.99, 1.01, 1.01))
"""How far the rib cage reaches from the middle, by height."""
LETTERS = {
    "right": (((0, 1), (0, 0), (0.4, 0), (0.58, 0.12), (0.6, 0.3), (0.45, 0.47), (0, 0.5)), ((0.3, 0.5), (0.62, 1))),
    "left": (((0, 0), (0, 1), (0.55, 1)),),
}
ELECTRODES = (((0.85, -1.14), (1.1, -1.04)), ((1.05, 0.2), (1.1, 0.8)))
"""Where electrodes are at the image's right: shoulder and flank."""
EDGE = 0.05
"""How far from the border of its zone a lesion stays: nothing in the image marks these borders."""


def bezier(points: Curve, steps: int = 14) -> Curve:
    """Return an open curve from the first point to the last, drawn to those between; or one for each of many."""
    return np.asarray(np.matmul(_bernstein(points.shape[-2], steps), points))


@lru_cache
def _bernstein(points: int, steps: int) -> Curve:
    t = np.linspace(0, 1, steps)[:, None]
    k = np.arange(points)
    return np.asarray([comb(points - 1, i) for i in k] * t**k * (1 - t) ** (points - 1 - k))


def band(way: Curve, half: float | Curve) -> tuple[Curve, Curve]:
    """Return the two edges along a line, `half` to each side of it; or along each of many."""
    along = np.empty_like(way)
    along[..., 1:-1, :] = way[..., 2:, :] - way[..., :-2, :]
    along[..., 0, :], along[..., -1, :] = way[..., 1, :] - way[..., 0, :], way[..., -1, :] - way[..., -2, :]
    across = along[..., ::-1] * (-1, 1) / np.hypot(along[..., :1], along[..., 1:])
    reach = across * np.reshape(half, (-1, 1))
    return way - reach, way + reach


def ring(one: Curve, other: Curve) -> Curve:
    """Close two edges to a polygon."""
    return np.concatenate([one, other[..., ::-1, :]], -2)


def paint_thorax(rng: np.random.Generator, canvas: Canvas, absent: Collection[str]) -> None:
    """Paint lungs by zones, heart, airways, abdomen, clavicles and the side marker."""
    canvas.fill("abdomen", np.asarray(DIAPHRAGM))
    middle = ((-0.19, -0.95), (0.19, -0.95), (0.2, 0.1), (-0.2, 0.1))
    canvas.fill("mediastinum", np.asarray(middle))
    for side in SIDES:
        _paint_lung(rng, canvas, side)
    _paint_airways(rng, canvas)
    size = rng.uniform((0.9, 0.9), (1.14, 1.05))
    canvas.fill("heart", smooth(jitter(rng, HEART, 0.009)) * size + (0, 0.8 * (1 - size[1])))
    if "gastric bubble" not in absent:
        centre = rng.uniform((0.45, 0.92), (0.6, 1.0))
        bubble = blob(rng, centre, rng.uniform((0.13, 0.08), (0.24, 0.16)), 0.04, waves=3)
        bubble[:, 1] = np.minimum(bubble[:, 1], centre[1] + rng.uniform(0.02, 0.1))
        canvas.fill("gastric bubble", bubble, over=("abdomen",))
    for side in SIDES:
        if f"{side} clavicle" not in absent:
            _paint_clavicle(rng, canvas, side)
    if "side marker" not in absent:
        _paint_marker(rng, canvas)


def _paint_lung(rng: np.random.Generator, canvas: Canvas, side: str) -> None:
    """Paint a lung from below: each zone is a third of its height."""
    points = jitter(rng, LUNGS[side], 0.008)
    points[DOME, 1] += rng.normal(0, 0.022)
    lung = smooth(points)
    low, high = float(lung[:, 1].min()), float(lung[:, 1].max())
    canvas.fill(f"{side} lower zone", lung)
    for third, (above, below) in ((2, ("middle", "lower")), (1, ("upper", "middle"))):
        border = low + (high - low) * third / 3
        for tissue, shift in ((f"{below} edge", EDGE), (f"{above} edge", 0.0), (f"{above} zone", -EDGE)):
            canvas.fill(f"{side} {tissue}", _above(lung, border + shift))


def _above(curve: Curve, border: float) -> Curve:
    """Return the part of a closed curve above a height that it crosses twice."""
    below = curve[:, 1] > border
    turned = np.roll(curve, -int((below & ~np.roll(below, -1)).argmax()), 0)
    part = turned[: int((turned[1:, 1] > border).argmax()) + 2].copy()
    for end, inner in ((0, 1), (-1, -2)):
        step = part[inner] - part[end]
        part[end] += step * (border - part[end, 1]) / step[1]
    return part


def _paint_airways(rng: np.random.Generator, canvas: Canvas) -> None:
    carina = np.array([0.015, -0.3]) + rng.normal(0, 0.012, 2)
    top = np.array([rng.normal(0, 0.012), -2.0])
    millimetre = canvas.unit
    for way, steep in ((-1, 0.17), (1, 0.13)):
        main = bezier(carina + np.array([(0, -0.05), (way * 0.06, 0.05), (way * 0.2, steep)]))
        canvas.stroke("bronchus", (main, 11 * millimetre), over=("mediastinum", "body"))
    trachea = bezier(np.array([top, carina * (1, 3), carina]), 24)
    edges = band(canvas.pixels(trachea), float(rng.uniform(7.5, 10)) * millimetre)
    canvas.outline("trachea", ring(*edges), ("mediastinum", "body", "bronchus"))


def _paint_clavicle(rng: np.random.Generator, canvas: Canvas, side: str) -> None:
    """Paint a clavicle; where it crosses the lung it is a part of both."""
    points = jitter(rng, CLAVICLE, 0.012) - (0, rng.normal(0, 0.02))
    way = canvas.pixels(bezier(points * (SIDES[side], 1), 24))
    half = canvas.unit * rng.uniform(5.0, 6.4) * (1 + 0.45 * np.linspace(1, -0.4, 24).clip(0) ** 4)
    curve = ring(*band(way, half))
    canvas.outline(f"{side} clavicle over lung", curve, (f"{side} upper zone", f"{side} upper edge"))
    canvas.outline(f"{side} clavicle", curve, ("body", "mediastinum"))


def _paint_marker(rng: np.random.Generator, canvas: Canvas) -> None:
    """Paint a letter of lead beside a shoulder."""
    side = ("right", "left")[int(rng.integers(2))]
    native, tall = canvas.native, rng.uniform(13, 18) * canvas.unit
    corner = native * rng.uniform((0.05, 0.03), (0.12, 0.08))
    corner[0] = native - corner[0] - 0.6 * tall if side == "left" else corner[0]
    for line in LETTERS[side]:
        for ends in pairwise(np.asarray(line, float)):
            stroke = np.array(ends)
            stroke += 0.09 * np.diff(stroke, axis=0) / np.hypot(*np.diff(stroke, axis=0)[0]) * [[-1], [1]]
            canvas.outline("side marker", ring(*band(corner + tall * stroke, 0.09 * tall)))


class Sheet:
    """A layer of the projection: drawn at its own scale, later added to the others.

    Attributes:
        marks: ``(size, size) uint8`` of what is drawn.
        millimetre: its length in the sheet's pixels.
    """

    def __init__(self, canvas: Canvas, size: int) -> None:
        self._canvas = canvas
        self._scale = size / canvas.native
        self._image = Image.new("L", (size, size))
        self._pen = ImageDraw.Draw(self._image)
        self.millimetre = canvas.unit * self._scale

    @property
    def marks(self) -> Labels:
        """What is drawn, as a copy."""
        return np.asarray(self._image)

    def at(self, curve: Curve) -> Curve:
        """Map points of the body's frame to the sheet."""
        return self._canvas.pixels(curve) * self._scale

    def fill(self, curves: Curve, mark: float) -> None:
        """Fill polygons ``(n, corners, 2)`` that are in the sheet's pixels."""
        for corners in _flat(curves):
            self._pen.polygon(corners, fill=round(mark))

    def line(self, curves: Curve, mark: float, widths: float | Curve) -> None:
        """Draw along lines ``(n, points, 2)`` that are in the sheet's pixels, `widths` in millimetres."""
        wide = np.broadcast_to(widths, len(curves)) * self.millimetre
        # Thinner than a pixel is fainter instead.
        marks = np.rint(mark * np.minimum(wide, 1)).astype(int).tolist()
        pixels = np.maximum(np.rint(wide), 1).astype(int).tolist()
        for points, fill, width in zip(_flat(curves), marks, pixels, strict=True):
            self._pen.line(points, fill=fill, width=width)


def _flat(curves: Curve) -> list[list[float]]:
    return (curves - 0.5).reshape(len(curves), 2 * curves.shape[1]).tolist()


def _closed(curves: Curve) -> Curve:
    return np.concatenate([curves, curves[:, :1]], 1)


def draw_ribs(rng: np.random.Generator, behind: Sheet, before: Sheet) -> None:
    """Draw the ribs: nearly level at the back, steep in front."""
    top, step = rng.normal(-0.95, 0.02), rng.uniform(0.182, 0.2)
    wide, dense = rng.uniform(3.6, 4.8), rng.uniform(0.8, 1.15)
    backs, fronts = [], []
    for k in range(11):
        drop = 0.2 + 0.05 * min(k, 3)
        for way in SIDES.values():
            y = top + k * step + rng.normal(0, 0.006)
            edge, lower = np.interp((y + drop, y + 1.7 * drop), *WALL)
            flat = ((0.1, y), (0.3, y - 0.1), (0.75 * edge, y - 0.06))
            backs.append(np.array((*flat, (edge, y + 0.4 * drop), (edge + 0.01, y + drop))) * (way, 1))
            steep = ((edge, y + 0.8 * drop), (lower, y + 1.3 * drop), (0.75 * lower, y + 1.75 * drop))
            fronts.append(np.array((*steep, (0.36 + 0.05 * k, y + (1.9 + 0.05 * k) * drop))) * (way, 1))
    _draw_bones(behind, np.array(backs), wide, 44 * dense)
    _draw_bones(before, np.array(fronts[:16]), 1.2 * wide, 36 * dense)


def _draw_bones(sheet: Sheet, points: Curve, half: float, mark: float) -> None:
    """Draw many bands with brighter rims, the lower one more so."""
    one, other = band(sheet.at(bezier(points, 16)), half * sheet.millimetre)
    sheet.fill(ring(one, other), mark)
    sheet.line(one, 1.35 * mark, 1.0)
    sheet.line(other, 1.6 * mark, 1.3)


def draw_spine(rng: np.random.Generator, sheet: Sheet) -> None:
    """Draw vertebral bodies, their pedicles and spinous processes."""
    tall, lean = rng.uniform(0.185, 0.2), rng.normal(0, 0.02)
    y = -0.95 + tall * np.arange(-3, 13)
    middle = np.stack([lean * np.sin(1.5 * y), y], 1)[:, None]
    half = 0.12 + 0.016 * y[:, None, None]
    bodies = sheet.at(middle + smooth(VERTEBRA, 3) * np.concatenate([half, 0 * half + tall], 2))
    sheet.fill(bodies, 52)
    sheet.line(_closed(bodies), 72, 1.2)
    for way in (-1, 1):
        sheet.fill(sheet.at(middle + dot((way * 0.08, -0.06 * tall), (0.02, 0.03))), 78)
    sheet.fill(sheet.at(middle + dot((0, 0.28 * tall), (0.014, 0.045))), 84)


def draw_girdle(rng: np.random.Generator, sheet: Sheet, occlusion: float) -> None:
    """Draw shoulder blades, more over the lungs where there is more in the way, and the upper arms."""
    for way in SIDES.values():
        shift = np.array([rng.uniform(-0.02, 0.06) - 0.09 * occlusion, rng.normal(0, 0.02)])
        blade = (smooth(jitter(rng, SCAPULA, 0.012), 6) + shift) * (way, 1)
        edge = _closed(sheet.at(blade)[None])
        sheet.fill(edge, 26)
        sheet.line(edge, 60, 2.0)
        spine = shift + np.array([(0.88, -0.72), (1.05, -0.9), (1.28, -1.1)])
        sheet.line(sheet.at(bezier(spine * (way, 1)))[None], 58, 5.0)
        arm = _closed(sheet.at(smooth(jitter(rng, HUMERUS, 0.01), 6) * (way, 1))[None])
        sheet.fill(arm, 70)
        sheet.line(arm, 96, 2.2)


def draw_vessels(rng: np.random.Generator, sheet: Sheet, level: Level) -> None:
    """Draw vessels that leave the hila, fork and fade; some are seen end on beside them."""
    dense = 54 * (1 + 0.2 * level.clutter)
    for way in SIDES.values():
        hilum = np.array([way * 0.23, -0.08 if way > 0 else -0.02]) + rng.normal(0, 0.015, 2)
        heading = np.linspace(-1.35, 1.35, 8) + rng.normal(0, 0.1, 8)
        starts = hilum + rng.normal(0, (0.015, 0.05), (8, 2)) + 0.05 * np.stack([0 * heading, np.sin(heading)], 1)
        width, mark, length = rng.uniform(4.5, 7.5, 8), dense, 0.055
        for _ in range(4):
            turns = heading[:, None] + np.cumsum(rng.normal(0, 0.11, (len(heading), 6)), 1)
            steps = np.stack([way * np.cos(turns), np.sin(turns)], 2) * length
            steps *= rng.uniform(0.6, 1.2, (len(heading), 1, 1))
            ways = starts[:, None] + np.concatenate([0 * steps[:, :1], np.cumsum(steps, 1)], 1)
            sheet.line(sheet.at(ways), mark, width)
            fork = rng.normal(0.42, 0.12, len(heading))
            starts, width = np.repeat(ways[:, -1], 2, 0), np.repeat(width * 0.62, 2)
            heading = np.stack([turns[:, -1] - fork, turns[:, -1] + fork], 1).ravel()
            kept = np.flatnonzero((np.abs(starts[:, 0]) < 0.88) & (np.abs(heading) < 1.9))[:32]
            starts, width, heading = starts[kept], width[kept], heading[kept]
            mark, length = mark * 0.8, length * 0.82
        spots = hilum + rng.normal((way * 0.05, 0), (0.05, 0.12), (round(5 * max(0.0, level.clutter - 0.35)), 1, 2))
        sheet.fill(sheet.at(spots + dot((0, 0), (0.011, 0.011))), 50)


def draw_leads(rng: np.random.Generator, sheet: Sheet, occlusion: float) -> None:
    """Draw the leads of an electrocardiogram over the chest, each with its electrode beside the lungs."""
    for _ in range(int(rng.integers(round(4 * occlusion) + 1))):
        way = float(rng.choice((-1, 1)))
        low, high = ELECTRODES[int(rng.integers(len(ELECTRODES)))]
        end = rng.uniform(low, high) * (way, 1)
        points = np.array(
            [end, end + rng.normal(0, 0.25, 2), rng.normal((0, 0.5), 0.4), (way * rng.uniform(0.2, 1.2), 1.6)]
        )
        line = sheet.at(bezier(points, 30))
        sheet.line(line[None], 170, 1.1)
        for radius, mark in ((5.5, 70), (4.2, 30), (1.6, 220)):
            sheet.fill(dot(line[0], np.full(2, radius * sheet.millimetre))[None], mark)
