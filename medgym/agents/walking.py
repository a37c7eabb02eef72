"""How one who knows the truth marks a structure of a volume: from slice to slice, and what to mark on each."""

from collections.abc import Callable, Sequence

import numpy as np

from ..core.action import Answer, Call
from ..core.mask import Mask
from ..core.task import Truth
from ..core.view import View
from ..core.volume import Axis, Plane, Solid

Boxed = Callable[[View, Mask], list[float]]
"""Writes the box of a mask in the pixels of a view."""


class Walk:
    """Goes to the slices on which most of a structure lies, as many as there are turns for, and marks it on each.

    Args:
        truth: of a task that asks for a whole volume.
        first: the first view of that volume.
        turns: how many actions there are before the answer.
        together: how many calls an action may have.
        tools: names of the tools at hand.
    """

    def __init__(self, truth: Truth, first: View, turns: int, together: int, tools: Sequence[str]) -> None:
        if truth.solid is None:
            raise ValueError("a walk is through a task that asks for a whole volume")
        self.solid: Solid = truth.solid
        self.image, self.together = truth.image, together
        start = first.sheet.cut
        axis: Axis = start.axis if start else "axial"
        areas = self.solid.areas[axis]
        largest = [Plane(axis, int(k)) for k in np.argsort(-areas, kind="stable") if areas[k]]
        able = largest if "slice" in tools else [plane for plane in largest if plane == start]
        able = able if "sam2" in tools else []
        while able and _turns(len(set(able) - {start}), together) + _turns(len(able), together) > turns:
            able = able[:-1]
        self.planes = able
        self._tried: set[tuple[str, Plane]] = set()

    def calls(self, views: Sequence[View], boxed: Boxed) -> tuple[Call, ...]:
        """Return the next calls: slices not yet shown, and then structures not yet marked; none at the end."""
        shown = {view.sheet.cut: view for view in reversed(views) if view.image == self.image and view.mask is None}
        unseen = [plane for plane in self.planes if plane not in shown and ("slice", plane) not in self._tried]
        number = min(view.index for view in views if view.image == self.image)
        if unseen:
            chosen = unseen[: self.together]
            self._tried |= {("slice", plane) for plane in chosen}
            return tuple(Call("slice", {"image": number, **plane._asdict()}) for plane in chosen)
        bare = [plane for plane in self.planes if plane in shown and ("sam2", plane) not in self._tried]
        chosen = bare[: self.together]
        self._tried |= {("sam2", plane) for plane in chosen}
        marks = ((shown[plane], self.solid.on(plane)) for plane in chosen)
        return tuple(Call("sam2", {"image": view.index, "bbox_2d": boxed(view, mask)}) for view, mask in marks)

    def answer(self, views: Sequence[View]) -> Answer:
        """Return the answer that the masks so far make: of each slice the newest."""
        marked = {view.sheet.cut: view for view in views if view.mask is not None and view.sheet.cut in self.planes}
        if marked:
            return {"mask": [view.index for view in marked.values()]}
        return {"mask": None}


def _turns(calls: int, together: int) -> int:
    return -(-calls // together)
