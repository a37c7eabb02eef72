"""The servers published with Ophiuchus (SII-zyj/Ophiuchus): images by path in a shared folder, masks as files.

SAM 2: ``POST /segment`` with ``image_path``, ``bbox``, ``clicklist`` and ``labels``, answered by an npz with ``masks``
``(C, H, W)`` and ``scores``. BiomedParse: ``POST /biomedparse`` with ``image_path`` and ``captions``, answered by
``mask_path``.
"""

import io
import tempfile
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from zipfile import BadZipFile

import numpy as np

from ...core.errors import InputError, ToolError
from ...core.mask import Bits
from ...tasks.readers import read_mask
from ..segmenter import Prompt, Segmentation, clipped
from .embedding import ambiguous, best
from .server import SILENT, Answer, Server, encoded


class Published:
    """Speaks the published servers' own protocol, so that who runs them can go on."""

    name = ""
    needs_truth = False

    def __init__(self, sam2: str, biomedparse: str, folder: str, timeout: float, retries: int) -> None:
        self.folder = Path(folder or tempfile.mkdtemp(prefix="medgym-images-")).absolute()
        if not self.folder.is_dir():
            raise InputError(f"segmenter 'remote': folder={folder!r} is no folder; expected one that the servers share")
        self.boxes = Server(sam2, timeout, retries) if sam2 else None
        self.words = Server(biomedparse, timeout, retries) if biomedparse else None
        self.takes = frozenset({"box", "points"} if sam2 else ()) | frozenset({"text"} if biomedparse else ())
        for server in filter(None, (self.boxes, self.words)):
            if server.request("GET", "/health") is None:
                raise InputError(f"segmenter 'remote': nobody answers at {server.url}")
        self._threads = ThreadPoolExecutor(4, "medgym-published")

    def segment(self, prompts: Sequence[Prompt]) -> list[Answer]:
        """Answer each prompt: these servers take one at a time."""
        for prompt in prompts:
            path = self._path(prompt)
            if not path.exists():
                partial = path.with_suffix(".part")
                partial.write_bytes(encoded(prompt.source))
                partial.replace(path)
        return list(self._threads.map(self._one, prompts))

    def _path(self, prompt: Prompt) -> Path:
        return self.folder / f"{prompt.source.digest}.png"

    def _one(self, prompt: Prompt) -> Answer:
        try:
            bits = self._by_words(prompt) if prompt.text else self._by_box(prompt)
        except (InputError, ValueError, KeyError, TypeError, OSError, BadZipFile):
            return ToolError("the segmentation server answered with what is no mask")
        if isinstance(bits, str):
            return ToolError(bits)
        return Segmentation(clipped(bits, prompt))

    def _by_box(self, prompt: Prompt) -> Bits | str:
        assert self.boxes is not None
        asked = {
            "image_path": str(self._path(prompt)),
            "bbox": list(prompt.box) if prompt.box else None,
            "clicklist": [list(point) for point in prompt.points] or None,
            "labels": list(prompt.labels) or None,
            "multimask_output": ambiguous(prompt.box is not None, len(prompt.points)),
        }
        reply = self.boxes.request("POST", "/segment", asked)
        if reply is None or reply.status_code != 200:
            return SILENT if reply is None else f"the segmentation server failed with status {reply.status_code}"
        with np.load(io.BytesIO(reply.content), allow_pickle=False) as found:
            bits = best(found["masks"] > 0, found["scores"])
        width, height = prompt.source.size
        if bits.shape != (height, width):
            raise ValueError(f"a mask of {bits.shape}")
        return bits

    def _by_words(self, prompt: Prompt) -> Bits | str:
        assert self.words is not None
        asked = {"image_path": str(self._path(prompt)), "captions": prompt.text}
        reply = self.words.request("POST", "/biomedparse", asked)
        if reply is None or reply.status_code != 200:
            return SILENT if reply is None else f"the segmentation server failed with status {reply.status_code}"
        return read_mask(reply.json()["mask_path"], prompt.source.size).bits()
