"""A task: a public half that the policy may see, and the truth, which only rewards are handed."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Any, Protocol, runtime_checkable

import numpy as np

from .geometry import Box
from .image import SourceImage
from .mask import Mask
from .view import Sheet
from .volume import Plane, Solid

SPLITS = ("train", "validation", "test")


class Kind(StrEnum):
    """How a task is answered."""

    CHOICE = "choice"
    YES_NO = "yes_no"
    OPEN = "open"
    NUMBER = "number"
    SEGMENTATION = "segmentation"
    DETECTION = "detection"

    @property
    def localised(self) -> bool:
        """Whether the answer is a place in the image and not words."""
        return self in (Kind.SEGMENTATION, Kind.DETECTION)


@dataclass(frozen=True)
class Truth:
    """What is right. Boxes and masks are in the pixels of the original image.

    Attributes:
        answer: the option's letter (choice), ``yes`` or ``no``, the number, or the words (open).
        accepted: other spellings of an open answer that are as right.
        mask: the mask asked for (segmentation); empty where nothing is there.
        boxes: the boxes asked for (detection); for a question, the regions that answer it.
        structures: every known structure by name, for the simulated segmenter.
        image: which of the task's images, from 0, mask and boxes belong to.
        plane: of an image that is a volume, the plane that they lie on.
        solid: where the whole volume is asked for, the structure in voxels; `mask` is then its part on `plane`.
        solids: of a volume, known structures by name in voxels, for the simulated segmenter.
        unit: the unit of a number, such as ``mm``.
        tolerance: the share by which a number may be off.
    """

    answer: str = ""
    accepted: tuple[str, ...] = ()
    mask: Mask | None = None
    boxes: tuple[Box, ...] = ()
    structures: Mapping[str, Mask] = field(default_factory=dict)
    image: int = 0
    unit: str = ""
    tolerance: float = 0.0
    plane: Plane | None = None
    solid: Solid | None = None
    solids: Mapping[str, Solid] = field(default_factory=dict)

    @property
    def sheet(self) -> Sheet:
        """What mask and boxes lie on: a view of another sheet shows neither."""
        return Sheet(self.image, self.plane)

    def on(self, sheet: Sheet) -> Mapping[str, Mask]:
        """Return the known structures on a sheet, by name."""
        if sheet == self.sheet:
            return self.structures
        if sheet.image != self.image or not isinstance(sheet.cut, Plane):
            return {}
        return {name: solid.on(sheet.cut) for name, solid in self.solids.items()}


@dataclass(frozen=True)
class Task:
    """One question about one or more images.

    Attributes:
        id: the same for the same (source, split, seed, index) everywhere.
        options: texts of the options, in order; the first is ``A``.
        modality: such as ``CT``; empty where unknown.
        in_voxels: whether the mask asked for is that of a whole volume.
        split: the split it was loaded from.
        index: its place in the split.
        truth: the private half; never printed, and None in what an agent is handed.
    """

    id: str
    kind: Kind
    question: str
    images: tuple[SourceImage, ...]
    options: tuple[str, ...] = ()
    modality: str = ""
    split: str = ""
    index: int = 0
    meta: Mapping[str, Any] = field(default_factory=dict, repr=False)
    truth: Truth | None = field(default=None, repr=False)
    in_voxels: bool = False

    @property
    def letters(self) -> tuple[str, ...]:
        """The options' letters."""
        return tuple(chr(ord("A") + i) for i in range(len(self.options)))

    def public(self) -> "Task":
        """Return the task without its truth and without `meta`, which may describe it."""
        return replace(self, truth=None, meta={})


class TaskSource(Protocol):
    """A sequence of tasks: the same index gives the same task, in any process."""

    def __len__(self) -> int: ...

    def __getitem__(self, index: int, /) -> Task: ...


@runtime_checkable
class Drawing(Protocol):
    """What a task source may have besides: a say in which of its tasks an environment draws."""

    def draw(self, rng: np.random.Generator, /) -> int:
        """Draw the index of a task."""

    def record(self, index: int, succeeded: Callable[[], bool], /) -> None:
        """Take note of whether the policy succeeded at a task; only who listens needs to find out."""


def truth_of(task: Task) -> Truth:
    """Return the truth of a task that has one; only rewards and what declares `needs_truth` ask."""
    if task.truth is None:
        raise ValueError(f"task {task.id!r} was handed out without its truth")
    return task.truth
