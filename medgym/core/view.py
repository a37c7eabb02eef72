"""A view: what the policy looks at, and the map from its pixels to those of the original image."""

from collections.abc import Hashable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import numpy as np
from PIL import Image as Pillow

from .geometry import Affine, Box, Size, area_seen, fit, intersect
from .image import RENDERED, Pixels, SourceImage
from .mask import Mask

if TYPE_CHECKING:
    from .volume import Cut

FILL = np.array([230, 40, 40], np.float32)
CONTOUR = np.array([255, 230, 0], np.uint8)


SEVERAL = -1
"""The `View.image` of a view that shows more than one."""


class Sheet(NamedTuple):
    """What a view shows a part of, and what pixels are those of: one of the task's images, and which cut of a volume.

    Attributes:
        image: which of the task's images, from 0.
        cut: of a volume, which plane or projection of it.
    """

    image: int = 0
    cut: "Cut | None" = None


FIRST = Sheet()
"""The sheet of a task with one image that is no volume."""


class Panel(NamedTuple):
    """A view that is shown inside another, `left` pixels from its left edge, with their upper edges level."""

    left: int
    view: "View"


@dataclass(frozen=True, eq=False)
class View:
    """A rectangle of an original image as the policy sees it.

    Pixels are made when asked for and held once a process, so a view costs nothing until looked at and
    equal views of a group of rollouts are drawn once.

    Attributes:
        source: the original image.
        to_original: maps this view's pixels to the original's.
        size: ``(width, height)`` in this view's pixels.
        image: which of the task's images, from 0; `SEVERAL` of a comparison.
        index: the number by which the policy names it, from 1; 0 before the episode gave one.
        mask: a predicted mask it carries, in the original's pixels.
        drawn: how the mask is shown.
        painted: ``(h, w, 3) uint8 RGB`` where a tool made the pixels itself.
        most: no view of this episode has a longer side than this.
        shape: how wide and high a pixel of the original is shown, its shorter side being 1; `(1, 1)` as it is stored.
        panels: of a comparison, the views that it shows side by side; what is marked on it is marked on one of them.
    """

    source: SourceImage
    to_original: Affine
    size: Size
    image: int = 0
    index: int = 0
    mask: Mask | None = None
    drawn: Literal["fill", "contour"] = "fill"
    painted: Pixels | None = field(default=None, repr=False)
    most: int = 512
    panels: tuple[Panel, ...] = ()
    shape: tuple[float, float] = (1.0, 1.0)

    @classmethod
    def whole(
        cls, source: SourceImage, view_size: int, image: int = 0, index: int = 0, *, in_mm: bool = False
    ) -> "View":
        """Show a whole image, scaled down so that no side exceeds `view_size`; `in_mm` in its true proportions."""
        width, height = source.size
        x, y = source.spacing if in_mm and source.spacing else (1.0, 1.0)
        shape = (x / min(x, y), y / min(x, y))
        size = fit((width * shape[0], height * shape[1]), view_size)
        onto = Affine.onto((0, 0, width, height), size)
        return cls(source, onto, size, image, index, most=view_size, shape=shape)

    @property
    def sheet(self) -> Sheet:
        """What its pixels are pixels of: only marks on the same sheet can be held against each other."""
        place = self.source.place
        return Sheet(self.image, place.cut if place else None)

    @property
    def region(self) -> Box:
        """The region of the original that it shows, in the original's pixels; of a turned view, the box around it."""
        return intersect(self.to_original.box((0, 0, *self.size)), (0, 0, *self.source.size))

    @property
    def at_full_resolution(self) -> bool:
        """Whether no detail of the original is lost: a pixel of the view is at most one of the original."""
        a, b, _, d, e, _ = self.to_original
        return bool(max(np.hypot(a, d), np.hypot(b, e)) <= 1.0 + 1e-6)

    @property
    def pixels(self) -> Pixels:
        """What the policy sees, ``(h, w, 3) uint8 RGB``, read-only."""
        if self.mask is None:
            return self.plain
        if self.painted is not None:
            return self._with_mask(self.painted, self.mask)
        mask = self.mask
        return RENDERED.get(self.key, lambda: self._with_mask(self.plain, mask))

    @property
    def picture(self) -> Pillow.Image:
        """The pixels as a picture of its own; they are copied when it is first worked with."""
        return _Picture(self)

    @property
    def plain(self) -> Pixels:
        """The pixels with no mask drawn."""
        if self.painted is not None:
            return self.painted
        return RENDERED.get(self.key[:3], self._sampled)

    @property
    def key(self) -> tuple[Hashable, ...]:
        """What its pixels are made from, unless a tool painted them: equal keys look the same."""
        mask = () if self.mask is None else (self.mask.counts, self.drawn)
        return (self.source.key, self.to_original, self.size, *mask)

    def fresh(self) -> Pixels:
        """Make the pixels without the cache of views, for an image that is made from views.

        Views wait for images: an image that waited for views could wait for ever.
        """
        plain = self._sampled()
        return plain if self.mask is None else self._with_mask(plain, self.mask)

    def shows(self, box: Box) -> float:
        """Return how much it shows of a box of the original, as an area in the original's pixels."""
        return area_seen(box, self.to_original, self.size)

    def at(self, box: Box) -> tuple["View", Box] | None:
        """Return the view that a box of this one's pixels lies on, with the box in that view's pixels.

        It is this view itself, or the one panel that the box meets; None where it meets none or several.
        """
        if not self.panels:
            return self, box
        met = [panel for panel in self.panels if _meets(box, panel)]
        if len(met) != 1:
            return None
        (left, view), (x1, y1, x2, y2) = met[0], box
        return view, (x1 - left, y1, x2 - left, y2)

    def box_of(self, mask: Mask) -> Box | None:
        """Return the bounding box of a mask in this view's pixels, cut at its edge; None where unseen."""
        if mask.box is None:
            return None
        if not self.to_original.straight:
            return Mask.of(mask.seen(self.to_original, self.size)).box
        x1, y1, x2, y2 = intersect(self.to_original.inverse().box(mask.box), (0, 0, *self.size))
        return (x1, y1, x2, y2) if x1 < x2 and y1 < y2 else None

    def _sampled(self) -> Pixels:
        return self.source.sample(self.to_original, self.size)

    def _with_mask(self, plain: Pixels, mask: Mask) -> Pixels:
        drawn = plain.copy()
        bits = mask.seen(self.to_original, self.size)
        rows, columns = np.flatnonzero(bits.any(1)), np.flatnonzero(bits.any(0))
        if not len(rows):
            return drawn
        part = np.s_[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
        inside = np.pad(bits[part], 1)
        core = inside[1:-1, 1:-1] & inside[:-2, 1:-1] & inside[2:, 1:-1] & inside[1:-1, :-2] & inside[1:-1, 2:]
        patch = drawn[part]
        if self.drawn == "fill":
            patch[core] = (0.6 * patch[core] + 0.4 * FILL).astype(np.uint8)
        patch[inside[1:-1, 1:-1] & ~core] = CONTOUR
        return drawn


class _Picture(Pillow.Image):
    """A view's picture before it is worked with: as Pillow does with one from a file, it knows its size alone.

    A chat is rendered at each turn with all its pictures, and many agents look at the newest, or at none.
    """

    def __init__(self, view: View) -> None:
        super().__init__()
        self._mode, self._size, self._view = "RGB", view.size, view

    def load(self) -> Any:
        """Take the pixels, and be a plain picture from now on."""
        view = vars(self).get("_view")  # None where another thread was here in between
        if view is not None:
            self.__dict__ = Pillow.fromarray(view.pixels).__dict__
            self.__class__ = Pillow.Image  # type: ignore[assignment]
        return Pillow.Image.load(self)

    def __eq__(self, other: object) -> bool:
        """Compare as plain pictures."""
        for each in (self, other):
            if isinstance(each, _Picture):
                each.load()
        return self == other

    __hash__ = None  # type: ignore[assignment]

    def __reduce_ex__(self, protocol: Any) -> Any:
        """Pickle and copy as a plain picture."""
        self.load()
        return self.__reduce_ex__(protocol)


def _meets(box: Box, panel: Panel) -> bool:
    """Whether a box, which may be a point, lies on a panel or reaches into it."""
    across = (panel.left, -np.inf, panel.left + panel.view.size[0], np.inf)
    x1, _, x2, _ = intersect(box, across)
    return x1 < x2 or x1 == x2 == box[0] == box[2]
