"""Where an image or a mask of a published data set lies, and whether it is whole, without decoding it.

An image is looked at when its task is asked for. Before that, only the first and last bytes of its file are
read: they tell a cut-off PNG or JPEG. What they do not tell is decoded once to see.
"""

import hashlib
import os
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple, Protocol, runtime_checkable

import numpy as np
from PIL import Image

from ...core.errors import InputError
from ...core.geometry import Size
from ...core.image import SourceImage
from ...core.mask import Mask
from ...core.volume import Solid
from ..readers import open_image, read_image, read_labels, read_mask

UNREADABLE = "the image cannot be read"
MISSING = "the image is missing"
ENDS = {b"\x89PNG": b"IEND", b"\xff\xd8\xff": b"\xff\xd9"}
"""How the files of a format begin and how whole ones end."""
EDGE = 2048


class Edges(NamedTuple):
    """The first and last bytes of an encoded image, and how many it has."""

    head: bytes
    tail: bytes
    length: int

    @property
    def looks_whole(self) -> bool:
        """Whether it is certainly not cut off, as far as its ends tell."""
        return any(self.head.startswith(begin) and end in self.tail[-64:] for begin, end in ENDS.items())

    @property
    def identity(self) -> str:
        """A name that equal files share; files that differ in their ends or length do not."""
        return hashlib.blake2b(b"%d" % self.length + self.head + self.tail, digest_size=12).hexdigest()


class Picture(Protocol):
    """An image that can be opened, in any process."""

    def open(self) -> SourceImage:
        """Return the image, not yet decoded."""

    def fault(self) -> str:
        """Say why it cannot be served, or nothing."""

    @property
    def identity(self) -> str:
        """What it shares with copies of itself."""


class Region(Protocol):
    """A mask of an image."""

    def read(self, size: Size) -> Mask:
        """Return the mask of an image of `size`, ``(width, height)``."""


@runtime_checkable
class Deep(Protocol):
    """A region of a slice that goes on through its volume."""

    def solid(self) -> Solid | None:
        """Return the structure in voxels; None where there is one slice."""


@dataclass(frozen=True)
class FilePicture:
    """An image in a file of its own."""

    path: str

    def open(self) -> SourceImage:
        """Return the image, not yet decoded."""
        return open_image(self.path)

    def fault(self) -> str:
        """Say why it cannot be served, or nothing."""
        return _file_fault(self.path)

    @property
    def identity(self) -> str:
        """What it shares with copies of itself."""
        return edges_of_file(self.path).identity


@dataclass(frozen=True)
class MaskFile:
    """A mask in a file of its own: white or 1 is inside."""

    path: str

    def read(self, size: Size) -> Mask:
        """Return the mask of an image of `size`, ``(width, height)``."""
        return read_mask(self.path, size)


@dataclass(frozen=True)
class Labelled:
    """The pixels of certain values in a file that numbers every structure."""

    path: str
    values: tuple[int, ...]

    def read(self, size: Size) -> Mask:
        """Return the mask of an image of `size`, ``(width, height)``."""
        labels = read_labels(self.path)
        if labels.shape[::-1] != tuple(size):
            found = f"{labels.shape[1]}x{labels.shape[0]}"
            raise InputError(
                f"{self.path}: the mask is {found} and its image {size[0]}x{size[1]} pixels; expected the same size"
            )
        return Mask.of(np.isin(labels, self.values))


def fault_of(edges: Edges, decode: Callable[[], object]) -> str:
    """Say why an encoded image cannot be served, or nothing; `decode` is called only where its ends do not tell."""
    if not edges.length:
        return MISSING
    if edges.looks_whole:
        return ""
    try:
        decode()
    except InputError:
        return UNREADABLE
    return ""


@lru_cache(maxsize=1 << 16)
def _file_fault(path: str) -> str:
    if not os.path.isfile(path):
        return MISSING
    return fault_of(edges_of_file(path), lambda: read_image(path))


def edges_of_file(path: str) -> Edges:
    """Read the ends of a file."""
    with open(path, "rb") as file:
        head = file.read(EDGE)
        length = file.seek(0, os.SEEK_END)
        file.seek(max(0, length - EDGE))
        return Edges(head, file.read(), length)


def size_of(path: str) -> Size | None:
    """Return ``(width, height)``, upright, by a picture's header alone; None where there is no readable one."""
    try:
        with Image.open(path) as image:
            turned = image.getexif().get(0x0112, 1) >= 5
            return image.size[::-1] if turned else image.size
    except (OSError, ValueError):
        return None
