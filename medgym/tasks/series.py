"""DICOM as volumes: the files of one series in a folder, or the frames of one file, in the patient's order.

Slices are sorted by where they lie along their normal, never by name. What is no even stack of parallel slices is
refused with the reason: cut along other axes, it would show a body that nobody has.
"""

import hashlib
import os
from collections import Counter
from collections.abc import Sequence
from functools import lru_cache, partial
from importlib import import_module
from itertools import permutations
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..core.errors import InputError
from ..core.volume import Axis, Plane, Shape, Spacing, Volume, stacked
from .dicom import greys_of_frame, rescaled_frame, stored_frame, unit_of_frame
from .greys import Values

ACROSS: dict[Axis, tuple[int, int, bool]] = {"axial": (0, 1, True), "coronal": (0, 2, False), "sagittal": (1, 2, False)}
"""Of left, posterior and superior, which goes across a plane and which along its height, and whether downwards."""
NORMAL: dict[int, Axis] = {0: "sagittal", 1: "coronal", 2: "axial"}
HEADER = (
    "SeriesInstanceUID", "ImagePositionPatient", "ImageOrientationPatient", "Rows", "Columns", "PixelSpacing",
    "PhotometricInterpretation", "NumberOfFrames", "RescaleSlope", "RescaleIntercept", "ModalityLUTSequence",
)  # fmt: skip
UNEVEN = 0.1
"""The share of a slice's distance by which it may be off."""
PARALLEL = 0.999
"""The least cosine between what slices of one stack are turned to."""


class Lying(NamedTuple):
    """How the planes of a stack lie: which axis they are counted along, and how a stored one is turned to be shown."""

    axis: Axis = "axial"
    transposed: bool = False
    mirrored: bool = False
    upended: bool = False

    @property
    def shown(self) -> bool:
        """Whether planes are stored as they are shown."""
        return not (self.transposed or self.mirrored or self.upended)

    def turn(self, stored: Values) -> Values:
        """Turn planes, ``(…, H, W)``, as they are shown."""
        turned = stored.swapaxes(-1, -2) if self.transposed else stored
        turned = turned[..., ::-1] if self.mirrored else turned
        return turned[..., ::-1, :] if self.upended else turned


class Stacked(NamedTuple):
    """The planes of a volume in their order: of each the file, and which frame of it."""

    files: tuple[str, ...]
    frames: tuple[int, ...]
    lying: Lying
    shape: Shape
    spacing: Spacing
    scales: tuple[tuple[float, float], ...]
    table: bool

    @property
    def scale(self) -> tuple[float, float] | None:
        """The slope and intercept of all planes, or None where they differ or are a table."""
        return self.scales[0] if len(set(self.scales)) == 1 and not self.table else None


def series_of(folder: str, number: int | None) -> Volume:
    """Return the volume of the one DICOM series in a folder; headers are read now.

    Args:
        folder: whose other files are passed over, not those of its subfolders.
        number: of the plane that a task begins with, in the patient's order; the middle one where it is not given.

    Raises:
        InputError: where there is no series, or more than one, or no even stack of slices.
    """
    found = sorted((entry.name, entry.stat()) for entry in os.scandir(folder) if _may_be(entry))
    facts = "".join(f"{name}|{about.st_mtime_ns}|{about.st_size}\n" for name, about in found)
    names = tuple(os.path.join(folder, name) for name, _ in found)
    digest = hashlib.blake2b(facts.encode(), digest_size=16).hexdigest()
    stack = _series(folder, names, digest)
    return _volume(("series", folder, digest), folder, stack, number)


def frames_of(path: str, dataset: Any, number: int | None) -> Volume | None:
    """Return the volume of a file's frames; None where they are no stack, or are not stored as they are shown.

    Frames that say nothing of where they lie are slices in the file's order, at an unknown distance.
    """
    count = int(dataset.get("NumberOfFrames") or 1)
    if count < 2 or not str(dataset.get("PhotometricInterpretation") or "").startswith("MONOCHROME"):
        return None
    frame = count // 2 if number is None else number
    if not 0 <= frame < count:
        return None
    about = _frame_headers(dataset, count)
    try:
        stack = _stack((path,) * count, tuple(range(count)), about)
    except InputError:
        return None
    if not stack.lying.shown:
        return None
    facts = os.stat(path)
    key = ("frames", path, facts.st_mtime_ns, facts.st_size)
    return _volume(key, path, stack, stack.frames.index(frame))


def _may_be(entry: os.DirEntry[str]) -> bool:
    return entry.is_file() and not entry.name.startswith(".") and entry.name.upper() != "DICOMDIR"


@lru_cache(maxsize=64)
def _series(folder: str, names: tuple[str, ...], _facts: str) -> Stacked:
    """Read the headers of all files of a folder and put them in order."""
    read, expected = import_module("pydicom").dcmread, "expected the DICOM files of one series"
    files, headers = [], []
    for name in names:
        if _is_dicom(name):
            files.append(name)
            headers.append(read(name, specific_tags=list(HEADER), stop_before_pixels=True))
    if not files:
        raise InputError(f"{folder}: a folder without DICOM files; {expected}")
    several = Counter(str(header.get("SeriesInstanceUID")) for header in headers)
    if len(several) > 1:
        counts = ", ".join(map(str, sorted(several.values(), reverse=True)[:8]))
        raise InputError(f"{folder}: the files of {len(several)} series are mixed ({counts} files); {expected}")
    if any(int(header.get("NumberOfFrames") or 1) > 1 for header in headers):
        raise InputError(f"{folder}: a file has several frames; expected one slice a file, or the path of that file")
    if not all(str(header.get("PhotometricInterpretation")).startswith("MONOCHROME") for header in headers):
        raise InputError(f"{folder}: the slices are in colour; expected grey ones")
    if any(header.get("ImagePositionPatient") is None for header in headers):
        raise InputError(f"{folder}: a file does not say where its slice lies (ImagePositionPatient); {expected}")
    try:
        return _stack(tuple(files), (0,) * len(files), headers)
    except InputError as fault:
        raise InputError(f"{folder}: {fault}") from None


def _is_dicom(path: str) -> bool:
    with open(path, "rb") as file:
        return path.lower().endswith((".dcm", ".dicom")) or file.read(132)[128:] == b"DICM"


def _frame_headers(dataset: Any, count: int) -> list[dict[str, Any]]:
    """Return what an enhanced DICOM says of each frame, under the names that a plain file uses."""
    shared = list(dataset.get("SharedFunctionalGroupsSequence") or [])[:1]
    own = list(dataset.get("PerFrameFunctionalGroupsSequence") or [])
    headers = []
    for number in range(count):
        about = {name: dataset.get(name) for name in HEADER}
        for groups in (*shared, *own[number:][:1]):
            for sequence in ("PixelMeasures", "PixelValueTransformation", "PlanePosition", "PlaneOrientation"):
                for item in list(groups.get(f"{sequence}Sequence") or [])[:1]:
                    about |= {name: item.get(name) for name in HEADER if item.get(name) is not None}
        headers.append(about)
    return headers


def _stack(files: tuple[str, ...], frames: tuple[int, ...], headers: Sequence[Any]) -> Stacked:
    """Put planes in the patient's order; an InputError where they are no even stack."""
    sizes = {(int(header.get("Rows") or 0), int(header.get("Columns") or 0)) for header in headers}
    if len(sizes) > 1:
        raise InputError("slices are of different sizes; expected one size")
    (rows, columns) = next(iter(sizes))
    along, down = _pitch(headers[0])
    lying, order, distance = Lying(), list(range(len(headers))), None
    if any(header.get("ImagePositionPatient") is not None for header in headers):
        lying, order, distance = _ordered(headers, min(along or 1.0, down or 1.0))
    plane = (columns, rows) if lying.transposed else (rows, columns)
    pitch = (along, down) if lying.transposed else (down, along)
    shape = _voxelwise(lying.axis, len(order), *plane)
    spacing = _voxelwise(lying.axis, distance, *pitch)
    scales = tuple(_scale(headers[i]) for i in order)
    table = any(header.get("ModalityLUTSequence") for header in headers)
    return Stacked(
        tuple(files[i] for i in order), tuple(frames[i] for i in order), lying, shape, spacing, scales, table
    )


def _ordered(headers: Sequence[Any], pixel: float) -> tuple[Lying, list[int], float | None]:
    """Sort planes along their normal and tell how far they are apart; `pixel` is the side of one in millimetres."""
    given = [(header.get("ImageOrientationPatient"), header.get("ImagePositionPatient")) for header in headers]
    if any(turned is None or place is None for turned, place in given):
        raise InputError(
            "a slice does not say where it lies; expected ImagePositionPatient and ImageOrientationPatient"
        )
    turns = np.array([turned for turned, _ in given], float).reshape(-1, 2, 3)
    places = np.array([place for _, place in given], float)
    if np.einsum("nij,ij->ni", turns, turns[0]).min() < PARALLEL:
        raise InputError("slices are not parallel; expected one stack (a scout among them, perhaps)")
    lying, sign = _lying(*turns[0])
    normal = sign * np.cross(*turns[0])
    depths = places @ normal
    order = [int(i) for i in np.argsort(depths, kind="stable")]
    gaps = np.diff(depths[order])
    if not len(gaps):
        return lying, order, None
    distance = float(np.median(gaps))
    if gaps.min() < 0.01:
        raise InputError(f"two slices lie at one place, {depths[order][int(gaps.argmin())]:.2f} mm; expected one each")
    worst = int(np.abs(gaps - distance).argmax())
    if abs(gaps[worst] - distance) > UNEVEN * distance:
        raise InputError(
            f"slices are {distance:.2f} mm apart, but {gaps[worst]:.2f} mm after slice {worst}; expected even "
            "distances (one is missing, perhaps)"
        )
    drift = places[order] - places[order[0]]
    drift = drift - np.outer(drift @ normal, normal)
    if np.linalg.norm(drift, axis=1).max() > pixel:
        raise InputError("slices are shifted against each other (a tilted gantry, perhaps); expected a straight stack")
    return lying, order, round(float(depths[order[-1]] - depths[order[0]]) / len(gaps), 6)


def _lying(across: NDArray[np.float64], down: NDArray[np.float64]) -> tuple[Lying, float]:
    """Tell how planes lie by the directions of their rows and columns, and which way their normal is to point."""
    frame = np.stack([across, down, np.cross(across, down)])
    # Of left, posterior and superior, each direction gets the one it is nearest to, and none gets two.
    x, y, z = max(permutations(range(3)), key=lambda axes: sum(abs(frame[i, axis]) for i, axis in enumerate(axes)))
    axis = NORMAL[z]
    first, _, downwards = ACROSS[axis]
    transposed = x != first
    right, height = (frame[1, y], frame[0, x]) if transposed else (frame[0, x], frame[1, y])
    return Lying(axis, transposed, bool(right < 0), bool((height > 0) != downwards)), float(np.sign(frame[2, z]))


def _voxelwise(axis: Axis, deep: Any, high: Any, wide: Any) -> tuple[Any, Any, Any]:
    """Order what is known of a stack's depth and its planes' height and width by Z, Y and X."""
    return {"axial": (deep, high, wide), "coronal": (high, deep, wide), "sagittal": (high, wide, deep)}[axis]


def _pitch(header: Any) -> tuple[float | None, float | None]:
    """Return millimetres a pixel across and down; DICOM writes the distance of rows first."""
    found = [float(each) for each in header.get("PixelSpacing") or ()]
    return (found[1], found[0]) if len(found) == 2 and min(found) > 0 else (None, None)


def _scale(header: Any) -> tuple[float, float]:
    slope, intercept = header.get("RescaleSlope"), header.get("RescaleIntercept")
    return (1.0, 0.0) if slope is None or intercept is None else (float(slope), float(intercept))


def _volume(key: tuple[Any, ...], path: str | Path, stack: Stacked, number: int | None) -> Volume:
    count = len(stack.files)
    if number is not None and not 0 <= number < count:
        raise InputError(f"{path}: there is no slice {number}; expected one from 0 to {count - 1}")
    first = Plane(stack.lying.axis, count // 2 if number is None else number)
    where = stack.files[first.position], stack.frames[first.position]
    header = import_module("pydicom").dcmread(where[0], stop_before_pixels=True)
    slope, intercept = stack.scale or (1.0, 0.0)
    return Volume(
        key,
        stack.shape,
        stack.spacing,
        partial(_voxels, stack),
        first,
        partial(_plane, stack, first.position),
        partial(greys_of_frame, *where),
        slope,
        intercept,
        unit_of_frame(*where),
        str(header.get("PhotometricInterpretation")) == "MONOCHROME1",
    )


def _plane(stack: Stacked, number: int) -> Values:
    """Read one plane, as it is shown; where slices are scaled each in its own way, its values."""
    where = stack.files[number], stack.frames[number]
    if stack.table:
        return stack.lying.turn(rescaled_frame(*where)).astype(np.float32)
    return _scaled(stack, number, stack.lying.turn(stored_frame(*where)))


def _scaled(stack: Stacked, number: int, plane: Values) -> Values:
    if stack.scale is not None:
        return plane
    slope, intercept = stack.scales[number]
    return (plane * slope + intercept).astype(np.float32)


def _voxels(stack: Stacked) -> Values:
    """Read all planes, ``(Z, Y, X)``."""
    one_file = len(set(stack.files)) == 1 and not stack.table
    # A file of many frames has a long header, which each frame that is read alone would wait for.
    frames = stack.lying.turn(stored_frame(stack.files[0], None)) if one_file else None
    first = _plane(stack, 0)
    planes = np.empty((len(stack.files), *first.shape), first.dtype)
    for number in range(len(stack.files)):
        if frames is None or frames.ndim == 2:
            plane = _plane(stack, number)
        else:
            plane = _scaled(stack, number, frames[stack.frames[number]])
        if plane.dtype != planes.dtype and not np.can_cast(plane.dtype, planes.dtype):
            planes = planes.astype(np.result_type(planes.dtype, plane.dtype))
        planes[number] = plane
    return stacked(planes, stack.lying.axis)
