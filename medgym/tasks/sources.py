"""Task sources by name or path."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from ..core.errors import InputError, nearest
from ..core.task import SPLITS, Kind, TaskSource
from ..spec import imported, made, split_spec
from .published import PUBLISHED


def _phantoms() -> Callable[..., TaskSource]:
    from .phantoms import Phantoms

    return Phantoms


RECORDS, PARQUET = (".json", ".jsonl"), ".parquet"
SOURCES: dict[str, Callable[[], Callable[..., TaskSource]]] = {"phantoms": _phantoms, **PUBLISHED}


def load_tasks(
    source: str,
    split: str = "train",
    *,
    seed: int = 0,
    kind: str | Sequence[str] | None = None,
    **settings: Any,
) -> TaskSource:
    """Load a split of a task source.

    Args:
        source: a name such as ``phantoms`` or ``vqa-rad``, with settings as ``phantoms:native=1024`` or
            ``vqa-rad:path=folder``; the path of a records file (``.json``, ``.jsonl``), of a manifest
            (``.parquet``) or of the folder that holds one; or ``module:Class`` of a source of your own, which is
            called with ``(split, seed, kinds)`` and its settings.
        split: ``train``, ``validation`` or ``test``.
        seed: of a made source; real data ignores it.
        kind: only tasks of this kind or these kinds.
        settings: more settings of the source, such as ``size``.

    Raises:
        InputError: for an unknown source, split, kind or setting, and for a file that cannot be read.
    """
    name, written = split_spec(source)
    settings = {**written, **settings}
    if not isinstance(split, str) or split not in SPLITS:
        raise InputError(f"unknown split {split!r}{nearest(str(split), SPLITS)}")
    if isinstance(seed, bool) or not isinstance(seed, int) or seed < 0:
        raise InputError(f"a seed is a whole number from 0, not {seed!r}")
    kinds = _kinds(kind)
    if is_path(name):
        if settings:
            raise InputError(f"records take no settings, found {', '.join(settings)}")
        return _of_path(name)(name, split, kinds)
    return _made(name, split, seed, kinds, settings)


def is_path(name: str) -> bool:
    """Whether `name`, without settings, is the path of records or of a manifest."""
    if name in SOURCES or ":" in name:
        return False
    from .manifest import MANIFEST

    return Path(name).suffix in (*RECORDS, PARQUET) or (Path(name) / MANIFEST).is_file()


def _of_path(path: str) -> Callable[[str, str, Sequence[Kind]], TaskSource]:
    if Path(path).suffix in RECORDS:
        from .records import Records

        return Records
    from .manifest import Manifest

    return Manifest


def _made(name: str, split: str, seed: int, kinds: tuple[Kind, ...], settings: dict[str, Any]) -> TaskSource:
    if name in SOURCES:
        maker = SOURCES[name]()
    elif ":" in name:
        maker = imported(name, "task source")
    else:
        from .manifest import MANIFEST

        raise InputError(
            f"unknown task source {name!r}{nearest(name, SOURCES)}, the path of a .json or .jsonl file of "
            f"records, or of a folder with a {MANIFEST}, or 'module:Class' of your own"
        )
    source: TaskSource = made(maker, settings, f"task source {name!r}", split, seed, kinds)
    return source


def _kinds(kind: str | Sequence[str] | None) -> tuple[Kind, ...]:
    names = [kind] if isinstance(kind, str) else list(kind or Kind)
    for name in names:
        if name not in set(Kind):
            raise InputError(f"unknown kind {name!r}{nearest(str(name), Kind)}")
    return tuple(Kind(name) for name in dict.fromkeys(names)) or tuple(Kind)
