"""X-ray: a frontal chest radiograph, a sum of what the beam has passed, through the curve of the film.

Shown as if facing the patient: the patient's right is at the image's left.
"""

from collections.abc import Collection, Sequence

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw
from scipy import ndimage

from ...core.image import Pixels
from .exam import Exam
from .film import GRAIN, Field, blurred, cloud, coarseness, developed, doubled, fields
from .lesions import Patch, Shape
from .paint import Canvas, Labels
from .scene import Level
from .xray_thorax import (
    BODY,
    LUNGS,
    PARTS,
    SIDES,
    TISSUES,
    ZONES,
    Sheet,
    bezier,
    draw_girdle,
    draw_leads,
    draw_ribs,
    draw_spine,
    draw_vessels,
    paint_thorax,
)

HOSTS = tuple(f"{side} {zone} zone" for side in SIDES for zone in ZONES)
FINE = 4
"""Parts of a unit of thickness that sums are kept in."""
THICKEST = 480
"""Thickness beyond which the film shows no more; what `blurred` makes of it just fits."""
SOFT = 64
"""Width of the smooth maps, in pixels: they hold nothing finer."""
DENSITY = {"nodule": 60.0, "granuloma": 112.0, "cavitary lesion": 102.0, "consolidation": 72.0}
"""Grey levels a finding adds to the lung."""

BRONCHI = ((-0.85, 0.12, 0.0, 1.25, 0.07), (-0.4, 0.12, 0.65, 0.75, 0.05), (-0.1, 0.1, -0.6, 0.75, 0.05))
"""Along and across the way from the hilum: where each starts, how it is turned, its length and width, in radii."""


def _paint(rng: np.random.Generator, native: int, absent: Collection[str], level: Level) -> Canvas:
    half = float(rng.uniform(130, 152))
    unit = native / (2 * half * float(rng.uniform(1.25, 1.4)))
    middle = native * (0.5 + rng.uniform(-0.014, 0.014, 2))
    axes = half * unit * np.array([1, rng.uniform(0.9, 1.02)])
    canvas = Canvas(native, TISSUES, middle, axes, float(rng.normal(0, 0.022)), unit)
    paint_thorax(rng, canvas, absent)
    return canvas


def _expose(rng: np.random.Generator, canvas: Canvas, patches: Sequence[Patch], level: Level) -> Pixels:
    """Add up what the beam passes, at half the resolution; then the film, lesions and noise."""
    native = canvas.native
    step = 2 if native >= 512 else 1
    thick = _solid(rng, canvas.labels[::step, ::step], canvas, level)
    film = _film(float(rng.uniform(0.88, 1.12)), float(rng.uniform(-6, 8)))
    shown = film.take(blurred(np.clip(thick, 0, FINE * THICKEST, out=thick)))
    if step > 1:
        shown = doubled((blurred(shown.astype(np.int16)) >> 4).astype(np.uint8))[:native, :native]
    for patch in patches:
        part = patch.on(shown)
        part[:] = np.clip(part + _added(rng, patch, canvas, level.contrast), 0, 255)
    grain, texture = fields(rng, native)
    noise = level.noise * rng.uniform(2.2, 3.4)
    return developed(shown, (grain, noise / GRAIN), (texture, 1.6 / coarseness(native)[1]))


def _film(gain: float, base: float) -> Labels:
    """Return the grey level of every sum that `blurred` gives: dense parts differ less."""
    thick = np.arange(16 * FINE * THICKEST + 1) / (16 * FINE)
    return np.clip(base + 250 * (1 - np.exp(-gain * thick / 145)), 0, 255).astype(np.uint8)


def _solid(rng: np.random.Generator, labels: Labels, canvas: Canvas, level: Level) -> NDArray[np.int16]:
    """Return the thickness passed, in parts of `FINE`: labels, smooth maps and what is drawn over them."""
    table = np.full(256, TISSUES["right upper zone"], np.int16)
    table[: len(TISSUES)] = list(TISSUES.values())
    thick = (table * FINE).take(labels)
    size = len(labels)
    soft = Image.fromarray(_soft(rng, canvas)).resize((size, size), Image.Resampling.BICUBIC)
    thick += np.asarray(soft).astype(np.int16)
    behind, before, over = (Sheet(canvas, size) for _ in range(3))
    draw_spine(rng, behind)
    draw_ribs(rng, behind, before)
    draw_girdle(rng, over, level.occlusion)
    draw_vessels(rng, over, level)
    draw_leads(rng, over, level.occlusion)
    thick += behind.marks
    thick += over.marks
    # Towards the breastbone ribs end in cartilage.
    fade = np.clip((np.abs(np.arange(size) - size / 2) / (canvas.axes[0] * size / canvas.native) - 0.25) / 0.4, 0.3, 1)
    thick += (before.marks * fade.astype(np.float32)).astype(np.int16)
    return thick


def _soft(rng: np.random.Generator, canvas: Canvas) -> Field:
    """Return the thickness of what has no sharp border: trunk, mediastinum, breasts, the lungs' own depth."""
    body, lungs = Sheet(canvas, 4 * SOFT), Sheet(canvas, 4 * SOFT)
    half = np.asarray(BODY) * (rng.uniform(0.98, 1.07), 1)
    body.fill(body.at(np.concatenate([half, half[::-1] * (-1, 1)]))[None], 255)
    for lung in LUNGS.values():
        lungs.fill(lungs.at(np.asarray(lung))[None], 255)
    flesh, air = (_spread(sheet.marks, by) for sheet, by in ((body, 1.9), (lungs, 3)))
    flesh = np.clip(2 * flesh - 1, 0, 1) ** 0.6
    x, y = _frame(canvas)
    thick = 96 + 5 * cloud(rng, SOFT, 3)
    # The midline, the belly, the shoulders over the apices, the hila and the heart.
    thick += rng.uniform(50, 64) * np.exp(-((x / 0.19) ** 4)) * (0.45 + 0.55 / (1 + np.exp(-(y + 0.75) / 0.15)))
    thick += rng.uniform(48, 66) / (1 + np.exp(-(y - 0.95) / 0.1))
    thick += rng.uniform(8, 16) * np.exp(-(((y + 1.05) / 0.22) ** 2))
    thick += rng.uniform(8, 16) * np.exp(-(((np.abs(x) - 0.24) / 0.12) ** 2) - ((y + 0.04) / 0.2) ** 2)
    thick += rng.uniform(14, 24) * np.exp(-(((x - 0.14) / 0.3) ** 2) - ((y - 0.4) / 0.35) ** 2)
    thick -= rng.uniform(14, 22) * air
    breast = rng.uniform(0, 22) * (rng.random() < 0.5)
    low = rng.uniform(0.45, 0.75)
    for way in (-1, 1):
        reach = np.hypot((x - way * 0.58) / 0.5, (y - low + 0.35) / 0.5)
        thick += breast * np.clip(y - low + 0.75, 0, 1) * (0.5 - 0.5 * np.tanh((reach - 1) / 0.1))
    return np.asarray(FINE * thick * flesh, np.float32)


def _spread(marks: Labels, by: float) -> Field:
    """Return a quarter of a sheet, blurred, from 0 to 1."""
    small = np.asarray(Image.fromarray(marks).reduce(4)).astype(np.float32) / 255
    return np.asarray(ndimage.gaussian_filter(small, by))


def _frame(canvas: Canvas) -> tuple[Field, Field]:
    """Return x and y in the frame of the body at every pixel of a smooth map."""
    origin, right, down = canvas.pixels(np.array([(0.0, 0.0), (1.0, 0.0), (0.0, 1.0)]))
    inverse = np.linalg.inv(np.stack([right - origin, down - origin]))
    at = (np.arange(SOFT) + 0.5) * canvas.native / SOFT
    x, y = at[None, :] - origin[0], at[:, None] - origin[1]
    one, other = (np.asarray(x * inverse[0, i] + y * inverse[1, i], np.float32) for i in (0, 1))
    return one, other


def _added(rng: np.random.Generator, patch: Patch, canvas: Canvas, contrast: float) -> Field:
    """Return the grey levels a lesion adds over its crop."""
    finding, away = patch.asked.finding, patch.distance()
    peak = DENSITY[finding] * (0.25 + 0.75 * contrast) * float(rng.uniform(0.92, 1.12))
    inside = patch.inside.astype(np.float32)
    if finding == "granuloma":
        return np.asarray(ndimage.gaussian_filter(inside, 0.8) * np.float32(peak))
    edge = patch.radius / 9 if finding == "consolidation" else min(1.6, patch.radius / 5)
    soft = ndimage.gaussian_filter(inside, edge) * np.float32(peak)
    if finding == "nodule":
        return np.asarray(soft * (0.66 + 0.34 * np.sqrt(np.clip(1 - away**2, 0, 1))), np.float32)
    return np.asarray(soft * (_wall(rng, patch) if finding == "cavitary lesion" else _haze(rng, patch, canvas)))


def _wall(rng: np.random.Generator, patch: Patch) -> Field:
    """Return an uneven thick wall around air, some of it over a level of fluid."""
    height, width = patch.inside.shape
    depth = ndimage.distance_transform_edt(patch.inside) / patch.radius
    thick = rng.uniform(0.29, 0.38) + 0.04 * cloud(rng, max(height, width), 5)[:height, :width]
    wall = np.clip((thick - depth) * patch.radius / min(5.0, patch.radius / 3) + 0.5, 0, 1)
    if rng.random() < 0.4:
        y = (np.arange(patch.rows.start, patch.rows.stop) + 0.5 - patch.centre[1]) / patch.radius
        wall = np.maximum(wall, 0.85 * np.clip((y - rng.uniform(0.2, 0.4)) * patch.radius / 2, 0, 1)[:, None])
    return np.asarray(wall * 1.08 - 0.08, np.float32)


def _haze(rng: np.random.Generator, patch: Patch, canvas: Canvas) -> Field:
    """Return an uneven haze, denser in the middle, that bronchi filled with air run through."""
    height, width = patch.inside.shape
    uneven, mottled = (cloud(rng, max(height, width), cells)[:height, :width] for cells in (5, min(16, height // 4)))
    depth = ndimage.distance_transform_edt(patch.inside) / patch.radius
    body = 0.46 + 0.54 * np.clip(depth / 0.5, 0, 1) + 0.07 * uneven + 0.08 * mottled
    picture = Image.new("L", (width, height))
    pen = ImageDraw.Draw(picture)
    out = np.asarray(patch.centre) - canvas.pixels(
        np.array([np.sign(patch.centre[0] - canvas.native / 2) * 0.2, -0.05])
    )
    root, middle = float(np.arctan2(out[1], out[0])), np.array(patch.centre) - (patch.columns.start, patch.rows.start)
    for along, across, turn, long, wide in BRONCHI:
        heading = root + turn + rng.normal(0, 0.12)
        bend = heading + rng.normal(0, 0.3)
        at = np.array([(along, across), (-across, along)]) @ (np.cos(root), np.sin(root))
        steps = long / 2 * np.array([(np.cos(heading), np.sin(heading)), (np.cos(bend), np.sin(bend))])
        way = middle + patch.radius * bezier(np.array([at, at + steps[0], at + steps.sum(0)]))
        # Thinner than a pixel is fainter instead.
        thick = wide * patch.radius
        pen.line(way.ravel().tolist(), fill=round(255 * min(1.0, thick)), width=max(1, round(thick)))
    air = ndimage.gaussian_filter(np.asarray(picture).astype(np.float32) / 255, 0.03 * patch.radius)
    return np.asarray(body - 0.42 * air, np.float32)


def _wordings(side: str, zone: str) -> tuple[str, ...]:
    lung = f"{zone} zone of the {side} lung"
    return (f"the {side} {zone} zone", f"{side} {zone} lung zone", lung, f"the {lung}")


CHEST = Exam(
    modality="X-ray",
    name="chest X-ray",
    paint=_paint,
    expose=_expose,
    parts=PARTS,
    hosts=HOSTS,
    flesh={host: (host,) for host in HOSTS},
    shapes={
        "nodule": Shape((3.2, 14.0), 4, 0.03),
        "granuloma": Shape((1.9, 5.5), 3, 0.05),
        "cavitary lesion": Shape((6.5, 15.5), 4, 0.04),
        "consolidation": Shape((7.0, 16.5), 5, 0.1, stretch=0.7),
    },
    organs=(*HOSTS, "heart", "trachea", "gastric bubble", "right clavicle", "left clavicle", "side marker"),
    removable=("gastric bubble", "right clavicle", "left clavicle", "side marker"),
    sides={f"{side} {zone} zone": side for side in SIDES for zone in ZONES},
    measured=("nodule",),
    etched=("nodule",),
    host="lung zone",
    accepted={
        **{f"{side} {zone} zone": _wordings(side, zone) for side in SIDES for zone in ZONES},
        "nodule": ("a nodule", "lung nodule", "pulmonary nodule", "solitary pulmonary nodule"),
        "granuloma": ("a granuloma", "calcified granuloma", "calcified nodule", "calcification"),
        "cavitary lesion": ("a cavitary lesion", "cavity", "a cavity", "cavitation", "cavitating lesion", "abscess"),
        "consolidation": ("a consolidation", "airspace consolidation", "infiltrate", "pneumonia", "airspace opacity"),
    },
    reach={
        (0, 0): ("right upper zone", "right middle zone"),
        (1, 0): ("left upper zone", "left middle zone"),
        (0, 1): ("right lower zone",),
        (1, 1): ("left lower zone",),
    },
)
