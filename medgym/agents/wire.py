"""Chats as they travel to an endpoint: images as data URLs, calls as text or in the endpoint's own form."""

import base64
import hashlib
import io
import json
import re
from collections.abc import Sequence
from typing import Any

from PIL import Image as Pillow

from ..core.action import Action, Answer, Call
from ..core.cache import ByteCache
from ..core.coords import describe
from ..core.dialects import Dialect
from ..core.dialects.dialect import Unusable, read_json
from ..core.geometry import Size
from .agent import Messages

ENCODED: ByteCache[str] = ByteCache(1 << 28, len)
"""Data URLs by an image's content: a chat is sent again in each turn, and encoding costs more than all else here."""

RESPONSE = re.compile(r"<tool_response>\s*(.*?)\s*</tool_response>\s*", re.DOTALL)
ANSWER = re.compile(r"<answer>(.*?)</answer>", re.DOTALL)

NATIVE = """You examine medical images and answer a question about them. Tools show you more: each call returns \
words and often a new image, which later calls can name by its number. In every turn say what you see and why you go \
on, and then either call tools or write one answer between <answer> and </answer>. A box is [x1, y1, x2, y2], in \
{coords}. Repeating a call ends the episode."""


def data_url(image: Pillow.Image) -> str:
    """Return an image as a PNG in a data URL."""
    key = (image.mode, image.size, hashlib.blake2b(image.tobytes(), digest_size=16).digest())
    found = ENCODED.find(key)
    if found is None:
        written = io.BytesIO()
        image.save(written, "PNG", compress_level=1)
        found = f"data:image/png;base64,{base64.b64encode(written.getvalue()).decode()}"
        ENCODED.keep(key, found)
    return found


def as_text(chat: Messages) -> list[dict[str, Any]]:
    """Return a chat in which calls are text of the dialect."""
    return [{"role": message["role"], "content": _content(message)} for message in chat]


def as_calls(chat: Messages, dialect: Dialect) -> list[dict[str, Any]]:
    """Return a chat in which calls are the endpoint's own, and results are answers to them.

    Images of results follow in a message of the user, since few endpoints take them in a tool's.
    """
    sent: list[dict[str, Any]] = [{"role": "system", "content": NATIVE.format(coords=describe(dialect.coords))}]
    sizes: list[Size] = []
    asked: list[str] = []
    for turn, message in enumerate(chat[1:]):
        if message["role"] == "assistant":
            action = dialect.parse(_words(message), sizes)
            asked = [f"call_{turn}_{i}" for i in range(len(action.calls))]
            sent.append(_called(action, asked, dialect, sizes) if asked else {**message, "content": _words(message)})
            continue
        if asked:
            sent += _results(message, asked, len(sizes))
        else:
            sent.append({"role": "user", "content": _content(message)})
        sizes += [part["image"].size for part in message["content"] if part["type"] == "image"]
    return sent


def seen(chat: Messages) -> list[Size]:
    """Return the sizes of all images of a chat."""
    return [part["image"].size for message in chat for part in message["content"] if part["type"] == "image"]


def as_action(message: dict[str, Any], dialect: Dialect, sizes: Sequence[Size]) -> str:
    """Write a message with calls of the endpoint's own form in the dialect; what means no action stays as it is."""
    text = thoughtful(message)
    calls = message.get("tool_calls") or ()
    if not calls and dialect.parse(text, sizes).usable:
        return text
    thought, body = _apart(text)
    answers = ANSWER.findall(body)
    try:
        made = tuple(_call(each, dialect, sizes) for each in calls)
        answer: Answer | None = dialect.read_answer(answers[0], sizes) if len(answers) == 1 else None
        if (made and answers) or len(answers) > 1:
            raise Unusable("an action is either calls or an answer, not both")
        said = " ".join([*thought, ANSWER.sub("", body).strip()]).strip().replace("</think>", "")
        return dialect.format(Action(said, made, answer), sizes)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        return f"{text}\n{json.dumps(calls)}\n({error})" if calls else text


def thoughtful(message: dict[str, Any]) -> str:
    """Return a message's text with its thought where the model wrote it, before the rest.

    A server may take the thought out, and a chat template may have written its opening tag.
    """
    text = str(message.get("content") or message.get("refusal") or "")
    apart = message.get("reasoning_content") or message.get("reasoning")
    if isinstance(apart, str) and "<think>" not in text:
        return f"<think>{apart.replace('</think>', '')}</think>\n{text}"
    if "</think>" in text and "<think>" not in text:
        return f"<think>{text}"
    return text


def _apart(text: str) -> tuple[list[str], str]:
    if not text.lstrip().startswith("<think>"):
        return [], text
    thought, _, body = text.lstrip().removeprefix("<think>").partition("</think>")
    return [thought.strip()], body


def _call(said: Any, dialect: Dialect, sizes: Sequence[Size]) -> Call:
    function = said["function"]
    written = function.get("arguments") or "{}"
    arguments = read_json(written, "a call's arguments") if isinstance(written, str) else written
    if not isinstance(arguments, dict) or not isinstance(function["name"], str):
        raise Unusable("a call has a name, and an object of arguments")
    return dialect.in_pixels(function["name"], arguments, sizes)


def _called(action: Action, ids: Sequence[str], dialect: Dialect, sizes: Sequence[Size]) -> dict[str, Any]:
    calls = []
    for name, call in zip(ids, action.calls, strict=True):
        arguments = json.dumps(dialect.as_written(call, sizes), ensure_ascii=False)
        calls.append({"id": name, "type": "function", "function": {"name": call.name, "arguments": arguments}})
    return {"role": "assistant", "content": action.thought, "tool_calls": calls}


def _results(message: dict[str, Any], ids: Sequence[str], before: int) -> list[dict[str, Any]]:
    """Return a result for each call, and a message with the images, if there are any."""
    words = _words(message)
    each = RESPONSE.findall(words)
    rest = RESPONSE.sub("", words).strip()
    if len(each) != len(ids):
        each, rest = [*["It stands in the last result."] * (len(ids) - 1), words], ""
    each[-1] = f"{each[-1]}\n{rest}".strip()
    sent: list[dict[str, Any]] = [
        {"role": "tool", "tool_call_id": name, "content": text} for name, text in zip(ids, each, strict=True)
    ]
    images = [part["image"] for part in message["content"] if part["type"] == "image"]
    shown = [{"type": "text", "text": f"Image {before + i}:"} for i in range(1, len(images) + 1)]
    blocks = [block for text, image in zip(shown, images, strict=True) for block in (text, _picture(image))]
    return [*sent, {"role": "user", "content": blocks}] if blocks else sent


def _content(message: dict[str, Any]) -> Any:
    """Return words alone as a string, which every endpoint takes, and blocks where there are images."""
    if all(part["type"] == "text" for part in message["content"]):
        return _words(message)
    return [_picture(part["image"]) if part["type"] == "image" else part for part in message["content"]]


def _picture(image: Pillow.Image) -> dict[str, Any]:
    return {"type": "image_url", "image_url": {"url": data_url(image)}}


def _words(message: dict[str, Any]) -> str:
    return "\n".join(part["text"] for part in message["content"] if part["type"] == "text")
