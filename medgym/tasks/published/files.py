"""Rows that lie in files of JSON, JSON lines or CSV, beside folders of images."""

import json
import os
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from importlib import import_module
from typing import Any

from ...core.errors import InputError
from ...spec import needs

Row = Mapping[str, Any]


def json_of(path: str) -> Any:
    """Read a file of JSON.

    Raises:
        InputError: where it is not readable; names the file.
    """
    try:
        with open(path, encoding="utf-8-sig") as file:
            return json.load(file)
    except (ValueError, OSError) as error:
        raise InputError(f"{path}: not readable as JSON ({type(error).__name__})") from None


def rows_of(path: str) -> list[Row]:
    """Read a list of objects, or a line each (``.jsonl``).

    Raises:
        InputError: where it is none; names the file.
    """
    if path.endswith(".jsonl"):
        try:
            with open(path, encoding="utf-8-sig") as file:
                rows: Any = [json.loads(line) for line in file if line.strip()]
        except (ValueError, OSError) as error:
            raise InputError(f"{path}: not readable as JSON lines ({type(error).__name__})") from None
    else:
        rows = json_of(path)
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise InputError(f"{path}: expected a list of objects")
    return rows


class Csv(Sequence[Row]):
    """A CSV file, every cell a text; its columns lie packed in memory, a row is made when asked for."""

    def __init__(self, path: str, what: str, columns: Sequence[str]) -> None:
        needs("datasets", "data", what)
        csv = import_module("pyarrow.csv")
        text = import_module("pyarrow").string()
        try:
            parse = csv.ParseOptions(newlines_in_values=True)
            with csv.open_csv(path, parse_options=parse) as head:
                found = head.schema.names
            convert = csv.ConvertOptions(column_types=dict.fromkeys(found, text))
            self._table = csv.read_csv(path, convert_options=convert, parse_options=parse)
        except (OSError, ValueError) as error:
            raise InputError(f"{path}: not readable as CSV ({type(error).__name__})") from None
        lacking = [name for name in columns if name not in found]
        if lacking:
            raise InputError(f"{path}: there is no column {lacking[0]!r}; there are {', '.join(found)}")

    def __len__(self) -> int:
        """Return the number of rows."""
        return int(self._table.num_rows)

    def __getitem__(self, number: Any, /) -> Any:
        """Return one row."""
        return self._table.slice(number, 1).to_pylist()[0]

    def __iter__(self) -> Iterator[Row]:
        """Go through the rows, a few at a time."""
        for batch in self._table.to_batches(max_chunksize=256):
            yield from batch.to_pylist()


def below(folder: str, *names: str) -> str:
    """Return the first of `names` that is in a folder, or in its only one that has it; nothing where none has."""
    within = [folder, *(path for path in _folders(folder))]
    return next((path for place in within for name in names if os.path.exists(path := os.path.join(place, name))), "")


@lru_cache(maxsize=32)
def _folders(folder: str) -> tuple[str, ...]:
    return tuple(sorted(entry.path for entry in os.scandir(folder) if entry.is_dir()))
