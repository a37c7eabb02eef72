"""An exam: one kind of picture, what can be in it, and how it comes about."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

import numpy as np
from numpy.typing import NDArray

from ...core.errors import InputError, nearest
from ...core.image import Pixels
from ...core.mask import longest_diameter
from ...core.task import Kind
from .lesions import Patch, Shape, implant
from .paint import Canvas
from .scene import LEVELS, Lesion, Level, Quadrant, Scene, Structure

if TYPE_CHECKING:
    from .desk import Asked, Desk

ROUNDED = 1.5
"""Grey levels: so much may whole HU and whole grey levels differ."""

MILLIMETRES = {"mm": 1.0, "µm": 0.001}


class Paint(Protocol):
    """Paints the labels of an image without lesions."""

    def __call__(self, rng: np.random.Generator, native: int, absent: Collection[str], level: Level) -> Canvas:
        """Paint ``(native, native)`` labels; leave the structures named `absent` out."""


class Expose(Protocol):
    """Turns labels into what the camera or scanner shows."""

    def __call__(self, rng: np.random.Generator, canvas: Canvas, patches: Sequence[Patch], level: Level) -> Pixels:
        """Return ``(native, native)`` or ``(native, native, 3) uint8``; the labels stay as they are."""


@dataclass(frozen=True, eq=False)
class Exam:
    """A kind of picture. A modality has one or more of them.

    Attributes:
        modality: such as ``CT``; what a task says of itself.
        name: such as ``abdominal CT``.
        paint: makes the labels of a scene.
        expose: makes the pixels from the labels.
        parts: each structure whose mask is known, with its tissues on the canvas, the commonest first.
        hosts: structures that can hold a lesion, every one of them every finding.
        shapes: the findings, each with its outlines.
        organs: structures that a segmentation may ask for.
        removable: those of them that may be left out.
        reach: the hosts that have room for a lesion in each image quadrant.
        flesh: of a host, the tissues that a lesion may lie in, where these are not all of its parts.
        sides: hosts by the side of the patient they are on, ``right`` or ``left``; empty where there is none.
        measured: findings whose diameter is asked for.
        etched: findings of middling brightness, on which fine margins and textures show.
        unit: of lengths, ``mm`` or ``µm``; empty where an image of this kind has no scale.
        host, lesion: the words for these two, such as ``organ`` and ``lesion``.
        accepted: other words for hosts and findings that are as right.
        most: the largest number of lesions in a question about their number.
        forms: questions of this exam alone, by kind.
        window: of a CT, the level and width in HU that it is shown through.
    """

    modality: str
    name: str
    paint: Paint
    expose: Expose
    parts: Mapping[str, Sequence[str]]
    hosts: tuple[str, ...]
    shapes: Mapping[str, Shape]
    organs: tuple[str, ...]
    reach: Mapping[Quadrant, tuple[str, ...]]
    removable: tuple[str, ...] = ()
    flesh: Mapping[str, Sequence[str]] = field(default_factory=dict)
    sides: Mapping[str, str] = field(default_factory=dict)
    measured: tuple[str, ...] = ()
    etched: tuple[str, ...] = ()
    unit: str = "mm"
    host: str = "organ"
    lesion: str = "lesion"
    accepted: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    most: int = 4
    forms: Mapping[Kind, tuple[Callable[[Desk], Asked], ...]] = field(default_factory=dict)
    window: tuple[float, float] | None = None

    @property
    def findings(self) -> tuple[str, ...]:
        """The findings' names."""
        return tuple(self.shapes)

    def draw(
        self,
        rng: np.random.Generator,
        native: int,
        lesions: Sequence[Lesion] = (),
        absent: Sequence[str] = (),
        level: Level = LEVELS[1],
    ) -> Scene:
        """Draw a scene.

        Args:
            rng: all chance comes from it.
            native: width and height of the image in pixels.
            lesions: what must be there; nothing else is.
            absent: structures of `removable` to leave out.
            level: how hard it is to read.

        Raises:
            InputError: for a lesion in a host that cannot hold it or is absent, or of an unknown finding.
        """
        self._check(lesions, absent)
        for _ in range(50):
            canvas = self.paint(rng, native, absent, level)
            patches = self._implanted(rng, canvas, lesions, level)
            if len(patches) == len(lesions):
                pixels = self.expose(rng, canvas, patches, level)
                return Scene(
                    pixels, 1 / canvas.unit, self._structures(canvas, patches), canvas.notes, canvas.hounsfield
                )
        raise InputError(f"no room for {len(lesions)} lesions: {', '.join(asked.name for asked in lesions)}")

    def spacing(self, scene: Scene) -> tuple[float, float] | None:
        """Return the millimetres a pixel of a scene, ``(x, y)``, where the exam has a scale."""
        width = scene.pitch * MILLIMETRES[self.unit] if self.unit else None
        return (width, width) if width else None

    def values(self, scene: Scene) -> NDArray[np.float32]:
        """Return the HU of a CT, ``(H, W)``; where something was etched, what its grey levels stand for.

        Raises:
            ValueError: for an exam that is no CT.
        """
        if self.window is None or scene.hounsfield is None:
            raise ValueError(f"{self.name} has no Hounsfield units")
        level, width = self.window
        values = scene.hounsfield.astype(np.float32)
        shown = np.clip((values - np.float32(level - width / 2)) * np.float32(255 / width), 0, 255)
        etched = np.abs(shown - scene.pixels) > ROUNDED * max(1.0, 255 / width)
        values[etched] = (scene.pixels[etched] + np.float32(0.5)) * (width / 255) + (level - width / 2)
        return values

    def _implanted(
        self, rng: np.random.Generator, canvas: Canvas, lesions: Sequence[Lesion], level: Level
    ) -> list[Patch]:
        """Paint lesions until one has no room."""
        patches: list[Patch] = []
        for asked in lesions:
            tissues = self.flesh.get(asked.host, self.parts[asked.host])
            patch = implant(rng, canvas, asked, self.shapes[asked.finding], tissues, level.sizes)
            if patch is None:
                break
            patches.append(patch)
        return patches

    def _check(self, lesions: Sequence[Lesion], absent: Sequence[str]) -> None:
        for name in absent:
            if name not in self.removable:
                raise InputError(f"no structure {name!r} to leave out{nearest(name, self.removable)}")
        hosts = [host for host in self.hosts if host not in absent]
        for asked in lesions:
            if asked.host not in hosts:
                raise InputError(f"no lesion can be in {asked.host!r}{nearest(asked.host, hosts)}")
            if asked.finding not in self.shapes:
                raise InputError(f"unknown finding {asked.finding!r}{nearest(asked.finding, self.shapes)}")

    def _structures(self, canvas: Canvas, patches: Sequence[Patch]) -> tuple[Structure, ...]:
        held = [[*self.parts[name], *(p.tissue for p in patches if p.asked.host == name)] for name in self.parts]
        masks = canvas.masks([*held, *([p.tissue] for p in patches)])
        found = [Structure(name, mask) for name, mask in zip(self.parts, masks, strict=False) if mask.area]
        for patch, mask in zip(patches, masks[len(self.parts) :], strict=True):
            length = longest_diameter(patch.inside, 1 / canvas.unit)
            found.append(Structure(patch.asked.name, mask, patch.asked.host, patch.asked.finding, length))
        return tuple(found)
