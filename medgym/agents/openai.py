"""Any model behind an OpenAI-compatible chat endpoint as an agent: vLLM, SGLang, or a hosted one."""

import os
import weakref
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from ..core.dialects import Dialect
from ..core.errors import InputError
from .agent import AgentError, Brief, Messages
from .endpoint import OPENAI, URL, Endpoint
from .wire import as_action, as_calls, as_text, seen, thoughtful


class OpenAI:
    """Writes the next action with a model behind a chat endpoint; the key is read from ``OPENAI_API_KEY``.

    ::

        agent = OpenAI("Qwen/Qwen3-VL-8B-Instruct", "http://localhost:8000/v1")

    Args:
        model: the name by which the endpoint knows the model.
        url: the endpoint; by default ``OPENAI_BASE_URL``, or OpenAI's own.
        temperature: of sampling; by default the endpoint's.
        max_tokens: the longest action, in tokens, hidden thoughts included.
        concurrency: how many chats of a batch are asked at a time.
        timeout: the longest that an answer may take, in seconds.
        retries: how often a request that failed is tried again.
        native: call tools in the endpoint's own form, and not as text of the dialect.
        price_in: of a million tokens read, in any currency.
        price_out: of a million tokens written.
        seed: of what is sampled; it is sent where a temperature is.
    """

    def __init__(
        self,
        model: str,
        url: str = "",
        *,
        temperature: float | None = None,
        max_tokens: int = 4096,
        concurrency: int = 16,
        timeout: float = 180.0,
        retries: int = 5,
        native: bool = False,
        price_in: float = 0.0,
        price_out: float = 0.0,
        seed: int = 0,
    ) -> None:
        for name, number, least in (
            ("max_tokens", max_tokens, 1), ("concurrency", concurrency, 1), ("timeout", timeout, 0),
            ("retries", retries, 0), ("price_in", price_in, 0), ("price_out", price_out, 0),
        ):  # fmt: skip
            if isinstance(number, bool) or not isinstance(number, (int, float)) or not least <= number < 1e7:
                raise InputError(f"agent 'openai': {name} is a number from {least}, not {number!r}")
        address = url or os.environ.get(URL, "") or OPENAI
        self.endpoint = Endpoint(address, float(timeout), int(retries), int(concurrency))
        self.native, self.prices = bool(native), (price_in, price_out)
        # OpenAI's newer models refuse the older name, which is the one that all others take.
        longest = "max_completion_tokens" if self.endpoint.url == OPENAI else "max_tokens"
        self.settings: dict[str, Any] = {"model": str(model), longest: int(max_tokens)}
        if temperature is not None:
            self.settings |= {"temperature": temperature, "seed": seed}
        self._dialect: Dialect | None = None
        self.concurrency = int(concurrency)
        self._threads = ThreadPoolExecutor(self.concurrency, "medgym-openai")
        weakref.finalize(self, self._threads.shutdown, wait=False, cancel_futures=True)

    @property
    def usage(self) -> dict[str, float]:
        """What all actions took so far: ``requests``, ``retries``, tokens, ``cost`` and ``seconds`` of waiting."""
        return dict(self.endpoint.usage)

    def begin(self, brief: Brief) -> None:
        """Take the dialect, which is that of all episodes of a run.

        Raises:
            InputError: for native calls in a dialect of models that were trained to write their own.
        """
        if self.native and brief.dialect.spoken:
            raise InputError(f"native=true goes with the dialect 'hermes', not with {brief.dialect.name!r}")
        self._dialect = brief.dialect

    def act(self, messages: Messages) -> str:
        """Write the next action.

        Raises:
            AgentError: where the endpoint gives none.
            InputError: where the key, the model or the address is wrong.
        """
        if self.native and self._dialect is None:
            raise InputError("native calls need to know the tools: call begin(brief) first, as medgym.rollout does")
        native = self._dialect if self.native else None
        sent = as_calls(messages, native) if native else as_text(messages)
        tools = [tool.to_json() for tool in native.tools] if native else []
        body = self.endpoint.chat({**self.settings, "messages": sent, **({"tools": tools} if tools else {})})
        self._count(body.get("usage"))
        choice = body["choices"][0]
        self._refuse_silence(choice, body.get("usage"))
        message, dialect = choice["message"], self._dialect
        if dialect and (native or message.get("tool_calls")):
            text = as_action(message, dialect, seen(messages))
        else:
            text = thoughtful(message)
        # Half a surrogate pair is JSON, but no text that can be sent or kept.
        return text.encode("utf-8", "replace").decode()

    def act_batch(self, chats: Sequence[Messages]) -> list[str | AgentError]:
        """Write the next action of each chat, in order; an error stands where one could not be had.

        Raises:
            InputError: where the key, the model or the address is wrong.
        """
        waiting = [self._threads.submit(self._act_or_fail, chat) for chat in chats]
        try:
            return [each.result() for each in waiting]
        finally:
            for each in waiting:
                each.cancel()

    def _act_or_fail(self, chat: Messages) -> str | AgentError:
        try:
            return self.act(chat)
        except AgentError as error:
            return error

    def _count(self, usage: Any) -> None:
        read, written = (_number(usage, key) for key in ("prompt_tokens", "completion_tokens"))
        cost = (read * self.prices[0] + written * self.prices[1]) / 1e6
        self.endpoint.count(prompt_tokens=read, completion_tokens=written, cost=cost)

    def _refuse_silence(self, choice: dict[str, Any], usage: Any) -> None:
        """Raise where nothing was written because nothing could be: a model that chose silence acted."""
        message, why = choice["message"], choice.get("finish_reason")
        if message.get("content") or message.get("tool_calls") or message.get("refusal"):
            return
        if why == "content_filter":
            raise AgentError(f"{self.endpoint.url} held the answer back: finish_reason is content_filter")
        if why == "length" and not _number(usage, "completion_tokens"):
            raise AgentError(
                f"{self.endpoint.url} left no room for an answer: finish_reason is length, without a token"
            )


def _number(usage: Any, key: str) -> float:
    found = usage.get(key) if isinstance(usage, dict) else None
    return float(found) if isinstance(found, (int, float)) else 0.0
