"""A question on its way: what is asked of which structures of a scene, and the record that it would become."""

import hashlib
import os
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from ...core.geometry import Box
from ...core.task import Kind
from ...tasks.schema import TYPES, lettered
from .scenes import Scene

RULES, MODEL = "rules", "model"
TYPE_OF = {kind: name for name, kind in TYPES.items()}


@dataclass(frozen=True, eq=False)
class Draft:
    """A drafted question.

    Attributes:
        about: the names of what it asks for, the one that is right first; the options that are names besides.
        question: as it is asked.
        right: the right option's text, yes or no, or the number; empty where a place is asked for.
        options: texts, in the order in which they are shown.
        boxes: the evidence; where boxes are asked for, these.
        point: whole percents of width and height, where the question names a place.
        by: who wrote its words.
    """

    form: str
    kind: Kind
    scene: Scene
    about: tuple[str, ...]
    question: str
    right: str = ""
    options: tuple[str, ...] = ()
    boxes: tuple[Box, ...] = ()
    point: tuple[int, int] | None = None
    unit: str = ""
    tolerance: float = 0.0
    by: str = RULES

    @property
    def id(self) -> str:
        """A name that is the same in every run and tells nothing of the answer."""
        said = "\n".join((self.form, self.scene.digest, self.question, *sorted(self.about), *sorted(self.options)))
        return hashlib.blake2b(said.encode(), digest_size=8).hexdigest()

    @property
    def candidates(self) -> tuple[str, ...]:
        """What might be right; empty where that is no short list."""
        return ("yes", "no") if self.kind is Kind.YES_NO else self.options

    def shuffled(self, rng: np.random.Generator) -> "Draft":
        """Return it with its options in another order."""
        return replace(self, options=tuple(self.options[i] for i in rng.permutation(len(self.options))))

    def record(self, folder: Path) -> dict[str, Any]:
        """Return it as a record of a file in `folder`."""
        path, number = self.scene.place(folder)
        inside = Path(path).is_relative_to(folder)
        masks = {name: self.scene.masks[name].to_json() for name in self.about if name in self.scene.masks}
        fields: dict[str, Any] = {
            "question_id": self.id,
            "question_type": TYPE_OF[self.kind],
            "data_type": self.form,
            "question": self.question,
            "options": lettered(self.options),
            "answer": self._letter if self.options else self.right,
            "image_path": os.path.relpath(path, folder) if inside else path,
            "slice": number,
            "masks": masks,
            "target": self.about[0] if self.kind is Kind.SEGMENTATION else "",
            "boxes": [list(box) for box in self.boxes],
            "unit": self.unit,
            "tolerance": self.tolerance,
            "modality": self.scene.modality,
            "split": self.scene.split,
            "source": self.scene.source,
            **self.scene.whose,
        }
        return {name: found for name, found in fields.items() if found not in (None, "", [], {}, 0.0)} | (
            {"slice": number} if number is not None else {}
        )

    @property
    def _letter(self) -> str:
        """The right option's letter; its text where it is none of them, for the checks to find."""
        return chr(ord("A") + self.options.index(self.right)) if self.right in self.options else self.right
