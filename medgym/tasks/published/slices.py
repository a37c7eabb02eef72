"""The slice of a volume that a task is about: where a structure is largest, or one without it.

Which slice that is takes a look at all labels; it is taken when the task is asked for, once for all of a volume's.
"""

import os
from dataclasses import dataclass
from functools import lru_cache, partial
from importlib import import_module

import numpy as np
from numpy.typing import NDArray

from ...core.errors import InputError
from ...core.geometry import Size
from ...core.image import Pixels, SourceImage
from ...core.mask import Mask
from ...core.volume import Solid
from ..greys import fitted
from ..readers import careful, guarded, open_labels
from ..volumes import Values, areas_of, layout_of, plane_of, volume_of
from .pictures import MISSING, UNREADABLE


@dataclass(frozen=True)
class Slice:
    """A slice of a scan, chosen by a label of its labels; `without` it, or where it is largest."""

    scan: str
    labels: str
    label: int
    without: bool = False
    channel: int = 0
    unit: str = ""

    def open(self) -> SourceImage:
        """Return the image, not yet decoded; where there are more slices, it knows its place among them."""
        whole = guarded(self.scan, "nifti", lambda: volume_of(self.scan, self.number, self.channel, self.unit))
        if whole is not None:
            return careful(whole, self.scan, "nifti").source
        facts = os.stat(self.scan)
        where = (self.scan, self.number, self.channel)
        spacing = guarded(self.scan, "nifti", lambda: layout_of(import_module("nibabel").load(self.scan)).spacing)
        key = ("slice", *where, facts.st_mtime_ns, facts.st_size)
        return SourceImage(key, partial(_pixels, *where), spacing, partial(_stored, *where), self.unit)

    def fault(self) -> str:
        """Say why it cannot be served, or nothing; reads the headers."""
        if not os.path.isfile(self.scan):
            return MISSING
        if not os.path.isfile(self.labels):
            return "the mask is missing"
        return _fault(self.scan, self.labels)

    @property
    def identity(self) -> str:
        """What it shares with copies of itself."""
        return self.scan

    @property
    def number(self) -> int:
        """Which slice it is, as they are shown."""
        areas = guarded(self.labels, "nifti", lambda: _areas(self.labels))[:, self.label]
        present, absent = np.flatnonzero(areas), np.flatnonzero(areas == 0)
        if self.without:
            return int(absent[len(absent) // 2] if len(absent) else areas.argmin())
        return int(areas.argmax() if len(present) else len(areas) // 2)


@dataclass(frozen=True)
class SliceLabel:
    """The mask of a label in a slice."""

    where: Slice
    label: int

    def read(self, size: Size) -> Mask:
        """Return the mask of an image of `size`, ``(width, height)``."""
        path, number = self.where.labels, self.where.number
        values = guarded(path, "nifti", lambda: plane_of(path, number)[0])
        if values.shape[::-1] != tuple(size):
            raise InputError(f"{path}: the labels' slices are not as large as the scan's")
        return Mask.of(np.rint(values) == self.label)

    def solid(self) -> Solid | None:
        """Return the structure in voxels; None where there is one slice."""
        return open_labels(self.where.labels, (self.label,))


@lru_cache(maxsize=1024)
def _areas(path: str) -> NDArray[np.int64]:
    return areas_of(path).astype(np.int32)


@lru_cache(maxsize=4096)
def _fault(scan: str, labels: str) -> str:
    load = import_module("nibabel").load
    try:
        shapes = [guarded(path, "nifti", partial(lambda path: load(path).shape[:3], path)) for path in (scan, labels)]
    except InputError:
        return UNREADABLE
    return "" if shapes[0] == shapes[1] else "the mask has another size than its image"


def _pixels(path: str, number: int, channel: int) -> Pixels:
    return guarded(path, "nifti", lambda: np.ascontiguousarray(fitted(plane_of(path, number, channel)[0])))


def _stored(path: str, number: int, channel: int) -> Values:
    return guarded(path, "nifti", lambda: plane_of(path, number, channel)[0])
