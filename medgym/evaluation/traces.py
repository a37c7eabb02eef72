"""An episode as one line of JSON: what was said, called, returned and earned, and why; read back, it is scored again.

Images are named by the hash of their pixels and kept once each, so a line is small; masks are COCO run-length codes in
the pixels of the original image. What is right is a line of its own, in a file that is written after the last episode.
The schema is `benchmarks/traces.md`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from ..core.action import Action, Call
from ..core.errors import InputError, ToolError
from ..core.geometry import Affine, Size
from ..core.image import SourceImage
from ..core.mask import Mask
from ..core.task import Kind, Task, Truth, truth_of
from ..core.tooling import ToolResult
from ..core.trajectory import Marked, Trajectory, Turn
from ..core.view import Panel, Sheet, View
from ..core.volume import Cut, Place, Plane, Slab, Solid, Volume
from ..rewards.grading import Graded, found_boxes
from ..rewards.recipe import Recipe, Reward
from .pictures import image_name, keep_image

VERSION = 3
Line = dict[str, Any]


def episode_line(trajectory: Trajectory, reward: Reward, recipe: Recipe) -> Line:
    """Return the record of a finished episode; it holds how well it went but not the right answer."""
    graded = Graded(trajectory, recipe.latest_mask_stands_in)
    task = trajectory.task
    has_mask = task.truth is not None and (task.truth.solid or task.truth.mask) is not None
    return {
        **_about(task),
        "end_reason": str(trajectory.end_reason),
        "failed": "",
        "reward": reward.total,
        "rewards": {name: {"value": score.value, "reason": score.reason} for name, score in reward.components.items()},
        "correct": graded.correct,
        "quality": graded.quality,
        "iou": graded.iou(graded.mask) if has_mask else None,
        "dice": graded.dice(graded.mask) if has_mask else None,
        "f1": found_boxes(graded) if task.kind is Kind.DETECTION else None,
        "calls": len(trajectory.calls),
        "perceiving": sorted(trajectory.perceiving),
        "errors": errors(graded),
        "turns": [_turn(turn) for turn in trajectory.turns],
        "views": [_view(view, name) for view, name in zip(trajectory.views, _names(trajectory.views), strict=True)],
    }


def failed_line(task: Task, why: str) -> Line:
    """Return the record of an episode in which the agent could not act: it is counted, and not scored."""
    nothing: dict[str, Any] = dict.fromkeys(("reward", "correct", "quality", "iou", "dice", "f1"))
    empty: dict[str, Any] = {"calls": 0, "perceiving": [], "errors": ["failed"], "turns": [], "views": []}
    return {**_about(task), "end_reason": "", "failed": why, "rewards": {}, **nothing, **empty}


def truth_line(task: Task) -> Line:
    """Return what is right, to be written when no policy plays any more."""
    truth = truth_of(task)
    return {
        "task_id": task.id,
        "index": task.index,
        "answer": truth.answer,
        "accepted": list(truth.accepted),
        "mask": truth.mask.to_json() if truth.mask else None,
        "boxes": [list(box) for box in truth.boxes],
        "image": truth.image,
        "plane": _written_cut(truth.plane),
        "solid": truth.solid.to_json() if truth.solid else None,
        "unit": truth.unit,
        "tolerance": truth.tolerance,
    }


def trajectory_of(line: Mapping[str, Any], truth: Mapping[str, Any]) -> Trajectory:
    """Read a record back; its images have their sizes but not their pixels, which no reward looks at.

    Raises:
        InputError: where the line is of another version of the schema, or the episode failed.
    """
    line = current(line)
    if line["failed"]:
        raise InputError(f"episode {line['index']} failed and has nothing to score: {line['failed']}")
    sources = [_read_image(image) for image in line["images"]]
    views = tuple(_read_view(view, sources) for view in line["views"])
    turns = tuple(_read_turn(turn, views) for turn in line["turns"])
    task = Task(
        line["task_id"], Kind(line["kind"]), line["question"], tuple(sources), tuple(line["options"]),
        line["modality"], line["split"], line["index"], truth=_read_truth(truth),
        in_voxels=line.get("in_voxels", False),
    )  # fmt: skip
    return Trajectory(task, turns, views, line["end_reason"], frozenset(line["perceiving"]))


def current(line: Mapping[str, Any]) -> Line:
    """Return a line in today's schema.

    Raises:
        InputError: where it is of a later one, or of none.
    """
    version = line.get("version")
    if version == VERSION:
        return dict(line)
    if version == 2:
        return {**line, "version": VERSION}
    if version == 1:
        return _from_first(line)
    raise InputError(
        f"a trace of schema version {version!r} cannot be read by this medgym, which reads 1 to {VERSION}: "
        "pip install --upgrade medgym"
    )


def errors(graded: Graded) -> list[str]:
    """Return the kinds of what went wrong, each once: see `ERRORS`."""
    trajectory = graded.trajectory
    found = ["format"] if any(not turn.action.usable for turn in trajectory.turns) else []
    for fault, name in (("name", "unknown_tool"), ("argument", "wrong_argument"), ("tool", "tool_failed")):
        if any(isinstance(result, ToolError) and result.fault == fault for _, result in trajectory.calls):
            found.append(name)
    if trajectory.end_reason in ("repeated_call", "unusable", "max_turns"):
        found.append(str(trajectory.end_reason))
    return [*found, *_of_masks(graded)]


ERRORS = {
    "failed": "the agent could not act (its endpoint failed); not scored",
    "format": "an action was unusable: neither calls nor one answer in the dialect's form",
    "unknown_tool": "a tool was called that there is not",
    "wrong_argument": "a call's arguments were not what the tool takes",
    "tool_failed": "a right call failed in the tool",
    "repeated_call": "the episode ended because a call was made again",
    "unusable": "the episode ended by too many unusable actions",
    "max_turns": "the episode ended without an answer in time",
    "tool_ignored": "a tool had found the place (IoU above a half), and the answer was wrong",
    "tool_believed": "the answer is a tool's mask, and wrong",
    "tool_corrected": "a tool's mask was wrong (IoU at most a half), and the answer right: no error, but good",
}


def _of_masks(graded: Graded) -> list[str]:
    """Hold what tools found against the answer, for tasks whose answer is a mask."""
    trajectory = graded.trajectory
    if trajectory.task.kind is not Kind.SEGMENTATION or not graded.answered:
        return []
    made = graded.predicted
    good = [graded.iou_there(marked) > 0.5 for marked in made]
    if graded.correct:
        return ["tool_corrected"] if made and not all(good) else []
    if any(good):
        return ["tool_ignored"]
    named = trajectory.turns[-1].marked
    believed = any(graded.answer_of([marked]) == graded.mask for marked in made)
    return ["tool_believed"] if believed or (named and all(marked in made for marked in named)) else []


def keep_images(line: Mapping[str, Any], trajectory: Trajectory, folder: Path) -> None:
    """Write the picture of each view of an episode's record once."""
    for written, view in zip(line["views"], trajectory.views, strict=True):
        keep_image(view.plain, folder, written["image"])


def _about(task: Task) -> Line:
    return {
        "version": VERSION,
        "task_id": task.id,
        "split": task.split,
        "index": task.index,
        "kind": str(task.kind),
        "modality": task.modality,
        "patient": str(task.meta.get("patient", "")),
        "question": task.question,
        "options": list(task.options),
        "in_voxels": task.in_voxels,
        "images": [_image(image) for image in task.images],
    }


def _image(image: SourceImage) -> Line:
    place = image.place
    return {
        "size": list(image.size),
        "spacing": image.spacing and list(image.spacing),
        "volume": {"shape": list(place.volume.shape), "spacing": list(place.volume.spacing)} if place else None,
        "cut": _written_cut(place.cut) if place else None,
    }


def _turn(turn: Turn) -> Line:
    return {
        "text": turn.text,
        "thought": turn.action.thought,
        "calls": [
            {"name": call.name, "arguments": dict(call.arguments), "result": _result(result)}
            for call, result in turn.calls
        ],
        "not_made": [
            {"name": call.name, "arguments": dict(call.arguments)} for call in turn.action.calls[len(turn.results) :]
        ],
        "answer": turn.action.answer,
        "errors": list(turn.action.errors),
        "mask": turn.mask.to_json() if turn.mask else None,
        "image": turn.sheet.image,
        "cut": _written_cut(turn.sheet.cut),
        "others": [{"mask": mask.to_json(), **_written_sheet(sheet)} for mask, sheet in turn.others],
        "fault": turn.fault,
    }


def _result(result: ToolResult | ToolError) -> Line:
    if isinstance(result, ToolError):
        return {"error": str(result), "fault": result.fault}
    return {"text": result.text, "view": result.view.index if result.view else None}


def _names(views: Sequence[View]) -> list[str]:
    """Name the picture of each view; that of views which differ by their masks alone is hashed once."""
    plain = [view.plain for view in views]
    names = {id(pixels): image_name(pixels) for pixels in {id(each): each for each in plain}.values()}
    return [names[id(pixels)] for pixels in plain]


def _view(view: View, name: str) -> Line:
    return {
        "index": view.index,
        "image": name,
        "of": view.image,
        "mask": view.mask.to_json() if view.mask else None,
        "drawn": view.drawn,
        "panels": [{"left": panel.left, **_place(panel.view)} for panel in view.panels],
        **_place(view),
    }


def _place(view: View) -> Line:
    place = {"size": list(view.size), "to_original": list(view.to_original), "index": view.index}
    return {**place, **_written_sheet(view.sheet)}


def _written_sheet(sheet: Sheet) -> Line:
    return {"of": sheet.image, "cut": _written_cut(sheet.cut)}


def _written_cut(cut: Cut | None) -> Line | None:
    return cut._asdict() if cut else None


def _read_cut(written: Mapping[str, Any] | None) -> Cut | None:
    if not written:
        return None
    return Plane(**written) if "position" in written else Slab(**written)


def _read_plane(written: Mapping[str, Any] | None) -> Plane | None:
    return Plane(**written) if written else None


def _read_image(written: Mapping[str, Any]) -> SourceImage:
    cut, spacing = _read_cut(written.get("cut")), tuple(written["spacing"] or ()) or None
    place = None
    if cut is not None:
        held = written["volume"]
        place = Place(Volume.unseen(tuple(held["shape"]), tuple(held["spacing"])), cut)
    return SourceImage.unseen(tuple(written["size"]), spacing, place)


def _read_view(written: Mapping[str, Any], sources: Sequence[SourceImage]) -> View:
    panels = tuple(Panel(each["left"], _read_place(each, sources)) for each in written["panels"])
    mask = Mask.from_json(written["mask"]) if written["mask"] else None
    return replace(_read_place(written, sources), mask=mask, drawn=written["drawn"], panels=panels)


def _read_place(written: Mapping[str, Any], sources: Sequence[SourceImage]) -> View:
    size: Size = tuple(written["size"])
    of = written["of"]
    source = sources[of] if of >= 0 else SourceImage.unseen(size)
    cut = _read_cut(written.get("cut"))
    if cut is not None and source.place is not None and source.place.cut != cut:
        volume = source.place.volume
        source = SourceImage.unseen(volume.size(cut.axis), None, Place(volume, cut))
    return View(source, Affine(*written["to_original"]), size, image=of, index=written["index"])


def _read_turn(written: Mapping[str, Any], views: Sequence[View]) -> Turn:
    made = [*written["calls"], *written["not_made"]]
    calls = tuple(Call(call["name"], call["arguments"]) for call in made)
    action = Action(written["thought"], calls, written["answer"], tuple(written["errors"]))
    results = tuple(_read_result(call["result"], views) for call in written["calls"])
    mask = Mask.from_json(written["mask"]) if written["mask"] else None
    others = tuple(
        Marked(Mask.from_json(each["mask"]), Sheet(each["of"], _read_cut(each["cut"])))
        for each in written.get("others", ())
    )
    sheet = Sheet(written["image"], _read_cut(written.get("cut")))
    return Turn(written["text"], action, results, (), mask, sheet, others, written["fault"])


def _read_result(written: Mapping[str, Any], views: Sequence[View]) -> ToolResult | ToolError:
    if "error" in written:
        return ToolError(written["error"], written["fault"])
    return ToolResult(written["text"], views[written["view"] - 1] if written["view"] else None)


def _read_truth(written: Mapping[str, Any]) -> Truth:
    return Truth(
        answer=written["answer"],
        accepted=tuple(written["accepted"]),
        mask=Mask.from_json(written["mask"]) if written["mask"] else None,
        boxes=tuple(tuple(box) for box in written["boxes"]),
        image=written["image"],
        plane=_read_plane(written.get("plane")),
        solid=Solid.from_json(written["solid"]) if written.get("solid") else None,
        unit=written["unit"],
        tolerance=written["tolerance"],
    )


def _from_first(line: Mapping[str, Any]) -> Line:
    """Read the first schema, which left out what follows from the rest: views were of one image and not turned."""
    zooms = {
        call["result"]["view"]
        for turn in line["turns"]
        for call in turn["calls"]
        if call["name"] == "zoom_in" and call["result"].get("view")
    }
    count = 1 + max((view["of"] for view in line["views"]), default=0)
    firsts = [next(view for view in line["views"] if view["of"] == of) for of in range(count)]
    sizes = [[round(v["size"][0] * v["to_original"][0]), round(v["size"][1] * v["to_original"][4])] for v in firsts]
    turns = []
    for turn in line["turns"]:
        calls = [{**call, "result": {"fault": "tool", **call["result"]}} for call in turn["calls"]]
        turns.append({**turn, "calls": calls, "not_made": [], "image": 0, "fault": ""})
    views = [{**v, "drawn": "contour" if v["index"] in zooms else "fill", "panels": []} for v in line["views"]]
    added = {"patient": "", "failed": "", "f1": None, "errors": [], "perceiving": ["biomedparse", "sam2", "zoom_in"]}
    images = [{"size": size, "spacing": None} for size in sizes]
    return {**added, **line, "version": VERSION, "images": images, "turns": turns, "views": views}
