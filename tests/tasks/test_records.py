"""Records of real images: what a user wrote is what is served, and a slip is named with its record."""

import json
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from medgym.core.errors import InputError
from medgym.core.mask import Mask
from medgym.core.task import Kind, Task, Truth, truth_of
from medgym.tasks import load_tasks, records
from medgym.tasks.records import Records

CASES = Path(__file__).parents[2].parent / "shared" / "cases"
real = pytest.mark.skipif(not CASES.is_dir(), reason="the real cases are not beside the repository")

QUESTION = {"question_id": 7, "question": "Which organ is it?", "image_path": "image.png"}
CHOICE = {**QUESTION, "question_type": "multiple choice", "options": ["A. liver", "B. spleen"], "answer": "B"}
OPEN = {**QUESTION, "question_type": "open-ended", "answer": "spleen"}
YES_NO = {**QUESTION, "question_type": "yes/no", "answer": "yes"}
NUMBER = {**QUESTION, "question_type": "number", "answer": 12.5}
SEGMENTATION = {
    **QUESTION,
    "question_type": "segmentation",
    "question": "Please segment the liver tumor in this CT.",
    "mask_path": "mask.png",
}
DETECTION = {
    **QUESTION,
    "question_type": "detection",
    "question": "Mark every nodule.",
    "boxes": [1, 2, 5, 8],
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return a folder with an image of 12x10 pixels, two masks of it and a file that is no image."""
    Image.fromarray(np.arange(120, dtype=np.uint8).reshape(10, 12)).save(tmp_path / "image.png")
    mask = np.zeros((10, 12), np.uint8)
    mask[2:5, 1:4] = 255
    Image.fromarray(mask).save(tmp_path / "mask.png")
    Image.fromarray(np.roll(mask // 255, 6, 1)).save(tmp_path / "other.png")
    Image.fromarray(mask * 0).save(tmp_path / "none.png")
    Image.fromarray(mask.T).save(tmp_path / "turned.png")
    (tmp_path / "text.png").write_text("not an image")
    return tmp_path


def written(folder: Path, *raw: Any, name: str = "set.json") -> Path:
    path = folder / name
    lines = "\n".join(json.dumps(one, ensure_ascii=False) for one in raw)
    path.write_text(lines if path.suffix == ".jsonl" else json.dumps(raw), "utf-8")
    return path


def one(folder: Path, raw: dict[str, Any], **changes: Any) -> tuple[Task, Truth]:
    """Write one record, with fields changed or (None) taken out, and serve it."""
    changed = {name: value for name, value in {**raw, **changes}.items() if value is not None}
    task = Records(written(folder, changed))[0]
    return task, truth_of(task)


# What is served


@pytest.mark.parametrize(
    ("raw", "kind", "answer"),
    [
        (CHOICE, Kind.CHOICE, "B"),
        (OPEN, Kind.OPEN, "spleen"),
        (YES_NO, Kind.YES_NO, "yes"),
        (NUMBER, Kind.NUMBER, "12.5"),
        (SEGMENTATION, Kind.SEGMENTATION, ""),
        (DETECTION, Kind.DETECTION, ""),
    ],
)
def test_each_kind_is_served_with_its_answer(folder: Path, raw: dict[str, Any], kind: Kind, answer: str) -> None:
    task, truth = one(folder, raw)
    assert (task.id, task.kind, task.split, task.index) == ("set/7", kind, "train", 0)
    assert task.question == raw["question"]
    assert [image.size for image in task.images] == [(12, 10)]
    assert truth.answer == answer


@pytest.mark.parametrize(
    ("written_type", "answer", "options", "kind"),
    [
        ("Multiple_Choice", "A", ["x", "y"], Kind.CHOICE),
        ("MCQ", "A", ["x", "y"], Kind.CHOICE),
        ("closed", "A", ["x", "y"], Kind.CHOICE),
        ("closed", "A", ["Yes", "No"], Kind.YES_NO),
        ("CLOSED", "No.", None, Kind.YES_NO),
        ("vqa", "y", ["x", "y"], Kind.CHOICE),
        ("Yes or No", True, None, Kind.YES_NO),
        ("Open", "heart", None, Kind.OPEN),
        ("numeric", "3", None, Kind.NUMBER),
    ],
)
def test_a_type_may_be_spelled_otherwise(
    folder: Path, written_type: str, answer: Any, options: list[str] | None, kind: Kind
) -> None:
    assert one(folder, OPEN, question_type=written_type, answer=answer, options=options)[0].kind is kind


@pytest.mark.parametrize(
    "options",
    [
        ["A. liver", "B. spleen"],
        ["(A) liver", "(B) spleen"],
        ["A) liver", "B) spleen"],
        ["a: liver", "b: spleen"],
        ["liver", "spleen"],
    ],
)
@pytest.mark.parametrize("answer", ["B", "b", "(B)", "B.", "spleen", "Spleen", "B. spleen", "(B) Spleen."])
def test_options_lose_their_letters_and_the_answer_becomes_one(folder: Path, options: list[str], answer: str) -> None:
    task, truth = one(folder, CHOICE, options=options, answer=answer)
    assert (task.options, task.letters, truth.answer) == (("liver", "spleen"), ("A", "B"), "B")


def test_an_option_that_looks_lettered_keeps_its_text(folder: Path) -> None:
    task, truth = one(folder, CHOICE, options=["E. coli", "S. aureus"], answer="S. aureus")
    assert (task.options, truth.answer) == (("E. coli", "S. aureus"), "B")
    assert one(folder, CHOICE, options=["B", "AB", "O"], answer="O")[1].answer == "C"


@pytest.mark.parametrize(
    ("answer", "word"), [("A", "no"), ("B", "yes"), ("Yes", "yes"), ("A. No", "no"), (False, "no")]
)
def test_a_yes_no_letter_becomes_its_word(folder: Path, answer: Any, word: str) -> None:
    task, truth = one(folder, YES_NO, options=["A. No", "B. Yes"], answer=answer)
    assert (task.options, truth.answer) == (("No", "Yes"), word)


def test_an_open_answer_may_have_several_spellings(folder: Path) -> None:
    truth = one(folder, OPEN, answer=["heart", " cœur ", "心"])[1]
    assert (truth.answer, truth.accepted) == ("heart", ("cœur", "心"))
    assert one(folder, OPEN, options=["A. heart", "B. lung"])[0].options == ()


@pytest.mark.parametrize("answer", [3, 2.5, "3", " -0.5 ", "1e3"])
def test_an_open_question_answered_by_a_number_is_one_for_a_number(folder: Path, answer: Any) -> None:
    task, truth = one(folder, OPEN, answer=answer, unit="mm", tolerance=0.1)
    assert task.kind is Kind.NUMBER
    assert float(truth.answer) == float(answer)
    assert (truth.unit, truth.tolerance) == ("mm", 0.1)


def test_a_segmentation_knows_its_mask_by_name_and_its_box(folder: Path) -> None:
    task, truth = one(folder, SEGMENTATION, options=["A. Sure.", "B. No liver tumor detected"], answer="A")
    assert task.options == ("Sure.", "No liver tumor detected")
    assert truth.answer == "A"
    assert truth.mask is not None
    assert truth.mask.box == (1, 2, 4, 5)
    assert (truth.boxes, truth.structures) == ((truth.mask.box,), {"liver tumor": truth.mask})


def test_several_masks_of_an_image_are_united(folder: Path) -> None:
    mask = one(folder, SEGMENTATION, mask_path=["mask.png", "other.png", "none.png"])[1].mask
    assert mask is not None
    assert (mask.area, mask.box) == (18, (1, 2, 10, 5))


def held(*boxes: tuple[float, float, float, float], size: tuple[int, int] = (12, 10)) -> list[dict[str, Any]]:
    return [Mask.of_box(box, size).to_json() for box in boxes]


def test_a_record_may_hold_its_masks_itself(folder: Path) -> None:
    whole, tumor = held((0, 0, 8, 8), (2, 2, 4, 5))
    raw = {**SEGMENTATION, "masks": {"liver": whole, "liver tumor": tumor}, "patient": "P1", "study": 4}
    del raw["mask_path"]
    task = load_tasks(str(written(folder, raw)))[0]
    truth = truth_of(task)
    assert truth.mask == Mask.of_box((2, 2, 4, 5), (12, 10))
    assert sorted(truth.structures) == ["liver", "liver tumor"]
    assert (task.meta["patient"], task.meta["study"]) == ("P1", 4)
    only = load_tasks(str(written(folder, {**raw, "masks": {"a tumour": tumor}})))[0]
    assert truth_of(only).mask == truth.mask, "a record's only mask is what is asked for"


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"masks": {"liver": "abc"}}, "no run lengths of COCO"),
        ({"masks": {"liver": {"size": [10, 12], "counts": "5"}}}, "no run lengths of COCO"),
        ({"masks": {"liver": held((0, 0, 2, 2))[0]}, "mask_path": "mask.png"}, "both masks and mask_path"),
        ({"masks": {name: held((0, 0, 2, 2))[0] for name in ("liver", "spleen")}}, "expected one of liver or spleen"),
        ({"masks": {"liver tumor": held((0, 0, 2, 2), size=(10, 12))[0]}}, "the mask is 10x12 and its image 12x10"),
        ({"masks": {"liver tumor": held((0, 0, 2, 2))[0]}, "slice": -1}, "slice: .* expected a whole number from 0"),
        (
            {"masks": {"liver tumor": held((0, 0, 2, 2))[0]}, "slice": 3},
            "there is no slice 3; expected one from 0 to 0",
        ),
    ],
)
def test_a_slip_in_masks_held_is_named(folder: Path, change: dict[str, Any], why: str) -> None:
    raw = {name: value for name, value in SEGMENTATION.items() if name != "mask_path"}
    with pytest.raises(InputError, match=f"(?s)record 1.*{why}"):
        load_tasks(str(written(folder, {**raw, **change})))[0]


@pytest.mark.parametrize("whose", ["patient", "study"])
def test_a_patient_or_study_in_two_splits_is_refused(folder: Path, whose: str) -> None:
    path = written(folder, {**OPEN, whose: "P1", "split": "train"}, {**OPEN, whose: "P1", "split": "test"})
    with pytest.raises(InputError, match=f"record 2.*its {whose} is in two splits, test here and train in .*record 1"):
        load_tasks(str(path))


def test_where_nothing_is_there_the_mask_is_empty(folder: Path) -> None:
    options = ["A. Sure.", "B. No liver tumor detected"]
    for paths in (None, [], "none.png"):
        truth = one(folder, SEGMENTATION, options=options, answer="B", mask_path=paths)[1]
        assert (truth.mask, truth.boxes, truth.answer) == (Mask.empty((12, 10)), (), "B")


@pytest.mark.parametrize(
    ("question", "target"),
    [
        ("Please segment the liver tumor in this CT.", "liver tumor"),
        ("Segment all of the neoplastic cells within the breast image", "neoplastic cells"),
        ("This is a CT. Find and segment the left lung. Answer with a mask.", "left lung"),
        ("Can you outline an aorta?", "aorta"),
        ("Where is the spleen?", "Where is the spleen"),
    ],
)
def test_the_target_is_taken_from_the_question(folder: Path, question: str, target: str) -> None:
    assert list(one(folder, SEGMENTATION, question=question)[1].structures) == [target]
    assert list(one(folder, SEGMENTATION, question=question, target="die Milz")[1].structures) == ["die Milz"]


def test_boxes_are_one_or_many_and_cut_to_the_image(folder: Path) -> None:
    assert one(folder, DETECTION)[1].boxes == ((1, 2, 5, 8),)
    boxes = [[1, 2, 5, 8], [-3, 0, 4.5, 99]]
    assert one(folder, DETECTION, boxes=None, bbox=boxes)[1].boxes == ((1, 2, 5, 8), (0, 0, 4.5, 10))
    assert one(folder, DETECTION, boxes=[])[1].boxes == ()
    assert one(folder, DETECTION, boxes=None, mask_path="mask.png")[1].boxes == ((1, 2, 4, 5),)


def test_a_question_may_carry_the_region_that_answers_it(folder: Path) -> None:
    truth = one(folder, CHOICE, mask_path="mask.png")[1]
    assert (truth.mask, truth.boxes, list(truth.structures)) == (None, ((1, 2, 4, 5),), ["spleen"])


def test_many_images_of_one_question_are_served_in_order(folder: Path) -> None:
    task = one(folder, OPEN, image_path=["image.png", str(folder / "turned.png")])[0]
    assert [image.size for image in task.images] == [(12, 10), (10, 12)]


def test_the_rest_is_kept_apart(folder: Path) -> None:
    task = one(folder, OPEN, modality="CT", source="BioMedParse", max_steps=6, data_type="vqa", note="x")[0]
    assert task.modality == "CT"
    assert task.meta == {"source": "BioMedParse", "max_steps": 6, "data_type": "vqa"}
    assert task.public().meta == {}


def test_ids_are_unique_though_question_ids_repeat_or_are_missing(folder: Path) -> None:
    keys = [1, 1, None, "a", "1#2", None, 1]
    raw = [{**OPEN, "question_id": key} for key in keys]
    ids = [task.id for task in Records(written(folder, *raw, name="ä b.json"))]
    assert ids == ["ä b/1", "ä b/1#2", "ä b/#3", "ä b/a", "ä b/1#2#2", "ä b/#6", "ä b/1#3"]


def test_lines_are_read_as_a_list_is_and_any_script_survives(folder: Path) -> None:
    raw = [{**OPEN, "question": "Où est\u2028le cœur ❤?"}, {**CHOICE, "question_id": "é"}]
    path = written(folder, *raw, name="set.jsonl")
    path.write_text("\ufeff" + path.read_text("utf-8").replace("\n", "\r\n\r\n") + "\n", "utf-8")
    tasks = Records(path)
    assert [task.question for task in tasks] == [one["question"] for one in raw]
    assert tasks[1].id == "set/é"


# Splits and kinds


def test_only_the_split_asked_for_is_served(folder: Path) -> None:
    names = ["train", "val", "TEST", "train", "dev"]
    path = written(folder, *({**OPEN, "question_id": i, "split": name} for i, name in enumerate(names)))
    served = {split: [task.id for task in Records(path, split)] for split in ("train", "valid", "test")}
    assert served == {"train": ["set/0", "set/3"], "valid": ["set/1", "set/4"], "test": ["set/2"]}
    assert [(task.split, task.index) for task in Records(path, "val")] == [
        ("validation", 0),
        ("validation", 1),
    ]


def test_a_file_without_splits_is_served_under_any_name(folder: Path) -> None:
    path = written(folder, OPEN)
    assert [Records(path, split)[0].split for split in ("train", "test")] == ["train", "test"]
    with pytest.raises(InputError, match=r"unknown split 'tset'. Did you mean 'test'"):
        Records(path, "tset")


def test_a_record_without_a_split_among_others_is_refused(folder: Path) -> None:
    with pytest.raises(InputError, match=r"record 2 \(question_id 7\): split is missing"):
        Records(written(folder, {**OPEN, "split": "train"}, OPEN))


def test_only_the_kinds_asked_for_are_served(folder: Path) -> None:
    path = written(folder, OPEN, CHOICE, YES_NO, CHOICE)
    assert [task.index for task in Records(path, kinds=(Kind.CHOICE,))] == [0, 1]
    assert len(load_tasks(str(path), kind=["choice", "open"])) == 3
    with pytest.raises(InputError, match="is of kind number; the file has 1 open, 2 choice, 1 yes_no, in splits: none"):
        Records(path, kinds=(Kind.NUMBER,))


def test_an_empty_split_is_refused_with_what_there_is(folder: Path) -> None:
    path = written(folder, {**OPEN, "split": "train"}, {**OPEN, "split": "val"}, {**OPEN, "split": "val"})
    with pytest.raises(InputError, match=r"no record of split 'test' .* in splits: 1 train, 2 validation"):
        Records(path, "test")


@pytest.mark.parametrize("index", [-1, 2, 99])
def test_an_index_out_of_range_is_an_index_error(folder: Path, index: int) -> None:
    with pytest.raises(IndexError, match="not from 0 to 1"):
        Records(written(folder, OPEN, CHOICE))[index]


# What is refused


@pytest.mark.parametrize(
    ("raw", "changes", "why"),
    [
        (CHOICE, {"question_type": None}, "question_type is missing; expected multiple choice, yes/no"),
        (
            CHOICE,
            {"question_type": "multiple chioce"},
            "unknown question_type .* Did you mean 'multiple choice'",
        ),
        (
            OPEN,
            {"question_type": "vqa"},
            "unknown question_type 'vqa'.* There are: detection, multiple choice",
        ),
        (CHOICE, {"question": None}, "question is missing; expected the question"),
        (CHOICE, {"question": 5}, "question: input should be a valid string; expected the question"),
        (CHOICE, {"options": None}, "there are 0 options; expected a list of two or more"),
        (CHOICE, {"options": ["A. liver"]}, "there are 1 options; expected a list of two or more"),
        (CHOICE, {"options": "liver"}, "options: input should be a valid list; expected a list of texts"),
        (CHOICE, {"options": ["B. liver", "A. spleen"]}, "options have the letters B, A; expected A, B"),
        (CHOICE, {"options": ["A. liver", "spleen"]}, "options have the letters A, none; expected A, B"),
        (CHOICE, {"options": ["A. liver", "C. spleen"]}, "options have the letters A, C; expected A, B"),
        (CHOICE, {"options": [f"text {i}" for i in range(27)]}, "options: list should have at most 26 items"),
        (CHOICE, {"answer": None}, "answer is missing; expected the letter or the text"),
        (CHOICE, {"answer": "C"}, "answer does not fit; expected the letter or the text of one"),
        (CHOICE, {"answer": "kidney"}, "answer does not fit; expected the letter or the text of one"),
        (CHOICE, {"answer": "A. spleen"}, "answer does not fit; expected the letter or the text of one"),
        (CHOICE, {"options": ["liver", "Liver"], "answer": "liver"}, "answer does not fit"),
        (CHOICE, {"answer": 1}, "answer does not fit; expected the letter or the text of one"),
        (YES_NO, {"answer": "maybe"}, "answer does not fit; expected yes or no"),
        (YES_NO, {"options": ["yes", "no", "maybe"]}, "the options of a yes/no question are others"),
        (OPEN, {"answer": []}, "answer does not fit; expected a text, or a list of texts"),
        (OPEN, {"answer": ["heart", " "]}, "answer does not fit; expected a text, or a list of texts"),
        (OPEN, {"answer": True}, "answer does not fit; expected a text"),
        (NUMBER, {"answer": "twelve"}, "answer does not fit; expected a number"),
        (NUMBER, {"answer": "12 mm"}, "answer does not fit; expected a number"),
        (NUMBER, {"answer": float("nan")}, "answer does not fit; expected a number"),
        (
            NUMBER,
            {"tolerance": -1},
            "tolerance: input should be greater than or equal to 0; expected a share",
        ),
        (SEGMENTATION, {"mask_path": None}, "mask_path is missing; expected the path of a mask"),
        (SEGMENTATION, {"mask_path": []}, "mask_path is missing; expected the path of a mask"),
        (
            SEGMENTATION,
            {"mask_path": "gone.png"},
            r"mask_path: no such file: .*gone\.png; expected a path relative",
        ),
        (SEGMENTATION, {"options": ["A. Sure.", "B. No"], "answer": "C"}, "answer does not fit"),
        (DETECTION, {"boxes": None}, r"boxes is missing; expected \[x1, y1, x2, y2\]"),
        (DETECTION, {"boxes": [1, 2, 3]}, r"boxes: .*; expected \[x1, y1, x2, y2\] in pixels"),
        (DETECTION, {"boxes": [[1, 2, 3, "x"]]}, r"boxes: .*; expected \[x1, y1, x2, y2\] in pixels"),
        (DETECTION, {"boxes": None, "bbox": 4}, r"boxes: .*; expected \[x1, y1, x2, y2\] in pixels"),
        (DETECTION, {"boxes": [5, 2, 1, 8]}, "a box is empty; expected .* x1 < x2"),
        (OPEN, {"image_path": None}, "image_path is missing; expected the path of an image"),
        (OPEN, {"image_path": []}, "image_path: list should have at least 1 item"),
        (
            OPEN,
            {"image_path": "gone.png"},
            r"image_path: no such file: .*gone\.png; expected a path relative",
        ),
        (OPEN, {"image_path": "a\0b"}, "image_path: no such file"),
        (OPEN, {"split": "tain"}, "unknown split 'tain'. Did you mean 'train'"),
    ],
)
def test_a_slip_is_named_with_its_record_and_what_was_expected(
    folder: Path, raw: dict[str, Any], changes: dict[str, Any], why: str
) -> None:
    changed = {name: value for name, value in {**raw, **changes}.items() if value is not None}
    path = written(folder, OPEN, {**changed, "question_id": "q-2"})
    with pytest.raises(InputError, match=rf"set\.json, record 2 \(question_id 'q-2'\): {why}"):
        Records(path)


def test_a_record_that_is_no_object_is_refused(folder: Path) -> None:
    with pytest.raises(InputError, match=r"record 2 \(question_id None\): expected an object, found str"):
        Records(written(folder, OPEN, "text"))


@pytest.mark.parametrize(
    ("name", "content", "why"),
    [
        ("set.json", b"", "not JSON: .* line 1, column 1"),
        ("set.json", b'[{"a": 1},\n oops]', "not JSON: .* line 2, column 2"),
        ("set.json", b"{}", "expected a list of records, found dict"),
        ("set.json", b"[]", "there are no records"),
        ("set.jsonl", b"\n\n", "there are no records"),
        ("set.jsonl", b'\n{"a": 1\n', r"set\.jsonl, line 2: not JSON"),
        ("set.json", b"\xff\xfe\x00", r"not readable as UTF-8"),
        ("set.json", b"[" * 100_000, "nested too deeply"),
    ],
)
def test_a_file_that_is_not_records_is_refused(folder: Path, name: str, content: bytes, why: str) -> None:
    (folder / name).write_bytes(content)
    with pytest.raises(InputError, match=why):
        Records(folder / name)


def test_a_missing_file_or_a_folder_is_refused(folder: Path) -> None:
    with pytest.raises(InputError, match=r"gone\.json: no such file"):
        Records(folder / "gone.json")
    with pytest.raises(InputError, match="not readable"):
        Records(folder)


@pytest.mark.parametrize(
    ("raw", "changes", "why"),
    [
        (OPEN, {"image_path": "text.png"}, r"text\.png: not an image that can be read"),
        (
            SEGMENTATION,
            {"mask_path": "turned.png"},
            r"turned\.png: the mask is 10x12 and its image 12x10 pixels",
        ),
        (SEGMENTATION, {"mask_path": ["mask.png", "text.png"]}, r"text\.png: not an image that can be read"),
        (DETECTION, {"boxes": [50, 50, 60, 60]}, "a box lies outside the image; expected boxes within 12x10"),
    ],
)
def test_a_bad_image_is_named_when_its_task_is_asked_for(
    folder: Path, raw: dict[str, Any], changes: dict[str, Any], why: str
) -> None:
    tasks = Records(written(folder, OPEN, {**raw, **changes}))
    assert tasks[0].images[0].size == (12, 10)
    with pytest.raises(InputError, match=rf"record 2 \(question_id 7\): .*{why}"):
        tasks[1]


# What costs, and what leaks


def test_making_it_again_parses_nothing_and_a_changed_file_is_read_again(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = written(folder, OPEN)
    first = Records(path)
    read = records._raw
    monkeypatch.setattr(records, "_raw", lambda path: pytest.fail("parsed again"))
    assert Records(path)[0] is first[0]
    monkeypatch.setattr(records, "_raw", read)
    written(folder, OPEN, CHOICE)
    assert len(Records(path)) == 2


def test_making_it_opens_no_image_and_a_mask_is_read_once(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[str] = []
    for name in ("open_image", "read_mask"):
        real_one = getattr(records, name)
        monkeypatch.setattr(records, name, lambda *a, _do=real_one: (read.append(Path(a[0]).name), _do(*a))[1])
    tasks = Records(written(folder, SEGMENTATION, OPEN))
    assert read == []
    assert tasks[0] is tasks[0]
    assert read == ["image.png", "mask.png"]


def test_what_an_agent_is_handed_holds_no_answer(folder: Path) -> None:
    task = one(folder, CHOICE, answer="spleen", options=["liver", "xyzzy", "spleen"], source="plugh")[0]
    public = pickle.dumps(task.public())
    assert b"plugh" not in public
    assert pickle.loads(public).truth is None
    held = pickle.dumps(task.images[0])
    assert b"spleen" not in held
    assert len(held) < 1000
    assert "truth" not in repr(task)


def test_records_travel_to_another_process(folder: Path) -> None:
    tasks = Records(written(folder, SEGMENTATION, OPEN))
    again = pickle.loads(pickle.dumps(tasks))
    assert [task.id for task in again] == [task.id for task in tasks]
    assert truth_of(again[0]).mask == truth_of(tasks[0]).mask


# The real cases


@real
def test_the_real_cases_load_as_they_are_described() -> None:
    tasks = load_tasks(str(CASES / "records.json"))
    found = [(task.kind.value, task.images[0].size, truth_of(task).answer) for task in map(tasks.__getitem__, range(9))]
    assert len(tasks) == 9
    assert found == [
        ("choice", (512, 512), "C"),
        ("segmentation", (512, 512), "A"),
        ("segmentation", (1024, 1024), "A"),
        ("segmentation", (1024, 1024), "A"),
        ("yes_no", (1024, 1024), "yes"),
        ("choice", (512, 512), "C"),
        ("choice", (1024, 1024), "B"),
        ("open", (512, 422), "heart"),
        ("open", (512, 512), "lung"),
    ]
    assert tasks[0].options[2] == "liver tumor"
    assert tasks[0].meta == {"source": "BioMedParse", "max_steps": 6, "data_type": "vqa"}
    assert tasks[7].images[0].spacing == (0.308, 0.308)
    assert tasks[8].images[0].spacing == (0.513671875, 0.513671875)


@real
@pytest.mark.parametrize(
    ("index", "name", "area", "box"),
    [
        (1, "liver tumor", 1070, (89, 293, 126, 331)),
        (2, "neoplastic cells", 186_992, (20, 4, 1024, 1024)),
        (3, "inflammatory cell", 6784, (676, 360, 760, 456)),
    ],
)
def test_the_real_masks_have_their_area_and_box(
    index: int, name: str, area: int, box: tuple[float, float, float, float]
) -> None:
    truth = truth_of(Records(CASES / "records.json")[index])
    assert truth.mask is not None
    assert (truth.mask.area, truth.mask.box, truth.boxes) == (area, box, (box,))
    assert truth.structures == {name: truth.mask}
