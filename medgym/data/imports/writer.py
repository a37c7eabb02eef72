"""From what was found to a folder: the manifest, what was rejected, and what it is about.

Each row goes through the checks of the loader, its images read and its masks compared with them, before it is written.
"""

import json
import os
import re
import shutil
import tempfile
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from importlib import import_module
from pathlib import Path
from typing import Any

from ... import __version__
from ...core.errors import InputError
from ...core.mask import Mask
from ...core.task import Kind, Task, Truth, truth_of
from ...tasks.manifest import GROUP, MANIFEST, schema
from ...tasks.records import completed, unique_name
from ...tasks.schema import DENIAL, TYPES, Record, lettered, read_record
from .dicom_planes import whose
from .found import Found, Rejected, pseudonym
from .splits import Owner, Splits

ABOUT, REJECTED = "about.json", "rejected.jsonl"
MADE_BY = "medgym data import"
SHOWN = 12
"""So many reasons are named in an error."""
WRITTEN = {kind: name for name, kind in TYPES.items()}
Row = dict[str, Any]


class Writer:
    """Checks rows and writes them beside `out`, which they become when all is done.

    Args:
        out: the folder to be; one that an import wrote is replaced.
        root: of the source, to which an image's name in the cut of splits is relative.
        splits: gives each row its split.
        negatives: whether an empty mask means that nothing is there.
        patient: what of an image's path, relative to `root`, names its patient: the first group, or all of it.

    Raises:
        InputError: where `out` is something else than an import's folder.
    """

    def __init__(
        self,
        out: str | Path,
        root: str,
        splits: Splits,
        negatives: bool = False,
        patient: re.Pattern[str] | None = None,
    ) -> None:
        self.out = Path(os.path.abspath(out))
        _check_free(self.out)
        self._root, self._splits, self._negatives = os.path.abspath(root), splits, negatives
        self._patient = patient
        self._used: set[str] = set()
        self._rows: list[Row] = []
        counted = ("kinds", "structures", "splits", "modalities")
        self._counts: dict[str, Counter[str]] = {name: Counter() for name in counted}
        self._reasons: Counter[str] = Counter()

    def write(self, finds: Iterable[Found | Rejected], about: dict[str, Any], tick: Callable[[], None]) -> Row:
        """Write all that was found; return what the folder is about, as in its `ABOUT`.

        Raises:
            InputError: where nothing could be imported; `out` is left as it was.
        """
        parquet = import_module("pyarrow.parquet")
        self.out.parent.mkdir(parents=True, exist_ok=True)
        beside = Path(tempfile.mkdtemp(prefix=f".{self.out.name}-", dir=self.out.parent))
        try:
            with (
                parquet.ParquetWriter(beside / MANIFEST, schema(), compression="zstd") as table,
                (beside / REJECTED).open("w", encoding="utf-8") as rejected,
            ):
                for number, find in enumerate(finds, 1):
                    fault = find if isinstance(find, Rejected) else self._take(find, number)
                    if fault:
                        rejected.write(self._told(fault) + "\n")
                    if len(self._rows) == GROUP:
                        self._flush(table)
                    tick()
                self._flush(table)
            told = self._about(about)
            (beside / ABOUT).write_text(json.dumps(told, indent=2, ensure_ascii=False) + "\n", "utf-8")
            self._put(beside, told)
        finally:
            shutil.rmtree(beside, ignore_errors=True)
        return told

    def _told(self, fault: Rejected) -> str:
        """Count what was rejected, and return its line; names of files need not be UTF-8."""
        told = json.dumps({**fault.where._asdict(), "reason": fault.reason}, ensure_ascii=False)
        self._reasons[general(fault.reason.encode("utf-8", "backslashreplace").decode())] += 1
        return told.encode("utf-8", "backslashreplace").decode()

    def _take(self, found: Found, number: int) -> Rejected | None:
        """Check a row and keep it, or say why not."""
        try:
            row = self._checked(found, number)
        except InputError as fault:
            return Rejected(found.where, str(fault))
        self._rows.append(row)
        for name, counted in (("kinds", "question_type"), ("splits", "split"), ("modalities", "modality")):
            self._counts[name][row[counted] or "not named"] += 1
        if row.get("masks") or row.get("scored") or row["boxes"] is not None:
            self._counts["structures"][row["target"]] += 1
        return None

    def _checked(self, found: Found, number: int) -> Row:
        try:
            json.dumps([found.key, found.raw], ensure_ascii=False).encode()
        except UnicodeEncodeError:
            raise InputError("a name is not UTF-8; expected names that can be written as text") from None
        except (TypeError, ValueError):
            pass  # the schema says which field it is
        record = read_record(found.raw, os.path.join(self._root, ""), "", "")
        task = completed(record)
        truth = truth_of(task)
        if truth.mask is not None and not truth.mask.area and not self._negatives and not _denied(task, truth):
            raise InputError("the mask is empty; expected something in it, or --negatives where nothing is there")
        images = [("image", Path(os.path.relpath(path, self._root)).as_posix()) for path in record.images]
        said = {**whose(record.images[0]), **task.meta, **self._shown(images[0][1])}
        names: dict[str, str] = {name: pseudonym(said[name]) for name in ("patient", "study") if name in said}
        owners: list[Owner] = [*names.items(), *images]
        split = self._splits.place(record.split, owners)
        key, _, name = found.key.partition("/")
        unique = unique_name(key, name, number, self._used)
        row = self._row(record, task, truth)
        modality = task.modality or said.get("modality")
        return {**row, "question_id": unique, "split": split, "modality": modality, **names}

    def _shown(self, path: str) -> dict[str, str]:
        """Return the patient that a path shows, where it is to show one."""
        if self._patient is None:
            return {}
        found = self._patient.search(path)
        name = found and (found[1] if found.re.groups else found[0])
        if not name:
            raise InputError("the image's path does not name its patient; expected what --patient says")
        return {"patient": name}

    def _row(self, record: Record, task: Task, truth: Truth) -> Row:
        meta = task.meta
        own_boxes = task.kind is Kind.DETECTION or truth_of(record.task).boxes
        return {
            "question_type": WRITTEN[task.kind],
            "question": task.question,
            "options": lettered(task.options),
            "answer": [truth.answer, *truth.accepted] if truth.answer else [],
            "image_path": [self._path(path) for path in record.images],
            "slice": [*record.slices] if any(each is not None for each in record.slices) else None,
            "mask_image": truth.image or None,
            **(self._in_voxels(record) if task.in_voxels else {"masks": _written(truth.structures)}),
            "target": record.target,
            "boxes": [list(box) for box in truth.boxes] if own_boxes else None,
            "unit": truth.unit or None,
            "tolerance": truth.tolerance or None,
            **{name: str(meta[name]) for name in ("source", "data_type") if name in meta},
            "max_steps": steps if isinstance(steps := meta.get("max_steps"), int) and abs(steps) < 1 << 31 else None,
        }

    def _in_voxels(self, record: Record) -> Row:
        """Name the volumes of labels, which are too large to be copied into a row."""
        return {"scored": "volume", "mask_path": [*map(self._path, record.masks)], "label": [*record.labels]}

    def _path(self, path: str) -> str:
        """Name an image relative to the manifest where both lie in one folder, which may then be moved."""
        path, common = os.path.abspath(path), self.out.parent
        within = common.parent != common and Path(path).is_relative_to(common)
        return Path(os.path.relpath(path, self.out)).as_posix() if within else path

    def _flush(self, table: Any) -> None:
        if self._rows:
            table.write_table(import_module("pyarrow").Table.from_pylist(self._rows, schema=schema()))
        self._rows = []

    def _about(self, about: dict[str, Any]) -> Row:
        counts = {name: dict(counted.most_common()) for name, counted in self._counts.items()}
        reasons = dict(self._reasons.most_common())
        rejected = {"count": self._reasons.total(), "reasons": reasons}
        tasks = self._counts["kinds"].total()
        if not tasks:
            shown = [f"{count}: {reason}" for reason, count in reasons.items()]
            told = "; ".join(shown[:SHOWN] + ["…"] * (len(shown) > SHOWN))
            raise InputError(f"{about['source']}: nothing could be imported; rejected: {told or 'nothing'}")
        return {"made_by": MADE_BY, "medgym": __version__, **about, "tasks": tasks, **counts, "rejected": rejected}

    def _put(self, beside: Path, told: Row) -> None:
        self.out.mkdir(exist_ok=True)
        for name in (MANIFEST, REJECTED, ABOUT):
            os.replace(beside / name, self.out / name)


def _denied(task: Task, truth: Truth) -> bool:
    """Whether the answer of a segmentation is an option that says that nothing is there."""
    if not task.options or not truth.answer:
        return False
    return DENIAL.match(task.options[ord(truth.answer) - ord("A")]) is not None


def general(reason: str) -> str:
    """Reduce a reason to what others share with it: no paths, names in quotes or numbers."""
    path = r"(?:/|[A-Za-z]:\\)[^:;]*"
    short = re.sub(rf"(?<=\s){path}(?=[:;]|$)", "…", re.sub(rf"^{path}: ", "", reason))
    return re.sub(r"\d+(\.\d+)?", "N", re.sub(r"(?<!\w)(['\"]).*?\1(?!\w)", r"\1…\1", short))


def _check_free(out: Path) -> None:
    if not out.exists() or (out.is_dir() and not any(out.iterdir())):
        return
    try:
        ours = json.loads((out / ABOUT).read_text("utf-8")).get("made_by") == MADE_BY
    except (OSError, ValueError, AttributeError):
        ours = False
    if not ours or {entry.name for entry in out.iterdir()} - {MANIFEST, REJECTED, ABOUT}:
        raise InputError(f"{out}: exists and is not, or not only, what an import wrote; expected a new folder")


def _written(masks: Mapping[str, Mask]) -> list[Row]:
    return [
        {"name": name, "width": mask.size[0], "height": mask.size[1], "counts": mask.counts.decode("ascii")}
        for name, mask in masks.items()
    ]
