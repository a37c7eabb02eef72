"""The default: Hermes tool calls, as Qwen's chat templates write them, and an <answer>."""

from collections.abc import Sequence
from typing import Any, ClassVar

from ..action import Call
from ..coords import describe
from ..geometry import Size
from .dialect import dumps
from .tagged import Tagged, named

SYSTEM = """You examine medical images and answer a question about them. Tools show you more: each call \
returns words and often a new image, which later calls can name by its number.

# Tools
<tools>
{tools}
</tools>

In every turn write a thought, and then either calls
<think>what you see and why you call</think>
<tool_call>
{{"name": "…", "arguments": {{…}}}}
</tool_call>
or one answer
<think>why you are sure</think>
<answer>…</answer>

A box is [x1, y1, x2, y2], in {coords}. You have {turns} turns. Repeating a call ends the episode."""


class Hermes(Tagged):
    """``<think>…</think>``, then ``<tool_call>{"name": …, "arguments": {…}}</tool_call>`` or an answer."""

    name: ClassVar[str] = "hermes"

    def system(self, max_turns: int) -> str:
        """Return the system prompt."""
        tools = "\n".join(dumps(tool.to_json()) for tool in self.tools)
        return SYSTEM.format(tools=tools, coords=describe(self.coords), turns=max_turns)

    def _wrap(self, words: str) -> str:
        return f"<tool_response>\n{words}\n</tool_response>"

    def _call(self, said: Any, sizes: Sequence[Size]) -> Call:
        return self.in_pixels(*named(said), sizes)

    def _said(self, call: Call, sizes: Sequence[Size]) -> dict[str, Any]:
        return {"name": call.name, "arguments": self.as_written(call, sizes)}
