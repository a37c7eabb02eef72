"""What an import finds: records to be, and what cannot become one, each with its place in the source."""

import hashlib
import json
import os
import unicodedata
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from ...core.errors import InputError
from ...core.mask import Mask
from ...tasks.schema import SPLIT_ALIASES

SPLIT_NAMES = {"train": "train", "training": "train", "test": "test", "testing": "test", "validation": "validation"}
SPLIT_NAMES |= SPLIT_ALIASES
UNNAMED = "region of interest"
"""What the masks of a source that names no structure show."""


class Where(NamedTuple):
    """A place in a source: a file, and where it holds several rows, the line or what the row is there."""

    file: str
    line: int | None = None
    item: str = ""


class Found(NamedTuple):
    """A record to be: `key` is to name its question, `raw` is as the schema has it, its paths absolute."""

    where: Where
    key: str
    raw: dict[str, Any]


class Rejected(NamedTuple):
    """What cannot become a record, and why."""

    where: Where
    reason: str


Finds = Iterator[Found | Rejected]


@dataclass(frozen=True)
class Wanted:
    """What the user says of a source.

    Attributes:
        names: of labels, by their numbers.
        only: the one name that all masks have.
        modality: such as CT, where the source does not say.
        volumes: whether a structure is asked for in all slices of its volume.
    """

    names: Mapping[int, str] = field(default_factory=dict)
    only: str = ""
    modality: str = ""
    volumes: bool = False


def names_of(text: str) -> tuple[dict[int, str], str]:
    """Read names: the path of a JSON file, ``1=liver,2=liver tumor``, or one name for all.

    Raises:
        InputError: where it is none of these.
    """
    if text.endswith(".json"):
        try:
            with open(text, encoding="utf-8-sig") as file:
                found = json.load(file)
        except (OSError, ValueError) as error:
            raise InputError(f"{text}: not readable as JSON ({type(error).__name__}); expected names") from None
        return labels_of(found.get("labels", found) if isinstance(found, dict) else found, text), ""
    if "=" not in text:
        return {}, structure(text)
    pairs = [pair.partition("=") for pair in text.split(",")]
    if not all(name.strip() for _, _, name in pairs):
        raise InputError(f"--names: expected the names of labels, such as 1=liver,2=tumor, not {text!r}")
    return labels_of({number: name for number, _, name in pairs}, "--names"), ""


def labels_of(found: Any, named: str) -> dict[int, str]:
    """Read the names of labels, ``{"1": "liver"}`` or, as nnU-Net writes them, ``{"liver": 1}``; 0 is none.

    Raises:
        InputError: where they are not written so.
    """
    labels: dict[int, str] = {}
    try:
        for key, value in found.items():
            number, name = (int(key), value) if str(key).strip().isdecimal() else (value, key)
            if isinstance(number, list) and len(number) == 1:
                number = number[0]
            if isinstance(number, list):
                continue  # a region that unites labels, which have names of their own
            if number:
                labels[int(number)] = structure(str(name))
    except (AttributeError, TypeError, ValueError):
        raise InputError(f'{named}: expected the names of labels, such as {{"1": "liver"}}') from None
    return {number: name for number, name in labels.items() if name}


def structure(name: str) -> str:
    """Spell a structure's name out as a question has it."""
    return " ".join(composed(name).replace("_", " ").split())


def composed(name: str) -> str:
    """Return a name as other systems write it too: macOS takes accents off their letters."""
    return unicodedata.normalize("NFC", name)


def pseudonym(name: object) -> str:
    """Stand in for the name of a patient or a study: the same for the same name, in every import.

    Without salt, so that imports fit together: whoever has a list of names can find which of them it is.
    """
    return hashlib.blake2b(str(name).strip().encode("utf-8", "surrogatepass"), digest_size=6).hexdigest()


def segmentation(target: str, masks: Mapping[str, Mask], **fields: Any) -> dict[str, Any]:
    """Return the record that asks for one of the masks of an image."""
    return {
        "question_type": "segmentation",
        "question": f"Segment the {target}.",
        "target": target,
        "masks": {name: mask.to_json() for name, mask in masks.items()},
        **{name: value for name, value in fields.items() if value not in (None, "")},
    }


def detection(target: str, boxes: list[list[float]], **fields: Any) -> dict[str, Any]:
    """Return the record that asks for all boxes of a structure."""
    asked = {"question_type": "detection", "question": f"Mark every {target} with a box.", "target": target}
    return {**asked, "boxes": boxes, **{name: value for name, value in fields.items() if value not in (None, "")}}


def files_in(folder: str) -> list[str]:
    """Return the paths of all files beneath a folder, relative to it; hidden ones are left out, links are followed."""
    found, seen = [], set[str]()
    for place, folders, files in os.walk(folder, followlinks=True):
        if (real := os.path.realpath(place)) in seen:
            folders.clear()
            continue
        seen.add(real)
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        found += [os.path.relpath(os.path.join(place, name), folder) for name in files if not name.startswith(".")]
    return sorted(found)


def split_of(*names: str) -> str:
    """Return the split that a folder's or a file's name says, such as ``train2017``, or nothing."""
    plain = (name.lower().rstrip("0123456789_-") for name in names)
    return next((SPLIT_NAMES[name] for name in plain if name in SPLIT_NAMES), "")
