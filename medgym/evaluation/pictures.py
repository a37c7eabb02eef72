"""The pictures of a run: kept once each by what they show, and made small enough that all fit into a page."""

import base64
import hashlib
import html
import io
import os
import struct
import zlib
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
from PIL import Image as Pillow

from ..core.image import Pixels

SIZES = ((512, 70), (512, 50), (448, 50), (384, 50), (320, 50), (256, 50), (192, 50), (160, 50))
"""What the longest side of a picture in a page may be, in pixels, and its quality as JPEG: the best that fits."""
BUDGET = 60_000_000
"""So many bytes may all pictures of a page take, before base64 makes them a third larger."""
SAMPLE = 24
UP = 2
"""PNG's name of the filter that keeps a row as its difference from the one above."""


def image_name(pixels: Pixels) -> str:
    """Return the name of a picture, ``(H, W, 3) uint8``, by what it shows."""
    hashed = hashlib.blake2b(repr(pixels.shape).encode(), digest_size=16)
    hashed.update(np.ascontiguousarray(pixels).data)
    return hashed.hexdigest()


def keep_image(pixels: Pixels, folder: Path, name: str = "") -> str:
    """Write a picture once, and return its name, which may be known already."""
    name = name or image_name(pixels)
    path = folder / f"{name}.png"
    if not path.exists():
        folder.mkdir(parents=True, exist_ok=True)
        partial = path.with_suffix(f".{os.getpid()}")
        partial.write_bytes(_png(pixels))
        partial.replace(path)
    return name


def _png(pixels: Pixels) -> bytes:
    """Encode a picture, as one channel where it is grey.

    Each row is kept as its difference from the one above, in Huffman codes alone. Pillow tries five such filters on
    every row and then looks for repetitions: it takes about three times as long and saves nothing on these images.
    """
    grey = bool((pixels[..., 0] == pixels[..., 1]).all() and (pixels[..., 1] == pixels[..., 2]).all())
    height, width = pixels.shape[:2]
    rows = (pixels[..., 0] if grey else pixels).reshape(height, -1)
    filtered = np.full((height, rows.shape[1] + 1), UP, np.uint8)
    filtered[0, 1:] = rows[0]
    np.subtract(rows[1:], rows[:-1], out=filtered[1:, 1:])
    packer = zlib.compressobj(1, strategy=zlib.Z_HUFFMAN_ONLY)
    header = struct.pack(">IIBBBBB", width, height, 8, 0 if grey else 2, 0, 0, 0)
    chunks = ((b"IHDR", header), (b"IDAT", packer.compress(filtered.data) + packer.flush()), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data)) for kind, data in chunks
    )


def embedded(paths: Iterable[Path], budget: int = BUDGET) -> Iterator[tuple[str, str]]:
    """Yield the name of each picture that could be read and its element, in order, until the budget is spent.

    Their size is chosen from a sample so that it should suffice for all.
    """
    known = [path for path in dict.fromkeys(paths) if path.exists()]
    side, quality = _size(known, budget)
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        for start in range(0, len(known), 256):
            some = known[start : start + 256]
            for path, code in zip(some, pool.map(lambda path: _small(path, side, quality), some), strict=True):
                budget -= len(code)
                if budget < 0:
                    return
                if code:
                    yield path.stem, _element(path.stem, code)


def _size(paths: list[Path], budget: int) -> tuple[int, int]:
    """Return the best size at which a sample says that all pictures fit."""
    sample = paths[:: max(1, len(paths) // SAMPLE)]
    for side, quality in SIZES:
        if sum(len(_small(path, side, quality)) for path in sample) * len(paths) <= 0.95 * budget * len(sample):
            return side, quality
    return SIZES[-1]


def _small(path: Path, side: int, quality: int) -> bytes:
    """Return a picture as JPEG, which is written in a seventh of WebP's time, or nothing where the file is damaged."""
    data = io.BytesIO()
    try:
        with Pillow.open(path) as picture:
            small = picture if picture.mode == "L" else picture.convert("RGB")
            small.thumbnail((side, side))
            small.save(data, "JPEG", quality=quality)
    except (OSError, SyntaxError, ValueError):
        return b""
    return data.getvalue()


def _element(name: str, code: bytes) -> str:
    text = base64.b64encode(code).decode("ascii")
    return f'<script type="text/plain" data-type="image/jpeg" id="picture-{html.escape(name)}">{text}</script>\n'
