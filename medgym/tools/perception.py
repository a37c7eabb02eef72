"""The tools of the papers: `zoom_in`, `sam2` and `biomedparse`."""

from collections.abc import Sequence
from dataclasses import replace
from math import hypot

from ..core.errors import ToolError
from ..core.geometry import Affine, area, area_seen, grow, intersect, snap, within
from ..core.geometry import Box as Region
from ..core.tooling import ToolResult
from ..core.view import View
from .segmenter import Prompt
from .tool import Box, Labels, Points, Words, tool

ENLARGED = 256
"""A crop whose longer side has less than half as many pixels in the original is enlarged to this many."""

NOTHING_NEW = 0.99
"""A zoom onto more than this share of a view shows nothing that the view does not."""


ASKS = {"sam2": frozenset({"box", "points"}), "biomedparse": frozenset({"text"})}
"""How the tools that segment ask for it."""


@tool
def zoom_in(image: View, bbox_2d: Box | None = None) -> ToolResult:
    """Look closer at a box of an image, re-sampled from the original at full resolution.

    On an image that carries a mask, the mask's contour is drawn, and without a box the zoom is onto the mask.

    Args:
        image: the number of the image to look at.
        bbox_2d: [x1, y1, x2, y2] in that image; may be left out where the image carries a mask.
    """
    if bbox_2d is None:
        around = image.box_of(image.mask) if image.mask else None
        if around is None:
            raise ToolError("bbox_2d is needed: that image carries no mask to zoom onto")
        box = inside(image, grow(around, 0.25))
    else:
        box = inside(image, tuple(bbox_2d))
    share = area(box) / (image.size[0] * image.size[1])
    if share > NOTHING_NEW:
        raise ToolError("the box covers the whole image: a zoom there shows nothing new")
    return ToolResult("Zoomed in.", zoomed(image, box))


@tool
def sam2(image: View, bbox_2d: Box | None = None, points: Points | None = None, labels: Labels | None = None) -> Prompt:
    """Segment the object that a box or points mark in an image; returns the image with the mask on it.

    Args:
        image: the number of the image.
        bbox_2d: [x1, y1, x2, y2] around the object.
        points: [[x, y], …] on the object, or beside it with label 0.
        labels: for each point 1 (on the object, the default) or 0 (not on it).
    """
    if bbox_2d is None and points is None:
        raise ToolError("a box or points are needed to say what to segment")
    clicks = clicked(image, points or [])
    marks = list(labels) if labels is not None else [1] * len(clicks)
    if len(marks) != len(clicks):
        raise ToolError(f"there are {len(clicks)} points and {len(marks)} labels; each point has one label")
    return Prompt(
        image,
        box=_in_original(image, inside(image, tuple(bbox_2d))) if bbox_2d is not None else None,
        points=tuple(clicks),
        labels=tuple(marks),
    )


@tool
def biomedparse(image: View, text: Words) -> Prompt:
    """Find and segment what the words describe, such as "liver tumor"; returns the image with the mask on it.

    Args:
        image: the number of the image.
        text: the name or description of what to segment.
    """
    return Prompt(image, text=text)


def inside(view: View, box: tuple[float, ...]) -> Region:
    """Cut a box at the view's edge.

    Raises:
        ToolError: where nothing of it is left, or of the image in it.
    """
    x1, y1, x2, y2 = box
    cut = intersect((x1, y1, x2, y2), (0, 0, *view.size))
    if area(cut) <= 0:
        raise ToolError(
            f"box [{x1:g}, {y1:g}, {x2:g}, {y2:g}] is outside the image of {view.size[0]} x {view.size[1]} pixels"
        )
    if area_seen((0, 0, *view.source.size), part(view, cut), (1, 1)) <= 0:
        raise ToolError(f"box [{x1:g}, {y1:g}, {x2:g}, {y2:g}] is in the black beside the turned image")
    return cut


def _in_original(view: View, box: Region) -> Region:
    """Return the box around a view's box in the original; on a turned view its corners may reach beyond the image."""
    return intersect(view.to_original.box(box), (0, 0, *view.source.size))


def clicked(view: View, points: Sequence[Sequence[float]]) -> list[tuple[float, float]]:
    """Return where points of a view lie in the original.

    Raises:
        ToolError: where one lies outside the view, or beside the image that it shows.
    """
    (width, height), (across, down) = view.size, view.source.size
    found = []
    for x, y in points:
        if not (0 <= x <= width and 0 <= y <= height):
            raise ToolError(f"point [{x:g}, {y:g}] is outside the image of {width} x {height} pixels")
        place = view.to_original.point(x, y)
        if not within((*place, *place), (across, down)):
            raise ToolError(f"point [{x:g}, {y:g}] is in the black beside the turned image")
        found.append(place)
    return found


def zoomed(view: View, box: Region) -> View:
    """Show a box of a view with as many pixels as the original has there, turned as the view is.

    Never more than the first view's longer side; a small one is enlarged to `ENLARGED`. The box is one of whole
    pixels of the original, unless the view is turned by an angle that has none.
    """
    turn = view.to_original
    if turn.straight:
        region = snap(turn.box(box), view.source.size)
        width, height = region[2] - region[0], region[3] - region[1]
        shown = (width * view.shape[0], height * view.shape[1])
        size = _enlarged(shown if turn.a else shown[::-1], view.most)
        to_original = turn.facing(region, size)
    else:
        x, y = view.shape
        box = _no_smaller(box, 1 / hypot(x * turn.a, y * turn.d), 1 / hypot(x * turn.b, y * turn.e))
        unit = part(view, box)
        size = _enlarged((hypot(x * unit.a, y * unit.d), hypot(x * unit.b, y * unit.e)), view.most)
        to_original = turn.after(Affine.onto(box, size))
    carried = replace(view, to_original=to_original, size=size)
    return replace(carried, index=0, drawn="contour", painted=None)


def part(view: View, box: Region) -> Affine:
    """Return the map of a box of a view as if it were one pixel: its columns are the box's sides in the original."""
    return view.to_original.after(Affine.onto(box, (1, 1)))


def _no_smaller(box: Region, width: float, height: float) -> Region:
    """Widen a box around its middle to at least these sides."""
    x, y = max(0.0, width - (box[2] - box[0])) / 2, max(0.0, height - (box[3] - box[1])) / 2
    return box[0] - x, box[1] - y, box[2] + x, box[3] + y


def _enlarged(size: tuple[float, float], most: int) -> tuple[int, int]:
    """Return the size that a zoom has, from how many pixels the original has there."""
    longest = max(size)
    scale = min(longest if longest >= ENLARGED / 2 else ENLARGED, most) / longest
    return max(1, round(size[0] * scale)), max(1, round(size[1] * scale))
