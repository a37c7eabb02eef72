"""Window, contrast, turns, mirrors and comparisons: exact on made images, and what is marked on them lands right."""

import json
import pickle
from collections.abc import Callable
from dataclasses import replace

import nibabel
import numpy as np
import pydicom
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from PIL import Image as Pillow
from pydicom.pixels import apply_modality_lut

from medgym.core.action import Call
from medgym.core.dialects import make_dialect
from medgym.core.episode import Episode
from medgym.core.errors import ToolError
from medgym.core.geometry import area_seen
from medgym.core.image import SourceImage
from medgym.core.mask import Mask
from medgym.core.task import Kind, Task
from medgym.core.tooling import ToolRequest, ToolResult
from medgym.core.view import View
from medgym.rewards.grading import Graded
from medgym.tasks import load_tasks
from medgym.tasks.readers import open_image
from medgym.testing import check_environment, check_tool
from medgym.tools.contrast import equalized
from medgym.tools.toolbox import TOOLS, Tools
from tests.conftest import CASES, Filling, answer, call, picture, task

real = pytest.mark.skipif(not CASES.is_dir(), reason="the real cases are not beside the repository")
NEW = ("measure", "window", "enhance", "rotate", "flip", "compare")
RAMP = np.arange(256, dtype=np.uint8).reshape(16, 16)


def ask(views: list[View], name: str, **arguments: object) -> ToolResult | ToolError:
    return Tools(list(TOOLS), Filling()).run([ToolRequest(Call(name, arguments), tuple(views))])[0]  # type: ignore[arg-type]


def shown(views: list[View], name: str, **arguments: object) -> View:
    """The view that a call returns, numbered and put with the others."""
    result = ask(views, name, **arguments)
    assert isinstance(result, ToolResult), result
    assert result.view is not None
    views.append(replace(result.view, index=len(views) + 1))
    return views[-1]


def first(source: SourceImage, view_size: int = 512) -> list[View]:
    return [View.whole(source, view_size, index=1)]


def ct(values: np.ndarray, **facts: object) -> SourceImage:
    shape = {"stored": lambda: values, "unit": "HU", **facts}
    return SourceImage(("made CT", values.tobytes(), len(facts)), lambda: np.zeros(values.shape, np.uint8), **shape)  # type: ignore[arg-type]


@pytest.mark.parametrize("name", NEW)
def test_the_contract_of_tools(name: str) -> None:
    check_tool(name)


@pytest.mark.parametrize(
    ("name", "arguments", "said"),
    [
        ("window", {}, "level and width are needed, both, or a preset"),
        ("window", {"level": 100}, "level and width are needed"),
        ("window", {"preset": "bone"}, "presets are in Hounsfield units, and this image has grey levels from 0 to 255"),
        ("window", {"preset": "bone", "level": 3}, "either a preset or level and width"),
        ("window", {"preset": "chest"}, "'mediastinum'"),
        ("window", {"level": 100, "width": 0}, "greater than 0"),
        ("window", {"level": 900, "width": 20}, "shows nothing: the values of this image are from 0 to 254"),
        ("window", {"level": float("nan"), "width": 20}, "finite"),
        ("enhance", {"method": "sharpen", "strength": 1}, "'clahe' or 'gamma'"),
        ("enhance", {"method": "gamma", "strength": 0}, "the strength of gamma is from 0.1 to 10, not 0"),
        ("enhance", {"method": "clahe", "strength": 0.5}, "the strength of clahe is from 1 to 40, not 0.5"),
        ("enhance", {"method": "gamma", "strength": 1}, "changes nothing"),
        ("rotate", {"degrees": 0}, "less than 0.5 degrees changes nothing"),
        ("rotate", {"degrees": -0.2}, "changes nothing"),
        ("rotate", {"degrees": 270}, "less than or equal to 180"),
        ("rotate", {"degrees": "90"}, "valid number"),
        ("rotate", {"degrees": True}, "valid number"),
        ("flip", {"axis": "x"}, "'horizontal' or 'vertical'"),
        ("compare", {"other": 1}, "compared with itself"),
        ("compare", {"other": 5}, "there is no image 5"),
        ("compare", {}, "other: Field required"),
        ("measure", {}, "carries no mask to measure"),
        ("measure", {"points": [[1, 1]]}, "between two points, not 1"),
        ("measure", {"points": [[1, 1], [2, 2], [3, 3]]}, "between two points, not 3"),
        ("measure", {"points": [[1, 1], [2, 900]]}, "outside the image of 320 x 240"),
        ("measure", {"bbox_2d": [1, 1, 5, 5], "points": [[1, 1], [2, 2]]}, "not both"),
        ("measure", {"bbox_2d": [400, 1, 500, 5]}, "outside the image of 320 x 240"),
    ],
)
def test_a_wrong_argument_says_what_was_expected(name: str, arguments: dict[str, object], said: str) -> None:
    result = ask(first(picture(640, 480), 320), name, image=1, **arguments)
    assert isinstance(result, ToolError)
    assert said in str(result)


# Window and contrast


def test_a_window_shows_hounsfield_units_by_its_level_and_width() -> None:
    values = np.linspace(-1000, 1000, 2000, dtype=np.float32).reshape(40, 50)
    views = first(ct(values))
    view = shown(views, "window", image=1, level=40, width=400)
    exact = np.clip((values - 40) / 400 + 0.5, 0, 1) * 255
    assert np.abs(view.pixels[..., 0] - exact).max() <= 0.51
    assert (view.source.spacing, view.source.unit, view.to_original) == (None, "HU", views[0].to_original)
    assert np.array_equal(view.pixels, shown(views, "window", image=1, preset="soft_tissue").pixels)
    again = shown(views, "window", image=2, preset="lung")
    assert np.array_equal(again.pixels, shown(views, "window", image=1, preset="lung").pixels), "of the stored values"


def test_a_window_of_inverted_values_stays_inverted_and_what_was_not_measured_is_black() -> None:
    values = np.tile(np.arange(100, dtype=np.float32), (20, 1))
    values[0, 0] = np.nan
    views = first(ct(values, inverted=True))
    grey = shown(views, "window", image=1, level=50, width=40).pixels[1, :, 0].astype(int)
    assert (grey[0], grey[-1]) == (255, 0)
    assert (np.diff(grey) <= 0).all()
    assert shown(first(ct(values)), "window", image=1, level=50, width=40).pixels[0, 0, 0] == 0


@pytest.mark.parametrize("pixels", [RAMP, np.stack([RAMP, RAMP[::-1], RAMP.T], -1)], ids=["grey", "colour"])
def test_without_stored_values_a_window_is_of_grey_levels(pixels: np.ndarray) -> None:
    views = first(SourceImage.of(pixels))
    exact = np.clip((pixels - 100.0) * (255 / 50) + 127.5, 0, 255)
    made = shown(views, "window", image=1, level=100, width=50).pixels
    assert np.abs(made - exact.reshape(16, 16, -1)).max() <= 0.51
    shown(views, "enhance", image=1, method="gamma", strength=2)
    assert np.array_equal(shown(views, "window", image=3, level=100, width=50).pixels, made), "of the task's image"


def test_gamma_and_clahe_do_what_their_names_say() -> None:
    views = first(SourceImage.of(RAMP))
    bright = shown(views, "enhance", image=1, method="gamma", strength=0.5).pixels[..., 0].astype(int)
    assert np.abs(bright - 255 * (RAMP / 255) ** 0.5).max() <= 0.5
    rng = np.random.default_rng(0)
    faint = np.clip(rng.normal(120, 3, (203, 301)) + 10 * (np.indices((203, 301)).sum(0) % 40 < 20), 0, 255)
    grey = faint.astype(np.uint8)
    views = first(SourceImage.of(grey))
    mild, strong = (shown(views, "enhance", image=1, method="clahe", strength=s).pixels[..., 0] for s in (2, 8))
    assert grey.std() < mild.std() < strong.std()


@pytest.mark.parametrize("shape", [(1, 1), (3, 300), (7, 9), (64, 65)])
def test_clahe_takes_any_shape_and_keeps_what_is_even(shape: tuple[int, int]) -> None:
    assert equalized(SourceImage.of(np.full(shape, 77, np.uint8)), 2.0).std() == 0
    noise = np.random.default_rng(0).integers(0, 255, shape, np.uint8)
    assert equalized(SourceImage.of(noise), 4.0).shape == shape


def test_clahe_of_a_colour_image_keeps_its_colours() -> None:
    pixels = picture(90, 70).pixels
    made = shown(first(SourceImage.of(pixels)), "enhance", image=1, method="clahe", strength=3).pixels
    before, after = (np.asarray(Pillow.fromarray(each).convert("YCbCr"), int) for each in (pixels, made))
    unclipped = ((made > 0) & (made < 255)).all(-1)
    assert np.abs(before - after)[unclipped][:, 1:].max() <= 3


@pytest.mark.parametrize("level", [-1e300, -40.0, 0.0, 1e38])
@pytest.mark.parametrize("width", [5e-324, 1e-9, 1e9, 1.7e308])
def test_no_number_a_policy_may_write_breaks_a_window(level: float, width: float) -> None:
    values = np.linspace(-100, 100, 80, dtype=np.float32).reshape(8, 10)
    values[0, 0], values[1, 1] = np.nan, np.inf
    nothing = ct(np.full((8, 10), np.nan, np.float32))
    for source in (ct(values), nothing, SourceImage.of(RAMP)):
        result = ask(first(source), "window", image=1, level=level, width=width)
        assert isinstance(result, ToolError) or (result.view is not None and result.view.pixels.shape[2] == 3)


# Geometry


def dotted(x: int, y: int) -> SourceImage:
    """A dark image with one bright square around the point ``(x, y)``, by which its place in a view is found."""
    pixels = np.zeros((220, 300), np.uint8)
    pixels[y - 4 : y + 4, x - 4 : x + 4] = 255
    return SourceImage.of(pixels)


steps = st.one_of(
    st.tuples(st.just("rotate"), st.floats(-180, 180).filter(lambda v: abs(v) > 0.5)),
    st.tuples(st.just("rotate"), st.sampled_from([90.0, -90.0, 180.0])),
    st.tuples(st.just("flip"), st.sampled_from(["horizontal", "vertical"])),
    st.tuples(st.just("window"), st.floats(60, 200)),
    st.tuples(st.just("zoom_in"), st.tuples(*[st.floats(0.3, 0.9)] * 2, *[st.floats(0.2, 0.8)] * 2)),
)


def step(views: list[View], kind: str, setting: object, x: int, y: int) -> View:
    """Take one step on the newest view; a zoom holds the dot somewhere in it."""
    view = views[-1]
    if kind == "rotate":
        return shown(views, "rotate", image=view.index, degrees=setting)
    if kind == "flip":
        return shown(views, "flip", image=view.index, axis=setting)
    if kind == "window":
        return shown(views, "window", image=view.index, level=setting, width=100)
    u, v = view.to_original.inverse().point(x, y)
    (across, down), (left, up) = (np.multiply(setting[:2], view.size), setting[2:])  # type: ignore[index]
    box = [u - left * across, v - up * down, u + (1 - left) * across, v + (1 - up) * down]
    return shown(views, "zoom_in", image=view.index, bbox_2d=[float(each) for each in box])


@settings(max_examples=100, deadline=None)
@given(
    st.lists(steps, min_size=1, max_size=5), st.integers(40, 260), st.integers(40, 180), st.sampled_from([64, 150, 512])
)
def test_what_is_drawn_at_a_place_is_what_the_original_has_there(
    chain: list[tuple[str, object]], x: int, y: int, view_size: int
) -> None:
    views = first(dotted(x, y), view_size)
    for kind, setting in chain:
        view = step(views, kind, setting, x, y)
        assert max(view.size) <= view_size
        u, v = view.to_original.inverse().point(x, y)
        scale = abs(view.to_original.a * view.to_original.e - view.to_original.b * view.to_original.d) ** 0.5
        room = 6 / scale + 3
        if not (room < u < view.size[0] - room and room < v < view.size[1] - room):
            continue
        light = view.pixels[..., 0].astype(float)
        weight = np.clip(light - light.max() / 4, 0, None)
        assert light.max() > 15
        rows, columns = np.indices(light.shape) + 0.5
        found = (columns * weight).sum() / weight.sum(), (rows * weight).sum() / weight.sum()
        assert found == pytest.approx((u, v), abs=1.0)


@settings(max_examples=50, deadline=None)
@given(st.lists(steps, min_size=1, max_size=4), st.integers(60, 240), st.integers(60, 160))
def test_a_mask_a_point_and_a_zoom_on_any_view_are_those_of_the_original(
    chain: list[tuple[str, object]], x: int, y: int
) -> None:
    views = first(dotted(x, y), 256)
    for kind, setting in chain:
        step(views, kind, setting, x, y)
    view = views[-1]
    u, v = view.to_original.inverse().point(x, y)
    assume(12 < u < view.size[0] - 12 and 12 < v < view.size[1] - 12)
    box = [u - 9, v - 9, u + 9, v + 9]
    wanted = view.to_original.box((box[0], box[1], box[2], box[3]))
    marked = shown(views, "sam2", image=view.index, bbox_2d=box)
    assert marked.mask is not None
    inside = tuple(np.clip(wanted, 0, [300, 220, 300, 220]))
    assert marked.mask.box == pytest.approx(inside, abs=1.01)
    zoom = shown(views, "zoom_in", image=view.index, bbox_2d=box)
    assert area_seen((0, 0, 300, 220), zoom.to_original, zoom.size) > 0
    middle = zoom.to_original.point(zoom.size[0] / 2, zoom.size[1] / 2)
    pixel = abs(view.to_original.a * view.to_original.e - view.to_original.b * view.to_original.d) ** 0.5
    assert middle == pytest.approx((x, y), abs=max(pixel, 1.01))
    assert np.sign(zoom.to_original[0:2]).tolist() == np.sign(view.to_original[0:2]).tolist(), "it keeps its turn"


def test_a_zoom_on_a_turned_view_shows_the_originals_own_pixels() -> None:
    views = first(picture(800, 600), 256)
    shown(views, "rotate", image=1, degrees=90)
    shown(views, "flip", image=2, axis="horizontal")
    zoom = shown(views, "zoom_in", image=3, bbox_2d=[20, 30, 70, 90])
    x1, y1, x2, y2 = (int(v) for v in zoom.region)
    assert zoom.at_full_resolution
    part = views[0].source.pixels[y1:y2, x1:x2]
    assert np.array_equal(zoom.pixels, np.rot90(part, -1)[:, ::-1])
    shown(views, "rotate", image=1, degrees=33)
    near = shown(views, "zoom_in", image=5, bbox_2d=[100, 100, 140, 130])
    assert near.at_full_resolution
    assert near.size[0] / near.size[1] == pytest.approx(40 / 30, rel=0.02)


def test_black_beside_a_turned_image_cannot_be_marked() -> None:
    views = first(picture(200, 200), 200)
    shown(views, "rotate", image=1, degrees=45)
    for name, arguments in (
        ("zoom_in", {"bbox_2d": [0, 0, 30, 30]}),
        ("sam2", {"bbox_2d": [0, 0, 30, 30]}),
        ("measure", {"bbox_2d": [0, 0, 30, 30]}),
        ("sam2", {"points": [[3, 3]]}),
        ("measure", {"points": [[3, 3], [100, 100]]}),
    ):
        result = ask(views, name, image=2, **arguments)
        assert "in the black beside the turned image" in str(result)


def test_a_mask_goes_along_and_is_not_a_new_prediction() -> None:
    views = first(picture(300, 200), 300)
    masked = shown(views, "sam2", image=1, bbox_2d=[50, 50, 120, 100])
    assert masked.drawn == "fill"
    for name, arguments in (
        ("rotate", {"degrees": 20}),
        ("flip", {"axis": "vertical"}),
        ("window", {"level": 100, "width": 100}),
        ("enhance", {"method": "clahe", "strength": 2}),
    ):
        made = shown(views, name, image=2, **arguments)
        assert (made.mask, made.drawn) == (masked.mask, "contour")
        assert not np.array_equal(made.pixels, made.plain)


# Comparisons


def compared(kind: Kind = Kind.DETECTION) -> tuple[Task, Callable[..., Episode]]:
    made = task(kind, 640, 480)

    def play(*texts: str) -> Episode:
        tools = Tools(list(TOOLS), Filling())  # type: ignore[arg-type]
        limits = {"view_size": 320, "max_turns": 9, "max_unusable": 3}
        episode = Episode(made, make_dialect("hermes", tools.specs), tools, **limits)
        for text in (call("rotate", image=1, degrees=90), call("compare", image=1, other=2), *texts):
            episode.apply(text)
        return episode

    return made, play


def in_panel(view: View, which: int, box: tuple[float, ...]) -> list[float]:
    """A box of the original in pixels of a panel of a comparison."""
    left, panel = view.panels[which]
    x1, y1, x2, y2 = panel.to_original.inverse().box((box[0], box[1], box[2], box[3]))
    return [x1 + left, y1, x2 + left, y2]


@pytest.mark.parametrize("which", [0, 1])
def test_a_box_on_a_comparison_is_scored_in_the_original(which: int) -> None:
    made, play = compared()
    truth = (100.0, 80.0, 260.0, 200.0)
    made = replace(made, truth=replace(made.truth, boxes=(truth,)))  # type: ignore[type-var]
    episode = play()
    box = in_panel(episode.views[-1], which, truth)
    episode.apply(answer(json.dumps({"image": 3, "bbox_2d": [box]})))
    graded = Graded(replace(episode.trajectory(), task=made))
    assert graded.quality == pytest.approx(1.0, abs=1e-3), "but for rounding to a hundredth of a pixel"


@pytest.mark.parametrize("which", [0, 1])
def test_tools_act_on_the_half_of_a_comparison_that_is_marked(which: int) -> None:
    _, play = compared(Kind.SEGMENTATION)
    view = play().views[-1]
    box = in_panel(view, which, (100, 80, 260, 200))
    episode = play(call("sam2", image=3, bbox_2d=box), call("zoom_in", image=3, bbox_2d=box))
    masked, zoom = episode.views[-2:]
    assert masked.size == view.panels[which].view.size
    assert masked.mask is not None
    assert masked.mask.box == pytest.approx((100, 80, 260, 200), abs=1.01)
    assert zoom.region == pytest.approx((100, 80, 260, 200), abs=1.01)
    assert zoom.to_original.straight
    assert zoom.to_original.upright == (which == 0)
    turn = play(answer(json.dumps({"image": 3, "bbox_2d": box}))).turns[-1]
    assert turn.mask is not None
    assert turn.mask.box == pytest.approx((100, 80, 260, 200), abs=1.01)


def test_what_is_marked_on_no_half_or_both_is_refused_in_words() -> None:
    _, play = compared()
    episode = play()
    view = episode.views[-1]
    for name, arguments, said in (
        ("zoom_in", {"bbox_2d": [5, 5, view.size[0] - 5, 50]}, "mark something on one of them"),
        ("measure", {"points": [[5, 5], [view.size[0] - 5, 50]]}, "mark something on one of them"),
        ("biomedparse", {"text": "liver"}, "image 3 shows images 1 and 2 side by side; name one of these"),
        ("zoom_in", {}, "name one of these"),
        ("rotate", {"degrees": 90}, "name one of these"),
        ("window", {"level": 9, "width": 9}, "name one of these"),
        ("compare", {"other": 1}, "name one of these"),
        ("measure", {"bbox_2d": [5, view.size[1] + 5, 15, view.size[1] + 15]}, "outside the image"),
    ):
        result = ask(list(episode.views), name, image=3, **arguments)
        assert isinstance(result, ToolError)
        assert said in str(result)
    over_both = play(answer(json.dumps({"image": 3, "bbox_2d": [0, 0, *view.size]})))
    assert Graded(over_both.trajectory()).quality == 0
    carries = play(answer('{"mask": 3}'))
    assert Graded(carries.trajectory()).quality == 0


def test_what_a_comparison_shows_counts_as_evidence_and_not_as_a_marked_region() -> None:
    made, play = compared(Kind.CHOICE)
    small = play(call("zoom_in", image=1, bbox_2d=[2, 2, 60, 50]), call("compare", image=4, other=1))
    graded = Graded(replace(small.trajectory(), task=made))
    assert graded.evidence_in(small.views[3]) == 1
    assert graded.evidence_in(small.views[4]) == 1, "the zoom is shown at full resolution in its half too"
    assert graded.evidence_in(small.views[2]) == 0


def test_an_episode_with_all_of_these_can_be_saved_and_restored() -> None:
    _, play = compared(Kind.SEGMENTATION)
    texts = [
        call("window", image=1, level=100, width=80),
        call("enhance", image=4, method="clahe", strength=2),
        call("rotate", image=5, degrees=30),
        call("compare", image=5, other=6),
    ]
    episode, other = play(*texts), play()
    other.restore(pickle.loads(pickle.dumps(episode.snapshot())))
    assert [np.array_equal(a.pixels, b.pixels) for a, b in zip(episode.views, other.views, strict=True)] == [True] * 7
    other.apply(call("rotate", image=5, degrees=30.0))
    assert other.end_reason == "repeated_call"


# Everything together


@pytest.mark.slow
def test_an_environment_with_all_tools_keeps_the_contract() -> None:
    check_environment("MedTool-v0", tools=list(TOOLS))


@real
def test_the_real_ct_windows_by_its_hounsfield_units() -> None:
    path = CASES / "images" / "ct_lung_nodule.dcm"
    dataset = pydicom.dcmread(path)
    hounsfield = apply_modality_lut(dataset.pixel_array, dataset)
    source = open_image(path)
    assert source.values is not None
    assert np.array_equal(source.values, hounsfield)
    views = first(source)
    for preset, level, width in (("lung", -600, 1500), ("bone", 400, 1800), ("brain", 40, 80)):
        exact = np.clip((hounsfield - level) / width + 0.5, 0, 1) * 255
        made = shown(views, "window", image=1, preset=preset).pixels[..., 0]
        assert np.abs(made - exact).max() <= 0.51
    level, width = (float(np.ravel(v)[0]) for v in (dataset.WindowCenter, dataset.WindowWidth))
    own = shown(views, "window", image=1, level=level, width=width)
    assert np.abs(own.pixels.astype(int) - views[0].pixels).max() <= 1, "the file's own window is what is shown first"


@real
def test_the_real_nifti_windows_by_its_stored_values() -> None:
    path = CASES / "images" / "us_heart_2ch_sequence.nii.gz"
    source = open_image(path)
    stored = np.asarray(nibabel.load(path).dataobj)[:, :, 7].T
    assert source.values is not None
    assert np.array_equal(source.values, stored.astype(np.float32))
    views = first(source)
    exact = np.clip((stored - 60) / 80 + 0.5, 0, 1) * 255
    assert np.abs(shown(views, "window", image=1, level=60, width=80).pixels[..., 0] - exact).max() <= 0.51
    refused = ask(views, "window", image=1, preset="liver")
    assert "the stored values, whose unit is not known: give level and width" in str(refused)


def test_a_ct_phantom_has_hounsfield_units_that_agree_with_its_pixels() -> None:
    for form in ("texture", "margin", "host"):
        source = load_tasks("phantoms", "test", modality="ct", form=form, native=512)[0].images[0]
        assert source.unit == "HU"
        assert source.values is not None
        assert (source.values.min() < -900, 200 < source.values.max() < 3000) == (True, True)
        lung, abdomen = (
            shown(first(source), "window", image=1, level=c, width=w) for c, w in ((-550, 1500), (45, 380))
        )
        off = min(np.abs(view.pixels[..., 0].astype(int) - source.pixels).max() for view in (lung, abdomen))
        assert off <= 2
    assert load_tasks("phantoms", "test", modality="mri", native=64)[0].images[0].stored is None


def test_masks_of_a_derived_image_are_of_the_tasks_image() -> None:
    made = task(Kind.SEGMENTATION, 640, 480)
    views = first(made.images[0], 320)
    shown(views, "window", image=1, level=128, width=100)
    marked = shown(views, "sam2", image=2, bbox_2d=[5, 4, 15, 14])
    assert marked.mask == Mask.of_box((10, 8, 30, 28), (640, 480))
    assert made.truth is not None
    assert marked.mask is not None
    assert marked.mask.iou(made.truth.mask) == 1.0  # type: ignore[arg-type]
