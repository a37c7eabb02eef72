"""Every format a user may have: shown the right way up, in the right greys, with its millimetres."""

import pickle
import sys
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import pydicom
import pytest
from PIL import Image
from pydicom.dataset import Dataset, FileDataset, FileMetaDataset
from pydicom.pixels import apply_modality_lut, apply_windowing
from pydicom.sequence import Sequence
from pydicom.uid import ExplicitVRLittleEndian, SecondaryCaptureImageStorage, generate_uid

from medgym.core.errors import InputError
from medgym.core.mask import Mask
from medgym.tasks.readers import open_image, read_image, read_mask
from medgym.tools.contrast import windowed

CASES = Path(__file__).parents[2].parent / "shared" / "cases"
real = pytest.mark.skipif(not CASES.is_dir(), reason="the real cases are not beside the repository")

GREY = np.arange(12, dtype=np.uint8).reshape(3, 4) * 20
COLOUR = np.stack([GREY, GREY + 5, 255 - GREY], -1)
NOISE = np.random.default_rng(0).integers(0, 255, (64, 64), np.uint8)


def saved(path: Path, pixels: np.ndarray, **settings: Any) -> Path:
    Image.fromarray(pixels).save(path, **settings)
    return path


def stretched(values: np.ndarray) -> np.ndarray:
    low, high = np.percentile(values, (0.5, 99.5))
    return np.rint(np.clip((values - low) / (high - low) * 255, 0, 255))


def dicom(path: Path, pixels: np.ndarray, photometric: str = "MONOCHROME2", **fields: Any) -> Path:
    """Write a small uncompressed DICOM file; frames come first, samples last."""
    colour = photometric.startswith(("RGB", "YBR"))
    meta = FileMetaDataset()
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    meta.MediaStorageSOPClassUID = SecondaryCaptureImageStorage
    meta.MediaStorageSOPInstanceUID = generate_uid()
    dataset = FileDataset(str(path), {}, file_meta=meta, preamble=b"\0" * 128)
    dataset.SOPClassUID, dataset.SOPInstanceUID = (
        meta.MediaStorageSOPClassUID,
        meta.MediaStorageSOPInstanceUID,
    )
    dataset.PatientName, dataset.PatientID, dataset.Modality = "Doe^Jane", "4711", "CT"
    shape = pixels.shape[:-1] if colour else pixels.shape
    dataset.Rows, dataset.Columns = shape[-2:]
    if len(shape) == 3:
        dataset.NumberOfFrames = shape[0]
    dataset.SamplesPerPixel, dataset.PhotometricInterpretation = (3 if colour else 1), photometric
    if colour:
        dataset.PlanarConfiguration = 0
    bits = pixels.dtype.itemsize * 8
    dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit = bits, bits, bits - 1
    dataset.PixelRepresentation = int(pixels.dtype.kind == "i")
    dataset.PixelData = pixels.tobytes()
    for name, value in fields.items():
        setattr(dataset, name, value)
    dataset.save_as(path, enforce_file_format=True)
    return path


def nifti(path: Path, values: np.ndarray, affine: np.ndarray) -> Path:
    nibabel.save(nibabel.Nifti1Image(values, affine), path)
    return path


@pytest.mark.parametrize("suffix", [".png", ".tif", ".bmp", ".webp"])
@pytest.mark.parametrize("pixels", [GREY, COLOUR], ids=["grey", "colour"])
def test_a_lossless_picture_is_read_as_it_was_written(tmp_path: Path, suffix: str, pixels: np.ndarray) -> None:
    path = saved(tmp_path / f"picture{suffix}", pixels, **({"lossless": True} if suffix == ".webp" else {}))
    reading = read_image(path)
    wanted = np.stack([GREY] * 3, -1) if suffix == ".webp" and pixels.ndim == 2 else pixels
    assert reading.pixels.dtype == np.uint8
    assert np.array_equal(reading.pixels, wanted)
    assert (reading.spacing, reading.modality) == (None, "")


def test_a_jpeg_is_read(tmp_path: Path) -> None:
    path = saved(tmp_path / "picture.jpg", np.full((16, 24, 3), (200, 100, 50), np.uint8), quality=95)
    assert np.abs(read_image(path).pixels.astype(int) - (200, 100, 50)).max() <= 3


@pytest.mark.parametrize("suffix", [".jpg", ".png", ".tif"])
def test_a_photograph_is_turned_upright_as_its_exif_tag_says(tmp_path: Path, suffix: str) -> None:
    pixels = np.zeros((16, 32), np.uint8)
    pixels[:8, :8] = 255
    exif = Image.Exif()
    exif[0x0112] = 6  # the camera was turned: show it rotated by 90 degrees clockwise
    path = saved(tmp_path / f"turned{suffix}", pixels, exif=exif)
    assert np.abs(read_image(path).pixels.astype(int) - np.rot90(pixels, -1)).max() <= 8
    upright = saved(tmp_path / "mask.png", np.rot90(pixels, -1))
    assert read_mask(path, (16, 32)).iou(read_mask(upright, (16, 32))) == 1


def test_one_bit_palette_and_cmyk_pictures_keep_their_colours(tmp_path: Path) -> None:
    bits = Image.fromarray(GREY > 100)
    bits.save(tmp_path / "bits.png")
    assert np.array_equal(read_image(tmp_path / "bits.png").pixels, np.where(GREY > 100, 255, 0))
    palette = Image.fromarray(np.array([[0, 1], [2, 1]], np.uint8), "L").convert("P")
    palette.putpalette([255, 0, 0, 0, 255, 0, 1, 2, 3])
    palette.save(tmp_path / "palette.png")
    wanted = [[(255, 0, 0), (0, 255, 0)], [(1, 2, 3), (0, 255, 0)]]
    assert np.array_equal(read_image(tmp_path / "palette.png").pixels, wanted)
    Image.new("CMYK", (8, 8), (0, 255, 255, 0)).save(tmp_path / "ink.tif")
    assert np.array_equal(read_image(tmp_path / "ink.tif").pixels[0, 0], (255, 0, 0))


@pytest.mark.parametrize("mode", ["LA", "RGBA"])
def test_what_is_transparent_is_black(tmp_path: Path, mode: str) -> None:
    channels = 1 if mode == "LA" else 3
    pixels = np.full((2, 3, channels + 1), 200, np.uint8)
    pixels[..., -1] = [[0, 255, 128], [255, 255, 0]]
    path = saved(tmp_path / "clear.png", pixels)
    shown = read_image(path).pixels
    assert np.array_equal(shown[..., 0] if shown.ndim == 3 else shown, [[0, 200, 100], [200, 200, 0]])


def test_a_transparent_palette_entry_is_black(tmp_path: Path) -> None:
    palette = Image.fromarray(np.array([[0, 1]], np.uint8), "L").convert("P")
    palette.putpalette([255, 0, 0, 0, 255, 0])
    palette.save(tmp_path / "clear.png", transparency=0)
    assert np.array_equal(read_image(tmp_path / "clear.png").pixels, [[(0, 0, 0), (0, 255, 0)]])


@pytest.mark.parametrize("suffix", [".png", ".tif"])
def test_sixteen_bits_are_stretched_between_their_percentiles(tmp_path: Path, suffix: str) -> None:
    values = np.arange(10_000, dtype=np.uint16).reshape(100, 100) + 1000
    shown = read_image(saved(tmp_path / f"deep{suffix}", values)).pixels
    assert np.array_equal(shown, stretched(values))
    assert (shown.min(), shown.max()) == (0, 255)


def test_values_that_fit_a_byte_are_kept_and_fractions_are_stretched(tmp_path: Path) -> None:
    assert np.array_equal(read_image(saved(tmp_path / "deep.png", GREY.astype(np.uint16))).pixels, GREY)
    assert np.array_equal(read_image(saved(tmp_path / "real.tif", GREY.astype(np.float32))).pixels, GREY)
    shown = read_image(saved(tmp_path / "unit.tif", (GREY / 255).astype(np.float32))).pixels
    assert (shown.min(), shown.max()) == (0, 255)


def test_a_flat_or_undefined_image_is_black_and_a_lone_bright_pixel_shows(tmp_path: Path) -> None:
    flat = np.full((30, 30), 4000, np.uint16)
    assert not read_image(saved(tmp_path / "flat.png", flat)).pixels.any()
    flat[7, 9] = 5000
    assert np.argwhere(read_image(saved(tmp_path / "lone.png", flat)).pixels == 255).tolist() == [[7, 9]]
    undefined = np.full((4, 4), np.nan, np.float32)
    assert not read_image(saved(tmp_path / "nan.tif", undefined)).pixels.any()
    undefined[0] = [1, 400, 800, np.inf]
    assert read_image(saved(tmp_path / "some.tif", undefined)).pixels[1:].max() == 0


def faulty(tmp_path: Path, kind: str) -> Path:
    whole = saved(tmp_path / "whole.png", np.random.default_rng(0).integers(0, 255, (64, 64), np.uint8)).read_bytes()
    path = tmp_path / {"dicom": "x.dcm", "nifti": "x.nii", "packed": "x.nii.gz"}.get(kind, "x.png")
    if kind == "folder":
        path.mkdir()
    elif kind != "missing":
        content = {"truncated": whole[: len(whole) // 2], "empty": b"", "header": whole[:20]}
        path.write_bytes(content.get(kind, b"This is not an image. " * 20))
    return path


@pytest.mark.parametrize(
    ("kind", "why"),
    [
        ("missing", "no such file; expected PNG"),
        ("folder", "a folder, not a file; expected PNG"),
        ("empty", "the file is empty; expected PNG"),
        ("text", "not an image that can be read; expected PNG"),
        ("header", "expected "),
        ("truncated", "damaged, cut short .* expected a whole image"),
        ("dicom", "expected a whole DICOM image"),
        ("nifti", "expected a whole NIfTI volume"),
        ("packed", "expected a whole NIfTI volume"),
    ],
)
def test_an_unreadable_file_is_named_with_what_was_expected(tmp_path: Path, kind: str, why: str) -> None:
    path = faulty(tmp_path, kind)
    for read in (read_image, lambda path: read_mask(path, (64, 64)), lambda path: open_image(path).pixels):
        with pytest.raises(InputError, match=why) as raised:
            read(path)
        assert str(path) in str(raised.value)


def test_a_name_no_file_can_have_is_no_such_file() -> None:
    with pytest.raises(InputError, match="no such file"):
        read_image("a\0b.png")


@pytest.mark.filterwarnings("ignore::PIL.Image.DecompressionBombWarning")
@pytest.mark.parametrize("limit", [3, 8])
def test_a_decompression_bomb_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, limit: int) -> None:
    path = saved(tmp_path / "bomb.png", GREY)
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", limit)
    with pytest.raises(InputError, match=rf"bomb\.png: too large; expected at most {limit} pixels"):
        read_image(path)


def test_formats_that_start_programs_are_not_opened(tmp_path: Path) -> None:
    (tmp_path / "page.png").write_bytes(b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n%%EndComments\n")
    with pytest.raises(InputError, match="not an image that can be read"):
        read_image(tmp_path / "page.png")


@pytest.mark.parametrize(("package", "name"), [("pydicom", "scan.dcm"), ("nibabel", "scan.nii.gz")])
def test_a_missing_package_is_named_with_how_to_get_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, package: str, name: str
) -> None:
    path = tmp_path / name
    path.write_bytes(b"scan")
    monkeypatch.setitem(sys.modules, package, None)
    for read in (read_image, open_image):
        with pytest.raises(InputError, match=rf"needs {package}: pip install 'medgym\[data\]'"):
            read(path)


def test_an_opened_image_is_lazy_and_its_pickle_holds_only_the_path(tmp_path: Path) -> None:
    path = saved(tmp_path / "picture.png", NOISE)
    image = open_image(path)
    assert image.key == ("file", str(path), None, path.stat().st_mtime_ns, path.stat().st_size)
    assert len(pickle.dumps(image)) < 1000
    again = pickle.loads(pickle.dumps(image))
    assert again.key == image.key
    assert np.array_equal(again.pixels, read_image(path).pixels)
    assert open_image(faulty(tmp_path, "text")).spacing is None


# DICOM


def test_dicom_is_rescaled_and_shown_through_its_first_window(tmp_path: Path) -> None:
    stored = np.arange(0, 4096, 8, dtype=np.uint16).reshape(16, 32)
    fields = {"RescaleSlope": 2, "RescaleIntercept": -1024, "WindowCenter": [40, 0], "WindowWidth": [400, 2]}
    reading = read_image(dicom(tmp_path / "ct.dcm", stored, **fields))
    hounsfield = stored.astype(float) * 2 - 1024
    assert np.array_equal(reading.pixels, np.rint(np.clip((hounsfield - 39.5) / 399 + 0.5, 0, 1) * 255))
    assert reading.modality == "CT"


@pytest.mark.parametrize("form", ["LINEAR", "LINEAR_EXACT", "SIGMOID"])
def test_dicom_windows_agree_with_pydicom(tmp_path: Path, form: str) -> None:
    stored = np.arange(-2048, 2048, 16, dtype=np.int16).reshape(16, 16)
    fields = {"WindowCenter": 50, "WindowWidth": 350, "VOILUTFunction": form}
    path = dicom(tmp_path / "ct.dcm", stored, **fields)
    wanted = apply_windowing(stored, pydicom.dcmread(path))
    wanted = (wanted + 32768) / 65535 * 255
    assert np.abs(read_image(path).pixels - wanted).max() <= 0.5 + 1e-6


def test_a_window_one_wide_is_a_step(tmp_path: Path) -> None:
    stored = np.array([[8, 9, 10, 11]], np.uint16)
    path = dicom(tmp_path / "step.dcm", stored, WindowCenter=10, WindowWidth=1)
    assert read_image(path).pixels.tolist() == [[0, 0, 255, 255]]


@pytest.mark.parametrize("window", [None, ("", ""), (9, 0)])
def test_dicom_without_a_usable_window_is_stretched(tmp_path: Path, window: tuple[Any, Any] | None) -> None:
    fields = {"WindowCenter": window[0], "WindowWidth": window[1]} if window else {}
    stored = np.arange(200, dtype=np.uint16).reshape(10, 20)
    assert np.array_equal(read_image(dicom(tmp_path / "mr.dcm", stored, **fields)).pixels, stretched(stored))


def test_monochrome1_is_inverted_and_eight_bits_are_kept(tmp_path: Path) -> None:
    assert np.array_equal(read_image(dicom(tmp_path / "us.dcm", GREY)).pixels, GREY)
    assert np.array_equal(read_image(dicom(tmp_path / "xr.dcm", GREY, "MONOCHROME1")).pixels, 255 - GREY)


def test_dicom_colours_come_out_as_rgb(tmp_path: Path) -> None:
    assert np.array_equal(read_image(dicom(tmp_path / "rgb.dcm", COLOUR, "RGB")).pixels, COLOUR)
    ycc = np.asarray(Image.fromarray(COLOUR).convert("YCbCr"))
    shown = read_image(dicom(tmp_path / "ybr.dcm", ycc, "YBR_FULL")).pixels
    assert np.abs(shown.astype(int) - COLOUR).max() <= 3


def test_a_palette_dicom_is_looked_up(tmp_path: Path) -> None:
    fields: dict[str, Any] = {}
    for channel, entries in (("Red", (255, 0)), ("Green", (0, 128)), ("Blue", (7, 255))):
        fields[f"{channel}PaletteColorLookupTableDescriptor"] = [2, 0, 8]
        fields[f"{channel}PaletteColorLookupTableData"] = bytes(entries)
    path = dicom(tmp_path / "us.dcm", np.array([[0, 1], [1, 1]], np.uint8), "PALETTE COLOR", **fields)
    pixels = read_image(path).pixels
    assert pixels[0].tolist() == [[255, 0, 7], [0, 128, 255]]


def test_dicom_spacing_is_turned_from_row_and_column_to_x_and_y(tmp_path: Path) -> None:
    path = dicom(tmp_path / "scan", GREY, PixelSpacing=[0.7, 0.3])  # no suffix: told by its preamble
    assert read_image(path).spacing == (0.3, 0.7)
    assert open_image(path).spacing == (0.3, 0.7)
    assert open_image(path).size == (4, 3)
    assert open_image(dicom(tmp_path / "none.dcm", GREY)).spacing is None
    assert open_image(dicom(tmp_path / "zero.dcm", GREY, PixelSpacing=[0, 0])).spacing is None


@pytest.mark.parametrize(("frames", "middle"), [(1, 0), (2, 1), (5, 2)])
def test_of_many_frames_the_middle_one_is_shown(tmp_path: Path, frames: int, middle: int) -> None:
    stack = np.stack([GREY + i for i in range(frames)])
    assert np.array_equal(read_image(dicom(tmp_path / "cine.dcm", stack)).pixels, GREY + middle)


def test_a_slice_or_a_frame_is_opened_by_its_number(tmp_path: Path) -> None:
    cine = dicom(tmp_path / "cine.dcm", np.stack([GREY + i for i in range(5)]))
    scan = nifti(tmp_path / "scan.nii", body(), affine_of("LPS", (1, 1, 1)))
    for number in range(5):
        assert np.array_equal(open_image(cine, number).pixels, GREY + number)
    for number in range(body().shape[2]):
        values = open_image(scan, number).values
        assert values is not None
        assert np.array_equal(values, body()[:, :, number].T)
    assert open_image(cine, 0).key != open_image(cine, 1).key
    for path, last in ((cine, 4), (scan, body().shape[2] - 1)):
        with pytest.raises(InputError, match=f"there is no slice 99; expected one from 0 to {last}"):
            open_image(path, 99)


def test_an_enhanced_dicom_says_of_each_frame_how_it_is_shown(tmp_path: Path) -> None:
    def macro(name: str, **fields: Any) -> Dataset:
        groups, item = Dataset(), Dataset()
        for field, value in fields.items():
            setattr(item, field, value)
        setattr(groups, name, Sequence([item]))
        return groups

    own = [macro("FrameVOILUTSequence", WindowCenter=50 * i, WindowWidth=101) for i in (1, 2, 3)]
    shared = macro("PixelMeasuresSequence", PixelSpacing=[0.7, 0.3])
    stack = np.stack([np.arange(256, dtype=np.uint16).reshape(8, 32)] * 3)
    fields = {"SharedFunctionalGroupsSequence": [shared], "PerFrameFunctionalGroupsSequence": own}
    reading = read_image(dicom(tmp_path / "enhanced.dcm", stack, **fields))
    assert reading.spacing == (0.3, 0.7)
    assert np.array_equal(reading.pixels, np.rint(np.clip((stack[1] - 99.5) / 100 + 0.5, 0, 1) * 255))


def test_an_error_on_dicom_tells_nothing_of_the_patient(tmp_path: Path) -> None:
    path = dicom(tmp_path / "ct.dcm", GREY)
    path.write_bytes(path.read_bytes()[:-6])
    with pytest.raises(InputError, match="expected a whole DICOM image") as raised:
        read_image(path)
    assert "Doe" not in str(raised.value)
    assert "4711" not in str(raised.value)


# NIfTI: `axes` are the directions in which the array's axes grow; affines are in right, anterior, superior.


def affine_of(axes: str, zooms: tuple[float, ...]) -> np.ndarray:
    affine = np.zeros((4, 4))
    affine[3, 3] = 1
    for column, (axis, zoom) in enumerate(zip(axes, zooms, strict=True)):
        affine["LPS".find(axis) if axis in "LPS" else "RAI".find(axis), column] = zoom if axis in "RAS" else -zoom
    return affine


def body() -> np.ndarray:
    """Return a volume by left (5), posterior (4) and superior (3), every voxel another value below 256."""
    return (np.arange(60).reshape(5, 4, 3) * 4).astype(np.int16)


@pytest.mark.parametrize("axes", ["LPS", "RAS", "LAS", "RPI", "SLP", "PIR", "ASR"])
@pytest.mark.parametrize("suffix", [".nii", ".nii.gz"])
def test_a_volume_shows_its_middle_axial_slice_as_a_radiologist_sees_it(tmp_path: Path, axes: str, suffix: str) -> None:
    zooms = {"L": 0.5, "R": 0.5, "P": 0.75, "A": 0.75, "S": 2.0, "I": 2.0}
    stored = body().transpose(["LPS".find(axis) if axis in "LPS" else "RAI".find(axis) for axis in axes])
    stored = stored[tuple(slice(None, None, 1 if axis in "LPS" else -1) for axis in axes)]
    path = nifti(tmp_path / f"body{suffix}", stored, affine_of(axes, tuple(zooms[a] for a in axes)))
    reading = read_image(path)
    # Left of the patient is to the right, posterior is down: rows are posterior, columns left.
    assert np.array_equal(reading.pixels, body()[:, :, 1].T)
    assert reading.spacing == (0.5, 0.75)
    assert open_image(path).spacing == (0.5, 0.75)
    assert open_image(path).size == (5, 4)


def test_of_a_series_the_middle_of_time_is_shown(tmp_path: Path) -> None:
    series = np.stack([body() - 5, body(), body() + 5], -1).clip(0, 255)
    path = nifti(tmp_path / "series.nii", series, affine_of("LPS", (1, 1, 1)))
    assert np.array_equal(read_image(path).pixels, body()[:, :, 1].T)


def test_a_single_coronal_or_sagittal_slice_stands_upright(tmp_path: Path) -> None:
    coronal = nifti(tmp_path / "coronal.nii", body()[:, 1:2], affine_of("LPS", (1, 2, 3)))
    assert np.array_equal(read_image(coronal).pixels, body()[:, 1, ::-1].T)
    assert read_image(coronal).spacing == (1, 3)
    sagittal = nifti(tmp_path / "sagittal.nii", body()[1:2], affine_of("LPS", (1, 2, 3)))
    assert np.array_equal(read_image(sagittal).pixels, body()[1, :, ::-1].T)
    assert read_image(sagittal).spacing == (2, 3)


def test_a_plane_and_a_colour_volume_are_read(tmp_path: Path) -> None:
    plane = nifti(tmp_path / "plane.nii", body()[:, :, 0], affine_of("LPS", (1, 2, 3)))
    assert np.array_equal(read_image(plane).pixels, body()[:, :, 0].T)
    colours = np.zeros((5, 4, 3), [("R", "u1"), ("G", "u1"), ("B", "u1")])
    colours["G"] = body()
    shown = read_image(nifti(tmp_path / "rgb.nii", colours, affine_of("LPS", (1, 1, 1)))).pixels
    assert np.array_equal(shown[..., 1], body()[:, :, 1].T)
    assert shown.shape == (4, 5, 3)


def test_nifti_values_beyond_a_byte_are_stretched_and_microns_become_millimetres(tmp_path: Path) -> None:
    values = (np.arange(4000, dtype=np.float32) - 1000).reshape(50, 80, 1)
    image = nibabel.Nifti1Image(values, affine_of("LPS", (250, 500, 1000)))
    image.header.set_xyzt_units("micron")
    nibabel.save(image, tmp_path / "ct.nii.gz")
    reading = read_image(tmp_path / "ct.nii.gz")
    assert np.array_equal(reading.pixels, stretched(values[..., 0].T))
    assert reading.spacing == (0.25, 0.5)


# Stored values


def test_a_ct_keeps_its_hounsfield_units_also_where_it_is_shown_inverted(tmp_path: Path) -> None:
    raw = (np.arange(12, dtype=np.uint16) * 100).reshape(3, 4)
    scale = {"RescaleSlope": 2, "RescaleIntercept": -1024, "WindowCenter": 0, "WindowWidth": 2000}
    for photometric in ("MONOCHROME2", "MONOCHROME1"):
        source = open_image(dicom(tmp_path / f"{photometric}.dcm", raw, photometric, **scale))
        assert source.values is not None
        assert np.array_equal(source.values, raw.astype(np.float32) * 2 - 1024)
        assert (source.values.dtype, source.unit) == (np.float32, "HU")
        assert source.inverted == (photometric == "MONOCHROME1")
        assert np.abs(windowed(source, 0, 2000).astype(int) - source.pixels).max() <= 1
        assert pickle.loads(pickle.dumps(source)).values.shape == (3, 4)


def test_only_a_rescaled_ct_is_in_hounsfield_units(tmp_path: Path) -> None:
    raw = np.arange(12, dtype=np.uint16).reshape(3, 4)
    captured = open_image(dicom(tmp_path / "capture.dcm", raw))
    radiograph = open_image(dicom(tmp_path / "dx.dcm", raw, Modality="DX", RescaleSlope=1, RescaleIntercept=0))
    otherwise = open_image(dicom(tmp_path / "us.dcm", raw, RescaleSlope=1, RescaleIntercept=0, RescaleType="US"))
    assert [each.unit for each in (captured, radiograph, otherwise)] == ["", "", ""]
    assert captured.values is not None
    assert np.array_equal(captured.values, raw)


def test_colours_and_pictures_have_no_stored_values(tmp_path: Path) -> None:
    assert open_image(dicom(tmp_path / "colour.dcm", COLOUR, "RGB")).values is None
    assert open_image(saved(tmp_path / "grey.png", GREY)).values is None
    colours = np.zeros((5, 4, 3), [("R", "u1"), ("G", "u1"), ("B", "u1")])
    assert open_image(nifti(tmp_path / "rgb.nii", colours, affine_of("LPS", (1, 1, 1)))).values is None


@pytest.mark.parametrize("axes", ["LPS", "RAS", "LIP"])
def test_a_niftis_stored_values_lie_as_it_is_shown(tmp_path: Path, axes: str) -> None:
    path = nifti(tmp_path / "scan.nii", body().astype(np.float32), affine_of(axes, (1, 1, 1)))
    source = open_image(path)
    assert source.values is not None
    assert np.array_equal(np.rint(source.values), source.pixels)
    assert source.unit == ""


# Masks


BITS = GREY > 130


@pytest.mark.parametrize("one", [1, 255])
@pytest.mark.parametrize("mode", ["L", "RGB", "1", "I;16", "F", "RGBA", "alpha"])
def test_a_mask_reads_the_same_however_it_is_coded(tmp_path: Path, mode: str, one: int) -> None:
    coded = (BITS * one).astype(np.uint8)
    clear, full = np.zeros_like(coded), np.full_like(coded, 255)
    pixels = {
        "RGB": np.stack([coded] * 3, -1),
        "1": BITS,
        "I;16": coded.astype(np.uint16) * 257,
        "F": coded.astype(np.float32),
        "RGBA": np.stack([coded, coded, coded, full], -1),
        "alpha": np.stack([clear, clear, clear, coded], -1),
    }.get(mode, coded)
    mask = read_mask(saved(tmp_path / "mask.tif", pixels), (4, 3))
    assert np.array_equal(mask.bits(), BITS)


def test_an_empty_mask_is_empty_and_a_full_one_full(tmp_path: Path) -> None:
    assert read_mask(saved(tmp_path / "none.png", GREY * 0), (4, 3)) == Mask.empty((4, 3))
    assert read_mask(saved(tmp_path / "all.png", GREY * 0 + 1), (4, 3)).area == 12


def test_a_palette_mask_of_one_dark_red_label_is_read(tmp_path: Path) -> None:
    labels = Image.fromarray(BITS.astype(np.uint8), "L").convert("P")
    labels.putpalette([0, 0, 0, 1, 0, 0])
    labels.save(tmp_path / "mask.png")
    assert np.array_equal(read_mask(tmp_path / "mask.png", (4, 3)).bits(), BITS)


def test_a_mask_of_a_scan_lies_as_the_scan_is_shown(tmp_path: Path) -> None:
    volume = nifti(tmp_path / "mask.nii.gz", (body() > 120).astype(np.uint8), affine_of("LPS", (1, 1, 1)))
    assert np.array_equal(read_mask(volume, (5, 4)).bits(), (body() > 120)[:, :, 1].T)
    flat = dicom(tmp_path / "mask.dcm", BITS.astype(np.uint8), WindowCenter=900, WindowWidth=10)
    assert np.array_equal(read_mask(flat, (4, 3)).bits(), BITS)


def test_a_mask_of_another_size_is_refused_with_both_sizes(tmp_path: Path) -> None:
    path = saved(tmp_path / "mask.png", GREY)
    with pytest.raises(InputError, match=r"mask\.png: the mask is 4x3 and its image 3x4 pixels"):
        read_mask(path, (3, 4))


# The real cases


@real
def test_the_real_ct_is_its_hounsfield_units_through_its_lung_window() -> None:
    path = CASES / "images" / "ct_lung_nodule.dcm"
    dataset, reading = pydicom.dcmread(path), read_image(path)
    hounsfield = apply_modality_lut(dataset.pixel_array, dataset)
    assert (reading.pixels[0, 0], reading.modality) == (28, "CT")  # -1024 under -400 +- 800, air
    wanted = np.clip((hounsfield - -400.5) / 1599 + 0.5, 0, 1) * 255
    assert np.abs(reading.pixels - wanted).max() <= 0.5 + 1e-9
    assert reading.spacing == tuple(reversed(dataset.PixelSpacing)) == open_image(path).spacing


@real
def test_the_real_ultrasound_has_its_apex_on_top() -> None:
    path = CASES / "images" / "us_heart_2ch_sequence.nii.gz"
    reading = read_image(path)
    stored = np.asarray(nibabel.load(path).dataobj)
    assert np.array_equal(reading.pixels, np.rint(stored[:, :, 7].T))
    assert reading.spacing == (0.308, 0.308)
    lit = (reading.pixels > 0).sum(1)
    assert lit[:10].max() < 40 < 400 < lit[300:330].min()


@real
@pytest.mark.parametrize(
    ("name", "shape"),
    [
        ("ct_liver_1.png", (512, 512)),
        ("pathology_breast.png", (1024, 1024, 3)),
        ("mri_flair_brain.png", (1024, 1024)),
        ("oct_dme.jpg", (512, 512)),
        ("fundus.jpg", (1634, 1634, 3)),
        ("xray_chest.png", (256, 256)),
        ("ct_lung_nodule.dcm", (512, 512)),
        ("us_heart_2ch_sequence.nii.gz", (422, 512)),
    ],
)
def test_every_real_image_opens_at_its_full_size(name: str, shape: tuple[int, ...]) -> None:
    pixels = open_image(CASES / "images" / name).pixels
    assert (pixels.shape, pixels.dtype) == (shape, np.uint8)
    assert pixels.std() > 10
