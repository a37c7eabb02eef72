"""Shows how to play: looks where the truth is, about, and says why before each call. What policies are started on."""

from collections.abc import Sequence
from typing import ClassVar

from ..core.action import Action, Answer
from ..core.coords import from_pixels, to_pixels
from ..core.geometry import Box, bounding, grow, intersect
from ..core.mask import Mask
from ..core.task import Kind, truth_of
from ..core.view import View
from .agent import Brief, Messages
from .builtin import Player, target, turns
from .walking import Walk


class Teacher(Player):
    """Marks or zooms onto what the question is about, reads the result, and answers rightly.

    Args:
        seed: of the boxes' errors.
        error: how far each side of a box is off, as a share of the box's length: what is copied blindly is wrong.
    """

    needs_truth: ClassVar[bool] = True

    def __init__(self, seed: int = 0, error: float = 0.05) -> None:
        super().__init__(seed)
        self.error = error

    def begin(self, brief: Brief) -> None:
        """Take the brief, and find what is to be looked at."""
        super().begin(brief)
        if brief.episode is None:
            raise ValueError("the teacher needs the truth: roll it out with medgym.rollout")
        self.truth = truth_of(brief.task)
        self.view: View = brief.episode.views[self.truth.image]
        self.last = brief.episode.max_turns - 1
        self.name = target(brief.task)
        dialect = brief.dialect
        names = [tool.name for tool in dialect.tools]
        self.walk = Walk(self.truth, self.view, self.last, dialect.most_calls, names) if self.truth.solid else None

    def act(self, messages: Messages) -> str:
        """Return the next action."""
        if self.walk is not None and self.brief.episode is not None:
            return self._walked(messages, self.walk, self.brief.episode.views)
        box, turn = self._place(), turns(messages)
        if box is not None and turn < self.last:
            if self.task.kind is Kind.SEGMENTATION and self.has("sam2") and not self._done():
                return self._mark(messages, box, turn)
            if turn == 0 and self.task.kind is not Kind.SEGMENTATION and self.has("zoom_in"):
                asked = self.task.question
                thought = f"I look closer at the {self.name}." if self.name in asked else f"I look closer: {asked}"
                around = self._about(grow(box, 0.25))
                return self.call(messages, thought, "zoom_in", image=self.view.index, bbox_2d=around)
        made = self._made()
        return self.answer(messages, self._because(box, made), self._answer(box, made))

    def _walked(self, messages: Messages, walk: Walk, views: Sequence[View]) -> str:
        """Mark a volume slice by slice."""
        calls = walk.calls(views, self._boxed)
        if not calls:
            answer = walk.answer(views)
            thought = f"I see no {self.name}." if answer == {"mask": None} else f"The masks show the {self.name}."
            return self.answer(messages, thought, answer)
        thought = f"I look for the {self.name} on other slices."
        if calls[0].name == "sam2":
            thought = f"I see the {self.name} and mark it."
        return self.brief.dialect.format(Action(thought, calls), [view.size for view in views])

    def _boxed(self, view: View, mask: Mask) -> list[float]:
        box = view.box_of(mask)
        return self._about(box or (0.0, 0.0, *view.size), view)

    def _done(self) -> bool:
        """Return whether the newest mask is what is asked for."""
        made = self._made()
        return made.mask is not None and self.truth.mask is not None and made.mask.iou(self.truth.mask) > 0.5

    def _made(self) -> View:
        return self.brief.episode.views[-1] if self.brief.episode is not None else self.view

    def _mark(self, messages: Messages, box: Box, turn: int) -> str:
        """Mark what is asked for, again where that did not succeed."""
        thought = f"I see the {self.name} and mark it."
        if turn:
            wrong = "Nothing was found" if self._made().mask is None else "That is something else"
            thought = f"{wrong}, so I mark the {self.name} again."
        return self.call(messages, thought, "sam2", image=self.view.index, bbox_2d=self._about(box))

    def _because(self, box: Box | None, made: View) -> str:
        if box is None:
            return f"I see no {self.name}."
        return f"The mask shows the {self.name}." if made.mask is not None else f"I see the {self.name}."

    def _answer(self, box: Box | None, made: View) -> Answer:
        if self.task.kind is Kind.SEGMENTATION:
            if made.mask is not None:
                return {"mask": made.index}
            return {"mask": None} if box is None else {"image": self.view.index, "bbox_2d": self._written(box)}
        if self.task.kind is Kind.DETECTION:
            inverse = self.view.to_original.inverse()
            boxes = [self._written(inverse.box(each)) for each in self.truth.boxes]
            return {"image": self.view.index, "bbox_2d": boxes} if boxes else {"bbox_2d": []}
        return self.truth.answer

    def _place(self) -> Box | None:
        """Return where what is asked for lies, in pixels of the first view."""
        if self.truth.mask is not None:
            return self.view.box_of(self.truth.mask)
        return self.view.to_original.inverse().box(bounding(self.truth.boxes)) if self.truth.boxes else None

    def _about(self, box: Box, view: View | None = None) -> list[float]:
        lengths = (box[2] - box[0], box[3] - box[1])
        off = self.rng.normal(0, self.error, 4)
        x1, y1, x2, y2 = (v + off[i] * lengths[i % 2] for i, v in enumerate(box))
        return self._written((min(x1, x2), min(y1, y2), max(x1, x2), max(y1, y2)), view)

    def _written(self, box: Box, view: View | None = None) -> list[float]:
        """Round a box outward to whole numbers of the policy's scale, and return it in pixels of a view."""
        coords, size = self.brief.dialect.coords, (view or self.view).size
        x1, y1, x2, y2 = from_pixels(list(intersect(box, (0, 0, *size))), coords, size)
        if coords == "unit":
            rounded = [round(v, 3) for v in (x1, y1, x2, y2)]
        else:
            rounded = [int(x1), int(y1), int(-(-x2 // 1)), int(-(-y2 // 1))]
        return list(to_pixels(rounded, coords, size))
