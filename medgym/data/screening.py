"""Looks for what names a patient in images, before a run folder keeps pictures of them.

A run folder keeps pictures of views, questions and ids: so text in pixels holds a run up, and so does a DICOM header
that says that its pixels name the patient or show a face. Identifying elements of a header are findings too, but no
run copies a header; `medgym data check` lists them.
"""

import json
import os
from collections.abc import Callable, Hashable, Iterable, Mapping
from enum import StrEnum
from pathlib import Path
from typing import NamedTuple

from ..core.errors import InputError, nearest
from ..core.image import SourceImage
from ..core.task import Task
from ..spec import split_spec
from ..tasks.readers import file_of, is_dicom
from ..tasks.sources import SOURCES
from .headers import read_header, read_series
from .lettering import lines_of_text

SHOWN = 10
"""So many tasks are named in an error."""


class Sign(StrEnum):
    """What may name a patient."""

    TEXT = "text in the pixels"
    ANNOTATION = "BurnedInAnnotation is YES"
    FEATURES = "RecognizableVisualFeatures is YES"
    IDENTIFIERS = "identifying elements in the header"


class Finding(NamedTuple):
    """A sign that an image names its patient.

    Attributes:
        sign: what kind of sign.
        about: where, or which elements; never what they say.
        removed: whether the header says that the patient's identity was removed.
    """

    sign: Sign
    about: str
    removed: bool = False

    def __str__(self) -> str:
        return f"{self.sign} ({self.about})" if self.about else str(self.sign)


class Held(NamedTuple):
    """A task whose pictures may name a patient, and why."""

    task_id: str
    findings: tuple[Finding, ...]


class Flagged(StrEnum):
    """What a run does with tasks whose pictures may name a patient."""

    REFUSE = "refuse"
    SKIP = "skip"
    KEEP = "keep"


_FOUND: dict[Hashable, tuple[Finding, ...]] = {}
"""What was found in each image, by its key: an image is looked at once in a process."""


def screened(image: SourceImage) -> tuple[Finding, ...]:
    """Return what in an image may name a patient, its file's header included.

    Raises:
        InputError: where the image cannot be read.
    """
    if image.key not in _FOUND:
        _FOUND[image.key] = (*_in_pixels(image), *_in_header(image))
    return _FOUND[image.key]


def _in_pixels(image: SourceImage) -> Iterable[Finding]:
    boxes = lines_of_text(image.pixels)
    if boxes:
        place = ", ".join(str(round(edge)) for edge in boxes[0])
        yield Finding(Sign.TEXT, f"at {place}")


def _in_header(image: SourceImage) -> Iterable[Finding]:
    path, place = file_of(image)[0], image.root.place
    if place is not None and os.path.isdir(path):
        header = read_series(path, place.volume.key)
    elif path and is_dicom(path):
        header = read_header(path)
    else:
        return
    if header.burned_in:
        yield Finding(Sign.ANNOTATION, "")
    if header.recognisable:
        yield Finding(Sign.FEATURES, "")
    if header.named:
        yield Finding(Sign.IDENTIFIERS, ", ".join(header.named), header.removed)


def in_pictures(task: Task) -> tuple[Finding, ...]:
    """Return what pictures of a task would show of a patient."""
    found = (finding for image in task.images for finding in screened(image))
    return tuple(finding for finding in found if finding.sign is not Sign.IDENTIFIERS)


def is_public(source: str) -> bool:
    """Whether a task source is made, or published already: its pictures give nothing away that is not known."""
    return split_spec(source)[0] in SOURCES


def flagged_named(name: str) -> Flagged:
    """Return what is to be done with flagged tasks.

    Raises:
        InputError: for a name that is none.
    """
    if name not in set(Flagged):
        raise InputError(f"flagged is one of {', '.join(Flagged)}, not {name!r}{nearest(name, Flagged)}")
    return Flagged(name)


def held_back(task: Callable[[int], Task], indexes: Iterable[int], flagged: Flagged) -> dict[int, Held]:
    """Screen tasks whose pictures are to be kept; return the flagged ones by index.

    Raises:
        InputError: where one is flagged and that is refused, with ids, what was found, and what can be done.
    """
    found = {}
    for index in indexes:
        one = task(index)
        findings = in_pictures(one)
        if findings:
            found[index] = Held(one.id, findings)
    if found and flagged is Flagged.REFUSE:
        raise InputError(_refusal(found))
    return found


def _refusal(found: Mapping[int, Held]) -> str:
    shown = [f"  {held.task_id}: {'; '.join(map(str, held.findings))}" for held in list(found.values())[:SHOWN]]
    more = f"\n  … and {len(found) - SHOWN} more" if len(found) > SHOWN else ""
    return (
        f"a run folder keeps pictures, and the images of {len(found)} of these tasks may name a patient; nothing was "
        "written:\n" + "\n".join(shown) + f"{more}\n"
        "Look at them. --flagged skip leaves them out, --flagged keep goes on with them; a run without --out keeps "
        "nothing."
    )


def keep_record(folder: Path, found: Mapping[int, Held], flagged: Flagged) -> None:
    """Write to ``screening.json`` which tasks were flagged, and whether they were played."""
    tasks = {held.task_id: [str(finding) for finding in held.findings] for held in found.values()}
    text = json.dumps({"flagged": str(flagged), "tasks": tasks}, indent=2) + "\n"
    (folder / "screening.json").write_text(text, "utf-8")
