"""What there is, by name, with a line about each."""

from pathlib import Path
from typing import Any

from PIL import Image as Pillow

from ..catalog import KINDS, card, names
from ..core.dialects import DIALECTS
from ..core.errors import InputError, nearest
from ..core.view import View
from ..spec import split_spec
from ..tasks.published import PUBLISHED
from ..tasks.sources import SOURCES, is_path, load_tasks
from ..tools.segmenters import SEGMENTERS
from ..tools.toolbox import TOOLS, find_tool


def inventory() -> dict[str, dict[str, str]]:
    """Return everything that has a name: ``{what: {name: about}}``."""
    carded = {kind: {name: card(kind, name).get("about", "") for name in names(kind)} for kind in KINDS}
    return {
        "envs": carded["envs"],
        "tasks": {name: _about(maker()) for name, maker in SOURCES.items()},
        "tools": {name: tool.spec.description for name, tool in TOOLS.items()},
        "segmenters": {name: _about(maker()) for name, maker in SEGMENTERS.items()},
        "rewards": carded["rewards"],
        "agents": carded["agents"],
        "dialects": {name: _about(dialect) for name, dialect in DIALECTS.items()},
        "benchmarks": carded["benchmarks"],
    }


def describe(name: str) -> dict[str, Any]:
    """Return a card, a tool's schema, or the facts of a published data set.

    Raises:
        InputError: where nothing has that name.
    """
    name = split_spec(name)[0]
    if name in PUBLISHED:
        source = PUBLISHED[name]()
        return {"name": name, "about": _about(source), **source.card.to_json()}
    for kind in KINDS:
        if name in names(kind):
            return {"kind": kind, **card(kind, name)}
    if name in TOOLS or ":" in name:
        return {"kind": "tools", **find_tool(name).spec.to_json()["function"]}
    known = {each: about for entries in inventory().values() for each, about in entries.items()}
    if name in known:
        return {"name": name, "about": known[name]}
    raise InputError(f"nothing is called {name!r}{nearest(name, known)}")


def is_task_source(name: str) -> bool:
    """Whether `name` is that of a task source, or the path of records or of a manifest."""
    plain = split_spec(name)[0]
    return plain in SOURCES or is_path(plain)


def describe_task(name: str, split: str, index: int, out: Path | None) -> dict[str, Any]:
    """Return the public half of a task; write its first image to `out`, where that is given.

    Of a published data set, its facts come first, and where it is not at hand they are all.
    """
    facts = describe(name) if split_spec(name)[0] in PUBLISHED else {}
    try:
        source = load_tasks(name, split)
    except InputError as fault:
        if not facts or out is not None:
            raise
        return {**facts, "data": str(fault)}
    if not 0 <= index < len(source):
        raise InputError(f"{name} has tasks 0 to {len(source) - 1} in split {split!r}, not {index}")
    task = source[index].public()
    if out is not None:
        Pillow.fromarray(View.whole(task.images[0], max(task.images[0].size)).pixels).save(out, "PNG")
    return {
        **facts,
        **({"left_out": getattr(source, "left_out", {})} if facts else {}),
        "id": task.id,
        "tasks": len(source),
        "kind": str(task.kind),
        "modality": task.modality,
        "question": task.question,
        "options": list(task.options),
        "images": [{"size": list(image.size), "spacing_mm": image.spacing} for image in task.images],
    }


def _about(thing: Any) -> str:
    return str((thing.__doc__ or "").strip().split("\n")[0])
