"""Segmenters over segmenters: answers that are remembered, one that takes what another does not, and faults."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from ...core.cache import ByteCache
from ...core.errors import InputError, ToolError
from ...core.geometry import box_iou
from ...core.mask import Mask
from ..segmenter import Prompt, Segmentation, Segmenter, ask, takes

Answer = Segmentation | ToolError
MIB = 1 << 20
STRUCTURES = ("liver", "kidney", "spleen", "lung", "heart", "brain", "vertebra", "vessel", "tumor", "polyp", "nucleus")
"""What a faulty segmenter may take one structure for, by name."""
TRIES = 20


class Remembering:
    """Answers equal prompts once, in one batch or later; failures are asked again.

    Args:
        inner: whom it asks.
        cache_mb: what answers may take together, in MiB.
        again: what makes the same one in another process; without it, what it remembers is lost there, no more.
    """

    def __init__(self, inner: Segmenter, cache_mb: int = 64, again: Callable[[], Segmenter] | None = None) -> None:
        self.inner, self._again = inner, again
        self.name, self.needs_truth, self.takes = inner.name, inner.needs_truth, takes(inner)
        self.masks: ByteCache[Segmentation] = ByteCache(cache_mb * MIB, _bytes)

    def segment(self, prompts: Sequence[Prompt]) -> list[Answer]:
        """Answer each prompt, from memory where it was answered before."""
        keys = [prompt.key for prompt in prompts]
        known: dict[object, Answer] = {}
        new: dict[object, Prompt] = {}
        for key, prompt in zip(keys, prompts, strict=True):
            if key not in known and key not in new:
                found = self.masks.find(key)
                if found is None:
                    new[key] = prompt
                else:
                    known[key] = found
        for key, answer in zip(new, ask(self.inner, list(new.values())), strict=True):
            known[key] = answer
            if isinstance(answer, Segmentation):
                coded = replace(answer, found=answer.mask)
                known[key] = coded
                self.masks.keep(key, coded)
        return [known[key] for key in keys]

    def __reduce__(self) -> tuple[Callable[..., Segmenter], tuple[Segmenter, ...]]:
        """Pickle by name, so that no weights travel and a process has them once."""
        return (self._again, ()) if self._again else (Remembering, (self.inner,))


def _bytes(found: Segmentation) -> int:
    return 512 + len(found.mask.counts)


class Either:
    """Several segmenters: each prompt goes to the first that takes it."""

    def __init__(self, several: Sequence[Segmenter]) -> None:
        self.several = tuple(several)
        self.name = ""
        self.needs_truth = any(each.needs_truth for each in several)
        self.takes = frozenset().union(*map(takes, several))

    def segment(self, prompts: Sequence[Prompt]) -> list[Answer]:
        """Answer each prompt; those of one segmenter reach it together."""
        asked: dict[int, list[int]] = {}
        for i, prompt in enumerate(prompts):
            fit = (k for k, each in enumerate(self.several) if prompt.asks <= takes(each))
            asked.setdefault(next(fit, 0), []).append(i)
        answers: list[Answer] = [ToolError("nothing was asked")] * len(prompts)
        for k, places in asked.items():
            for i, answer in zip(places, ask(self.several[k], [prompts[i] for i in places]), strict=True):
                answers[i] = answer
                if isinstance(answer, Segmentation) and not answer.by:
                    answers[i] = replace(answer, by=self.several[k].name)
        return answers


@dataclass(frozen=True, eq=False)
class Faulty:
    """A segmenter that fails now and then: for policies that must learn to doubt, and for tests.

    What goes wrong is drawn from the prompt and the seed, so the same call always goes wrong in the same way.

    Attributes:
        fail: the share of calls that fail.
        empty: the share that find nothing.
        other: the share that return what lies elsewhere in the image.
        slow: the share that take `delay` seconds longer.
        seed: of all chances.
    """

    inner: Segmenter
    fail: float = 0.0
    empty: float = 0.0
    other: float = 0.0
    slow: float = 0.0
    delay: float = 1.0
    seed: int = 0

    def __post_init__(self) -> None:
        for field in ("fail", "empty", "other", "slow"):
            share = getattr(self, field)
            if isinstance(share, bool) or not isinstance(share, (int, float)) or not 0 <= share <= 1:
                raise InputError(f"faulty segmenter: {field} is a share from 0 to 1, not {share!r}")
        if self.fail + self.empty + self.other > 1:
            raise InputError("faulty segmenter: fail, empty and other are shares of all calls, at most 1 together")
        if not isinstance(self.delay, (int, float)) or not 0 <= self.delay <= 3600:
            raise InputError(f"faulty segmenter: delay is seconds from 0 to 3600, not {self.delay!r}")

    @property
    def name(self) -> str:
        """That of the segmenter: faults are not announced."""
        return self.inner.name

    @property
    def needs_truth(self) -> bool:
        """Whether the segmenter does."""
        return self.inner.needs_truth

    @property
    def takes(self) -> frozenset[str]:
        """What the segmenter takes."""
        return takes(self.inner)

    def segment(self, prompts: Sequence[Prompt]) -> list[Answer]:
        """Answer each prompt, some of them wrong."""
        drawn = [prompt.chances(self.seed) for prompt in prompts]
        slow = [chances.random() < self.slow for chances in drawn]
        if any(slow):
            time.sleep(self.delay)
        fates = [self._fate(prompt, chances) for prompt, chances in zip(prompts, drawn, strict=True)]
        found = iter(ask(self.inner, [fate for fate in fates if isinstance(fate, Prompt)]))
        return [next(found) if isinstance(fate, Prompt) else fate for fate in fates]

    def _fate(self, prompt: Prompt, chances: np.random.Generator) -> Answer | Prompt:
        """Return what becomes of a prompt: an answer at once, or what the segmenter is asked."""
        fate = chances.random()
        if fate < self.fail:
            return ToolError("the segmenter failed and gave no answer")
        if fate < self.fail + self.empty:
            return Segmentation(Mask.empty(prompt.source.size), "Nothing was found.")
        return _another(prompt, chances) if fate < self.fail + self.empty + self.other else prompt


def _another(prompt: Prompt, chances: np.random.Generator) -> Prompt:
    """Ask for another structure: another name, or a box of the same size elsewhere."""
    if prompt.text:
        names = sorted(prompt.truth.structures if prompt.truth else STRUCTURES)
        others = [name for name in names if name.lower() not in prompt.text.lower()]
        return replace(prompt, text=str(chances.choice(others or list(STRUCTURES))))
    x1, y1, x2, y2 = prompt.region
    old = prompt.box or prompt.region
    share = 1 if prompt.box else 4
    width, height = (old[2] - old[0]) / share, (old[3] - old[1]) / share
    for _ in range(TRIES):
        left, top = x1 + chances.random() * (x2 - x1 - width), y1 + chances.random() * (y2 - y1 - height)
        box = (left, top, left + width, top + height)
        if prompt.box and box_iou(box, prompt.box) < 0.1:
            break
    return replace(prompt, box=box, points=(), labels=())
