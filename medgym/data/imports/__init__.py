"""Data of one's own, brought in: whatever its format, it becomes a manifest that `load_tasks` reads."""

import os
import re
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

from ...core.errors import InputError, nearest
from ...spec import needs
from .found import Finds, Wanted, files_in, names_of
from .splits import Splits, shares_of
from .writer import Writer

FORMATS = {
    "folder": "a folder of images and masks",
    "records": "records",
    "coco": "instances of COCO",
    "nifti": "NIfTI volumes with labels",
    "dicom": "DICOM series with segmentations",
}
NEEDS = {"nifti": "nibabel", "dicom": "pydicom"}


def bring_in(
    source: str | Path,
    out: str | Path,
    form: str = "auto",
    *,
    split: str = "",
    names: str = "",
    modality: str = "",
    negatives: bool = False,
    volumes: bool = False,
    patient: str = "",
    tick: Callable[[], None] = lambda: None,
) -> dict[str, Any]:
    """Import a source into the folder `out`; return what it is about, as its ``about.json`` says.

    Args:
        source: a folder or a file.
        out: a new folder, or one of an earlier import, which is replaced.
        form: one of `FORMATS`, or ``auto``.
        split: ``0.8,0.1,0.1`` or a split's name, whatever the source says; default: its own, else these shares.
        names: of labels: a JSON file, ``1=liver,2=tumor``, or one name for all masks.
        modality: where the source does not say.
        negatives: whether an empty mask means that nothing is there; else it is rejected.
        volumes: whether a structure of a NIfTI is asked for in all slices, scored in voxels, and not in one.
        patient: a regular expression: what of an image's path, relative to the source, names its patient; the first
            group, or all of it. Default: what DICOM, BIDS and records say.
        tick: called after each row.

    Raises:
        InputError: where the format is not clear, `out` is something else, or nothing could be imported.
    """
    needs("pyarrow", "data", "an import")
    source = str(source)
    if not os.path.exists(source):
        raise InputError(f"{source}: no such file or folder")
    form = detected(source) if form == "auto" else form
    if form not in FORMATS:
        raise InputError(f"unknown format {form!r}{nearest(form, ['auto', *FORMATS])}")
    if form in ("folder", "nifti", "dicom") and not os.path.isdir(source):
        raise InputError(f"{source}: expected a folder for the format {form!r}")
    if form in NEEDS:
        needs(NEEDS[form], "data", FORMATS[form])
    if volumes and form != "nifti":
        raise InputError(f"--volumes is for NIfTI volumes with labels, not for {FORMATS[form]}")
    labels, only = names_of(names) if names else ({}, "")
    root = source if os.path.isdir(source) else os.path.dirname(os.path.abspath(source))
    try:
        named = re.compile(patient) if patient else None
    except re.error as error:
        raise InputError(f"--patient: {patient!r} is no regular expression ({error})") from None
    writer = Writer(out, root, Splits(shares_of(split) if split else None), negatives, named)
    found: Finds = _module(form).find(source, Wanted(labels, only, modality, volumes))
    return writer.write(found, {"format": form, "source": os.path.abspath(source)}, tick)


def detected(source: str) -> str:
    """Tell the format of a file or folder.

    Raises:
        InputError: where it could be none, or several.
    """
    fits = _fits_file(source) if os.path.isfile(source) else _fits_folder(source)
    if len(fits) != 1:
        found = " or ".join(f"{FORMATS[form]} ({form})" for form in fits) or "nothing that is known"
        raise InputError(f"{source} looks like {found}; say which with --format, or name the file")
    return fits[0]


def _fits_file(path: str) -> list[str]:
    return [form for form in ("records", "coco") if _module(form).looks_like(path)]


def _fits_folder(folder: str) -> list[str]:
    files = files_in(folder)
    fits = []
    tables = [name for name in files if name.lower().endswith((".json", ".jsonl")) and os.sep not in name]
    fits += ["records"] * any(_module("records").looks_like(os.path.join(folder, name)) for name in tables)
    fits += ["coco"] * bool(_module("coco").files_of(folder))
    fits += ["nifti"] * any(not case.fault for case in _module("nifti").cases(files))
    fits += ["dicom"] * _module("dicom").looks_like(folder, files)
    fits += ["folder"] * bool(_module("folder").paired(files).masks)
    return fits


def _module(form: str) -> Any:
    return import_module(f"{__name__}.{form}")
