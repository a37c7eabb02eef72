"""Margins and textures: there at full resolution, gone in the first view."""

import numpy as np
import pytest
from PIL import Image

from medgym.core.mask import Mask
from medgym.tasks.phantoms.detail import MARGINS, TEXTURES, with_margin, with_texture
from medgym.tasks.phantoms.scene import Scene, Structure

Y, X = np.mgrid[:160, :160]
DISC = (X - 80) ** 2 + (Y - 78) ** 2 < 45**2


def scene(light: int, dark: int, colour: bool) -> Scene:
    noise = np.random.default_rng(0).normal(0, 3, DISC.shape)
    pixels = np.clip(np.where(DISC, light, dark) + noise, 0, 255).astype(np.uint8)
    lesion = Structure("liver tumor", Mask.of(DISC), "liver", "tumor", 30.0)
    return Scene(np.stack([pixels] * 3, -1) if colour else pixels, 0.3, (lesion,))


def etched(light: int = 90, dark: int = 130, colour: bool = False) -> dict[str, np.ndarray]:
    plain = scene(light, dark, colour)
    drawn = {name: with_margin(np.random.default_rng(1), plain, plain.lesions[0], name) for name in MARGINS}
    drawn |= {name: with_texture(np.random.default_rng(1), plain, plain.lesions[0], name) for name in TEXTURES}
    return {name: one.pixels for name, one in drawn.items()}


@pytest.mark.parametrize("colour", [False, True])
@pytest.mark.parametrize(("light", "dark"), [(90, 130), (120, 121), (250, 60), (3, 30)])
@pytest.mark.parametrize("names", [MARGINS, TEXTURES])
def test_a_view_of_half_the_size_shows_the_same(names: tuple[str, ...], light: int, dark: int, colour: bool):
    drawn = etched(light, dark, colour)
    half = [
        np.asarray(Image.fromarray(drawn[name]).resize((80, 80), Image.Resampling.BICUBIC), float) for name in names
    ]
    whole = [drawn[name].astype(float) for name in names]
    for i in range(1, len(names)):
        assert np.abs(half[i] - half[0]).mean() < 0.08
        assert np.abs(half[i] - half[0]).max() < 4
        assert np.abs(whole[i] - whole[0]).max() > 15


@pytest.mark.parametrize(("light", "dark"), [(90, 130), (250, 60), (3, 30)])
def test_margins_leave_nothing_in_means_of_two_by_two_pixels(light: int, dark: int):
    drawn = etched(light, dark)
    means = [drawn[name].astype(float).reshape(80, 2, 80, 2).mean((1, 3)) for name in MARGINS]
    for mean in means[1:]:
        assert np.abs(mean - means[0]).max() < 1.0, "more than rounding"


def test_only_what_is_near_the_lesion_changes():
    plain = scene(90, 130, colour=False)
    far = (X - 80) ** 2 + (Y - 78) ** 2 > 52**2
    for drawn in etched().values():
        assert np.array_equal(drawn[far], plain.pixels[far])
        assert not np.shares_memory(drawn, plain.pixels)
