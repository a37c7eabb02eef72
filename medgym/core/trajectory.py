"""What an episode leaves behind: its turns, its views and its end, all immutable."""

from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple

from .action import Action, Call
from .dialects.dialect import QUOTED, Part
from .errors import ToolError
from .mask import Mask
from .task import Task
from .tooling import ToolResult
from .view import FIRST, Sheet, View


class End(StrEnum):
    """Why an episode is over."""

    ANSWER = "answer"
    REPEATED_CALL = "repeated_call"
    UNUSABLE = "unusable"
    MAX_TURNS = "max_turns"


class Marked(NamedTuple):
    """A mask that an answer names, and the sheet that it lies on."""

    mask: Mask
    sheet: Sheet


@dataclass(frozen=True)
class Turn:
    """One action and what came of it.

    Attributes:
        text: what the policy wrote.
        action: what it means.
        results: what each call returned, in order.
        reply: the message shown next; empty after the last turn of an answered episode.
        mask: the mask that a segmentation answer names, in the original's pixels.
        sheet: what that mask lies on: one of the task's images, and the plane of a volume.
        others: where an answer names several masks, those after the first.
        fault: why the answer names no mask.
    """

    text: str
    action: Action
    results: tuple[ToolResult | ToolError, ...] = ()
    reply: tuple[Part, ...] = ()
    mask: Mask | None = None
    sheet: Sheet = FIRST
    others: tuple[Marked, ...] = ()
    fault: str = ""

    @property
    def marked(self) -> list[Marked]:
        """All masks that the answer names."""
        return [] if self.mask is None else [Marked(self.mask, self.sheet), *self.others]

    @property
    def calls(self) -> list[tuple[Call, ToolResult | ToolError]]:
        """The calls that were executed, each with its result."""
        return list(zip(self.action.calls, self.results, strict=False))

    @property
    def error(self) -> str:
        """What went wrong, in words, or nothing."""
        faults = [
            *self.action.errors,
            *(str(r) for r in self.results if isinstance(r, ToolError)),
            self.fault,
        ]
        return "; ".join(fault[:QUOTED] for fault in faults if fault)


@dataclass(frozen=True)
class Trajectory:
    """An episode as rewards and reports read it; it holds the task with its truth.

    Attributes:
        perceiving: names of the tools that show something of the image.
    """

    task: Task
    turns: tuple[Turn, ...]
    views: tuple[View, ...]
    end_reason: str
    perceiving: frozenset[str]

    @property
    def calls(self) -> list[tuple[Call, ToolResult | ToolError]]:
        """All executed calls in order."""
        return [pair for turn in self.turns for pair in turn.calls]

    @property
    def seen(self) -> list[View]:
        """The views that successful calls of perceiving tools returned, in order."""
        return [
            result.view
            for call, result in self.calls
            if isinstance(result, ToolResult) and result.view is not None and call.name in self.perceiving
        ]


@dataclass(frozen=True)
class Snapshot:
    """The state of an episode, without its truth; it can be pickled and restored in another process.

    Attributes:
        task_id: the task's id.
        shown: the question and hashes of the images, since two files may hold tasks of one id.
        made: what makes the calls so far equal to later ones.
    """

    task_id: str
    shown: str
    split: str
    index: int
    turns: tuple[Turn, ...]
    views: tuple[View, ...]
    end_reason: str
    made: frozenset[str]
