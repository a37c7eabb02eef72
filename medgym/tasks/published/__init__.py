"""The data sets of the papers, by name: read where they lie, as they are published; nothing is shipped or copied.

A data set is looked for in ``path=``, in ``$MEDGYM_DATA/<name>``, and, where it is distributed as tables, on the
hub. A file here knows one schema: what a row asks, and what is not a question that can be scored.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .source import Published


def _vqa_rad() -> "type[Published]":
    from .vqa_rad import VqaRad

    return VqaRad


def _slake() -> "type[Published]":
    from .slake import Slake

    return Slake


def _path_vqa() -> "type[Published]":
    from .path_vqa import PathVqa

    return PathVqa


def _pmc_vqa() -> "type[Published]":
    from .pmc_vqa import PmcVqa

    return PmcVqa


def _omnimedvqa() -> "type[Published]":
    from .omnimedvqa import OmniMedVqa

    return OmniMedVqa


def _mmmu() -> "type[Published]":
    from .mmmu import Mmmu

    return Mmmu


def _medxpertqa() -> "type[Published]":
    from .medxpertqa import MedXpertQa

    return MedXpertQa


def _biomedparse() -> "type[Published]":
    from .biomedparse import BiomedParse

    return BiomedParse


def _msd() -> "type[Published]":
    from .msd import Msd

    return Msd


PUBLISHED: dict[str, Callable[[], "type[Published]"]] = {
    "vqa-rad": _vqa_rad,
    "slake": _slake,
    "path-vqa": _path_vqa,
    "pmc-vqa": _pmc_vqa,
    "omnimedvqa": _omnimedvqa,
    "mmmu": _mmmu,
    "medxpertqa-mm": _medxpertqa,
    "biomedparse-data": _biomedparse,
    "msd": _msd,
}

__all__ = ["PUBLISHED"]
