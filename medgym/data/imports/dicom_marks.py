"""What a DICOM segmentation or a structure set marks: the mask of each structure on each image it is on."""

from collections.abc import Iterator
from importlib import import_module
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from skimage.draw import polygon

from ...core.errors import InputError
from ...core.mask import Bits, Mask
from ...tasks.readers import guarded
from .dicom_planes import NEAR, Plane, Scan, Target, grid_of, laid, macros, target
from .found import structure

CLOSED = ("CLOSED_PLANAR", "CLOSEDPLANAR_XOR")


class Marked(NamedTuple):
    """A structure: its masks by image, or why it cannot be used."""

    item: str
    name: str
    masks: dict[Plane, Mask]
    fault: str = ""


def segments(path: str, scan: Scan) -> list[Marked]:
    """Read a segmentation: binary, fractional (half is inside) or a map of labels."""
    dataset = guarded(path, "dicom", lambda: import_module("pydicom").dcmread(path))
    series = [str(item.get("SeriesInstanceUID")) for item in dataset.get("ReferencedSeriesSequence") or []]
    where = target(scan, series, str(dataset.get("FrameOfReferenceUID") or ""))
    # Number 0 of a map of labels is its background, which may be described too.
    described = [each for each in dataset.get("SegmentSequence") or [] if int(each.SegmentNumber) > 0]
    names = {int(each.SegmentNumber): _name(each) for each in described}
    masks: dict[int, dict[Plane, Mask]] = {number: {} for number in names}
    faults: dict[int, str] = {}
    frames = _frames(dataset)
    while (found := guarded(path, "dicom", lambda: next(frames, None))) is not None:
        frame, number, bits = found
        if not bits.any() or number in faults:
            continue
        try:
            plane = _plane_of(dataset, frame, where)
            drawn = laid(bits, grid_of(*macros(dataset, frame)), plane)
            own = masks.setdefault(number, {})
            own[plane] = Mask.of(own[plane].bits() | drawn if plane in own else drawn)
        except InputError as fault:
            faults[number] = str(fault)
    return [_marked(f"segment {n}", names.get(n, ""), drawn, faults.get(n, "")) for n, drawn in masks.items()]


def contours(path: str, scan: Scan) -> list[Marked]:
    """Read a structure set: a pixel is inside where its centre is; contours within each other leave holes."""
    dataset = guarded(path, "dicom", lambda: import_module("pydicom").dcmread(path))
    regions = {int(each.ROINumber): each for each in dataset.get("StructureSetROISequence") or []}
    drawn = {
        int(each.ReferencedROINumber): list(each.get("ContourSequence") or [])
        for each in dataset.get("ROIContourSequence") or []
    }
    series = list(_series(dataset))
    found = []
    for number, region in regions.items():
        where = target(scan, series, str(region.get("ReferencedFrameOfReferenceUID") or ""))
        bits: dict[Plane, Bits] = {}
        fault = ""
        try:
            for each in drawn.get(number, []):
                if str(each.get("ContourGeometricType")) in CLOSED:
                    _draw(each, where, bits)
        except InputError as error:
            fault = str(error)
        name = structure(str(region.get("ROIName") or ""))
        masks = {plane: Mask.of(each) for plane, each in bits.items()}
        found.append(_marked(f"region {number}", name, masks, fault))
    return found


def _marked(item: str, name: str, masks: dict[Plane, Mask], fault: str) -> Marked:
    masks = {plane: mask for plane, mask in masks.items() if mask.area}
    if not fault and not name:
        fault = "it has no name; expected a label"
    if not fault and not masks:
        fault = "nothing is marked; expected something on an image"
    return Marked(item, name, masks, fault)


def _name(segment: Any) -> str:
    kinds = segment.get("SegmentedPropertyTypeCodeSequence") or [{}]
    return structure(str(segment.get("SegmentLabel") or kinds[0].get("CodeMeaning") or ""))


def _frames(dataset: Any) -> Iterator[tuple[int, int, Bits]]:
    """Give the frames with the number of their segment and its bits."""
    kind = str(dataset.get("SegmentationType"))
    most = int(dataset.get("MaximumFractionalValue") or 1)
    count = int(dataset.get("NumberOfFrames") or 1)
    for frame, values in zip(range(count), _values(dataset, count), strict=True):
        if kind == "LABELMAP":
            for number in np.unique(values[values > 0]):
                yield frame, int(number), values == number
            continue
        yield frame, _segment_of(dataset, frame), values * 2.0 >= most if kind == "FRACTIONAL" else values > 0


def _values(dataset: Any, count: int) -> Iterator[NDArray[Any]]:
    """Give the pixels of all frames, one by one."""
    packed = dataset.BitsAllocated == 1 and not dataset.file_meta.TransferSyntaxUID.is_compressed
    if not packed:
        yield from import_module("pydicom").pixels.iter_pixels(dataset)
        return
    # pydicom 3.0 cannot go through frames of bits that end within a byte, and all at once can be gigabytes.
    shape = int(dataset.Rows), int(dataset.Columns)
    size = shape[0] * shape[1]
    data = np.frombuffer(dataset.PixelData, np.uint8)
    for start in range(0, count * size, size):
        bits = np.unpackbits(data[start // 8 : -(-(start + size) // 8)], bitorder="little")
        yield bits[start % 8 :][:size].reshape(shape)


def _segment_of(dataset: Any, frame: int) -> int:
    groups = dataset.get("PerFrameFunctionalGroupsSequence") or []
    shared = dataset.get("SharedFunctionalGroupsSequence") or []
    for group in (*groups[frame : frame + 1], *shared[:1]):
        for item in group.get("SegmentIdentificationSequence") or []:
            return int(item.ReferencedSegmentNumber)
    raise ValueError("a frame of no segment")


def _plane_of(dataset: Any, frame: int, where: Target) -> Plane:
    """Return the image that a frame was made on, by what it references or else by where it lies."""
    uid, number = "", 1
    groups = dataset.get("PerFrameFunctionalGroupsSequence") or []
    for group in groups[frame : frame + 1]:
        for derived in group.get("DerivationImageSequence") or []:
            for source in list(derived.get("SourceImageSequence") or [])[:1]:
                uid = str(source.get("ReferencedSOPInstanceUID") or "")
                number = int(np.ravel(source.get("ReferencedFrameNumber") or 1)[0])
    grid = grid_of(*macros(dataset, frame))
    return where.plane(uid, number, None if grid is None else grid.origin)


def _series(dataset: Any) -> Iterator[str]:
    """Give the UIDs of the series that a structure set was drawn on."""
    for reference in dataset.get("ReferencedFrameOfReferenceSequence") or []:
        for study in reference.get("RTReferencedStudySequence") or []:
            for series in study.get("RTReferencedSeriesSequence") or []:
                yield str(series.get("SeriesInstanceUID") or "")


def _draw(contour: Any, where: Target, bits: dict[Plane, Bits]) -> None:
    """Add a contour to what is drawn on its image."""
    values = np.array(contour.get("ContourData") or [], np.float64)
    if len(values) < 9 or len(values) % 3 or not np.isfinite(values).all():
        raise InputError("a contour cannot be read; expected three points or more")
    points = values.reshape(-1, 3)
    images = list(contour.get("ContourImageSequence") or [])[:1]
    uid = str(images[0].get("ReferencedSOPInstanceUID") or "") if images else ""
    frame = int(np.ravel(images[0].get("ReferencedFrameNumber") or 1)[0]) if images else 1
    plane = where.plane(uid, frame, points[0])
    if plane.grid is None:
        raise InputError("its image does not say where it lies; expected its position and orientation")
    placed = plane.grid.pixels(points)
    if np.abs(placed[:, 2]).max() > NEAR:
        raise InputError("a contour does not lie in the plane of its image; expected it there")
    region = np.zeros(plane.size[::-1], bool)
    region[polygon(placed[:, 1], placed[:, 0], region.shape)] = True  # type: ignore[no-untyped-call]
    before = bits.get(plane)
    bits[plane] = region if before is None else _combined(before, region, str(contour.ContourGeometricType))


def _combined(before: Bits, region: Bits, kind: str) -> Bits:
    """Combine by exclusive or, as the standard has it, what is nested; what overlaps in part is united."""
    both = before & region
    nested = (both == region).all() or (both == before).all()
    return before ^ region if nested or kind == CLOSED[1] else before | region
