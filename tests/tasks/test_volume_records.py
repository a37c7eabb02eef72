"""Records about volumes and about several images: which slice, which labels, whose mask."""

import json
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from medgym.core.errors import InputError
from medgym.core.task import Task, truth_of
from medgym.core.volume import VOLUMES, Plane
from medgym.tasks.records import Records
from tests.scans import IN_VOXELS, LIVER, ON_A_SLICE, SPLEEN, labels, values, written
from tests.tasks.test_readers import affine_of, nifti
from tests.tasks.test_series import BODY, scanned


def task(folder: Path, **record: Any) -> Task:
    return Records(written(folder, record), "test")[0]


def test_a_label_is_read_on_the_slice_asked_about(tmp_path: Path) -> None:
    for k, label in ((5, LIVER), (2, SPLEEN), (0, LIVER)):
        truth = truth_of(task(tmp_path, **{**ON_A_SLICE, "label": label, "slice": k}))
        assert truth.plane == Plane("axial", k)
        assert truth.mask is not None
        assert np.array_equal(truth.mask.bits(), labels()[k] == label)
        assert truth.solids["liver"].area == (labels() == label).sum()
    both = truth_of(task(tmp_path, **{**ON_A_SLICE, "label": [LIVER, SPLEEN], "slice": 3}))
    assert both.mask is not None
    assert np.array_equal(both.mask.bits(), labels()[3] > 0)


def test_of_a_slice_neither_image_nor_labels_are_read_whole(tmp_path: Path) -> None:
    path = written(tmp_path, ON_A_SLICE)
    held = len(VOLUMES)
    made = Records(path, "test")[0]
    assert made.images[0].values is not None
    assert len(VOLUMES) == held


def test_a_volume_asked_for_has_its_structure_in_voxels(tmp_path: Path) -> None:
    made = task(tmp_path, **IN_VOXELS)
    truth = truth_of(made)
    assert made.in_voxels
    assert made.public().in_voxels
    assert truth.solid is not None
    assert np.array_equal(truth.solid.voxels(), labels() == LIVER)
    assert truth.plane == Plane("axial", 4)
    assert truth.mask == truth.solid.on(Plane("axial", 4))


def test_several_volumes_of_labels_are_united(tmp_path: Path) -> None:
    written(tmp_path)
    for label in (LIVER, SPLEEN):
        nifti(tmp_path / f"{label}.nii", (labels() == label).T.astype(np.float32), affine_of("LPS", (0.8, 0.8, 3)))
    made = truth_of(task(tmp_path, mask_path=[f"{LIVER}.nii", f"{SPLEEN}.nii"], scored="volume"))
    assert made.solid is not None
    assert np.array_equal(made.solid.voxels(), labels() > 0)


@pytest.mark.parametrize(
    ("record", "why"),
    [
        ({"mask_path": "labels.nii.gz", "scored": "volume"}, "the mask has the values 1, 2; expected label to say which"),
        ({"mask_path": "plane.png", "scored": "volume"}, "scored: a volume is asked for, and the image or its mask is none"),
        ({"image_path": "plane.png", "mask_path": "labels.nii.gz", "scored": "volume"}, "the image or its mask is none"),
        ({"mask_path": "short.nii", "label": 1}, "the mask is 80x60x7 and its image 80x60x8 voxels; expected the same size"),
        ({"mask_path": "labels.nii.gz", "scored": "all"}, "scored: .*expected slice or volume"),
        ({"question_type": "yes/no", "answer": "yes", "scored": "volume"}, "scored: a volume is asked for by a segmentation"),
        ({"mask_path": "labels.nii.gz", "label": -1}, "label: .*expected a whole number from 0, or a list of them"),
        ({"question_type": "yes/no", "answer": "yes", "label": 1}, "label goes with mask_path, which is missing"),
        ({"mask_path": "labels.nii.gz", "mask_image": 1}, "there is no image 1; expected one from 0 to 0"),
        ({"mask_path": "labels.nii.gz", "slice": [1, 2]}, "slice: there are 2 for 1 images"),
        ({"mask_path": "labels.nii.gz", "slice": 8, "label": 1}, "there is no slice 8; expected one from 0 to 7"),
    ],
)  # fmt: skip
def test_what_does_not_fit_is_refused_in_words(tmp_path: Path, record: dict[str, Any], why: str) -> None:
    Image.fromarray(labels()[4] * 100).save(tmp_path / "plane.png")
    nifti(tmp_path / "short.nii", labels()[:7].T, affine_of("LPS", (0.8, 0.8, 3)))
    with pytest.raises(InputError, match=why):
        task(tmp_path, **record)


def test_labels_lie_on_a_series_that_was_scanned_along_another_axis(tmp_path: Path) -> None:
    scanned(tmp_path / "series", "sagittal", "m")
    nifti(tmp_path / "labels.nii.gz", (BODY > 900).T.astype(np.uint8), affine_of("LPS", (0.4, 0.7, 2.5)))
    record = {"question_type": "segmentation", "question": "Segment it.", "image_path": "series"}
    path = tmp_path / "series.json"
    path.write_text(json.dumps([{**record, "mask_path": "labels.nii.gz", "slice": 4, "label": 1}]))
    truth = truth_of(Records(path, "test")[0])
    assert truth.plane == Plane("sagittal", 4)
    assert truth.mask is not None
    assert np.array_equal(truth.mask.bits(), (BODY > 900)[::-1, :, 4])


# Several images


def test_masks_and_boxes_may_be_of_any_image_and_each_has_its_slice(tmp_path: Path) -> None:
    Image.fromarray(np.zeros((30, 40), np.uint8)).save(tmp_path / "film.png")
    common = {"image_path": ["film.png", "ct.nii.gz", "ct.nii.gz"], "slice": [None, 2, 6], "label": LIVER}
    made = task(tmp_path, **common, mask_path="labels.nii.gz", mask_image=2)
    truth = truth_of(made)
    assert (truth.image, truth.plane) == (2, Plane("axial", 6))
    assert truth.mask is not None
    assert np.array_equal(truth.mask.bits(), labels()[6] == LIVER)
    assert np.array_equal(made.images[1].values, values()[2])  # type: ignore[arg-type]
    assert np.array_equal(made.images[2].values, values()[6])  # type: ignore[arg-type]
    marked = {"question_type": "detection", "question": "Mark it.", "image_path": ["film.png", "ct.nii.gz"]}
    truth = truth_of(task(tmp_path, **marked, boxes=[50, 40, 90, 70], mask_image=1))
    assert truth.boxes == ((50, 40, 80, 60),), "cut to the image that they are of"
    with pytest.raises(InputError, match="a box lies outside the image; expected boxes within 40x30"):
        task(tmp_path, **marked, boxes=[50, 40, 90, 70])


@pytest.mark.slow
def test_a_large_volume_opens_its_first_view_at_once(tmp_path: Path) -> None:
    """Two seconds, on a machine that may be busy: of the figures in benchmarks/speed/volumes.json, thrice."""
    rng = np.random.default_rng(0)
    voxels = np.tile(rng.normal(0, 15, (10, 512, 512)).astype(np.int16), (30, 1, 1))
    nifti(tmp_path / "large.nii", voxels.T, affine_of("RAS", (0.7, 0.7, 1)))
    path = tmp_path / "large.json"
    path.write_text(
        json.dumps([{"question_type": "yes/no", "question": "Is it?", "answer": "yes", "image_path": "large.nii"}])
    )
    start = time.perf_counter()
    source = Records(path, "test")[0].images[0]
    assert source.pixels.shape == (512, 512)
    assert time.perf_counter() - start < 2
