"""The head in an axial slice through the frontal horns: what it is made of, and how it is painted.

Curves are in millimetres. Templates are in shares of the brain's half width and length, for the image's right.
"""

from collections.abc import Collection

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from .paint import Canvas, Curve, dot, smooth

Corners = tuple[tuple[float, float], ...]

SIDES = {"right": -1.0, "left": 1.0}
"""The patient's, and where they lie in the image."""
HOSTS = tuple(f"{side} {lobe} lobe" for lobe in ("frontal", "temporal", "occipital") for side in SIDES)
REGIONS = ("core", *HOSTS)
WHITE = ("core white",)
CORTEX = tuple(f"{region} {matter}" for matter in ("white", "grey", "sulcus") for region in REGIONS)
NUCLEI = ("caudate nucleus", "putamen", "thalamus")
TISSUES = (
    *("air", "skin", "fat", "bone", "marrow", "csf", "dura", "sinus", "vessel"),
    *CORTEX,
    *("callosum", "pallidum", "claustrum", "space", "third ventricle"),
    *(f"{side} {part}" for part in (*NUCLEI, "frontal horn", "occipital horn") for side in SIDES),
    *(f"{side} {part} edge" for part in NUCLEI for side in SIDES),
    *(f"{side} occipital choroid" for side in SIDES),
)
PARTS: dict[str, tuple[str, ...]] = {
    **{host: (f"{host} white", f"{host} grey") for host in HOSTS},
    **{f"{side} {part}": (f"{side} {part}", f"{side} {part} edge") for part in NUCLEI for side in SIDES},
    **{f"{side} frontal horn": (f"{side} frontal horn",) for side in SIDES},
    **{f"{side} occipital horn": (f"{side} occipital horn", f"{side} occipital choroid") for side in SIDES},
    "third ventricle": ("third ventricle",),
    "scalp": ("skin", "fat"),
    "skull": ("bone", "marrow"),
}

OVAL = (
    *((0.0, -1.0), (0.36, -0.95), (0.68, -0.76), (0.87, -0.43), (0.97, -0.08), (1.0, 0.26), (0.94, 0.55)),
    *((0.74, 0.81), (0.4, 0.965), (0.0, 1.0)),
)
SURFACE = (
    *((0.02, -0.44), (0.02, -0.7), (0.025, -0.93), (0.1, -0.995), (0.37, -0.94), (0.68, -0.76), (0.87, -0.43)),
    *((0.97, -0.08), (1.0, 0.26), (0.94, 0.55), (0.74, 0.81), (0.4, 0.965), (0.1, 0.99), (0.03, 0.92)),
    *((0.02, 0.65), (0.03, 0.4)),
)
"""Of a hemisphere, from the corpus callosum forwards, around the outside and back to it."""
LOBES = {
    "frontal": (
        *((-0.01, -1.03), (1.03, -1.03), (1.03, -0.26), (0.7, -0.24), (0.55, -0.38), (0.34, -0.5), (0.2, -0.52)),
        *((0.1, -0.5), (-0.01, -0.5)),
    ),
    "temporal": ((1.03, -0.14), (0.68, -0.12), (0.66, 0.12), (0.54, 0.2), (0.5, 0.42), (1.03, 0.48)),
    "occipital": (
        *(
            (1.03, 0.56),
            (0.5, 0.49),
            (0.44, 0.57),
            (0.3, 0.58),
            (0.15, 0.48),
            (-0.01, 0.46),
            (-0.01, 1.03),
            (1.03, 1.03),
        ),
    ),
}
FRONTAL_HORN = (
    *((0.03, -0.13), (0.028, -0.3), (0.07, -0.385), (0.16, -0.44), (0.235, -0.45), (0.22, -0.37), (0.14, -0.27)),
    *((0.1, -0.17), (0.06, -0.1)),
)
CAUDATE = (*((0.11, -0.16), (0.15, -0.26), (0.235, -0.37), (0.3, -0.375), (0.31, -0.3), (0.25, -0.2), (0.16, -0.12)),)
PUTAMEN = (*((0.36, -0.32), (0.45, -0.29), (0.51, -0.16), (0.505, 0.0), (0.45, 0.085), (0.425, -0.02), (0.385, -0.16)),)
PALLIDUM = ((0.35, -0.24), (0.39, -0.17), (0.43, -0.03), (0.435, 0.04), (0.34, -0.02), (0.27, -0.09), (0.3, -0.17))
THALAMUS = (
    *((0.035, -0.07), (0.1, -0.11), (0.2, -0.05), (0.29, 0.07), (0.3, 0.17), (0.2, 0.215), (0.08, 0.16)),
    *((0.035, 0.08),),
)
OCCIPITAL_HORN = (
    *((0.27, 0.22), (0.34, 0.23), (0.415, 0.3), (0.46, 0.4), (0.45, 0.5), (0.41, 0.55), (0.385, 0.47), (0.34, 0.37)),
    *((0.28, 0.29),),
)
CLAUSTRUM = ((0.5, -0.3), (0.555, -0.15), (0.55, 0.0), (0.5, 0.1))
CALLOSUM = (
    *((-0.06, -0.46), (0.06, -0.46), (0.12, -0.3), (0.3, 0.0), (0.16, 0.3), (0.06, 0.4), (-0.06, 0.4)),
    *((-0.16, 0.3), (-0.3, 0.0), (-0.12, -0.3)),
)
GENU = (
    (-0.2, -0.5),
    (-0.09, -0.44),
    (0.0, -0.425),
    (0.09, -0.44),
    (0.2, -0.5),
    (0.09, -0.35),
    (0.0, -0.335),
    (-0.09, -0.35),
)
SPLENIUM = (
    (-0.26, 0.4),
    (-0.12, 0.345),
    (0.0, 0.35),
    (0.12, 0.345),
    (0.26, 0.4),
    (0.14, 0.265),
    (0.0, 0.25),
    (-0.14, 0.265),
)
FISSURES = (
    ((0.0, -1.03), (0.0, -0.8), (0.0, -0.6), (0.0, -0.46)),
    ((0.0, 1.03), (0.0, 0.8), (0.0, 0.6), (0.0, 0.41)),
    *(((0.0, -0.47), (0.05 * x, -0.49), (0.1 * x, -0.52), (0.16 * x, -0.56)) for x in SIDES.values()),
    *(((0.0, 0.42), (0.05 * x, 0.435), (0.1 * x, 0.46), (0.15 * x, 0.5)) for x in SIDES.values()),
)
"""Between the hemispheres, and along the corpus callosum."""
SYLVIAN = ((1.0, -0.2), (0.86, -0.19), (0.7, -0.2), (0.42, -0.16))
INSULA = ((0.55, -0.34), (0.61, -0.22), (0.635, -0.1), (0.625, 0.03), (0.58, 0.14))
VESSELS = 16
THICK = 3.0
"""Of the cortex, in millimetres."""
STEPS = 12
TAPER = np.array([np.linspace(1.12, 0.78, STEPS), np.r_[2.6, 1.5, np.linspace(1.1, 0.5, STEPS - 2)]])
"""How wide the grey and the fluid of a sulcus are along it."""


def paint_head(
    rng: np.random.Generator, canvas: Canvas, half: NDArray[np.float64], inner: NDArray[np.float64], shift: Curve
) -> None:
    """Paint scalp, skull and the fluid inside it; `inner` is half the skull's inside."""
    oval = smooth(_both(OVAL), 5)
    depth = np.array([0.0, rng.uniform(1.4, 2.0), rng.uniform(5.5, 7.0), 9.0, rng.uniform(11.5, 12.5)])
    depth *= float((half - inner).mean()) / 14.5
    angle = np.linspace(0, 2 * np.pi, len(oval), endpoint=False)[:, None]
    for name, within in zip(("skin", "fat", "bone", "marrow", "bone"), depth, strict=True):
        waves = rng.normal(0, 0.16, 4) * (name in ("bone", "marrow"))
        wobble = np.cos(angle * np.arange(2, 6) + rng.uniform(0, 2 * np.pi, 4)) @ waves[:, None]
        canvas.fill(name, oval * (half - within + wobble) + shift * within / 15)
    canvas.fill("dura", oval * inner + shift)
    canvas.fill("csf", oval * (inner - 0.7) + shift)


def paint_brain(
    rng: np.random.Generator,
    canvas: Canvas,
    half: NDArray[np.float64],
    shift: Curve,
    absent: Collection[str],
    clutter: float,
) -> None:
    """Paint the brain, `half` being half its width and length."""
    wide = rng.uniform(0.75, 1.35)
    open_lines = {side: smooth(_wavering(rng, SURFACE, 0.012), 5)[:-5] * (x, 1) * half for side, x in SIDES.items()}
    for side, line in open_lines.items():
        canvas.fill("core white", line + shift)
        for lobe, corners in LOBES.items():
            canvas.fill(f"{side} {lobe} lobe white", np.array(corners) * (SIDES[side], 1) * half + shift, over=WHITE)
    canvas.fill("core white", smooth(CALLOSUM, 4) * half + shift)
    _fold(rng, canvas, [line + shift for line in open_lines.values()], half, shift, wide)
    _paint_midline(rng, canvas, half, shift, bool({"scalp", "skull"} & set(absent)))
    for arch in (GENU, SPLENIUM):
        canvas.fill("callosum", smooth(arch, 5) * half + shift, over=WHITE)
    for side, x in SIDES.items():
        _paint_deep(rng, canvas, side, half * (x, 1), shift, absent, wide)
    if "third ventricle" not in absent:
        slit = dot((0.0, 0.035), (0.02 * wide, 0.105))
        canvas.fill("third ventricle", slit * half + shift)
    if clutter:
        count = int(8 * clutter)
        spots = np.stack([rng.choice([-1, 1], count) * rng.uniform(0.2, 0.7, count), rng.uniform(-0.6, 0.6, count)], 1)
        for spot in spots * half + shift:
            canvas.fill("space", dot(spot, (0.5, 0.5)), over=("core white",))


def _paint_midline(
    rng: np.random.Generator, canvas: Canvas, half: NDArray[np.float64], shift: Curve, stripped: bool
) -> None:
    """Paint the fissure with the falx in it, and the sinus at both of its ends unless they are `stripped`."""
    for first, last in ((-1.0, -0.53), (0.46, 1.0)):
        y = np.linspace(first, last, 8)
        line = np.stack([rng.normal(0, 0.002, 8), y], 1) * half + shift
        canvas.stroke("dura", (line, 0.6 * canvas.unit), over=("csf", *CORTEX))
    if stripped:
        return
    back, front = half[1] + 2.2, -half[1] - 1.6
    canvas.fill("sinus", smooth([(-4.6, back), (4.6, back), (0.8, back - 7), (-0.8, back - 7)], 6) + shift)
    canvas.fill("sinus", smooth([(-2.4, front), (2.4, front), (0.0, front + 4)], 6) + shift)
    turns = rng.uniform(0, 2 * np.pi, VESSELS)
    spots = np.stack([np.sin(turns), -np.cos(turns)], 1) * (half + 0.6) + shift
    canvas.fill(
        "vessel", *(dot(spot, size) for spot, size in zip(spots, rng.uniform(0.5, 1.0, (VESSELS, 2)), strict=True))
    )


def _paint_deep(
    rng: np.random.Generator,
    canvas: Canvas,
    side: str,
    frame: NDArray[np.float64],
    shift: Curve,
    absent: Collection[str],
    wide: float,
) -> None:
    """Paint the nuclei and the horns of the ventricle of one side."""

    def fill(name: str, corners: Corners, grow: float = 1.0, soft: float = 0.0) -> None:
        points = _wavering(rng, corners, 0.008)
        middle = points.mean(0)
        curve = smooth((points - middle) * (grow, 1) + middle, 6)
        if soft:
            canvas.fill(f"{name} edge", curve * frame + shift)
        canvas.fill(name, ((curve - middle) * (1 - soft) + middle) * frame + shift)

    canvas.stroke("claustrum", (np.array(CLAUSTRUM) * frame + shift, 0.8 * canvas.unit), over=WHITE)
    fill(f"{side} putamen", PUTAMEN, soft=0.14)
    fill("pallidum", PALLIDUM)
    fill(f"{side} thalamus", THALAMUS, soft=0.16)
    fill(f"{side} caudate nucleus", CAUDATE, soft=0.14)
    fill(f"{side} frontal horn", FRONTAL_HORN, wide)
    if f"{side} occipital horn" not in absent:
        fill(f"{side} occipital horn", OCCIPITAL_HORN, wide)
        tuft = _wavering(rng, ((0.32, 0.27), (0.36, 0.29), (0.395, 0.36), (0.385, 0.4), (0.34, 0.33)), 0.008)
        canvas.fill(f"{side} occipital choroid", smooth(tuft) * frame + shift, over=(f"{side} occipital horn",))


def _fold(
    rng: np.random.Generator,
    canvas: Canvas,
    lines: list[Curve],
    half: NDArray[np.float64],
    shift: Curve,
    wide: float,
) -> None:
    """Turn white matter along the surface and the sulci into grey matter and fluid; `wide` is for age."""
    paths = [_sulci(rng, lines, half)]
    widths = [np.full(len(paths[0]), 0.68 * wide)]
    for x in SIDES.values():
        for corners, most in ((SYLVIAN, 1.5), (INSULA, 1.2)):
            paths.append(_course(_wavering(rng, corners, 0.014) * (x, 1) * half + shift))
            widths.append(wide * rng.uniform(0.5, [most]))
    for corners in FISSURES:
        paths.append(_course(_wavering(rng, corners, 0.004) * half + shift))
        widths.append(np.array([0.65 * wide]))
    course, width = np.concatenate(paths), np.concatenate(widths)[:, None]
    stencil = Image.new("L", (canvas.native, canvas.native))
    pen = ImageDraw.Draw(stencil)
    for flat in _corners(canvas, np.stack(lines)):
        pen.line(flat, fill=1, width=max(1, round(2 * THICK * canvas.unit)))
    for flat in _corners(canvas, _ribbons(course[:, ::2], (THICK + width) * TAPER[0][::2])):
        pen.polygon(flat, fill=1)
    for flat in _corners(canvas, _ribbons(course[:, :-2], width * TAPER[1][:-2])):
        pen.polygon(flat, fill=2)
    first = TISSUES.index(CORTEX[0])
    matter = np.asarray(stencil) * np.uint8(len(REGIONS))
    matter *= canvas.labels >= first
    labels = canvas.labels
    labels += matter


def _sulci(rng: np.random.Generator, lines: list[Curve], half: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the courses of the sulci, ``(n, STEPS, 2)``: long and short ones in turn, and their branches."""
    starts, headings = zip(*(_entries(rng, line) for line in lines), strict=True)
    start, heading = np.concatenate(starts), np.concatenate(headings)
    lower, upper = np.where(np.arange(len(start)) % 2 == 0, [[17], [29]], [[6], [14]])
    deep = rng.uniform(lower, upper)
    x, y = np.abs(start.T / half[:, None])
    deep = np.where(x < 0.12, np.minimum(deep, 13), np.where(y < 0.35, 0.62 * deep, deep))
    courses = [_walked(rng, start, heading, deep)]
    for first, last in ((3, 6), (6, STEPS - 2)):
        forks = np.flatnonzero((deep > 9) & (rng.random(len(deep)) < 0.8))
        at = courses[0][forks, rng.integers(first, last, len(forks))]
        aside = heading[forks] + rng.choice([-1, 1], len(forks)) * rng.uniform(0.8, 1.4, len(forks))
        courses.append(_walked(rng, at, aside, rng.uniform(4, 10, len(forks))))
    return np.concatenate(courses)


def _entries(rng: np.random.Generator, line: Curve) -> tuple[Curve, NDArray[np.float64]]:
    """Return where sulci leave the surface of a hemisphere, and their headings."""
    along = np.cumsum(np.hypot(*np.diff(line, axis=0).T))
    places = np.cumsum(rng.uniform(8.0, 13.0, 40))
    at = np.searchsorted(along, places[places < along[-1] - 6])
    start, ahead = line[at], line[at + 1] - line[at]
    inward = ahead[:, ::-1] * (-1, 1)
    inward *= np.sign(((line.mean(0) - start) * inward).sum(1))[:, None]
    return start, np.arctan2(inward[:, 1], inward[:, 0]) + rng.normal(0, 0.2, len(start))


def _walked(
    rng: np.random.Generator, start: Curve, heading: NDArray[np.float64], length: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return winding courses ``(n, STEPS, 2)`` from `start`."""
    count, along = (len(start), 1), np.linspace(0, 1, STEPS)
    swing = np.sin(rng.uniform(4, 9, count) * along + rng.uniform(0, 6.3, count))
    angle = heading[:, None] + rng.normal(0, 0.5, count) * along + 0.45 * swing + rng.normal(0, 0.06, (count[0], STEPS))
    step = np.stack([np.cos(angle), np.sin(angle)], 2) * (length / (STEPS - 1))[:, None, None]
    step[:, 0] = 0
    return np.asarray(start[:, None] + np.cumsum(step, 1))


def _course(corners: Curve) -> NDArray[np.float64]:
    """Return an open line through 4 or 5 corners as a course, ``(1, STEPS, 2)``."""
    steps = STEPS // (len(corners) - 1)
    # There and back: a closed curve through an open line's corners has hooks at its ends.
    return smooth(np.concatenate([corners, corners[-2:0:-1]]), steps)[None, :STEPS]


def _ribbons(paths: NDArray[np.float64], widths: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return outlines ``(n, corners, 2)`` along `paths`, of half `widths` ``(n, points)``, with round ends."""
    along = np.empty_like(paths)
    along[:, 1:-1] = paths[:, 2:] - paths[:, :-2]
    along[:, 0], along[:, -1] = paths[:, 1] - paths[:, 0], paths[:, -1] - paths[:, -2]
    along *= (widths / (np.sqrt((along**2).sum(2)) + 1e-9))[..., None]
    aside = along[..., ::-1] * (-1, 1)
    end, tip, wing = paths[:, -1:], along[:, -1:], aside[:, -1:]
    cap = np.concatenate([end + 0.7 * (tip + wing), end + tip, end + 0.7 * (tip - wing)], 1)
    return np.concatenate([paths + aside, cap, (paths - aside)[:, ::-1]], 1)


def _corners(canvas: Canvas, curves: NDArray[np.float64]) -> list[list[float]]:
    """Return the corners of curves ``(n, points, 2)`` in pixels, as a pen takes them."""
    flat: list[list[float]] = (canvas.pixels(curves) - 0.5).reshape(len(curves), -1).tolist()
    return flat


def _both(half: Corners) -> Curve:
    """Return a closed outline from that of its right half, top and bottom in the middle."""
    points = np.array(half)
    return np.concatenate([points, points[-2:0:-1] * (-1, 1)])


def _wavering(rng: np.random.Generator, points: Corners, by: float) -> Curve:
    return np.array(points) + rng.normal(0, by, (len(points), 2))
