"""A region by what is wished of it: of many candidate regions, cut at levels of the image, the best fit is taken."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from skimage.measure import label

from ...core.geometry import fit
from ...core.image import Pixels
from ...core.mask import Bits
from .bitmaps import Field, enlarged, eroded, opened, small, without_holes
from .wishes import HUES, TELLING, Request, Wish

Numbers = NDArray[np.float64]
Places = NDArray[np.intp]

LONGEST = 208
"""The longer side of the copy that is searched, in pixels."""

NEAR = 17
"""The side of the square, in pixels of the copy, that local contrast is against."""

AROUND = 5
"""So many pixels of the copy are kept around what is imaged: the ring beside a region reaches so far."""

LEAST = 0.75
"""A region that fits less well than this is not what was meant."""

ALIKE = 0.8
"""Where all are asked for, those are meant that fit and stand out at least this much as well as the best."""


class Regions(NamedTuple):
    """The connected regions of bitmaps that do not overlap, and their runs of pixels beside each other, row by row.

    What is measured of regions is summed over runs, of which there are far fewer than pixels.

    Attributes:
        labels: the number of its region in each pixel; 0 elsewhere.
        starts: where each run starts in the flat image.
        ends: where it ends, excluded.
        own: the number of the region it belongs to.
        areas: by number, the pixels of each region.
        bitmap: by number, which bitmap it is of, from 1.
    """

    labels: Places
    starts: Places
    ends: Places
    own: Places
    areas: Places
    bitmap: Places

    @classmethod
    def of(cls, *bitmaps: Bits) -> "Regions":
        """Connect pixels of a bitmap that share a side: all bitmaps are labelled in one pass."""
        height, width = bitmaps[0].shape
        apart = np.zeros(height * (width + 1) + 1, np.uint8)  # a column more, or runs would go on in the next row
        image = apart[1:].reshape(height, width + 1)[:, :-1]
        for number, bits in enumerate(bitmaps, 1):
            image += np.uint8(number) * bits
        turns = np.flatnonzero(apart[1:] != apart[:-1])
        after, before = apart[1:][turns], apart[turns]
        turns -= turns // (width + 1)
        starts, ends = turns[after > 0], turns[before > 0]
        labels = label(image, connectivity=1)  # type: ignore[no-untyped-call]
        own = labels.ravel()[starts]
        areas = np.bincount(own, ends - starts)
        bitmap = np.zeros(len(areas), np.intp)
        bitmap[own] = after[after > 0]
        return cls(labels, starts, ends, own, areas, bitmap)

    def summed(self, of_runs: Numbers) -> Numbers:
        """Sum over each region what is known of its runs."""
        return np.asarray(np.bincount(self.own, of_runs, len(self.areas)))


class Found(NamedTuple):
    """A region that fits: how well, how much it stands out, and its number among the regions of its cut."""

    fit: float
    strength: float
    regions: Regions
    number: int

    @property
    def bits(self) -> Bits:
        """Its pixels in the copy that was searched."""
        return np.asarray(self.regions.labels == self.number)


def described(pixels: Pixels, request: Request) -> Bits:
    """Return the ``(H, W)`` bits of what a request describes in ``(H, W)`` or ``(H, W, 3) uint8`` pixels."""
    height, width = pixels.shape[:2]
    nothing = np.zeros((height, width), bool)
    if not TELLING & set(request.wish) or min(height, width) < 8:
        return nothing
    colour = small(pixels, fit((width, height), LONGEST))
    soft = np.asarray(ndimage.gaussian_filter(_grey(colour), 1.4, truncate=3), np.float32)
    body = _body(soft)
    rows, columns = np.flatnonzero(body.any(1)), np.flatnonzero(body.any(0))
    there = np.s_[max(0, rows[0] - AROUND) : rows[-1] + AROUND, max(0, columns[0] - AROUND) : columns[-1] + AROUND]
    ranked = _ranked(colour[there], np.ascontiguousarray(soft[there]), np.ascontiguousarray(body[there]), request)
    if not ranked:
        return nothing
    found = np.zeros(body.shape, bool)
    for region in ranked if request.every else ranked[:1]:
        bits = region.bits
        if region.strength >= ALIKE * ranked[0].strength and not (bits & found[there]).any():
            found[there] |= bits
    return enlarged(without_holes(found), (width, height))


def _ranked(colour: Field, soft: Field, body: Bits, request: Request) -> list[Found]:
    """Return the regions that fit, the best first; where one is asked for, that one, else all about as good."""
    low, high = np.percentile(soft[body][::4], (2, 98))
    if high - low < 4:  # what stands out may be smaller than these shares
        low, high = soft[body].min(), soft[body].max()
    if high - low < 4:
        return []
    describe = _Describer(colour, soft, body, request.wish)
    least, found = LEAST, list[Found]()
    for bitmaps, clean in _cuts(colour, soft, body, (low, high), "stain" in request.wish):
        found += describe([opened(bits, clean) for bits in bitmaps], least)
        best = max((region.fit for region in found), default=0.0)
        least = max(least, ALIKE * best if request.every else best)
    return sorted((region for region in found if region.fit >= least), key=lambda region: -region.fit)


def _cuts(
    colour: Field, soft: Field, body: Bits, ends: tuple[float, float], stained: bool
) -> Iterator[tuple[tuple[Bits, ...], int]]:
    """Cut the body at several levels of grey, of local contrast and, for cells, of stain.

    Yields bitmaps that do not overlap, and how much to clean them.
    """
    low, high = ends
    if stained:
        red = ndimage.gaussian_filter(colour[..., 0], 1.4, truncate=3)
        for level in np.percentile(red[body], (8, 14, 20, 27, 34)):
            yield (body & (red < level),), 2
        return
    shares = np.percentile(soft[body][::4], (10, 35, 65, 90))
    levels = np.sort([*shares, *(low + (high - low) * np.array((0.25, 0.6)))])
    for level in levels:
        yield (body & (soft > level), body & (soft < level)), 1
    even = ndimage.gaussian_filter(soft, 1.7, truncate=2)
    bands = [body & (even > low) & (even < high) for low, high in zip(levels, levels[2:], strict=False)]
    yield (bands[0], bands[2]), 2
    yield (bands[1], bands[3]), 2
    weight = body.astype(np.float32)
    around = ndimage.uniform_filter(soft * weight, NEAR) / np.maximum(ndimage.uniform_filter(weight, NEAR), 1e-3)
    local = soft - around
    scale = 1.5 * float(np.median(np.abs(local[body][::4]))) + 1
    for times in (0.7, 1.5):
        yield (body & (local > times * scale), body & (local < -times * scale)), 1


def _body(soft: Field) -> Bits:
    """Return what is imaged: the largest thing that is not black, without holes, or all."""
    regions = Regions.of(soft > 12)
    if not len(regions.own):
        return np.ones(soft.shape, bool)
    return without_holes(regions.labels == np.argmax(regions.areas))


def _grey(colour: Field) -> Field:
    return np.asarray(colour @ np.full(colour.shape[2], 1 / colour.shape[2], np.float32))


def _spanned(values: Field, body: Bits) -> Field:
    """Scale values so that those of the body reach from 0 to 1, but for the outermost of them."""
    low, high = np.percentile(values[body], (2, 98))
    return np.asarray((values - low) / max(float(high - low), 1.0), np.float32)


Measured = Iterator[tuple[str, Numbers]]


class _Describer:
    """Measures the connected regions of a cut against the body that they lie in, and tells which of them fit."""

    def __init__(self, colour: Field, soft: Field, body: Bits, wish: Wish) -> None:
        self.soft, self.area, self.wish = soft, float(body.sum()), wish
        rows, columns = np.flatnonzero(body.any(1)), np.flatnonzero(body.any(0))
        self.frame = columns[0], rows[0], columns[-1] + 1 - columns[0], rows[-1] + 1 - rows[0]
        self.spread = float(soft[body].std()) + 1
        self.sums = {"grey": _running(soft)}
        if "level" in wish:
            self.sums["level"] = _running(_spanned(soft, body))
        if "stain" in wish:
            self.sums["stain"] = _running(1 - _spanned(colour[..., 0], body))
        if "edge" in wish:
            self.sums["edge"] = _running(body & ~eroded(body, 2))
        if HUES & wish.keys():
            tint = np.broadcast_to(colour - _grey(colour)[..., None], (*soft.shape, 3)) / 25
            tint -= tint[body].mean(0)
            hues = {"red": tint[..., 0], "yellow": -tint[..., 2], "purple": -tint[..., 1]}
            self.sums |= {name: _running(values) for name, values in hues.items() if name in wish}

    def __call__(self, bitmaps: Sequence[Bits], least: float) -> list[Found]:
        """Return the regions of bitmaps that do not overlap that fit at least so well.

        Each feature asked for is a bell around its value, and a region's fit is their geometric mean. What is cheap
        is measured first: a region that is already too far off is measured no more.
        """
        regions = Regions.of(*bitmaps)
        sound = (regions.areas >= 8) & (regions.areas < 0.9 * self.area)
        off, known = np.where(sound, 0.0, np.inf), dict[str, Numbers]()
        most = -np.log2(least) * len(self.wish) + 1e-9
        for measure in (self._inside, self._around):
            left = off <= most
            if not left.any():
                return []
            for name, values in measure(regions, known, sound, left):
                known[name] = values
                if name in self.wish:
                    value, width = self.wish[name]
                    off += ((values - value) / width) ** 2
        fits, strength = 0.5 ** (off / len(self.wish)), known["strength"]
        return [Found(fits[i], strength[i], regions, int(i)) for i in np.flatnonzero(fits >= least)]

    def _inside(self, regions: Regions, known: Mapping[str, Numbers], sound: Bits, left: Bits) -> Measured:
        areas, lengths = np.maximum(regions.areas, 1), regions.ends - regions.starts
        yield "size", np.log10(areas / self.area)
        for name, sums in self.sums.items():
            total = regions.summed(sums[regions.ends] - sums[regions.starts])
            if name == "edge":
                yield name, total / np.sqrt(areas)
            else:
                yield name, total / areas if name == "grey" else np.clip(total / areas, 0, 1)
        rows, columns = np.divmod(regions.starts, regions.labels.shape[1])
        middles = columns + (lengths - 1) / 2
        x, y = regions.summed(middles * lengths) / areas, regions.summed(rows * lengths) / areas
        x0, y0, width, height = self.frame
        yield "x", (x - x0) / width
        yield "apart", np.abs((x - x0) / width - 0.5)
        yield "y", (y - y0) / height
        if "round" in self.wish:
            dx, dy = middles - x[regions.own], rows - y[regions.own]
            xx = regions.summed((dx**2 + (lengths**2 - 1) / 12) * lengths)
            yy, xy = regions.summed(dy**2 * lengths), regions.summed(dx * dy * lengths)
            spread = np.sqrt(np.maximum((xx * yy - xy**2) / areas**2, 1e-6))
            yield "round", np.minimum(areas / (4 * np.pi * spread), 1.0)

    def _around(self, regions: Regions, known: Mapping[str, Numbers], sound: Bits, left: Bits) -> Measured:
        """Compare with the ring beside a region, on every other pixel; what its bitmap covers is not beside it."""
        grey, half = known["grey"], np.ascontiguousarray(regions.labels[::2, ::2])
        rings: list[tuple[NDArray[Any], NDArray[Any]]] = []
        for bitmap in set(regions.bitmap[left]):
            near = _largest(np.where(sound & (regions.bitmap == bitmap), np.arange(len(grey), dtype=np.int32), 0)[half])
            wide = _largest(near)
            places = np.flatnonzero((wide > 0) & (near == 0))
            rings.append((places, wide.ravel()[places]))
        ring, beside = (np.concatenate(each) for each in zip(*rings, strict=True))
        soft = self.soft[::2, ::2].ravel()
        lot = np.maximum(np.bincount(beside, minlength=len(grey)), 1)
        around = np.bincount(beside, soft[ring], minlength=len(grey)) / lot
        varied = np.bincount(beside, (soft[ring] - around[beside]) ** 2, minlength=len(grey)) / lot
        contrast = np.tanh(3 * (grey - around) / self.spread)
        yield "contrast", contrast
        yield "strength", np.abs(contrast)
        yield "calm", np.exp(-np.sqrt(varied) / (0.3 * self.spread))


def _running(values: NDArray[Any]) -> Numbers:
    """Return sums from the first pixel on: the sum over a run is a difference of two."""
    return np.concatenate(([0.0], np.cumsum(values, dtype=np.float64)))


def _largest(numbers: NDArray[np.int32]) -> NDArray[np.int32]:
    """Return the largest number of the three by three around each, sooner than ndimage's filter does."""
    tall = numbers.copy()
    np.maximum(tall[1:], numbers[:-1], out=tall[1:])
    np.maximum(tall[:-1], numbers[1:], out=tall[:-1])
    wide = tall.copy()
    np.maximum(wide[:, 1:], tall[:, :-1], out=wide[:, 1:])
    np.maximum(wide[:, :-1], tall[:, 1:], out=wide[:, :-1])
    return wide
