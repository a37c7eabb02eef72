"""PathVQA: one table, an image, a question and an answer a row."""

from collections.abc import Sequence
from typing import Any, ClassVar

from ...core.task import Kind
from .card import Card
from .source import Draft, Published
from .tables import Row, table_of
from .vqa_rad import COLUMNS, of_row


class PathVqa(Published):
    """PathVQA: questions on pathology images of textbooks and a teaching library, yes/no and open."""

    card = Card(
        "path-vqa",
        (Kind.YES_NO, Kind.OPEN, Kind.NUMBER),
        ("pathology",),
        "32,632 questions",
        "train 19,654, validation 6,259 and test 6,719 as published; an image found in two of them stays in the later",
        "MIT, as its page says; the copyright of images and captions is with the books' publishers and PEIR",
        "He et al., PathVQA: 30000+ Questions for Medical Visual Question Answering, arXiv 2003.10286",
        "https://huggingface.co/datasets/flaviagiammarino/path-vqa",
        "hf download --repo-type dataset flaviagiammarino/path-vqa --local-dir $MEDGYM_DATA/path-vqa",
        hub="flaviagiammarino/path-vqa",
    )
    own: ClassVar = {"train": "train", "validation": "validation", "test": "test"}

    def units(self, own: str) -> Sequence[Any]:
        """Return the rows of a split."""
        return table_of(self.card, self.place, own, COLUMNS)

    def draft(self, unit: Row, number: int, own: str) -> Draft | str:
        """Return the task that a row is, or why it is none."""
        return of_row(unit, f"{own}/{number}", "pathology")
