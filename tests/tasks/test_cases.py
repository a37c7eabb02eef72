"""The real images: the right way up, of the right size and spacing, and with what was measured."""

import nibabel
import numpy as np
import pydicom
import pytest
from PIL import Image, ImageOps
from pydicom.pixels import apply_modality_lut

from medgym.core.geometry import Affine
from medgym.core.view import View
from medgym.core.volume import Plane
from medgym.tasks.readers import open_image
from tests.conftest import CASES

pytestmark = pytest.mark.skipif(not CASES.is_dir(), reason="the real cases are not beside the repository")
IMAGES = CASES / "images"
PICTURES = sorted(path.name for path in IMAGES.glob("*") if path.suffix in (".png", ".jpg"))
CT, HEART = IMAGES / "ct_lung_nodule.dcm", IMAGES / "us_heart_2ch_sequence.nii.gz"


def test_all_of_them_are_tried() -> None:
    assert {path.name for path in IMAGES.iterdir()} == {*PICTURES, CT.name, HEART.name}


@pytest.mark.parametrize("name", PICTURES)
def test_a_picture_is_the_one_that_other_programs_show(name: str) -> None:
    source = open_image(IMAGES / name)
    with Image.open(IMAGES / name) as image:
        upright = np.asarray(ImageOps.exif_transpose(image).convert("RGB"))
    assert source.size == upright.shape[1::-1]
    whole = View(source, Affine(), source.size).pixels
    assert np.array_equal(whole, upright)
    assert (source.spacing, source.values, source.place) == (None, None, None)


def test_the_ct_has_its_hounsfield_units_and_millimetres() -> None:
    dataset, source = pydicom.dcmread(CT), open_image(CT)
    values = source.values
    assert values is not None
    assert np.array_equal(values, apply_modality_lut(dataset.pixel_array, dataset))
    assert (source.unit, source.size) == ("HU", (dataset.Columns, dataset.Rows))
    assert source.spacing == (float(dataset.PixelSpacing[1]), float(dataset.PixelSpacing[0]))
    # Stored upright: its rows go to the patient's left and its columns to the back.
    assert dataset.ImageOrientationPatient == [1, 0, 0, 0, 1, 0]
    bright = source.pixels.astype(int)
    assert np.corrcoef(bright.ravel(), np.clip(values, -1200, 400).ravel())[0, 1] > 0.999
    assert source.place is None, "one slice is no volume"


def test_the_sequence_is_a_volume_of_nibabels_slices_and_spacing() -> None:
    file, source = nibabel.load(HEART), open_image(HEART)
    assert source.place is not None
    volume = source.place.volume
    stored = np.asarray(file.dataobj)
    zooms = [float(zoom) for zoom in file.header.get_zooms()]
    assert nibabel.aff2axcodes(file.affine)[:2] == ("L", "P"), "no axis has to be turned"
    assert volume.shape == stored.shape[::-1] == (15, 422, 512)
    assert volume.spacing == pytest.approx(zooms[::-1])
    assert source.place.cut == Plane("axial", 7)
    for k in range(15):
        slice_ = open_image(HEART, k)
        assert slice_.values is not None
        assert np.array_equal(slice_.values, stored[:, :, k].T)
        assert np.array_equal(volume.values(Plane("axial", k)), stored[:, :, k].T)
        assert slice_.spacing == pytest.approx(zooms[:2])
        assert slice_.size == (512, 422)
    assert np.array_equal(volume.values(Plane("coronal", 200)), stored[:, 200, ::-1].T)
    assert np.array_equal(volume.values(Plane("sagittal", 200)), stored[200, :, ::-1].T)
    assert np.array_equal(source.pixels, np.clip(np.rint(stored[:, :, 7].T), 0, 255))
