"""A person plays: what a policy is shown stands on a page of this machine, and what is chosen there is the action."""

import json
import secrets
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from io import BytesIO
from queue import Empty, SimpleQueue
from typing import Any

from PIL import Image as Pillow

from ..agents.agent import Brief, Messages
from ..agents.builtin import sizes, turns
from ..core.action import Action, Call
from ..core.errors import InputError
from .page import page

LARGEST = 1 << 20
"""A person's action takes no more bytes."""
PATIENCE = 20.0
"""Seconds after which a page that waits for news is told that there are none."""
FAREWELL = 3.0
"""Seconds that a page may take to fetch what came last."""


class Human:
    """Shows each turn on a page, and waits for what is chosen there.

    The page is served on this machine alone, under an address that cannot be guessed.
    """

    def __init__(self) -> None:
        self._news = threading.Condition()
        self._shown: dict[str, Any] = {"version": 0, "waiting": False, "result": None, "done": 0, "total": None}
        self._pictures: list[Pillow.Image] = []
        self._actions: SimpleQueue[str] = SimpleQueue()
        self._server: ThreadingHTTPServer | None = None
        self._delivered = -1
        self.address = ""

    def open(self, port: int = 0) -> str:
        """Serve the page on `port`, 0 being any that is free, and return its address.

        Raises:
            InputError: where the port is taken.
        """
        root = f"/{secrets.token_urlsafe(12)}/"
        try:
            self._server = ThreadingHTTPServer(("127.0.0.1", port), _pages(root, self))
        except (OSError, OverflowError) as error:
            raise InputError(f"port {port} cannot be used ({error}); choose another, or 0 for any") from error
        self._server.daemon_threads = True
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        self.address = f"http://127.0.0.1:{self._server.server_address[1]}{root}"
        return self.address

    def begin(self, brief: Brief) -> None:
        """Take the next task."""
        if not self.address:
            print(f"Play at {self.open()}", file=sys.stderr, flush=True)
        self._brief = brief

    def act(self, messages: Messages) -> str:
        """Show the chat and wait for an action."""
        task = self._brief.task
        self._sizes = sizes(messages)
        self._pictures = [part["image"] for each in messages for part in each["content"] if part["type"] == "image"]
        self._tell(
            waiting=True,
            turn=turns(messages),
            task={
                "id": task.id, "question": task.question, "kind": str(task.kind), "volume": task.in_voxels,
                "options": dict(zip(task.letters, task.options, strict=True)),
            },
            rules=_words(messages[0]),
            tools=[spec.to_json()["function"] for spec in self._brief.dialect.tools],
            sizes=self._sizes,
            chat=_numbered(messages[1:]),
        )  # fmt: skip
        while True:
            try:
                return self._actions.get(timeout=1)  # in short waits, so that Ctrl-C is heard everywhere
            except Empty:
                continue

    def finished(
        self, last: Sequence[Mapping[str, Any]], truth: Callable[[int], Mapping[str, Any]], done: int, total: int
    ) -> None:
        """Show what the `last` episode came to, if there is one, and what had been right in it."""
        about = ("task_id", "question", "reward", "correct", "end_reason", "rewards", "iou", "kind")
        found = [{**{key: line[key] for key in about}, "right": truth(line["index"])["answer"]} for line in last]
        self._tell(waiting=False, done=done, total=total, result=found[0] if found else None)

    def news(self, seen: int) -> dict[str, Any]:
        """Return what is shown, as soon as it is other than what was `seen`."""
        with self._news:
            self._news.wait_for(lambda: self._shown["version"] != seen, PATIENCE)
            return self._shown

    def delivered(self, version: int) -> None:
        """Note that a page has what was shown."""
        with self._news:
            self._delivered = version
            self._news.notify_all()

    def close(self) -> None:
        """Serve no more, once the page has what came last."""
        with self._news:
            self._news.wait_for(lambda: self._delivered == self._shown["version"], FAREWELL)
        server, self._server = self._server, None
        if server:
            server.shutdown()
            server.server_close()

    def picture(self, number: int) -> bytes:
        """Return an image of the chat, from 1, as PNG.

        Raises:
            IndexError: where there is none.
        """
        if number < 1:
            raise IndexError(number)
        data = BytesIO()
        self._pictures[number - 1].save(data, "PNG", compress_level=1)
        return data.getvalue()

    def choose(self, chosen: Mapping[str, Any]) -> None:
        """Take an action: ``thought``, and ``calls`` or an ``answer``, as they stand in `core.action`.

        Raises:
            ValueError: where it is none, or none is waited for.
        """
        calls = tuple(Call(str(call["name"]), dict(call["arguments"])) for call in chosen.get("calls", ()))
        action = Action(str(chosen.get("thought", "")).strip(), calls, chosen.get("answer"))
        with self._news:
            if not self._shown["waiting"] or chosen.get("version") != self._shown["version"]:
                raise ValueError("this turn is over")
            text = self._brief.dialect.format(action, self._sizes)
            read = self._brief.dialect.parse(text, self._sizes)
            if read.errors:
                raise ValueError("; ".join(read.errors))
            self._tell(waiting=False)
            self._actions.put(text)

    def _tell(self, **changed: Any) -> None:
        with self._news:
            self._shown = {**self._shown, **changed, "version": self._shown["version"] + 1}
            self._news.notify_all()


def _words(message: Mapping[str, Any]) -> str:
    return "\n".join(part["text"] for part in message["content"] if part["type"] == "text")


def _numbered(messages: Messages) -> list[dict[str, Any]]:
    """Return messages as JSON, each image by its number."""
    count, chat = 0, []
    for message in messages:
        parts: list[dict[str, Any]] = []
        for part in message["content"]:
            if part["type"] == "image":
                count += 1
                parts.append({"image": count})
            else:
                parts.append({"text": part["text"]})
        chat.append({"role": message["role"], "parts": parts})
    return chat


def _pages(root: str, human: Human) -> Callable[..., BaseHTTPRequestHandler]:
    """Return what answers requests below `root`, and nothing else."""

    class Pages(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            path, _, query = self.path.removeprefix(root).partition("?")
            if not self.path.startswith(root):
                self._send(HTTPStatus.NOT_FOUND, b"", "text/plain")
            elif path == "":
                self._send(HTTPStatus.OK, "".join(page("medgym play", "play", None)).encode(), "text/html")
            elif path == "news":
                shown = human.news(int(query) if query.lstrip("-").isdecimal() else -1)
                self._send(HTTPStatus.OK, json.dumps(shown).encode(), "application/json")
                human.delivered(shown["version"])
            else:
                self._picture(path.removeprefix("image/"))

        def do_POST(self) -> None:
            length = self.headers.get("Content-Length", "")
            if self.path != f"{root}act" or not length.isdecimal() or int(length) > LARGEST:
                self._send(HTTPStatus.NOT_FOUND, b"", "text/plain")
                return
            try:
                human.choose(json.loads(self.rfile.read(int(length))))
            except (ValueError, TypeError, KeyError, AttributeError) as error:
                self._send(HTTPStatus.BAD_REQUEST, str(error).encode(), "text/plain")
            else:
                self._send(HTTPStatus.OK, b"", "text/plain")

        def _picture(self, number: str) -> None:
            try:
                self._send(HTTPStatus.OK, human.picture(int(number)), "image/png")
            except (ValueError, IndexError):
                self._send(HTTPStatus.NOT_FOUND, b"", "text/plain")

        def _send(self, status: HTTPStatus, body: bytes, kind: str) -> None:
            self.send_response(status)
            self.send_header("Content-Type", f"{kind}; charset=utf-8")
            self.send_header("Content-Length", str(len(body)))
            self.send_header("Cache-Control", "no-store")
            self.end_headers()
            self.wfile.write(body)

        def handle_one_request(self) -> None:
            try:
                super().handle_one_request()
            except ConnectionError:  # the page was closed or shows another turn
                self.close_connection = True

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
            pass

    return Pages
