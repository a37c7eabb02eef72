"""What a file holds, as its reader hands it on: values, and what is known of them."""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from ..core.image import Pixels
from .greys import Values
from .volumes import Spacing


class Content(NamedTuple):
    """Values as stored, ``(H, W)``, ``(H, W, 3)`` or with alpha ``(H, W, 4)``; how they are shown, and rescaled."""

    values: Values
    show: Callable[[Values], Pixels]
    spacing: Spacing | None = None
    modality: str = ""
    rescaled: Callable[[Values], Values] = np.asarray


class Header(NamedTuple):
    """What is known of a scan before it is decoded; `measured`: whether there are stored values; `slices`: how many."""

    spacing: Spacing | None = None
    measured: bool = False
    unit: str = ""
    inverted: bool = False
    slices: int = 1
