"""Words to a region: each known word asks for features, and of many candidate regions the best fit is taken.

There is no language model and no anatomy beyond the tables below. A word that is not in them means nothing, and
a text without any known word finds nothing.
"""

import re
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image as Pillow
from scipy import ndimage

from ...core.geometry import fit
from ...core.image import Pixels
from ...core.mask import Bits

Field = NDArray[np.float32]
Wish = Mapping[str, tuple[float, float]]
"""What a word asks for: by feature, the value wanted and how far off is still half right."""

LONGEST = 208
"""The longer side of the copy that is searched, in pixels."""

NEAR = 17
"""The side of the square, in pixels of the copy, that local contrast is against."""

LEAST = 0.75
"""A region that fits less well than this is not what was meant."""

ALIKE = 0.8
"""Where all are asked for, those are meant that fit and stand out at least this much as well as the best."""

_BRIGHT: Wish = {"contrast": (1.0, 0.5), "level": (0.9, 0.4)}
_DARK: Wish = {"contrast": (-1.0, 0.5), "level": (0.15, 0.6)}
_LESION: Wish = {"size": (-2.0, 0.7), "round": (0.9, 0.3), "calm": (0.8, 0.4), "strength": (1.0, 0.6)}
_ORGAN: Wish = {"level": (0.65, 0.25), "round": (0.8, 0.4), "strength": (1.0, 0.5)}
_CELL: Wish = {"stain": (0.8, 0.4), "round": (0.9, 0.3), "size": (-2.1, 0.6), "contrast": (-1.0, 0.5)}

QUALITIES: Mapping[str, Wish] = {
    "bright white hyperdense hyperintense hyperechoic echogenic enhancing dense opacity": _BRIGHT,
    "dark black hypodense hypointense hypoechoic anechoic": _DARK,
    "red": {"red": (1.0, 0.6)},
    "yellow": {"yellow": (1.0, 0.6)},
    "purple violet blue": {"purple": (1.0, 0.6)},
    "small tiny little": {"size": (-2.7, 0.6)},
    "large big huge": {"size": (-0.9, 0.5)},
    "left": {"x": (0.25, 0.2)},
    "right": {"x": (0.75, 0.2)},
    "upper top superior": {"y": (0.25, 0.2)},
    "lower bottom inferior": {"y": (0.75, 0.2)},
    "central center centre middle": {"x": (0.5, 0.2), "y": (0.5, 0.2)},
    "round circular oval": {"round": (1.0, 0.25)},
    "irregular elongated": {"round": (0.4, 0.25)},
}
"""Adjectives: what they ask for goes before what a noun does."""

NOUNS: Mapping[str, Wish] = {
    "lesion tumor tumour mass metastasis cancer carcinoma abnormality": _LESION,
    "nodule polyp": {**_LESION, "size": (-2.4, 0.6)},
    "cyst fluid effusion gas air bubble": {**_LESION, **_DARK},
    "calcification exudate stone contrast": {**_BRIGHT, "size": (-2.5, 0.7)},
    "edema oedema enhancement": {**_BRIGHT, "size": (-1.3, 0.6)},
    "blood hemorrhage haemorrhage microaneurysm": {
        "red": (1.0, 0.6),
        "contrast": (-0.8, 0.5),
        "size": (-2.5, 0.7),
    },
    "vessel artery vein": {
        "red": (0.8, 0.6),
        "round": (0.2, 0.3),
        "contrast": (-0.8, 0.5),
        "size": (-1.0, 0.7),
    },
    "disc disk": {**_BRIGHT, "size": (-1.6, 0.4), "round": (0.95, 0.25)},
    "cup": {**_BRIGHT, "size": (-2.1, 0.4), "round": (0.95, 0.25), "level": (1.0, 0.2)},
    "liver": {**_ORGAN, "x": (0.27, 0.12), "y": (0.47, 0.2), "size": (-0.8, 0.25)},
    "spleen": {**_ORGAN, "x": (0.83, 0.1), "y": (0.6, 0.2), "size": (-1.5, 0.3)},
    "kidney": {**_ORGAN, "apart": (0.2, 0.07), "y": (0.65, 0.12), "size": (-1.6, 0.25)},
    "lung": {**_DARK, "apart": (0.22, 0.12), "y": (0.5, 0.2), "size": (-0.9, 0.35), "edge": (0.0, 0.2)},
    "vertebra spine": {**_BRIGHT, "x": (0.5, 0.1), "y": (0.75, 0.2), "size": (-1.6, 0.4)},
    "bone rib": {**_BRIGHT, "level": (1.0, 0.25), "size": (-1.8, 0.6)},
    "nucleus cell": _CELL,
    "lymphocyte": {**_CELL, "size": (-2.3, 0.4)},
}
"""What is asked for: of several nouns the last; the others only say where it lies."""

KINDS: Mapping[str, Wish] = {
    "inflammatory": {"size": (-2.3, 0.3), "level": (0.0, 0.2), "stain": (1.0, 0.3), "round": (1.0, 0.2)},
    "neoplastic": {"size": (-1.9, 0.35)},
}
"""Kinds of cell, which go before what "cell" asks for."""

LOOKS = (
    ("size", "small", -2.2, ""),
    ("contrast", "dark", 0.0, "bright"),
    ("round", "", 0.85, "round"),
    ("red", "", 0.5, "red"),
    ("yellow", "", 0.5, "yellow"),
    ("purple", "", 0.5, "purple"),
)
"""How a wish is told: feature, the word below a value, that value, the word above it."""

HUES = {"red", "yellow", "purple"}
TELLING = {"level", "contrast", "strength", "stain", *HUES}
"""Without any of these features a wish is only for a place, a size or a shape, and nothing is told by it."""

MIRRORED = {"kidney", "lung", "adrenal", "ovary", "breast", "lobe"}
"""Words with which left and right are the patient's, who faces the viewer: right is at the image's left."""

PLURALS = {"nuclei": "nucleus", "vertebrae": "vertebra", "metastases": "metastasis", "calculi": "stone"}


def _table(rows: Mapping[str, Wish]) -> dict[str, Wish]:
    return {word: wish for words, wish in rows.items() for word in words.split()}


_QUALITIES, _NOUNS = _table({**QUALITIES, **KINDS}), _table(NOUNS)
KNOWN = {*_QUALITIES, *_NOUNS, *MIRRORED}


class Request(NamedTuple):
    """What a text asks for: the wish of its known words, and whether for all that fit."""

    wish: Wish
    every: bool

    @property
    def looks(self) -> str:
        """The wish in plain words with a space behind them, such as ``dark, round``; may be empty."""
        asked = [(self.wish[row[0]][0], row) for row in LOOKS if row[0] in self.wish]
        words = [low if value < limit else high for value, (_, low, limit, high) in asked]
        return ", ".join(filter(None, words)) + " " * any(words)


class Found(NamedTuple):
    """A region that fits: how well, how much it stands out, and its label in an image of labels."""

    fit: float
    strength: float
    labels: NDArray[np.intp]
    label: int


def understood(text: str) -> Request:
    """Read a text: the last known noun before "in" or "of" is the thing, other nouns say where it lies."""
    words, every = [], False
    head = ""
    for clause in re.split(r"\b(?:in|of|within|inside|on|at|near|from)\b", text.lower()):
        found = []
        for word in re.findall(r"[a-z]+", clause):
            one = PLURALS.get(word, word if word in KNOWN else word.removesuffix("s"))
            if one in KNOWN:
                found.append(one)
                every |= one != word and not head
        head = head or next((word for word in reversed(found) if word in _NOUNS), "")
        words += found
    wish: dict[str, tuple[float, float]] = {}
    for word in words:
        if word in _NOUNS and word != head:
            wish |= {feature: _NOUNS[word][feature] for feature in ("x", "y", "apart") if feature in _NOUNS[word]}
    wish |= _NOUNS.get(head, {})
    for word in words:
        wish |= _QUALITIES.get(word, {})
    if {"left", "right"} & set(words) and MIRRORED & set(words):
        wish["x"] = (1 - wish["x"][0], wish["x"][1])
    return Request(wish, every)


def described(pixels: Pixels, request: Request) -> Bits:
    """Return the ``(H, W)`` bits of what a request describes in ``(H, W)`` or ``(H, W, 3) uint8`` pixels."""
    height, width = pixels.shape[:2]
    nothing = np.zeros((height, width), bool)
    if not TELLING & set(request.wish) or min(height, width) < 8:
        return nothing
    size = fit((width, height), LONGEST)
    picture = Pillow.fromarray(np.ascontiguousarray(pixels)).resize(size, Pillow.Resampling.BOX)
    colour = np.asarray(picture.convert("RGB"), np.float32)
    ranked = _ranked(colour, request)
    if not ranked:
        return nothing
    best = ranked[0]
    found = np.zeros(colour.shape[:2], bool)
    for region in ranked if request.every else ranked[:1]:
        part = region.labels == region.label
        if region.strength >= ALIKE * best.strength and not (part & found).any():
            found |= part
    soft = Pillow.fromarray(ndimage.gaussian_filter(ndimage.binary_fill_holes(found).astype(np.float32), 0.7))
    return np.asarray(soft.resize((width, height), Pillow.Resampling.BILINEAR)) > 0.5


def _ranked(colour: Field, request: Request) -> list[Found]:
    """Return the regions that fit, the best first; where one is asked for, that one, else all about as good."""
    soft = np.asarray(ndimage.gaussian_filter(colour.mean(2), 1.4, truncate=3), np.float32)
    body = _body(soft)
    low, high = np.percentile(soft[body], (2, 98))
    if high - low < 4:  # what stands out may be smaller than these shares
        low, high = soft[body].min(), soft[body].max()
    if high - low < 4:
        return []
    describe = _Describer(colour, soft, body, request.wish)
    least, found = LEAST, list[Found]()
    for bits, clean in _cuts(colour, soft, body, (low, high), "stain" in request.wish):
        found += describe(bits, clean, least)
        best = max((region.fit for region in found), default=0.0)
        least = max(least, ALIKE * best if request.every else best)
    return sorted((region for region in found if region.fit >= least), key=lambda region: -region.fit)


def _cuts(
    colour: Field, soft: Field, body: Bits, ends: tuple[float, float], stained: bool
) -> Iterator[tuple[Bits, int]]:
    """Cut the body at several levels of grey, of local contrast and, for cells, of stain; and how much to clean."""
    low, high = ends
    if stained:
        red = ndimage.gaussian_filter(colour[..., 0], 1.4, truncate=3)
        for level in np.percentile(red[body], (8, 14, 20, 27, 34)):
            yield body & (red < level), 2
        return
    shares = np.percentile(soft[body], (10, 35, 65, 90))
    levels = np.sort([*shares, *(low + (high - low) * np.array((0.25, 0.6)))])
    for level in levels:
        yield body & (soft > level), 1
        yield body & (soft < level), 1
    even = ndimage.gaussian_filter(soft, 1.7, truncate=2)
    for low, high in zip(levels, levels[2:], strict=False):
        yield body & (even > low) & (even < high), 2
    weight = body.astype(np.float32)
    around = ndimage.uniform_filter(soft * weight, NEAR) / np.maximum(ndimage.uniform_filter(weight, NEAR), 1e-3)
    local = soft - around
    scale = 1.5 * float(np.median(np.abs(local[body]))) + 1
    for times in (0.7, 1.5):
        yield body & (local > times * scale), 1
        yield body & (local < -times * scale), 1


def _body(soft: Field) -> Bits:
    """Return what is imaged: the largest thing that is not black, without holes, or all."""
    labels, count = ndimage.label(soft > 12)
    if not count:
        return np.ones(soft.shape, bool)
    body = labels == 1 + int(np.argmax(np.bincount(labels.ravel())[1:]))
    return np.asarray(ndimage.binary_fill_holes(body), bool)


def eroded(bits: Bits, times: int = 1) -> Bits:
    """Take the outermost pixels off, also at the array's edge: a cross, quicker than ndimage's."""
    for _ in range(times):
        inner = bits.copy()
        inner[[0, -1]] = inner[:, [0, -1]] = False
        for one, other in _beside(inner, bits):
            one &= other
        bits = inner
    return bits


def _grown(bits: Bits, times: int) -> Bits:
    """Add the pixels beside it: a cross."""
    for _ in range(times):
        outer = bits.copy()
        for one, other in _beside(outer, bits):
            one |= other
        bits = outer
    return bits


def _beside(one: Bits, other: Bits) -> list[tuple[Bits, Bits]]:
    """Pair each pixel of one with its neighbours in the other, a direction at a time."""
    return [(one[1:], other[:-1]), (one[:-1], other[1:]), (one[:, 1:], other[:, :-1]), (one[:, :-1], other[:, 1:])]


def opened(bits: Bits, times: int = 1) -> Bits:
    """Take off what is thinner than about twice as many pixels as `times`."""
    return _grown(eroded(bits, times), times)


def _spanned(values: Field, body: Bits) -> Field:
    """Scale values so that those of the body reach from 0 to 1, but for the outermost of them."""
    low, high = np.percentile(values[body], (2, 98))
    return np.asarray((values - low) / max(float(high - low), 1.0), np.float32)


class _Regions(NamedTuple):
    """The regions of a cut: an image of labels from 1, and by label size, soundness, which are left, what is known."""

    labels: NDArray[np.intp]
    areas: NDArray[np.int64]
    sound: Bits
    left: Bits
    known: dict[str, NDArray[np.float64]]


Measured = Iterator[tuple[str, NDArray[np.float64]]]


class _Describer:
    """Measures the connected regions of a cut against the body that they lie in, and tells which of them fit."""

    def __init__(self, colour: Field, soft: Field, body: Bits, wish: Wish) -> None:
        self.soft, self.area, self.wish = soft, float(body.sum()), wish
        rows, columns = np.flatnonzero(body.any(1)), np.flatnonzero(body.any(0))
        self.frame = columns[0], rows[0], columns[-1] + 1 - columns[0], rows[-1] + 1 - rows[0]
        self.spread = float(soft[body].std()) + 1
        self.rim = np.flatnonzero(body & ~eroded(body, 2)) if "edge" in wish else np.zeros(0, np.intp)
        self.means: dict[str, Field] = {}
        if "level" in wish:
            self.means["level"] = _spanned(soft, body).ravel()
        if "stain" in wish:
            self.means["stain"] = 1 - _spanned(colour[..., 0], body).ravel()
        if HUES & wish.keys():
            tint = (colour - colour.mean(2, keepdims=True)) / 25
            tint -= tint[body].mean(0)
            hues = {"red": tint[..., 0], "yellow": -tint[..., 2], "purple": -tint[..., 1]}
            self.means |= {name: values.ravel() for name, values in hues.items() if name in wish}

    def __call__(self, bits: Bits, clean: int, least: float) -> list[Found]:
        """Return the regions that fit at least so well.

        Each feature asked for is a bell around its value, and a region's fit is their geometric mean. What is cheap
        is measured first: a region that is already too far off is measured no more.
        """
        labels, count = ndimage.label(opened(bits, clean).view(np.uint8), output=np.intp)
        areas = np.bincount(labels.ravel(), minlength=count + 1)
        sound = (areas >= 8) & (areas < 0.9 * self.area)
        sound[0] = False
        off, known = np.where(sound, 0.0, np.inf), dict[str, NDArray[np.float64]]()
        most = -np.log2(least) * len(self.wish) + 1e-9
        for measure in (self._size, self._inside, self._edge, self._around):
            left = off <= most
            if not left.any():
                return []
            for name, values in measure(_Regions(labels, areas, sound, left, known)):
                known[name] = values
                if name in self.wish:
                    value, width = self.wish[name]
                    off += ((values - value) / width) ** 2
        fits, strength = 0.5 ** (off / len(self.wish)), known["strength"]
        return [Found(fits[i], strength[i], labels, int(i)) for i in np.flatnonzero(fits >= least)]

    def _size(self, region: _Regions) -> Measured:
        yield "size", np.log10(np.maximum(region.areas, 1) / self.area)

    def _inside(self, region: _Regions) -> Measured:
        at = np.flatnonzero(region.left[region.labels])
        own, area = region.labels.ravel()[at], np.maximum(region.areas, 1)

        def mean(values: NDArray[Any]) -> NDArray[np.float64]:
            return np.asarray(np.bincount(own, values, minlength=len(area)) / area)

        yield "grey", mean(self.soft.ravel()[at])
        rows, columns = np.divmod(at, region.labels.shape[1])
        x, y = mean(columns), mean(rows)
        left, top, width, height = self.frame
        yield "x", (x - left) / width
        yield "apart", np.abs((x - left) / width - 0.5)
        yield "y", (y - top) / height
        for name, values in self.means.items():
            yield name, np.clip(mean(values[at]), 0, 1)
        if "round" in self.wish:
            dx, dy = columns - x[own], rows - y[own]
            spread = np.sqrt(np.maximum(mean(dx * dx) * mean(dy * dy) - mean(dx * dy) ** 2, 1e-6))
            yield "round", np.minimum(region.areas / (4 * np.pi * spread), 1.0)

    def _edge(self, region: _Regions) -> Measured:
        if "edge" not in self.wish:
            return
        rim = np.bincount(region.labels.ravel()[self.rim], minlength=len(region.areas))
        yield "edge", rim / np.sqrt(np.maximum(region.areas, 1))

    def _around(self, region: _Regions) -> Measured:
        """Compare with the ring beside a region, on every other pixel; what another region covers is not beside it."""
        grey = region.known["grey"]
        half = (region.sound * np.arange(len(region.areas), dtype=np.int32))[region.labels[::2, ::2]]
        soft = self.soft[::2, ::2].ravel()
        wide = ndimage.maximum_filter(half, 5)
        ring = np.flatnonzero((wide > 0) & (ndimage.maximum_filter(half, 3) == 0))
        beside = wide.ravel()[ring]
        lot = np.maximum(np.bincount(beside, minlength=len(grey)), 1)
        around = np.bincount(beside, soft[ring], minlength=len(grey)) / lot
        varied = np.bincount(beside, (soft[ring] - around[beside]) ** 2, minlength=len(grey)) / lot
        contrast = np.tanh(3 * (grey - around) / self.spread)
        yield "contrast", contrast
        yield "strength", np.abs(contrast)
        yield "calm", np.exp(-np.sqrt(varied) / (0.3 * self.spread))
