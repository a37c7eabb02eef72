"""A DICOM file: one frame of it as it is stored, as it is shown, and what its header says before it is decoded."""

from dataclasses import replace
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..core.image import Pixels
from .content import Content, Header
from .greys import Linear, Values, Window, fitted, fitting, stretching
from .volumes import Spacing

MACROS = ("PixelMeasuresSequence", "PixelValueTransformationSequence", "FrameVOILUTSequence")
"""Where an enhanced multi-frame DICOM keeps spacing, rescaling and window of a frame."""


def decoded(path: str | Path, number: int | None) -> Content:
    """Read the frame of that number, or the middle one."""
    pydicom = import_module("pydicom")
    dataset = pydicom.dcmread(path)
    number = _frames(dataset) // 2 if number is None else number
    values = pydicom.pixels.pixel_array(_framed(dataset, number), index=number)
    if dataset.PhotometricInterpretation == "PALETTE COLOR":
        values = pydicom.pixels.apply_color_lut(values, dataset)
    show = partial(_windowed, dataset=dataset) if values.ndim == 2 else fitted
    modality = str(dataset.get("Modality") or "")
    return Content(values, show, _pixel_spacing(dataset), modality, partial(_rescaled, dataset=dataset))


def stored_frame(path: str, number: int | None) -> Values:
    """Read a frame's values as they are stored, or those of all frames."""
    values: Values = import_module("pydicom").pixels.pixel_array(path, index=number)
    return values


def rescaled_frame(path: str, number: int) -> Values:
    """Read a frame's values through its rescaling or table."""
    return _rescaled(stored_frame(path, number), _frame_header(path, number))


def greys_of_frame(path: str, number: int, values: Values) -> Linear | Window:
    """Return how a frame is shown, which may depend on its `values`."""
    return greys_of(_frame_header(path, number), values)


def unit_of_frame(path: str, number: int) -> str:
    """Return the unit of a frame's values, ``HU`` or nothing."""
    return _unit(_frame_header(path, number))


def _frame_header(path: str, number: int) -> Any:
    return _framed(import_module("pydicom").dcmread(path, stop_before_pixels=True), number)


def _frames(dataset: Any) -> int:
    return int(dataset.get("NumberOfFrames") or 1)


def _framed(dataset: Any, number: int) -> Any:
    """Put what an enhanced DICOM says of a frame where a plain one says it of the whole."""
    shared = list(dataset.get("SharedFunctionalGroupsSequence") or [])[:1]
    own = list(dataset.get("PerFrameFunctionalGroupsSequence") or [])
    for groups in (*shared, *own[number:][:1]):
        for name in MACROS:
            for item in list(groups.get(name) or [])[:1]:
                dataset.update(item)
    return dataset


def _rescaled(values: Values, dataset: Any) -> NDArray[np.float64]:
    """Apply the modality's rescaling or table: Hounsfield units of a CT."""
    return np.asarray(import_module("pydicom").pixels.apply_modality_lut(values, dataset), np.float64)


def greys_of(dataset: Any, values: Values) -> Linear | Window:
    """Return how a dataset of one channel is shown: through its first window, else as its `values` want it."""
    centre, width = _numbers(dataset, "WindowCenter")[:1], _numbers(dataset, "WindowWidth")[:1]
    form = str(dataset.get("VOILUTFunction") or "LINEAR").upper()
    inverted = dataset.PhotometricInterpretation == "MONOCHROME1"
    if not centre or not width or not width[0] >= (1 if form == "LINEAR" else 1e-9):
        found = fitting(values) if dataset.BitsStored <= 8 else stretching(values)
        return replace(found, inverted=inverted)
    return Window(centre[0], width[0], form, inverted)


def _windowed(values: Values, dataset: Any) -> Pixels:
    exact = _rescaled(values, dataset)
    return greys_of(dataset, exact)(exact)


def _numbers(dataset: Any, name: str) -> list[float]:
    return [float(value) for value in np.ravel(dataset.get(name)) if value not in (None, "")]


def _pixel_spacing(dataset: Any) -> Spacing | None:
    """DICOM writes the distance of rows (y) first."""
    found = _numbers(dataset, "PixelSpacing")
    return (found[1], found[0]) if len(found) == 2 and min(found) > 0 else None


def header(path: str, number: int | None) -> Header:
    """Read what is known of a frame before it is decoded."""
    dataset = import_module("pydicom").dcmread(path, stop_before_pixels=True)
    count = _frames(dataset)
    dataset = _framed(dataset, count // 2 if number is None else number)
    photometric = str(dataset.get("PhotometricInterpretation") or "")
    grey = photometric.startswith("MONOCHROME")
    return Header(_pixel_spacing(dataset), grey, _unit(dataset) if grey else "", photometric == "MONOCHROME1", count)


def _unit(dataset: Any) -> str:
    # A secondary capture of a CT says CT too, but has grey levels and no rescaling.
    rescaled = dataset.get("RescaleIntercept") is not None and str(dataset.get("RescaleType") or "HU") == "HU"
    return "HU" if rescaled and dataset.get("Modality") == "CT" else ""
