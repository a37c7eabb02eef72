"""Where the images of DICOM series lie in the patient, and what of them a drawn region covers."""

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache, partial
from importlib import import_module
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ...core.errors import InputError
from ...core.mask import Bits
from ...tasks.readers import guarded
from .found import files_in

SEGMENTATION = ("1.2.840.10008.5.1.4.1.1.66.4", "1.2.840.10008.5.1.4.1.1.66.7")
"""SOP classes of segmentations, with a frame a segment or with labels."""
CONTOURS = ("1.2.840.10008.5.1.4.1.1.481.3",)
DIRECTORY = "1.2.840.10008.1.3.10"
NEAR = 0.2
"""Millimetres by which what lies in a plane may miss it."""
ALIGNED = 0.1
"""Pixels by which a segmentation's pixels may miss the image's."""
SUFFIXES = (".dcm", ".dicom", ".ima", "")
TAGS = (
    "SOPClassUID", "SOPInstanceUID", "SeriesInstanceUID", "StudyInstanceUID", "PatientID", "Modality", "Rows",
    "Columns", "NumberOfFrames", "FrameOfReferenceUID", "ImagePositionPatient", "ImageOrientationPatient",
    "PixelSpacing", "SharedFunctionalGroupsSequence", "PerFrameFunctionalGroupsSequence",
)  # fmt: skip
Point = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Grid:
    """Pixels in the patient, in millimetres: the centre of the first, and the steps to the next column and row."""

    origin: Point
    across: Point
    down: Point

    def pixels(self, points: Point) -> Point:
        """Return points ``(n, 3)`` as columns, rows (whole at centres of pixels), and millimetres off the plane."""
        normal = np.cross(self.across, self.down)
        axes = np.stack([self.across, self.down, normal / np.linalg.norm(normal)], 1)
        return np.asarray(np.linalg.solve(axes, (points - self.origin).T).T)


@dataclass(frozen=True, eq=False)
class Plane:
    """An image, or a frame of one: what is asked about."""

    path: str
    frame: int | None
    series: str
    study: str
    patient: str
    modality: str
    reference: str
    size: tuple[int, int]
    grid: Grid | None


@dataclass
class Scan:
    """What lies in a folder: images by their UID, and the files that mark regions in them."""

    planes: dict[str, list[Plane]] = field(default_factory=dict)
    segmentations: list[str] = field(default_factory=list)
    contours: list[str] = field(default_factory=list)
    faults: dict[str, str] = field(default_factory=dict)


class Target(NamedTuple):
    """The images that a file may mark: those of the series that it names, where they are there."""

    planes: Mapping[str, list[Plane]]
    reference: str

    def plane(self, uid: str, frame: int, point: Point | None) -> Plane:
        """Return the image of that UID, or else the only one in whose plane a point lies.

        Raises:
            InputError: where there is none, or several.
        """
        frames = self.planes.get(uid, [])
        if uid and len(frames) >= frame:
            return frames[frame - 1]
        if point is None:
            raise InputError("the images that it was made on are not here; expected them in the folder")
        found = {}
        for plane in (plane for frames in self.planes.values() for plane in frames):
            if plane.grid is not None and plane.reference == self.reference:
                off = abs(float(plane.grid.pixels(point[None])[0, 2]))
                if off <= NEAR:
                    found[plane] = off
        if len({plane.series for plane in found}) != 1:
            lying = "images of several series lie" if found else "no image lies"
            raise InputError(f"{lying} where it was drawn; expected one")
        return min(found, key=lambda plane: found[plane])


def target(scan: Scan, series: Iterable[str], reference: str) -> Target:
    """Return the images that a file may mark."""
    named = set(series)
    own = {uid: frames for uid, frames in scan.planes.items() if frames[0].series in named}
    return Target(own or scan.planes, reference)


def laid(bits: Bits, own: Grid | None, plane: Plane) -> Bits:
    """Lay the bits of a grid of pixels onto those of an image, ``(H, W)``; it may be turned, mirrored or cut out.

    Raises:
        InputError: where the pixels do not lie on each other.
    """
    width, height = plane.size
    if own is None or plane.grid is None:
        if bits.shape != (height, width):
            sizes = f"{bits.shape[1]}x{bits.shape[0]} and its image {width}x{height} pixels"
            raise InputError(f"the segment is {sizes}; expected the same size")
        return bits
    rows, columns = np.array(bits.shape) - 1
    ends = np.array([[0, 0], [columns, 0], [0, rows]])
    corners = plane.grid.pixels(own.origin + ends @ np.stack([own.across, own.down]))
    steps = (corners[1:, :2] - corners[0, :2]) / np.maximum(1, [[columns], [rows]])
    whole = np.rint(steps)
    start = np.rint(corners[0, :2])
    missed = np.abs(start + np.array([[0, 0], whole[0] * columns, whole[1] * rows]) - corners[:, :2]).max()
    if missed > ALIGNED or np.abs(corners[:, 2]).max() > NEAR or abs(round(np.linalg.det(whole))) != 1:
        raise InputError("the segment's pixels do not lie on the image's; expected the same grid")
    y, x = np.nonzero(bits)
    placed = (start + np.stack([x, y], 1) @ whole).astype(np.int64)
    inside = ((placed >= 0) & (placed < (width, height))).all(1)
    found = np.zeros((height, width), bool)
    found[placed[inside, 1], placed[inside, 0]] = True
    return found


def grid_of(*groups: Any) -> Grid | None:
    """Return where the pixels of a frame lie, by the first of some datasets that says so; None where none does."""
    position, orientation, spacing = (
        next((np.array(group.get(name), np.float64) for group in groups if group.get(name)), None)
        for name in ("ImagePositionPatient", "ImageOrientationPatient", "PixelSpacing")
    )
    if position is None or orientation is None or spacing is None or not spacing.all():
        return None
    # DICOM writes the distance of rows (down) first.
    return Grid(position, orientation[:3] * spacing[1], orientation[3:] * spacing[0])


def macros(dataset: Any, frame: int) -> list[Any]:
    """Return what a multi-frame dataset says of a frame: its own items, those that all share, the dataset."""
    own = list(dataset.get("PerFrameFunctionalGroupsSequence") or [])[frame : frame + 1]
    shared = list(dataset.get("SharedFunctionalGroupsSequence") or [])[:1]
    names = ("PlanePositionSequence", "PlaneOrientationSequence", "PixelMeasuresSequence")
    items = [item for group in (*own, *shared) for name in names for item in list(group.get(name) or [])[:1]]
    return [*items, dataset]


def scanned(folder: str) -> Scan:
    """Read the headers of all DICOM files of a folder, once for as long as they stay the same."""
    return _scanned(folder, tuple((name, *_facts(os.path.join(folder, name))) for name in files_in(folder)))


@lru_cache(maxsize=2)
def _scanned(folder: str, facts: tuple[tuple[str, int, int], ...]) -> Scan:
    scan = Scan()
    for name, _, _ in facts:
        path = os.path.join(folder, name)
        if not name.lower().endswith(SUFFIXES[:3]) and not (may_be(name) and is_dicom(path)):
            continue
        try:
            guarded(path, "dicom", partial(_sort, scan, name, path))
        except InputError as fault:
            scan.faults[name] = str(fault)
    return scan


def _sort(scan: Scan, name: str, path: str) -> None:
    read = import_module("pydicom").dcmread
    dataset = read(path, stop_before_pixels=True, specific_tags=list(TAGS))
    kind = str(dataset.get("SOPClassUID", dataset.file_meta.get("MediaStorageSOPClassUID", "")))
    if kind in SEGMENTATION:
        scan.segmentations.append(name)
    elif kind in CONTOURS:
        scan.contours.append(name)
    elif kind != DIRECTORY and dataset.get("Rows") and dataset.get("SOPInstanceUID"):
        count = int(dataset.get("NumberOfFrames") or 1)
        planes = [_plane(dataset, path, at, count) for at in range(count)]
        scan.planes.setdefault(str(dataset.SOPInstanceUID), planes)


def _plane(dataset: Any, path: str, frame: int, count: int) -> Plane:
    def text(name: str) -> str:
        return str(dataset.get(name) or "").strip()

    return Plane(
        os.path.abspath(path),
        frame if count > 1 else None,
        text("SeriesInstanceUID"),
        text("StudyInstanceUID"),
        text("PatientID"),
        text("Modality"),
        text("FrameOfReferenceUID"),
        (int(dataset.Columns), int(dataset.Rows)),
        grid_of(*macros(dataset, frame)),
    )


def _facts(path: str) -> tuple[int, int]:
    try:
        found = os.stat(path)
    except OSError:
        return 0, 0
    return found.st_mtime_ns, found.st_size


def may_be(name: str) -> bool:
    """Whether a file may be DICOM by its name: that may be a UID, whose end is no suffix."""
    suffix = os.path.splitext(name)[1].lower()
    return suffix in SUFFIXES or suffix[1:].isdecimal()


def is_dicom(path: str) -> bool:
    """Whether a file begins as DICOM does."""
    try:
        with open(path, "rb") as file:
            return file.read(132)[128:] == b"DICM"
    except OSError:
        return False


@lru_cache(maxsize=256)
def whose(path: str) -> dict[str, str]:
    """Return patient, study and modality by the header of an image, or of a series' first file; in clear."""
    if os.path.isdir(path):
        path = next(
            (file.path for file in sorted(os.scandir(path), key=lambda file: file.name) if is_dicom(file.path)), ""
        )
    if not is_dicom(path):
        return {}
    names = {"patient": "PatientID", "study": "StudyInstanceUID", "modality": "Modality"}

    def read() -> dict[str, str]:
        tags = list(names.values())
        header = import_module("pydicom").dcmread(path, stop_before_pixels=True, specific_tags=tags)
        return {name: str(header.get(tag) or "").strip() for name, tag in names.items()}

    return {name: value for name, value in guarded(path, "dicom", read).items() if value}
