"""Questions on real images from a table: `manifest.parquet`, of which a process holds only the rows it looks at.

A row is a record (`schema` says what one holds), its masks as run lengths, its paths absolute or relative to the
table. `medgym data import` writes such tables.
"""

import os
from collections import Counter
from collections.abc import Mapping, Sequence
from functools import lru_cache
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..core.errors import InputError, nearest
from ..core.task import SPLITS, Kind, Task
from ..spec import needs
from .records import completed
from .schema import TYPES, Record, one_of, read_record, split_named

MANIFEST = "manifest.parquet"
"""What a manifest is called in its folder."""
GROUP = 64
"""Rows that are written, and read, together."""
LEAST = ("question_type", "question", "image_path")
"""The columns that no manifest lacks."""
SMALL = ("question_id", "question_type", "split", "patient", "study")
"""What is read of all rows when a manifest is opened."""
Facts = tuple[str, int, int]


def schema() -> Any:
    """Return the columns of a manifest, as Arrow has them."""
    arrow = import_module("pyarrow")
    text, texts = arrow.string(), arrow.list_(arrow.string())
    mask = {"name": text, "height": arrow.int32(), "width": arrow.int32(), "counts": text}
    kinds = {
        "question_id": text,
        "question_type": text,
        "question": text,
        "options": texts,
        "answer": texts,
        "image_path": texts,
        "slice": arrow.list_(arrow.int32()),
        "mask_image": arrow.int32(),
        "masks": arrow.list_(arrow.struct(list(mask.items()))),
        "mask_path": texts,
        "label": arrow.list_(arrow.int32()),
        "scored": text,
        "target": text,
        "boxes": arrow.list_(arrow.list_(arrow.float64())),
        "split": text,
        "patient": text,
        "study": text,
        "modality": text,
        "unit": text,
        "tolerance": arrow.float64(),
        "source": text,
        "data_type": text,
        "max_steps": arrow.int32(),
    }
    return arrow.schema(list(kinds.items()))


class Manifest:
    """The tasks of one split of a manifest.

    A manifest in which no row names a split is one split, served under whatever name is asked for. Opening it
    reads a few small columns; a row is read and checked, and its images opened, when its task is asked for.

    Args:
        path: of a ``.parquet`` file, or of the folder with `MANIFEST`.
        split: ``train``, ``validation`` or ``test``.
        kinds: only tasks of these kinds.

    Raises:
        InputError: where it is no manifest, a patient, a study or a question_id is where it may not be, or
            nothing is left to serve.
    """

    def __init__(self, path: str | Path, split: str = "train", kinds: Sequence[Kind] = tuple(Kind)) -> None:
        needs("pyarrow", "data", "a manifest")
        self.split = split_named(split)
        self._facts = _facts(path)
        found = _index(self._facts)
        held = [Kind(kind) for kind in found["kinds"]]
        served = np.isin(found["kind"], [number for number, kind in enumerate(held) if kind in kinds])
        if found["split"] is not None:
            served &= found["split"] == SPLITS.index(self.split)
        self._rows: NDArray[np.int64] = np.flatnonzero(served)
        if not len(self._rows):
            raise InputError(
                f"{path}: no row of split {self.split!r} is of kind {one_of(kinds)}; it has {_told(found)}"
            )

    def __len__(self) -> int:
        """Return the number of tasks."""
        return len(self._rows)

    def __getitem__(self, index: int, /) -> Task:
        """Return a task, with its images opened.

        Raises:
            IndexError: where `index` is not from 0 to the length, excluded.
            InputError: where its row is not as the schema has it, or an image cannot be read or is of another size.
        """
        if not 0 <= index < len(self):
            raise IndexError(f"index {index} is not from 0 to {len(self) - 1}")
        return _made(self._facts, int(self._rows[index]), self.split, index)


@lru_cache(maxsize=256)
def _made(facts: Facts, row: int, split: str, index: int) -> Task:
    found = _row(facts, row)
    named = f"{facts[0]}, row {row + 1} (question_id {found.get('question_id')!r})"
    try:
        raw = _as_record(found)
        record = read_record(raw, facts[0], _name(facts, row, raw), named)
        _check_kind(record, raw)
        return completed(record, split, index)
    except InputError as fault:
        raise InputError(f"{named}: {fault}") from fault


def _name(facts: Facts, row: int, raw: Mapping[str, Any]) -> str:
    return str(raw.get("question_id") or f"{Path(facts[0]).parent.name}/#{row + 1}")


def _check_kind(record: Record, raw: Mapping[str, Any]) -> None:
    """Refuse a row that is of another kind than the column says by which rows are chosen."""
    if record.task.kind is not TYPES[raw["question_type"]]:
        kind = record.task.kind
        raise InputError(f"question_type is {raw['question_type']!r} and its answer a {kind}; expected {kind}")


def _row(facts: Facts, row: int) -> dict[str, Any]:
    """Read a row, without what is missing in it."""
    starts = _starts(facts)
    group = int(np.searchsorted(starts, row, "right")) - 1
    found = _group(facts, group).slice(row - int(starts[group]), 1).to_pylist()[0]
    return {name: value for name, value in found.items() if value is not None}


def _as_record(row: Mapping[str, Any]) -> dict[str, Any]:
    """Return a row as a record is written in JSON."""
    raw = {**row}
    if masks := raw.pop("masks", []):
        try:
            raw["masks"] = {m["name"]: {"size": [m["height"], m["width"]], "counts": m["counts"]} for m in masks}
        except (KeyError, TypeError):
            raise InputError("masks: expected a list of name, height, width and counts, COCO's run lengths") from None
    answer = raw.get("answer")
    # A list, where a single answer could be taken for a number.
    if isinstance(answer, list) and (not answer or TYPES[raw["question_type"]] is not Kind.OPEN):
        raw["answer"] = answer[0] if answer else None
    return raw


def _facts(path: str | Path) -> Facts:
    file = os.path.join(path, MANIFEST) if os.path.isdir(path) else path
    try:
        found = os.stat(file)
    except (OSError, ValueError):
        raise InputError(f"{file}: no such file; expected a manifest, as medgym data import writes it") from None
    return os.path.abspath(file), found.st_mtime_ns, found.st_size


def _opened(facts: Facts) -> Any:
    """Open the file anew, so that threads share none; its own table of contents is held.

    Raises:
        InputError: where another file took its place, whose rows that table would misread.
    """
    if _facts(facts[0]) != facts:
        raise InputError(f"{facts[0]}: the file changed since it was opened; load its tasks again")
    return import_module("pyarrow.parquet").ParquetFile(facts[0], metadata=_contents(facts))


@lru_cache(maxsize=16)
def _contents(facts: Facts) -> Any:
    try:
        found = import_module("pyarrow.parquet").read_metadata(facts[0])
    except (OSError, ValueError) as error:
        raise InputError(f"{facts[0]}: not readable as Parquet ({type(error).__name__})") from None
    names = found.schema.to_arrow_schema().names
    lacking = [name for name in LEAST if name not in names]
    if lacking:
        raise InputError(f"{facts[0]}: there is no column {lacking[0]!r}; there are {', '.join(names)}")
    return found


@lru_cache(maxsize=16)
def _starts(facts: Facts) -> NDArray[np.int64]:
    contents = _contents(facts)
    sizes = [contents.row_group(group).num_rows for group in range(contents.num_row_groups)]
    return np.cumsum([0, *sizes])


@lru_cache(maxsize=8)
def _group(facts: Facts, number: int) -> Any:
    known = set(schema().names)
    with _opened(facts) as file:
        names = [name for name in file.schema_arrow.names if name in known]
        # So few rows are read sooner than handed to other threads.
        return file.read_row_group(number, names, use_threads=False)


@lru_cache(maxsize=16)
def _index(facts: Facts) -> dict[str, Any]:
    """Read what rows are chosen by: `kind` and `split` are numbers a row, of `kinds` and of `SPLITS`."""
    with _opened(facts) as file:
        there = [name for name in SMALL if name in file.schema_arrow.names]
        columns = {name: _column(file, name) for name in there}
    kinds, kind = _numbered(columns["question_type"])
    for name in kinds:
        if name not in TYPES:
            raise InputError(f"{facts[0]}: unknown question_type {name!r}{nearest(str(name), TYPES)}")
    found: dict[str, Any] = {"kinds": [TYPES[name] for name in kinds], "kind": kind, "split": None}
    if "split" in columns and columns["split"].null_count < len(columns["split"]):
        names, split = _numbered(columns["split"])
        if None in names:
            raise InputError(f"{facts[0]}: split is missing in some rows; expected {one_of(SPLITS)} in all or none")
        try:
            numbers = [SPLITS.index(split_named(name)) for name in names]
        except InputError as fault:
            raise InputError(f"{facts[0]}: {fault}") from None
        found["split"] = np.array(numbers, np.uint8)[split]
        for whose in ("patient", "study"):
            if whose in columns:
                _check_disjoint(facts[0], whose, columns[whose], found["split"])
    _check_ids(facts[0], columns.get("question_id"))
    return found


def _column(file: Any, name: str) -> Any:
    """Read a column as plain values; an empty text is none."""
    types, compute = import_module("pyarrow.types"), import_module("pyarrow.compute")
    found = file.read([name]).column(0).combine_chunks()
    if types.is_dictionary(found.type):
        found = found.dictionary_decode()
    text = types.is_string(found.type) or types.is_large_string(found.type)
    return compute.if_else(compute.equal(found, ""), None, found) if text else found


def _numbered(column: Any) -> tuple[list[Any], NDArray[np.uint8]]:
    """Return the distinct texts of a column, and which of them each row has."""
    coded = column.dictionary_encode(null_encoding="encode")
    return coded.dictionary.to_pylist(), coded.indices.to_numpy(zero_copy_only=False).astype(np.uint8)


def _check_disjoint(path: str, whose: str, names: Any, splits: NDArray[np.uint8]) -> None:
    arrow = import_module("pyarrow")
    table = arrow.table({whose: names, "split": splits}).filter(names.is_valid())
    counts = table.group_by(whose).aggregate([("split", "count_distinct")])
    several = counts.filter(import_module("pyarrow.compute").greater(counts["split_count_distinct"], 1))
    if several.num_rows:
        raise InputError(f"{path}: {whose} {several[whose][0].as_py()!r} is in several splits; expected one")


def _check_ids(path: str, ids: Any) -> None:
    if ids is None:
        return
    counts = ids.drop_null().value_counts()
    twice = counts.filter(import_module("pyarrow.compute").greater(counts.field("counts"), 1))
    if len(twice):
        raise InputError(f"{path}: question_id {twice[0]['values'].as_py()!r} is in several rows; expected one")


def _told(found: Mapping[str, Any]) -> str:
    kinds = Counter(found["kinds"][number].value for number in found["kind"])
    splits = Counter(SPLITS[number] for number in found["split"]) if found["split"] is not None else {}
    spelt = [", ".join(f"{count} {name}" for name, count in each.items()) for each in (kinds, splits)]
    return f"{spelt[0] or 'no rows'}, in splits: {spelt[1] or 'none named'}"
