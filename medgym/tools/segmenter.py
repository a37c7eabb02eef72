"""What stands behind `sam2` and `biomedparse`: a segmenter answers prompts, in batches."""

from collections.abc import Hashable, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from ..core.errors import ToolError
from ..core.geometry import Box, snap
from ..core.image import SourceImage
from ..core.mask import Bits, Mask
from ..core.task import Truth
from ..core.view import View


@dataclass(frozen=True)
class Prompt:
    """One request, always in the pixels of the original image, so that every zoom asks the same question.

    Attributes:
        view: what the policy was looking at; the mask lies inside the region that it shows.
        box: a box around the object, or None.
        points: clicks, ``(x, y)``.
        labels: for each click, 1 inside or 0 outside the object.
        text: what to look for, in words, or empty.
        truth: only for a segmenter that declares `needs_truth`.
    """

    view: View
    box: Box | None = None
    points: tuple[tuple[float, float], ...] = ()
    labels: tuple[int, ...] = ()
    text: str = ""
    truth: Truth | None = field(default=None, repr=False)

    @property
    def source(self) -> SourceImage:
        """The image to segment, at full resolution."""
        return self.view.source

    @property
    def asks(self) -> frozenset[str]:
        """What it asks by: ``text``, ``box``, ``points``."""
        return frozenset(way for way in ("text", "box", "points") if getattr(self, way))

    @property
    def key(self) -> Hashable:
        """What makes two prompts to a segmenter without truth the same, within this process."""
        return self.source.key, self.region, self.box, self.points, self.labels, self.text

    def chances(self, seed: int) -> np.random.Generator:
        """Return what seeded errors are drawn from: the same for the same request, to a pixel, however it is shown."""
        asked = (self.source.root.digest, self.text.lower(), self.box and snap(self.box, self.source.size))
        points = [(round(x), round(y)) for x, y in self.points]
        return np.random.default_rng([seed, *repr((asked, points, self.labels)).encode()])

    @property
    def region(self) -> Box:
        """The part of the image that the policy was looking at, in the original's pixels."""
        return self.view.region


@dataclass(frozen=True, eq=False)
class Segmentation:
    """What a segmenter found.

    Attributes:
        found: ``(H, W)`` bool, in the original's pixels, all False where nothing was found; or a coded mask of them.
        note: what the policy should know of it.
        by: what found it, where that is not what the segmenter is called.
    """

    found: Bits | Mask
    note: str = ""
    by: str = ""

    @cached_property
    def bits(self) -> Bits:
        """``(H, W)`` bool, in the original's pixels."""
        return self.found.bits() if isinstance(self.found, Mask) else self.found

    @cached_property
    def mask(self) -> Mask:
        """The same, coded."""
        return self.found if isinstance(self.found, Mask) else Mask.of(self.found)


class Segmenter(Protocol):
    """Turns prompts into masks.

    One that is not asked in all ways says so by ``takes = frozenset({"box", "points"})``, or ``{"text"}``.
    """

    @property
    def name(self) -> str:
        """How results name it; empty where the policy need not know."""
        ...

    @property
    def needs_truth(self) -> bool:
        """Whether prompts must carry the truth."""
        ...

    def segment(self, prompts: Sequence[Prompt]) -> list[Segmentation | ToolError]:
        """Answer each prompt, in order; a failure that the policy may read is a ToolError in its place."""
        ...


EVERYTHING = frozenset({"box", "points", "text"})
SPOKEN = {"box": "a box", "points": "points", "text": "words"}


def takes(segmenter: Segmenter) -> frozenset[str]:
    """Return how a segmenter is asked; by default in all ways."""
    return getattr(segmenter, "takes", EVERYTHING)


def ask(segmenter: Segmenter, prompts: Sequence[Prompt]) -> list[Segmentation | ToolError]:
    """Return a segmenter's answers, checked: a wrong one is a bug of the segmenter and raised with its name.

    What it does not take is answered with a ToolError and does not reach it; nor does the truth one that does not
    declare that it needs it.
    """
    known = takes(segmenter)
    taken = [prompt for prompt in prompts if prompt.asks <= known]
    if not segmenter.needs_truth:
        taken = [replace(prompt, truth=None) if prompt.truth else prompt for prompt in taken]
    answers = iter(_checked(segmenter, taken) if taken else [])
    refused = f"this segmenter is asked by {' or '.join(SPOKEN[way] for way in sorted(known))} only"
    return [next(answers) if prompt.asks <= known else ToolError(refused) for prompt in prompts]


def _checked(segmenter: Segmenter, prompts: Sequence[Prompt]) -> list[Segmentation | ToolError]:
    name = f"segmenter {type(segmenter).__name__}"
    answers = segmenter.segment(prompts)
    if not isinstance(answers, Sequence) or len(answers) != len(prompts):
        got = len(answers) if isinstance(answers, Sequence) else f"by a {type(answers).__name__}, not a list,"
        raise ValueError(f"{name} answered {got} of {len(prompts)} prompts")
    for prompt, answer in zip(prompts, answers, strict=True):
        if isinstance(answer, ToolError):
            continue
        if not isinstance(answer, Segmentation):
            raise TypeError(f"{name} returned a {type(answer).__name__}, not a Segmentation")
        width, height = prompt.source.size
        if isinstance(answer.found, Mask):
            wrong = "" if answer.found.size == (width, height) else f"a mask of {answer.found.size} (width, height)"
        else:
            wrong = _wrong(np.asarray(answer.found), (height, width))
        if wrong:
            raise ValueError(f"{name} returned {wrong}, not bool of shape {(height, width)}")
    return list(answers)


def _wrong(bits: NDArray[Any], shape: tuple[int, int]) -> str:
    if bits.shape == shape and bits.dtype == np.bool_:
        return ""
    undefined = bits.dtype.kind == "f" and bool(np.isnan(bits).any())
    return f"{bits.dtype} of shape {bits.shape}{' with NaN' if undefined else ''}"


def clipped(bits: Bits, prompt: Prompt) -> Bits:
    """Take off what lies outside the region that the policy was looking at."""
    x1, y1, x2, y2 = snap(prompt.region, prompt.source.size)
    kept = np.zeros_like(bits)
    kept[y1:y2, x1:x2] = bits[y1:y2, x1:x2]
    return kept
