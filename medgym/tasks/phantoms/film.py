"""Textures and acquisition: how labels become pixels, shared by all modalities."""

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFilter

Grain = NDArray[np.int16]
Field = NDArray[np.float32]
Colour = tuple[float, float, float]

BYTES = 73.9
"""The standard deviation of a uniform signed byte."""
GRAIN = 6 * BYTES
"""The standard deviation of grain, a sum by the kernel ``1 2 1`` each way."""
STRIP = 64
"""Rows that are worked on at a time: strips stay in the processor's cache."""


def fields(rng: np.random.Generator, native: int) -> tuple[Grain, Grain]:
    """Return ``(native, native)`` noise as fine grain (`GRAIN`) and as coarser texture (`coarseness`).

    Sums of uniform bytes: near enough to normal and several times as fast.
    """
    width = native + 16
    raw = rng.integers(-128, 128, width * width, np.int8)
    steps = coarseness(native)[0]
    grain, texture = _boxed(raw, (1, 1), width), _boxed(raw[::-1], steps, width)
    return grain[:native, :native], texture[:native, :native]


@lru_cache
def coarseness(native: int) -> tuple[tuple[int, ...], float]:
    """Return the steps that texture is summed over, more in larger images, and its standard deviation."""
    steps = tuple(range(1, 1 + sum(native >= 96 * 2**k for k in range(4))))
    kernel = np.ones(1)
    for by in steps:
        kernel = np.convolve(kernel, [1, *[0] * (by - 1), 1])
    return steps, BYTES * float(kernel @ kernel)


def _boxed(raw: NDArray[np.int8], steps: Sequence[int], width: int) -> Grain:
    # Two buffers in turn: fresh memory costs more than the sums. What wraps at an edge is noise as well.
    # Four steps add up to 256 bytes, which is the most that fits.
    one = raw.astype(np.int16)
    two = np.empty_like(one)
    for by in steps:
        np.add(one[by:], one[:-by], out=two[:-by])
        np.add(two[by * width :], two[: -by * width], out=one[: -by * width])
    return one.reshape(width, width)


def blurred(a: NDArray[np.int16]) -> NDArray[np.int16]:
    """Return 16 times `a` blurred by the binomial ``1 2 1`` each way; ``|a| < 2000``, or it overflows."""
    wide = np.pad(a, 1, mode="edge")
    for _ in range(2):
        rows = wide[1:] + wide[:-1]
        wide = rows[:, 1:] + rows[:, :-1]
    return wide


def feathered(inside: NDArray[np.bool_], sigma: float) -> Field:
    """Return a mask ``(h, w)`` as 0 to 1, blurred by `sigma` pixels."""
    mask = Image.fromarray(inside.view(np.uint8) * np.uint8(255))
    return np.asarray(mask.filter(ImageFilter.GaussianBlur(sigma)), np.float32) * np.float32(1 / 255)


def cloud(rng: np.random.Generator, native: int, cells: int) -> Field:
    """Return a smooth random field ``(native, native)`` with `cells` bumps across, about standard normal."""
    coarse = rng.standard_normal((cells + 2, cells + 2)).astype(np.float32) * np.float32(1.35)
    inner = (1.0, 1.0, cells + 1.0, cells + 1.0)
    return np.asarray(Image.fromarray(coarse).resize((native, native), Image.Resampling.BICUBIC, box=inner))


def developed(plain: NDArray[Any], *fields: tuple[NDArray[Any], float]) -> NDArray[np.uint8]:
    """Add fields, each with its amplitude, to an image, all ``(H, W)``, and cut to 0 to 255, strip by strip."""
    pixels = np.empty(plain.shape, np.uint8)
    for top in range(0, len(plain), STRIP):
        rows = slice(top, top + STRIP)
        strip = plain[rows].astype(np.float32)
        for field, amplitude in fields:
            strip += field[rows] * np.float32(amplitude)
        pixels[rows] = np.clip(strip, 0, 255, out=strip)
    return pixels


def doubled(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return an image ``(2 H, 2 W)``, the new rows and columns half-way between the old ones: faster than Pillow."""
    for _ in range(2):
        half = image >> 1
        wide = np.repeat(image, 2, axis=0)
        np.add(half[1:], half[:-1], out=wide[1:-1:2])
        image = wide.T
    return image
