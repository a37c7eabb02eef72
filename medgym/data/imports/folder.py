"""A folder of images and masks, paired by the names of their files.

- ``images/<stem>.png`` and ``masks/<stem>.png`` (also ``<stem>_mask.png`` there), of one structure
- ``images/<stem>.png`` and ``masks/<structure>/<stem>.png``, or ``<structure>/masks/<stem>.png``
- ``<stem>.png`` and ``<stem>_mask.png`` or ``<stem>_seg.png`` beside it; ``<stem>_mask_1.png`` is united with it,
  ``<stem>_mask_<structure>.png`` is another's

Folders called train, validation or test, above or below these, are splits; others are parts of the stem. A mask is
white or 1 inside; where names of labels are given, it is a map of labels.
"""

import os
import re
from collections.abc import Iterator, Mapping
from pathlib import Path, PurePath
from typing import NamedTuple

import numpy as np
from PIL import Image, ImageOps

from ...core.errors import InputError
from ...core.geometry import Size
from ...core.mask import Mask
from ...tasks.readers import PICTURES, guarded, open_image, read_labels, read_mask
from .found import UNNAMED, Finds, Found, Rejected, Wanted, Where, composed, files_in, segmentation, split_of, structure

SUFFIXES = (".png", ".jpg", ".jpeg", ".tif", ".tiff", ".bmp", ".webp", ".gif")
IMAGES = ("images", "image", "imgs", "img")
MASKS = (
    "masks",
    "mask",
    "labels",
    "label",
    "segmentations",
    "segmentation",
    "seg",
    "annotations",
    "gt",
    "ground_truth",
)
MARKED = re.compile(r"(.+?)[_-](?:mask|seg|segmentation|label|gt)(?:[_-](.+))?", re.IGNORECASE)
FEW = 8
"""A lossless mask with more values than two, and no more than these, has labels and no smooth edge."""
Key = tuple[str, tuple[str, ...], str]
"""Split, folders and stem: what an image and its masks share."""


class Pairs(NamedTuple):
    """The images of a folder, their masks by structure, and masks without an image."""

    images: Mapping[Key, list[str]]
    masks: Mapping[Key, Mapping[str, list[str]]]
    lost: list[str]


def paired(files: list[str]) -> Pairs:
    """Pair the pictures among `files`, paths relative to the folder."""
    pictures = [path for path in files if path.lower().endswith((*SUFFIXES, ".dcm"))]
    parts = {path: _parts(path) for path in pictures}
    masks = {path for path, (_, _, _, role) in parts.items() if role == "mask"}
    images: dict[Key, list[str]] = {}
    for path in pictures:
        if path not in masks:
            images.setdefault(parts[path][:3], []).append(path)
    marked = {path for each in images.values() for path in each if _beside(parts[path][:3], images)}
    found: dict[Key, dict[str, list[str]]] = {}
    lost = []
    for path in sorted(masks | marked):
        owner = _owner(parts[path][:3], images) if path in masks else _beside(parts[path][:3], images)
        if owner is None:
            lost.append(path)
        else:
            found.setdefault(owner[0], {}).setdefault(owner[1], []).append(path)
    kept = {key: [path for path in each if path not in marked] for key, each in images.items()}
    return Pairs({key: each for key, each in kept.items() if each}, found, lost)


def find(source: str, wanted: Wanted) -> Finds:
    """Find each structure of each image of a folder."""
    pairs = paired(files_in(source))
    for path in pairs.lost:
        yield Rejected(Where(path), "there is no image of the mask's name; expected one")
    for key, paths in pairs.images.items():
        masks = pairs.masks.get(key, {})
        if len(paths) > 1:
            yield Rejected(Where(paths[0]), f"{len(paths)} images have its name; expected one")
        elif not masks:
            yield Rejected(Where(paths[0]), "the image has no mask; expected a file of the same name")
        else:
            yield from _tasks(source, key, paths[0], masks, wanted)


def _tasks(source: str, key: Key, path: str, masks: Mapping[str, list[str]], wanted: Wanted) -> Finds:
    absolute = os.path.abspath(os.path.join(source, path))
    try:
        size = open_image(absolute).size
    except InputError as fault:
        yield Rejected(Where(path), str(fault))
        return
    known: dict[str, Mask] = {}
    places: dict[str, str] = {}
    for name, files in masks.items():
        read: list[tuple[str, Mask]] = []
        file = ""
        try:
            for file in files:
                read += _masks(os.path.join(source, file), name or wanted.only, size, wanted).items()
        except InputError as fault:
            yield Rejected(Where(file, item=name), str(fault))
            continue
        for each, mask in read:
            # A folder and a label of a map may have one name.
            known[each] = Mask.of(known[each].bits() | mask.bits()) if each in known else mask
            places.setdefault(each, files[0])
    stem = Path(path).with_suffix("").as_posix()
    for name in known:
        raw = segmentation(name, known, image_path=absolute, split=key[0], modality=wanted.modality)
        yield Found(Where(places[name], item=name), f"{stem}/{name}", raw)


def _masks(path: str, name: str, size: Size, wanted: Wanted) -> dict[str, Mask]:
    """Read a file's masks by the names of what they show."""
    if not wanted.names or name:
        values = _values(path)
        if len(values) > 2:
            shown = f"the mask has the labels {', '.join(map(str, values))}, which have no names"
            raise InputError(f"{shown}; expected black and white, or --names 1=liver,2=…")
        return {name or UNNAMED: read_mask(path, size)}
    labels = read_labels(path)
    if labels.shape[::-1] != tuple(size):
        shape = f"{labels.shape[1]}x{labels.shape[0]} and its image {size[0]}x{size[1]} pixels"
        raise InputError(f"{path}: the mask is {shape}; expected the same size")
    unknown = sorted({int(label) for label in np.unique(labels)} - {0, *wanted.names})
    if unknown:
        raise InputError(f"label {unknown[0]} has no name; expected one in --names")
    masks = {name: Mask.of(labels == number) for number, name in wanted.names.items() if (labels == number).any()}
    if not masks:
        raise InputError("there is no label in the mask; expected one or more")
    return masks


def _values(path: str) -> list[int]:
    """Return the values of a mask where they are so few and so sharp that they can be labels; else nothing."""

    def read() -> list[int]:
        with open(path, "rb") as file, Image.open(file, formats=PICTURES) as image:
            lossy, clear = image.format == "JPEG", image.has_transparency_data and image.mode != "P"
            values = np.asarray(ImageOps.exif_transpose(image))
        if lossy or clear:
            return []
        if values.ndim == 3:
            values = values.astype(np.int64) @ (65536, 256, 1)[: values.shape[2]]
        found = np.unique(values)
        return [int(value) for value in found] if len(found) <= FEW or found.max() <= 4 * FEW else []

    return guarded(path, "picture", read)


def _parts(path: str) -> tuple[str, tuple[str, ...], str, str]:
    """Take a path apart: its split, its other folders, its stem, and whether it is in a folder of masks or images."""
    pure = PurePath(composed(path))
    folders, split, role = list(pure.parts[:-1]), "", ""
    for folder in pure.parts[:-1]:
        if not role and folder.lower() in (*IMAGES, *MASKS):
            role = "image" if folder.lower() in IMAGES else "mask"
            folders.remove(folder)
        elif not split and split_of(folder):
            split = split_of(folder)
            folders.remove(folder)
    return split, tuple(folders), pure.stem, role


def _owner(key: Key, images: Mapping[Key, list[str]]) -> tuple[Key, str] | None:
    """Return the image that a file in a folder of masks belongs to, and its structure."""
    split, folders, stem = key
    marked = MARKED.fullmatch(stem)
    stems = [(stem, ""), *([(marked[1], _told(marked[2]))] if marked else [])]
    for name, said in stems:
        for within, above in _without_one(folders):
            if (split, within, name) in images:
                return (split, within, name), said or structure(above)
    return None


def _without_one(folders: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], str]]:
    """Give the folders as they are, and without the last or the first, which is then the structure's."""
    yield folders, ""
    if folders:
        yield folders[:-1], folders[-1]
        yield folders[1:], folders[0]


def _beside(key: Key, images: Mapping[Key, list[str]]) -> tuple[Key, str] | None:
    """Return the image beside which a mask lies, and its structure; None for what is no mask."""
    marked = MARKED.fullmatch(key[2])
    if marked is None or (*key[:2], marked[1]) not in images:
        return None
    return (*key[:2], marked[1]), _told(marked[2])


def _told(rest: str | None) -> str:
    """Return the structure that the end of a mask's name tells; a number only tells masks apart."""
    return "" if rest is None or rest.isdecimal() else structure(rest)
