"""MedXpertQA MM: JSON lines of questions with five options, and a folder of images.

MM/dev.jsonl, MM/test.jsonl, images/...
"""

import os
from collections.abc import Sequence
from typing import Any, ClassVar

from ...core.errors import InputError
from ...core.task import Kind
from .asked import NO_QUESTION, by_letter, text_of
from .card import Card
from .files import Row, below, rows_of
from .pictures import FilePicture
from .source import Draft, Published

CHOICES = "Answer Choices:"
"""After this, a question repeats its options, which are shown anyway."""


class MedXpertQa(Published):
    """MedXpertQA MM: difficult multiple choice for specialists, with one or more images."""

    card = Card(
        "medxpertqa-mm",
        (Kind.CHOICE, Kind.YES_NO),
        ("diverse medical images",),
        "2,005 questions",
        "train is what is published as dev, 5 questions; test as published, 2,000",
        "MIT",
        "MedXpertQA, arXiv 2501.18362",
        "https://huggingface.co/datasets/TsinghuaC3I/MedXpertQA",
        "hf download --repo-type dataset TsinghuaC3I/MedXpertQA --local-dir $MEDGYM_DATA/medxpertqa-mm\n"
        "unzip -q $MEDGYM_DATA/medxpertqa-mm/images.zip -d $MEDGYM_DATA/medxpertqa-mm",
    )
    own: ClassVar = {"train": "dev", "test": "test"}
    holds_out = False

    def units(self, own: str) -> Sequence[Any]:
        """Return the rows of a split."""
        path = below(self.place.folder, os.path.join("MM", f"{own}.jsonl"))
        if not path:
            raise InputError(f"medxpertqa-mm: {self.place} has no MM/{own}.jsonl. {self.card.way_to_get}")
        return rows_of(path)

    def draft(self, unit: Row, number: int, own: str) -> Draft | str:
        """Return the task that a row is, or why it is none."""
        question = text_of(unit.get("question")).rpartition(CHOICES)
        stem = (question[0] or question[2]).strip()
        options = unit.get("options")
        if not stem or not isinstance(options, dict):
            return NO_QUESTION if not stem else "there are no options"
        letters = sorted(options)
        if letters != [chr(ord("A") + place) for place in range(len(letters))]:
            return "the options' letters are not A, B, C in order"
        asked = by_letter(unit.get("label"), [options[letter] for letter in letters])
        if isinstance(asked, str):
            return asked
        names = unit.get("images")
        if not isinstance(names, list) or not names:
            return "no image is named"
        return Draft(
            text_of(unit.get("id")) or f"{own}/#{number}",
            asked.kind,
            stem,
            tuple(FilePicture(self._image(text_of(name))) for name in names),
            asked.options,
            asked.answer,
            group=text_of(names[0]),
            meta={name: text_of(unit.get(name)) for name in ("medical_task", "body_system", "question_type")},
        )

    def _image(self, name: str) -> str:
        return below(self.place.folder, name) or os.path.join(self.place.folder, "images", name)
