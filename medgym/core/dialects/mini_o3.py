"""The dialect of Mini-o3 (arXiv 2509.07969): <grounding> magnifies a box of the original image or of an observation."""

import re
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from ..action import Call
from ..coords import describe
from ..errors import ToolError
from ..geometry import Size
from ..task import Task
from ..tooling import ToolResult
from ..view import View
from .dialect import QUOTED, Part, Unusable
from .tagged import Tagged, numbers

ORIGINAL = "original_image"
SOURCE = re.compile(r"observation_([1-9]\d{0,5})")

SYSTEM = """You answer questions about medical images. Think between <think> and </think>. When something is \
not clear, look closer at a box of an image:
<grounding>{{"bbox_2d": [x0, y0, x1, y1], "source": "original_image"}}</grounding>
Here (x0, y0) is the upper left corner of the box and (x1, y1) the lower right one, in {coords}; "source" is the \
image that the box is on: "original_image", or "observation_i" for the i-th observation. What you look at comes \
back as the next observation. Do one such look a turn. When you are sure, write the answer between <answer> and \
</answer>. You have {turns} turns. Looking at the same box twice ends the episode."""

GO_ON = (
    "Go on thinking between <think> and </think>. Then look closer at the original image or at an observation by "
    "<grounding>…</grounding>, or, when you are sure, write <answer>…</answer>."
)


class MiniO3(Tagged):
    """``<think>…</think>``, then ``<grounding>{"bbox_2d": …, "source": …}</grounding>``, or ``<answer>``.

    After the repository Mini-o3/Mini-o3. Boxes are shares of the width and height of their source, so ``coords`` is
    ``unit``. Image 1 is ``original_image``, image k+1 is ``observation_k``, which may be magnified in its turn; one
    box an action, and both keys must be there. Where this deviates:

    - The prompts are our own words, and say the environment's limits.
    - An observation is numbered by its place among the images, and actions are not. The published rollout numbers both
      by the round, which is no longer the number by which it finds the image once a round has failed.
    - The further images of a task with several are its first observations.
    - Answers with a place are our JSON forms, which name images by their numbers; captions tell these.
    - What is outside the tags makes an action unusable; the published harness finds the call in it.
    """

    name: ClassVar[str] = "mini-o3"
    spoken: ClassVar[Mapping[str, str]] = {"zoom_in": "grounding"}
    most_calls: ClassVar[int] = 1
    tag: ClassVar[str] = "grounding"
    gap: ClassVar[str] = ""

    def system(self, max_turns: int) -> str:
        """Return the system prompt."""
        return SYSTEM.format(coords=describe(self.coords), turns=max_turns)

    @property
    def expected(self) -> str:
        """One line that shows the form of an action."""
        shown = '{"bbox_2d": [x0, y0, x1, y1], "source": "original_image"}'
        return f"<think>…</think> and then <grounding>{shown}</grounding> or <answer>…</answer>, nothing else."

    def reply(self, results: Sequence[tuple[Call, ToolResult | ToolError]], left: int) -> list[Part]:
        """Return the message after a look."""
        parts: list[Part] = []
        for call, result in results:
            if isinstance(result, ToolError):
                parts.append(self._failure(call, result)[:QUOTED])
            elif result.view is None:
                parts.append(result.text)
            else:
                parts += [f"Your look brought this. {self._caption(result.view)}", result.view]
        return [*parts, f"Turns left: {left}. {GO_ON}"]

    def question(self, task: Task, views: Sequence[View]) -> list[Part]:
        """Return the first message."""
        return [*super().question(task, views), "Write the answer between <answer> and </answer>."]

    def _named(self, view: View) -> str:
        shown = f"(image {view.index}, {view.size[0]} x {view.size[1]} pixels)."
        return f"Original image {shown}" if view.index == 1 else f"Observation {view.index - 1} {shown}"

    def _call(self, said: Any, sizes: Sequence[Size]) -> Call:
        if not isinstance(said, dict) or set(said) != {"bbox_2d", "source"} or not numbers(said["bbox_2d"], 4):
            raise Unusable('a grounding is {"bbox_2d": [x0, y0, x1, y1], "source": "original_image"}')
        return self.in_pixels("zoom_in", {"image": _image(said["source"]), "bbox_2d": said["bbox_2d"]}, sizes)

    def _said(self, call: Call, sizes: Sequence[Size]) -> dict[str, Any]:
        written = self.as_written(call, sizes)
        image = written.get("image")
        if call.name != "zoom_in" or set(written) != {"image", "bbox_2d"} or not isinstance(image, int) or image < 1:
            raise ValueError("Mini-o3 can only zoom into a box of an image")
        return {"bbox_2d": written["bbox_2d"], "source": ORIGINAL if image == 1 else f"observation_{image - 1}"}


def _image(source: Any) -> int:
    """Return the number of the image that a source names; raises Unusable."""
    if source == ORIGINAL:
        return 1
    found = SOURCE.fullmatch(source) if isinstance(source, str) else None
    if found is None:
        raise Unusable(f'the source is "{ORIGINAL}" or "observation_1" and so on')
    return int(found[1]) + 1
