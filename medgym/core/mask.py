"""Binary masks of an image, held as COCO run-length codes: small, immutable, compared without decoding."""

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pycocotools import mask as coco

from .geometry import Affine, Box, Size, intersect, snap

Bits = NDArray[np.bool_]


@dataclass(frozen=True)
class Mask:
    """A mask in the pixels of one original image.

    Two empty masks agree perfectly (IoU and Dice 1): "nothing is there" is a right answer where nothing
    is there. One empty mask against a non-empty one scores 0.

    Attributes:
        size: ``(width, height)`` of the image.
        counts: COCO's compressed run-length code.
    """

    size: Size
    counts: bytes

    @classmethod
    def of(cls, bits: NDArray[Any]) -> "Mask":
        """Encode an ``(H, W)`` array; whatever is non-zero is inside."""
        code = coco.encode(np.asfortranarray(bits != 0, dtype=np.uint8))
        return cls((bits.shape[1], bits.shape[0]), code["counts"])

    @classmethod
    def of_box(cls, box: Box, size: Size) -> "Mask":
        """Fill a box of an image of `size`, rounded to whole pixels."""
        bits = np.zeros((size[1], size[0]), bool)
        x1, y1, x2, y2 = snap(box, size)
        bits[y1:y2, x1:x2] = True
        return cls.of(bits)

    @classmethod
    def empty(cls, size: Size) -> "Mask":
        """Return the mask of nothing."""
        return cls.of(np.zeros((size[1], size[0]), bool))

    def bits(self) -> Bits:
        """Decode to an ``(H, W)`` bool array of the caller's own, laid out by columns."""
        runs = _runs(self.counts)
        inside = np.repeat((np.arange(len(runs)) & 1).astype(np.bool_), runs)
        return inside.reshape(self.size).T

    @cached_property
    def area(self) -> int:
        """Number of pixels inside."""
        return int(coco.area(self._code))

    @cached_property
    def box(self) -> Box | None:
        """The bounding box, or None for an empty mask."""
        if not self.area:
            return None
        x, y, w, h = (float(v) for v in coco.toBbox(self._code))
        return x, y, x + w, y + h

    def iou(self, other: "Mask") -> float:
        """Intersection over union; 0 for masks of images of different size."""
        if self.size != other.size:
            return 0.0
        if not self.area or not other.area:
            return float(self.area == other.area)
        return float(coco.iou([self._code], [other._code], [0])[0, 0])

    def dice(self, other: "Mask") -> float:
        """Dice coefficient, ``2 IoU / (1 + IoU)``."""
        iou = self.iou(other)
        return 2 * iou / (1 + iou)

    def seen(self, to_original: Affine, size: Size) -> Bits:
        """Return the ``(h, w)`` bits a view of `size` shows, by the pixel under each pixel's centre."""
        shown = np.zeros((size[1], size[0]), bool)
        if self.box is None:
            return shown
        part = intersect(_wider(to_original.inverse().box(self.box)), (0, 0, *size))
        left, top, right, bottom = (int(v) for v in part)
        if left >= right or top >= bottom:
            return shown
        bits = self.bits()
        u, v = np.arange(left, right) + 0.5, np.arange(top, bottom)[:, None] + 0.5
        # What does not change along an axis stays one row or column: a tenth of the time.
        x, y = (
            np.asarray((a * u if a else 0.0) + (b * v if b else 0.0) + c, np.float64)
            for a, b, c in (to_original[:3], to_original[3:])
        )
        columns, across = _within(x, self.size[0])
        rows, down = _within(y, self.size[1])
        shown[top:bottom, left:right] = bits[rows, columns] & across & down
        return shown

    def to_json(self) -> dict[str, Any]:
        """Return COCO's form: ``{"size": [height, width], "counts": text}``."""
        return {"size": [self.size[1], self.size[0]], "counts": self.counts.decode("ascii")}

    @classmethod
    def from_json(cls, code: dict[str, Any]) -> "Mask":
        """Read what `to_json` wrote.

        Raises:
            ValueError: where the runs do not fill the mask.
        """
        height, width = code["size"]
        counts = code["counts"].encode("ascii")
        runs = _runs(counts) if counts else np.zeros(1, np.int64)
        if runs.min() < 0 or runs.sum() != height * width:
            raise ValueError(f"the mask's runs do not fill {width} x {height} pixels")
        return cls((width, height), counts)

    @property
    def _code(self) -> dict[str, Any]:
        return {"size": [self.size[1], self.size[0]], "counts": self.counts}


def _runs(counts: bytes) -> NDArray[np.int64]:
    """Read COCO's code: runs of outside and inside in turn, down the columns.

    Each number is five bits a character, lowest first, and from the fourth on the difference to the number
    two before. pycocotools' own decoder warns under current NumPy and takes six times as long.
    """
    five = np.frombuffer(counts, np.uint8).astype(np.int64) - 48
    last = np.flatnonzero(five & 0x20 == 0)
    first = np.concatenate(([0], last[:-1] + 1))
    length = last - first + 1
    place = np.arange(len(five)) - np.repeat(first, length)
    runs: NDArray[np.int64] = np.add.reduceat((five & 0x1F) << (5 * place), first)
    runs -= np.where(five[last] & 0x10, 1 << (5 * length), 0)
    runs[1::2], runs[2::2] = np.cumsum(runs[1::2]), np.cumsum(runs[2::2])
    return runs


def longest_diameter(bits: Bits, pitch: float | tuple[float, float]) -> float:
    """Measure the longest straight line across ``(H, W)`` bits (maximum Feret diameter); 0 for none.

    It is in the unit in which `pitch` gives the width of a pixel, or its width and height.
    """
    rows = np.flatnonzero(bits.any(1))
    if not len(rows):
        return 0.0
    left = bits[rows].argmax(1)
    right = bits.shape[1] - bits[rows, ::-1].argmax(1)
    corners = [np.stack([x, y], 1) for x in (left, right) for y in (rows, rows + 1)]
    angle = np.arange(180) * (np.pi / 180)
    reach = np.asarray(pitch) * np.concatenate(corners) @ np.stack([np.cos(angle), np.sin(angle)])
    return float(np.ptp(reach, axis=0).max())


def _wider(box: Box) -> Box:
    return box[0] - 1, box[1] - 1, box[2] + 2, box[3] + 2


def _within(coordinate: NDArray[np.floating[Any]], limit: int) -> tuple[NDArray[np.intp], Bits]:
    """Return whole coordinates, and which of them are inside; the others are moved to the edge."""
    whole: NDArray[np.intp] = np.floor(coordinate).astype(np.intp)
    held = np.clip(whole, 0, limit - 1)
    return held, np.asarray(held == whole)
