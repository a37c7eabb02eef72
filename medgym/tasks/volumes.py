"""NIfTI volumes and their slices as a radiologist sees them: patient's right on the left, anterior or superior on top.

Slices are numbered from the patient's inferior end (of a sagittal or coronal plane, from where it is cut).
"""

import os
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..core.errors import InputError
from ..core.volume import Plane, Shape, Volume
from .greys import fitting

Spacing = tuple[float, float]
Values = NDArray[Any]
MILLIMETRES = {"meter": 1000.0, "micron": 0.001}


class Layout(NamedTuple):
    """How a volume is shown: `turn` takes its axes to left, posterior and superior; `across` is sliced.

    `shape` is ``(Z, Y, X)``, and `zooms` are millimetres along these, 0 where unknown.
    """

    turn: NDArray[Any]
    across: int
    spacing: Spacing | None
    shape: Shape
    zooms: tuple[float, float, float]

    @property
    def axis(self) -> int:
        """Which of the file's axes is sliced; one that it may lack."""
        return int(list(self.turn[:, 0]).index(self.across))


def layout_of(volume: Any) -> Layout:
    """Tell how a volume of nibabel's is shown."""
    axes = import_module("nibabel").orientations
    turn = axes.ornt_transform(axes.io_orientation(volume.affine), axes.axcodes2ornt("LPS"))
    shape, zooms = [1, 1, 1], [0.0, 0.0, 0.0]
    unit = MILLIMETRES.get(volume.header.get_xyzt_units()[0], 1.0)
    for axis, (count, zoom) in enumerate(zip(volume.shape[:3], volume.header.get_zooms(), strict=False)):
        shape[int(turn[axis, 0])], zooms[int(turn[axis, 0])] = count, round(float(zoom) * unit, 6)
    # A single sagittal or coronal slice is shown as it is, not as a line of it.
    across = shape.index(1) if 1 in shape[:2] and shape[2] != 1 else 2
    x, y = (zoom for axis, zoom in enumerate(zooms) if axis != across)
    spacing = (x, y) if min(x, y) > 0 else None
    return Layout(turn, across, spacing, (shape[2], shape[1], shape[0]), (zooms[2], zooms[1], zooms[0]))


def plane_of(path: str | Path, number: int | None = None, channel: int | None = None) -> tuple[Values, Spacing | None]:
    """Read a slice as it is shown, ``(H, W)`` or ``(H, W, 3)``, and millimetres a pixel, ``(x, y)``.

    Args:
        path: of the volume.
        number: of the slice; the middle one where it is not given.
        channel: of the fourth axis; the middle one where it is not given.
    """
    volume = import_module("nibabel").load(path)
    layout = layout_of(volume)
    return _plane(volume, volume.dataobj, layout, number, channel), layout.spacing


def volume_of(path: str, number: int | None = None, channel: int | None = None, unit: str = "") -> Volume | None:
    """Return the voxels of a volume, of which its header is read now; None where it has one slice, or colours.

    Args:
        path: of the volume.
        number: of the axial slice that a task begins with; the middle one where it is not given.
        channel: of the fourth axis; the middle one where it is not given.
        unit: of its values.
    """
    volume = import_module("nibabel").load(path)
    layout = layout_of(volume)
    if layout.across != 2 or layout.shape[0] < 2 or volume.get_data_dtype().kind not in "iuf":
        return None
    facts = os.stat(path)
    z, y, x = (zoom if zoom > 0 else None for zoom in layout.zooms)
    first = Plane("axial", layout.shape[0] // 2 if number is None else number)
    return Volume(
        ("nifti", path, channel, facts.st_mtime_ns, facts.st_size),
        layout.shape,
        (z, y, x),
        partial(_voxels, path, channel),
        first,
        partial(_stored_plane, path, first.position, channel),
        fitting,
        float(volume.dataobj.slope),
        float(volume.dataobj.inter),
        unit,
    )


def _voxels(path: str, channel: int | None) -> Values:
    """Read all voxels as they are stored, ``(Z, Y, X)``."""
    nibabel = import_module("nibabel")
    volume = nibabel.load(path)
    # Of one part, all is taken: reading by parts would hold the whole file and its copy.
    where = (slice(None),) * 3 + _rest(volume, channel)
    stored = _as_stored(volume)
    values = np.asarray(stored[where] if volume.ndim > 3 else stored)
    return np.asarray(nibabel.orientations.apply_orientation(values, layout_of(volume).turn)).T


def _stored_plane(path: str, number: int, channel: int | None) -> Values:
    volume = import_module("nibabel").load(path)
    return _plane(volume, _as_stored(volume), layout_of(volume), number, channel)


def _as_stored(volume: Any) -> Any:
    """Return what reads a volume's numbers without scaling them, which would make eight bytes of two."""
    kept = volume.dataobj
    proxy = import_module("nibabel.arrayproxy").ArrayProxy
    return proxy(kept.file_like, (kept.shape, kept.dtype, kept.offset, 1.0, 0.0), order=kept.order)


def _rest(volume: Any, channel: int | None) -> tuple[int, ...]:
    """Choose one of each further axis: the channel of the first, else the middle."""
    rest = [count // 2 for count in volume.shape[3:]]
    if rest and channel is not None:
        rest[0] = channel
    return tuple(rest)


def _plane(volume: Any, values: Any, layout: Layout, number: int | None, channel: int | None) -> Values:
    """Read a slice of a volume's `values` as it is shown."""
    nibabel = import_module("nibabel")
    where: list[Any] = [slice(None)] * min(3, volume.ndim) + list(_rest(volume, channel))
    if layout.axis < volume.ndim:
        count = volume.shape[layout.axis]
        shown = count // 2 if number is None else number
        at = shown if layout.turn[layout.axis, 1] > 0 else count - 1 - shown
        where[layout.axis] = slice(at, at + 1)
    # Only this slice is read, and a plane gets the axes that it lacks.
    held = np.asarray(values[tuple(where)])
    held = held.reshape(held.shape + (1,) * (3 - held.ndim))
    plane: Values = nibabel.orientations.apply_orientation(held, layout.turn).take(0, axis=layout.across).T
    if plane.dtype.names:
        plane = np.stack([plane[name] for name in plane.dtype.names], -1)
    return plane if layout.across == 2 else plane[::-1]


def areas_of(path: str | Path) -> NDArray[np.int64]:
    """Count the pixels of each label in each slice of a volume of labels: ``(slices, labels)``, as they are shown."""
    volume = import_module("nibabel").load(path)
    layout = layout_of(volume)
    labels = np.rint(np.moveaxis(np.asanyarray(volume.dataobj), layout.axis, 0)).astype(np.uint8)
    areas = np.stack([np.bincount(plane.ravel(), minlength=256) for plane in labels])
    return areas if layout.turn[layout.axis, 1] > 0 else areas[::-1]


def planes_of(path: str | Path) -> Values:
    """Read all slices of a volume of labels as they are shown, ``(slices, H, W)``.

    Raises:
        InputError: where it has more axes than three.
    """
    nibabel = import_module("nibabel")
    volume = nibabel.load(path)
    layout = layout_of(volume)
    values = np.asanyarray(volume.dataobj)
    if any(count != 1 for count in values.shape[3:]):
        raise InputError(f"{path}: the labels have {values.ndim} axes; expected three")
    values = values.reshape((*values.shape, 1, 1, 1)[:3])
    turned = nibabel.orientations.apply_orientation(values, layout.turn)
    planes: Values = np.moveaxis(turned, layout.across, 0).swapaxes(1, 2)
    return planes if layout.across == 2 else planes[:, ::-1]


def reach_of(path: str | Path) -> tuple[tuple[int, ...], NDArray[np.float64]]:
    """Return the shape of a volume turned to left, posterior and superior, and four of its corners in millimetres.

    They are the centres of the first voxel and of the last one along each axis, ``(4, 3)``; of the header alone.
    """
    nibabel = import_module("nibabel")
    volume = nibabel.load(path)
    turn = layout_of(volume).turn
    shape = (*volume.shape[:3], *(1,) * (3 - min(3, volume.ndim)))
    affine = volume.affine @ nibabel.orientations.inv_ornt_aff(turn, shape)
    turned = [1, 1, 1]
    for axis, count in enumerate(shape):
        turned[int(turn[axis, 0])] = count
    ends = np.concatenate([np.zeros((1, 3)), np.diag(np.array(turned) - 1)])
    return tuple(turned), ends @ affine[:3, :3].T + affine[:3, 3]


def channel_of(path: str | Path) -> int:
    """Return which of a volume's fourth axis is shown where none is named; of the header alone."""
    shape = import_module("nibabel").load(path).shape
    return int(shape[3]) // 2 if len(shape) > 3 else 0
