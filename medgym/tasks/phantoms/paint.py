"""Shapes: the curves that every modality is painted with, and the canvas of labels they are painted on.

Shapes are closed curves, ``(N, 2)`` arrays of ``(x, y)`` in the frame of the body: it reaches from -1 to 1
each way, x grows to the image's right and y downwards.
"""

import math
from collections.abc import Iterable, Sequence
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw
from pycocotools import mask as coco

from ...core.mask import Bits, Mask

Curve = NDArray[np.float64]
Place = Sequence[float] | NDArray[np.float64]
"""``(x, y)``, or two radii."""
Line = tuple[Curve, float]
"""An open line and its width in pixels."""
Labels = NDArray[np.uint8]


class Canvas:
    """A square image of labels, painted over back to front.

    Attributes:
        tissues: the names that may be painted; a lesion adds its own.
        axes: half the body's width and height in pixels.
        unit: how many pixels a unit of the exam is long: a millimetre, or whatever the exam measures in.
        notes: what else is to be known of the scene, such as ``{"sequence": "T2"}``.
        hounsfield: of a CT, ``(native, native) int16``, what the scanner measured in HU.
    """

    def __init__(
        self, native: int, tissues: Iterable[str], centre: Place, axes: Place, turn: float = 0.0, unit: float = 1.0
    ) -> None:
        self._labels, self._ink = _drawable(native)
        self._stencil, self._pen = _drawable(native)
        self.tissues = list(tissues)
        self.axes = np.asarray(axes, float)
        self.unit = unit
        self.notes: dict[str, str] = {}
        self.hounsfield: NDArray[np.int16] | None = None
        self._first = 0
        self._centre = np.asarray(centre, float)
        cos, sin = math.cos(turn), math.sin(turn)
        self._turn = self.axes[:, None] * np.array([[cos, sin], [-sin, cos]])

    @property
    def labels(self) -> Labels:
        """``(native, native) uint8`` indices into `tissues`, to read and to write into."""
        return self._labels

    @property
    def native(self) -> int:
        """Width and height in pixels."""
        return len(self.labels)

    def keep(self, before: str) -> None:
        """Protect the tissues that are named before this one from being painted over."""
        self._first = self.tissues.index(before)

    def among(self, tissues: Iterable[str], labels: Labels) -> Bits:
        """Return which of `labels` are of some tissues; comparing is faster than looking up."""
        wanted = sorted(self.tissues.index(name) for name in tissues)
        found = np.zeros(labels.shape, bool)
        for first, last in _spans(wanted):
            found |= labels == first if first == last else labels - np.uint8(first) <= last - first
        return found

    def pixels(self, curve: Curve) -> Curve:
        """Map points of the body's frame to pixels."""
        return np.asarray(np.dot(curve, self._turn) + self._centre)

    def fill(self, tissue: str, *curves: Curve, over: Sequence[str] = ()) -> None:
        """Paint the inside of curves, over some tissues only where they are given."""
        self._stamp(tissue, self.pixels(np.concatenate(curves)), [len(c) for c in curves], [0] * len(curves), over)

    def outline(self, tissue: str, curve: Curve, over: Sequence[str] = ()) -> None:
        """Paint the inside of a curve that is already in pixels."""
        self._stamp(tissue, curve, [len(curve)], [0], over)

    def stroke(self, tissue: str, *lines: Line, over: Sequence[str] = ()) -> None:
        """Paint along open lines, each with its width in pixels."""
        points = self.pixels(np.concatenate([line for line, _ in lines]))
        self._stamp(tissue, points, [len(line) for line, _ in lines], [max(1, round(w)) for _, w in lines], over)

    def _stamp(
        self, tissue: str, points: Curve, lengths: Sequence[int], widths: Sequence[int], over: Sequence[str]
    ) -> None:
        """Paint shapes whose corners follow each other in `points`, in pixels; a width of 0 is the inside."""
        margin = max(widths) + 1
        left, top = (max(0, int(v) - margin) for v in points.min(0))
        right, bottom = (min(self.native, int(v) + margin + 2) for v in points.max(0))
        if right <= left or bottom <= top:
            return
        label = self.tissues.index(tissue)
        everywhere = not over and not self._first
        pen, mark = (self._ink, label) if everywhere else (self._pen, 1)
        corners, start = (points - 0.5).ravel().tolist(), 0
        for length, width in zip(lengths, widths, strict=True):
            shape = corners[start : start + 2 * length]
            start += 2 * length
            if width:
                pen.line(shape, fill=mark, width=width)
            else:
                pen.polygon(shape, fill=mark)
        if everywhere:
            return
        part, stencil = self.labels[top:bottom, left:right], self._stencil[top:bottom, left:right]
        inside = stencil.view(bool)
        inside = inside & (self.among(over, part) if over else part >= self._first)
        np.copyto(part, np.uint8(label), where=inside)
        stencil[:] = 0

    def masks(self, parts: Sequence[Sequence[str]]) -> list[Mask]:
        """Encode the mask of each group of tissues: the runs of the whole canvas are found once for all."""
        # COCO counts runs down the columns.
        flat = self.labels.T.ravel()
        begins = np.ones(len(flat), bool)
        np.not_equal(flat[1:], flat[:-1], out=begins[1:])
        starts = np.flatnonzero(begins)
        runs = flat[starts]
        return [self._encoded(self.among(tissues, runs), starts) for tissues in parts]

    def _encoded(self, inside: Bits, starts: NDArray[np.intp]) -> Mask:
        native = self.native
        turns = starts[np.flatnonzero(inside != np.concatenate([[False], inside[:-1]]))]
        counts = np.diff(turns, prepend=0, append=native * native)
        code = coco.frPyObjects({"size": [native, native], "counts": counts}, native, native)
        return Mask((native, native), code["counts"])


def _spans(numbers: Sequence[int]) -> list[tuple[int, int]]:
    """Return the first and the last of each stretch of consecutive numbers that sorted ones consist of."""
    cuts = [k for k in range(1, len(numbers)) if numbers[k] > numbers[k - 1] + 1]
    return [(numbers[k], numbers[end - 1]) for k, end in zip([0, *cuts], [*cuts, len(numbers)], strict=True) if end]


def _drawable(native: int) -> tuple[Labels, ImageDraw.ImageDraw]:
    """Return zeros ``(native, native)`` and a pen that draws into their memory: copies take longer than lines."""
    array: Labels = np.zeros((native, native), np.uint8)
    shared = Image.frombuffer("L", (native, native), array, "raw", "L", 0, 1)
    shared.readonly = 0
    return array, ImageDraw.Draw(shared)


def smooth(points: Sequence[tuple[float, float]] | Curve, steps: int = 12) -> Curve:
    """Round a closed polygon off: a uniform Catmull-Rom curve through its corners."""
    return np.asarray(np.dot(_rounding(len(points), steps), np.asarray(points, float)))


@lru_cache
def _rounding(corners: int, steps: int) -> Curve:
    """Return the matrix ``(corners * steps, corners)`` that a closed polygon is rounded off by."""
    t = (np.arange(steps) / steps)[:, None, None]
    p = np.eye(corners)
    before, after, beyond = np.roll(p, 1, 0), np.roll(p, -1, 0), np.roll(p, -2, 0)
    curve = p + 0.5 * t * (
        after - before + t * (2 * before - 5 * p + 4 * after - beyond + t * (3 * (p - after) + beyond - before))
    )
    return np.asarray(curve.transpose(1, 0, 2).reshape(-1, corners))


def blob(
    rng: np.random.Generator,
    centre: Place,
    radii: Place,
    rough: float = 0.08,
    turn: float = 0.0,
    waves: int = 5,
) -> Curve:
    """Return an ellipse turned by `turn` whose radius wavers by the share `rough`, in `waves` harmonics."""
    circle, harmonics = _turns(80, waves)
    share = np.dot(rng.standard_normal(2 * waves) * (0.7 * rough), harmonics)
    reach = np.minimum(np.maximum(share, -0.5), 0.5) + 1
    curve = circle * radii * reach[:, None]
    cos, sin = math.cos(turn), math.sin(turn)
    return np.asarray(np.dot(curve, np.array([[cos, sin], [-sin, cos]])) + centre)


@lru_cache
def _turns(points: int, waves: int) -> tuple[Curve, Curve]:
    """Return a unit circle ``(points, 2)`` and ``(2 waves, points)`` harmonics from the second on, fading."""
    angle = np.linspace(0, 2 * np.pi, points, endpoint=False)
    order = np.arange(2, waves + 2)[:, None]
    harmonics = np.concatenate([np.cos(order * angle), np.sin(order * angle)]) / np.sqrt(np.tile(order, (2, 1)))
    return np.stack([np.cos(angle), np.sin(angle)], 1), harmonics


def jitter(rng: np.random.Generator, points: Sequence[tuple[float, float]], by: float) -> Curve:
    """Move every corner by a normal deviate of standard deviation `by`."""
    return np.asarray(points, float) + rng.normal(0, by, (len(points), 2))


def dot(centre: Place, radii: Place) -> Curve:
    """Return a small ellipse of 16 corners."""
    return np.asarray(_turns(16, 1)[0] * radii + centre)


def branches(
    rng: np.random.Generator, starts: Curve, headings: Curve, width: float, depth: int, step: float = 0.04
) -> list[Line]:
    """Return the lines of vessels that thin, bend and fork `depth` - 1 times, with their widths in pixels.

    Args:
        rng: of bends and lengths.
        starts: where they begin, ``(N, 2)``.
        headings: the angles at which they do, ``(N,)``.
        width: of all at the beginning, in pixels.
        depth: how many generations there are.
        step: about the length of a generation's six steps.
    """
    lines: list[Line] = []
    for _ in range(depth):
        turns = headings[:, None] + np.cumsum(rng.normal(0, 0.22, (len(headings), 6)), 1)
        lengths = step * rng.uniform(0.6, 1.15, (len(headings), 1, 1))
        ways = np.empty((len(headings), 7, 2))
        ways[:, 0] = starts
        ways[:, 1:] = starts[:, None] + lengths * np.cumsum(np.stack([np.cos(turns), np.sin(turns)], 2), 1)
        lines += [line for way in ways for line in ((way[:4], width), (way[3:], 0.8 * width))]
        forks = np.concatenate([turns[:, -1] - 0.55, turns[:, -1] + 0.5])
        starts, headings = np.concatenate([ways[:, -1]] * 2), forks + rng.normal(0, 0.2, len(forks))
        width *= 0.55
    return lines
