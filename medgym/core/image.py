"""Images of tasks: loaded when looked at, held once a process within a bound of bytes."""

import hashlib
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from functools import cached_property, partial
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image as Pillow

from .cache import ByteCache
from .geometry import Affine, Box, Size, snap, within

if TYPE_CHECKING:
    from .volume import Place

Pixels = NDArray[np.uint8]
Values = NDArray[np.float32]
GIB = 1 << 30


class PixelCache(ByteCache[NDArray[Any]]):
    """Read-only arrays, made on demand, shared by a process's episodes."""

    def __init__(self, most_bytes: int) -> None:
        super().__init__(most_bytes, _nbytes)

    def get(self, key: Hashable, make: Callable[[], NDArray[Any]]) -> NDArray[Any]:
        """Return the array of `key`, from `make` where it is not held; threads wait for each other."""
        with self.lock:
            found = self.find(key)
            if found is None:
                found = np.ascontiguousarray(make())
                found.setflags(write=False)
                self.keep(key, found)
            return found


def _nbytes(array: NDArray[Any]) -> int:
    return array.nbytes


ORIGINALS = PixelCache(3 * GIB // 2)
RENDERED = PixelCache(GIB // 4)
PLANES = PixelCache(GIB // 4)
"""What is cut from volumes: small beside its volume, and soon cut again."""


@dataclass(frozen=True, eq=False)
class SourceImage:
    """One image of a task at its full resolution.

    Attributes:
        key: names the content within this process; equal keys share memory.
        load: makes the pixels, ``(H, W)`` or ``(H, W, 3) uint8``; called again after the cache let them go.
        spacing: millimetres a pixel, ``(x, y)``, where known.
        stored: makes what was measured, ``(H, W) float32``, of which the pixels show a part; None where there are
            the pixels alone.
        unit: of the stored values: ``HU`` of a CT, empty where unknown.
        inverted: whether larger stored values are shown darker.
        parent: of an image that was computed from another, that one.
        place: of an image that was cut from a volume, the volume and where.
    """

    key: Hashable
    load: Callable[[], NDArray[Any]]
    spacing: tuple[float, float] | None = None
    stored: Callable[[], NDArray[Any]] | None = None
    unit: str = ""
    inverted: bool = False
    parent: "SourceImage | None" = None
    place: "Place | None" = None

    @classmethod
    def of(cls, pixels: NDArray[Any], spacing: tuple[float, float] | None = None) -> "SourceImage":
        """Wrap an array that is at hand, ``(H, W)`` or ``(H, W, 3) uint8``."""
        held = np.array(_one_channel(pixels), np.uint8, order="C")
        return cls(("array", _digest(held)), _Held(held), spacing)

    @classmethod
    def unseen(
        cls, size: Size, spacing: tuple[float, float] | None = None, place: "Place | None" = None
    ) -> "SourceImage":
        """Return an image of which the size is known and no more, as a kept episode has it."""
        image = cls(("unseen", size), _not_kept, spacing, place=place)
        vars(image)["size"] = tuple(size)
        return image

    @property
    def pixels(self) -> Pixels:
        """The pixels, read-only: ``(H, W) uint8`` where they are grey, however stored, else ``(H, W, 3)``."""
        return self._cache.get(self.key, lambda: _one_channel(self.load()))

    def derived(self, how: Callable[..., NDArray[Any]], *settings: Any) -> "SourceImage":
        """Return the image that ``how(this, *settings)`` computes; it has this one's size, spacing and values."""
        key = (self.key, how.__name__, *settings)
        made = partial(how, self, *settings)
        return SourceImage(key, made, self.spacing, self.stored, self.unit, self.inverted, self, self.place)

    def looks(self, other: "SourceImage") -> "SourceImage":
        """Return another image, computed from as this one was from its root: through the same window, say."""
        if self.parent is None or not isinstance(self.load, partial):
            return other
        how, (_, *settings) = self.load.func, self.load.args
        return self.parent.looks(other).derived(how, *settings)

    @property
    def root(self) -> "SourceImage":
        """The image of the task that it was computed from, or itself."""
        return self.parent.root if self.parent else self

    @property
    def values(self) -> Values | None:
        """The stored values, ``(H, W) float32``, read-only, or None; NaN where nothing was measured."""
        stored = self.stored
        if stored is None:
            return None
        return self.root._cache.get(("values", self.root.key), lambda: np.asarray(stored(), np.float32))

    @cached_property
    def size(self) -> Size:
        """``(width, height)``."""
        height, width = self.pixels.shape[:2]
        return width, height

    @cached_property
    def digest(self) -> str:
        """A hash of the content: the same for the same pixels everywhere."""
        return _digest(self.pixels)

    @property
    def _cache(self) -> PixelCache:
        return PLANES if self.place and not self.parent else ORIGINALS

    def sample(self, to_original: Affine, size: Size) -> Pixels:
        """Re-sample what a view of `size` shows: ``(h, w, 3) uint8 RGB``."""
        pixels = self.pixels
        height, width = pixels.shape[:2]
        if to_original.straight and within(to_original.box((0, 0, *size)), (width, height)):
            return _rgb(_straight(pixels, to_original, size))
        return _rgb(_turned(pixels, to_original, size))


def _not_kept() -> Pixels:
    raise ValueError("a kept episode has the sizes of its images and not their pixels")


@dataclass(frozen=True, eq=False)
class _Held:
    """A loader for pixels that are at hand: a class, so that an image can be pickled."""

    pixels: Pixels

    def __call__(self) -> Pixels:
        return self.pixels


def _straight(pixels: Pixels, to_original: Affine, size: Size) -> Pixels:
    """Cut a region out and turn and mirror it by whole pixels: nothing is lost."""
    # Products of fractions miss whole pixels by a hair, and then nothing is a plain copy.
    x1, y1, x2, y2 = (round(v, 6) for v in to_original.box((0, 0, *size)))
    cut = _crop(pixels, (x1, y1, x2, y2), size if to_original.a else (size[1], size[0]))
    if to_original.a + to_original.b < 0:
        cut = cut[:, ::-1]
    if to_original.d + to_original.e < 0:
        cut = cut[::-1]
    return cut if to_original.a else cut.swapaxes(0, 1)


def _turned(pixels: Pixels, to_original: Affine, size: Size) -> Pixels:
    """Turn by any angle: an upright copy at the same scale is turned, since Pillow does not smooth as it turns.

    What lies outside the image is black.
    """
    height, width = pixels.shape[:2]
    (a, b, _), (d, e, _) = to_original[:3], to_original[3:]
    scale = max(1.0, abs(a * e - b * d) ** 0.5)
    x1, y1, x2, y2 = to_original.box((0, 0, *size))
    reach = 3 * scale
    left, top, right, bottom = snap((x1 - reach, y1 - reach, x2 + reach, y2 + reach), (width, height))
    part_size = (max(1, round((right - left) / scale)), max(1, round((bottom - top) / scale)))
    part = _crop(pixels, (left, top, right, bottom), part_size)
    to_part = Affine.onto((left, top, right, bottom), part_size).inverse().after(to_original)
    picture = Pillow.fromarray(part)
    return np.asarray(picture.transform(size, Pillow.Transform.AFFINE, tuple(to_part), Pillow.Resampling.BICUBIC))


def _crop(pixels: Pixels, region: Box, size: Size) -> Pixels:
    """Cut an upright region out; whole pixels at scale 1 are copied, all else is bicubic."""
    height, width = pixels.shape[:2]
    x1, y1, x2, y2 = snap(region, (width, height))
    if (x1, y1, x2, y2) == region and (x2 - x1, y2 - y1) == size:
        return pixels[y1:y2, x1:x2]
    scale = max((region[2] - region[0]) / size[0], (region[3] - region[1]) / size[1])
    reach = 3 + int(3 * max(1.0, scale))
    left, top = max(0, x1 - reach), max(0, y1 - reach)
    part = np.ascontiguousarray(pixels[top : y2 + reach, left : x2 + reach])
    inside = (
        max(0.0, region[0] - left),
        max(0.0, region[1] - top),
        min(float(part.shape[1]), region[2] - left),
        min(float(part.shape[0]), region[3] - top),
    )
    return np.asarray(Pillow.fromarray(part).resize(size, Pillow.Resampling.BICUBIC, box=inside))


def grey(pixels: Pixels) -> Pixels:
    """Return the luminance (ITU-R BT.601), ``(H, W) uint8``."""
    return pixels if pixels.ndim == 2 else np.asarray(Pillow.fromarray(pixels).convert("L"))


def _rgb(pixels: Pixels) -> Pixels:
    if pixels.ndim == 3:
        return pixels
    colour = np.empty((*pixels.shape, 3), np.uint8)
    for channel in range(3):  # half the time of a broadcast, of np.repeat and of Pillow
        colour[..., channel] = pixels
    return colour


def _one_channel(pixels: NDArray[Any]) -> NDArray[Any]:
    """Most grey images are stored as RGB: one channel takes a third of the memory and of the time."""
    if pixels.ndim == 3 and (pixels[..., 0] == pixels[..., 1]).all() and (pixels[..., 1] == pixels[..., 2]).all():
        return pixels[..., 0]
    return pixels


def _digest(pixels: Pixels) -> str:
    hashed = hashlib.blake2b(str(pixels.shape).encode(), digest_size=16)
    hashed.update(np.ascontiguousarray(pixels).data)
    return hashed.hexdigest()
