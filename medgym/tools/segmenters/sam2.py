"""SAM 2 by the sam2 package, asked by box, points or both."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ...core.errors import InputError, nearest
from ...core.image import Pixels
from ...core.mask import Bits
from ...spec import needs
from ..segmenter import Prompt
from .embedding import EmbeddingSegmenter, ambiguous, best, by_form, device_of

SIZES = {"tiny": "t", "small": "s", "base_plus": "b+", "large": "l"}
RANDOM = "random-"
Embedding = dict[str, Any]


class Sam2(EmbeddingSegmenter[Embedding]):
    """SAM 2 asked by box and points, not by words.

    Args:
        model: a name on the hub, such as ``facebook/sam2.1-hiera-large``; a checkpoint's path, such as
            ``sam2.1_hiera_large.pt``; or random weights by name, such as ``random-tiny``.
        config: of a checkpoint whose name does not tell it, such as ``configs/sam2.1/sam2.1_hiera_l.yaml``.
        device: where it runs; by default the GPU where there is one.
        cache_mb: what embeddings may take together, in MiB.
        seed: of random weights.

    Raises:
        InputError: where there is no such model.
    """

    name = "SAM 2"
    takes = frozenset({"box", "points"})

    def __init__(
        self,
        model: str = "facebook/sam2.1-hiera-large",
        config: str = "",
        device: str = "auto",
        cache_mb: int = 2048,
        seed: int = 0,
    ) -> None:
        super().__init__(cache_mb)
        needs("sam2", "sam2", "segmenter 'sam2'")
        from sam2.sam2_image_predictor import SAM2ImagePredictor

        self.predictor = SAM2ImagePredictor(_build(model, config, device_of(device), seed))

    def _embed(self, images: Sequence[Pixels]) -> list[Embedding]:
        predictor = self.predictor
        # One by one on a CPU: no slower there, and the same to the last bit as an image on its own.
        size = len(images) if predictor.device.type == "cuda" else 1
        made = []
        for start in range(0, len(images), size):
            predictor.set_image_batch(list(images[start : start + size]))
            features, sizes = predictor._features, predictor._orig_hw
            for i, shape in enumerate(sizes):
                one = features["image_embed"][i : i + 1].clone()
                fine = [level[i : i + 1].clone() for level in features["high_res_feats"]]
                made.append({"image_embed": one, "high_res_feats": fine, "shape": tuple(shape)})
        predictor.reset_predictor()
        return made

    def _decode(self, embedding: Embedding, prompts: Sequence[Prompt]) -> list[Bits]:
        predictor = self.predictor
        # What `set_image` leaves behind: sam2 has no public way to come back to an image.
        predictor._features = {key: embedding[key] for key in ("image_embed", "high_res_feats")}
        predictor._orig_hw, predictor._is_image_set, predictor._is_batch = [embedding["shape"]], True, True
        found: list[Bits] = [np.zeros(0, bool)] * len(prompts)
        for (has_box, count), asked in by_form(prompts).items():
            group = [prompts[i] for i in asked]
            masks, scores, _ = predictor.predict_batch(
                [np.array([p.points for p in group], np.float32)] if count else None,
                [np.array([p.labels for p in group], np.int32)] if count else None,
                [np.array([p.box for p in group], np.float32)] if has_box else None,
                multimask_output=ambiguous(has_box, count),
            )
            height, width = embedding["shape"]
            each = masks[0].reshape(len(group), -1, height, width), scores[0].reshape(len(group), -1)
            for i, several, quality in zip(asked, *each, strict=True):
                found[i] = best(several, quality)
        predictor.reset_predictor()
        return found


def _build(model: str, config: str, device: str, seed: int) -> Any:
    from sam2.build_sam import HF_MODEL_ID_TO_FILENAMES, build_sam2, build_sam2_hf

    if model.startswith(RANDOM):
        import torch

        size = model.removeprefix(RANDOM)
        if size not in SIZES:
            raise InputError(f"segmenter 'sam2': no size {size!r}{nearest(size, SIZES)}")
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            return build_sam2(config or _config(size), ckpt_path=None, device=device)
    if model in HF_MODEL_ID_TO_FILENAMES:
        try:
            return build_sam2_hf(model, device=device)
        except (OSError, ValueError) as error:
            raise InputError(f"segmenter 'sam2': cannot get {model} from the hub: {error}") from error
    if not Path(model).is_file():
        known = [*HF_MODEL_ID_TO_FILENAMES, *(RANDOM + size for size in SIZES)]
        raise InputError(f"segmenter 'sam2': model={model!r} is no file{nearest(model, known)}, or a checkpoint's path")
    found = config or next((_config(size) for size in SIZES if f"hiera_{size}" in Path(model).name), "")
    if not found:
        raise InputError(f"segmenter 'sam2': name the config of {model}, such as config={_config('large')}")
    try:
        return build_sam2(
            found if config or "2.1" in Path(model).name else found.replace("2.1", "2"), model, device=device
        )
    except Exception as error:  # torch, hydra and sam2 each have their own for a file that does not fit
        raise InputError(f"segmenter 'sam2': {model} does not fit {found}: {type(error).__name__}: {error}") from error


def _config(size: str) -> str:
    return f"configs/sam2.1/sam2.1_hiera_{SIZES[size]}.yaml"
