"""Endoscopy: what a colonoscope sees of the bowel around the lumen, in its own light.

The walls are named as displayed: an endoscope is turned freely, so no side is the patient's.
"""

from collections.abc import Collection, Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy import ndimage

from ...core.image import Pixels
from .endoscopy_mucosa import coloured, cover, doubled, mucosa
from .exam import Exam
from .film import Field, blurred, cloud
from .lesions import Patch, Shape
from .paint import Canvas, Curve, blob
from .scene import Level

WALLS = {"left wall": 180, "upper wall": 270, "right wall": 0, "lower wall": 90}
"""The direction of each from the lumen, in degrees clockwise from the image's right."""
CLEAR = 37.0
"""Degrees to both sides of that direction in which lesions may lie: none is close to two walls."""
STEEL = {
    "instrument rim": (70, 66, 64),
    "instrument": (140, 140, 142),
    "instrument light": (196, 196, 198),
    "instrument shine": (246, 248, 250),
    "instrument gap": (66, 62, 62),
}
TISSUES = ("mask", *(f"{wall} border" for wall in WALLS), *WALLS, "lumen", *STEEL)
"""The border of a wall is part of it that holds no lesion."""
GRAIN = 4
"""The amplitude of usual noise, in 1/128 of 16 grey levels."""
PARTS: dict[str, tuple[str, ...]] = {
    **{wall: (wall, f"{wall} border") for wall in WALLS},
    "lumen": ("lumen",),
    "instrument": tuple(STEEL),
}


class Bed(NamedTuple):
    """What a lesion lies on.

    Attributes:
        colours: ``(h, w, 3)`` of the mucosa, its vessels and folds smoothed away.
        depth: ``(h, w)``, from 0 at the lesion's outline to 1 at its middle.
        facing: ``(h, w)``, how far its surface, were it a dome, is turned to the endoscope.
        mottle: ``(h, w)``, about standard normal.
    """

    colours: Field
    depth: Field
    facing: Field
    mottle: Field


def _paint(rng: np.random.Generator, native: int, absent: Collection[str], level: Level) -> Canvas:
    centre = native * (0.5 + rng.uniform(-0.05, 0.05, 2))
    canvas = Canvas(native, TISSUES, centre, (native, native), 0.0, native / 100)
    first, *others = WALLS
    canvas.outline(f"{first} border", _frame(rng) * native)
    canvas.keep(f"{first} border")
    for wall in others:
        canvas.fill(f"{wall} border", _sector(WALLS[wall], 45.0, 0.0))
    size = float(rng.uniform(0.085, 0.12))
    for wall, angle in WALLS.items():
        canvas.fill(wall, _sector(angle, CLEAR, size * 1.6))
    canvas.fill("lumen", blob(rng, (0, 0), size * rng.uniform(0.85, 1.1, 2), 0.1, float(rng.uniform(0, np.pi)), 4))
    if "instrument" not in absent:
        _paint_instrument(rng, canvas)
    return canvas


def _frame(rng: np.random.Generator) -> Curve:
    """Return the outline of an endoscope's picture: a square with its corners cut or rounded."""
    half, cut = rng.uniform(0.46, 0.49), rng.uniform(0.08, 0.17)
    angle = np.linspace(0, np.pi / 2, 13 if rng.random() < 0.5 else 2)
    corner = half - cut + cut * np.stack([np.cos(angle), np.sin(angle)], 1)
    turns = [np.array([[c, s], [-s, c]]) for c, s in ((1, 0), (0, 1), (-1, 0), (0, -1))]
    return 0.5 + np.concatenate([corner @ turn for turn in turns])


def _sector(angle: float, half: float, start: float) -> Curve:
    """Return the sector around the lumen from radius `start` outwards."""
    turns = np.radians(angle + np.linspace(-half, half, 7))
    arc = np.stack([np.cos(turns), np.sin(turns)], 1)
    return np.concatenate([start * arc, 1.2 * arc[[-1, 0]]])


def _paint_instrument(rng: np.random.Generator, canvas: Canvas) -> None:
    """Paint biopsy forceps that come from a lower corner towards the lumen."""
    turn = np.radians(rng.choice((45, 135)) + rng.uniform(-5, 5))
    along, across = np.array([np.cos(turn), np.sin(turn)]), np.array([-np.sin(turn), np.cos(turn)])
    tip, near, far = rng.uniform(0.27, 0.31), rng.uniform(0.017, 0.021), rng.uniform(0.034, 0.042)

    def strip(start: float, end: float, left: float, right: float) -> Curve:
        reach = [(near + (far - near) * (r - tip) / 0.4) for r in (start, end)]
        corners = [(start, left * reach[0]), (end, left * reach[1]), (end, right * reach[1]), (start, right * reach[0])]
        return np.array([r * along + side * across for r, side in corners])

    bands = (("rim", -1, 1), ("", -0.75, 0.78), (" light", -0.5, 0.3), (" shine", -0.3, -0.08))
    for band, left, right in bands:
        canvas.fill(f"instrument {band.strip()}".strip(), strip(tip, 0.8, left, right))
    coils = np.arange(tip + 0.02, 0.8, 0.014)
    canvas.fill("instrument gap", *(strip(r, r + 0.0025, -0.95, 0.95) for r in coils))
    opening = rng.uniform(0.15, 0.5)
    for side in (-1, 1):
        heading = -along * np.cos(opening) + side * across * np.sin(opening)
        _paint_cup(canvas, tip * along + 0.3 * side * near * across, heading, side * across, near)


def _paint_cup(canvas: Canvas, hinge: Curve, heading: Curve, outward: Curve, width: float) -> None:
    """Paint one jaw of the forceps."""
    steps = np.array(
        [(-0.6, 0.35), (0.8, 0.5), (1.6, 0.9), (2.6, 0.75), (2.9, 0.1), (2.5, -0.25), (1.4, -0.1), (-0.6, -0.4)]
    )
    for tissue, share in (("instrument rim", 1.0), ("instrument", 0.8), ("instrument light", 0.5)):
        middle = steps.mean(0)
        along, aside = ((middle + (steps - middle) * share) * width).T
        canvas.fill(tissue, hinge + along[:, None] * heading + aside[:, None] * outward)


def _expose(rng: np.random.Generator, canvas: Canvas, patches: Sequence[Patch], level: Level) -> Pixels:
    """Light the wall, lay the lesions on it, and film it."""
    native = canvas.native
    planes = coloured(rng, canvas, mucosa(rng, canvas), level)
    _lay_instrument(canvas, planes)
    grain = rng.integers(-128, 128, (native, native), np.int8) * np.int16(round(level.noise * GRAIN)) >> 3
    pixels = np.empty((native, native, 3), np.uint8)
    for channel, plane in enumerate(planes):
        full = doubled(np.clip(plane, 0, 255, out=plane).astype(np.int16), native)
        full += grain
        full >>= 4
        pixels[..., channel] = np.clip(full, 0, 255, out=full)
    for patch in patches:
        _lay(rng, canvas, _tight(patch), pixels, grain, level)
    if level.occlusion:
        cover(rng, pixels, level.occlusion)
    return pixels


def _lay_instrument(canvas: Canvas, planes: Sequence[Field]) -> None:
    """Draw the instrument and the black around the picture."""
    step = 2 if len(planes[0]) < canvas.native else 1
    labels = canvas.labels[::step, ::step]
    first = TISSUES.index("instrument rim")
    steel = np.flatnonzero((labels >= first) & (labels < len(TISSUES)))
    metal = labels.ravel()[steel] - np.uint8(first)
    outside = labels == 0
    for plane, tones in zip(planes, np.array(list(STEEL.values()), np.float32).T, strict=True):
        plane.ravel()[steel] = tones[metal]
        plane[outside] = 6


def _tight(patch: Patch) -> Patch:
    """Return the patch with a crop that leaves just enough around the lesion for its shadow."""
    margin = int(0.4 * patch.radius) + 3
    spans = []
    for axis, held in ((1, patch.rows), (0, patch.columns)):
        at = np.flatnonzero(patch.inside.any(axis))
        spans.append((max(0, int(at[0]) - margin), min(patch.inside.shape[1 - axis], int(at[-1]) + margin + 1), held))
    rows, columns = (slice(held.start + first, held.start + last) for first, last, held in spans)
    inside = patch.inside[spans[0][0] : spans[0][1], spans[1][0] : spans[1][1]]
    return replace(patch, rows=rows, columns=columns, inside=inside)


def _lay(
    rng: np.random.Generator,
    canvas: Canvas,
    patch: Patch,
    pixels: NDArray[np.uint8],
    grain: NDArray[np.int16],
    level: Level,
) -> None:
    """Draw a lesion, and the shade it casts away from the endoscope, into the pixels."""
    part = patch.on(pixels)
    outward = np.array(patch.centre) - canvas.pixels(np.zeros((1, 2)))[0]
    outward /= np.hypot(*outward)
    finding = patch.asked.finding
    ground = part.astype(np.float32)
    toned = LOOKS[finding](rng, _bed(rng, patch, part, outward), patch, outward, level.contrast)
    if finding in TONES:
        _set_apart(finding, toned, part, patch.inside)
    toned += patch.on(grain)[..., None] * np.float32(1 / 16)
    if finding in RAISED:
        ground *= 1 - np.float32(0.45) * _shade(patch, outward)[..., None]
    alpha = blurred(patch.inside.astype(np.int16))[..., None] * np.float32(1 / 16)
    toned -= ground
    toned *= alpha
    ground += toned
    part[:] = np.clip(ground, 0, 255, out=ground)


def _set_apart(finding: str, toned: Field, part: NDArray[np.uint8], inside: NDArray[np.bool_]) -> None:
    """Strengthen the finding's own tone where its mean is about that of the wall around it."""
    lit = ~inside & (part[..., 0] > 30)
    gap = toned[inside].mean(0) - part[lit if lit.any() else ~inside].mean(0)
    tone = np.array(TONES[finding], np.float32)
    if np.abs(gap).max() < DISTINCT:
        toned += tone * (DISTINCT - gap[tone.argmax()])
    if finding in ETCHED:
        mean = toned[inside].mean(0)
        toned += np.clip(mean, *MIDDLING) - mean


def _bed(rng: np.random.Generator, patch: Patch, part: NDArray[np.uint8], outward: Curve) -> Bed:
    height, width = patch.inside.shape
    cells = Image.fromarray(part).resize((4, 4), Image.Resampling.BOX)
    colours = np.asarray(cells.resize((width, height), Image.Resampling.BICUBIC), np.float32)
    step = 1 + int(patch.radius / 12)
    near = ndimage.distance_transform_edt(np.pad(patch.inside[::step, ::step], 1))[1:-1, 1:-1].astype(np.float32)
    near = ndimage.uniform_filter(near / near.max(), 1 + 2 * int(0.08 * patch.radius / step))
    depth = np.asarray(Image.fromarray(near).resize((width, height), Image.Resampling.BILINEAR))
    side = max(height, width)
    mottle = cloud(rng, side, 6 + side // 9)[:height, :width]
    x, y = _around(patch, patch.centre)
    return Bed(colours, depth, np.asarray(outward[0] * x + outward[1] * y, np.float32), mottle)


def _around(patch: Patch, point: Sequence[float] | Curve) -> tuple[Curve, Curve]:
    """Return x ``(1, w)`` and y ``(h, 1)`` of the crop's pixels from a point, in radii of the lesion."""
    height, width = patch.inside.shape
    x = np.arange(width) + patch.columns.start + 0.5 - point[0]
    y = np.arange(height) + patch.rows.start + 0.5 - point[1]
    return x[None, :] / patch.radius, y[:, None] / patch.radius


def _shade(patch: Patch, outward: Curve) -> Field:
    """Return the shadow of a lesion, ``(h, w)`` from 0 to 1: the lumen's side of it."""
    height, width = patch.inside.shape
    step = max(1, int(patch.radius / 7))
    small = Image.fromarray(patch.inside.astype(np.uint8) * 255).reduce(step)
    soft = np.asarray(small.resize((width, height), Image.Resampling.BICUBIC), np.float32) / 255
    down, right = (round(-0.22 * patch.radius * float(at)) for at in outward[::-1])
    return np.roll(soft, (down, right), (0, 1))


def _dome(bed: Bed, patch: Patch) -> Field:
    """Return the light on a dome, about 1: it falls off towards the outline and the lumen."""
    height = np.sqrt(np.clip(1 - (1 - bed.depth) ** 2, 0, 1))
    return np.asarray(0.66 + 0.4 * height + 0.16 * bed.facing, np.float32)


def _highlight(rng: np.random.Generator, patch: Patch, outward: Curve, bed: Bed, size: float) -> Field:
    """Return a wet surface's reflection of the lamp, ``(h, w)`` from 0 to 1."""
    spot = np.array(patch.centre) + patch.radius * (0.28 * outward + rng.normal(0, 0.08, 2))
    turn = rng.uniform(0, np.pi)
    dx, dy = _around(patch, spot)
    cos, sin = np.cos(turn), np.sin(turn)
    u, v = dx * cos + dy * sin, dy * cos - dx * sin
    away = np.sqrt(u**2 + (1.8 * v) ** 2) / size + 0.12 * bed.mottle
    return np.asarray(np.clip(2.6 * (1 - away), 0, 1), np.float32)


def _mixed(bed: Bed, target: Field | NDArray[np.float64], contrast: float) -> Field:
    """Return colours between the mucosa's and the lesion's own."""
    return np.asarray(bed.colours + (target - bed.colours) * min(1.0, 0.4 + 0.5 * contrast), np.float32)


def _lamp(bed: Bed) -> float:
    """Return how well lit the mucosa around a lesion is, about 1."""
    return float(np.clip(bed.colours.mean() / 130, 0.72, 1.1))


def _polyp(rng: np.random.Generator, bed: Bed, patch: Patch, outward: Curve, contrast: float) -> Field:
    red = np.array([rng.uniform(180, 200), rng.uniform(72, 82), rng.uniform(66, 76)]) * _lamp(bed)
    toned = _mixed(bed, red, contrast) * (_dome(bed, patch) + 0.05 * bed.mottle)[..., None]
    shine = _highlight(rng, patch, outward, bed, rng.uniform(0.14, 0.2))[..., None]
    return toned + (250 - toned) * 0.9 * shine


def _lipoma(rng: np.random.Generator, bed: Bed, patch: Patch, outward: Curve, contrast: float) -> Field:
    yellow = np.array([rng.uniform(216, 228), rng.uniform(172, 184), rng.uniform(98, 112)]) * _lamp(bed)
    toned = _mixed(bed, yellow, contrast) * _dome(bed, patch)[..., None]
    shine = _highlight(rng, patch, outward, bed, rng.uniform(0.2, 0.28))[..., None]
    return toned + (250 - toned) * 0.55 * shine


def _ulcer(rng: np.random.Generator, bed: Bed, patch: Patch, outward: Curve, contrast: float) -> Field:
    lamp = _lamp(bed)
    base = np.array([rng.uniform(218, 230), rng.uniform(205, 216), rng.uniform(158, 178)]) * lamp
    rim = np.array([185, 52, 46]) * lamp
    share = np.clip((bed.depth + 0.05 * bed.mottle - 0.22) * 9, 0, 1)[..., None]
    target = rim + share * (base + 9 * bed.mottle[..., None] - 14 * np.clip(bed.depth, 0, 1)[..., None] - rim)
    return _mixed(bed, target, max(contrast, 0.7))


def _clot(rng: np.random.Generator, bed: Bed, patch: Patch, outward: Curve, contrast: float) -> Field:
    dark = np.array([rng.uniform(88, 108), rng.uniform(12, 20), rng.uniform(14, 22)]) * _lamp(bed)
    toned = _mixed(bed, dark, max(contrast, 0.8)) * (_dome(bed, patch) + 0.12 * bed.mottle)[..., None]
    shine = _highlight(rng, patch, outward, bed, rng.uniform(0.1, 0.16))[..., None]
    return toned + (240 - toned) * 0.8 * shine


LOOKS = {"polyp": _polyp, "ulcer": _ulcer, "lipoma": _lipoma, "blood clot": _clot}
TONES = {"polyp": (1.0, 0.1, 0.1), "ulcer": (0.5, 0.9, 1.0), "lipoma": (0.8, 1.0, 0.2)}
DISTINCT = 32.0
"""The least difference, in one channel, of a lesion's mean from the wall around it, in grey levels."""
ETCHED = ("polyp",)
MIDDLING = (68.0, 195.0)
"""What the mean of a finding that is etched is kept within, in every channel."""
RAISED = ("polyp", "lipoma", "blood clot")

COLON = Exam(
    modality="endoscopy",
    name="colonoscopy",
    paint=_paint,
    expose=_expose,
    parts=PARTS,
    hosts=tuple(WALLS),
    flesh={wall: (wall,) for wall in WALLS},
    shapes={
        "polyp": Shape((2.8, 7.6), 4, 0.07, stretch=0.8),
        "ulcer": Shape((2.6, 7.0), 7, 0.08, stretch=0.65),
        "lipoma": Shape((2.8, 7.6), 3, 0.04, stretch=0.8),
        "blood clot": Shape((2.4, 6.6), 6, 0.12, stretch=0.65),
    },
    organs=(*WALLS, "lumen", "instrument"),
    removable=("instrument",),
    etched=ETCHED,
    unit="",
    host="wall",
    accepted={
        "left wall": ("the left wall", "left"),
        "upper wall": ("the upper wall", "upper", "top wall"),
        "right wall": ("the right wall", "right"),
        "lower wall": ("the lower wall", "lower", "bottom wall"),
        "polyp": ("a polyp", "colonic polyp", "colorectal polyp", "adenoma"),
        "ulcer": ("an ulcer", "ulceration", "colonic ulcer"),
        "lipoma": ("a lipoma", "colonic lipoma", "submucosal lipoma"),
        "blood clot": ("a blood clot", "clot", "adherent clot", "coagulum"),
    },
    reach={
        (0, 0): ("left wall", "upper wall"),
        (1, 0): ("upper wall", "right wall"),
        (0, 1): ("left wall", "lower wall"),
        (1, 1): ("right wall", "lower wall"),
    },
)
