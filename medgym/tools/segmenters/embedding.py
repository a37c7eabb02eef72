"""Segmenters that embed an image once and are then asked about it: the embedding is what a call costs."""

import threading
from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any, ClassVar, Generic, TypeVar

import numpy as np
from numpy.typing import NDArray

from ...core.cache import ByteCache
from ...core.errors import InputError, ToolError
from ...core.image import Pixels, SourceImage
from ...core.mask import Bits
from ..segmenter import Prompt, Segmentation, clipped

E = TypeVar("E")
MIB = 1 << 20


class EmbeddingSegmenter(ABC, Generic[E]):
    """Embeds images in batches, holds the embeddings by content, and asks them each prompt.

    Args:
        cache_mb: what embeddings may take together, in MiB, where the model runs.
        together: how many images are embedded at once.
    """

    name: str
    needs_truth: ClassVar[bool] = False
    takes: frozenset[str]

    def __init__(self, cache_mb: int = 2048, together: int = 8) -> None:
        for setting, number in (("cache_mb", cache_mb), ("together", together)):
            if isinstance(number, bool) or not isinstance(number, int) or number < 1:
                raise InputError(f"segmenter {self.name!r}: {setting} is a whole number from 1, not {number!r}")
        self.embeddings: ByteCache[E] = ByteCache(cache_mb * MIB, tensor_bytes)
        self.embedded = 0
        self._together = together
        self._lock = threading.Lock()

    def segment(self, prompts: Sequence[Prompt]) -> list[Segmentation | ToolError]:
        """Answer each prompt; images not seen before are embedded in batches first."""
        answers: list[Segmentation | ToolError] = [ToolError("nothing was asked")] * len(prompts)
        by_image: dict[str, list[int]] = {}
        for i, prompt in enumerate(prompts):
            by_image.setdefault(prompt.source.digest, []).append(i)
        images = list(by_image)
        with self._lock:
            for start in range(0, len(images), self._together):
                part = images[start : start + self._together]
                embeddings = self._embeddings({digest: prompts[by_image[digest][0]].source for digest in part})
                for digest in part:
                    asked = by_image[digest]
                    found = self._decode(embeddings[digest], [prompts[i] for i in asked])
                    for i, bits in zip(asked, found, strict=True):
                        answers[i] = Segmentation(clipped(bits, prompts[i]))
        return answers

    def _embeddings(self, images: dict[str, SourceImage]) -> dict[str, E]:
        known = {digest: self.embeddings.find(digest) for digest in images}
        new = [digest for digest, embedding in known.items() if embedding is None]
        if new:
            made = self._embed([colour(images[digest].pixels) for digest in new])
            self.embedded += len(new)
            for digest, embedding in zip(new, made, strict=True):
                known[digest] = embedding
                self.embeddings.keep(digest, embedding)
        return {digest: embedding for digest, embedding in known.items() if embedding is not None}

    @abstractmethod
    def _embed(self, images: Sequence[Pixels]) -> list[E]:
        """Embed images, each ``(H, W, 3) uint8 RGB``."""

    @abstractmethod
    def _decode(self, embedding: E, prompts: Sequence[Prompt]) -> list[Bits]:
        """Return the ``(H, W)`` bits of each prompt on one image."""


def colour(pixels: Pixels) -> Pixels:
    """Return ``(H, W, 3) uint8`` of its own, which torch wants to be writable: what models were trained on."""
    return pixels.copy() if pixels.ndim == 3 else np.repeat(pixels[..., None], 3, -1)


def tensor_bytes(value: Any) -> int:
    """Count the bytes of all tensors in a value."""
    if hasattr(value, "element_size"):
        return int(value.element_size() * value.nelement())
    if isinstance(value, dict):
        return sum(map(tensor_bytes, value.values()))
    return sum(map(tensor_bytes, value)) if isinstance(value, (list, tuple)) else 0


def best(masks: NDArray[Any], scores: NDArray[Any]) -> Bits:
    """Return of several masks, ``(C, H, W)``, the one that its model believes in most."""
    return np.asarray(masks[int(np.argmax(scores))], bool)


def by_form(prompts: Sequence[Prompt]) -> dict[tuple[bool, int], list[int]]:
    """Group prompts that can be decoded together: with a box or without, and by the number of points."""
    groups: dict[tuple[bool, int], list[int]] = {}
    for i, prompt in enumerate(prompts):
        groups.setdefault((prompt.box is not None, len(prompt.points)), []).append(i)
    return groups


def ambiguous(has_box: bool, points: int) -> bool:
    """Whether a prompt may mean a part or the whole: SAM then offers three masks, and the best is taken."""
    return not has_box and points == 1


def device_of(device: str) -> str:
    """Choose where a model runs: ``auto`` is the GPU where there is one."""
    import torch

    if device != "auto":
        return device
    return "cuda" if torch.cuda.is_available() else "cpu"
