"""Records of Ophiuchus in ``.json`` or ``.jsonl``: the good ones go in, the others are reported one by one."""

import json
import os
from itertools import islice
from pathlib import Path
from typing import Any

from ...core.errors import InputError
from ...tasks.records import parsed
from .found import Finds, Found, Rejected, Wanted, Where

PATHS = ("image_path", "mask_path")
SNIFFED = 100
"""Records that are looked at to tell what a file holds."""


def find(source: str, wanted: Wanted) -> Finds:
    """Find the records of a file, or of the only such file of a folder."""
    path = file_of(source)
    lines = path.suffix.lower() == ".jsonl"
    for number, (line, raw) in enumerate(_lines(path) if lines else _list(path), 1):
        where = Where(path.name, line, f"record {number}")
        if isinstance(raw, InputError):
            yield Rejected(where, str(raw))
        elif not isinstance(raw, dict):
            yield Rejected(where, f"expected an object, found {type(raw).__name__}")
        else:
            key = raw.get("question_id")
            name = f"{path.stem}/{'' if key is None else key}"
            yield Found(where, name, _placed(raw, path, wanted))


def looks_like(path: str) -> bool:
    """Whether a file holds records: a list of objects with questions, or lines of them."""
    found: Any
    try:
        if path.lower().endswith(".jsonl"):
            with open(path, encoding="utf-8-sig", errors="replace") as file:
                found = [_json(line.encode(), "utf-8") for line in islice(filter(str.strip, file), SNIFFED)]
        else:
            found = json.loads(Path(path).read_text("utf-8-sig"))
    except (OSError, ValueError, RecursionError):
        return False
    return isinstance(found, list) and any(isinstance(raw, dict) and "question" in raw for raw in found[:SNIFFED])


def file_of(source: str) -> Path:
    """Return the file of records that is meant.

    Raises:
        InputError: where a folder has none, or several.
    """
    path = Path(source)
    if not path.is_dir():
        return path
    found = sorted(str(each) for each in path.iterdir() if each.suffix.lower() in (".json", ".jsonl"))
    found = [each for each in found if looks_like(each)]
    if len(found) != 1:
        names = ", ".join(os.path.basename(each) for each in found) or "none"
        raise InputError(f"{source}: expected one file of records in .json or .jsonl, found {names}")
    return Path(found[0])


def _placed(raw: dict[str, Any], path: Path, wanted: Wanted) -> dict[str, Any]:
    """Return a record with its paths made absolute."""
    found = {**raw, "modality": raw.get("modality") or wanted.modality}
    for name in PATHS:
        written = found.get(name)
        paths = [written] if isinstance(written, str) else written
        if written and isinstance(paths, list) and all(isinstance(each, str) for each in paths):
            found[name] = [os.path.abspath(os.path.join(path.parent, each)) if each else each for each in paths]
    return found


def _lines(path: Path) -> Any:
    try:
        with path.open("rb") as file:
            for number, line in enumerate(file, 1):
                if line.strip():
                    yield number, _json(line, "utf-8-sig" if number == 1 else "utf-8")
    except OSError as error:
        raise InputError(f"{path}: not readable ({type(error).__name__}); expected records") from None


def _json(line: bytes, coding: str) -> Any:
    try:
        return parsed(line.decode(coding), "this line")
    except UnicodeDecodeError:
        return InputError("not readable as UTF-8; expected JSON")
    except InputError as fault:
        return fault


def _list(path: Path) -> Any:
    try:
        text = path.read_text("utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: not readable as UTF-8 ({type(error).__name__}); expected JSON") from None
    found = parsed(text, str(path))
    if not isinstance(found, list):
        raise InputError(f"{path}: expected a list of records, found {type(found).__name__}")
    return [(None, raw) for raw in found]
