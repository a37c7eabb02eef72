"""COCO instances: of each category in an image, a segmentation of all of it and a detection of each.

Annotations have boxes, polygons or run lengths, compressed or not. One that is wrong takes the tasks of its
category in its image with it: the rest would not be the truth. Images are looked for beside the file and where
COCO puts them, and a file or folder called train, val or test is a split.
"""

import json
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from pycocotools import mask as coco

from ...core.errors import InputError
from ...core.geometry import Size
from ...core.mask import Mask
from ...tasks.readers import open_image
from .found import Finds, Found, Rejected, Wanted, Where, detection, files_in, segmentation, split_of, structure

PARTS = ("images", "annotations", "categories")
FAR = 1e9
"""Pixels; no number of a box, nor infinity, is beyond it."""
DEPTH = 2
"""Folders down to which files of annotations are looked for."""


class _Set(NamedTuple):
    """A file of annotations: where it lies, its categories' names, and the split that its name says."""

    path: Path
    names: Mapping[Any, str]
    split: str


def looks_like(path: str) -> bool:
    """Whether a file of JSON holds COCO's instances."""
    try:
        found = _read(path)
    except InputError:
        return False
    return isinstance(found, dict) and all(isinstance(found.get(part), list) for part in PARTS[:2])


def files_of(source: str) -> list[str]:
    """Return the files of annotations that are meant."""
    if os.path.isfile(source):
        return [source]
    found = [path for path in files_in(source) if path.endswith(".json") and path.count(os.sep) <= DEPTH]
    return [path for path in (os.path.join(source, each) for each in found) if looks_like(path)]


def find(source: str, wanted: Wanted) -> Finds:
    """Find the categories in each image of one or several files of annotations."""
    files = files_of(source)
    if not files:
        raise InputError(f"{source}: there is no file of COCO's instances; expected one with {', '.join(PARTS)}")
    for path in files:
        yield from _of_file(Path(path), wanted)


def _of_file(path: Path, wanted: Wanted) -> Finds:
    whole = _read(str(path))
    if not isinstance(whole, dict) or not all(isinstance(whole.get(part, []), list) for part in PARTS):
        raise InputError(f"{path}: expected lists of {', '.join(PARTS)}")
    split = split_of(*reversed(re.split(r"[_.]", path.name)), path.parent.name)
    names = {_id(each, "id"): structure(str(each.get("name") or "")) for each in _objects(whole, "categories")}
    here = _Set(path, names, split)
    images = {_id(each, "id"): each for each in _objects(whole, "images")}
    groups: dict[Any, dict[Any, list[dict[str, Any]]]] = {}
    for number, each in enumerate(whole.get("annotations", []), 1):
        image = _id(each, "image_id") if isinstance(each, dict) else None
        if image is None or image not in images:
            item = f"annotation {_id(each, 'id') if isinstance(each, dict) else f'number {number}'}"
            yield Rejected(Where(path.name, item=item), "its image_id is that of no image; expected one of images")
            continue
        category = _id(each, "category_id")
        # Categories of one name are one: a question has but the name.
        groups.setdefault(image, {}).setdefault(names.get(category) or category, []).append(each)
    for number, categories in groups.items():
        yield from _of_image(here, images[number], categories, wanted)


def _of_image(
    here: _Set, image: Mapping[str, Any], categories: Mapping[Any, list[dict[str, Any]]], wanted: Wanted
) -> Finds:
    item = f"image {image.get('id')}"
    try:
        path, size = _image(here.path, image)
    except InputError as fault:
        yield Rejected(Where(here.path.name, item=item), str(fault))
        return
    masks: dict[str, Mask] = {}
    boxes: dict[str, list[list[float]] | str] = {}
    for name, annotations in categories.items():
        where = Where(here.path.name, item=f"{item}, category {name}")
        try:
            if name not in here.names.values():
                raise InputError("its category_id has no name; expected one of categories")
            mask = _united(annotations, size)
            if mask is not None:
                masks[name] = mask
            boxes[name] = _boxes(annotations, size)
        except InputError as fault:
            masks.pop(name, None)
            yield Rejected(where, str(fault))
    stem = f"{here.path.stem}/{Path(str(image['file_name'])).with_suffix('').as_posix()}"
    common = {"image_path": path, "split": here.split, "modality": wanted.modality}
    for name, found in boxes.items():
        where = Where(here.path.name, item=f"{item}, category {name}")
        if name in masks:
            yield Found(where, f"{stem}/{name}/segment", segmentation(name, masks, **common))
        if isinstance(found, str):
            yield Rejected(where, found)
        else:
            known = {"masks": {each: mask.to_json() for each, mask in masks.items()}} if masks else {}
            yield Found(where, f"{stem}/{name}/mark", detection(name, found, **common, **known))


def _image(annotations: Path, image: Mapping[str, Any]) -> tuple[str, Size]:
    """Return where an image lies and its size, which must be the one that the annotations were made on."""
    name = image.get("file_name")
    if not isinstance(name, str) or not name:
        raise InputError("file_name is missing; expected that of an image")
    path = next((path for path in _places(annotations, name) if os.path.isfile(path)), None)
    if path is None:
        raise InputError(f"no such file: {name!r}; expected it beside the annotations or in images")
    size = open_image(path).size
    written = (image.get("width"), image.get("height"))
    if None not in written and written != size:
        sizes = f"{size[0]}x{size[1]} pixels as it is shown, and {written[0]}x{written[1]} in the annotations"
        raise InputError(f"the image is {sizes}; expected the same size")
    return os.path.abspath(path), size


def _places(annotations: Path, name: str) -> Iterator[Path]:
    """Say where an image may lie: as COCO has it, ``annotations/instances_val2017.json`` goes with ``val2017``."""
    own = annotations.stem.rpartition("_")[2]
    for folder in (annotations.parent, annotations.parent.parent):
        for within in ("", "images", own, f"images/{own}"):
            yield folder / within / name


def _united(annotations: Sequence[Mapping[str, Any]], size: Size) -> Mask | None:
    """Unite the masks of annotations; None where none of them has one, but boxes alone."""
    drawn = [each for each in annotations if each.get("segmentation")]
    if not drawn:
        return None
    if len(drawn) < len(annotations):
        raise InputError(f"{len(annotations) - len(drawn)} of its {len(annotations)} annotations have no segmentation")
    codes = [code for each in drawn for code in _codes(each, size)]
    return Mask(size, coco.merge(codes)["counts"])


def _codes(annotation: Mapping[str, Any], size: Size) -> list[dict[str, Any]]:
    """Return an annotation's run lengths."""
    found, named = annotation["segmentation"], f"annotation {annotation.get('id')!r}"
    width, height = size
    try:
        if isinstance(found, list):
            polygons = [[float(value) for value in polygon] for polygon in found]
            if any(len(each) < 6 or len(each) % 2 or not _near(each, size) for each in polygons):
                raise ValueError
            codes = coco.frPyObjects(polygons, height, width)
        else:
            if list(found["size"]) != [height, width]:
                raise InputError(f"{named}: its run lengths are of another size than its image; expected the same size")
            codes = [_code(found["counts"], size)]
    except InputError:
        raise
    except (AttributeError, IndexError, KeyError, OverflowError, TypeError, ValueError):
        expected = "polygons of three points or more, or run lengths that fill the image"
        raise InputError(f"{named}: its segmentation cannot be read; expected {expected}") from None
    if not any(coco.area(code) for code in codes):
        raise InputError(f"{named}: its mask is empty; expected something in it")
    return list(codes)


def _near(polygon: list[float], size: Size) -> bool:
    """Whether all is finite and not so far out that drawing it takes all memory."""
    return bool((np.abs(polygon) <= 10 * max(size)).all())


def _code(counts: Any, size: Size) -> dict[str, Any]:
    """Check run lengths, and compress those that are not; raises what `_codes` expects where they do not fit."""
    shape = [size[1], size[0]]
    if isinstance(counts, list):
        # pycocotools drops fractions, and does not come back from uniting what then fills less than the image.
        if min(counts) < 0 or sum(counts) != shape[0] * shape[1] or any(count % 1 for count in counts):
            raise ValueError
        return dict(coco.frPyObjects({"counts": counts, "size": shape}, *shape))
    return {"size": shape, "counts": Mask.from_json({"size": shape, "counts": counts}).counts}


def _boxes(annotations: Sequence[Mapping[str, Any]], size: Size) -> list[list[float]] | str:
    """Return the boxes of annotations, cut to the image, or why they are no detection."""
    if any(each.get("iscrowd") for each in annotations):
        return "a crowd is marked as one; expected a box for each"
    found = []
    for each in annotations:
        box: Any = each.get("bbox")
        numbers = isinstance(box, list) and len(box) == 4 and all(isinstance(value, (int, float)) for value in box)
        if not numbers or not all(abs(value) < FAR for value in box) or min(box[2:]) <= 0:
            return f"annotation {each.get('id')!r}: its bbox cannot be read; expected [x, y, width, height]"
        x, y, width, height = box
        cut = [max(0.0, x), max(0.0, y), min(float(size[0]), x + width), min(float(size[1]), y + height)]
        if cut[0] >= cut[2] or cut[1] >= cut[3]:
            return f"annotation {each.get('id')!r}: its bbox lies outside the image"
        found.append(cut)
    return found


def _id(found: Mapping[str, Any], name: str) -> int | str | None:
    number = found.get(name)
    return number if isinstance(number, (int, str)) else None


def _objects(whole: Mapping[str, Any], part: str) -> list[dict[str, Any]]:
    return [each for each in whole.get(part, []) if isinstance(each, dict)]


def _read(path: str) -> Any:
    """Read a file, once for as long as it stays the same."""
    try:
        facts = os.stat(path)
    except OSError as error:
        raise InputError(f"{path}: not readable ({type(error).__name__}); expected COCO's instances") from None
    return _parsed(path, facts.st_mtime_ns, facts.st_size)


@lru_cache(maxsize=2)
def _parsed(path: str, _mtime_ns: int, _size: int) -> Any:
    try:
        with open(path, encoding="utf-8-sig") as file:
            return json.load(file)
    except (OSError, ValueError, RecursionError) as error:
        raise InputError(f"{path}: not readable as JSON ({type(error).__name__}); expected COCO's instances") from None
