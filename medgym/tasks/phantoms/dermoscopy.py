"""Dermoscopy: one mole under polarised light, its colours by how much pigment the light passes through.

The mole is divided into quarters by the middle lines of the box around it.
"""

import math
from collections.abc import Collection, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ...core.image import Pixels
from .dermoscopy_skin import MELANIN, PLAIN, colours, light, skin
from .exam import Exam
from .film import GRAIN, Colour, Grain, coarseness, feathered, fields
from .lesions import Patch, Shape
from .paint import Canvas, Curve, Labels, blob, smooth
from .scene import Level

QUARTERS = {"upper left": (0, 0), "upper right": (1, 0), "lower left": (0, 1), "lower right": (1, 1)}
HOSTS = {f"{quarter} mole quarter": side for quarter, side in QUARTERS.items()}
RIM = {host: f"{host} rim" for host in HOSTS}
"""The border of each quarter, which no lesion lies in."""
TISSUES = ("skin", "ink mark", "satellite spot", "mole", *RIM.values(), *HOSTS)
"""All from the satellite spot on is pigmented."""
PARTS = {host: (host, RIM[host]) for host in HOSTS} | {"satellite spot": ("satellite spot",), "ink mark": ("ink mark",)}
ROWS = 128
"""Rows that are developed at a time."""
HAIR: Colour = (44, 31, 25)


class Look(NamedTuple):
    """What a finding looks like.

    Attributes:
        colour: at full light.
        opacity: how much of what lies below it hides in its middle, at contrast 1.
        rim: how much of that is left at its margin.
        mottle: how far its texture goes up and down, in grey levels.
    """

    colour: Colour
    opacity: float
    rim: float
    mottle: float


LOOKS = {
    "globule": Look((48, 27, 20), 0.8, 0.9, 3),
    "blue-white veil": Look((140, 152, 180), 0.72, 0.52, 5),
    "white scar-like area": Look((230, 210, 202), 0.72, 0.65, 5),
    "milia-like cyst": Look((252, 243, 206), 0.84, 0.65, 3),
    "milky-red area": Look((210, 76, 86), 0.84, 0.72, 6),
}


def _paint(rng: np.random.Generator, native: int, absent: Collection[str], level: Level) -> Canvas:
    unit = native / float(rng.uniform(10, 15))
    radius = native * float(rng.uniform(0.31, 0.41))
    middle = native * (0.5 + rng.uniform(-0.02, 0.02, 2))
    canvas = Canvas(native, TISSUES, middle, (radius, radius), float(rng.uniform(0, math.pi)), unit)
    aspect = float(rng.uniform(0.82, 1.0))
    border = canvas.pixels(smooth(blob(rng, (0, 0), (1, aspect), float(rng.uniform(0.03, 0.1)), waves=7), 4))
    border = middle + (border - middle) * min(1.0, 0.46 * native / float(np.abs(border - middle).max()))
    _paint_mole(canvas, border)
    corners = rng.permutation(4)
    if "satellite spot" not in absent:
        across = native * float(rng.uniform(0.028, 0.045))
        centre = _beside(rng, border, middle, int(corners[0]), across + native * float(rng.uniform(0.025, 0.04)))
        spot = blob(rng, centre, across * rng.uniform(0.85, 1.1, 2), 0.1, float(rng.uniform(0, math.pi)))
        canvas.outline("satellite spot", smooth(spot, 2))
    if "ink mark" not in absent:
        centre = _beside(rng, border, middle, int(corners[1]), native * float(rng.uniform(0.05, 0.07)))
        canvas.outline("ink mark", centre + _pen_stroke(rng, centre - middle, native))
    return canvas


def _paint_mole(canvas: Canvas, border: Curve) -> None:
    """Paint the quarters of the mole, each with its rim."""
    canvas.outline("mole", border)
    centre = np.rint((border.min(0) + border.max(0)) / 2)
    seam = 0.012 * canvas.native
    core = centre + (border - centre) * 0.93
    whole = TISSUES.index("mole")
    for host, side in HOSTS.items():
        least, most = np.where(side, centre, 0), np.where(side, canvas.native, centre)
        (left, top), (right, bottom) = least.astype(int), most.astype(int)
        part = canvas.labels[top:bottom, left:right]
        np.copyto(part, np.uint8(TISSUES.index(RIM[host])), where=part == whole)
        # A corner beyond a middle line moves onto it.
        canvas.outline(host, np.clip(core, least + seam, most - seam), (RIM[host],))


def _beside(rng: np.random.Generator, border: Curve, middle: Curve, corner: int, gap: float) -> Curve:
    """Return a point towards a corner of the image, `gap` off the mole."""
    angle = math.pi * (corner / 2 + 0.25 + float(rng.uniform(-0.04, 0.04)))
    way = np.array([math.cos(angle), math.sin(angle)])
    off = border - middle
    near = off @ way > 0.85 * np.hypot(*off.T)
    return np.asarray(middle + way * (float((off[near] @ way).max()) + gap))


def _pen_stroke(rng: np.random.Generator, outwards: Curve, native: int) -> Curve:
    """Return the outline of a stroke around the origin, across the way `outwards`."""
    way = outwards / np.hypot(*outwards)
    across = np.array([-way[1], way[0]])
    t = np.linspace(-1, 1, 40)[:, None]
    line = native * (float(rng.uniform(0.06, 0.1)) * t * across - float(rng.uniform(-0.02, 0.035)) * t * t * way)
    half = native * float(rng.uniform(0.008, 0.014)) * (1 - np.abs(t) ** 6) ** 0.5
    sides = [half * (1 + 0.08 * rng.standard_normal(t.shape)) * sign for sign in (1, -1)]
    return np.asarray(np.concatenate([line + sides[0] * way, (line + sides[1] * way)[::-1]]))


def _expose(rng: np.random.Generator, canvas: Canvas, patches: Sequence[Patch], level: Level) -> Pixels:
    """Turn labels into colours: pigment and light, then what lies on the skin."""
    native = canvas.native
    grain, texture = fields(rng, native)
    pitch = canvas.unit
    body = skin(rng, canvas.labels >= TISSUES.index("satellite spot"), pitch, level.clutter)
    lamp, table = light(rng, native), colours(rng)
    # Grain is below 2049, so 15 times it still fits.
    noise = np.int16(np.clip(round(2048 / GRAIN * PLAIN * 0.02 * level.noise * rng.uniform(0.8, 1.2)), 1, 15))
    fade = round(math.log2(coarseness(native)[1] / (PLAIN * 0.018)))
    pixels, lit = np.empty((native, native, 3), np.uint8), np.empty((native, native), np.uint8)
    for top in range(0, native, ROWS):
        rows = slice(top, min(top + ROWS, native))
        strip = lamp.rows(rows)
        strip += grain[rows] * noise >> 11
        strip += texture[rows] >> fade
        lit[rows] = np.clip(strip, 0, 255, out=strip)
        strip <<= 8
        strip |= body.rows(rows.start, rows.stop)
        seen = table.take(strip.view(np.uint16)).view(np.uint8).reshape(*strip.shape, 4)
        # One channel at a time is three times as fast as all at once.
        for channel in range(3):
            pixels[rows, :, channel] = seen[..., channel]
    _speckle(rng, canvas, pixels, level.clutter)
    _ink(rng, canvas, pixels, texture)
    for patch in patches:
        _show(rng, patch, pixels, lit, texture, level.contrast)
    for _ in range(round(level.clutter * float(rng.uniform(6, 11)))):
        _bubble(rng, pixels)
    for _ in range(round(level.occlusion * float(rng.uniform(9, 15)))):
        _hair(rng, pixels, pitch)
    if rng.random() < 0.5:
        _scale(rng, pixels, pitch)
    return pixels


def _speckle(rng: np.random.Generator, canvas: Canvas, pixels: Pixels, clutter: float) -> None:
    """Add dots finer than any globule, and pale openings of follicles, to the mole."""
    pitch = canvas.unit
    for width, pigment, count in ((0.018, 0.6, 30), (0.05, -0.35, 10)):
        for x, y in rng.uniform(0.15, 0.85, (round(clutter * count), 2)) * canvas.native:
            if canvas.labels[int(y), int(x)] > TISSUES.index("mole"):
                spread = max(0.6, pitch * width * float(rng.uniform(0.7, 1.2)))
                reach = int(3 * spread) + 1
                off = np.arange(-reach, reach + 1) + 0.5
                down, across = (np.exp((off - v % 1) ** 2 / (-2 * spread**2)) for v in (y, x))
                spot = np.multiply.outer(down, across)[..., None]
                part = pixels[int(y) - reach : int(y) + reach + 1, int(x) - reach : int(x) + reach + 1]
                part[:] = np.minimum(part * np.exp(spot * (-pigment * MELANIN)), 255)


def _ink(rng: np.random.Generator, canvas: Canvas, pixels: Pixels, texture: Grain) -> None:
    """Dye the skin violet where a pen has marked it."""
    dye = rng.uniform((0.36, 0.26, 0.62), (0.5, 0.38, 0.8)).astype(np.float32)
    inked = canvas.labels == TISSUES.index("ink mark")
    if inked.any():
        crop = _box(inked, 3)
        uneven = texture[crop] * np.float32(0.2 / coarseness(canvas.native)[1])
        depth = feathered(inked[crop], 0.8) * np.clip(np.float32(0.9) + uneven, 0.4, 1.1)
        pixels[crop] = pixels[crop] * (1 - depth[..., None] * (1 - dye))


def _box(inside: NDArray[np.bool_], margin: int) -> tuple[slice, slice]:
    """Return the rows and columns that hold all that is inside, with a margin."""
    ends = ((int(at[0]), int(at[-1])) for at in (np.flatnonzero(inside.any(axis)) for axis in (1, 0)))
    rows, columns = (slice(max(0, first - margin), last + margin + 1) for first, last in ends)
    return rows, columns


def _show(rng: np.random.Generator, patch: Patch, pixels: Pixels, lit: Labels, texture: Grain, contrast: float) -> None:
    """Blend a lesion into what lies below it."""
    look = LOOKS[patch.asked.finding]
    crop = _box(patch.inside, 4)
    inside = patch.inside[crop]
    depth = np.clip(2 * feathered(inside, 0.35 * patch.radius) - 1, 0, 1)
    cover = (look.rim + (1 - look.rim) * depth) * feathered(inside, 0.8)
    cover *= np.float32(min(0.96, look.opacity * contrast))
    mottle = patch.on(texture)[crop] * np.float32(look.mottle / coarseness(len(lit))[1])
    colour = (np.asarray(look.colour) * (rng.uniform(0.96, 1.03) + rng.normal(0, 0.006, 3))).astype(
        np.float32
    ) + mottle[..., None]
    colour *= (patch.on(lit)[crop] * np.float32(1 / PLAIN))[..., None]
    part = patch.on(pixels)[crop]
    part[:] = np.clip(part + cover[..., None] * (colour - part), 0, 255)


def _bubble(rng: np.random.Generator, pixels: Pixels) -> None:
    """Add a bubble in the gel: a bright ring, thicker on one side, with a dark one inside it."""
    native = len(pixels)
    radius = max(1.5, native * float(rng.uniform(0.006, 0.02)))
    x, y = rng.uniform(0.05, 0.95, 2) * native
    reach = int(1.5 * radius) + 2
    rows, columns = (slice(max(0, int(v) - reach), int(v) + reach + 1) for v in (y, x))
    part = pixels[rows, columns]
    v, u = np.ogrid[rows.start : rows.start + part.shape[0], columns.start : columns.start + part.shape[1]]
    off = np.hypot(u - x, v - y) / radius
    facing = 0.55 + 0.45 * np.cos(np.arctan2(v - y, u - x) - float(rng.uniform(0, 2 * math.pi)))
    width = max(0.09, 0.8 / radius)
    ring = 105 * np.exp(-(((off - 1) / width) ** 2)) * facing - 38 * np.exp(-(((off - 0.8) / (1.3 * width)) ** 2))
    glint = 120 * np.exp(-((np.hypot(u - x + 0.35 * radius, v - y + 0.35 * radius) / (0.12 * radius + 0.5)) ** 2))
    part[:] = np.clip(part + (ring + glint)[..., None], 0, 255)


def _hair(rng: np.random.Generator, pixels: Pixels, pitch: float) -> None:
    """Lay a hair over the skin: a dark curve, thinner towards its tip."""
    native = len(pixels)
    steps = (native, 1) if rng.random() < 0.5 else (1, native)
    t = np.linspace(0, 1, round(native * float(rng.uniform(0.3, 0.9))))
    t = t if rng.random() < 0.5 else 1 - t
    slope, bend = rng.normal(0, 0.45), rng.normal(0, 0.35)
    along = np.arange(len(t)) + int(rng.uniform(-0.15, 0.8) * native)
    middle = native * rng.uniform(0.05, 0.95) + len(t) * (slope * (t - 0.5) + bend * (t - 0.5) ** 2)
    steep = np.hypot(1, slope + 2 * bend * (t - 0.5))
    half = pitch * rng.uniform(0.02, 0.038) * (1 - t**3) * steep
    reach = int(half.max()) + 2
    across = np.floor(middle).astype(int)[:, None] + np.arange(-reach, reach + 1)
    cover = np.minimum(half[:, None] + 0.5 - np.abs(across + 0.5 - middle[:, None]), 1)
    seen = (cover > 0) & (across >= 0) & (across < native) & ((along >= 0) & (along < native))[:, None]
    cover *= np.minimum(1, 2 * half)[:, None] * rng.uniform(0.78, 0.92)
    at, part = (along[:, None] * steps[0] + across * steps[1])[seen], cover[seen]
    colour = np.asarray(HAIR) * rng.uniform(0.6, 1.6)
    flat = pixels.reshape(-1, 3)
    flat[at] = flat.take(at, 0) * (1 - part)[:, None] + np.multiply.outer(part, colour)


def _scale(rng: np.random.Generator, pixels: Pixels, pitch: float) -> None:
    """Draw millimetres along the left or the lower edge, every fifth longer."""
    native = len(pixels)
    picture = pixels[::-1] if rng.random() < 0.5 else pixels.transpose(1, 0, 2)
    edge, thick = int(native * rng.uniform(0.012, 0.03)), max(1, native // 500)
    start = native * rng.uniform(0.1, 0.2)
    for tick in range(int(0.75 * native / pitch) + 1):
        place = int(start + tick * pitch)
        length = int(native * (0.018 if tick % 5 else 0.03)) + 1
        part = picture[edge : edge + length, place : place + thick]
        part[:] = part * 0.25 + 10


MOLE = Exam(
    modality="dermoscopy",
    name="dermoscopy",
    paint=_paint,
    expose=_expose,
    parts=PARTS,
    hosts=tuple(HOSTS),
    flesh={host: (host,) for host in HOSTS},
    shapes={
        "globule": Shape((0.085, 0.21), 4, 0.03, stretch=0.88),
        "blue-white veil": Shape((0.17, 0.76), 4, 0.12, stretch=0.7),
        "white scar-like area": Shape((0.17, 0.76), 6, 0.13, stretch=0.65),
        "milia-like cyst": Shape((0.075, 0.18), 3, 0.02, stretch=0.9),
        "milky-red area": Shape((0.17, 0.76), 5, 0.1, stretch=0.7),
    },
    organs=(*HOSTS, "satellite spot", "ink mark"),
    removable=("satellite spot", "ink mark"),
    measured=("blue-white veil", "white scar-like area", "milky-red area"),
    etched=("blue-white veil",),
    host="mole quarter",
    lesion="focal dermoscopic structure",
    accepted={
        **{
            f"{quarter} mole quarter": (
                f"the {quarter} mole quarter",
                f"{quarter} quarter",
                f"{quarter} quarter of the mole",
                f"{quarter} part of the mole",
                f"{quarter} quadrant of the mole",
                quarter,
            )
            for quarter in QUARTERS
        },
        "globule": ("a globule", "brown globule", "dark brown globule", "pigment globule"),
        "blue-white veil": ("a blue-white veil", "blue-whitish veil", "blue white veil", "veil"),
        "white scar-like area": ("a white scar-like area", "scar-like area", "scar-like depigmentation", "regression"),
        "milia-like cyst": ("a milia-like cyst", "milia cyst", "milium-like cyst", "milium"),
        "milky-red area": ("a milky-red area", "milky red area", "milky-red structure"),
    },
    reach={side: (host,) for host, side in HOSTS.items()},
)
