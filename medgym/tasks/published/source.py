"""A published data set as tasks: its rows are read once for what can be scored, and again when one is asked for."""

from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, ClassVar, NamedTuple

from ...core.errors import InputError
from ...core.geometry import Box, area, intersect
from ...core.mask import Mask
from ...core.task import SPLITS, Kind, Task, Truth
from ...core.volume import Plane
from ..schema import one_of
from ..splits import drawn, share
from .card import Card, find
from .pictures import Deep, Picture, Region

ALL = "all"
"""The name here of what a data set without splits has."""
HELD_OUT = 0.1
"""Of train, which is validation where a data set has none of its own."""


@dataclass(frozen=True, eq=False)
class Draft:
    """A task whose images and masks are not yet read.

    Attributes:
        key: names it within the data set.
        group: what its patient's, or else its image's, other tasks share; no group is in two splits.
            It is in `Task.meta` too.
        regions: the masks of the first image, by the names of what they show.
        target: which of them is asked for (segmentation).
        boxes: in the first image's pixels.
    """

    key: str
    kind: Kind
    question: str
    pictures: tuple[Picture, ...]
    options: tuple[str, ...] = ()
    answer: str = ""
    accepted: tuple[str, ...] = ()
    modality: str = ""
    group: str = ""
    regions: Mapping[str, Region] = field(default_factory=dict)
    target: str = ""
    boxes: tuple[Box, ...] = ()
    meta: Mapping[str, Any] = field(default_factory=dict)


class Index(NamedTuple):
    """Which units of a split are tasks, of which kinds, and why the others are not."""

    numbers: tuple[int, ...]
    kinds: tuple[Kind, ...]
    left_out: Mapping[str, int]


class Published(ABC):
    """The tasks of one split of a published data set.

    Train has nothing of a patient or image that is in the published validation or test; where there is no
    validation, it is a tenth of train's, and where there are no splits, they are cut by patient or image.

    Args:
        split: ``train``, ``validation`` or ``test``.
        seed: not used: the tasks are what they are.
        kinds: only tasks of these kinds.
        path: the folder with the data; else it is looked for in ``$MEDGYM_DATA`` and on the hub.
        published: the split exactly as published, also where splits share images.

    Attributes:
        left_out: how many rows of the published split it is drawn from are no tasks, by the reason.

    Raises:
        InputError: where the data is not found, is not as its schema has it, or nothing is left to serve.
    """

    card: ClassVar[Card]
    own: ClassVar[Mapping[str, str]]
    """The data set's own name of each split it has; `ALL` alone where it has none."""
    holds_out: ClassVar[bool] = True
    """Whether validation is held out of train where the data set has none."""

    def __init__(
        self, split: str, seed: int = 0, kinds: Sequence[Kind] = tuple(Kind), *, path: str = "", published: bool = False
    ) -> None:
        self.split, self.place = split, find(self.card, str(path))
        self._check_split(split, published)
        index = _index(self._alike(), split, published)
        self._own = _drawn_from(self, split)
        self.left_out = dict(index.left_out)
        self._numbers = [n for n, kind in zip(index.numbers, index.kinds, strict=True) if kind in kinds]
        if not self._numbers:
            held = ", ".join(f"{count} {kind}" for kind, count in Counter(map(str, index.kinds)).items())
            out = "; ".join(f"{count}: {reason}" for reason, count in self.left_out.items())
            raise InputError(
                f"{self.card.name}: no task of split {split!r} is of kind {one_of(kinds)}; "
                f"it has {held or 'none'}; left out: {out or 'none'}"
            )

    @abstractmethod
    def units(self, own: str) -> Sequence[Any]:
        """Return what of the split that the data set calls `own` may each become a task."""

    @abstractmethod
    def draft(self, unit: Any, number: int, own: str) -> Draft | str:
        """Return the task that a unit is, or why it is none."""

    def settings(self) -> dict[str, Any]:
        """Return the settings of a data set's own, by which its tasks differ."""
        return {}

    def __len__(self) -> int:
        """Return the number of tasks."""
        return len(self._numbers)

    def __getitem__(self, index: int, /) -> Task:
        """Return a task, with its images opened and its masks read.

        Raises:
            IndexError: where `index` is not from 0 to the length, excluded.
            InputError: where an image or a mask cannot be read after all, or does not fit the other.
        """
        if not 0 <= index < len(self):
            raise IndexError(f"index {index} is not from 0 to {len(self) - 1}")
        number = self._numbers[index]
        draft = self.draft(_units(self._alike(), self._own)[number], number, self._own)
        if isinstance(draft, str):
            raise InputError(f"{self.card.name}, {self._own} row {number}: {draft}; the data has changed since")
        try:
            return _completed(draft, self.card.name, self.split, index)
        except InputError as fault:
            raise InputError(f"{self.card.name}, {self._own} row {number}: {fault}") from fault

    def _check_split(self, split: str, published: bool) -> None:
        has = [each for each in SPLITS if each in self.own]
        if published and ALL in self.own:
            raise InputError(f"{self.card.name} was published without splits; published=true has none to give")
        if published and split not in self.own:
            raise InputError(f"{self.card.name} was published with {one_of(has)}, not {split}")
        drawn = ALL in self.own or split in self.own or (split == "validation" and self.holds_out)
        if not drawn:
            raise InputError(f"{self.card.name} has no {split} split; it has {one_of(has)}")

    def _alike(self) -> "_Alike":
        return _Alike(self, (type(self), self.place, tuple(sorted(self.settings().items()))))


@dataclass(frozen=True)
class _Alike:
    """A source by what makes its rows those of others, so that they are read once for all."""

    source: Published = field(compare=False)
    key: Hashable


@lru_cache(maxsize=32)
def _units(alike: _Alike, own: str) -> Sequence[Any]:
    return alike.source.units(own)


@lru_cache(maxsize=32)
def _index(alike: _Alike, split: str, published: bool) -> Index:
    """Read every unit of a split once."""
    own = _drawn_from(alike.source, split)
    elsewhere = {} if published else _elsewhere(alike, split)
    numbers, kinds, left_out, keys = [], [], Counter[str](), set[str]()
    for number, unit in enumerate(_units(alike, own)):
        draft = alike.source.draft(unit, number, own)
        reason = draft if isinstance(draft, str) else _fault(draft, keys)
        if isinstance(draft, str) or reason:
            left_out[reason] += 1
        elif published or _here(alike.source, split, draft.group):
            if draft.group in elsewhere:
                left_out[f"its image or patient is in the {elsewhere[draft.group]} split too"] += 1
                continue
            numbers.append(number)
            kinds.append(draft.kind)
    return Index(tuple(numbers), tuple(kinds), left_out)


def _drawn_from(source: Published, split: str) -> str:
    return source.own.get(ALL) or source.own.get(split) or source.own["train"]


def _elsewhere(alike: _Alike, split: str) -> dict[str, str]:
    """Return the groups of the published splits that come before this one, with their split."""
    before = {"train": ("validation", "test"), "validation": ("test",), "test": ()}[split]
    own = alike.source.own
    groups: dict[str, str] = {}
    for each in before:
        for number, unit in enumerate(_units(alike, own[each]) if each in own else ()):
            draft = alike.source.draft(unit, number, own[each])
            if not isinstance(draft, str):
                groups[draft.group] = each
    return groups


def _here(source: Published, split: str, group: str) -> bool:
    """Whether a group belongs to a split where splits are cut by us."""
    if ALL in source.own:
        return drawn(group) == split
    if "validation" in source.own or not source.holds_out or split == "test":
        return True
    return (share(group) < HELD_OUT) == (split == "validation")


def _fault(draft: Draft, keys: set[str]) -> str:
    """Say why a draft cannot be served, or nothing; takes note of its key."""
    if draft.key in keys:
        return "another row has its id"
    keys.add(draft.key)
    return next((fault for picture in draft.pictures if (fault := picture.fault())), "")


def _completed(draft: Draft, name: str, split: str, index: int) -> Task:
    images = tuple(picture.open() for picture in draft.pictures)
    # All pixels are looked at: so a damaged image is found here, where its row can be named.
    for image in images:
        _ = image.pixels.shape
    size, place = images[0].size, images[0].place
    structures = {each: region.read(size) for each, region in draft.regions.items()}
    boxes = tuple(intersect(box, (0.0, 0.0, *size)) for box in draft.boxes)
    if not all(map(area, boxes)):
        raise InputError(f"a box lies outside the image; expected boxes within {size[0]}x{size[1]} pixels")
    mask = structures.get(draft.target, Mask.empty(size)) if draft.kind is Kind.SEGMENTATION else None
    cut = place.cut if place else None
    solids = {each: region.solid() for each, region in draft.regions.items() if cut and isinstance(region, Deep)}
    evidence = boxes or ((mask.box,) if mask is not None and mask.box else ())
    return Task(
        f"{name}/{draft.key}",
        draft.kind,
        draft.question,
        images,
        draft.options,
        draft.modality,
        split,
        index,
        {"source": name, **({"group": draft.group} if draft.group else {}), **draft.meta},
        Truth(
            draft.answer,
            draft.accepted,
            mask,
            evidence,
            structures,
            plane=cut if isinstance(cut, Plane) else None,
            solids={each: solid for each, solid in solids.items() if solid is not None},
        ),
    )
