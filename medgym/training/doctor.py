"""Whether a model can be trained: its chat template is tried before a GPU hour is spent."""

from typing import Any

from PIL import Image

from ..core.errors import InputError
from ..evaluation.doctor import Finding, finding


def conversation() -> list[dict[str, Any]]:
    """Return a chat as TRL has it: a call, and a result that is an image and words."""
    call = {"type": "function", "function": {"name": "zoom_in", "arguments": {"image": 1, "bbox_2d": [10, 20, 30, 40]}}}
    picture = Image.new("RGB", (64, 64))
    said = {"type": "text", "text": "Image 2 is the part."}
    return [
        {"role": "system", "content": [{"type": "text", "text": "You have the tool zoom_in."}]},
        {"role": "user", "content": [{"type": "image", "image": picture}, {"type": "text", "text": "What is it?"}]},
        {"role": "assistant", "content": [{"type": "text", "text": "<think>I look.</think>"}], "tool_calls": [call]},
        {"role": "tool", "name": "zoom_in", "content": [{"type": "image", "image": picture}, said]},
    ]


def check_template(processor: Any) -> list[Finding]:
    """Render a conversation with tools and say what of it survives."""
    chat = conversation()
    try:
        words = processor.apply_chat_template(chat, tokenize=False, add_generation_prompt=True)
    except Exception as error:  # a template may fail in any way; which one is what is asked
        return [finding("template", False, f"it cannot render tools: {type(error).__name__}: {error}")]
    try:
        encoded = processor.apply_chat_template(chat, tokenize=True, return_dict=True, add_generation_prompt=True)
        grids = encoded.get("image_grid_thw", encoded.get("pixel_values", []))
    except Exception:  # likewise: a processor is handed more images than it was told of
        grids = []
    return [
        finding("system prompt", "You have the tool zoom_in." in words, "names the tools"),
        finding("call", '"zoom_in"' in words and "[10, 20, 30, 40]" in words.replace("10,20,30,40", "10, 20, 30, 40"),
                 "name and arguments"),
        finding("result", "Image 2 is the part." in words, "the words that a tool returned"),
        finding("images", len(grids) == 2, f"{len(grids)} of 2 reach the model"),
    ]  # fmt: skip


def check_model(model: str) -> list[Finding]:
    """Say whether a model's chat template keeps tools, calls and images, as it is and as medgym mends it."""
    from transformers import AutoProcessor

    from .template import teach

    try:
        processor = AutoProcessor.from_pretrained(model)
    except (OSError, ValueError) as error:
        raise InputError(f"{model!r} has no processor here: {error}") from error
    if not hasattr(processor, "tokenizer"):
        raise InputError(f"{model!r} reads words alone: a model that reads images is needed")
    own = all(each["ok"] for each in check_template(processor))
    about = "keeps tools as it is" if own else "loses tools; medgym puts its preface before it"
    return [finding("own template", own, about, needed=False), *check_template(teach(processor))]
