"""CT: axial slices of the upper abdomen in a soft-tissue window and of the chest in a lung window.

Shown the radiological way, from the feet: the patient's right is at the image's left.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from functools import partial

import numpy as np
from numpy.typing import NDArray

from ...core.image import Pixels
from . import abdomen, chest
from .exam import Exam
from .film import GRAIN, STRIP, Field, blurred, coarseness, fields
from .lesions import Patch, Shape
from .paint import Canvas
from .scene import Level

ABDOMEN_WINDOW, CHEST_WINDOW = (45.0, 380.0), (-550.0, 1500.0)
"""Level and width in HU."""

Tissues = Mapping[str, tuple[float, float, float]]
"""Unenhanced Hounsfield units, what full enhancement adds, and the amplitude of the texture."""
Toned = Callable[[np.random.Generator, Patch, float, NDArray[np.float64], float], NDArray[np.float64]]
"""The attenuation of a lesion over its crop, from that of its host, a mottle and the contrast."""


def _paint_abdomen(rng: np.random.Generator, native: int, absent: Collection[str], level: Level) -> Canvas:
    canvas = _body(rng, native, float(rng.uniform(145, 185)), float(rng.uniform(0.7, 0.8)), abdomen.TISSUES)
    abdomen.paint_abdomen(rng, canvas, canvas.unit, absent, level.clutter)
    return canvas


def _paint_chest(rng: np.random.Generator, native: int, absent: Collection[str], level: Level) -> Canvas:
    canvas = _body(rng, native, float(rng.uniform(150, 185)), float(rng.uniform(0.64, 0.72)), chest.TISSUES)
    chest.paint_chest(rng, canvas, canvas.unit, absent, level.clutter)
    return canvas


def _body(rng: np.random.Generator, native: int, half: float, shape: float, tissues: Tissues) -> Canvas:
    """Return a canvas for a trunk `half` millimetres from the middle to either side."""
    unit = native / (half * 2 * float(rng.uniform(1.06, 1.16)))
    middle = native * (0.5 + rng.uniform(-0.012, 0.012, 2) - (0, 0.02))
    return Canvas(native, tissues, middle, half * unit * np.array([1, shape]), float(rng.normal(0, 0.02)), unit)


def _expose(
    rng: np.random.Generator,
    canvas: Canvas,
    patches: Sequence[Patch],
    level: Level,
    *,
    tissues: Tissues,
    parts: Mapping[str, Sequence[str]],
    window: tuple[float, float],
    toned: Toned,
) -> Pixels:
    """Turn labels into grey levels: attenuation, blur, texture, noise, streaks, window (middle and width)."""
    native = canvas.native
    enhanced = float(rng.uniform(0.55, 1.0))
    table, rough = np.zeros(256, np.int16), np.full(256, 2, np.float32)
    for label, (plain, gain, amplitude) in enumerate(tissues.values()):
        table[label] = plain + enhanced * gain + rng.normal(0, 2)
        rough[label] = amplitude
    unit = coarseness(native)[1]
    rough /= unit
    hounsfield = table.take(canvas.labels)
    grain, texture = fields(rng, native)
    for patch in patches:
        host = float(table[canvas.tissues.index(parts[patch.asked.host][0])])
        tones = toned(rng, patch, host, patch.on(texture) / unit, level.contrast)
        np.copyto(patch.on(hounsfield), tones.astype(np.int16), where=patch.inside)
    seen = blurred(hounsfield)
    noise = np.float32(level.noise * rng.uniform(8, 12) / GRAIN)
    streaks = _streaks(rng, native) if level.occlusion > 0.3 else None
    pixels = np.empty((native, native), np.uint8)
    for top in range(0, native, STRIP):
        strip = slice(top, top + STRIP)
        grey = seen[strip] * np.float32(1 / 16)
        grey += grain[strip] * noise
        grey += texture[strip] * rough.take(canvas.labels[strip])
        if streaks is not None:
            grey += streaks[strip] * np.float32(window[1] / 40 * level.occlusion)
        np.rint(grey, out=hounsfield[strip], casting="unsafe")
        grey -= np.float32(window[0] - window[1] / 2)
        grey *= np.float32(255 / window[1])
        pixels[strip] = np.clip(grey, 0, 255, out=grey)
    canvas.hounsfield = hounsfield
    return pixels


def _streaks(rng: np.random.Generator, native: int) -> Field:
    """Return the bands that dense bone leaves across a slice, about from -1 to 1, ``(native, native)``."""
    turn = rng.uniform(-0.5, 0.5)
    across = np.arange(native, dtype=np.float32)
    bands = np.linspace(0, 2 * native, 90)
    profile = np.interp(np.arange(2 * native), bands, rng.standard_normal(90)) * np.hanning(2 * native) ** 2
    place = np.float32(np.sin(turn)) * across + np.float32(np.cos(turn)) * across[:, None]
    return np.asarray(profile.astype(np.float32).take(place.astype(np.int32) + native // 2, mode="clip"))


def _toned(
    rng: np.random.Generator, patch: Patch, host: float, mottle: NDArray[np.float64], contrast: float
) -> NDArray[np.float64]:
    """Return a lesion's attenuation over its crop, ``(h, w)``, in an organ of attenuation `host`."""
    if patch.asked.finding == "cyst":
        return np.full_like(mottle, rng.uniform(-2, 12))
    if patch.asked.finding == "calcification":
        return np.full_like(mottle, rng.uniform(450, 800))
    if "kidney" in patch.asked.host:
        shift = -host * rng.uniform(0.55, 0.68)
    elif rng.random() < 0.25:
        shift = rng.uniform(38, 55)
    else:
        shift = -min(rng.uniform(38, 58), 0.6 * host)
    core = np.clip(1.25 - patch.distance(), 0, 1) * rng.uniform(0.0, 0.6)
    return np.asarray(np.maximum(host + shift * contrast * (0.85 + core) + 7 * mottle, 22))


def _toned_in_lung(
    rng: np.random.Generator, patch: Patch, host: float, mottle: NDArray[np.float64], contrast: float
) -> NDArray[np.float64]:
    """Return the attenuation of a finding of the lung: dense ones lose less than faint ones on a poor image."""
    if patch.asked.finding == "cyst":
        wall = patch.distance() > 1 - min(0.3, 6 / patch.radius)
        return np.where(wall, host + 420 * contrast**0.5, -985)
    if patch.asked.finding == "calcified nodule":
        return np.full_like(mottle, rng.uniform(350, 700))
    if patch.asked.finding == "ground-glass nodule":
        return np.asarray(host + (rng.uniform(240, 300) + 40 * mottle) * contrast**0.6)
    return np.asarray(host + (rng.uniform(820, 880) + 15 * mottle) * min(1.0, contrast**0.3))


ABDOMEN = Exam(
    modality="CT",
    name="abdominal CT",
    paint=_paint_abdomen,
    expose=partial(_expose, tissues=abdomen.TISSUES, parts=abdomen.PARTS, window=ABDOMEN_WINDOW, toned=_toned),
    window=ABDOMEN_WINDOW,
    parts=abdomen.PARTS,
    hosts=abdomen.HOSTS,
    flesh={host: [tissue for tissue in abdomen.PARTS[host] if "sinus" not in tissue] for host in abdomen.HOSTS},
    shapes={
        "cyst": Shape((3.0, 19.0), 4, 0.03),
        "tumor": Shape((4.0, 24.0), 9, 0.13, spikes=5.0),
        "calcification": Shape((1.9, 5.0), 6, 0.16),
    },
    organs=(*abdomen.HOSTS, "stomach", "gallbladder"),
    removable=(*abdomen.HOSTS, "stomach", "gallbladder"),
    sides={"right kidney": "right", "liver": "right", "left kidney": "left", "spleen": "left"},
    measured=("cyst", "tumor"),
    etched=("tumor",),
    accepted={
        "liver": ("the liver", "hepatic"),
        "spleen": ("the spleen", "splenic"),
        "left kidney": ("the left kidney", "kidney, left", "left renal", "left kidney (image right)"),
        "right kidney": ("the right kidney", "kidney, right", "right renal", "right kidney (image left)"),
        "cyst": ("a cyst", "simple cyst", "cystic lesion"),
        "tumor": ("a tumor", "tumour", "a tumour", "mass", "neoplasm", "solid lesion"),
        "calcification": ("a calcification", "calcified lesion", "calcified focus", "calcific focus"),
    },
    reach={
        (0, 0): ("liver",),
        (1, 0): ("liver",),
        (0, 1): ("liver", "right kidney"),
        (1, 1): ("spleen", "left kidney"),
    },
)

THORAX = Exam(
    modality="CT",
    name="chest CT",
    paint=_paint_chest,
    expose=partial(_expose, tissues=chest.TISSUES, parts=chest.PARTS, window=CHEST_WINDOW, toned=_toned_in_lung),
    window=CHEST_WINDOW,
    parts=chest.PARTS,
    hosts=chest.HOSTS,
    shapes={
        "solid nodule": Shape((2.5, 15.0), 8, 0.12, spikes=5.0),
        "ground-glass nodule": Shape((3.5, 16.0), 6, 0.1),
        "calcified nodule": Shape((1.8, 5.0), 4, 0.05),
        "cyst": Shape((3.0, 15.0), 3, 0.03),
    },
    organs=(*chest.HOSTS, "heart"),
    removable=("heart",),
    sides={host: "right" if "right" in host else "left" for host in chest.HOSTS},
    measured=("solid nodule", "ground-glass nodule", "cyst"),
    etched=("ground-glass nodule",),
    host="part of the lung",
    accepted={
        **{host: (f"{host.replace(' lung', '')} part of the lung", f"the {host}") for host in chest.HOSTS},
        "solid nodule": ("solid", "solid pulmonary nodule", "soft-tissue nodule"),
        "ground-glass nodule": ("ground-glass", "ground-glass opacity", "subsolid nodule"),
        "calcified nodule": ("calcified", "calcification", "calcified granuloma"),
        "cyst": ("a cyst", "air cyst", "thin-walled cyst", "bulla"),
    },
    reach={
        (0, 0): ("anterior right lung",),
        (1, 0): ("anterior left lung",),
        (0, 1): ("posterior right lung",),
        (1, 1): ("posterior left lung",),
    },
)
