"""A segmenter that looks the mask up and degrades it: for training without a GPU, and for learning doubt.

It needs the truth, which the policy never sees, and names itself in what it returns. Its error is drawn from
the prompt and the seed, so the same call on the same task always fails in the same way.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from scipy import ndimage

from ...core.errors import InputError, ToolError
from ...core.geometry import box_iou
from ...core.mask import Bits, Mask
from ..segmenter import Prompt, Segmentation, clipped

NEUTRAL = {
    *("the", "a", "an", "of", "in", "on", "this", "that", "all", "every", "any", "please", "segment", "find", "show"),
    *("image", "picture", "scan", "slice", "ct", "mri", "dark", "bright", "round", "large", "small", "visible"),
}
"""Words that may stand beside a structure's name and name nothing."""

SPELLED = {"tumour": "tumor", "tumours": "tumor", "masses": "mass", "metastases": "metastasis"}

MATCH = 0.3
"""A box this much like a structure's own means that structure; anything looser means none."""


@dataclass(frozen=True)
class Simulated:
    """Truth with a seeded error.

    Attributes:
        error: how far the border is off, as a share of the structure's size (0: exact).
        miss: the chance that it finds nothing.
        swap: the chance that it returns another structure.
        seed: of all chances.
    """

    error: float = 0.1
    miss: float = 0.0
    swap: float = 0.0
    seed: int = 0

    name: ClassVar[str] = "simulated"
    needs_truth: ClassVar[bool] = True

    def __post_init__(self) -> None:
        for field, most in (("error", 1.0), ("miss", 1.0), ("swap", 1.0)):
            value = getattr(self, field)
            if not isinstance(value, (int, float)) or not 0 <= value <= most:
                raise InputError(f"simulated segmenter: {field} is a number from 0 to {most:g}, not {value!r}")

    def segment(self, prompts: Sequence[Prompt]) -> list[Segmentation | ToolError]:
        """Answer each prompt from its truth."""
        return [self._one(prompt) for prompt in prompts]

    def _one(self, prompt: Prompt) -> Segmentation | ToolError:
        width, height = prompt.source.size
        nothing = Segmentation(np.zeros((height, width), bool), "Nothing was found.")
        truth = prompt.truth
        if truth is None:
            raise ValueError("the simulated segmenter was asked without the truth")
        known = dict(truth.on(prompt.view.sheet))
        meant = _named(prompt.text, known) if prompt.text else _marked(prompt, known)
        if meant is None:
            return nothing
        rng = prompt.chances(self.seed)
        chance = rng.random(2)
        if chance[0] < self.miss:
            return nothing
        others = sorted(name for name in known if name != meant and known[name].area)
        if chance[1] < self.swap and others:
            meant = others[int(rng.integers(len(others)))]
        bits = _degraded(known[meant].bits(), self.error, rng)
        seen = clipped(bits, prompt)
        return Segmentation(seen) if seen.any() else nothing


def _named(text: str, known: dict[str, Mask]) -> str | None:
    """Return the structure that the words name: all words of its name, and none of another beside it.

    A part of a name will do where one structure alone has it. Any other word may name what is not there, so a text
    that holds one means none of them: a liver is not what ``liver metastases`` asks for.
    """
    asked = _words(text)
    if not asked - NEUTRAL:
        return None
    names = {name: _words(name) for name in sorted(known) if known[name].area}
    named = [name for name, words in names.items() if words and words <= asked]
    if named:
        longest = max(named, key=lambda name: len(names[name]))
        return longest if asked - names[longest] <= NEUTRAL else None
    partly = [name for name, words in names.items() if asked - NEUTRAL <= words]
    return partly[0] if len(partly) == 1 else None


def _words(text: str) -> set[str]:
    words = [SPELLED.get(word, word) for word in re.findall(r"[^\W_]+", text.lower())]
    return {word if word in NEUTRAL or word.endswith(("ss", "is", "us")) else word.removesuffix("s") for word in words}


def _marked(prompt: Prompt, known: dict[str, Mask]) -> str | None:
    if prompt.box is None and not any(prompt.labels):
        return None
    best: tuple[float, float, str] | None = None
    for name, mask in known.items():
        if mask.box is None:
            continue
        likeness = 1.0
        if prompt.box is not None:
            likeness = box_iou(prompt.box, mask.box)
            if likeness < MATCH:
                continue
        if prompt.points and not _agrees(prompt, mask.bits()):
            continue
        ranked = (likeness, -float(mask.area), name)
        best = max(best, ranked) if best else ranked
    return best[2] if best else None


def _agrees(prompt: Prompt, bits: Bits) -> bool:
    height, width = bits.shape
    return all(
        bool(bits[min(int(y), height - 1), min(int(x), width - 1)]) == bool(label)
        for (x, y), label in zip(prompt.points, prompt.labels, strict=True)
    )


def _degraded(bits: Bits, error: float, rng: np.random.Generator) -> Bits:
    """Move the border by a smooth random field of `error` times the structure's radius."""
    if error == 0 or not bits.any():
        return bits
    rows, columns = np.flatnonzero(bits.any(1)), np.flatnonzero(bits.any(0))
    radius = float(np.sqrt(bits.sum() / np.pi))
    pad = int(np.ceil(4 * error * radius)) + 2
    top, left = max(0, rows[0] - pad), max(0, columns[0] - pad)
    part = bits[top : rows[-1] + pad + 1, left : columns[-1] + pad + 1]
    distance = ndimage.distance_transform_edt(part) - ndimage.distance_transform_edt(~part)
    coarse = rng.standard_normal((5, 5))
    field = ndimage.zoom(coarse, [(s + 1) / 5 for s in part.shape], order=3)[: part.shape[0], : part.shape[1]]
    field = np.pad(field, [(0, s - f) for s, f in zip(part.shape, field.shape, strict=True)], mode="edge")
    moved = np.zeros_like(bits)
    moved[top : top + part.shape[0], left : left + part.shape[1]] = distance > error * radius * field
    return moved
