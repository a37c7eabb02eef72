"""OmniMedVQA: a folder of images, and a JSON file of questions for each data set they come from.

QA_information/Open-access/<data set>.json, Images/<data set>/...
"""

import glob
import os
from collections.abc import Sequence
from typing import Any, ClassVar

from ...core.errors import InputError
from ...core.task import Kind
from .asked import NO_QUESTION, by_text, text_of
from .card import Card
from .files import Row, below, rows_of
from .pictures import FilePicture
from .source import ALL, Draft, Published

OPTIONS = ("option_A", "option_B", "option_C", "option_D")


class OmniMedVqa(Published):
    """OmniMedVQA: multiple choice on images of many data sets; its open-access part, or one data set by `only`."""

    card = Card(
        "omnimedvqa",
        (Kind.CHOICE, Kind.YES_NO),
        ("12 modalities, among them CT, MR, X-ray, OCT, fundus photography, dermoscopy, ultrasound, microscopy",),
        "88,996 questions on 82,059 images in its open-access part; 127,995 on 118,010 in all",
        "published without splits: by a hash of the image, 80 % train, 10 % validation, 10 % test",
        "that of each data set its images come from",
        "Hu et al., OmniMedVQA: A New Large-Scale Comprehensive Evaluation Benchmark for Medical LVLM, "
        "arXiv 2402.09181",
        "https://huggingface.co/datasets/foreverbeliever/OmniMedVQA",
        "hf download --repo-type dataset foreverbeliever/OmniMedVQA --local-dir $MEDGYM_DATA/omnimedvqa\n"
        "unzip -q $MEDGYM_DATA/omnimedvqa/OmniMedVQA.zip -d $MEDGYM_DATA/omnimedvqa",
    )
    own: ClassVar = {ALL: "open-access"}

    def __init__(
        self,
        split: str,
        seed: int = 0,
        kinds: Sequence[Kind] = tuple(Kind),
        *,
        path: str = "",
        published: bool = False,
        only: str = "",
    ) -> None:
        self._only = only
        super().__init__(split, seed, kinds, path=path, published=published)

    def settings(self) -> dict[str, Any]:
        """Return the settings by which tasks differ."""
        return {"only": self._only}

    def units(self, own: str) -> Sequence[Any]:
        """Return the questions of every file, in the order of their names."""
        folder = below(self.place.folder, os.path.join("QA_information", "Open-access"))
        pattern = f"{glob.escape(self._only)}.json" if self._only else "*.json"
        paths = sorted(glob.glob(os.path.join(glob.escape(folder), pattern))) if folder else []
        if not paths:
            wanted = f"QA_information/Open-access/{pattern}"
            raise InputError(f"omnimedvqa: {self.place} has no {wanted}. {self.card.way_to_get}")
        return [row for path in paths for row in rows_of(path)]

    def draft(self, unit: Row, number: int, own: str) -> Draft | str:
        """Return the task that a row is, or why it is none."""
        question, image = text_of(unit.get("question")), text_of(unit.get("image_path"))
        asked = by_text(unit.get("gt_answer"), [unit.get(name) for name in OPTIONS])
        if not question or isinstance(asked, str):
            return asked if isinstance(asked, str) else NO_QUESTION
        if not image:
            return "no image is named"
        return Draft(
            text_of(unit.get("question_id")) or f"#{number}",
            asked.kind,
            question,
            (FilePicture(below(self.place.folder, image) or os.path.join(self.place.folder, image)),),
            asked.options,
            asked.answer,
            # One entry of the published files has the shorter name.
            modality=text_of(unit.get("modality_type") or unit.get("modality")),
            group=image,
            meta={"image": image, "dataset": text_of(unit.get("dataset"))},
        )
