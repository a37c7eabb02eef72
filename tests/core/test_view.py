"""Turned, mirrored, computed and compared views: what is drawn at a place must be what the original has there."""

import copy
import pickle
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image as Pillow

from medgym.core.geometry import Affine, area_seen, within
from medgym.core.image import ORIGINALS, RENDERED, Pixels, SourceImage
from medgym.core.mask import Mask
from medgym.core.view import CONTOUR, View
from medgym.tools.radiology import compare, flip, rotate
from tests.conftest import picture


def waves(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    return 127.5 + 60 * np.sin(x / 23) + 60 * np.cos(y / 17)


def sea() -> SourceImage:
    """An image that is smooth enough to be known between its pixels."""
    y, x = np.mgrid[:200, :300] + 0.5
    return SourceImage.of(waves(x, y))


def turned(view: View, degrees: float) -> View:
    return rotate.function(view, float(degrees)).view  # type: ignore[no-any-return]


def mirrored(view: View, axis: str) -> View:
    return flip.function(view, axis).view  # type: ignore[no-any-return]


@pytest.mark.parametrize("view_size", [64, 150, 512])
@pytest.mark.parametrize("colour", [True, False])
def test_quarter_turns_and_mirrors_lose_nothing(view_size: int, colour: bool) -> None:
    source = picture(301, 203)
    source = source if colour else SourceImage.of(source.pixels[..., 0])
    whole = View.whole(source, view_size)
    zoom = replace(whole, to_original=Affine.onto((20, 30, 101, 90), (81, 60)), size=(81, 60), most=100)
    for view in (whole, zoom):
        for quarters in (-1, 1, 2):
            assert np.array_equal(turned(view, 90 * quarters).pixels, np.rot90(view.pixels, -quarters))
        assert np.array_equal(mirrored(view, "horizontal").pixels, view.pixels[:, ::-1])
        assert np.array_equal(mirrored(view, "vertical").pixels, view.pixels[::-1])
        four = turned(turned(turned(turned(view, 90), 90), 90), 90)
        assert np.array_equal(four.pixels, view.pixels)
        both = mirrored(turned(view, -90), "vertical")
        assert np.array_equal(both.pixels, np.rot90(view.pixels)[::-1])


@pytest.mark.parametrize("degrees", [7, 30, 45, -45, 133.3, -179])
@pytest.mark.parametrize("view_size", [100, 300])
def test_a_turn_by_any_angle_shows_the_right_greys_and_black_beside_the_image(degrees: float, view_size: int) -> None:
    view = turned(View.whole(sea(), view_size), degrees)
    assert max(view.size) <= view_size
    width, height = view.size
    u, v = np.arange(width) + 0.5, np.arange(height)[:, None] + 0.5
    a, b, c, d, e, f = view.to_original
    x, y = a * u + b * v + c, d * u + e * v + f
    inner = (x > 6) & (x < 294) & (y > 6) & (y < 194)
    outer = (x < -3) | (x > 303) | (y < -3) | (y > 203)
    assert inner.mean() > 0.2
    assert outer.any()
    assert np.abs(view.pixels[..., 0] - waves(x, y))[inner].max() < 6
    assert not view.pixels[outer].any()


def test_a_turned_view_does_not_alias() -> None:
    board = (np.indices((800, 800)).sum(0) % 2 * 255).astype(np.uint8)
    view = turned(View.whole(SourceImage.of(board), 200), 30)
    middle = view.pixels[60:140, 60:140].astype(float)
    assert abs(middle.mean() - 127.5) < 2
    assert middle.std() < 4


def test_a_turn_holds_all_of_a_view_within_the_largest_size() -> None:
    for size in ((512, 512), (512, 20), (3, 512), (200, 100)):
        for degrees in (1, 30, 45, 89, -150):
            view = turned(View.whole(picture(*size), 512), degrees)
            assert max(view.size) <= 512
            corners = view.to_original.inverse().box((0, 0, *size))
            assert within(corners, view.size, slack=1.0)
            middle = view.to_original.point(view.size[0] / 2, view.size[1] / 2)
            assert middle == pytest.approx((size[0] / 2, size[1] / 2))


@pytest.mark.parametrize(
    ("angles", "quarters"), [((30, 60), 1), ((-17, 17), 0), ((45, 45, 45, 45), 2), ((11,) * 10 + (-20,), 1)]
)
def test_turns_that_add_up_to_a_right_angle_are_one(angles: tuple[int, ...], quarters: int) -> None:
    view = first = View.whole(sea(), 300)
    for degrees in angles:
        view = turned(view, degrees)
    assert view.to_original.straight
    plain = turned(first, 90 * quarters) if quarters else first
    assert view.region == pytest.approx(first.region, abs=2.5), "black is not carried along"
    scale = plain.size[0] / view.size[0]
    assert plain.size[1] / view.size[1] == pytest.approx(scale, rel=0.02)
    again = Affine(scale, 0, 0, 0, scale, 0)
    x, y = plain.to_original.after(again).point(40, 30)
    assert view.to_original.point(40, 30) == pytest.approx((x, y), abs=3)
    middle = view.pixels[view.size[1] // 2, view.size[0] // 2, 0]
    assert middle == pytest.approx(waves(np.array(150.0), np.array(100.0)), abs=6)


def test_a_mask_is_drawn_where_it_lies_and_not_beyond_the_edge_of_the_image() -> None:
    bits = np.zeros((200, 300), bool)
    bits[150:200, 200:300] = True
    view = replace(View.whole(SourceImage.of(np.full((200, 300), 90, np.uint8)), 300), mask=Mask.of(bits))
    for degrees in (33, 90, -120):
        seen = turned(view, degrees)
        assert seen.drawn == "contour"
        drawn = view.mask.seen(seen.to_original, seen.size)  # type: ignore[union-attr]
        u, v = np.arange(seen.size[0]) + 0.5, np.arange(seen.size[1])[:, None] + 0.5
        a, b, c, d, e, f = seen.to_original
        x, y = a * u + b * v + c, d * u + e * v + f
        assert np.array_equal(drawn, (x >= 200) & (x < 300) & (y >= 150) & (y < 200))
        box = seen.box_of(seen.mask)  # type: ignore[arg-type]
        rows, columns = np.flatnonzero(drawn.any(1)), np.flatnonzero(drawn.any(0))
        assert box == pytest.approx((columns[0], rows[0], columns[-1] + 1, rows[-1] + 1), abs=1e-6)
        assert (seen.pixels == CONTOUR).all(-1).sum() > 100


def test_how_much_of_a_box_a_turned_view_shows_is_counted_exactly() -> None:
    view = View.whole(picture(100, 100), 100)
    zoom = replace(view, to_original=Affine.onto((30, 30, 70, 70), (40, 40)), size=(40, 40))
    diamond = turned(zoom, 45)
    side = 40 * 2**0.5
    assert diamond.shows((0, 0, 100, 100)) == pytest.approx(diamond.size[0] ** 2, rel=1e-6)
    assert abs(diamond.size[0] - side) <= 1
    x1, y1, _, _ = diamond.region
    assert (x1, y1) == pytest.approx((50 - diamond.size[0] / 2**0.5,) * 2)
    assert diamond.shows((x1, y1, x1 + 5, y1 + 5)) == 0, "a corner of the region is not shown"
    assert diamond.shows((48, 48, 52, 52)) == pytest.approx(16)
    assert diamond.at_full_resolution
    assert area_seen((0, 0, 50, 100), diamond.to_original, diamond.size) == pytest.approx(
        diamond.size[0] ** 2 / 2, rel=1e-6
    )


@settings(max_examples=100, deadline=None)
@given(st.tuples(*[st.floats(-40, 140)] * 4), st.floats(-180, 180), st.floats(0.3, 4))
def test_the_area_shown_agrees_with_counting(box: tuple[float, ...], degrees: float, scale: float) -> None:
    (x1, x2), (y1, y2) = sorted(box[0::2]), sorted(box[1::2])
    c, s = scale * np.cos(np.radians(degrees)), scale * np.sin(np.radians(degrees))
    t = Affine(float(c), float(-s), 40.0, float(s), float(c), 30.0)
    shown = area_seen((x1, y1, x2, y2), t, (30, 20))
    u, v = (np.arange(600) + 0.5) / 20, ((np.arange(400) + 0.5) / 20)[:, None]
    x, y = t.a * u + t.b * v + t.c, t.d * u + t.e * v + t.f
    counted = ((x >= x1) & (x <= x2) & (y >= y1) & (y <= y2)).sum() / 400 * scale**2
    assert shown == pytest.approx(counted, abs=0.02 * 600 * scale**2)


def _negative(source: SourceImage, most: int) -> Pixels:
    return most - source.pixels


def test_a_derived_image_is_computed_when_looked_at_and_again_after_the_cache_let_it_go() -> None:
    source = replace(picture(50, 40), spacing=(0.5, 0.25), unit="HU", stored=lambda: np.zeros((40, 50)))
    made = source.derived(_negative, 255)
    assert (made.spacing, made.unit, made.root, made.size) == ((0.5, 0.25), "HU", source, (50, 40))
    assert made.derived(_negative, 1).root is source
    assert np.array_equal(made.pixels, 255 - source.pixels)
    assert made.key != source.derived(_negative, 254).key
    assert source.derived(_negative, 255).pixels is made.pixels, "equal ones are held once"
    held = made.pixels
    ORIGINALS._held.clear()
    ORIGINALS.held_bytes = 0
    assert np.array_equal(made.pixels, held)


def test_derived_and_compared_views_can_be_pickled() -> None:
    view = View.whole(picture(80, 60).derived(_negative, 255), 64, index=1)
    both = compare.function(view, turned(replace(view, mask=Mask.of_box((9, 9, 40, 40), (80, 60))), 30)).view
    again = pickle.loads(pickle.dumps(both))
    assert np.array_equal(again.pixels, both.pixels)
    assert [panel.left for panel in again.panels] == [panel.left for panel in both.panels]


def test_a_comparison_says_on_which_view_a_box_lies() -> None:
    one, other = View.whole(picture(100, 80), 100, index=1), View.whole(picture(60, 80, seed=1), 100, image=1, index=2)
    both = compare.function(one, other).view
    (left, first), (right, second) = both.panels
    assert left == 0
    assert first.size[1] == second.size[1] == both.size[1]
    assert right + second.size[0] == both.size[0] <= 100
    assert both.at((1, 1, 9, 9)) == (first, (1, 1, 9, 9))
    assert both.at((right + 2, 1, right + 9, 5)) == (second, (2, 1, 9, 5))
    assert both.at((right + 2, 3, right + 2, 3)) == (second, (2, 3, 2, 3)), "a point is a box without width"
    assert both.at((1, 1, right + 1, 9)) is None
    assert both.at((first.size[0] + 1, 1, right - 1, 9)) is None
    assert both.at((-9, 1, first.size[0] + 3, 9)) == (first, (-9, 1, first.size[0] + 3, 9)), "the gap forgives"
    assert one.at((1, 2, 3, 4)) == (one, (1, 2, 3, 4))
    assert np.array_equal(both.pixels[:, : first.size[0]], first.pixels)
    assert np.array_equal(both.pixels[:, right:], second.pixels)
    assert not both.pixels[:, first.size[0] : right].any()


@pytest.mark.parametrize("sizes", [((512, 512), (512, 512)), ((512, 1), (512, 1)), ((1, 512), (512, 1)), ((9, 9), (9, 9)),
                                   ((2, 300), (3, 300)), ((32, 32), (32, 32))])  # fmt: skip
@pytest.mark.parametrize("most", [32, 512])
def test_a_comparison_is_never_larger_than_a_view_may_be(sizes: tuple[tuple[int, int], ...], most: int) -> None:
    one, other = (View.whole(picture(*size, seed=i), most, index=i + 1) for i, size in enumerate(sizes))
    both = compare.function(one, other).view
    assert max(both.size) <= most
    assert both.pixels.shape == (both.size[1], both.size[0], 3)


def test_threads_that_draw_comparisons_and_views_do_not_wait_for_each_other_for_ever() -> None:
    views = [View.whole(picture(300, 200, seed=i), 256, index=i + 1) for i in range(6)]

    def draw(seed: int) -> None:
        rng = np.random.default_rng(seed)
        for _ in range(20):
            one, other = (views[int(i)] for i in rng.permutation(6)[:2])
            shown = turned(one, float(rng.integers(1, 80)))
            assert shown.pixels.any()
            assert compare.function(shown, other).view.pixels.any()

    threads = [threading.Thread(target=draw, args=(i,), daemon=True) for i in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert not any(thread.is_alive() for thread in threads)
    assert RENDERED.held_bytes <= RENDERED.most_bytes


@pytest.mark.parametrize(
    "work",
    [
        lambda image: image.copy(),
        lambda image: image.convert("RGB"),
        lambda image: Pillow.fromarray(np.asarray(image)),
        lambda image: pickle.loads(pickle.dumps(image)),
        lambda image: copy.deepcopy([image])[0],
        lambda image: Pillow.merge("RGB", image.split()),
        lambda image: image.crop((0, 0, *image.size)),
        lambda image: image,
    ],
)
def test_a_picture_knows_its_size_at_once_and_is_a_plain_one_as_soon_as_it_is_worked_with(
    work: Callable[[Pillow.Image], Pillow.Image],
) -> None:
    looked = []
    source = picture(40, 30)

    def load() -> Pixels:
        looked.append(1)
        return source.pixels

    image = SourceImage(("loaded when looked at", id(looked)), load)
    vars(image)["size"] = (40, 30)
    view = View.whole(image, 20)
    shown = view.picture
    assert (shown.size, shown.mode, looked) == ((20, 15), "RGB", [])
    wanted = Pillow.fromarray(view.pixels)
    assert work(view.picture) == wanted
    assert wanted == work(view.picture)
    made = view.picture.copy()
    made.paste((0, 0, 0), (0, 0, 5, 5))
    shown.thumbnail((5, 5))
    assert type(shown) is Pillow.Image
    assert view.picture == wanted


def test_threads_may_work_with_one_picture() -> None:
    for _ in range(20):
        view = View.whole(picture(90, 70), 60)
        shown, wanted = view.picture, Pillow.fromarray(view.pixels)
        with ThreadPoolExecutor(8) as pool:
            found = list(pool.map(lambda _, shown=shown: np.asarray(shown), range(16)))
        assert all((each == np.asarray(wanted)).all() for each in found)
