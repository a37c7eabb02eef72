"""Medical Segmentation Decathlon: a folder a task, with NIfTI volumes and their labels.

Task09_Spleen/dataset.json, imagesTr/spleen_2.nii.gz, labelsTr/spleen_2.nii.gz
"""

import os
from collections.abc import Sequence
from typing import Any, ClassVar, NamedTuple

from ...core.errors import InputError
from ...core.task import Kind
from ...spec import needs
from ..splits import share
from .asked import text_of
from .card import Card
from .files import json_of
from .slices import Slice, SliceLabel
from .source import ALL, Draft, Published


class _Unit(NamedTuple):
    """A structure of a case: where its volumes are, and all its labels by name."""

    task: str
    about: str
    scan: str
    labels: str
    names: tuple[tuple[int, str], ...]
    label: int
    without: bool
    modality: str


class Msd(Published):
    """Medical Segmentation Decathlon: organs and tumours in CT and MRI, a slice of a volume a task.

    Each structure of a volume is asked for on the slice where it is largest, and for a share `absent` of them also
    on one without it. `only` serves one task, such as ``Task09_Spleen``; `channel` is that of a volume with several.
    """

    card = Card(
        "msd",
        (Kind.SEGMENTATION,),
        ("CT", "MRI"),
        "ten tasks; the volumes whose labels are published",
        "the labels of test are not published: by a hash of the volume, 80 % train, 10 % validation, 10 % test",
        "CC BY-SA 4.0",
        "Simpson et al., A large annotated medical image dataset for the development and evaluation of segmentation "
        "algorithms, arXiv 1902.09063",
        "http://medicaldecathlon.com",
        "mkdir -p $MEDGYM_DATA/msd  # then get the tasks from http://medicaldecathlon.com, and of each:\n"
        "tar -xf Task09_Spleen.tar -C $MEDGYM_DATA/msd",
    )
    own: ClassVar = {ALL: "training"}

    def __init__(
        self,
        split: str,
        seed: int = 0,
        kinds: Sequence[Kind] = tuple(Kind),
        *,
        path: str = "",
        published: bool = False,
        only: str = "",
        channel: int = 0,
        absent: float = 0.2,
    ) -> None:
        if isinstance(channel, bool) or not isinstance(channel, int) or channel < 0:
            raise InputError(f"msd: channel is a whole number from 0, not {channel!r}")
        if not isinstance(absent, (int, float)) or not 0 <= absent <= 1:
            raise InputError(f"msd: absent is a share, 0 to 1, not {absent!r}")
        needs("nibabel", "data", "msd")
        self._only, self._channel, self._absent = only, channel, absent
        super().__init__(split, seed, kinds, path=path, published=published)

    def settings(self) -> dict[str, Any]:
        """Return the settings by which tasks differ."""
        return {"only": self._only, "channel": self._channel, "absent": self._absent}

    def units(self, own: str) -> Sequence[Any]:
        """Return each structure of each volume, and some of them once more where they are not."""
        folders = [self.place.folder, *(entry.path for entry in os.scandir(self.place.folder) if entry.is_dir())]
        tasks = {os.path.basename(folder): folder for folder in sorted(folders) if _is_task(folder)}
        wanted = [name for name in tasks if self._only in ("", name)]
        if not wanted:
            raise InputError(f"msd: {self.place} has no {self._only or 'Task*'}/dataset.json. {self.card.way_to_get}")
        return [unit for name in wanted for unit in self._of_task(name, tasks[name])]

    def draft(self, unit: _Unit, number: int, own: str) -> Draft | str:
        """Return the task that a structure is."""
        unit_of = "HU" if unit.modality == "CT" else ""
        where = Slice(unit.scan, unit.labels, unit.label, unit.without, self._channel, unit_of)
        case, target = _case(unit.scan), dict(unit.names)[unit.label]
        name = f"{unit.task}/{case}/{target}"
        # A task's id is no secret: its number does not tell which of the two slices it is.
        which = 1 + (unit.without != (share(f"id/{name}") < 0.5))
        return Draft(
            f"{name}/{which}{f'/channel {self._channel}' if self._channel else ''}",
            Kind.SEGMENTATION,
            f"Segment the {target} in this {unit.modality} slice ({unit.about}).",
            (where,),
            modality=unit.modality,
            group=f"{unit.task}/{case}",
            regions={name: SliceLabel(where, label) for label, name in unit.names},
            target=target,
            meta={"patient": case, "task": unit.task},
        )

    def _of_task(self, name: str, folder: str) -> list[_Unit]:
        about = json_of(os.path.join(folder, "dataset.json"))
        try:
            names = {int(label): text_of(text) for label, text in about["labels"].items()}
            pairs = [(text_of(pair["image"]), text_of(pair["label"])) for pair in about["training"]]
            modality = text_of(about["modality"][str(self._channel)])
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            missing = f"labels, training and modality of channel {self._channel}"
            raise InputError(f"{folder}/dataset.json: expected {missing} ({error})") from None
        structures = tuple((label, text) for label, text in names.items() if 0 < label < 256 and text)
        found = []
        for image, labels in pairs:
            scan, truth = (os.path.normpath(os.path.join(folder, each)) for each in (image, labels))
            common = (name, text_of(about.get("name")) or name, scan, truth, structures)
            for label, text in structures:
                found.append(_Unit(*common, label, False, modality))
                if share(f"absent/{name}/{_case(scan)}/{text}") < self._absent:
                    found.append(_Unit(*common, label, True, modality))
        return found


def _is_task(folder: str) -> bool:
    return os.path.isfile(os.path.join(folder, "dataset.json"))


def _case(path: str) -> str:
    return os.path.basename(path).removesuffix(".gz").removesuffix(".nii")
