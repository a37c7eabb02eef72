"""A chat as tokens, with a loss on what the policy wrote and on nothing else."""

from collections.abc import Sequence
from typing import Any

from ..core.errors import InputError

IGNORED = -100
"""The label of a token that carries no loss."""

Chat = list[dict[str, Any]]
Encoded = dict[str, Any]


def encode(processor: Any, messages: Chat, *, skip: Sequence[int] = ()) -> Encoded:
    """Return tensors of one chat as a model takes them, and its ``labels``, all with a first axis of one.

    The parts are made into tokens apart, as they are in a rollout: what was written is not merged with what stands
    around it.

    Args:
        skip: the turns of the policy, from 0, that carry no loss either.

    Raises:
        InputError: where the chat template changes what the policy wrote.
    """
    import torch

    tokenizer = processor.tokenizer
    whole = processor.apply_chat_template(messages, tokenize=False)
    done, parts, images = 0, [], []
    turn = 0
    for k, message in enumerate(messages):
        images += [part["image"] for part in message["content"] if part["type"] == "image"]
        if message["role"] != "assistant":
            continue
        before = processor.apply_chat_template(messages[:k], tokenize=False, add_generation_prompt=True)
        written = "".join(part["text"] for part in message["content"]) + tokenizer.eos_token
        end = len(before) + len(written)
        if whole[done:end] != before[done:] + written:
            raise InputError("the chat template changes what the policy wrote, or what came before it")
        parts.append(_context(processor, before[done:], images))
        ids = tokenizer(written, add_special_tokens=False, return_tensors="pt")["input_ids"]
        labels = torch.full_like(ids, IGNORED) if turn in skip else ids
        parts.append({"input_ids": ids, "labels": labels})
        done, images, turn = end, [], turn + 1
    return _joined(parts)


def collate(encoded: Sequence[Encoded], pad: int) -> Encoded:
    """Put encoded chats into one batch, padded on the right."""
    import torch

    longest = max(each["input_ids"].shape[1] for each in encoded)
    filled = {"input_ids": pad, "labels": IGNORED}
    batch: Encoded = {}
    for key in dict.fromkeys(key for each in encoded for key in each):
        found = [each[key] for each in encoded if key in each]
        if _per_token(key):
            found = [torch.nn.functional.pad(a, (0, longest - a.shape[1]), value=filled.get(key, 0)) for a in found]
        batch[key] = torch.cat(found)
    return batch


def _context(processor: Any, text: str, images: Sequence[Any]) -> Encoded:
    import torch

    found = dict(
        processor(
            text=[text], images=list(images) or None, return_tensors="pt", add_special_tokens=False, padding=False
        )
    )
    return {**found, "labels": torch.full_like(found["input_ids"], IGNORED)}


def _joined(parts: Sequence[Encoded]) -> Encoded:
    import torch

    whole: Encoded = {}
    for key in dict.fromkeys(key for part in parts for key in part):
        if _per_token(key):
            fill = 1 if key == "attention_mask" else 0
            found = [part.get(key, torch.full_like(part["input_ids"], fill)) for part in parts]
            whole[key] = torch.cat(found, 1)
        else:
            whole[key] = torch.cat([part[key] for part in parts if key in part])
    return whole


def _per_token(key: str) -> bool:
    return key in ("input_ids", "labels", "attention_mask", "mm_token_type_ids", "token_type_ids")
