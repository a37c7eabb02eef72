"""PMC-VQA: CSV files of questions with four choices, and a folder of figures."""

import os
import re
from collections.abc import Sequence
from typing import Any, ClassVar

from ...core.errors import InputError
from ...core.task import Kind
from ..schema import folded
from .asked import NO_QUESTION, by_letter, by_text, text_of
from .card import Card
from .files import Csv, Row, below
from .pictures import FilePicture
from .source import Draft, Published

CHOICES = ("Choice A", "Choice B", "Choice C", "Choice D")
FILES = {1: {"train": ("train.csv",), "test": ("test_clean.csv", "test.csv")}}
FILES[2] = {"train": ("train_2.csv", "train2.csv"), "test": ("test_2.csv", "test2.csv")}
FOLDERS = {1: ("images", "figures", "."), 2: ("images_2", "images2", "figures", "images", ".")}
LETTERED = re.compile(r"\s*([A-D])\s*[:.)]\s*(.*)", re.DOTALL)
DISAGREE = "the answer's letter and its text disagree"


class PmcVqa(Published):
    """PMC-VQA: multiple choice on figures of open-access articles; `version` 1, or 2 without compound figures."""

    card = Card(
        "pmc-vqa",
        (Kind.CHOICE, Kind.YES_NO),
        ("figures of PubMed Central",),
        "227k questions on 149k images (version 1)",
        "train as published, less a tenth of its articles, which is validation, and less articles that test has; "
        "test is test_clean.csv, or test.csv where that is missing; published=true undoes both",
        "CC BY-SA, as its page says",
        "Zhang et al., PMC-VQA: Visual Instruction Tuning for Medical Visual Question Answering, arXiv 2305.10415",
        "https://huggingface.co/datasets/RadGenome/PMC-VQA",
        "hf download --repo-type dataset RadGenome/PMC-VQA --local-dir $MEDGYM_DATA/pmc-vqa\n"
        "unzip -q $MEDGYM_DATA/pmc-vqa/images.zip -d $MEDGYM_DATA/pmc-vqa",
    )
    own: ClassVar = {"train": "train", "test": "test"}

    def __init__(
        self,
        split: str,
        seed: int = 0,
        kinds: Sequence[Kind] = tuple(Kind),
        *,
        path: str = "",
        published: bool = False,
        version: int = 1,
    ) -> None:
        if version not in FILES:
            raise InputError(f"pmc-vqa: unknown version {version!r}; expected 1 or 2")
        self._version = version
        super().__init__(split, seed, kinds, path=path, published=published)

    def settings(self) -> dict[str, Any]:
        """Return the settings by which tasks differ."""
        return {"version": self._version}

    def units(self, own: str) -> Sequence[Any]:
        """Return the rows of a split."""
        names = FILES[self._version][own]
        path = below(self.place.folder, *names)
        if not path:
            raise InputError(f"pmc-vqa: {self.place} has no {names[0]}. {self.card.way_to_get}")
        return Csv(path, "pmc-vqa", ("Figure_path", "Question", *CHOICES, "Answer"))

    def draft(self, unit: Row, number: int, own: str) -> Draft | str:
        """Return the task that a row is, or why it is none."""
        question, figure = text_of(unit["Question"]), text_of(unit["Figure_path"])
        if not question:
            return NO_QUESTION
        if not figure:
            return "no image is named"
        options = [_unlettered(unit[name], name[-1]) for name in CHOICES]
        letter, text = text_of(unit.get("Answer_label")), text_of(unit["Answer"])
        # Version 2 has the letter where version 1 has the text.
        asked = by_letter(letter or text, options) if letter or len(text) == 1 else by_text(text, options)
        if isinstance(asked, str):
            return asked
        if letter and text and folded(text) in [folded(each) for each in options]:
            stated = by_text(text, options)
            if stated != asked:
                return DISAGREE
        return Draft(
            f"{'' if self._version == 1 else '2/'}{own}/{number}",
            asked.kind,
            question,
            (FilePicture(self._figure(figure)),),
            asked.options,
            asked.answer,
            group=figure.split("_")[0],
            meta={"image": figure},
        )

    def _figure(self, name: str) -> str:
        places = [os.path.join(self.place.folder, folder, name) for folder in FOLDERS[self._version]]
        return next(filter(os.path.isfile, places), places[0])


def _unlettered(choice: Any, letter: str) -> str:
    """Return a choice without its own letter in front."""
    found = LETTERED.fullmatch(text_of(choice))
    return found[2].strip() if found and found[1] == letter else text_of(choice)
