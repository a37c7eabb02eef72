"""Where the app runs: in this process, or as replicas on a Ray cluster."""

import ipaddress
import signal
import socket
from collections.abc import Callable
from importlib import import_module
from typing import Any

import uvicorn

from ..core.errors import InputError
from .app import Settings, make_app


def serve_here(settings: Settings, host: str, port: int) -> None:
    """Serve until interrupted.

    Raises:
        InputError: where others could reach it without a token, or the port is taken.
    """
    _guarded(settings, host)
    app = make_app(settings)
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as bound:
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            bound.bind((host, port))
        except OSError as error:
            raise InputError(f"cannot listen on {host}, port {port}: {error.strerror}") from error
        print(f"medgym: serving {settings.segmenter} on http://{host}:{port}; what it takes: /docs", flush=True)
        server = uvicorn.Server(uvicorn.Config(app, log_level="warning", access_log=False, timeout_graceful_shutdown=5))
        server.run(sockets=[bound])


def serve_on_ray(settings: Settings, host: str, port: int, replicas: int, gpus: float = 0.0) -> None:
    """Serve as replicas on the Ray cluster at hand, or on one of this machine alone, until interrupted.

    Each replica has the segmenter, its own memory of images and its own queue; a client that meets one that has not
    seen an image sends it again.
    """
    _guarded(settings, host)
    end = deploy(settings, host, port, replicas, gpus)
    print(f"medgym: serving {settings.segmenter} on http://{host}:{port} by {replicas} replicas", flush=True)
    ends = {signal.SIGINT, signal.SIGTERM}
    signal.pthread_sigmask(signal.SIG_BLOCK, ends)
    signal.sigwait(ends)
    end()


def deploy(settings: Settings, host: str, port: int, replicas: int, gpus: float = 0.0) -> Callable[[], None]:
    """Deploy the app on Ray Serve; return, once all replicas are up, what ends it."""
    ray: Any = import_module("ray")
    serve: Any = import_module("ray.serve")
    ray.init(ignore_reinit_error=True, log_to_driver=False)
    serve.start(http_options={"host": host, "port": port})

    class ToolServer:
        pass

    replica = serve.ingress(lambda: make_app(settings))(ToolServer)
    deployment = serve.deployment(
        num_replicas=replicas, ray_actor_options={"num_gpus": gpus}, max_ongoing_requests=256
    )(replica)
    serve.run(deployment.bind(), name="medgym", route_prefix="/")

    def end() -> None:
        serve.shutdown()
        ray.shutdown()

    return end


def _guarded(settings: Settings, host: str) -> None:
    try:
        local = host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        local = False
    if not local and not settings.token:
        raise InputError(f"{host} can be reached by others: set a token, by --token or in MEDGYM_TOKEN")
