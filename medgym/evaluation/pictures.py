"""The pictures of a run, made small enough that all of them fit into a page."""

import base64
import html
import io
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from os import cpu_count
from pathlib import Path

from PIL import Image as Pillow

SIDES = (512, 448, 384, 320, 256, 192, 160)
"""What the longest side of a picture in a page may be, in pixels."""
QUALITY = 70
BUDGET = 60_000_000
"""So many bytes may all pictures of a page take, before base64 makes them a third larger."""
SAMPLE = 24


def embedded(paths: Iterable[Path], budget: int = BUDGET) -> Iterator[tuple[str, str]]:
    """Yield the name of each picture that could be read and its element, in order, until the budget is spent.

    Their side is chosen from a sample so that it should suffice for all.
    """
    known = [path for path in dict.fromkeys(paths) if path.exists()]
    side = _side(known, budget)
    with ThreadPoolExecutor(cpu_count()) as pool:
        for start in range(0, len(known), 256):
            some = known[start : start + 256]
            for path, code in zip(some, pool.map(lambda path: _small(path, side), some), strict=True):
                budget -= len(code)
                if budget < 0:
                    return
                if code:
                    yield path.stem, _element(path.stem, code)


def _side(paths: list[Path], budget: int) -> int:
    """Return the largest side at which a sample says that all pictures fit."""
    sample = paths[:: max(1, len(paths) // SAMPLE)]
    for side in SIDES:
        if sum(len(_small(path, side)) for path in sample) * len(paths) <= 0.95 * budget * len(sample):
            return side
    return SIDES[-1]


def _small(path: Path, side: int) -> bytes:
    """Return a picture as JPEG, which is written in a seventh of WebP's time, or nothing where the file is damaged."""
    data = io.BytesIO()
    try:
        with Pillow.open(path) as picture:
            small = picture.convert("RGB")
            small.thumbnail((side, side))
            small.save(data, "JPEG", quality=QUALITY)
    except (OSError, SyntaxError, ValueError):
        return b""
    return data.getvalue()


def _element(name: str, code: bytes) -> str:
    text = base64.b64encode(code).decode("ascii")
    return f'<script type="text/plain" data-type="image/jpeg" id="picture-{html.escape(name)}">{text}</script>\n'
