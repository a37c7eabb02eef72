"""Measuring: a length that is off by the zoom or the turn of a view would teach a policy wrong numbers."""

import re
from dataclasses import replace

import nibabel
import numpy as np
import pydicom
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydicom.pixels import apply_modality_lut

from medgym.core.image import SourceImage
from medgym.core.mask import Mask, longest_diameter
from medgym.core.task import truth_of
from medgym.core.view import View
from medgym.tasks import load_tasks
from medgym.tasks.readers import open_image
from medgym.tools.measuring import measure
from medgym.tools.perception import zoom_in
from medgym.tools.radiology import enhance, flip, rotate, window
from tests.conftest import CASES

real = pytest.mark.skipif(not CASES.is_dir(), reason="the real cases are not beside the repository")
HU = np.random.default_rng(0).normal(40, 100, (200, 300)).astype(np.float32)


def scan(spacing: tuple[float, float] | None = (0.5, 0.8), **facts: object) -> SourceImage:
    known = {"stored": lambda: HU, "unit": "HU", **facts}
    return SourceImage(("scan", *map(str, known.values())), lambda: np.zeros(HU.shape, np.uint8), spacing, **known)  # type: ignore[arg-type]


def told(view: View, box: list[float] | None = None, points: list[list[float]] | None = None) -> str:
    result = measure.function(view, box, points)
    assert result.view is None
    return str(result.text)


def number(text: str, after: str) -> float:
    found = re.search(rf"{after} (-?[\d.e+]+)", text)
    assert found, text
    return float(found[1])


def turned(view: View, degrees: float) -> View:
    return rotate.function(view, degrees).view  # type: ignore[no-any-return]


@pytest.mark.parametrize("view_size", [100, 300])
def test_a_distance_is_in_millimetres_whatever_the_view(view_size: int) -> None:
    whole = View.whole(scan(), view_size, index=1)
    ends = [(40.0, 50.0), (220.0, 160.0)]
    exact = np.hypot(180 * 0.5, 110 * 0.8)
    zoom = zoom_in.function(whole, [v * view_size / 300 for v in (20, 30, 260, 190)]).view
    for view in (
        whole,
        zoom,
        turned(whole, 90),
        turned(whole, 37),
        turned(zoom, -120),
        flip.function(zoom, "horizontal").view,
    ):
        places = [list(view.to_original.inverse().point(*end)) for end in ends]
        text = told(view, points=places)
        assert number(text, "Distance") == pytest.approx(exact, rel=1e-3)
        assert text.endswith(" mm.")


def test_without_a_spacing_lengths_are_pixels_of_the_original_and_said_so() -> None:
    view = View.whole(scan(None), 150, index=1)
    text = told(view, points=[[0, 0], [30, 40]])
    assert text == "Distance 100 pixels of the original image, whose scale in mm is not known."
    assert "area 400 square pixels of the original" in told(view, [10, 10, 20, 20])


def test_a_microscopic_image_is_measured_in_micrometres() -> None:
    view = View.whole(scan((0.00025, 0.00025)), 300, index=1)
    assert told(view, points=[[0, 0], [100, 0]]) == "Distance 25 µm."
    assert "Box of 25 x 12.5 µm, area 312.5 µm²" in told(view, [0, 0, 100, 50])


def test_a_box_has_the_intensity_of_the_pixels_in_it_of_the_original() -> None:
    whole = View.whole(scan(), 150, index=1)
    part = HU[40:80, 60:160]
    text = told(whole, [30, 20, 80, 40])
    assert text.startswith("Box of 50 x 32 mm, area 1600 mm²; mean intensity")
    assert number(text, "mean intensity") == pytest.approx(part.mean(), rel=2e-3)
    assert number(text, "standard deviation") == pytest.approx(part.std(), rel=1e-3)
    quarter = turned(whole, 90)
    box = [float(v) for v in quarter.to_original.inverse().box((60, 40, 160, 80))]
    assert told(quarter, box) == text.replace("50 x 32", "32 x 50")
    shown = window.function(enhance.function(whole, "gamma", 2.0).view, 40.0, 80.0, None).view
    assert told(shown, [30, 20, 80, 40]) == text, "how it is shown changes no measurement"


@settings(max_examples=40, deadline=None)
@given(st.floats(1, 89), st.floats(0.2, 0.8), st.floats(0.2, 0.8))
def test_a_box_on_a_turned_view_measures_what_lies_in_it_and_not_around_it(degrees: float, x: float, y: float) -> None:
    view = turned(View.whole(scan((0.5, 0.5)), 512, index=1), degrees)
    u, v = x * view.size[0], y * view.size[1]
    box = [u - 15, v - 10, u + 15, v + 10]
    back = view.to_original.inverse()
    rows, columns = np.indices(HU.shape) + 0.5
    p, q = back.a * columns + back.b * rows + back.c, back.d * columns + back.e * rows + back.f
    held = HU[(p >= box[0]) & (p < box[2]) & (q >= box[1]) & (q < box[3])]
    if len(held) < 50:
        return
    text = told(view, box)
    assert number(text, "mean intensity") == pytest.approx(held.mean(), rel=2e-3, abs=0.02)
    assert number(text, "area") == pytest.approx(0.25 * len(held), abs=25)


def test_a_mask_has_its_area_longest_diameter_and_intensity() -> None:
    bits = np.hypot(*(np.indices(HU.shape) - np.array([100, 150])[:, None, None])) < 40
    view = replace(View.whole(scan((0.5, 0.5)), 100, index=1), mask=Mask.of(bits))
    text = told(view)
    assert number(text, "area") == pytest.approx(0.25 * bits.sum(), rel=1e-3)
    assert number(text, "longest diameter") == pytest.approx(40, abs=0.8), "from corner to corner of its pixels"
    assert number(text, "mean intensity") == pytest.approx(HU[bits].mean(), rel=2e-3)
    wide = replace(view, source=scan((2.0, 0.5)))
    assert number(told(wide), "longest diameter") == pytest.approx(160, abs=2.5)
    assert told(turned(view, 33)) == text


def test_the_longest_diameter_heeds_both_spacings() -> None:
    bits = np.zeros((30, 30), bool)
    bits[5:8, 2:22] = True
    assert longest_diameter(bits, (0.5, 2.0)) == pytest.approx(np.hypot(10, 6), rel=1e-3)
    assert longest_diameter(bits, 0.5) == longest_diameter(bits, (0.5, 0.5))


def test_where_nothing_was_measured_it_says_so() -> None:
    view = View.whole(scan(stored=lambda: np.full_like(HU, np.nan)), 300, index=1)
    assert "nothing was measured there" in told(view, [10, 10, 20, 20])


def test_grey_levels_are_those_before_any_tool_changed_them() -> None:
    pixels = np.random.default_rng(1).integers(0, 255, (60, 80, 3), np.uint8)
    view = View.whole(SourceImage.of(pixels), 80, index=1)
    text = told(view, [10, 20, 30, 40])
    light = pixels[20:40, 10:30] @ np.array([0.299, 0.587, 0.114])
    assert "mean grey level (0 to 255)" in text
    assert number(text, r"mean grey level \(0 to 255\)") == pytest.approx(light.mean(), abs=0.6)
    assert told(enhance.function(view, "clahe", 4.0).view, [10, 20, 30, 40]) == text


@pytest.mark.parametrize("modality", ["ct", "pathology", "ultrasound"])
def test_the_true_mask_measures_what_a_question_about_its_diameter_asks(modality: str) -> None:
    tasks = load_tasks("phantoms", "test", modality=modality, form="diameter")
    for index in range(3):
        made = tasks[index]
        truth = truth_of(made)
        mask = next(mask for name, mask in truth.structures.items() if name == "lesion")
        text = told(replace(View.whole(made.images[0], 512, index=1), mask=mask))
        assert f" {truth.unit};" in text
        assert number(text, "longest diameter") == pytest.approx(float(truth.answer), rel=truth.tolerance)


@real
def test_the_real_ct_is_measured_in_its_millimetres_and_hounsfield_units() -> None:
    path = CASES / "images" / "ct_lung_nodule.dcm"
    dataset = pydicom.dcmread(path)
    part = apply_modality_lut(dataset.pixel_array, dataset)[300:340, 200:260]
    view = View.whole(open_image(path), 512, index=1)
    text = told(view, [200, 300, 260, 340])
    down, across = (float(v) for v in dataset.PixelSpacing)
    assert number(text, "Box of") == pytest.approx(60 * across, rel=1e-3)
    assert number(text, "area") == pytest.approx(60 * across * 40 * down, rel=1e-3)
    assert number(text, "mean intensity") == pytest.approx(part.mean(), rel=1e-3)
    assert number(text, "standard deviation") == pytest.approx(part.std(), rel=1e-3)


@real
def test_the_real_nifti_is_measured_in_its_millimetres_and_stored_values() -> None:
    path = CASES / "images" / "us_heart_2ch_sequence.nii.gz"
    volume = nibabel.load(path)
    part = np.asarray(volume.dataobj)[200:260, 300:340, 7]
    view = View.whole(open_image(path), 512, index=1)
    text = told(view, [200, 300, 260, 340])
    assert number(text, "Box of") == pytest.approx(60 * float(volume.header.get_zooms()[0]), rel=1e-3)
    assert number(text, "mean stored value") == pytest.approx(part.mean(), rel=1e-3)
