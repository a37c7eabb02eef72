"""A folder of images and masks: what is paired with what, and what is wrong with a pair."""

import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from medgym.core.errors import InputError
from medgym.core.mask import Mask
from medgym.core.task import truth_of
from medgym.data.imports import bring_in
from medgym.data.imports.folder import paired

from .samples import BOX, OTHER, filled, noise, picture
from .test_imports import rejected, tasks


@pytest.mark.parametrize(
    ("image", "mask", "structure"),
    [
        ("images/a.png", "masks/a.png", "region of interest"),
        ("images/a.jpg", "labels/a.png", "region of interest"),
        ("Images/a.png", "Masks/a_mask.png", "region of interest"),
        ("images/a.png", "masks/left_lung/a.png", "left lung"),
        ("images/a.png", "left_lung/masks/a.png", "left lung"),
        ("images/ward 1/a.png", "masks/ward 1/a.png", "region of interest"),
        ("images/ward 1/a.png", "masks/ward 1/lung/a.png", "lung"),
        ("images/ward 1/a.png", "masks/lung/ward 1/a.png", "lung"),
        ("a.png", "a_mask.png", "region of interest"),
        ("a.png", "a_seg.png", "region of interest"),
        ("a.png", "a_mask_lung.png", "lung"),
        ("a (1).png", "a (1)_mask_1.png", "region of interest"),
        ("images/\u00e9.png", "masks/e\u0301.png", "region of interest"),
        ("images/心.png", "masks/肝/心.png", "肝"),
    ],
)
def test_a_layout_is_understood(image: str, mask: str, structure: str, tmp_path: Path) -> None:
    picture(tmp_path / "source" / image, noise())
    picture(tmp_path / "source" / mask, filled())
    told = bring_in(tmp_path / "source", tmp_path / "out")
    assert told["structures"] == {structure: 1}
    (task,) = tasks(tmp_path / "out")
    assert task.question == f"Segment the {structure}."
    mask_read = truth_of(task).mask
    assert mask_read is not None
    assert mask_read.box == BOX


def test_numbered_masks_of_an_image_are_united(tmp_path: Path) -> None:
    picture(tmp_path / "source" / "a.png", noise())
    picture(tmp_path / "source" / "a_mask.png", filled())
    picture(tmp_path / "source" / "a_mask_1.png", filled(OTHER))
    bring_in(tmp_path / "source", tmp_path / "out", names="tumor")
    (task,) = tasks(tmp_path / "out")
    mask = truth_of(task).mask
    assert mask is not None
    assert np.array_equal(mask.bits(), (filled() | filled(OTHER)) > 0)
    assert task.question == "Segment the tumor."


def test_a_numbered_mask_that_does_not_fit_is_named_itself(tmp_path: Path) -> None:
    for stem in "ab":
        picture(tmp_path / "source" / f"{stem}.png", noise())
        picture(tmp_path / "source" / f"{stem}_mask_1.png", filled())
    picture(tmp_path / "source" / "a_mask_2.png", filled().T)
    bring_in(tmp_path / "source", tmp_path / "out")
    assert [each["file"] for each in rejected(tmp_path / "out")] == ["a_mask_2.png"]


def test_a_label_and_a_folder_of_one_name_are_one_structure(tmp_path: Path) -> None:
    picture(tmp_path / "source" / "images" / "a.png", noise())
    picture(tmp_path / "source" / "masks" / "a.png", filled() // 255 * 2)
    picture(tmp_path / "source" / "masks" / "liver" / "a.png", filled(OTHER))
    bring_in(tmp_path / "source", tmp_path / "out", names="2=liver")
    (task,) = tasks(tmp_path / "out")
    assert truth_of(task).mask == Mask.of((filled() | filled(OTHER)) > 0)


def test_a_name_that_only_looks_like_a_masks_is_an_image() -> None:
    pairs = paired(["a_seg_2.png", "b.png", "b_mask.png"])
    assert list(pairs.images.values()) == [["a_seg_2.png"], ["b.png"]]


def spoil(home: Path, case: str) -> None:
    mask, image = home / "masks" / "tumor" / "b.png", home / "images" / "b.png"
    if case == "size":
        picture(mask, filled().T)
    elif case == "empty":
        picture(mask, filled() * 0)
    elif case == "unreadable mask":
        mask.write_bytes(b"no mask")
    elif case == "unreadable image":
        image.write_bytes(image.read_bytes()[:60])
    elif case == "no image":
        image.unlink()
    elif case == "no mask":
        picture(home / "images" / "c.png", noise())
    elif case == "two images":
        picture(home / "images" / "b.jpg", noise())
    elif case == "labels":
        picture(mask, filled() // 255 + filled(OTHER) // 255 * 2)
    elif case == "colours":
        picture(mask, np.stack([filled(), filled(OTHER), filled((0, 0, 2, 2))], -1))


@pytest.mark.parametrize(
    ("case", "file", "why"),
    [
        ("size", "masks/tumor/b.png", "the mask is 20x24 and its image 24x20 pixels; expected the same size"),
        ("empty", "masks/tumor/b.png", "the mask is empty; expected something in it, or --negatives"),
        ("unreadable mask", "masks/tumor/b.png", "not an image that can be read; expected PNG"),
        ("unreadable image", "images/b.png", "expected a whole image"),
        ("no image", "masks/tumor/b.png", "there is no image of the mask's name; expected one"),
        ("no mask", "images/c.png", "the image has no mask; expected a file of the same name"),
        ("two images", "images/b.jpg", "2 images have its name; expected one"),
        (
            "labels",
            "masks/tumor/b.png",
            "the mask has the labels 0, 1, 2, which have no names; expected black and white",
        ),
        ("colours", "masks/tumor/b.png", "which have no names; expected black and white"),
    ],
)
def test_one_bad_pair_is_reported_and_the_others_go_in(case: str, file: str, why: str, tmp_path: Path) -> None:
    home = tmp_path / "source"
    for stem in "ab":
        picture(home / "images" / f"{stem}.png", noise(ord(stem)))
        picture(home / "masks" / "tumor" / f"{stem}.png", filled())
    spoil(home, case)
    told = bring_in(home, tmp_path / "out")
    assert told["tasks"] == (2 if case == "no mask" else 1)
    (only,) = rejected(tmp_path / "out")
    assert only["file"] == file
    assert why in only["reason"]


def test_an_empty_mask_is_a_negative_where_the_user_says_so(tmp_path: Path) -> None:
    picture(tmp_path / "source" / "a.png", noise())
    picture(tmp_path / "source" / "a_mask_tumor.png", filled() * 0)
    bring_in(tmp_path / "source", tmp_path / "out", negatives=True)
    (task,) = tasks(tmp_path / "out")
    mask = truth_of(task).mask
    assert mask is not None
    assert (mask.area, task.question) == (0, "Segment the tumor.")


def test_a_map_of_labels_is_read_by_names(tmp_path: Path) -> None:
    picture(tmp_path / "source" / "images" / "a.png", noise())
    palette = Image.fromarray(filled() // 255 * 3 + filled(OTHER) // 255 * 5, "L").convert("P")
    palette.putpalette([7] * 768)
    (tmp_path / "source" / "masks").mkdir()
    palette.save(tmp_path / "source" / "masks" / "a.png")
    told = bring_in(tmp_path / "source", tmp_path / "out", names="3=liver,5=tumor")
    assert told["structures"] == {"liver": 1, "tumor": 1}
    with pytest.raises(InputError, match="rejected: 1: label N has no name; expected one in --names"):
        bring_in(tmp_path / "source", tmp_path / "out", names="3=liver,4=tumor")


@pytest.mark.parametrize("kind", ["16 bits", "one bit", "RGB", "RGBA", "grey and alpha", "float", "turned", "JPEG"])
def test_any_kind_of_picture_is_read_right(kind: str, tmp_path: Path) -> None:
    image: Any = noise().astype(np.uint16) * 200 if kind == "16 bits" else noise()
    mask: Any = filled()
    how: dict[str, Any] = {}
    suffix = "png"
    if kind == "16 bits":
        mask = mask.astype(np.uint16) * 257
    elif kind == "one bit":
        mask = mask > 0
    elif kind in ("RGB", "RGBA"):
        image = np.stack([image] * 3 + ([image * 0 + 255] if kind == "RGBA" else []), -1)
        mask = np.stack([mask] * 3 + ([mask] if kind == "RGBA" else []), -1)
    elif kind == "grey and alpha":
        image = np.stack([image, image * 0 + 255], -1)
    elif kind == "float":
        image, mask, suffix = image.astype(np.float32), (mask / 255).astype(np.float32), "tif"
    elif kind == "turned":
        # The camera was turned: it is shown rotated by 90 degrees clockwise, and so is its mask.
        exif = Image.Exif()
        exif[0x0112] = 6
        image, how = np.rot90(image), {"exif": exif}
    elif kind == "JPEG":
        suffix, how = "jpg", {"quality": 95}
    picture(tmp_path / "source" / "images" / f"a.{suffix}", image, **how)
    picture(tmp_path / "source" / "masks" / f"a.{suffix}", mask, **({"quality": 95} if kind == "JPEG" else {}))
    told = bring_in(tmp_path / "source", tmp_path / "out")
    assert told["rejected"]["count"] == 0
    (task,) = tasks(tmp_path / "out")
    read = truth_of(task).mask
    assert read is not None
    assert read.size == task.images[0].size == (24, 20)
    assert np.array_equal(read.bits(), filled() > 0)


def test_a_name_that_is_not_utf8_is_reported(tmp_path: Path) -> None:
    for stem in ("a", os.fsdecode(b"b\xff")):
        picture(tmp_path / "source" / "images" / f"{stem}.png", noise())
        picture(tmp_path / "source" / "masks" / f"{stem}.png", filled())
    picture(tmp_path / "source" / "masks" / os.fsdecode(b"c\xfe.png"), filled())
    told = bring_in(tmp_path / "source", tmp_path / "out")
    assert told["tasks"] == 1
    reasons = [each["reason"] for each in rejected(tmp_path / "out")]
    assert sorted(reason.split(";")[0] for reason in reasons) == [
        "a name is not UTF-8", "there is no image of the mask's name",
    ]  # fmt: skip
