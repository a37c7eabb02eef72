"""A radiologist's own tools: grey window, contrast, turning and mirroring, two images side by side."""

from dataclasses import replace
from functools import partial
from math import ceil, cos, radians, sin
from typing import Annotated, Literal

import numpy as np
from pydantic import Field

from ..core.errors import ToolError
from ..core.geometry import Affine, Size, bounding, outline
from ..core.image import Pixels, SourceImage
from ..core.tooling import ToolResult
from ..core.view import SEVERAL, Panel, View
from .contrast import equalized, powered, windowed
from .tool import Number, tool

PRESETS: dict[str, tuple[float, float]] = {
    "lung": (-600, 1500),
    "mediastinum": (50, 350),
    "soft_tissue": (40, 400),
    "liver": (60, 160),
    "brain": (40, 80),
    "bone": (400, 1800),
}
"""Level and width in HU."""
Preset = Literal["lung", "mediastinum", "soft_tissue", "liver", "brain", "bone"]

GAP = 8
"""Black pixels between two images that are compared."""

LEAST = 0.5
"""Degrees: a smaller turn would be an excuse for a look."""

STRENGTHS: dict[str, tuple[float, float]] = {"clahe": (1, 40), "gamma": (0.1, 10)}
"""The least and the most that each way of enhancing takes."""

Width = Annotated[Number, Field(gt=0)]
Degrees = Annotated[Number, Field(ge=-180, le=180)]


@tool
def window(
    image: View, level: Number | None = None, width: Width | None = None, preset: Preset | None = None
) -> ToolResult:
    """Show an image through a grey window, from level - width/2 (black) to level + width/2 (white), in HU for CT.

    Of other images the window is in stored values (DICOM, NIfTI), else in grey levels from 0 to 255; the result
    names the unit.

    Args:
        image: the number of the image.
        level: the value in the middle of the window; goes with width.
        width: the range of values that the window shows; goes with level.
        preset: lung, mediastinum, soft_tissue, liver, brain or bone, instead of level and width; for CT alone.
    """
    if preset is not None:
        if level is not None or width is not None:
            raise ToolError("give either a preset or level and width, not both")
        if image.source.unit != "HU":
            raise ToolError(
                f"presets are in Hounsfield units, and this image has {_unit(image.source)}: give level and width"
            )
        level, width = PRESETS[preset]
    if level is None or width is None:
        raise ToolError("level and width are needed, both, or a preset")
    root = image.source.root
    values = root.values if root.values is not None else root.pixels
    low, high = float(np.fmin.reduce(values, None)), float(np.fmax.reduce(values, None))
    if level + width / 2 <= low or level - width / 2 >= high:
        raise ToolError(f"that window shows nothing: the values of this image are from {low:g} to {high:g}")
    shown = _over(image, root.derived(windowed, float(level), float(width)))
    return ToolResult(f"Window of level {level:g} and width {width:g}, in {_unit(root)}.", shown)


@tool
def enhance(image: View, method: Literal["clahe", "gamma"], strength: Number) -> ToolResult:
    """Bring out faint detail: raise local contrast (clahe), or make middle greys brighter or darker (gamma).

    Args:
        image: the number of the image.
        method: clahe or gamma.
        strength: of clahe, the clip limit, from 1 (little) to 40; of gamma, the exponent, from 0.1 to 10, below 1
            brightens.
    """
    least, most = STRENGTHS[method]
    if not least <= strength <= most:
        raise ToolError(f"the strength of {method} is from {least:g} to {most:g}, not {strength:g}")
    if method == "clahe":
        made = image.source.derived(equalized, strength)
        return ToolResult(f"Local contrast raised (CLAHE, clip limit {strength:g}).", _over(image, made))
    if strength == 1:
        raise ToolError("a gamma of 1 changes nothing")
    return ToolResult(f"Gamma {strength:g}.", _over(image, image.source.derived(powered, strength)))


@tool
def rotate(image: View, degrees: Degrees) -> ToolResult:
    """Turn an image clockwise by any angle; the corners that come free are black where the image ends.

    Args:
        image: the number of the image.
        degrees: clockwise, from -180 to 180; negative turns anticlockwise.
    """
    if abs(degrees) < LEAST:
        raise ToolError(f"a turn by less than {LEAST:g} degrees changes nothing")
    turn, size = _turn(image, degrees)
    way = f"{abs(degrees):g} degrees {'clockwise' if degrees > 0 else 'anticlockwise'}"
    return ToolResult(f"Turned by {way}.", _moved(image, turn, size))


@tool
def flip(image: View, axis: Literal["horizontal", "vertical"]) -> ToolResult:
    """Mirror an image: horizontal swaps left and right, vertical swaps up and down.

    Args:
        image: the number of the image.
        axis: horizontal or vertical.
    """
    width, height = image.size
    if axis == "horizontal":
        mirror, swapped = Affine(-1, 0, width, 0, 1, 0), "left and right"
    else:
        mirror, swapped = Affine(1, 0, 0, 0, -1, height), "up and down"
    return ToolResult(f"Mirrored: {swapped} are swapped.", _moved(image, mirror, image.size))


@tool
def compare(image: View, other: View) -> ToolResult:
    """Show two images side by side at the same height; a box or points on either half mean the image shown there.

    Args:
        image: the number of the image on the left.
        other: the number of the image on the right.
    """
    if image.index == other.index:
        raise ToolError("an image compared with itself shows nothing new")
    most = min(image.most, other.most)
    shapes = [view.size[0] / view.size[1] for view in (image, other)]
    height = min((most - GAP) / sum(shapes), max(image.size[1], other.size[1]), most)
    left, right = (_scaled(view, shape, height) for view, shape in zip((image, other), shapes, strict=True))
    panels = (Panel(0, left), Panel(left.size[0] + GAP, right))
    size = (panels[1].left + right.size[0], left.size[1])
    key = ("compare", size, *((panel.left, panel.view.key) for panel in panels))
    made = SourceImage(key, partial(_side_by_side, panels, size))
    words = f"Image {image.index} on the left, image {other.index} on the right."
    return ToolResult(words, View(made, Affine(), size, image=SEVERAL, most=most, panels=panels))


def _turn(view: View, degrees: float) -> tuple[Affine, Size]:
    """Return the map from a turned view's pixels to those of `view`, and the turned view's size.

    It holds all that `view` shows of the image; black beside it need not be held, or turns would add up to nothing.
    """
    quarters, rest = divmod(degrees, 90)
    corners = [(0.0, 0.0), (view.size[0], 0.0), (0.0, view.size[1]), view.size]
    if rest == 0:
        c, s = ((1.0, 0.0), (0.0, 1.0), (-1.0, 0.0), (0.0, -1.0))[int(quarters) % 4]
    else:
        c, s = cos(radians(degrees)), sin(radians(degrees))
        back, whole = view.to_original.inverse(), (0, 0, *view.source.size)
        corners = [back.point(x, y) for x, y in outline(whole, view.to_original, view.size)]
    left, top, right, bottom = bounding((x, y, x, y) for x, y in (Affine(c, -s, 0, s, c, 0).point(*p) for p in corners))
    scale = max(1.0, (right - left) / view.most, (bottom - top) / view.most)
    width, height = (min(view.most, max(1, ceil(v / scale - 1e-6))) for v in (right - left, bottom - top))
    x, y = (left + right - scale * width) / 2, (top + bottom - scale * height) / 2
    return Affine(c, s, 0, -s, c, 0).after(Affine(scale, 0, x, 0, scale, y)), (width, height)


def _over(view: View, source: SourceImage) -> View:
    """Return the view over another image of the same size."""
    return replace(view, source=source, index=0, drawn="contour", painted=None)


def _moved(view: View, turn: Affine, size: Size) -> View:
    """Return a view of `size` whose pixels are mapped to those of `view` by `turn`."""
    to_original = view.to_original.after(turn).squared()
    return replace(view, to_original=to_original, size=size, index=0, drawn="contour", painted=None)


def _scaled(view: View, shape: float, height: float) -> View:
    size = (max(1, int(shape * height)), max(1, int(height)))
    to_original = view.to_original.after(Affine.onto((0, 0, *view.size), size))
    return replace(view, to_original=to_original, size=size, painted=None)


def _unit(source: SourceImage) -> str:
    if source.stored is None:
        return "grey levels from 0 to 255"
    return source.unit or "the stored values, whose unit is not known"


def _side_by_side(panels: tuple[Panel, ...], size: Size) -> Pixels:
    """Draw panels on black."""
    canvas = np.zeros((size[1], size[0], 3), np.uint8)
    for left, view in panels:
        canvas[: view.size[1], left : left + view.size[0]] = view.fresh()
    return canvas
