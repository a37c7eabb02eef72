"""Endoscopy: what a colonoscope sees of the bowel around the lumen, in its own light.

The walls are named as displayed: an endoscope is turned freely, so no side is the patient's.
"""

import math
from collections.abc import Collection, Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np
from PIL import Image
from scipy import ndimage

from ...core.image import Pixels
from .endoscopy_mucosa import FINER, RELIEF, Plane, coloured, cut, doubled, half, mucosa, strips
from .exam import Exam
from .film import GRAIN, Field, Grain, blurred, coarseness, fields
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
CUP = np.array([(-0.6, 0.35), (0.8, 0.5), (1.6, 0.9), (2.6, 0.75), (2.9, 0.1), (2.5, -0.25), (1.4, -0.1), (-0.6, -0.4)])
"""The outline of a jaw of the forceps: ahead and outwards."""
DARK = 6
"""Black as a screen shows it."""
LEAST_NOISE = 320
"""The least width of a field of noise that strips are cut from."""
TISSUES = ("mask", *(f"{wall} border" for wall in WALLS), *WALLS, "lumen", *STEEL)
"""The border of a wall is part of it that holds no lesion."""
PARTS: dict[str, tuple[str, ...]] = {
    **{wall: (wall, f"{wall} border") for wall in WALLS},
    "lumen": ("lumen",),
    "instrument": tuple(STEEL),
}


class Bed(NamedTuple):
    """What a lesion lies on.

    Attributes:
        colour: ``(3, 1, 1)`` of the mucosa around.
        depth: ``(h, w)``, from 0 at the lesion's outline to 1 at its middle.
        facing: ``(h, w)``, how far its surface, were it a dome, is turned to the endoscope.
        mottle: ``(h, w)``, about standard normal.
    """

    colour: Field
    depth: Field
    facing: Field
    mottle: Field


def _paint(rng: np.random.Generator, native: int, absent: Collection[str], level: Level) -> Canvas:
    centre = native * (0.5 + rng.uniform(-0.05, 0.05, 2))
    canvas = Canvas(native, TISSUES, centre, (native, native), 0.0, native / 100)
    size = float(rng.uniform(0.085, 0.12))
    for wall, angle in WALLS.items():
        canvas.fill(f"{wall} border", _sector(angle, 45.0, 0.0))
        canvas.fill(wall, _sector(angle, CLEAR, size * 1.6))
    canvas.fill("lumen", blob(rng, (0, 0), size * rng.uniform(0.85, 1.1, 2), 0.1, float(rng.uniform(0, np.pi)), 4))
    if "instrument" not in absent:
        _paint_instrument(rng, canvas)
    frame = _frame(rng)
    rings = (
        np.concatenate([part, 2.5 * part[::-1]]) for part in (frame[: len(frame) // 2 + 1], frame[len(frame) // 2 :])
    )
    canvas.fill("mask", *(ring + 0.5 - centre / native for ring in rings))
    return canvas


def _frame(rng: np.random.Generator) -> Curve:
    """Return the closed outline of an endoscope's picture around its middle: a square, corners cut or rounded."""
    half, cut = rng.uniform(0.46, 0.49), rng.uniform(0.08, 0.17)
    angle = np.linspace(0, np.pi / 2, 13 if rng.random() < 0.5 else 2)
    corner = half - cut + cut * np.stack([np.cos(angle), np.sin(angle)], 1)
    turns = [np.array([[c, s], [-s, c]]) for c, s in ((1, 0), (0, 1), (-1, 0), (0, -1))]
    return np.concatenate([*(corner @ turn for turn in turns), corner[:1]])


def _sector(angle: float, half: float, start: float) -> Curve:
    """Return the sector around the lumen from radius `start` outwards."""
    turns = np.radians(angle + np.linspace(-half, half, 7))
    arc = np.stack([np.cos(turns), np.sin(turns)], 1)
    return np.concatenate([start * arc, 1.7 * arc[[-1, 0]]])


def _paint_instrument(rng: np.random.Generator, canvas: Canvas) -> None:
    """Paint biopsy forceps that come from a lower corner towards the lumen."""
    turn = np.radians(rng.choice((45, 135)) + rng.uniform(-5, 5))
    along, across = np.array([np.cos(turn), np.sin(turn)]), np.array([-np.sin(turn), np.cos(turn)])
    tip, near, far = rng.uniform(0.27, 0.31), rng.uniform(0.017, 0.021), rng.uniform(0.034, 0.042)

    def strips(starts: Curve, ends: Curve, left: float, right: float) -> Curve:
        """Return pieces of the shaft between two distances from the lumen, ``(N, 4, 2)``."""
        reach = np.stack([starts, ends, ends, starts], 1)[..., None]
        width = near + (far - near) * (reach - tip) / 0.4
        corners = reach * along + np.array([left, left, right, right])[:, None] * width * across
        return np.asarray(corners)

    whole = np.array([tip]), np.array([0.8])
    for band, left, right in (("rim", -1, 1), ("", -0.75, 0.78), ("light", -0.5, 0.3), ("shine", -0.3, -0.08)):
        canvas.fill(f"instrument {band}".strip(), *strips(*whole, left, right))
    coils = np.arange(tip + 0.02, 0.8, 0.014)
    canvas.fill("instrument gap", *strips(coils, coils + 0.0025, -0.95, 0.95))
    opening = rng.uniform(0.15, 0.5)
    jaws = [(side, side * across * np.sin(opening) - along * np.cos(opening)) for side in (-1, 1)]
    hinge, middle = tip * along, CUP.mean(0)
    for tissue, share in (("instrument rim", 1.0), ("instrument", 0.8), ("instrument light", 0.5)):
        ahead, aside = ((middle + (CUP - middle) * share) * near).T[..., None]
        canvas.fill(tissue, *(hinge + side * (0.3 * near + aside) * across + ahead * way for side, way in jaws))


def _expose(rng: np.random.Generator, canvas: Canvas, patches: Sequence[Patch], level: Level) -> Pixels:
    """Light the wall, lay the lesions on it, and film it."""
    grain, texture = fields(rng, max(LEAST_NOISE, canvas.native * 5 // 16))
    planes, glints = coloured(rng, canvas, mucosa(rng, canvas), grain, level)
    labels = canvas.labels[::2, ::2].copy()
    metal = labels - np.uint8(TISSUES.index("instrument rim"))
    steel, dark = np.flatnonzero(metal < len(STEEL)), labels == 0
    for plane, tone in zip(planes, np.array(list(STEEL.values())).T * FINER, strict=True):
        plane.ravel()[steel] = tone[metal.ravel()[steel]]
        np.copyto(plane, DARK * FINER, where=dark)
    noise = (grain * np.float32(level.noise * 2.2 * FINER / GRAIN)).astype(np.int16)
    pixels = _filmed(rng, planes, noise, canvas.native)
    for patch in patches:
        _lay(rng, canvas, _trimmed(patch), pixels, texture, noise, glints, level)
    return pixels


def _filmed(rng: np.random.Generator, planes: Plane, noise: Plane, native: int) -> Pixels:
    """Return the pixels of three planes of half their resolution, with noise on them."""
    pixels = np.empty((native, native, 3), np.uint8)
    padded = np.pad(planes, ((0, 0), (1, 1), (0, 0)), mode="edge")
    for rows in strips(native):
        strip = pixels[rows]
        rough = cut(rng, noise, strip.shape[:2])
        for channel, plane in enumerate(padded):
            shown = doubled(plane[rows.start // 2 : half(rows.stop) + 2])[2:-2][: len(strip), :native]
            shown += rough
            shown >>= 3
            strip[..., channel] = np.clip(shown, 0, 255, out=shown).astype(np.uint8)
    return pixels


def _trimmed(patch: Patch) -> Patch:
    """Return a lesion on a smaller crop, which still holds its shade."""
    margin = int(0.35 * patch.radius) + 3
    ends = [np.flatnonzero(patch.inside.any(axis))[[0, -1]] for axis in (1, 0)]
    rows, columns = (
        slice(max(0, first - margin), last + margin + 1) for first, last in ((int(e[0]), int(e[1])) for e in ends)
    )
    inside = patch.inside[rows, columns]
    top, left = patch.rows.start + rows.start, patch.columns.start + columns.start
    height, width = inside.shape
    return replace(patch, rows=slice(top, top + height), columns=slice(left, left + width), inside=inside)


def _lay(
    rng: np.random.Generator,
    canvas: Canvas,
    patch: Patch,
    pixels: Pixels,
    texture: Grain,
    noise: Plane,
    glints: Plane,
    level: Level,
) -> None:
    """Draw a lesion and the shade it casts, away from the endoscope, into the pixels."""
    part = patch.on(pixels)
    ground = part.transpose(2, 0, 1).astype(np.float32, order="C")
    outward = np.array(patch.centre) - canvas.pixels(np.zeros((1, 2)))[0]
    outward /= np.hypot(*outward)
    bed = _bed(patch, ground, outward, _mottle(patch, texture, canvas.native))
    finding = patch.asked.finding
    toned = LOOKS[finding](rng, bed, patch, outward, level.contrast)
    if level.occlusion:
        toned += (245 - toned) * (_glare(patch, glints) * np.float32(level.occlusion))
    toned += cut(rng, noise, patch.inside.shape) * np.float32(1 / FINER)
    if finding in RAISED:
        ground *= 1 - np.float32(0.4) * _shade(patch, outward)
    toned -= ground
    toned *= blurred(patch.inside.astype(np.int16)) * np.float32(1 / 16)
    ground += toned
    part[:] = np.clip(ground, 0, 255, out=ground).transpose(1, 2, 0)


def _mottle(patch: Patch, texture: Grain, native: int) -> Field:
    """Return texture for a lesion, ``(h, w)``, coarser in larger images."""
    height, width = patch.inside.shape
    zoom = max(1.0, native / LEAST_NOISE)
    part = texture[: math.ceil(height / zoom), : math.ceil(width / zoom)] * np.float32(1 / coarseness(len(texture))[1])
    box = (0, 0, width / zoom, height / zoom)
    return np.asarray(Image.fromarray(part).resize((width, height), Image.Resampling.BILINEAR, box=box))


def _glare(patch: Patch, glints: Plane) -> Field:
    """Return how much of a lesion the wall's glints cover, ``(h, w)`` from 0 to 1."""
    rows, columns = (slice(at.start // 2, at.stop // 2 + 1) for at in (patch.rows, patch.columns))
    height, width = patch.inside.shape
    small = np.clip(glints[rows, columns] * np.float32(1 / RELIEF), 0, 1)
    return np.asarray(Image.fromarray(small).resize((width, height), Image.Resampling.BILINEAR))


def _bed(patch: Patch, ground: Field, outward: Curve, mottle: Field) -> Bed:
    height, width = patch.inside.shape
    x, y = _around(patch, patch.centre)
    small = np.asarray(Image.fromarray(patch.inside.view(np.uint8)).resize(_cells(patch, 12), Image.Resampling.NEAREST))
    near = ndimage.distance_transform_edt(small).astype(np.float32)
    near = ndimage.uniform_filter(near, 3)
    depth = np.asarray(Image.fromarray(near / near.max()).resize((width, height), Image.Resampling.BICUBIC))
    facing = np.asarray(outward[0] * x + outward[1] * y, np.float32)
    return Bed(ground[:, ::3, ::3].mean((1, 2))[:, None, None], depth, facing, mottle)


def _cells(patch: Patch, share: float) -> tuple[int, int]:
    """Return the width and height of a lesion's crop in steps of a share of its radius."""
    height, width = patch.inside.shape
    step = max(1.0, patch.radius / share)
    return round(width / step), round(height / step)


def _around(patch: Patch, point: Sequence[float] | Curve) -> tuple[Field, Field]:
    """Return x ``(1, w)`` and y ``(h, 1)`` of the crop's pixels from a point, in radii of the lesion."""
    height, width = patch.inside.shape
    x = np.arange(width) + patch.columns.start + 0.5 - point[0]
    y = np.arange(height) + patch.rows.start + 0.5 - point[1]
    return np.asarray(x[None, :] / patch.radius, np.float32), np.asarray(y[:, None] / patch.radius, np.float32)


def _shade(patch: Patch, outward: Curve) -> Field:
    """Return the shadow of a lesion, ``(h, w)`` from 0 to 1: the lumen's side of it."""
    height, width = patch.inside.shape
    step = max(1, int(patch.radius / 7))
    small = Image.fromarray(patch.inside.astype(np.uint8) * 255).reduce(step)
    soft = np.asarray(small.resize((width, height), Image.Resampling.BICUBIC), np.float32) / 255
    down, right = (round(-0.22 * patch.radius * at) for at in (outward[1], outward[0]))
    return np.roll(soft, (down, right), (0, 1))


def _dome(bed: Bed) -> Field:
    """Return the light on a dome, about 1: it falls off towards the outline and the lumen."""
    height = np.sqrt(np.clip(1 - (1 - bed.depth) ** 2, 0, 1))
    return np.asarray(0.66 + np.float32(0.4) * height + np.float32(0.16) * bed.facing)


def _highlight(rng: np.random.Generator, patch: Patch, outward: Curve, bed: Bed, size: float) -> Field:
    """Return a wet surface's reflection of the lamp, ``(h, w)`` from 0 to 1."""
    spot = np.array(patch.centre) + patch.radius * (0.28 * outward + rng.normal(0, 0.08, 2))
    turn = rng.uniform(0, np.pi)
    dx, dy = _around(patch, spot)
    u, v = dx * np.cos(turn) + dy * np.sin(turn), dy * np.cos(turn) - dx * np.sin(turn)
    away = np.sqrt(u**2 + (1.8 * v) ** 2) / size + 0.12 * bed.mottle
    return np.asarray(np.clip(2.6 * (1 - away), 0, 1), np.float32)


def _mixed(bed: Bed, target: Field, contrast: float) -> Field:
    """Return a colour or colours between the mucosa's and the lesion's own."""
    return np.asarray(bed.colour + (target - bed.colour) * np.float32(min(1.0, 0.4 + 0.5 * contrast)), np.float32)


def _tone(bed: Bed, *colour: float) -> Field:
    """Return a colour, ``(3, 1, 1)``, as well lit as the mucosa around a lesion."""
    lamp = min(max(float(bed.colour.mean()) / 130, 0.72), 1.1)
    return np.array(colour, np.float32)[:, None, None] * np.float32(lamp)


def _polyp(rng: np.random.Generator, bed: Bed, patch: Patch, outward: Curve, contrast: float) -> Field:
    red = _tone(bed, *rng.uniform((180, 72, 66), (200, 82, 76)))
    # Redder than any mucosa, and no darker than etched detail can do with.
    red[1:] = np.clip(np.minimum(red[1:], 0.62 * bed.colour[1:]), 54, None)
    toned = _mixed(bed, red, contrast) * (_dome(bed) + np.float32(0.05) * bed.mottle)
    shine = _highlight(rng, patch, outward, bed, rng.uniform(0.14, 0.2))
    return toned + (250 - toned) * (np.float32(0.9) * shine)


def _lipoma(rng: np.random.Generator, bed: Bed, patch: Patch, outward: Curve, contrast: float) -> Field:
    yellow = _tone(bed, *rng.uniform((215, 172, 84), (228, 186, 98)))
    toned = _mixed(bed, yellow, contrast) * _dome(bed)
    shine = _highlight(rng, patch, outward, bed, rng.uniform(0.2, 0.28))
    return toned + (250 - toned) * (np.float32(0.55) * shine)


def _ulcer(rng: np.random.Generator, bed: Bed, patch: Patch, outward: Curve, contrast: float) -> Field:
    base, rim = _tone(bed, *rng.uniform((218, 205, 158), (230, 216, 178))), _tone(bed, 185, 52, 46)
    share = np.clip((bed.depth + np.float32(0.05) * bed.mottle - np.float32(0.3)) * 9, 0, 1)
    slough = 9 * bed.mottle - 14 * bed.depth
    return _mixed(bed, rim + share * (base - rim + slough), max(contrast, 0.7))


def _clot(rng: np.random.Generator, bed: Bed, patch: Patch, outward: Curve, contrast: float) -> Field:
    dark = _tone(bed, *rng.uniform((88, 12, 14), (108, 20, 22)))
    toned = _mixed(bed, dark, max(contrast, 0.8)) * (_dome(bed) + np.float32(0.12) * bed.mottle)
    shine = _highlight(rng, patch, outward, bed, rng.uniform(0.1, 0.16))
    return toned + (240 - toned) * (np.float32(0.8) * shine)


LOOKS = {"polyp": _polyp, "ulcer": _ulcer, "lipoma": _lipoma, "blood clot": _clot}
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
        "ulcer": Shape((2.6, 7.0), 8, 0.13, stretch=0.7),
        "lipoma": Shape((2.8, 7.6), 3, 0.04, stretch=0.8),
        "blood clot": Shape((2.4, 6.6), 8, 0.2, stretch=0.65),
    },
    organs=(*WALLS, "lumen", "instrument"),
    removable=("instrument",),
    etched=("polyp",),
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
