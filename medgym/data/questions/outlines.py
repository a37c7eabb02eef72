"""An image with the outlines of some of its structures, as a model or a person is shown it."""

from collections.abc import Sequence

import numpy as np
from PIL import Image as Pillow
from scipy import ndimage

from ...core.view import View
from .scenes import Scene

LONGEST = 768
COLOURS = {"yellow": (255, 230, 0), "cyan": (0, 220, 255)}
"""Of the first structure and of the second."""
WIDTH = 2


def outlined(scene: Scene, names: Sequence[str]) -> Pillow.Image:
    """Draw the outline of each structure just outside of it, at most `LONGEST` pixels the longest side."""
    view = View.whole(scene.image, LONGEST)
    pixels = np.array(view.plain)
    for name, colour in zip(names, COLOURS.values(), strict=False):
        seen = scene.masks[name].seen(view.to_original, view.size)
        pixels[ndimage.binary_dilation(seen, iterations=WIDTH) & ~seen] = colour
    return Pillow.fromarray(pixels)
