"""DICOM series with segmentations (DICOM-SEG) or structure sets (RTSTRUCT): a task for each structure of a file.

It is asked for on the image where it is largest. Images are found by the UIDs that a file references, or else by
frame of reference and position. Patients and studies are written as hashes, and nothing else of who they are.
"""

import os
from functools import partial

from ...core.errors import InputError
from ...core.mask import Mask
from ...tasks.readers import guarded
from .dicom_marks import Marked, contours, segments
from .dicom_planes import SUFFIXES, Plane, may_be, scanned
from .found import Finds, Found, Rejected, Wanted, Where, pseudonym, segmentation


def looks_like(folder: str, files: list[str]) -> bool:
    """Whether a folder has files that mark regions in DICOM images."""
    if not any(map(may_be, files)):
        return False
    try:
        scan = scanned(folder)
    except ImportError:
        return any(name.lower().endswith(SUFFIXES[:2]) for name in files)
    return bool(scan.segmentations or scan.contours)


def find(source: str, wanted: Wanted) -> Finds:
    """Find the structures that are marked in the series of a folder."""
    scan = scanned(source)
    if not scan.segmentations and not scan.contours:
        raise InputError(f"{source}: there is no DICOM segmentation and no structure set; expected one or more")
    for name, fault in scan.faults.items():
        yield Rejected(Where(name), fault)
    for names, read in ((scan.segmentations, segments), (scan.contours, contours)):
        for name in names:
            try:
                path = os.path.join(source, name)
                marked = guarded(path, "dicom", partial(read, path, scan))
            except InputError as fault:
                yield Rejected(Where(name), str(fault))
                continue
            yield from _tasks(name, marked, wanted)


def _tasks(file: str, marked: list[Marked], wanted: Wanted) -> Finds:
    """Make the tasks of one file; structures of one name are one."""
    known: dict[str, dict[Plane, Mask]] = {}
    spoilt = {each.name for each in marked if each.fault and each.name}
    for each in marked:
        item = f"{each.item}, {each.name}" if each.name else each.item
        if each.fault:
            yield Rejected(Where(file, item=item), each.fault)
        elif each.name in spoilt:
            yield Rejected(Where(file, item=item), "another of its name cannot be used; expected all or none")
        else:
            united = known.setdefault(each.name, {})
            for plane, mask in each.masks.items():
                united[plane] = Mask.of(united[plane].bits() | mask.bits()) if plane in united else mask
    for name, masks in known.items():
        plane = max(masks, key=lambda plane: masks[plane].area)
        here = {other: drawn[plane] for other, drawn in known.items() if plane in drawn}
        raw = segmentation(
            name,
            here,
            image_path=plane.path,
            slice=plane.frame,
            modality=wanted.modality or plane.modality,
            patient=plane.patient,
            study=plane.study,
        )
        who = pseudonym(plane.patient or plane.study)
        yield Found(Where(file, item=name), f"{who}/{pseudonym(plane.series)}/{name}", raw)
