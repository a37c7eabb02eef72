"""The app: one segmenter behind HTTP, for environments in other processes and on other machines."""

import asyncio
from dataclasses import dataclass
from typing import Any

from fastapi import FastAPI, HTTPException
from fastapi.exceptions import RequestValidationError
from fastapi.requests import Request as HttpRequest
from fastapi.responses import JSONResponse, Response
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, Gauge, Histogram, generate_latest
from pydantic import BaseModel

from .. import __version__
from ..core.cache import ByteCache
from ..core.errors import InputError, nearest
from ..core.image import SourceImage
from ..tasks.readers import decode_picture
from ..tools.perception import ASKS
from ..tools.segmenter import Prompt, Segmenter, takes
from ..tools.segmenters import make_segmenter
from ..tools.segmenters.wire import Answered, Health, Reply, Request
from .batching import Batcher, BusyError
from .gate import Gate

MIB = 1 << 20
HELD_IMAGES = 1024 * MIB


@dataclass(frozen=True)
class Settings:
    """How a server serves; plain values, so that replicas on other machines are made from them.

    Attributes:
        tools: the tools that it stands behind; others' prompts are refused.
        token: what clients must send; empty: nothing.
        most_body_mb: the largest request, in MiB.
        most_pixels: the largest image.
        most_waiting: how many prompts may wait for the segmenter.
        seconds: the longest that a request may take.
    """

    segmenter: str = "classical"
    tools: tuple[str, ...] = tuple(ASKS)
    token: str = ""
    most_body_mb: int = 64
    most_pixels: int = 64_000_000
    most_waiting: int = 1024
    seconds: float = 60.0


class Refusal(BaseModel):
    """Why a request was refused."""

    detail: str


REFUSALS: dict[int | str, dict[str, Any]] = {
    status: {"model": Refusal, "description": what}
    for status, what in (
        (401, "the token is missing or wrong"),
        (404, "images are named that were not sent, or not kept: send them again"),
        (413, "the body is too large"),
        (422, "the request is not what was expected"),
        (503, "too many prompts wait: try again later"),
        (504, "it took too long"),
    )
}


def make_app(settings: Settings) -> FastAPI:
    """Build the app with its segmenter.

    Raises:
        InputError: for a segmenter that needs the truth or does not stand behind the tools.
    """
    segmenter, known = _segmenter(settings)
    app = FastAPI(title="medgym tool server", version=__version__)
    registry = CollectorRegistry()
    sizes = Histogram(
        "medgym_batch_prompts", "Prompts answered at once", registry=registry, buckets=(1, 2, 4, 8, 16, 32, 64)
    )
    batcher = Batcher(segmenter, settings.most_waiting, observe=sizes.observe)
    images: ByteCache[SourceImage] = ByteCache(HELD_IMAGES, lambda image: image.pixels.nbytes)
    Gauge("medgym_waiting_prompts", "Prompts that wait", registry=registry).set_function(lambda: batcher.waiting)
    Gauge("medgym_held_image_bytes", "Images kept", registry=registry).set_function(lambda: images.held_bytes)
    most_body = settings.most_body_mb * MIB
    app.add_middleware(Gate, token=settings.token, most_bytes=most_body, seconds=settings.seconds, registry=registry)
    app.add_exception_handler(RequestValidationError, _invalid)

    @app.get("/health", responses={status: REFUSALS[status] for status in (401, 504)})
    async def health() -> Health:
        """Say that the server is up, and what it is."""
        return Health(
            segmenter=segmenter.name, takes=sorted(known), most_body_bytes=most_body,
            most_pixels=settings.most_pixels, version=__version__,
        )  # fmt: skip

    @app.get("/metrics", response_class=Response, responses={status: REFUSALS[status] for status in (401, 504)})
    async def metrics() -> Response:
        """Count requests, batches and what waits, for Prometheus."""
        return Response(generate_latest(registry), media_type=CONTENT_TYPE_LATEST)

    @app.post("/v1/segment", responses=REFUSALS)
    async def segment(request: Request) -> Reply:
        """Answer prompts. Send an image once, in `images`; name it by its hash from then on."""
        sent = await asyncio.to_thread(_decoded, request.images, settings.most_pixels) if request.images else {}
        for image in sent.values():
            images.keep(image.digest, image)
        prompts = _prompts(request, sent, images)
        refused = [prompt for prompt in prompts if not prompt.asks <= known]
        if refused:
            raise HTTPException(422, f"this server is asked by {', '.join(sorted(known))} only")
        try:
            answers = await batcher.ask(prompts)
        except BusyError as error:
            raise HTTPException(503, str(error), {"Retry-After": "1"}) from None
        return Reply(
            answers=[Answered.of(answer, segmenter.name) for answer in answers],
            hashes={name: image.digest for name, image in sent.items()},
        )

    return app


def _segmenter(settings: Settings) -> tuple[Segmenter, frozenset[str]]:
    for tool in settings.tools:
        if tool not in ASKS:
            raise InputError(f"a server does not stand behind the tool {tool!r}{nearest(tool, ASKS)}")
    segmenter = make_segmenter(settings.segmenter)
    if segmenter.needs_truth:
        raise InputError(f"segmenter {settings.segmenter!r} needs the truth, which never travels; serve another")
    asked = frozenset().union(*(ASKS[tool] for tool in settings.tools))
    known = asked & takes(segmenter)
    if not known:
        raise InputError(f"segmenter {settings.segmenter!r} does not stand behind {' or '.join(settings.tools)}")
    return segmenter, known


def _decoded(sent: dict[str, bytes], most_pixels: int) -> dict[str, SourceImage]:
    decoded = {}
    for name, data in sent.items():
        try:
            image = SourceImage.of(decode_picture(data, most_pixels))
            image.digest  # noqa: B018 - worked out here, off the event loop
        except InputError as error:
            raise HTTPException(422, f"image {name!r}: {error}") from None
        decoded[name] = image
    return decoded


def _prompts(request: Request, sent: dict[str, SourceImage], held: ByteCache[SourceImage]) -> list[Prompt]:
    found = {asked.image: sent.get(asked.image) or held.find(asked.image) for asked in request.prompts}
    unknown = sorted(name for name, image in found.items() if image is None)
    if unknown:
        raise HTTPException(404, f"unknown images, send them in 'images': {', '.join(map(repr, unknown[:8]))}")
    prompts = []
    for i, asked in enumerate(request.prompts):
        source = found[asked.image]
        assert source is not None
        try:
            prompts.append(asked.prompt(source))
        except ValueError as error:
            raise HTTPException(422, f"prompt {i}: {error}") from None
    return prompts


async def _invalid(request: HttpRequest, error: Exception) -> JSONResponse:
    """Say what was wrong without repeating it: a body may be large, and hold what is no JSON."""
    faults = error.errors() if isinstance(error, RequestValidationError) else []
    told = [f"{'.'.join(map(str, fault['loc']))}: {fault['msg']}" for fault in faults[:3]]
    return JSONResponse({"detail": "; ".join(told)[:1000]}, 422)
