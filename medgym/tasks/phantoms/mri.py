"""MRI: an axial slice of the brain through the frontal horns, one of four sequences.

Curves are in millimetres from the middle of the head. Shown the radiological way: the patient's right is at
the image's left.
"""

from collections.abc import Collection, Sequence

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy import ndimage

from ...core.image import Pixels
from ...core.task import Kind
from .desk import Asked, Desk
from .exam import Exam
from .film import GRAIN, Field, blurred, cloud, fields
from .lesions import Patch, Shape
from .mri_brain import CORTEX, HOSTS, PARTS, TISSUES, paint_brain, paint_head
from .paint import Canvas
from .scene import Level

SEQUENCES = ("T1", "T1 with contrast", "T2", "FLAIR")
TONES: dict[str, tuple[float, float, float, float]] = {
    "air": (2, 2, 2, 2),
    "skin": (118, 140, 92, 105),
    "fat": (226, 222, 186, 205),
    "bone": (12, 12, 10, 12),
    "marrow": (146, 132, 104, 112),
    "csf": (30, 26, 226, 18),
    "dura": (74, 150, 34, 62),
    "sinus": (34, 232, 14, 20),
    "vessel": (40, 215, 40, 30),
    "white": (156, 128, 80, 98),
    "grey": (110, 92, 122, 134),
    "sulcus": (34, 30, 222, 26),
    "horn": (28, 24, 232, 14),
    "ventricle": (28, 24, 232, 14),
    "choroid": (84, 176, 165, 90),
    "caudate nucleus": (118, 98, 108, 128),
    "putamen": (120, 100, 102, 126),
    "callosum": (164, 136, 72, 90),
    "caudate nucleus edge": (136, 112, 98, 116),
    "putamen edge": (137, 113, 93, 114),
    "thalamus edge": (144, 117, 89, 109),
    "pallidum": (138, 112, 70, 104),
    "thalamus": (130, 107, 98, 120),
    "claustrum": (120, 100, 108, 126),
    "space": (60, 52, 170, 60),
}
"""Grey levels of a tissue, or of all whose name ends so, in each of `SEQUENCES`."""
KINDS = [next(k for k, kind in enumerate(TONES) if name.endswith(kind)) for name in TISSUES]
TUMOR = {"T1": (-62, -98), "T1 with contrast": (82, -66), "T2": (64, 112), "FLAIR": (76, 20)}
"""What the rim and the core of a tumor add to the tissue around."""
BLOOD = {"T1": 92, "T1 with contrast": 92, "T2": 100, "FLAIR": 100}
"""What the middle of a hemorrhage adds; its rim is dark."""
IRON = 14.0
ROUGH = np.full(256, 0.018, np.float32)
"""How much the signal of a tissue varies, as a share of it."""
ROUGH[[TISSUES.index(name) for name in ("skin", "fat", "marrow")]] = (0.06, 0.05, 0.12)
CRISP = 512
"""Images from this size on are acquired at half of it, and interpolated."""


def _paint(rng: np.random.Generator, native: int, absent: Collection[str], level: Level) -> Canvas:
    half = np.array([rng.uniform(73, 79), rng.uniform(91, 99)])
    unit = native / (2 * half[1] * float(rng.uniform(1.05, 1.2)))
    middle = native * (0.5 + rng.uniform(-0.012, 0.012, 2))
    canvas = Canvas(native, TISSUES, middle, (unit, unit), float(rng.normal(0, 0.05)), unit)
    canvas.notes["sequence"] = SEQUENCES[int(rng.integers(len(SEQUENCES)))]
    shift = rng.normal(0, 0.6, 2)
    inner = half - rng.uniform(12.5, 15.5)
    if not {"scalp", "skull"} & set(absent):
        paint_head(rng, canvas, half, inner, shift)
    paint_brain(rng, canvas, inner - rng.uniform(0.6, 2.0), shift, absent, level.clutter)
    return canvas


def _expose(rng: np.random.Generator, canvas: Canvas, patches: Sequence[Patch], level: Level) -> Pixels:
    """Turn labels into signal: weighting, blur, receive field, ghosts, magnitude noise, interpolation."""
    native = canvas.native
    sequence = canvas.notes["sequence"]
    tones = _tones(rng, SEQUENCES.index(sequence))
    plain = tones.take(canvas.labels)
    for patch in patches:
        tone = _toned(rng, canvas, patch, sequence, plain, tones, level.contrast)
        np.copyto(patch.on(plain), np.clip(tone, 8, 245).astype(np.uint8), where=patch.inside)
    halved = native >= CRISP
    coarse = np.asarray(Image.fromarray(plain).reduce(2)) if halved else plain
    step = native // len(coarse)
    seen = _magnitude(rng, _softened(coarse), ROUGH.take(canvas.labels[::step, ::step]), level)
    if not halved:
        return seen
    return np.array(Image.fromarray(seen).resize((native, native), Image.Resampling.BICUBIC))


def _softened(plain: Pixels) -> NDArray[np.int16]:
    """Return 64 times `plain`, blurred twice."""
    once = blurred(plain.astype(np.int16))
    once += 2
    once >>= 2
    return blurred(once)


def _magnitude(rng: np.random.Generator, signal: NDArray[np.int16], rough: Field, level: Level) -> Pixels:
    """Return the magnitude of a signal, 64 times too large, with what the coil and the patient do to it."""
    native = len(signal)
    grain = fields(rng, native)[0]
    along = np.linspace(0, 3, native, dtype=np.float32)
    slopes = (1 + rng.uniform(0.02, 0.07) * np.sin(along + rng.uniform(0, 6)) for _ in range(2))
    bias: Field = np.outer(*slopes).astype(np.float32)
    real: Field = signal * (bias * np.float32(1 / 64))
    mottle = cloud(rng, native, max(2, round(native / 7))) * rough
    mottle += 1
    real *= mottle
    if level.occlusion:
        real += np.roll(real, round(native * rng.uniform(0.2, 0.4)), 0) * np.float32(0.07 * level.occlusion)
    sigma = np.float32(level.noise * rng.uniform(2.2, 3.4) / GRAIN)
    real += grain * sigma
    imaginary = grain[::-1, ::-1] * sigma
    np.multiply(imaginary, imaginary, out=imaginary)
    np.multiply(real, real, out=real)
    real += imaginary
    return np.minimum(np.sqrt(real, out=real), 255, out=real).astype(np.uint8)


def _tones(rng: np.random.Generator, sequence: int) -> Pixels:
    """Return the grey level of every label."""
    found = np.zeros(256, np.uint8)
    levels = np.array([row[sequence] for row in TONES.values()]) * rng.normal(1, 0.025, len(TONES))
    found[: len(KINDS)] = np.clip(levels * rng.uniform(0.94, 1.04), 2, 245)[KINDS]
    return found


def _toned(
    rng: np.random.Generator,
    canvas: Canvas,
    patch: Patch,
    sequence: str,
    plain: Pixels,
    tones: Pixels,
    contrast: float,
) -> NDArray[np.float32]:
    """Return a lesion's grey levels over its crop, ``(h, w)``."""
    near = ~patch.inside & (patch.distance() < 1.7) & canvas.among(CORTEX, patch.on(canvas.labels))
    around = float(patch.on(plain)[near].mean()) if near.any() else float(tones[TISSUES.index("core white")])
    shape = patch.inside.shape
    if patch.asked.finding == "cyst":
        fluid = float(tones[TISSUES.index("csf")])
        return np.full(shape, around + (fluid - around) * min(1.0, 0.3 + contrast), np.float32)
    depth = ndimage.distance_transform_edt(patch.inside).astype(np.float32)
    if patch.asked.finding == "hemorrhage":
        rim = around + (IRON - around) * min(1.0, 0.45 + 0.5 * contrast)
        middle = max(around + BLOOD[sequence] * contrast, around + 62)
        wide = max(0.16 * patch.radius, 0.5 * canvas.unit)
        share = np.clip(depth / wide - 0.5, 0, 1)
        return np.asarray(rim + (min(middle, 238.0) - rim) * share, np.float32)
    lumps = cloud(rng, max(shape), 9)[: shape[0], : shape[1]]
    # A faint tumor must not pass for a fold of grey matter.
    rim, core = (around + shift * (0.55 + 0.45 * contrast) for shift in TUMOR[sequence])
    share = np.clip((depth / patch.radius + 0.1 * lumps - 0.42) * 7, 0, 1)
    solid = np.clip(rim, 68, 192)
    return np.asarray(solid + (np.clip(core, 40, 222) - solid) * share + 7 * lumps, np.float32)


def sequence(desk: Desk) -> Asked:
    """Which sequence the image is."""
    scene = desk.scene(desk.others(desk.few(), lambda _: True))
    evidence = [s for s in scene.structures if s.name.endswith("frontal horn")]
    return desk.choice(scene, "Which sequence is this image?", scene.notes["sequence"], SEQUENCES, evidence)


BRAIN = Exam(
    modality="MRI",
    name="brain MRI",
    paint=_paint,
    expose=_expose,
    parts=PARTS,
    hosts=HOSTS,
    flesh={host: (*PARTS[host], f"{host} sulcus") for host in HOSTS},
    shapes={
        "cyst": Shape((2.5, 10.5), 3, 0.03),
        "tumor": Shape((2.8, 11.5), 8, 0.13),
        "hemorrhage": Shape((3.2, 9.0), 6, 0.065, stretch=0.75),
    },
    organs=tuple(name for name in PARTS if name not in HOSTS),
    removable=("right occipital horn", "left occipital horn", "third ventricle", "scalp", "skull"),
    sides={host: host.split()[0] for host in HOSTS},
    measured=("cyst", "tumor"),
    etched=("tumor",),
    host="lobe",
    accepted={
        **{
            f"{side} {lobe} lobe": (
                f"the {side} {lobe} lobe",
                f"{side} {lobe}",
                f"{lobe} lobe, {side}",
                f"{side} {lobe} region",
            )
            for side in ("right", "left")
            for lobe in ("frontal", "temporal", "occipital")
        },
        "cyst": ("a cyst", "simple cyst", "cystic lesion"),
        "tumor": ("a tumor", "tumour", "a tumour", "mass", "neoplasm", "glioma", "brain tumor"),
        "hemorrhage": ("a hemorrhage", "haemorrhage", "hematoma", "haematoma", "bleed", "intracerebral hemorrhage"),
    },
    reach={
        (0, 0): ("right frontal lobe",),
        (1, 0): ("left frontal lobe",),
        (0, 1): ("right temporal lobe", "right occipital lobe"),
        (1, 1): ("left temporal lobe", "left occipital lobe"),
    },
    forms={Kind.CHOICE: (sequence,)},
)
