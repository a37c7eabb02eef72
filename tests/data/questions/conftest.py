"""Made scenes: shapes with names on an image of noise."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from medgym.core.geometry import Box
from medgym.core.image import SourceImage
from medgym.core.mask import Mask
from medgym.data.questions.checks import Source
from medgym.data.questions.draft import Draft
from medgym.data.questions.forms import FORMS, Paper
from medgym.data.questions.scenes import Scene
from tests.agents.test_openai import serve as serve

SIZE = (200, 160)
LIVER, SPLEEN, KIDNEY = (20.0, 20.0, 80.0, 60.0), (130.0, 20.0, 160.0, 50.0), (120.0, 100.0, 160.0, 140.0)
ORGANS = {"liver": (LIVER,), "spleen": (SPLEEN,), "kidney": (KIDNEY,)}


def filled(*boxes: Box, size: tuple[int, int] = SIZE) -> Mask:
    """The mask of some boxes."""
    bits = np.zeros((size[1], size[0]), bool)
    for box in boxes:
        x1, y1, x2, y2 = map(int, box)
        bits[y1:y2, x1:x2] = True
    return Mask.of(bits)


def scene(places: Mapping[str, tuple[Box, ...]] = ORGANS, seed: int = 0, **given: Any) -> Scene:
    """A scene with a box, or several, for each name."""
    pixels = np.random.default_rng(seed).integers(0, 255, (SIZE[1], SIZE[0]), np.uint8)
    image = SourceImage.of(pixels, given.pop("spacing", (0.5, 0.5)))
    whole: dict[str, Any] = {
        "path": None, "slice": None, "absent": frozenset(), "unclear": frozenset(), "modality": "CT", "split": "train",
        "source": "made", "whose": {}, "masks": {name: filled(*boxes) for name, boxes in places.items()},
    }  # fmt: skip
    return Scene(image, image.digest, **{**whole, **given})


def drafts(of: Scene, form: str, names: tuple[str, ...] = (), exhaustive: bool = False) -> list[Draft]:
    """All that a form drafts of a scene."""
    return list(FORMS[form](Paper(of, names, exhaustive, np.random.default_rng(0))))


def draft(of: Scene, form: str, name: str = "liver") -> Draft:
    """The question of a form about a structure."""
    return next(each for each in drafts(of, form) if each.about[0] == name)


@pytest.fixture
def source(tmp_path: Path) -> Callable[..., Source]:
    """Make what is known of a source, by its labels."""
    return lambda *names, exhaustive=False: Source(tmp_path, {("made", "CT"): names}, exhaustive)
