"""The client's end of one server with segmenters, whatever it speaks: a kept connection that tries again."""

import io
import os
import time
import weakref
from typing import TYPE_CHECKING, Any

from PIL import Image

from ...core.errors import InputError, ToolError
from ...core.image import SourceImage
from ..segmenter import Segmentation

if TYPE_CHECKING:
    import httpx

Answer = Segmentation | ToolError
TOKEN = "MEDGYM_TOKEN"
"""The environment variable that holds the token: a setting would end up in the files of runs."""
SILENT = "the segmentation server did not answer"


class Server:
    """One address: a kept connection, what it is, and the images that it was sent."""

    def __init__(self, url: str, timeout: float, retries: int) -> None:
        import httpx

        token = os.environ.get(TOKEN, "")
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        try:
            self.client = httpx.Client(base_url=url, timeout=timeout, headers=headers)
            self.client.build_request("GET", "/")
            if not url.startswith(("http://", "https://")):
                raise ValueError("it begins with http:// or https://")
        except (httpx.InvalidURL, ValueError, TypeError) as error:
            raise InputError(f"segmenter 'remote': {url!r} is no address: {error}") from None
        self.url, self.retries = url, retries
        weakref.finalize(self, self.client.close)
        self.sent: set[str] = set()

    def request(self, method: str, path: str, body: Any = None) -> "httpx.Response | None":
        """Ask, again where nobody answered or all were busy; None where nobody did in the end.

        All requests are pure, so asking twice is safe. One that took too long is not tried again.

        Raises:
            InputError: where the token is not the server's.
        """
        import httpx

        answer = None
        for attempt in range(self.retries + 1):
            try:
                answer = self.client.request(method, path, json=body)
            except httpx.TimeoutException:
                return None
            except httpx.TransportError:
                answer = None
            if answer is not None and answer.status_code in (401, 403):
                raise InputError(f"{self.url} wants its token: set {TOKEN} to it")
            if answer is not None and answer.status_code not in (429, 502, 503):
                return answer
            if attempt < self.retries:
                time.sleep(min(0.2 * 2**attempt, 2.0))
        return answer


def encoded(source: SourceImage) -> bytes:
    """Return an image as PNG: lossless, and quick rather than small."""
    written = io.BytesIO()
    Image.fromarray(source.pixels).save(written, "PNG", compress_level=1)
    return written.getvalue()
