"""SLAKE: a folder with questions in JSON, and for each image its mask and its boxes.

    train.json, validation.json (or validate.json), test.json, mask.txt
    imgs/xmlab1/source.jpg, mask.png, detection.json

`mask.txt` names the numbers in the masks: a number and a name a line, in either order. `detection.json` is a list
of ``{name: [x, y, width, height]}`` in pixels. The forms of these two are nowhere written down: what does not fit them
is left out and counted.
"""

import os
import re
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any, ClassVar, NamedTuple

import numpy as np

from ...core.errors import InputError
from ...core.geometry import Box, area, intersect
from ...core.task import Kind
from ..readers import read_labels
from .asked import NO_ANSWER, NO_QUESTION, free, text_of
from .card import Card
from .files import Row, json_of, rows_of
from .pictures import FilePicture, Labelled, size_of
from .source import Draft, Published

FILES = {"train": ("train.json",), "validation": ("validation.json", "validate.json"), "test": ("test.json",)}
NAMED = re.compile(r"\W*(?:(?P<before>\d+)\W+)?(?P<name>[^\W\d](?:.*?[^\W\d])?)(?:\W+(?P<after>\d+))?\W*")
LANGUAGES = ("en", "zh")


class _Found(NamedTuple):
    """What is marked on an image, by name, and what is wrong with the rest."""

    named: Mapping[str, Any]
    fault: str = ""


class Slake(Published):
    """SLAKE: questions on radiological images, and the masks and boxes of what is seen on them.

    Its questions are of one `language`, ``en`` or ``zh``; segmentation and detection are asked for in English.
    """

    card = Card(
        "slake",
        (Kind.YES_NO, Kind.OPEN, Kind.NUMBER, Kind.SEGMENTATION, Kind.DETECTION),
        ("CT", "MRI", "X-Ray"),
        "14,028 questions in English and Chinese on 642 images",
        "train, validation and test as published",
        "CC BY 4.0",
        "Liu et al., SLAKE: A Semantically-Labeled Knowledge-Enhanced Dataset for Medical Visual Question Answering, "
        "ISBI 2021, arXiv 2102.09542",
        "https://huggingface.co/datasets/BoKelvin/SLAKE",
        "hf download --repo-type dataset BoKelvin/SLAKE --local-dir $MEDGYM_DATA/slake\n"
        "unzip -q $MEDGYM_DATA/slake/imgs.zip -d $MEDGYM_DATA/slake",
    )
    own: ClassVar = {split: split for split in FILES}

    def __init__(
        self,
        split: str,
        seed: int = 0,
        kinds: Sequence[Kind] = tuple(Kind),
        *,
        path: str = "",
        published: bool = False,
        language: str = "en",
    ) -> None:
        if language not in LANGUAGES:
            raise InputError(f"slake: unknown language {language!r}; expected {' or '.join(LANGUAGES)}")
        self._language = language
        super().__init__(split, seed, kinds, path=path, published=published)

    def settings(self) -> dict[str, Any]:
        """Return the settings by which tasks differ."""
        return {"language": self._language}

    def units(self, own: str) -> Sequence[Any]:
        """Return the questions in the language, and then, image by image, what its mask and its boxes show."""
        rows = [row for row in self._rows(own) if row.get("q_lang", "en") == self._language]
        images = {row["img_name"]: row for row in rows if text_of(row.get("img_name"))}
        shown: list[Mapping[str, Any]] = []
        for name, row in images.items():
            about = {"img_name": name, "modality": row.get("modality")}
            for form, found in (("segment", self._structures(name)), ("detect", _boxes(self._image(name)))):
                shown += [{**about, form: target} for target in found.named]
                shown += [{**about, "fault": found.fault}] if found.fault else []
        return [*rows, *shown]

    def draft(self, unit: Any, number: int, own: str) -> Draft | str:
        """Return the task that a unit is, or why it is none."""
        name = text_of(unit.get("img_name"))
        if not name:
            return "no image is named"
        if "fault" in unit:
            return str(unit["fault"])
        stem = os.path.dirname(name) or name
        common: dict[str, Any] = {
            "pictures": (FilePicture(self._image(name)),),
            "modality": text_of(unit.get("modality")),
            "group": name,
            "regions": self._structures(name).named,
            "meta": {"image": stem},
        }
        if "segment" in unit:
            target = unit["segment"]
            key = f"{own}/{stem}/segment/{target}"
            return Draft(key, Kind.SEGMENTATION, f"Segment the {target} in this image.", target=target, **common)
        if "detect" in unit:
            target = unit["detect"]
            boxes = _boxes(self._image(name)).named[target]
            asked_for = f"Mark the {target} in this image with {'a box' if len(boxes) == 1 else 'boxes'}."
            return Draft(f"{own}/{stem}/detect/{target}", Kind.DETECTION, asked_for, boxes=boxes, **common)
        asked, question = free(unit.get("answer")), text_of(unit.get("question"))
        if isinstance(asked, str) or not question:
            return NO_QUESTION if not question else NO_ANSWER
        return Draft(f"{own}/{unit.get('qid', f'#{number}')}", asked.kind, question, answer=asked.answer, **common)

    def _rows(self, own: str) -> list[Row]:
        paths = [os.path.join(self.place.folder, name) for name in FILES[own]]
        path = next((path for path in paths if os.path.isfile(path)), "")
        if not path:
            raise InputError(f"slake: {self.place} has no {FILES[own][0]}. {self.card.way_to_get}")
        return rows_of(path)

    def _image(self, name: str) -> str:
        return os.path.join(self.place.folder, "imgs", *name.split("/"))

    def _structures(self, name: str) -> "_Found":
        return _structures(self._image(name), _named(os.path.join(self.place.folder, "mask.txt")))


@lru_cache(maxsize=8)
def _named(path: str) -> tuple[tuple[int, str], ...]:
    """Read which number in the masks is what; nothing where there is no such file."""
    if not os.path.isfile(path):
        return ()
    with open(path, encoding="utf-8-sig") as file:
        found = [NAMED.fullmatch(line.strip()) for line in file]
    pairs = [(match["before"] or match["after"], match["name"]) for match in found if match]
    return tuple((int(number), name.strip().lower()) for number, name in pairs if number)


@lru_cache(maxsize=2048)
def _structures(image: str, names: tuple[tuple[int, str], ...]) -> _Found:
    """Return the masks of an image."""
    path = os.path.join(os.path.dirname(image), "mask.png")
    if not os.path.isfile(path):
        return _Found({})
    if not names:
        return _Found({}, "mask.txt, which names what a mask shows, is missing or of another form")
    try:
        labels = read_labels(path)
    except InputError:
        return _Found({}, "the mask cannot be read")
    if size_of(image) != labels.shape[::-1]:
        return _Found({}, "the mask has another size than its image")
    values: dict[str, tuple[int, ...]] = {}
    present = set(np.unique(labels).tolist()) - {0}
    for number, name in names:
        if number in present:
            values[name] = (*values.get(name, ()), number)
    fault = "mask.txt names nothing of what the mask shows" if present and not values else ""
    return _Found({name: Labelled(path, numbers) for name, numbers in values.items()}, fault)


@lru_cache(maxsize=2048)
def _boxes(image: str) -> _Found:
    """Return the boxes of an image, cut to it."""
    path, size = os.path.join(os.path.dirname(image), "detection.json"), size_of(image)
    if not os.path.isfile(path) or size is None:
        return _Found({})
    try:
        entries = json_of(path)
    except InputError:
        return _Found({}, "detection.json cannot be read")
    boxes: dict[str, tuple[Box, ...]] = {}
    fault = ""
    for name, written in ((n, w) for entry in entries if isinstance(entry, dict) for n, w in entry.items()):
        numbers = isinstance(written, list) and len(written) == 4 and all(isinstance(v, (int, float)) for v in written)
        x, y, width, height = map(float, written if numbers else (0, 0, 0, 0))
        whole = (x, y, x + width, y + height)
        box = intersect(whole, (0.0, 0.0, *size))
        # Corners taken for a width and a height would reach far beyond the image; then nothing is asked for.
        if area(box) > 0 and area(whole) <= area(box) * 1.1:
            boxes[name.lower()] = (*boxes.get(name.lower(), ()), box)
        else:
            fault = "a box is empty or reaches outside its image"
    return _Found(boxes, fault)
