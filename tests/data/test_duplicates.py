"""Copies: an image that is in two splits is found however it was saved, and different images are no copies."""

import io

import numpy as np
import pytest
from PIL import Image, ImageOps

from medgym.data.duplicates import FLAT, MARGINS, NEAR, hashes_of, near_pairs
from medgym.tasks.phantoms import MODALITIES
from medgym.tasks.readers import read_image
from medgym.tasks.sources import load_tasks
from tests.conftest import CASES


def jpeg(image: Image.Image) -> Image.Image:
    held = io.BytesIO()
    image.save(held, "JPEG", quality=50)
    return Image.open(held)


COPIES = {
    "re-encoded": jpeg,
    "smaller": lambda image: image.resize((image.width // 3, image.height // 3)),
    "larger": lambda image: image.resize((image.width * 3 // 2, image.height * 3 // 2)),
    "brighter": lambda image: image.point([min(255, level + 25) for level in range(256)]),
    "cropped": lambda image: ImageOps.crop(image, round(0.03 * min(image.size))),
    "without its top": lambda image: image.crop((0, round(0.03 * image.height), image.width, image.height)),
}


@pytest.fixture(scope="module")
def originals() -> list[Image.Image]:
    paths = sorted((CASES / "images").iterdir()) if CASES.is_dir() else []
    real = [read_image(path).pixels for path in paths]
    made = [load_tasks(f"phantoms:modality={name},native=512", "test")[0].images[0].pixels for name in MODALITIES]
    return [Image.fromarray(np.array(pixels)).convert("L") for pixels in [*real, *made]]


@pytest.mark.parametrize("how", COPIES)
def test_a_copy_is_found_however_it_was_made(originals: list[Image.Image], how: str) -> None:
    copies = [COPIES[how](image) for image in originals]
    hashes = [hashes_of(np.asarray(image)) for image in [*originals, *copies]]
    pairs = {(pair.one, pair.two) for pair in near_pairs([each for each in hashes if each is not None])}
    wanted = {(number, number + len(originals)) for number in range(len(originals))}
    assert pairs == wanted, "a test image would be trained on, or different images would be called copies"


@pytest.mark.parametrize("modality", MODALITIES)
def test_different_images_of_one_modality_are_no_copies(modality: str) -> None:
    source = load_tasks(f"phantoms:modality={modality},native=256", "train")
    hashes = [hashes_of(source[index].images[0].pixels) for index in range(24)]
    assert near_pairs([each for each in hashes if each is not None]) == []


def test_an_image_of_one_grey_is_like_no_other() -> None:
    noise = np.random.default_rng(0).normal(20, FLAT / 4, (64, 64))
    assert hashes_of(np.zeros((64, 64), np.uint8)) is None
    assert hashes_of(np.clip(noise, 0, 255).astype(np.uint8)) is None


def test_pairs_are_those_that_counting_bits_gives() -> None:
    rng = np.random.default_rng(0)
    hashes = list(rng.random((60, len(MARGINS), 256)) < 0.5)
    hashes[40] = hashes[3].copy()
    hashes[40][0, :NEAR] ^= True
    hashes[51] = hashes[7].copy()
    hashes[51][:, :200] ^= True
    hashes[51][4] = hashes[7][0]
    assert [tuple(pair) for pair in near_pairs(hashes)] == [(7, 51, 0), (3, 40, NEAR)]
    assert near_pairs([]) == []
