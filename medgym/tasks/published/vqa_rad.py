"""VQA-RAD: one table, an image, a question and an answer a row."""

from collections.abc import Sequence
from typing import Any, ClassVar

from ...core.task import Kind
from .asked import NO_QUESTION, free, text_of
from .card import Card
from .source import Draft, Published
from .tables import Row, table_of

COLUMNS = ("image", "question", "answer")


class VqaRad(Published):
    """VQA-RAD: clinicians' questions on radiological images, yes/no and open."""

    card = Card(
        "vqa-rad",
        (Kind.YES_NO, Kind.OPEN, Kind.NUMBER),
        ("CT", "MRI", "X-ray"),
        "2,244 questions on 314 images",
        "train 1,793 and test 451 as published; here train leaves out the questions on images that test has too, and "
        "validation is a tenth of train's images; published=true undoes both",
        "CC0 1.0",
        "Lau et al., A dataset of clinically generated visual questions and answers about radiology images, "
        "Scientific Data 2018",
        "https://huggingface.co/datasets/flaviagiammarino/vqa-rad",
        "hf download --repo-type dataset flaviagiammarino/vqa-rad --local-dir $MEDGYM_DATA/vqa-rad",
        hub="flaviagiammarino/vqa-rad",
    )
    own: ClassVar = {"train": "train", "test": "test"}

    def units(self, own: str) -> Sequence[Any]:
        """Return the rows of a split."""
        return table_of(self.card, self.place, own, COLUMNS)

    def draft(self, unit: Row, number: int, own: str) -> Draft | str:
        """Return the task that a row is, or why it is none."""
        return of_row(unit, f"{own}/{number}", "")


def of_row(row: Row, key: str, modality: str) -> Draft | str:
    """Return the task of a row that has an image, a question and an answer without options."""
    asked, question = free(row["answer"]), text_of(row["question"])
    if not question or isinstance(asked, str):
        return asked if isinstance(asked, str) else NO_QUESTION
    return Draft(
        key,
        asked.kind,
        question,
        (row["image"],),
        answer=asked.answer,
        accepted=asked.accepted,
        modality=modality,
        group=row["image"].identity,
    )
