"""The schema of one record: a question on an image, as Ophiuchus published them, and a little more.

| field | what it holds |
|---|---|
| question_id | a name, best unique in the file; optional |
| question_type | multiple choice, yes/no, open-ended, number, segmentation or detection |
| question | the question |
| options | texts in order: ``A. liver``, ``(A) liver`` or ``liver`` |
| answer | a letter or an option's text; yes or no; words, or a list of words as right; a number |
| image_path | a path, or a list of them; a folder is that of one DICOM series |
| mask_path | a path, or a list of them to unite; of the image asked about; white or 1 is inside |
| label | the values that are inside, of masks that number structures; a number, or a list of them |
| masks | instead of files: by the name of each structure of that image, COCO's run lengths of its mask |
| mask_image | which of the images, from 0, masks and boxes belong to; default: the first |
| slice | which slice of a volume, or frame, the first image is, from 0, or a list for all; default: the middle one |
| scored | slice, the default, or volume: a segmentation in voxels, with volumes of labels as mask_path |
| boxes, bbox | ``[x1, y1, x2, y2]``, or a list of them; pixels of the image asked about, upper bound excluded |
| target | what the mask shows, or which of the masks is asked for; else taken from the question |
| patient, study | whose images these are; no patient or study is in two splits |
| split | train, validation or test; named by every record or by none |
| modality, unit, tolerance, source, max_steps, data_type | optional |

An open-ended question whose answer is a number is a number question. A segmentation needs no mask where its
answer is an option that starts with "No". Options of other kinds than choice, yes/no and segmentation are
not shown.
"""

import os
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, Field, FiniteFloat, StringConstraints, ValidationError

from ..core.errors import InputError, nearest
from ..core.geometry import area
from ..core.mask import Mask
from ..core.task import SPLITS, Kind, Task, Truth

TYPES = {
    "multiple choice": Kind.CHOICE,
    "yes/no": Kind.YES_NO,
    "open-ended": Kind.OPEN,
    "number": Kind.NUMBER,
    "segmentation": Kind.SEGMENTATION,
    "detection": Kind.DETECTION,
}
ALIASES = {
    **dict.fromkeys(("multiple-choice", "single choice", "choice", "mcq"), Kind.CHOICE),
    **dict.fromkeys(("yes no", "yes or no", "yesno"), Kind.YES_NO),
    **dict.fromkeys(("open ended", "open", "free text"), Kind.OPEN),
    **dict.fromkeys(("numeric", "numerical"), Kind.NUMBER),
    **{"seg": Kind.SEGMENTATION, "grounding": Kind.DETECTION},
}
UNDECIDED = ("closed", "closed-ended", "closed ended", "vqa")
"""Types that say nothing unless options do, or an answer of yes or no."""
YES_NO = {"yes", "no"}
FORMS = {
    Kind.CHOICE: "the letter or the text of one of the options",
    Kind.YES_NO: "yes or no, or the letter of an option that says so",
    Kind.OPEN: "a text, or a list of texts that are as right",
    Kind.NUMBER: "a number",
    Kind.SEGMENTATION: "the letter or the text of one of the options",
}
META = ("source", "max_steps", "data_type", "patient", "study")
SPLIT_ALIASES = {"val": "validation", "valid": "validation", "dev": "validation"}
LETTERED = re.compile(r"(?:\(([A-Za-z])\)|([A-Za-z])[.):])\s*(.+)", re.DOTALL)
NUMERIC = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?", re.IGNORECASE)
DENIAL = re.compile(r"(no|not|none|nothing)\b", re.IGNORECASE)
VERBS = r"(?:segment|delineate|outline|contour|mark|highlight|detect|locate|locali[sz]e|find)"
ASKED = re.compile(
    rf"\b{VERBS}(?:\s+and\s+{VERBS})?\s+(?:out\s+)?(?:all\s+(?:of\s+)?)?(?:(?:the|an?|any|every|each)\s+)?"
    r"(.+?)\s*(?:\s(?:in|on|from|within|using|with)\s|[.?!](?:\s|$)|$)",
    re.IGNORECASE,
)
"""Takes ``liver tumor`` from ``Please segment the liver tumor in this CT.``"""

Whole = Annotated[int, Field(strict=True, ge=0)]
Text = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1)]
Paths = Annotated[list[Text], BeforeValidator(lambda found: [found] if isinstance(found, str) else found)]
Boxes = Annotated[
    list[tuple[FiniteFloat, FiniteFloat, FiniteFloat, FiniteFloat]],
    BeforeValidator(lambda found: [found] if isinstance(found, list) and _is_flat(found) else found),
]


def _run_lengths(code: Any) -> Mask:
    try:
        return Mask.from_json(code)
    except (AttributeError, IndexError, KeyError, TypeError, ValueError):
        raise ValueError('no run lengths of COCO: {"size": [height, width], "counts": "…"}') from None


RunLengths = Annotated[Any, AfterValidator(_run_lengths)]


def _is_flat(found: list[Any]) -> bool:
    return bool(found) and not any(isinstance(part, list) for part in found)


class _Written(BaseModel):
    """A record as it is written; a field's description says what was expected of it."""

    question_type: Text = Field(description=", ".join(TYPES))
    question: Text = Field(description="the question")
    options: list[Text] = Field([], max_length=26, description="a list of texts, such as 'A. liver'")
    answer: Any = None
    image_path: Paths = Field(min_length=1, description="the path of an image, or a list of them")
    mask_path: Paths = Field([], description="the path of a mask, or a list of them")
    masks: dict[Text, RunLengths] = Field({}, description="an object of names and COCO run lengths")
    label: list[Whole] = Field([], description="a whole number from 0, or a list of them")
    mask_image: Whole = Field(0, description="which image, from 0")
    slice: list[Whole | None] = Field([], description="a whole number from 0, or a list of them, one an image")
    scored: Literal["slice", "volume"] = Field("slice", description="slice or volume")
    boxes: Boxes | None = Field(None, description="[x1, y1, x2, y2] in pixels, or a list of them")
    target: Text = Field("", description="what the mask shows")
    modality: Text = Field("", description="such as CT")
    unit: Text = Field("", description="such as mm")
    tolerance: FiniteFloat = Field(0.0, ge=0, description="a share, such as 0.1")
    split: Text = Field("", description=", ".join(SPLITS))


@dataclass(frozen=True, eq=False)
class Record:
    """A checked record.

    Attributes:
        task: without images, and without what its truth takes from `masks`.
        held: masks that the record itself has, by the names of what they show.
        labels: the values that are inside of `masks`; empty where these show one structure.
        slices: which slice each image is; None for the middle one.
        split: the split it names, or empty.
        named: the file, the record's number and its question_id, for errors.
    """

    task: Task
    images: tuple[str, ...]
    masks: tuple[str, ...]
    held: Mapping[str, Mask]
    labels: tuple[int, ...]
    slices: tuple[int | None, ...]
    target: str
    split: str
    named: str


def asked_for(question: str) -> str:
    """Return what a question asks to find, such as ``liver tumor``, or nothing."""
    found = ASKED.search(question)
    return found[1] if found else ""


def read_record(raw: Any, path: str, unique: str, named: str) -> Record:
    """Check one record of the file at `path`; its task is to be called `unique`, its errors say `named`.

    Raises:
        InputError: says what is wrong with it, and what was expected.
    """
    if not isinstance(raw, dict):
        raise InputError(f"expected an object, found {type(raw).__name__}")
    try:
        present = {name: found for name, found in raw.items() if found not in (None, "")}
        listed = {name: _list(present[name]) for name in ("label", "slice") if name in present}
        written = _Written.model_validate({"boxes": present.get("bbox"), **present, **listed})
    except ValidationError as error:
        raise InputError(_fault(error)) from None
    options = _unlettered(written.options)
    kind = _kind(written, options)
    answers = _answers(written.answer, kind, options)
    lettered = kind in (Kind.CHOICE, Kind.SEGMENTATION) and options
    words = options[ord(answers[0]) - ord("A")] if lettered else ""
    if written.masks and written.mask_path:
        raise InputError("there are both masks and mask_path; expected one of them")
    masked = written.mask_path or written.masks
    if kind is Kind.SEGMENTATION and not masked and not DENIAL.match(words):
        raise InputError("mask_path is missing; expected the path of a mask, or a list of them")
    if kind is Kind.DETECTION and written.boxes is None and not masked:
        raise InputError("boxes is missing; expected [x1, y1, x2, y2], or a list of them")
    _check_images(written, kind)
    boxes = tuple(written.boxes or ())
    if not all(map(area, boxes)):
        raise InputError("a box is empty; expected [x1, y1, x2, y2] with x1 < x2 and y1 < y2")
    task = Task(
        unique,
        kind,
        written.question,
        (),
        options if kind in (Kind.CHOICE, Kind.YES_NO, Kind.SEGMENTATION) else (),
        written.modality,
        meta={name: raw[name] for name in META if raw.get(name) not in (None, "")},
        truth=Truth(
            answers[0],
            answers[1:],
            boxes=boxes,
            image=written.mask_image,
            unit=written.unit,
            tolerance=written.tolerance,
        ),
        in_voxels=written.scored == "volume",
    )
    more = len(written.image_path) - len(written.slice)
    return Record(
        task,
        _existing(written.image_path, "image_path", path),
        _existing(written.mask_path, "mask_path", path),
        written.masks,
        tuple(written.label),
        (*written.slice, *[None] * more),
        _target(written, kind, words),
        split_named(written.split) if written.split else "",
        named,
    )


def _check_images(written: _Written, kind: Kind) -> None:
    """Refuse what is said of images that are not there, or of a volume that is not asked for."""
    count = len(written.image_path)
    if written.mask_image >= count:
        raise InputError(f"mask_image: there is no image {written.mask_image}; expected one from 0 to {count - 1}")
    if len(written.slice) > count:
        raise InputError(f"slice: there are {len(written.slice)} for {count} images; expected one an image at most")
    if written.label and not written.mask_path:
        raise InputError("label goes with mask_path, which is missing; expected the path of a mask that has labels")
    if written.scored == "volume" and (kind is not Kind.SEGMENTATION or not written.mask_path):
        raise InputError("scored: a volume is asked for by a segmentation with mask_path; expected both, or slice")


def _list(found: Any) -> Any:
    return found if isinstance(found, list) else [found]


def _target(written: _Written, kind: Kind, words: str) -> str:
    """Return what is asked for; of the masks that a record has, its name."""
    named = written.target or asked_for(written.question) or words or written.question.rstrip(" .?!")
    if kind is not Kind.SEGMENTATION or not written.masks or named in written.masks:
        return named
    if len(written.masks) > 1 or written.target:
        raise InputError(f"target {named!r} has no mask; expected one of {one_of(written.masks)}")
    return next(iter(written.masks))


def _fault(error: ValidationError) -> str:
    """Say what is wrong first, and what was expected; never what was written."""
    first = error.errors(include_url=False, include_input=False)[0]
    name = str(first["loc"][0])
    expected = _Written.model_fields[name].description
    if first["type"] == "missing" and len(first["loc"]) == 1:
        return f"{name} is missing; expected {expected}"
    return f"{name}: {first['msg'][0].lower()}{first['msg'][1:]}; expected {expected}"


def _existing(paths: Sequence[str], name: str, records: str) -> tuple[str, ...]:
    found = tuple(os.path.join(os.path.dirname(records), path) for path in paths)
    for path in found:
        if not os.path.exists(path):
            raise InputError(f"{name}: no such file: {path}; expected a path relative to the records")
    return found


def _kind(written: _Written, options: tuple[str, ...]) -> Kind:
    name = " ".join(written.question_type.lower().replace("_", " ").split())
    kind = {**TYPES, **ALIASES}.get(name)
    if name in UNDECIDED and (options or _said(written.answer) in YES_NO):
        kind = Kind.CHOICE if {folded(text) for text in options} - YES_NO else Kind.YES_NO
    if kind is None:
        raise InputError(f"unknown question_type {written.question_type!r}{nearest(name, TYPES)}")
    return Kind.NUMBER if kind is Kind.OPEN and numeric(written.answer) else kind


def _unlettered(texts: Sequence[str]) -> tuple[str, ...]:
    """Return options without their letters, which must be A, B, C in order; ``E. coli`` is a text."""
    found = [LETTERED.fullmatch(text) for text in texts]
    letters = [(match[1] or match[2]).upper() if match else "" for match in found]
    expected = [chr(ord("A") + i) for i in range(len(texts))]
    if letters == expected:
        return tuple(match[3].strip() for match in found if match)
    if letters and (letters[0] == "A" or sorted(letters) == expected):
        shown = ", ".join(letter or "none" for letter in letters)
        raise InputError(f"options have the letters {shown}; expected {', '.join(expected)}, or no letters")
    return tuple(texts)


def lettered(texts: Sequence[str]) -> list[str]:
    """Return options as a record has them: with letters where a text, such as ``A. fumigatus``, seems to have one."""
    if not any(map(LETTERED.fullmatch, texts)):
        return list(texts)
    return [f"{chr(ord('A') + i)}. {text}" for i, text in enumerate(texts)]


def _answers(answer: Any, kind: Kind, options: tuple[str, ...]) -> tuple[str, ...]:
    """Return the right answer as `Truth` has it, and after it others that are as right."""
    if kind is Kind.DETECTION or (kind is Kind.SEGMENTATION and not options):
        return (answer if isinstance(answer, str) else "",)
    if kind is Kind.CHOICE and len(options) < 2:
        raise InputError(f"there are {len(options)} options; expected a list of two or more texts")
    if kind is Kind.YES_NO and options and {folded(text) for text in options} != YES_NO:
        raise InputError("the options of a yes/no question are others; expected yes and no, or none")
    if answer is None:
        raise InputError(f"answer is missing; expected {FORMS[kind]}")
    found: Sequence[str] = [_letter(answer, options)]
    if kind is Kind.OPEN:
        texts = answer if isinstance(answer, list) else [answer]
        found = [text.strip() if isinstance(text, str) else "" for text in texts]
    elif kind is Kind.NUMBER:
        found = [str(answer).strip() if numeric(answer) else ""]
    elif kind is Kind.YES_NO:
        said = folded(options[ord(found[0]) - ord("A")]) if found[0] else _said(answer)
        found = [said if said in YES_NO else ""]
    if not found or not all(found):
        raise InputError(f"answer does not fit; expected {FORMS[kind]}")
    return tuple(found)


def _letter(answer: Any, options: Sequence[str]) -> str:
    """Return the letter of the one option that is meant, or nothing: ``B``, ``B. spleen`` or ``spleen``."""
    said, texts = _said(answer), [folded(text) for text in options]
    lettered = LETTERED.fullmatch(said)
    letter, text = (lettered[1] or lettered[2], lettered[3]) if lettered else (said.strip("().:"), "")
    place = ord(letter) - ord("a") if len(letter) == 1 else -1
    if 0 <= place < len(texts) and text in ("", texts[place]):
        return letter.upper()
    return chr(ord("A") + texts.index(said)) if texts.count(said) == 1 else ""


def folded(text: str) -> str:
    """Reduce a text to what tells options apart: case, spacing and a full stop at its end do not."""
    return " ".join(text.casefold().split()).rstrip(". ")


def _said(answer: Any) -> str:
    if isinstance(answer, bool):
        return "yes" if answer else "no"
    return folded(answer) if isinstance(answer, str) else ""


def numeric(answer: Any) -> bool:
    """Whether it is a finite number, or nothing but one in words."""
    text = str(answer).strip() if isinstance(answer, (int, float, str)) else ""
    return not isinstance(answer, bool) and NUMERIC.fullmatch(text) is not None


def split_named(name: str) -> str:
    """Return one of `SPLITS`, which may be written in other ways, such as ``val``."""
    known = SPLIT_ALIASES.get(str(name).strip().lower(), str(name).strip().lower())
    if known not in SPLITS:
        raise InputError(f"unknown split {name!r}{nearest(str(name), SPLITS)}")
    return known


def one_of(names: Iterable[str]) -> str:
    """Spell a choice out."""
    return " or ".join(map(str, names))
