"""What a source says of each image, whichever of its tasks says it: structures by name, and what is not there."""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import numpy as np
from PIL import Image as Pillow

from ...core.errors import InputError
from ...core.image import SourceImage
from ...core.mask import Bits, Mask
from ...core.task import Task, truth_of
from ...rewards.words import plain
from ...tasks.readers import file_of, open_image
from ...tasks.sources import load_tasks
from ...tasks.volumes import Spacing

MOST_WORDS = 6
"""Of a name; what has more is a sentence."""
WHOSE = ("patient", "study")


@dataclass(frozen=True, eq=False)
class Scene:
    """One image, and what is known of it.

    Attributes:
        digest: names the image by its content.
        path: its file; None for an image that has none of its own.
        slice: which slice or frame of the file it is.
        masks: what is there, by name, none of them empty; in the image's pixels.
        absent: names of what the source looked for and did not find.
        unclear: names of which the source says two things.
        whose: patient and study, where they are known.
    """

    image: SourceImage
    digest: str
    path: str | None
    slice: int | None
    masks: Mapping[str, Mask]
    absent: frozenset[str]
    unclear: frozenset[str]
    modality: str
    split: str
    source: str
    whose: Mapping[str, str]
    _bits: dict[str, Bits] = field(default_factory=dict, repr=False)

    def bits(self, name: str) -> Bits:
        """Return a structure's pixels, ``(H, W) bool``; decoded once, until `let_go`."""
        if name not in self._bits:
            self._bits[name] = self.masks[name].bits()
        return self._bits[name]

    def let_go(self) -> None:
        """Forget decoded pixels: the run lengths stay."""
        self._bits.clear()

    @cached_property
    def spacing(self) -> Spacing | None:
        """Millimetres a pixel, ``(x, y)``, where known."""
        found = self.image.spacing
        return (float(found[0]), float(found[1])) if found else None

    @property
    def vocabulary(self) -> tuple[str, str]:
        """Whose labels may be held against each other: those of one source and modality."""
        return self.source, self.modality

    def place(self, folder: Path) -> tuple[str, int | None]:
        """Return the path and the slice for a record in `folder`; an image without a file is written there once."""
        if self.path is not None:
            return self.path, self.slice
        path = folder / "images" / f"{self.digest}.png"
        if not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True)
            partial = path.with_suffix(".part")
            Pillow.fromarray(np.ascontiguousarray(self.image.pixels)).save(partial, "PNG")
            partial.replace(path)
        return str(path), None


@dataclass
class _Gathering:
    """A scene in the making."""

    task: Task
    image: SourceImage
    masks: dict[str, Mask] = field(default_factory=dict)
    absent: set[str] = field(default_factory=set)
    unclear: set[str] = field(default_factory=set)

    def add(self, name: str, mask: Mask) -> None:
        """Take a mask; a name with two masks, or one that is there and not there, names nothing."""
        held = self.masks.get(name)
        if (held is not None and held != mask) or (name in (self.absent if mask.area else self.masks)):
            self.unclear.add(name)
        if mask.area:
            self.masks[name] = mask
        else:
            self.absent.add(name)


def gather(
    source: str, splits: Sequence[str], seed: int = 0, notify: Callable[[int, int], None] = lambda *_: None
) -> tuple[list[Scene], Counter[str]]:
    """Return the scenes of a source's tasks, one an image, and how many tasks gave nothing, by the reason.

    Raises:
        InputError: where the source cannot be loaded, or none of its tasks has a mask with a name.
    """
    found: dict[str, _Gathering] = {}
    left_out: Counter[str] = Counter()
    for split in splits:
        tasks = load_tasks(source, split, seed=seed)
        for index in range(len(tasks)):
            notify(index + 1, len(tasks))
            try:
                reason = _add(tasks[index], found)
            except InputError as fault:
                reason = f"it cannot be read: {fault}"
            left_out.update([reason] if reason else [])
    name = Path(source.partition(":")[0]).stem
    scenes = [_scene(digest, each, name) for digest, each in found.items()]
    scenes = [scene for scene in scenes if scene.masks]
    if not scenes:
        why = "; ".join(f"{count}: {reason}" for reason, count in left_out.items())
        raise InputError(f"{source}: no image of {', '.join(splits)} has a mask with a name ({why or 'no masks'})")
    return scenes, left_out


def _add(task: Task, found: dict[str, _Gathering]) -> str:
    """Take what a task says of its image; return why it says nothing, if so."""
    truth = truth_of(task)
    named = [(_name(name), mask) for name, mask in truth.structures.items() if not _a_sentence(name, task)]
    if not named:
        return "it has no mask with a name"
    image = task.images[truth.image]
    held = found.setdefault(image.digest, _Gathering(task, image))
    if held.task.split != task.split:
        return "its image is in another split too"
    if any(mask.size != tuple(image.size) for _, mask in named):
        return "a mask is not as large as its image"
    for name, mask in named:
        held.add(name, mask)
    return ""


def _name(name: str) -> str:
    return " ".join(name.replace("_", " ").replace("+", " ").split())


def _a_sentence(name: str, task: Task) -> bool:
    """Whether a mask is named by nothing better than the words of a question, or of its answer.

    Records take the name of a mask in a file from there where they are not told it.
    """
    said = {plain(task.question), ""}
    if not task.kind.localised:
        said |= {plain(option) for option in task.options} | {plain(truth_of(task).answer)}
    return plain(_name(name)) in said or len(name.split()) > MOST_WORDS


def _scene(digest: str, held: _Gathering, name: str) -> Scene:
    path, number = _file(held.image)
    meta = held.task.meta
    return Scene(
        held.image,
        digest,
        path,
        number,
        {each: mask for each, mask in sorted(held.masks.items()) if each not in held.unclear},
        frozenset(held.absent - held.unclear),
        frozenset(held.unclear),
        held.task.modality,
        held.task.split,
        str(meta.get("source") or name),
        {whose: str(meta[whose]) for whose in WHOSE if meta.get(whose) is not None},
    )


def _file(image: SourceImage) -> tuple[str | None, int | None]:
    """Return an image's file and slice, if opening them shows the same pixels: a channel of a volume would not."""
    place = file_of(image)
    if not place[0]:
        return None, None
    try:
        same = open_image(*place).digest == image.digest
    except InputError:
        same = False
    return place if same else (None, None)


def vocabularies(scenes: Iterable[Scene]) -> dict[tuple[str, str], tuple[str, ...]]:
    """Return all names that each source gives to what images of a modality show."""
    names: dict[tuple[str, str], set[str]] = {}
    for scene in scenes:
        names.setdefault(scene.vocabulary, set()).update(scene.masks, scene.absent)
    return {key: tuple(sorted(each)) for key, each in names.items()}
