"""MMMU, its health and medicine: a table for each subject, with up to seven images a question."""

import ast
import re
from collections.abc import Sequence
from itertools import chain
from typing import Any, ClassVar

from ...core.task import Kind
from .asked import NO_ANSWER, NO_QUESTION, Asked, by_letter, free, text_of
from .card import Card
from .pictures import MISSING
from .source import Draft, Published
from .tables import Cell, Row, table_of

SUBJECTS = (
    "Basic_Medical_Science",
    "Clinical_Medicine",
    "Diagnostics_and_Laboratory_Medicine",
    "Pharmacy",
    "Public_Health",
)
IMAGES = tuple(f"image_{number}" for number in range(1, 8))
COLUMNS = ("id", "question", "options", "answer", "question_type", "image_1")
NAMED = re.compile(r"<image (\d)>")


class Mmmu(Published):
    """MMMU, health and medicine: university examinations in five subjects, with one or more images."""

    card = Card(
        "mmmu",
        (Kind.CHOICE, Kind.YES_NO, Kind.OPEN, Kind.NUMBER),
        ("medical images, diagrams, tables and plots",),
        "five subjects of 5 questions in train and 30 in validation each",
        "train is what is published as dev; validation as published; the answers of test are not published",
        "Apache-2.0",
        "Yue et al., MMMU: A Massive Multi-discipline Multimodal Understanding and Reasoning Benchmark for Expert AGI, "
        "arXiv 2311.16502",
        "https://huggingface.co/datasets/MMMU/MMMU",
        "\n".join(
            f"hf download --repo-type dataset MMMU/MMMU --include '{subject}/*' --local-dir $MEDGYM_DATA/mmmu"
            for subject in SUBJECTS
        ),
        hub="MMMU/MMMU",
    )
    own: ClassVar = {"train": "dev", "validation": "validation", "test": "test"}

    def units(self, own: str) -> Sequence[Any]:
        """Return the rows of all subjects, in the order of their names."""
        tables = [table_of(self.card, self.place, own, COLUMNS, subject) for subject in SUBJECTS]
        return list(chain.from_iterable(tables))

    def draft(self, unit: Row, number: int, own: str) -> Draft | str:
        """Return the task that a row is, or why it is none."""
        question = text_of(unit["question"])
        asked = _asked(unit)
        if not question or isinstance(asked, str):
            return asked if isinstance(asked, str) else NO_QUESTION
        cells = [unit[name] for name in IMAGES if isinstance(unit.get(name), Cell)]
        pictures = tuple(cell for cell in cells if cell.fault() != MISSING)
        named = NAMED.findall(" ".join((question, *asked.options)))
        if not pictures or any(int(number) > len(pictures) for number in named):
            return MISSING
        key = text_of(unit["id"]) or f"{own}/#{number}"
        return Draft(
            key,
            asked.kind,
            _named(question),
            pictures,
            tuple(map(_named, asked.options)),
            asked.answer,
            asked.accepted,
            group=pictures[0].identity,
            meta={"subfield": text_of(unit.get("subfield"))},
        )


def _asked(row: Row) -> Asked | str:
    """Read the answer: a letter of the options, which are written as a list in Python, or words."""
    if text_of(row["answer"]) in ("", "?"):
        return NO_ANSWER
    options, answer = _listed(row["options"]), row["answer"]
    if text_of(row["question_type"]) == "multiple-choice":
        return by_letter(answer, options)
    return free(_listed(answer) or answer)


def _listed(text: Any) -> list[Any]:
    try:
        found = ast.literal_eval(text_of(text))
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        return []
    return found if isinstance(found, list) else []


def _named(text: str) -> str:
    """Name images as the policy sees them."""
    return NAMED.sub(r"(image \1)", text)
