"""Dialects: how prompts, tools, actions and observations are written for a family of policies."""

from collections.abc import Sequence

from ..coords import COORDS, Coords
from ..errors import InputError, nearest
from ..tooling import ToolSpec
from .deepeyes import DeepEyes
from .dialect import Dialect
from .hermes import Hermes
from .medsam_agent import MedSAMAgent
from .mini_o3 import MiniO3
from .ophiuchus import Ophiuchus

DIALECTS: dict[str, type[Dialect]] = {each.name: each for each in (Hermes, Ophiuchus, DeepEyes, MiniO3, MedSAMAgent)}


def make_dialect(name: str, tools: Sequence[ToolSpec], coords: Coords = "pixel") -> Dialect:
    """Build the dialect called `name` for `tools`, writing coordinates as `coords`.

    Raises:
        InputError: for an unknown dialect or scale, or a tool that the dialect cannot write.
    """
    if name not in DIALECTS:
        raise InputError(f"unknown dialect {name!r}{nearest(name, DIALECTS)}")
    if coords not in COORDS:
        raise InputError(f"unknown coords {coords!r}{nearest(coords, COORDS)}")
    return DIALECTS[name](tuple(tools), coords)


__all__ = ["DIALECTS", "DeepEyes", "Dialect", "Hermes", "MedSAMAgent", "MiniO3", "Ophiuchus", "make_dialect"]
