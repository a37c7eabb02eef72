"""Questions by rule: what masks and their names alone say, with no knowledge of medicine.

A mask is taken for all that there is of its name in the image: that is what a segmentation asks for.

A form is a function of a scene that drafts every question of its kind; what is doubtful among them the checks refuse.
Left and right, upper and lower are those of the image as it is displayed, and the questions say so.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np

from ...core.geometry import Box
from ...core.mask import longest_diameter
from ...core.task import Kind
from ...rewards.words import words
from .draft import Draft
from .scenes import Scene
from .shapes import centre, inmost, parts

MOST_OPTIONS = 4
MOST_PAIRS = 8
"""Of one image; they are drawn among all."""
QUADRANTS = {(0, 0): "upper left", (1, 0): "upper right", (0, 1): "lower left", (1, 1): "lower right"}
SIDES = ("left half", "right half")
CLEAR = 0.004
"""Parts are apart, and wider, by at least twice this share of the image's longest side."""
LEAST_CLEAR = 1.5
TOLERANCE = 0.1


@dataclass(frozen=True)
class Paper:
    """What a form is written with.

    Attributes:
        names: all that the source may say of images like this one.
        exhaustive: whether what an image has no mask of is known not to be in it.
        rng: all chance comes from it.
    """

    scene: Scene
    names: tuple[str, ...]
    exhaustive: bool
    rng: np.random.Generator

    def some(self, among: Sequence[str], most: int) -> list[str]:
        """Draw at most so many, in random order."""
        return [among[int(i)] for i in self.rng.permutation(len(among))[:most]]

    @property
    def missing(self) -> list[str]:
        """The names of what is known not to be in the image."""
        return missing(self.scene, self.names, self.exhaustive)

    def draft(self, form: Callable[..., object], kind: Kind, about: Sequence[str], question: str, **rest: Any) -> Draft:
        """Draft a question whose evidence, unless it is given, is where its first structures lie."""
        box = self.scene.masks[about[0]].box if about[0] in self.scene.masks else None
        boxes: tuple[Box, ...] = (box,) if box else ()
        return Draft(form.__name__, kind, self.scene, tuple(about), question, **{"boxes": boxes, **rest})


Form = Callable[[Paper], Iterator[Draft]]


def missing(scene: Scene, names: Sequence[str], exhaustive: bool) -> list[str]:
    """Return what is known not to be in an image: what was looked for; where labels are exhaustive, all other names.

    Those are of images of the same modality, and of none where the modality is not known. A name that holds another,
    or is held by it, may be a part of the same: it is left out.
    """
    others = names if exhaustive and scene.modality else sorted(scene.absent)
    held = (*scene.masks, *scene.unclear)
    return [name for name in others if not any(related(name, each) for each in held)]


def related(one: str, other: str) -> bool:
    """Whether one name's words are all among the other's, a plural's s aside: ``liver`` and ``liver tumors``."""
    first, second = ({word.removesuffix("s") for word in words(name)} for name in (one, other))
    return first <= second or second <= first


def clear_of(scene: Scene) -> float:
    """Return by how many pixels a part may shrink or grow without another count."""
    return max(LEAST_CLEAR, CLEAR * max(scene.image.size))


def structure(paper: Paper) -> Iterator[Draft]:
    """Which structure lies at a point."""
    scene = paper.scene
    for name in scene.masks:
        known = [other for other in [*scene.masks, *paper.missing] if not related(name, other)]
        wrong: list[str] = []
        for other in paper.some(known, len(known)):
            if len(wrong) < MOST_OPTIONS - 1 and not any(related(other, held) for held in wrong):
                wrong.append(other)
        x, y = inmost(scene.bits(name))
        yield paper.draft(
            structure, Kind.CHOICE, (name, *wrong),
            f"Which structure lies at the point {x} % of the image's width from its left edge and {y} % of its height "
            "from its upper edge?",
            right=name, options=(name, *wrong), point=(x, y),
        )  # fmt: skip


def quadrant(paper: Paper) -> Iterator[Draft]:
    """In which quadrant of the image a structure lies."""
    for name in paper.scene.masks:
        x, y = centre(paper.scene.bits(name))
        question = f"In which quadrant of the image, as displayed, does the region of {name} lie?"
        right = QUADRANTS[int(x > 0.5), int(y > 0.5)]
        yield paper.draft(quadrant, Kind.CHOICE, (name,), question, right=right, options=tuple(QUADRANTS.values()))


def side(paper: Paper) -> Iterator[Draft]:
    """In which half of the image a structure lies."""
    for name in paper.scene.masks:
        right = SIDES[int(centre(paper.scene.bits(name))[0] > 0.5)]
        question = f"In which half of the image, as displayed, does the region of {name} lie?"
        yield paper.draft(side, Kind.CHOICE, (name,), question, right=right, options=SIDES)


def present(paper: Paper) -> Iterator[Draft]:
    """Whether a structure is in the image; no for what is known not to be."""
    for right, names in (("yes", list(paper.scene.masks)), ("no", paper.missing)):
        for name in names:
            yield paper.draft(present, Kind.YES_NO, (name,), f"Does this image show any {name}?", right=right)


def larger(paper: Paper) -> Iterator[Draft]:
    """Which of two structures covers more of the image."""
    scene = paper.scene
    pairs = list(combinations(scene.masks, 2))
    for i in paper.rng.permutation(len(pairs))[:MOST_PAIRS]:
        about = tuple(sorted(pairs[int(i)], key=lambda name: int(scene.bits(name).sum()), reverse=True))
        boxes = tuple(box for name in about if (box := scene.masks[name].box))
        question = "Which of these two covers the larger area in this image?"
        yield paper.draft(larger, Kind.CHOICE, about, question, right=about[0], options=about, boxes=boxes)


def count(paper: Paper) -> Iterator[Draft]:
    """How many separate regions of a structure there are."""
    for name in paper.scene.masks:
        found = parts(paper.scene.bits(name), clear_of(paper.scene)).boxes
        question = f"How many separate regions of {name} does this image show?"
        yield paper.draft(count, Kind.NUMBER, (name,), question, right=str(len(found)), boxes=found)


def diameter(paper: Paper) -> Iterator[Draft]:
    """How long a structure is, where the size of a pixel is known."""
    pitch = paper.scene.spacing
    for name in paper.scene.masks if pitch else ():
        assert pitch is not None
        length = longest_diameter(paper.scene.bits(name), pitch)
        size = f"{pitch[0]:.3g} mm" + (f" wide and {pitch[1]:.3g} mm high" if pitch[0] != pitch[1] else "")
        question = (
            f"What is the longest diameter of the region of {name} in mm? One pixel of the original image is {size}."
        )
        yield paper.draft(
            diameter, Kind.NUMBER, (name,), question, right=f"{length:.3g}", unit="mm", tolerance=TOLERANCE
        )


def segment(paper: Paper) -> Iterator[Draft]:
    """The mask of a structure."""
    for name in paper.scene.masks:
        yield paper.draft(segment, Kind.SEGMENTATION, (name,), f"Segment the {name} in this image.")


def mark(paper: Paper) -> Iterator[Draft]:
    """A box around each separate region of a structure."""
    for name in paper.scene.masks:
        found = parts(paper.scene.bits(name), clear_of(paper.scene)).boxes
        question = f"Mark all of the {name} in this image: each separate region with a box of its own."
        yield paper.draft(mark, Kind.DETECTION, (name,), question, boxes=found)


FORMS: dict[str, Form] = {
    form.__name__: form for form in (structure, quadrant, side, present, larger, count, diameter, segment, mark)
}
