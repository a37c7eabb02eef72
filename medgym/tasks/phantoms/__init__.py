"""Phantoms: tasks about made images whose every mask is known exactly."""

import operator
from collections.abc import Callable, Iterator, Sequence
from functools import lru_cache, partial
from typing import Any, NamedTuple

import numpy as np

from ...core.errors import InputError, nearest
from ...core.image import ORIGINALS, Pixels, SourceImage, Values
from ...core.task import SPLITS, Kind, Task
from ..schedule import Schedule
from .ct import ABDOMEN, THORAX
from .dermoscopy import MOLE
from .desk import ABSENT, Asked
from .endoscopy import COLON
from .exam import Exam
from .fundus import RETINA
from .mri import BRAIN
from .oct import MACULA
from .pathology import CARCINOMA
from .questions import ask, forms_of
from .scene import LEVELS
from .ultrasound import UPPER_ABDOMEN
from .xray import CHEST

__all__ = ["MODALITIES", "Phantoms"]

SMALLEST, LARGEST, NATIVE = 64, 4096, 1024

MODALITIES: dict[str, tuple[Exam, ...]] = {
    "ct": (ABDOMEN, THORAX),
    "mri": (BRAIN,),
    "xray": (CHEST,),
    "ultrasound": (UPPER_ABDOMEN,),
    "pathology": (CARCINOMA,),
    "fundus": (RETINA,),
    "dermoscopy": (MOLE,),
    "endoscopy": (COLON,),
    "oct": (MACULA,),
}
"""The exams of each modality, all as likely."""


class Recipe(NamedTuple):
    """What a task is made from; equal ones make equal tasks. `number` is its index in the split."""

    split: str
    seed: int
    number: int
    kinds: tuple[Kind, ...]
    modalities: tuple[str, ...]
    forms: tuple[str, ...]
    difficulty: int | None
    native: int
    absent: float


class Phantoms:
    """A split of made tasks: index `i` is the same task in every process, whatever else was loaded.

    Args:
        split: ``train``, ``validation`` or ``test``; no two share a task.
        seed: another seed, another set of tasks, none of them shared either.
        kinds: kinds of task to draw from, all as likely.
        modality: the modalities to draw from, all as likely: one of `MODALITIES`, several joined by ``+``, or
            a list of them; all by default.
        difficulty: 0 (easy) to 3; by default the difficulty of task `i` is ``i % 4``; ``rising`` is the
            same tasks, of which an environment draws harder ones as its policy gets them right.
        form: forms of question, such as ``margin``, written as modalities are; all by default.
        size: number of tasks; it does not change what they are.
        native: width and height of the images in pixels, 64 to 4096.
        absent: the share, 0 to 1, of segmentation and detection tasks that ask for what is not there.

    Raises:
        InputError: for an unknown split, kind, modality or form, for a setting out of its range, and where no
            question is of the kinds and forms asked for.
    """

    def __init__(
        self,
        split: str,
        seed: int = 0,
        kinds: Sequence[Kind] = tuple(Kind),
        *,
        modality: str | Sequence[str] | None = None,
        difficulty: int | str | None = None,
        form: str | Sequence[str] | None = None,
        size: int = 10_000,
        native: int = NATIVE,
        absent: float = ABSENT,
    ) -> None:
        if split not in SPLITS:
            raise InputError(f"unknown split {split!r}{nearest(str(split), SPLITS)}")
        unknown = [kind for kind in kinds if kind not in set(Kind)]
        if unknown or not kinds:
            raise InputError(f"kinds are one or more of {', '.join(Kind)}, not {unknown or 'none'}")
        self.split = split
        self.seed = _whole("seed", seed, 0, 2**32 - 1)
        self.kinds = tuple(Kind(kind) for kind in kinds)
        self.size = _whole("size", size, 1, 2**32 - 1)
        self.native = _whole("native", native, SMALLEST, LARGEST)
        self.absent = _share("absent", absent)
        self.modalities = _named("modality", modality, tuple(MODALITIES)) or tuple(MODALITIES)
        self.difficulty = None if difficulty in (None, "rising") else _level(difficulty)
        self.schedule = Schedule(len(LEVELS)) if difficulty == "rising" else None
        self.forms = _named("form", form, _all_forms())
        for name in self.modalities:
            if not _choices(name, self.kinds, self.forms, self.native):
                form = f" and form {' or '.join(self.forms)}" if self.forms else ""
                raise InputError(
                    f"no question of kind {' or '.join(self.kinds)}{form} makes sense about {name} "
                    f"at {self.native} pixels; {_sensible(name, self.native)}"
                )

    def __len__(self) -> int:
        return self.size

    def __getitem__(self, index: int) -> Task:
        """Make task `index`.

        Raises:
            IndexError: for an index below 0 or from `size` on.
        """
        index = operator.index(index)
        if not 0 <= index < self.size:
            raise IndexError(f"task {index} of {self.size} phantoms")
        recipe = Recipe(
            *(self.split, self.seed, index, self.kinds, self.modalities, self.forms),
            *(self.difficulty, self.native, self.absent),
        )
        return _task(recipe)

    def parts(self) -> Iterator[tuple[str, "Phantoms"]]:
        """Give the tasks of each modality and difficulty apart, with a name for each part."""
        for modality in self.modalities:
            for difficulty in range(len(LEVELS)) if self.difficulty is None else (self.difficulty,):
                settings: dict[str, Any] = {"form": self.forms, "size": self.size, "native": self.native}
                settings["absent"] = self.absent
                part = Phantoms(self.split, self.seed, self.kinds, modality=modality, difficulty=difficulty, **settings)
                yield f"{modality}, difficulty {difficulty}", part

    def draw(self, rng: np.random.Generator) -> int:
        """Draw the index of a task; where the difficulty is rising, of one that the policy is ready for."""
        if self.schedule is None:
            return int(rng.integers(self.size))
        level = self.schedule.draw(rng)
        return min(int(rng.integers(-(-self.size // len(LEVELS)))) * len(LEVELS) + level, self.size - 1)

    def record(self, index: int, succeeded: Callable[[], bool]) -> None:
        """Take note of whether a policy succeeded at a task; only a rising difficulty listens."""
        if self.schedule is not None:
            self.schedule.record(index % len(LEVELS), succeeded())


@lru_cache(1024)
def _task(recipe: Recipe) -> Task:
    """Make a task, once for all rollouts of a group; its pixels are held by the image cache alone."""
    exam, kind, asked = _made(recipe)
    scene = asked.scene
    stored, unit = (partial(_values, recipe), "HU") if exam.window else (None, "")
    image = SourceImage(("phantoms", *recipe), partial(_pixels, recipe), exam.spacing(scene), stored, unit)
    ORIGINALS.get(image.key, lambda: scene.pixels)
    return Task(
        id=f"{_address(recipe)}/{recipe.split}/{recipe.seed}/{recipe.number}",
        kind=kind,
        question=asked.question,
        images=(image,),
        options=asked.options,
        modality=exam.modality,
        split=recipe.split,
        index=recipe.number,
        meta=asked.meta,
        truth=asked.truth,
    )


def _address(recipe: Recipe) -> str:
    """Name what was asked for, where it is not everything, as it is written after a source's name."""
    asked = {
        "kind": "+".join(recipe.kinds) if recipe.kinds != tuple(Kind) else "",
        "modality": "+".join(recipe.modalities) if recipe.modalities != tuple(MODALITIES) else "",
        "form": "+".join(recipe.forms),
        "difficulty": "" if recipe.difficulty is None else str(recipe.difficulty),
        "native": "" if recipe.native == NATIVE else str(recipe.native),
        "absent": "" if recipe.absent == ABSENT else f"{recipe.absent:g}",
    }
    settings = ",".join(f"{name}={value}" for name, value in asked.items() if value)
    return f"phantoms:{settings}" if settings else "phantoms"


def _made(recipe: Recipe) -> tuple[Exam, Kind, Asked]:
    # A sum such as seed + index would give neighbouring seeds the same tasks.
    place = [SPLITS.index(recipe.split), recipe.seed, recipe.number]
    rng = np.random.default_rng(np.random.SeedSequence(place))
    modality = recipe.modalities[int(rng.integers(len(recipe.modalities)))]
    choices = _choices(modality, recipe.kinds, recipe.forms, recipe.native)
    kind = list(choices)[int(rng.integers(len(choices)))]
    exam, forms = choices[kind][int(rng.integers(len(choices[kind])))]
    form = forms[int(rng.integers(len(forms)))]
    difficulty = recipe.number % len(LEVELS) if recipe.difficulty is None else recipe.difficulty
    return exam, kind, ask(exam, rng, recipe.native, form, difficulty, recipe.absent)


def _pixels(recipe: Recipe) -> Pixels:
    """Draw a task's image again; all it holds is where the task comes from."""
    return _made(recipe)[2].scene.pixels


def _values(recipe: Recipe) -> Values:
    """Draw a CT again, for its Hounsfield units."""
    exam, _, asked = _made(recipe)
    return exam.values(asked.scene)


@lru_cache
def _choices(
    modality: str, kinds: tuple[Kind, ...], forms: tuple[str, ...], native: int
) -> dict[Kind, list[tuple[Exam, list[str]]]]:
    """Return the exams of a modality and their forms of question, by kind, where there are any."""
    found: dict[Kind, list[tuple[Exam, list[str]]]] = {}
    for kind in kinds:
        for exam in MODALITIES[modality]:
            named = [name for name, (of, _) in forms_of(exam, native) if of is kind and name in (forms or (name,))]
            if named:
                found.setdefault(kind, []).append((exam, named))
    return found


def _sensible(modality: str, native: int) -> str:
    choices = _choices(modality, tuple(Kind), (), native)
    return "forms that do: " + "; ".join(
        f"{kind}: {', '.join(dict.fromkeys(name for _, names in exams for name in names))}"
        for kind, exams in choices.items()
    )


@lru_cache
def _all_forms() -> tuple[str, ...]:
    exams = [exam for exams in MODALITIES.values() for exam in exams]
    return tuple(dict.fromkeys(name for exam in exams for name, _ in forms_of(exam, NATIVE)))


def _named(setting: str, given: str | Sequence[str] | None, known: tuple[str, ...]) -> tuple[str, ...]:
    """Read names joined by ``+``, or a list of them, into the order in which they are known."""
    if given is not None and not isinstance(given, (str, Sequence)):
        raise InputError(f"{setting} is a name, several joined by '+', or a list of names, not {given!r}")
    names = given.split("+") if isinstance(given, str) else list(given or ())
    for name in names:
        if name not in known:
            raise InputError(f"unknown {setting} {name!r}{nearest(str(name), known)}")
    return tuple(name for name in known if name in names)


def _level(value: object) -> int:
    if isinstance(value, str):
        raise InputError(f"difficulty is 0 to {len(LEVELS) - 1} or 'rising', not {value!r}")
    return _whole("difficulty", value, 0, len(LEVELS) - 1)


def _whole(name: str, value: object, least: int, most: int) -> int:
    if isinstance(value, bool) or not isinstance(value, (int, np.integer)) or not least <= value <= most:
        raise InputError(f"{name} is a whole number from {least} to {most}, not {value!r}")
    return int(value)


def _share(name: str, value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 <= value <= 1:
        raise InputError(f"{name} is a share from 0 to 1, not {value!r}")
    return float(value)
