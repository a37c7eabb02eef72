"""Segmenters by name: what stands behind the tools that segment."""

from collections.abc import Callable
from functools import partial
from importlib import import_module
from weakref import WeakValueDictionary

from ...core.errors import InputError
from ...spec import build, made, split_spec
from ..segmenter import Segmenter
from .shared import Either, Faulty, Remembering


def _from(where: str) -> Callable[[], Callable[..., Segmenter]]:
    """Return what imports a segmenter when it is asked for."""

    def maker() -> Callable[..., Segmenter]:
        module, _, name = where.partition(":")
        found: Callable[..., Segmenter] = getattr(import_module(f".{module}", __name__), name)
        return found

    return maker


SEGMENTERS: dict[str, Callable[[], Callable[..., Segmenter]]] = {
    "classical": _from("classical:Classical"),
    "simulated": _from("simulated:Simulated"),
    "sam2": _from("sam2:Sam2"),
    "transformers": _from("transformers:load"),
    "remote": _from("remote:load"),
}

_SHARED: WeakValueDictionary[str, Remembering] = WeakValueDictionary()
"""One of each name and settings in a process, with its weights and what it remembers, while anything uses it."""


def make_segmenter(spec: str) -> Segmenter:
    """Build a segmenter from its name, ``name:key=value``, or the import path of a user's own class.

    ``one|other``: what the first does not take goes to the second. ``faulty:fail=0.1,of=NAME``: some calls fail.

    Raises:
        InputError: for an unknown name or setting.
    """
    if "|" in spec:
        return Either([make_segmenter(part.strip()) for part in spec.split("|")])
    if spec.startswith("faulty:"):
        return _faulty(spec)
    name = split_spec(spec)[0]
    if name in SEGMENTERS and name != "simulated":
        shared = _SHARED.get(spec)
        if shared is None:
            again = partial(make_segmenter, spec)
            shared = _SHARED[spec] = Remembering(build(spec, SEGMENTERS, "segmenter"), again=again)
        return shared
    segmenter: Segmenter = build(spec, SEGMENTERS, "segmenter")
    for attribute in ("name", "needs_truth", "segment"):
        if not hasattr(segmenter, attribute):
            raise InputError(f"segmenter {spec!r} has no {attribute!r}; it has name, needs_truth and segment(prompts)")
    return segmenter


def _faulty(spec: str) -> Segmenter:
    faults, marker, inner = spec.partition("of=")
    if not marker or not inner:
        raise InputError(f"segmenter {spec!r}: name the segmenter last, such as faulty:fail=0.1,of=classical")
    settings = split_spec(faults.rstrip(","))[1]
    segmenter: Segmenter = made(Faulty, settings, "segmenter 'faulty'", make_segmenter(inner))
    return segmenter
