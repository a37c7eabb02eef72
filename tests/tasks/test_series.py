"""DICOM series in folders and frames in a file: the same body as in NIfTI, or a reason why not."""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence
from pydicom.uid import generate_uid

from medgym.core.errors import InputError
from medgym.core.volume import AXES, Plane, Volume
from medgym.tasks.readers import open_image
from tests.tasks.test_readers import affine_of, dicom, nifti

Z, Y, X = 6, 8, 10
UID = generate_uid()
BODY = (np.random.default_rng(0).permutation(Z * Y * X).reshape(Z, Y, X) * 4).astype(np.int16)
SPACING = (2.5, 0.7, 0.4)


def volume_of(path: Path, number: int | None = None) -> Volume:
    place = open_image(path, number).place
    assert place is not None
    return place.volume


def scanned(folder: Path, axis: str = "axial", turn: str = "", **fields: Any) -> Path:
    """Write BODY as a scanner would that moves along an axis; `turn` says how it stores a slice: t, m, u, and r."""
    folder.mkdir(exist_ok=True)
    step = {"axial": (0, 0, SPACING[0]), "coronal": (0, SPACING[1], 0), "sagittal": (SPACING[2], 0, 0)}[axis]
    right, down = {
        "axial": ((1, 0, 0), (0, 1, 0)),
        "coronal": ((1, 0, 0), (0, 0, -1)),
        "sagittal": ((0, 1, 0), (0, 0, -1)),
    }[axis]
    pitch = {"axial": (0.7, 0.4), "coronal": (2.5, 0.4), "sagittal": (2.5, 0.7)}[axis]
    count = dict(zip(AXES, BODY.shape, strict=True))[axis]  # type: ignore[arg-type]
    names = np.random.default_rng(1).permutation(count)
    for k in range(count):
        plane = {
            "axial": lambda k=k: BODY[k],
            "coronal": lambda k=k: BODY[::-1, k],
            "sagittal": lambda k=k: BODY[::-1, :, k],
        }[axis]()
        across, along, spacing = np.array(right), np.array(down), list(pitch)
        if "m" in turn:
            plane, across = plane[:, ::-1], -across
        if "u" in turn:
            plane, along = plane[::-1], -along
        if "t" in turn:
            plane, across, along, spacing = plane.T, along, across, spacing[::-1]
        geometry = {
            "ImagePositionPatient": list(np.array(step, float) * k + 3), "SeriesInstanceUID": UID,
            "ImageOrientationPatient": [float(v) for v in (*across, *along)], "PixelSpacing": spacing,
        }  # fmt: skip
        dicom(folder / f"{names[k]}.dcm", np.ascontiguousarray(plane), **{**geometry, **fields})
    return folder


@pytest.mark.parametrize("axis", AXES)
@pytest.mark.parametrize("turn", ["", "m", "u", "t", "tm", "tu", "mu", "tmu"])
def test_a_series_is_the_body_however_it_was_scanned(tmp_path: Path, axis: str, turn: str) -> None:
    folder = scanned(tmp_path / "series", axis, turn, RescaleSlope=2, RescaleIntercept=-1024)
    volume = volume_of(folder)
    reference = volume_of(nifti(tmp_path / "same.nii", BODY.transpose(2, 1, 0), affine_of("LPS", SPACING[::-1])))
    assert volume.shape == reference.shape == (Z, Y, X)
    assert volume.spacing == pytest.approx(SPACING)
    assert reference.spacing == pytest.approx(SPACING)
    assert volume.unit == "HU"
    for each in AXES:
        for k in range(volume.count(each)):
            assert np.array_equal(volume.values(Plane(each, k)), reference.values(Plane(each, k)) * 2.0 - 1024)
    assert volume.first == Plane(axis, volume.count(axis) // 2)  # type: ignore[arg-type]
    assert np.array_equal(open_image(folder, 1).values, volume.values(Plane(axis, 1)))  # type: ignore[arg-type]


def test_the_first_view_reads_one_file(tmp_path: Path) -> None:
    folder = scanned(tmp_path / "series", WindowCenter=40, WindowWidth=4000)
    source = open_image(folder, 4)
    kept = [path for path in folder.iterdir() if np.array_equal(open_image(path).values, BODY[4])]
    for path in set(folder.iterdir()) - set(kept):
        path.write_bytes(b"gone")
    assert len(kept) == 1
    assert np.array_equal(source.values, BODY[4])
    assert np.array_equal(source.pixels, open_image(kept[0]).pixels)
    with pytest.raises(InputError, match="expected a whole DICOM image"):
        _ = source.place.volume.cut(Plane("coronal", 0)).pixels  # type: ignore[union-attr]


def test_sixteen_bits_stay_sixteen_and_slices_with_scales_of_their_own_are_scaled(tmp_path: Path) -> None:
    from medgym.core.volume import VOLUMES

    volume = volume_of(scanned(tmp_path / "one", RescaleSlope=1, RescaleIntercept=-1024))
    volume.values(Plane("coronal", 1))
    assert VOLUMES.find(volume.key).dtype == np.int16  # type: ignore[union-attr]
    folder = scanned(tmp_path / "pet", RescaleSlope=1, RescaleIntercept=0)
    for path in folder.iterdir():
        source = open_image(path)
        k = next(k for k in range(Z) if np.array_equal(source.values, BODY[k]))
        dicom(path, BODY[k], SeriesInstanceUID=UID, ImageOrientationPatient=[1, 0, 0, 0, 1, 0],
              ImagePositionPatient=[0, 0, 2.0 * k], RescaleSlope=k + 1, RescaleIntercept=0)  # fmt: skip
    scaled = volume_of(folder)
    for k in range(Z):
        assert np.array_equal(scaled.values(Plane("axial", k)), BODY[k] * (k + 1.0))
    assert np.array_equal(scaled.values(Plane("coronal", 2))[::-1], BODY[:, 2] * np.arange(1.0, Z + 1)[:, None])


def test_a_slightly_oblique_series_is_counted_along_the_nearest_axis(tmp_path: Path) -> None:
    c, s = np.cos(np.radians(12)), np.sin(np.radians(12))
    for k in range(Z):
        place = 3.0 * k * np.array([0, -s, c])
        dicom(tmp_path / f"{k}.dcm", BODY[k], SeriesInstanceUID=UID, ImagePositionPatient=[float(v) for v in place],
              ImageOrientationPatient=[1.0, 0.0, 0.0, 0.0, c, s], PixelSpacing=[0.7, 0.4])  # fmt: skip
    volume = volume_of(tmp_path)
    assert volume.first.axis == "axial"
    assert volume.spacing == pytest.approx((3.0, 0.7, 0.4))
    assert np.array_equal(volume.values(Plane("axial", 2)), BODY[2])


def _drop(folder: Path) -> None:
    """Lose a slice from the middle."""
    next(path for path in folder.iterdir() if np.array_equal(open_image(path).values, BODY[2])).unlink()


def _again(folder: Path) -> None:
    shutil.copy(next(folder.iterdir()), folder / "copy.dcm")


def _other(folder: Path) -> None:
    dicom(folder / "other.dcm", BODY[0], SeriesInstanceUID=generate_uid(), ImagePositionPatient=[0, 0, 90])


def _scout(folder: Path) -> None:
    dicom(folder / "scout.dcm", BODY[0], SeriesInstanceUID=UID, ImagePositionPatient=[0, 0, 90],
          ImageOrientationPatient=[1, 0, 0, 0, 0, -1])  # fmt: skip


def _small(folder: Path) -> None:
    dicom(folder / "small.dcm", BODY[0, :4], SeriesInstanceUID=UID, ImagePositionPatient=[0, 0, 90],
          ImageOrientationPatient=[1, 0, 0, 0, 1, 0])  # fmt: skip


def _lost(folder: Path) -> None:
    dicom(folder / "lost.dcm", BODY[0], SeriesInstanceUID=UID)


def _tilted(folder: Path) -> None:
    for k, path in enumerate(sorted(folder.iterdir())):
        dicom(path, BODY[k], SeriesInstanceUID=UID, ImagePositionPatient=[0, 0.8 * k, 2.5 * k], PixelSpacing=[0.7, 0.4],
              ImageOrientationPatient=[1, 0, 0, 0, 1, 0])  # fmt: skip


def _frames(folder: Path) -> None:
    dicom(folder / "cine.dcm", BODY, SeriesInstanceUID=UID)


def _colour(folder: Path) -> None:
    dicom(folder / "rgb.dcm", np.zeros((Y, X, 3), np.uint8), "RGB", SeriesInstanceUID=UID)


@pytest.mark.parametrize(
    ("spoil", "why"),
    [
        (_drop, r"slices are 2\.50 mm apart, but 5\.00 mm after slice 1; expected even distances"),
        (_again, r"two slices lie at one place, .* expected one each"),
        (_other, r"the files of 2 series are mixed \(6, 1 files\); expected the DICOM files of one series"),
        (_scout, "slices are not parallel"),
        (_small, "slices are of different sizes"),
        (_lost, r"does not say where its slice lies \(ImagePositionPatient\)"),
        (_tilted, "slices are shifted against each other"),
        (_frames, "a file has several frames"),
        (_colour, "the slices are in colour"),
    ],
)
def test_what_is_no_even_stack_is_refused_with_the_reason(
    tmp_path: Path, spoil: Callable[[Path], None], why: str
) -> None:
    folder = scanned(tmp_path / "series")
    spoil(folder)
    with pytest.raises(InputError, match=why) as raised:
        open_image(folder)
    assert str(folder) in str(raised.value)
    assert "4711" not in str(raised.value)


def test_other_files_beside_a_series_are_passed_over(tmp_path: Path) -> None:
    folder = scanned(tmp_path / "series")
    (folder / "README.txt").write_text("Not an image.")
    (folder / "DICOMDIR").write_bytes(b"\0" * 128 + b"DICM")
    (folder / "more").mkdir()
    assert volume_of(folder).shape == (Z, Y, X)
    with pytest.raises(InputError, match="there is no slice 6; expected one from 0 to 5"):
        open_image(folder, 6)
    shutil.copytree(folder, tmp_path / "none", ignore=shutil.ignore_patterns("*.dcm", "DICOMDIR"))
    with pytest.raises(InputError, match="a folder without DICOM files"):
        open_image(tmp_path / "none")


# Frames of one file


def enhanced(
    path: Path, places: list[float], stack: np.ndarray, turned: tuple[float, ...] = (1, 0, 0, 0, 1, 0)
) -> Path:
    def groups(**macros: dict[str, Any]) -> Dataset:
        made = Dataset()
        for name, fields in macros.items():
            item = Dataset()
            for field, value in fields.items():
                setattr(item, field, value)
            setattr(made, name, Sequence([item]))
        return made

    own = [groups(PlanePositionSequence={"ImagePositionPatient": [0, 0, place]}) for place in places]
    shared = groups(
        PlaneOrientationSequence={"ImageOrientationPatient": list(turned)},
        PixelMeasuresSequence={"PixelSpacing": [0.7, 0.4]},
        PixelValueTransformationSequence={"RescaleSlope": 1, "RescaleIntercept": -1024, "RescaleType": "HU"},
    )
    fields = {"SharedFunctionalGroupsSequence": [shared], "PerFrameFunctionalGroupsSequence": own}
    return dicom(path, stack, **fields)


def test_frames_that_say_where_they_lie_are_a_volume_in_the_patients_order(tmp_path: Path) -> None:
    path = enhanced(tmp_path / "enhanced.dcm", [2.5 * k for k in reversed(range(Z))], BODY[::-1])
    frame = open_image(path, 1)
    assert np.array_equal(frame.values, BODY[Z - 2] - 1024.0), "a frame is asked for by its number in the file"
    assert frame.place is not None
    assert frame.place.cut == Plane("axial", Z - 2)
    volume = frame.place.volume
    assert volume.spacing == pytest.approx(SPACING)
    assert volume.unit == frame.unit == "HU"
    assert np.array_equal(volume.values(Plane("coronal", 3)), BODY[::-1, 3] - 1024.0)


def test_frames_that_do_not_are_counted_as_they_come_at_an_unknown_distance(tmp_path: Path) -> None:
    path = dicom(tmp_path / "cine.dcm", BODY, PixelSpacing=[0.7, 0.4])
    volume = volume_of(path, 2)
    assert (volume.first, volume.spacing) == (Plane("axial", 2), (None, 0.7, 0.4))
    assert volume.cut(Plane("axial", 0)).spacing == (0.4, 0.7)
    assert volume.cut(Plane("coronal", 0)).spacing is None
    assert np.array_equal(volume.values(Plane("sagittal", 1)), BODY[::-1, :, 1])


def test_frames_that_are_no_even_stack_or_lie_otherwise_stay_single(tmp_path: Path) -> None:
    uneven = enhanced(tmp_path / "uneven.dcm", [0, 1, 2, 3, 4, 9], BODY)
    mirrored = enhanced(tmp_path / "mirrored.dcm", [2.5 * k for k in range(Z)], BODY, (-1, 0, 0, 0, 1, 0))
    for path in (uneven, mirrored):
        assert open_image(path, 3).place is None
        assert np.array_equal(open_image(path, 3).values, BODY[3] - 1024.0)
    colour = dicom(tmp_path / "rgb.dcm", np.zeros((4, 5, 6, 3), np.uint8), "RGB")
    assert open_image(colour).place is None
