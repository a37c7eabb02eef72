"""Tiny models of the real classes, with random weights, written as checkpoints."""

import json
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from medgym.core.image import SourceImage
from medgym.core.view import View
from medgym.tools.segmenter import Prompt

BOX = (10.0, 10.0, 60.0, 50.0)
LETTERS = "abcdefghijklmnopqrstuvwxyz"
WORDS = {"vocab_size": 64, "bos_token_id": 0, "eos_token_id": 1, "pad_token_id": 1, "max_position_embeddings": 32}


def picture(seed: int = 0, width: int = 120, height: int = 90) -> SourceImage:
    return SourceImage.of(np.random.default_rng(seed).integers(0, 255, (height, width, 3)).astype(np.uint8))


def view(source: SourceImage) -> View:
    return View.whole(source, 512, index=1)


def marked(source: SourceImage) -> list[Prompt]:
    """Ask by box, by one point, by two, and by both."""
    seen = view(source)
    return [
        Prompt(seen, box=BOX),
        Prompt(seen, points=((20.0, 30.0),), labels=(1,)),
        Prompt(seen, points=((20.0, 30.0), (60.0, 20.0)), labels=(1, 0)),
        Prompt(seen, box=BOX, points=((20.0, 30.0),), labels=(1,)),
        Prompt(seen, box=(20.0, 10.0, 70.0, 50.0)),
    ]


@pytest.fixture(scope="session")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """Write a tiny checkpoint of a kind, once."""
    root = tmp_path_factory.mktemp("checkpoints")

    def written(kind: str) -> Path:
        folder = root / kind
        if not folder.exists():
            import torch

            torch.manual_seed(0)
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                model, processor = {"sam": _sam, "sam2": _sam2, "sam3": _sam3, "clipseg": _clipseg}[kind](root)
            model.eval().save_pretrained(folder)
            processor.save_pretrained(folder)
        return folder

    return written


def _sam(_: Path) -> Any:
    import transformers as t

    seen = {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "image_size": 64, "patch_size": 8}
    seen |= {"output_channels": 16, "mlp_dim": 32, "global_attn_indexes": [1], "window_size": 4, "num_pos_feats": 8}
    asked = {"hidden_size": 16, "image_size": 64, "patch_size": 8, "image_embedding_size": 8}
    config = t.SamConfig(vision_config=seen, prompt_encoder_config=asked, mask_decoder_config=_decoder())
    images = t.SamImageProcessor(size={"longest_edge": 64}, pad_size={"height": 64, "width": 64})
    return t.SamModel(config), t.SamProcessor(images)


def _sam2(_: Path) -> Any:
    import transformers as t

    backbone = t.Sam2HieraDetConfig(
        hidden_size=16, blocks_per_stage=[1, 1, 2, 1], embed_dim_per_stage=[16, 32, 64, 128],
        num_attention_heads_per_stage=[1, 1, 2, 2], image_size=[128, 128], global_attention_blocks=[3],
        window_size_per_stage=[8, 4, 4, 4], window_positional_embedding_background_size=[4, 4],
    )  # fmt: skip
    seen = t.Sam2VisionConfig(
        backbone_config=backbone, backbone_channel_list=[128, 64, 32, 16], fpn_hidden_size=16,
        backbone_feature_sizes=[[32, 32], [16, 16], [8, 8]],
    )  # fmt: skip
    asked = {"hidden_size": 16, "image_size": 128, "patch_size": 16}
    config = t.Sam2Config(vision_config=seen, prompt_encoder_config=asked, mask_decoder_config=_decoder())
    images = t.Sam2ImageProcessor(size={"height": 128, "width": 128}, mask_size={"height": 32, "width": 32})
    return t.Sam2Model(config), t.Sam2Processor(images)


def _sam3(root: Path) -> Any:
    import transformers as t

    plain = {"hidden_size": 32, "num_attention_heads": 2, "intermediate_size": 32}
    backbone = {
        "model_type": "sam3_vit_model", "num_hidden_layers": 2, "image_size": 112, "patch_size": 14, "window_size": 4,
        "global_attn_indexes": [1], "pretrain_image_size": 56, **plain,
    }  # fmt: skip
    config = t.Sam3Config(
        vision_config={
            "backbone_config": backbone, "fpn_hidden_size": 32, "backbone_feature_sizes": [[32, 32], [16, 16], [8, 8]],
        },
        text_config={"num_hidden_layers": 1, "projection_dim": 32, **plain, **WORDS},
        geometry_encoder_config={"num_layers": 1, **plain},
        detr_encoder_config={"num_layers": 1, **plain},
        detr_decoder_config={"num_layers": 1, "num_queries": 8, **plain},
        mask_decoder_config={"hidden_size": 32, "num_attention_heads": 2},
    )  # fmt: skip
    images = t.Sam3ImageProcessor(size={"height": 112, "width": 112}, mask_size={"height": 32, "width": 32})
    return t.Sam3Model(config), t.Sam3Processor(images, _tokenizer(root))


def _clipseg(root: Path) -> Any:
    import transformers as t

    plain = {"hidden_size": 16, "intermediate_size": 16, "num_attention_heads": 2}
    config = t.CLIPSegConfig(
        text_config={"num_hidden_layers": 1, "projection_dim": 16, **plain, **WORDS},
        vision_config={"num_hidden_layers": 4, "image_size": 64, "patch_size": 8, **plain},
        projection_dim=16, extract_layers=[1, 2, 3], reduce_dim=16, decoder_num_attention_heads=2,
        decoder_intermediate_size=16,
    )  # fmt: skip
    images = t.ViTImageProcessor(size={"height": 64, "width": 64})
    return t.CLIPSegForImageSegmentation(config), t.CLIPSegProcessor(images, _tokenizer(root))


def _decoder() -> dict[str, int]:
    return {
        "hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "iou_head_hidden_dim": 16, "mlp_dim": 32,
    }  # fmt: skip


def _tokenizer(root: Path) -> Any:
    from transformers import CLIPTokenizerFast

    folder = root / "tokenizer"
    folder.mkdir(exist_ok=True)
    pieces = ["<|startoftext|>", "<|endoftext|>", *LETTERS, *(f"{letter}</w>" for letter in LETTERS)]
    (folder / "vocab.json").write_text(json.dumps({piece: i for i, piece in enumerate(pieces)}))
    (folder / "merges.txt").write_text("#version: 0.2\n")
    return CLIPTokenizerFast.from_pretrained(folder)
