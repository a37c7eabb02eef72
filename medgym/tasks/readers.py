"""Files to pixels: photographs, scans and masks, the way a radiologist's screen would show them.

A picture (PNG, JPEG, TIFF, BMP, WebP, GIF) is shown upright, as its EXIF tag says, on black where it is
transparent. DICOM is shown through its first window. A NIfTI volume shows its middle slice (at the middle of
time) with the patient's right on the image's left and anterior, or else superior, on top; so does a folder with
the DICOM files of one series.
"""

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from importlib import import_module
from io import BytesIO
from pathlib import Path
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps, UnidentifiedImageError

from ..core.errors import InputError
from ..core.geometry import Size
from ..core.image import Pixels, SourceImage
from ..core.mask import Mask
from ..core.volume import Plane, Solid, Volume
from . import dicom
from .content import Content, Header
from .greys import Values, fitted
from .series import frames_of, series_of
from .volumes import Spacing, layout_of, plane_of, volume_of

T = TypeVar("T")
PICTURES = ("PNG", "JPEG", "TIFF", "BMP", "WEBP", "GIF")
"""What Pillow may open: its other formats are rare here, and one of them starts a program."""
EXPECTED = f"expected {', '.join(PICTURES)}, DICOM (.dcm) or NIfTI (.nii, .nii.gz)"
LUMINANCE = (0.299, 0.587, 0.114)
"""ITU-R BT.601."""


@dataclass(frozen=True, eq=False)
class Reading:
    """What a file shows.

    Attributes:
        pixels: ``(H, W)`` or ``(H, W, 3) uint8``.
        spacing: millimetres a pixel, ``(x, y)``, or None where the file does not say.
        modality: DICOM's code, such as ``CT``; empty for other files.
    """

    pixels: Pixels
    spacing: Spacing | None = None
    modality: str = ""


def read_image(path: str | Path, number: int | None = None) -> Reading:
    """Read an image file; of several slices or frames the one of that number, from 0, or the middle one.

    Raises:
        InputError: where it is missing, empty, damaged, too large or of another format; names the file.
    """

    def read() -> Reading:
        content = _CONTENT[found](path, number)
        pixels = np.ascontiguousarray(content.show(content.values))
        return Reading(pixels, content.spacing, content.modality)

    found = _format(path)
    return guarded(path, found, read)


def decode_picture(data: bytes, most_pixels: int) -> Pixels:
    """Decode the bytes of a picture; its size is looked at before its pixels.

    Raises:
        InputError: where they are no whole picture, or one of more than `most_pixels`.
    """

    def read() -> Pixels:
        with Image.open(BytesIO(data), formats=PICTURES) as image:
            if image.width * image.height > most_pixels:
                raise InputError(f"{image.width} x {image.height} pixels are too many; expected at most {most_pixels}")
            return np.ascontiguousarray(fitted(_upright(image)))

    return guarded(f"{len(data)} bytes", "picture", read)


def open_image(path: str | Path, number: int | None = None) -> SourceImage:
    """Return an image that is decoded when looked at; only the headers of DICOM and NIfTI are read now.

    Of several slices or frames it is the one of that number, from 0, or the middle one; where they are a volume, it
    knows its place in that. A folder is that of one DICOM series, whose slices are counted as `core.volume` says.

    Raises:
        InputError: where there is no such file or its header is damaged; looking at it raises for the rest.
    """
    absolute = os.path.abspath(path)
    if os.path.isdir(absolute) and os.listdir(absolute):
        return guarded(path, "dicom", lambda: careful(series_of(absolute, number), absolute, "dicom")).source
    found = _format(path)
    header = guarded(path, found, lambda: _HEADER[found](absolute, number)) if found in _HEADER else Header()
    if number is not None and not 0 <= number < header.slices:
        raise InputError(f"{path}: there is no slice {number}; expected one from 0 to {header.slices - 1}")
    if header.slices > 1 and (volume := guarded(path, found, lambda: _volume(absolute, found, number))):
        return careful(volume, absolute, found).source
    facts = os.stat(absolute)
    key = ("file", absolute, number, facts.st_mtime_ns, facts.st_size)
    stored = partial(_stored, absolute, number) if header.measured else None
    return SourceImage(key, partial(_pixels, absolute, number), header.spacing, stored, header.unit, header.inverted)


def file_of(image: SourceImage) -> tuple[str, int | None]:
    """Return the file, or a series' folder, that an image was opened from, or nothing, and which slice is shown."""
    root = image.root
    key = root.place.volume.key if root.place else root.key
    if not isinstance(key, tuple) or key[0] not in ("file", "slice", "nifti", "series", "frames"):
        return "", None
    return str(key[1]), root.place.cut.position if root.place and isinstance(root.place.cut, Plane) else key[2]


def is_dicom(path: str | Path) -> bool:
    """Whether a file is read as DICOM.

    Raises:
        InputError: where there is nothing to read.
    """
    return _format(path) == "dicom"


def _volume(path: str, found: str, number: int | None) -> Volume | None:
    if found == "nifti":
        return volume_of(path, number)
    return frames_of(path, import_module("pydicom").dcmread(path, stop_before_pixels=True), number)


def careful(volume: Volume, path: str, found: str) -> Volume:
    """Return a volume whose reading, too, says what was wrong with its file."""
    load, read = (partial(guarded, path, found, each) for each in (volume.load, volume.read))
    return replace(volume, load=load, read=read)


def open_labels(path: str | Path, values: Sequence[int] = ()) -> Solid | None:
    """Return the structure that certain `values` of a NIfTI volume of labels are, or all but 0; None where it is none.

    Raises:
        InputError: as `open_image`.
    """
    if _format(path) != "nifti":
        return None
    absolute = os.path.abspath(path)
    volume = guarded(path, "nifti", lambda: volume_of(absolute))
    if volume is None:
        return None
    load = partial(_labels, careful(volume, absolute, "nifti"))
    return Solid(("labels", volume.key), volume.shape, load, tuple(values))


def _labels(volume: Volume) -> Values:
    """Read labels: whole numbers, in a byte a voxel where they fit, slice by slice since fractions take more."""
    stored = volume.load()
    ends = [np.fmin.reduce(stored, None), np.fmax.reduce(stored, None)]
    whole = [int(np.nan_to_num(np.rint(end * volume.slope + volume.intercept))) for end in ends]
    labels = np.empty(stored.shape, np.result_type(*map(np.min_scalar_type, whole)))
    for made, plane in zip(labels, stored, strict=True):
        made[...] = np.nan_to_num(np.rint(plane * volume.slope + volume.intercept))
    return labels


def read_mask(path: str | Path, size: Size, number: int | None = None, values: Sequence[int] = ()) -> Mask:
    """Read the mask of an image of `size`, ``(width, height)``: whatever is above half of the file's maximum.

    So a mask coded 0/1 reads as one coded 0/255 does, and one of zeros is empty. Where transparency varies,
    it is the mask; else luminance is. Where `values` are given, it is these and nothing else.

    Raises:
        InputError: as `read_image`, and where the mask's size is not the image's.
    """
    found = _format(path)
    pixels = guarded(path, found, lambda: _plane(_CONTENT[found](path, number).values))
    height, width = pixels.shape
    if (width, height) != tuple(size):
        raise InputError(
            f"{path}: the mask is {width}x{height} and its image {size[0]}x{size[1]} pixels; expected the same size"
        )
    if values:
        return Mask.of(np.isin(np.rint(pixels), values))
    return Mask.of(pixels > max(0.0, float(pixels.max())) / 2)


def read_labels(path: str | Path) -> NDArray[np.int64]:
    """Read a picture whose pixels number structures, ``(H, W)``: the indexes of a palette, else the first channel.

    Raises:
        InputError: as `read_image`.
    """

    def read() -> NDArray[np.int64]:
        with open(path, "rb") as file, Image.open(file, formats=PICTURES) as image:
            values = np.asarray(ImageOps.exif_transpose(image))
        return (values[..., 0] if values.ndim == 3 else values).astype(np.int64)

    return guarded(path, _format(path), read)


def _pixels(path: str, number: int | None) -> Pixels:
    return read_image(path, number).pixels


def _stored(path: str, number: int | None) -> Values:
    """Read what was measured, ``(H, W)``."""

    def read() -> Values:
        content = _CONTENT[found](path, number)
        return content.rescaled(content.values)

    found = _format(path)
    return guarded(path, found, read)


def _plane(values: Values) -> NDArray[np.float64]:
    """Reduce to one number a pixel: alpha where it varies, else luminance."""
    if values.ndim == 3:
        alpha = values[..., -1]
        has_alpha = values.shape[2] == 4 and alpha.min() != alpha.max()
        values = alpha if has_alpha else values[..., :3] @ np.array(LUMINANCE)
    return np.nan_to_num(np.asarray(values, np.float64))


def _format(path: str | Path) -> str:
    """Tell the format by first bytes and name; an InputError where there is nothing to read."""
    name = str(path).lower()
    if os.path.isdir(path):
        raise InputError(f"{path}: a folder, not a file; {EXPECTED}, or a folder with the DICOM files of one series")
    try:
        with open(path, "rb") as file:
            head = file.read(132)
    except (FileNotFoundError, ValueError):
        raise InputError(f"{path}: no such file; {EXPECTED}") from None
    except OSError as error:
        raise InputError(f"{path}: cannot be opened ({error.strerror}); {EXPECTED}") from None
    if not head:
        raise InputError(f"{path}: the file is empty; {EXPECTED}")
    if name.endswith((".dcm", ".dicom")) or head[128:] == b"DICM":
        return "dicom"
    return "nifti" if name.endswith((".nii", ".nii.gz")) else "picture"


def guarded(path: str | Path, found: str, read: Callable[[], T]) -> T:
    """Call a reader; whatever a library raises on a damaged file becomes an InputError that names it.

    The library's own words are left out: on DICOM they may quote what identifies a patient.
    """
    try:
        return read()
    except (InputError, MemoryError):
        raise
    except ImportError as error:
        raise InputError(f"{path}: reading it needs {error.name}: pip install 'medgym[data]'") from error
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        most = f"expected at most {Image.MAX_IMAGE_PIXELS} pixels, Pillow's limit against decompression bombs"
        raise InputError(f"{path}: too large; {most}") from None
    except UnidentifiedImageError:
        raise InputError(f"{path}: not an image that can be read; {EXPECTED}") from None
    except Exception as error:
        whole = {
            "dicom": "a whole DICOM image (a compressed one may need: pip install 'pylibjpeg[all]')",
            "nifti": "a whole NIfTI volume",
        }.get(found, "a whole image")
        raise InputError(f"{path}: damaged, cut short or in an unknown coding; expected {whole}") from error


def _picture(path: str | Path, _number: int | None) -> Content:
    # By path, Pillow maps an uncompressed TIFF into memory and garbles it where its tag says to turn it.
    with open(path, "rb") as file, Image.open(file, formats=PICTURES) as image:
        if Image.MAX_IMAGE_PIXELS is not None and image.width * image.height > Image.MAX_IMAGE_PIXELS:
            raise Image.DecompressionBombError
        return Content(_upright(image), fitted)


def _upright(image: Image.Image) -> Values:
    upright = ImageOps.exif_transpose(image)
    if not upright.mode.startswith(("I", "F")):
        grey = "L" if upright.mode in ("1", "L") else "RGB"
        upright = upright.convert("RGBA" if upright.has_transparency_data else grey)
    return np.asarray(upright)


def _nifti(path: str | Path, number: int | None) -> Content:
    plane, spacing = plane_of(path, number)
    return Content(plane, fitted, spacing)


def _nifti_header(path: str, _number: int | None) -> Header:
    volume = import_module("nibabel").load(path)
    layout = layout_of(volume)
    count = volume.shape[layout.axis] if layout.axis < volume.ndim else 1
    return Header(layout.spacing, volume.get_data_dtype().kind in "iuf", slices=count)


_CONTENT: dict[str, Callable[[str | Path, int | None], Content]] = {
    "picture": _picture,
    "dicom": dicom.decoded,
    "nifti": _nifti,
}
_HEADER: dict[str, Callable[[str, int | None], Header]] = {"dicom": dicom.header, "nifti": _nifti_header}
