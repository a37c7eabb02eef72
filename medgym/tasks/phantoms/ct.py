"""CT: an axial slice of the upper abdomen in a soft-tissue window, portal-venous phase or weaker.

Shown the radiological way, from the feet: the patient's right, and so the liver, is at the image's left.
"""

from collections.abc import Collection, Sequence

import numpy as np
from numpy.typing import NDArray

from ...core.image import Pixels
from .abdomen import PARTS, TISSUES, paint_abdomen
from .exam import Exam
from .film import GRAIN, blurred, coarseness, fields
from .lesions import Patch, Shape
from .paint import Canvas
from .scene import Level

HOSTS = ("liver", "spleen", "left kidney", "right kidney")
LEVEL, WIDTH = 45.0, 380.0
"""The window in Hounsfield units."""


def _paint(rng: np.random.Generator, native: int, absent: Collection[str], level: Level) -> Canvas:
    half = float(rng.uniform(145, 185))
    unit = native / (half * 2 * float(rng.uniform(1.06, 1.16)))
    middle = native * (0.5 + rng.uniform(-0.012, 0.012, 2) - (0, 0.02))
    axes = half * unit * np.array([1, rng.uniform(0.7, 0.8)])
    canvas = Canvas(native, TISSUES, middle, axes, float(rng.normal(0, 0.02)), unit)
    paint_abdomen(rng, canvas, unit, absent)
    return canvas


def _expose(rng: np.random.Generator, canvas: Canvas, patches: Sequence[Patch], level: Level) -> Pixels:
    """Turn labels into grey levels: attenuation, blur, texture, noise, window."""
    native = canvas.native
    enhanced = float(rng.uniform(0.55, 1.0))
    table, rough = np.zeros(256, np.int16), np.full(256, 2, np.float32)
    for label, (plain, gain, amplitude) in enumerate(TISSUES.values()):
        table[label] = plain + enhanced * gain + rng.normal(0, 2)
        rough[label] = amplitude
    unit = coarseness(native)[1]
    rough /= unit
    hounsfield = table.take(canvas.labels)
    grain, texture = fields(rng, native)
    for patch in patches:
        host = float(table[canvas.tissues.index(PARTS[patch.asked.host][0])])
        mottle = texture[patch.rows, patch.columns] / unit
        toned = _toned(rng, patch, host, mottle, level.contrast)
        np.copyto(hounsfield[patch.rows, patch.columns], toned.astype(np.int16), where=patch.inside)
    seen = blurred(hounsfield)
    noise = np.float32(level.noise * rng.uniform(8, 12) / GRAIN)
    pixels = np.empty((native, native), np.uint8)
    # Strips stay in the processor's cache.
    for top in range(0, native, 64):
        strip = slice(top, top + 64)
        grey = seen[strip] * np.float32(1 / 16)
        grey += grain[strip] * noise
        grey += texture[strip] * rough.take(canvas.labels[strip])
        grey -= np.float32(LEVEL - WIDTH / 2)
        grey *= np.float32(255 / WIDTH)
        pixels[strip] = np.clip(grey, 0, 255, out=grey)
    return pixels


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


ABDOMEN = Exam(
    modality="CT",
    name="abdominal CT",
    paint=_paint,
    expose=_expose,
    parts=PARTS,
    hosts=HOSTS,
    flesh={host: [tissue for tissue in PARTS[host] if "sinus" not in tissue] for host in HOSTS},
    shapes={
        "cyst": Shape((3.0, 19.0), 4, 0.03),
        "tumor": Shape((4.0, 24.0), 9, 0.13, spikes=5.0),
        "calcification": Shape((1.9, 5.0), 6, 0.16),
    },
    organs=(*HOSTS, "stomach", "gallbladder"),
    removable=(*HOSTS, "stomach", "gallbladder"),
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
