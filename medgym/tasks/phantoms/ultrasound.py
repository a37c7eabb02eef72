"""Ultrasound: the right upper abdomen in a sagittal plane, through a convex transducer.

Log compression makes echoes add up: a grey level is the tissue's own, plus speckle, plus whatever the beam gained or
lost on its way. The latter two are made in the beams' own polar frame and scan-converted together.
"""

from collections.abc import Collection, Sequence
from functools import lru_cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy import ndimage

from ...core.image import Pixels
from .exam import Exam
from .film import Field, developed, doubled
from .lesions import Patch, Shape
from .paint import Canvas, Labels
from .scene import Level
from .ultrasound_flank import TISSUES, paint_flank

HOSTS = ("anterior liver", "posterior liver", "upper kidney", "lower kidney")
PARTS: dict[str, tuple[str, ...]] = {
    **{f"{half} liver": (f"{half} liver", f"{half} triad", f"{half} vessel") for half in ("anterior", "posterior")},
    **{
        f"{half} kidney": (f"{half} cortex", f"{half} waist", f"{half} pyramid", f"{half} sinus")
        for half in ("upper", "lower")
    },
    "gallbladder": ("gallbladder", "gallbladder wall"),
    "hepatic vein": ("hepatic vein",),
}
FLESH = {host: [tissue for tissue in PARTS[host] if tissue.split()[1] not in ("waist", "sinus")] for host in HOSTS}

SAMPLES, BEAMS = 480, 384
"""Of the polar frame of an image of 1024 pixels or more: along a beam, and side by side. Smaller ones have fewer."""
TOP, BOTTOM, SIDE = 0.07, 0.96, 0.016
"""Where the middle beam begins and ends, and the margin at the image's sides, as shares of the image."""
PROBES = {"round": (0.26, 0.57), "usual": (0.30, 0.52), "flat": (0.36, 0.47)}
"""The radius of each transducer as a share of the image, and half the angle of its fan."""
FAINT = 0.3
"""The share of its darkness that a shadow keeps where another lesion lies in it, which must stay visible."""
ZERO = 128
"""The grey level of the polar frame that changes nothing."""
FINE = 768
"""From this size on, in pixels, the blur of the beam is more than one pixel."""
ROUGH = {"sinus": 26, "mesentery": 20, "psoas": 12, "lung": 12, "fat": 12, "muscle": 10, "fascia": 14}
"""The amplitude of coarse texture by the last word of a tissue."""
SHINY = (
    "capsule",
    "diaphragm",
    "perirenal fat",
    "gallbladder wall",
    "aponeurosis",
    "anterior triad",
    "posterior triad",
)
"""Interfaces, which are brightest where the beam meets them squarely."""
LOSS = 18.0
"""The most that a beam may lose but for stones: what lies in the dark stays visible."""
DIMMED = 34.0
"""How many grey levels an interface loses that the beam meets at a slant."""
SPECKLE = 15.0
"""Its standard deviation in grey levels at usual noise."""


class Scan(NamedTuple):
    """How the beams of a transducer lie in an image.

    Attributes:
        inside: ``(native, native)``, 1 in the fan and 0 elsewhere.
        samples: the index of every sample of the polar frame, ``(samples, beams)``, into the image.
        beams: the index of every pixel into the polar frame once that is doubled `doublings` times each way.
    """

    inside: NDArray[np.uint8]
    samples: NDArray[np.int32]
    beams: NDArray[np.int32]
    doublings: int


@lru_cache(maxsize=2 * len(PROBES))
def _scan(native: int, probe: str) -> Scan:
    radius, half = PROBES[probe]
    depth, apex = BOTTOM - TOP, TOP - radius
    x, y = ((np.arange(native, dtype=np.float32) + 0.5) / native for _ in range(2))
    across, down = x[None, :] - 0.5, y[:, None] - apex
    along, turn = np.hypot(across, down) - radius, np.arctan2(across, down)
    inside = (along >= 0) & (along < depth) & (np.abs(turn) < half) & (np.abs(across) < 0.5 - SIDE)
    long, wide = (each * min(max(native, 256), 1024) // 1024 for each in (SAMPLES, BEAMS))
    doublings = max(0, round(np.log2(native / long)))
    rows, columns = along / depth * (long << doublings), (turn / half + 1) / 2 * (wide << doublings)
    beams = np.where(inside, rows.astype(np.int32) * (wide << doublings) + columns.astype(np.int32), 0)
    reach = radius + depth * ((np.arange(long) + 0.5) / long)[:, None]
    angle = half * ((np.arange(wide) + 0.5) / wide * 2 - 1)
    at_x, at_y = 0.5 + reach * np.sin(angle), apex + reach * np.cos(angle)
    samples = (np.clip(at_y, 0, 0.9999) * native).astype(np.int32) * native
    samples += (np.clip(at_x, 0, 0.9999) * native).astype(np.int32)
    return Scan(inside.astype(np.uint8), samples, beams.astype(np.int32), doublings)


def _paint(rng: np.random.Generator, native: int, absent: Collection[str], level: Level) -> Canvas:
    probe = list(PROBES)[int(rng.integers(len(PROBES)))]
    depth = float(rng.uniform(130, 175))
    unit = (BOTTOM - TOP) * native / depth
    # A deeper setting is chosen for a larger patient.
    scale = (BOTTOM - TOP) * native / 150 * float(rng.uniform(0.97, 1.05))
    aside = float(rng.uniform(-5, 5))
    middle = (native / 2 + aside * scale, TOP * native)
    canvas = Canvas(native, TISSUES, middle, (scale, scale), float(rng.normal(0, 0.035)), unit)
    canvas.notes["transducer"] = probe
    paint_flank(rng, canvas, (-aside, -PROBES[probe][0] * native / scale), absent, level.clutter)
    np.multiply(canvas.labels, _scan(native, probe).inside, out=canvas.labels)
    return canvas


def _expose(rng: np.random.Generator, canvas: Canvas, patches: Sequence[Patch], level: Level) -> Pixels:
    """Turn labels into grey levels: echoes, speckle and what the beams met, scan-converted."""
    native = canvas.native
    scan = _scan(native, canvas.notes["transducer"])
    table = np.zeros(256, np.int16)
    liver, kidney = rng.uniform(-4, 12), rng.uniform(-5, 5)
    for label, (tissue, echo) in enumerate(TISSUES.items()):
        brighter = {"liver": liver, "cortex": kidney, "waist": kidney, "pyramid": kidney}.get(tissue.split()[-1], 0)
        table[label] = echo + brighter - ZERO
    echoes = table.take(canvas.labels)
    for patch in patches:
        host = float(table[canvas.tissues.index(PARTS[patch.asked.host][0])]) + ZERO
        toned = _toned(rng, patch, host, level, canvas.unit) - ZERO
        np.copyto(patch.on(echoes), toned.astype(np.int16), where=patch.inside)
    seen = _spread(echoes, 2 if native >= FINE else 1)
    labels = canvas.labels.ravel().take(scan.samples)
    polar = _speckle(rng, labels.shape) * np.float32(SPECKLE * rng.uniform(0.85, 1.1) * level.noise)
    polar += _gain(rng, labels.shape, level)
    _roughen(rng, polar, labels)
    _cast(polar, labels, canvas, patches, level)
    polar += ZERO
    wide = np.clip(polar, 0, 255, out=polar).astype(np.uint8)
    for _ in range(scan.doublings):
        wide = doubled(wide)
    beams = wide.ravel().take(scan.beams)
    pixels = developed(seen, (beams, 1.0))
    _mark_depth(pixels, canvas.unit)
    return pixels


def _spread(echoes: NDArray[np.int16], steps: int) -> NDArray[np.int16]:
    """Blur echoes as the beam does, farther across it than along it, by sums that end where 16 bits do."""
    down, across = (1, 1), (1, 1, 2, 2)[: 2 * steps]
    before = (sum(down) // 2, sum(across) // 2)
    wide = np.pad(echoes, [(k, total - k) for k, total in zip(before, (sum(down), sum(across)), strict=True)], "edge")
    for by in down:
        wide = wide[by:] + wide[:-by]
    for by in across:
        wide = wide[:, by:] + wide[:, :-by]
    wide >>= len(down) + len(across)
    return wide


def _roughen(rng: np.random.Generator, polar: Field, labels: Labels) -> None:
    """Add each tissue's coarser texture, and dim interfaces that the beam does not meet squarely."""
    samples, beams = labels.shape
    coarse = _scaled(rng.standard_normal((samples // 6, beams // 5)), labels.shape)
    rough, shiny = np.full(256, 4, np.float32), np.zeros(256, bool)
    for label, tissue in enumerate(TISSUES):
        rough[label] = ROUGH.get(tissue.split()[-1], 4)
        shiny[label] = tissue in SHINY
    coarse *= rough.take(labels)
    polar += coarse
    square = labels[:, 6:] == labels[:, :-6]
    steep = shiny.take(labels)
    steep[:, 6:-6] &= ~(square[:, 6:] | square[:, :-6])
    polar -= DIMMED * steep.astype(np.float32)


def _toned(rng: np.random.Generator, patch: Patch, host: float, level: Level, unit: float) -> Field:
    """Return a lesion's echo over its crop, ``(h, w)``, in tissue whose echo is `host`."""
    contrast = level.contrast
    flat = np.zeros(patch.inside.shape, np.float32)
    if patch.asked.finding == "cyst":
        thick = max(1, round(min(0.65 * unit, 0.16 * patch.radius)))
        rim = patch.inside & ~ndimage.binary_erosion(patch.inside, iterations=thick)
        wall = host + 80 + rng.uniform(0, 15)
        return np.where(rim, np.float32(wall), np.float32(-16 + 14 * (1 - min(contrast, 1))))
    if patch.asked.finding == "stone":
        return flat + np.float32(host + 105 + 60 * contrast)
    if patch.asked.finding == "hemangioma":
        return flat + np.float32(host + (48 + rng.uniform(0, 8)) * contrast**0.6)
    darkest = 60 + 12 * level.occlusion
    shift = min((48 + rng.uniform(0, 6)) * contrast**0.6, host - darkest)
    mottle = _scaled(rng.normal(0, 7, (6, 6)), patch.inside.shape)
    return np.asarray(flat + np.float32(host - shift) + mottle, np.float32)


def _speckle(rng: np.random.Generator, shape: tuple[int, ...]) -> Field:
    """Return compressed speckle of the polar frame, of mean 0 and standard deviation 1: grains lie across the beams."""
    steps = (1, 2, 3)
    raw = rng.integers(-128, 128, (2, shape[0] + 2, shape[1] + sum(steps)), np.int8).astype(np.int16)
    for _ in range(2):
        raw = raw[:, 1:] + raw[:, :-1]
    for by in steps:
        raw = raw[:, :, by:] + raw[:, :, :-by]
    power = raw.astype(np.float32)
    power *= power
    total: Field = power[0] + power[1]
    total += np.float32(0.12 * total.mean())
    np.log(total, out=total)
    total -= total.mean()
    total /= total.std()
    return total


def _gain(rng: np.random.Generator, shape: tuple[int, ...], level: Level) -> Field:
    """Return grey levels that the polar frame gains by depth, by focus, by contact and between ribs."""
    samples, beams = shape
    depth, side = np.linspace(0, 1, samples), np.linspace(-1, 1, beams)
    knobs = np.interp(depth, np.linspace(0, 1, 7), rng.normal(0, 3, 7))
    focus = 6 * np.exp(-(((depth - rng.uniform(0.35, 0.6)) / 0.22) ** 2)) - 18 * np.maximum(depth - 0.76, 0) / 0.24
    lost = (10 + 26 * level.occlusion) * np.clip((np.abs(side + rng.normal(0, 0.05)) - 0.8) / 0.2, 0, 1) ** 1.5
    streaks = ndimage.gaussian_filter1d(rng.normal(0, 1, beams), beams / 96) * 4
    gain = _scaled(rng.normal(0, 3 + 2 * level.clutter, (14, 12)), shape)
    gain += (knobs + focus).astype(np.float32)[:, None]
    gain += (streaks - lost).astype(np.float32)
    for _ in range(round(2.2 * level.occlusion)):
        across = np.exp(-(((side - rng.uniform(-0.9, 0.9)) / rng.uniform(0.05, 0.09)) ** 4))
        at = rng.uniform(0.065, 0.08)
        along = 90 * np.exp(-(((depth - at) / 0.008) ** 2))
        along -= (18 * level.occlusion + 6) * np.clip((depth - at) / 0.02, 0, 1)
        gain += np.multiply.outer(along.astype(np.float32), across.astype(np.float32))
    np.maximum(gain, -LOSS, out=gain)
    return gain


def _scaled(cells: NDArray[np.float64], shape: tuple[int, ...]) -> Field:
    """Return a field of a shape that runs smoothly through a few cells; it can be written into."""
    image = Image.fromarray(cells.astype(np.float32))
    return np.array(image.resize((shape[1], shape[0]), Image.Resampling.BILINEAR))


def _cast(polar: Field, labels: Labels, canvas: Canvas, patches: Sequence[Patch], level: Level) -> None:
    """Cast shadows behind stones and enhancement behind fluid: both follow the beams."""
    _trail(polar, labels, canvas.tissues.index("gallbladder"), 14.0)
    for patch in patches:
        label = canvas.tissues.index(patch.tissue)
        if patch.asked.finding == "stone":
            _trail(polar, labels, label, -76 - 30 * min(level.contrast, 1))
        elif patch.asked.finding == "cyst":
            _trail(polar, labels, label, 16 + 14 * min(level.contrast, 1))


def _trail(polar: Field, labels: Labels, label: int, strength: float) -> None:
    """Add `strength` behind the samples of a label, less at the edges of what casts it."""
    hit = labels == label
    chord = hit.sum(0)
    columns = np.flatnonzero(chord)
    if not len(columns):
        return
    weight = np.convolve(np.sqrt(chord / chord.max()), (0.25, 0.5, 0.25), "same")
    first, last = max(0, columns[0] - 1), columns[-1] + 2
    end = np.interp(np.arange(first, last), columns, len(hit) - hit[::-1, columns].argmax(0))
    behind = np.arange(len(hit))[:, None] - end[: min(last, len(chord)) - first]
    part = slice(first, min(last, len(chord)))
    if strength < 0 and ((labels[:, part] >= len(TISSUES)) & (behind > 0)).any():
        strength *= FAINT
    polar[:, part] += np.clip(behind, 0, 1) * (strength * weight[part])


def _mark_depth(pixels: Pixels, unit: float) -> None:
    """Draw a tick at every centimetre of depth along the right edge."""
    native = len(pixels)
    rows = (TOP * native + np.arange(0, (BOTTOM - TOP) * native, 10 * unit)).astype(int)
    for number, row in enumerate(rows):
        pixels[row, -max(1, int((0.012 if number % 5 == 0 else 0.006) * native)) :] = 170


UPPER_ABDOMEN = Exam(
    modality="ultrasound",
    name="abdominal ultrasound",
    paint=_paint,
    expose=_expose,
    parts=PARTS,
    hosts=HOSTS,
    flesh=FLESH,
    shapes={
        "cyst": Shape((2.2, 9.2), 4, 0.025),
        "hemangioma": Shape((2.2, 9.2), 6, 0.05),
        "tumor": Shape((2.3, 9.4), 8, 0.1, spikes=3.0),
        "stone": Shape((1.7, 4.4), 4, 0.05, stretch=0.6),
    },
    organs=(*HOSTS, "gallbladder"),
    removable=("gallbladder",),
    measured=("cyst", "hemangioma", "tumor"),
    etched=("tumor",),
    host="part",
    accepted={
        "anterior liver": ("the anterior liver", "anterior section of the liver", "anterior hepatic section"),
        "posterior liver": ("the posterior liver", "posterior section of the liver", "posterior hepatic section"),
        "upper kidney": ("the upper kidney", "upper pole of the kidney", "upper pole", "upper renal pole"),
        "lower kidney": ("the lower kidney", "lower pole of the kidney", "lower pole", "lower renal pole"),
        "cyst": ("a cyst", "simple cyst", "cystic lesion"),
        "hemangioma": ("a hemangioma", "haemangioma", "a haemangioma", "hyperechoic lesion"),
        "tumor": ("a tumor", "tumour", "a tumour", "mass", "solid tumor", "hypoechoic mass", "neoplasm"),
        "stone": ("a stone", "calculus", "a calculus", "calcification", "concrement"),
    },
    reach={
        (0, 0): ("anterior liver",),
        (1, 0): ("anterior liver",),
        (0, 1): ("posterior liver",),
        (1, 1): ("lower kidney",),
    },
)
"""The right upper abdomen."""
