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

MARGINS = ("hazy", "stippled", "beaded", "fringed")
"""Half-tone; pixels in turn; the same with gaps along the border; the same on the outer side alone.

Lines along or across a border would leave a trace in the smaller image wherever it bends.
"""
TEXTURES = ("smooth", "checkered", "vertically striped", "horizontally striped")

LEAST = 256
"""In images smaller than this, in pixels, lesions are too small for either."""
HIDDEN = 1024
"""From this size on, a view of 512 pixels shows nothing of either."""
BAND = 5.5
"""Half the width of an etched margin, and the depth in which a texture fades in, in pixels."""
BEAD = 18.0
"""About the length of a bead and its gap, in pixels."""
STRENGTH = 24
"""How far a texture goes up and down, in grey levels."""
STEPS = (20.0, 60.0)
"""Half of the least and of the largest difference between the light and the dark of a margin, in grey levels."""

STRONGEST = 1.11
"""The most that shade and pattern of a margin add up to: of 2s - 1 + sin²(πs), for s from 0 to 1."""

FLOOR = 3.0
"""The least noise on either, in grey levels: without any, the rounding of the smaller image would tell."""

Floats = NDArray[np.float32 | np.float64]


def with_texture(rng: np.random.Generator, scene: Scene, lesion: Structure, texture: str) -> Scene:
    """Return the scene with one of `TEXTURES` on a lesion."""
    rows, columns, inside = _crop(scene, lesion)
    pixels = scene.pixels.copy()
    y, x = np.mgrid[rows, columns]
    turns = {"smooth": None, "checkered": x + y, "vertically striped": x, "horizontally striped": y}[texture]
    swing = STRENGTH * np.sin(np.clip(_depth(inside) / BAND, 0, 1) * np.pi / 2) ** 2
    wave = 0 * swing if turns is None else _alternating(turns) * swing
    part = pixels[rows, columns]
    # Without room above and below, clipping would leave a trace of the pattern in its mean.
    room = STRENGTH + 3 * FLOOR
    plain = np.clip(part.astype(np.float32), room, 255 - room)
    wave += rng.normal(0, FLOOR, wave.shape)
    part[inside] = np.clip(np.rint(plain + (wave if part.ndim == 2 else wave[..., None])), 0, 255)[inside]
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
    spread = max(FLOOR, _noise(flat, depth > BAND))
    # Room for the pattern, which is strongest beside the middle of the band, and for the noise, as in a texture.
    room = np.minimum(STRONGEST * np.abs(half) + 3 * spread, 127)
    middle = np.clip((within + without) / 2, room, 255 - room)
    noise = rng.normal(0, spread, inside.shape)[..., None]
    strength = _paired(_strength(margin, inside, depth), band, rows, columns)
    turns = _alternating(np.add(*np.mgrid[rows, columns])) * strength
    drawn = np.clip(middle + half * (2 * share - 1 + turns[..., None]) + noise, 0, 255)
    part[band] = np.rint(drawn).astype(np.uint8)[band].reshape(-1, *part.shape[2:])
    return replace(scene, pixels=pixels)


def _strength(margin: str, inside: NDArray[np.bool_], depth: Floats) -> Floats:
    """Return how strongly pixels of a margin take turns, from 0 to 1, ``(h, w)``."""
    if margin == "hazy":
        return np.zeros_like(depth)
    across = np.clip(0.5 + depth / (2 * BAND), 0, 1)
    if margin == "fringed":
        return np.asarray(np.sin(np.pi * np.clip(2 * across, 0, 1)) ** 2)
    full = np.sin(np.pi * across) ** 2
    if margin == "stippled":
        return np.asarray(full)
    y, x = np.indices(inside.shape) - np.array([axis.mean() for axis in inside.nonzero()])[:, None, None]
    beads = max(3, round(2 * np.pi * (inside.sum() / np.pi) ** 0.5 / BEAD))
    return np.asarray(full * (0.5 + 0.5 * np.cos(beads * np.arctan2(y, x))))


def _paired(strength: Floats, drawn: NDArray[np.bool_], rows: slice, columns: slice) -> Floats:
    """Make a strength the same within each two by two pixels that a view of half the size makes one of.

    Then the pattern averages out exactly, also where it grows; a block that is not all `drawn` has none.
    """
    (height, width), (top, left) = strength.shape, (rows.start % 2, columns.start % 2)
    edges = ((top, (top + height) % 2), (left, (left + width) % 2))
    whole = np.pad(np.where(drawn, strength, 0), edges)
    blocks = whole.reshape(len(whole) // 2, 2, -1, 2)
    filled = np.pad(drawn, edges).reshape(blocks.shape).all((1, 3))
    mean = np.where(filled, blocks.mean((1, 3)), 0)
    return np.asarray(mean.repeat(2, 0).repeat(2, 1)[top : top + height, left : left + width])


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
