"""The components of rewards: each reads a graded trajectory and returns a value and its reason.

A component takes the trajectory, the group it was sampled in (at least itself), and settings of its own.
"""

import itertools
from collections.abc import Callable, Sequence
from typing import NamedTuple

from ..core.errors import ToolError
from ..core.geometry import bounding, box_iou, snap
from ..core.task import Kind
from ..core.tooling import ToolResult
from .grading import Graded
from .words import shared_words

Group = Sequence[Graded]


class Score(NamedTuple):
    """A component's value and, in words that do not tell the truth, why."""

    value: float
    reason: str


def format_reward(one: Graded, group: Group, *, otherwise: float = 0.0, right: float = 1.0) -> Score:
    """Pay `right` where every action was usable and the last one an answer, `otherwise` if not."""
    if one.well_formed:
        return Score(right, "every action was usable and the last one answered")
    bad = sum(not turn.action.usable for turn in one.trajectory.turns)
    return Score(otherwise, f"{bad} unusable actions" if bad else f"ended by {one.trajectory.end_reason}")


def answer(one: Graded, group: Group, *, steps: Sequence[Sequence[float]] = ()) -> Score:
    """Pay 1 for right words; for a place, what the highest of `steps` [above, pays] that it passes pays."""
    if not steps or not one.trajectory.task.kind.localised:
        return Score(one.quality, one.verdict.reason)
    paid = max((pays for above, pays in steps if one.quality > above), default=0.0)
    return Score(float(paid), one.verdict.reason)


def answer_f1(one: Graded, group: Group) -> Score:
    """Pay for an open answer the F1 score of its words, for any other what it is worth."""
    said = one.trajectory.turns[-1].action.answer if one.answered else None
    if one.trajectory.task.kind is not Kind.OPEN or not isinstance(said, str):
        return Score(one.quality, one.verdict.reason)
    return Score(shared_words(said, one.truth), "words shared with the answer, F1")


def accuracy(one: Graded, group: Group) -> Score:
    """Pay 1 for right words or a place found with IoU above a half."""
    return Score(float(one.correct), one.verdict.reason)


def tool_bonus(one: Graded, group: Group, *, if_right: bool = True, on_evidence: bool = False) -> Score:
    """Pay 1, once, where a perception tool returned a view: only `if_right`, only of the evidence."""
    if if_right and not one.correct:
        return Score(0.0, "the answer earned nothing")
    if not one.trajectory.seen:
        return Score(0.0, "no perception tool returned an image")
    if on_evidence and one.truth.boxes and not _looked_at_evidence(one):
        return Score(0.0, "no call looked at what the question is about")
    return Score(1.0, "a perception tool returned an image")


def curiosity(one: Graded, group: Group, *, weight: float = 0.25, wanted: float = 0.3) -> Score:
    """Pixel-Reasoner's pay for using tools while the group rarely does."""
    if not one.trajectory.seen:
        return Score(0.0, "no tool was used")
    rate = sum(bool(each.trajectory.seen) for each in group) / len(group)
    return Score(weight * max(wanted - rate, 0.0) / (2 * rate), f"{rate:.0%} of the group used a tool")


def call_cost(one: Graded, group: Group, *, each: float, free: int = 0) -> Score:
    """Take `each` for every call after the first `free` ones."""
    calls = len(one.trajectory.calls)
    return Score(-each * max(0, calls - free), f"{calls} calls")


def call_pay(one: Graded, group: Group) -> Score:
    """VISTA-Gym's pay for successful calls; each way of calling pays once, each failure costs."""
    pay: dict[str, float] = {}
    failures = 0
    for call, result in one.trajectory.calls:
        if isinstance(result, ToolError):
            failures += 1
        elif result.view is not None and call.name in one.trajectory.perceiving:
            way, worth = _way(one, call.name, bool(call.arguments.get("points")), result)
            pay[way] = max(pay.get(way, 0.0), worth)
    ways = ", ".join(f"{way} {worth:.2f}" for way, worth in pay.items()) or "no successful call"
    return Score(sum(pay.values()) - 0.1 * failures, f"{ways}; {failures} failures")


def marks(one: Graded, group: Group, *, each: float = 0.2, most: int = 3) -> Score:
    """Pay `each` for the first `most` different regions that calls marked."""
    places = set()
    for view in one.trajectory.seen:
        if view.panels:
            continue
        box = view.mask.box if view.mask and view.mask.box else view.region
        # Leafing through a volume marks nothing: slices are told apart by the masks on them alone.
        cut = view.sheet.cut if view.mask else None
        places.add((view.image, cut, *map(round, box)))
    return Score(each * min(len(places), most), f"{len(places)} different regions were marked")


def ended(one: Graded, group: Group) -> Score:
    """Pay 1 where the episode ended by an answer, whatever it says."""
    return Score(float(one.answered), f"ended by {one.trajectory.end_reason}")


def grounding(one: Graded, group: Group) -> Score:
    """Pay the overlap (IoU) of the last inspected window with the evidence window."""
    if not one.truth.boxes:
        return Score(0.0, "the task has no evidence window")
    if not one.trajectory.seen or not one.answered:
        return Score(0.0, "no window was inspected before an answer")
    view = one.trajectory.seen[-1]
    if view.sheet != one.truth.sheet:
        return Score(0.0, "the last window is of another image or slice")
    window = view.mask.box if view.mask and view.mask.box and view.drawn == "fill" else view.region
    overlap = box_iou(window, bounding(one.truth.boxes))
    return Score(overlap, f"the last window overlaps the evidence by {overlap:.2f}")


def process(one: Graded, group: Group) -> Score:
    """Pay what the potential rose from the first view to the end; detours cancel out.

    The potential is the IoU of the current mask or, for a question, the share of the evidence that the
    current view shows at full resolution. Nothing is paid without an answer.
    """
    if not one.answered:
        return Score(0.0, "no answer")
    if one.trajectory.task.kind is Kind.SEGMENTATION:
        start = one.iou(one.nothing)
        end = one.iou(one.mask) if one.mask is not None else 0.0
        return Score(max(end - start, -1.0), f"the mask's IoU went from {start:.2f} to {end:.2f}")
    start = max(one.evidence_in(view) for view in one.trajectory.views[: len(one.trajectory.task.images)])
    end = one.evidence_in(one.trajectory.seen[-1]) if one.trajectory.seen else start
    return Score(end - start, f"the evidence in view went from {start:.2f} to {end:.2f}")


def medsam_format(one: Graded, group: Group) -> Score:
    """MedSAM-Agent's F: half for a segmentation call, half for ending by an answer; 0 with unusable actions."""
    if any(not turn.action.usable for turn in one.trajectory.turns):
        return Score(0.0, "an action was unusable")
    added = any(isinstance(r, ToolResult) and r.view and r.view.mask for _, r in one.trajectory.calls)
    return Score(0.5 * added + 0.5 * one.answered, f"segmented: {added}, answered: {one.answered}")


def medsam_quality(one: Graded, group: Group) -> Score:
    """MedSAM-Agent's clip01(0.5 IoU + 0.5 Dice - P + B), with B never above P."""
    if one.trajectory.task.kind is not Kind.SEGMENTATION:
        return Score(one.quality, one.verdict.reason)
    masks = one.masks
    if not one.answered or not masks or one.mask is None:
        return Score(0.0, one.verdict.reason)
    ious = [one.iou(mask) for mask in masks]
    last, turns = ious[-1], len(ious)
    loss = 0.0 if turns == 1 else max(ious) - last + 0.01 * turns
    gain = 0.1 * sum(max(0.0, now - before) for before, now in itertools.pairwise(ious))
    value = 0.5 * last + 0.5 * one.dice(masks[-1]) - loss + min(gain, loss)
    return Score(min(max(value, 0.0), 1.0), f"IoU by mask: {', '.join(f'{iou:.2f}' for iou in ious)}")


def _way(one: Graded, name: str, by_points: bool, result: ToolResult) -> tuple[str, float]:
    view = result.view
    if view is None or view.mask is None or view.drawn != "fill":
        return name, 0.15
    if not by_points:
        return f"{name} by box or words", 0.2
    width, height = view.source.size
    return f"{name} by points", 0.15 + min(0.15, view.mask.area / (width * height))


def _looked_at_evidence(one: Graded) -> bool:
    """Whether a mask lay on the evidence by half, or a zoom onto at most half of the image held half of it."""
    for view in one.trajectory.seen:
        if view.sheet != one.truth.sheet:
            continue
        width, height = view.source.size
        if view.mask and view.drawn == "fill":
            bits = view.mask.bits()
            outside = bits.copy()
            for x1, y1, x2, y2 in (snap(box, (width, height)) for box in one.truth.boxes):
                outside[y1:y2, x1:x2] = False
            if 2 * outside.sum() <= bits.sum():
                return True
        elif one.evidence_in(view) >= 0.5 and view.shows((0, 0, width, height)) <= 0.5 * width * height:
            return True
    return False


COMPONENTS: dict[str, Callable[..., Score]] = {
    "format": format_reward,
    **{
        each.__name__: each
        for each in (
            answer,
            answer_f1,
            accuracy,
            tool_bonus,
            curiosity,
            call_cost,
            call_pay,
            marks,
            ended,
            grounding,
            process,
            medsam_format,
            medsam_quality,
        )
    },
}
