"""Tables of the hub with images in their cells: rows without their images, images without their rows.

`datasets` maps the tables into memory from disk, so that a process holds only what it looks at.
"""

import glob
import hashlib
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from importlib import import_module
from typing import Any

import numpy as np
from PIL import Image

from ...core.errors import InputError
from ...core.image import Pixels, SourceImage
from ...spec import needs
from ..readers import decode_picture
from .card import Card, Place
from .pictures import EDGE, Edges, fault_of

Row = Mapping[str, Any]
MOST_PIXELS = 1 << 28


@dataclass(frozen=True)
class Cell:
    """An image in a table: where it lies, and no part of the row's question or answer."""

    place: Place
    config: str
    split: str
    row: int
    column: str

    def open(self) -> SourceImage:
        """Return the image, not yet decoded; equal images in several rows are one."""
        digest = hashlib.blake2b(self._buffer(), digest_size=16).hexdigest()
        return SourceImage(("encoded", digest), self)

    def __call__(self) -> Pixels:
        """Decode the image."""
        return decode_picture(bytes(self._buffer()), Image.MAX_IMAGE_PIXELS or MOST_PIXELS)

    def fault(self) -> str:
        """Say why it cannot be served, or nothing."""
        return fault_of(self._edges, self)

    @property
    def identity(self) -> str:
        """What it shares with copies of itself."""
        return self._edges.identity

    @property
    def _edges(self) -> Edges:
        data = self._buffer()
        return Edges(bytes(data[:EDGE]), bytes(data[-EDGE:]), len(data))

    def _buffer(self) -> memoryview:
        """Return the encoded bytes where they lie; none where the cell is empty."""
        return _column(self.place, self.config, self.split, self.column).at(self.row)


class _Column:
    """Encoded images, each a view of the mapped file: Arrow's own scalars copy them whole."""

    def __init__(self, column: Any) -> None:
        self._chunks = [(chunk.is_valid().to_numpy(False), chunk.field("bytes")) for chunk in column.chunks]
        self._starts = np.cumsum([0, *(len(valid) for valid, _ in self._chunks)])

    def at(self, row: int) -> memoryview:
        """Return the bytes of a row."""
        chunk = int(np.searchsorted(self._starts, row, "right")) - 1
        valid, encoded = self._chunks[chunk]
        place = int(row - self._starts[chunk])
        _, offsets, data = encoded.buffers()
        if not valid[place] or data is None:
            return memoryview(b"")
        wide = import_module("pyarrow").types.is_large_binary(encoded.type)
        ends = np.frombuffer(offsets, np.int64 if wide else np.int32)[encoded.offset + place :][:2]
        return memoryview(data)[ends[0] : ends[1]]


@lru_cache(maxsize=64)
def _column(place: Place, config: str, split: str, name: str) -> _Column:
    return _Column(opened(place, config)[split].column(name))


class Table(Sequence[Row]):
    """The rows of one split; where a column holds images, a row has the `Cell`."""

    def __init__(self, place: Place, split: str, config: str = "") -> None:
        self._place, self._split, self._config = place, split, config
        self._table = opened(place, config)[split]
        kinds = {field.name: field.type for field in self._table.schema}
        self.columns = tuple(kinds)
        self._pictured = [name for name, kind in kinds.items() if _holds_images(kind)]
        self._text = self._table.select([name for name in kinds if name not in self._pictured])

    def __len__(self) -> int:
        """Return the number of rows."""
        return int(self._table.num_rows)

    def __getitem__(self, number: Any, /) -> Any:
        """Return one row."""
        return self._with_cells(number, self._text.slice(number, 1).to_pylist()[0])

    def __iter__(self) -> Iterator[Row]:
        """Go through the rows, a few at a time."""
        number = 0
        for batch in self._text.to_batches(max_chunksize=256):
            for row in batch.to_pylist():
                yield self._with_cells(number, row)
                number += 1

    def _with_cells(self, number: int, row: dict[str, Any]) -> Row:
        cells = {name: Cell(self._place, self._config, self._split, number, name) for name in self._pictured}
        return {**row, **cells}


def table_of(card: Card, place: Place, split: str, columns: Sequence[str], config: str = "") -> Table:
    """Open a split and check that it has the columns that are read.

    Raises:
        InputError: where the data, the split or a column is missing.
    """
    needs("datasets", "data", card.name)
    try:
        splits = opened(place, config)
    except InputError as fault:
        raise InputError(f"{card.name}: {fault}. {card.way_to_get}") from fault
    if split not in splits:
        raise InputError(f"{card.name}: {place} has no split {split!r}; it has {', '.join(splits) or 'none'}")
    table = Table(place, split, config)
    lacking = [name for name in columns if name not in table.columns]
    if lacking:
        raise InputError(f"{card.name}: {place} has no column {lacking[0]!r}; it has {', '.join(table.columns)}")
    return table


@lru_cache(maxsize=32)
def opened(place: Place, config: str = "") -> dict[str, Any]:
    """Open the tables of a data set, once a process: an Arrow table by the name of its split."""
    datasets = import_module("datasets")
    if not place.folder:
        found = _from_hub(datasets, place.hub, config)
    elif os.path.exists(os.path.join(place.folder, "dataset_dict.json")):
        found = dict(datasets.load_from_disk(place.folder))
    elif os.path.exists(os.path.join(place.folder, "state.json")):
        only = datasets.load_from_disk(place.folder)
        found = {str(only.split or "train"): only}
    else:
        found = _from_parquet(datasets, place.folder, config)
    return {str(name): _arrow(table) for name, table in found.items()}


def _from_hub(datasets: Any, hub: str, config: str) -> dict[str, Any]:
    cached = os.path.join(str(datasets.config.HF_DATASETS_CACHE), f"{hub.split('/')[0]}___*")
    try:
        if not glob.glob(cached):
            # Loading tries again and again for half a minute; this asks once.
            import_module("huggingface_hub").HfApi().dataset_info(hub, timeout=10)
        return dict(datasets.load_dataset(hub, config or None))
    except Exception as error:
        # Offline, unknown and gated end in a dozen classes of errors, by version.
        raise InputError(f"neither in the local cache of the hub nor to be had ({type(error).__name__})") from error


def _from_parquet(datasets: Any, folder: str, config: str) -> dict[str, Any]:
    files: dict[str, list[str]] = {}
    within = os.path.join(folder, config) if config else folder
    for path in sorted(glob.glob(os.path.join(glob.escape(within), "**", "*.parquet"), recursive=True)):
        named = re.match(r"(train|validation|valid|val|dev|test)\b", os.path.basename(path))
        split = named[1] if named else os.path.basename(os.path.dirname(path))
        files.setdefault(split, []).append(path)
    if not files:
        raise InputError(f"{within} holds neither parquet files nor a data set saved by datasets")
    try:
        return dict(datasets.load_dataset("parquet", data_files=files))
    except Exception as error:
        raise InputError(f"the parquet files in {within} cannot be read ({type(error).__name__})") from error


def _arrow(table: Any) -> Any:
    flat = table.flatten_indices() if table._indices is not None else table
    return flat.data


def _holds_images(kind: Any) -> bool:
    types = import_module("pyarrow").types
    return types.is_struct(kind) and "bytes" in [field.name for field in kind]
