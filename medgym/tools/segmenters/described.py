"""Words to a region: each known word asks for features, and of many candidate regions the best fit is taken.

There is no language model and no anatomy beyond the tables below. A word that is not in them means nothing, and
a text without any known word finds nothing.
"""

import re
from collections.abc import Iterator, Mapping
from typing import NamedTuple

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

LONGEST = 256
"""The longer side of the copy that is searched, in pixels."""

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

TELLING = {"level", "contrast", "strength", "red", "yellow", "purple", "stain"}
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


class Candidates(NamedTuple):
    """Disjoint regions: an image of labels from 1, and by feature the values of each, ``(N,)``."""

    labels: NDArray[np.int32]
    features: dict[str, NDArray[np.float64]]


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
    ranked = []
    for labels, features in _candidates(colour, request.wish):
        fits, strength = _fits(features, request.wish), features["strength"]
        ranked += [(fits[i], strength[i], labels, i + 1) for i in np.flatnonzero(fits >= LEAST)]
    if not ranked:
        return nothing
    ranked.sort(key=lambda entry: -entry[0])
    best, clear = ranked[0][:2]
    found = np.zeros(colour.shape[:2], bool)
    for score, strength, labels, label in ranked if request.every else ranked[:1]:
        part = labels == label
        if score >= ALIKE * best and strength >= ALIKE * clear and not (part & found).any():
            found |= part
    soft = Pillow.fromarray(ndimage.gaussian_filter(ndimage.binary_fill_holes(found).astype(np.float32), 0.7))
    return np.asarray(soft.resize((width, height), Pillow.Resampling.BILINEAR)) > 0.5


def _fits(features: Mapping[str, NDArray[np.float64]], wish: Wish) -> NDArray[np.float64]:
    """Score regions from 0 to 1: each feature asked for is a bell around its value; their geometric mean."""
    off = [((features[name] - value) / width) ** 2 for name, (value, width) in wish.items()]
    return np.asarray(0.5 ** np.mean(off, axis=0))


def _candidates(colour: Field, wish: Wish) -> Iterator[Candidates]:
    """Cut the body at several levels of grey, of local contrast and, for cells, of stain."""
    grey = colour.mean(2)
    soft = np.asarray(ndimage.gaussian_filter(grey, 1.5, truncate=3), np.float32)
    body = _body(soft)
    low, high = np.percentile(soft[body], (2, 98))
    if high - low < 4:
        return
    describe = _Describer(colour, soft, body, wish)
    if "stain" in wish:
        red = ndimage.gaussian_filter(colour[..., 0], 1.5, truncate=3)
        for level in np.percentile(red[body], (8, 14, 20, 27, 34)):
            yield describe(body & (red < level), 2)
        return
    shares = np.percentile(soft[body], (7, 30, 55, 80, 95))
    levels = np.sort([*shares, *(low + (high - low) * np.array((0.2, 0.4, 0.6, 0.8)))])
    for level in levels:
        yield describe(body & (soft > level))
        yield describe(body & (soft < level))
    even = ndimage.gaussian_filter(soft, 2.0, truncate=2)
    for low, high in zip(levels, levels[2:], strict=False):
        yield describe(body & (even > low) & (even < high), 2)
    weight = body.astype(np.float32)
    for reach in (8.0, 20.0):
        around = ndimage.gaussian_filter(soft * weight, reach, truncate=2)
        around /= np.maximum(ndimage.gaussian_filter(weight, reach, truncate=2), 1e-3)
        local = soft - around
        scale = 1.5 * float(np.median(np.abs(local[body]))) + 1
        for times in (0.7, 1.5):
            yield describe(body & (local > times * scale))
            yield describe(body & (local < -times * scale))


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
        wide = np.pad(bits, 1)
        bits = bits & wide[:-2, 1:-1] & wide[2:, 1:-1] & wide[1:-1, :-2] & wide[1:-1, 2:]
    return bits


def opened(bits: Bits, times: int = 1) -> Bits:
    """Take off what is thinner than about twice as many pixels as `times`."""
    return ~eroded(np.pad(~eroded(bits, times), times, constant_values=True), times)[times:-times, times:-times]


def _spanned(values: Field, body: Bits) -> Field:
    """Scale values so that those of the body reach from 0 to 1, but for the outermost of them."""
    low, high = np.percentile(values[body], (2, 98))
    return np.asarray((values - low) / max(float(high - low), 1.0), np.float32)


class _Describer:
    """Measures the connected regions of a bitmap against the body that they lie in."""

    def __init__(self, colour: Field, soft: Field, body: Bits, wish: Wish) -> None:
        self.soft, self.area = soft, float(body.sum())
        self.rim = body & ~eroded(body, 2)
        rows, columns = np.flatnonzero(body.any(1)), np.flatnonzero(body.any(0))
        self.frame = columns[0], rows[0], columns[-1] + 1 - columns[0], rows[-1] + 1 - rows[0]
        self.spread = float(soft[body].std()) + 1
        tint = (colour - colour.mean(2, keepdims=True)) / 25
        tint -= tint[body].mean(0)
        means = {"red": tint[..., 0], "yellow": -tint[..., 2], "purple": -tint[..., 1]}
        means |= {"level": _spanned(soft, body), "stain": 1 - _spanned(colour[..., 0], body)}
        self.means = {name: values.ravel() for name, values in means.items() if name in wish}

    def __call__(self, bits: Bits, clean: int = 1) -> Candidates:
        labels, count = ndimage.label(opened(bits, clean))
        areas = np.bincount(labels.ravel(), minlength=count + 1)[1:]
        kept = np.flatnonzero((areas >= 12) & (areas < 0.9 * self.area))
        order = np.zeros(count + 1, np.int32)
        order[kept + 1] = np.arange(1, len(kept) + 1)
        labels = order[labels]
        return Candidates(labels, self._measure(labels, len(kept)))

    def _measure(self, labels: NDArray[np.int32], count: int) -> dict[str, NDArray[np.float64]]:
        at = np.flatnonzero(labels)
        own = labels.ravel()[at] - 1
        rows, columns = np.divmod(at, labels.shape[1])
        area = np.maximum(np.bincount(own, minlength=count), 1)

        def mean(values: NDArray[np.generic]) -> NDArray[np.float64]:
            return np.asarray(np.bincount(own, values, minlength=count) / area)

        x, y, grey = mean(columns), mean(rows), mean(self.soft.ravel()[at])
        dx, dy = columns - x[own], rows - y[own]
        spread = np.sqrt(np.maximum(mean(dx * dx) * mean(dy * dy) - mean(dx * dy) ** 2, 1e-6))
        half, soft = labels[::2, ::2], self.soft[::2, ::2].ravel()
        wide = ndimage.maximum_filter(half, 5)
        ring = np.flatnonzero((wide > 0) & (ndimage.maximum_filter(half, 3) == 0))
        beside = wide.ravel()[ring] - 1
        lot = np.maximum(np.bincount(beside, minlength=count), 1)
        around = np.bincount(beside, soft[ring], minlength=count) / lot
        varied = np.bincount(beside, (soft[ring] - around[beside]) ** 2, minlength=count) / lot
        contrast = np.tanh(3 * (grey - around) / self.spread)
        rim = labels[self.rim]
        edge = np.bincount(rim[rim > 0] - 1, minlength=count) / np.sqrt(area)
        left, top, width, height = self.frame
        return {
            "contrast": contrast,
            "strength": np.abs(contrast),
            "calm": np.exp(-np.sqrt(varied) / (0.3 * self.spread)),
            "size": np.log10(area / self.area),
            "round": np.minimum(area / (4 * np.pi * spread), 1.0),
            "x": (x - left) / width,
            "apart": np.abs((x - left) / width - 0.5),
            "edge": edge,
            "y": (y - top) / height,
            **{name: np.clip(mean(values[at]), 0, 1) for name, values in self.means.items()},
        }
