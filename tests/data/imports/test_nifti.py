"""NIfTI: the mask of a slice lies on the pixels that the slice shows, however the two volumes are stored."""

import itertools
import json
import time
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import pytest
from nibabel.orientations import apply_orientation, axcodes2ornt, inv_ornt_aff, io_orientation, ornt_transform

from medgym.core.errors import InputError
from medgym.core.task import truth_of
from medgym.data.imports import bring_in
from medgym.data.imports.nifti import cases
from medgym.tasks.readers import file_of
from medgym.tasks.volumes import plane_of, planes_of

from .samples import labels, nifti, volume
from .test_imports import rejected, tasks

PAIRS = ("LR", "PA", "SI")
ALL = ["".join(code) for order in itertools.permutations(PAIRS) for code in itertools.product(*order)]


def stored(path: Path, values: np.ndarray, codes: str, affine: np.ndarray | None = None) -> Path:
    """Write values, which run to left, posterior and superior, along other axes; the patient stays the same."""
    affine = np.diag([-1.0, -1, 2, 1]) if affine is None else affine
    turn = ornt_transform(io_orientation(affine), axcodes2ornt(codes))
    turned = apply_orientation(values, turn)
    return volume(path, turned, affine @ inv_ornt_aff(turn, values.shape))


@pytest.mark.parametrize("codes", ALL)
def test_a_mask_lies_on_the_pixels_of_the_slice_as_it_is_shown(codes: str, tmp_path: Path) -> None:
    """The scan is brightest where the labels are, so that what is shown tells where they belong."""
    home, found = tmp_path / "source", labels()
    other = ALL[(ALL.index(codes) * 7 + 5) % len(ALL)]
    stored(home / "imagesTr" / "a.nii.gz", np.array([0, 200, 100], np.int16)[found], codes)
    stored(home / "labelsTr" / "a.nii.gz", found, other)
    bring_in(home, tmp_path / "out", names="1=liver,2=tumor")
    by_name = {task.question: task for task in tasks(tmp_path / "out")}
    for name, grey, number, area in (("liver", 200, 3, 64), ("tumor", 100, 2, 6)):
        task = by_name[f"Segment the {name}."]
        mask = truth_of(task).mask
        assert mask is not None
        assert mask.area == area
        assert np.array_equal(task.images[0].pixels == grey, mask.bits())
        assert mask.box == ((2, 3, 10, 11) if name == "liver" else (15, 5, 17, 8))
        assert set(truth_of(task).structures) == {"liver", "tumor"}
        assert np.array_equal(planes_of(home / "labelsTr" / "a.nii.gz")[number], found[:, :, number].T)


@pytest.mark.parametrize("shape", [(1, 6, 5), (6, 1, 5), (6, 5, 1), (6, 5, 4), (6, 5), (6, 5, 4, 1)])
@pytest.mark.parametrize("codes", ["RAS", "PIL", "SAR"])
def test_all_slices_are_those_that_are_shown_one_by_one(shape: tuple[int, ...], codes: str, tmp_path: Path) -> None:
    values = np.random.default_rng(0).integers(0, 9, shape).astype(np.uint8)
    turn = ornt_transform(axcodes2ornt("RAS"), axcodes2ornt(codes))
    path = volume(tmp_path / "a.nii", values, inv_ornt_aff(turn, (*shape[:3], 1)[:3]))
    planes = planes_of(path)
    for number, plane in enumerate(planes):
        assert np.array_equal(plane, plane_of(path, number)[0])


def test_the_slice_is_that_where_a_structure_is_largest(tmp_path: Path) -> None:
    told = bring_in(nifti(tmp_path / "source"), tmp_path / "out")
    assert told["structures"] == {"liver": 3, "liver tumor": 3}
    assert told["modalities"] == {"CT": 6}
    by_id = {task.id: task for task in tasks(tmp_path / "out")}
    mask = truth_of(by_id["case_1/liver"]).mask
    assert mask is not None
    assert (mask.area, file_of(by_id["case_1/liver"].images[0])[1]) == (64, 3)


def test_a_structure_may_be_asked_for_in_all_slices(tmp_path: Path) -> None:
    home = nifti(tmp_path / "source")
    told = bring_in(home, tmp_path / "out", volumes=True)
    assert told["structures"] == {"liver": 3, "liver tumor": 3}
    # Records that ask for volumes stay so when they are brought in once more, beside others.
    record = {"question_type": "segmentation", "question": "Segment the liver.", "image_path": "imagesTr/case_0.nii.gz",
              "mask_path": "labelsTr/case_0.nii.gz", "label": 1, "scored": "volume"}  # fmt: skip
    (home / "records.json").write_text(json.dumps([record, {**record, "scored": "slice"}]))
    bring_in(home / "records.json", tmp_path / "again")
    again = tasks(tmp_path / "again")
    assert [task.in_voxels for task in again] == [True, False]
    for task in (*tasks(tmp_path / "out"), again[0]):
        solid = truth_of(task).solid
        assert task.in_voxels
        assert solid is not None
        label = 2 if "tumor" in task.question else 1
        assert np.array_equal(solid.voxels(), (labels() == label).T)
    with pytest.raises(InputError, match="--volumes is for NIfTI volumes with labels, not for records"):
        bring_in(home / "records.json", tmp_path / "never", volumes=True)


@pytest.mark.parametrize(
    ("image", "label", "names", "found"),
    [
        ("imagesTr/a_0000.nii.gz", "labelsTr/a.nii.gz", "1=liver,2=tumor", {"liver": 1, "tumor": 1}),
        ("images/a.nii", "masks/a.nii.gz", "1=liver,2=tumor", {"liver": 1, "tumor": 1}),
        ("case/a_image.nii.gz", "case/a_label.nii.gz", "1=liver,2=tumor", {"liver": 1, "tumor": 1}),
        ("a.nii.gz", "a_seg.nii.gz", "lesion", {"lesion": 1}),
        ("sub-1/anat/sub-1_T1w.nii.gz", "sub-1/anat/sub-1_dseg.nii.gz", "lesion", {"lesion": 1}),
        ("sub-1/ses-2/anat/sub-1_ses-2_T1w.nii.gz", "der/sub-1/ses-2/anat/sub-1_ses-2_T1w_label-lesion_mask.nii.gz", "lesion", {"lesion": 1}),
    ],
)  # fmt: skip
def test_a_layout_is_understood(image: str, label: str, names: str, found: dict[str, int], tmp_path: Path) -> None:
    volume(tmp_path / "source" / image, labels().astype(np.int16))
    volume(tmp_path / "source" / label, labels())
    told = bring_in(tmp_path / "source", tmp_path / "out", names=names)
    assert (told["format"], told["structures"]) == ("nifti", found)
    for task in tasks(tmp_path / "out"):
        assert ("patient" in task.meta) == ("sub-1" in image)
        assert task.modality == ("MRI" if "sub-1" in image else "")
        assert "sub-1" not in repr(task.meta)


def test_bids_names_a_mask_of_one_structure(tmp_path: Path) -> None:
    for subject in ("sub-1", "sub-2"):
        volume(tmp_path / "source" / subject / f"{subject}_FLAIR.nii.gz", labels().astype(np.int16))
        volume(tmp_path / "source" / subject / f"{subject}_label-lesion_mask.nii.gz", (labels() > 0).astype(np.uint8))
    told = bring_in(tmp_path / "source", tmp_path / "out")
    assert (told["structures"], told["modalities"]) == ({"lesion": 2}, {"MRI": 2})
    assert len({task.meta["patient"] for task in tasks(tmp_path / "out")}) == 2


def test_published_test_labels_are_the_test_split(tmp_path: Path) -> None:
    home = nifti(tmp_path / "source")
    assert sum(bring_in(home, tmp_path / "out")["splits"].values()) == 6
    volume(home / "imagesTs" / "case_0.nii.gz", labels().astype(np.int16))
    volume(home / "labelsTs" / "case_0.nii.gz", labels())
    assert bring_in(home, tmp_path / "out")["splits"] == {"train": 6, "test": 2}


def spoil(home: Path, case: str) -> None:
    image, label = home / "imagesTr" / "case_1.nii.gz", home / "labelsTr" / "case_1.nii.gz"
    found: Any = labels()
    if case == "size":
        volume(label, found[:, :-1])
    elif case == "place":
        volume(label, found, np.array([[-1.0, 0, 0, 9], [0, -1, 0, 0], [0, 0, 2, 0], [0, 0, 0, 1]]))
    elif case == "spacing":
        volume(label, found, np.diag([-1.5, -1.5, 2, 1]))
    elif case == "empty":
        volume(label, found * 0)
    elif case == "fractions":
        volume(label, found.astype(np.float32) / 4)
    elif case == "negative":
        volume(label, -found.astype(np.int16))
    elif case == "axes":
        volume(label, np.stack([found, found], -1))
    elif case == "no label":
        volume(label, np.array([0, 1, 7], np.uint8)[found])
    elif case == "damaged labels":
        label.write_bytes(label.read_bytes()[:90])
    elif case == "damaged image":
        image.write_bytes(b"no volume")
    elif case == "no image":
        image.unlink()


@pytest.mark.parametrize(
    ("case", "lost", "why"),
    [
        ("size", 2, "the labels are 24x19x5 and its image 24x20x5 voxels; expected the same size"),
        ("place", 2, "do not lie in the same place; expected the same affine"),
        ("spacing", 2, "do not lie in the same place; expected the same affine"),
        ("empty", 2, "there is no label in the volume; expected one or more"),
        ("fractions", 2, "the labels are not whole numbers from 0 to 65535; expected a map of labels"),
        ("negative", 2, "the labels are not whole numbers from 0 to 65535; expected a map of labels"),
        ("axes", 2, "the labels have 4 axes; expected three"),
        ("no label", 1, "it has no name; expected one in --names"),
        ("damaged labels", 2, "expected a whole NIfTI volume"),
        ("damaged image", 2, "expected a whole NIfTI volume"),
        ("no image", 2, "expected one image that goes with the labels, found none"),
    ],
)
def test_one_bad_case_is_reported_and_the_others_go_in(case: str, lost: int, why: str, tmp_path: Path) -> None:
    home = nifti(tmp_path / "source")
    spoil(home, case)
    assert bring_in(home, tmp_path / "out")["tasks"] == 6 - lost
    (only,) = rejected(tmp_path / "out")
    assert (only["file"], only["item"]) == ("labelsTr/case_1.nii.gz", "label 7" if case == "no label" else "")
    assert why in only["reason"]


def test_labels_without_any_name_say_so(tmp_path: Path) -> None:
    home = nifti(tmp_path / "source")
    (home / "dataset.json").write_text(json.dumps({"labels": {"0": "background"}}))
    with pytest.raises(InputError, match="rejected: 6: it has no name; expected one in --names"):
        bring_in(home, tmp_path / "out")
    (home / "dataset.json").write_text("[")
    with pytest.raises(InputError, match=r"rejected: 3: not readable \(JSONDecodeError\)"):
        bring_in(home, tmp_path / "out")


def test_what_nnunet_ignores_is_not_asked_for_and_a_fourth_axis_has_the_modality_that_is_shown(tmp_path: Path) -> None:
    home = tmp_path / "source"
    volume(home / "imagesTr" / "a.nii.gz", np.stack([labels()] * 2, -1).astype(np.int16))
    volume(home / "labelsTr" / "a.nii.gz", np.array([0, 1, 255], np.uint8)[labels()])
    about = {"labels": {"background": 0, "prostate": [1], "ignore": 255}, "channel_names": {"0": "T2", "1": "ADC"}}
    (home / "dataset.json").write_text(json.dumps(about))
    told = bring_in(home, tmp_path / "out")
    assert (told["structures"], told["modalities"], told["rejected"]["count"]) == ({"prostate": 1}, {"ADC": 1}, 0)


@pytest.mark.parametrize("name", ["amos_0001", "amos_0000"])
def test_a_case_may_be_numbered_as_channels_are(name: str, tmp_path: Path) -> None:
    for folder in ("imagesTr", "labelsTr"):
        volume(tmp_path / "source" / folder / f"{name}.nii.gz", labels())
    assert bring_in(tmp_path / "source", tmp_path / "out", names="1=liver,2=tumor")["tasks"] == 2


def test_thousands_of_cases_are_paired_soon() -> None:
    names = [f"c_{number:05d}" for number in range(3000)]
    files = [f"imagesTr/{name}_0000.nii.gz" for name in names] + [f"labelsTr/{name}.nii.gz" for name in names]
    began = time.perf_counter()
    assert all(case.image == f"imagesTr/{name}_0000.nii.gz" for case, name in zip(cases(files), names, strict=True))
    assert time.perf_counter() - began < 10, "comparing each with each takes a minute"


def test_several_images_of_one_set_of_labels_are_not_guessed(tmp_path: Path) -> None:
    for name in ("a_t1", "a_t2", "a_seg"):
        volume(tmp_path / "source" / f"{name}.nii.gz", labels())
    with pytest.raises(InputError, match="expected one image that goes with the labels, found a_tN"):
        bring_in(tmp_path / "source", tmp_path / "out", "nifti", names="tumor")


def test_the_sample_is_stored_as_it_says() -> None:
    assert nibabel.aff2axcodes(np.diag([-1.0, -1, 2, 1])) == ("L", "P", "S")
