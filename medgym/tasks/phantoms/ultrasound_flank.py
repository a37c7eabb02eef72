"""The right flank in a sagittal plane as an ultrasound beam meets it: tissues, and the order they are painted in.

Lengths are in millimetres of an average patient, from the middle of the skin under the transducer: x grows towards
the feet, which are at the image's right, and y with depth.
"""

from collections.abc import Collection, Sequence

import numpy as np

from .paint import Canvas, Curve, Place, blob, dot, jitter, smooth

TISSUES: dict[str, float] = {
    "outside": -120,
    "mesentery": 84,
    "lung": 74,
    "psoas": 62,
    "fascia": 96,
    "perirenal fat": 150,
    "anterior liver": 124,
    "posterior liver": 124,
    "anterior triad": 180,
    "posterior triad": 180,
    "anterior vessel": 26,
    "posterior vessel": 26,
    "hepatic vein": 22,
    "capsule": 178,
    "diaphragm": 232,
    "upper cortex": 107,
    "lower cortex": 107,
    "upper waist": 107,
    "lower waist": 107,
    "upper pyramid": 95,
    "lower pyramid": 95,
    "upper sinus": 166,
    "lower sinus": 166,
    "gallbladder wall": 158,
    "gallbladder": -8,
    "muscle": 76,
    "septum": 132,
    "skin fat": 100,
    "aponeurosis": 196,
    "skin": 186,
}
"""The grey level of each tissue's echo at middling depth and gain."""

CONVEXITY = ((-140, 26), (-110, 18), (-80, 12), (-40, 15), (0, 18), (36, 20), (60, 26), (70, 36), (66, 47), (60, 54))
"""The front of the liver; its back is behind other organs."""
UNDERSIDE = ((40, 80), (20, 100), (1, 122), (-20, 131), (-36, 128), (-56, 112), (-68, 92), (-82, 74), (-112, 50))
DIAPHRAGM = ((-140, 45), (-112, 52), (-88, 67), (-72, 88), (-56, 108), (-38, 122), (-18, 130), (6, 132), (28, 130))
VEIN = ((-124, 102), (-98, 92), (-75, 82), (-54, 71), (-30, 62), (-6, 55.5), (18, 51.5), (42, 48), (74, 44), (96, 42))
"""The right hepatic vein, from its mouth on: it parts the anterior section of the liver from the posterior one."""
KIDNEY = (27.0, 98.0)
GALLBLADDER = (51.0, 60.0)
TRIADS = {
    "anterior": ((-40, 40, 0.1), (-2, 31, -0.2), (30, 35, 0.15)),
    "posterior": ((-54, 90, 0.7), (-34, 78, -0.3), (4, 63, -0.2)),
}
"""Where portal branches begin, and their headings."""


def paint_flank(rng: np.random.Generator, canvas: Canvas, apex: Place, absent: Collection[str], clutter: float) -> None:
    """Paint what lies under a transducer that is curved around the `apex`, back to front."""
    canvas.labels[:] = canvas.tissues.index("mesentery")
    _paint_back(rng, canvas)
    _paint_liver(rng, canvas, clutter)
    _paint_kidney(rng, canvas, clutter)
    if "gallbladder" not in absent:
        _paint_gallbladder(rng, canvas)
    _paint_wall(rng, canvas, np.asarray(apex))


def _line(points: Sequence[tuple[float, float]] | Curve, steps: int = 6) -> Curve:
    """Round an open line off; its first and last points only lead in and out."""
    return smooth(points, steps)[steps : steps * (len(points) - 2) + 1]


def _tube(line: Curve, first: float, last: float) -> Curve:
    """Return the outline of a line with round ends, as wide as `first` where it begins and `last` at its end."""
    wide = np.concatenate([line[:1], line, line[-1:]])
    along = wide[2:] - wide[:-2]
    along /= np.sqrt((along**2).sum(1))[:, None]
    across = along[:, ::-1] * (-1, 1)
    half = across * np.linspace(first / 2, last / 2, len(line))[:, None]
    start, end = line[0] - along[0] * (first / 2), line[-1] + along[-1] * (last / 2)
    return np.concatenate([[start], line + half, [end], (line - half)[::-1]])


def _paint_back(rng: np.random.Generator, canvas: Canvas) -> None:
    """Paint the muscle behind the organs, with its strands."""
    canvas.fill("psoas", jitter(rng, ((-30, 118), (30, 122), (120, 104), (120, 240), (-60, 240)), 3))
    start = rng.uniform((-30, 122), (60, 160), (16, 2))
    middle = start + np.stack([rng.uniform(6, 20, 16), rng.uniform(-3, 1, 16)], 1)
    strands = np.stack([start, middle, 2 * middle - start + rng.normal(0, 0.8, (16, 2))], 1)
    canvas.stroke("fascia", *((strand, float(canvas.axes[0])) for strand in strands))


def _paint_liver(rng: np.random.Generator, canvas: Canvas, clutter: float) -> None:
    """Paint the liver's two sections, the vein between them, their vessels and the diaphragm behind."""
    front = _line(jitter(rng, CONVEXITY, 1.0))
    vein = _line(jitter(rng, VEIN, 1.3) + np.array([0, rng.normal(0, 1.5)]))
    canvas.fill("capsule", np.concatenate([front - (0, 0.9), UNDERSIDE]))
    canvas.fill("posterior liver", np.concatenate([front, UNDERSIDE]))
    canvas.fill("anterior liver", np.concatenate([front[front[:, 1] < 42], vein[::-1]]))
    calibre = float(rng.uniform(4.5, 7.0))
    canvas.fill("hepatic vein", _tube(vein, calibre, 0.3 * calibre))
    for half, way in (("anterior", -1), ("posterior", 1)):
        _paint_tributaries(rng, canvas, half, way, vein)
        _paint_vessels(rng, canvas, half, clutter)
    dome = _line(jitter(rng, DIAPHRAGM, 1.0) + rng.normal(0, 2.0, 2))
    canvas.fill("lung", np.concatenate([dome, [(110, 260), (-260, 260), (-260, 40)]]))
    canvas.fill("diaphragm", _tube(dome, 1.3 * float(rng.uniform(1.7, 2.6)), 0.4))


def _paint_tributaries(rng: np.random.Generator, canvas: Canvas, half: str, way: int, vein: Curve) -> None:
    """Paint veins that run together into the hepatic vein, on the side `way` of it."""
    for at in rng.choice(np.arange(8, len(vein) - 10), 2, replace=False):
        turns = way * (0.75 - np.cumsum(rng.uniform(0.02, 0.14, 6))) - 0.2
        steps = np.stack([np.cos(turns), np.sin(turns)], 1) * rng.uniform(2.0, 3.6)
        line = vein[at] + np.concatenate([np.zeros((1, 2)), np.cumsum(steps, 0)])
        canvas.fill(f"{half} vessel", _tube(line, rng.uniform(2.4, 3.6), 0.7), over=(f"{half} liver",))


def _paint_vessels(rng: np.random.Generator, canvas: Canvas, half: str, clutter: float) -> None:
    """Paint portal branches, bright on both sides of their lumen, and with `clutter` veins cut across."""
    spots = TRIADS[half]
    for x, y, heading in spots:
        turns = heading + rng.normal(0, 0.25) + np.cumsum(rng.normal(0, 0.2, 7))
        steps = np.stack([np.cos(turns), np.sin(turns)], 1) * rng.uniform(1.4, 3.4)
        way = np.array([x, y]) + rng.normal(0, 3, 2) + np.concatenate([np.zeros((1, 2)), np.cumsum(steps, 0)])
        bore = float(rng.uniform(1.4, 3.2))
        canvas.fill(f"{half} triad", _tube(way, bore + 2.8, 2.6), over=(f"{half} liver", f"{half} vessel"))
        canvas.fill(f"{half} vessel", _tube(way, bore, 0.5), over=(f"{half} triad",))
    for x, y, _ in spots[: int(2.4 * clutter)]:
        at = np.array([x, y]) + rng.normal(0, 9, 2)
        canvas.fill(f"{half} vessel", dot(at, rng.uniform(1.2, 2.2, 2)), over=(f"{half} liver",))


def _paint_kidney(rng: np.random.Generator, canvas: Canvas, clutter: float) -> None:
    """Paint the kidney in its fat: its poles are told apart at the middle of its length."""
    centre = np.array(KIDNEY) + rng.normal(0, 1.5, 2)
    tilt = -float(rng.uniform(0.04, 0.2))
    turn = np.array([[np.cos(tilt), np.sin(tilt)], [-np.sin(tilt), np.cos(tilt)]])
    half = np.array([rng.uniform(51, 55), rng.uniform(26.5, 28.5)])
    shape = blob(rng, (0, 0), half, 0.025)
    canvas.fill("perirenal fat", centre + shape * (1 + 2.4 / half) @ turn)

    def both(tissue: str, *curves: Curve, least: float = -99, most: float = 99) -> None:
        for pole, way, first, last in (("upper", -1, least, 0.0), ("lower", 1, 0.0, most)):
            there = [c for c in curves if (way * c[:, 0]).max() > 0]
            cut = [centre + np.stack([np.clip(c[:, 0], first, last), c[:, 1]], 1) @ turn for c in there]
            if cut:
                canvas.fill(f"{pole} {tissue}", *cut)

    both("cortex", shape)
    both("waist", shape, least=-3.5, most=3.5)
    angle = np.arange(9) * (2 * np.pi / 9) + rng.normal(0, 0.1, 9)
    spots = np.stack([np.cos(angle) * 0.62, np.sin(angle) * 0.6], 1) * half
    size = np.array([5.0, 3.6]) * (0.5 + 0.5 * clutter)
    pyramids = [blob(rng, at, size, 0.15, turn=float(a)) for at, a in zip(spots, angle, strict=True)]
    both("pyramid", *pyramids)
    spread = np.linspace(-0.35, 0.35, 7) * half[0] + rng.normal(0, 1.5, 7)
    sizes = rng.uniform(0.8, 1.2, (7, 1)) * np.stack([np.full(7, 5.5), 6.5 - 0.12 * np.abs(spread)], 1)
    lobes = [blob(rng, (x, rng.normal(0, 1.6)), size, 0.2, waves=9) for x, size in zip(spread, sizes, strict=True)]
    both("sinus", *lobes)
    slits = [blob(rng, (x, rng.normal(0, 1)), (rng.uniform(2.5, 5), 1.0), 0.3) for x in rng.uniform(-16, 16, 3)]
    both("pyramid", *slits)


def _paint_gallbladder(rng: np.random.Generator, canvas: Canvas) -> None:
    """Paint the gallbladder under the edge of the liver, its neck towards the head."""
    pear = blob(rng, (0, 0), (rng.uniform(19, 24), rng.uniform(8, 10)), 0.02)
    pear[:, 1] *= 1 + 0.014 * pear[:, 0]
    tilt = float(rng.normal(-0.3, 0.08))
    turn = np.array([[np.cos(tilt), np.sin(tilt)], [-np.sin(tilt), np.cos(tilt)]])
    centre = np.array(GALLBLADDER) + rng.normal(0, 1.2, 2)
    canvas.fill("gallbladder wall", centre + (pear * (1 + 1.5 / np.array([22, 9]))) @ turn)
    canvas.fill("gallbladder", centre + pear @ turn)


def _paint_wall(rng: np.random.Generator, canvas: Canvas, apex: Curve) -> None:
    """Paint the layers that the transducer rests on: they follow its curve."""
    width = float(canvas.axes[0])
    angle = np.linspace(-0.8, 0.8, 41)
    bow = np.stack([np.sin(angle), np.cos(angle)], 1)

    def arc(depth: float, wave: float = 0.4) -> Curve:
        wavy = depth + wave * np.sin(angle * rng.uniform(4, 9) + rng.uniform(0, 6))
        return np.asarray(bow * (wavy - apex[1])[:, None] + apex)

    fat, muscle = rng.uniform(5.0, 8.0), rng.uniform(12.5, 15.0)
    above = np.array([(60, -80), (-60, -80)])
    bottom = arc(muscle, 0.35)
    canvas.fill("muscle", np.concatenate([bottom, above]))
    first = rng.integers(0, 24, 7)
    depths = [*rng.uniform(fat + 1, muscle - 1, 4), *rng.uniform(2.5, fat, 3)]
    lines = [(arc(float(d))[k : k + 16], 0.5 * width) for d, k in zip(depths, first, strict=True)]
    canvas.stroke("septum", *lines[:4])
    canvas.stroke("aponeurosis", (bottom, 0.9 * width))
    inner = arc(fat, 0.4)
    canvas.fill("skin fat", np.concatenate([inner, above]))
    canvas.stroke("septum", *lines[4:])
    canvas.stroke("aponeurosis", (inner, 0.8 * width))
    canvas.fill("skin", np.concatenate([arc(float(rng.uniform(1.4, 2.2))), above]))
