"""How grey levels are shown: window, gamma and local contrast of a whole image, ``(H, W)`` or ``(H, W, 3) uint8``."""

import numpy as np
from PIL import Image as Pillow

from ..core.image import Pixels, SourceImage, Values


def windowed(source: SourceImage, level: float, width: float) -> Pixels:
    """Show stored values, or grey levels where there are none, from level - width/2 as 0 to level + width/2 as 255."""
    values = source.values
    if values is None:
        table = _through(np.arange(256, dtype=np.float32), level, width)
        return np.asarray(table[source.pixels])
    pixels = _through(values, level, width)
    return 255 - pixels if source.inverted else pixels


def _through(values: Values, level: float, width: float) -> Pixels:
    """Map values to 0 to 255, rounded; what is no number, or beyond all bounds, is 0."""
    with np.errstate(over="ignore", invalid="ignore"):
        shown = values - np.float32(level - width / 2)
        shown *= np.float32(255 / width)
    np.clip(shown, 0, 255, out=shown)
    shown += np.float32(0.5)
    np.copyto(shown, 0, where=np.isnan(shown))
    return shown.astype(np.uint8)


def powered(source: SourceImage, gamma: float) -> Pixels:
    """Raise grey levels, from 0 to 1, to the power of `gamma`."""
    table = np.rint(255 * (np.arange(256) / 255) ** gamma).astype(np.uint8)
    return table[source.pixels]


def equalized(source: SourceImage, clip_limit: float) -> Pixels:
    """Equalise contrast locally (CLAHE, Zuiderveld 1994); of a colour image, that of its luminance."""
    pixels = source.pixels
    if pixels.ndim == 2:
        return _even(pixels, clip_limit)
    light, *colour = Pillow.fromarray(pixels).convert("YCbCr").split()
    even = Pillow.fromarray(_even(np.asarray(light), clip_limit))
    return np.asarray(Pillow.merge("YCbCr", (even, *colour)).convert("RGB"))


def _even(grey: Pixels, clip_limit: float) -> Pixels:
    from skimage.exposure import equalize_adapthist

    # scikit-image's limit is a share of a tile; 1/256 of it is what a level has where all are as frequent.
    made: Pixels = np.rint(255 * equalize_adapthist(grey, clip_limit=clip_limit / 256)).astype(np.uint8)
    return made
