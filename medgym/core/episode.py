"""One attempt at one task: actions in, turns out, until an end; no reward and no Gymnasium here."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from .action import Call
from .dialects import Dialect
from .dialects.dialect import Part
from .errors import InputError, ToolError
from .mask import Mask
from .task import Kind, Task
from .tooling import Toolbox, ToolRequest, ToolResult
from .trajectory import End, Marked, Snapshot, Trajectory, Turn
from .view import View
from .volume import WALKS, Plane

ANSWERED_BY = {"bbox_2d": "sam2", "text": "biomedparse"}
"""The tool that turns a segmentation answered by a box or by words into a mask."""


class Episode:
    """Applies actions to a task.

    `apply` is `submit`, the toolbox's `run` and `resolve`; a vector environment takes the three steps apart
    to run the calls of many episodes as one batch.
    """

    def __init__(
        self,
        task: Task,
        dialect: Dialect,
        toolbox: Toolbox,
        *,
        view_size: int,
        max_turns: int,
        max_unusable: int,
    ) -> None:
        self.task = task
        self.dialect = dialect
        self.toolbox = toolbox
        self.view_size = view_size
        self.max_turns = max_turns
        self.max_unusable = max_unusable
        # Who can walk through a volume sees it in the proportions that all of its planes share.
        walks = any(spec.name in WALKS for spec in toolbox.specs)
        self.views: tuple[View, ...] = tuple(
            View.whole(source, view_size, i, i + 1, in_mm=walks and source.place is not None)
            for i, source in enumerate(task.images)
        )
        self.turns: tuple[Turn, ...] = ()
        self.end_reason = ""
        self._first = tuple(dialect.question(task, self.views))
        self._made: set[str] = set()
        self._pending: tuple[Turn, list[str]] | None = None

    @property
    def over(self) -> bool:
        """Whether it has ended."""
        return bool(self.end_reason)

    def apply(self, text: str) -> Turn:
        """Take one action to its end."""
        return self.resolve(self.toolbox.run(self.submit(text)))

    def submit(self, text: str) -> list[ToolRequest]:
        """Parse an action and return the calls that it needs; `resolve` must follow, and only it changes state.

        Raises:
            InputError: after the episode's end, or where `text` is no str.
        """
        if self.over:
            raise InputError(f"the episode is over ({self.end_reason}); reset it before the next action")
        if not isinstance(text, str):
            raise InputError(f"an action is a str, not {type(text).__name__}")
        sizes = [view.size for view in self.views]
        action = self.dialect.parse(text, sizes, self._calls)
        identities = [self.toolbox.identity(call, sizes) for call in action.calls]
        self._pending = Turn(text, action), identities
        if action.answer is not None:
            return self._to_answer(action.answer)
        return [] if self._repeats(identities) else [self._request(call) for call in action.calls]

    def resolve(self, results: Sequence[ToolResult | ToolError]) -> Turn:
        """Record what the submitted calls returned; the episode may end."""
        if self._pending is None:
            raise InputError("resolve() follows submit()")
        (turn, identities), self._pending = self._pending, None
        if turn.action.answer is not None:
            turn = self._answered(turn, results)
            self.end_reason = End.ANSWER
        elif self._repeats(identities):
            self.end_reason = End.REPEATED_CALL
        else:
            turn = self._numbered(turn, results)
            self._end_by_limits(turn)
        self._made.update(identities)
        if turn.action.answer is None:
            turn = replace(turn, reply=self._reply(turn))
        self.turns = (*self.turns, turn)
        return turn

    def messages(self) -> list[dict[str, Any]]:
        """Return the chat so far, images as PIL images, in the form chat templates of VLMs take."""
        chat = [
            _message("system", [self.dialect.system(self.max_turns)]),
            _message("user", self._first),
        ]
        for turn in self.turns:
            chat.append(_message("assistant", [turn.text]))
            if turn.reply:
                chat.append(_message("user", turn.reply))
        return chat

    @property
    def newest_text(self) -> str:
        """The words of the newest message to the policy; the system prompt comes before the first."""
        if not self.turns:
            return "\n\n".join([self.dialect.system(self.max_turns), *_words(self._first)])
        return "\n".join(_words(self.turns[-1].reply))

    @property
    def truncated(self) -> bool:
        """Whether it ended by the turn limit and not by anything the policy did."""
        return self.end_reason == End.MAX_TURNS

    def trajectory(self) -> Trajectory:
        """Return what rewards and reports read."""
        perceiving = frozenset(spec.name for spec in self.toolbox.specs if spec.perceives)
        return Trajectory(self.task, self.turns, self.views, self.end_reason, perceiving)

    def snapshot(self) -> Snapshot:
        """Return the state; turns and views are immutable, so this copies nothing."""
        task = self.task
        made = frozenset(self._made)
        return Snapshot(task.id, self._shown, task.split, task.index, self.turns, self.views, self.end_reason, made)

    def restore(self, state: Snapshot) -> None:
        """Go back (or forward) to a state of the same task.

        Raises:
            InputError: where the state is one of another task.
        """
        if (state.task_id, state.shown) != (self.task.id, self._shown):
            raise InputError(f"the snapshot is of another task {state.task_id!r} than this episode's {self.task.id!r}")
        self.turns, self.views, self.end_reason = state.turns, state.views, state.end_reason
        self._made = set(state.made)
        self._pending = None

    def fork(self) -> "Episode":
        """Return a second episode that goes on from here."""
        limits = {"max_turns": self.max_turns, "max_unusable": self.max_unusable}
        twin = Episode(self.task, self.dialect, self.toolbox, view_size=self.view_size, **limits)
        twin.restore(self.snapshot())
        return twin

    @property
    def _calls(self) -> list[Call]:
        """The calls that succeeded."""
        return [call for turn in self.turns for call, made in turn.calls if isinstance(made, ToolResult)]

    @property
    def _shown(self) -> str:
        task = self.task
        return "|".join([task.question, *task.options, *(image.digest for image in task.images)])

    def _request(self, call: Call) -> ToolRequest:
        return ToolRequest(call, self.views, self.task.truth if self.toolbox.needs_truth else None)

    def _to_answer(self, answer: Any) -> list[ToolRequest]:
        if self.task.kind is not Kind.SEGMENTATION or not isinstance(answer, dict) or "mask" in answer:
            return []
        for key, tool in ANSWERED_BY.items():
            if key in answer:
                call = Call(tool, {"image": answer.get("image", 1), key: answer[key]})
                return [replace(self._request(call), answering=True)]
        return []

    def _answered(self, turn: Turn, results: Sequence[ToolResult | ToolError]) -> Turn:
        answer = turn.action.answer
        if self.task.kind is not Kind.SEGMENTATION or not isinstance(answer, dict):
            return turn
        if results:
            made = results[0]
            if isinstance(made, ToolError):
                return replace(turn, fault=str(made))
            if made.view is None:
                return replace(turn, mask=Mask.empty(self.task.images[0].size), fault=made.text)
            return replace(turn, mask=made.view.mask, sheet=made.view.sheet)
        named = answer.get("mask", 0)
        if named is None:
            return replace(turn, mask=Mask.empty(self.task.images[0].size))
        try:
            first, *others = self._named(named)
        except ToolError as fault:
            return replace(turn, fault=str(fault))
        return replace(turn, mask=first.mask, sheet=first.sheet, others=tuple(others))

    def _named(self, named: Any) -> list[Marked]:
        """Return the masks on the images that an answer names: one, or of a whole volume several.

        Raises:
            ToolError: where an image is not there or carries no mask, or they do not lie on planes of one axis.
        """
        listed = named if isinstance(named, list) and named and self.task.in_voxels else [named]
        marked = []
        for number in listed:
            if isinstance(number, bool) or not isinstance(number, int) or not 1 <= number <= len(self.views):
                raise ToolError(f"there is no image {repr(number)[:64]} to take a mask from")
            view = self.views[number - 1]
            if view.mask is None:
                raise ToolError(f"image {number} carries no mask")
            marked.append(Marked(view.mask, view.sheet))
        stacks = {(sheet.image, sheet.cut.axis if isinstance(sheet.cut, Plane) else None) for _, sheet in marked}
        if len(stacks) > 1:
            raise ToolError("the masks named are on slices of different axes or volumes; name those of one")
        return marked

    def _numbered(self, turn: Turn, results: Sequence[ToolResult | ToolError]) -> Turn:
        numbered: list[ToolResult | ToolError] = []
        views = list(self.views)
        for result in results:
            if isinstance(result, ToolResult) and result.view is not None:
                views.append(replace(result.view, index=len(views) + 1))
                result = replace(result, view=views[-1])
            numbered.append(result)
        self.views = tuple(views)
        return replace(turn, results=tuple(numbered))

    def _repeats(self, identities: list[str]) -> bool:
        return len(set(identities)) < len(identities) or bool(self._made.intersection(identities))

    def _end_by_limits(self, turn: Turn) -> None:
        turns = (*self.turns, turn)
        if sum(not each.action.usable for each in turns) >= self.max_unusable:
            self.end_reason = End.UNUSABLE
        elif len(turns) >= self.max_turns:
            self.end_reason = End.MAX_TURNS

    def _reply(self, turn: Turn) -> tuple[Part, ...]:
        left = self.max_turns - len(self.turns) - 1
        if self.end_reason == End.REPEATED_CALL:
            return ("That call was made before. The episode is over.",)
        usable = turn.action.usable
        parts = self.dialect.reply(turn.calls, left) if usable else self.dialect.refusal(turn.action.errors, left)
        return (*parts, "The episode is over.") if self.over else tuple(parts)


def apply_together(episodes: Sequence[Episode], texts: Sequence[str], toolbox: Toolbox) -> list[Turn]:
    """Take one action in each of several episodes; the calls of all are made in one batch."""
    asked = [episode.submit(text) for episode, text in zip(episodes, texts, strict=True)]
    answers = iter(toolbox.run([request for requests in asked for request in requests]))
    return [
        episode.resolve([next(answers) for _ in requests]) for episode, requests in zip(episodes, asked, strict=True)
    ]


def _words(parts: Sequence[Part]) -> list[str]:
    return [part for part in parts if isinstance(part, str)]


def _message(role: str, parts: Sequence[Part]) -> dict[str, Any]:
    """Return a message; words beside each other are one block, since chat templates put nothing between blocks."""
    content: list[dict[str, Any]] = []
    for part in parts:
        if isinstance(part, View):
            content.append({"type": "image", "image": part.picture})
        elif content and content[-1]["type"] == "text":
            content[-1]["text"] += f"\n{part}"
        else:
            content.append({"type": "text", "text": part})
    return {"role": role, "content": content}
