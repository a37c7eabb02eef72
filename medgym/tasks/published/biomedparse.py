"""BiomedParseData: folders of images and of masks, whose names say what they are.

<data set>/train, train_mask, test, test_mask
train/<image>_<modality>_<site>.png, train_mask/<image>_<modality>_<site>_<target+in+words>.png
"""

import glob
import os
import re
from collections.abc import Sequence
from functools import lru_cache
from typing import Any, ClassVar

from ...core.errors import InputError
from ...core.task import Kind
from .card import Card
from .pictures import FilePicture, MaskFile, size_of
from .source import Draft, Published

NUMBER = re.compile(r"[_-]?\d+$")


class BiomedParse(Published):
    """BiomedParseData: what to segment in words, in images of nine modalities; one data set of it by `only`."""

    card = Card(
        "biomedparse-data",
        (Kind.SEGMENTATION,),
        ("nine modalities, among them CT, MRI, X-Ray, ultrasound, pathology, endoscopy, dermoscopy, fundus, OCT",),
        "images and masks of 1024x1024 pixels, of many data sets; part of them is hosted",
        "train and test as published; validation is a tenth of train's groups of images, which are the images whose "
        "names differ in their last number alone",
        "CC BY-NC-SA 4.0, and that of each data set its images come from",
        "Zhao et al., A foundation model for joint segmentation, detection and recognition of biomedical objects "
        "across nine modalities, Nature Methods 2024",
        "https://huggingface.co/datasets/microsoft/BiomedParseData",
        "hf auth login\n"
        "hf download --repo-type dataset microsoft/BiomedParseData --local-dir $MEDGYM_DATA/biomedparse-data\n"
        "cd $MEDGYM_DATA/biomedparse-data && for each in *.zip; do unzip -q $each; done",
        access="Its conditions have to be accepted on its page, with an account of the hub",
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
        only: str = "",
    ) -> None:
        self._only = only
        super().__init__(split, seed, kinds, path=path, published=published)

    def settings(self) -> dict[str, Any]:
        """Return the settings by which tasks differ."""
        return {"only": self._only}

    def units(self, own: str) -> Sequence[Any]:
        """Return the masks of a split, as ``(data set, file name)``."""
        found = [
            (data, name)
            for data in _data_sets(self.place.folder)
            if self._only in ("", data) and os.path.isdir(folder := self._folder(data, f"{own}_mask"))
            for name in sorted(os.listdir(folder))
            if name.endswith(".png") and not name.startswith(".")
        ]
        if not found:
            wanted = f"{self._only or '<data set>'}/{own}_mask/*.png"
            raise InputError(f"biomedparse-data: {self.place} has no {wanted}. {self.card.way_to_get}")
        return found

    def draft(self, unit: tuple[str, str], number: int, own: str) -> Draft | str:
        """Return the task that a mask is, or why it is none."""
        data, name = unit
        stem, _, words = name.removesuffix(".png").rpartition("_")
        image, *about = stem.rsplit("_", 2)
        target = " ".join(words.replace("+", " ").split())
        if len(about) != 2 or not target:
            return "the mask's name is not <image>_<modality>_<site>_<target>.png"
        modality, site = about
        picture = FilePicture(os.path.join(self._folder(data, own), f"{stem}.png"))
        mask = os.path.join(self._folder(data, f"{own}_mask"), name)
        sizes = (size_of(picture.path), size_of(mask))
        if sizes[1] is None:
            return "the mask cannot be read"
        if sizes[0] is not None and sizes[0] != sizes[1]:
            return "the mask has another size than its image"
        return Draft(
            f"{data}/{own}/{name.removesuffix('.png')}",
            Kind.SEGMENTATION,
            f"Segment the {target} in this image ({modality}, {site}).",
            (picture,),
            modality=modality,
            group=f"{data}/{NUMBER.sub('', image) or image}",
            regions={target: MaskFile(mask)},
            target=target,
            meta={"dataset": data, "image": stem},
        )

    def _folder(self, data: str, name: str) -> str:
        home = self.place.folder if data == os.path.basename(self.place.folder) else ""
        if home and os.path.isdir(os.path.join(home, name)):
            return os.path.join(home, name)
        return os.path.join(self.place.folder, data, name)


@lru_cache(maxsize=8)
def _data_sets(folder: str) -> tuple[str, ...]:
    """Find the data sets in a folder, which may be one itself, and may hold some within others (``MSD/Task02``)."""
    found = set()
    for depth in ("", "*", "*/*"):
        for path in _with_masks(folder, depth):
            found.add(os.path.basename(folder) if path == "." else path)
    return tuple(sorted(found))


def _with_masks(folder: str, depth: str) -> list[str]:
    ends = [os.path.join(glob.escape(folder), depth, split) for split in ("train_mask", "test_mask")]
    return [os.path.relpath(os.path.dirname(path), folder) for end in ends for path in glob.glob(end)]
