"""Policies of a few million parameters, with random weights, of the same classes as the real ones.

The tokenizer is trained on what the environment says, so a prompt that takes a real tokenizer a thousand tokens takes
a few hundred, and a small model on a CPU can learn to play.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from ..core.errors import InputError, nearest

SPECIAL = (
    "<|endoftext|>",
    "<|im_start|>",
    "<|im_end|>",
    "<|vision_start|>",
    "<|vision_end|>",
    "<|image_pad|>",
    "<|video_pad|>",
)
TAGS = tuple(f"<{end}{tag}>" for tag in ("think", "tool_call", "tool_response", "answer") for end in ("", "/"))

ROLES = ("system", "user", "assistant")

TEMPLATE = """{%- for message in messages -%}
{{- '<|im_start|>' + message.role + '\\n' -}}
{%- if message.content is string -%}{{- message.content -}}
{%- else -%}
{%- for part in message.content -%}
{%- if part.type == 'image' -%}<|vision_start|><|image_pad|><|vision_end|>{%- else -%}{{- part.text -}}{%- endif -%}
{%- endfor -%}
{%- endif -%}
{{- '<|im_end|>\\n' -}}
{%- endfor -%}
{%- if add_generation_prompt -%}{{- '<|im_start|>assistant\\n' -}}{%- endif -%}"""
"""ChatML, as Qwen's models have it."""


@dataclass(frozen=True)
class Shape:
    """How large a small policy is.

    Attributes:
        patch: the side of a patch, in pixels.
        merge: so many patches by so many make a token.
        tokens: how many pieces the tokenizer learns.
    """

    hidden: int = 128
    layers: int = 4
    heads: int = 4
    seen: int = 96
    depth: int = 4
    patch: int = 8
    merge: int = 2
    tokens: int = 512


SHAPE = Shape()


def small_tokenizer(texts: Iterable[str], tokens: int, phrases: Iterable[str] = ()) -> Any:
    """Train a byte-level tokenizer on texts.

    Digits stand alone, so that numbers are written digit by digit; all else merges across words, so that what is said
    often is short. What the environment always says, `phrases`, is one token each.
    """
    from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast

    core = Tokenizer(models.BPE())
    core.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(r"\d|\n|[^\d\n]+"), "isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    core.decoder = decoders.ByteLevel()
    core.train_from_iterator(
        texts,
        trainers.BpeTrainer(
            vocab_size=tokens + 256,
            special_tokens=list(SPECIAL),
            initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
            show_progress=False,
        ),
    )
    core.add_tokens([AddedToken(each, normalized=False) for each in dict.fromkeys((*TAGS, *ROLES, *phrases))])
    return PreTrainedTokenizerFast(
        tokenizer_object=core, eos_token="<|im_end|>", pad_token="<|endoftext|>", padding_side="left"
    )


def small_policy(
    texts: Iterable[str],
    phrases: Iterable[str] = (),
    *,
    architecture: str = "qwen3_vl",
    shape: Shape = SHAPE,
    side: int = 128,
    seed: int = 0,
) -> tuple[Any, Any]:
    """Build a model with random weights and its processor.

    Args:
        texts: what the tokenizer learns from: prompts and actions of the environment.
        phrases: what the environment always says, such as its system prompt: one token each.
        architecture: ``qwen3_vl`` or ``qwen2_5_vl``, the classes of the real models.
        side: the longest side of an image that is shown as it is, in pixels; larger ones are scaled down.
        seed: of the weights.
    """
    import torch
    import transformers

    if architecture not in ARCHITECTURES:
        raise InputError(f"unknown architecture {architecture!r}{nearest(architecture, ARCHITECTURES)}")
    tokenizer = small_tokenizer(texts, shape.tokens, phrases)
    classes, videos, configured = ARCHITECTURES[architecture]
    config = configured(shape, tokenizer)
    pixels = {"shortest_edge": (2 * shape.merge * shape.patch) ** 2, "longest_edge": side**2}
    parts: dict[str, Any] = {"patch_size": shape.patch, "merge_size": shape.merge, "size": pixels}
    processor = getattr(transformers, classes + "Processor")(
        image_processor=transformers.Qwen2VLImageProcessor(**parts),
        tokenizer=tokenizer,
        video_processor=getattr(transformers, videos)(**parts),
        chat_template=TEMPLATE,
    )
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        model = getattr(transformers, classes + "ForConditionalGeneration")(config)
    model.generation_config.pad_token_id = tokenizer.pad_token_id
    model.generation_config.eos_token_id = tokenizer.eos_token_id
    return model, processor


def _text(shape: Shape, tokenizer: Any) -> dict[str, Any]:
    head = shape.hidden // shape.heads
    return {
        "vocab_size": len(tokenizer),
        "hidden_size": shape.hidden,
        "intermediate_size": 3 * shape.hidden,
        "num_hidden_layers": shape.layers,
        "num_attention_heads": shape.heads,
        "num_key_value_heads": shape.heads // 2,
        "head_dim": head,
        "max_position_embeddings": 8192,
        "rope_parameters": {
            "rope_type": "default",
            "rope_theta": 10000.0,
            "mrope_section": [head // 2 - 2 * (head // 6), head // 6, head // 6],
        },
        "tie_word_embeddings": True,
        "pad_token_id": tokenizer.pad_token_id,
        "eos_token_id": tokenizer.eos_token_id,
    }


def _ids(tokenizer: Any) -> dict[str, Any]:
    names = {"image_token_id": "<|image_pad|>", "video_token_id": "<|video_pad|>"}
    names |= {"vision_start_token_id": "<|vision_start|>", "vision_end_token_id": "<|vision_end|>"}
    return {key: tokenizer.convert_tokens_to_ids(token) for key, token in names.items()}


def _vision(shape: Shape) -> dict[str, Any]:
    return {
        "depth": shape.depth,
        "hidden_size": shape.seen,
        "intermediate_size": 2 * shape.seen,
        "num_heads": 4,
        "patch_size": shape.patch,
        "spatial_merge_size": shape.merge,
        "out_hidden_size": shape.hidden,
    }


def _qwen3_vl(shape: Shape, tokenizer: Any) -> Any:
    from transformers import Qwen3VLConfig

    vision = {**_vision(shape), "num_position_embeddings": 256, "deepstack_visual_indexes": [shape.depth // 2]}
    text, ids = _text(shape, tokenizer), _ids(tokenizer)
    return Qwen3VLConfig(text_config=text, vision_config=vision, tie_word_embeddings=True, **ids)


def _qwen2_5_vl(shape: Shape, tokenizer: Any) -> Any:
    from transformers import Qwen2_5_VLConfig

    vision = {**_vision(shape), "window_size": 8 * shape.patch, "fullatt_block_indexes": [shape.depth - 1]}
    text, ids = _text(shape, tokenizer), _ids(tokenizer)
    text.pop("head_dim")
    return Qwen2_5_VLConfig(text_config=text, vision_config=vision, tie_word_embeddings=True, **ids)


ARCHITECTURES = {
    "qwen3_vl": ("Qwen3VL", "Qwen3VLVideoProcessor", _qwen3_vl),
    "qwen2_5_vl": ("Qwen2_5_VL", "Qwen2VLVideoProcessor", _qwen2_5_vl),
}
"""The prefix of its classes, the class for videos, which its processor insists on, and its config."""
