"""Servers in threads, on ports of their own."""

import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import uvicorn

from medgym.serving.app import Settings, make_app


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


@contextmanager
def running(app: Any) -> Iterator[str]:
    """Serve an app until the block ends; gives its address."""
    port = free_port()
    server = uvicorn.Server(uvicorn.Config(app, host="127.0.0.1", port=port, log_level="error", lifespan="off"))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started:
        time.sleep(0.01)
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        server.should_exit = True
        thread.join(10)


@pytest.fixture
def serve() -> Iterator[Callable[..., str]]:
    """Start servers; they end with the test."""
    from contextlib import ExitStack

    with ExitStack() as stack:
        yield lambda segmenter="classical", **settings: stack.enter_context(
            running(make_app(Settings(segmenter, **settings)))
        )
