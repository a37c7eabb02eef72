"""A volume of voxels: what is cut from it is an image of its own that knows where it lies.

Voxels are ``(Z, Y, X)``: from the patient's inferior end up, from anterior to posterior, from the right to the left.
Planes are counted along these axes from 0 and shown as a radiologist sees them: the patient's right on the left of
axial and coronal planes, anterior on the left of sagittal ones; anterior, else superior, on top.
"""

from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from typing import Any, Literal, NamedTuple, get_args

import numpy as np
from numpy.typing import NDArray

from .geometry import Size
from .image import GIB, PLANES, PixelCache, Pixels, SourceImage
from .mask import Bits, Mask

Axis = Literal["axial", "coronal", "sagittal"]
AXES: tuple[Axis, ...] = get_args(Axis)
"""What planes are called that are counted along Z, Y and X."""
Shape = tuple[int, int, int]
Spacing = tuple[float | None, float | None, float | None]
"""Millimetres a voxel along Z, Y and X, each where known."""

WALKS = frozenset({"slice", "project"})
"""The tools that lead from one plane of a volume to others."""

VOLUMES = PixelCache(3 * GIB // 4)
"""Whole volumes, of images and of labels, as they are stored: 16 bits stay 16 bits."""


class Plane(NamedTuple):
    """One slice, by its axis and its position on it, from 0."""

    axis: Axis
    position: int


class Slab(NamedTuple):
    """Slices from `low` to `high`, both included, projected along their axis: no voxel lies under its pixels."""

    axis: Axis
    low: int
    high: int


Cut = Plane | Slab


class Place(NamedTuple):
    """Where an image was cut from a volume."""

    volume: "Volume"
    cut: Cut

    def __str__(self) -> str:
        axis, last = self.cut.axis, self.volume.count(self.cut.axis) - 1
        if isinstance(self.cut, Plane):
            return f"Slice {self.cut.position} of 0 to {last}, {axis}."
        return f"Projection of slices {self.cut.low} to {self.cut.high} of 0 to {last}, {axis}."


@dataclass(frozen=True, eq=False)
class Volume:
    """The voxels of a scan, read when they are looked at.

    All that is cut from it is shown in one scale of greys, that of its first plane, so that slices compare.

    Attributes:
        key: names the voxels within this process.
        shape: ``(Z, Y, X)``.
        spacing: millimetres a voxel, ``(z, y, x)``.
        load: reads all of it, as stored, ``(Z, Y, X)``.
        first: the plane that a task begins with.
        read: reads the first plane alone, as stored and as it is shown, ``(H, W)``.
        greys: from the values of the first plane, makes what turns values into ``uint8``.
        slope, intercept: what makes values of what is stored.
        unit: of the values: ``HU`` of a CT, empty where unknown.
        inverted: whether larger values are shown darker.
    """

    key: Hashable
    shape: Shape
    spacing: Spacing
    load: Callable[[], NDArray[Any]]
    first: Plane
    read: Callable[[], NDArray[Any]]
    greys: Callable[[NDArray[Any]], Callable[[NDArray[Any]], Pixels]]
    slope: float = 1.0
    intercept: float = 0.0
    unit: str = ""
    inverted: bool = False

    @classmethod
    def unseen(cls, shape: Shape, spacing: Spacing) -> "Volume":
        """Return a volume of which the shape is known and no more, as a kept episode has it."""
        return cls(("unseen", shape), shape, spacing, _not_kept, Plane("axial", 0), _not_kept, _not_kept)

    @property
    def source(self) -> SourceImage:
        """The first plane as an image."""
        return self.cut(self.first)

    def count(self, axis: Axis) -> int:
        """Return how many planes there are along an axis."""
        return self.shape[AXES.index(axis)]

    def cut(self, cut: Cut) -> SourceImage:
        """Return a plane or a projection as an image, not yet made; it is in the volume."""
        key = ("cut", self.key, self.first, cut)
        x, y = across(self.spacing, cut.axis)
        spacing = (x, y) if x and y else None
        made, stored = partial(_pixels, self, cut), partial(self.values, cut)
        image = SourceImage(key, made, spacing, stored, self.unit, self.inverted, place=Place(self, cut))
        vars(image)["size"] = self.size(cut.axis)
        return image

    def size(self, axis: Axis) -> Size:
        """Return the ``(width, height)`` of the planes along an axis, in voxels."""
        width, height = across(self.shape, axis)
        return width, height

    def values(self, cut: Cut) -> NDArray[Any]:
        """Return what was measured there, ``(H, W)``: of a projection, the largest values."""
        stored = PLANES.get(("stored", self.key, cut), lambda: self._stored(cut))
        if (self.slope, self.intercept) == (1.0, 0.0):
            return stored
        values: NDArray[np.float64] = stored.astype(np.float64) * self.slope + self.intercept
        return values

    def voxel(self, plane: Plane, x: float, y: float) -> tuple[float, float, float]:
        """Return where a point of a plane's pixels lies among the voxels, ``(z, y, x)``, continuous as pixels are."""
        middle, top = plane.position + 0.5, self.shape[0] - y
        return {"axial": (middle, y, x), "coronal": (top, middle, x), "sagittal": (top, x, middle)}[plane.axis]

    def _stored(self, cut: Cut) -> NDArray[Any]:
        # A task's first look should not wait for a whole volume; whoever walks on needs it all.
        if cut == self.first and VOLUMES.find(self.key) is None:
            return self.read()
        return cut_from(VOLUMES.get(self.key, self.load), cut, np.fmax if self.slope > 0 else np.fmin)

    @cached_property
    def _shown(self) -> Callable[[NDArray[Any]], Pixels]:
        return self.greys(self.values(self.first))


def across(along: tuple[Any, Any, Any], axis: Axis) -> tuple[Any, Any]:
    """Choose of what is given along Z, Y and X what goes across and down a plane."""
    z, y, x = along
    pairs: Mapping[Axis, tuple[Any, Any]] = {"axial": (x, y), "coronal": (x, z), "sagittal": (y, z)}
    return pairs[axis]


def cut_from(voxels: NDArray[Any], cut: Cut, largest: Any = np.fmax) -> NDArray[Any]:
    """Cut ``(Z, Y, X)`` along a plane, or project a slab of it, and turn it as it is shown, ``(H, W)``."""
    axis = AXES.index(cut.axis)
    if isinstance(cut, Plane):
        found: NDArray[Any] = voxels.take(cut.position, axis)
    else:
        part = [slice(None)] * axis + [slice(cut.low, cut.high + 1)]
        found = largest.reduce(voxels[tuple(part)], axis)
    return found if cut.axis == "axial" else found[::-1]


def stacked(planes: NDArray[Any], axis: Axis) -> NDArray[Any]:
    """Make ``(Z, Y, X)`` of all planes along an axis as they are shown, ``(N, H, W)``: what `cut_from` takes apart."""
    if axis == "axial":
        return planes
    return planes[:, ::-1].transpose((1, 0, 2) if axis == "coronal" else (1, 2, 0))


def _pixels(volume: Volume, cut: Cut) -> Pixels:
    return volume._shown(volume.values(cut))


def _not_kept(*_: Any) -> Any:
    raise ValueError("a kept episode has the shapes of its volumes and not their voxels")


@dataclass(frozen=True, eq=False)
class Solid:
    """A structure of a volume; its voxels are read when they are asked about, and held with those of volumes.

    Attributes:
        key: names the labels within this process; structures of one file share them.
        shape: ``(Z, Y, X)``.
        load: makes the labels, ``(Z, Y, X)``.
        values: the labels of what is inside; where none are given, all but 0.
    """

    key: Hashable
    shape: Shape
    load: Callable[[], NDArray[Any]]
    values: tuple[int, ...] = ()

    def on(self, plane: Plane) -> Mask:
        """Return the mask of a plane, in its pixels."""
        return Mask.of(self._inside(cut_from(self._labels, plane)))

    @property
    def area(self) -> int:
        """The number of voxels inside."""
        return int(self.areas["axial"].sum())

    @cached_property
    def areas(self) -> Mapping[Axis, NDArray[np.int64]]:
        """How many voxels inside each plane of each axis has."""
        labels = self._labels
        found = {axis: np.zeros(count, np.int64) for axis, count in zip(AXES, self.shape, strict=True)}
        for position, plane in enumerate(labels):
            bits = self._inside(plane)
            found["axial"][position] = bits.sum()
            found["coronal"] += bits.sum(1)
            found["sagittal"] += bits.sum(0)
        return found

    def labels(self) -> list[int]:
        """Return the labels that there are but for 0, in order."""
        return [int(label) for label in np.unique(self._labels) if label]

    def voxels(self) -> Bits:
        """Return all of it, ``(Z, Y, X)`` bool."""
        return self._inside(self._labels)

    def to_json(self) -> dict[str, Any]:
        """Return its shape and the masks of its axial planes, run-length codes by position; empty ones are left out."""
        positions = np.flatnonzero(self.areas["axial"])
        slices = {str(position): self.on(Plane("axial", int(position))).to_json() for position in positions}
        return {"shape": list(self.shape), "slices": slices}

    @classmethod
    def from_json(cls, code: Mapping[str, Any]) -> "Solid":
        """Read what `to_json` wrote."""
        depth, height, width = code["shape"]
        slices = tuple((int(position), Mask.from_json(mask)) for position, mask in code["slices"].items())
        shape = (depth, height, width)
        return cls(("coded", shape, slices), shape, partial(_decoded, shape, slices))

    @property
    def _labels(self) -> NDArray[Any]:
        return VOLUMES.get(self.key, self.load)

    def _inside(self, labels: NDArray[Any]) -> Bits:
        if len(self.values) > 1:
            return np.isin(labels, self.values)
        return np.asarray(labels == self.values[0] if self.values else labels != 0)


def united(solids: Sequence[Solid]) -> Solid:
    """Return what any of several structures of one volume holds."""
    if len(solids) == 1:
        return solids[0]
    key = ("united", *((solid.key, solid.values) for solid in solids))
    return Solid(key, solids[0].shape, partial(_any, tuple(solids)))


def _any(solids: tuple[Solid, ...]) -> Bits:
    found = np.zeros(solids[0].shape, bool)
    for solid in solids:
        found |= solid.voxels()
    return found


def _decoded(shape: Shape, slices: tuple[tuple[int, Mask], ...]) -> Bits:
    voxels = np.zeros(shape, bool)
    for position, mask in slices:
        voxels[position] = mask.bits()
    return voxels


@dataclass(frozen=True)
class Stack:
    """Masks on planes of one axis, by their positions: together, a mask in voxels that is empty elsewhere.

    Two empty ones agree perfectly, as masks of an image do.
    """

    axis: Axis = "axial"
    masks: tuple[tuple[int, Mask], ...] = ()

    @classmethod
    def of(cls, marked: list[tuple[Plane, Mask]]) -> "Stack":
        """Put masks together; several on one plane are united.

        Raises:
            ValueError: where they lie on planes of different axes, or there are none.
        """
        (axis,) = {plane.axis for plane, _ in marked}
        by_position: dict[int, list[Mask]] = {}
        for plane, mask in marked:
            by_position.setdefault(plane.position, []).append(mask)
        united = {k: each[0] if len(each) == 1 else _united(each) for k, each in by_position.items()}
        return cls(axis, tuple(sorted(united.items(), key=lambda item: item[0])))

    @property
    def area(self) -> int:
        """The number of voxels inside."""
        return sum(mask.area for _, mask in self.masks)

    def iou(self, solid: Solid) -> float:
        """Intersection over union with a structure, in voxels."""
        if not self.area or not solid.area:
            return float(self.area == solid.area)
        shared = 0.0
        for position, mask in self.masks:
            true = solid.on(Plane(self.axis, position))
            shared += float((mask.bits() & true.bits()).sum()) if mask.size == true.size else 0.0
        return shared / (self.area + solid.area - shared)

    def dice(self, solid: Solid) -> float:
        """Dice coefficient, ``2 IoU / (1 + IoU)``."""
        iou = self.iou(solid)
        return 2 * iou / (1 + iou)


def _united(masks: list[Mask]) -> Mask:
    return Mask.of(np.any([mask.bits() for mask in masks], axis=0))
