"""Segmenters by transformers: SAM, SAM 2 and MedSAM by box and points; SAM 3 and CLIPSeg by words."""

from collections.abc import Callable, Sequence
from typing import Any, ClassVar

import numpy as np

from ...core.errors import InputError, nearest
from ...core.image import Pixels
from ...core.mask import Bits
from ...spec import needs
from ..segmenter import Prompt
from .embedding import EmbeddingSegmenter, ambiguous, best, by_form, device_of

Embedding = dict[str, Any]
SIZES = ("original_sizes", "reshaped_input_sizes")
"""Of an image, ``(H, W)``: its own, and where the model pads, what is left of that."""


class _Sam(EmbeddingSegmenter[Embedding]):
    """SAM, what was tuned from it (MedSAM), and SAM 2: a box, points, or both."""

    takes = frozenset({"box", "points"})

    def __init__(self, model: Any, processor: Any, name: str, cache_mb: int) -> None:
        self.name = name
        super().__init__(cache_mb)
        self.model, self.processor = model, processor

    def _embed(self, images: Sequence[Pixels]) -> list[Embedding]:
        # One by one on a CPU: no slower there, and the same to the last bit as an image on its own.
        size = 1 if str(self.model.device) == "cpu" else len(images)
        parts = [images[start : start + size] for start in range(0, len(images), size)]
        return [embedding for part in parts for embedding in self._embed_all(part)]

    def _embed_all(self, images: Sequence[Pixels]) -> list[Embedding]:
        import torch

        given = self.processor.image_processor(list(images), return_tensors="pt")
        with torch.inference_mode():
            features = self.model.get_image_embeddings(given["pixel_values"].to(self.model.device, self.model.dtype))
        sizes = {key: given[key] for key in ("original_sizes", "reshaped_input_sizes") if key in given}
        return [
            {
                "image": _part(features, i),
                **{key: np.asarray(value)[i : i + 1].tolist() for key, value in sizes.items()},
            }
            for i in range(len(images))
        ]

    def _decode(self, embedding: Embedding, prompts: Sequence[Prompt]) -> list[Bits]:
        import torch

        found: list[Bits] = [np.zeros(0, bool)] * len(prompts)
        for (has_box, count), asked in by_form(prompts).items():
            group = [prompts[i] for i in asked]
            given = self._prompts(embedding, group, has_box, count)
            with torch.inference_mode():
                out = self.model(
                    image_embeddings=embedding["image"], multimask_output=ambiguous(has_box, count), **given
                )
            sizes = {key: embedding[key] for key in ("reshaped_input_sizes",) if key in embedding}
            masks = self.processor.image_processor.post_process_masks(
                out.pred_masks.float().cpu(), embedding["original_sizes"], **sizes
            )[0]
            for i, several, quality in zip(asked, masks.numpy(), out.iou_scores[0].float().cpu().numpy(), strict=True):
                found[i] = best(several, quality)
        return found

    def _prompts(self, embedding: Embedding, group: Sequence[Prompt], has_box: bool, count: int) -> dict[str, Any]:
        """Scale boxes and points to the pixels that the model saw."""
        import torch

        (height, width), target = embedding["original_sizes"][0], self.processor.target_size
        seen = embedding.get("reshaped_input_sizes", [[target, target]])[0]
        scale = torch.tensor([seen[1] / width, seen[0] / height])
        given: dict[str, Any] = {}
        if has_box:
            given["input_boxes"] = torch.tensor([[p.box for p in group]]) * scale.repeat(2)
        if count:
            given["input_points"] = torch.tensor([[p.points for p in group]]) * scale
            given["input_labels"] = torch.tensor([[p.labels for p in group]])
        device, dtype = self.model.device, self.model.dtype
        return {key: value.to(device, None if key == "input_labels" else dtype) for key, value in given.items()}


class _Words(EmbeddingSegmenter[Any]):
    """What is asked by words."""

    takes = frozenset({"text"})

    def __init__(self, model: Any, processor: Any, name: str, cache_mb: int, threshold: float) -> None:
        self.name = name
        super().__init__(cache_mb, together=1)
        self.model, self.processor, self.threshold = model, processor, threshold

    def _pixels(self, images: Sequence[Pixels]) -> Any:
        given = self.processor.image_processor(list(images), return_tensors="pt")
        return given["pixel_values"].to(self.model.device, self.model.dtype)

    def _tokens(self, text: str) -> dict[str, Any]:
        tokens = self.processor.tokenizer(text, return_tensors="pt", truncation=True, **self._padding)
        return {key: tokens[key].to(self.model.device) for key in ("input_ids", "attention_mask")}

    _padding: ClassVar[dict[str, Any]] = {}


class _ClipSeg(_Words):
    """CLIPSeg: one map of how much each pixel is what the words say."""

    def _embed(self, images: Sequence[Pixels]) -> list[Any]:
        import torch

        with torch.inference_mode():
            seen = self.model.clip.get_image_features(
                pixel_values=self._pixels(images), interpolate_pos_encoding=True, output_hidden_states=True
            )
        return [[seen.hidden_states[i + 1] for i in self.model.extract_layers]]

    def _decode(self, embedding: Any, prompts: Sequence[Prompt]) -> list[Bits]:
        return [self._one(embedding, prompt) for prompt in prompts]

    def _one(self, embedding: Any, prompt: Prompt) -> Bits:
        import torch

        with torch.inference_mode():
            meant = self.model.get_conditional_embeddings(batch_size=1, **self._tokens(prompt.text))
            logits = self.model.decoder(embedding, meant).logits.reshape(1, 1, *self._side(embedding))
            width, height = prompt.source.size
            large = torch.nn.functional.interpolate(logits.float(), (height, width), mode="bilinear")
        return np.asarray(large.sigmoid()[0, 0].cpu().numpy() > self.threshold)

    def _side(self, embedding: Any) -> tuple[int, int]:
        size = self.model.config.vision_config
        side = round((embedding[0].shape[1] - 1) ** 0.5) * size.patch_size
        return side, side


class _Sam3(_Words):
    """SAM 3: every object that the words name; the mask is all of them."""

    _padding: ClassVar[dict[str, Any]] = {"padding": "max_length", "max_length": 32}

    def _embed(self, images: Sequence[Pixels]) -> list[Any]:
        import torch

        with torch.inference_mode():
            return [self.model.get_vision_features(pixel_values=self._pixels(images))]

    def _decode(self, embedding: Any, prompts: Sequence[Prompt]) -> list[Bits]:
        import torch

        found = []
        for prompt in prompts:
            width, height = prompt.source.size
            with torch.inference_mode():
                out = self.model(vision_embeds=embedding, **self._tokens(prompt.text))
            objects = self.processor.image_processor.post_process_instance_segmentation(
                out, threshold=self.threshold, target_sizes=[(height, width)]
            )[0]["masks"]
            found.append(np.asarray(objects.bool().cpu().numpy().reshape(-1, height, width).any(0)))
        return found


def _part(features: Any, i: int) -> Any:
    return (
        [level[i : i + 1].clone() for level in features]
        if isinstance(features, (list, tuple))
        else features[i : i + 1].clone()
    )


FAMILIES: dict[str, tuple[str, Callable[..., Any]]] = {
    "sam": ("SamModel", _Sam),
    "sam2": ("Sam2Model", _Sam),
    "sam2_video": ("Sam2Model", _Sam),
    "sam3": ("Sam3Model", _Sam3),
    "sam3_video": ("Sam3Model", _Sam3),
    "clipseg": ("CLIPSegForImageSegmentation", _ClipSeg),
}
"""By the checkpoint's type: the class that loads it, and how it is asked."""


def load(
    model: str = "facebook/sam-vit-base", device: str = "auto", threshold: float = 0.5, cache_mb: int = 2048
) -> Any:
    """Load a checkpoint of transformers, by its name on the hub or its folder.

    Args:
        model: SAM, SAM 2 or MedSAM, asked by box and points; SAM 3 or CLIPSeg, asked by words.
        device: where it runs; by default the GPU where there is one.
        threshold: of the models asked by words: how sure they must be.
        cache_mb: what embeddings may take together, in MiB.

    Raises:
        InputError: where there is no such checkpoint, or it is of a kind that cannot segment by a prompt.
    """
    needs("transformers", "sam2", "segmenter 'transformers'")
    import transformers

    try:
        kind = transformers.AutoConfig.from_pretrained(model).model_type
    except (OSError, ValueError) as error:
        raise InputError(f"segmenter 'transformers': {model!r} cannot be read: {error}") from error
    if kind not in FAMILIES:
        raise InputError(f"segmenter 'transformers': {model!r} is a {kind!r}{nearest(kind, FAMILIES)}")
    loader, family = FAMILIES[kind]
    loaded = getattr(transformers, loader).from_pretrained(model).to(device_of(device)).eval()
    processor = transformers.AutoProcessor.from_pretrained(model)
    name = model.rstrip("/").rsplit("/", 1)[-1]
    extra = {"threshold": threshold} if family is not _Sam else {}
    return family(loaded, processor, name, cache_mb, **extra)
