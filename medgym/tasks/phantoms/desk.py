"""What every form of question is written with."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ...core.geometry import Box
from ...core.task import Truth
from .exam import Exam
from .scene import Lesion, Level, Scene, Structure

MOST_OPTIONS = 4
ABSENT = 0.2
"""Unless told otherwise, so many segmentation and detection tasks ask for what is not there."""


@dataclass(frozen=True)
class Asked:
    """A question, its answer and the scene it is about."""

    scene: Scene
    question: str
    truth: Truth
    options: tuple[str, ...] = ()
    meta: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Desk:
    """What a form of question is written with.

    Attributes:
        exam: draws the scenes.
        rng: all chance comes from it.
        native: width and height of the image in pixels.
        level: how hard the scenes are to read.
        absent: the share of segmentation and detection tasks that ask for what is not there.
    """

    exam: Exam
    rng: np.random.Generator
    native: int
    level: Level
    absent: float = ABSENT

    def one(self, among: Sequence[str]) -> str:
        """Choose one, all as likely."""
        return among[int(self.rng.integers(len(among)))]

    def some(self, among: Sequence[str], count: int) -> list[str]:
        """Choose `count` different ones in random order."""
        return [among[int(i)] for i in self.rng.permutation(len(among))[:count]]

    def chance(self, share: float) -> bool:
        """Return true in that share of cases."""
        return bool(self.rng.random() < share)

    def few(self, least: int = 0) -> int:
        """Return how many lesions to add that are not asked about: `least` to what the level has."""
        return int(self.rng.integers(least, max(least, self.level.others) + 1))

    def lesion(self, findings: Sequence[str] = (), **given: Any) -> Lesion:
        """Choose a lesion: any host, any finding, or one of `findings`."""
        return Lesion(self.one(self.exam.hosts), self.one(findings or self.exam.findings), **given)

    def others(self, count: int, unlike: Callable[[Lesion], bool], taken: Sequence[Lesion] = ()) -> list[Lesion]:
        """Choose `count` lesions for which `unlike` holds, at most two in one host with those `taken`."""
        chosen = list(taken)
        for _ in range(count):
            full = {host for host in self.exam.hosts if sum(c.host == host for c in chosen) > 1}
            free = [
                Lesion(host, finding)
                for host in self.exam.hosts
                for finding in self.exam.findings
                if host not in full and unlike(Lesion(host, finding))
            ]
            chosen.append(free[int(self.rng.integers(len(free)))])
        return chosen[len(taken) :]

    def scene(self, lesions: Sequence[Lesion] = (), absent: Sequence[str] = ()) -> Scene:
        """Draw a scene with exactly these lesions."""
        return self.exam.draw(self.rng, self.native, lesions, absent, self.level)

    def options(self, right: str, among: Sequence[str]) -> tuple[tuple[str, ...], str]:
        """Return at most `MOST_OPTIONS` of `among` in random order, `right` with them, and its letter."""
        wrong = self.some([each for each in among if each != right], MOST_OPTIONS - 1)
        place = int(self.rng.integers(len(wrong) + 1))
        wrong.insert(place, right)
        return tuple(wrong), chr(ord("A") + place)

    def choice(
        self, scene: Scene, question: str, right: str, among: Sequence[str], evidence: Sequence[Structure], **meta: Any
    ) -> Asked:
        """Ask a question with options."""
        options, letter = self.options(right, among)
        return Asked(scene, question, truth_about(scene, evidence, answer=letter), options, meta)


def with_article(noun: str) -> str:
    """Return such as ``a cyst`` or ``an ulcer``."""
    return f"{'an' if noun[0].lower() in 'aeiou' else 'a'} {noun}"


def plural(noun: str) -> str:
    """Return such as ``cysts``, ``nevi`` or ``cavities``."""
    if noun.endswith("us"):
        return f"{noun[:-2]}i"
    if noun.endswith("y") and noun[-2] not in "aeiou":
        return f"{noun[:-1]}ies"
    return f"{noun}es" if noun.endswith(("s", "x", "ch", "sh")) else f"{noun}s"


def listed(names: Sequence[str], last: str = "or") -> str:
    """Return such as ``cyst, tumor or calcification``."""
    return f"{', '.join(names[:-1])} {last} {names[-1]}" if len(names) > 1 else names[0]


def boxes_of(structures: Sequence[Structure]) -> tuple[Box, ...]:
    """Return the boxes of structures that are visible."""
    return tuple(s.mask.box for s in structures if s.mask.box is not None)


def truth_about(scene: Scene, evidence: Sequence[Structure], **given: Any) -> Truth:
    """Return a truth with every structure of the scene and the boxes of the `evidence`."""
    return Truth(boxes=boxes_of(evidence), structures=scene.masks(), **given)
