"""Text in pixels: a name that is burned in is found, and images without text are not taken for such."""

import tracemalloc

import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageFont

from medgym.data.lettering import lines_of_text
from medgym.tasks.phantoms import MODALITIES
from medgym.tasks.readers import read_image
from medgym.tasks.sources import load_tasks
from tests.conftest import CASES


def written(pixels: np.ndarray, text: str, size: int, fill: int, place: tuple[int, int]) -> np.ndarray:
    image = Image.fromarray(pixels)
    ImageDraw.Draw(image).text(place, text, fill, ImageFont.load_default(size))
    return np.asarray(image)


@pytest.fixture(scope="module")
def tissue() -> np.ndarray:
    """An abdominal CT of 512 pixels."""
    return np.array(load_tasks("phantoms:modality=ct,native=512", "test")[0].images[0].pixels)


@pytest.mark.parametrize("size", [14, 20, 32])
@pytest.mark.parametrize("place", [(6, 6), (320, 470), (150, 250)], ids=["corner", "edge", "over tissue"])
def test_a_name_in_the_pixels_is_found_where_it_stands(tissue: np.ndarray, size: int, place: tuple[int, int]) -> None:
    boxes = lines_of_text(written(tissue, "Doe, Jane 4711", size, 255, place))
    assert boxes, "a run would keep a picture of a patient's name"
    x1, y1, x2, y2 = boxes[0]
    assert place[0] - 4 <= x1 < x2 <= place[0] + 10 * size
    assert place[1] - 4 <= y1 < y2 <= place[1] + 2 * size


@pytest.mark.parametrize(("ground", "ink"), [(0, 255), (255, 0), (90, 230), (200, 60)])
def test_dark_letters_are_found_as_bright_ones_are(ground: int, ink: int) -> None:
    page = np.full((256, 384), ground, np.uint8)
    assert lines_of_text(written(page, "DOB 1961-03-12", 18, ink, (40, 100)))
    assert not lines_of_text(page)


def test_text_is_found_in_colour_and_after_jpeg(tissue: np.ndarray, tmp_path) -> None:
    image = Image.fromarray(tissue).convert("RGB")
    ImageDraw.Draw(image).text((8, 480), "St. Mary's Hospital", (255, 255, 0), ImageFont.load_default(18))
    image.save(tmp_path / "stamped.jpg", quality=75)
    assert lines_of_text(read_image(tmp_path / "stamped.jpg").pixels)


def test_a_marker_of_one_side_is_no_name(tissue: np.ndarray) -> None:
    assert not lines_of_text(written(tissue, "R", 32, 255, (20, 240))), "X-rays with side markers would all be refused"


@pytest.mark.parametrize("modality", MODALITIES)
def test_phantoms_without_text_pass(modality: str) -> None:
    source = load_tasks(f"phantoms:modality={modality},native=512", "validation")
    assert sum(bool(lines_of_text(source[index].images[0].pixels)) for index in range(8)) == 0


@pytest.mark.skipif(not CASES.is_dir(), reason="the real cases are not beside the repository")
def test_real_images_without_text_pass() -> None:
    for path in sorted((CASES / "images").iterdir()):
        assert not lines_of_text(read_image(path).pixels), f"{path.name} would hold a run up"


@pytest.mark.parametrize("shape", [(1, 1), (8, 400), (17, 17), (64, 64, 3)])
def test_small_and_empty_images_are_no_fault(shape: tuple[int, ...]) -> None:
    assert lines_of_text(np.zeros(shape, np.uint8)) == []


def test_noise_is_no_text() -> None:
    noise = [np.random.default_rng(seed).integers(0, 255, (96, 128, 3), np.uint8) for seed in range(10)]
    assert sum(bool(lines_of_text(pixels)) for pixels in noise) <= 1


def test_a_grid_of_thousands_of_dots_takes_little_memory() -> None:
    dots = np.zeros((800, 800), np.uint8)
    for row, column in np.ndindex(5, 3):
        dots[row::8, column::6] = 255
    tracemalloc.start()
    lines_of_text(dots)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 128 << 20, "a screening of many images would be killed by one"
