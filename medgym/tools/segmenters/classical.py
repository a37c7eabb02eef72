"""A segmenter without weights: what stands out inside a box, around a click, or as words describe it.

A box is answered as GrabCut does (Rother et al. 2004), with smoothing in place of the graph cut: histograms
of inside and outside, re-estimated a few times, and of the regions at several levels of the evidence the one
that fills the box best with the steepest border. All is done on a small copy of the box, so its cost hardly
grows with the image.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from skimage.filters import threshold_multiotsu

from ...core.errors import ToolError
from ...core.geometry import Affine, fit, grow, snap
from ...core.image import Pixels
from ...core.mask import Bits
from ..segmenter import Prompt, Segmentation
from .bitmaps import enlarged, eroded, opened, small, without_holes
from .described import described
from .wishes import understood

Field = NDArray[np.float32]
Region = tuple[int, int, int, int]
Clicks = Sequence[tuple[float, float, bool]]

NOTHING = "Nothing was found."
LONGEST = 96
"""The longer side of the copy that a box is worked on, in pixels."""

WINDOWS = (96, 288, 1 << 20)
"""A click's object is looked for in these windows, the first that holds it whole, in pixels."""

ORGAN = 0.1
"""A box over more than this share of the image holds an organ, which is evener than a lesion need be."""

SAME = 0.6
"""Two masks with a higher IoU are of one thing."""

LEVELS = (-0.5, 0.0, 0.4, 0.9)
"""Of evidence, at which regions are cut; 0 is as likely inside as outside."""

ROUNDS = 3
"""How often the histograms are estimated."""

FLAT = 2.0
"""Grey levels: a crop whose smoothed values spread less has nothing in it."""


@dataclass(frozen=True)
class Classical:
    """Segments by grey level, colour and compactness; knows no anatomy."""

    name: ClassVar[str] = ""
    needs_truth: ClassVar[bool] = False

    def segment(self, prompts: Sequence[Prompt]) -> list[Segmentation | ToolError]:
        """Answer each prompt: by its box, else by its points, else by its text."""
        return [self._one(prompt) for prompt in prompts]

    def _one(self, prompt: Prompt) -> Segmentation:
        pixels = prompt.source.pixels
        region = snap(prompt.region, prompt.source.size)
        if prompt.box is None and not prompt.points:
            return _by_text(pixels, region, prompt.text)
        clicks = _clicks(prompt, region)
        if prompt.box is not None:
            box = _common(snap(prompt.box, prompt.source.size), region)
            bits = in_box(pixels, box, clicks) if box else np.zeros(pixels.shape[:2], bool)
        else:
            bits = around_clicks(pixels, region, clicks)
        return Segmentation(bits, "" if bits.any() else NOTHING)


def _by_text(pixels: Pixels, region: Region, text: str) -> Segmentation:
    """Answer in words too: what was looked for, since the text itself was hardly understood."""
    request, quoted = understood(text), repr(text[:80])
    x1, y1, x2, y2 = region
    bits = np.zeros(pixels.shape[:2], bool)
    bits[y1:y2, x1:x2] = described(pixels[y1:y2, x1:x2], request)
    if not bits.any():
        return Segmentation(bits, f"Nothing was found for {quoted}.")
    if request.every:
        return Segmentation(bits, f"Picked the {request.looks}regions that best fit {quoted}.")
    return Segmentation(_refined(pixels, region, bits), f"Picked the {request.looks}region that best fits {quoted}.")


def _refined(pixels: Pixels, region: Region, bits: Bits, clicks: Clicks = ()) -> Bits:
    """Return what a box around the bits gives, where that is about the same thing."""
    rows, columns = np.flatnonzero(bits.any(1)), np.flatnonzero(bits.any(0))
    around = grow((columns[0], rows[0], columns[-1] + 1, rows[-1] + 1), 0.05)
    box = _common(snap(around, (bits.shape[1], bits.shape[0])), region)
    again = in_box(pixels, box, clicks) if box else bits
    return again if (again & bits).sum() > SAME * (again | bits).sum() else bits


def _clicks(prompt: Prompt, region: Region) -> Clicks:
    """Return the clicks that lie in the region."""
    x1, y1, x2, y2 = region
    labelled = zip(prompt.points, prompt.labels or (1,) * len(prompt.points), strict=True)
    return [(x, y, bool(on)) for (x, y), on in labelled if x1 <= x <= x2 and y1 <= y <= y2]


def _common(one: Region, two: Region) -> Region | None:
    x1, y1, x2, y2 = max(one[0], two[0]), max(one[1], two[1]), min(one[2], two[2]), min(one[3], two[3])
    return (x1, y1, x2, y2) if x1 < x2 and y1 < y2 else None


def in_box(pixels: Pixels, box: Region, clicks: Clicks) -> Bits:
    """Return the ``(H, W)`` bits of what stands out inside `box` from what is around it."""
    height, width = pixels.shape[:2]
    x1, y1, x2, y2 = snap(grow(box, 0.2), (width, height))
    size = fit((x2 - x1, y2 - y1), round(LONGEST * 1.4))
    scale = size[0] / (x2 - x1), size[1] / (y2 - y1)
    inner = snap(Affine.onto((x1, y1, x2, y2), size).inverse().box(box), size)
    values = small(pixels[y1:y2, x1:x2], size)
    near = [click for click in clicks if x1 <= click[0] <= x2 and y1 <= click[1] <= y2]
    marks = [((x - x1) * scale[0], (y - y1) * scale[1], on) for x, y, on in near]
    organ = (box[2] - box[0]) * (box[3] - box[1]) > ORGAN * width * height
    found = _standing_out(values, inner, marks, organ)
    bits = np.zeros((height, width), bool)
    if found.any():
        bits[y1:y2, x1:x2] = enlarged(found, (x2 - x1, y2 - y1))
        bits &= filled(box, bits.shape)
        _obey(bits, box, clicks)
    return bits


def _obey(bits: Bits, box: Region, clicks: Clicks) -> None:
    """Set the very pixels that were clicked, whatever the evidence says of them."""
    x1, y1, x2, y2 = box
    for x, y, on in clicks:
        column, row = min(int(x), bits.shape[1] - 1), min(int(y), bits.shape[0] - 1)
        if x1 <= column < x2 and y1 <= row < y2:
            bits[row, column] = on


def smooth(values: Field, sigma: float) -> Field:
    """Blur ``(h, w, C)`` values within each channel."""
    return np.asarray(ndimage.gaussian_filter(values, (sigma, sigma, 0), truncate=3.0), np.float32)


def _standing_out(values: Field, inner: Region, marks: Clicks, organ: bool) -> Bits:
    """Return the bits of the object in the box `inner` of the small copy."""
    x1, y1, x2, y2 = inner
    side = min(x2 - x1, y2 - y1)
    values = smooth(values, float(np.clip(0.02 * side, 0.5, 2.0)))
    if max(float(np.ptp(channel)) for channel in np.moveaxis(values, 2, 0)) < FLAT:
        return np.zeros(values.shape[:2], bool)
    judge = _Judge(values, inner, marks, organ)
    evidence = _evidence(values, inner, _pull(marks, values.shape[:2], side))
    candidates = [(evidence > level, 0.1 * abs(level)) for level in LEVELS]
    if organ:
        candidates += [(band, 0.0) for band in _bands(values, judge.within)]
    return judge.best(candidates)


def _evidence(values: Field, inner: Region, pull: Field) -> Field:
    """Return how much speaks for each pixel being inside the object: its value, its place, its neighbours."""
    x1, y1, x2, y2 = inner
    height, width = values.shape[:2]
    u = (np.arange(width, dtype=np.float32) + 0.5 - (x1 + x2) / 2) / ((x2 - x1) / 2)
    v = (np.arange(height, dtype=np.float32) + 0.5 - (y1 + y2) / 2) / ((y2 - y1) / 2)
    radius = np.sqrt(u[None, :] ** 2 + v[:, None] ** 2)
    within = filled(inner, (height, width))
    prior = np.clip(1.2 * (1.05 - radius), -1.2, 0.8).astype(np.float32) + pull
    beyond = (radius > 0.9) | ~within
    reach = float(np.clip(0.03 * min(x2 - x1, y2 - y1), 0.5, 3.0))
    mask, least = within & (radius < 0.8), 0.05 * within.sum()
    for _ in range(ROUNDS):
        evidence = prior + ndimage.gaussian_filter(_log_ratio(values, mask, beyond & ~mask), reach, truncate=3.0)
        evidence[~within] = -9
        mask = evidence > 0
        if mask.sum() < least:
            break
    return np.asarray(evidence, np.float32)


def _bands(values: Field, within: Bits) -> list[Bits]:
    """Cut the box into four ranges of grey: an organ may lie anywhere in its box, but is of one grey."""
    grey = ndimage.gaussian_filter(values @ np.full(values.shape[2], 1 / values.shape[2], np.float32), 1.5)
    if np.ptp(grey[within]) < FLAT:
        return []
    try:
        inner = threshold_multiotsu(grey[within], 4, nbins=48)  # type: ignore[no-untyped-call]
    except ValueError:  # fewer than four greys
        return []
    cuts = [-np.inf, *inner, np.inf]
    return [within & (grey > low) & (grey <= high) for low, high in pairwise(cuts)]


def _pull(marks: Clicks, shape: tuple[int, int], side: float) -> Field:
    """Return evidence for the neighbourhoods of clicks, against those beside the object."""
    pull = np.zeros(shape, np.float32)
    rows, columns = np.mgrid[: shape[0], : shape[1]].astype(np.float32)
    for x, y, on in marks:
        near = np.exp(-((columns + 0.5 - x) ** 2 + (rows + 0.5 - y) ** 2) / (2 * max(1.5, 0.08 * side) ** 2))
        pull += near * (6 if on else -6)
    return pull


def _log_ratio(values: Field, inside: Bits, outside: Bits) -> Field:
    """Return the log of how much likelier each pixel's value is inside than outside, at most 3 either way."""
    if not inside.any() or not outside.any():
        return np.zeros(inside.shape, np.float32)
    line = _apart(values, inside, outside)
    low, high = np.percentile(line, (0.5, 99.5))
    bins = np.clip((line - low) / max(float(high - low), 1e-6) * 39, 0, 39).astype(np.intp)
    weights = [
        ndimage.gaussian_filter1d(np.bincount(bins[part], minlength=40) / part.sum(), 1.5) for part in (inside, outside)
    ]
    ratio = np.clip(np.log((weights[0] + 2e-3) / (weights[1] + 2e-3)), -3, 3)
    return np.asarray(ratio[bins], np.float32)


def _apart(values: Field, inside: Bits, outside: Bits) -> Field:
    """Project colours onto the line that tells inside from outside best (Fisher's discriminant)."""
    if values.shape[2] == 1:
        return values[..., 0]
    one, two = values[inside][::2], values[outside][::2]
    spread = np.cov(one.T, bias=True) + np.cov(two.T, bias=True) + 4 * np.eye(values.shape[2])
    return np.asarray(values @ np.linalg.solve(spread, one.mean(0) - two.mean(0)), np.float32)


class _Judge:
    """Says which candidate region is the object of a box: it fills the box and has a steep border."""

    def __init__(self, values: Field, inner: Region, marks: Clicks, organ: bool) -> None:
        self.values, self.inner, self.marks, self.organ = values, inner, marks, organ
        self.within = filled(inner, values.shape[:2])
        self.spread = float(values[self.within].var(0).sum()) + 4
        slope = np.sqrt(sum(np.einsum("hwc,hwc->hw", d, d) for d in (ndimage.sobel(values, i) for i in (0, 1))))
        self.steep = slope / max(float(np.percentile(slope, 90)), 1e-6)

    def best(self, candidates: Sequence[tuple[Bits, float]]) -> Bits:
        """Return the best of bitmaps, each with what is to be taken off its score."""
        found = [(_meant(bits, self.inner, self.marks), less) for bits, less in candidates]
        return max(found, key=lambda pair: self.score(pair[0]) - pair[1])[0]

    def score(self, found: Bits) -> float:
        """Return about 1 for a region that fills the box and has a steep border; 0 for none."""
        rows, columns = np.flatnonzero(found.any(1)), np.flatnonzero(found.any(0))
        if not len(rows):
            return -1.0
        x1, y1, x2, y2 = self.inner
        fills = (rows[-1] - rows[0] + 1) * (columns[-1] - columns[0] + 1) / ((x2 - x1) * (y2 - y1))
        solid = min(1.0, 3 * found.sum() / ((x2 - x1) * (y2 - y1)))
        even = max(0.05, 1 - float(self.values[found].var(0).sum()) / self.spread) if self.organ else 1.0
        return float(min(1.0, fills) * solid * self.steep[found & ~eroded(found)].mean() * even**2)


def filled(box: Region, shape: tuple[int, ...]) -> Bits:
    """Return bits of `shape` (height, width) that are True in the box."""
    bits = np.zeros(shape, bool)
    bits[box[1] : box[3], box[0] : box[2]] = True
    return bits


def _meant(found: Bits, inner: Region, marks: Clicks) -> Bits:
    """Keep the part that clicks or the middle of the box mean, without holes and whiskers."""
    side = min(inner[2] - inner[0], inner[3] - inner[1])
    if side >= 12:
        clean = opened(found, max(1, round(0.02 * side)))
        found = clean if clean.any() else found
    labels, count = ndimage.label(found)
    if not count:
        return found
    hit = {int(labels[min(int(y), len(labels) - 1), min(int(x), labels.shape[1] - 1)]) for x, y, on in marks if on}
    hit -= {0}
    if hit:
        kept = np.isin(labels, list(hit))
    else:
        kept = labels == 1 + int(np.argmax(np.bincount(labels.ravel(), _central(inner, labels.shape))[1:]))
    return without_holes(kept)


def _central(inner: Region, shape: tuple[int, ...]) -> NDArray[np.float32]:
    """Return a weight for each pixel, flat: 1 in the middle of the box, a fifth at its sides."""
    x1, y1, x2, y2 = inner
    u = (np.arange(shape[1]) + 0.5 - (x1 + x2) / 2) / ((x2 - x1) / 2)
    v = (np.arange(shape[0]) + 0.5 - (y1 + y2) / 2) / ((y2 - y1) / 2)
    return np.exp(-1.6 * (u[None, :] ** 2 + v[:, None] ** 2)).ravel()


def around_clicks(pixels: Pixels, region: Region, clicks: Clicks) -> Bits:
    """Return the ``(H, W)`` bits of the object under the clicks labelled 1: nothing where there are none."""
    height, width = pixels.shape[:2]
    bits = np.zeros((height, width), bool)
    on = [(x, y) for x, y, label in clicks if label]
    if not on:
        return bits
    left, right = min(x for x, _ in on), max(x for x, _ in on)
    top, bottom = min(y for _, y in on), max(y for _, y in on)
    for reach in WINDOWS:
        x1, y1, x2, y2 = snap((left - reach, top - reach, right + reach, bottom + reach), (width, height))
        window = max(x1, region[0]), max(y1, region[1]), min(x2, region[2]), min(y2, region[3])
        whole = window == region
        found = _grown(pixels, window, clicks, whole)
        if found.any() or whole:
            break
    if found.any():
        x1, y1, x2, y2 = window
        bits[y1:y2, x1:x2] = found
        bits = _refined(pixels, region, bits, clicks)
        _obey(bits, window, clicks)
    return bits


def _grown(pixels: Pixels, window: Region, clicks: Clicks, whole: bool) -> Bits:
    """Return the window's bits of the region around the clicks, at the tolerance with the sharpest border.

    Unless the window is the `whole` region, an object that reaches its edge is not held by it: nothing.
    """
    x1, y1, x2, y2 = window
    size = fit((x2 - x1, y2 - y1), LONGEST)
    scale = size[0] / (x2 - x1), size[1] / (y2 - y1)
    marks = [((x - x1) * scale[0], (y - y1) * scale[1], on) for x, y, on in clicks]
    sharp = small(pixels[y1:y2, x1:x2], size)
    best, most = np.zeros(sharp.shape[:2], bool), 0.0
    for sigma in (1.5, 3.0):
        values = smooth(sharp, sigma)
        far = _unlikeness(values, marks)
        slope = ndimage.gaussian_gradient_magnitude(far, 0.7)
        for tolerance in np.geomspace(4, 60, 16):
            found = _meant(far < tolerance, (0, 0, *size), marks)
            edge = found.copy()
            edge[1:-1, 1:-1] = False
            if not whole and edge.any():
                break
            score = _crispness(found, slope) * sigma**0.5
            if score > most:
                best, most = found, score
    return enlarged(best, (x2 - x1, y2 - y1))


def _crispness(found: Bits, slope: Field) -> float:
    """Return how steep the values are along a border, less where it is long for its area."""
    border = found & ~eroded(found)
    length, inside = int(border.sum()), int(found.sum())
    if not length or inside > 0.9 * found.size:
        return 0.0
    compact = min(1.0, 4 * np.pi * inside / length**2)
    return float(slope[border].mean() * np.sqrt(compact))


def _unlikeness(values: Field, marks: Clicks) -> Field:
    """Return how far each pixel's value is from those clicked as inside; far around those outside."""
    height, width = values.shape[:2]
    far = np.full((height, width), np.inf, np.float32)
    for x, y, on in marks:
        if on:
            row, column = min(int(y), height - 1), min(int(x), width - 1)
            seed = values[max(0, row - 1) : row + 2, max(0, column - 1) : column + 2].mean((0, 1))
            far = np.minimum(far, np.linalg.norm(values - seed, axis=2))
    against = np.minimum(_pull(marks, (height, width), min(height, width) / 3), 0)
    return np.asarray(far - 20 * against, np.float32)
