"""What Hermes and its relatives share: a JSON object between tags for each call, and an <answer>."""

from abc import abstractmethod
from collections.abc import Iterator, Sequence
from typing import Any, ClassVar

from ..action import Action, Answer, Call
from ..geometry import Size
from ..view import View
from .dialect import Dialect, Unusable, dumps, few, one_at_most, read_json


class Tagged(Dialect):
    """A thought, and then ``<tool_call>{…}</tool_call>`` for each call or ``<answer>…</answer>``.

    Attributes:
        tag: what stands around a call.
        gap: what stands between a tag and its JSON when it is written.
    """

    tag: ClassVar[str] = "tool_call"
    gap: ClassVar[str] = "\n"

    @abstractmethod
    def _call(self, said: Any, sizes: Sequence[Size]) -> Call:
        """Return the call that a JSON value means; raises Unusable."""

    @abstractmethod
    def _said(self, call: Call, sizes: Sequence[Size]) -> dict[str, Any]:
        """Return the JSON object that means a call; raises ValueError where there is none."""

    @property
    def expected(self) -> str:
        """One line that shows the form of an action."""
        shown = '{"name": …, "arguments": {…}}'
        return f"<think>…</think> and then <tool_call>{shown}</tool_call> or <answer>…</answer>, nothing else."

    def _read(self, body: str, sizes: Sequence[Size]) -> tuple[list[Call], list[Answer]]:
        calls: list[Call] = []
        answers: list[Answer] = []
        for tag, inner in pieces(body, (self.tag, "answer")):
            if tag == "answer":
                answers.append(self.read_answer(inner, sizes))
                one_at_most(answers)
            else:
                calls.append(self._call(read_json(inner, "a call"), sizes))
                few(calls, self.most_calls)
        return calls, answers

    def _write(self, action: Action, sizes: Sequence[Size]) -> str:
        if action.answer is not None:
            return f"<answer>{self._write_answer(action.answer, sizes)}</answer>"
        said = (dumps(self._said(call, sizes)) for call in action.calls)
        return "\n".join(f"<{self.tag}>{self.gap}{each}{self.gap}</{self.tag}>" for each in said)


def pieces(body: str, tags: Sequence[str]) -> Iterator[tuple[str, str]]:
    """Iterate what stands between tags, each with its tag; raises Unusable for what is outside of them."""
    while body := body.lstrip():
        tag = next((tag for tag in tags if body.startswith(f"<{tag}>")), None)
        if tag is None:
            raise Unusable(f"there is text outside the tags: {body[:40]!r}")
        inner, closed, body = body.removeprefix(f"<{tag}>").partition(f"</{tag}>")
        if not closed:
            raise Unusable(f"<{tag}> is not closed by </{tag}>")
        yield tag, inner


def named(said: Any) -> tuple[str, dict[str, Any]]:
    """Return the name and the arguments of ``{"name": …, "arguments": {…}}``; raises Unusable."""
    if not isinstance(said, dict) or not isinstance(said.get("name"), str):
        raise Unusable('a call is an object {"name": …, "arguments": {…}}')
    arguments = said.get("arguments", {})
    if not isinstance(arguments, dict) or set(said) - {"name", "arguments"}:
        raise Unusable('a call has a "name" and an object of "arguments", nothing else')
    return said["name"], arguments


def numbers(value: Any, count: int) -> bool:
    """Whether a value is a list of so many numbers."""
    return (
        isinstance(value, list)
        and len(value) == count
        and all(isinstance(each, (int, float)) and not isinstance(each, bool) for each in value)
    )


def others(views: Sequence[View]) -> list[str]:
    """Say how a call names an image, where there are several and the published form names none."""
    return ['A call on image k has "image": k among its arguments.'] if len(views) > 1 else []
