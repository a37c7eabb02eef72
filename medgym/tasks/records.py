"""Questions on real images, from a file of records: a JSON list, or JSON lines (``.jsonl``).

`schema` says what a record holds. Paths in it are relative to the file.
"""

import json
import os
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from ..core.errors import InputError
from ..core.geometry import Size, area, intersect
from ..core.image import SourceImage
from ..core.mask import Mask
from ..core.task import SPLITS, Kind, Task, Truth, truth_of
from ..core.volume import Plane, Shape, Solid, united
from .readers import open_image, open_labels, read_mask
from .schema import Record, one_of, read_record, split_named


class Records:
    """The tasks of one split of a file of records.

    A file in which no record names a split is one split, served under whatever name is asked for. Making it
    checks every record, and that its files exist; images and masks are read when their task is asked for.

    Args:
        path: of a ``.json`` or ``.jsonl`` file.
        split: ``train``, ``validation`` or ``test``.
        kinds: only tasks of these kinds.

    Raises:
        InputError: for a record that is not as the schema has it, by its number and question_id; and where
            nothing is left to serve.
    """

    def __init__(self, path: str | Path, split: str = "train", kinds: Sequence[Kind] = tuple(Kind)) -> None:
        self.split = split_named(split)
        records = _parsed(*_facts(path))
        splits = Counter(record.split for record in records if record.split)
        loose = [record.named for record in records if not record.split]
        if splits and loose:
            raise InputError(f"{loose[0]}: split is missing, but others name one; expected {one_of(SPLITS)}")
        _check_disjoint(records)
        served = [record for record in records if record.split in ("", self.split)]
        self._records = [record for record in served if record.task.kind in kinds]
        if not self._records:
            held = _counted(record.task.kind for record in records)
            raise InputError(
                f"{path}: no record of split {self.split!r} is of kind {one_of(kinds)}; "
                f"the file has {held}, in splits: {_counted(splits.elements()) or 'none named'}"
            )

    def __len__(self) -> int:
        """Return the number of tasks."""
        return len(self._records)

    def __getitem__(self, index: int, /) -> Task:
        """Return a task, with its images and masks read.

        Raises:
            IndexError: where `index` is not from 0 to the length, excluded.
            InputError: where an image or a mask cannot be read, or does not fit the other.
        """
        if not 0 <= index < len(self):
            raise IndexError(f"index {index} is not from 0 to {len(self) - 1}")
        return _made(self._records[index], self.split, index)


@lru_cache(maxsize=256)
def _made(record: Record, split: str, index: int) -> Task:
    """Read a record's files; held, so that masks are read once."""
    try:
        return completed(record, split, index)
    except InputError as fault:
        raise InputError(f"{record.named}: {fault}") from fault


def completed(record: Record, split: str = "", index: int = 0) -> Task:
    """Read a record's files, and return the task it is.

    Raises:
        InputError: where an image or a mask cannot be read, or does not fit the other; does not name the record.
    """
    images = tuple(map(open_image, record.images, record.slices))
    # All pixels are looked at: so a damaged image is found here, where its record can be named.
    for image in images:
        _ = image.pixels.shape
    truth = _completed(record, images[truth_of(record.task).image])
    return replace(record.task, images=images, truth=truth, split=split, index=index)


def _completed(record: Record, image: SourceImage) -> Truth:
    """Return the truth with its masks, and with boxes cut to the image that they belong to."""
    truth, size, place = truth_of(record.task), image.size, image.place
    if place is not None and isinstance(place.cut, Plane):
        solids = _solids(record, place.volume.shape)
        truth = replace(truth, plane=place.cut, solids=solids, solid=solids.get(record.target))
    if not record.task.in_voxels:
        truth = replace(truth, solid=None)
    elif truth.solid is None:
        raise InputError("scored: a volume is asked for, and the image or its mask is none; expected volumes of NIfTI")
    boxes = tuple(intersect(box, (0.0, 0.0, *size)) for box in truth.boxes)
    if not all(map(area, boxes)):
        raise InputError(f"a box lies outside the image; expected boxes within {size[0]}x{size[1]} pixels")
    segmentation = record.task.kind is Kind.SEGMENTATION
    structures = _structures(record, truth, size)
    if not structures and not segmentation:
        return replace(truth, boxes=boxes)
    mask = structures.get(record.target, Mask.empty(size))
    evidence = boxes or ((mask.box,) if mask.box else ())
    asked = mask if segmentation else None
    return replace(truth, mask=asked, boxes=evidence, structures=structures or {record.target: mask})


def _solids(record: Record, shape: Shape) -> dict[str, Solid]:
    """Return the structure that a record's volumes of labels hold; none where its masks are pictures."""
    found = [open_labels(path, record.labels) for path in record.masks]
    solids = [solid for solid in found if solid is not None]
    if not solids or len(solids) < len(found):
        return {}
    for path, solid in zip(record.masks, solids, strict=True):
        if solid.shape != shape:
            sizes = " and its image ".join("x".join(map(str, each[::-1])) for each in (solid.shape, shape))
            raise InputError(f"{path}: the mask is {sizes} voxels; expected the same size")
    if record.task.in_voxels and not record.labels:
        _check_binary(solids, record.masks)
    return {record.target: united(solids)}


def _check_binary(solids: Sequence[Solid], paths: Sequence[str]) -> None:
    for path, solid in zip(paths, solids, strict=True):
        found = solid.labels()
        if len(found) > 1:
            numbers = ", ".join(map(str, found[:8]))
            raise InputError(f"{path}: the mask has the values {numbers}; expected label to say which are asked for")


def _structures(record: Record, truth: Truth, size: Size) -> dict[str, Mask]:
    """Return the masks that a record has or names the files of, by what they show."""
    for name, mask in record.held.items():
        if mask.size != tuple(size):
            sizes = f"{mask.size[0]}x{mask.size[1]} and its image {size[0]}x{size[1]} pixels"
            raise InputError(f"masks, {name!r}: the mask is {sizes}; expected the same size")
    if not record.masks:
        return dict(record.held)
    solid = truth.solids.get(record.target)
    if truth.plane is not None and solid is not None and (record.task.in_voxels or truth.plane.axis != "axial"):
        return {record.target: solid.on(truth.plane)}
    # Of labels, too, the asked slice alone is read.
    number = record.slices[truth.image] if solid is None or truth.plane is None else truth.plane.position
    bits = [read_mask(path, size, number, record.labels).bits() for path in record.masks]
    return {record.target: Mask.of(np.any(bits, axis=0))}


def _check_disjoint(records: Iterable[Record]) -> None:
    """Refuse a patient or a study with images in two splits."""
    for whose in ("patient", "study"):
        places: dict[str, Record] = {}
        for record in records:
            name = record.task.meta.get(whose)
            other = places.setdefault(str(name), record) if name is not None else record
            if other.split != record.split:
                splits = f"{record.split} here and {other.split} in {other.named}"
                raise InputError(f"{record.named}: its {whose} is in two splits, {splits}; expected one")


def _facts(path: str | Path) -> tuple[str, int, int]:
    try:
        found = os.stat(path)
    except (OSError, ValueError):
        raise InputError(f"{path}: no such file; expected records in .json or .jsonl") from None
    return os.path.abspath(path), found.st_mtime_ns, found.st_size


@lru_cache(maxsize=16)
def _parsed(path: str, _mtime_ns: int, _size: int) -> tuple[Record, ...]:
    """Read and check a whole file, once for as long as it stays the same."""
    records: list[Record] = []
    used: set[str] = set()
    for number, raw in enumerate(_raw(Path(path)), 1):
        key = raw.get("question_id") if isinstance(raw, dict) else None
        named = f"{path}, record {number} (question_id {key!r})"
        try:
            records.append(read_record(raw, path, unique_name(Path(path).stem, key, number, used), named))
        except InputError as fault:
            raise InputError(f"{named}: {fault}") from None
    return tuple(records)


def _raw(path: Path) -> list[Any]:
    """Return the records as they are written."""
    try:
        text = path.read_text("utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: not readable as UTF-8 ({type(error).__name__}); expected JSON") from None
    if path.suffix.lower() == ".jsonl":
        lines = enumerate(text.split("\n"), 1)
        found = [parsed(line, f"{path}, line {number}") for number, line in lines if line.strip()]
    else:
        found = parsed(text, str(path))
    if not isinstance(found, list):
        raise InputError(f"{path}: expected a list of records, found {type(found).__name__}")
    if not found:
        raise InputError(f"{path}: there are no records; expected at least one")
    return found


def parsed(text: str, named: str) -> Any:
    """Read JSON.

    Raises:
        InputError: where it is none; says at which line.
    """
    try:
        return json.loads(text)
    except json.JSONDecodeError as error:
        where = f"line {error.lineno}, column {error.colno}"
        raise InputError(f"{named}: not JSON: {error.msg} at {where}; expected records") from None
    except RecursionError:
        raise InputError(f"{named}: JSON nested too deeply; expected records") from None


def unique_name(stem: str, key: Any, number: int, used: set[str]) -> str:
    """Name a task after its question_id; where that is missing or taken, with ``#`` and a number."""
    plain = name = f"{stem}/#{number}" if key is None or key == "" else f"{stem}/{key}"
    again = 1
    while name in used:
        again += 1
        name = f"{plain}#{again}"
    used.add(name)
    return name


def _counted(names: Iterable[str]) -> str:
    return ", ".join(f"{count} {name}" for name, count in Counter(map(str, names)).items())
