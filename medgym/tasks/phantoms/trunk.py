"""The trunk's frame: table, skin, fat, muscles, vertebra, great vessels and ribs."""

import numpy as np

from .paint import Canvas, Curve, blob, dot, jitter, smooth

BODY = (
    *((0, -1), (0.36, -0.95), (0.7, -0.74), (0.93, -0.36), (1, 0.08), (0.93, 0.48), (0.7, 0.8), (0.36, 0.97)),
    *((0, 0.96), (-0.36, 0.97), (-0.7, 0.8), (-0.93, 0.48), (-1, 0.08), (-0.93, -0.36), (-0.7, -0.74)),
    (-0.36, -0.95),
)
ARCH = ((-0.13, 0.42), (-0.06, 0.57), (-0.02, 0.78), (0.02, 0.78), (0.06, 0.57), (0.13, 0.42))
"""Laminae and spinous process."""
PROCESS = ((0.07, 0.46), (0.15, 0.49), (0.22, 0.5), (0.225, 0.53), (0.15, 0.545), (0.07, 0.545))
"""The transverse process at the image's right."""

RIBS = (0.12, 0.2, 0.28, 0.35, 0.42, 0.58, 0.65, 0.72, 0.8, 0.88)
"""Where ribs cross the slice, as shares of the way around it, from the front by the image's right."""


def paint_table(canvas: Canvas, millimetre: float) -> None:
    """Paint a curved couch under the body; `millimetre` is its length in pixels."""
    x = np.linspace(-1.35, 1.35, 40)
    top = 1.02 - 0.32 * (x / 1.35) ** 2
    thick = 30 * millimetre / canvas.axes[1] * (1.05 - (x / 1.35) ** 2)
    for tissue, skin in (("table shell", 0.0), ("table", 0.02)):
        rims = np.stack([x, top + skin], 1), np.stack([x, top + thick - skin], 1)[::-1]
        canvas.fill(tissue, np.concatenate(rims))


def paint_wall(rng: np.random.Generator, canvas: Canvas, millimetre: float) -> Curve:
    """Paint skin, fat and muscles around the cavity; return the curve along which the ribs lie."""
    unit = millimetre / canvas.axes
    body = smooth(jitter(rng, BODY, 0.006))
    canvas.fill("skin", body)
    canvas.fill("fat", body * (1 - 2.2 * unit))
    outer = body * (1 - float(rng.uniform(9, 26)) * unit * (1, 1.15)) - (0, 0.015)
    strands = []
    for at in rng.integers(0, len(body), 14):
        way = np.linspace(body[at], outer[(at + int(rng.integers(-9, 10))) % len(outer)], 6)
        strands.append((way + rng.normal(0, 0.004, way.shape), 0.8 * millimetre))
    canvas.stroke("strand", *strands)
    canvas.fill("muscle", outer)
    # Thick beside the midline in front (the rectus), thin in the midline and at the flanks.
    front = np.clip(-outer[:, 1:] - 0.3, 0, 1)
    rectus = 0.72 + 1.3 * front * np.exp(-(((np.abs(outer[:, :1]) - 0.2) / 0.13) ** 2))
    thick = float(rng.uniform(8, 13)) * unit
    cavity = outer * (1 - thick * rectus)
    cavity[:, 1] = np.minimum(cavity[:, 1], 0.66 + 0.05 * np.cos(5 * cavity[:, 0]))
    middle = outer * (1 - 0.45 * thick * rectus)
    seams = [
        (middle[int(low * len(middle)) : int(high * len(middle))], millimetre)
        for low, high in ((0.1, 0.2), (0.26, 0.36), (0.64, 0.74), (0.8, 0.9))
    ]
    canvas.stroke("muscle fat", *seams)
    canvas.fill("extraperitoneal fat", cavity)
    canvas.fill("mesentery", cavity * (1 - float(rng.uniform(0.7, 5)) * unit * (1, 0.6)))
    return middle


def paint_spine(rng: np.random.Generator, canvas: Canvas, millimetre: float) -> None:
    """Paint the vertebra with the muscles beside it."""
    sides = (-1, 1)
    round_ = canvas.axes[0] / canvas.axes[1]
    canvas.fill("muscle", *(blob(rng, (way * 0.27, 0.69), (0.24, 0.165), 0.05, way * -0.1) for way in sides))
    clefts = [(jitter(rng, ((way * 0.17, 0.6), (way * 0.2, 0.7), (way * 0.2, 0.82)), 0.012), 1.3) for way in sides]
    canvas.stroke("muscle fat", *((cleft, wide * millimetre) for cleft, wide in clefts))
    arch = smooth(jitter(rng, ARCH, 0.006))
    canvas.fill("bone", arch, *(smooth(jitter(rng, PROCESS, 0.006)) * (way, 1) for way in sides))
    middle = np.array([0, 0.31])
    body = blob(rng, middle, np.array([0.15, 0.115 * round_]) * rng.uniform(0.9, 1.08), 0.03)
    body[:, 1] = np.minimum(body[:, 1], 0.42)
    canvas.fill("bone", body)
    canvas.fill("marrow", middle + (body - middle) * (1 - 1.7 * millimetre / canvas.axes / 0.15))
    canvas.fill("marrow", arch * (0.35, 0.55) + (0, 0.27))
    canvas.fill("canal", blob(rng, (0, 0.475), (0.068, 0.05 * round_), 0.03))
    canvas.fill("cord", blob(rng, (0, 0.475), (0.045, 0.033 * round_), 0.03))


def paint_back(rng: np.random.Generator, canvas: Canvas, millimetre: float) -> None:
    """Paint what lies before the spine of the abdomen: psoas muscles, crura, aorta and inferior vena cava."""
    sides = (-1, 1)
    round_ = canvas.axes[0] / canvas.axes[1]
    canvas.fill("muscle", *(blob(rng, (way * 0.175, 0.34), (0.055, 0.13), 0.08, way * -0.2) for way in sides))
    crura = [(np.array([(way * 0.13, 0.24), (way * 0.1 + 0.03, 0.1), (way * 0.05 + 0.05, 0.03)]), 5.0) for way in sides]
    canvas.stroke("muscle", *((crus, wide * millimetre) for crus, wide in crura))
    wide = 0.055 * rng.uniform(0.9, 1.25)
    canvas.fill("aorta", blob(rng, rng.normal((0.06, 0.11), 0.008), (wide, wide * round_), 0.03))
    canvas.fill("vena cava", blob(rng, (-0.13, 0.08), np.array([0.08, 0.07]) * rng.uniform(0.8, 1.1), 0.07, -0.3))


def paint_ribs(rng: np.random.Generator, canvas: Canvas, wall: Curve, millimetre: float) -> None:
    """Paint ribs cut aslant along the wall, and in front the cartilage that joins them."""
    unit = millimetre / canvas.axes
    painted: dict[str, list[Curve]] = {"cartilage": [], "rib": [], "rib marrow": []}
    for share in RIBS:
        at = int((share + rng.normal(0, 0.013)) * len(wall))
        along = (wall[(at + 3) % len(wall)] - wall[at - 3]) / unit
        length, half = rng.uniform(5, 13), rng.uniform(3.4, 4.6)
        shape = blob(rng, (0, 0), (length, half), 0.06, float(np.arctan2(along[1], along[0]))) * unit
        if wall[at, 1] < -0.45:
            painted["cartilage"].append(wall[at] + shape)
        else:
            painted["rib"].append(wall[at] + shape)
            painted["rib marrow"].append(wall[at] + shape * (1 - 1.3 / half))
    for tissue, shapes in painted.items():
        if shapes:
            canvas.fill(tissue, *shapes)


def paint_vessels(rng: np.random.Generator, canvas: Canvas, millimetre: float, clutter: float) -> None:
    """Paint the small vessels of the mesentery: dots across, short lines along."""
    count = int(rng.integers(20, 35) * (1 + clutter))
    spots = rng.uniform((-0.6, -0.7), (0.7, 0.35), (count, 2))
    canvas.fill("vessel", *(dot(at, millimetre * rng.uniform(0.9, 2.2) / canvas.axes) for at in spots[::2]))
    heading = rng.uniform(0, 2 * np.pi, (count, 1)) + np.cumsum(rng.normal(0, 0.35, (count, 6)), 1)
    ways = spots[:, None] + 0.02 * np.cumsum(np.stack([np.cos(heading), np.sin(heading)], 2), 1)
    canvas.stroke("vessel", *((way, millimetre * rng.uniform(0.8, 2.0)) for way in ways[1::2]))
