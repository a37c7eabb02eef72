"""The classical segmenter: what a policy that works without weights relies on."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image

from medgym.core.geometry import Affine, Box
from medgym.core.image import SourceImage
from medgym.core.mask import Bits
from medgym.core.view import View
from medgym.tools.segmenter import Prompt, Segmentation
from medgym.tools.segmenters.classical import Classical
from tests.conftest import CASES

real = pytest.mark.skipif(not CASES.exists(), reason="the real cases lie beside the repository")
Pixels = NDArray[np.uint8]


def ask(
    pixels: Pixels,
    box: Box | None = None,
    points: tuple[tuple[float, float], ...] = (),
    labels: tuple[int, ...] = (),
    text: str = "",
    region: Box | None = None,
) -> Segmentation:
    source = SourceImage.of(pixels)
    region = region or (0, 0, *source.size)
    size = (max(1, round(region[2] - region[0])), max(1, round(region[3] - region[1])))
    view = View(source, Affine.onto(region, size), size)
    (found,) = Classical().segment([Prompt(view, box, points, labels, text)])
    assert isinstance(found, Segmentation)
    assert found.bits.shape == pixels.shape[:2]
    assert found.bits.dtype == bool
    return found


def iou(one: Bits, two: Bits) -> float:
    return float((one & two).sum() / max(1, (one | two).sum()))


def around(bits: Bits) -> Box:
    rows, columns = np.flatnonzero(bits.any(1)), np.flatnonzero(bits.any(0))
    return float(columns[0]), float(rows[0]), float(columns[-1] + 1), float(rows[-1] + 1)


def jittered(box: Box, rng: np.random.Generator, by: float = 0.1) -> Box:
    width, height = box[2] - box[0], box[3] - box[1]
    d = rng.uniform(-by, by, 4)
    return box[0] + d[0] * width, box[1] + d[1] * height, box[2] + d[2] * width, box[3] + d[3] * height


def ellipse(seed: int, contrast: float, colour: bool = False, size: int = 160) -> tuple[Pixels, Bits]:
    """Make a noisy image with one turned ellipse in it, and the ellipse."""
    rng = np.random.default_rng(seed)
    long = rng.uniform(14, size / 4)
    short, turn = long * rng.uniform(0.55, 1), rng.uniform(0, np.pi)
    x, y = rng.uniform(long + 3, size - long - 3, 2)
    rows, columns = np.mgrid[:size, :size]
    u = (columns - x) * np.cos(turn) + (rows - y) * np.sin(turn)
    v = (rows - y) * np.cos(turn) - (columns - x) * np.sin(turn)
    bits = np.hypot(u / long, v / short) < 1
    change = rng.normal(size=3 if colour else 1)
    change *= contrast / np.linalg.norm(change)
    values = rng.uniform(90, 160, change.size) + bits[..., None] * change
    noisy = np.clip(values + rng.normal(0, 8, values.shape), 0, 255).astype(np.uint8)
    return (noisy if colour else noisy[..., 0]), bits


@pytest.mark.parametrize("colour", [False, True], ids=["grey", "rgb"])
@pytest.mark.parametrize(("contrast", "least"), [(10, 0.9), (20, 0.94), (40, 0.95), (80, 0.95)])
def test_a_box_finds_the_object_in_it(contrast: float, least: float, colour: bool) -> None:
    scores = []
    for seed in range(6):
        pixels, bits = ellipse(seed, contrast, colour)
        scores.append(iou(ask(pixels, around(bits)).bits, bits))
    assert np.mean(scores) > least
    assert min(scores) > 0.8


@pytest.mark.parametrize("colour", [False, True], ids=["grey", "rgb"])
def test_a_box_that_is_a_tenth_off_still_finds_it(colour: bool) -> None:
    scores = []
    for seed in range(12):
        pixels, bits = ellipse(seed, 25, colour)
        box = jittered(around(bits), np.random.default_rng(seed))
        scores.append(iou(ask(pixels, box).bits, bits))
    assert np.mean(scores) > 0.88
    assert min(scores) > 0.7


def test_an_object_of_many_pixels_is_found_as_well_as_a_small_one() -> None:
    pixels, bits = ellipse(3, 40)
    large = np.kron(pixels, np.ones((6, 6), np.uint8))
    truth = np.kron(bits, np.ones((6, 6), bool))
    assert iou(ask(large, around(truth)).bits, truth) > 0.94


@pytest.mark.parametrize("contrast", [20, 60])
def test_a_click_finds_the_object_under_it(contrast: float) -> None:
    scores = []
    for seed in range(8):
        pixels, bits = ellipse(seed, contrast)
        rows, columns = np.nonzero(bits)
        scores.append(iou(ask(pixels, points=((columns.mean() + 0.5, rows.mean() + 0.5),)).bits, bits))
    assert np.mean(scores) > 0.88


def test_the_mask_stays_inside_the_box_and_what_was_looked_at() -> None:
    pixels, bits = ellipse(1, 60)
    x1, y1, x2, y2 = (int(v) for v in around(bits))
    middle = (x1 + x2) // 2
    inside_box = ask(pixels, (middle, y1, x2, y2)).bits
    assert inside_box.any()
    assert not inside_box[:, :middle].any()
    for asked in ({"box": (x1, y1, x2, y2)}, {"points": ((middle + 3, (y1 + y2) / 2),)}, {"text": "lesion"}):
        found = ask(pixels, region=(middle, 0, 160, 160), **asked).bits
        assert not found[:, :middle].any(), asked


def two_discs() -> tuple[Pixels, Bits, Bits]:
    rows, columns = np.mgrid[:120, :160]
    left, right = (np.hypot(columns - x, rows - 60) < 22 for x in (45, 115))
    noise = np.random.default_rng(0).normal(0, 5, left.shape)
    return np.clip(100 + 60 * (left | right) + noise, 0, 255).astype(np.uint8), left, right


def test_clicks_say_which_of_two_things_in_a_box_is_meant() -> None:
    pixels, left, right = two_discs()
    box = (15.0, 30.0, 145.0, 90.0)
    for meant, other, on, off in (
        (left, right, (45.5, 60.5), (115.5, 60.5)),
        (right, left, (115.5, 60.5), (45.5, 60.5)),
    ):
        found = ask(pixels, box, points=(on, off), labels=(1, 0)).bits
        assert found[int(on[1]), int(on[0])]
        assert not found[int(off[1]), int(off[0])]
        assert (found & meant).sum() > (found & other).sum()


def test_a_click_beside_the_object_is_left_out_of_it() -> None:
    pixels, left, _ = two_discs()
    found = ask(pixels, points=((45.5, 60.5), (115.5, 60.5)), labels=(1, 0)).bits
    assert iou(found, left) > 0.85
    assert not ask(pixels, points=((115.5, 60.5),), labels=(0,)).bits.any()


@pytest.mark.parametrize("text", ["xyzzy", "", "the left", "∆∆∆", "inferior vena cava", "a" * 5000])
def test_words_that_it_does_not_know_find_nothing_and_it_says_so(text: str) -> None:
    pixels, _ = ellipse(2, 60)
    found = ask(pixels, text=text)
    assert not found.bits.any()
    assert found.note.startswith("Nothing was found")


def test_words_choose_among_what_is_there() -> None:
    rows, columns = np.mgrid[:200, :200]
    values = np.full((200, 200), 110.0)
    spots = {"dark": (60, 60), "bright": (140, 60)}
    masks = {}
    for name, (x, y) in spots.items():
        masks[name] = np.hypot(columns - x, rows - y) < 13
        values[masks[name]] += {"dark": -50, "bright": 50}[name]
    pixels = np.clip(values + np.random.default_rng(0).normal(0, 4, values.shape), 0, 255).astype(np.uint8)
    for text, name in {
        "hypodense lesion": "dark",
        "bright lesion": "bright",
        "left tumor": "dark",
        "lesion at the right": "bright",
        "liver cyst": "dark",
    }.items():
        found = ask(pixels, text=text)
        assert iou(found.bits, masks[name]) > 0.8, text
        assert "best fit" in found.note
    both = ask(pixels, text="lesions").bits
    assert iou(both, masks["dark"] | masks["bright"]) > 0.8


@pytest.mark.parametrize("size", [200, 320, 640])
def test_a_small_lesion_on_an_even_ground_is_found_at_any_size(size: int) -> None:
    rows, columns = np.mgrid[:size, :size] / (size / 200)
    lesion = np.hypot(columns - 140, rows - 60) < 13
    noise = np.random.default_rng(0).normal(0, 4, lesion.shape)
    pixels = np.clip(np.where(lesion, 160, 110) + noise, 0, 255).astype(np.uint8)
    assert iou(ask(pixels, text="lesion").bits, lesion) > 0.8


def test_right_and_left_of_paired_organs_are_the_patients() -> None:
    rows, columns = np.mgrid[:200, :240]
    values = np.where(np.hypot((columns - 120) / 1.15, rows - 100) < 95, 100.0, 0.0)
    left, right = (np.hypot((columns - x), (rows - 128) / 1.3) < 15 for x in (165, 75))
    values[left | right] = 170
    pixels = np.clip(values + np.random.default_rng(0).normal(0, 3, values.shape), 0, 255).astype(np.uint8)
    assert iou(ask(pixels, text="left kidney").bits, left) > 0.8
    assert iou(ask(pixels, text="right kidney").bits, right) > 0.8
    both = ask(pixels, text="kidneys").bits
    assert iou(both, left | right) > 0.5
    assert (both & left).sum() > 0.8 * left.sum()
    assert (both & right).sum() > 0.8 * right.sum()


def test_the_same_question_has_the_same_answer() -> None:
    pixels, bits = ellipse(4, 20, colour=True)
    for asked in ({"box": around(bits)}, {"points": ((80, 80),)}, {"text": "dark lesion"}):
        once, again = ask(pixels, **asked), ask(pixels.copy(), **asked)
        assert (once.bits == again.bits).all()
        assert once.note == again.note


def test_many_prompts_are_answered_in_their_order() -> None:
    pixels, left, right = two_discs()
    view = View.whole(SourceImage.of(pixels), 512)
    found = Classical().segment([Prompt(view, box=around(left)), Prompt(view, box=around(right)), Prompt(view)])
    one, two, none = (answer.bits for answer in found if isinstance(answer, Segmentation))
    assert iou(one, left) > 0.9
    assert iou(two, right) > 0.9
    assert not none.any()


def test_in_an_even_image_there_is_nothing() -> None:
    for pixels in (np.full((64, 64), 90, np.uint8), np.full((64, 64, 3), 255, np.uint8)):
        for asked in ({"box": (10, 10, 40, 40)}, {"text": "tumor"}, {"points": ((20, 20),)}):
            found = ask(pixels, **asked)
            assert not found.bits.any()
            assert found.note.startswith("Nothing was found")


@settings(max_examples=40, deadline=None)
@given(data=st.data())
def test_odd_input_is_answered_and_never_raises(data: st.DataObject) -> None:
    width, height = (data.draw(st.integers(1, 90)) for _ in range(2))
    shape = (height, width, 3) if data.draw(st.booleans()) else (height, width)
    rng = np.random.default_rng(data.draw(st.integers(0, 99)))
    spread = data.draw(st.sampled_from([0, 1, 3, 255]))
    pixels = rng.integers(0, spread + 1, shape).astype(np.uint8)
    place = st.floats(-20, 120)
    corners = [sorted(data.draw(st.tuples(place, place))) for _ in range(2)]
    box = (corners[0][0], corners[1][0], corners[0][1], corners[1][1]) if data.draw(st.booleans()) else None
    points = tuple(data.draw(st.lists(st.tuples(place, place), max_size=3)))
    labels = tuple(data.draw(st.integers(0, 1)) for _ in points)
    text = data.draw(st.sampled_from(["", "tumor", "dark nuclei", "left lung", "vessels", "optic disc"]))
    found = ask(pixels, box, points, labels, text)
    assert found.bits.any() or found.note.startswith("Nothing was found")


def picture(name: str) -> Pixels:
    return np.asarray(Image.open(CASES / "images" / name))


def mask(name: str) -> Bits:
    return np.asarray(Image.open(CASES / "masks" / name).convert("L")) > 127


@real
def test_a_real_liver_tumour_is_found_by_its_box_a_click_and_its_name() -> None:
    pixels, truth = picture("ct_liver_1.png"), mask("ct_liver_1_tumor.png")
    assert iou(ask(pixels, (89, 293, 126, 331)).bits, truth) > 0.88
    assert iou(ask(pixels, points=((107, 312),)).bits, truth) > 0.8
    assert iou(ask(pixels, text="liver tumor").bits, truth) > 0.75
    for seed in range(5):
        box = jittered((89, 293, 126, 331), np.random.default_rng(seed))
        assert iou(ask(pixels, box).bits, truth) > 0.75


@real
def test_real_cells_are_found_by_their_boxes_and_their_names() -> None:
    pixels = picture("pathology_breast.png")
    small, many = (mask(f"pathology_breast_{name}_cells.png") for name in ("inflammatory", "neoplastic"))
    assert iou(ask(pixels, (676, 360, 760, 456)).bits, small) > 0.76
    assert iou(ask(pixels, text="inflammatory cell").bits, small) > 0.7
    assert iou(ask(pixels, text="neoplastic cells").bits, many) > 0.45
