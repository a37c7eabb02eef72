"""Detail that a smaller view loses: margins and textures drawn pixel by pixel.

Each is made of the same light and dark in equal parts and differs only in how neighbouring pixels take turns. So
an image scaled to half or less looks the same whichever it is, and one at full resolution tells.
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
BAND = 3.0
"""Half the width of an etched margin in pixels."""
STRENGTH = 24
"""How far a texture goes up and down, in grey levels."""
STEP = 20.0
"""Half of the least difference between the light and the dark of a margin, in grey levels."""

Floats = NDArray[np.float32]


def with_texture(scene: Scene, lesion: Structure, texture: str) -> Scene:
    """Return the scene with one of `TEXTURES` on a lesion."""
    rows, columns, inside = _crop(scene, lesion)
    pixels = scene.pixels.copy()
    y, x = np.mgrid[rows, columns]
    turns = {"smooth": 0 * x, "checkered": (x + y) % 2, "vertically striped": x % 2, "horizontally striped": y % 2}
    wave = STRENGTH * (2 * turns[texture] - (texture != "smooth"))
    part = pixels[rows, columns]
    # Without room above and below, clipping would leave a trace of the pattern in its mean.
    plain = np.clip(part, STRENGTH, 255 - STRENGTH).astype(int)
    part[inside] = (plain + (wave if part.ndim == 2 else wave[..., None]))[inside]
    return replace(scene, pixels=pixels)


def with_margin(rng: np.random.Generator, scene: Scene, lesion: Structure, margin: str) -> Scene:
    """Return the scene with one of `MARGINS` around a lesion; its mask ends in the middle of the margin."""
    rows, columns, inside = _crop(scene, lesion)
    pixels = scene.pixels.copy()
    part = pixels[rows, columns]
    depth = ndimage.distance_transform_edt(inside) - ndimage.distance_transform_edt(~inside)
    depth = depth.astype(np.float32) - np.sign(depth).astype(np.float32) / 2
    band = np.abs(depth) < BAND
    flat = part.astype(np.float32).reshape(*inside.shape, -1)
    within, without = _around(flat, depth > BAND), _around(flat, depth < -BAND)
    half = (within - without) / 2
    most = np.abs(half).max(2, keepdims=True)
    half = np.where(most < STEP, np.where(most < 1, STEP, half * STEP / np.maximum(most, 1)), half)
    middle = np.clip((within + without) / 2, np.abs(half), 255 - np.abs(half))
    noise = rng.normal(0, _noise(flat, depth > BAND), inside.shape)[..., None]
    drawn = np.clip(middle + half * _turns(margin, rows, columns, depth)[..., None] + noise, 0, 255)
    part[band] = np.rint(drawn).astype(np.uint8)[band].reshape(-1, *part.shape[2:])
    return replace(scene, pixels=pixels)


def _turns(margin: str, rows: slice, columns: slice, depth: Floats) -> NDArray[np.int_]:
    """Return which pixels are the lesion's (1), the surroundings' (-1) or between them (0)."""
    y, x = np.mgrid[rows, columns]
    down, across = np.gradient(ndimage.gaussian_filter(depth, 2.0))
    flat = np.abs(down) > np.abs(across)
    if margin == "hazy":
        return np.zeros_like(x)
    sides = {"dotted": x + y, "spiculated": np.where(flat, x, y), "ringed": np.where(flat, y, x)}
    return np.asarray(2 * (sides[margin] % 2) - 1)


def _crop(scene: Scene, lesion: Structure) -> tuple[slice, slice, NDArray[np.bool_]]:
    box = lesion.mask.box
    if box is None:
        raise ValueError(f"{lesion.name} is not visible")
    reach, (width, height) = int(4 * BAND), scene.size
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
