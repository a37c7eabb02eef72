"""The organs of the upper abdomen as shapes in the frame of the body."""

from collections.abc import Collection

import numpy as np

from .paint import Canvas, Curve, blob, branches, dot, jitter, smooth

LIVER = (
    *((-0.98, -0.2), (-0.85, -0.6), (-0.5, -0.84), (-0.15, -0.9), (0.16, -0.88), (0.4, -0.68), (0.34, -0.48)),
    *((0.12, -0.38), (-0.04, -0.3), (-0.12, -0.14), (-0.17, 0.02), (-0.3, 0.14), (-0.42, 0.3), (-0.5, 0.5)),
    *((-0.62, 0.68), (-0.85, 0.6), (-1, 0.2)),
)
SPLEEN = (
    *(
        (0.64, -0.2),
        (0.78, -0.3),
        (0.96, -0.1),
        (1, 0.25),
        (0.85, 0.6),
        (0.62, 0.72),
        (0.55, 0.6),
        (0.6, 0.4),
    ),
    *((0.585, 0.2), (0.62, 0.0)),
)
STOMACH = (
    *((0.18, -0.38), (0.32, -0.62), (0.54, -0.7), (0.7, -0.54), (0.75, -0.26), (0.63, -0.06), (0.44, -0.02)),
    *((0.32, -0.14), (0.22, -0.22)),
)
PANCREAS = (
    *((-0.16, 0.02), (-0.06, -0.09), (0.08, -0.13), (0.2, -0.08), (0.4, -0.02), (0.56, 0.06), (0.5, 0.11)),
    *((0.3, 0.06), (0.1, 0.0), (-0.02, 0.05), (-0.1, 0.1)),
)
KIDNEY = (
    *((-0.14, -0.04), (-0.1, -0.17), (0.0, -0.22), (0.11, -0.16), (0.16, 0.0), (0.12, 0.16), (0.01, 0.22)),
    *((-0.1, 0.17), (-0.13, 0.08), (-0.08, 0.02)),
)
"""The one at the image's right, its hilum towards the spine, around the origin."""
LOOPS = ((0.03, -0.12), (0.2, 0.08), (0.38, 0.09), (-0.21, -0.02), (0.56, 0.02), (0.05, -0.5))
"""Where bowel lies."""
IN_PLACE = {
    "liver": (
        (-0.6, -0.4),
        (-0.35, -0.55),
        (-0.68, -0.05),
        (-0.4, -0.12),
        (-0.62, 0.25),
        (-0.1, -0.6),
        (0.15, -0.65),
    ),
    "stomach": ((0.35, -0.42), (0.58, -0.25), (0.42, -0.15), (0.62, -0.5)),
    "spleen": ((0.72, -0.02), (0.7, 0.22)),
}
"""Where bowel lies instead of an organ that is absent."""


def paint_bowel(rng: np.random.Generator, canvas: Canvas, absent: Collection[str]) -> None:
    """Paint loops of bowel with fluid, contrast, gas or faeces, also in place of organs that are `absent`."""
    spots = [*LOOPS, *(spot for organ in IN_PLACE if organ in absent for spot in IN_PLACE[organ])]
    contents = ("bowel fluid", "bowel contrast", "bowel gas", "faeces")
    chance = rng.dirichlet((2.5, 1.0, 1.0, 1.2))
    for spot in spots:
        centre = np.asarray(spot) + rng.normal(0, 0.025, 2)
        radii = rng.uniform(0.075, 0.125, 2)
        loop = blob(rng, centre, radii, 0.1, float(rng.uniform(0, np.pi)))
        canvas.fill("bowel wall", loop)
        inner = centre + (loop - centre) * 0.82
        content = contents[int(rng.choice(4, p=chance))]
        canvas.fill("bowel fluid" if content == "bowel gas" else content, inner)
        if content == "bowel gas":
            _gas(canvas, "bowel gas", inner, float(rng.uniform(0.2, 0.8)))


def paint_liver(rng: np.random.Generator, canvas: Canvas, millimetre: float) -> None:
    """Paint the liver and the vessels in it."""
    canvas.fill("liver", smooth(jitter(rng, LIVER, 0.016)))
    stems = np.array([(-0.22, -0.1, 2.6), (-0.24, -0.13, -2.5), (-0.26, 0.02, 3.4), (-0.1, -0.34, -1.2)])
    vessels = branches(rng, stems[:, :2], stems[:, 2] + rng.normal(0, 0.25, 4), 6.5 * millimetre, 3)
    canvas.stroke("hepatic vessel", *vessels, over=("liver",))
    spots = rng.uniform((-0.85, -0.7), (0.2, 0.5), (14, 2))
    across = rng.uniform(0.9, 3.0, (14, 2)) * millimetre / canvas.axes
    canvas.fill("hepatic vessel", *map(dot, spots, across), over=("liver",))


def paint_gallbladder(rng: np.random.Generator, canvas: Canvas, millimetre: float) -> None:
    """Paint it into the fossa under the liver, half in the fat: its wall tells it from a cyst."""
    pear = blob(rng, (0, 0), (0.115, 0.062), 0.03)
    pear[:, 1] *= 1 + 2.5 * pear[:, 0]
    turn = float(rng.uniform(0.5, 0.95))
    pear = pear @ np.array([[np.cos(turn), np.sin(turn)], [-np.sin(turn), np.cos(turn)]])
    centre = np.array([-0.03, -0.25]) + rng.normal(0, 0.012, 2)
    canvas.fill("gallbladder wall", centre + pear * (1 + 1.3 * millimetre / canvas.axes / 0.08))
    canvas.fill("gallbladder", centre + pear)


def paint_spleen(rng: np.random.Generator, canvas: Canvas) -> None:
    """Paint the spleen at the image's right, along the wall."""
    middle = np.array([0.75, 0.2])
    shape = smooth(jitter(rng, SPLEEN, 0.014)) - middle
    canvas.fill("spleen", middle + shape * (1, rng.uniform(0.8, 1.0)))


def paint_pancreas(rng: np.random.Generator, canvas: Canvas) -> None:
    """Paint the pancreas with the splenic vein behind it."""
    curve = smooth(jitter(rng, PANCREAS, 0.012))
    canvas.fill("pancreas", curve + rng.normal(0, 0.006, curve.shape))
    canvas.fill("vessel", smooth(jitter(rng, ((-0.05, 0.03), (0.2, 0.0), (0.45, 0.07), (0.2, 0.03)), 0.006)))


def paint_stomach(rng: np.random.Generator, canvas: Canvas, millimetre: float) -> None:
    """Paint the stomach, its gas in front: the patient lies on the back."""
    middle = np.array([0.52, -0.32])
    outer = middle + (smooth(jitter(rng, STOMACH, 0.018)) - middle) * rng.uniform(0.78, 1.02)
    canvas.fill("stomach wall", outer)
    inner = middle + (outer - middle) * (1 - 4.0 * millimetre / canvas.axes / 0.28)
    inner += rng.normal(0, 0.006, inner.shape)
    canvas.fill("stomach fluid", inner)
    _gas(canvas, "stomach gas", inner, float(rng.uniform(0.1, 0.75)))


def _gas(canvas: Canvas, tissue: str, inner: Curve, share: float) -> None:
    """Fill the upper share of a curve: the level is flat in the image, however the body is turned."""
    height = canvas.pixels(inner)[:, 1]
    above = inner[height < height.min() + share * np.ptp(height)]
    if len(above) > 2:
        canvas.fill(tissue, above)


def paint_kidney(rng: np.random.Generator, canvas: Canvas, side: str, millimetre: float) -> None:
    """Paint the kidney of the patient's `side` with pyramids, sinus, vein, adrenal and the fat around it."""
    way = -1 if side == "right" else 1
    centre = np.array([way * 0.385, 0.355]) + rng.normal(0, 0.014, 2)
    tilt = rng.uniform(-0.1, 0.4)
    turn = np.array([[np.cos(tilt), np.sin(tilt)], [-np.sin(tilt), np.cos(tilt)]])
    shape = smooth(jitter(rng, KIDNEY, 0.007)) * rng.uniform(0.9, 1.08) @ turn * (way, 1)
    canvas.fill("mesentery", centre + shape * 1.16)
    x = centre[0] - way * 0.13
    limbs = [np.array([(x, 0.12), (x + way * 0.03, 0.2), (x + way * bend, 0.28)]) for bend in (0.02, 0.07)]
    canvas.stroke("adrenal", *((limb, 3.5 * millimetre) for limb in limbs))
    cortex, medulla = f"{side} cortex", f"{side} medulla"
    canvas.fill(cortex, centre + shape)
    angles = np.linspace(-1.9, 1.9, 6) + rng.normal(0, 0.12, 6)
    spots = np.stack([0.085 * np.cos(angles), 0.125 * np.sin(angles)], 1) @ turn * (way, 1)
    canvas.fill(medulla, *(blob(rng, centre + at, (0.026, 0.036), 0.12) for at in spots), over=(cortex,))
    sinus = blob(rng, centre - (way * 0.035, 0), (0.055, 0.075), 0.3)
    canvas.fill(f"{side} sinus", sinus, over=(cortex, medulla))
    hilum = np.array([centre - (way * 0.05, 0.0), (way * 0.24, 0.27), (way * 0.1, 0.14)])
    canvas.stroke("vessel", (hilum, 6 * millimetre))
