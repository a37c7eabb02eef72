"""Detail that a smaller view loses: margins and textures drawn pixel by pixel.

Each is made of the same light and dark in equal parts and differs only in how neighbouring pixels take turns. So
an image scaled to half or less looks the same whichever it is, and one at full resolution tells. Where a pattern
ends it fades, or what is left of it at its edge would show in the smaller image.
"""

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from ...core.image import Pixels
from .scene import Scene, Structure

MARGINS = ("hazy", "dotted", "spiculated", "ringed")
"""Half-tone; pixels in turn; lines across the border; lines along it."""
TEXTURES = ("smooth", "checkered", "vertically striped", "horizontally striped")

LEAST = 256
"""In images smaller than this, in pixels, lesions are too small for either."""
HIDDEN = 1024
"""From this size on, a view of 512 pixels shows nothing of either."""
BAND = 4.5
"""Half the width of an etched margin, and the depth in which a texture fades in, in pixels."""
STRENGTH = 24
"""How far a texture goes up and down, in grey levels."""
STEPS = (20.0, 60.0)
"""Half of the least and of the largest difference between the light and the dark of a margin, in grey levels."""

Floats = NDArray[np.float32 | np.float64]


def with_texture(scene: Scene, lesion: Structure, texture: str) -> Scene:
    """Return the scene with one of `TEXTURES` on a lesion."""
    rows, columns, inside = _crop(scene, lesion)
    pixels = scene.pixels.copy()
    y, x = np.mgrid[rows, columns]
    turns = {"smooth": None, "checkered": x + y, "vertically striped": x, "horizontally striped": y}[texture]
    swing = STRENGTH * np.clip(_depth(inside) / BAND, 0, 1)
    wave = 0 * swing if turns is None else _alternating(turns) * swing
    part = pixels[rows, columns]
    # Without room above and below, clipping would leave a trace of the pattern in its mean.
    plain = np.clip(part.astype(np.float32), STRENGTH, 255 - STRENGTH)
    part[inside] = np.rint(plain + (wave if part.ndim == 2 else wave[..., None]))[inside]
    return replace(scene, pixels=pixels)


def with_margin(rng: np.random.Generator, scene: Scene, lesion: Structure, margin: str) -> Scene:
    """Return the scene with one of `MARGINS` around a lesion; its mask ends in the middle of the margin."""
    rows, columns, inside = _crop(scene, lesion)
    pixels = scene.pixels.copy()
    part = pixels[rows, columns]
    depth = _depth(inside)
    band = np.abs(depth) < BAND
    share = np.clip(0.5 + depth / (2 * BAND), 0, 1)[..., None]
    flat = part.astype(np.float32).reshape(*inside.shape, -1)
    within, without = _around(flat, depth > BAND), _around(flat, depth < -BAND)
    half = _bounded((within - without) / 2)
    middle = np.clip((within + without) / 2, np.abs(half), 255 - np.abs(half))
    noise = rng.normal(0, _noise(flat, depth > BAND), inside.shape)[..., None]
    swing = 2 * np.minimum(share, 1 - share) * _turns(margin, rows, columns, depth)[..., None]
    drawn = np.clip(middle + half * (2 * share - 1 + swing) + noise, 0, 255)
    part[band] = np.rint(drawn).astype(np.uint8)[band].reshape(-1, *part.shape[2:])
    return replace(scene, pixels=pixels)


def _turns(margin: str, rows: slice, columns: slice, depth: Floats) -> Floats:
    """Return which pixels go to the lesion (1), to the surroundings (-1) or stay between them (0), ``(h, w)``."""
    if margin == "hazy":
        return np.zeros_like(depth)
    y, x = np.mgrid[rows, columns]
    if margin == "dotted":
        return _alternating(x + y)
    down, across = np.gradient(ndimage.gaussian_filter(depth, 2.0))
    upright = (down**2 - across**2) / (down**2 + across**2 + np.float32(1e-6))
    # Where the border is aslant, lines cannot follow it: they fade before they change their direction.
    sure = np.minimum(3 * np.abs(upright), 1)
    along, over = (x, y) if margin == "spiculated" else (y, x)
    return np.asarray(sure * _alternating(np.where(upright > 0, along, over)))


def _alternating(count: NDArray[np.int_]) -> Floats:
    """Return 1 where `count` is odd and -1 where it is even."""
    return np.asarray(2 * (count % 2) - 1, np.float32)


def _bounded(half: Floats) -> Floats:
    """Scale colour differences ``(h, w, c)`` so that their largest channel lies between `STEPS`."""
    most = np.abs(half).max(2, keepdims=True)
    scaled = half * (np.clip(most, *STEPS) / np.maximum(most, 1))
    return np.asarray(np.where(most < 1, np.float32(STEPS[0]), scaled))


def _depth(inside: NDArray[np.bool_]) -> Floats:
    """Return each pixel's distance from the border, negative outside."""
    within, without = ndimage.distance_transform_edt(inside), ndimage.distance_transform_edt(~inside)
    return np.asarray((within - without - np.sign(within - without) / 2).astype(np.float32))


def _crop(scene: Scene, lesion: Structure) -> tuple[slice, slice, NDArray[np.bool_]]:
    box = lesion.mask.box
    if box is None:
        raise ValueError(f"{lesion.name} is not visible")
    reach, (width, height) = int(3 * BAND), scene.size
    rows = slice(max(0, int(box[1]) - reach), min(height, int(box[3]) + reach))
    columns = slice(max(0, int(box[0]) - reach), min(width, int(box[2]) + reach))
    return rows, columns, lesion.mask.bits()[rows, columns]


def _around(flat: Floats, known: NDArray[np.bool_]) -> Floats:
    """Spread the colours of the known pixels of ``(h, w, c)`` over the others near them."""
    weight = ndimage.gaussian_filter(known.astype(np.float32), BAND) + np.float32(1e-6)
    spread = ndimage.gaussian_filter(flat * known[..., None], (BAND, BAND, 0))
    return np.asarray(spread / weight[..., None])


def _noise(flat: Pixels | Floats, known: NDArray[np.bool_]) -> float:
    """Return the standard deviation of the noise in the known pixels, from differences of neighbours."""
    both = known[:, 1:] & known[:, :-1]
    steps = np.diff(flat.mean(2), axis=1)[both]
    return float(np.median(np.abs(steps)) / 0.6745 / 2**0.5) if len(steps) else 0.0
