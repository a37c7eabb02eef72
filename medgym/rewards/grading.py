"""What a finished trajectory achieved, worked out once for all components of a recipe."""

import math
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
from scipy.optimize import linear_sum_assignment

from ..core.geometry import Box, area, box_iou, intersect
from ..core.mask import Mask
from ..core.task import Kind, Truth, truth_of
from ..core.trajectory import End, Marked, Trajectory
from ..core.view import Sheet, View
from ..core.volume import Plane, Stack
from .words import agrees, chosen, plain

HALF = 0.5
"""A place is found where IoU exceeds this."""

DENIALS = {"no", "none", "nothing", "absent", "not present", "nothing to segment"}
Answered = Mask | Stack
"""A mask of an image, or, where a whole volume is asked for, masks on slices of it."""
MOST_BOXES = 64
NOWHERE: Box = (0.0, 0.0, 0.0, 0.0)
"""An empty box, which matches nothing."""


class Verdict(NamedTuple):
    """How good the answer is, from 0 to 1, and why."""

    quality: float
    reason: str


@dataclass(frozen=True)
class Graded:
    """A trajectory held against its truth.

    Attributes:
        stand_in: whether the latest predicted mask counts where a segmentation is answered in words.
    """

    trajectory: Trajectory
    stand_in: bool = False

    @property
    def truth(self) -> Truth:
        """The task's truth."""
        return truth_of(self.trajectory.task)

    @property
    def answered(self) -> bool:
        """Whether the episode ended by an answer."""
        return self.trajectory.end_reason == End.ANSWER

    @property
    def well_formed(self) -> bool:
        """Whether every action was usable and the last one an answer."""
        return self.answered and all(turn.action.usable for turn in self.trajectory.turns)

    @property
    def quality(self) -> float:
        """The answer's worth: 1 or 0 for words, IoU for a mask, matched IoU for boxes."""
        return self.verdict.quality

    @property
    def correct(self) -> bool:
        """Whether the words are right, or the place is found (more than `HALF`)."""
        return self.quality > HALF

    @cached_property
    def verdict(self) -> Verdict:
        """The answer's worth and why; the reason does not tell the truth."""
        if not self.answered:
            return Verdict(0.0, f"no answer: the episode ended by {self.trajectory.end_reason or 'nothing yet'}")
        answer = self.trajectory.turns[-1].action.answer
        kind = self.trajectory.task.kind
        if kind is Kind.SEGMENTATION:
            return self._mask_verdict
        if kind is Kind.DETECTION:
            return self._boxes_verdict(answer)
        if not isinstance(answer, str):
            return Verdict(0.0, "the answer is not in words")
        right, reason = agrees(answer, self.trajectory.task, self.truth)
        return Verdict(float(right), f"{'right' if right else 'wrong'}: {reason}")

    @cached_property
    def mask(self) -> Answered | None:
        """The mask that is scored, or None where the answer names none."""
        return self._final[0]

    @property
    def predicted(self) -> list[Marked]:
        """Every mask that tools predicted of what is asked about, in order, with the sheet that it lies on."""
        masks = [Marked(v.mask, v.sheet) for v in self.trajectory.seen if v.mask and v.drawn == "fill"]
        return [marked for marked in masks if self._is_asked(marked.sheet)]

    @property
    def masks(self) -> list[Answered]:
        """Every mask predicted of what is asked about, in order, the answer's last where it is a new one."""
        found = [self.answer_of([marked]) for marked in self.predicted]
        final = self.mask
        return [*found, final] if final is not None and final not in found[-1:] else found

    def iou(self, mask: Answered | None) -> float:
        """IoU of a mask with the true one, in voxels where a volume is asked for; 0 for None."""
        if isinstance(mask, Stack):
            return mask.iou(self.truth.solid) if self.truth.solid else 0.0
        return mask.iou(self.truth.mask) if mask is not None and self.truth.mask is not None else 0.0

    def dice(self, mask: Answered | None) -> float:
        """Dice of a mask with the true one, in voxels where a volume is asked for; 0 for None."""
        iou = self.iou(mask)
        return 2 * iou / (1 + iou)

    def iou_there(self, marked: Marked) -> float:
        """IoU of a predicted mask with what is true on its own sheet."""
        cut = marked.sheet.cut
        if self.truth.solid is None or not isinstance(cut, Plane):
            return self.iou(marked.mask)
        return marked.mask.iou(self.truth.solid.on(cut))

    def evidence_in(self, view: View) -> float:
        """Return the share, 0 to 1, of the evidence that a view, or a panel of it, shows at full resolution."""
        if view.panels:
            return max(self.evidence_in(panel.view) for panel in view.panels)
        boxes = self.truth.boxes
        if not boxes or view.sheet != self.truth.sheet or not view.at_full_resolution:
            return 0.0
        seen = sum(view.shows(box) for box in boxes)
        return min(1.0, seen / max(sum(area(box) for box in boxes), 1e-9))

    @property
    def _mask_verdict(self) -> Verdict:
        mask, reason = self._final
        if mask is None:
            return Verdict(0.0, reason)
        iou = self.iou(mask)
        return Verdict(iou, f"IoU {iou:.3f} of {reason}")

    @cached_property
    def _final(self) -> tuple[Answered | None, str]:
        if not self.answered or self.trajectory.task.kind is not Kind.SEGMENTATION:
            return None, "there is no answer"
        turn = self.trajectory.turns[-1]
        answer = turn.action.answer
        if turn.marked and not any(each.mask.area for each in turn.marked):
            return self.nothing, turn.fault or "the empty mask: the answer says that nothing is there"
        if turn.marked and all(self._is_asked(each.sheet) for each in turn.marked):
            return self.answer_of(turn.marked), "the mask answered"
        if turn.fault or not isinstance(answer, str):
            return None, turn.fault or "the answer names no mask of the image in question"
        if not self.stand_in:
            return None, 'the answer names no mask: {"mask": k} does'
        return self._standing_in(answer)

    def _standing_in(self, answer: str) -> tuple[Answered | None, str]:
        task = self.trajectory.task
        letter = chosen(answer, task.options)
        if letter is not None and self.truth.answer and letter != self.truth.answer:
            return None, f"option {letter} was chosen"
        true = self.truth.solid or self.truth.mask
        says_nothing = letter is not None and true is not None and not true.area
        if plain(answer) in DENIALS or says_nothing:
            return self.nothing, "the empty mask: the answer says that nothing is there"
        latest = [view for view in self.trajectory.seen if view.mask and view.drawn == "fill"]
        if not latest or not self._is_asked(latest[-1].sheet):
            return None, "no mask was predicted"
        return self.answer_of(self.predicted[-1:]), "the latest predicted mask"

    @property
    def nothing(self) -> Answered:
        """The answer that nothing is there."""
        if self.truth.solid is not None:
            return Stack()
        return Mask.empty(self.trajectory.task.images[self.truth.image].size)

    def _is_asked(self, sheet: Sheet) -> bool:
        """Whether a mask on a sheet can be right: on the one asked about, or on any plane of a volume asked for."""
        if self.truth.solid is None:
            return sheet == self.truth.sheet
        return sheet.image == self.truth.image and isinstance(sheet.cut, Plane)

    def answer_of(self, marked: list[Marked]) -> Answered:
        """Return the answer that masks make: of an image the first, of a volume all together."""
        if self.truth.solid is None:
            return marked[0].mask
        return Stack.of([(sheet.cut, mask) for mask, sheet in marked if isinstance(sheet.cut, Plane)])

    def _boxes_verdict(self, answer: Any) -> Verdict:
        said = said_boxes(answer, self.trajectory.views, self.truth.sheet)
        if said is None:
            return Verdict(0.0, f'the answer is no {{"bbox_2d": […]}} with at most {MOST_BOXES} boxes')
        quality = matched(said, self.truth.boxes)
        return Verdict(quality, f"matched IoU {quality:.3f} of {len(said)} boxes")


def matched(said: list[Box], true: tuple[Box, ...]) -> float:
    """Return the IoU of the best one-to-one matching, divided by the larger number of boxes; 1 for none of none."""
    if not said or not true:
        return float(not said and not true)
    iou = np.array([[box_iou(one, two) for two in true] for one in said])
    rows, columns = linear_sum_assignment(-iou)
    return float(iou[rows, columns].sum() / max(len(said), len(true)))


def found_boxes(graded: "Graded") -> float:
    """Return the F1 score of detection: a box is right that meets a true one of its own with IoU above `HALF`.

    No box where there is none is 1; an answer that is no list of boxes is 0.
    """
    true = graded.truth.boxes
    answer = graded.trajectory.turns[-1].action.answer if graded.answered else None
    said = said_boxes(answer, graded.trajectory.views, graded.truth.sheet) if graded.answered else None
    if said is None:
        return 0.0
    if not said or not true:
        return float(not said and not true)
    iou = np.array([[box_iou(one, two) for two in true] for one in said])
    rows, columns = linear_sum_assignment(-(iou > HALF).astype(float))
    return 2 * float((iou[rows, columns] > HALF).sum()) / (len(said) + len(true))


def said_boxes(answer: Any, views: tuple[View, ...], sheet: Sheet) -> list[Box] | None:
    """Return an answer's boxes in the original's pixels; None where it is no list of boxes of that sheet."""
    places = answer if isinstance(answer, list) else [answer]
    boxes: list[Box] = []
    for place in places:
        if not isinstance(place, dict) or not isinstance(place.get("bbox_2d"), list):
            return None
        number = place.get("image", 1)
        if isinstance(number, bool) or not isinstance(number, int) or not 1 <= number <= len(views):
            return None
        listed = place["bbox_2d"]
        listed = [listed] if listed and not isinstance(listed[0], list) else listed
        if len(boxes) + len(listed) > MOST_BOXES or not all(map(_is_box, listed)):
            return None
        marked = [views[number - 1].at(tuple(box)) for box in listed]
        if any(each is not None and each[0].sheet != sheet for each in marked):
            return None
        boxes += [_in_original(*each) if each else NOWHERE for each in marked]
    return boxes


def _in_original(view: View, box: Box) -> Box:
    """Map a box, cut at the view's edge and the image's; one wholly outside is `NOWHERE`."""
    cut = intersect(box, (0, 0, *view.size))
    if area(cut) <= 0:
        return NOWHERE
    mapped = intersect(view.to_original.box(cut), (0, 0, *view.source.size))
    return mapped if area(mapped) > 0 else NOWHERE


def _is_box(box: Any) -> bool:
    if not isinstance(box, list) or len(box) != 4:
        return False
    numbers = all(isinstance(v, (int, float)) and not isinstance(v, bool) and abs(v) < 1e9 for v in box)
    return numbers and all(map(math.isfinite, box)) and box[0] < box[2] and box[1] < box[3]
