"""Measuring: distances, areas and intensities, of the original image however it is shown."""

from math import dist

import numpy as np
from numpy.typing import NDArray

from ..core.errors import ToolError
from ..core.geometry import area_seen, snap
from ..core.image import SourceImage, grey
from ..core.mask import Mask, longest_diameter
from ..core.tooling import ToolResult
from ..core.view import View
from .perception import clicked, inside, part
from .tool import Box, Points, tool

MICROSCOPIC = 0.01
"""Images of fewer millimetres a pixel are measured in micrometres."""


@tool
def measure(image: View, bbox_2d: Box | None = None, points: Points | None = None) -> ToolResult:
    """Measure the distance of two points, a box's area and intensity, or, with neither, the mask of an image.

    A mask is measured whole: its area, longest diameter and intensity. Lengths are in millimetres where the image
    has a scale, else in pixels of the original; intensities in HU for CT, else in stored values or grey levels.

    Args:
        image: the number of the image.
        bbox_2d: [x1, y1, x2, y2] in that image.
        points: two points [[x, y], [x, y]] in that image.
    """
    if bbox_2d is not None and points is not None:
        raise ToolError("measure either a box or two points, not both")
    scale = _Scale(image.source)
    if points is not None:
        if len(points) != 2:
            raise ToolError(f"a distance is between two points, not {len(points)}")
        (x1, y1), (x2, y2) = ((x * scale.pitch[0], y * scale.pitch[1]) for x, y in clicked(image, points))
        return ToolResult(f"Distance {scale.length(dist((x1, y1), (x2, y2)))}{scale.note}.")
    if bbox_2d is not None:
        return ToolResult(_of_box(image, tuple(bbox_2d), scale))
    if image.mask is None:
        raise ToolError("bbox_2d or two points are needed: that image carries no mask to measure")
    return ToolResult(_of_mask(image.source, image.mask, scale))


class _Scale:
    """The unit of lengths in an image, and the size of its pixels in it."""

    def __init__(self, source: SourceImage) -> None:
        x, y = source.spacing or (1.0, 1.0)
        fine = source.spacing is not None and max(x, y) < MICROSCOPIC
        self.unit = "µm" if fine else "mm" if source.spacing else "pixels"
        self.pitch = (1000 * x, 1000 * y) if fine else (x, y)
        self.note = "" if source.spacing else " of the original image, whose scale in mm is not known"

    def length(self, value: float) -> str:
        return f"{value:.4g} {self.unit}"

    def area(self, pixels: float) -> str:
        value = pixels * self.pitch[0] * self.pitch[1]
        return f"{value:.4g} {'square pixels' if self.unit == 'pixels' else f'{self.unit}²'}"


def _of_box(view: View, box: tuple[float, ...], scale: _Scale) -> str:
    cut = inside(view, box)
    unit, source = part(view, cut), view.source
    sides = (np.hypot(*np.multiply(column, scale.pitch)) for column in ((unit.a, unit.d), (unit.b, unit.e)))
    across, down = (f"{side:.4g}" for side in sides)
    shown = scale.area(area_seen((0, 0, *source.size), unit, (1, 1)))
    values = _values(source)
    x1, y1, x2, y2 = snap(unit.box((0, 0, 1, 1)), source.size)
    held = values[y1:y2, x1:x2]
    if not unit.straight:
        back = unit.inverse()
        x, y = np.arange(x1, x2) + 0.5, np.arange(y1, y2)[:, None] + 0.5
        u, v = back.a * x + back.b * y + back.c, back.d * x + back.e * y + back.f
        turned = held[(u >= 0) & (u < 1) & (v >= 0) & (v < 1)]
        held = turned if turned.size else held
    size = f"Box of {across} x {down} {scale.unit}, area {shown}{scale.note}"
    return f"{size}; {_intensity(source, held)}."


def _of_mask(source: SourceImage, mask: Mask, scale: _Scale) -> str:
    bits = mask.bits()
    longest = scale.length(longest_diameter(bits, scale.pitch))
    words = f"Mask of area {scale.area(mask.area)}, longest diameter {longest}{scale.note}"
    return f"{words}; {_intensity(source, _values(source)[bits])}."


def _values(source: SourceImage) -> NDArray[np.float32] | NDArray[np.uint8]:
    """Return what is measured, ``(H, W)``: stored values, else the grey levels before any tool changed them."""
    return source.values if source.values is not None else grey(source.root.pixels)


def _intensity(source: SourceImage, held: NDArray[np.float32] | NDArray[np.uint8]) -> str:
    finite = held[np.isfinite(held)].astype(np.float64)
    if not finite.size:
        return "nothing was measured there"
    unit = f" {source.unit}" if source.unit else ""
    what = "intensity" if source.unit else "stored value" if source.stored else "grey level (0 to 255)"
    return f"mean {what} {finite.mean():.4g}{unit}, standard deviation {finite.std():.4g}{unit}"
