"""The chest at the level of the heart or of the aortic arch: what it is made of, and how it is painted."""

from collections.abc import Collection

import numpy as np

from .abdomen import TISSUES as TRUNK
from .paint import Canvas, Curve, blob, branches, dot, jitter, smooth
from .trunk import paint_ribs, paint_spine, paint_table, paint_wall

HOSTS = ("anterior right lung", "posterior right lung", "anterior left lung", "posterior left lung")
WALL = ("air", "table", "table shell", "skin", "fat", "strand", "muscle", "muscle fat", "extraperitoneal fat")
BONES = ("cartilage", "rib", "rib marrow", "bone", "marrow", "cord", "canal")

TISSUES: dict[str, tuple[float, float, float]] = {
    **{name: TRUNK[name] for name in (*WALL, *BONES)},
    "mesentery": (-100, 0, 9),
    **dict.fromkeys(HOSTS, (-862, 6, 26)),
    **{f"{host} vessel": (20, 60, 6) for host in HOSTS},
    "bronchus wall": (-80, 0, 20),
    "bronchus": (-980, 0, 0),
    "fissure": (-640, 0, 20),
    "myocardium": (42, 70, 8),
    "blood": (40, 120, 6),
    "vessel": (40, 110, 4),
    "aorta": (42, 125, 3),
    "oesophagus": (35, 30, 8),
    "trachea wall": (30, 20, 5),
    "trachea": (-990, 0, 0),
}
"""As `abdomen.TISSUES`; the mesentery stands for the fat of the mediastinum."""

PARTS: dict[str, tuple[str, ...]] = {
    **{host: (host, f"{host} vessel") for host in HOSTS},
    "heart": ("blood", "myocardium"),
    "aorta": ("aorta",),
    "vertebra": ("bone", "marrow", "cord", "canal"),
}

LUNG = (
    *((0.08, -0.66), (0.2, -0.86), (0.45, -0.92), (0.75, -0.75), (0.95, -0.3), (0.97, 0.15), (0.85, 0.5)),
    *((0.55, 0.72), (0.27, 0.64), (0.16, 0.4), (0.16, 0.2), (0.2, 0.02), (0.2, -0.2), (0.14, -0.44)),
)
"""The lung at the image's right, without the room that the heart takes."""


def paint_chest(
    rng: np.random.Generator, canvas: Canvas, millimetre: float, absent: Collection[str], clutter: float
) -> None:
    """Paint a slice through the chest back to front; `millimetre` is its length in pixels."""
    if rng.random() < 0.6:
        paint_table(canvas, millimetre)
    wall = paint_wall(rng, canvas, millimetre)
    canvas.keep("mesentery")
    for side, way in (("right", -1.0), ("left", 1.0)):
        _paint_lung(rng, canvas, side, way, millimetre, clutter)
    if "heart" in absent:
        _paint_arch(rng, canvas, millimetre)
    else:
        _paint_heart(rng, canvas, millimetre)
    canvas.fill("oesophagus", blob(rng, (0.0, 0.16), (0.035, 0.045), 0.1))
    round_ = canvas.axes[0] / canvas.axes[1]
    wide = float(rng.uniform(0.065, 0.085))
    canvas.fill("aorta", blob(rng, (0.125, 0.24), (wide, wide * round_), 0.04))
    canvas.keep("skin")
    paint_spine(rng, canvas, millimetre)
    paint_ribs(rng, canvas, wall, millimetre)


def _paint_lung(
    rng: np.random.Generator, canvas: Canvas, side: str, way: float, millimetre: float, clutter: float
) -> None:
    """Paint a lung: what lies before its oblique fissure, what lies behind, and the vessels of both."""
    front, back = f"anterior {side} lung", f"posterior {side} lung"
    outline = smooth(jitter(rng, LUNG, 0.012)) * (way, 1)
    canvas.fill(back, outline)
    level, tilt = float(rng.uniform(-0.06, 0.04)), float(rng.uniform(0.0, 0.18))
    x = np.linspace(0, 1, 9)
    fissure = np.stack([way * x, level + tilt * (0.5 - x) + 0.02 * np.sin(3 * x + rng.uniform(0, 6))], 1)
    canvas.fill(front, np.concatenate([fissure, [(way, -1.2), (0, -1.2)]]), over=(back,))
    canvas.stroke("fissure", (fissure, max(1.0, 0.7 * millimetre)), over=(front, back))
    hilum = np.array([way * 0.19, float(rng.uniform(-0.06, 0.06))])
    for host, headings in ((front, (-1.35, -0.85, -0.35)), (back, (0.3, 0.8, 1.3))):
        aims = np.array(headings) + rng.normal(0, 0.12, 3)
        stems = np.tile(hilum, (3, 1))
        lines = branches(rng, stems, aims if way > 0 else np.pi - aims, 5.5 * millimetre, 4, 0.058)
        canvas.stroke(f"{host} vessel", *lines, over=(host,))
        spots = rng.uniform((0.2, -0.75), (0.82, 0.6), (int(22 + 30 * clutter), 2)) * (way, 1)
        radii = rng.uniform(0.6, 1.0 + 0.5 * clutter, (len(spots), 1)) * millimetre / canvas.axes
        canvas.fill(f"{host} vessel", *map(dot, spots, radii), over=(host,))
    for _ in range(3):
        at = hilum + np.array([way * rng.uniform(0.04, 0.12), rng.uniform(-0.1, 0.14)])
        _paint_tube(rng, canvas, "bronchus", at, float(rng.uniform(2.2, 4.0)), 1.2, millimetre)


def _paint_tube(
    rng: np.random.Generator, canvas: Canvas, name: str, at: Curve, radius: float, wall: float, millimetre: float
) -> None:
    """Paint an airway cut across, `radius` and `wall` in millimetres."""
    shape = blob(rng, (0, 0), (1, 1), 0.05)
    for tissue, reach in ((f"{name} wall", radius + wall), (name, radius)):
        canvas.fill(tissue, at + shape * reach * millimetre / canvas.axes)


def _paint_heart(rng: np.random.Generator, canvas: Canvas, millimetre: float) -> None:
    """Paint the heart, its apex at the image's right, with the blood of its chambers."""
    centre = np.array([0.12, -0.28]) + rng.normal(0, 0.012, 2)
    size = rng.uniform(0.9, 1.08)
    turn = float(rng.uniform(0.45, 0.75))
    canvas.fill("mesentery", blob(rng, centre, np.array([0.37, 0.35]) * size, 0.04, turn))
    canvas.fill("myocardium", blob(rng, centre, np.array([0.345, 0.325]) * size, 0.04, turn))
    chambers = (((0.17, 0.06), (0.13, 0.11)), ((-0.14, -0.1), (0.14, 0.13)), ((-0.17, 0.15), (0.11, 0.09)))
    for at, radii in (*chambers, ((0.02, -0.17), (0.15, 0.07))):
        canvas.fill(
            "blood", blob(rng, centre + np.array(at) * size, np.array(radii) * size, 0.1, turn), over=("myocardium",)
        )


def _paint_arch(rng: np.random.Generator, canvas: Canvas, millimetre: float) -> None:
    """Paint the mediastinum above the heart: fat, aortic arch, superior vena cava and trachea."""
    canvas.fill("mesentery", blob(rng, (0.0, -0.22), (0.24, 0.38), 0.05))
    arch = [(-0.08, -0.36), (0.03, -0.3), (0.12, -0.14), (0.14, 0.06), (0.13, 0.2)]
    canvas.stroke("aorta", (jitter(rng, arch, 0.008), 26 * millimetre))
    canvas.fill("vessel", blob(rng, (-0.13, -0.27), (0.055, 0.075), 0.06))
    _paint_tube(rng, canvas, "trachea", np.array([-0.02, -0.06]), float(rng.uniform(8, 10)), 1.6, millimetre)
