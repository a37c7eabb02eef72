"""What dialects share: a thought first, one conversion of coordinates, and the words around them."""

import json
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from ..action import MOST_CALLS, Action, Answer, Call, loads, places
from ..coords import Coords, from_pixels, to_pixels
from ..errors import InputError, ToolError
from ..geometry import Size
from ..task import Kind, Task
from ..tooling import ToolResult, ToolSpec
from ..view import View
from ..volume import WALKS

TAGS = (
    "<think>", "</think>", "<tool_call>", "</tool_call>", "<grounding>", "</grounding>", "<answer>", "</answer>",
)  # fmt: skip
ENDINGS = ("<|im_end|>", "<|endoftext|>", "</s>", "<|eot_id|>")
ANSWER_PLACES = ("bbox_2d",)
LONGEST = 1 << 20
"""An action of more characters is unusable, and no message to the policy is longer."""

QUOTED = 500
"""So many characters of an error are shown: it may quote what the policy wrote."""

FORMS = {
    Kind.CHOICE: "Answer with the letter of one option.",
    Kind.YES_NO: "Answer yes or no.",
    Kind.OPEN: "Answer in a word or two.",
    Kind.NUMBER: "Answer with one number.",
    Kind.SEGMENTATION: (
        'Answer with {"mask": k}, where image k carries the mask you mean, with {"image": 1, "bbox_2d": '
        '[x1, y1, x2, y2]} or {"text": "…"} to have a mask made, or with {"mask": null} if there is nothing '
        "to segment."
    ),
    Kind.DETECTION: (
        'Answer with {"image": 1, "bbox_2d": [[x1, y1, x2, y2], …]}, one box for each, or with '
        '{"bbox_2d": []} if there is none.'
    ),
}

IN_VOXELS = (
    ' The whole volume is asked for: {"mask": [k, l, …]} names images whose masks, on slices of one axis, are together '
    "the answer; slices without one are empty."
)

Part = str | View
"""A piece of a message: words, or a view that is shown at this place."""


class Unusable(ValueError):  # noqa: N818 - it is data: the action's error, shown to the policy
    """Why a text is no action."""


@dataclass(frozen=True)
class Dialect(ABC):
    """Renders prompts and observations, parses actions and formats them: ``parse(format(x)) == x``.

    Attributes:
        tools: the tools the policy may call.
        coords: the scale of every coordinate the policy reads or writes.
        spoken: what it calls the tools, where it can write no others; empty where it writes any tool by its own name.
        thinks: whether an action begins with a thought.
        most_calls: how many calls an action may have.

    Raises:
        InputError: for a tool that it cannot write.
    """

    tools: tuple[ToolSpec, ...]
    coords: Coords = "pixel"

    name: ClassVar[str]
    spoken: ClassVar[Mapping[str, str]] = {}
    thinks: ClassVar[bool] = True
    most_calls: ClassVar[int] = MOST_CALLS

    def __post_init__(self) -> None:
        beyond = [tool.name for tool in self.tools if self.spoken and tool.name not in self.spoken]
        if beyond:
            raise InputError(
                f"dialect {self.name!r} has no way to call {', '.join(map(repr, beyond))}: "
                f"use it with tools={list(self.spoken)}"
            )

    @abstractmethod
    def system(self, max_turns: int) -> str:
        """Return the system prompt: the tools, the form of an action, the limits."""

    @abstractmethod
    def _read(self, body: str, sizes: Sequence[Size]) -> tuple[list[Call], list[Answer]]:
        """Read what follows the thought; raises Unusable."""

    @abstractmethod
    def _write(self, action: Action, sizes: Sequence[Size]) -> str:
        """Write what follows the thought."""

    def parse(self, text: str, sizes: Sequence[Size], before: Sequence[Call] = ()) -> Action:
        """Read an action, its coordinates converted to pixels of the views, whose sizes are `sizes`.

        `before` are the calls that succeeded so far: in some dialects a call goes on from the last.
        Never raises: what cannot be used comes back with `Action.errors` set.
        """
        try:
            thought, body = _split(text, self.thinks)
            calls, answers = self._read(body, sizes)
            few(calls, self.most_calls)
            if len(calls) + len(answers) == 0:
                raise Unusable("there is neither a call nor an answer after the thought")
            if calls and answers:
                raise Unusable("an action is either calls or an answer, not both")
        except Unusable as error:
            return Action(errors=(str(error),))
        return Action(thought, tuple(calls), answers[0] if answers else None)

    def format(self, action: Action, sizes: Sequence[Size], before: Sequence[Call] = ()) -> str:
        """Write an action as this dialect's policies do; `before` as for `parse`.

        Raises:
            ValueError: where the action is not usable, or holds a tag that would end it early.
        """
        if not action.usable or bool(action.calls) == (action.answer is not None):
            raise ValueError("only a usable action, calls or one answer, can be written")
        if len(action.calls) > self.most_calls:
            raise ValueError(f"an action has at most {self.most_calls} calls")
        if "</think>" in action.thought:
            raise ValueError("a thought cannot hold </think>")
        thought = f"<think>{action.thought}</think>\n" if action.thought or self.thinks else ""
        return f"{thought}{self._write(action, sizes)}"

    def question(self, task: Task, views: Sequence[View]) -> list[Part]:
        """Return the first message: the images, and then the question and the form of its answer."""
        lines = [self._caption(view) for view in views]
        lines.append(f"Question: {task.question}")
        lines += [f"{letter}. {text}" for letter, text in zip(task.letters, task.options, strict=True)]
        return [*views, "\n".join([*lines, self._form(task)])]

    def reply(self, results: Sequence[tuple[Call, ToolResult | ToolError]], left: int) -> list[Part]:
        """Return the message after a turn of calls: what each returned, and the turns left."""
        parts: list[Part] = []
        for call, result in results:
            if isinstance(result, ToolError):
                parts.append(self._wrap(self._failure(call, result)[:QUOTED]))
                continue
            words = result.text
            if result.view is not None:
                parts.append(result.view)
                words = f"{self._caption(result.view)} {words}"
            parts.append(self._wrap(words))
        return [*parts, f"Turns left: {left}."]

    def refusal(self, errors: Sequence[str], left: int) -> list[Part]:
        """Return the message after an unusable action: why, and what was expected."""
        why = "; ".join(errors)
        return [f"That action could not be used: {why}. Expected: {self.expected}\nTurns left: {left}."]

    @property
    @abstractmethod
    def expected(self) -> str:
        """One line that shows the form of an action."""

    def _form(self, task: Task) -> str:
        """Say how a question is answered."""
        return FORMS[task.kind] + (IN_VOXELS if task.in_voxels else "")

    def _wrap(self, words: str) -> str:
        return words

    def _failure(self, call: Call, error: ToolError) -> str:
        name = call.name[:64]
        if name not in self.spoken:
            return f"Error in {name}: {error}"
        # The tool's own signature would teach the policy names that it must not write.
        words = str(error).partition(f". Expected {name}(")[0]
        return f"Error in {self.spoken[name]}: {words.replace(name, self.spoken[name])}"

    def _named(self, view: View) -> str:
        """Say how the policy names a view."""
        return f"Image {view.index} ({view.size[0]} x {view.size[1]} pixels)."

    def _caption(self, view: View) -> str:
        """Say what is shown: its name, the box of its mask and, to who can walk on, which slice of a volume it is."""
        place = view.source.place if any(tool.name in WALKS for tool in self.tools) else None
        return " ".join([*self._marked(view), *([str(place)] if place else [])])

    def _marked(self, view: View) -> list[str]:
        caption = self._named(view)
        box = view.box_of(view.mask) if view.mask is not None else None
        if box is None:
            return [caption]
        written = from_pixels([round(v) for v in box], self.coords, view.size)
        if self.coords != "pixel":
            written = [round(v, 3) if self.coords == "unit" else round(v) for v in written]
        return [caption, f"Box of its mask: {json.dumps(written)}."]

    def in_pixels(self, name: str, arguments: dict[str, Any], sizes: Sequence[Size]) -> Call:
        """Return a call of what a policy wrote, its coordinates in pixels of the view that it names."""
        spec = next((tool for tool in self.tools if tool.name == name), None)
        size = _size(arguments, sizes)
        if spec is None or size is None:
            return Call(name, arguments)
        return Call(
            name,
            {k: to_pixels(v, self.coords, size) if k in spec.coordinates else v for k, v in arguments.items()},
        )

    def as_written(self, call: Call, sizes: Sequence[Size]) -> dict[str, Any]:
        """Return a call's arguments in the policy's scale."""
        spec = next((tool for tool in self.tools if tool.name == call.name), None)
        size = _size(call.arguments, sizes)
        if spec is None or size is None:
            return dict(call.arguments)
        return {k: from_pixels(v, self.coords, size) if k in spec.coordinates else v for k, v in call.arguments.items()}

    def read_answer(self, text: str, sizes: Sequence[Size]) -> Answer:
        """Return an answer of what a policy wrote; raises Unusable."""
        text = text.strip()
        if not text:
            raise Unusable("the answer is empty")
        tag = next((tag for tag in TAGS if tag in text), None)
        if tag:
            raise Unusable(f"the answer holds {tag}")
        if text[0] not in "{[":
            return text
        answer: Answer = read_json(text, "the answer")
        for place in places(answer):
            if isinstance(place.get("mask"), list) and not _distinct(place["mask"]):
                raise Unusable('"mask" is the number of an image, or a list of different ones')
            size = _size(place, sizes)
            for key in ANSWER_PLACES:
                if key in place and size is not None:
                    place[key] = to_pixels(place[key], self.coords, size)
        return answer

    def _write_answer(self, answer: Answer, sizes: Sequence[Size]) -> str:
        if isinstance(answer, str):
            if any(tag in answer for tag in TAGS) or answer.strip()[:1] in ("{", "[", ""):
                raise ValueError("an answer in words is not empty, holds no tag and does not begin like JSON")
            return answer

        def written(place: Any) -> Any:
            size = _size(place, sizes) if isinstance(place, dict) else None
            if size is None:
                return place
            return {k: from_pixels(v, self.coords, size) if k in ANSWER_PLACES else v for k, v in place.items()}

        return dumps([written(place) for place in answer] if isinstance(answer, list) else written(answer))


def _distinct(numbers: list[Any]) -> bool:
    """Whether a list is of different numbers from 1, and not empty."""
    whole = all(isinstance(each, int) and not isinstance(each, bool) and each >= 1 for each in numbers)
    return whole and 0 < len(numbers) == len(set(numbers))


def dumps(value: Any) -> str:
    """Write JSON that can stand between tags: a tag or a fence in a string is escaped."""
    text = json.dumps(value, ensure_ascii=False).replace("`", "\\u0060")
    for tag in TAGS:
        text = text.replace(tag, f"\\u003c{tag[1:]}")
    return text


def one_at_most(answers: Sequence[Answer]) -> None:
    """Refuse a second answer at once: a policy may write thousands."""
    if len(answers) > 1:
        raise Unusable("there is more than one answer")


def few(calls: Sequence[Call], most: int = MOST_CALLS) -> None:
    """Refuse too many calls."""
    if len(calls) > most:
        raise Unusable(f"there are more than {most} calls" if most > 1 else "there is more than one call")


def read_json(text: str, what: str) -> Any:
    """Read JSON; raises Unusable, which names `what` it was to be."""
    try:
        return loads(text)
    except ValueError as error:
        raise Unusable(f"{what} is not JSON: {error}") from None


def _split(text: str, thinks: bool) -> tuple[str, str]:
    if len(text) > LONGEST:
        raise Unusable(f"the action is longer than {LONGEST} characters")
    text = text.strip()
    for ending in ENDINGS:
        text = text.removesuffix(ending).rstrip()
    if not text:
        raise Unusable("the action is empty")
    if not text.startswith("<think>") and not thinks:
        return "", text
    if not text.startswith("<think>"):
        raise Unusable("an action begins with <think>")
    thought, closed, body = text.removeprefix("<think>").partition("</think>")
    if not closed:
        raise Unusable("<think> is not closed by </think>")
    return thought.strip(), body


def _size(arguments: Any, sizes: Sequence[Size]) -> Size | None:
    index = arguments.get("image", 1)
    if isinstance(index, int) and not isinstance(index, bool) and 1 <= index <= len(sizes):
        return sizes[index - 1]
    return None
