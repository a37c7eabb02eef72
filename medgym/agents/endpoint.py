"""A chat endpoint over HTTP: what is worth asking again is asked again, and what failed in the end says why."""

import contextlib
import os
import threading
import time
import weakref
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit, urlunsplit

from ..core.errors import InputError
from ..spec import needs
from .agent import AgentError

if TYPE_CHECKING:
    import httpx

KEY = "OPENAI_API_KEY"
"""The environment variable that holds the key: a setting would end up in the files of runs."""
URL = "OPENAI_BASE_URL"
OPENAI = "https://api.openai.com/v1"
CHAT = "/chat/completions"

FIRST_WAIT, LONGEST_WAIT = 0.5, 60.0
"""Seconds before a first retry, doubled each time; and the most that a server may ask to wait."""

BUSY = frozenset({408, 409, 425, 429})
QUOTED = 400


@dataclass(frozen=True)
class Hiccup:
    """Why a try failed that may go well the next time, and how long the server asked to wait."""

    why: str
    wait: float | None = None


class Endpoint:
    """One address, with connections that are kept.

    Attributes:
        usage: cumulative; ``requests`` counts all tries, ``retries`` those after a first.
    """

    def __init__(self, url: str, timeout: float, retries: int, connections: int) -> None:
        needs("httpx", "remote", "agent 'openai'")
        import httpx

        self.url, self.timeout, self.retries = normalised(url), timeout, retries
        self._key = os.environ.get(KEY, "")
        if not self._key and self.url == OPENAI:
            raise InputError(f"agent 'openai': set {KEY} to your key, or name another endpoint by url=… or {URL}")
        self.client = httpx.Client(
            headers={"Authorization": f"Bearer {self._key}"} if self._key else {},
            timeout=httpx.Timeout(timeout, pool=None),
            limits=httpx.Limits(max_connections=connections, max_keepalive_connections=connections),
        )
        weakref.finalize(self, self.client.close)
        self.usage: dict[str, float] = dict.fromkeys(
            ("requests", "retries", "prompt_tokens", "completion_tokens", "cost", "seconds"), 0
        )
        self._lock = threading.Lock()
        self._resume = 0.0

    def count(self, **amounts: float) -> None:
        """Add to the usage."""
        with self._lock:
            for key, amount in amounts.items():
                self.usage[key] += amount

    def chat(self, body: dict[str, Any]) -> dict[str, Any]:
        """Return the answer to a chat: a body whose first choice has a message.

        Raises:
            AgentError: where there is none in the end.
            InputError: where the key, the model or the address is wrong.
        """
        failed = Hiccup("")
        for attempt in range(self.retries + 1):
            time.sleep(max(0.0, self._resume - time.monotonic()))
            begun = time.monotonic()
            try:
                outcome = self._once(body)
            finally:
                self.count(requests=1, retries=attempt > 0, seconds=time.monotonic() - begun)
            if not isinstance(outcome, Hiccup):
                return outcome
            failed = outcome
            if attempt < self.retries:
                self._wait(failed, attempt)
        raise AgentError(f"{self.url} gave no answer in {self.retries + 1} tries: {failed.why}")

    def _wait(self, failed: Hiccup, attempt: int) -> None:
        if failed.wait is None:
            time.sleep(min(FIRST_WAIT * 2**attempt, LONGEST_WAIT))
            return
        # The server told all of us, not only this thread.
        with self._lock:
            self._resume = max(self._resume, time.monotonic() + min(failed.wait, LONGEST_WAIT))

    def _once(self, body: dict[str, Any]) -> dict[str, Any] | Hiccup:
        import httpx

        try:
            reply = self.client.post(self.url + CHAT, json=body)
        except httpx.TimeoutException:
            return Hiccup(f"it took longer than {self.timeout:g} seconds")
        except httpx.HTTPError as error:
            return Hiccup(f"the connection failed: {error or type(error).__name__}")
        if reply.status_code == 200:
            return _answered(reply)
        words = self._words(reply)
        if reply.status_code in (401, 403):
            raise InputError(f"{self.url} refuses the key in {KEY}: {words}")
        if reply.status_code == 404 or "insufficient_quota" in words:
            raise InputError(f"{self.url} cannot serve model {body['model']!r}: {words}")
        if reply.status_code in BUSY or reply.status_code >= 500:
            return Hiccup(f"status {reply.status_code}: {words}", _asked_to_wait(reply))
        raise AgentError(f"{self.url} refused, status {reply.status_code}: {words}")

    def _words(self, reply: "httpx.Response") -> str:
        """Return what a server says of an error."""
        try:
            said = reply.json()
        except ValueError:
            said = reply.text
        if isinstance(said, dict):
            said = next((said[key] for key in ("error", "detail", "message") if key in said), said)
        if isinstance(said, dict):
            said = " ".join(str(said[key]) for key in ("code", "message") if said.get(key)) or said
        words = str(said).strip() or reply.reason_phrase
        return (words.replace(self._key, "…") if self._key else words)[:QUOTED]


def normalised(url: str) -> str:
    """Return an endpoint's address as chat clients take it: with ``/v1`` where it has no path, without what follows.

    >>> normalised("http://localhost:8000/"), normalised("https://host/api/v1/chat/completions")
    ('http://localhost:8000/v1', 'https://host/api/v1')
    """
    try:
        parts = urlsplit(url.strip())
        port = parts.port
    except ValueError as error:
        raise InputError(f"agent 'openai': {url!r} is no address: {error}") from None
    if parts.scheme not in ("http", "https") or not parts.hostname or port == 0:
        raise InputError(f"agent 'openai': {url!r} is no address: expected http://HOST:PORT/v1")
    path = parts.path.rstrip("/").removesuffix(CHAT).rstrip("/")
    return urlunsplit((parts.scheme, parts.netloc, path or "/v1", "", ""))


def _answered(reply: "httpx.Response") -> dict[str, Any] | Hiccup:
    try:
        body = reply.json()
        message = body["choices"][0]["message"]
    except (ValueError, TypeError, KeyError, IndexError):
        return Hiccup(f"it answered with what is no chat completion: {reply.text[:QUOTED]!r}")
    if not isinstance(message, dict) or not isinstance(message.get("content"), str | None):
        return Hiccup(f"it answered with what is no message: {str(message)[:QUOTED]}")
    return dict(body)


def _asked_to_wait(reply: "httpx.Response") -> float | None:
    """Read Retry-After: seconds, or a date."""
    asked = reply.headers.get("retry-after", "")
    with contextlib.suppress(ValueError):
        return max(0.0, float(asked))
    with contextlib.suppress(ValueError, TypeError):
        return max(0.0, parsedate_to_datetime(asked).timestamp() - time.time())
    return None
