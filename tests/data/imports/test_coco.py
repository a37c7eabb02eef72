"""COCO: every form of a segmentation is the same mask, and one that is wrong takes no other image with it."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from medgym.core.mask import Mask
from medgym.core.task import Kind, truth_of
from medgym.data.imports import bring_in
from medgym.tasks.readers import read_mask

from .samples import BOX, HEIGHT, OTHER, WIDTH, coco, filled, noise, picture, polygon, runs
from .test_imports import rejected, tasks


def changed(home: Path, change: Callable[[dict[str, Any]], None], name: str = "instances.json") -> Path:
    """Make the sample with its file of annotations changed."""
    coco(home)
    whole = json.loads((home / "instances.json").read_text())
    change(whole)
    (home / "instances.json").unlink()
    (home / name).parent.mkdir(exist_ok=True)
    (home / name).write_text(json.dumps(whole))
    return home


def test_polygons_and_run_lengths_of_a_category_are_united(tmp_path: Path) -> None:
    bring_in(coco(tmp_path / "source"), tmp_path / "out")
    by_id = {task.id: task for task in tasks(tmp_path / "out")}
    assert sorted(by_id) == [
        "instances/1/broken rib/mark", "instances/1/broken rib/segment",
        "instances/1/nodule/mark", "instances/1/nodule/segment",
        "instances/2/nodule/mark", "instances/2/nodule/segment",
    ]  # fmt: skip
    asked = by_id["instances/1/nodule/segment"]
    assert asked.question == "Segment the nodule."
    mask = truth_of(asked).mask
    assert mask is not None
    assert np.array_equal(mask.bits(), (filled() | filled(OTHER)) > 0)
    assert set(truth_of(asked).structures) == {"nodule", "broken rib"}
    marked = by_id["instances/1/nodule/mark"]
    assert (marked.kind, marked.question) == (Kind.DETECTION, "Mark every nodule with a box.")
    assert truth_of(marked).boxes == (BOX, OTHER)
    assert truth_of(by_id["instances/1/broken rib/segment"]).mask == Mask.of(filled(OTHER))
    assert np.array_equal(asked.images[0].pixels, noise(1))


def _first(whole: dict[str, Any]) -> dict[str, Any]:
    first: dict[str, Any] = whole["annotations"][0]
    return first


def spoil(case: str, whole: dict[str, Any]) -> None:
    first, image = _first(whole), whole["images"][0]
    shapes: dict[str, Any] = {
        "two points": [[1, 1, 5, 5]],
        "odd polygon": [[1, 1, 5, 1, 5]],
        "far away": [[1, 1, 1e12, 1, 5, 5]],
        "not finite": [[1, 1, float("nan"), 1, 5, 5]],
        "not numbers": [["a", 1, 5, 1, 5, 5]],
        "short runs": {"size": [HEIGHT, WIDTH], "counts": [5, 6]},
        "fractions": {"size": [HEIGHT, WIDTH], "counts": [0.5, HEIGHT * WIDTH - 0.5]},
        "short code": {"size": [HEIGHT, WIDTH], "counts": "0o>"},
        "nonsense": {"size": [HEIGHT, WIDTH], "counts": "\u00e9"},
        "other size": runs(filled().T),
        "empty": runs(filled() * 0),
        "text": "a polygon",
    }
    if case in shapes:
        first["segmentation"] = shapes[case]
    elif case == "box":
        first["bbox"] = [1, 2, 0, 4]
    elif case == "box of no end":
        first["bbox"] = [1, 2, 10**400, 4]
    elif case == "box outside":
        first["bbox"] = [100, 2, 5, 4]
    elif case == "crowd":
        first["iscrowd"] = 1
    elif case == "no mask of one":
        del first["segmentation"]
    elif case == "no category":
        first["category_id"] = 99
    elif case == "no image":
        first["image_id"] = 99
    elif case == "nothing":
        whole["annotations"][0] = None
    elif case == "file":
        image["file_name"] = "gone.png"
    elif case == "long file":
        image["file_name"] = "a" * 300
    elif case == "no file":
        del image["file_name"]
    elif case == "size":
        image["width"] = 99


BOTH, MARK, SEGMENT = 2, 1, 1


@pytest.mark.parametrize(
    ("case", "lost", "why"),
    [
        (
            "two points",
            BOTH,
            "annotation 0: its segmentation cannot be read; expected polygons of three points or more",
        ),
        ("odd polygon", BOTH, "annotation 0: its segmentation cannot be read"),
        ("far away", BOTH, "annotation 0: its segmentation cannot be read"),
        ("not finite", BOTH, "annotation 0: its segmentation cannot be read"),
        ("not numbers", BOTH, "annotation 0: its segmentation cannot be read"),
        ("short runs", BOTH, "annotation 0: its segmentation cannot be read"),
        ("fractions", BOTH, "annotation 0: its segmentation cannot be read"),
        ("short code", BOTH, "annotation 0: its segmentation cannot be read"),
        ("nonsense", BOTH, "annotation 0: its segmentation cannot be read"),
        ("text", BOTH, "annotation 0: its segmentation cannot be read"),
        ("other size", BOTH, "annotation 0: its run lengths are of another size than its image"),
        ("empty", BOTH, "annotation 0: its mask is empty; expected something in it"),
        ("no mask of one", BOTH, "1 of its 2 annotations have no segmentation"),
        ("box", MARK, "annotation 0: its bbox cannot be read; expected [x, y, width, height]"),
        ("box of no end", MARK, "annotation 0: its bbox cannot be read; expected [x, y, width, height]"),
        ("box outside", MARK, "annotation 0: its bbox lies outside the image"),
        ("crowd", MARK, "a crowd is marked as one; expected a box for each"),
        ("no category", 0, "its category_id has no name; expected one of categories"),
        ("no image", 0, "its image_id is that of no image; expected one of images"),
        ("nothing", 0, "its image_id is that of no image; expected one of images"),
        ("file", 4, "no such file: 'gone.png'; expected it beside the annotations or in images"),
        ("long file", 4, "no such file: 'aaa"),
        ("no file", 4, "file_name is missing; expected that of an image"),
        ("size", 4, "the image is 24x20 pixels as it is shown, and 99x20 in the annotations; expected the same"),
    ],
)
def test_one_bad_annotation_is_reported_and_the_others_go_in(case: str, lost: int, why: str, tmp_path: Path) -> None:
    source = changed(tmp_path / "source", lambda whole: spoil(case, whole))
    assert bring_in(source, tmp_path / "out")["tasks"] == 6 - lost
    (only,) = rejected(tmp_path / "out")
    assert only["file"] == "instances.json"
    assert why in only["reason"]
    assert ("image 1" in only["item"]) != (case in ("no image", "nothing"))


def test_boxes_alone_are_detections(tmp_path: Path) -> None:
    def bare(whole: dict[str, Any]) -> None:
        for each in whole["annotations"]:
            each.pop("segmentation")

    told = bring_in(changed(tmp_path / "source", bare), tmp_path / "out")
    assert (told["kinds"], told["rejected"]["count"]) == ({"detection": 3}, 0)


@pytest.mark.parametrize(
    ("name", "split"),
    [
        ("annotations/instances_val2017.json", "validation"),
        ("test.json", "test"),
        ("train/_annotations.coco.json", "train"),
    ],
)
def test_a_file_names_its_split_and_images_are_found_where_coco_puts_them(
    name: str, split: str, tmp_path: Path
) -> None:
    told = bring_in(changed(tmp_path / "source", lambda whole: None, name), tmp_path / "out")
    assert told["splits"] == {split: 6}


def test_an_empty_image_size_and_an_odd_polygon_follow_pycocotools(tmp_path: Path) -> None:
    """A polygon is the mask that COCO's own code makes of it."""
    from pycocotools import mask as code

    points = [3.2, 4.1, 17.9, 6.6, 11.3, 17.4]
    source = changed(
        tmp_path / "source", lambda whole: _first(whole).update(segmentation=[points], image_id=2, category_id=7)
    )
    bring_in(source, tmp_path / "out")
    (task,) = (task for task in tasks(tmp_path / "out") if task.id == "instances/2/broken rib/segment")
    expected = Mask((WIDTH, HEIGHT), code.frPyObjects([points], HEIGHT, WIDTH)[0]["counts"])
    assert truth_of(task).mask == expected
    assert polygon(BOX) == [3, 5, 9, 5, 9, 12, 3, 12]
    assert read_mask(picture(tmp_path / "m.png", filled()), (WIDTH, HEIGHT)) == Mask.of(filled())
