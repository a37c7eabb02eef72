"""Copies of an image among many: re-encoded, resized, brightened or slightly cropped, by perceptual hashes.

An image's hash is ImageHash's `phash` of 16 x 16: the signs of the low frequencies of its grey levels. Copies differ in
a few of the 256 bits, images of other kinds in about half. Low frequencies of a cropped copy are others, so each image
is hashed whole and with its margins cut in seven ways, and two are near where one's whole is near any of the other's.
`benchmarks/hygiene` measures what is found.
"""

from collections.abc import Sequence
from importlib import import_module
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from ..core.image import Pixels, grey
from ..spec import needs

SIDE = 16
BITS = SIDE * SIDE
NEAR = 20
"""Hashes that differ in at most so many of their bits are of one image."""
MARGINS = (
    (0.0, 0.0, 0.0, 0.0),
    (0.01, 0.01, 0.01, 0.01), (0.025, 0.025, 0.025, 0.025), (0.04, 0.04, 0.04, 0.04),
    (0.03, 0.0, 0.0, 0.0), (0.0, 0.03, 0.0, 0.0), (0.0, 0.0, 0.03, 0.0), (0.0, 0.0, 0.0, 0.03),
)  # fmt: skip
"""Shares cut off left, top, right and bottom; the first leaves all."""
FLAT = 2.0
"""Grey levels of standard deviation below which an image shows nothing by which to tell it."""
BLOCK = 256
THUMBNAIL = 256

Hashes = NDArray[np.bool_]


class Pair(NamedTuple):
    """Two images by their places in what was compared, and the number of bits in which they differ."""

    one: int
    two: int
    distance: int


def hashes_of(pixels: Pixels) -> Hashes | None:
    """Return an image's hashes, ``(8, 256) bool``, as it is and with margins cut; None where it is all of one grey.

    Raises:
        InputError: where ImageHash is not installed.
    """
    needs("imagehash", "data", "comparing images")
    phash = import_module("imagehash").phash
    image = Image.fromarray(np.ascontiguousarray(grey(pixels)))
    image.thumbnail((THUMBNAIL, THUMBNAIL), Image.Resampling.BILINEAR)
    if np.std(np.asarray(image)) < FLAT:
        return None
    return np.stack([phash(_cut(image, margins), hash_size=SIDE).hash.ravel() for margins in MARGINS])


def _cut(image: Image.Image, margins: tuple[float, float, float, float]) -> Image.Image:
    left, top, right, bottom = margins
    width, height = image.size
    box = (width * left, height * top, width * (1 - right), height * (1 - bottom))
    return image.resize((4 * SIDE, 4 * SIDE), Image.Resampling.LANCZOS, box)


def near_pairs(hashes: Sequence[Hashes]) -> list[Pair]:
    """Return every two images whose hashes differ in at most `NEAR` bits, the nearest first.

    Bits are counted by products of matrices of -1 and 1: 10,000 images take seconds.
    """
    if not hashes:
        return []
    whole = _signs(hashes, 0)
    found: dict[tuple[int, int], int] = {}
    for form in range(len(MARGINS)):
        cut = _signs(hashes, form)
        for start in range(0, len(whole), BLOCK):
            products = whole[start : start + BLOCK] @ cut.T
            for one, two in np.argwhere(products >= BITS - 2 * NEAR):
                pair = (min(start + int(one), int(two)), max(start + int(one), int(two)))
                if pair[0] != pair[1]:
                    found[pair] = min(found.get(pair, BITS), int(BITS - products[one, two]) // 2)
    return sorted((Pair(*pair, distance) for pair, distance in found.items()), key=lambda pair: pair[::-1])


def _signs(hashes: Sequence[Hashes], form: int) -> NDArray[np.float32]:
    """Return one hash of each image as -1 and 1, ``(N, 256)``: all eight would be 8 KB an image."""
    return np.stack([each[form] for each in hashes]).astype(np.float32) * 2 - 1
