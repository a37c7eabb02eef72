"""Walking through a volume: another slice of it, along any axis, or its brightest voxels projected."""

from typing import Annotated

from pydantic import Field

from ..core.errors import ToolError
from ..core.image import SourceImage
from ..core.tooling import ToolResult
from ..core.view import View
from ..core.volume import Axis, Cut, Place, Plane, Slab
from .tool import tool

Position = Annotated[int, Field(strict=True)]


@tool
def slice_(image: View, axis: Axis, position: Position) -> ToolResult:
    """Show another slice of the volume that an image is of, along any axis, all of it and in that image's greys.

    Axial slices are counted from the inferior end, coronal ones from anterior, sagittal ones from the patient's right.

    Args:
        image: the number of an image of the volume.
        axis: axial, coronal or sagittal.
        position: the number of the slice, from 0.
    """
    place = _place(image)
    _within(place, axis, position)
    return ToolResult("Moved to that slice.", _shown(image, place, Plane(axis, position)))


@tool
def project(image: View, axis: Axis, low: Position | None = None, high: Position | None = None) -> ToolResult:
    """Project the largest values of a volume along an axis (maximum intensity), to look at: nothing is marked on it.

    Args:
        image: the number of an image of the volume.
        axis: the axis along which slices are laid over each other: axial, coronal or sagittal.
        low: the first slice; by default the first of all.
        high: the last slice; by default the last of all.
    """
    place = _place(image)
    first, last = 0 if low is None else low, place.volume.count(axis) - 1 if high is None else high
    _within(place, axis, first)
    _within(place, axis, last)
    if first >= last:
        raise ToolError(f"a projection is of two slices at least, from low to high, not of {first} to {last}")
    return ToolResult("Maximum intensity, projected.", _shown(image, place, Slab(axis, first, last)))


def _place(image: View) -> Place:
    """Return where in a volume an image lies."""
    place = image.source.place
    if place is None:
        raise ToolError("that image is not of a volume: there is nothing before or behind it")
    return place


def _within(place: Place, axis: Axis, position: int) -> None:
    last = place.volume.count(axis) - 1
    if not 0 <= position <= last:
        raise ToolError(f"there is no {axis} slice {position}; there are 0 to {last}", "argument")


def _shown(image: View, place: Place, cut: Cut) -> View:
    """Return a view of another cut of the volume, all of it, that looks as the image does."""
    source: SourceImage = image.source.looks(place.volume.cut(cut))
    return View.whole(source, image.most, image.image, in_mm=True)
