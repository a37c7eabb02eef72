"""Segmenters on tool servers: ours, and those that were published with Ophiuchus."""

import base64
import hashlib
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from pydantic import ValidationError

from ...core.errors import InputError, ToolError
from ...spec import needs
from ..segmenter import EVERYTHING, Prompt, Segmentation
from .server import SILENT, Answer, Server, encoded
from .wire import MOST_PROMPTS, Answered, Asked, Health, Reply


def load(
    url: str = "",
    timeout: float = 60.0,
    retries: int = 3,
    sam2: str = "",
    biomedparse: str = "",
    folder: str = "",
) -> Any:
    """Ask tool servers.

    Args:
        url: of one started by ``medgym serve``; several with ``;`` between them share the images out.
        timeout: the longest that an answer may take, in seconds.
        retries: how often a request that reached nobody is tried again.
        sam2: instead, the published SAM 2 server's url.
        biomedparse: likewise, the published BiomedParse server's.
        folder: where these servers find images and leave masks: a folder that they share.

    Raises:
        InputError: where nobody is there, or the token is not theirs.
    """
    needs("httpx", "remote", "segmenter 'remote'")
    for setting, number in (("timeout", timeout), ("retries", retries)):
        if isinstance(number, bool) or not isinstance(number, (int, float)) or not 0 <= number < 1e5:
            raise InputError(f"segmenter 'remote': {setting} is a number from 0, not {number!r}")
    if bool(url) == bool(sam2 or biomedparse):
        raise InputError("segmenter 'remote': it takes url=http://HOST:PORT, or sam2= and biomedparse=")
    if url:
        return Remote([each.strip() for each in url.split(";") if each.strip()], timeout, int(retries))
    from .published import Published

    return Published(sam2, biomedparse, folder, timeout, int(retries))


class Remote:
    """Tool servers: each image goes to one of them, the same each time, and to the next where that one fails."""

    needs_truth = False

    def __init__(self, urls: Sequence[str], timeout: float = 60.0, retries: int = 3) -> None:
        self.servers = [Server(url, timeout, retries) for url in urls]
        found = [health for server in self.servers if (health := _health(server)) is not None]
        if not found:
            raise InputError(f"no tool server at {' or '.join(urls)}; start one: medgym serve --segmenter sam2")
        self.name = found[0].segmenter
        self.takes = frozenset.intersection(*(frozenset(health.takes) for health in found)) & EVERYTHING
        self.most_bytes = min(health.most_body_bytes for health in found)
        self._threads = ThreadPoolExecutor(max(4, 2 * len(urls)), "medgym-remote")

    def segment(self, prompts: Sequence[Prompt]) -> list[Answer]:
        """Answer each prompt; several servers work at the same time."""
        answers: list[Answer] = [ToolError(SILENT)] * len(prompts)
        by_order: dict[tuple[int, ...], list[int]] = {}
        for i, prompt in enumerate(prompts):
            by_order.setdefault(self._order(prompt.source.digest), []).append(i)
        jobs = [(order, part) for order, places in by_order.items() for part in self._parts(places, prompts)]

        def ask(job: tuple[tuple[int, ...], list[int]]) -> list[Answer]:
            return self._ask([self.servers[k] for k in job[0]], [prompts[i] for i in job[1]])

        outcomes = map(ask, jobs) if len(jobs) == 1 else self._threads.map(ask, jobs)
        for (_, part), found in zip(jobs, outcomes, strict=True):
            for i, answer in zip(part, found, strict=True):
                answers[i] = answer
        return answers

    def _order(self, digest: str) -> tuple[int, ...]:
        """Rank the servers for an image by rendezvous hashing: the loss of one moves no other's images."""

        def weight(k: int) -> bytes:
            return hashlib.blake2b(f"{digest} {self.servers[k].url}".encode(), digest_size=8).digest()

        return tuple(sorted(range(len(self.servers)), key=weight))

    def _parts(self, places: Sequence[int], prompts: Sequence[Prompt]) -> Iterator[list[int]]:
        """Share requests out so that one, with all its images, stays within what a server reads."""
        part: list[int] = []
        images: set[str] = set()
        held = 0
        for i in places:
            source = prompts[i].source
            size = 0 if source.digest in images else 2 * source.pixels.nbytes
            if part and (len(part) == MOST_PROMPTS or held + size > self.most_bytes):
                yield part
                part, images, held = [], set(), 0
                size = 2 * source.pixels.nbytes
            part.append(i)
            images.add(source.digest)
            held += size
        if part:
            yield part

    def _ask(self, servers: Sequence[Server], prompts: Sequence[Prompt]) -> list[Answer]:
        failure = SILENT
        for server in servers:
            answer = self._ask_one(server, prompts)
            if not isinstance(answer, str):
                return answer
            failure = answer
        return [ToolError(failure)] * len(prompts)

    def _ask_one(self, server: Server, prompts: Sequence[Prompt]) -> list[Answer] | str:
        """Return the answers, or why there are none."""
        sources = {prompt.source.digest: prompt.source for prompt in prompts}
        asked = [Asked.of(prompt).model_dump() for prompt in prompts]
        for resend in (False, True):
            new = {key: source for key, source in sources.items() if resend or key not in server.sent}
            images = {key: base64.b64encode(encoded(source)).decode() for key, source in new.items()}
            reply = server.request("POST", "/v1/segment", {"images": images, "prompts": asked})
            if reply is not None and reply.status_code == 404 and not resend:
                server.sent.clear()
                continue
            break
        if reply is None:
            return SILENT
        if reply.status_code != 200:
            return f"the segmentation server refused: {_detail(reply)}"
        try:
            found = Reply.model_validate_json(reply.content)
            answers = [answered(each, prompt) for each, prompt in zip(found.answers, prompts, strict=True)]
        except ValueError:
            return "the segmentation server answered with what is no mask"
        server.sent.update(sources)
        return answers


def answered(written: Answered, prompt: Prompt) -> Answer:
    """Read an answer; one of another size than the image is none."""
    answer = written.answer()
    if isinstance(answer, Segmentation) and answer.mask.size != prompt.source.size:
        raise ValueError(f"a mask of {answer.mask.size} and not of {prompt.source.size}")
    return answer


def _health(server: Server) -> Health | None:
    reply = server.request("GET", "/health")
    if reply is None or reply.status_code != 200:
        return None
    try:
        return Health.model_validate_json(reply.content)
    except ValidationError:
        raise InputError(
            f"{server.url} is no tool server of medgym; name published ones sam2= or biomedparse="
        ) from None


def _detail(reply: Any) -> str:
    try:
        return str(reply.json()["detail"])[:200]
    except (ValueError, KeyError, TypeError):
        return f"status {reply.status_code}"
