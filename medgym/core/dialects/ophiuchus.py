"""The dialect of Ophiuchus (arXiv 2512.14157): ``Action: SAM2`` and a JSON list of calls, or an answer.

Its supervised data wrap a call in ``<tool_call>``; both forms are read, the prompt's form is written.
"""

import itertools
import re
from collections.abc import Sequence
from typing import Any, ClassVar

from ..action import Action, Answer, Call
from ..coords import describe
from ..geometry import Size
from .dialect import Dialect, Unusable, dumps, few, one_at_most, read_json

SPOKEN = {"zoom_in": "Zoom-in", "sam2": "SAM2", "biomedparse": "BiomedParse"}
MEANT = {spoken.lower(): name for name, spoken in SPOKEN.items()}
KEYS = {"image": "index", "text": "captions"}
NAME = re.compile(r"[\w-]{1,64}")
HEAD = re.compile(r"Action:[ \t]*(?:(<tool_call>)[ \t]*)?([\w-]{1,64})[ \t]*(?:\r?\n|(?=<)|$)")

SYSTEM = """### Guidance:
You are an assistant for medical image analysis. You have tools that segment and magnify the image. Analyse \
the image and the question, use the tools step by step, and give a well-reasoned final answer.

### Available tools:
{tools}

### Required output format:
<think> your reasoning </think> Action: {names}
```json
[ one object for each call ]
```
or, at the end,
<think> your reasoning </think> Action: Answer
<answer> your answer </answer>

Coordinates are [x1, y1, x2, y2], in {coords}. "index" is the number of an image, from 1. You have {turns} \
turns. Repeating a call ends the episode."""


class Ophiuchus(Dialect):
    """``<think>…</think> Action: Zoom-in`` with a JSON block, or ``Action: Answer`` and ``<answer>``."""

    name: ClassVar[str] = "ophiuchus"

    def system(self, max_turns: int) -> str:
        """Return the system prompt."""
        names = "/".join(SPOKEN.get(tool.name, tool.name) for tool in self.tools)
        described = []
        for i, tool in enumerate(self.tools, 1):
            keys = {KEYS.get(k, k) if tool.name in SPOKEN else k: v for k, v in _properties(tool.parameters)}
            described.append(f"{i}. **{SPOKEN.get(tool.name, tool.name)}**: {tool.description}\n   {dumps(keys)}")
        return SYSTEM.format(tools="\n".join(described), names=names, coords=describe(self.coords), turns=max_turns)

    @property
    def expected(self) -> str:
        """One line that shows the form of an action."""
        return (
            "<think>…</think> Action: TOOL and a ```json block with a list of calls, or "
            "<think>…</think> Action: Answer and <answer>…</answer>, nothing else."
        )

    def _read(self, body: str, sizes: Sequence[Size]) -> tuple[list[Call], list[Answer]]:
        calls: list[Call] = []
        answers: list[Answer] = []
        while body := body.lstrip():
            head = HEAD.match(body)
            if not head:
                raise Unusable(f"expected 'Action:' and a name, found {body[:40]!r}")
            wrapped, name = head.groups()
            rest = body[head.end() :].lstrip()
            if name.lower() == "answer" and not wrapped:
                inner, body = _between(rest, "<answer>", "</answer>")
                answers.append(self.read_answer(inner, sizes))
                one_at_most(answers)
                continue
            inner, body = _between(rest, "```json", "```")
            if wrapped:
                blank, body = _between("<>" + body, "<>", "</tool_call>")
                if blank.strip():
                    raise Unusable(f"there is text after the call: {blank[:40]!r}")
            calls += self._calls(name, read_json(inner, "the call's block"), sizes)
            few(calls)
        return calls, answers

    def _calls(self, spoken: str, block: Any, sizes: Sequence[Size]) -> list[Call]:
        listed = block if isinstance(block, list) else [block]
        if not listed or not all(isinstance(arguments, dict) for arguments in listed):
            raise Unusable("a call's block is a list of objects, one for each call")
        name = MEANT.get(spoken.lower(), spoken)
        renamed = {spoken: key for key, spoken in KEYS.items()} if name in SPOKEN else {}
        return [
            self.in_pixels(name, {renamed.get(k, k): v for k, v in arguments.items()}, sizes) for arguments in listed
        ]

    def _write(self, action: Action, sizes: Sequence[Size]) -> str:
        if action.answer is not None:
            return f"Action: Answer\n<answer>{self._write_answer(action.answer, sizes)}</answer>"
        blocks = []
        for name, calls in itertools.groupby(action.calls, key=lambda call: call.name):
            if not NAME.fullmatch(name) or (name in MEANT and name not in SPOKEN):
                raise ValueError(f"{name!r} cannot be written as the name of a tool")
            keys = KEYS if name in SPOKEN else {}
            listed = [{keys.get(k, k): v for k, v in self.as_written(call, sizes).items()} for call in calls]
            blocks.append(f"Action: {SPOKEN.get(name, name)}\n```json\n{dumps(listed)}\n```")
        return "\n".join(blocks)


def _between(text: str, opening: str, closing: str) -> tuple[str, str]:
    if not text.startswith(opening):
        raise Unusable(f"expected {opening}, found {text[:40]!r}")
    inner, closed, rest = text.removeprefix(opening).partition(closing)
    if not closed:
        raise Unusable(f"{opening} is not closed by {closing}")
    return inner, rest


def _properties(parameters: Any) -> list[tuple[str, str]]:
    return [
        (key, schema.get("description", schema.get("type", ""))) for key, schema in parameters["properties"].items()
    ]
