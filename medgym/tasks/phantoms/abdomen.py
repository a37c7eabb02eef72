"""The upper abdomen: what it is made of, and the order in which it is painted."""

from collections.abc import Collection

import numpy as np

from .organs import (
    paint_bowel,
    paint_gallbladder,
    paint_kidney,
    paint_liver,
    paint_pancreas,
    paint_spleen,
    paint_stomach,
)
from .paint import Canvas
from .trunk import paint_back, paint_ribs, paint_spine, paint_table, paint_vessels, paint_wall

TISSUES: dict[str, tuple[float, float, float]] = {
    "air": (-1000, 0, 0),
    "table": (-400, 0, 0),
    "table shell": (60, 0, 0),
    "skin": (-10, 10, 6),
    "fat": (-112, 0, 7),
    "strand": (-50, 10, 6),
    "muscle": (46, 16, 8),
    "muscle fat": (-40, 0, 14),
    "extraperitoneal fat": (-104, 0, 7),
    "mesentery": (-104, 0, 9),
    "cartilage": (95, 15, 10),
    "rib": (430, 0, 30),
    "rib marrow": (230, 0, 60),
    "bone": (470, 0, 40),
    "marrow": (170, 20, 34),
    "cord": (30, 0, 4),
    "canal": (-10, 0, 4),
    "vessel": (40, 110, 4),
    "liver": (56, 56, 4),
    "hepatic vessel": (46, 100, 3),
    "gallbladder": (8, 0, 2),
    "gallbladder wall": (40, 60, 0),
    "adrenal": (34, 50, 4),
    "spleen": (48, 74, 4),
    "right cortex": (36, 150, 6),
    "right medulla": (34, 118, 6),
    "right sinus": (-70, 0, 12),
    "left cortex": (36, 150, 6),
    "left medulla": (34, 118, 6),
    "left sinus": (-70, 0, 12),
    "stomach wall": (40, 50, 5),
    "stomach fluid": (24, 0, 9),
    "stomach gas": (-960, 0, 0),
    "pancreas": (38, 60, 12),
    "bowel wall": (42, 55, 6),
    "bowel fluid": (25, 0, 10),
    "bowel contrast": (330, 0, 30),
    "bowel gas": (-940, 0, 0),
    "faeces": (-40, 0, 70),
    "aorta": (42, 125, 3),
    "vena cava": (42, 95, 4),
}
"""Unenhanced Hounsfield units, what full enhancement adds, and the amplitude of the texture.

What lies outside the cavity comes before the mesentery, so that organs can be kept inside.
"""

HOSTS = ("liver", "spleen", "left kidney", "right kidney")
PARTS: dict[str, tuple[str, ...]] = {
    "liver": ("liver", "hepatic vessel"),
    "spleen": ("spleen",),
    "left kidney": ("left cortex", "left medulla", "left sinus"),
    "right kidney": ("right cortex", "right medulla", "right sinus"),
    "stomach": ("stomach wall", "stomach fluid", "stomach gas"),
    "gallbladder": ("gallbladder", "gallbladder wall"),
    "aorta": ("aorta",),
    "inferior vena cava": ("vena cava",),
    "pancreas": ("pancreas",),
    "vertebra": ("bone", "marrow", "cord", "canal"),
}
"""The tissues each structure consists of, the commonest first."""


def paint_abdomen(
    rng: np.random.Generator, canvas: Canvas, millimetre: float, absent: Collection[str], clutter: float
) -> None:
    """Paint a slice through the upper abdomen back to front; `millimetre` is its length in pixels."""
    if rng.random() < 0.6:
        paint_table(canvas, millimetre)
    wall = paint_wall(rng, canvas, millimetre)
    canvas.keep("mesentery")
    paint_vessels(rng, canvas, millimetre, clutter)
    paint_bowel(rng, canvas, absent)
    if "liver" not in absent:
        paint_liver(rng, canvas, millimetre)
    if "spleen" not in absent:
        paint_spleen(rng, canvas)
    paint_pancreas(rng, canvas)
    if "stomach" not in absent:
        paint_stomach(rng, canvas, millimetre)
    if "gallbladder" not in absent:
        paint_gallbladder(rng, canvas, millimetre)
    for side in ("right", "left"):
        if f"{side} kidney" not in absent:
            paint_kidney(rng, canvas, side, millimetre)
    canvas.keep("skin")
    paint_back(rng, canvas, millimetre)
    paint_spine(rng, canvas, millimetre)
    paint_ribs(rng, canvas, wall, millimetre)
