"""The five checks that every question passes: schema, independence, grounding, options, answer.

Each is a function of a draft that returns why it is refused, or nothing. What a whole set gives away besides is
measured by `blind`, and `model` asks an endpoint; both refuse in the name of one of these five.
"""

import json
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from ...agents.agent import Brief
from ...agents.oracle import Oracle
from ...core.errors import InputError
from ...core.geometry import box_iou, within
from ...core.mask import Mask
from ...core.task import Kind, Task, truth_of
from ...envs.scenario import Scenario
from ...rewards.words import agrees, words
from ...tasks.records import Records
from ...tasks.schema import folded
from .draft import Draft
from .forms import QUADRANTS, SIDES, clear_of, missing, related
from .recount import inside, recounted
from .scenes import Scene
from .shapes import around, centre, cut_off, parts

LEAST_PIXELS, LEAST_SHARE = 64, 0.0004
"""Less of the original image is not seen."""
MOST_SHARE = 0.9
"""More of it is the whole image."""
LINE = 0.05
"""A centre is at least so far from a dividing line, as a share of the side it divides."""
MOSTLY = 0.8
"""So much of a structure lies where it is said to lie."""
POINT = 0.01
"""Around a point there is nothing else for this share of the longest side."""
LARGER = 1.25
"""The larger of two covers more at least by this factor."""
MOST_PARTS = 9
LEAST_LENGTH = 16.0
"""Pixels of a length: what a pixel is worth stays well within the tolerance."""
FEWEST, MOST = 2, 26
LONGER, BY = 2.5, 12
"""An option that is longer or shorter than all others by this factor, and by so many letters, shows."""
EDGES = re.compile(r"\b(?:left|upper) edge\b")
"""From where a point is measured, which hints at no left kidney."""
LITTLE = frozenset({"a", "an", "and", "at", "by", "from", "in", "is", "it", "of", "on", "or", "the", "to", "with"})
"""Words that tell nothing."""
SAME, PART = 0.7, 0.9
"""IoU of masks that show the same; the share of one mask within another that makes it a part."""
FULL = {True: 6.0, False: 4.0}
"""What the default recipe pays for a place marked well, and for a right answer in words."""


@dataclass(frozen=True)
class Source:
    """What is known of where the images are from: its labels for each scene, and whether they are exhaustive.

    Attributes:
        folder: where the records are to lie; images without a file of their own are written there.
    """

    folder: Path
    vocabularies: dict[tuple[str, str], tuple[str, ...]]
    exhaustive: bool = False

    def names(self, scene: Scene) -> tuple[str, ...]:
        """Return all names that the source gives to what such images show."""
        return self.vocabularies.get(scene.vocabulary, ())


def schema(draft: Draft, source: Source) -> str:
    """It is a record as `tasks.schema` has it, and the task can be loaded."""
    try:
        served(draft, source.folder)
    except InputError as fault:
        return str(fault).rpartition("): ")[2]
    return ""


def served(draft: Draft, home: Path) -> Task:
    """Return the task that a file in `home` with this one question would serve.

    Raises:
        InputError: where there is none.
    """
    with TemporaryDirectory() as folder:
        path = Path(folder) / "questions.jsonl"
        record = draft.record(home)
        path.write_text(json.dumps({**record, "image_path": str(home / record["image_path"])}), "utf-8")
        return Records(path, draft.scene.split)[0]


def independence(draft: Draft, source: Source) -> str:
    """The words do not tell the answer: neither those of the question, nor the length of an option."""
    if draft.kind.localised:
        return ""
    asked = _stems(EDGES.sub("", draft.question) if draft.point else draft.question)
    if draft.kind is Kind.NUMBER:
        numbers = re.findall(r"\d+(?:\.\d+)?", draft.question)
        return f"the question has the number {draft.right}" if draft.right in numbers else ""
    texts = [_stems(option) for option in draft.options]
    telling = {word for stems in texts for word in stems if not all(word in each for each in texts)}
    if given := sorted(telling & asked):
        return f"the question has words that tell its options apart: {', '.join(given)}"
    return _odd_length(draft)


def _stems(text: str) -> set[str]:
    return {word.removesuffix("s") for word in words(text) if word not in LITTLE}


def _odd_length(draft: Draft) -> str:
    others = [len(option) for option in draft.options if option != draft.right]
    own = len(draft.right)
    if not others:
        return ""
    if own > LONGER * max(others) and own >= max(others) + BY:
        return "the right option is far longer than the others"
    if own * LONGER < min(others) and own + BY <= min(others):
        return "the right option is far shorter than the others"
    return ""


def grounding(draft: Draft, source: Source) -> str:
    """What it asks about can be seen where its evidence says, and its answer is beyond doubt."""
    scene, name = draft.scene, draft.about[0]
    if draft.form == "present" and draft.right == "no":
        absent = missing(scene, source.names(scene), source.exhaustive)
        return "" if name in absent else f"it is not known that there is no {name}"
    for each in draft.about if draft.form == "larger" else (name,):
        if fault := _unseen(scene, each, draft):
            return fault
    doubt = _DOUBTS.get(draft.form)
    return doubt(draft) if doubt else ""


def _unseen(scene: Scene, name: str, draft: Draft) -> str:
    mask = scene.masks.get(name)
    if mask is None or mask.box is None:
        return f"there is no mask of {name}"
    pixels = scene.image.size[0] * scene.image.size[1]
    if mask.area < max(LEAST_PIXELS, LEAST_SHARE * pixels):
        return f"{name} is too small to see: {mask.area} of {pixels} pixels"
    if mask.area > MOST_SHARE * pixels:
        return f"{name} fills the image"
    covered = sum(inside(mask, box) for box in draft.boxes if within(box, scene.image.size))
    return "" if covered >= mask.area else f"{name} lies outside the evidence"


def _doubtful_point(draft: Draft) -> str:
    scene = draft.scene
    assert draft.point is not None
    reach = POINT * max(scene.image.size)
    if not around(scene.bits(draft.about[0]), draft.point, reach).all():
        return f"the point is too near the border of {draft.about[0]}"
    near = [name for name in scene.masks if around(scene.bits(name), draft.point, reach).any()]
    others = [name for name in near if name != draft.about[0]]
    return f"{others[0]} is at the point too" if others else ""


def _doubtful_place(draft: Draft) -> str:
    bits = draft.scene.bits(draft.about[0])
    x, y = centre(bits)
    for share in (x, y) if draft.form == "quadrant" else (x,):
        if abs(share - 0.5) < LINE:
            return f"its centre is {abs(share - 0.5):.0%} of the image from the dividing line"
    height, width = bits.shape
    across = bits[:, : width // 2] if x < 0.5 else bits[:, width // 2 :]
    there = across if draft.form == "side" else across[: height // 2] if y < 0.5 else across[height // 2 :]
    held = there.sum() / bits.sum()
    return "" if held >= MOSTLY else f"only {held:.0%} of it lies there"


def _doubtful_sizes(draft: Draft) -> str:
    one, two = (int(draft.scene.bits(name).sum()) for name in draft.about)
    return "" if one >= LARGER * two else f"{draft.about[0]} is larger by a factor of {one / two:.2f} alone"


def _doubtful_parts(draft: Draft) -> str:
    bits = draft.scene.bits(draft.about[0])
    if draft.form == "count" and cut_off(bits):
        return "it is cut off by the image's border"
    found = parts(bits, clear_of(draft.scene))
    if len(found.boxes) > MOST_PARTS:
        return f"it has {len(found.boxes)} parts; {MOST_PARTS} can be told"
    return found.fault


def _doubtful_length(draft: Draft) -> str:
    bits = draft.scene.bits(draft.about[0])
    found = parts(bits, clear_of(draft.scene))
    if cut_off(bits):
        return "it is cut off by the image's border"
    if found.fault or len(found.boxes) != 1:
        return f"it has {found.fault or f'{len(found.boxes)} parts'}; a diameter is of one"
    length = np.hypot(found.boxes[0][2] - found.boxes[0][0], found.boxes[0][3] - found.boxes[0][1])
    return "" if length >= LEAST_LENGTH else f"it is {length:.0f} pixels long at most"


_DOUBTS: dict[str, Callable[[Draft], str]] = {
    "structure": _doubtful_point, "quadrant": _doubtful_place, "side": _doubtful_place, "larger": _doubtful_sizes,
    "count": _doubtful_parts, "mark": _doubtful_parts, "diameter": _doubtful_length,
}  # fmt: skip


def options(draft: Draft, source: Source) -> str:
    """There are 2 to 26 options, distinct and plausible, none a part of another, and one of them is right."""
    if draft.kind is not Kind.CHOICE:
        return "" if not draft.options else "there are options, and nothing to choose"
    texts = [folded(option) for option in draft.options]
    if not FEWEST <= len(texts) <= MOST:
        return f"there are {len(texts)} options; expected {FEWEST} to {MOST}"
    if len(set(texts)) < len(texts):
        return "two options say the same"
    if texts.count(folded(draft.right)) != 1:
        return "the right answer is not one of the options"
    return _implausible(draft, source) if draft.form in ("structure", "larger") else _other_places(draft)


def _other_places(draft: Draft) -> str:
    expected = set(SIDES if draft.form == "side" else QUADRANTS.values())
    return "" if set(draft.options) == expected else f"the options are others than {', '.join(sorted(expected))}"


def _implausible(draft: Draft, source: Source) -> str:
    scene = draft.scene
    known = {*scene.masks, *missing(scene, source.names(scene), source.exhaustive)}
    for option in draft.options:
        if option not in known:
            return f"{option!r} is no label of this image, and not known to be absent"
    pairs = [(one, two) for i, one in enumerate(draft.options) for two in draft.options[:i]]
    for one, two in pairs:
        if related(one, two):
            return f"{one!r} and {two!r} may name the same, or a part of it"
        if one in scene.masks and two in scene.masks and _overlap(scene.masks[one], scene.masks[two]):
            return f"{one!r} and {two!r} show the same, or a part of it"
    return ""


def _overlap(one: Mask, two: Mask) -> bool:
    iou = one.iou(two)
    shared = iou * (one.area + two.area) / (1 + iou)
    return iou >= SAME or shared >= PART * min(one.area, two.area)


def answer(draft: Draft, source: Source) -> str:
    """The answer is found again another way, and an agent that knows it earns all there is."""
    found = recounted(draft)
    try:
        task = served(draft, source.folder)
    except InputError as fault:
        return str(fault)
    truth = truth_of(task)
    if isinstance(found, tuple):
        if not _same_boxes(found, truth.boxes):
            return f"found again, it has {len(found)} boxes and not {len(truth.boxes)}, or others"
        if task.kind is Kind.SEGMENTATION and truth.mask != draft.scene.masks[draft.about[0]]:
            return "the mask served is not that of the source"
    elif not agrees(found, task, truth)[0]:
        return f"found again, it is {found or 'none of the options'} and not {draft.right}"
    earned = _earned(task)
    full = FULL[task.kind.localised]
    return "" if earned >= full else f"one who knows it earns {earned:g} of {full:g}"


def _same_boxes(found: tuple[tuple[float, ...], ...], said: tuple[tuple[float, ...], ...]) -> bool:
    pairs = zip(sorted(found), sorted(said), strict=False)
    return len(found) == len(said) and all(box_iou(one, two) > 0.99 for one, two in pairs)  # type: ignore[arg-type]


def _earned(task: Task) -> float:
    scenario = _scenario()
    episode = scenario.episode(task)
    oracle = Oracle()
    oracle.begin(Brief(task, scenario.dialect, episode, scenario.score))
    while not episode.over:
        episode.apply(oracle.act(episode.messages()))
    return scenario.score(episode.trajectory()).total


@lru_cache(maxsize=1)
def _scenario() -> Scenario:
    """The default recipe, over a segmenter without error: what cannot be earned is the question's fault."""
    return Scenario(segmenter="simulated:error=0")


CHECKS: dict[str, Callable[[Draft, Source], str]] = {
    check.__name__: check for check in (schema, options, grounding, independence, answer)
}
"""In the order in which they are made."""
COSTLY = ("answer",)
"""These play episodes, and are made of what all others leave."""
EARLY = tuple(name for name in CHECKS if name not in COSTLY)


def refused(draft: Draft, source: Source, checks: Sequence[str] = tuple(CHECKS)) -> tuple[str, str]:
    """Return which of the checks refuses a draft first, and why; two empty texts where none does."""
    for name in checks:
        if why := CHECKS[name](draft, source):
            return name, why
    return "", ""
