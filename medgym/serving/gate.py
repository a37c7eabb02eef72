"""What every request passes before it is read: who asks, how much is sent, how long it takes; and what is counted."""

import asyncio
import json
import logging
import secrets
import time
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from prometheus_client import CollectorRegistry, Counter, Histogram

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[MutableMapping[str, Any], Receive, Send], Awaitable[None]]

log = logging.getLogger("medgym.serving")


class Gate:
    """An ASGI middleware.

    Args:
        token: what must be sent as ``Authorization: Bearer …``; empty: nothing is asked.
        most_bytes: the largest body.
        seconds: the longest that a request may take, from its first byte.
    """

    def __init__(self, app: App, token: str, most_bytes: int, seconds: float, registry: CollectorRegistry) -> None:
        self.app, self.token, self.most_bytes, self.seconds = app, token, most_bytes, seconds
        self.requests = Counter("medgym_requests", "Requests by status", ["path", "status"], registry=registry)
        self.latency = Histogram("medgym_request_seconds", "Time of a request", ["path"], registry=registry)

    async def __call__(self, scope: MutableMapping[str, Any], receive: Receive, send: Send) -> None:
        """Let a request through, or answer it with what it lacks."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        begun, status = time.perf_counter(), 0

        async def sending(message: Message) -> None:
            nonlocal status
            status = message.get("status", status)
            await send(message)

        try:
            async with asyncio.timeout(self.seconds):
                await self._pass(scope, receive, sending)
        except TimeoutError:
            if not status:
                await refuse(sending, 504, f"it took longer than {self.seconds:g} s")
        except Exception as error:
            log.exception("a request failed")
            if not status:
                await refuse(sending, 500, f"{type(error).__name__}: {error}")
        route = scope.get("route")
        path = getattr(route, "path", "other")
        self.requests.labels(path, str(status)).inc()
        self.latency.labels(path).observe(time.perf_counter() - begun)

    async def _pass(self, scope: MutableMapping[str, Any], receive: Receive, send: Send) -> None:
        headers = {name.lower(): value for name, value in scope["headers"]}
        expected = f"Bearer {self.token}".encode()
        if self.token and not secrets.compare_digest(headers.get(b"authorization", b""), expected):
            await refuse(send, 401, "send the server's token as 'Authorization: Bearer …'", b"bearer")
            return
        body = await self._body(headers, receive)
        if body is None:
            await refuse(send, 413, f"the body is larger than {self.most_bytes} bytes; send fewer or smaller images")
            return
        left: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

        async def replay() -> Message:
            return left.pop() if left else await receive()

        await self.app(scope, replay, send)

    async def _body(self, headers: dict[bytes, bytes], receive: Receive) -> bytes | None:
        """Read the whole body, or return None as soon as it is too large."""
        told = headers.get(b"content-length", b"0")
        if told.isdigit() and int(told) > self.most_bytes:
            return None
        read = bytearray()
        while True:
            message = await receive()
            read += message.get("body", b"")
            if len(read) > self.most_bytes:
                return None
            if message["type"] != "http.request" or not message.get("more_body"):
                return bytes(read)


async def refuse(send: Send, status: int, why: str, challenge: bytes = b"") -> None:
    """Answer with an error in words."""
    body = json.dumps({"detail": why}).encode()
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
    if challenge:
        headers.append((b"www-authenticate", challenge))
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
