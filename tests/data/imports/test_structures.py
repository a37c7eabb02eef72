"""RTSTRUCT: a contour covers the pixels whose centres it encloses, on the image it was drawn on."""

from pathlib import Path

import numpy as np
import pytest

from medgym.core.errors import InputError
from medgym.data.imports import bring_in
from medgym.tasks.readers import file_of

from .samples import HEIGHT, ORIGIN, SPACING, WIDTH, circle, contour, item, noise, series, structures
from .test_dicom import bits_of, shown
from .test_imports import rejected, tasks


@pytest.mark.parametrize("referenced", [True, False], ids=["by UID", "by place"])
def test_a_disc_covers_the_pixels_whose_centres_are_in_it(referenced: bool, tmp_path: Path) -> None:
    """Pixels are 0.8 by 0.5 mm; the disc is 3 mm around a place that is none of their centres."""
    home = tmp_path / "source"
    images = series(home)
    centre, radius = (8.13, 4.87), 3.0
    drawn = [contour(circle(centre, 1.0, 0), images[0] if referenced else None)]
    drawn.append(contour(circle(centre, radius, 1), images[1] if referenced else None))
    structures(home / "rt.dcm", {"GTV_1": drawn})
    bring_in(home, tmp_path / "out")
    (task,) = tasks(tmp_path / "out")
    rows, columns = np.mgrid[:HEIGHT, :WIDTH]
    distance = np.hypot(columns * SPACING[1] - centre[0], rows * SPACING[0] - centre[1])
    assert np.abs(distance - radius).min() > 1e-3
    assert np.array_equal(bits_of(task), distance < radius)
    assert (task.question, shown(task)) == ("Segment the GTV 1.", 1)


def test_what_is_drawn_within_leaves_a_hole_in_any_order(tmp_path: Path) -> None:
    home, sizes = tmp_path / "source", (4.5, 3.0, 1.5)
    images = series(home)
    rows, columns = np.mgrid[:HEIGHT, :WIDTH]
    distance = np.hypot(columns * SPACING[1] - 8.13, rows * SPACING[0] - 4.87)
    wanted = (distance < 4.5) & (distance > 3.0) | (distance < 1.5)
    for kind in ("CLOSED_PLANAR", "CLOSEDPLANAR_XOR"):
        for order in ((0, 1, 2), (2, 1, 0), (1, 0, 2)):
            drawn = [contour(circle((8.13, 4.87), sizes[i], 1), images[1], kind) for i in order]
            structures(home / "rt.dcm", {"ring": drawn})
            bring_in(home, tmp_path / "out")
            assert np.array_equal(bits_of(tasks(tmp_path / "out")[0]), wanted), (kind, order)


def test_contours_that_overlap_in_part_are_united(tmp_path: Path) -> None:
    home = tmp_path / "source"
    images = series(home)
    centres = ((6.13, 4.87), (9.13, 4.87))
    structures(home / "rt.dcm", {"lung": [contour(circle(centre, 3, 1), images[1]) for centre in centres]})
    bring_in(home, tmp_path / "out")
    rows, columns = np.mgrid[:HEIGHT, :WIDTH]
    discs = [np.hypot(columns * SPACING[1] - x, rows * SPACING[0] - y) < 3 for x, y in centres]
    assert np.array_equal(bits_of(tasks(tmp_path / "out")[0]), discs[0] | discs[1])


def test_an_oblique_series_is_drawn_on_as_it_lies(tmp_path: Path) -> None:
    home = tmp_path / "source"
    across, down = np.array([0.8, 0.6, 0.0]), np.array([-0.36, 0.48, 0.8])
    normal = np.cross(across, down)
    for number in range(3):
        place = (np.array(ORIGIN) + 2 * number * normal).tolist()
        fields = {
            "ImagePositionPatient": place,
            "ImageOrientationPatient": [*across, *down],
            "SeriesInstanceUID": "1.2.9",
        }
        series(home / str(number), 1, **fields, PixelData=(noise(number).astype(np.int16) * 4).tobytes())
    angle = np.arange(720) * (2 * np.pi / 720)
    x, y = 8.13 + 3 * np.cos(angle), 4.87 + 3 * np.sin(angle)
    points = np.array(ORIGIN) + 2 * normal + x[:, None] * across + y[:, None] * down
    structures(home / "rt.dcm", {"tumor": [contour(points, None)]})
    bring_in(home, tmp_path / "out")
    (task,) = tasks(tmp_path / "out")
    rows, columns = np.mgrid[:HEIGHT, :WIDTH]
    assert np.array_equal(bits_of(task), np.hypot(columns * SPACING[1] - 8.13, rows * SPACING[0] - 4.87) < 3)
    assert shown(task) == 1


def _tilted() -> np.ndarray:
    points = circle((8, 5), 3, 1)
    points[:, 2] += np.linspace(0, 1, len(points))
    return points


@pytest.mark.parametrize(
    ("drawn", "why"),
    [
        (circle((8, 5), 3, 1)[:2], "a contour cannot be read; expected three points or more"),
        (_tilted(), "a contour does not lie in the plane of its image"),
        (circle((800, 5), 3, 1), "nothing is marked; expected something on an image"),
        (None, "nothing is marked; expected something on an image"),
    ],
)
def test_one_bad_region_is_reported_and_the_others_go_in(drawn: np.ndarray | None, why: str, tmp_path: Path) -> None:
    home = tmp_path / "source"
    images = series(home)
    good = contour(circle((8, 5), 3, 1), images[1])
    bad = [contour(drawn, images[1])] if drawn is not None else [contour(circle((8, 5), 3, 1), images[1], "POINT")]
    structures(home / "rt.dcm", {"lung": [good], "heart": bad})
    assert bring_in(home, tmp_path / "out")["structures"] == {"lung": 1}
    (only,) = rejected(tmp_path / "out")
    assert (only["file"], only["item"]) == ("rt.dcm", "region 2, heart")
    assert why in only["reason"]


def test_two_series_in_one_place_are_not_guessed(tmp_path: Path) -> None:
    home = tmp_path / "source"
    series(home / "first")
    images = series(home / "second", SeriesInstanceUID="1.2.3.9")
    structures(home / "rt.dcm", {"lung": [contour(circle((8, 5), 3, 1), None)]})
    with pytest.raises(InputError, match="images of several series lie where it was drawn; expected one"):
        bring_in(home, tmp_path / "out")
    named = item(RTReferencedSeriesSequence=[item(SeriesInstanceUID="1.2.3.9")])
    reference = [item(RTReferencedStudySequence=[named])]
    structures(
        home / "rt.dcm", {"lung": [contour(circle((8, 5), 3, 1), None)]}, ReferencedFrameOfReferenceSequence=reference
    )
    bring_in(home, tmp_path / "out")
    (task,) = tasks(tmp_path / "out")
    assert Path(file_of(task.images[0])[0]).parent.name == "second"
    assert images
