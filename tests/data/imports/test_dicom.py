"""DICOM-SEG: a segment is on the image it was made on, by UID or by place, and nobody is named."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pytest
from pydicom.uid import generate_uid

from medgym.core.errors import InputError
from medgym.core.task import Task, truth_of
from medgym.data.imports import bring_in

from .samples import (
    BOX,
    HEIGHT,
    ORIGIN,
    OTHER,
    PATIENT,
    SPACING,
    WIDTH,
    circle,
    contour,
    filled,
    item,
    noise,
    saved,
    segmentation,
    series,
    structures,
)
from .test_imports import rejected, tasks


def by_question(out: Path) -> dict[str, Task]:
    return {task.question: task for task in tasks(out)}


def bits_of(task: Task) -> np.ndarray:
    mask = truth_of(task).mask
    assert mask is not None
    return mask.bits()


def shown(task: Task) -> int:
    """Return which slice of the sample an image is, by its pixels."""
    values = task.images[0].stored
    assert values is not None
    found = (values() + 1024) / 4
    return next(number for number in range(9) if np.array_equal(found, noise(number)))


@pytest.mark.parametrize("referenced", [True, False], ids=["by UID", "by place"])
def test_a_segment_is_asked_for_where_it_is_largest_in_any_order_of_frames(referenced: bool, tmp_path: Path) -> None:
    home = tmp_path / "source"
    images = series(home)
    frames = [(2, 3, filled(OTHER)), (1, 3, filled((0, 0, 2, 2))), (1, 0, filled((5, 5, 9, 9))), (1, 2, filled())]
    segmentation(home / "seg.dcm", frames, images, {1: "liver", 2: "Left Kidney"}, referenced)
    told = bring_in(home, tmp_path / "out")
    assert (told["format"], told["tasks"], told["modalities"]) == ("dicom", 2, {"CT": 2})
    liver, kidney = (by_question(tmp_path / "out")[f"Segment the {name}."] for name in ("liver", "Left Kidney"))
    assert np.array_equal(bits_of(liver), filled() > 0)
    assert np.array_equal(bits_of(kidney), filled(OTHER) > 0)
    assert (shown(liver), shown(kidney)) == (2, 3)
    assert list(truth_of(liver).structures) == ["liver"]
    assert set(truth_of(kidney).structures) == {"liver", "Left Kidney"}
    assert liver.images[0].spacing == (SPACING[1], SPACING[0])
    assert liver.meta["patient"] == kidney.meta["patient"]
    assert PATIENT not in liver.id


@pytest.mark.parametrize("size", [(20, 24), (7, 5), (9, 3)])
def test_frames_that_end_within_a_byte_are_unpacked(size: tuple[int, int], tmp_path: Path) -> None:
    drawn = np.random.default_rng(0).integers(0, 2, (3, *size)).astype(np.uint8)
    drawn[1, :, :3] = 1
    fields = {"Rows": size[0], "Columns": size[1], "PixelData": np.zeros(size, np.int16).tobytes()}
    images = series(tmp_path / "source", 3, **fields)
    segmentation(tmp_path / "source" / "seg.dcm", [(1, n, drawn[n]) for n in range(3)], images, {1: "liver"})
    bring_in(tmp_path / "source", tmp_path / "out")
    (task,) = tasks(tmp_path / "out")
    largest = int(drawn.reshape(3, -1).sum(1).argmax())
    assert np.array_equal(bits_of(task), drawn[largest] > 0)


@pytest.mark.parametrize(("turn", "steps"), [("mirrored", (-1, 1)), ("upside down", (1, -1)), ("both", (-1, -1))])
def test_a_segmentation_that_is_stored_mirrored_lies_right(turn: str, steps: tuple[int, int], tmp_path: Path) -> None:
    home, wanted = tmp_path / "source", filled()
    images = series(home)
    made = segmentation(home / "seg.dcm", [(1, 1, wanted[:: steps[1], :: steps[0]])], images, {1: "liver"})
    shared = made.SharedFunctionalGroupsSequence[0]
    shared.PlaneOrientationSequence[0].ImageOrientationPatient = [steps[0], 0, 0, 0, steps[1], 0]
    corner = [
        ORIGIN[0] + (WIDTH - 1) * SPACING[1] * (steps[0] < 0),
        ORIGIN[1] + (HEIGHT - 1) * SPACING[0] * (steps[1] < 0),
        ORIGIN[2] + 2,
    ]
    made.PerFrameFunctionalGroupsSequence[0].PlanePositionSequence[0].ImagePositionPatient = corner
    made.save_as(home / "seg.dcm")
    bring_in(home, tmp_path / "out")
    assert np.array_equal(bits_of(tasks(tmp_path / "out")[0]), wanted > 0)


def test_a_segmentation_of_a_part_of_the_image_lies_right(tmp_path: Path) -> None:
    home = tmp_path / "source"
    images = series(home)
    part = filled()[4:14, 2:12]
    made = segmentation(home / "seg.dcm", [(1, 1, part)], images, {1: "liver"})
    corner = [ORIGIN[0] + 2 * SPACING[1], ORIGIN[1] + 4 * SPACING[0], ORIGIN[2] + 2]
    made.PerFrameFunctionalGroupsSequence[0].PlanePositionSequence[0].ImagePositionPatient = corner
    made.save_as(home / "seg.dcm")
    bring_in(home, tmp_path / "out")
    assert np.array_equal(bits_of(tasks(tmp_path / "out")[0]), filled() > 0)


@pytest.mark.parametrize("kind", ["FRACTIONAL", "LABELMAP"])
def test_other_kinds_of_segmentation_are_read(kind: str, tmp_path: Path) -> None:
    home = tmp_path / "source"
    images = series(home)
    values = filled() // 255 * 128 + filled(OTHER) // 255 * 127
    names = {1: "liver"}
    if kind == "LABELMAP":
        values, names = filled() // 255 + filled(OTHER) // 255 * 2, {1: "liver", 2: "kidney"}
    fields = {
        "SegmentationType": kind, "BitsAllocated": 8, "BitsStored": 8, "HighBit": 7, "MaximumFractionalValue": 255,
        "PixelData": values.tobytes(),
    }  # fmt: skip
    segmentation(home / "seg.dcm", [(1, 1, values)], images, names, **fields)
    bring_in(home, tmp_path / "out")
    found = by_question(tmp_path / "out")
    assert np.array_equal(bits_of(found["Segment the liver."]), filled() > 0)
    if kind == "LABELMAP":
        assert np.array_equal(bits_of(found["Segment the kidney."]), filled(OTHER) > 0)


def test_segments_of_one_name_are_one_structure(tmp_path: Path) -> None:
    home = tmp_path / "source"
    images = series(home)
    segmentation(home / "seg.dcm", [(1, 1, filled()), (2, 1, filled(OTHER))], images, {1: "Nodule", 2: "Nodule"})
    bring_in(home, tmp_path / "out")
    (task,) = tasks(tmp_path / "out")
    assert np.array_equal(bits_of(task), (filled() | filled(OTHER)) > 0)


def test_a_segment_without_a_label_is_called_by_its_code(tmp_path: Path) -> None:
    home = tmp_path / "source"
    images = series(home)
    made = segmentation(home / "seg.dcm", [(1, 1, filled()), (2, 1, filled(OTHER))], images, {1: "", 2: ""})
    made.SegmentSequence[0].SegmentedPropertyTypeCodeSequence = [item(CodeMeaning="Spleen")]
    made.save_as(home / "seg.dcm")
    told = bring_in(home, tmp_path / "out")
    assert (told["structures"], told["rejected"]["count"]) == ({"Spleen": 1}, 1)
    (only,) = rejected(tmp_path / "out")
    assert only == {"file": "seg.dcm", "line": None, "item": "segment 2", "reason": "it has no name; expected a label"}


def test_a_frame_of_a_multi_frame_image_is_asked_about(tmp_path: Path) -> None:
    home = tmp_path / "source"
    frames = np.stack([noise(number).astype(np.int16) * 4 for number in range(3)])
    groups = [
        item(PlanePositionSequence=[item(ImagePositionPatient=[*ORIGIN[:2], ORIGIN[2] + 2 * number])])
        for number in range(3)
    ]
    (whole,) = series(home, 1, NumberOfFrames=3, PixelData=frames.tobytes(), PerFrameFunctionalGroupsSequence=groups)
    made = segmentation(home / "seg.dcm", [(1, 0, filled())], [whole], {1: "liver"})
    own = made.PerFrameFunctionalGroupsSequence[0]
    own.DerivationImageSequence[0].SourceImageSequence[0].ReferencedFrameNumber = 3
    own.PlanePositionSequence[0].ImagePositionPatient = [*ORIGIN[:2], ORIGIN[2] + 4]
    made.save_as(home / "seg.dcm")
    bring_in(home, tmp_path / "out")
    (task,) = tasks(tmp_path / "out")
    assert shown(task) == 2
    del own.DerivationImageSequence
    made.save_as(home / "seg.dcm")
    bring_in(home, tmp_path / "out")
    assert shown(tasks(tmp_path / "out")[0]) == 2


def _elsewhere(home: Path, images: list[Any]) -> None:
    frames = [(1, 1, filled()), (2, 1, filled(OTHER))]
    made = segmentation(home / "seg.dcm", frames, images, {1: "liver", 2: "kidney"})
    place = made.PerFrameFunctionalGroupsSequence[0].PlanePositionSequence[0]
    place.ImagePositionPatient = [ORIGIN[0] + 0.3, ORIGIN[1], ORIGIN[2] + 2]
    made.save_as(home / "seg.dcm")


def _between(home: Path, images: list[Any]) -> None:
    frames = [(1, 1, filled()), (2, 1, filled(OTHER))]
    made = segmentation(home / "seg.dcm", frames, images, {1: "liver", 2: "kidney"}, referenced=False)
    place = made.PerFrameFunctionalGroupsSequence[0].PlanePositionSequence[0]
    place.ImagePositionPatient = [*ORIGIN[:2], ORIGIN[2] + 3]
    made.save_as(home / "seg.dcm")


def _empty(home: Path, images: list[Any]) -> None:
    frames = [(1, 1, filled() * 0), (2, 1, filled(OTHER))]
    segmentation(home / "seg.dcm", frames, images, {1: "liver", 2: "kidney"})


def _damaged_image(home: Path, images: list[Any]) -> None:
    dicom_of = segmentation(home / "seg.dcm", [(1, 0, filled()), (2, 1, filled())], images, {1: "liver", 2: "kidney"})
    assert dicom_of
    whole = (home / "image0.dcm").read_bytes()
    (home / "image0.dcm").write_bytes(whole[:-200])


@pytest.mark.parametrize(
    ("spoil", "why"),
    [
        (_elsewhere, "the segment's pixels do not lie on the image's; expected the same grid"),
        (_between, "no image lies where it was drawn; expected one"),
        (_empty, "nothing is marked; expected something on an image"),
        (_damaged_image, "expected a whole DICOM image"),
    ],
)
def test_one_bad_segment_is_reported_and_the_others_go_in(
    spoil: Callable[[Path, list[Any]], None], why: str, tmp_path: Path
) -> None:
    home = tmp_path / "source"
    spoil(home, series(home))
    assert bring_in(home, tmp_path / "out")["tasks"] == 1
    (only,) = rejected(tmp_path / "out")
    assert only["file"] == "seg.dcm"
    assert "liver" in only["item"]
    assert why in only["reason"]


def test_files_that_cannot_be_used_are_reported(tmp_path: Path) -> None:
    home = tmp_path / "source"
    images = series(home)
    segmentation(home / "seg.dcm", [(1, 2, filled()), (2, 2, filled(OTHER))], images, {1: "liver", 2: "kidney"})
    structures(home / "rt.dcm", {"lung": [contour(circle((8, 5), 3, 1), images[1])]})
    (home / "broken.dcm").write_bytes(b"no DICOM")
    (home / "notes.txt").write_text("nothing")
    (home / "README").write_text("nothing")
    seg = (home / "seg.dcm").read_bytes()
    (home / "cut.dcm").write_bytes(seg[:-40])
    bare = segmentation(home / "bare.dcm", [(1, 1, filled())], images, {1: "liver"})
    del bare.SegmentSequence[0].SegmentNumber
    bare.save_as(home / "bare.dcm")
    (home / "odd.dcm").write_bytes((home / "image0.dcm").read_bytes().replace(b"UI", b"II", 2))
    (home / "link.dcm").symlink_to(home / "gone.dcm")
    told = bring_in(home, tmp_path / "out")
    spoilt = {"bare.dcm", "broken.dcm", "cut.dcm", "link.dcm", "odd.dcm"}
    assert {each["file"] for each in rejected(tmp_path / "out")} == spoilt
    assert told["tasks"] == 3
    (home / "link.dcm").unlink()
    for name in ("image0.dcm", "image1.dcm", "image2.dcm", "image3.dcm"):
        (home / name).unlink()
    with pytest.raises(InputError, match=r"the images that it was made on are not here|no image lies"):
        bring_in(home, tmp_path / "out")


def test_a_patient_is_in_one_split_whatever_marks_them(tmp_path: Path) -> None:
    home = tmp_path / "source"
    for number in range(12):
        uid = generate_uid()
        fields = {"PatientID": f"P{number // 2}", "SeriesInstanceUID": uid, "StudyInstanceUID": uid}
        images = series(home / str(number), 2, **fields, FrameOfReferenceUID=uid)
        segmentation(home / str(number) / "seg.dcm", [(1, 1, filled())], images, {1: "liver"}, FrameOfReferenceUID=uid)
    told = bring_in(home, tmp_path / "out", split="0.4,0.3,0.3")
    assert (told["tasks"], told["rejected"]["count"]) == (12, 0)
    splits: dict[str, set[str]] = {}
    for task in tasks(tmp_path / "out"):
        splits.setdefault(task.meta["patient"], set()).add(task.split)
    assert len(splits) == 6
    assert all(len(each) == 1 for each in splits.values())
    assert all(each["study"] != each["patient"] for each in (task.meta for task in tasks(tmp_path / "out")))


def test_files_may_be_named_by_their_uids(tmp_path: Path) -> None:
    home = tmp_path / "source"
    images = series(home)
    segmentation(home / "seg.dcm", [(1, 1, filled())], images, {1: "liver"})
    for number, image in enumerate(images):
        (home / f"image{number}.dcm").rename(home / str(image.SOPInstanceUID))
    (home / "notes.7").write_text("no image")
    told = bring_in(home, tmp_path / "out")
    assert (told["format"], told["tasks"], told["rejected"]["count"]) == ("dicom", 1, 0)


def test_what_holds_no_marks_is_not_taken_for_dicom(tmp_path: Path) -> None:
    series(tmp_path / "source")
    saved(tmp_path / "source" / "sr.dcm", pydicom.uid.BasicTextSRStorage, Modality="SR")
    with pytest.raises(InputError, match="looks like nothing that is known"):
        bring_in(tmp_path / "source", tmp_path / "out")
    with pytest.raises(InputError, match="there is no DICOM segmentation and no structure set"):
        bring_in(tmp_path / "source", tmp_path / "out", "dicom")


def test_the_sample_is_drawn_as_it_says() -> None:
    assert filled()[BOX[1], BOX[0]] == 255
