"""The dialect of MedSAM-Agent (arXiv 2602.03320): a mask is begun by a box, mended by points, and kept by a stop."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, ClassVar

from ..action import Action, Answer, Call
from ..coords import describe
from ..geometry import Size
from ..task import Kind, Task
from ..view import View
from .dialect import Part, Unusable, dumps
from .tagged import Tagged, named, numbers, others

BOX, POINT, STOP = "add_bbox", "add_point", "stop_action"
LABELS = {"positive": 1, "negative": 0}


def _schema(name: str, about: str, **properties: Any) -> dict[str, Any]:
    parameters = {"type": "object", "properties": properties, "required": list(properties)}
    return {"type": "function", "function": {"name": name, "description": about, "parameters": parameters}}


def _place(count: int, about: str) -> dict[str, Any]:
    return {"type": "array", "items": {"type": "integer"}, "minItems": count, "maxItems": count, "description": about}


TOOLS = (
    _schema(
        BOX, "Begin the mask, or begin it anew, from a box around the target.",
        bbox_2d=_place(4, "[x1, y1, x2, y2]: the upper left and the lower right corner"),
    ),
    _schema(
        POINT, "Mend the mask by a point that belongs to the target, or by one that does not.",
        point_2d=_place(2, "[x, y]"),
        point_type={
            "type": "string",
            "enum": list(LABELS),
            "description": "positive: the mask should hold the point; negative: it should not",
        },
    ),
    _schema(STOP, "Keep the newest mask: it fits the target."),
)  # fmt: skip

SYSTEM = """You segment what is asked for in a medical image. There is no mask yet: make a first one by a tool, \
look at it, and mend it until it holds all of the target and nothing else. The mask is drawn over the image in \
colour.

# Tools
Call one of these functions in each turn:
<tools>
{tools}
</tools>

Write the call as a JSON object with its name and arguments:
<tool_call>
{{"name": …, "arguments": {{…}}}}
</tool_call>

Coordinates are {coords}. You have {turns} turns. Repeating a call ends the episode."""

SEGMENT = (
    f"When the newest mask fits, call {STOP}. If there is nothing to segment, write <answer>{{"
    '"mask": null}</answer> instead of a call.'
)


class MedSAMAgent(Tagged):
    """``<tool_call>`` of ``add_bbox``, ``add_point`` or ``stop_action``, one an action, without a thought.

    After the repository CUHK-AIM-Group/MedSAM-Agent. Coordinates are from 0 to 999 across the image in its prompt,
    divided by 999 in its inference and by 1000 in its training: ``coords`` is ``norm1000``. A point goes on from the
    marks made before: it becomes a call of `sam2` with the last box and all points since. ``stop_action`` answers with
    the mask on the newest image. Where this deviates:

    - The prompts are our own words, and say the environment's limits.
    - The box stays with its points; the published harness gives the segmenter its own last mask in the box's place. A
      new box begins anew; there, the old points come back with the next point.
    - The mask is shown in our colours, not in translucent green, and the image is not padded to a square.
    - A thought may come first. What is not asked by a mask, or is not there, is answered in ``<answer>``.
    - A call may name another image than the first by ``"image": k``. Policies are told where a task has several.
    - JSON is not mended, and what is outside the tags makes an action unusable.
    """

    name: ClassVar[str] = "medsam-agent"
    spoken: ClassVar[Mapping[str, str]] = {"sam2": f"{BOX} or {POINT}"}
    thinks: ClassVar[bool] = False
    most_calls: ClassVar[int] = 1

    def system(self, max_turns: int) -> str:
        """Return the system prompt."""
        tools = "\n".join(map(dumps, TOOLS)) if self.tools else ""
        return SYSTEM.format(tools=tools, coords=describe(self.coords), turns=max_turns)

    @property
    def expected(self) -> str:
        """One line that shows the form of an action."""
        return (
            f'one <tool_call>{{"name": …, "arguments": {{…}}}}</tool_call> of {BOX}, {POINT} or {STOP}, nothing else.'
        )

    def parse(self, text: str, sizes: Sequence[Size], before: Sequence[Call] = ()) -> Action:
        """Read an action; a point goes on from the marks of the calls `before`."""
        action = super().parse(text, sizes, before)
        return replace(action, calls=tuple(_gone_on(call, before) for call in action.calls))

    def format(self, action: Action, sizes: Sequence[Size], before: Sequence[Call] = ()) -> str:
        """Write an action.

        Raises:
            ValueError: also where a call marks more than a box, or than one point more than was marked `before`.
        """
        return super().format(replace(action, calls=tuple(_added(each, before) for each in action.calls)), sizes)

    def question(self, task: Task, views: Sequence[View]) -> list[Part]:
        """Return the first message."""
        return [*super().question(task, views), *others(views)]

    def _form(self, task: Task) -> str:
        if task.kind is Kind.SEGMENTATION and not task.in_voxels:
            return SEGMENT
        return f"{super()._form(task)} Write it as <answer>…</answer>."

    def _wrap(self, words: str) -> str:
        return f"{words}\nWhat is your next action?"

    def _read(self, body: str, sizes: Sequence[Size]) -> tuple[list[Call], list[Answer]]:
        calls, answers = super()._read(body, sizes)
        stops = [call for call in calls if call.name == STOP]
        return [call for call in calls if call.name != STOP], [*answers, *({"mask": len(sizes)} for _ in stops)]

    def _write(self, action: Action, sizes: Sequence[Size]) -> str:
        if action.answer == {"mask": len(sizes)}:
            return f"<tool_call>\n{dumps({'name': STOP, 'arguments': {}})}\n</tool_call>"
        return super()._write(action, sizes)

    def _call(self, said: Any, sizes: Sequence[Size]) -> Call:
        name, arguments = named(said)
        image = arguments.pop("image", 1)
        if name == BOX and set(arguments) == {"bbox_2d"} and numbers(arguments["bbox_2d"], 4):
            return self.in_pixels("sam2", {"image": image, **arguments}, sizes)
        if name == POINT and set(arguments) == {"point_2d", "point_type"} and numbers(arguments["point_2d"], 2):
            label = arguments["point_type"]
            if isinstance(label, str) and label in LABELS:
                marks = {"points": [arguments["point_2d"]], "labels": [LABELS[label]]}
                return self.in_pixels("sam2", {"image": image, **marks}, sizes)
        if name == STOP and not arguments:
            return Call(STOP)
        if name not in (BOX, POINT, STOP):
            raise Unusable(f"there is no tool {name[:64]!r}; there are {BOX}, {POINT} and {STOP}")
        raise Unusable(
            f'{BOX} takes "bbox_2d": [x1, y1, x2, y2]; {POINT} takes "point_2d": [x, y] and "point_type": "positive" '
            f'or "negative"; {STOP} takes nothing'
        )

    def _said(self, call: Call, sizes: Sequence[Size]) -> dict[str, Any]:
        written = self.as_written(call, sizes)
        image = written.pop("image", None)
        named = {} if image == 1 else {"image": image}
        if call.name == "sam2" and set(written) == {"bbox_2d"} and image is not None:
            return {"name": BOX, "arguments": {**written, **named}}
        if call.name == "sam2" and set(written) == {"points", "labels"} and image is not None:
            label = next(word for word, label in LABELS.items() if label == written["labels"][0])
            return {"name": POINT, "arguments": {"point_2d": written["points"][0], "point_type": label, **named}}
        raise ValueError("MedSAM-Agent can only mark a box or add a point")


def _marks(before: Sequence[Call], image: Any) -> dict[str, Any]:
    """Return what was marked last on an image: a box, points, labels."""
    for call in reversed(before):
        if call.name == "sam2" and call.arguments.get("image") == image:
            return {key: value for key, value in call.arguments.items() if key != "image"}
    return {}


def _gone_on(call: Call, before: Sequence[Call]) -> Call:
    """Add a point to what was marked before."""
    if "points" not in call.arguments:
        return call
    last, new = _marks(before, call.arguments["image"]), call.arguments
    grown = {key: [*last.get(key, []), *new[key]] for key in ("points", "labels")}
    return Call(call.name, {"image": new["image"], **last, **grown})


def _added(call: Call, before: Sequence[Call]) -> Call:
    """Return the point by which a call goes on from what was marked before: the inverse of `_gone_on`."""
    new = call.arguments
    if "points" not in new:
        return call
    alone = {"image": new.get("image"), **{key: new.get(key, [])[-1:] for key in ("points", "labels")}}
    if _gone_on(Call(call.name, alone), before) != call or len(alone["points"]) != 1:
        raise ValueError("MedSAM-Agent adds one point at a time to what it marked before")
    return Call(call.name, alone)
