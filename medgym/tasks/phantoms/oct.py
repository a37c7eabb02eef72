"""OCT: a B-scan through the macula, the layers of the retina over the choroid, stretched in depth."""

from collections.abc import Collection, Sequence

import numpy as np
from numpy.typing import NDArray

from ...core.image import Pixels
from .exam import Exam
from .film import GRAIN, STRIP, blurred, cloud, coarseness, fields
from .lesions import Patch, Shape
from .paint import Canvas, Curve, blob
from .scene import Level

Row = NDArray[np.float64]

INNER = {
    "nerve fibres": (0.026, 178),
    "ganglion cells": (0.05, 112),
    "inner plexus": (0.046, 138),
    "inner nuclei": (0.05, 84),
}
OUTER = {"outer plexus": (0.026, 142), "outer nuclei": (0.108, 70), "ellipsoid zone": (0.018, 182)}
BELOW = {
    "segments": (0.02, 96),
    "subretinal fluid": (0.0, 22),
    "pigment epithelium": (0.026, 208),
    "choroid": (0.15, 126),
}
"""Layers from the surface down: thickness away from the fovea as a share of the image, and brightness."""
SIDES = ("left", "right")
HOSTS = tuple(f"{side} {part} retina" for part in ("inner", "outer") for side in SIDES)
LAYERS = {**INNER, **OUTER, **BELOW}
BRIGHTNESS: dict[str, float] = {
    "vitreous": 20,
    **{f"{side} {name}": grey for side in SIDES for name, (_, grey) in {**INNER, **OUTER}.items()},
    **{name: grey for name, (_, grey) in BELOW.items()},
    "sclera": 104,
    "choroid vessel": 66,
    "hyaloid": 84,
    "epiretinal membrane": 214,
}
PARTS: dict[str, tuple[str, ...]] = {
    **{f"{side} inner retina": tuple(f"{side} {name}" for name in INNER) for side in SIDES},
    **{f"{side} outer retina": tuple(f"{side} {name}" for name in OUTER) for side in SIDES},
    "vitreous": ("vitreous", "hyaloid"),
    "retinal pigment epithelium": ("pigment epithelium",),
    "choroid": ("choroid", "choroid vessel"),
    "subretinal fluid": ("subretinal fluid",),
    "epiretinal membrane": ("epiretinal membrane",),
}
DARK, DENSE, FIBROUS = 16.0, 242.0, 172.0
"""The brightness of fluid, of exudates and of scars."""


def _paint(rng: np.random.Generator, native: int, absent: Collection[str], level: Level) -> Canvas:
    unit = native / float(rng.uniform(2300, 2900))
    half = native / 2
    canvas = Canvas(native, BRIGHTNESS, (half, half), (half, half), unit=unit)
    fovea = native * float(rng.uniform(0.46, 0.54))
    edges = _boundaries(rng, native, fovea, "subretinal fluid" in absent)
    _fill_layers(canvas, edges, fovea)
    _paint_vessels(rng, canvas, edges)
    if rng.random() < 0.3 + 0.5 * level.clutter:
        _paint_line(canvas, "hyaloid", edges[0] - native * (0.05 + 0.02 * _wave(rng, native, 2)), 0.003)
    if "epiretinal membrane" not in absent:
        _paint_line(canvas, "epiretinal membrane", edges[0] - 0.0035 * native, 0.008)
    return canvas


def _boundaries(rng: np.random.Generator, native: int, fovea: float, dry: bool) -> list[Row]:
    """Return the upper boundary of every layer and of the sclera over the columns, in pixels."""
    x = (np.arange(native) + 0.5 - fovea) / native
    pit = np.exp(-((x / rng.uniform(0.075, 0.1)) ** 2)) * rng.uniform(0.86, 0.95)
    wide = np.exp(-((x / 0.16) ** 2))
    nasal = 1 + rng.choice((-1, 1)) * rng.uniform(0.5, 1.0) * x
    swell = dict.fromkeys(INNER, 1 - pit) | {"outer plexus": 1 - 0.6 * pit, "outer nuclei": 1 + 0.3 * wide}
    swell["nerve fibres"] = (1 - np.minimum(1, 1.04 * wide)) * nasal
    swell["segments"] = 1 + 0.6 * wide
    pool = np.exp(-(((x - rng.uniform(-0.12, 0.12)) / rng.uniform(0.09, 0.14)) ** 4)) * rng.uniform(0.02, 0.035)
    scale = float(rng.uniform(0.94, 1.04))
    thick = []
    for name, (share, _) in LAYERS.items():
        plain = share * scale * swell.get(name, np.ones(native)) * (1 + 0.05 * _wave(rng, native, 3))
        thick.append(pool * (not dry) if name == "subretinal fluid" else np.maximum(plain, 0.0015))
    bed = 0.675 + rng.uniform(-0.05, 0.05) * x + rng.uniform(0.0, 0.14) * x**2 + 0.003 * _wave(rng, native, 3)
    above = np.sum(thick[:-2], axis=0)
    return [native * (bed - above + depth) for depth in [np.zeros(native), *np.cumsum(thick, axis=0)]]


def _wave(rng: np.random.Generator, native: int, waves: int) -> Row:
    """Return a slow wave over the columns, about from -1 to 1."""
    x = np.linspace(0, 2 * np.pi, native)
    return np.asarray(sum(rng.normal(0, 0.6) / k * np.sin(k * x + rng.uniform(0, 6.3)) for k in range(1, waves + 1)))


def _fill_layers(canvas: Canvas, edges: Sequence[Row], fovea: float) -> None:
    """Write the labels, column by column: each layer is a run."""
    native = canvas.native
    rows = np.clip(np.rint(edges), 0, native).astype(int)
    runs = np.diff(np.maximum.accumulate(rows, 0), axis=0, prepend=0, append=native)
    names = [["vitreous", *(f"{side} {name}" for name in (*INNER, *OUTER)), *BELOW, "sclera"] for side in SIDES]
    labels = np.array([[canvas.tissues.index(name) for name in column] for column in names], np.uint8)
    sides = (np.arange(native) > fovea).astype(int)
    canvas.labels[:] = np.repeat(labels[sides].ravel(), runs.T.ravel()).reshape(native, native).T


def _paint_vessels(rng: np.random.Generator, canvas: Canvas, edges: Sequence[Row]) -> None:
    """Paint the vessels of the choroid, small ones above large ones."""
    native = canvas.native
    spots: list[Curve] = []
    for share, count, size in ((0.2, 30, 0.008), (0.6, 15, 0.022)):
        for at in rng.random(count):
            column = int(at * native)
            depth = edges[-2][column] + (share + rng.normal(0, 0.09)) * (edges[-1][column] - edges[-2][column])
            radii = size * rng.uniform(0.5, 1.7) * rng.uniform(0.8, 1.4, 2) * (1.5, 0.8)
            spots.append(blob(rng, (2 * at - 1, 2 * depth / native - 1), radii, 0.2, float(rng.normal(0, 0.3))))
    canvas.fill("choroid vessel", *spots, over=("choroid",))


def _paint_line(canvas: Canvas, tissue: str, course: Row, wide: float) -> None:
    """Paint a membrane in the vitreous along a course over the columns."""
    x = np.arange(0, canvas.native, max(1, canvas.native // 128))
    line = np.stack([x, course[x]], 1) / (canvas.native / 2) - 1
    canvas.stroke(tissue, (line, wide * canvas.native), over=("vitreous",))


def _expose(rng: np.random.Generator, canvas: Canvas, patches: Sequence[Patch], level: Level) -> Pixels:
    """Turn labels into grey levels: brightness, lesions, blur, shadows, speckle."""
    native = canvas.native
    table = np.zeros(256, np.int16)
    gain = float(rng.uniform(0.92, 1.06))
    table[: len(BRIGHTNESS)] = np.array(list(BRIGHTNESS.values())) * gain
    plain = table.take(canvas.labels)
    for patch in patches:
        np.copyto(patch.on(plain), _toned(rng, patch, level.contrast), where=patch.inside)
    soft = blurred(plain)
    light = _columns(rng, native, level.occlusion)
    for patch in patches:
        if patch.asked.finding == "exudate":
            _shade(soft, patch)
    grain, texture = fields(rng, native)
    fine = np.float32(level.noise * 0.13 / GRAIN)
    coarse = np.float32(level.noise * 0.1 / coarseness(native)[1])
    floor = np.float32(level.noise * 7 / GRAIN)
    # What lies deep is seen less.
    fade = np.clip(1.5 - np.arange(native, dtype=np.float32) / native * 0.9, 0.55, 1)
    pixels = np.empty((native, native), np.uint8)
    for top in range(0, native, STRIP):
        rows = slice(top, top + STRIP)
        grey = soft[rows] * np.outer(fade[rows], light / 16)
        speckle = grain[rows] * fine
        speckle += texture[rows] * coarse
        speckle += 1
        grey *= speckle
        grey += np.abs(grain[rows]) * floor
        pixels[rows] = np.clip(grey, 0, 255, out=grey)
    return pixels


def _columns(rng: np.random.Generator, native: int, occlusion: float) -> NDArray[np.float32]:
    """Return how much light each column gets: less under vessels of the retina and at the sides."""
    x = (np.arange(native) + 0.5) / native
    light: Row = 1 - 0.05 * (1 + _wave(rng, native, 3))
    for _ in range(int(rng.integers(1, 3) + 5 * occlusion)):
        width = rng.uniform(0.006, 0.012)
        light *= 1 - (0.2 + 0.25 * occlusion) * np.exp(-(((x - rng.uniform(0.02, 0.98)) / width) ** 2))
    light *= 1 - 0.4 * occlusion * np.exp(-(((x - rng.integers(2)) / rng.uniform(0.05, 0.12)) ** 2))
    return light.astype(np.float32)


def _shade(soft: NDArray[np.int16], patch: Patch) -> None:
    """Darken what lies below a dense lesion; the shadow is no part of it."""
    reach = patch.inside.sum(0) / max(1, patch.inside.sum(0).max())
    bottom = patch.rows.start + int(np.flatnonzero(patch.inside.any(1))[-1]) + 1
    below = soft[bottom:, patch.columns]
    np.multiply(below, 1 - 0.62 * np.minimum(1, 1.4 * reach), out=below, casting="unsafe")


def _toned(rng: np.random.Generator, patch: Patch, contrast: float) -> NDArray[np.int16]:
    """Return a lesion's brightness over its crop, ``(h, w)``."""
    shape = patch.inside.shape
    share = min(1.0, 0.45 + 0.55 * contrast)
    lumps = cloud(rng, max(shape), 7)[: shape[0], : shape[1]]
    if patch.asked.finding == "cyst":
        return np.full(shape, DARK + (1 - share) * 40, np.int16)
    bright, rough = (DENSE, 10) if patch.asked.finding == "exudate" else (FIBROUS, 16)
    return np.asarray(110 + (bright - 110) * share + rough * lumps, np.int16)


MACULA = Exam(
    modality="OCT",
    name="macular OCT",
    paint=_paint,
    expose=_expose,
    parts=PARTS,
    hosts=HOSTS,
    shapes={
        "cyst": Shape((20.0, 110.0), 4, 0.04, stretch=0.7),
        "exudate": Shape((15.0, 55.0), 7, 0.16),
        "scar": Shape((25.0, 112.0), 8, 0.14, stretch=0.75),
    },
    organs=("vitreous", "retinal pigment epithelium", "choroid", "subretinal fluid", "epiretinal membrane"),
    removable=("subretinal fluid", "epiretinal membrane"),
    measured=("cyst", "scar"),
    etched=("scar",),
    unit="µm",
    host="part of the retina",
    accepted={
        **{
            f"{side} {part} retina": (
                f"{part} retina on the {side}",
                f"the {side} {part} retina",
                f"{part} {side} retina",
            )
            for side in SIDES
            for part in ("inner", "outer")
        },
        "cyst": ("a cyst", "cystoid fluid", "intraretinal cyst", "intraretinal fluid"),
        "exudate": ("an exudate", "hard exudate", "hyperreflective focus"),
        "scar": ("a scar", "fibrotic scar", "fibrosis", "fibrous scar"),
    },
    reach={
        (0, 0): ("left inner retina",),
        (1, 0): ("right inner retina",),
        (0, 1): ("left outer retina",),
        (1, 1): ("right outer retina",),
    },
)
