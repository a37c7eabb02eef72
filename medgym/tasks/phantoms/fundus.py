"""Fundus photograph: the retina of one eye, seen through the pupil, with optic disc, macula and vessels.

The camera looks at the eye from the front: in a right eye the disc, which lies towards the nose, is at the
image's right of the macula.
"""

import itertools
from collections.abc import Collection, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ...core.image import Pixels
from ...core.task import Kind
from .desk import Asked, Desk, truth_about
from .exam import Exam
from .film import GRAIN, STRIP, Field, blurred, cloud, coarseness, feathered, fields
from .fundus_vessels import DISC, FOVEA, INKS, vessels
from .lesions import Patch, Shape
from .paint import Canvas, Curve, Labels, blob
from .scene import Level

SECTORS = ("nasal", "inferior", "temporal", "superior")
"""Quarters around the point between disc and macula, in the order of their angles."""
HOSTS = tuple(f"{sector} retina" for sector in SECTORS)
TISSUES = ("outside", *(f"{host} margin" for host in HOSTS), *HOSTS, "macula", "disc rim", "disc cup")
PARTS: dict[str, tuple[str, ...]] = {
    **{host: (host, f"{host} margin") for host in HOSTS},
    "macula": ("macula",),
    "optic disc": ("disc rim", "disc cup"),
    "optic cup": ("disc cup",),
}

Plane = NDArray[np.int16]
"""The brightness of a channel times `FINER`."""
FINER = 64
SMALLER = 4
"""By how much the image is smaller at first: broad light and shade need no more pixels."""

RETINA_COLOUR = np.array([196.0, 113.0, 82.0])
ABSORBED = (0.29, 0.61, 0.64)
"""The share of each channel's light that a wide vein takes."""
PIGMENTS = ((0.14, 0.35, 0.6), (0.24, 0.8, 0.8), (0.3, 1.0, 1.0))
"""For each channel: what the macula's pigment takes, how much of nerve fibres' sheen and of stray light shows."""
FADING = 0.06
"""How much less the far retina reflects in the same channels."""
HAZE = 150.0
"""The brightness of haze."""


class Look(NamedTuple):
    """How a finding looks.

    Attributes:
        kept: what is left of the light of each channel.
        added: light of its own.
        opaque: how much of this shows at usual contrast.
        over: how much of a vessel it hides.
        soft: the blur of its border as a share of its radius.
    """

    kept: tuple[float, float, float]
    added: tuple[float, float, float]
    opaque: float
    over: float
    soft: float


LOOKS = {
    "hemorrhage": Look((0.58, 0.12, 0.2), (0, 0, 0), 0.66, 0.75, 0.05),
    "exudate": Look((0.35, 0.3, 0.1), (184, 190, 106), 0.6, 0.75, 0.04),
    "cotton wool spot": Look((0.35, 0.3, 0.2), (162, 172, 146), 0.58, 0.85, 0.22),
    "nevus": Look((0.5, 0.68, 0.5), (0, 0, 30), 0.6, 0.0, 0.1),
}


def _paint(rng: np.random.Generator, native: int, absent: Collection[str], level: Level) -> Canvas:
    field = native * float(rng.uniform(0.455, 0.495))
    millimetre = field * 2 / float(rng.uniform(11.3, 12.8))
    eye = "right" if rng.random() < 0.5 else "left"
    way = 1 if eye == "right" else -1
    half = millimetre * float(rng.uniform(2.15, 2.5))
    origin = native / 2 + rng.uniform(-0.3, 0.3, 2) * millimetre
    canvas = Canvas(native, TISSUES, origin, (way * half, half), -way * rng.uniform(0.0, 0.11), millimetre / 1000)
    canvas.notes["eye"] = eye
    cut = field * (float(rng.uniform(0.86, 0.95)) if rng.random() < 0.35 else 1.0)
    for order, host in enumerate(HOSTS):
        middle = order * np.pi / 2
        canvas.outline(f"{host} margin", _sector(canvas, (0, 0), middle, np.pi / 4, field, cut))
        apex = 0.22 * np.array([np.cos(middle), np.sin(middle)])
        canvas.outline(host, _sector(canvas, apex, middle, 0.22 * np.pi, 0.955 * field, 0.95 * cut))
    canvas.fill("macula", blob(rng, FOVEA, rng.uniform((0.38, 0.34), (0.46, 0.4)), 0.02))
    disc = millimetre / half * float(rng.uniform(0.8, 1.0)) * np.array([rng.uniform(0.86, 0.98), 1.0])
    canvas.fill("disc rim", blob(rng, DISC, disc, 0.015, rng.normal(0, 0.2)))
    if "optic cup" not in absent:
        cup = disc * rng.uniform(0.35, 0.58)
        canvas.fill("disc cup", blob(rng, DISC - (rng.uniform(0, 0.2) * disc[0], 0), cup, 0.03))
    return canvas


def _sector(
    canvas: Canvas, apex: Sequence[float] | Curve, middle: float, half: float, field: float, cut: float
) -> Curve:
    """Return in pixels the part of the round field within an angle; its rows end at `cut` from the centre."""
    angle = np.linspace(middle - half, middle + half, 48)
    start = canvas.pixels(np.asarray(apex, float))
    ways = canvas.pixels(np.stack([np.cos(angle), np.sin(angle)], 1)) - canvas.pixels(np.zeros(2))
    ways /= np.hypot(ways[:, :1], ways[:, 1:])
    from_centre = start - canvas.native / 2
    along = ways @ from_centre
    rim = from_centre + ways * (np.sqrt(along**2 - from_centre @ from_centre + field**2) - along)[:, None]
    rim[:, 1] = np.clip(rim[:, 1], -cut, cut)
    return np.concatenate([start[None], rim + canvas.native / 2])


def _expose(rng: np.random.Generator, canvas: Canvas, patches: Sequence[Patch], level: Level) -> Pixels:
    native = canvas.native
    veil = level.occlusion * float(rng.uniform(0.0, 0.3))
    planes = _lit(rng, canvas, level, veil)
    _draw_disc(rng, canvas, planes, level)
    _draw_reflex(rng, canvas, planes)
    blood = vessels(rng, canvas)
    for patch in patches:
        _draw_lesion(rng, patch, planes, blood, level.contrast)
    grain, texture = fields(rng, native)
    fine = np.float32(level.noise * rng.uniform(0.012, 0.02) / GRAIN / FINER)
    coarse = np.float32(rng.uniform(0.006, 0.015) / coarseness(native)[1] / FINER)
    taken = [np.float32(-share * (1 - veil) / (16 * INKS) / FINER) for share in ABSORBED]
    pixels = np.empty((native, native, 3), np.uint8)
    for top in range(0, native, STRIP):
        rows = slice(top, top + STRIP)
        rough = grain[rows] * fine
        rough += texture[rows] * coarse
        rough += np.float32(1 / FINER)
        above = min(top, 1)
        dark = blurred(blood[top - above : top + STRIP + 1].astype(np.int16))[above : STRIP + above].astype(np.float32)
        for channel, plane in enumerate(planes):
            shown = dark * taken[channel]
            shown += rough
            shown *= plane[rows]
            pixels[rows, :, channel] = np.minimum(shown, 255, out=shown)
    return pixels


def _lit(rng: np.random.Generator, canvas: Canvas, level: Level, veil: float) -> list[Plane]:
    """Return the retina without vessels and disc, a plane for each channel: worked out small, then scaled up."""
    native = canvas.native
    at = np.arange(-(-native // SMALLER) + 1, dtype=np.float32) * SMALLER + np.float32(0.5)
    side = len(at)
    seen = np.flatnonzero(canvas.labels[:, native // 2])
    radius = np.count_nonzero(canvas.labels[native // 2]) / 2
    off = np.asarray((at - native / 2) / radius, np.float32)
    y, x = off[:, None], off[None, :]
    share = np.sqrt(x * x + y * y)
    right, down, dark = float(rng.normal(0, 0.09)), float(rng.normal(0, 0.09)), float(rng.uniform(0.2, 0.32))
    light = 1.03 - dark * share**3 + right * x + down * y
    light += np.float32(0.02) * cloud(rng, side, 5) + _choroid(rng, side, level)
    light *= _shadow(rng, x, y, level)
    pale = _fibres(rng, canvas, at)
    yellow = _softened(canvas, "macula", side, 0.15)
    pale += yellow * (1 - yellow) * float(rng.uniform(0.0, 0.3))
    yellow *= float(rng.uniform(0.7, 1.2))
    edge = np.clip((1 - share) * (radius / SMALLER), 0, 1)
    edge *= ((at >= seen[0]) & (at <= seen[-1] + 1))[:, None]
    stray = (_flare(rng, x, y, level) + veil * HAZE) * edge
    light *= edge
    pale -= FADING * (share * share)
    pale *= edge
    tone = RETINA_COLOUR * rng.uniform((0.93, 0.9, 0.9), (1.08, 1.12, 1.2)) * rng.uniform(0.92, 1.05) * (1 - veil)
    planes = []
    for full, (pigment, whitish, blue) in zip(tone.tolist(), PIGMENTS, strict=True):
        shade = pale * whitish
        shade += light
        shade *= full * FINER - (full * FINER * pigment) * yellow
        if level.occlusion:
            shade += stray * (blue * FINER)
        planes.append(_enlarged(np.clip(shade, 0, 255 * FINER).astype(np.int16))[:native, :native])
    return planes


def _enlarged(small: NDArray[np.int16]) -> Plane:
    """Scale up by `SMALLER`, linearly, columns first: rows of the large image are then made of whole rows."""
    height, width = ((side - 1) * SMALLER for side in small.shape)
    wide, tall = np.empty((len(small), width), np.int16), np.empty((height, width), np.int16)
    _between(small[:, :-1], small[:, 1:], [wide[:, step::SMALLER] for step in range(SMALLER)])
    _between(wide[:-1], wide[1:], [tall[step::SMALLER] for step in range(SMALLER)])
    return tall


def _between(one: Plane, other: Plane, steps: Sequence[Plane]) -> None:
    """Fill in the steps from `one` to `other`, each by adding to the step before."""
    slope = (other - one) // SMALLER
    steps[0][:] = one
    for before, step in itertools.pairwise(steps):
        np.add(before, slope, out=step)


def _choroid(rng: np.random.Generator, side: int, level: Level) -> Field:
    """Return the mottle of the pigment and, in some eyes more, the net of the choroid's vessels."""
    cells = max(side // 8, 8)
    net = 0.55 - np.abs(cloud(rng, side, min(22, cells)))
    amplitude = rng.uniform(0.004, 0.014) + 0.014 * level.clutter * rng.random()
    return np.asarray(net * np.float32(amplitude) + cloud(rng, side, cells) * np.float32(0.01), np.float32)


def _fibres(rng: np.random.Generator, canvas: Canvas, at: Field) -> Field:
    """Return the pale sheen of nerve fibres: streaks that leave the disc, most above and below it."""
    x, y = (float(v) for v in canvas.pixels(DISC))
    down, across = at[:, None] - y, at[None, :] - x
    squared = down * down + across * across
    streaks = rng.standard_normal(240).astype(np.float32)
    streak = streaks.take(((np.arctan2(down, across) + 3.1416) * (239 / 6.2833)).astype(np.int32))
    near = np.exp(squared * (-0.13 / (canvas.unit * 1000) ** 2))
    poles = down * down / (squared + 1)
    poles *= 0.07 + 0.018 * streak
    return np.asarray(near * (poles + 0.12) * float(rng.uniform(0.7, 1.3)), np.float32)


def _shadow(rng: np.random.Generator, x: Field, y: Field, level: Level) -> Field | float:
    """Return what the lid and eyelashes leave of the light."""
    if rng.random() >= level.occlusion:
        return 1.0
    rim = 1 + np.exp((y + x * float(rng.normal(0, 0.2)) + 0.75) * 14)
    lid = np.asarray(1 - float(rng.uniform(0.12, 0.3)) / rim, np.float32)
    for _ in range(int(rng.integers(2, 6))):
        middle, tilt, bow, depth = (float(v) for v in rng.normal((0, 0, 0, 0.1), (0.4, 0.3, 0.15, 0.03)))
        low = y + 1
        lash = np.exp(-np.square((x - middle - low * (tilt + bow * low)) * 28))
        lid -= 2 * depth * lash * np.clip(-y - float(rng.uniform(-0.2, 0.4)), 0, 0.5)
    return lid


def _flare(rng: np.random.Generator, x: Field, y: Field, level: Level) -> Field | float:
    """Return the light that strays in: a crescent along the field's edge."""
    if rng.random() >= level.occlusion:
        return 0.0
    angle = float(rng.uniform(0, 2 * np.pi))
    out = np.hypot(x + 0.35 * float(np.cos(angle)), y + 0.35 * float(np.sin(angle))) - 1.05
    return np.asarray(float(rng.uniform(20, 60)) * np.clip(out * 3, 0, 1), np.float32)


def _softened(canvas: Canvas, tissue: str, side: int, sigma: float) -> Field:
    """Return a tissue's mask, as small as `_lit` works, blurred by `sigma` millimetres."""
    found = canvas.labels[::SMALLER, ::SMALLER] == canvas.tissues.index(tissue)
    spread = sigma * canvas.unit * 1000 / SMALLER
    ends = (np.flatnonzero(found.any(axis))[[0, -1]] for axis in (1, 0))
    rows, columns = (slice(max(0, int(low - 3 * spread)), int(high + 3 * spread) + 2) for low, high in ends)
    soft = np.zeros((side, side), np.float32)
    part = feathered(np.ascontiguousarray(found[rows, columns]), spread)
    soft[rows, columns][: len(part), : len(part[0])] = part
    return soft


def _draw_disc(rng: np.random.Generator, canvas: Canvas, planes: Sequence[Plane], level: Level) -> None:
    """Draw the optic disc, redder on the side of the nose, with its pale cup."""
    rows, columns, x, y = _around(canvas, DISC, 1.15)
    labels = canvas.labels[rows, columns]
    cupped = labels == canvas.tissues.index("disc cup")
    whole = cupped | (labels == canvas.tissues.index("disc rim"))
    pixel = canvas.native / 1024
    disc, cup = feathered(whole, 2.2 * pixel), feathered(cupped, 3.5 * pixel)
    squared = x * x + y * y
    core = np.exp(squared * -9) * (0.35 * cup)
    cup *= 0.6
    halo = np.exp(-np.square(np.sqrt(squared) - 0.9) * 60) * float(rng.uniform(-0.1, 0.06) - 0.04 * level.clutter)
    side = x * float(np.sign(canvas.axes[0]) * rng.uniform(0.12, 0.35)) + squared * 0.12
    pale = float(rng.uniform(0.94, 1.04))
    for plane, rim, deep, red in zip(planes, (240, 160, 102), (253, 232, 182), (0.1, 0.6, 0.66), strict=True):
        part = plane[rows, columns]
        base = part * (1 + halo)
        seen = base + (rim * pale * FINER * (1 - red * side) - base) * disc
        seen += (deep * FINER - seen) * (cup + core)
        part[:] = np.clip(seen, 0, 255 * FINER)


def _draw_reflex(rng: np.random.Generator, canvas: Canvas, planes: Sequence[Plane]) -> None:
    """Darken the fovea and set the tiny crescent of light that its pit reflects into it."""
    rows, columns, x, y = _around(canvas, FOVEA, 0.7)
    away = np.sqrt(x * x + y * y)
    pit = np.exp(-np.square(away * 3.6)) * float(rng.uniform(0.16, 0.3))
    ring = np.exp(-np.square((away - float(rng.uniform(0.03, 0.07))) * 50)) * float(rng.uniform(5, 26) * FINER)
    angle = float(rng.uniform(0, 2 * np.pi))
    ring *= 1 + (x * float(np.cos(angle)) + y * float(np.sin(angle))) / (away + 0.01)
    for plane, share in zip(planes, (0.7, 1.0, 0.9), strict=True):
        part = plane[rows, columns]
        part[:] = np.clip(part * (1 - share * pit) + ring, 0, 255 * FINER)


def _around(canvas: Canvas, point: Curve, reach: float) -> tuple[slice, slice, Field, Field]:
    """Return a crop around a point of the frame, and x and y in millimetres from the point there."""
    millimetre = canvas.unit * 1000
    x, y = (float(v) for v in canvas.pixels(point))
    rows, columns = (slice(max(0, int(v - reach * millimetre)), int(v + reach * millimetre) + 1) for v in (y, x))
    down, across = np.ogrid[rows, columns]
    limit = canvas.native
    to_x, to_y = (((at[:limit] + 0.5 - v) / millimetre).astype(np.float32) for at, v in ((across, x), (down, y)))
    return rows, columns, to_x, to_y


def _draw_lesion(
    rng: np.random.Generator, patch: Patch, planes: Sequence[Plane], blood: Labels, contrast: float
) -> None:
    """Tint the retina where a lesion is, and hide the vessels that lie behind it."""
    look = LOOKS[patch.asked.finding]
    cover = feathered(patch.inside, max(0.9, look.soft * patch.radius))
    cover *= 1.08 - 0.2 * np.square(np.minimum(patch.distance(), 1.2))
    cover *= min(0.9, look.opaque * contrast * float(rng.uniform(0.94, 1.06)))
    for plane, kept, added in zip(planes, look.kept, look.added, strict=True):
        part = patch.on(plane)
        part[:] = np.clip(part + (part * np.float32(kept - 1) + np.float32(added * FINER)) * cover, 0, 255 * FINER)
    through = patch.on(blood)
    through[:] = through * (1 - cover * np.float32(look.over))


def right_eye(desk: Desk) -> Asked:
    """Whether the image shows a right eye."""
    scene = desk.scene(desk.others(desk.few(), lambda _: True))
    evidence = (*scene.named("optic disc"), *scene.named("macula"))
    answer = "yes" if scene.notes["eye"] == "right" else "no"
    return Asked(scene, "Is this a right eye?", truth_about(scene, evidence, answer=answer))


RETINA = Exam(
    modality="fundus photograph",
    name="fundus photograph",
    paint=_paint,
    expose=_expose,
    parts=PARTS,
    hosts=HOSTS,
    flesh={host: (host,) for host in HOSTS},
    shapes={
        "hemorrhage": Shape((90, 400), 6, 0.09, stretch=0.75),
        "exudate": Shape((65, 230), 5, 0.11, stretch=0.65),
        "cotton wool spot": Shape((140, 420), 9, 0.17, stretch=0.65),
        "nevus": Shape((160, 660), 4, 0.06, stretch=0.75),
    },
    organs=("optic disc", "optic cup", "macula"),
    removable=("optic cup",),
    measured=("hemorrhage", "nevus"),
    etched=("nevus",),
    unit="µm",
    host="region",
    accepted={
        "superior retina": ("the superior retina", "superior", "upper retina", "superior region"),
        "inferior retina": ("the inferior retina", "inferior", "lower retina", "inferior region"),
        "nasal retina": ("the nasal retina", "nasal", "nasal region"),
        "temporal retina": ("the temporal retina", "temporal", "temporal region"),
        "hemorrhage": ("a hemorrhage", "haemorrhage", "retinal hemorrhage", "blot hemorrhage", "bleeding", "bleed"),
        "exudate": ("an exudate", "hard exudate", "a hard exudate", "lipid exudate"),
        "cotton wool spot": ("a cotton wool spot", "cotton-wool spot", "soft exudate", "nerve fiber layer infarct"),
        "nevus": ("a nevus", "naevus", "choroidal nevus", "choroidal naevus"),
    },
    reach={
        (0, 0): ("superior retina",),
        (1, 0): ("superior retina",),
        (0, 1): ("inferior retina",),
        (1, 1): ("inferior retina",),
    },
    forms={Kind.YES_NO: (right_eye,)},
)
