"""A scene: a made image with the exact mask of everything in it, and how hard it is to read."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from pycocotools import mask as coco

from ...core.geometry import Size
from ...core.image import Pixels
from ...core.mask import Mask

Quadrant = tuple[int, int]
"""``(column, row)`` of an image quadrant as displayed: ``(0, 0)`` is the upper left one."""


class Level(NamedTuple):
    """How hard a scene is to read.

    Attributes:
        contrast: of a lesion against its surroundings; 1 is as in a textbook.
        sizes: the share of a finding's range of sizes, from 0 to 1, that lesions are drawn from.
        noise: of the acquisition; 1 is usual.
        clutter: from 0 to 1, how much harmless anatomy or dirt looks like something.
        occlusion: from 0 to 1, how much lies over what is asked for.
        others: the largest number of lesions beside those that a question is about.
    """

    contrast: float
    sizes: tuple[float, float]
    noise: float
    clutter: float
    occlusion: float
    others: int


LEVELS = (
    Level(1.4, (0.5, 1.0), 0.6, 0.0, 0.0, 1),
    Level(1.0, (0.25, 1.0), 1.0, 0.35, 0.2, 2),
    Level(0.75, (0.05, 0.8), 1.25, 0.7, 0.5, 2),
    Level(0.55, (0.0, 0.6), 1.5, 1.0, 0.8, 3),
)
"""The difficulties 0 to 3."""


@dataclass(frozen=True)
class Lesion:
    """A lesion asked for before the scene is drawn.

    Attributes:
        host: the part of the image that holds it, such as ``liver``.
        finding: what it is, such as ``cyst``.
        quadrant: the image quadrant its centre must lie in; None for anywhere in the host.
        size: from 0, the smallest of its finding, to 1, the largest; None for what the level has.
    """

    host: str
    finding: str
    quadrant: Quadrant | None = None
    size: float | None = None

    @property
    def name(self) -> str:
        """Such as ``liver cyst``."""
        return f"{self.host} {self.finding}"


@dataclass(frozen=True)
class Structure:
    """One thing in a scene: an organ with all that lies in it, or one single lesion.

    Attributes:
        name: such as ``left kidney`` or ``left kidney cyst``; several lesions may share one.
        mask: its visible pixels; an organ's includes those of its lesions.
        host: of a lesion, what holds it; empty for an organ.
        finding: of a lesion, what it is; empty for an organ.
        diameter: of a lesion, its longest diameter in units of the exam.
    """

    name: str
    mask: Mask
    host: str = ""
    finding: str = ""
    diameter: float = 0.0


@dataclass(frozen=True, eq=False)
class Scene:
    """A made image and what is in it.

    Attributes:
        pixels: ``(H, W)`` or ``(H, W, 3) uint8``.
        pitch: the width of a pixel in units of the exam.
        structures: organs and single lesions.
        notes: what else is known of it, such as ``{"sequence": "T2"}``.
        hounsfield: of a CT, ``(H, W) int16``, what the scanner measured in HU, without what was etched later.
    """

    pixels: Pixels
    pitch: float
    structures: tuple[Structure, ...]
    notes: Mapping[str, str] = field(default_factory=dict)
    hounsfield: NDArray[np.int16] | None = None

    @property
    def size(self) -> Size:
        """``(width, height)`` in pixels."""
        height, width = self.pixels.shape[:2]
        return width, height

    @property
    def lesions(self) -> tuple[Structure, ...]:
        """The lesions, each on its own."""
        return tuple(s for s in self.structures if s.finding)

    def named(self, name: str) -> tuple[Structure, ...]:
        """Return the structures of one name; ``lesion`` means all lesions."""
        return self.lesions if name == "lesion" else tuple(s for s in self.structures if s.name == name)

    def masks(self) -> dict[str, Mask]:
        """Return every name's mask, lesions of one name united; ``lesion`` is the union of all."""
        names = [s.name for s in self.structures] + ["lesion"] * bool(self.lesions)
        return {name: union(s.mask for s in self.named(name)) for name in dict.fromkeys(names)}


def union(masks: Iterable[Mask]) -> Mask:
    """Unite masks of one image, at least one, without decoding them."""
    held = list(masks)
    if len(held) == 1:
        return held[0]
    width, height = held[0].size
    merged = coco.merge([{"size": [height, width], "counts": mask.counts} for mask in held])
    return Mask(held[0].size, merged["counts"])
