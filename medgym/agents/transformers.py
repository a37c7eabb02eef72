"""Any local image-text-to-text model as an agent: its chat template, its images, batched generation."""

from collections.abc import Sequence
from typing import Any

from ..core.errors import InputError
from ..spec import needs
from .agent import Messages

PLACEHOLDERS = ("image_token_id", "video_token_id", "vision_start_token_id", "vision_end_token_id")


class Transformers:
    """Writes the next action with a model of the transformers library.

    ::

        agent = Transformers("runs/quick/grpo")

    Args:
        model: a folder or the name of a model on the hub, or a model that is loaded.
        processor: its processor; by default that of the same folder.
        max_new_tokens: the longest action, in tokens.
        temperature: 0 takes the likeliest token each time.
        seed: of what is sampled.
        device: where the model runs; by default where it is, or a GPU if there is one.
    """

    def __init__(
        self,
        model: Any,
        processor: Any = None,
        *,
        max_new_tokens: int = 1024,
        temperature: float = 0.0,
        seed: int = 0,
        device: str | None = None,
    ) -> None:
        needs("transformers", "train", "agent 'transformers'")
        import torch

        named = isinstance(model, str)
        if named:
            model, processor = load(model, processor)
        if processor is None:
            raise InputError("a loaded model needs its processor beside it")
        if device is None and named and torch.cuda.is_available():
            device = "cuda"
        self.model = model.to(device) if device else model
        self.processor = processor
        self.settings: dict[str, Any] = {
            "max_new_tokens": max_new_tokens,
            "do_sample": temperature > 0,
            "suppress_tokens": placeholders(processor),
        }
        if temperature > 0:
            self.settings |= {"temperature": temperature, "top_k": 0, "top_p": 1.0}
        self._generator = torch.Generator().manual_seed(seed)

    def act(self, messages: Messages) -> str:
        """Write the next action."""
        return self.act_batch([messages])[0]

    def act_batch(self, chats: Sequence[Messages]) -> list[str]:
        """Write the next action of each chat."""
        import torch

        tokenizer = self.processor.tokenizer
        inputs = self.processor.apply_chat_template(
            list(chats),
            tokenize=True,
            return_dict=True,
            return_tensors="pt",
            add_generation_prompt=True,
            processor_kwargs={"padding": True, "padding_side": "left"},
        ).to(self.model.device)
        training, seed = self.model.training, int(torch.randint(1 << 62, (), generator=self._generator))
        self.model.eval()
        with torch.random.fork_rng(), torch.inference_mode():
            torch.manual_seed(seed)
            out = self.model.generate(**inputs, **self.settings)
        self.model.train(training)
        written = tokenizer.batch_decode(out[:, inputs["input_ids"].shape[1] :], skip_special_tokens=False)
        return [text.split(tokenizer.eos_token)[0] for text in written]


def load(model: str, processor: Any = None, **settings: Any) -> tuple[Any, Any]:
    """Load a model and its processor by name or folder; settings are those of ``from_pretrained``.

    Raises:
        InputError: where there is none that takes images and writes text.
    """
    from transformers import AutoModelForImageTextToText, AutoProcessor

    try:
        found = AutoModelForImageTextToText.from_pretrained(model, **{"dtype": "auto", **settings})
        return found, processor or AutoProcessor.from_pretrained(model)
    except (OSError, ValueError) as error:
        raise InputError(f"{model!r} is no model that reads images and writes text: {error}") from error


def placeholders(processor: Any) -> list[int]:
    """Return the tokens that stand for images and videos, and padding: to write one breaks the policy's own input."""
    tokenizer = processor.tokenizer
    ids = {getattr(processor, name, None) for name in PLACEHOLDERS}
    if tokenizer.pad_token_id != tokenizer.eos_token_id:
        ids.add(tokenizer.pad_token_id)
    return sorted(token for token in ids if token is not None)
