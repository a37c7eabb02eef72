"""OCT: a horizontal B-scan through the macula, stretched in depth as it is usually displayed.

Layers are painted column by column from the vitreous down, so every pixel belongs to exactly one. Left and right
are those of the image.
"""

from collections.abc import Collection, Sequence
from functools import lru_cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from ...core.image import Pixels
from .exam import Exam
from .film import GRAIN, STRIP, Field, Grain, blurred, cloud, coarseness, fields
from .lesions import Patch, Shape
from .paint import Canvas, Labels
from .scene import Level

Row = NDArray[np.float64]
"""A value for every column of the image."""

FRONT = {"vitreous": 10.0, "posterior hyaloid": 78.0, "retrohyaloid space": 9.0}
INNER = {"nerve fibre layer": 164.0, "ganglion cell layer": 92.0, "inner plexiform layer": 116.0}
INNER |= {"inner nuclear layer": 74.0}
OUTER = {"outer plexiform layer": 118.0, "outer nuclear layer": 68.0, "external limiting membrane": 98.0}
OUTER |= {"myoid zone": 76.0, "ellipsoid zone": 186.0, "outer segments": 104.0}
BACK = {"pigment epithelium": 208.0, "choriocapillaris": 146.0, "choroid": 140.0, "sclera": 112.0}

RECEPTORS = ("ellipsoid zone", "outer segments")
HALF = {"inner": tuple(INNER), "outer": tuple(OUTER)}
RETINA = (*INNER, *OUTER)
LAYERS = (*FRONT, *RETINA, *BACK)
ZONES = ("left edge", "left", "left fovea", "right fovea", "right", "right edge")
"""The retina from side to side; no lesion lies next to the foveal centre or at the image's edge."""
ZONED = tuple(f"{zone} {layer}" for zone in ZONES for layer in RETINA)
TISSUES = (*FRONT, *ZONED, *BACK)
CENTRAL, EDGE = 0.03, 0.04
"""The width of each zone at the foveal centre and at the image's edge, as a share of the image."""

HALVES = {f"{side} {half} retina": (side, layers) for half, layers in HALF.items() for side in ("left", "right")}
HOSTS = tuple(HALVES)
FLESH = {
    host: tuple(f"{side} {layer}" for layer in layers if layer not in RECEPTORS)
    for host, (side, layers) in HALVES.items()
}
"""Where lesions lie: away from the foveal centre, the image's edge and the brightest lines."""
PARTS: dict[str, tuple[str, ...]] = {
    host: tuple(f"{zone} {layer}" for zone in ZONES if zone.startswith(side) for layer in layers)
    for host, (side, layers) in HALVES.items()
}
PARTS |= {
    "vitreous cavity": tuple(FRONT),
    "posterior hyaloid": ("posterior hyaloid",),
    "retinal pigment epithelium": ("pigment epithelium",),
    "choroid": ("choroid", "choriocapillaris"),
}

FINEST = 170
"""Light and shadow are worked out in about as many pixels each way."""
FULL = 200
"""The number that stands for full light in 8 bits."""


class Look(NamedTuple):
    """What a finding looks like.

    Attributes:
        grey: its brightness.
        apart: how far from its surroundings it is at least.
        coarse: the amplitude of its texture.
        shadow: the share of the light that is lost below it.
    """

    grey: float
    apart: float
    coarse: float
    shadow: float


LOOKS = {
    "cyst": Look(4.0, 0.0, 0.0, 0.0),
    "exudate": Look(246.0, 125.0, 26.0, 0.55),
    "fibrotic scar": Look(152.0, 62.0, 5.0, 0.0),
}


def _paint(rng: np.random.Generator, native: int, absent: Collection[str], level: Level) -> Canvas:
    field = float(rng.uniform(1150, 1400))
    half = np.full(2, native / 2)
    canvas = Canvas(native, TISSUES, half, half, unit=native / field)
    x = (np.arange(native) + 0.5) / native
    fovea = float(rng.uniform(0.45, 0.55))
    borders = (EDGE, fovea - CENTRAL, fovea, fovea + CENTRAL, 1 - EDGE)
    _layered(canvas, _depths(rng, x, fovea, "posterior hyaloid" not in absent), np.searchsorted(borders, x))
    return canvas


def _depths(rng: np.random.Generator, x: Row, fovea: float, hyaloid: bool) -> dict[str, Row]:
    """Return where each of `LAYERS` begins in every column, as a share of the image's height."""
    off = x - fovea
    pit = np.exp(-(np.abs(off / rng.uniform(0.1, 0.145)) ** rng.uniform(2.0, 2.9)))
    tilt, bow = rng.uniform(-0.075, 0.075), rng.uniform(-0.015, 0.055)
    base = rng.uniform(0.645, 0.675) + tilt * (x - 0.5) - bow * ((2 * x - 1) ** 2 - 0.25) + _wave(rng, x, 0.0015, 4)
    inner = rng.uniform(0.158, 0.176) * (1 - rng.uniform(0.4, 0.8) * off**2) * (1 - 0.93 * pit)
    outer = rng.uniform(0.158, 0.172) * (1 + rng.uniform(0.1, 0.24) * np.exp(-((off / 0.12) ** 2)))
    nasal = rng.choice((-1, 1)) * off
    shares = {
        "nerve fibre layer": (0.13 + 0.2 * nasal) * (1 - 0.6 * pit),
        "ganglion cell layer": rng.uniform(0.26, 0.32) * (1 + 0.5 * pit),
        "inner plexiform layer": rng.uniform(0.22, 0.27) + 0 * x,
        "inner nuclear layer": rng.uniform(0.25, 0.3) + 0 * x,
        "outer plexiform layer": rng.uniform(0.13, 0.17) * (1 - 0.75 * pit),
        "outer nuclear layer": rng.uniform(0.5, 0.56) + 0 * x,
        "external limiting membrane": 0.025 + 0 * x,
        "myoid zone": 0.085 + 0 * x,
        "ellipsoid zone": 0.085 + 0 * x,
        "outer segments": 0.085 * (1 + 0.35 * pit),
    }
    depths = dict.fromkeys(LAYERS, x)
    for names, whole, top in ((INNER, inner, base - outer - inner), (OUTER, outer, base - outer)):
        total = sum(shares[name] for name in names)
        for name in names:
            depths[name] = top + _wave(rng, x, 0.0011, 14) * (name != "nerve fibre layer")
            top = top + whole * shares[name] / total
    depths["pigment epithelium"] = base
    depths["choriocapillaris"] = base + 0.0185 + _wave(rng, x, 0.0007, 12)
    depths["choroid"] = depths["choriocapillaris"] + 0.012 + _wave(rng, x, 0.0015, 14)
    depths["sclera"] = depths["choroid"] + rng.uniform(0.13, 0.2) * (1 - 0.5 * off**2) + _wave(rng, x, 0.006, 6)
    depths |= _membrane(rng, off, depths["nerve fibre layer"], hyaloid)
    depths["vitreous"] = 0 * x
    return depths


def _membrane(rng: np.random.Generator, off: Row, surface: Row, there: bool) -> dict[str, Row]:
    """Return where the posterior hyaloid, lifted off the surface and bridging the pit, begins and ends."""
    if not there:
        return {"posterior hyaloid": surface, "retrohyaloid space": surface}
    gap = rng.uniform(0.01, 0.04) + rng.normal(0, 0.07) * off + _wave(rng, off, 0.004, 4)
    bridge = rng.uniform(0.25, 0.95) * (surface - np.min(surface))
    behind = surface - np.maximum(gap, 0.008) - 0.12 * np.tanh(bridge / 0.12)
    # A line of at least a pixel, however small the image.
    return {"posterior hyaloid": behind - max(0.0038, 1.0 / len(off)), "retrohyaloid space": behind}


def _wave(rng: np.random.Generator, x: Row, size: float, waves: int) -> Row:
    """Return a smooth random line of about that standard deviation."""
    amplitude = rng.standard_normal(2 * waves) * (size / np.sqrt(waves))
    return np.asarray(amplitude @ _harmonics(len(x), waves))


@lru_cache
def _harmonics(native: int, waves: int) -> NDArray[np.float64]:
    turn = (1.3 * np.pi / native) * np.arange(1, waves + 1)[:, None] * (np.arange(native) + 0.5)
    return np.concatenate([np.cos(turn), np.sin(turn)])


def _layered(canvas: Canvas, depths: dict[str, Row], zones: NDArray[np.intp]) -> None:
    """Paint every column as runs of its layers, from the top down."""
    native = canvas.native
    tops = np.rint(np.stack([depths[name] for name in LAYERS]) * native).astype(int)
    tops = np.clip(np.maximum.accumulate(tops, axis=0), 0, native)
    counts = np.diff(tops, axis=0, append=native)
    first, many = len(FRONT), len(RETINA)
    order = np.arange(len(LAYERS))[:, None] + 0 * zones
    order[first + many :] += (len(ZONES) - 1) * many
    order[first : first + many] += zones * many
    canvas.labels[:] = np.repeat(order.T.astype(np.uint8).ravel(), counts.T.ravel()).reshape(native, native).T


def _expose(rng: np.random.Generator, canvas: Canvas, patches: Sequence[Patch], level: Level) -> Pixels:
    """Turn labels into grey levels: reflectance, light and shadow, speckle."""
    native = canvas.native
    grain, texture = fields(rng, native)
    coarse = np.float32(1 / coarseness(native)[1])
    plain = _greys(rng).take(canvas.labels)
    if level.clutter > 0:
        _dotted(rng, canvas, plain, level.clutter)
    for patch in patches:
        _toned(rng, patch, plain, texture, level.contrast)
    light = _light(rng, canvas, patches, level)
    seen = _deepened(blurred(plain))
    gain = np.float32(rng.uniform(0.9, 1.08) / (4 * 16 * FULL))
    fine, rough = np.float32(0.72 / GRAIN), np.float32(0.5) * coarse
    share, floor = np.float32(0.17 * level.noise**0.7), np.float32(6.5 * level.noise**0.5)
    pixels = np.empty((native, native), np.uint8)
    for top in range(0, native, STRIP):
        rows = slice(top, top + STRIP)
        grey = seen[rows] * gain
        grey *= light[rows]
        speckle = grain[rows] * fine
        speckle += texture[rows] * rough
        speckle *= grey * share + floor
        grey += speckle
        pixels[rows] = np.clip(grey, 0, 255, out=grey)
    return pixels


def _greys(rng: np.random.Generator) -> Grain:
    """Return the brightness of every label; layers vary a little from eye to eye, but not from side to side."""
    plain = {name: grey * rng.normal(1, 0.04) for name, grey in (FRONT | INNER | OUTER | BACK).items()}
    greys = [plain[name] for name in FRONT]
    greys += [plain[name] for _ in ZONES for name in RETINA]
    greys += [plain[name] for name in BACK]
    table = np.zeros(256, np.int16)
    table[: len(greys)] = greys
    return table


def _deepened(seen: Grain) -> Grain:
    """Return 4 times what is `seen`, blurred in depth: layers pass into each other."""
    by = max(1, len(seen) // 512)
    high = np.pad(seen, ((by, by), (0, 0)), mode="edge")
    pairs = high[by:] + high[:-by]
    return np.asarray(pairs[by:] + pairs[:-by])


def _dotted(rng: np.random.Generator, canvas: Canvas, plain: Grain, clutter: float) -> None:
    """Add bright specks to the retina, much smaller than any exudate."""
    native = canvas.native
    first, last = len(FRONT), len(FRONT) + len(ZONED)
    for x, y in rng.integers(2, native - 3, (int(140 * clutter), 2)):
        if first <= canvas.labels[y, x] < last:
            size = 1 + int(native > 700)
            plain[y : y + size, x : x + size + 1] += np.int16(60)


def _toned(rng: np.random.Generator, patch: Patch, plain: Grain, texture: Grain, contrast: float) -> None:
    """Draw a lesion over its crop, apart from what is around it by the finding's difference and the contrast."""
    look = LOOKS[patch.asked.finding]
    part = patch.on(plain)
    distance = patch.distance()
    around = float(part[(distance > 1.1) & (distance < 1.7) & ~patch.inside].mean())
    apart = look.grey * rng.uniform(0.95, 1.05) - around
    if look.apart:
        apart = max(apart, look.apart)
    tone = around + contrast**0.5 * apart
    mottle = patch.on(texture) * np.float32(look.coarse / coarseness(len(plain))[1])
    np.copyto(part, np.clip(tone + mottle, 4, 300).astype(np.int16), where=patch.inside)


def _light(rng: np.random.Generator, canvas: Canvas, patches: Sequence[Patch], level: Level) -> Labels:
    """Return how much light reaches and leaves each pixel, in units of 1 / `FULL`."""
    native = canvas.native
    step = max(1, native // FINEST)
    small = np.ascontiguousarray(canvas.labels[::step, ::step])
    many = len(small)
    lit = 1 + np.float32(0.05 + 0.05 * level.clutter) * cloud(rng, many, 9)
    epithelium = small == canvas.tissues.index("pigment epithelium")
    deep: Field = np.maximum.accumulate(epithelium, axis=0).cumsum(0, dtype=np.float32)
    deep *= np.float32(1 / many)
    lit *= 1 - _lumens(rng, deep) * (small == canvas.tissues.index("choroid"))
    lit *= np.exp(np.maximum(deep - np.float32(0.03), 0) * np.float32(-1 / rng.uniform(0.13, 0.24)))
    behind = np.maximum.accumulate(small >= len(FRONT), axis=0)
    x = np.linspace(0.5 / many, 1 - 0.5 / many, many, dtype=np.float32)
    lit *= np.where(behind, _shadows(rng, x, level.occlusion), 1)
    for patch in patches:
        look = LOOKS[patch.asked.finding]
        if look.shadow:
            middle, top = (v / native for v in patch.centre)
            across = np.clip(1.2 - ((x - middle) * native / patch.radius) ** 2, 0, 1)
            below = np.clip((x - top) * native / patch.radius - 0.9, 0, 1)
            lit *= 1 - look.shadow * below[:, None] * across
    eight = Image.fromarray(np.clip(lit * FULL, 0, 255).astype(np.uint8))
    box = (0.0, 0.0, native / step, native / step)
    return np.asarray(eight.resize((native, native), Image.Resampling.BILINEAR, box=box))


def _lumens(rng: np.random.Generator, deep: Field) -> Field:
    """Return how dark the choroid's vessels are: small ones in front, large ones behind, wider than high."""
    many = len(deep)
    fine, wide = (np.repeat(cloud(rng, many, cells)[:, : many // 2 + 1], 2, axis=1)[:, :many] for cells in (54, 27))
    fine += (wide - fine) * np.minimum(deep * 9, 1)
    return np.asarray(np.clip(fine + np.float32(rng.uniform(0.1, 0.5)), 0, 1) * np.float32(rng.uniform(0.4, 0.6)))


def _shadows(rng: np.random.Generator, x: Field, occlusion: float) -> Field:
    """Return the light left in every column: vessels cast shadows, and the pupil's edge cuts the sides off."""
    left = np.ones_like(x)
    for _ in range(int(rng.integers(2, 5)) + int(6 * occlusion)):
        width = rng.uniform(0.004, 0.008 + 0.006 * occlusion)
        dark = rng.uniform(0.06, 0.15) + occlusion * rng.uniform(0.0, 0.4)
        left *= 1 - np.float32(dark) * np.exp(-(((x - np.float32(rng.random())) / np.float32(width)) ** 4))
    if rng.random() < occlusion:
        side = x if rng.random() < 0.5 else 1 - x
        left *= np.clip(0.6 + side / np.float32(rng.uniform(0.3, 0.7)), 0, 1)
    return left


MACULA = Exam(
    modality="OCT",
    name="macular OCT",
    paint=_paint,
    expose=_expose,
    parts=PARTS,
    hosts=HOSTS,
    flesh=FLESH,
    shapes={
        "cyst": Shape((9.5, 46.0), 4, 0.05, stretch=0.7),
        "exudate": Shape((8.0, 23.0), 8, 0.13, stretch=0.75),
        "fibrotic scar": Shape((10.5, 46.0), 7, 0.08, stretch=0.7),
    },
    organs=(*HOSTS, "vitreous cavity", "posterior hyaloid", "retinal pigment epithelium", "choroid"),
    removable=("posterior hyaloid",),
    measured=("cyst", "fibrotic scar"),
    etched=("fibrotic scar",),
    unit="µm",
    host="part of the retina",
    accepted={
        **{
            f"{side} {half} retina": (
                f"the {side} {half} retina",
                f"{half} retina, {side}",
                f"{half} retina on the {side}",
                f"{half} retinal layers on the {side}",
                f"{side} {half} retinal layers",
            )
            for side in ("left", "right")
            for half in ("inner", "outer")
        },
        "cyst": ("a cyst", "intraretinal cyst", "cystoid space", "intraretinal fluid", "fluid-filled cyst"),
        "exudate": ("an exudate", "hard exudate", "a hard exudate", "lipid exudate", "hyperreflective exudate"),
        "fibrotic scar": ("a fibrotic scar", "scar", "a scar", "fibrosis", "fibrous scar", "retinal scar"),
    },
    reach={
        (0, 0): ("left inner retina",),
        (1, 0): ("right inner retina",),
        (0, 1): ("left outer retina",),
        (1, 1): ("right outer retina",),
    },
)
