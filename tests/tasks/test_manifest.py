"""A manifest: rows are the records they were, read one by one, and a slip is named with its row."""

import pickle
import subprocess
import sys
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import pyarrow
import pyarrow.parquet
import pytest
from PIL import Image

import medgym.testing as contract
from medgym.core.errors import InputError
from medgym.core.mask import Mask
from medgym.core.task import Kind, truth_of
from medgym.tasks import load_tasks, manifest
from medgym.tasks.manifest import Manifest, schema

SIZE = (12, 10)
MASK = Mask.of_box((2, 3, 6, 8), SIZE)
CODE = {"name": "liver", "height": 10, "width": 12, "counts": MASK.counts.decode()}
ROW = {"question_id": "a", "question": "Which organ is it?", "image_path": ["image.png"], "split": "train"}
CHOICE = {**ROW, "question_type": "multiple choice", "options": ["liver", "spleen"], "answer": ["B"]}
OPEN = {**ROW, "question_id": "b", "question_type": "open-ended", "answer": ["3", "three"]}
SEGMENTATION = {
    **ROW, "question_id": "c", "question_type": "segmentation", "question": "Segment the liver.", "target": "liver",
    "masks": [CODE, {**CODE, "name": "cyst", "counts": Mask.empty(SIZE).counts.decode()}],
}  # fmt: skip
DETECTION = {**ROW, "question_id": "d", "question_type": "detection", "boxes": [[1.0, 2, 5, 8]]}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    Image.fromarray(np.arange(120, dtype=np.uint8).reshape(10, 12)).save(tmp_path / "image.png")
    return tmp_path


def written(folder: Path, *rows: dict[str, Any], group: int = 2, name: str = "manifest.parquet") -> Path:
    table = pyarrow.Table.from_pylist(list(rows), schema=schema())
    pyarrow.parquet.write_table(table, folder / name, row_group_size=group)
    return folder / name


def test_rows_are_served_as_they_were_written(folder: Path) -> None:
    path = written(folder, CHOICE, OPEN, SEGMENTATION, DETECTION)
    for where in (str(path), str(folder)):
        source = load_tasks(where)
        contract.check_tasks(source)
        assert [source[i].kind for i in range(4)] == [Kind.CHOICE, Kind.OPEN, Kind.SEGMENTATION, Kind.DETECTION]
        assert [source[i].id for i in range(4)] == ["a", "b", "c", "d"]
        truths = [truth_of(source[i]) for i in range(4)]
        assert (truths[0].answer, truths[1].answer, truths[1].accepted) == ("B", "3", ("three",))
        assert (truths[2].mask, set(truths[2].structures)) == (MASK, {"liver", "cyst"})
        assert truths[3].boxes == ((1, 2, 5, 8),)


def test_an_environment_plays_a_manifest_by_the_name_of_its_folder(folder: Path) -> None:
    written(folder, CHOICE, SEGMENTATION)
    env = gym.make("MedTool-v0", tasks=str(folder))
    _, info = env.reset(seed=0, options={"split": "train", "index": 1})
    assert info["task_id"] == "c"


def test_only_what_is_asked_for_is_served(folder: Path) -> None:
    rows = [
        {**(OPEN if n % 3 else CHOICE), "question_id": str(n), "split": ("train", "test")[n % 2]} for n in range(20)
    ]
    path = written(folder, *rows, group=3)
    found = Manifest(path, "test", (Kind.OPEN,))
    assert [found[i].id for i in range(len(found))] == [str(n) for n in range(20) if n % 3 and n % 2]
    assert [found[i].index for i in range(len(found))] == list(range(len(found)))
    with pytest.raises(InputError, match=r"no row of split 'validation' .* 7 choice, 13 open, in splits: 10 train"):
        Manifest(path, "validation")
    with pytest.raises(IndexError, match="not from 0 to"):
        found[len(found)]


def test_rows_without_splits_are_served_under_any_name(folder: Path) -> None:
    path = written(folder, {**OPEN, "split": None}, {**CHOICE, "split": None})
    assert [len(Manifest(path, split)) for split in ("train", "test")] == [2, 2]


def test_opening_reads_small_columns_and_a_task_its_own_group(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = written(folder, *({**OPEN, "question_id": str(n)} for n in range(20)), group=5)
    groups: list[int] = []
    read = manifest._group
    monkeypatch.setattr(manifest, "_group", lambda facts, number: (groups.append(number), read(facts, number))[1])
    monkeypatch.setattr(manifest, "read_record", lambda *_: pytest.fail("a row was read"))
    found = Manifest(path)
    assert groups == []
    monkeypatch.undo()
    monkeypatch.setattr(manifest, "_group", lambda facts, number: (groups.append(number), read(facts, number))[1])
    assert found[7] is found[7]
    assert groups == [1]


def test_a_changed_file_is_read_again(folder: Path) -> None:
    assert len(Manifest(written(folder, OPEN))) == 1
    assert len(Manifest(written(folder, OPEN, CHOICE))) == 2


def test_columns_that_are_not_known_or_not_there_do_no_harm(folder: Path) -> None:
    table = pyarrow.table({
        "question_type": ["yes/no"], "question": ["Is it?"], "image_path": ["image.png"], "answer": ["yes"], "x": [1],
    })  # fmt: skip
    pyarrow.parquet.write_table(table, folder / "manifest.parquet")
    task = load_tasks(str(folder))[0]
    assert (task.id, truth_of(task).answer) == (f"{folder.name}/#1", "yes")


@pytest.mark.parametrize(
    ("kind", "answer", "right"), [("number", 0, "0"), ("number", 2.5, "2.5"), ("yes/no", False, "no")]
)
def test_an_answer_may_be_no_text(kind: str, answer: object, right: str, folder: Path) -> None:
    table = {"question_type": [kind], "question": ["Is it?"], "image_path": ["image.png"], "answer": [answer]}
    pyarrow.parquet.write_table(pyarrow.table(table), folder / "manifest.parquet")
    assert truth_of(load_tasks(str(folder))[0]).answer == right


def test_columns_may_be_categories(folder: Path) -> None:
    """As pandas writes them."""
    columns = {
        "question_id": ["a", "b"],
        "question_type": ["open-ended"] * 2,
        "split": ["train", "test"],
        "patient": ["p", "q"],
    }
    coded = {name: pyarrow.array(values).dictionary_encode() for name, values in columns.items()}
    rest = {"question": ["Which?"] * 2, "image_path": ["image.png"] * 2, "answer": ["liver"] * 2}
    pyarrow.parquet.write_table(pyarrow.table({**coded, **rest}), folder / "manifest.parquet")
    assert [load_tasks(str(folder), split)[0].id for split in ("train", "test")] == ["a", "b"]


def test_an_empty_name_is_none(folder: Path) -> None:
    rows = [{**OPEN, "question_id": "", "patient": "", "study": "", "split": split} for split in ("train", "test")]
    path = written(folder, *rows)
    assert [len(Manifest(path, split)) for split in ("train", "test")] == [1, 1]
    assert [len(Manifest(written(folder, {**row, "split": ""}, name="one.parquet"), "test")) for row in rows] == [1, 1]


def test_masks_in_another_form_are_a_slip_of_their_row(folder: Path) -> None:
    table = pyarrow.table({
        "question_type": ["segmentation"], "question": ["Segment it."], "image_path": ["image.png"], "masks": ["{}"],
    })  # fmt: skip
    pyarrow.parquet.write_table(table, folder / "manifest.parquet")
    with pytest.raises(InputError, match=r"row 1 .*: masks: expected a list of name, height, width and counts"):
        load_tasks(str(folder))[0]


def test_a_file_that_took_the_place_of_one_in_use_is_not_read_by_its_contents(folder: Path) -> None:
    """A manifest that is imported anew while a run reads it."""
    source = Manifest(written(folder, OPEN, SEGMENTATION, group=1))
    written(folder, DETECTION, CHOICE, OPEN, group=1)
    with pytest.raises(InputError, match="the file changed since it was opened"):
        source[1]


def test_it_travels_to_another_process_and_a_public_task_without_its_truth(folder: Path) -> None:
    found = Manifest(written(folder, SEGMENTATION))
    assert pickle.loads(pickle.dumps(found))[0].id == "c"
    public = pickle.dumps(found[0].public())
    assert CODE["counts"].encode() not in public


@pytest.mark.parametrize(
    ("rows", "why"),
    [
        ([{**OPEN, "question_type": "open"}], "unknown question_type 'open'. Did you mean 'open-ended'"),
        ([OPEN, {**CHOICE, "split": None}], "split is missing in some rows"),
        ([OPEN, {**CHOICE, "split": "tset"}], "unknown split 'tset'. Did you mean 'test'"),
        ([OPEN, OPEN], "question_id 'b' is in several rows"),
        ([{**OPEN, "patient": "P"}, {**CHOICE, "patient": "P", "split": "test"}], "patient 'P' is in several splits"),
        ([{**OPEN, "study": "S"}, {**CHOICE, "study": "S", "split": "test"}], "study 'S' is in several splits"),
    ],
)
def test_a_slip_of_the_whole_is_named(rows: list[dict[str, Any]], why: str, folder: Path) -> None:
    with pytest.raises(InputError, match=f"manifest.parquet: {why}"):
        Manifest(written(folder, *rows))


@pytest.mark.parametrize(
    ("row", "why"),
    [
        ({**CHOICE, "answer": ["kidney"]}, "answer does not fit"),
        ({**CHOICE, "image_path": ["gone.png"]}, r"no such file: .*gone\.png"),
        ({**SEGMENTATION, "masks": [{**CODE, "height": 12, "width": 10}]}, "mask is 10x12 and its image 12x10 pixels"),
        ({**SEGMENTATION, "masks": [{**CODE, "counts": "1"}]}, "no run lengths of COCO"),
        ({**OPEN, "question_type": "yes/no"}, "answer does not fit"),
        ({**DETECTION, "boxes": [[90.0, 90, 99, 99]]}, "a box lies outside the image"),
    ],
)
def test_a_slip_of_a_row_is_named_when_it_is_asked_for(row: dict[str, Any], why: str, folder: Path) -> None:
    found = Manifest(written(folder, {**OPEN, "question_id": "first"}, row))
    assert found[0].id == "first"
    with pytest.raises(InputError, match=rf"manifest\.parquet, row 2 \(question_id '{row['question_id']}'\): .*{why}"):
        found[1]


def test_what_is_no_manifest_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"gone\.parquet: no such file; expected a manifest"):
        load_tasks(str(tmp_path / "gone.parquet"))
    with pytest.raises(InputError, match=r"of a folder with a manifest\.parquet"):
        load_tasks(str(tmp_path))
    (tmp_path / "manifest.parquet").write_bytes(b"no table")
    with pytest.raises(InputError, match="not readable as Parquet"):
        load_tasks(str(tmp_path))
    pyarrow.parquet.write_table(pyarrow.table({"question": ["?"]}), tmp_path / "manifest.parquet")
    with pytest.raises(InputError, match="there is no column 'question_type'; there are question"):
        load_tasks(str(tmp_path))
    with pytest.raises(InputError, match="take no settings"):
        load_tasks(str(tmp_path), size=3)


def test_importing_medgym_does_not_import_arrow() -> None:
    code = "import sys, medgym, medgym.tasks, medgym.data.imports; sys.exit('pyarrow' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@pytest.mark.slow
def test_thousands_of_rows_keep_memory_flat(folder: Path) -> None:
    import tracemalloc

    rows = [{**SEGMENTATION, "question_id": str(n)} for n in range(3000)]
    source = Manifest(written(folder, *rows, group=manifest.GROUP))
    for index in range(1000):
        source[index]
    tracemalloc.start()
    before = pyarrow.total_allocated_bytes()
    for index in range(1000, len(source)):
        source[index]
    held, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert held < 2 << 20
    assert peak < 6 << 20
    assert pyarrow.total_allocated_bytes() - before < 4 << 20
