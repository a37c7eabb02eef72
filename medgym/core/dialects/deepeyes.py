"""The dialect of DeepEyes (arXiv 2505.14362): one tool that magnifies a box of the original image."""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from ..action import Call
from ..coords import describe
from ..errors import ToolError
from ..geometry import Size
from ..task import Task
from ..tooling import ToolResult
from ..view import View
from .dialect import QUOTED, Part, Unusable, dumps
from .tagged import Tagged, named, numbers, others

ZOOM = "image_zoom_in_tool"
SCHEMA = {
    "type": "function",
    "function": {
        "name": ZOOM,
        "description": "Look closer at a box of the image: it comes back cut out and at full resolution.",
        "parameters": {
            "type": "object",
            "properties": {
                "bbox_2d": {
                    "type": "array",
                    "items": {"type": "number"},
                    "minItems": 4,
                    "maxItems": 4,
                    "description": "[x1, y1, x2, y2]: the upper left and the lower right corner of the box.",
                },
                "label": {"type": "string", "description": "What is in the box; may be left out."},
            },
            "required": ["bbox_2d"],
        },
    },
}
EXAMPLE = {"name": ZOOM, "arguments": {"bbox_2d": [120, 80, 260, 190], "label": "the nodule in the left lung"}}

SYSTEM = """You answer questions about medical images.

# Tools
These functions help you:
<tools>
{tools}
</tools>

# How to call one
Write a JSON object with its name and arguments between <tool_call> and </tool_call>, such as
<tool_call>
{example}
</tool_call>

A box is [x1, y1, x2, y2] on the original image, also after you looked closer: {coords}. You have {turns} turns. \
Repeating a call ends the episode."""

FORM = "First think, <think>…</think>; then either call, <tool_call>…</tool_call>, or answer, <answer>…</answer>."


class DeepEyes(Tagged):
    """``<think>…</think>``, then ``<tool_call>`` of ``image_zoom_in_tool``, or ``<answer>``.

    After the repository Visual-Agent/DeepEyes: its second prompt, which its evaluation uses, with as many calls an
    action as its fifth allows. A box is always one of the original image (Qwen2.5-VL: in pixels, so ``coords`` is
    ``pixel``); the crop comes back between ``<tool_response>`` tags. Where this deviates:

    - The prompts are our own words, and say the environment's limits.
    - A call may name another image than the first by ``"image": k``. Policies are told where a task has several.
    - ``label``, which the published tool does not look at either, is read and dropped.
    - Answers with a place are our JSON forms, and a question may have no options.
    - What is outside the tags makes an action unusable; the published harness searches for the first call in it.
    """

    name: ClassVar[str] = "deepeyes"
    spoken: ClassVar[Mapping[str, str]] = {"zoom_in": ZOOM}

    def system(self, max_turns: int) -> str:
        """Return the system prompt."""
        tools = dumps(SCHEMA) if self.tools else ""
        return SYSTEM.format(tools=tools, example=dumps(EXAMPLE), coords=describe(self.coords), turns=max_turns)

    def question(self, task: Task, views: Sequence[View]) -> list[Part]:
        """Return the first message."""
        return [*super().question(task, views), *others(views), FORM]

    def reply(self, results: Sequence[tuple[Call, ToolResult | ToolError]], left: int) -> list[Part]:
        """Return the message after a turn of calls."""
        parts: list[Part] = []
        for call, result in results:
            if isinstance(result, ToolError):
                parts.append(f"<tool_response>{self._failure(call, result)[:QUOTED]}</tool_response>")
            elif result.view is None:
                parts.append(f"<tool_response>{result.text}</tool_response>")
            else:
                caption = self._caption(result.view)
                parts += ["<tool_response>", result.view, f"{caption} {result.text}</tool_response>"]
        return [*parts, f"Turns left: {left}.", FORM]

    def _call(self, said: Any, sizes: Sequence[Size]) -> Call:
        name, arguments = named(said)
        if name != ZOOM:
            raise Unusable(f"there is no tool {name[:64]!r}; there is {ZOOM}")
        if set(arguments) - {"bbox_2d", "label", "image"} or not numbers(arguments.get("bbox_2d"), 4):
            raise Unusable(f'{ZOOM} takes "bbox_2d": [x1, y1, x2, y2] and perhaps a "label"')
        return self.in_pixels("zoom_in", {"image": arguments.get("image", 1), "bbox_2d": arguments["bbox_2d"]}, sizes)

    def _said(self, call: Call, sizes: Sequence[Size]) -> dict[str, Any]:
        written = self.as_written(call, sizes)
        image = written.pop("image", None)
        if call.name != "zoom_in" or set(written) != {"bbox_2d"} or image is None:
            raise ValueError("DeepEyes can only zoom into a box of an image")
        return {"name": ZOOM, "arguments": written if image == 1 else {**written, "image": image}}
